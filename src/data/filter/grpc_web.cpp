#include "data/filter/grpc_web.h"

#include <cstdint>

#include "base/base64.h"
#include "base/strings.h"
#include "data/plan/step.h"
#include "data/proxy/grpc.h"
#include "data/runtime/worker_context.h"
#include "data/upstream/lease.h"

namespace sluice::data {

using net::http::Framing;
using net::http::Name;

namespace {

constexpr std::string_view kWeb = "application/grpc-web", kText = "application/grpc-web-text";

// "application/grpc-web-text+proto; x" is text, and its suffix "+proto".
bool read_type(std::string_view type, bool& text, std::string_view& suffix) noexcept {
  type = trim(type.substr(0, type.find(';')));
  if (!iequals(type.substr(0, kWeb.size()), kWeb)) return false;
  text = iequals(type.substr(0, kText.size()), kText);
  suffix = type.substr(text ? kText.size() : kWeb.size());
  return suffix.empty() || suffix[0] == '+';
}

// What the client reads: Accept says, or else it is what it wrote.
bool wants_text(const net::http::Fields& fields, bool wrote_text) noexcept {
  for (const auto& f : fields.all()) {
    if (f.id != Name::other || !iequals(f.name, "accept")) continue;
    bool text = false;
    std::string_view suffix;
    bool said = false;
    for_each_element(f.value, [&](std::string_view type) { said = said || read_type(type, text, suffix); });
    if (said) return text;
  }
  return wrote_text;
}

// Fetch joins what a page sets twice, and no binary value has a comma (gRPC over HTTP/2, "Custom-Metadata"): each
// becomes a field of its own, as grpc-go and grpcio take no others.
void part_binary_fields(net::http::Fields& fields) {
  for (std::size_t i = 0; i < fields.size() && !fields.full(); ++i) {
    const net::http::Field joined = fields[i];
    const auto comma = joined.value.find(',');
    if (joined.drop || comma == std::string_view::npos || joined.name.size() < 4 ||
        !iequals(joined.name.substr(joined.name.size() - 4), "-bin"))
      continue;
    fields[i].value = trim(joined.value.substr(0, comma));
    net::http::Field& rest = fields.add();  // and is parted in its turn
    rest = joined;
    rest.value = trim(joined.value.substr(comma + 1));
  }
}

}  // namespace

bool Base64Pieces::decode(std::string_view piece, bool last, std::string& out) {
  if (piece.find_first_of("\r\n\t ") != std::string_view::npos) return false;  // decode_base64() would skip it
  group_ += piece;
  std::string_view digits = std::string_view(group_).substr(0, group_.size() / 4 * 4);
  const std::size_t whole = digits.size();
  if (last && whole != group_.size()) return false;
  while (!digits.empty()) {
    const auto pad = digits.find('=');
    const auto part = digits.substr(0, pad == std::string_view::npos ? digits.size() : pad / 4 * 4 + 4);
    digits.remove_prefix(part.size());
    const auto bytes = decode_base64(part);
    if (!bytes) return false;
    out += *bytes;
  }
  group_.erase(0, whole);
  return true;
}

void append_trailer_frame(std::string& out, std::string_view trailers) {
  const auto size = static_cast<std::uint32_t>(trailers.size());
  out += '\x80';
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(size >> shift);
  out += trailers;
}

GrpcWeb::GrpcWeb(bool text_up, bool text_down, std::string_view suffix)
    : call_type_("application/grpc"), reply_type_(text_down ? kText : kWeb) {
  request_.text_ = text_up;
  response_.text_ = text_down;
  call_type_ += suffix;
  reply_type_ += suffix.empty() ? std::string_view("+proto") : suffix;
}

std::unique_ptr<GrpcWeb> GrpcWeb::begin(Exchange& ex) {
  if (!ex.cluster) return nullptr;
  const auto protocol = upstream_protocol(ex);
  if (protocol != model::BackendProtocol::grpc && protocol != model::BackendProtocol::grpcs) return nullptr;
  auto& head = ex.head();
  for (auto& f : head.fields.all()) {
    bool text = false;
    std::string_view suffix;
    if (f.id != Name::content_type || !read_type(f.value, text, suffix)) continue;
    std::unique_ptr<GrpcWeb> made(new GrpcWeb(text, wants_text(head.fields, text), suffix));
    f.value = made->call_type_;
    if (text && head.framing == Framing::length) head.framing = Framing::chunked;  // another length than it said
    part_binary_fields(head.fields);
    return made;
  }
  return nullptr;
}

BodySource& GrpcWeb::request(BodySource& client) {
  request_.below_ = &client;
  return request_;
}

BodySource& GrpcWeb::response(Exchange& ex, BodySource& pod) {
  auto& head = ex.memory.response;
  if (!is_grpc(head.fields)) return pod;  // an answer for browsers, whatever it is
  for (auto& f : head.fields.all())
    if (f.id == Name::content_type) f.value = reply_type_;
  if (head.framing == Framing::length) head.framing = Framing::chunked;
  response_.below_ = &pod;
  response_.ex_ = &ex;
  return response_;
}

Result<Chunk> GrpcWeb::Source::take(std::size_t most) {
  Result<Chunk> piece = below_->take(most);
  if (!piece) return piece;
  return pass(*piece);
}

net::Task<Result<Chunk>> GrpcWeb::Source::read(std::size_t most) {
  for (;;) {
    Result<Chunk> piece = co_await below_->read(most);
    if (!piece) co_return piece;
    Result<Chunk> passed = pass(*piece);
    if (!passed || passed->last || !passed->data.empty()) co_return passed;
  }
}

Result<Chunk> GrpcWeb::Request::pass(const Chunk& piece) {
  if (!text_) return piece;
  out_.clear();
  if (!pieces_.decode(piece.data, piece.last, out_))
    return std::unexpected(
        Error{Fault::malformed, Whose::downstream, Retry::no, 400, "the body of a grpc-web-text call is not base64"});
  return Chunk{out_, piece.last, {}};
}

Result<Chunk> GrpcWeb::Response::pass(const Chunk& piece) {
  if (!piece.trailers.empty()) ex_->record.grpc_status = static_cast<std::int16_t>(find_grpc_status(piece.trailers));
  if (piece.trailers.empty() && !text_) return Chunk{piece.data, piece.last, {}};
  out_ = piece.data;
  if (!piece.trailers.empty()) append_trailer_frame(out_, piece.trailers);
  if (text_) out_ = encode_base64(out_);
  return Chunk{out_, piece.last, {}};
}

namespace {

class BeginGrpcWeb final : public Step {
  std::unique_ptr<BodyTransform> transform(Exchange& ex) const override { return GrpcWeb::begin(ex); }
};

StepPtr make_grpc_web(const Needs& needs) {
  if (!needs.settings.grpc_web) return nullptr;
  static const auto step = std::make_shared<const BeginGrpcWeb>();
  return step;
}

}  // namespace

extern const Row kGrpcWeb;
const Row kGrpcWeb{"grpc-web", in(Phase::body), make_grpc_web};

}  // namespace sluice::data
