#pragma once
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"

// How to reach a Kubernetes API server, and who we are there.
namespace sluice::control::cluster {

// Immutable once made; any thread.
struct Access {
  bool tls = true;
  std::string host, port;   // IPv6 without brackets
  std::string base_path;    // "" or "/k8s/clusters/x", without a slash at its end
  std::string server_name;  // verified against the certificate and sent as SNI: tls-server-name, or the host
  bool insecure = false;    // insecure-skip-tls-verify
  std::string ca_pem;       // empty: the system's CAs
  std::string ca_file;      // where ca_pem was read and is read again, as it rotates; empty: it was given itself
  std::string ns;           // of the context or the service account; empty: none
  std::string described;    // for logs: "https://10.96.0.1:443 (service account)"; never a secret
  // The CAs as they are now: what the file has, or what it had when it cannot be read.
  std::string current_ca() const;
};

// Asked before each connection. One thread.
class Credentials {
 public:
  virtual ~Credentials() = default;
  struct Current {
    std::string authorization;             // value of the Authorization field, or empty
    std::string certificate_pem, key_pem;  // client certificate, or empty
  };
  using Answer = std::expected<Current, std::string>;  // the error is a sentence
  // What to use now. Holds up nobody else on the caller's thread.
  virtual boost::asio::awaitable<Answer> current(Instant now) = 0;
  // The server answered 401: what is cached is not to be trusted.
  virtual void refused() = 0;
};

struct Cluster {
  Access access;
  std::unique_ptr<Credentials> credentials;
};

// What is around the process; tests put their own in its place.
struct Environment {
  std::function<std::string(const char* name)> variable;  // empty: not set
  std::string root;                                       // in front of /var/run/secrets/…
  std::function<std::int64_t()> wall;                     // seconds since 1970
  static Environment of_process();
};

// The pod's service account: KUBERNETES_SERVICE_HOST and _PORT, /var/run/secrets/kubernetes.io/serviceaccount.
std::expected<Cluster, std::string> in_cluster(const Environment& environment);
// `files`: one, or several with ':' between them as in $KUBECONFIG; the first that has a name wins. `context`: empty
// for the current one.
std::expected<Cluster, std::string> from_kubeconfig(const std::string& files, const std::string& context,
                                                    const Environment& environment = Environment::of_process());

// Puts another API server, `url`, into what was found, and authorities from a file in place of its own; either may be
// empty. A token goes by TLS alone: over http:// nothing says who we are. The error is a sentence.
std::string replace_server(const std::string& url, const std::string& ca_file, Cluster& cluster);
// One of which nothing is known but that: `url` is not empty, and who we are is not said.
std::expected<Cluster, std::string> at_server(const std::string& url, const std::string& ca_file);

}  // namespace sluice::control::cluster
