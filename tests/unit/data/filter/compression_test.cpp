#include "data/filter/compression.h"

#include <gtest/gtest.h>

#include "../allocations.h"
#include "../bare_context.h"
#include "../nobody.h"
#include "asked.h"

namespace sluice::data {
namespace {

using Choice = Compression::Choice;
using Facts = Compression::Facts;

// Values of ingress-nginx, with gzip on.
model::Options with_gzip() {
  model::Options o;
  o.use_gzip = true;
  return o;
}

Facts page(std::string_view type = "text/html", std::optional<std::uint64_t> length = 1000) {
  Facts f;
  f.type = type;
  f.length = length;
  return f;
}

struct Client : Asked {
  explicit Client(std::string_view accepted) { field("Accept-Encoding", accepted); }
};

// "gzip", "vary" where it would be compressed for others, "" where not.
std::string chosen(const model::Options& options, const Asked& client, const Facts& facts) {
  const auto choice = Compression::make(options)->choose(client.head, facts);
  if (choice.coding) return std::string(info(*choice.coding).token);
  return choice.depends ? "vary" : "";
}

TEST(Compression, IsNoStepWhereNothingIsEnabled) {
  EXPECT_EQ(Compression::make(model::Options{}), nullptr);
  EXPECT_EQ(plan_of_process(model::Options{}, false), nullptr);
  const auto plan = plan_of_process(with_gzip(), false);
  ASSERT_NE(plan, nullptr);
  EXPECT_EQ((*plan)[Phase::encode].size(), 1u);
  EXPECT_TRUE((*plan)[Phase::respond].empty());
}

TEST(Compression, Statuses) {
  const Client client("gzip");
  for (int status = 200; status < 600; ++status) {
    auto facts = page();
    facts.status = status;
    const bool listed = status == 200 || status == 403 || status == 404;
    EXPECT_EQ(chosen(with_gzip(), client, facts), listed ? "gzip" : "") << status;
  }
}

TEST(Compression, ALengthThatIsNotSaidIsLongEnough) {
  const Client client("gzip");
  EXPECT_EQ(chosen(with_gzip(), client, page("text/html", 255)), "");
  EXPECT_EQ(chosen(with_gzip(), client, page("text/html", 256)), "gzip");
  EXPECT_EQ(chosen(with_gzip(), client, page("text/html", std::nullopt)), "gzip");
  EXPECT_EQ(chosen(with_gzip(), client, page("text/html", 0)), "");
}

TEST(Compression, WhatIsCodedAlreadyIsLeftAlone) {
  auto facts = page();
  facts.coded = true;
  EXPECT_EQ(chosen(with_gzip(), Client("gzip"), facts), "");
}

TEST(Compression, Types) {
  const Client client("gzip");
  const auto listed = with_gzip();
  auto any = with_gzip();
  any.gzip_types = {"*"};
  auto none = with_gzip();
  none.gzip_types = {};
  struct Row {
    const char* type;
    bool of_list;
  };
  for (const auto& [type, of_list] : {
           Row{"text/html", true},
           {"TEXT/HTML", true},
           {"application/json", true},
           {"application/json; charset=utf-8", true},
           {"application/json;CHARSET=x", true},
           {"application/json;   charset=x", true},
           {"application/json; charset=utf-8; v=1", true},
           {"text/plain;charset=\"utf-8\"", true},
           {"application/json;profile=x", false},
           {"application/json; v=1", false},
           {"application/json; v=1; charset=utf-8", false},
           {"text/plain ;charset=x", false},
           {"text/plain;", false},
           {"text/plain; ", false},
           {"text/plain;charset", false},
           {"application/problem+json", false},
           {"application/octet-stream", false},
           {"text/event-stream", false},
           {"text", false},
           {"", false},
       }) {
    EXPECT_EQ(chosen(listed, client, page(type)), of_list ? "gzip" : "") << type;
    EXPECT_EQ(chosen(any, client, page(type)), "gzip") << type;
  }
  EXPECT_EQ(chosen(none, client, page("text/html")), "gzip");
  EXPECT_EQ(chosen(none, client, page("text/plain")), "");
}

TEST(Compression, WhatTheTypeIsComparedBy) {
  EXPECT_EQ(compared_type("a/b; x=1;charset=u"), "a/b; x=1");
  EXPECT_EQ(compared_type("a/b;;charset=u"), "a/b;");
  EXPECT_EQ(compared_type("a/b;\tcharset=u"), "a/b;\tcharset=u");
  EXPECT_EQ(compared_type(";charset=u"), "");
  EXPECT_EQ(compared_type(""), "");
}

TEST(Compression, TheFirstAcceptEncodingCounts) {
  Client client("br");
  client.field("Accept-Encoding", "gzip");
  EXPECT_EQ(chosen(with_gzip(), client, page()), "vary");
  Client other("gzip");
  other.field("Accept-Encoding", "gzip;q=0");
  EXPECT_EQ(chosen(with_gzip(), other, page()), "gzip");
  EXPECT_EQ(chosen(with_gzip(), Asked(), page()), "vary");
}

TEST(Compression, ClientsOfHttp10GetBrotliAndNoGzip) {
  auto options = with_gzip();
  Client client("gzip, br, zstd");
  client.head.minor = 0;
  EXPECT_EQ(chosen(options, client, page()), "vary");
  options.enable_zstd = true;
  EXPECT_EQ(chosen(options, client, page()), "zstd");
  options.enable_brotli = true;
  EXPECT_EQ(chosen(options, client, page()), "br");
  Client second("gzip");
  second.head.major = 2;
  EXPECT_EQ(chosen(options, second, page()), "gzip");
}

TEST(Compression, BrotliIsAskedFirstAndGzipLast) {
  auto options = with_gzip();
  options.enable_brotli = options.enable_zstd = true;
  EXPECT_EQ(chosen(options, Client("gzip, deflate, br, zstd"), page()), "br");
  EXPECT_EQ(chosen(options, Client("br;q=0.1, gzip"), page()), "br");
  EXPECT_EQ(chosen(options, Client("br;q=0, gzip"), page()), "gzip");
  EXPECT_EQ(chosen(options, Client("gzip, zstd;q=0.1"), page()), "zstd");
  EXPECT_EQ(chosen(options, Client("gzip"), page()), "gzip");
  EXPECT_EQ(chosen(options, Client("*"), page()), "vary");
  // Each has its own limits and types.
  EXPECT_EQ(chosen(options, Client("br, gzip"), page("text/html", 20)), "br");
  EXPECT_EQ(chosen(options, Client("gzip"), page("text/html", 20)), "vary");
  EXPECT_EQ(chosen(options, Client("br"), page("text/html", 19)), "");
  EXPECT_EQ(chosen(options, Client("br, gzip"), page("application/xml+rss")), "br");
  EXPECT_EQ(chosen(options, Client("gzip"), page("application/xml+rss")), "vary");
  options.gzip_types = {"text/x"};
  EXPECT_EQ(chosen(options, Client("br, gzip"), page("text/x")), "gzip");
  options.use_gzip = false;
  EXPECT_EQ(chosen(options, Client("br, gzip"), page("text/x")), "");
}

TEST(Compression, UserAgentsThatGetNone) {
  auto options = with_gzip();
  const auto by = [&](std::string_view agent) {
    Client client("gzip, br");
    client.field("User-Agent", agent);
    return chosen(options, client, page());
  };
  EXPECT_EQ(by("Mozilla/4.0 (compatible; MSIE 6.0; Windows)"), "gzip");
  options.gzip_disable = "msie6";
  EXPECT_EQ(by("Mozilla/4.0 (compatible; MSIE 6.0; Windows)"), "vary");
  EXPECT_EQ(by("Mozilla/4.0 (compatible; MSIE 5.5; Windows; SV1)"), "vary");
  EXPECT_EQ(by("Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; SV1)"), "gzip");
  EXPECT_EQ(by("Mozilla/4.0 (compatible; msie 6.0)"), "gzip");
  EXPECT_EQ(by("Mozilla/4.0 (compatible; MSIE 7.0)"), "gzip");
  options.gzip_disable = "old(er)? browser";
  EXPECT_EQ(by("The OLDER Browser"), "vary");
  EXPECT_EQ(by("a new one"), "gzip");
  EXPECT_EQ(chosen(options, Client("gzip"), page()), "gzip");
  options.enable_brotli = true;
  EXPECT_EQ(by("old browser"), "br");
  options.enable_brotli = false;
  // What takes too many steps is nobody's yes.
  options.gzip_disable = "(a+)+$";
  EXPECT_EQ(by(std::string(40, 'a') + "b"), "vary");
}

TEST(Compression, ADecisionAllocatesNothing) {
  auto options = with_gzip();
  options.enable_brotli = true;
  const auto step = Compression::make(options);
  const Client client("deflate, gzip");
  const auto before = test::allocations();
  EXPECT_EQ(step->choose(client.head, page("application/json; charset=utf-8")).coding, Coding::gzip);
  EXPECT_EQ(step->choose(client.head, page("image/png")), Choice{});
  EXPECT_EQ(test::allocations(), before);
}

// An exchange whose response is about to be sent.
struct Sending {
  explicit Sending(model::Options o = with_gzip()) : options(std::move(o)), process(plan_of_process(options, false)) {
    memory.request.method = net::http::Method::get;
    memory.request.fields.add() = {"Accept-Encoding", "gzip, br", net::http::Name::accept_encoding, false};
    memory.request.names.add(net::http::Name::accept_encoding);
    ex.options = &options;
    ex.process = process.get();
    ex.settings = &settings;
    start.fields = fields;
    start.content_length = 1000;
  }
  std::unique_ptr<BodySource> encoded() { return encode(ex, start, pod); }

