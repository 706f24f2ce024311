#pragma once
#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <random>
#include <string>

#include "base/clock.h"
#include "control/source/cluster/api_client.h"
#include "control/source/cluster/complaint.h"
#include "control/source/cluster/waiter.h"

namespace sluice::control::cluster {

// Which one of several replicas writes: the holder of a Lease (coordination.k8s.io/v1). Times are measured on our own
// clock from what we saw or sent, never read from the Lease. The thread of the io_context.
class Leader {
 public:
  static constexpr auto kLease = std::chrono::seconds(10);  // others take over after it
  static constexpr auto kSure = std::chrono::seconds(8);    // we stop believing in ours
  static constexpr auto kRenew = std::chrono::seconds(2);
  static constexpr auto kAnswer = std::chrono::seconds(4);  // a request that takes longer is given up

  // `lease`: "ns/name". `changed` is called when we become the leader, or are no longer.
  Leader(boost::asio::io_context& io, const Access& access, Credentials& credentials, const std::string& lease,
         std::string identity, std::function<void()> changed, std::uint64_t seed);
  void start();

  // To be asked before each write: true only while nobody else can hold the Lease. Any thread.
  bool leading() const noexcept;
  // Lets go of the Lease, so that the next one need not wait for its end.
  boost::asio::awaitable<void> release();

 private:
  boost::asio::awaitable<void> run();
  boost::asio::awaitable<void> attempt();
  boost::asio::awaitable<void> write(bool ours, const char* holder, std::chrono::seconds duration);
  void read(const std::string& body);

  boost::asio::io_context& io_;
  ApiClient client_;
  Waiter waiter_;
  Waiter ended_;  // news: run() has
  std::string ns_, name_, identity_;
  std::function<void()> changed_;
  std::minstd_rand random_;
  std::string version_, holder_, acquired_;
  std::int64_t transitions_ = 0;
  Duration duration_ = kLease;      // that the holder asked for
  Instant observed_{};              // the Lease last changed
  std::atomic<Instant> renewed_{};  // our last renewal was sent
  Complaint complaint_;
  bool led_ = false, running_ = false;
  bool lapsed_ = false;  // we did not lead for a moment, and nobody was told
};

}  // namespace sluice::control::cluster
