#pragma once
#include <algorithm>
#include <optional>

#include "base/strings.h"
#include "net/h1/connection.h"
#include "net/h1/parser.h"
#include "net/h1/scan.h"

// What a response head has to fulfil beyond the grammar of its lines (RFC 9112, RFC 9110; docs/malformed.md). Not for
// others than response.cpp, and the measurement of another reader of lines (bench/beast).
namespace sluice::net::h1 {

// What a pod cannot have removed by naming it: the frame and meaning of the content, and what clients are secured by.
inline bool keeps_in_response(const http::Field& field) noexcept {
  switch (field.id) {
    case http::Name::content_length:
    case http::Name::transfer_encoding:
    case http::Name::content_type:
    case http::Name::content_encoding:
    case http::Name::date:
    case http::Name::location:
    case http::Name::strict_transport_security:
      return true;
    case http::Name::other:
      return iequals(field.name, "set-cookie") || iequals(field.name, "content-range") ||
             iequals(field.name, "cache-control") || iequals(field.name, "vary") ||
             iequals(field.name, "www-authenticate") || iequals(field.name, "content-security-policy");
    default:
      return false;
  }
}

class ResponseChecks {
 public:
  ResponseChecks(http::Method method, http::ResponseHead& out) : method_(method), out_(out) {}

  // A field that has an id, in order; it is the last of `out` so far.
  Status known(http::Field& field) {
    using http::Name;
    switch (field.id) {
      case Name::content_length:
        if (length_) return refuse_upstream("Content-Length: twice");
        if (!read_length(field.value, out_.content_length))
          return refuse_upstream("Content-Length: not a number up to 2^63-1");
        length_ = out_.fields.size() - 1;
        break;
      case Name::transfer_encoding:
        if (coding_) return refuse_upstream("Transfer-Encoding: twice");
        coding_ = field.value;
        field.drop = true;
        break;
      case Name::connection:
        has_connection_ = true;
        field.drop = true;
        break;
      case Name::keep_alive:
        field.drop = true;
        for_each_element(field.value, [this](std::string_view parameter) { keep_alive(parameter); });
        break;
      case Name::content_type:
      case Name::location:
        once_.came(out_.fields, field);
        break;
      default:
        if (http::hop_by_hop(field.id)) field.drop = true;
        break;
    }
    return {};
  }

  // After the last field.
  Status head() {
    ConnectionOptions options;
    if (has_connection_) options = apply_connection(out_.fields, keeps_in_response);
    if (options.too_many) return refuse_upstream("Connection: more than 64 options");
    out_.keep_alive = !options.close && (out_.minor == 1 || options.keep_alive);
    return framing();
  }

 private:
  // RFC 2068 section 19.7.1.1: a token or a quoted string, with white space where its grammar has some. No number: as
  // if it were not there.
  void keep_alive(std::string_view parameter) noexcept {
    const auto equals = parameter.find('=');
    if (equals == std::string_view::npos || !iequals(trim_of(parameter.substr(0, equals), " \t"), "timeout")) return;
    auto digits = trim_of(parameter.substr(equals + 1), " \t");
    if (digits.size() > 2 && digits.front() == '"' && digits.back() == '"')
      digits = digits.substr(1, digits.size() - 2);
    std::uint64_t seconds = 0;
    if (http::read_length(digits, seconds))
      out_.idle_seconds = static_cast<std::uint32_t>(std::min<std::uint64_t>(seconds, out_.idle_seconds));
  }

  // RFC 9112 section 6.3.
  Status framing() {
    if (coding_ && length_) return refuse_upstream("Transfer-Encoding and Content-Length together");
    if (coding_ && out_.minor == 0) return refuse_upstream("Transfer-Encoding in HTTP/1.0");
    if (coding_ && !iequals(*coding_, "chunked"))
      return refuse_upstream("Transfer-Encoding: something other than chunked");

    const bool never_framed = out_.status < 200 || out_.status == 204;
    if (never_framed) {
      // Such a field is a mistake (RFC 9110 section 8.6). What the pod would send after it is nobody's: no reuse.
      if (coding_ || out_.content_length > 0) out_.keep_alive = false;
      if (length_) out_.fields[*length_].drop = true;
      out_.content_length = 0;
      return {};
    }
    if (method_ == http::Method::head || out_.status == 304)
      return {};  // Content-Length tells what a GET would get: passed on
    if (coding_) {
      out_.framing = http::Framing::chunked;
    } else if (length_) {
      out_.framing = http::Framing::length;
      out_.fields[*length_].drop = true;
    } else {
      out_.framing = http::Framing::until_close;
      out_.keep_alive = false;
    }
    return {};
  }

  http::Method method_;
  http::ResponseHead& out_;
  std::optional<std::size_t> length_;  // which field it is
  std::optional<std::string_view> coding_;
  http::SaidOnce once_;
  bool has_connection_ = false;
};

}  // namespace sluice::net::h1
