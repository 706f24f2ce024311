#pragma once
#include <openssl/evp.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "echo/loop.h"

// A request exactly as it arrived: nothing is merged, lower-cased or trimmed beyond the white space around values.
namespace sluice::echo {

using Fields = std::vector<std::pair<std::string_view, std::string_view>>;

struct Request {
  std::string_view method, target, version;
  Fields headers;
  enum class Framing { none, length, chunked } framing = Framing::none;
  std::uint64_t length = 0;
  bool keep_alive = true;
  bool expect_continue = false;

  // The first value of a name in any case; empty when there is none.
  std::string_view header(std::string_view name) const;
  bool has_token(std::string_view name, std::string_view token) const;
};

// Bytes of the head including the empty line, 0: not complete yet. `from`: how far an earlier call has looked.
std::size_t head_size(std::string_view buffer, std::size_t from);
// Views point into `head`. An empty string when fine, else what is wrong with it.
std::string_view parse(std::string_view head, Request& out);

// Reads a body piece by piece, hashing it. Memory stays flat however long it is.
class Body {
 public:
  Body(Stream& stream, const Request& request);
  // Reads to the end, at most `rate` bytes a second (0: as fast as they come). False: the connection broke or the
  // framing is wrong.
  Task<bool> read_all(std::uint64_t rate);
  std::uint64_t size() const { return size_; }
  bool finished() const { return finished_; }
  std::string sha256();
  const std::vector<std::pair<std::string, std::string>>& trailers() const { return trailers_; }

 private:
  void take(std::string_view piece);
  Task<bool> read_length(std::uint64_t left, std::uint64_t rate);
  Task<bool> read_chunked(std::uint64_t rate);
  Task<bool> line(std::string& out);
  Task<bool> pace(std::uint64_t rate);

  Stream& stream_;
  Request::Framing framing_;
  std::uint64_t length_;
  std::uint64_t size_ = 0;
  bool finished_ = false;
  Clock::time_point started_{};
  std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> hash_;
  std::vector<std::pair<std::string, std::string>> trailers_;
};

}  // namespace sluice::echo
