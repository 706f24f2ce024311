// Who the client is.
#include <array>
#include <set>

#include "control/kube/options/families.h"
#include "control/kube/options/values.h"

namespace sluice::control::options_of {

namespace {

// Who is trusted: the ranges that can be read, and nobody when there is none. Falling back to the default, everybody,
// would open what the list was written to close.
std::string read_cidrs(std::string_view v, Options& o) {
  o.proxy_real_ip_cidr.clear();
  std::set<std::string> seen;
  std::string bad;
  for_each_word(v, [&](std::string_view e) {
    const auto c = parse_cidr(e);
    if (!c && bad.empty()) bad = shorten(e);
    if (c && seen.insert(cidr_text(*c)).second) o.proxy_real_ip_cidr.push_back(*c);
  });
  if (!bad.empty()) return "address ranges such as 10.0.0.0/8, which \"" + bad + "\" is not";
  if (o.proxy_real_ip_cidr.empty()) return "address ranges such as 10.0.0.0/8";
  return {};
}

std::string print_cidrs(const Options& o) {
  std::string out;
  for (auto& c : o.proxy_real_ip_cidr) out += (out.empty() ? "" : ",") + cidr_text(c);
  return out;
}

constexpr std::array kClientsRows{
    Option{"use-forwarded-headers", boolean<&Options::use_forwarded_headers>,
           "believe X-Forwarded-* of clients in proxy-real-ip-cidr"},
    Option{"enable-real-ip", boolean<&Options::enable_real_ip>, "take the client's address from forwarded-for-header"},
    Option{"compute-full-forwarded-for", boolean<&Options::compute_full_forwarded_for>,
           "append to X-Forwarded-For instead of replacing it"},
    Option{"forwarded-for-header", header<&Options::forwarded_for_header>, "header with the client's address"},
    Option{"forwarded-host-header", header<&Options::forwarded_host_header>, "header with the client's host"},
    Option{
        "proxy-real-ip-cidr", {"list of ranges", read_cidrs, print_cidrs, true}, "proxies whose headers are believed"},
    Option{"use-proxy-protocol", boolean<&Options::use_proxy_protocol>,
           "every connection begins with a PROXY header (v1 or v2)"},
    Option{"proxy-protocol-header-timeout", seconds<&Options::proxy_protocol_header_timeout, 1>,
           "time for a PROXY header"},
    Option{"generate-request-id", boolean<&Options::generate_request_id>,
           "make an X-Request-ID where the client sent none"},
    Option{"proxy-add-original-uri-header", boolean<&Options::proxy_add_original_uri_header>,
           "send X-Original-URI upstream"},
    Option{"via", boolean<&Options::via>, "add Via: 1.1 sluice both ways"},
};

}  // namespace

std::span<const Option> clients() {
  return kClientsRows;
}

}  // namespace sluice::control::options_of
