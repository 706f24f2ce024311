#include "control/source/cluster/named_objects.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

namespace sluice::control::cluster {

namespace asio = boost::asio;

namespace {

constexpr Duration kWhileIdle = std::chrono::hours(1);

// "Secret/ns/name", cut.
struct Named {
  explicit Named(std::string_view identity) {
    const auto first = identity.find('/'), second = identity.find('/', first + 1);
    kind = identity.substr(0, first);
    ns = identity.substr(first + 1, second == std::string_view::npos ? 0 : second - first - 1);
    if (second != std::string_view::npos) name = identity.substr(second + 1);
  }
  std::string_view kind, ns, name;
  // Its place among the kinds that are asked for by name, kNamedKinds: it is none of them.
  std::size_t place() const {
    std::size_t at = 0;
    for (const KindRow& row : kKinds)
      if (row.by_name) {
        if (kind == row.name) return at;
        ++at;
      }
    return at;
  }
  std::string path() const { return fmt::format("{}/{}", kind_of(kind)->path(ns), name); }
};

// A name that no object can have must not become part of a request.
bool askable(std::string_view identity) {
  const Named named(identity);
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  return named.place() < kNamedKinds && !named.ns.empty() && !named.name.empty() && identity.size() <= 330 &&
         named.name.front() != '.' && std::ranges::all_of(named.ns, plain) &&
         std::ranges::all_of(named.name, [&](char c) { return plain(c) || c == '.'; });
}

}  // namespace

std::array<Resource, kNamedKinds> NamedObjects::by_name() {
  std::array<Resource, kNamedKinds> out;
  std::size_t at = 0;
  for (const KindRow& row : kKinds)
    if (row.by_name) out[at++] = {row.name, row.path() + " (by name)", "", false};
  return out;
}

NamedObjects::NamedObjects(asio::io_context& io, const Access& access, Credentials& credentials, Sink& sink,
                           std::function<bool(const std::string&)> watched, std::function<void()> settled,
                           std::uint64_t seed)
    : io_(io),
      sink_(sink),
      watched_(std::move(watched)),
      settled_(std::move(settled)),
      random_(static_cast<unsigned>(seed)) {
  for (unsigned i = 0; i < kClients; ++i) clients_.emplace_back(io, access, credentials, seed + i);
}

void NamedObjects::start() {
  for (Client& c : clients_) asio::co_spawn(io_, enduring([this, &c] { return run(c); }), asio::detached);
}

void NamedObjects::want(const std::set<std::string>& names) {
  std::vector<std::string> unwanted;
  for (const auto& [name, w] : wanted_)
    if (!names.contains(name)) unwanted.push_back(name);
  for (const auto& name : unwanted) {
    Wanted& w = wanted_.find(name)->second;
    const std::pair<Instant, std::string> place{w.next, name};
    forget(name, w);
    queue_.erase(place);
    unknown_ -= !w.known;
    wanted_.erase(name);
  }
  const Instant now = SystemClock().now();
  for (const auto& name : names) {
    if (wanted_.contains(name) || !askable(name)) continue;
    Wanted& w = wanted_[name];
    w.known = watched_(name);
    try {
      schedule(name, w, w.known ? now + interval() : now);
    } catch (...) {
      wanted_.erase(name);  // what is in no queue is never asked for
      throw;
    }
    unknown_ += !w.known;
  }
  tell_ = true;
  tell_when_settled();
  wake();
}

void NamedObjects::review() {
  const Instant now = SystemClock().now();
  for (auto& [name, w] : wanted_)
    if (!w.busy) schedule(name, w, now);
  wake();
}

Duration NamedObjects::interval() const {
  const Duration fair = std::chrono::seconds(wanted_.size() / kRate);
  return std::clamp<Duration>(fair, kSoonest, kLatest);
}

Duration NamedObjects::pause(const Wanted& w) const {
  if (w.failures == 0) return interval();
  return doubled(kAgain, w.failures - 1, interval());
}

void NamedObjects::schedule(const std::string& name, Wanted& w, Instant when) {
  const std::pair<Instant, std::string> before{w.next, name};
  queue_.emplace(when, name);
  if (w.next != when) queue_.erase(before);
  w.next = when;
}

void NamedObjects::wake() {
  for (Client& c : clients_) c.waiter.news();
}

void NamedObjects::each(const std::function<void(const std::string&, const ObjectPtr&)>& f) const {
  for (const auto& [name, w] : wanted_)
    if (w.object) f(name, w.object);
}

void NamedObjects::tell_when_settled() {
  if (unknown_ == 0 && std::exchange(tell_, false)) settled_();
}

// Takes back what was handed on, unless a watch delivers it by now.
void NamedObjects::forget(const std::string& name, Wanted& w) {
  if (!watched_(name)) sink_.gone(name, w.object);
  if (std::exchange(w.object, nullptr)) --held_;
}

asio::awaitable<void> NamedObjects::run(Client& client) {
  // One that there was no memory for.
  if (const auto left = wanted_.find(client.asks); left != wanted_.end() && left->second.busy) {
    schedule(client.asks, left->second, SystemClock().now() + kAgain);
    left->second.busy = false;
  }
  for (;;) {
    const Instant now = SystemClock().now();
    if (queue_.empty() || queue_.begin()->first > now) {
      const Duration most = queue_.empty() ? kWhileIdle : queue_.begin()->first - now;
      co_await client.waiter.for_news(most);
      continue;
    }
    const std::string name = queue_.begin()->second;
    client.asks = name;
    wanted_.find(name)->second.busy = true;
    queue_.erase(queue_.begin());
    wake();  // the next one is due before what the others wait for, perhaps
    const std::optional<ApiError> trouble = co_await ask(client, name);
    if (const auto it = wanted_.find(name); it != wanted_.end()) {
      Wanted& w = it->second;
      schedule(name, w, SystemClock().now() + jittered(pause(w), random_));
      w.busy = false;
      tell_when_settled();
    }
    if (trouble)
      co_await client.waiter.rest(client.backoff.next(*trouble));
    else
      client.backoff.reset();
  }
}

// Whether there is one, or that nobody will tell us. A server in trouble has said neither: what is published then would
// lack what the object protects.
void NamedObjects::known(Wanted& w) {
  if (!std::exchange(w.known, true)) --unknown_;
}

// What the server's trouble is, if it is not this object's.
asio::awaitable<std::optional<ApiError>> NamedObjects::ask(Client& client, std::string name) {
  Wanted& w = wanted_.find(name)->second;
  w.busy = true;
  if (watched_(name)) {
    if (w.object) --held_;
    w.object = nullptr;
    w.failures = 0;
    known(w);
    co_return std::nullopt;
  }
  const std::string target = Named(name).path();
  std::optional<ApiError> failure;
  std::string body;
  try {
    body = co_await client.api.get(target);
  } catch (const std::exception& e) {
    failure = failure_of(e, "GET " + target);
  }
  // Meanwhile it may be unwanted or watched.
  const bool ours = wanted_.contains(name) && !watched_(name);
  if (ours && !failure) {
    try {
      answered(name, body);
    } catch (const std::exception& e) {
      failure = failure_of(e, "GET " + target);
    }
  }
  if (ours && failure) failed(name, *failure);
  if (failure && (failure->status == 404 || failure->status == 403)) failure.reset();
  if (const auto it = wanted_.find(name); it != wanted_.end() && (!failure || watched_(name))) known(it->second);
  co_return failure;
}

void NamedObjects::speaks_again(std::size_t place) {
  if (std::exchange(in_trouble_[place], false)) sink_.recovered(resources_[place]);
}

void NamedObjects::answered(const std::string& name, const std::string& body) {
  const std::size_t place = Named(name).place();
  speaks_again(place);
  Wanted& w = wanted_.find(name)->second;
  w.failures = 0;
  std::unique_ptr<Document> document;
  try {
    document = parse_json(body, 1, kJsonTimes);
  } catch (const SyntaxError& e) {
    // It would be the same next time, and everything that waits for this object would wait for ever.
    return cannot_have(name, "Unreadable", e.what(), "an object in JSON");
  }
  Decoded decoded;
  if (document->root) decode_item(*document->root, resources_[place].kind, decoded);
  const ObjectPtr made = decoded.objects.empty() ? nullptr : decoded.objects.front();
  if (made && w.object && *made == *w.object) return;
  sink_.learnt(name, made, decoded.entries.all());
  if (!made) return;
  held_ += !w.object;
  w.object = made;
}

void NamedObjects::failed(const std::string& name, const ApiError& error) {
  Wanted& w = wanted_.find(name)->second;
  ++w.failures;
  const Named named(name);
  // Both are answers of a server that is well.
  if (error.status == 404 || error.status == 403) speaks_again(named.place());
  if (error.status == 404) return forget(name, w);
  if (error.status != 403) {
    in_trouble_[named.place()] = true;
    return sink_.trouble(resources_[named.place()], error);
  }
  cannot_have(name, "Forbidden", error.what(), fmt::format("the right to get this {}", named.kind));
}

// Nobody will tell us what it is like.
void NamedObjects::cannot_have(const std::string& name, const char* reason, const char* got, std::string expected) {
  const Named named(name);
  const model::ObjectRef ref{resources_[named.place()].kind, std::string(named.ns), std::string(named.name), {}};
  const char* const instead =
      wanted_.find(name)->second.object ? "what was known of it is used" : "it is taken as not there";
  sink_.learnt(name, nullptr, {{ref, {model::Severity::error, reason, "", got, std::move(expected), instead}}});
}

}  // namespace sluice::control::cluster
