#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "net/h1/parser.h"
#include "net/http/message.h"

namespace sluice::net::h1 {

// The end of one body, for either side: tells body bytes from what comes after them.
class BodyDecoder {
 public:
  explicit BodyDecoder(Whose whose) noexcept : whose_(whose), chunked_(whose) {}
  void start(http::Framing framing, std::uint64_t length) noexcept;

  struct Piece {
    std::string_view data;     // body bytes, moved together at the begin of the input
    std::size_t consumed = 0;  // input bytes that belong to this message
    bool done = false;
  };
  // Decodes in place: `bytes` is overwritten. Consumes all of it unless the body ends inside.
  Result<Piece> take(char* bytes, std::size_t size);
  // The peer ended: fine for until_close, an error for the rest.
  Status end_of_file() noexcept;
  bool done() const noexcept { return done_; }
  // Bytes still to come when that is known, else 0.
  std::uint64_t left() const noexcept { return framing_ == http::Framing::length ? left_ : 0; }
  http::Framing framing() const noexcept { return framing_; }
  std::string_view trailers() const noexcept { return chunked_.trailers(); }

 private:
  Whose whose_;
  http::Framing framing_ = http::Framing::none;
  std::uint64_t left_ = 0;
  bool done_ = true;
  ChunkedDecoder chunked_;
};

}  // namespace sluice::net::h1
