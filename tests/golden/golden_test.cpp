// Objects in → routes, clusters, certificates and refusals out, as text. Each cases/NAME.yaml is loaded as `sluice
// check` loads a directory and compared with NAME.expected. SLUICE_GOLDEN_UPDATE=1 writes the expected files anew: read
// the difference before it is committed.
//
// Comment lines `#: key value` in front of a case are command line settings.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "control/control.h"

namespace {

namespace fs = std::filesystem;
using namespace sluice;

std::string read(const fs::path& path) {
  std::ifstream in(path);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

control::Settings settings_of(const std::string& text) {
  control::Settings s;
  std::istringstream in(text);
  std::string line;
  while (std::getline(in, line) && line.starts_with('#')) {
    if (!line.starts_with("#: ")) continue;
    std::istringstream words(line.substr(3));
    std::string key, value;
    words >> key;
    std::getline(words >> std::ws, value);
    if (key == "ingress-class")
      s.ingress_classes.push_back(value);
    else if (key == "default-backend")
      s.default_backend = value;
    else if (key == "default-ssl-certificate")
      s.default_ssl_certificate = value;
    else if (key == "endpoint")
      s.endpoints.push_back(value);
    else if (key == "annotations-prefix")
      s.annotations_prefix = value;
    else if (key == "watch-ingress-without-class")
      s.watch_ingress_without_class = true;
    else if (key == "enable-ssl-passthrough")
      s.ssl_passthrough = true;
    else if (key == "accept-unprotected")
      s.accept_unprotected.insert(value);
    else if (key == "tcp-services-configmap")
      s.tcp_services = value;
    else if (key == "listener")  // KIND ADDRESS:PORT, as serve knows them
      s.listeners.push_back(model::read_listener(value.substr(0, value.find(' ')), value.substr(value.find(' ') + 1)));
    else if (key == "set")
      s.set[value.substr(0, value.find('='))] = value.substr(value.find('=') + 1);
    else
      ADD_FAILURE() << "unknown setting " << key;
  }
  return s;
}

// What differs from the defaults, so that a case shows what its annotations did.
std::string shown(const model::Route& route, const model::Host& host, const model::Model& m) {
  const auto cluster = m.clusters.find(route.cluster);
  std::string out;
  for (const auto& row : control::settings_of(
           {*route.settings, &host, cluster == m.clusters.end() ? nullptr : cluster->second.get(), &route}, *m.options,
           {[](std::string_view) { return true; }, nullptr}))
    if (!row.from.empty()) out += " " + row.name + "=" + row.value;
  if (const auto& tls = route.settings->upstream_tls)
    out += std::string(tls->ca_pem.empty() ? "" : " (ca)") + (tls->certificate_pem.empty() ? "" : " (pair)");
  return out;
}

std::string dump(const model::Model& m) {
  std::ostringstream out;
  std::map<std::string, std::shared_ptr<const model::Host>> hosts(m.hosts.begin(), m.hosts.end());
  for (auto& [name, host] : hosts) {
    out << "host " << (name.empty() ? "(catch-all)" : name) << (host->tls ? " tls" : "");
    for (auto& c : host->certificates) {
      if (&c != &host->certificates.front()) out << " /";  // of a younger Ingress
      for (auto& secret : c.secrets) out << " " << secret;
    }
    for (auto& alias : host->aliases) {
      out << " alias " << alias.name;
      for (auto& c : alias.certificates)
        for (auto& secret : c.secrets) out << " " << secret;
    }
    if (!host->redirected.empty()) out << " redirected " << host->redirected;
    out << "\n";
    auto routes = host->routes;
    std::sort(routes.begin(), routes.end(),
              [](auto& a, auto& b) { return std::tie(a.path, a.match) < std::tie(b.path, b.match); });
    for (auto& r : routes) {
      static const char* names[] = {"exact", "prefix", "slash-redirect", "pattern"};
      out << "  " << names[static_cast<int>(r.match)] << " " << r.path << " → "
          << (r.cluster.empty() ? std::to_string(r.status) : r.upstream_name.str());
      if (!r.ingress.empty()) out << " of " << r.ns << "/" << r.ingress;
      if (!r.path_type.empty()) out << " " << r.path_type << " " << r.location;
      if (r.canary) out << " canary " << r.canary->upstream_name << " of " << r.ns << "/" << r.canary->ingress;
      out << (r.tls && !host->tls ? " tls" : "") << shown(r, *host, m)
          << (r.settings->to_host ? " to-host=" + r.settings->to_host->host : std::string())
          << (r.because.empty() ? std::string() : ": " + r.because.str()) << "\n";
    }
  }
  std::map<std::pair<std::string, std::string>, std::shared_ptr<const model::Cluster>> clusters;
  for (auto& [name, c] : m.clusters) clusters[{c->upstream_name.str(), name}] = c;
  for (auto& [name, c] : clusters) {
    out << "cluster " << c->upstream_name << " (" << c->ns << " " << c->service << " " << c->port << ")";
    if (c->proxy_protocol != model::ProxyProtocol::off)
      out << " proxy-protocol-v" << static_cast<int>(c->proxy_protocol);
    if (c->protocol != model::BackendProtocol::http) out << " " << lower(to_string(c->protocol));
    if (const auto& by = c->balancing)
      out << " by "
          << (by->affinity  ? "cookie " + by->affinity->name
              : by->hash_by ? "hash of " + by->hash_by->key.text() +
                                  (by->hash_by->policy == model::HashPolicy::maglev ? " in a table" : "") +
                                  (by->hash_by->balance_factor != 0
                                       ? " up to " + std::to_string(by->hash_by->balance_factor) + "%"
                                       : "")
                            : std::string(to_string(by->load_balance)))
          << (c->balanced_by.empty() ? std::string() : " of " + c->balanced_by);
    for (auto& e : c->endpoints)
      out << " " << e.address << "|" << e.port << (e.ready ? "" : " unready") << (e.terminating ? " terminating" : "")
          << (e.pod.empty() ? "" : " " + e.pod);
    if (!c->empty_because.empty()) out << " empty: " << c->empty_because;
    out << "\n";
  }
  for (const model::StreamListener& l : *m.streams)
    out << "port " << to_string(l.transport) << " " << l.port << " → " << l.cluster << (l.proxy_in ? " proxy-in" : "")
        << (l.proxy_out ? " proxy-out" : "") << "\n";
  std::map<std::string, std::shared_ptr<const model::Certificate>> certificates(m.certificates.begin(),
                                                                                m.certificates.end());
  for (auto& [name, c] : certificates) out << "certificate " << name << "\n";
  if (!m.default_certificate.empty()) out << "default certificate " << m.default_certificate << "\n";
  for (auto& e : m.report.entries) out << model::Report::line(e) << "\n";
  return out.str();
}

std::vector<std::string> cases() {
  std::vector<std::string> out;
  for (auto& e : fs::directory_iterator(fs::path(SLUICE_SOURCE_DIR) / "tests/golden/cases"))
    if (e.path().extension() == ".yaml") out.push_back(e.path().stem().string());
  std::sort(out.begin(), out.end());
  return out;
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, IsAsExpected) {
  auto folder = fs::path(SLUICE_SOURCE_DIR) / "tests/golden/cases";
  auto input = read(folder / (GetParam() + ".yaml"));
  auto directory = fs::path(testing::TempDir()) / ("golden-" + GetParam() + "-" + std::to_string(::getpid()));
  fs::create_directory(directory);
  fs::copy_file(folder / (GetParam() + ".yaml"), directory / "case.yaml", fs::copy_options::overwrite_existing);
  auto settings = settings_of(input);
  settings.manifests = directory.string();
  auto update = control::load_once(settings);
  fs::remove_all(directory);
  auto actual = dump(*update.model);
  auto expected = folder / (GetParam() + ".expected");
  if (std::getenv("SLUICE_GOLDEN_UPDATE")) std::ofstream(expected) << actual;
  EXPECT_EQ(actual, read(expected));
}

TEST(GoldenCases, AreMany) {
  EXPECT_GE(cases().size(), 60U);
}

INSTANTIATE_TEST_SUITE_P(Cases, Golden, testing::ValuesIn(cases()), [](const auto& c) {
  std::string name = c.param;
  for (auto& letter : name)
    if (letter == '-') letter = '_';
  return name;
});

}  // namespace
