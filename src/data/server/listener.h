#pragma once
#include <cstdint>

#include "net/io/loop.h"

namespace sluice::data {

class Worker;

// What connections of a listener begin with.
struct ListenerSettings {
  bool tls = false;
  bool proxy_protocol = false;  // a PROXY header, whatever the ConfigMap says
  bool stream = false;          // nothing that is ours to read: they go on to the Service that the port leads to
};

// A listening socket of one worker (one of a SO_REUSEPORT group). Never closed because routes changed.
class Listener final : public net::Watcher {
 public:
  Listener(Worker& worker, int fd, ListenerSettings settings);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  // Takes what waits in the accept queue, then closes.
  void finish();
  void on_events(std::uint32_t events) override;
  // A descriptor that it waited for is back.
  void look_again();

 private:
  // False: errno says why not.
  bool accept_one();
  // Accepts up to `most`; false when there was nothing more.
  bool accept_some(int most);
  void out_of_descriptors();
  void tell_the_first();  // at most once a tick
  void turn_one_away();
  void look_away();
  struct Pause final : net::Deadline {
    Listener* listener = nullptr;
    void expired() override;
  };
  Worker& worker_;
  int fd_;
  // Given up for a moment when descriptors run out, so that the client gets an answer; -1: it could get none.
  int spare_;
  Instant turned_away_at_{};
  ListenerSettings settings_;
  std::uint16_t port_;
  Pause pause_;
};

}  // namespace sluice::data
