#pragma once
#include <algorithm>
#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <deque>
#include <optional>
#include <set>
#include <span>
#include <string>

#include "base/strings.h"
#include "control/source/cluster/reflector.h"

namespace sluice::control::cluster {

inline constexpr std::size_t kNamedKinds = std::ranges::count_if(kKinds, &KindRow::by_name);

// Objects asked for by name: Secrets and ConfigMaps that Ingresses name and no watch delivers, because their type is
// not watched, because the account may not list Secrets, or because nobody lists other people's ConfigMaps. Asked again
// from time to time; no connection is held for each. They are called by their identity, "Secret/ns/name". The thread of
// the io_context.
class NamedObjects {
 public:
  static constexpr unsigned kClients = 4;  // connections
  // Between two questions about one object: the shortest, the longest, and how many there are a second in between.
  static constexpr auto kSoonest = std::chrono::seconds(10), kLatest = std::chrono::seconds(60);
  static constexpr unsigned kRate = 5;
  static constexpr auto kAgain = std::chrono::seconds(2);  // the same after it was not to be had; then doubled

  // Everything must outlive it. `watched`: a watch delivers this identity. `settled`: of every wanted one the server
  // has said what it is, that there is none, or that we may not know; other errors are no answers.
  NamedObjects(boost::asio::io_context& io, const Access& access, Credentials& credentials, Sink& sink,
               std::function<bool(const std::string&)> watched, std::function<void()> settled, std::uint64_t seed);

  // All that are wanted from now on. Calls `settled` as soon as it is true, perhaps at once.
  void want(const std::set<std::string>& names);
  // Which ones are watched is another question now: each is looked at again.
  void review();
  // Goes on until the io_context is stopped.
  void start();

  // Calls `f` with each object that was handed on.
  void each(const std::function<void(const std::string&, const ObjectPtr&)>& f) const;
  std::size_t objects() const noexcept { return held_; }
  // Of each of these kinds, for the Sink.
  std::span<const Resource> resources() const noexcept { return resources_; }

 private:
  struct Wanted {
    ObjectPtr object;  // as it was handed on; null: it was not
    Instant next{};
    unsigned failures = 0;
    bool known = false, busy = false;
  };
  struct Client {
    Client(boost::asio::io_context& io, const Access& access, Credentials& credentials, std::uint64_t seed)
        : api(io, access, credentials), waiter(io), backoff(seed) {}
    ApiClient api;
    Waiter waiter;
    Backoff backoff;   // of a server that is in trouble
    std::string asks;  // the last one
  };

  static std::array<Resource, kNamedKinds> by_name();
  boost::asio::awaitable<void> run(Client& client);
  boost::asio::awaitable<std::optional<ApiError>> ask(Client& client, std::string name);
  void answered(const std::string& name, const std::string& body);
  void speaks_again(std::size_t place);
  void cannot_have(const std::string& name, const char* reason, const char* got, std::string expected);
  void failed(const std::string& name, const ApiError& error);
  void known(Wanted& wanted);
  void forget(const std::string& name, Wanted& wanted);
  void schedule(const std::string& name, Wanted& wanted, Instant when);
  void wake();
  void tell_when_settled();
  Duration interval() const;
  Duration pause(const Wanted& wanted) const;

  boost::asio::io_context& io_;
  Sink& sink_;
  std::function<bool(const std::string&)> watched_;
  std::function<void()> settled_;
  std::minstd_rand random_;
  const std::array<Resource, kNamedKinds> resources_ = by_name();
  std::deque<Client> clients_;
  StringMap<Wanted> wanted_;
  std::set<std::pair<Instant, std::string>> queue_;  // of those that are not busy
  std::size_t unknown_ = 0, held_ = 0;
  std::array<bool, kNamedKinds> in_trouble_{};  // likewise
  bool tell_ = false;
};

}  // namespace sluice::control::cluster
