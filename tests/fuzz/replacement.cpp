#include <algorithm>
#include <string>
#include <vector>

#include "data/plan/step.h"
#include "net/http/grammar.h"
#include "support.h"

// What is replaced in Location, Refresh and Set-Cookie of pods: two texts of annotations, a field that the client sent,
// and values of the pod, with ends of lines between them. No value breaks out of its field, none grows without bound,
// and a cookie keeps its name, its value and its attributes.
namespace sluice::data {
extern const Row kReplaceRedirects, kReplaceInCookies;
}

namespace {

using namespace sluice;        // NOLINT(google-build-using-namespace)
using namespace sluice::data;  // NOLINT(google-build-using-namespace)

constexpr std::string_view kNames[] = {"Location", "Refresh", "Set-Cookie"};

std::string_view first_part(std::string_view cookie) {
  return cookie.substr(0, cookie.find(';'));
}
std::string without_blanks(std::string_view text) {
  std::string out(text);
  std::erase(out, ' ');
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto text = fuzz::text_of(data, size);
  const auto line = [&] { return fuzz::up_to('\n', text); };
  // The parsers of heads let no control through but the tab, and the annotations none at all.
  if (std::ranges::any_of(text, [](char c) { return net::http::is_control(c) && c != '\t' && c != '\n'; })) return 0;
  const model::Replacement wanted{std::string(line()), Template(line())};
  if (wanted.from.find('\t') != std::string::npos || wanted.to.text().find('\t') != std::string::npos) return 0;
  model::RouteSettings settings;
  settings.redirect_replacement = settings.cookie_domain = settings.cookie_path = wanted;

  net::http::RequestHead head;
  head.method_text = "GET";
  head.method = net::http::Method::get;
  head.authority = head.host = "a.example";
  head.path_query = head.target = "/x?y=1";
  const auto sent = line();
  head.fields.add() = {"X-Any", sent, net::http::Name::other, false};
  model::Route spec;
  spec.path = "/";
  Route route;
  route.spec = &spec;
  route.settings = &settings;
  route.host = "a.example";
  RequestView view(head);
  view.path = "/x\r\ny";  // as %0d%0a is decoded
  view.query = "?y=1";
  view.client_host = "a.example";
  view.route = &route;

  std::vector<std::string> values;
  while (!text.empty() && values.size() < 8) values.emplace_back(line());
  std::vector<net::http::Field> theirs, ours;
  for (const auto& value : values)
    for (const auto name : kNames) theirs.push_back({name, value, net::http::name_of(name), false});
  const auto before = theirs;
  static const model::Options options;
  Texts texts;
  const ResponseFields::Response response{theirs, true, options};
  ResponseFields fields(ours, texts, &response);
  for (const Row* row : {&kReplaceRedirects, &kReplaceInCookies})
    if (const auto step = row->of_route({settings, false})) step->respond(view, fields);

  PROPERTY(ours.empty() && theirs.size() == before.size());
  const std::size_t variables = 256 + sent.size();
  for (std::size_t i = 0; i < theirs.size(); ++i) {
    const auto was = before[i].value, is = theirs[i].value;
    PROPERTY(theirs[i].name == before[i].name && !theirs[i].drop);
    if (is.data() == was.data()) continue;  // it stays
    for (const char c : is) PROPERTY(!net::http::is_control(c) || c == '\t');
    // Each byte of the annotation is a variable or a group at most, each byte of those an escape; in a cookie that many
    // times for each attribute.
    const auto parts = static_cast<std::size_t>(std::ranges::count(was, ';')) + 1;
    PROPERTY(is.size() <= 2 * was.size() + 64 + parts * (wanted.to.text().size() + 1) * 3 * (was.size() + variables));
    if (before[i].name != "Set-Cookie") continue;
    PROPERTY(without_blanks(first_part(is)) == without_blanks(first_part(was)));
    if (wanted.to.is_literal() && wanted.to.text().find(';') == std::string::npos)
      PROPERTY(std::ranges::count(is, ';') == std::ranges::count(was, ';'));
  }
  return 0;
}
