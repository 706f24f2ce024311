#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "data/server/worker.h"
#include "data/snapshot/streams.h"
#include "model/report.h"
#include "net/io/socket.h"

namespace sluice::app {

// The sockets of ports that lead to Services: opened and closed as Snapshots say, one for each worker. One that stays
// is never touched, whatever it leads to. Any thread, one after the other.
class StreamPorts {
 public:
  // `address`: where they are opened. `share`: other processes of this user may listen there too. `most`: sockets in
  // all, so that descriptors are left for connections.
  StreamPorts(std::vector<std::unique_ptr<data::Worker>>& workers, net::SocketAddress address, bool share,
              std::uint64_t most);

  // Before the workers are given the Snapshot of `next`: ports that it has not are closed while they know yet where
  // those lead who wait there to be accepted.
  void leave(const data::StreamTable& next);
  // After the workers were given the Snapshot of `table`. True: problems() differ.
  bool follow(std::shared_ptr<const data::StreamTable> table);
  // Tries again what could not be opened. True: problems() differ.
  bool retry();
  // Ports that could not be opened: of their ConfigMaps.
  std::vector<model::Entry> problems() const;

 private:
  class Opened;
  // Empty: it is open; else why not.
  std::string open(data::StreamPlace place, std::vector<Opened>& opened);
  bool open_missing();
  void settle();

  std::vector<std::unique_ptr<data::Worker>>& workers_;
  const net::SocketAddress address_;
  const bool share_;
  const std::uint64_t most_;
  std::size_t open_ = 0;  // places that are open
  bool leaving_ = false;  // between leave() and follow(): the table is an old one
  bool left_ = false;     // a problem went with its port
  mutable std::mutex mutex_;
  std::shared_ptr<const data::StreamTable> table_;
  std::map<data::StreamPlace, std::string> places_;  // why it is not open; empty: it is
  std::vector<data::StreamPlace> unsure_;            // those that only some workers may have
};

}  // namespace sluice::app
