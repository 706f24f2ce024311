#pragma once
#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/strings.h"
#include "base/token_bucket.h"
#include "control/control.h"
#include "control/source/cluster/backoff.h"
#include "control/source/cluster/complaint.h"
#include "control/source/cluster/node_addresses.h"
#include "control/source/cluster/turns.h"
#include "control/source/cluster/verdict.h"
#include "control/source/cluster/waiter.h"
#include "control/source/node.h"

namespace sluice::control::cluster {

// Keeps status.loadBalancer.ingress of the Ingresses that are served at the addresses we are reached at
// (networking.k8s.io/v1 IngressLoadBalancerStatus). Writes only what differs, only while it may, and only over the
// version it saw; on wish the verdict too, as an annotation. The thread of the io_context.
class StatusWriter {
 public:
  static constexpr unsigned kHands = 8;  // writes that are under way at once, each of another Ingress
  static constexpr auto kClear = std::chrono::seconds(10);  // for all of clear()
  // Of one Ingress, where somebody else writes it too: so often in a row, then once each.
  static constexpr unsigned kInARow = 10;
  static constexpr auto kEach = std::chrono::seconds(30);

  // `may`: asked before each write.
  StatusWriter(boost::asio::io_context& io, const Access& access, Credentials& credentials, const Settings& settings,
               std::function<bool()> may, std::uint64_t seed);
  void start();

  void seen(const std::string& identity, const Node& object);
  void gone(const std::string& identity);
  void served(const std::map<std::string, bool>& changes);
  // The errors and warnings of the Report, when it changed.
  void report(const std::vector<model::Entry>& entries);
  // `may` answers differently.
  void review();
  // Takes our addresses out again, unless other replicas of ours run on.
  boost::asio::awaitable<void> clear();

  // Of an Ingress; empty when it is not known.
  struct Identity {
    std::string uid, version;
  };
  Identity identity_of(const std::string& name) const;

  // Any thread.
  std::uint64_t written() const noexcept { return written_; }
  std::uint64_t failures() const noexcept { return failures_; }

 private:
  using Addresses = std::vector<std::string>;  // as they are, in order
  struct Known {
    std::string uid, version;
    Addresses now;
    std::string verdict;  // the annotation as it is
    bool ahead = false;   // the watch has not come to this version yet: it is what a write was answered
    bool judged = false;  // there was a verdict of ours: only then is an annotation ours to remove
    bool due = false;     // it waits in due_ or later_, or is being written
    TokenBucket writes;
  };
  // What an Ingress is to have; nothing where it is to stay as it is.
  struct Wanted {
    std::optional<Addresses> addresses;
    std::optional<std::string> verdict;  // empty: none
    explicit operator bool() const { return addresses || verdict; }
  };
  // One connection, one write at a time.
  struct Hand {
    Hand(boost::asio::io_context& io, const Access& access, Credentials& credentials, const std::function<bool()>& may,
         std::uint64_t seed)
        : client(io, access, credentials, ApiClient::kAnswer, may), waiter(io), backoff(seed) {}
    ApiClient client;
    Waiter waiter;
    Backoff backoff;
  };

  boost::asio::awaitable<void> run(Hand& hand);
  boost::asio::awaitable<std::optional<ApiError>> write(Hand& hand, std::string name);
  boost::asio::awaitable<bool> others_run_on();
  bool served(const std::string& name) const { return served_.contains(name); }
  Wanted lacks(const std::string& name, const Known& k) const;
  void look_at(const std::string& name, Known& k);
  void look_at_all();
  bool too_often(const std::string& name, Known& k);
  void warn_of_another(const std::string& name, const Known& k);
  void bring_back(Instant until);
  void have(Addresses addresses);
  void news();
  std::size_t ours() const;

  boost::asio::io_context& io_;
  const StatusSettings settings_;
  std::function<bool()> may_;
  NodeAddresses nodes_;
  std::deque<Hand> hands_;
  Waiter changed_;              // news for clear(): a hand has finished something
  StringMap<Known> ingresses_;  // "ns/name"
  // What the Store said last, by name: it may say it of one that the watch has not brought yet, and an Ingress that is
  // deleted and made anew at once has not changed for it.
  std::unordered_set<std::string> served_;
  Turns<std::string> due_;  // "ns/name"
  std::set<std::pair<Instant, std::string>> later_;
  Verdicts verdicts_;
  Addresses wanted_;
  bool known_ = false;                  // what wanted_ is
  bool leaving_ = false;                // they are taken out again
  bool starved_ = false;                // there was no memory for one that is due
  unsigned running_ = 0, writing_ = 0;  // hands
  Complaint failed_, another_;
  std::atomic<std::uint64_t> written_{0}, failures_{0};
};

}  // namespace sluice::control::cluster
