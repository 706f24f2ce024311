#include "control/kube/option_builder.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "control/kube/annotations/registry.h"
#include "control/kube/guarding_options.h"
#include "control/kube/options.h"
#include "control/kube/stream_entry.h"

namespace sluice::control {

OptionBuilder::OptionBuilder(Core& core) : core_(core) {
  core.references.all_of<ConfigMap>(*this);
}

void OptionBuilder::came(const ObjectPtr& object) {
  if (!is_ours(*object)) return look_at_other(std::get<ConfigMap>(*object), true);
  map_ = object;
  gone_ = false;
  dirty_ = true;
}

void OptionBuilder::moved(const ObjectPtr& object) {
  if (is_ours(*object)) map_ = object;
}

void OptionBuilder::went(const Object& object) {
  if (!is_ours(object)) return look_at_other(std::get<ConfigMap>(object), false);
  // What it protects must not open because it is gone, be it for the moment until it is made anew. A directory is taken
  // at its word: what it holds is all there is, and the same after a restart.
  if (core_.settings.manifests.empty())
    gone_ = map_ != nullptr;
  else
    map_ = nullptr;
  dirty_ = true;
}

void OptionBuilder::look_at_other(const ConfigMap& map, bool there) {
  Entries entries;
  const auto warn = [&](std::string expected, const char* consequence) {
    entries.push_back({reference("ConfigMap", map.meta),
                       {model::Severity::warning, "UnreadConfigMap", "metadata.name", map.meta.name,
                        std::move(expected), consequence}});
  };
  // One of somebody else may share a word with us.
  const auto mostly = [&](auto&& ours) {
    const auto known = static_cast<std::size_t>(std::ranges::count_if(map.data, ours));
    return known > 0 && 2 * known >= map.data.size();
  };
  using enum model::Transport;
  const auto read_for = [&](model::Transport t) { return key_of(map.meta) == config_map_of(t, core_.settings); };
  if (!there || read_for(tcp) || read_for(udp)) {
    // Nothing to be said of it here.
  } else if (mostly([](const auto& d) { return is_option(d.first); })) {
    warn("the ConfigMap that --configmap names, " + core_.settings.config_map,
         "nothing of it is read, although its keys are options");
  } else if (mostly([](const auto& d) { return read_stream_entry(tcp, d.first, d.second).has_value(); })) {
    warn("the ConfigMap that --tcp-services-configmap or --udp-services-configmap names",
         "nothing of it is read, although its keys are ports that lead to Services");
  }
  core_.problems.say("configmap/" + key_of(map.meta), std::move(entries));
}

namespace {

// What the ConfigMap holds that the option names. `field`: of `object`, that names it.
void read_header_map(model::Shared<model::HeaderMap>& headers, HeadersTo to, const model::ObjectRef& object,
                     const std::string& field, LookUp& look_up, Entries& entries) {
  if (!headers) return;
  const auto* map = look_up.config_map(headers->config_map);
  if (map == nullptr)
    return entries.push_back({object,
                              {model::Severity::warning, "MissingConfigMap", field, headers->config_map,
                               "a ConfigMap that exists", "no header is set by it"}});
  auto read = read_headers(map->data, to);
  for (auto& wrong : read.wrong)
    entries.push_back({reference("ConfigMap", map->meta),
                       {model::Severity::warning, "InvalidHeader", std::move(wrong.field), std::move(wrong.value),
                        std::move(wrong.expected),
                        wrong.removed ? "it is not set, and the client's is taken away" : "it is not set"}});
  if (read.more > 0)
    entries.push_back({reference("ConfigMap", map->meta),
                       {model::Severity::warning, "InvalidHeader", "data", std::to_string(read.more) + " more keys",
                        "headers that can be set", "they are dealt with as those above"}});
  headers = model::HeaderMap{headers->config_map, std::move(read.lines)};
}

}  // namespace

namespace {

// Nobody knows what it protects. One that was read before stays in its place, so that this is so from the start on.
void close_for_unreadable(const model::ObjectRef& object, const std::set<std::string>& accepted, OptionsResult& out) {
  const std::string key(kUnreadable);
  const bool open = accepted.contains(key);
  out.entries.push_back(
      {object,
       {open ? model::Severity::warning : model::Severity::error, open ? "Unprotected" : "UnreadableConfigMap", "", "",
        "a ConfigMap that can be read" + (open ? std::string() : ", or --accept-unprotected " + key),
        open ? "the defaults and --set count, as --accept-unprotected says"
             : "every request is answered 503, as serving it without what the ConfigMap may protect would open it"}});
  if (!open) out.guards.push_back(key);
}

}  // namespace

OptionBuilder::News OptionBuilder::rebuild(model::Change& change) {
  News news;
  dirty_ = false;
  ++core_.work.options;
  static const std::map<std::string, std::string> nothing;
  const auto* map = map_ ? &std::get<ConfigMap>(*map_) : nullptr;
  auto object =
      map ? reference("ConfigMap", map->meta) : model::ObjectRef{"ConfigMap", "", core_.settings.config_map, {}};
  auto result = read_options(map ? map->data : nothing, object, core_.settings.set, *core_.model->options,
                             core_.settings.accept_unprotected);
  if (map && map->unreadable) close_for_unreadable(object, core_.settings.accept_unprotected, result);
  if (gone_)
    result.entries.push_back({object,
                              {model::Severity::warning, "MissingConfigMap", "--configmap", core_.settings.config_map,
                               "a ConfigMap of this namespace and name",
                               "it is gone; what it said still counts until there is another or the process starts "
                               "anew"}});
  static const Settings unasked;
  if (!map && core_.settings.config_map != unasked.config_map)
    result.entries.push_back({object,
                              {model::Severity::warning, "MissingConfigMap", "--configmap", core_.settings.config_map,
                               "a ConfigMap of this namespace and name", "the defaults and --set count"}});
  if (result.options.topology_aware_routing && core_.settings.zone.empty() && core_.settings.node.empty())
    result.entries.push_back({object,
                              {model::Severity::warning, "NoEffect", "topology-aware-routing", "true",
                               "--zone, or --node-name or NODE_NAME in the environment",
                               "every pod gets its share, as it is not known where this process runs"}});
  LookUp look_up(core_.objects, core_.readings);
  const auto read = [&](const char* key, model::Shared<model::HeaderMap>& headers, HeadersTo to) {
    const bool by_flag = core_.settings.set.contains(key);
    read_header_map(headers, to, by_flag ? model::ObjectRef{"CommandLine", "", "--set", {}} : object,
                    std::string(by_flag ? "--set[" : "data[") + key + "]", look_up, result.entries);
  };
  read("add-headers", result.options.add_headers, HeadersTo::clients);
  read("proxy-set-headers", result.options.proxy_set_headers, HeadersTo::pods);
  core_.references.set(names_, *this, part_, look_up.take());
  core_.problems.say("options", std::move(result.entries));
  // What of it every Ingress was read with, beside the settings that are compared below.
  const auto rules = [](const model::Options& o) {
    return std::tie(o.annotations_risk_level, o.allow_snippet_annotations, o.annotation_value_word_blocklist,
                    o.no_auth_locations, o.host_namespaces, o.share_hosts, o.redirect_variables, o.exact,
                    o.allow_cross_namespace_resources, o.server_snippet, o.location_snippet, o.http_snippet,
                    o.global_allowed_response_headers, o.proxy_ssl_location_only, o.priority_namespaces);
  };
  const bool rules_changed = guards_ != result.guards || rules(result.options) != rules(*core_.model->options);
  guards_ = std::move(result.guards);
  auto& options = core_.model->options;
  const auto for_clusters = [](const model::Options& o) {
    return std::tie(o.allow_destinations, o.allow_destination_names, o.topology_aware_routing,
                    o.topology_overflow_percent);
  };
  news.clusters = for_clusters(result.options) != for_clusters(*options);
  if (!defaults_ || result.options != *options) {
    options = std::make_shared<const model::Options>(std::move(result.options));
    change.options = true;
  }
  auto fresh = default_settings(*options);
  if (defaults_ && *defaults_ == fresh && !rules_changed) return news;
  news.balancing = !defaults_ || defaults_->balancing != fresh.balancing;
  news.settings = true;
  defaults_ = core_.shared_settings.of(fresh);
  return news;
}

}  // namespace sluice::control
