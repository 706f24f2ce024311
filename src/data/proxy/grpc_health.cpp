#include "data/proxy/grpc_health.h"

#include <cstdint>

namespace sluice::data {

namespace {

void append_frame(std::string& out, std::size_t size) {
  out += '\0';  // not compressed
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(size >> shift & 0xff);
}

// Of protobuf: seven bits a byte, the least first.
std::optional<std::uint64_t> take_varint(std::string_view& bytes) noexcept {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (bytes.empty()) return std::nullopt;
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

bool skip(std::string_view& bytes, std::uint64_t size) noexcept {
  if (size > bytes.size()) return false;
  bytes.remove_prefix(static_cast<std::size_t>(size));
  return true;
}

}  // namespace

std::string grpc_health_question(std::string_view service) {
  std::string message;
  if (!service.empty()) {
    message += '\x0a';  // field 1, a string
    if (service.size() >= 0x80) {
      message += static_cast<char>((service.size() & 0x7f) | 0x80);
      message += static_cast<char>(service.size() >> 7);
    } else {
      message += static_cast<char>(service.size());
    }
    message += service;
  }
  std::string out;
  append_frame(out, message.size());
  return out + message;
}

std::optional<std::uint64_t> grpc_health_answer(std::string_view bytes) noexcept {
  if (bytes.size() < 5 || bytes.front() != '\0') return std::nullopt;
  std::uint64_t size = 0;
  for (std::size_t i = 1; i < 5; ++i) size = size << 8 | static_cast<unsigned char>(bytes[i]);
  bytes.remove_prefix(5);
  if (size != bytes.size()) return std::nullopt;
  std::uint64_t status = 0;
  while (!bytes.empty()) {
    const auto tag = take_varint(bytes);
    if (!tag || *tag >> 3 == 0) return std::nullopt;
    bool whole = true;
    switch (*tag & 7) {
      case 0: {
        const auto value = take_varint(bytes);
        whole = value.has_value();
        if (whole && *tag >> 3 == 1) status = *value;
        break;
      }
      case 1:
        whole = skip(bytes, 8);
        break;
      case 2: {
        const auto length = take_varint(bytes);
        whole = length && skip(bytes, *length);
        break;
      }
      case 5:
        whole = skip(bytes, 4);
        break;
      default:
        whole = false;
    }
    if (!whole) return std::nullopt;
  }
  return status;
}

}  // namespace sluice::data
