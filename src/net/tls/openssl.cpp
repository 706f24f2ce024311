#include "net/tls/openssl.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

namespace sluice::net::tls {

std::string take_openssl_error() {
  // The library that reports a failure comes after those it was built on; TLS's own word is the one to tell.
  std::string text;
  bool told = false;
  const char* data = nullptr;
  int flags = 0;
  while (const unsigned long code = ERR_get_error_all(nullptr, nullptr, nullptr, &data, &flags)) {
    const bool by_tls = ERR_GET_LIB(code) == ERR_LIB_SSL;
    if (told || (!text.empty() && !by_tls)) continue;
    told = by_tls;
    const char* reason = ERR_reason_error_string(code);
    text = reason ? reason : "error " + std::to_string(ERR_GET_REASON(code));
    if (data && *data && (flags & ERR_TXT_STRING)) text.append(" (").append(data).append(")");
  }
  if (text.empty()) return "no reason given";
  if (text.size() > 200) text.resize(200);
  for (char& c : text)
    if (c < 0x20 || c > 0x7e) c = '?';
  return text;
}

namespace {

struct Version {
  std::string_view name;
  int number;
  std::uint64_t without;
};
constexpr std::array<Version, 4> versions{{
    {"TLSv1", TLS1_VERSION, SSL_OP_NO_TLSv1},
    {"TLSv1.1", TLS1_1_VERSION, SSL_OP_NO_TLSv1_1},
    {"TLSv1.2", TLS1_2_VERSION, SSL_OP_NO_TLSv1_2},
    {"TLSv1.3", TLS1_3_VERSION, SSL_OP_NO_TLSv1_3},
}};

}  // namespace

std::expected<void, std::string> set_protocols(SSL_CTX* ctx, std::string_view names) {
  std::uint64_t without = 0;
  for (const auto& v : versions) without |= v.without;
  int least = 0, most = 0;
  while (!names.empty()) {
    const auto end = std::min(names.find_first_of(" ,\t"), names.size());
    const auto name = names.substr(0, end);
    names.remove_prefix(std::min(end + 1, names.size()));
    if (name.empty()) continue;
    const auto v = std::find_if(versions.begin(), versions.end(), [&](const Version& x) { return x.name == name; });
    if (v == versions.end())
      return std::unexpected("unknown protocol \"" + std::string(name.substr(0, 40)) +
                             "\", expected TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3");
    without &= ~v->without;
    least = least ? std::min(least, v->number) : v->number;
    most = std::max(most, v->number);
  }
  if (!least) return std::unexpected("no protocol named, expected for example \"TLSv1.2 TLSv1.3\"");
  SSL_CTX_set_min_proto_version(ctx, least);
  SSL_CTX_set_max_proto_version(ctx, most);
  SSL_CTX_set_options(ctx, without);  // a version left out between two others
  return {};
}

bool is_ip_literal(const std::string& host) noexcept {
  unsigned char address[16];
  return inet_pton(AF_INET, host.c_str(), address) == 1 || inet_pton(AF_INET6, host.c_str(), address) == 1;
}

}  // namespace sluice::net::tls