  model::Options options;
  std::shared_ptr<const Plan> process;
  model::RouteSettings settings;
  BareContext worker;
  Nobody client, pod;
  Peer peer;
  ExchangeMemory memory;
  Exchange ex{worker.worker, client, peer, memory};
  net::http::Field fields[2] = {{"Content-Type", "text/html", net::http::Name::content_type, false},
                                {"ETag", "\"a\"", net::http::Name::other, false}};
  ResponseStart start;
};

TEST(Compression, MemoryIsCountedForAsLongAsItIsUsed) {
  Sending sending;
  auto body = sending.encoded();
  ASSERT_NE(body, nullptr);
  EXPECT_EQ(sending.start.framing, net::http::Framing::chunked);
  const auto memory = kGzip.memory(1, 1000);
  EXPECT_EQ(sending.worker.shared.compression.used(), memory);
  EXPECT_EQ(sending.ex.coder_memory, memory);
  const auto last = body->take(1);  // the pod's body is empty
  ASSERT_TRUE(last && last->last);
  EXPECT_EQ(sending.worker.shared.compression.used(), 0u);
  EXPECT_EQ(sending.ex.coder_memory, 0u);
  auto given_up = Sending();
  given_up.encoded().reset();
  EXPECT_EQ(given_up.worker.shared.compression.used(), 0u);
}

TEST(Compression, BeyondItsMemoryTheResponseIsSentAsItIs) {
  auto options = with_gzip();
  options.compression_memory = kGzip.memory(1, 1000) * 2 - 1;
  Sending first(options);
  const auto body = first.encoded();
  ASSERT_NE(body, nullptr);
  ResponseStart second;
  net::http::Field fields[] = {{"Content-Type", "text/html", net::http::Name::content_type, false}};
  second.fields = fields;
  second.content_length = 1000;
  EXPECT_EQ(encode(first.ex, second, first.pod), nullptr);
  EXPECT_TRUE(second.vary);
  EXPECT_EQ(second.coding, "");
  EXPECT_EQ(second.framing, net::http::Framing::length);
  EXPECT_EQ(first.worker.stats.uncompressed_limit.get(), 1u);
}

TEST(Compression, WhileMemoryIsShortNothingIsCompressed) {
  Sending sending;
  sending.worker.figures = {860, 1000};
  sending.worker.overload.look();
  EXPECT_EQ(sending.encoded(), nullptr);
  EXPECT_EQ(sending.fields[1].value, "\"a\"");
  EXPECT_EQ(sending.worker.stats.uncompressed_overload.get(), 1u);
}

TEST(Compression, HeadHasTheFieldsAndTakesNoMemory) {
  Sending sending;
  sending.memory.request.method = net::http::Method::head;
  EXPECT_EQ(sending.encoded(), nullptr);
  EXPECT_EQ(sending.start.coding, "gzip");
  EXPECT_EQ(sending.start.framing, net::http::Framing::none);
  EXPECT_EQ(sending.fields[1].value, "W/\"a\"");
  EXPECT_EQ(sending.worker.shared.compression.used(), 0u);
}

TEST(Compression, EntityTags) {
  EXPECT_EQ(tag_of_coded("\"a\""), NewTag::weak);
  EXPECT_EQ(tag_of_coded("W/\"a\""), NewTag::same);
  for (const char* tag : {"abc", "w/\"a\"", "", "W/"}) EXPECT_EQ(tag_of_coded(tag), NewTag::none) << tag;
}

}  // namespace
}  // namespace sluice::data
