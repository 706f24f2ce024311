#include "net/h2/request_head.h"

#include <algorithm>
#include <cstring>

#include "base/strings.h"
#include "net/http/grammar.h"
#include "net/http/host.h"
#include "net/http/passed_names.h"

namespace sluice::net::h2 {

using http::Framing;
using http::Method;
using http::Name;

namespace {

constexpr std::size_t kOverhead = 32;

Error malformed(const char* why) noexcept {
  return Error{Fault::malformed, Whose::downstream, Retry::no, 0, why};
}

}  // namespace

RequestHeadReader::RequestHeadReader(const HeadRules& rules, char* buffer, std::size_t size,
                                     http::RequestHead& out) noexcept
    : rules_(rules), buffer_(buffer), size_(size), out_(out) {
  out_.clear();
  out_.major = 2;
}

bool RequestHeadReader::refuse_with(Error e) noexcept {
  if (refused_) refused_ = std::unexpected(e);
  if (out_.method_text == "HEAD") out_.method = Method::head;  // whose answer has no body
  return false;
}

// What was kept moves, and every view of it with it.
void RequestHeadReader::make_room(std::size_t bytes) {
  if (used_ + bytes <= size_) return;
  const std::size_t bigger = std::max(size_ * 2, used_ + bytes);
  auto next = std::make_unique_for_overwrite<char[]>(bigger);
  std::memcpy(next.get(), buffer_, used_);
  const auto move = [&](std::string_view& v) {
    if (v.data() >= buffer_ && v.data() < buffer_ + used_) v = {next.get() + (v.data() - buffer_), v.size()};
  };
  for (auto& f : out_.fields.all()) move(f.name), move(f.value);
  for (auto* v : {&out_.method_text, &out_.target, &out_.path_query, &scheme_, &authority_, &host_, &protocol_})
    move(*v);
  more_ = std::move(next);
  buffer_ = more_.get();
  size_ = bigger;
}

std::string_view RequestHeadReader::keep(std::string_view text) {
  make_room(text.size());
  std::memcpy(buffer_ + used_, text.data(), text.size());
  used_ += text.size();
  return {buffer_ + used_ - text.size(), text.size()};
}

bool RequestHeadReader::add(std::string_view name, std::string_view value) {
  bytes_ += name.size() + value.size() + kOverhead;
  if (name.starts_with(':')) return pseudo(name, value);
  if (bytes_ > rules_.head) return refuse_with(http::refuse(431, "head: larger than the limit").error());
  if (name.size() + value.size() > rules_.line)
    return refuse_with(http::refuse(431, "field: longer than the limit").error());
  for (const char* p = value.data();
       (p = http::find_control(p, value.data() + value.size())) != value.data() + value.size(); ++p)
    if (*p != '\t') return refuse_with(malformed("field: a control byte in a value"));
  const Name id = http::name_of(name);
  if (id == Name::cookie && cookie_) return cookie(value);
  if (out_.fields.size() == std::min(rules_.fields, http::kMaxFields))
    return refuse_with(http::refuse(431, "head: more fields than the limit").error());
  http::Field& field = out_.fields.add();
  field.name = keep(name);
  field.value = keep(value);
  field.id = id;
  out_.names.add(id);
  unsigned seen = 0;
  for (char c : name) seen |= http::kToken[http::byte(c)];
  field.drop = seen != http::kPlain && http::drops_name(name, seen, rules_.ignore_invalid_names, rules_.underscores);
  switch (id) {
    case Name::host:
      two_hosts_ = two_hosts_ || !host_.empty();
      host_ = field.value;
      field.drop = true;
      break;
    case Name::content_length:
      if (has_length_) return refuse_with(malformed("content-length: twice"));
      if (!http::read_length(field.value, out_.content_length))
        return refuse_with(malformed("content-length: not a number up to 2^63-1"));
      has_length_ = true;
      field.drop = true;
      break;
    case Name::authorization:
      if (has_authorization_) return refuse_with(http::refuse(400, "authorization: twice").error());
      has_authorization_ = true;
      break;
    case Name::expect:
      expected_.add(value);
      field.drop = true;
      break;
    case Name::cookie:
      cookie_ = out_.fields.size() - 1;
      break;
    case Name::te:
    case Name::http2_settings:
      field.drop = true;
      break;
    default:
      if (http::hop_by_hop(id)) return refuse_with(malformed("a field that belongs to a connection of HTTP/1"));
      if (http::for_the_proxy(id)) field.drop = true;
      break;
  }
  return true;
}

// Crumbs are one field to pods (RFC 9113 section 8.2.3).
bool RequestHeadReader::cookie(std::string_view value) {
  auto& whole = out_.fields[*cookie_].value;
  make_room(whole.size() + value.size() + 2);
  if (whole.data() + whole.size() != buffer_ + used_) whole = keep(whole);
  keep("; ");
  keep(value);
  whole = {whole.data(), whole.size() + 2 + value.size()};
  return true;
}

bool RequestHeadReader::pseudo(std::string_view name, std::string_view value) {
  if (name == ":path") {
    if (value.size() > rules_.line) return refuse_with(http::refuse(414, ":path: longer than the limit").error());
    out_.target = keep(value);
  } else if (value.size() > rules_.line) {
    return refuse_with(http::refuse(431, "field: longer than the limit").error());
  } else if (name == ":method") {
    out_.method_text = keep(value);
  } else if (name == ":scheme") {
    scheme_ = keep(value);
  } else if (name == ":authority") {
    authority_ = keep(value);
  } else if (name == ":protocol") {
    protocol_ = keep(value);
  } else {
    return refuse_with(malformed("an unknown pseudo-field"));
  }
  return true;
}

Status RequestHeadReader::method() {
  if (!http::is_token(out_.method_text) || out_.method_text.size() > http::kMostMethod)
    return std::unexpected(malformed(":method: not a token of at most 32 bytes"));
  out_.method = http::method_of(out_.method_text);
  if (out_.method == Method::trace || (out_.method == Method::connect && protocol_.empty()))
    return http::refuse(405, "a method that a gateway does not serve");
  if (protocol_.empty()) return {};
  if (out_.method != Method::connect) return std::unexpected(malformed(":protocol: with another method than CONNECT"));
  if (!iequals(protocol_, "websocket")) return http::refuse(501, ":protocol: other than websocket");
  out_.method_text = "GET";
  out_.method = Method::get;
  out_.upgrade = true;
  out_.upgrade_token = "websocket";
  return {};
}

Status RequestHeadReader::authority() {
  if (!iequals(scheme_, "https") && !iequals(scheme_, "http"))
    return std::unexpected(malformed(":scheme: neither http nor https"));
  if (two_hosts_) return std::unexpected(malformed("host: twice"));
  const auto text = authority_.empty() ? host_ : authority_;
  auto parts = http::split_authority(text);
  if (!parts) return std::unexpected(malformed(":authority: not a host with an optional port"));
  if (!authority_.empty() && !host_.empty()) {
    auto other = http::split_authority(host_);
    if (!other || !http::same_authority(*parts, *other, iequals(scheme_, "https") ? 443 : 80))
      return std::unexpected(malformed("host: another one than :authority"));
  }
  out_.authority = text;
  out_.host = parts->host;
  return {};
}

Status RequestHeadReader::path() {
  const auto target = out_.target;
  out_.path_query = target;
  if (target == "*" && out_.method == Method::options) return {};
  if (!target.starts_with('/') ||
      !std::all_of(target.begin(), target.end(), [](char c) { return http::kTarget[http::byte(c)]; }))
    return std::unexpected(malformed(":path: not a path, or a byte in it that no path has"));
  return http::check_escapes(target);
}

Status RequestHeadReader::finish(bool ended) {
  if (!refused_) return refused_;
  if (auto ok = method(); !ok) return ok;
  if (auto ok = authority(); !ok) return ok;
  if (auto ok = path(); !ok) return ok;
  if (has_length_ && ended && out_.content_length > 0)
    return std::unexpected(malformed("content-length: no body follows"));
  if (out_.upgrade && has_length_) return std::unexpected(malformed("content-length: with CONNECT"));
  // "0" with the end still to come may be a lie: it is waited for as where no length is named.
  if (!out_.upgrade && has_length_ && (ended || out_.content_length > 0))
    out_.framing = Framing::length;
  else if (!out_.upgrade && !ended)
    out_.framing = Framing::chunked;
  if (expected_.others) return http::refuse(417, "expect: something other than 100-continue");
  out_.expect_continue = expected_.to_continue && !ended;
  return {};
}

}  // namespace sluice::net::h2
