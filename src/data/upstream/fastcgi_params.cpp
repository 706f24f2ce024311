#include "data/upstream/fastcgi_params.h"

#include <algorithm>
#include <vector>

#include "data/exchange/variables.h"
#include "data/runtime/worker_context.h"
#include "net/fcgi/record.h"
#include "net/http/path.h"

namespace sluice::data {

namespace {

constexpr std::string_view kOfField = "HTTP_";

bool names_group(const model::Fastcgi& wanted) noexcept {
  return std::ranges::any_of(wanted.params, [](const auto& param) {
    return std::ranges::any_of(param.value.parts(), [](const auto& part) { return part.variable == kGroup; });
  });
}

bool is_replaced(const model::Fastcgi& wanted, std::string_view field) noexcept {
  return std::ranges::any_of(wanted.params, [&](const auto& param) {
    return param.name.starts_with(kOfField) && names_field(std::string_view(param.name).substr(kOfField.size()), field);
  });
}

// HTTP_NAME for each field, those of one name in one, as nginx has it. Of two spellings that come to the same name
// (X_User and X-User) the first one counts: ours come first.
class CgiFields {
 public:
  explicit CgiFields(const model::Fastcgi& wanted) : wanted_(wanted) {}

  void take(std::string_view name, std::string_view value) {
    if (is_replaced(wanted_, name) || iequals(name, "transfer-encoding")) return;
    all_.push_back({text_.size(), name.size(), value.size(), false});
    text_.append(name).append(value);
  }

  void add_to(net::fcgi::Params& params) {
    std::string name, value;
    for (std::size_t i = 0; i < all_.size(); ++i) {
      if (all_[i].done) continue;
      const auto spelled = name_of(all_[i]);
      const std::string_view between = iequals(spelled, "cookie") ? "; " : ", ";
      value.assign(value_of(all_[i]));
      for (std::size_t other = i + 1; other < all_.size(); ++other) {
        if (!names_field(spelled, name_of(all_[other]))) continue;
        all_[other].done = true;
        if (iequals(spelled, name_of(all_[other]))) value.append(between).append(value_of(all_[other]));
      }
      name = kOfField;
      for (const char c : spelled) name += c == '-' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
      params.add(name, value);
    }
  }

 private:
  struct One {
    std::size_t at, name, value;  // where it is in the text, and how long they are
    bool done;
  };
  std::string_view name_of(const One& f) const noexcept { return std::string_view(text_).substr(f.at, f.name); }
  std::string_view value_of(const One& f) const noexcept {
    return std::string_view(text_).substr(f.at + f.name, f.value);
  }
  const model::Fastcgi& wanted_;
  std::string text_;  // copies: what is sunk lives no longer than the call
  std::vector<One> all_;
};

}  // namespace

Status append_params(Exchange& ex, const BodyShape& body, std::string& out) {
  const model::Fastcgi& wanted = ex.settings->fastcgi ? *ex.settings->fastcgi : model::default_fastcgi();
  // The request as it is behind a rewrite: variables of its path and query mean those that the pod gets.
  RequestView edited(ex);
  edited.past_rewrites = false;  // its path is that already
  std::string path, script, length;
  const auto mark = ex.target.find('?');
  edited.query = mark == std::string_view::npos ? std::string_view{} : ex.target.substr(mark);
  if (ex.target.data() != ex.head().path_query.data()) {
    path.resize(ex.target.size());
    const auto read = net::http::normalise_path(ex.target, path.data());
    if (!read)
      return std::unexpected(
          Error{Fault::malformed, Whose::internal, Retry::no, 500, "rewrite-target makes a path that nobody can read"});
    edited.path = *read;
  }
  script = edited.path;
  if (script.ends_with('/')) script += wanted.index;
  edited.script = script;
  if (body.framing == net::http::Framing::length) length = std::to_string(body.length);
  edited.body_length = length;

  Regex::Captures groups;
  auto grouped = Regex::Outcome::no;
  if (ex.route != nullptr && ex.route->pattern != nullptr && names_group(wanted)) {
    grouped = ex.route->pattern->match(ex.path, &groups);
    if (grouped == Regex::Outcome::gave_up) {
      ex.worker.stats.regex_gave_up.add();
      return std::unexpected(Error{Fault::unsupported, Whose::internal, Retry::no, 500,
                                   "the pattern of the route takes too many steps for this path"});
    }
  }
  net::fcgi::Params params(out);
  std::string value;
  for (const auto& param : wanted.params) {
    value.clear();
    evaluate(param.value, edited, Spelling::raw, value, grouped == Regex::Outcome::yes ? &groups : nullptr,
             Spelling::raw);
    if (param.when_filled && value.empty()) continue;
    params.add(param.name, value);
  }
  CgiFields fields(wanted);
  for_each_upstream_field(ex, body, [&](std::string_view name, std::string_view text) { fields.take(name, text); });
  fields.add_to(params);
  params.end();
  return {};
}

}  // namespace sluice::data
