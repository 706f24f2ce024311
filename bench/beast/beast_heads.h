#pragma once
#include <array>
#include <boost/beast/http/basic_parser.hpp>
#include <memory>
#include <string_view>

#include "net/h1/request_checks.h"
#include "net/h1/response_checks.h"
#include "net/http/grammar.h"
#include "net/http/passed_names.h"

// Heads read by Beast's basic_parser into the same structures as net/h1 fills, under the same checks: what would stand
// in net/h1 if Beast found the lines and fields. To be measured (docs/adr/0013-asio-and-beast-measured.md), never
// shipped.
namespace sluice::net::h1::beast {

namespace bh = boost::beast::http;
using Text = boost::core::string_view;
using Code = boost::beast::error_code;

inline std::string_view view(Text t) noexcept {
  return {t.data(), t.size()};
}

// Beast has looked a name up already; the names that it does not know are looked up here.
inline http::Name name_of(bh::field f, std::string_view name) noexcept {
  static const auto known = [] {
    std::array<http::Name, 512> all{};
    for (unsigned i = 1; i < all.size() && i <= static_cast<unsigned>(bh::field::xref); ++i)
      all[i] = http::name_of(view(bh::to_string(static_cast<bh::field>(i))));
    return all;
  }();
  return f == bh::field::unknown ? http::name_of(name) : known[static_cast<unsigned>(f)];
}

// What both kinds of heads have in common: fields, their limits, and folded ones, which Beast unfolds into memory of
// its own that ends with the call. The bytes are those of the whole head.
template <bool isRequest, class Head, class Checks>
class Reader : public bh::basic_parser<isRequest> {
 public:
  Status status;  // the refusal of a check, when Beast's error is one that a check has set

 protected:
  template <class... A>
  Reader(std::string_view bytes, const HeadLimits& limits, Head& out, A... more)
      : bytes_(bytes), limits_(limits), out_(out), checks_(more..., out) {
    out.clear();
    this->header_limit(static_cast<std::uint32_t>(limits.head));
    this->body_limit(boost::none);  // bodies are not its business
  }

  // Ends Beast's work with a refusal.
  void fail(Status why, Code& code) {
    status = why;
    code = bh::error::bad_field;
  }
  Status refused(std::uint16_t code, const char* why) const {
    if (isRequest) return refuse(code, why);
    return refuse_upstream(why, code == 431 || code == 414 ? Fault::too_large : Fault::malformed);
  }

  // Beast does not say so: the value begins elsewhere than on its line, or the next line begins with white space.
  bool folded(Text name, Text value) const noexcept {
    const char* p = name.data() + name.size() + 1;
    while (is_space(*p)) ++p;
    if (!value.empty()) return value.data() != p;
    return *p != '\r' || (p + 2 < bytes_.data() + bytes_.size() && is_space(p[2]));
  }

  void on_field_impl(bh::field f, Text name, Text value, Code& code) override {
    http::Fields& all = out_.fields;
    if (all.size() == most_) return fail(refused(431, "head: more fields than the limit"), code);
    if (name.size() + value.size() + 2 > limits_.field_line)
      return fail(refused(431, "head: a line is longer than the limit"), code);
    if (folded(name, value)) return fail(refused(400, "field: a folded line"), code);
    http::Field& field = all.add();
    field.name = view(name);
    field.value = view(value);
    field.id = name_of(f, field.name);
    if constexpr (isRequest) {
      unsigned seen = 0;
      for (const char c : field.name) seen |= http::kToken[http::byte(c)];
      if (seen != http::kPlain)
        field.drop = http::drops_name(field.name, seen, limits_.ignore_invalid_names, limits_.underscores);
      out_.names.add(field.id);
    }
    if (field.id != http::Name::other)
      if (auto ok = checks_.known(field); !ok) return fail(ok, code);
  }
  void on_header_impl(Code& code) override {
    if (auto ok = checks_.head(); !ok) fail(ok, code);
  }
  void on_request_impl(bh::verb, Text, Text, int, Code&) override {}
  void on_response_impl(int, Text, int, Code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, Code&) override {}
  std::size_t on_body_impl(Text, Code&) override { return 0; }
  void on_chunk_header_impl(std::uint64_t, Text, Code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, Text, Code&) override { return 0; }
  void on_finish_impl(Code&) override {}

  std::string_view bytes_;
  const HeadLimits& limits_;
  Head& out_;
  Checks checks_;
  const std::size_t most_ = limits_.fields < http::kMaxFields ? limits_.fields : http::kMaxFields;
};

class RequestReader final : public Reader<true, http::RequestHead, RequestChecks> {
 public:
  RequestReader(std::string_view bytes, const HeadLimits& limits, http::RequestHead& out)
      : Reader(bytes, limits, out) {}

 private:
  void on_request_impl(bh::verb, Text method, Text target, int version, Code& code) override {
    if (method.size() > http::kMostMethod)
      return fail(refuse(400, "request line: the method is longer than 32 bytes"), code);
    if (method.size() + target.size() + 10 > limits_.request_line)
      return fail(refuse(414, "request line: longer than the limit"), code);
    for (const char c : target)
      if (!http::kTarget[http::byte(c)])
        return fail(refuse(400, "request line: a byte in the target that no target has"), code);
    out_.method_text = view(method);
    out_.method = http::method_of(out_.method_text);
    out_.target = view(target);
    out_.minor = version == 10 ? 0 : 1;
    if (out_.method == http::Method::connect || out_.method == http::Method::trace)
      return fail(refuse(405, "a method that a gateway does not serve"), code);
  }
};

class ResponseReader final : public Reader<false, http::ResponseHead, ResponseChecks> {
 public:
  ResponseReader(std::string_view bytes, const HeadLimits& limits, http::Method method, http::ResponseHead& out)
      : Reader(bytes, limits, out, method) {
    if (method == http::Method::head) skip(true);
  }

 private:
  void on_response_impl(int status_code, Text reason, int version, Code& code) override {
    if (status_code < 100 || status_code > 599)
      return fail(refuse_upstream("status line: the status is not within 100 to 599"), code);
    out_.status = status_code;
    out_.reason = view(reason);
    out_.minor = version == 10 ? 0 : 1;
  }
};

// Nothing but Beast: counts the fields and keeps none.
template <bool isRequest>
class Counter final : public bh::basic_parser<isRequest> {
 public:
  std::size_t fields = 0;

 private:
  void on_request_impl(bh::verb, Text, Text, int, Code&) override {}
  void on_response_impl(int, Text, int, Code&) override {}
  void on_field_impl(bh::field, Text, Text, Code&) override { ++fields; }
  void on_header_impl(Code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, Code&) override {}
  std::size_t on_body_impl(Text, Code&) override { return 0; }
  void on_chunk_header_impl(std::uint64_t, Text, Code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, Text, Code&) override { return 0; }
  void on_finish_impl(Code&) override {}
};

}  // namespace sluice::net::h1::beast
