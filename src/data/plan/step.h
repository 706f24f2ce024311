#pragma once
#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "data/exchange/request_view.h"
#include "data/exchange/response_fields.h"
#include "data/exchange/streams.h"
#include "model/model.h"
#include "net/io/task.h"

// What a feature of the request's path is made of. Each is one file of data/filter that declares its Row; order.cpp
// there lists the rows. Who asks steps knows none of them.
namespace sluice::data {

// Statuses that nginx answers by closing the connection.
constexpr bool is_silent(std::uint16_t status) noexcept {
  return status == 444 || status == 499;
}

// An answer of our own. proxy/local_reply.cpp sends it.
struct LocalReply {
  std::uint16_t status = 0;
  std::string location{};                       // Location; empty: none
  const char* why = "";                         // for logs and explain: why this is answered here
  std::string_view detail{};                    // for explain: more of that; lives as long as the request
  bool close = false;                           // the connection ends with it
  bool gave_up = false;                         // a pattern took too many steps
  std::optional<bool> ours{};                   // it is told as a failure of ours; nothing: from 500 on
  bool silent = false;                          // none is sent: the connection, or the stream, ends without a byte
  std::optional<std::string> body{};            // nothing: a page that names the status
  std::string_view content_type = "text/html";  // of the page, or of a body that is not empty
  std::vector<std::pair<std::string_view, std::string>> fields{};  // further ones; the names live for ever
  bool alone = false;  // no page and no error_page stands in for it, as nginx has a code of its own for it
  std::chrono::seconds retry_after{};  // when it may be worth while to ask again; 0: it is not said
};

// When a step has its say. Phases follow each other as they stand here.
enum class Phase : std::uint8_t {
  answer,   // may answer, whether or not there is a pod: redirects, preflights
  guard,    // may answer once there is one: who may come
  copy,     // who else gets the request, once a pod does
  respond,  // what every response carries, ours and the pod's
  body,     // what both bodies run through
  encode,   // in which form the response's body is sent
};
inline constexpr std::size_t kPhases = 6;
using Phases = std::uint8_t;  // a bit each
template <class... P>
constexpr Phases in(P... phases) noexcept {
  return static_cast<Phases>(((1U << static_cast<unsigned>(phases)) | ...));
}

// What one feature does for the routes that share a Plan. Immutable, used by all workers at once; it holds no state.
// decide() and respond() are pure: explain and tests call them for requests that were never received.
class Step {
 public:
  virtual ~Step() = default;
  // Phases answer and guard: the answer, or nothing, and the request goes on. At most 200 ns, and it allocates nothing
  // for a request that goes on.
  virtual std::optional<LocalReply> decide(const RequestView&) const { return std::nullopt; }
  // Phase guard, of a request that decide() let pass: can only wait() tell whether it may go on? Pure, as cheap.
  virtual bool waits(const RequestView&) const { return false; }
  // Of those guards some can tell at once, though not without an effect: what the request costs its client is charged
  // to it, and who has spent too much is refused. Then charge() is called in place of wait(), and allocates nothing for
  // a request that goes on.
  virtual bool charges() const noexcept { return false; }
  virtual std::optional<LocalReply> charge(Exchange&) const { return std::nullopt; }
  // What charge() goes by, for explain.
  virtual std::string charged(const RequestView&) const { return {}; }
  // The answer, or nothing. On the worker; what blocks runs aside (proxy/aside.h). Errors end the exchange: the client
  // left, its deadline has passed, nobody could tell. The Step and what the exchange has pinned stay meanwhile.
  virtual net::Task<Result<std::optional<LocalReply>>> wait(Exchange&) const {
    co_return Result<std::optional<LocalReply>>{};
  }
  // What wait() would say, for explain: it may take long, and has no effect on anything.
  virtual std::optional<LocalReply> decide_at_length(const RequestView&) const { return std::nullopt; }
  // Phase copy: null when this exchange is not concerned.
  virtual std::unique_ptr<RequestCopy> copy(Exchange&) const { return nullptr; }
  // Whom wait() asks or copy() copies to, for explain: "http://…"; empty: nobody outside of this process, and
  // decide_at_length() knows.
  virtual std::string asks(const RequestView&) const { return {}; }
  // Phase guard, for TLS that is passed through: may a client of this address come at all?
  virtual bool admits(const std::array<std::uint8_t, 16>&) const { return true; }
  // Phase respond.
  virtual void respond(const RequestView&, ResponseFields&) const {}
  // Phase body: null when this exchange is not concerned. It may change the head of the request.
  virtual std::unique_ptr<BodyTransform> transform(Exchange&) const { return nullptr; }
  // Phase encode, of pods' responses and of ours, before the head is written: what is read instead of `body`, or null
  // where that is sent as it is. It may change the head, and does so for HEAD too, where there is nothing to read.
  virtual std::unique_ptr<BodySource> encode(Exchange&, ResponseStart&, BodySource& /*body*/) const { return nullptr; }
};
using StepPtr = std::shared_ptr<const Step>;

// What a route asks for, as far as Plans go: routes with equal needs share one.
struct Needs {
  const model::RouteSettings& settings;
  bool to_https = false;  // plain requests are redirected: ssl-redirect and the host's TLS, or force-ssl-redirect
};

// A feature. Both functions return null where it is not used, and may be null themselves.
struct Row {
  std::string_view name;
  Phases phases;  // of in()
  StepPtr (*of_route)(const Needs&) = nullptr;
  // For all requests, those too that no route takes, before anything of a route. `secured`: by TLS with a certificate
  // that was made for the name (not the default one).
  StepPtr (*of_process)(const model::Options&, bool secured) = nullptr;
};

}  // namespace sluice::data
