#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "bare_context.h"
#include "data/exchange/variables.h"
#include "data/filter/auth_answer.h"
#include "net/h1/parser.h"
#include "net/http/grammar.h"
#include "nobody.h"
#include "support.h"

// What a service that is asked about a request answers: two texts of auth_request_set, a line each, and the answer as
// it arrives. Its status alone decides, what it says goes on without ends of lines, and variables take no more than
// they may.
namespace {

using namespace sluice;        // NOLINT(google-build-using-namespace)
using namespace sluice::data;  // NOLINT(google-build-using-namespace)

constexpr WhyNot kWhy{"unauthorized", "forbidden", "failed"};

bool breaks_out(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

LocalReply asks_for_password() {
  LocalReply out{.status = 401, .why = "a password"};
  out.fields.emplace_back("WWW-Authenticate", "Basic realm=\"r\"");
  return out;
}

void judge(const Said& said, Exchange& ex, bool other) {
  const auto reply = verdict(said, kWhy, ex, other ? std::optional(asks_for_password()) : std::nullopt);
  const int status = said.status;
  PROPERTY(reply.has_value() == (status < 200 || status > 299));
  if (!reply) return;
  const bool refused = status == 401 || status == 403;
  PROPERTY(reply->status == (status == 403 && other ? 401 : refused ? status : 500));
  std::size_t theirs = 0;
  for (const auto& f : said.fields) theirs += iequals(f.name, "www-authenticate") ? 1 : 0;
  PROPERTY(reply->fields.size() == (status == 401 ? theirs : 0) + (other ? 1 : 0));
  for (const auto& [name, value] : reply->fields) PROPERTY(name == "WWW-Authenticate" && !breaks_out(value));
  PROPERTY(reply->location.empty() && !reply->body);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto bytes = fuzz::text_of(data, size);
  std::vector<model::SnippetAuthField> sets;
  bool odd = false;
  for (const auto* name : {"one", "two"}) {
    Template value{fuzz::up_to('\n', bytes)};
    odd = odd || std::ranges::any_of(value.text(), net::http::is_control);
    sets.push_back({name, std::move(value)});
  }
  if (odd) return 0;  // snippets have no such text
  net::h1::HeadLimits limits;
  limits.head = 2048;
  limits.fields = 20;
  net::h1::HeadScan scan;
  const auto length = net::h1::find_head(bytes, scan, limits, false);
  if (!length || *length == 0) return 0;
  static auto* answer = new net::http::ResponseHead;
  const std::string block(bytes.substr(0, *length));
  if (!net::h1::parse_response(block, limits, net::http::Method::get, *answer)) return 0;

  static auto& context = *new BareContext;
  static Nobody client;
  static const Peer peer;
  const std::unique_ptr<ExchangeMemory> held(new ExchangeMemory);
  ExchangeMemory& memory = *held;
  memory.request.method_text = "GET";
  memory.request.path_query = memory.request.target = "/x?y=1";
  Exchange ex(context.worker, client, peer, memory);
  ex.path = "/x\r\ny";  // as %0d%0a is decoded
  ex.query = "?y=1";
  memory.program.begin(memory.texts);
  ex.program = &memory.program;
  // Asked twice, the first time in vain.
  ex.record.attempts = 2;
  for (auto& attempt : ex.record.attempt)
    std::string_view("10.0.0.1:80").copy(attempt.address, sizeof attempt.address - 1);
  ex.record.attempt[1].status = static_cast<std::uint16_t>(answer->status);
  const Said said{answer->status, answer->fields.all(), &ex.record};
  judge(said, ex, false);
  judge(said, ex, true);

  const bool fits = set_variables(sets, said, ex, ex);
  PROPERTY(!fits || memory.program.made <= model::Snippet::kMostMade);
  if (!fits) return 0;
  PROPERTY(memory.program.variables.size() == sets.size());
  std::size_t made = 0;
  for (std::size_t i = 0; i < sets.size(); ++i) {
    const auto& [name, value] = memory.program.variables[i];
    PROPERTY(name == sets[i].name);
    made += value.size();
    if (sets[i].value.is_literal() && sets[i].value.text().find('$') == std::string::npos)
      PROPERTY(value == sets[i].value.text());
    // As a field that names it has it.
    std::string room;
    PROPERTY(!breaks_out(field_value(Template("$" + sets[i].name), ex, room)));
  }
  PROPERTY(made == memory.program.made);
  // Each field of the answer can be asked for, as nginx names it.
  for (const auto& field : answer->fields.all()) {
    if (!made_of(field.name, "-_")) continue;
    std::string name = lower(field.name);
    std::ranges::replace(name, '-', '_');
    const std::vector<model::SnippetAuthField> one{{"one", Template("$upstream_http_" + name)}};
    PROPERTY(names_answer(one, field.name) && !names_answer(one, std::string(field.name) + "x"));
  }
  return 0;
}
