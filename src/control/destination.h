#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/own_listeners.h"
#include "model/report.h"

// Where requests may be sent: the one rule for every address that a name, an object or a flag leads to
// (docs/destinations.md).
namespace sluice::control {

// Who says that there is a pod.
enum class Says : std::uint8_t {
  name,       // an ExternalName Service: DNS, which its author chooses
  object,     // an EndpointSlice of a cluster
  directory,  // an EndpointSlice of a directory, whose pods may well run beside us: loopback is allowed
  question,   // auth-url: as a name, but where requests are taken, be it here: those that go in circles are found out
  operator_   // --endpoint: all but our own listeners is allowed
};

enum class Refusal : std::uint8_t { loopback, link_local, unspecified, metadata, multicast, own_listener };
// "a loopback address", "where this process listens itself".
std::string_view to_string(Refusal r) noexcept;

// What allow-destinations lets through. Nothing opens our own listeners.
struct AllowedDestinations {
  const std::vector<model::Cidr>& ranges;
  const std::vector<std::string>& names;  // lower case; "*.x" is every name below x
};

// Empty: requests, or datagrams, may be sent there. `own` may be null: nothing is known to listen.
std::optional<Refusal> judge(const model::Ip& ip, std::uint16_t port, Says says, const AllowedDestinations& allowed,
                             const model::OwnListeners* own, model::Transport by = model::Transport::tcp) noexcept;
// Is the name itself listed, so that it may lead anywhere but to us? `name`: lower case, without trailing dot.
bool name_allowed(std::string_view name, const AllowedDestinations& allowed) noexcept;
// What a name says before it is asked for: localhost and all below it mean loopback (RFC 6761 section 6.3).
std::optional<Refusal> judge_name(std::string_view name, const AllowedDestinations& allowed) noexcept;
// Would the C library take it for an IPv4 address ("127.1", "2130706433", "0x7f.0.0.1")? No host is called so: the last
// label of a name is no number (RFC 3696 section 2).
bool spells_address(std::string_view name) noexcept;

// Sorts out the addresses of one object, and remembers what was refused for the Report.
class Sieve {
 public:
  Sieve(Says says, AllowedDestinations allowed, const model::OwnListeners* own,
        model::Transport by = model::Transport::tcp) noexcept
      : says_(says), allowed_(allowed), own_(own), by_(by) {}
  // `address`: an IP literal. May requests be sent there?
  bool takes(const std::string& address, std::uint16_t port);
  std::uint32_t refused() const noexcept { return refused_; }
  // "127.0.0.1:80, a loopback address": the first of each reason. Empty when nothing was refused.
  std::string text() const;
  // An entry for each reason. `name`: what led to the addresses; empty when the object has them itself.
  void report(const model::ObjectRef& object, const std::string& field, const std::string& name,
              const std::string& consequence, model::Entries& entries) const;

 private:
  struct Kind {
    Refusal why;
    std::string first;
    std::uint32_t count;
  };
  Says says_;
  AllowedDestinations allowed_;
  const model::OwnListeners* own_;
  model::Transport by_;
  std::vector<Kind> kinds_;
  std::uint32_t refused_ = 0;
};

// The entry for something that is refused. `value`: what leads there.
model::Entry refusal_entry(const model::ObjectRef& object, const std::string& field, std::string value, Refusal why,
                           const std::string& consequence);

// The addresses of this machine's interfaces, sorted. Empty when the kernel does not say.
std::vector<model::Ip> interface_addresses();

}  // namespace sluice::control
