#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <random>
#include <string>
#include <unordered_set>

#include "base/strings.h"
#include "control/source/cluster/api_client.h"
#include "control/source/cluster/backoff.h"
#include "control/source/cluster/waiter.h"
#include "control/source/decode.h"

namespace sluice::control::cluster {

// What is listed and watched: one kind, in one namespace or in all.
struct Resource {
  const char* kind = "";  // of kKinds
  std::string path;       // "/apis/networking.k8s.io/v1/ingresses"
  std::string selector;   // "fieldSelector=…", encoded, or empty
  bool deniable = false;  // without the right to list it there is another way: what is there counts as known
};

// Takes what a Reflector learns, on the thread of the io_context.
class Sink {
 public:
  virtual ~Sink() = default;
  // New or changed. `object` is null when it was refused (its previous form stays); `entries`: what the Report says.
  virtual void learnt(const std::string& identity, ObjectPtr object, std::vector<model::Entry> entries) = 0;
  virtual void gone(const std::string& identity, ObjectPtr last) = 0;
  // Each version, as the server has it; before learnt(), which is only called when something that is read differs.
  virtual void seen(const std::string&, const Node&) {}
  // Everything that there is has been handed over for the first time.
  virtual void complete(const Resource& resource) = 0;
  // A watch begins.
  virtual void follows(const Resource&) {}
  // A request failed; it goes through again.
  virtual void trouble(const Resource& resource, const ApiError& error) = 0;
  virtual void recovered(const Resource& resource) = 0;
};

// Keeps up with one Resource: a list (streamed where the server can, else in pages), then watches from there. After a
// break only the difference is handed on; nothing is called gone before a new list is whole.
class Reflector {
 public:
  Reflector(boost::asio::io_context& io, const Access& access, Credentials& credentials, Resource resource, Sink& sink,
            std::uint64_t seed);

  static constexpr unsigned kPage = 500;  // objects a page
  // Without a byte: the server sends a bookmark about once a minute.
  static constexpr auto kSilence = std::chrono::seconds(90);
  // Before a deniable resource is asked for again: at first, and at last. So often before it counts as known.
  static constexpr auto kDeniedSoon = std::chrono::milliseconds(1500);
  static constexpr auto kDenied = std::chrono::minutes(5);
  static constexpr unsigned kDenials = 3;
  static constexpr auto kWatchMin = std::chrono::seconds(300), kWatchMax = std::chrono::seconds(600);

  // Goes on until its io_context is stopped.
  boost::asio::awaitable<void> run();
  // What run() makes of an answer: a list of all begins; a line of a streamed one or of a watch. Throws ApiError where
  // that cannot be followed.
  void list_begins();
  void event(std::string_view line);

  const Resource& resource() const noexcept { return resource_; }
  std::size_t objects() const noexcept { return known_.size(); }
  bool knows(const std::string& identity) const noexcept { return known_.contains(identity); }
  // Calls `f` with each object whose identity begins with `prefix`.
  void each(std::string_view prefix, const std::function<void(const std::string&, const ObjectPtr&)>& f) const;

 private:
  struct Known {
    ObjectPtr object;  // null: every form of it was refused
    std::string version;
  };

  boost::asio::awaitable<void> follow();
  boost::asio::awaitable<void> list();
  boost::asio::awaitable<void> stream();
  void take(const Node& object);
  void drop(const std::string& identity);
  void list_ends(std::string version);
  std::string query(const std::string& more) const;

  ApiClient client_;
  Waiter waiter_;
  Resource resource_;
  Sink& sink_;
  Backoff backoff_;
  std::minstd_rand random_;
  StringMap<Known> known_;                  // by identity
  std::unordered_set<std::string> unseen_;  // during a list: known, but not in it yet
  std::string version_;                     // to watch from; empty: a list is needed
  bool streams_ = true;                     // the server has streaming lists, as far as we know
  bool listing_ = false, complete_ = false;
  bool expired_ = false;  // what was listed last was no longer kept, and no event came since
  unsigned denials_ = 0;  // in a row
};

}  // namespace sluice::control::cluster
