#include "net/h1/body.h"

#include <algorithm>
#include <cstring>

namespace sluice::net::h1 {

void BodyDecoder::start(http::Framing framing, std::uint64_t length) noexcept {
  framing_ = framing;
  left_ = length;
  done_ = framing == http::Framing::none || (framing == http::Framing::length && length == 0);
  chunked_.reset();  // for every framing: trailers of the last message end here
}

Result<BodyDecoder::Piece> BodyDecoder::take(char* bytes, std::size_t size) {
  if (done_) return Piece{{}, 0, true};
  if (framing_ == http::Framing::until_close) return Piece{{bytes, size}, size, false};
  if (framing_ == http::Framing::length) {
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(left_, size));
    left_ -= n;
    done_ = left_ == 0;
    return Piece{{bytes, n}, n, done_};
  }
  std::size_t in = 0, out = 0;
  while (in < size || size == 0) {
    auto step = chunked_.step({bytes + in, size - in});
    if (!step) return std::unexpected(step.error());
    if (!step->data.empty()) {
      std::memmove(bytes + out, step->data.data(), step->data.size());
      out += step->data.size();
    }
    in += step->consumed;
    if (step->done) {
      done_ = true;
      break;
    }
    if (step->consumed == 0) break;
  }
  return Piece{{bytes, out}, in, done_};
}

Status BodyDecoder::end_of_file() noexcept {
  if (done_) return {};
  if (framing_ == http::Framing::until_close) {
    done_ = true;
    return {};
  }
  return std::unexpected(Error{Fault::closed, whose_, Retry::no, 0, "the connection ended inside a body"});
}

}  // namespace sluice::net::h1
