#include "base/log.h"
#include "base/strings.h"
#include "ops/admin/admin.h"
#include "ops/metrics/metrics.h"

namespace sluice::ops {

AdminPage metrics_page(Metrics& metrics) {
  AdminPage page;
  page.path = "/metrics";
  page.content_type = "text/plain; version=0.0.4; charset=utf-8";
  page.help = "metrics in the Prometheus text format";
  page.handler = [&metrics](const AdminRequest&) { return AdminResponse{200, metrics.scrape(), {}}; };
  page.readers = AdminReaders::everybody;
  page.slow = true;
  return page;
}

AdminPage log_level_page() {
  AdminPage page;
  page.path = "/log/level";
  page.content_type = "text/plain; charset=utf-8";
  page.help = "level of the program log; PUT or POST one of trace, debug, info, warn, error, critical, off";
  page.methods = {"GET", "PUT", "POST"};
  page.handler = [](const AdminRequest& request) -> AdminResponse {
    if (request.method != "PUT" && request.method != "POST") return {200, log::level() + "\n", {}};
    std::string wanted = request.body;
    while (!wanted.empty() && (wanted.back() == '\n' || wanted.back() == '\r')) wanted.pop_back();
    const std::string before = log::level();
    if (!log::set_level(wanted))
      return {
          400, "the level is none of trace, debug, info, warn, error, critical, off; it stays " + before + "\n", {}};
    log::warn("log level changed from {} to {} through the admin address, by {}", before, log::level(), request.peer);
    return {200, log::level() + "\n", {}};
  };
  return page;
}

}  // namespace sluice::ops
