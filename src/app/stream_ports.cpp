#include "app/stream_ports.h"

#include <unistd.h>

#include <algorithm>
#include <functional>
#include <utility>

namespace sluice::app {

namespace {

constexpr int kBacklog = 4096;
constexpr const char* kNotYet = "it has not been tried yet";

net::SocketAddress with_port(net::SocketAddress address, std::uint16_t port) {
  return net::make_address(address.address(), port).value_or(address);
}

}  // namespace

StreamPorts::StreamPorts(std::vector<std::unique_ptr<data::Worker>>& workers, net::SocketAddress address, bool share,
                         std::uint64_t most)
    : workers_(workers), address_(address), share_(share), most_(most) {}

// Sockets on their way to a worker: those that do not get there are closed.
class StreamPorts::Opened {
 public:
  Opened() = default;
  Opened(Opened&&) = default;
  Opened& operator=(Opened&&) = delete;
  ~Opened() {
    for (const auto& s : sockets_) close(s.fd);
  }
  // Never fails for as many as were announced.
  void announce(std::size_t more) {
    if (const auto all = sockets_.size() + more; all > sockets_.capacity()) sockets_.reserve(2 * all);
  }
  void add(data::StreamSocket socket) { sockets_.push_back(socket); }
  bool empty() const noexcept { return sockets_.empty(); }
  std::vector<data::StreamSocket> take() noexcept { return std::exchange(sockets_, {}); }

 private:
  std::vector<data::StreamSocket> sockets_;
};

std::string StreamPorts::open(data::StreamPlace place, std::vector<Opened>& opened) {
  const auto sockets = (open_ + 1) * workers_.size();
  if (sockets > most_)
    return "such ports have " + std::to_string(sockets - workers_.size()) +
           " sockets, one for each worker, and may have " + std::to_string(most_) +
           ": a quarter of the descriptors that this process may have";
  const auto address = with_port(address_, place.port);
  Opened one;
  one.announce(workers_.size());
  for (Opened& of_worker : opened) of_worker.announce(1);
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    const auto binding = i == 0 && !share_ ? net::Binding::first : net::Binding::shared;
    const auto fd = place.transport == model::Transport::tcp ? net::listen_on(address, kBacklog, binding)
                                                             : net::take_datagrams(address, binding);
    if (!fd) return fd.error();
    one.add({place, *fd});
  }
  const auto all = one.take();
  for (std::size_t i = 0; i < workers_.size(); ++i) opened[i].add(all[i]);
  ++open_;
  return {};
}

// Memory may fail anywhere: what is not known to be done at every worker is in `unsure_`, and is undone before all
// else.
void StreamPorts::settle() {
  if (unsure_.empty()) return;
  for (auto& w : workers_) {
    data::Worker* const worker = w.get();
    worker->loop.post([worker, gone = unsure_] { worker->close_streams(gone); });
  }
  for (const data::StreamPlace& place : unsure_) places_.erase(place);
  unsure_.clear();
}

bool StreamPorts::open_missing() {
  settle();
  open_ = static_cast<std::size_t>(std::ranges::count_if(places_, [](const auto& p) { return p.second.empty(); }));
  bool differs = false;
  std::vector<Opened> opened(workers_.size());
  std::vector<std::pair<std::string*, std::string>> says;
  std::vector<data::StreamPlace> fresh;
  for (const data::StreamTarget& target : table_->all()) {
    const data::StreamPlace place{target.spec->transport, target.spec->port};
    const auto [known, is_new] = places_.try_emplace(place, kNotYet);
    if (known->second.empty()) continue;
    fresh.push_back(place);
    auto why = open(place, opened);
    differs = differs || (is_new ? !why.empty() : known->second != why);
    if (!why.empty()) fresh.pop_back();
    says.emplace_back(&known->second, std::move(why));
  }
  std::vector<std::function<void()>> handed(workers_.size());
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    if (opened[i].empty()) continue;
    data::Worker* const worker = workers_[i].get();
    handed[i] = [worker, sockets = std::make_shared<Opened>(std::move(opened[i]))] {
      worker->open_streams(sockets->take());
    };
  }
  unsure_ = std::move(fresh);
  for (std::size_t i = 0; i < workers_.size(); ++i)
    if (handed[i]) workers_[i]->loop.post(std::move(handed[i]));
  for (auto& [place, why] : says) *place = std::move(why);
  unsure_.clear();
  return differs;
}

void StreamPorts::leave(const data::StreamTable& next) {
  const std::lock_guard lock(mutex_);
  leaving_ = true;
  settle();
  std::vector<data::StreamPlace> gone;
  for (const auto& [place, why] : places_)
    if (why.empty() && next.find(place.transport, place.port) == nullptr) gone.push_back(place);
  unsure_ = std::move(gone);
  settle();
  // What is left of them could not be opened.
  if (std::erase_if(places_, [&](const auto& p) { return next.find(p.first.transport, p.first.port) == nullptr; }) > 0)
    left_ = true;
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
