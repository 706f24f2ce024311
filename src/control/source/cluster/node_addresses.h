#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <string>
#include <vector>

#include "control/control.h"
#include "control/source/cluster/backoff.h"
#include "control/source/cluster/complaint.h"
#include "control/source/cluster/waiter.h"

namespace sluice::control::cluster {

// The addresses of the nodes that our pods run on, looked at again and again; and which pods those are: all that carry
// the labels of our own. The thread of the io_context.
class NodeAddresses {
 public:
  static constexpr auto kLook = std::chrono::seconds(60);
  static constexpr auto kUnknown = std::chrono::seconds(2);  // the same while no address is to be seen
  static constexpr auto kAnswer = std::chrono::seconds(4);   // of others_run_on()

  // `pod`: our own, "ns/name". `internal`: internal addresses even where there are external ones. `may`: asked before
  // each look. All must outlive it.
  NodeAddresses(boost::asio::io_context& io, const Access& access, Credentials& credentials, std::string pod,
                bool internal, std::function<bool()> may, std::uint64_t seed);
  // From now on `found` is told the addresses after each look that saw any.
  void start(std::function<void(std::vector<std::string>)> found);
  // `may` answers differently.
  void review() { waiter_.news(); }
  void stop() { waiter_.stop(); }

  // Pods beside our own run and are to stay. Throws when the server does not say.
  boost::asio::awaitable<bool> others_run_on();

 private:
  boost::asio::awaitable<void> run();
  boost::asio::awaitable<bool> look();

  boost::asio::io_context& io_;
  const Access& access_;
  Credentials& credentials_;
  ApiClient client_;
  Waiter waiter_;
  Backoff backoff_;
  Complaint complaint_;
  const std::string pod_;
  const bool internal_;
  std::function<bool()> may_;
  std::function<void(std::vector<std::string>)> found_;
};

}  // namespace sluice::control::cluster
