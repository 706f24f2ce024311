#include <algorithm>
#include <tuple>

#include "control/kube/state.h"

namespace sluice::control {

bool Store::State::is_options(const Object& o) const {
  return std::holds_alternative<ConfigMap>(o) && key_of(meta(o)) == settings.config_map;
}

void Store::State::look_at_other(const ConfigMap& map, bool there) {
  Entries entries;
  const auto known = static_cast<std::size_t>(
      std::count_if(map.data.begin(), map.data.end(), [](const auto& d) { return is_option(d.first); }));
  // One of somebody else may share a word with us.
  if (there && known > 0 && 2 * known > map.data.size())
    entries.push_back({reference("ConfigMap", map.meta),
                       {model::Severity::warning, "UnreadConfigMap", "metadata.name", map.meta.name,
                        "the ConfigMap that --configmap names, " + settings.config_map,
                        "nothing of it is read, although its keys are options"}});
  say("configmap/" + key_of(map.meta), std::move(entries));
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

// Reads the options anew; what follows from them (the settings of every Ingress) only if they differ.
void Store::State::rebuild_options(model::Change& change) {
  ++work.options;
  static const std::map<std::string, std::string> nothing;
  const auto* map = config_map ? &std::get<ConfigMap>(*config_map) : nullptr;
  auto object = map ? reference("ConfigMap", map->meta) : model::ObjectRef{"ConfigMap", "", settings.config_map, {}};
  auto result =
      read_options(map ? map->data : nothing, object, settings.set, *model->options, settings.accept_unprotected);
  if (config_map_gone)
    result.entries.push_back({object,
                              {model::Severity::warning, "MissingConfigMap", "--configmap", settings.config_map,
                               "a ConfigMap of this namespace and name",
                               "it is gone; what it said still counts until there is another or the process starts "
                               "anew"}});
  static const Settings unasked;
  if (!map && settings.config_map != unasked.config_map)
    result.entries.push_back({object,
                              {model::Severity::warning, "MissingConfigMap", "--configmap", settings.config_map,
                               "a ConfigMap of this namespace and name", "the defaults and --set count"}});
  LookUp look_up(secrets, config_maps);
  const auto read = [&](const char* key, model::Shared<model::HeaderMap>& headers, HeadersTo to) {
    const bool by_flag = settings.set.contains(key);
    read_header_map(headers, to, by_flag ? model::ObjectRef{"CommandLine", "", "--set", {}} : object,
                    std::string(by_flag ? "--set[" : "data[") + key + "]", look_up, result.entries);
  };
  read("add-headers", result.options.add_headers, HeadersTo::clients);
  read("proxy-set-headers", result.options.proxy_set_headers, HeadersTo::pods);
  if (references.set(kOptionsUser, look_up.take())) references_changed = true;
  say("options", std::move(result.entries));
  // What of it every Ingress was read with, beside the settings that are compared below.
  const auto rules = [](const model::Options& o) {
    return std::tie(o.annotations_risk_level, o.allow_snippet_annotations, o.annotation_value_word_blocklist,
                    o.no_auth_locations, o.host_namespaces, o.share_hosts, o.redirect_variables,
                    o.allow_cross_namespace_resources, o.global_allowed_response_headers, o.proxy_ssl_location_only);
  };
  const bool rules_changed = guards != result.guards || rules(result.options) != rules(*model->options);
  guards = std::move(result.guards);
  if (result.options.allow_destinations != model->options->allow_destinations ||
      result.options.allow_destination_names != model->options->allow_destination_names)
    for (auto& [name, cluster] : clusters) dirty_clusters.insert(name);
  if (!defaults || result.options != *model->options) {
    model->options = std::make_shared<const model::Options>(std::move(result.options));
    change.options = true;
  }
  auto fresh = default_settings(*model->options);
  if (defaults && *defaults == fresh && !rules_changed) return;
  if (!defaults || defaults->balancing != fresh.balancing)
    for (auto& [name, cluster] : clusters) {
      cluster.users_changed = true;
      dirty_clusters.insert(name);
    }
  defaults = shared_settings.of(fresh);
  for (auto& [key, state] : ingresses) dirty_ingresses.insert(key);
  if (hosts.contains("")) dirty_hosts.insert("");
}

}  // namespace sluice::control
