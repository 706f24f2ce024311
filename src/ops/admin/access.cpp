#include "ops/admin/access.h"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <stdexcept>

#include "base/log.h"
#include "base/strings.h"
#include "ops/admin/token_file.h"

namespace sluice::ops {
namespace {

using Field = std::pair<std::string_view, std::string_view>;

// By these a proxy tells of the client it speaks for: the address of the peer is then the proxy's own.
constexpr std::string_view kForwarded[] = {
    "forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "x-real-ip"};

constexpr std::string_view kWebPages =
    "web pages are not answered; ask with a program such as curl, or open the address by itself";

const std::string_view* find(const AdminCaller& caller, std::string_view name) {
  const auto at = std::ranges::find_if(caller.fields, [&](const Field& f) { return iequals(f.first, name); });
  return at == caller.fields.end() ? nullptr : &at->second;
}

bool reads(std::string_view method) {
  return method == "GET" || method == "HEAD";
}

bool is_address(std::string_view text, bool v6) {
  // No zone, which means something on its own machine alone.
  if (text.find_first_not_of("0123456789abcdefABCDEF.:") != std::string_view::npos) return false;
  boost::system::error_code wrong;
  if (v6)
    boost::asio::ip::make_address_v6(std::string(text), wrong);
  else
    boost::asio::ip::make_address_v4(std::string(text), wrong);
  return !wrong;
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 253 && text.front() != '.' && text.back() != '.' && made_of(text, "-._");
}

std::string shown(std::string_view value) {
  return value.size() <= 80 ? std::string(value) : std::string(value.substr(0, 80)) + "…";
}

AdminAccessSettings checked(AdminAccessSettings settings) {
  for (std::string& host : settings.hosts) {
    std::string name = lower(host);
    if (name.ends_with('.')) name.pop_back();
    if (!is_name(name))
      throw std::runtime_error("--admin-host " + shown(host) +
                               ": expected a DNS name without port, such as sluice-admin.sluice.svc");
    host = std::move(name);
  }
  if (!settings.token_file.empty())
    if (const auto token = read_token(settings.token_file); !token)
      throw std::runtime_error("--admin-token-file " + token.error());
  return settings;
}

}  // namespace

std::optional<AdminTarget> read_target(std::string_view target) {
  AdminTarget out;
  if (const auto scheme = target.find("://"); !target.starts_with('/') && scheme != std::string_view::npos) {
    if (!iequals(target.substr(0, scheme), "http")) return std::nullopt;
    target.remove_prefix(scheme + 3);
    const auto end = std::min(target.find_first_of("/?"), target.size());
    out.authority = target.substr(0, end);
    target.remove_prefix(end);
    if (out.authority.empty()) return std::nullopt;
    if (target.empty()) target = "/";
  }
  if (!target.starts_with('/')) return std::nullopt;
  const auto mark = std::min(target.find('?'), target.size());
  out.path = target.substr(0, mark);
  if (mark < target.size()) out.query = target.substr(mark + 1);
  return out;
}

AdminAccess::AdminAccess(AdminAccessSettings settings) : settings_(checked(std::move(settings))) {}

bool AdminAccess::serves(const AdminPage& page) const noexcept {
  return page.readers != AdminReaders::trusted || settings_.pages != TrustedPages::off;
}

// An address, localhost or a name that was configured, with any port: a name that somebody else's DNS leads here is
// none of them, whatever it looks like.
bool AdminAccess::ours(std::string_view authority) const {
  if (authority.starts_with('[')) {
    const auto close = authority.find(']');
    if (close == std::string_view::npos) return false;
    const auto rest = authority.substr(close + 1);
    return (rest.empty() || (rest.front() == ':' && is_port(rest.substr(1)))) &&
           is_address(authority.substr(1, close - 1), true);
  }
  const auto colon = std::min(authority.find(':'), authority.size());
  if (colon < authority.size() && !is_port(authority.substr(colon + 1))) return false;
  std::string name = lower(authority.substr(0, colon));
  if (is_address(name, false)) return true;
  if (name.ends_with('.')) name.pop_back();
  return name == "localhost" || std::ranges::find(settings_.hosts, name) != settings_.hosts.end();
}

std::optional<AdminRefusal> AdminAccess::refuse_caller(const AdminCaller& caller, const AdminPage* page) const {
  const auto target = read_target(caller.target);
  if (!target) return AdminRefusal{400, "expected a path, such as /healthz"};
  const auto hosts = std::ranges::count_if(caller.fields, [](const Field& f) { return iequals(f.first, "host"); });
  if (hosts > 1 || (hosts == 0 && !caller.http_1_0)) return AdminRefusal{400, "expected one Host field"};
  if (page != nullptr && page->readers == AdminReaders::everybody && reads(caller.method)) return std::nullopt;

  // Each name that the request calls us by must be ours.
  std::vector<std::string_view> names;
  if (const auto* host = find(caller, "host")) names.push_back(*host);
  if (names.empty() || !target->authority.empty()) names.push_back(target->authority);
  for (const auto name : names)
    if (!ours(name))
      return AdminRefusal{403, "Host \"" + shown(name) +
                                   "\": expected an address, localhost or a name of --admin-host; ask by the address"};
  return refuse_web_page(caller, names.front());
}

// What browsers say of a page of another origin. Pages of ours hold nothing that asks, so no Origin is expected at all.
std::optional<AdminRefusal> AdminAccess::refuse_web_page(const AdminCaller& caller, std::string_view host) const {
  const auto refuse = [](std::string_view name, std::string_view value) {
    return AdminRefusal{403, std::string(name) + " \"" + shown(value) + "\": " + std::string(kWebPages)};
  };
  if (const auto* origin = find(caller, "origin")) return refuse("Origin", *origin);
  for (const auto& [name, value] : caller.fields) {
    if (iequals(name, "sec-fetch-site") && value != "same-origin" && value != "none") return refuse(name, value);
    if (!iequals(name, "referer")) continue;
    const auto from = read_target(value);
    if (!from || from->authority.empty() || !iequals(from->authority, host)) return refuse(name, value);
  }
  return std::nullopt;
}

std::optional<AdminRefusal> AdminAccess::refuse_page(const AdminCaller& caller, const AdminPage& page) {
  const bool shows = page.readers == AdminReaders::trusted && settings_.pages != TrustedPages::open;
  if (reads(caller.method) && !shows) return std::nullopt;

  const bool forwarded = std::ranges::any_of(caller.fields, [](const Field& f) {
    return std::ranges::any_of(kForwarded, [&](std::string_view name) { return iequals(f.first, name); });
  });
  if (settings_.trust_loopback && caller.loopback && !forwarded) return std::nullopt;

  const std::string what = reads(caller.method) ? "this page shows the objects of all tenants"
                                                : std::string(caller.method) + " changes something here";
  const std::string loopback = !settings_.trust_loopback ? ""
                               : forwarded               ? "a loopback address and no proxy, or "
                                                         : "a loopback address or ";
  if (settings_.token_file.empty())
    return AdminRefusal{403,
                        what + ": expected " +
                            (settings_.trust_loopback
                                 ? loopback + "a token; kubectl port-forward comes from loopback, --admin-token-file "
                                              "allows a token"
                                 : "a token, and there is none: --admin-token-file allows one")};

  const auto token = read_token(settings_.token_file);
  const std::string problem = token ? "" : token.error();
  if (problem != std::exchange(problem_, problem) && !problem.empty())
    log::error("--admin-token-file {}; no token is taken until it is one", problem);
  if (!token)
    return AdminRefusal{403, what + ": expected " + loopback +
                                 "a token, and the file of --admin-token-file holds none; the program log says why"};

  const std::string_view* given = find(caller, "authorization");
  constexpr std::string_view kBearer = "bearer ";
  if (given != nullptr && iequals(given->substr(0, kBearer.size()), kBearer) &&
      same_token(trim(given->substr(kBearer.size())), *token))
    return std::nullopt;
  return AdminRefusal{401,
                      what + ": expected " + loopback +
                          (given == nullptr ? "Authorization: Bearer with the token of --admin-token-file"
                                            : "the token of --admin-token-file; the one that was sent is another"),
                      true};
}

}  // namespace sluice::ops
