#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/texts.h"
#include "model/options.h"
#include "net/http/message.h"

namespace sluice::data {

// Is it one of the statuses that nginx's add_header and expires are for?
constexpr bool takes_added_fields(int status) noexcept {
  switch (status) {
    case 200:
    case 201:
    case 204:
    case 206:
    case 301:
    case 302:
    case 303:
    case 304:
    case 307:
    case 308:
      return true;
    default:
      return false;
  }
}

// Fields that we add to a response. One of ours stands in place of all of its name that the response has.
class ResponseFields {
 public:
  // A response that is about to be sent.
  struct Response {
    std::span<net::http::Field> fields;  // the pod's, or those of an answer of ours; marked when they are not sent
    bool from_pod;
    const model::Options& options;
    int status = 200;
  };
  // `ours`: where they are put; `texts`: room for values that are made, as it is when the head is written; `response`:
  // null where there is none yet, for explain.
  ResponseFields(std::vector<net::http::Field>& ours, Texts& texts, const Response* response) noexcept
      : ours_(ours), texts_(texts), response_(response) {}
  // Name and value live until the head is written. None of ours has the name yet.
  void set(std::string_view name, std::string_view value, net::http::Name id = net::http::Name::other);
  // Beside whatever has the name: for a field that a response may have several times, each with a value of its own.
  void add(std::string_view name, std::string_view value, net::http::Name id = net::http::Name::other);
  // As set(), unless one of ours has it: who comes first has the say.
  void set_if_free(std::string_view name, std::string_view value, net::http::Name id = net::http::Name::other);
  // As set(), in place of ours of the name as well.
  void replace(std::string_view name, std::string_view value, net::http::Name id = net::http::Name::other);
  // Those of the response and ours whose name begins with this go, whatever the case; a later step may set them again.
  void clear_all(std::string_view beginning);
  // Those of the response and ours go, and none of ours comes afterwards.
  void clear(std::string_view name, net::http::Name id = net::http::Name::other);
  // Those of the response go, and none of ours comes: not from a later step, nor from whoever writes the head. One that
  // ours have already stays.
  void drop(std::string_view name, net::http::Name id = net::http::Name::other);
  // An empty one, for a value.
  std::string& text() { return texts_.next(); }
  // Nobody knows what the client is to get of a pod's response: it gets a 500 instead. `why` is a literal, for logs.
  void give_up(const char* why) noexcept { undecided_ = why; }
  const char* undecided() const noexcept { return undecided_; }  // null: it is known
  const Response* response() const noexcept { return response_; }
  // Those that were set so far, and the names of dropped ones, marked as not sent.
  std::span<const net::http::Field> ours() const noexcept { return ours_; }

 private:
  bool taken(std::string_view name, net::http::Name id) const noexcept;
  void hide(std::string_view name, net::http::Name id) noexcept;

  std::vector<net::http::Field>& ours_;
  Texts& texts_;
  const Response* response_;
  const char* undecided_ = nullptr;
};

}  // namespace sluice::data
