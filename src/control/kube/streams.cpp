#include "control/kube/streams.h"

#include <algorithm>
#include <map>
#include <utility>

#include "control/kube/grammar.h"
#include "control/kube/state.h"
#include "control/kube/stream_entry.h"

namespace sluice::control {

namespace {

using model::Severity;
using model::StreamListener;
using model::Transport;

constexpr const char* kFlags[] = {"--tcp-services-configmap", "--udp-services-configmap"};

std::string field_of(std::string_view key) {
  return "data[" + shorten(key) + "]";
}

std::string closed(const StreamListener& l) {
  return l.transport == Transport::tcp ? "connections to port " + std::to_string(l.port) + " are closed"
                                       : "datagrams to port " + std::to_string(l.port) + " are dropped";
}

}  // namespace

// One transport's entries, in the order of their ports. What is wrong with one leaves the others as they are.
void Store::State::read_streams(Transport transport, LookUp& look_up, model::StreamListeners& out, Entries& entries) {
  const auto which = static_cast<std::size_t>(transport);
  const std::string& name = streams.config_maps[which];
  if (name.empty()) return;
  const ConfigMap* map = look_up.config_map(name);
  if (map == nullptr) {
    if (streams.asked_for[which])
      entries.push_back({{"CommandLine", "", kFlags[which], {}},
                         {Severity::warning, "MissingConfigMap", kFlags[which], name, "a ConfigMap that exists",
                          "no port leads to a Service"}});
    return;
  }
  const auto object = reference("ConfigMap", map->meta);
  std::map<std::uint16_t, StreamListener> found;
  for (const auto& [key, value] : map->data) {
    const auto refuse = [&](const char* reason, std::string value_shown, std::string expected,
                            const char* consequence = "the port is not opened") {
      entries.push_back(
          {object, {Severity::error, reason, field_of(key), std::move(value_shown), std::move(expected), consequence}});
    };
    auto entry = read_stream_entry(transport, key, value);
    if (!entry) {
      refuse("InvalidStream", entry.error().of_key ? shorten(key) : shorten(value), entry.error().expected);
      continue;
    }
    if (transport == Transport::tcp) {
      const auto ours = std::ranges::find(settings.listeners, entry->port, &model::OwnListener::port);
      if (ours != settings.listeners.end()) {
        refuse("ReservedPort", shorten(key), "a port that is not taken: it is the " + ours->what + " port");
        continue;
      }
    }
    if (found.contains(entry->port)) {
      refuse("DuplicatePort", shorten(key), "each port once",
             "the port leads where the first spelling of it in the alphabet says");
      continue;
    }
    if (found.size() == kMostStreams) {
      refuse("TooMany", shorten(value), "at most " + std::to_string(kMostStreams) + " ports");
      continue;
    }
    for (auto& expected : entry->ignored)
      entries.push_back({object,
                         {Severity::warning, "InvalidStream", field_of(key), shorten(value), std::move(expected),
                          "the word is not read"}});
    StreamListener l;
    l.transport = transport;
    l.port = entry->port;
    l.cluster = cluster_texts({entry->ns, entry->service, entry->service_port, transport == Transport::udp}).name.str();
    l.proxy_in = entry->proxy_in;
    l.proxy_out = entry->proxy_out;
    l.upstream_name =
        std::string(to_string(transport)) + "-" + entry->ns + "-" + entry->service + "-" + entry->service_port;
    l.ns = std::move(entry->ns);
    l.service = std::move(entry->service);
    l.service_port = std::move(entry->service_port);
    l.written = shorten(value);
    l.object = object;
    found.emplace(l.port, std::move(l));
  }
  for (auto& [port, listener] : found) out.push_back(std::move(listener));
}

void Store::State::rebuild_streams(model::Change& change) {
  LookUp look_up(secrets, config_maps);
  Entries entries;
  model::StreamListeners now;
  for (const Transport transport : {Transport::tcp, Transport::udp}) read_streams(transport, look_up, now, entries);
  if (references.set(kStreamsUser, look_up.take())) references_changed = true;
  say("streams", std::move(entries));
  if (now == *model->streams && !first) return;

  // Clusters know who leads to them: one that nobody leads to any more goes.
  std::set<std::string> lead_to;
  for (const StreamListener& l : now) lead_to.insert(l.cluster);
  for (const std::string& name : streams.clusters) {
    const auto at = clusters.find(name);
    if (at == clusters.end()) continue;
    std::erase_if(at->second.users, [](const auto& user) { return is_stream_user(user.first); });
    at->second.users_changed = true;
    dirty_clusters.insert(name);
  }
  for (const StreamListener& l : now) {
    ClusterState& c = clusters[l.cluster];
    c.users[stream_user(l)] = {std::make_shared<const model::ObjectRef>(l.object), {}};
    c.users_changed = true;
    dirty_clusters.insert(l.cluster);
  }
  streams.clusters = std::move(lead_to);
  listen_at(now);
  model->streams = std::make_shared<const model::StreamListeners>(std::move(now));
  change.streams = true;
}

// These ports are ours: nothing that is passed on may lead there.
void Store::State::listen_at(const model::StreamListeners& now) {
  if (!own) return;
  model::OwnListeners next = *own;
  next.all = settings.listeners;
  next.datagrams.clear();
  for (const StreamListener& l : now) {
    model::OwnListener at;
    at.what = to_string(l.transport);
    if (const auto ip = model::read_ip(settings.stream_address)) at.address = *ip;
    at.port = l.port;
    (l.transport == Transport::udp ? next.datagrams : next.all).push_back(std::move(at));
  }
  if (next == *own) return;
  const auto before = std::exchange(own, std::make_shared<const model::OwnListeners>(std::move(next)));
  own_changed = true;
  if (settings.status.pod.contains('/')) replicas_changed = true;  // other Services may lead to us by these ports
  judge_anew([&](std::uint16_t port) {
    return (own->has_port(port) && !before->has_port(port)) ||
           (own->has_datagram_port(port) && !before->has_datagram_port(port));
  });
}

// Ports behind which nobody is.
void Store::State::report_streams() {
  Entries entries;
  for (const StreamListener& l : *model->streams) {
    const auto at = clusters.find(l.cluster);
    if (at == clusters.end() || !at->second.built || !at->second.built->endpoints.empty()) continue;
    const model::Cluster& cluster = *at->second.built;
    const auto because = cluster.empty_because.empty() ? std::string() : ": " + cluster.empty_because.str();
    entries.push_back(
        {l.object,
         {Severity::warning, cluster.no_service ? "MissingService" : "NoEndpoints", field_of(std::to_string(l.port)),
          l.written,
          cluster.no_service ? "a Service that exists" : "a port of the Service with an endpoint that is ready",
          closed(l) + because}});
  }
  say("streams/endpoints", std::move(entries));
}

}  // namespace sluice::control
