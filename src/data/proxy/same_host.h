#pragma once
#include <string_view>

#include "data/exchange/exchange.h"
#include "data/proxy/on_behalf.h"
#include "data/routing/route_table.h"
#include "data/runtime/borrowed_memory.h"
#include "net/io/task.h"

// Another path of the host, asked on behalf of an exchange: the pod named it (elsewhere.h), or it says whether the
// request may come (filter/auth_request.cpp).
namespace sluice::data {

// Serves a request for `target` as if the client of `asker` had sent it with this method and without a body: routes,
// snippets and filters count as for any other, but it is neither counted nor logged. On the worker; `asker`, `to`, who
// gets the answer, and `target` outlive it.
class OfSameHost {
 public:
  OfSameHost(Exchange& asker, Downstream& to, net::http::Method method, std::string_view target);
  ~OfSameHost();
  OfSameHost(const OfSameHost&) = delete;
  OfSameHost& operator=(const OfSameHost&) = delete;

  // Until it is served. Whatever gives the asker up gives this up, too: the asker knows. Awaited once.
  net::Task<void> run();

  // Its routes and Clusters stay pinned for as long as this lives.
  Exchange& exchange() noexcept { return ex_; }

 private:
  Exchange& asker_;
  BorrowedMemory memory_;
  Exchange ex_;
  GivenUpWith given_up_;
};

// A sub-request (RequestView::main) leads to paths of the namespace of that request's route alone, be they wherever
// others have some at the host. Null: there is none for `path`, which is normalised. `doubt` says whether it is sure
// that it is the one that is returned. `host`: as RouteTable has it. Any thread.
const Route* find_of_same_host(const RequestView& main, const RouteTable& routes, std::string_view host,
                               std::string_view path, Doubt& doubt) noexcept;
inline constexpr const char* kNobodyToAsk = "auth_request names a path that its namespace does not have at the host";

}  // namespace sluice::data
