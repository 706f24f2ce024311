#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/stream_figures.h"

// The slow-changing values of the controller that /metrics shows. The app fills them after each publication; they are
// read at scrape, under the mutex of Metrics.
namespace sluice::ops {

// A certificate that is being served for a host. Never holds key material.
struct CertificateState {
  std::string host;        // the host it is served for, as configured ("_" for the default certificate)
  std::string ns, secret;  // the Secret; empty secret: made at start
  std::string identifier;  // as ingress-nginx makes it: serialNumber of the issuer's name, "-", serial_number
  std::string issuer_common_name, issuer_organization, serial_number, public_key_algorithm;
  std::int64_t not_after = 0;  // Unix seconds
};

// An Ingress path that leads nowhere.
struct OrphanState {
  std::string ns, ingress;
  bool no_service = false;  // true: the Service does not exist; false: it has no endpoint
};

// Entries of the Report with the same severity and reason.
struct ProblemCount {
  std::string severity;  // "ignored", "warning", "error"
  std::string reason;    // CamelCase, bounded by the translators
  std::uint64_t count = 0;
};

// A port that leads to a Service.
struct StreamState {
  std::string_view transport;  // a static text: "tcp" or "udp"
  std::string port, ns, service, service_port;
  std::shared_ptr<const StreamFigures> figures;
};

struct ControllerState {
  bool ready = false;
  std::uint64_t config_version = 0;  // of the last published Snapshot
  std::uint64_t config_hash = 0;
  bool last_reload_successful = false;
  double last_reload_success_time = 0;  // Unix seconds; 0: never
  std::uint64_t reloads = 0;            // publications
  std::uint64_t reload_errors = 0;      // batches after which the Report held a new error
  double last_compile_seconds = 0;      // source change to published
  std::uint64_t hosts = 0, routes = 0, clusters = 0, endpoints = 0;
  std::uint64_t closed_routes = 0;                       // of routes
  std::uint64_t refused_destinations = 0;                // addresses that Services lead to and nothing is sent to
  std::map<std::string, CertificateState> certificates;  // by host name
  std::vector<OrphanState> orphans;
  std::vector<StreamState> streams;
  struct Api {  // control::ApiFigures
    struct Resource {
      std::string path;
      bool followed = false;
      std::uint64_t failures = 0;
    };
    bool leading = false;
    std::string lease;
    std::vector<Resource> resources;
    std::uint64_t statuses = 0, status_failures = 0, events = 0, event_failures = 0;
  };
  std::optional<Api> api;  // of a cluster
  struct Webhook {         // control::Webhook::Figures
    std::uint64_t allowed = 0, refused = 0;
    double seconds = 0, last_seconds = 0;
    struct Checked {
      std::string ns, ingress;
      std::uint64_t allowed = 0, refused = 0;
    };
    std::vector<Checked> checked{};
  };
  std::optional<Webhook> webhook;
  struct Memory {
    std::uint64_t used = 0, limit = 0;  // bytes; limit 0: there is none
  } memory;
  struct Overload {
    unsigned rung = 0;  // of the ladder, as the metric counts
    struct Source {
      std::string_view name;
      double pressure = 0;                                   // a part of its limit
      std::vector<std::pair<std::string_view, bool>> rungs;  // by their names: it holds them
    };
    std::vector<Source> sources;
  } overload;
  std::vector<ProblemCount> problems;
  std::uint64_t certificate_refusals = 0;  // each time a Secret was found unusable
  struct Files {                           // control::Watcher::Stats
    std::uint64_t files = 0, objects = 0, reads = 0, unreadable = 0, batches = 0, dns_failures = 0;
  } files;
};

}  // namespace sluice::ops
