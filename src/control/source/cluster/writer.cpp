#include "control/source/cluster/writer.h"

#include <fmt/format.h>

namespace sluice::control::cluster {

Writer::Writer(boost::asio::io_context& io, const Access& access, Credentials& credentials, const Settings& settings,
               std::uint64_t seed) {
  const StatusSettings& s = settings.status;
  if (settings.webhook_pair)
    certificate_.emplace(
        io, access, credentials, settings.webhook_service, settings.webhook_configuration, settings.webhook_pair,
        [this] { return leading(); }, seed);
  const auto may_write = [this] { return leading(); };
  alone_ = !s.leader_election;
  if (!s.update && !certificate_) return;
  if (s.update) {
    status_.emplace(io, access, credentials, settings, may_write, seed);
    events_.emplace(
        io, access, credentials, s.instance,
        [this](const std::string& identity) { return status_->identity_of(identity); }, may_write, seed);
  }
  if (!s.leader_election) return;
  const std::string ns = !s.pod.empty() ? s.pod.substr(0, s.pod.find('/')) : access.ns.empty() ? "default" : access.ns;
  leader_.emplace(
      io, access, credentials, ns + "/" + s.election_id, fmt::format("{}_{:016x}", s.instance, seed),
      [this] {
        if (status_) status_->review();
        if (events_) events_->review();
        if (certificate_) certificate_->review();
      },
      seed);
}

void Writer::start() {
  if (certificate_) certificate_->start();
  if (status_) status_->start();
  if (events_) events_->start();
  if (leader_) leader_->start();
}

void Writer::seen(const std::string& identity, const Node& object) {
  if (status_) status_->seen(identity, object);
}

void Writer::gone(const std::string& identity) {
  if (status_) status_->gone(identity);
}

void Writer::heed(const Standings& served, std::optional<std::vector<model::Entry>> report) {
  if (status_) status_->served(served);
  if (status_ && report) status_->report(*report);
  if (events_ && report) events_->report(std::move(*report));
}

void Writer::count(ApiFigures& figures) const {
  figures.leading = leading();
  if (status_) figures.statuses = status_->written(), figures.status_failures = status_->failures();
  if (events_) figures.events = events_->written(), figures.event_failures = events_->failures();
}

boost::asio::awaitable<void> Writer::farewell() {
  if (certificate_) certificate_->stop();
  if (events_) events_->stop();
  if (status_) co_await status_->clear();
  if (leader_) co_await leader_->release();
}

}  // namespace sluice::control::cluster
