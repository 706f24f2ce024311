#pragma once
#include <memory>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "net/http/grammar.h"
#include "net/http/message.h"

// The head of an HTTP/2 request as every other version's: RFC 9113 section 8.3, judged as strictly as net/h1 does.
namespace sluice::net::h2 {

struct HeadRules {
  std::size_t line = 8192;   // :path, and each field: more is 414 or 431
  std::size_t head = 32768;  // all names and values; more: 431
  std::size_t fields = 100;
  bool underscores = false;
  bool ignore_invalid_names = true;
};

// Collects the fields of one block into a RequestHead. nghttp2 has checked names, pseudo-fields and connection-specific
// fields by RFC 9113 sections 8.2 and 8.3 before.
class RequestHeadReader {
 public:
  // `buffer` takes the bytes that the views of `out` point to; when it is too small, memory of the reader does. Both
  // must live until the exchange is over. `out` is cleared.
  RequestHeadReader(const HeadRules& rules, char* buffer, std::size_t size, http::RequestHead& out) noexcept;
  // False: enough was seen to refuse it; finish() says why.
  bool add(std::string_view name, std::string_view value);
  // `ended`: no body follows. An error with status 0 means that the request is malformed (section 8.1.1): its stream is
  // reset with PROTOCOL_ERROR. Others have the status to answer with.
  // An extended CONNECT for a websocket (RFC 8441) becomes the GET with Upgrade that it stands for.
  Status finish(bool ended);

 private:
  std::string_view keep(std::string_view text);
  void make_room(std::size_t bytes);
  bool refuse_with(Error e) noexcept;
  bool pseudo(std::string_view name, std::string_view value);
  bool cookie(std::string_view value);
  Status method();
  Status authority();
  Status path();

  HeadRules rules_;
  char* buffer_;
  std::size_t size_, used_ = 0;
  std::unique_ptr<char[]> more_;
  http::RequestHead& out_;
  std::size_t bytes_ = 0;  // as RFC 9113 section 6.5.2 counts them
  std::string_view scheme_, authority_, host_, protocol_;
  std::optional<std::size_t> cookie_;  // which field it is
  bool has_length_ = false, has_authorization_ = false, two_hosts_ = false;
  http::Expectations expected_;
  Status refused_{};
};

}  // namespace sluice::net::h2
