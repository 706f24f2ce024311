#pragma once
#include <string>
#include <vector>

#include "control/control.h"
#include "ops/admin/admin.h"

// The command line of `sluice serve`, after flags, environment and configuration file were put together.
namespace sluice::app {

struct ServeOptions {
  control::Settings control;
  control::WebhookSettings webhook;
  std::vector<std::string> http{":80"};
  std::vector<std::string> https{":443"};
  std::string admin = "127.0.0.1:10254";
  std::uint64_t memory_limit = 0;           // of this process, in bytes; 0: what the cgroup says
  std::string buffer_directory = "/tmp";    // for bodies that are too long for memory; empty: they are refused
  std::uint64_t buffer_limit = 1ULL << 30;  // bytes there
  ops::AdminAccessSettings admin_access;
  unsigned workers = 0;    // 0: one a core, the cgroup's limit respected
  std::string access_log;  // "", "off", "-", PATH
  std::string log_level = "info";
  bool log_json = false;
  bool core_dumps = false;
  std::vector<std::string> notes;  // to be said at the start
  bool share_ports = false;        // other processes of this user may listen on the same addresses
};

// On: memory that is freed goes back to the kernel at once, and not half a second later. Any thread.
void give_memory_back_at_once(bool on) noexcept;

// Cores that this process may use: affinity and cgroup quota, at least 1.
unsigned usable_cores();

int serve(const ServeOptions& options);

}  // namespace sluice::app
