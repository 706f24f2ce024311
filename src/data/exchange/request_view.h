#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/strings.h"
#include "data/routing/hash.h"
#include "data/routing/route_table.h"
#include "net/http/message.h"
#include "sluice/record.h"

namespace sluice::data {

struct Peer;
struct ProgramState;

// A request as decisions see it: who asks, for what, and where it would go. An Exchange is one; `sluice explain` and
// tests make others of requests that were never received. Views stay valid for as long as the request is looked at.
struct RequestView {
  explicit RequestView(const net::http::RequestHead& head) noexcept : received(head) {}

  const net::http::RequestHead& received;  // method, Host, target, fields, framing
  std::string_view path;                   // normalised; empty for `*`
  std::string_view query;                  // with its '?', or empty
  std::string_view scheme = "http";        // as the client sees it: "http" or "https"
  std::string_view client_host;            // the host that the client named, without its port
  std::array<std::uint8_t, 16> client{};   // its address after real-ip processing, IPv4-mapped
  bool client_known = true;                // false: explain was not told it
  bool certificate_known = true;           // false: explain does not know what certificate the client has
  bool https = false;                      // as the client sees it
  bool plain = true;                       // it is certain that the client came without TLS: it may be sent to https
  std::uint16_t https_port = 0;            // of our first listener of TLS; 0: there is none
  std::uint16_t came_by = 0;               // the port that the client connected to; 0: explain was not told it
  std::string_view said_port;              // the same, as a trusted proxy says; empty: none does

  const RequestView* main = nullptr;   // the client's request, of which this is a sub-request; null: it is none
  const RequestView* first = nullptr;  // the client's request, in whose place it asks for another path; null: it is it
  const Route* route = nullptr;        // null: none takes it
  bool undecided = false;              // nobody knows whether it is the route: its pattern gave up
  bool available = false;              // its Cluster has an endpoint that takes requests
  bool unlocated = false;              // it was answered where nginx has not looked for a location yet
  bool past_rewrites = false;          // nothing answered before rewrite-target did: $uri is what that makes
  bool outside = false;                // its Cluster is not of pods of ours
  const model::Canary* canary = nullptr;  // that takes it from the route's own Cluster; null: none does
  std::string_view session;               // "NAME=KEY|ID" of the session that began with it; empty: none did
  ProgramState* program = nullptr;        // where its snippets have got to; null: its route has none
  const HashSeed* route_seed = nullptr;   // of the marks by which a route recognises what comes back (loop.cpp)

  // For variables (variables.h). Empty and null where nobody knows.
  std::string_view host_header;                   // Host to pods, but for upstream-vhost; client_host is its host
  std::string_view port_text;                     // X-Forwarded-Port
  std::string_view request_id;                    // X-Request-ID
  std::span<const std::string_view> set_cookies;  // that an authentication set: Set-Cookie of the response
  std::string_view script;                        // $fastcgi_script_name, where pods speak FastCGI
  std::string_view body_length;                   // $content_length, where it is known otherwise than by the client
  Instant begun{};                                // when it had come; explain has no such time
  const Peer* from = nullptr;                     // who talks to us
  const ExchangeRecord* so_far = nullptr;         // what is told of it at the end

  // What the client has sent, whatever is asked on its behalf.
  const net::http::RequestHead& sent() const noexcept {
    return main != nullptr ? main->sent() : first != nullptr ? first->received : received;
  }

  // For redirects that name it.
  std::string port() const {
    if (!said_port.empty()) return std::string(said_port);
    return std::to_string(came_by != 0 ? came_by : https ? 443 : 80);
  }
  // The same as it stands behind a host: ":8080"; nothing where the scheme says it.
  std::string port_behind_host() const {
    const auto text = port();
    return text == (https ? "443" : "80") ? std::string() : ":" + text;
  }
  // "https://a.example", and the port where it is to be named.
  void append_origin(bool names_port, std::string& out) const {
    out.append(scheme).append("://");
    for (const char c : received.host) out += lower(c);
    if (names_port) out += port_behind_host();
  }
};

}  // namespace sluice::data
