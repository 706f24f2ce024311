#include <algorithm>
#include <string>

#include "base/strings.h"
#include "net/h1/parser.h"
#include "net/h1/scan.h"
#include "net/http/trailers.h"

namespace sluice::net::h1 {
namespace {

constexpr std::uint8_t kMostDigits = 15;
constexpr std::uint16_t kMostExtension = 256;
constexpr std::uint32_t kMostExtensions = 4096;
using http::kMostTrailerFields;
using http::kMostTrailers;

int hex(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

struct ChunkedDecoder::Trailers {
  std::string line;   // the one being read, without CRLF
  std::string lines;  // kept ones, each with CRLF
  std::size_t bytes = 0;
  unsigned count = 0;
};

ChunkedDecoder::~ChunkedDecoder() {
  delete trailers_;
}

void ChunkedDecoder::reset() noexcept {
  delete trailers_;
  trailers_ = nullptr;
  state_ = State::size_first;
  extension_ = Extension::name_first;
  too_large_ = false;
  damage_ = "";
  digits_ = 0;
  extension_bytes_ = 0;
  extension_total_ = 0;
  left_ = 0;
}

std::string_view ChunkedDecoder::trailers() const noexcept {
  return trailers_ ? std::string_view(trailers_->lines) : std::string_view{};
}

std::unexpected<Error> ChunkedDecoder::fail() const noexcept {
  if (whose_ == Whose::downstream) return refuse(too_large_ ? 431 : 400, damage_);
  return refuse_upstream(damage_, too_large_ ? Fault::too_large : Fault::malformed);
}

Result<ChunkedDecoder::Step> ChunkedDecoder::step(std::string_view in) {
  Step out;
  if (state_ == State::failed) return fail();
  while (out.consumed < in.size() && state_ != State::done) {
    if (state_ == State::data) {
      if (!out.data.empty()) return out;
      const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(left_, in.size() - out.consumed));
      out.data = in.substr(out.consumed, take);
      out.consumed += take;
      left_ -= take;
      if (left_ == 0) state_ = State::data_cr;
      continue;
    }
    if (const char* why = framing_byte(in[out.consumed])) {
      damage_ = why;
      state_ = State::failed;
      return out.data.empty() ? Result<Step>(fail()) : out;
    }
    ++out.consumed;
  }
  out.done = state_ == State::done;
  return out;
}

const char* ChunkedDecoder::framing_byte(char c) {
  switch (state_) {
    case State::size_first:
    case State::size:
      if (const int digit = hex(c); digit >= 0) {
        if (digits_ == kMostDigits) return "chunk: a size of more than 15 digits";
        ++digits_;
        left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
        state_ = State::size;
        return nullptr;
      }
      if (state_ == State::size_first) return "chunk: does not start with a size";
      if (c == '\r') {
        state_ = State::size_lf;
        return nullptr;
      }
      if (c != ';') return "chunk: a byte behind the size that is neither CRLF nor an extension";
      state_ = State::extension;
      extension_ = Extension::name_first;
      extension_bytes_ = 0;
      return nullptr;
    case State::extension:
      return extension_byte(c);
    case State::size_lf:
      return c == '\n' ? size_line_end() : "chunk: the size line does not end with CRLF";
    case State::data_cr:
      if (c != '\r') return "chunk: more data than its size, or no CRLF behind it";
      state_ = State::data_lf;
      return nullptr;
    case State::data_lf:
      if (c != '\n') return "chunk: a CR behind the data that no LF follows";
      state_ = State::size_first;
      digits_ = 0;
      left_ = 0;
      return nullptr;
    case State::trailer:
    case State::trailer_line:
    case State::trailer_lf:
    case State::end_lf:
      return trailer_byte(c);
    case State::data:
    case State::done:
    case State::failed:
      break;
  }
  return "chunked: nothing is expected";
}

const char* ChunkedDecoder::size_line_end() {
  state_ = left_ == 0 ? State::trailer : State::data;
  return nullptr;
}

// chunk-ext of RFC 9112 section 7.1.1, without the white space that a sender must not write.
const char* ChunkedDecoder::extension_byte(char c) {
  constexpr const char* kWrong = "chunk: an extension that is not name or name=value";
  const bool token = kToken[byte(c)] != 0;
  switch (extension_) {
    case Extension::name_first:
      if (!token) return kWrong;
      extension_ = Extension::name;
      break;
    case Extension::value_first:
      if (!token && c != '"') return kWrong;
      extension_ = token ? Extension::value : Extension::quoted;
      break;
    case Extension::quoted:
      if (is_control(c) && c != '\t') return kWrong;
      if (c == '"') extension_ = Extension::quoted_end;
      if (c == '\\') extension_ = Extension::escaped;
      break;
    case Extension::escaped:
      if (is_control(c) && c != '\t') return kWrong;
      extension_ = Extension::quoted;
      break;
    case Extension::name:
    case Extension::value:
    case Extension::quoted_end:
      if (c == '\r') {
        state_ = State::size_lf;
        return nullptr;
      }
      if (c == ';') {
        extension_ = Extension::name_first;
      } else if (c == '=' && extension_ == Extension::name) {
        extension_ = Extension::value_first;
      } else if (!token || extension_ == Extension::quoted_end) {
        return kWrong;
      }
      break;
  }
  if (++extension_bytes_ > kMostExtension) return "chunk: extensions of more than 256 bytes";
  if (++extension_total_ > kMostExtensions) return "chunk: extensions of more than 4 KiB in one message";
  return nullptr;
}

const char* ChunkedDecoder::trailer_byte(char c) {
  switch (state_) {
    case State::trailer:
      if (c == '\r') {
        state_ = State::end_lf;
        return nullptr;
      }
      if (!trailers_) trailers_ = new Trailers;
      state_ = State::trailer_line;
      [[fallthrough]];
    case State::trailer_line:
      if (c == '\r') {
        state_ = State::trailer_lf;
        return nullptr;
      }
      if (is_control(c) && c != '\t') return "trailer: a control byte, or a line that ends with LF alone";
      if (trailers_->bytes == kMostTrailers) {
        too_large_ = true;
        return "trailer: more than 8 KiB";
      }
      ++trailers_->bytes;
      trailers_->line.push_back(c);
      return nullptr;
    case State::trailer_lf:
      if (c != '\n') return "trailer: a CR that no LF follows";
      return end_trailer_line();
    default:
      if (c != '\n') return "chunked: the last CR is not followed by LF";
      state_ = State::done;
      return nullptr;
  }
}

const char* ChunkedDecoder::end_trailer_line() {
  auto& t = *trailers_;
  if (t.count == kMostTrailerFields) {
    too_large_ = true;
    return "trailer: more than 64 fields";
  }
  ++t.count;
  t.line += "\r\n";
  http::Field field;
  unsigned seen = 0;
  const char* why = nullptr;
  if (!read_field(t.line.data(), t.line.data() + t.line.size(), field, seen, why)) return why;
  if (seen == kPlain && http::allowed_in_trailers(field.name))
    t.lines.append(field.name).append(": ").append(field.value).append("\r\n");
  t.line.clear();
  state_ = State::trailer;
  return nullptr;
}

}  // namespace sluice::net::h1
