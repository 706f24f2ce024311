#pragma once
#include <algorithm>
#include <charconv>
#include <string_view>

#include "base/cdn_loop.h"
#include "base/variables.h"
#include "data/exchange/exchange.h"
#include "data/exchange/via.h"
#include "data/runtime/spool.h"
#include "data/upstream/lease.h"
#include "net/http/forwarded.h"
#include "net/http/trailers.h"

// The fields of a request as a pod gets them, in ingress-nginx's order: ours first, then the client's that are left.
namespace sluice::data {

struct BodyShape {
  net::http::Framing framing = net::http::Framing::none;  // none, length or chunked
  std::uint64_t length = 0;
};

// How the body travels on: whole ones with their length, streamed ones and those with trailers as they came.
// `with_trailers`: false where they are not passed on.
inline BodyShape body_shape(const Exchange& ex, bool with_trailers = true) {
  using net::http::Framing;
  const auto& head = ex.head();
  if (ex.body_whole) {
    if (head.framing == Framing::none) return {};
    // HTTP/2 has trailers behind a body of announced length, too; HTTP/1.1 behind chunks alone.
    if (!ex.trailers.empty() && with_trailers) return {Framing::chunked, 0};
    if (ex.on_disk) [[unlikely]]
      return {Framing::length, ex.on_disk->size()};
    return {Framing::length, ex.body.size()};
  }
  if (head.framing == Framing::length) return {Framing::length, head.content_length};
  return {head.framing, 0};
}

// Are trailers passed on to the pod? HTTP/1.0 and FastCGI have none, and `Trailer` is to announce none there (RFC 9110
// section 6.6.2).
inline bool takes_trailers(const Exchange& ex) noexcept {
  return !ex.settings->http_1_0 && (ex.cluster == nullptr || upstream_protocol(ex) != model::BackendProtocol::fcgi);
}

// May there be some? Where all of the body is here and has none, `Trailer` would announce what does not come.
inline bool sends_trailers(const Exchange& ex) noexcept {
  return takes_trailers(ex) && !(ex.body_whole && ex.trailers.empty());
}

constexpr bool made_by_us(net::http::Name n) noexcept {
  using enum net::http::Name;
  switch (n) {
    case host:
    case x_request_id:
    case x_real_ip:
    case x_forwarded_for:
    case x_forwarded_host:
    case x_forwarded_port:
    case x_forwarded_proto:
    case x_forwarded_scheme:
    case x_scheme:
    case x_original_forwarded_for:
    case x_original_forwarded_host:
    case content_length:
    case transfer_encoding:
    case connection:
    case upgrade:
    case expect:
    case te:
    case keep_alive:
    case proxy:
    case proxy_connection:
    case http2_settings:
      return true;
    default:
      return false;
  }
}

// Who the client is, as a list of those whom the request has passed.
inline std::string_view client_list(const Exchange& ex, std::string& room) {
  if (!ex.proxy_trusted || !ex.options->compute_full_forwarded_for || ex.forwarded_for.empty())
    return ex.client_address;
  return room.assign(ex.forwarded_for).append(", ").append(ex.peer.address);
}

template <class Sink>
void put_length(const BodyShape& shape, Sink&& sink) {
  char digits[24];
  if (shape.framing == net::http::Framing::length) {
    const auto end = std::to_chars(digits, digits + sizeof digits, shape.length).ptr;
    sink("Content-Length", std::string_view(digits, static_cast<std::size_t>(end - digits)));
  } else if (shape.framing == net::http::Framing::chunked) {
    sink("Transfer-Encoding", std::string_view("chunked"));
  }
}

// `between`: called between our fields and the client's.
template <class Sink, class Between>
void for_each_usual_field(const Exchange& ex, const BodyShape& shape, Sink&& sink, Between&& between) {
  using net::http::Name;
  const auto& o = *ex.options;
  sink("Host", ex.pod_host);
  if (ex.settings->connection_field != model::ConnectionField::usual) [[unlikely]]
    sink("Connection", to_string(ex.settings->connection_field));
  if (!ex.request_id.empty()) sink("X-Request-ID", ex.request_id);
  sink("X-Real-IP", ex.client_address);
  std::string list;
  sink("X-Forwarded-For", client_list(ex, list));
  sink("X-Forwarded-Host", ex.host_header);
  sink("X-Forwarded-Port", ex.port_text);
  sink("X-Forwarded-Proto", ex.scheme);
  sink("X-Forwarded-Scheme", ex.scheme);
  sink("X-Scheme", ex.scheme);
  if (!ex.forwarded_for.empty()) sink("X-Original-Forwarded-For", ex.forwarded_for);
  if (!ex.forwarded_host.empty()) sink("X-Original-Forwarded-Host", ex.forwarded_host);
  if (o.proxy_add_original_uri_header) sink("X-Original-URI", ex.sent().path_query);
  if (!ex.loop_mark.empty()) sink(kCdnLoop, ex.loop_mark);
  between();
  put_length(shape, sink);
  if (ex.tunnel) {
    sink("Upgrade", ex.head().upgrade_token);
    sink("Connection", std::string_view("upgrade"));
  }
  for (const auto& f : ex.head().fields.all()) {
    if (f.drop || made_by_us(f.id) || (f.id == Name::trailer && !sends_trailers(ex))) continue;
    if (f.id == Name::forwarded && !ex.options->exact && !(ex.proxy_trusted && net::http::is_forwarded(f.value)))
      continue;
    if (f.id == Name::x_original_uri && o.proxy_add_original_uri_header) continue;
    sink(f.name, f.value);
  }
  if (o.via) sink("Via", via(ex.head().major, ex.head().minor));  // behind those of whoever had it before
}

// Of a request of our own (subrequest.h): what it says itself, then what the client said beside that.
template <class Sink>
void for_each_field_of_ours(const Exchange& ex, const BodyShape& shape, Sink&& sink) {
  using net::http::Name;
  const auto ours = ex.set_for_pods;
  for (const auto& f : ours)
    if (!f.value.empty()) sink(f.name, f.value);
  if (!ex.loop_mark.empty()) sink(kCdnLoop, ex.loop_mark);
  put_length(shape, sink);
  for (const auto& f : ex.head().fields.all()) {
    if (f.drop || net::http::hop_by_hop(f.id) || f.id == Name::proxy || f.id == Name::host ||
        f.id == Name::content_length || f.id == Name::expect || f.id == Name::trailer)
      continue;
    // Names are compared as programs do that turn them into variables: who is asked believes them.
    if (std::ranges::any_of(ours, [&](const net::http::Field& set) { return names_field(set.name, f.name); })) continue;
    sink(f.name, f.value);
  }
}

// Calls sink(name, value) for each field. `shape` for the body.
template <class Sink>
void for_each_upstream_field(const Exchange& ex, const BodyShape& shape, Sink&& sink) {
  if (ex.of_ours) [[unlikely]]
    return for_each_field_of_ours(ex, shape, sink);
  const auto set = ex.set_for_pods;
  if (set.empty()) return for_each_usual_field(ex, shape, sink, [] {});
  for_each_usual_field(
      ex, shape,
      [&](std::string_view name, std::string_view value) {
        // As programs that turn names into variables take them: X_User is X-User.
        const auto same = [&](const net::http::Field& f) { return names_field(f.name, name); };
        if (std::ranges::none_of(set, same)) sink(name, value);
      },
      [&] {
        for (const auto& f : set)
          if (!f.value.empty()) sink(f.name, f.value);
      });
}

// Appends those lines of a request's trailers that a pod may have: what stands in place of the client's does so behind
// the body too. Names are compared as programs do that turn them into variables: X_User is X-User.
inline void append_upstream_trailers(std::span<const net::http::Field> set, std::string_view trailers,
                                     std::string& out) {
  net::http::for_each_line(trailers, [&](std::string_view name, std::string_view value) {
    if (std::ranges::any_of(set, [&](const net::http::Field& f) { return names_field(f.name, name); })) return;
    out.append(name).append(": ").append(value).append("\r\n");
  });
}

}  // namespace sluice::data
