#include "app/stream_ports.h"

#include <unistd.h>

#include <utility>

namespace sluice::app {

namespace {

constexpr int kBacklog = 4096;

net::SocketAddress with_port(net::SocketAddress address, std::uint16_t port) {
  return net::make_address(address.address(), port).value_or(address);
}

}  // namespace

StreamPorts::StreamPorts(std::vector<std::unique_ptr<data::Worker>>& workers, net::SocketAddress address, bool share,
                         std::uint64_t most)
    : workers_(workers), address_(address), share_(share), most_(most) {}

std::string StreamPorts::open(data::StreamPlace place, std::vector<std::vector<data::StreamSocket>>& opened) {
  if (sockets_ + workers_.size() > most_)
    return "such ports have " + std::to_string(sockets_) + " sockets, one for each worker, and may have " +
           std::to_string(most_) + ": a quarter of the descriptors that this process may have";
  const auto address = with_port(address_, place.port);
  std::vector<int> fds;
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    const auto binding = i == 0 && !share_ ? net::Binding::first : net::Binding::shared;
    const auto fd = place.transport == model::Transport::tcp ? net::listen_on(address, kBacklog, binding)
                                                             : net::take_datagrams(address, binding);
    if (!fd) {
      for (const int other : fds) close(other);
      return fd.error();
    }
    fds.push_back(*fd);
  }
  for (std::size_t i = 0; i < workers_.size(); ++i) opened[i].push_back({place, fds[i]});
  sockets_ += workers_.size();
  return {};
}

bool StreamPorts::open_missing() {
  bool differs = false;
  std::vector<std::vector<data::StreamSocket>> opened(workers_.size());
  for (const data::StreamTarget& target : table_->all()) {
    const data::StreamPlace place{target.spec->transport, target.spec->port};
    const auto known = places_.find(place);
    if (known != places_.end() && known->second.empty()) continue;
    auto why = open(place, opened);
    differs = differs || (known == places_.end() ? !why.empty() : known->second != why);
    places_[place] = std::move(why);
  }
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    if (opened[i].empty()) continue;
    data::Worker* const worker = workers_[i].get();
    worker->loop.post([worker, sockets = std::move(opened[i])] { worker->open_streams(sockets); });
  }
  return differs;
}

void StreamPorts::leave(const data::StreamTable& next) {
  const std::lock_guard lock(mutex_);
  leaving_ = true;
  std::vector<data::StreamPlace> gone;
  for (auto at = places_.begin(); at != places_.end();) {
    if (next.find(at->first.transport, at->first.port) != nullptr) {
      ++at;
      continue;
    }
    if (at->second.empty()) {
      gone.push_back(at->first);
      sockets_ -= workers_.size();
    } else {
      left_ = true;
    }
    at = places_.erase(at);
  }
  if (gone.empty()) return;
  for (auto& w : workers_) {
    data::Worker* const worker = w.get();
    worker->loop.post([worker, gone] { worker->close_streams(gone); });
  }
}

bool StreamPorts::follow(std::shared_ptr<const data::StreamTable> table) {
  const std::lock_guard lock(mutex_);
  leaving_ = false;
  const bool differs = std::exchange(left_, false);
  if (table == table_) return differs;
  table_ = std::move(table);
  return open_missing() || differs;
}

bool StreamPorts::retry() {
  const std::lock_guard lock(mutex_);
  return table_ && !leaving_ && open_missing();
}

std::vector<model::Entry> StreamPorts::problems() const {
  const std::lock_guard lock(mutex_);
  std::vector<model::Entry> out;
  for (const auto& [place, why] : places_) {
    if (why.empty()) continue;
    const auto* target = table_->find(place.transport, place.port);
    if (target == nullptr) continue;
    out.push_back({target->spec->object,
                   {model::Severity::error, "PortNotOpened", "data[" + std::to_string(place.port) + "]",
                    target->spec->written, "a port that nobody else listens on and that this process may open",
                    "the port is not opened, which is tried again each few seconds: " + why}});
  }
  return out;
}

}  // namespace sluice::app
