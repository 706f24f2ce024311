#pragma once
#include <optional>

#include "control/source/cluster/event_writer.h"
#include "control/source/cluster/leader.h"
#include "control/source/cluster/status_writer.h"
#include "control/source/cluster/webhook_certificate.h"
#include "control/source/source.h"

namespace sluice::control::cluster {

// Everything that is written to the API: by the one replica that leads. The thread of the io_context.
class Writer {
 public:
  static constexpr auto kFarewell = std::chrono::seconds(15);  // for all of farewell()

  Writer(boost::asio::io_context& io, const Access& access, Credentials& credentials, const Settings& settings,
         std::uint64_t seed);
  void start();
  // This replica writes. Any thread.
  bool leading() const noexcept { return alone_ || (leader_ && leader_->leading()); }
  // Adds its figures. Any thread.
  void count(ApiFigures& figures) const;

  void seen(const std::string& identity, const Node& object);
  void gone(const std::string& identity);
  // `report`: its errors and warnings, when it changed.
  void heed(const Standings& served, std::optional<std::vector<model::Entry>> report);
  // Takes the addresses back and lets go of the Lease.
  boost::asio::awaitable<void> farewell();

 private:
  std::optional<Leader> leader_;
  std::optional<StatusWriter> status_;
  std::optional<EventWriter> events_;
  std::optional<WebhookCertificate> certificate_;
  bool alone_ = false;  // no Lease is asked for
};

}  // namespace sluice::control::cluster
