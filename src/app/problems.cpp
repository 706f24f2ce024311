#include "app/problems.h"

#include <fmt/format.h>

#include <map>
#include <string_view>
#include <unordered_map>

#include "base/printable.h"

namespace sluice::app {

namespace {

using model::Entry;
using model::Severity;

constexpr std::size_t kAlone = 2;  // so many of a kind are shown each by itself
constexpr std::size_t kNamed = 3;  // objects that a line for many names

bool in_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

void replace_words(std::string& text, std::string_view word, std::string_view by) {
  if (word.empty()) return;
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at)) {
    const auto end = at + word.size();
    const bool whole = (at == 0 || !in_word(text[at - 1])) && (end == text.size() || !in_word(text[end]));
    if (whole) text.replace(at, word.size(), by);
    at += whole ? by.size() : word.size();
  }
}

// The text without what only says which object it is about.
std::string in_general(std::string text, const model::ObjectRef& object) {
  if (!object.ns.empty()) replace_words(text, object.ns.str() + "/" + object.name.str(), "NAME");
  replace_words(text, object.name.view(), "NAME");
  return text;
}

std::string without_places(std::string_view field) {
  std::string out;
  bool skips = false;
  for (std::size_t i = 0; i < field.size(); ++i) {
    if (field[i] == ']') skips = false;
    if (!skips) out += field[i];
    if (field[i] == '[' && i + 1 < field.size() && field[i + 1] >= '0' && field[i + 1] <= '9') skips = true;
  }
  return out;
}

// Of "line 3: gzip", as it is said of snippets, the word: it is what the line is about. Other values differ from object
// to object.
std::string word_of(std::string_view value) {
  if (!value.starts_with("line ")) return {};
  const auto colon = value.find(": ");
  return colon == std::string_view::npos ? std::string() : std::string(value.substr(colon + 2));
}

// The line without its object: what several may have in common.
Entry in_common(const Entry& e) {
  const auto& p = e.problem;
  return {{e.object.kind, "", "", {}},
          {p.severity, p.reason, without_places(p.field), word_of(p.value), in_general(p.expected, e.object),
           in_general(p.consequence, e.object)}};
}

std::string place(const model::ObjectRef& object) {
  std::string out;
  if (!object.origin.file.empty()) out = fmt::format("{}:{} ", object.origin.file.view(), object.origin.line);
  if (!object.ns.empty()) out += object.ns.str() + "/";
  return out + object.name.str();
}

// Problems that differ in their object alone. There may be tens of thousands.
struct Group {
  std::size_t size = 0;             // objects
  const Entry* named[kNamed] = {};  // the first of them
  const Entry* last = nullptr;      // those of one object follow each other
};

std::string group_line(const Group& group) {
  const Entry common = in_common(*group.named[0]);
  const auto& p = common.problem;
  std::string out = fmt::format("{} {}: {} {}", group.size, common.object.kind.view(), to_string(p.severity), p.reason);
  if (!p.field.empty()) out += " field=" + p.field;
  if (!p.value.empty()) out += fmt::format(" value=\"{}\"", p.value);
  if (!p.expected.empty()) out += " expected " + p.expected;
  if (!p.consequence.empty()) out += "; " + p.consequence;
  out += ": ";
  for (std::size_t i = 0; i < group.size && i < kNamed; ++i) out += (i ? ", " : "") + place(group.named[i]->object);
  if (group.size > kNamed) out += fmt::format(", and {} more", group.size - kNamed);
  return printable(out);
}

// The groups in the order of their first entries.
class Groups {
 public:
  // Returns the number of its group.
  std::uint32_t add(const Entry& e) {
    auto line = model::Report::line(in_common(e));
    if (all_.empty() || line != last_line_) {  // most follow one of their own
      last_ = find(line);
      last_line_ = std::move(line);
    }
    Group& group = all_[last_];
    if (group.last != nullptr && group.last->object == e.object) return last_;
    group.last = &e;
    if (group.size < kNamed) group.named[group.size] = &e;
    ++group.size;
    return last_;
  }
  const Group& operator[](std::uint32_t number) const { return all_[number]; }

 private:
  std::uint32_t find(const std::string& line) {
    const auto hash = std::hash<std::string>{}(line);
    const auto [begin, end] = by_hash_.equal_range(hash);
    for (auto at = begin; at != end; ++at)
      if (model::Report::line(in_common(*all_[at->second].named[0])) == line) return at->second;
    const auto number = static_cast<std::uint32_t>(all_.size());
    all_.emplace_back();
    by_hash_.emplace(hash, number);
    return number;
  }
  std::vector<Group> all_;
  std::unordered_multimap<std::size_t, std::uint32_t> by_hash_;
  std::uint32_t last_ = 0;
  std::string last_line_;
};

// Errors are shown each by itself, but for what an administrator's rules refuse: that is about the rule.
bool may_be_grouped(const Entry& e) {
  return e.problem.severity != Severity::error || e.problem.reason == "RefusedAnnotation";
}

std::string counted(std::size_t n, std::string_view what) {
  return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s");
}

}  // namespace

std::string ProblemCounts::text() const {
  return counted(errors, "error") + ", " + counted(warnings, "warning") + fmt::format(", {} ignored", ignored);
}

ProblemCounts count_problems(const std::vector<Entry>& entries) {
  ProblemCounts out;
  for (const Entry& e : entries)
    (e.problem.severity == Severity::error     ? out.errors
     : e.problem.severity == Severity::warning ? out.warnings
                                               : out.ignored) += e.objects;
  return out;
}

std::vector<std::string> problem_lines(const std::vector<Entry>& entries, Severity severity) {
  std::vector<std::string> out;
  std::map<std::string, std::size_t> unread;  // kinds
  Groups groups;
  std::vector<std::uint32_t> group_of;  // of those that may be alike, in their order
  // Kinds of others are summed up; one that is ours and spelt wrong is an error like any other.
  const auto said = [&](const Entry& e) { return e.problem.severity == severity && !model::of_other_kind(e); };
  for (const Entry& e : entries) {
    if (e.problem.severity != severity || !may_be_grouped(e)) continue;
    if (said(e))
      group_of.push_back(groups.add(e));
    else
      unread[e.object.kind.str()] += e.objects;
  }
  auto number = group_of.begin();
  for (const Entry& e : entries) {
    if (!said(e)) continue;
    const Group* group = may_be_grouped(e) ? &groups[*number++] : nullptr;
    if (group == nullptr || group->size <= kAlone)
      out.push_back(model::Report::line(e));
    else if (group->named[0] == &e)
      out.push_back(group_line(*group));
  }
  if (!unread.empty()) {
    std::string kinds;
    for (const auto& [kind, n] : unread) kinds += fmt::format("{}{} {}", kinds.empty() ? "" : ", ", n, kind);
    out.push_back(printable("not read by Sluice: " + kinds));
  }
  return out;
}

std::string problem_identity(const Entry& e) {
  const auto& p = e.problem;
  // Places move: that in a file which cannot be parsed, the line of a snippet, and the place in a list where the value
  // says what is meant.
  const std::string field = e.object.kind == "File" ? "" : p.value.empty() ? p.field : without_places(p.field);
  const std::string word = word_of(p.value);
  return fmt::format("{}\x1f{}\x1f{}\x1f{}\x1f{}", e.object.text(), to_string(p.severity), p.reason, field,
                     word.empty() ? p.value : word);
}

}  // namespace sluice::app
