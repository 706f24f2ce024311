#include "data/server/turned_away.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "data/server/worker.h"

namespace sluice::data {

TurnedAway::TurnedAway(Worker& worker) noexcept : worker_(worker) {
  time_.of = this;
}

TurnedAway::~TurnedAway() {
  while (!clients_.empty()) end(clients_.begin());
}

void TurnedAway::tell(int fd) {
  [[maybe_unused]] const auto sent = send(fd, kBusyAnswer.data(), kBusyAnswer.size(), MSG_NOSIGNAL);
  shutdown(fd, SHUT_WR);
  // Where more than connections is short not even a descriptor is kept for it.
  const Held held = worker_.held();
  const bool is_short = held.by(Source::memory, Rung::save) || held.by(Source::descriptors, Rung::save) ||
                        held.by(Source::lag, Rung::save);
  if (is_short || clients_.size() >= kMostTurnedAway) {
    worker_.stats.lingering_refused.add();
    close(fd);
    return;
  }
  Client& client = clients_.emplace_back(*this, fd, worker_.loop.now() + kTurnedAwayTime);
  worker_.stats.downstream_lingering.add();
  worker_.entered();  // a worker that drains runs until the answer has arrived
  if (!worker_.loop.add(fd, EPOLLIN, &client)) return end(std::prev(clients_.end()));
  if (!time_.armed()) worker_.loop.arm_at(time_, client.until);
}

// A piece a turn: however fast it sends, other clients have their turn.
void TurnedAway::Client::on_events(std::uint32_t) {
  const auto got = recv(fd, of.worker_.scratch.get(), Worker::kScratch, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got > 0) bytes += static_cast<std::size_t>(got);
  if (got > 0 && bytes < kMostOfTurnedAway) return;
  of.end(std::ranges::find(of.clients_, this, [](const Client& other) { return &other; }));
}

void TurnedAway::end(std::list<Client>::iterator client) noexcept {
  worker_.loop.remove(client->fd, &*client);
  close(client->fd);
  worker_.stats.downstream_lingering.sub();
  clients_.erase(client);
  worker_.left();
}

void TurnedAway::end_late() {
  while (!clients_.empty() && clients_.front().until <= worker_.loop.now()) end(clients_.begin());
  if (!clients_.empty()) worker_.loop.arm_at(time_, clients_.front().until);
}

}  // namespace sluice::data
