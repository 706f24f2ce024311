#include <string>

#include "data/proxy/edit.h"
#include "net/http/grammar.h"
#include "net/http/path.h"
#include "support.h"

// rewrite-target, the path's regular expression and a target, with ends of lines between them: what pods get is a
// target that can be read again, or there is none and it is said why.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice;        // NOLINT(google-build-using-namespace)
  using namespace sluice::data;  // NOLINT(google-build-using-namespace)
  auto text = fuzz::text_of(data, size);
  const auto line = [&] { return fuzz::up_to('\n', text); };
  // What the annotation takes and what a request line can hold.
  const auto odd = [](char c) { return !net::http::kTarget[net::http::byte(c)]; };
  const auto written = line();
  model::RouteSettings settings;
  settings.rewrite = model::Rewrite{Template{written}, {}};
  const auto regex = Regex::make(line());
  if (!regex || text.empty() || text.front() != '/') return 0;
  if (std::ranges::any_of(written, odd) || std::ranges::any_of(text, odd)) return 0;
  const std::string target(text);
  std::string decoded(target.size(), '\0');
  const auto path = net::http::normalise_path(target, decoded.data());
  if (!path) return 0;

  model::Route spec;
  spec.match = model::PathMatch::pattern;
  spec.path = std::string((*regex)->pattern());
  net::http::RequestHead head;
  head.method_text = "GET";
  head.method = net::http::Method::get;
  head.authority = head.host = "a.example";
  head.path_query = head.target = target;
  Route route;
  route.spec = &spec;
  route.settings = &settings;
  route.pattern = regex->get();
  route.host = "a.example";
  RequestView view(head);
  view.path = *path;
  if (const auto q = target.find('?'); q != std::string::npos) view.query = std::string_view(target).substr(q);
  view.client_host = "a.example";
  view.route = &route;
  Rewritten to;
  rewrite(view, to);
  if (to.wrong != nullptr) return 0;
  for (const char c : to.target) PROPERTY(static_cast<unsigned char>(c) > 0x20 && c != 0x7f);
  if (to.redirect) return 0;
  PROPERTY(to.target.starts_with('/'));
  // Half an escape, and dots beside what the request says, are their author's, whose pods get them.
  if (written.find_first_of("%.") != std::string_view::npos) return 0;
  std::string again(to.target.size(), '\0');
  PROPERTY(net::http::normalise_path(to.target, again.data()));
  return 0;
}
