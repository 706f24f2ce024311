#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>

#include "control/control.h"
#include "control/source/cluster/backoff.h"
#include "control/source/cluster/complaint.h"
#include "control/source/cluster/waiter.h"

namespace sluice::control::cluster {

// The certificate of the validating webhook where nobody gives one: made by the leader, kept in a Secret so that all
// replicas serve the same, named as caBundle in the ValidatingWebhookConfiguration, and made anew in time. The thread
// of the io_context.
class WebhookCertificate {
 public:
  static constexpr auto kLook = std::chrono::seconds(60);  // at the Secret and the configuration
  static constexpr auto kSoon = std::chrono::seconds(2);   // the same until there is a certificate
  static constexpr auto kLife = std::chrono::hours(24 * 365);
  static constexpr auto kRenew = kLife / 3;  // when less is left of it

  // `service`: "ns/name", that the API server calls. `may`: asked before each write.
  WebhookCertificate(boost::asio::io_context& io, const Access& access, Credentials& credentials,
                     const std::string& service, std::string configuration, std::shared_ptr<MadePair> pair,
                     std::function<bool()> may, std::uint64_t seed);
  void start();
  void review();  // `may` answers differently
  void stop();

 private:
  struct Pair {
    std::string certificate, key, version;  // of the Secret; empty: there is none
  };

  boost::asio::awaitable<void> run();
  boost::asio::awaitable<void> look();
  boost::asio::awaitable<Pair> read();
  boost::asio::awaitable<void> renew(Pair old);
  boost::asio::awaitable<void> trust(std::string bundle, std::string must_have);

  boost::asio::io_context& io_;
  ApiClient client_;
  Waiter waiter_;
  Backoff backoff_;
  Complaint complaint_;
  std::string ns_, service_, configuration_;
  std::shared_ptr<MadePair> pair_;
  std::function<bool()> may_;
};

}  // namespace sluice::control::cluster
