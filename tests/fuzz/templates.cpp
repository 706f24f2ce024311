#include <string>

#include "data/exchange/variables.h"
#include "data/proxy/edit.h"
#include "support.h"

// A text with variables, a regular expression and what it is asked about, with ends of lines between them: values never
// break out of a head or of a target, whoever wrote them, and a pattern costs what it may cost.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice;        // NOLINT(google-build-using-namespace)
  using namespace sluice::data;  // NOLINT(google-build-using-namespace)
  auto text = fuzz::text_of(data, size);
  const auto line = [&] { return fuzz::up_to('\n', text); };
  const Template made{line()};
  std::string whole;
  for (const auto& part : made.parts()) {
    PROPERTY(part.begin + part.size <= made.text().size());
    if (part.variable == kLiteral) whole += made.text_of(part);
  }
  if (!made.names_variables() && made.first_unknown(true).empty() && made.text().find('$') == std::string::npos)
    PROPERTY(whole == made.text());

  net::http::RequestHead head;
  head.method_text = "GET";
  head.method = net::http::Method::get;
  head.authority = head.host = "a.example";
  const std::string pattern(line());
  const std::string target = "/" + std::string(line());
  head.path_query = head.target = target;
  const std::string value(text);
  head.fields.add() = {"X-Any", value, net::http::Name::other, false};
  RequestView view(head);
  view.path = target;
  view.client_host = "a.example";

  Regex::Captures groups{};
  if (const auto regex = Regex::make(pattern)) {
    if ((*regex)->match(target, &groups) == Regex::Outcome::yes)
      for (const auto group : groups) {
        if (group.empty()) continue;
        PROPERTY(group.data() >= target.data() && group.data() + group.size() <= target.data() + target.size());
      }
  } else {
    PROPERTY(!regex.error().empty());
  }
  bool literal_controls = false;
  for (const char c : made.text()) literal_controls = literal_controls || static_cast<unsigned char>(c) < 0x20;
  std::string out;
  for (const auto spelling : {Spelling::raw, Spelling::field, Spelling::url, Spelling::path, Spelling::segment}) {
    out.clear();
    evaluate(made, view, spelling, out, &groups, spelling);
    if (spelling == Spelling::raw || literal_controls) continue;
    for (const char c : out) PROPERTY(c != '\r' && c != '\n' && c != '\0');
  }
  std::string room;
  const auto field = field_value(made, view, room, &groups);
  PROPERTY(field.empty() || (field.front() != ' ' && field.back() != ' '));
  return 0;
}
