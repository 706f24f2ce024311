#pragma once
#include <optional>

#include "base/strings.h"
#include "net/h1/connection.h"
#include "net/h1/parser.h"
#include "net/h1/scan.h"
#include "net/http/host.h"

// What a request head has to fulfil beyond the grammar of its lines (RFC 9112, RFC 9110; docs/malformed.md). Not for
// others than request.cpp, and the measurement of another reader of lines (bench/beast).
namespace sluice::net::h1 {

// Fields that decide who the client is, what it may do, or how the message is framed. A client cannot have them
// removed.
inline bool keeps_in_request(const http::Field& field) noexcept {
  switch (field.id) {
    case http::Name::host:
    case http::Name::content_length:
    case http::Name::transfer_encoding:
    case http::Name::authorization:
    case http::Name::cookie:
    case http::Name::forwarded:
    case http::Name::via:
    case http::Name::cdn_loop:
    case http::Name::x_forwarded_for:
    case http::Name::x_forwarded_host:
    case http::Name::x_forwarded_port:
    case http::Name::x_forwarded_proto:
    case http::Name::x_forwarded_scheme:
    case http::Name::x_original_forwarded_for:
    case http::Name::x_original_forwarded_host:
    case http::Name::x_original_uri:
    case http::Name::x_real_ip:
    case http::Name::x_request_id:
    case http::Name::x_scheme:
      return true;
    default:
      return false;
  }
}

// Upgrades that are never offered to a pod: to HTTP/2 on clear text, which a tunnel would hide from us, and to TLS
// (RFC 2817), which would be that of the client's connection and not of ours.
inline bool is_of_connection(std::string_view token) noexcept {
  return iequals(token.substr(0, 2), "h2") || iequals(token.substr(0, 5), "http/") ||
         iequals(token.substr(0, 4), "tls/");
}

// 501 for a coding that we do not have, 400 for what no list of codings can be (RFC 9112 section 6.1, 6.3).
inline Status refuse_coding(std::string_view value) noexcept {
  while (true) {
    const auto comma = value.find(',');
    const bool last = comma == std::string_view::npos;
    const auto coding = trim(value.substr(0, comma));
    if (!is_token(coding) || iequals(coding, "identity"))
      return refuse(400, "Transfer-Encoding: not a list of codings");
    if (iequals(coding, "chunked") && !last) return refuse(400, "Transfer-Encoding: chunked is not the last coding");
    if (last) return refuse(501, "Transfer-Encoding: a coding other than chunked");
    value.remove_prefix(comma + 1);
  }
}

class RequestChecks {
 public:
  explicit RequestChecks(http::RequestHead& out) : out_(out) {}

  // A field that has an id, in order.
  Status known(http::Field& field) {
    using http::Name;
    switch (field.id) {
      case Name::host:
        if (host_) return refuse(400, "Host: twice");
        host_ = field.value;
        break;
      case Name::content_length:
        if (has_length_) return refuse(400, "Content-Length: twice");
        if (!read_length(field.value, out_.content_length))
          return refuse(400, "Content-Length: not a number up to 2^63-1");
        has_length_ = true;
        field.drop = true;
        break;
      case Name::transfer_encoding:
        if (coding_) return refuse(400, "Transfer-Encoding: twice");
        coding_ = field.value;
        field.drop = true;
        break;
      case Name::connection:
        has_connection_ = true;
        field.drop = true;
        break;
      case Name::upgrade:
        has_upgrade_ = true;
        field.drop = true;
        break;
      case Name::expect:
        expected_.add(field.value);
        field.drop = true;
        break;
      case Name::authorization:
        if (has_authorization_) return refuse(400, "Authorization: twice");
        has_authorization_ = true;
        break;
      default:
        if (http::hop_by_hop(field.id) || http::for_the_proxy(field.id)) field.drop = true;
        break;
    }
    return {};
  }

  // After the last field.
  Status head() {
    if (auto ok = framing(); !ok) return ok;
    if (auto ok = target(); !ok) return ok;
    if (auto ok = connection(); !ok) return ok;
    if (out_.minor == 1) {
      if (expected_.others) return refuse(417, "Expect: something other than 100-continue");
      out_.expect_continue =
          expected_.to_continue && (out_.framing == http::Framing::chunked || out_.content_length > 0);
    }
    return {};
  }

 private:
  Status framing() {
    if (coding_) {
      if (has_length_) return refuse(400, "Transfer-Encoding and Content-Length together");
      if (out_.minor == 0) return refuse(400, "Transfer-Encoding in HTTP/1.0");
      if (!iequals(*coding_, "chunked")) return refuse_coding(*coding_);
      out_.framing = http::Framing::chunked;
    } else if (has_length_) {
      out_.framing = http::Framing::length;
    }
    return {};
  }

