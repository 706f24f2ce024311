#include "app/questions.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <set>
#include <tuple>
#include <vector>

#include "app/terminal.h"
#include "base/nearest.h"
#include "base/percent.h"
#include "base/printable.h"
#include "base/strings.h"

namespace sluice::app {

namespace json = boost::json;

namespace {

// /config of 100,000 routes is made and sent in seconds.
constexpr std::chrono::seconds kPatience{30};

// `kind`: of the page. Whoever answers there may be somebody else.
std::expected<json::value, std::string> ask_for_json(const AdminAddress& whom, const std::string& page,
                                                     json::kind kind) {
  const auto told = ask_admin(whom, page, kPatience);
  if (!told) return std::unexpected(told.error());
  if (told->status != 200) {
    std::string_view why = told->body;
    return std::unexpected(fmt::format("{}{}: {} {}", whom.address, page, told->status, why.substr(0, why.find('\n'))));
  }
  json::error_code bad;
  auto value = json::parse(told->body, bad);
  if (bad || value.kind() != kind)
    return std::unexpected(fmt::format("{}{}: the answer is not the JSON of an admin address", whom.address, page));
  return value;
}

// With two blanks a level, as the plugin prints it.
void indent(const json::value& value, std::size_t level, std::string& out) {
  const std::string inner(2 * level + 2, ' '), outer(2 * level, ' ');
  if (const auto* object = value.if_object(); object && !object->empty()) {
    out += "{";
    for (const char* comma = "\n"; const auto& [key, member] : *object) {
      out += comma + inner + json::serialize(key) + ": ";
      indent(member, level + 1, out);
      comma = ",\n";
    }
    out += "\n" + outer + "}";
  } else if (const auto* array = value.if_array(); array && !array->empty()) {
    out += "[";
    for (const char* comma = "\n"; const auto& member : *array) {
      out += comma + inner;
      indent(member, level + 1, out);
      comma = ",\n";
    }
    out += "\n" + outer + "]";
  } else {
    out += json::serialize(value);
  }
}

void print_indented(std::ostream& out, const json::value& value) {
  std::string text;
  indent(value, 0, text);
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const auto end = std::min(text.find('\n', begin), text.size());
    out << printable_json(text.substr(begin, end - begin)) << '\n';
    begin = end + 1;
  }
}

std::string_view text_of(const json::object& o, std::string_view key) {
  const auto* member = o.if_contains(key);
  return member && member->is_string() ? std::string_view(member->get_string()) : std::string_view();
}
const json::array& array_of(const json::object& o, std::string_view key) {
  static const json::array none;
  const auto* member = o.if_contains(key);
  return member && member->is_array() ? member->get_array() : none;
}

// What was asked for, what there is, and what may have been meant.
int not_there(std::string_view kind, std::string_view asked, const std::set<std::string>& all) {
  constexpr std::size_t kMost = 10;
  std::string known;
  std::size_t n = 0;
  for (const auto& name : all)
    if (n++ < kMost) add_element(known, name);
  if (all.size() > kMost) known += fmt::format(" and {} more", all.size() - kMost);
  return refuse(fmt::format("{} {}: there is none; {}{}", kind, asked,
                            all.empty() ? "nothing is served" : "expected one of " + known, did_you_mean(asked, all)),
                1);
}

// A route of /config, as one path of its Ingress.
struct PathRow {
  std::string host, path, type, ns, ingress, service, port, canary, because, origin, redirects_to, redirect;
  bool tls = false;
  std::int64_t status = 0;
  auto key() const { return std::tie(host, ns, ingress, path, type, service, port); }
};

// In the order of /config, each path once: a Prefix is two routes there.
std::vector<PathRow> rows_of(const json::object& config) {
  std::vector<PathRow> rows;
  std::set<std::tuple<std::string, std::string, std::string, std::string, std::string, std::string, std::string>> seen;
  for (const auto& value : array_of(config, "routes")) {
    const auto* o = value.if_object();
    if (!o) continue;
    PathRow row;
    const auto take = [&](std::string_view key) { return std::string(text_of(*o, key)); };
    row.host = take("host");
    row.path = take("location");
    if (row.path.empty()) row.path = take("path");
    row.type = take("pathType");
    row.ns = take("namespace");
    row.ingress = take("ingress");
    row.service = take("service");
    row.port = take("port");
    row.because = take("because");
    row.origin = take("origin");
    row.redirects_to = take("redirectsTo");
    row.redirect = take("redirect");
    if (const auto* canary = o->if_contains("canary"); canary && canary->is_object())
      row.canary = text_of(canary->get_object(), "service");
    if (const auto* tls = o->if_contains("tls"); tls && tls->is_bool()) row.tls = tls->get_bool();
    if (const auto* status = o->if_contains("status"); status && status->is_int64()) row.status = status->get_int64();
    if (seen.insert(row.key()).second) rows.push_back(std::move(row));
  }
  return rows;
}

struct EndpointCount {
  std::size_t ready = 0, all = 0;
  std::string because;
};
using Counts = std::map<std::tuple<std::string, std::string, std::string>, EndpointCount>;

Counts counts_of(const json::object& config) {
  Counts out;
  for (const auto& value : array_of(config, "clusters")) {
    const auto* o = value.if_object();
    if (!o) continue;
    auto& count = out[{std::string(text_of(*o, "namespace")), std::string(text_of(*o, "service")),
                       std::string(text_of(*o, "port"))}];
    count.because = text_of(*o, "emptyBecause");
    for (const auto& endpoint : array_of(*o, "endpoints")) {
      const auto* e = endpoint.if_object();
      const auto* ready = e ? e->if_contains("ready") : nullptr;
      ++count.all;
      count.ready += ready && ready->is_bool() && ready->get_bool();
    }
  }
  return out;
}

const EndpointCount* count_for(const Counts& counts, const PathRow& row) {
  const auto at = counts.find({row.ns, row.service, row.port});
  return at == counts.end() ? nullptr : &at->second;
}

std::set<std::string> hosts_of(const std::vector<PathRow>& rows) {
  std::set<std::string> out;
  for (const auto& row : rows) out.insert(row.host);
  return out;
}

std::string asked_host(std::string_view host) {
  return host == "*" ? "_" : lower(host);
}

// The same of a further name of a host: the host that has its routes.
std::string asked_host(std::string_view host, const json::object& config) {
  std::string name = asked_host(host);
  const auto* aliases = config.if_contains("aliases");
  if (aliases == nullptr || !aliases->is_object()) return name;
  const auto served_as = text_of(aliases->get_object(), name);
  return served_as.empty() ? name : std::string(served_as);
}

void print_table(std::ostream& out, const std::vector<std::vector<std::string>>& table) {
  std::vector<std::size_t> widths;
  for (const auto& line : table) {
    widths.resize(std::max(widths.size(), line.size()));
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  for (const auto& line : table) {
    std::string text;
    for (std::size_t i = 0; i < line.size(); ++i)
      text += i + 1 == line.size() ? line[i] : fmt::format("{:<{}}", line[i], widths[i] + 3);
    print_line(out, text);
  }
}

}  // namespace

int print_backends(const AdminAddress& whom, const BackendsQuestion& question, std::ostream& out) {
  const auto told = ask_for_json(whom, "/configuration/backends", json::kind::array);
  if (!told) return refuse(told.error());
  std::set<std::string> names;
  const auto* all = told->if_array();
  for (const auto& value : all ? *all : json::array())
    if (const auto* o = value.if_object()) {
      const auto name = text_of(*o, "name");
      names.emplace(name);
      if (question.list) print_line(out, name);
      if (!question.name.empty() && name == question.name) {
        print_indented(out, value);
        return 0;
      }
    }
  if (!question.name.empty()) return not_there("backend", question.name, names);
  if (!question.list) print_indented(out, *told);
  return 0;
}

int print_ingresses(const AdminAddress& whom, const IngressesQuestion& question, std::ostream& out) {
  const auto told = ask_for_json(whom, "/config", json::kind::object);
  if (!told) return refuse(told.error());
  const auto& config = told->as_object();
  const auto counts = counts_of(config);
  auto rows = rows_of(config);
  std::erase_if(rows, [](const PathRow& row) { return row.ingress.empty(); });
  const auto hosts = hosts_of(rows);
  const std::string host = asked_host(question.host, config);
  if (!host.empty() && !hosts.contains(host)) return not_there("host", question.host, hosts);
  std::set<std::string> namespaces;
  for (const auto& row : rows) namespaces.insert(row.ns);
  if (!question.ns.empty() && !namespaces.contains(question.ns)) return not_there("namespace", question.ns, namespaces);
  std::erase_if(rows, [&](const PathRow& row) {
    return (!host.empty() && row.host != host) || (!question.ns.empty() && row.ns != question.ns);
  });
  std::stable_sort(rows.begin(), rows.end(), [](const PathRow& a, const PathRow& b) {
    return std::tie(a.ns, a.ingress, a.host) < std::tie(b.ns, b.ingress, b.host);
  });
  if (question.json) {
    json::array list;
    for (const auto& row : rows) {
      const auto* count = count_for(counts, row);
      json::object o{{"namespace", row.ns},    {"ingress", row.ingress}, {"host", row.host},
                     {"path", row.path},       {"pathType", row.type},   {"tls", row.tls},
                     {"service", row.service}, {"servicePort", row.port}};
      o["endpoints"] = count ? json::value(count->ready) : json::value();
      if (!row.redirect.empty()) o["redirect"] = row.redirect;
      if (!row.canary.empty()) o["canary"] = row.canary;
      if (!row.because.empty()) o["because"] = row.because;
      list.push_back(std::move(o));
    }
    print_json(out, list);
    return 0;
  }
  std::vector<std::vector<std::string>> table{
      {"NAMESPACE", "INGRESS NAME", "HOST+PATH", "TLS", "SERVICE", "SERVICE PORT", "ENDPOINTS"}};
  for (const auto& row : rows) {
    const auto* count = count_for(counts, row);
    table.push_back({row.ns, row.ingress, (row.host == "_" ? "*" : row.host) + row.path, row.tls ? "YES" : "NO",
                     row.service, row.port, count ? std::to_string(count->ready) : "N/A"});
  }
  print_table(out, table);
  return 0;
}

int print_conf(const AdminAddress& whom, const ConfQuestion& question, std::ostream& out) {
  const auto told = ask_for_json(whom, "/config", json::kind::object);
  if (!told) return refuse(told.error());
  const auto& config = told->as_object();
  const std::string host = asked_host(question.host, config);
  auto rows = rows_of(config);
  const auto hosts = hosts_of(rows);
  if (!host.empty() && !hosts.contains(host)) return not_there("host", question.host, hosts);
  if (question.json) {
    if (host.empty()) {
      print_json(out, *told);
      return 0;
    }
    json::array routes, clusters;
    std::set<std::tuple<std::string, std::string, std::string>> used;
    for (const auto& route : array_of(config, "routes"))
      if (const auto* o = route.if_object(); o && text_of(*o, "host") == host) {
        routes.push_back(route);
        used.emplace(text_of(*o, "namespace"), text_of(*o, "service"), text_of(*o, "port"));
      }
    for (const auto& cluster : array_of(config, "clusters"))
      if (const auto* o = cluster.if_object();
          o && used.contains({std::string(text_of(*o, "namespace")), std::string(text_of(*o, "service")),
                              std::string(text_of(*o, "port"))}))
        clusters.push_back(cluster);
    print_json(out, json::object{{"host", host}, {"routes", std::move(routes)}, {"clusters", std::move(clusters)}});
    return 0;
  }
  const auto counts = counts_of(config);
  std::stable_sort(rows.begin(), rows.end(), [](const PathRow& a, const PathRow& b) {
    return std::tuple(a.host == "_", std::string_view(a.host)) < std::tuple(b.host == "_", std::string_view(b.host));
  });
  std::string current = "\n";
  for (const auto& row : rows) {
    if (!host.empty() && row.host != host) continue;
    if (row.host != current) {
      current = row.host;
      print_line(out, (current == "_" ? std::string("* (any other host)") : current) + (row.tls ? "  TLS" : ""));
    }
    std::string line = fmt::format("  {}  {}  -> ", row.path, row.type.empty() ? "(implicit)" : row.type);
    if (!row.redirect.empty()) {
      line += fmt::format("{} to {}", row.status, row.redirect);
    } else if (!row.redirects_to.empty()) {
      line += row.redirects_to;
    } else if (row.service.empty() || row.status != 0) {
      line += std::to_string(row.status != 0 ? row.status : 404);
      if (!row.because.empty()) line += ": " + row.because;
    } else {
      const auto* count = count_for(counts, row);
      line += fmt::format("{}/{}:{}  ", row.ns, row.service, row.port);
      if (!count || count->ready == 0)
        line += "no endpoints" + (count && !count->because.empty() ? ": " + count->because : std::string());
      else
        line += fmt::format("{} of {} endpoints", count->ready, count->all);
    }
    if (!row.canary.empty()) line += "  canary " + row.canary;
    if (!row.ingress.empty())
      line +=
          fmt::format("  [Ingress {}/{}{}]", row.ns, row.ingress, row.origin.empty() ? "" : " (" + row.origin + ")");
    print_line(out, line);
  }
  return 0;
}

int print_certificate(const AdminAddress& whom, const std::string& host, std::ostream& out) {
  std::string target = "/configuration/certs?hostname=";
  append_encoded(asked_host(host), target, [](std::uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '*';
  });
  const auto told = ask_admin(whom, target, kPatience);
  if (!told) return refuse(told.error());
  if (told->status == 200) {
    std::string_view rest = told->body;
    while (!rest.empty()) {
      const auto end = std::min(rest.find('\n'), rest.size());
      print_line(out, rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return 0;
  }
  if (told->status != 404 || told->body.starts_with("no such page")) {
    std::string_view why = told->body;
    return refuse(fmt::format("{}: {} {}", whom.address, told->status, why.substr(0, why.find('\n'))));
  }
  std::set<std::string> hosts;
  const auto config = ask_for_json(whom, "/config", json::kind::object);
  if (config)
    for (const auto& row : rows_of(config->as_object()))
      if (row.tls) hosts.insert(row.host);
  return not_there("certificate of host", host, hosts);
}

std::string in_place_of_command(std::string_view word) {
  struct Row {
    std::string_view command, instead;
  };
  static constexpr Row kRows[] = {
      {"lint", "sluice check WHERE, or sluice check --kubeconfig FILE, says what is refused, doubtful and ignored"},
      {"ing", "sluice ingresses says what is served, by -n NAMESPACE and --host HOST less of it"},
      {"info", "kubectl get service says the addresses; the status of each Ingress has them, too"},
      {"general", "it is always {} in ingress-nginx; sluice conf --json has everything that changes while it runs"},
      {"logs", "kubectl logs -n NAMESPACE deployment/sluice"},
      {"exec", "kubectl exec -n NAMESPACE deployment/sluice -- sluice COMMAND; the image holds no other program"},
      {"ssh", "the image holds no shell: kubectl debug -n NAMESPACE -it POD --image=IMAGE --target=sluice"},
  };
  for (const Row& row : kRows)
    if (row.command == word) return std::string(word).append(": is not a command; ").append(row.instead);
  return {};
}

}  // namespace sluice::app
