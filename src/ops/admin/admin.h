#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

// The admin address: health, metrics and pages for operators, on its own threads, so that neither the control thread
// nor a worker can delay them. Probes and metrics are for everybody who reaches it; docs/admin.md says who else may
// what.
namespace sluice::ops {

class Metrics;

struct AdminRequest {
  std::string method, path, query, body;  // body at most 64 KiB
  std::string peer;                       // "127.0.0.1:43121", for the log
};

struct AdminResponse {
  unsigned status = 200;
  std::string body;
  std::string content_type;  // empty: the page's
};

// Who may see a page. A method other than GET and HEAD changes something: it needs loopback or the token in any case.
enum class AdminReaders : std::uint8_t {
  everybody,  // by GET and HEAD, under any Host and Origin: probes and scrapers
  operators,  // everybody but web pages and those who call us by a name that is not ours
  trusted,    // it shows objects of all tenants: loopback or the token, or as AdminAccessSettings::pages says
};

// A row of the handler table.
struct AdminPage {
  std::string path;          // "/healthz"; compared whole
  std::string content_type;  // "text/plain; charset=utf-8"
  std::string help;          // one sentence for the listing at /
  std::function<AdminResponse(const AdminRequest&)> handler;
  std::vector<std::string> methods{"GET"};  // GET implies HEAD
  AdminReaders readers = AdminReaders::operators;
  bool slow = false;  // may take more than a millisecond: runs beside the others, one at a time
};

enum class TrustedPages : std::uint8_t { guarded, open, off };  // off: they are not there

struct AdminAccessSettings {
  std::string token_file;          // whose bearer is trusted; empty: none
  std::vector<std::string> hosts;  // names in Host that are ours, beside addresses and localhost
  TrustedPages pages = TrustedPages::guarded;
  bool trust_loopback = true;  // false: the token alone opens, as where others share the network
};

class AdminServer {
 public:
  struct Limits {
    unsigned connections = 64;
    unsigned seconds = 10;  // to read a request, to write a response, to wait for the next request
  };
  // `address`: "127.0.0.1:10254", "[::1]:0", ":10254" (all addresses). Serves at once. Handlers are called by the
  // admin threads, fast pages and slow pages each one at a time; an exception of one answers 500.
  // Throws std::runtime_error naming the address when it cannot listen there, or the setting of `access` that is wrong.
  static std::unique_ptr<AdminServer> start(const std::string& address, std::vector<AdminPage> pages,
                                            AdminAccessSettings access, Limits limits);
  static std::unique_ptr<AdminServer> start(const std::string& address, std::vector<AdminPage> pages,
                                            AdminAccessSettings access = {});
  virtual ~AdminServer() = default;  // closes everything and joins
  // "127.0.0.1:43121": what a port 0 became.
  virtual std::string bound_address() const = 0;
};

// Pages whose content ops knows by itself.
AdminPage metrics_page(Metrics& metrics);
AdminPage log_level_page();  // GET shows, PUT and POST set the level of the program log

}  // namespace sluice::ops
