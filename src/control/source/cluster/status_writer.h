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
#include "control/source/cluster/status_rows.h"
#include "control/source/cluster/turns.h"
#include "control/source/cluster/verdict.h"
#include "control/source/cluster/waiter.h"
#include "control/source/node.h"
#include "control/status.h"

namespace sluice::control::cluster {

// Keeps the status of objects that are served at the addresses we are reached at, by the row of their kind
// (status_rows.h). Writes only what differs, only while it may, and only over the version it saw; on wish the verdict
// too, as an annotation. Objects are called by their identity, "Ingress/ns/name". The thread of the io_context.
class StatusWriter {
 public:
  static constexpr unsigned kHands = 8;                     // writes that are under way at once, each of another object
  static constexpr auto kClear = std::chrono::seconds(10);  // for all of clear()
  // Of one object, where somebody else writes it too: so often in a row, then once each.
  static constexpr unsigned kInARow = 10;
  static constexpr auto kEach = std::chrono::seconds(30);

  // `may`: asked before each write. `rows` outlive it.
  StatusWriter(boost::asio::io_context& io, const Access& access, Credentials& credentials, const Settings& settings,
               std::function<bool()> may, std::uint64_t seed, std::span<const StatusRow> rows = status_rows());
  void start();

  void seen(const std::string& identity, const Node& object);
  void gone(const std::string& identity);
  void served(const Standings& changes);
  // The errors and warnings of the Report, when it changed.
  void report(const std::vector<model::Entry>& entries);
  // `may` answers differently.
  void review();
  // Takes our addresses out again, unless other replicas of ours run on.
  boost::asio::awaitable<void> clear();

  // Of an object whose status we write; empty when it is not known.
  struct Identity {
    std::string uid, version;
  };
  Identity identity_of(const std::string& identity);

  // Any thread.
  std::uint64_t written() const noexcept { return written_; }
  std::uint64_t failures() const noexcept { return failures_; }

 private:
  struct Known {
    std::string uid, version;
    std::string now;      // what the status says
    std::string verdict;  // the annotation as it is
    bool ahead = false;   // the watch has not come to this version yet: it is what a write was answered
    bool judged = false;  // there was a verdict of ours: only then is an annotation ours to remove
    bool due = false;     // it waits in due_ or later_, or is being written
    TokenBucket writes;
  };
  // What an object is to have; nothing where it is to stay as it is.
  struct Wanted {
    std::optional<std::string> status;
    std::optional<std::string> verdict;  // empty: none
    explicit operator bool() const { return status || verdict; }
  };
  // Of one kind, by "ns/name".
  struct OfKind {
    explicit OfKind(const StatusRow& how) : row(how) {}
    const StatusRow& row;
    StringMap<Known> objects;
    // What the Store said last: it may say it of one that the watch has not brought yet, and an object that is deleted
    // and made anew at once has not changed for it. Those that are served, and by which of their parents where these
    // have names.
    std::unordered_set<std::string> served;
    StringMap<std::set<std::string>> parents;
    const std::set<std::string>& parents_of(const std::string& name) const;
  };
  // Nothing: of a kind whose status we do not write.
  struct Place {
    OfKind* kind = nullptr;
    std::string name;  // "ns/name"
    Known* known() const;
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
  boost::asio::awaitable<std::optional<ApiError>> write(Hand& hand, std::string identity);
  boost::asio::awaitable<bool> others_run_on();
  Place place_of(std::string_view identity);
  std::string said_by_us(const OfKind& kind, const std::string& name, const std::string& now, bool leaving) const;
  Wanted lacks(const OfKind& kind, const std::string& name, const Known& k) const;
  void look_at(OfKind& kind, const std::string& name, Known& k);
  void look_at_all();
  bool too_often(const std::string& identity, Known& k);
  void warn_of_another(const OfKind& kind, const std::string& name, const Known& k);
  void bring_back(Instant until);
  void have(std::vector<std::string> addresses);
  void news();
  std::size_t ours() const;

  boost::asio::io_context& io_;
  const StatusSettings settings_;
  std::function<bool()> may_;
  NodeAddresses nodes_;
  std::deque<Hand> hands_;
  Waiter changed_;            // news for clear(): a hand has finished something
  std::deque<OfKind> kinds_;  // as status_rows()
  Turns<std::string> due_;    // identities
  std::set<std::pair<Instant, std::string>> later_;
  Verdicts verdicts_;
  std::string wanted_;                  // addresses
  bool known_ = false;                  // what wanted_ is
  bool leaving_ = false;                // they are taken out again
  bool starved_ = false;                // there was no memory for one that is due
  unsigned running_ = 0, writing_ = 0;  // hands
  Complaint failed_, another_;
  std::atomic<std::uint64_t> written_{0}, failures_{0};
};

}  // namespace sluice::control::cluster
