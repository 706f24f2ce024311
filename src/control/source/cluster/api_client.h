#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "control/source/cluster/access.h"

// HTTP to a Kubernetes API server: one connection, one request at a time. The thread of its io_context, never a
// worker's.
namespace sluice::control::cluster {

// An answer that is not what was asked for, or none. what() says which request and why, for the log.
struct ApiError : std::runtime_error {
  ApiError(unsigned answered, std::string why, Duration wait = {})
      : std::runtime_error(std::move(why)), status(answered), retry_after(wait) {}
  unsigned status;       // of HTTP (or of a Status object inside a watch); 0: the connection failed
  Duration retry_after;  // the server's wish, 0 when it has none
  bool refused = false;  // nobody listens there
};

// What was thrown while `doing` something, as an ApiError in any case.
ApiError failure_of(const std::exception& thrown, const std::string& doing);

// A text as the value of a query.
std::string query_value(std::string_view text);

class ApiClient {
 public:
  // How long connecting, sending and each wait for bytes of an answer may take.
  static constexpr auto kConnect = std::chrono::seconds(10);
  static constexpr auto kAnswer = std::chrono::seconds(30);
  static constexpr std::size_t kMaxBody = 256U << 20;  // of one answer, decompressed

  // Everything must outlive the client. `credentials` is asked before each connection. `answer`: in place of kAnswer.
  // `may`: asked as the last thing before the bytes of send() leave, which a connection that had to be made first has
  // put off; where it says no, nothing is sent and an ApiError says so. Empty: always.
  ApiClient(boost::asio::io_context& io, const Access& access, Credentials& credentials, Duration answer = kAnswer,
            std::function<bool()> may = {});
  ~ApiClient();
  ApiClient(const ApiClient&) = delete;
  ApiClient& operator=(const ApiClient&) = delete;

  // The body of GET `target` (a path below the server's base path, with its query).
  boost::asio::awaitable<std::string> get(std::string target);
  // Hands on the body of GET `target` line by line until the server ends it; an empty line comes first, as soon as the
  // server agrees. `silence`: how long nothing may come. Throws what `line` throws.
  boost::asio::awaitable<void> lines(std::string target, Duration silence, std::function<void(std::string_view)> line);
  // Sends a body and returns the answer's.
  boost::asio::awaitable<std::string> send(std::string method, std::string target, std::string content_type,
                                           std::string body);
  // Ends what is under way with an error. Any thread of the io_context.
  void close() noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sluice::control::cluster
