#pragma once
#include <array>
#include <atomic>
#include <cstring>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/page_memory.h"
#include "base/texts.h"
#include "data/exchange/logged_values.h"
#include "data/exchange/program_state.h"
#include "data/exchange/request_view.h"
#include "data/exchange/streams.h"
#include "data/routing/route_table.h"
#include "net/http/message.h"
#include "sluice/record.h"

namespace sluice::net::tls {
class ClientCertificate;
}

namespace sluice::data {

class WorkerContext;
class View;
class AttemptInFlight;
class ClusterRuntime;
class DiskBody;

// Which time that all of a request may take has passed.
enum class PassedDeadline : std::uint8_t { none, call, request };  // grpc-timeout; request-timeout

// Room for a request head: 16 KiB, more when a head needs more. Bytes that nothing is written to cost no memory.
class HeadBuffer {
 public:
  HeadBuffer() noexcept {}
  char* data() noexcept { return more_ ? more_.get() : first_; }
  std::size_t size() const noexcept { return more_ ? more_size_ : sizeof first_; }
  // Room for `bytes` at least; keeps what is in it.
  void make_room(std::size_t bytes) {
    if (bytes <= size()) return;
    bytes = (bytes + kStep - 1) / kStep * kStep;
    auto next = std::make_unique_for_overwrite<char[]>(bytes);
    std::memcpy(next.get(), data(), size());
    more_size_ = bytes;
    more_ = std::move(next);
  }
  // One large head must not be remembered for ever.
  void shrink() noexcept { more_.reset(); }

 private:
  static constexpr std::size_t kStep = 4 * 1024;
  std::unique_ptr<char[]> more_;
  std::size_t more_size_ = 0;
  char first_[16 * 1024];
};

// The buffers of one exchange, lent by the worker from the first byte of a request until the connection is idle again.
// What every exchange uses comes first, and the head behind it: most touch one page of the five, and an unfinished
// head as many as it has bytes for.
struct ExchangeMemory : PageAllocated {
  ExchangeMemory() noexcept {}  // not defaulted: that would write zeros over all of it
  net::http::RequestHead request;
  net::http::ResponseHead response;
  std::vector<char> response_head;            // a response head that came in pieces
  std::string path;                           // normalised path when it differs from the target
  std::string target;                         // what goes upstream when that is not what came
  std::string host;                           // lower case, for matching
  std::string ahead;                          // what came behind a chunked body
  std::string collected;                      // a chunked request body, for a length
  std::string text;                           // the page of a local reply
  std::vector<std::uint32_t> tried;           // endpoints that this exchange asked, by EndpointLoad::id
  std::list<std::string> joined;              // field values put together
  Texts texts;                                // values made from variables
  std::vector<net::http::Field> added;        // fields of ours in the response
  std::vector<net::http::Field> set;          // fields that pods get instead of the client's; Exchange::set_for_pods
  std::vector<net::http::Field> vouched;      // Exchange::vouched
  std::vector<std::string_view> set_cookies;  // RequestView::set_cookies
  ProgramState program;                       // where its route has snippets
  LoggedValues logged;                        // what the log wants, where it wants something
  HeadBuffer in;                              // request head, and what came with it
};

// Who talks to us: set once for a connection, before its first request.
struct Peer {
  std::string address;       // text
  std::uint8_t bytes[16]{};  // IPv4-mapped
  std::uint16_t port = 0;
  std::uint16_t local_port = 0;
  int fd = -1;  // the connection, to ask the kernel about it
  bool tls = false;
  bool plain_on_tls = false;  // it speaks plain HTTP on a listener of TLS
  bool resumed = false;       // TLS goes on with a session of before
  std::string_view alpn;      // what TLS agreed on, a static text; empty: nothing, or there is no TLS
  std::uint64_t number = 0;   // of the connection, no two of the process alike
  Instant begun{};            // when it was accepted
  // Requests that have begun on it. Counted by serve(), for which a connection is otherwise as it was found.
  mutable std::uint32_t requests = 0;
  bool secured = false;  // by a certificate that was made for the name that the client asked for, not the default one
  // What the client showed by TLS; null: it was not asked for a certificate.
  std::shared_ptr<const net::tls::ClientCertificate> client;
  // What its PROXY header said; null: there was none. Where it is believed, address, bytes and port are the client's.
  std::unique_ptr<const ProxyHeaderRecord> proxy;
  // The port that the client connected to, when a believed PROXY header says it; else 0.
  std::uint16_t proxied_port() const noexcept { return proxy ? proxy->server_port : std::uint16_t{0}; }
};

// Whom nobody waits for any more.
inline constexpr Error kClientLeft{Fault::cancelled, Whose::downstream, Retry::no, 499, "the client left"};

// What the client showed by TLS, as far as the host of its request asks for certificates: another host's authorities
// say nothing here. Null: nothing.
const net::tls::ClientCertificate* shown_certificate(const RequestView& request) noexcept;

// Another path of the host that a pod names (X-Accel-Redirect), and the fields that go with what it answers.
struct Elsewhere {
  std::string target;  // path and query
  std::vector<std::pair<std::string, std::string>> fields;
};

// A pod's response that something else answers in place of: a Service of error pages, or a snippet.
struct Intercepted {
  std::uint16_t status = 0;
  // What it asks the client for, which goes on to it beside whatever is answered. The names live for ever.
  std::vector<std::pair<std::string_view, std::string>> challenges;
};

// One request and its response in flight. Owned by its connection; lives until the response was sent or given up.
struct Exchange : RequestView {
  Exchange(WorkerContext& w, Downstream& d, const Peer& p, ExchangeMemory& m)
      : RequestView(m.request), worker(w), down(d), peer(p), memory(m) {
    from = &p;
    so_far = &record;
  }
  // A twin of `of`, which outlives it: another try of the same request at the same time, with a head of an answer of
  // its own in `m`. It has what pods are told of the request, and nothing else of it.
  Exchange(const Exchange& of, ExchangeMemory& m);
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  WorkerContext& worker;
  Downstream& down;
  const Peer& peer;
  ExchangeMemory& memory;
  // try_until as it is `now`: while the client's body is waited for, it moves along.
  Instant try_due(Instant now) const noexcept {
    if (try_until == Instant::max() || !awaits_client) [[likely]]
      return try_until;
    return now + settings->try_timeout;
  }
  net::http::RequestHead& head() { return memory.request; }
  const net::http::RequestHead& head() const { return memory.request; }

