#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "model/settings/external_auth.h"

// The values of auth-* and global-auth-*, which annotations and options have in common. Each function returns what was
// expected, or nothing and writes `out`.
namespace sluice::control {

// An absolute http or https URL. Its path and query may name variables; its host may be one that means the host of the
// request ($host, $http_host, $best_http_host, $server_name), and else none.
std::string read_auth_url(std::string_view written, model::ExternalAuth& out);
// A method that ingress-nginx knows.
std::string read_auth_method(std::string_view written, std::string& out);
// An absolute URL or path, with variables.
std::string read_signin(std::string_view written, Template& out);
// `url` with `param`=the URL of the request behind it, unless it has that parameter.
Template with_return(const Template& url, std::string_view param);
// Names of headers, separated by commas.
std::string read_auth_headers(std::string_view written, std::vector<std::string>& out);
// Variables and letters, digits, - and _.
std::string read_cache_key(std::string_view written, Template& out);
// "200 202 401 5m", several of them separated by commas. Of none what ingress-nginx has by itself.
std::string read_cache_times(std::string_view written, std::vector<model::AuthCacheTime>& out);
std::string cache_times_text(const std::vector<model::AuthCacheTime>& times);

}  // namespace sluice::control
