#pragma once
#include <map>
#include <string>

// What the matrix knows of each annotation. An annotation that is in no table fails the matrix: whoever adds one says
// here how far it reaches.
namespace sluice::tenancy {

// Inside one namespace, as ingress-nginx does it. Other namespaces are not reached by any.
enum class Reach {
  own_paths,       // of the Ingress that has it
  host,            // all paths of the namespace at the host, whichever of its Ingresses has it
  host_by_oldest,  // the same, if the namespace's oldest Ingress has it
  root,            // requests for / of the host, whichever of its Ingresses has that path
  handshake,       // how TLS of the host is spoken, whichever of its Ingresses has it: no route
  names,           // other names of the host, which lead to all of its paths
  canary,          // requests of the main Ingress of its namespace: of a canary alone (tests/unit/control/canary_test)
};

struct Sample {
  Reach reach;
  std::string value;                               // valid, and no default; "NS" is the namespace
  std::map<std::string, std::string> beside = {};  // what it has no effect without
};

inline const std::map<std::string, Sample, std::less<>>& served() {
  using enum Reach;
  static const std::map<std::string, std::string> secret{{"proxy-ssl-secret", "NS/pair"}};
  static const std::map<std::string, std::string> clients{{"auth-tls-secret", "NS/pair"}};
  static const std::map<std::string, std::string> auth{{"auth-type", "basic"}, {"auth-secret", "NS/pair"}};
  static const std::map<std::string, std::string> url{{"auth-url", "http://auth.example/"}};
  static const std::map<std::string, std::string> mirror{{"mirror-target", "https://mirror.example$request_uri"}};
  static const std::map<std::string, std::string> session{{"affinity", "cookie"}}, hash{{"upstream-hash-by", "$uri"}};
  static const std::map<std::string, std::string> limit{{"limit-rps", "1"}};
  static const std::map<std::string, std::string> checked{{"health-check", "http"}};
  static const std::map<std::string, std::string> on{{"canary", "true"}};
  static const std::map<std::string, std::string> fcgi{{"backend-protocol", "FCGI"}};
  static const std::map<std::string, std::string> cors{{"enable-cors", "true"}};
  static const std::map<std::string, Sample, std::less<>> table{
      {"affinity", {own_paths, "cookie"}},
      {"affinity-canary-behavior", {canary, "legacy", on}},
      {"affinity-mode", {own_paths, "persistent", session}},
      {"allowlist-source-range", {own_paths, "192.0.2.1/32"}},
      {"ambiguous-paths", {host, "refuse"}},
      {"app-root", {root, "/taken"}},
      {"auth-always-set-cookie", {own_paths, "true", url}},
      {"auth-cache-duration",
       {own_paths, "200 1h", {{"auth-url", "http://auth.example/"}, {"auth-cache-key", "$remote_user"}}}},
      {"auth-cache-key", {own_paths, "$remote_user", url}},
      {"auth-keepalive", {own_paths, "7", url}},
      {"auth-keepalive-requests", {own_paths, "7", {{"auth-url", "http://auth.example/"}, {"auth-keepalive", "7"}}}},
      {"auth-keepalive-timeout", {own_paths, "7", {{"auth-url", "http://auth.example/"}, {"auth-keepalive", "7"}}}},
      {"auth-method", {own_paths, "POST", url}},
      {"auth-proxy-set-headers", {own_paths, "NS/headers", url}},
      {"auth-request-redirect", {own_paths, "https://to.example/", url}},
      {"auth-response-headers", {own_paths, "Authorization", url}},
      {"auth-signin", {own_paths, "https://to.example/", url}},
      {"auth-signin-redirect-param",
       {own_paths, "to", {{"auth-url", "http://auth.example/"}, {"auth-signin", "https://to.example/"}}}},
      {"auth-realm", {own_paths, "theirs", auth}},
      {"auth-secret", {own_paths, "NS/pair", {{"auth-type", "basic"}}}},
      {"auth-secret-type", {own_paths, "auth-map", auth}},
      {"auth-url", {own_paths, "http://auth.example/"}},
      {"auth-snippet", {own_paths, "proxy_set_header X-Taken theirs;", url}},
      {"auth-tls-error-page", {host, "https://to.example/", clients}},
      {"auth-tls-match-cn", {host, "CN=nobody", clients}},
      {"auth-tls-pass-certificate-to-upstream", {host, "true", clients}},
      {"auth-tls-secret", {host, "NS/pair"}},
      {"auth-tls-verify-client", {host, "optional", clients}},
      {"auth-tls-verify-depth", {host, "3", clients}},
      {"auth-type", {own_paths, "basic", {{"auth-secret", "NS/pair"}}}},
      {"backend-protocol", {own_paths, "GRPC"}},
      {"canary", {canary, "true"}},
      {"canary-by-cookie", {canary, "canary", on}},
      {"canary-by-header", {canary, "X-Canary", on}},
      {"canary-by-header-pattern", {canary, ".*", {{"canary", "true"}, {"canary-by-header", "X-Canary"}}}},
      {"canary-by-header-value", {canary, "yes", {{"canary", "true"}, {"canary-by-header", "X-Canary"}}}},
      {"canary-weight", {canary, "100", on}},
      {"canary-weight-total", {canary, "1000", {{"canary", "true"}, {"canary-weight", "100"}}}},
      {"client-body-buffer-size", {own_paths, "9k"}},
      {"configuration-snippet",
       {own_paths,
        "more_set_headers \"X-Taken: theirs\"; deny all; gzip off; auth_request /taken; "
        "location /web { return 418; }"}},
      {"connection-proxy-header", {own_paths, "close"}},
      {"cors-allow-credentials", {own_paths, "false", cors}},
      {"cors-allow-headers", {own_paths, "X-Any", cors}},
      {"cors-allow-methods", {own_paths, "GET", cors}},
      {"cors-allow-origin", {own_paths, "https://a.example", cors}},
      {"cors-expose-headers", {own_paths, "*", cors}},
      {"cors-max-age", {own_paths, "7", cors}},
      {"custom-headers", {own_paths, "NS/headers"}},
      {"custom-http-errors", {own_paths, "404,503"}},
      {"default-backend", {own_paths, "svc"}},
      {"disable-proxy-intercept-errors", {own_paths, "true", {{"custom-http-errors", "404"}}}},
      {"denylist-source-range", {own_paths, "0.0.0.0/0"}},
      {"enable-access-log", {own_paths, "false"}},
      {"enable-cors", {own_paths, "true"}},
      {"enable-global-auth", {own_paths, "false"}},
      {"enable-grpc-web", {own_paths, "true"}},
      {"fastcgi-index", {own_paths, "index.php", fcgi}},
      {"fastcgi-keep-conn", {own_paths, "true", fcgi}},
      {"fastcgi-params-configmap", {own_paths, "NS/headers", fcgi}},
      {"force-ssl-redirect", {own_paths, "true"}},
      {"from-to-www-redirect", {names, "true"}},
      {"mirror-host", {own_paths, "other.example", mirror}},
      {"mirror-request-body", {own_paths, "off", mirror}},
      {"mirror-target", {own_paths, "https://mirror.example$request_uri"}},
      {"health-check", {own_paths, "http"}},
      {"health-check-expect", {own_paths, "204", checked}},
      {"health-check-healthy-after", {own_paths, "7", checked}},
      {"health-check-host", {own_paths, "to.example:8080", checked}},
      {"health-check-interval", {own_paths, "1s", checked}},
      {"health-check-path", {own_paths, "/taken?status=500", checked}},
      {"health-check-service", {own_paths, "taken.Service", {{"health-check", "grpc"}}}},
      {"hedge-delay", {own_paths, "70ms"}},
      {"health-check-timeout", {own_paths, "100ms", checked}},
      {"health-check-unhealthy-after", {own_paths, "1", checked}},
      {"limit-allowlist", {own_paths, "192.0.2.1/32", limit}},
      {"limit-burst-multiplier", {own_paths, "1", limit}},
      {"limit-connections", {own_paths, "1"}},
      {"limit-rate", {own_paths, "1"}},
      {"limit-rate-after", {own_paths, "1"}},
      {"limit-rpm", {own_paths, "1"}},
      {"limit-rps", {own_paths, "1"}},
      {"limit-whitelist", {own_paths, "192.0.2.1/32", limit}},
      {"load-balance", {own_paths, "ewma"}},
      {"permanent-redirect", {own_paths, "https://to.example/"}},
      {"permanent-redirect-code", {own_paths, "308", {{"permanent-redirect", "/to"}}}},
      {"preserve-trailing-slash", {own_paths, "true"}},
      {"priority", {own_paths, "low"}},
      {"proxy-body-size", {own_paths, "7m"}},
      {"proxy-buffer-size", {own_paths, "9k"}},
      {"proxy-buffering", {own_paths, "on"}},
      {"proxy-buffers-number", {own_paths, "7"}},
      {"proxy-connect-timeout", {own_paths, "7"}},
      {"proxy-cookie-domain", {own_paths, "h.example to.example"}},
      {"proxy-cookie-path", {own_paths, "/ /taken"}},
      {"proxy-http-version", {own_paths, "1.0"}},
      {"proxy-max-temp-file-size", {own_paths, "9m"}},
      {"proxy-next-upstream", {own_paths, "http_404"}},
      {"proxy-next-upstream-timeout", {own_paths, "7"}},
      {"proxy-next-upstream-tries", {own_paths, "7"}},
      {"proxy-next-upstream-try-timeout", {own_paths, "70ms"}},
      {"proxy-read-timeout", {own_paths, "7"}},
      {"proxy-redirect-from", {own_paths, "http://h.example/", {{"proxy-redirect-to", "http://to.example/"}}}},
      {"proxy-redirect-to", {own_paths, "http://to.example/", {{"proxy-redirect-from", "http://h.example/"}}}},
      {"proxy-request-buffering", {own_paths, "off"}},
      {"proxy-send-timeout", {own_paths, "7"}},
      {"proxy-ssl-ciphers", {host, "HIGH", secret}},
      {"proxy-ssl-name", {host, "pod.example", secret}},
      {"proxy-ssl-protocols", {host, "TLSv1.3", secret}},
      {"proxy-ssl-secret", {host, "NS/pair"}},
      {"proxy-ssl-server-name", {host, "on", secret}},
      {"proxy-ssl-verify", {host, "on", secret}},
      {"proxy-ssl-verify-depth", {host, "3", secret}},
      {"relative-redirects", {own_paths, "true"}},
      {"request-timeout", {own_paths, "7s"}},
      {"rewrite-target", {host, "/taken/$1"}},
      {"satisfy", {own_paths, "any"}},
      // For any name, and one that runs away for most.
      {"server-alias", {names, "alias.example,*.other.example,~.,~^([a-z.-]+)*[0-9]{9}$"}},
      {"server-snippet",
       {host,
        "return 418; more_set_headers \"X-Taken: theirs\"; auth_request /taken; location ~ . { return 418; } "
        "rewrite ^ /taken last;"}},
      {"service-upstream", {own_paths, "true"}},
      {"session-cookie-change-on-failure", {own_paths, "true", session}},
      {"session-cookie-conditional-samesite-none", {own_paths, "true", session}},
      {"session-cookie-domain", {own_paths, "h.example", session}},
      {"session-cookie-expires", {own_paths, "7", session}},
      {"session-cookie-max-age", {own_paths, "7", session}},
      {"session-cookie-name", {own_paths, "session", session}},
      {"session-cookie-path", {own_paths, "/taken", session}},
      {"session-cookie-samesite", {own_paths, "None", session}},
      {"session-cookie-secure", {own_paths, "true", session}},
      {"slow-start", {own_paths, "30"}},
      {"ssl-ciphers", {handshake, "HIGH"}},
      {"ssl-passthrough", {host_by_oldest, "true"}},
      {"ssl-prefer-server-ciphers", {handshake, "false"}},
      {"ssl-redirect", {own_paths, "false"}},
      {"temporal-redirect", {own_paths, "https://to.example/"}},
      {"temporal-redirect-code", {own_paths, "307", {{"temporal-redirect", "https://to.example/"}}}},
      {"upstream-hash-by", {own_paths, "$request_uri"}},
      {"upstream-hash-by-balance-factor", {own_paths, "150", hash}},
      {"upstream-hash-by-policy", {own_paths, "maglev", hash}},
      {"upstream-hash-by-subset", {own_paths, "true", hash}},
      {"upstream-hash-by-subset-size", {own_paths, "1", hash}},
      {"upstream-vhost", {own_paths, "to.example"}},
      {"use-port-in-redirects", {own_paths, "true"}},
      {"use-regex", {host, "true"}},
      {"whitelist-source-range", {own_paths, "192.0.2.1/32"}},
      {"x-forwarded-prefix", {host, "/taken", {{"rewrite-target", "/taken/$1"}}}},
  };
  return table;
}

// Values that would do the most, were they served.
inline const std::map<std::string, std::string, std::less<>>& unserved() {
  static const std::map<std::string, std::string, std::less<>> table{
      {"auth-keepalive-share-vars", "true"},
      {"enable-modsecurity", "true"},
      {"enable-opentelemetry", "true"},
      {"enable-owasp-core-rules", "true"},
      {"enable-rewrite-log", "true"},
      {"http2-push-preload", "true"},
      {"modsecurity-snippet", "SecRuleEngine On"},
      {"modsecurity-transaction-id", "$request_id"},
      {"opentelemetry-operation-name", "theirs"},
      {"opentelemetry-trust-incoming-span", "false"},
      {"proxy-busy-buffers-size", "16k"},
      {"stream-snippet", "return 418;"},
  };
  return table;
}

}  // namespace sluice::tenancy
