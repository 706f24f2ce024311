#pragma once
#include <string>

#include "control/kube/snippet/reader.h"

// Handlers of the rows of directives.cpp, by the files that they are in.
namespace sluice::control::snippet {

// step_directives.cpp
std::string read_set(Reader& r, const Directive& d);
std::string read_return(Reader& r, const Directive& d);
std::string read_rewrite(Reader& r, const Directive& d);
std::string read_break(Reader& r, const Directive& d);
std::string read_if(Reader& r, const Directive& d);
std::string read_location(Reader& r, const Directive& d);
std::string read_limit_except(Reader& r, const Directive& d);

// access_directives.cpp
std::string read_access(Reader& r, const Directive& d);
std::string read_satisfy(Reader& r, const Directive& d);
std::string read_auth_basic(Reader& r, const Directive& d);
std::string read_auth_request(Reader& r, const Directive& d);
std::string read_auth_request_set(Reader& r, const Directive& d);
std::string read_internal(Reader& r, const Directive& d);

// error_directives.cpp
std::string read_error_page(Reader& r, const Directive& d);
std::string read_intercept(Reader& r, const Directive& d);

// header_directives.cpp
std::string read_add_header(Reader& r, const Directive& d);
std::string read_more_set(Reader& r, const Directive& d);
std::string read_more_clear(Reader& r, const Directive& d);
std::string read_hide(Reader& r, const Directive& d);
std::string read_expires(Reader& r, const Directive& d);
std::string read_default_type(Reader& r, const Directive& d);
std::string read_set_header(Reader& r, const Directive& d);
std::string read_more_input(Reader& r, const Directive& d);

// pass_directives.cpp
std::string read_pass(Reader& r, const Directive& d);
std::string read_pass_body(Reader& r, const Directive& d);
std::string read_pass_headers(Reader& r, const Directive& d);
std::string read_mirror(Reader& r, const Directive& d);
std::string read_mirror_body(Reader& r, const Directive& d);

// setting_directives.cpp
std::string read_request_buffering(Reader& r, const Directive& d);
std::string read_buffers(Reader& r, const Directive& d);
std::string read_http_version(Reader& r, const Directive& d);
std::string read_access_log(Reader& r, const Directive& d);
std::string read_next_upstream(Reader& r, const Directive& d);
std::string read_tries(Reader& r, const Directive& d);
std::string read_proxy_redirect(Reader& r, const Directive& d);
std::string read_ssl_verify(Reader& r, const Directive& d);
std::string read_ssl_server_name(Reader& r, const Directive& d);
std::string read_ssl_name(Reader& r, const Directive& d);
std::string read_ssl_protocols(Reader& r, const Directive& d);

// limit_directives.cpp
std::string read_limit_req(Reader& r, const Directive& d);
std::string read_limit_conn(Reader& r, const Directive& d);
std::string read_limit_status(Reader& r, const Directive& d);
std::string read_limit_dry_run(Reader& r, const Directive& d);

// compression_directives.cpp: of gzip and of brotli, by the directive's name.
std::string read_coding(Reader& r, const Directive& d);
std::string read_coding_level(Reader& r, const Directive& d);
std::string read_coding_min_length(Reader& r, const Directive& d);
std::string read_coding_types(Reader& r, const Directive& d);
std::string read_gzip_vary(Reader& r, const Directive& d);
std::string read_gzip_proxied(Reader& r, const Directive& d);

}  // namespace sluice::control::snippet
