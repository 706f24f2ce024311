#include "app/written_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/strings.h"
#include "data/server/head_limits.h"
#include "net/http/grammar.h"
#include "net/http/host.h"

namespace sluice::app {

namespace {

std::string for_matching(std::string_view host) {
  std::string out = lower(host);
  if (out.ends_with('.')) out.pop_back();
  return out;
}

std::optional<std::string> read_header(WrittenRequest& request, const std::string& line) {
  const std::size_t colon = line.find(':');
  if (colon == 0 || colon == std::string::npos) return fmt::format("header \"{}\": expected \"Name: value\"", line);
  const std::string_view name = std::string_view(line).substr(0, colon);
  const std::string_view value = trim(std::string_view(line).substr(colon + 1));
  if (iequals(name, "host")) {
    request.authority = value;
  } else if (iequals(name, "content-length")) {
    std::uint64_t bytes = 0;
    auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), bytes);
    if (error != std::errc() || end != value.data() + value.size())
      return fmt::format("header \"{}\": expected a number of bytes", line);
    request.content_length = bytes;
  } else {
    request.fields.emplace_back(name, value);
  }
  return std::nullopt;
}

}  // namespace

std::expected<WrittenRequest, std::string> read_request(std::string method, std::string url,
                                                        const std::vector<std::string>& headers) {
  auto refuse = [&](std::string_view why) { return std::unexpected(fmt::format("URL \"{}\": {}", url, why)); };
  WrittenRequest request;
  request.method = std::move(method);
  request.url = url;
  if (!net::http::is_token(request.method))
    return std::unexpected(fmt::format("method \"{}\": expected a token such as GET", request.method));

  std::string_view rest = url;
  const std::size_t scheme_end = rest.find("://");
  if (scheme_end == std::string_view::npos) return refuse("expected http://HOST/PATH or https://HOST/PATH");
  const std::string_view scheme = rest.substr(0, scheme_end);
  if (!iequals(scheme, "http") && !iequals(scheme, "https"))
    return refuse(fmt::format("scheme \"{}\" is not served; expected http or https", scheme));
  request.https = iequals(scheme, "https");
  rest.remove_prefix(scheme_end + 3);
  if (rest.find('#') != std::string_view::npos)
    return refuse("a fragment (#...) is never sent to a server; leave it out");
  if (std::any_of(rest.begin(), rest.end(), [](char c) { return c <= ' ' || c >= 0x7f; }))
    return refuse("spaces, control characters and 8-bit characters must be percent-encoded");
  const std::size_t target = rest.find_first_of("/?");
  const std::string_view authority = rest.substr(0, target);
  request.target = target == std::string_view::npos ? "/" : std::string(rest.substr(target));
  if (request.target.front() == '?') request.target.insert(0, "/");
  if (authority.empty()) return refuse("it names no host");

  const auto url_authority = net::http::split_authority(authority);
  if (!url_authority) return refuse(fmt::format("\"{}\" is not a host with an optional port", authority));
  request.sni = for_matching(url_authority->host);
  std::from_chars(url_authority->port.data(), url_authority->port.data() + url_authority->port.size(), request.port);
  request.authority = authority;
  for (const std::string& line : headers)
    if (auto wrong = read_header(request, line)) return std::unexpected(std::move(*wrong));
  const auto split = net::http::split_authority(request.authority);
  if (!split)
    return std::unexpected(
        fmt::format("header Host \"{}\": not a host with an optional port (400)", request.authority));
  request.host = split->host;
  request.match_host = for_matching(split->host);
  return request;
}

std::string joined(const WrittenRequest& request, std::string_view name) {
  std::string out;
  for (const auto& [field, value] : request.fields)
    if (iequals(field, name)) add_element(out, value);
  return out;
}

Status read_head(const WrittenRequest& request, const model::Options& options) {
  std::string head = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\n", request.method, request.target, request.authority);
  for (const auto& [name, value] : request.fields) head += fmt::format("{}: {}\r\n", name, value);
  if (request.content_length) head += fmt::format("Content-Length: {}\r\n", *request.content_length);
  head += "\r\n";
  const auto limits = data::head_limits(options);
  net::h1::HeadScan scan;
  if (const auto found = net::h1::find_head(head, scan, limits, true); !found) return std::unexpected(found.error());
  net::http::RequestHead parsed;
  return net::h1::parse_request(head, limits, parsed);
}

}  // namespace sluice::app