  // RFC 9112 section 3.2: the target's form, and the one host that target and Host name.
  Status target() {
    http::Authority authority;
    if (host_) {
      auto parts = http::split_authority(*host_);
      if (!parts) return std::unexpected(parts.error());
      authority = *parts;
      out_.authority = *host_;
      out_.host = authority.host;
    } else if (out_.minor == 1) {
      return refuse(400, "Host: missing");
    }

    const auto target = out_.target;
    if (target.front() == '/') {
      out_.path_query = target;
    } else if (target == "*") {
      if (out_.method != http::Method::options)
        return refuse(400, "request line: '*' with another method than OPTIONS");
      out_.path_query = target;
      return {};
    } else if (auto ok = absolute(target, authority); !ok) {
      return ok;
    }
    return http::check_escapes(out_.path_query);
  }

  Status absolute(std::string_view target, const http::Authority& from_host) {
    const bool http = iequals(target.substr(0, 7), "http://");
    if (!http && !iequals(target.substr(0, 8), "https://"))
      return refuse(400, "request line: a target that is no path and no http URL");
    auto rest = target.substr(http ? 7 : 8);
    const auto path = rest.find_first_of("/?");
    const auto text = rest.substr(0, path);
    auto named = http::split_authority(text);
    if (!named) return std::unexpected(named.error());
    if (host_ && !http::same_authority(*named, from_host, http ? 80 : 443))
      return refuse(400, "Host: another one than the target names");
    if (!host_) {
      out_.authority = text;
      out_.host = named->host;
    }
    if (path == std::string_view::npos) {
      out_.path_query = out_.method == http::Method::options ? "*" : "/";  // RFC 9112 section 3.2.4
      return {};
    }
    out_.path_query = rest.substr(path);
    if (out_.path_query.front() == '?') return refuse(400, "request line: a URL with a query and no path");
    return {};
  }

  Status connection() {
    ConnectionOptions options;
    if (has_connection_) options = apply_connection(out_.fields, keeps_in_request);
    if (options.too_many) return refuse(400, "Connection: more than 64 options");
    if (options.breaks_framing) return refuse(400, "Connection: names a field that frames the message");
    out_.keep_alive = !options.close && (out_.minor == 1 || options.keep_alive);
    // RFC 9110 section 7.8: an Upgrade of an HTTP/1.0 request is ignored.
    if (has_upgrade_ && options.upgrade && out_.minor == 1) return upgrade();
    return {};
  }

  Status upgrade() {
    bool tokens = true;
    for (const auto& field : out_.fields.all()) {
      if (field.id != http::Name::upgrade) continue;
      for_each_element(field.value, [&](std::string_view token) {
        const auto slash = token.find('/');
        tokens = tokens && is_token(token.substr(0, slash)) &&
                 (slash == std::string_view::npos || is_token(token.substr(slash + 1)));
        if (out_.upgrade_token.empty() && !is_of_connection(token)) out_.upgrade_token = token;
      });
    }
    if (!tokens) return refuse(400, "Upgrade: not a list of protocols");
    out_.upgrade = !out_.upgrade_token.empty();
    return iequals(out_.upgrade_token, "websocket") ? websocket() : Status{};
  }

  // RFC 6455 section 4.1, 4.2.1 and 4.4.
  Status websocket() const {
    const http::Field* key = nullptr;
    const http::Field* version = nullptr;
    for (const auto& field : out_.fields.all()) {
      if (field.id != http::Name::other) continue;
      if (iequals(field.name, "sec-websocket-key")) {
        if (key) return refuse(400, "Sec-WebSocket-Key: twice");
        key = &field;
      } else if (iequals(field.name, "sec-websocket-version")) {
        if (version) return refuse(400, "Sec-WebSocket-Version: twice");
        version = &field;
      }
    }
    if (!key || key->value.empty()) return refuse(400, "Sec-WebSocket-Key: missing");
    if (!version || version->value != "13") return refuse(426, "Sec-WebSocket-Version: not 13");
    if (out_.method != http::Method::get) return refuse(400, "Upgrade: websocket by another method than GET");
    if (out_.framing == http::Framing::chunked || out_.content_length > 0)
      return refuse(400, "Upgrade: websocket with a body");
    return {};
  }

  http::RequestHead& out_;
  std::optional<std::string_view> host_, coding_;
  bool has_length_ = false;
  bool has_connection_ = false;
  bool has_upgrade_ = false;
  bool has_authorization_ = false;
  http::Expectations expected_;
};

}  // namespace sluice::net::h1
