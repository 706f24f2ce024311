#pragma once

// What the process does when it is sent a signal. docs/signals.md has the same table for users.
namespace sluice::app {

enum class Asked {
  nothing,  // none came in time, or one that means nothing here (said in the log)
  end,      // SIGTERM, SIGINT, SIGQUIT: drain; a second one ends at once
  reopen,   // SIGUSR1, SIGHUP: log files are opened anew
};

// Blocks the signals that it handles, for the thread that makes it and all that are started afterwards: make it before
// any other thread. One reader.
class Signals {
 public:
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;
  // Waits for the next signal, at most `ms` milliseconds.
  Asked next(int ms) const;

 private:
  int fd_ = -1;
};

// Core dumps hold keys and what clients sent: there are none unless the operator asks for them. Also forbids other
// processes of the same user to read the memory of this one (PR_SET_DUMPABLE). Before any key is read.
void forbid_core_dumps() noexcept;

}  // namespace sluice::app
