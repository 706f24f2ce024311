#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "net/h1/parser.h"

// Feeds raw bytes to the parsers as a connection does. Kept on the heap: heads are large.
namespace sluice::net::h1::testing {

struct Request {
  std::string bytes;
  std::unique_ptr<http::RequestHead> head = std::make_unique<http::RequestHead>();
  std::uint16_t status = 0;  // 0: accepted; kIncomplete: more bytes are needed
  std::string why;

  static constexpr std::uint16_t kIncomplete = 1;

  explicit Request(std::string raw, const HeadLimits& limits = {}) : bytes(std::move(raw)) {
    HeadScan scan;
    auto length = find_head(bytes, scan, limits, true);
    if (!length) {
      fail(length.error());
      return;
    }
    if (*length == 0) {
      status = kIncomplete;
      return;
    }
    if (auto ok = parse_request(std::string_view(bytes).substr(scan.skip, *length), limits, *head); !ok)
      fail(ok.error());
  }

  const http::Field* field(std::string_view name) const {
    for (const auto& f : head->fields.all())
      if (f.name == name) return &f;
    return nullptr;
  }
  bool passes(std::string_view name) const {
    const auto* f = field(name);
    return f && !f->drop;
  }

 private:
  void fail(const Error& error) {
    status = error.status;
    why = error.detail;
  }
};

struct Response {
  std::string bytes;
  std::unique_ptr<http::ResponseHead> head = std::make_unique<http::ResponseHead>();
  Error error;
  bool ok = false;

  explicit Response(std::string raw, http::Method method = http::Method::get, const HeadLimits& limits = {})
      : bytes(std::move(raw)) {
    HeadScan scan;
    auto length = find_head(bytes, scan, limits, false);
    if (!length) {
      error = length.error();
      return;
    }
    if (*length == 0) return;
    auto parsed = parse_response(std::string_view(bytes).substr(0, *length), limits, method, *head);
    ok = parsed.has_value();
    if (!ok) error = parsed.error();
  }

  bool passes(std::string_view name) const {
    for (const auto& f : head->fields.all())
      if (f.name == name) return !f.drop;
    return false;
  }
};

}  // namespace sluice::net::h1::testing