  View* view = nullptr;  // pinned: routes and options as they were when the request was matched
  const model::Options* options = nullptr;
  const Plan* process = nullptr;                         // what holds for all requests; null: nothing
  const model::RouteSettings* settings = nullptr;        // of the route, or the defaults
  ClusterRuntime* cluster = nullptr;                     // pinned
  std::array<ClusterRuntime*, model::kRoles> further{};  // of the route, by role; pinned, null: there is none

  std::string_view target;    // path and query for the pod, from edit() on
  std::string_view pod_host;  // Host for the pod, likewise
  std::span<const net::http::Field>
      set_for_pods;  // fields that stand in place of the client's; empty values: none does
  std::span<const net::http::Field>
      vouched;                      // those of them that an authentication says; empty values: the client's go
  std::string_view client_address;  // after real-ip processing
  std::string_view forwarded_for;   // incoming list, joined
  std::string_view forwarded_host;  // incoming
  bool proxy_trusted = false;       // the peer is a proxy whose X-Forwarded-* fields and Forwarded are believed
  bool is_counted = false;          // what goes outside is, in place of being marked (UnderWay)
  std::string_view loop_mark;       // CDN-Loop to where it goes; empty: what the client sent of it, if anything
  char id_storage[32];
  char port_storage[8];

  // request body
  bool body_whole = false;  // body holds all of it: may be sent again
  std::string_view body;
  std::string_view trailers;        // of a whole one: it goes up chunked, with them behind it
  bool body_touched = false;        // some of a streamed body was taken: no further attempt
  std::uint64_t body_received = 0;  // bytes; of them record.request_length knows as they come

  Attempt* attempt = nullptr;            // the one under way, in whose record it is
  AttemptInFlight* in_flight = nullptr;  // the same, until note_outcome() has been told of it
  Instant tries_begun{};                 // when the first pod was chosen: proxy-next-upstream-timeout counts from here
  Instant try_begun{};                   // when its pod was chosen
  Instant asked{};                       // when it had a connection, and its request was sent
  Duration waited{};                     // for its turn at full endpoints, in all attempts
  bool hedged = false;                   // a second pod was asked beside the first one: it is not done again
  Instant try_until = Instant::max();    // when the head of an answer is due, as another pod may be asked then
  bool awaits_client = false;            // the next piece of its body: no pod is late meanwhile
  std::uint32_t tries = 0;               // attempts that count for proxy-next-upstream-tries, the present one included

  bool instead = false;                      // `cluster` is that of error pages, as the route's has no endpoints
  std::unique_ptr<Intercepted> intercepted;  // null: the pod's response is passed on
  bool of_ours = false;  // a request of our own: pods get what it says in set_for_pods, and no usual fields
  std::unique_ptr<Elsewhere> elsewhere;  // the pod named it: there is no answer yet; null: it did not
  ClusterRuntime* awaited_at = nullptr;  // counts it among those without the head of an answer; null: nobody does
  Exchange* asker = nullptr;             // on whose behalf this path of the host is asked (same_host.h); null: none
  bool for_error = false;                // it answers in place of an error: nothing answers in place of its own
  std::uint16_t error_status = 0;        // what the client gets then for a status; 0: that of the answer
  bool grpc = false;                     // a call of gRPC: both directions stream, and our answers are its own
  PassedDeadline passed = PassedDeadline::none;
  std::unique_ptr<BodyTransform> transform;
  std::unique_ptr<RequestCopy> copy;  // null: nobody else gets the request
  // Where limits of connections count it, until it is over: the first of them that are not null.
  std::array<std::atomic<std::uint64_t>*, 1 + model::SnippetLimits::kMostConnections> counted{};
  std::shared_ptr<DiskBody> on_disk;              // a whole body that is too long for memory; `body` is empty then
  const model::KeptConnections* keeps = nullptr;  // how its connection is kept; null: as the options say
  std::size_t coder_memory = 0;                   // bytes that the coding of its response takes
  std::size_t ahead_memory = 0;                   // bytes of its response that may lie here until the client takes them

  bool close_after = false;  // the connection ends with this exchange
  // It was refused for want of time, and not for the first that lack it: what its connection asks next may wait.
  bool comes_too_soon = false;
  bool tunnel = false;
  bool client_gone = false;
  std::optional<Error> given_up;               // by us, for no fault of either side: the deadline of draining
  std::optional<std::uint32_t> reset_code;     // of HTTP/2: what the side that failed said, for the other one
  bool pod_saw_it = false;                     // the last attempt may have sent something of the request
  net::Cancellable* waiting_on = nullptr;      // on the pod's side: to be given up when the client leaves
  bool recorded = false;                       // the record holds its own copies: head and memory are gone (tunnels)
  std::vector<std::string> kept;               // those copies
  std::shared_ptr<const WantedValues> wanted;  // by the log: one list from the beginning to the end; null: nothing
  std::unique_ptr<LoggedValues> logged;        // of `wanted`, where `recorded`
  std::string note;                            // particulars of a failure, for the operator
  ExchangeRecord record;
};

}  // namespace sluice::data
