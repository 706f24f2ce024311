#include <sched.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include "app/options.h"

namespace sluice::app {

namespace {

// cgroup v2 cpu.max of this process's group and the root of its mount: "max 100000" or "150000 100000".
unsigned cgroup_cores() {
  std::ifstream self("/proc/self/cgroup");
  std::string line, path;
  while (std::getline(self, line))
    if (line.starts_with("0::")) path = line.substr(3);
  unsigned best = 0;
  for (const auto& file : {"/sys/fs/cgroup" + path + "/cpu.max", std::string("/sys/fs/cgroup/cpu.max")}) {
    std::ifstream in(file);
    std::string quota;
    double period = 0;
    if (!(in >> quota >> period) || quota == "max" || period <= 0) continue;
    const auto cores = static_cast<unsigned>(std::max(1.0, std::stod(quota) / period + 0.999));
    best = best ? std::min(best, cores) : cores;
  }
  return best;
}

}  // namespace

unsigned usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = static_cast<unsigned>(std::max(1, CPU_COUNT(&set)));
  if (const unsigned limit = cgroup_cores()) cores = std::min(cores, limit);
  return cores;
}

}  // namespace sluice::app
