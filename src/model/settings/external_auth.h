#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/variables.h"
#include "model/settings/header_map.h"
#include "model/settings/snippet.h"
#include "model/settings/upstream_connection.h"
#include "model/shared.h"

namespace sluice::model {

// How long answers of these statuses are kept.
struct AuthCacheTime {
  std::vector<std::uint16_t> statuses;  // 0: any; none: 200, 301 and 302, as nginx has it
  std::chrono::seconds time{};
  bool operator==(const AuthCacheTime&) const = default;
};

// auth-url: another service is asked whether a request may come.
struct ExternalAuth {
  std::string url;       // as it is written
  bool tls = false;      // it is https
  std::string host;      // lower case, an address without brackets; "": by_host, and not known here
  bool by_host = false;  // the URL names the host of the request, which the route's is
  std::uint16_t port = 80;
  Template host_header;             // what it gets as Host: the URL's host without its port, as from ingress-nginx
  Template target;                  // path and query
  std::string method;               // "": GET, and it is not told X-Original-URI and X-Scheme
  Template signin;                  // where a 401 leads, with the parameter that names the request; "": nowhere
  std::string signin_param = "rd";  // its name
  std::vector<std::string> response_headers;  // of its answer, that pods get
  Template request_redirect;                  // X-Auth-Request-Redirect; "": the request's target
  Shared<HeaderMap> request_headers;          // auth-proxy-set-headers
  bool always_set_cookie = false;             // its cookies are set with whatever status
  Template cache_key;                         // "": no answer is kept
  std::vector<AuthCacheTime> cache_times;
  KeptConnections kept;                     // to the service
  std::vector<SnippetAuthField> variables;  // of its answer, that snippets name
  std::string snippet;                      // auth-snippet in one line, for explain; its headers are request_headers
  bool operator==(const ExternalAuth&) const = default;
};

}  // namespace sluice::model
