#include "app/signals.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "base/log.h"

namespace sluice::app {

namespace {

// nginx's meaning beside ours where scripts for it may send one.
constexpr struct Row {
  int signal;
  Asked asked;
  const char* instead;  // of what the sender may have wanted
} kRows[] = {
    {SIGTERM, Asked::end, nullptr},
    {SIGINT, Asked::end, nullptr},
    {SIGQUIT, Asked::end, nullptr},  // nginx's graceful end, and the STOPSIGNAL of its images
    {SIGUSR1, Asked::reopen, nullptr},
    {SIGHUP, Asked::reopen, nullptr},
    {SIGUSR2, Asked::nothing, "nginx would start its new binary; here a second process is started beside this one"},
    // These end a process that does not expect them, and mean nothing here.
    {SIGALRM, Asked::nothing, nullptr},
    {SIGVTALRM, Asked::nothing, nullptr},
    {SIGPROF, Asked::nothing, nullptr},
    {SIGIO, Asked::nothing, nullptr},
    {SIGPWR, Asked::nothing, nullptr},
    {SIGSTKFLT, Asked::nothing, nullptr},
};

std::string name_of(int signal) {
  if (const char* name = sigabbrev_np(signal)) return std::string("SIG") + name;
  return "signal " + std::to_string(signal);
}

}  // namespace

Signals::Signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const Row& row : kRows) sigaddset(&set, row.signal);
  for (int s = SIGRTMIN; s <= SIGRTMAX; ++s) sigaddset(&set, s);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  // A write beyond a limit of file size, or to nobody, is an error of that write.
  for (int s : {SIGPIPE, SIGXFSZ}) signal(s, SIG_IGN);
  fd_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

Signals::~Signals() {
  close(fd_);
}

Asked Signals::next(int ms) const {
  pollfd p{fd_, POLLIN, 0};
  if (poll(&p, 1, ms) <= 0) return Asked::nothing;
  signalfd_siginfo info;
  if (read(fd_, &info, sizeof info) != sizeof info) return Asked::nothing;
  const int got = static_cast<int>(info.ssi_signo);
  const Row* row = nullptr;
  for (const Row& r : kRows)
    if (r.signal == got) row = &r;
  if (row && row->asked != Asked::nothing) return row->asked;
  log::warn("{} is ignored{}{}; SIGTERM drains, SIGUSR1 opens the log files anew", name_of(got),
            row && row->instead ? ": " : "", row && row->instead ? row->instead : "");
  return Asked::nothing;
}

void forbid_core_dumps() noexcept {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
#ifndef SLUICE_SANITIZED      // their search for leaks attaches to the process
  prctl(PR_SET_DUMPABLE, 0);  // a core_pattern that names a program does not heed the limit (core(5))
#endif
}

}  // namespace sluice::app
