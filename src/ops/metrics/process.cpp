#include "ops/metrics/process.h"

#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <string>

#include "base/descriptor_gauge.h"

namespace sluice::ops {
namespace {

std::string slurp(const char* path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

double seconds(const timeval& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
}

double start_time() {
  // Field 22, counted after the command in parentheses, which may hold spaces.
  const std::string stat = slurp("/proc/self/stat");
  const auto close = stat.rfind(')');
  if (close == std::string::npos) return 0;
  std::istringstream fields(stat.substr(close + 1));
  std::string field;
  for (int i = 3; i <= 22; ++i) fields >> field;
  double uptime = 0;
  std::istringstream(slurp("/proc/uptime")) >> uptime;
  const double started = std::strtod(field.c_str(), nullptr) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  const double now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  return now - uptime + started;
}

}  // namespace

ProcessFigures read_process() {
  ProcessFigures out;
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) == 0) out.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  static const double started = start_time();
  out.start_time = started;

  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  std::uint64_t size = 0, resident = 0;
  std::istringstream(slurp("/proc/self/statm")) >> size >> resident;
  out.virtual_bytes = size * page;
  out.resident_bytes = resident * page;

  std::istringstream io(slurp("/proc/self/io"));
  for (std::string name; io >> name;) {
    std::uint64_t value = 0;
    io >> value;
    if (name == "rchar:") out.read_bytes = value;
    if (name == "wchar:") out.written_bytes = value;
  }
  out.open_fds = count_descriptors();
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) out.max_fds = limit.rlim_cur;
  return out;
}

}  // namespace sluice::ops
