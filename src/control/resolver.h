#pragma once
#include <poll.h>

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"

namespace sluice::control {

// Keeps the addresses of host names up to date by DNS, for ExternalName Services. One thread, which polls its sockets.
// Names are absolute (no search list). An answer is asked for again when its TTL ends (1 s to 1 h); when that fails the
// old addresses stay and the next try waits longer (1 s doubling to 60 s). A changed resolv.conf is read again.
class Resolver {
 public:
  // `changed` is called from want() and process() when the addresses of a name are new or differ, and for the first
  // failure; `error` is empty when addresses are there.
  using Changed = std::function<void(const std::string& name, std::vector<std::string> addresses, std::string error)>;
  Resolver(std::string resolv_conf, Changed changed);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // Resolves exactly these from now on.
  void want(const std::set<std::string>& names);
  // The next want() tells again what is known.
  void again();
  // Reads resolv.conf again and asks for everything anew.
  void reload();
  // Adds the sockets to poll for; returns the time until process() must be called at the latest.
  Duration prepare(std::vector<pollfd>& fds, Instant now);
  // Call after poll with what prepare() added, and when its time is over.
  void process(const pollfd* fds, std::size_t count, Instant now);
  std::uint64_t failures() const;

  static constexpr std::size_t kMaxAddresses = 1024;  // of one name, the first in order
  static constexpr std::size_t kMaxNames = 10'000;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace sluice::control
