#pragma once
#include <atomic>
#include <boost/asio/thread_pool.hpp>
#include <string>
#include <vector>

#include "control/source/cluster/access.h"

namespace sluice::control::cluster {

// Credentials that a program prints (client.authentication.k8s.io/v1, ExecCredential). It runs when there are none yet,
// when those it gave end within a minute, and after the server refused them, on a thread of its own; all who ask
// while it runs have what it says.
class ExecPlugin final : public Credentials {
 public:
  struct Command {
    std::string api_version, command, install_hint;
    std::vector<std::string> arguments, environment;  // "NAME=value"
    bool provide_cluster_info = false;
  };
  static constexpr auto kPatience = std::chrono::seconds(30);  // then its process group is killed
  static constexpr std::size_t kMaxOutput = 1U << 20;

  // `wall`: seconds since 1970. `access` must outlive it when cluster information is provided.
  ExecPlugin(Command command, const Access& access, std::function<std::int64_t()> wall);
  ~ExecPlugin() override;  // kills what runs
  boost::asio::awaitable<Answer> current(Instant now) override;
  void refused() override;

 private:
  boost::asio::awaitable<Answer> answer(std::uint64_t runs_before);
  Answer ask();
  std::string request() const;
  std::expected<std::string, std::string> run() const;

  Command command_;
  std::string info_;  // spec.cluster as JSON, or empty
  std::function<std::int64_t()> wall_;
  int stopped_;  // eventfd: readable from the end on
  std::atomic<std::uint64_t> runs_{0};
  // The thread's:
  Answer last_;
  std::int64_t ends_ = 0;  // seconds since 1970; 0: no end
  bool have_ = false;
  boost::asio::thread_pool thread_{1};
};

}  // namespace sluice::control::cluster
