#include "control/kube/streams/translator.h"

#include <algorithm>
#include <map>
#include <utility>

#include "control/kube/grammar.h"
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

// How a Cluster knows its user: no host has such a name, and those of hosts come first.
std::string user_of(const StreamListener& listener) {
  return "~" + std::string(model::to_string(listener.transport)) + "/" + std::to_string(listener.port);
}

}  // namespace

StreamTranslator::StreamTranslator(Core& core, Clusters& clusters, OwnAddresses& own)
    : core_(core), clusters_(clusters), own_(own) {
  for (const auto transport : {Transport::tcp, Transport::udp})
    config_maps_[static_cast<std::size_t>(transport)] = config_map_of(transport, core.settings);
  asked_for_[static_cast<std::size_t>(Transport::tcp)] = !core.settings.tcp_services.empty();
  asked_for_[static_cast<std::size_t>(Transport::udp)] = !core.settings.udp_services.empty();
}

// One transport's entries, in the order of their ports. What is wrong with one leaves the others as they are.
void StreamTranslator::read(Transport transport, LookUp& look_up, model::StreamListeners& out, Entries& entries) {
  const auto which = static_cast<std::size_t>(transport);
  const std::string& name = config_maps_[which];
  if (name.empty()) return;
  const ConfigMap* map = look_up.config_map(name);
  if (map == nullptr) {
    if (asked_for_[which])
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
      const auto ours = std::ranges::find(core_.settings.listeners, entry->port, &model::OwnListener::port);
      if (ours != core_.settings.listeners.end()) {
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
    l.cluster =
        clusters_.texts({entry->ns, entry->service, entry->service_port, transport == Transport::udp}).name.str();
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

void StreamTranslator::rebuild(model::Change& change) {
  if (!std::exchange(dirty_, false)) return;
  LookUp look_up(core_.objects, core_.readings);
  Entries entries;
  model::StreamListeners now;
  for (const Transport transport : {Transport::tcp, Transport::udp}) read(transport, look_up, now, entries);
  core_.references.set(names_, *this, part_, look_up.take());
  core_.problems.say("streams", std::move(entries));
  if (!std::exchange(first_, false) && now == *core_.model->streams) return;

  // Clusters know who leads to them: one that nobody leads to any more goes.
  std::map<std::string, std::map<std::string, ClusterUser>> leads;
  for (const StreamListener& l : now)
    leads[user_of(l)] = {{l.cluster, {std::make_shared<const model::ObjectRef>(l.object), {}, Use::stream}}};
  for (auto& [user, had] : leads_)
    if (!leads.contains(user)) clusters_.lead(user, had, {});
  std::erase_if(leads_, [](const auto& port) { return port.second.empty(); });
  for (const auto& [user, uses] : leads) {
    Names& had = leads_[user];
    for (const auto& cluster : had) clusters_.replaces(uses.begin()->first, cluster);
    clusters_.lead(user, had, uses);
  }
  lead_to_.clear();
  for (const StreamListener& l : now) lead_to_.insert(l.cluster);
  own_.listen_at(now);
  core_.model->streams = std::make_shared<const model::StreamListeners>(std::move(now));
  change.streams = true;
}

// Ports behind which nobody is.
void StreamTranslator::report(const model::Change& change) {
  const auto leads_there = [this](const std::string& cluster) { return lead_to_.contains(cluster); };
  if (!change.streams && std::ranges::none_of(change.clusters, leads_there)) return;
  Entries entries;
  for (const StreamListener& l : *core_.model->streams) {
    const auto built = clusters_.built(l.cluster);
    if (!built || !built->endpoints.empty()) continue;
    const model::Cluster& cluster = *built;
    const auto because = cluster.empty_because.empty() ? std::string() : ": " + cluster.empty_because.str();
    entries.push_back(
        {l.object,
         {Severity::warning, cluster.no_service ? "MissingService" : "NoEndpoints", field_of(std::to_string(l.port)),
          l.written,
          cluster.no_service ? "a Service that exists" : "a port of the Service with an endpoint that is ready",
          closed(l) + because}});
  }
  core_.problems.say("streams/endpoints", std::move(entries));
}

}  // namespace sluice::control
