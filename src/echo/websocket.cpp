#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "echo/connection.h"

// RFC 6455, the server's side of an echo: every frame comes back unmasked, fragments stay fragments.
namespace sluice::echo {

namespace {
constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr std::size_t kPiece = 64 * 1024;
constexpr int kClose = 8, kPing = 9, kPong = 10;

struct Frame {
  bool fin = true;
  int opcode = 0;
  std::uint64_t size = 0;
  std::array<unsigned char, 4> mask{};
};

Task<bool> need(Stream& stream, std::size_t bytes) {
  while (stream.buffered().size() < bytes) {
    bool more = co_await stream.fill(kPiece);
    if (!more) co_return false;
  }
  co_return true;
}

// False: the connection ended, or the peer is not allowed to say this (an unmasked or reserved frame).
Task<bool> read_frame(Stream& stream, Frame& f) {
  bool there = co_await need(stream, 2);
  if (!there) co_return false;
  auto byte = [&](std::size_t i) { return static_cast<unsigned char>(stream.buffered()[i]); };
  f.fin = (byte(0) & 0x80) != 0;
  f.opcode = byte(0) & 0x0f;
  bool masked = (byte(1) & 0x80) != 0;
  if ((byte(0) & 0x70) != 0 || !masked) co_return false;
  f.size = byte(1) & 0x7f;
  std::size_t extra = f.size == 126 ? 2 : f.size == 127 ? 8 : 0;
  there = co_await need(stream, 2 + extra + 4);
  if (!there) co_return false;
  if (extra > 0) {
    f.size = 0;
    for (std::size_t i = 0; i < extra; ++i) f.size = f.size << 8 | byte(2 + i);
  }
  for (std::size_t i = 0; i < 4; ++i) f.mask[i] = byte(2 + extra + i);
  stream.consume(2 + extra + 4);
  co_return f.opcode < kClose || (f.size <= 125 && f.fin);
}

std::string frame_head(const Frame& f, int opcode) {
  std::string out;
  out += static_cast<char>((f.fin ? 0x80 : 0) | opcode);
  int width = f.size < 126 ? 0 : f.size < 65536 ? 2 : 8;
  out += static_cast<char>(width == 0 ? f.size : width == 2 ? 126 : 127);
  for (int i = width - 1; i >= 0; --i) out += static_cast<char>(f.size >> (8 * i) & 0xff);
  return out;
}
}  // namespace

std::string websocket_accept(std::string_view key) {
  std::string text(key);
  text += kGuid;
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha1(), nullptr);
  unsigned char encoded[EVP_MAX_MD_SIZE * 2];
  int n = EVP_EncodeBlock(encoded, digest, static_cast<int>(size));
  return {reinterpret_cast<char*>(encoded), static_cast<std::size_t>(n)};
}

Task<bool> echo_frames(Stream& stream) {
  for (;;) {
    Frame f;
    bool there = co_await read_frame(stream, f);
    if (!there) co_return false;
    std::string out = frame_head(f, f.opcode == kPing ? kPong : f.opcode);
    const bool silent = f.opcode == kPong;
    std::uint64_t at = 0;
    do {
      auto n = static_cast<std::size_t>(std::min<std::uint64_t>(f.size - at, stream.buffered().size()));
      for (std::size_t i = 0; i < n; ++i, ++at)
        out += static_cast<char>(static_cast<unsigned char>(stream.buffered()[i]) ^ f.mask[at % 4]);
      stream.consume(n);
      bool up = silent || co_await stream.write(out);
      if (!up) co_return false;
      out.clear();
      if (at < f.size) {
        up = co_await stream.fill(kPiece);
        if (!up) co_return false;
      }
    } while (at < f.size);
    if (f.opcode == kClose) co_return true;
  }
}

}  // namespace sluice::echo
