#pragma once
#include <string>

#include "control/kube/snippet/reader.h"

// Handlers of rows of directives.cpp whose families have files of their own.
namespace sluice::control::snippet {

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
