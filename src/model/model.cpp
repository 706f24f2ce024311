#include "model/model.h"

#include <algorithm>
#include <utility>

#include "base/printable.h"

namespace sluice::model {

std::size_t Report::count(Severity s) const {
  return static_cast<std::size_t>(
      std::count_if(entries.begin(), entries.end(), [s](const Entry& e) { return e.problem.severity == s; }));
}

namespace {
Problem and_more(Severity severity, std::size_t count) {
  return {severity, "MoreProblems", "", "", "", "and " + std::to_string(count) + " more, which are not listed"};
}
}  // namespace

void Entries::add(const Entries& others) {
  for (const auto& e : others.told_) push_back(e);
  for (const auto& [kind, count] : others.other_kinds_) count_kind(kind, count);
  if (others.left_out_ > 0) leave_out(others.worst_, others.left_out_);
}

void Entries::keep(std::size_t most, std::size_t most_others) {
  if (told_.size() - others_ <= most && others_ <= most_others) return;
  std::vector<Entry> all = std::exchange(told_, {});
  others_ = 0;
  for (Entry& e : all)
    if (of_other_kind(e) ? others_ < most_others : told_.size() - others_ < most)
      push_back(std::move(e));
    else
      leave_out(e);
  told_.shrink_to_fit();
}

void Entries::leave_out(const Entry& entry) {
  if (of_other_kind(entry))
    count_kind(entry.object.kind.str(), entry.objects);
  else
    leave_out(entry.problem.severity, 1);
}

void Entries::count_kind(const std::string& kind, std::size_t count) {
  if (other_kinds_.size() < kMost || other_kinds_.contains(kind))
    other_kinds_[kind] += count;
  else
    leave_out(Severity::ignored, count);
}

void Entries::append_to(std::vector<Entry>& out) const {
  out.insert(out.end(), told_.begin(), told_.end());
  const Origin first = told_.empty() ? Origin() : told_.front().object.origin;
  for (const auto& [kind, count] : other_kinds_)
    out.push_back({{kind, "", "(" + std::to_string(count) + " more)", first},
                   {Severity::ignored, "UnknownKind", "kind", "", "", "not read by Sluice"},
                   count});
  if (left_out_ == 0) return;
  const ObjectRef about = told_.empty() ? ObjectRef{"Report", "", "(all)", {}} : told_.front().object;
  out.push_back({about, and_more(worst_, left_out_)});
}

std::vector<Entry> Entries::all() const {
  std::vector<Entry> out;
  append_to(out);
  return out;
}

void Report::limit() {
  if (entries.size() <= kMost) return;
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.problem.severity > b.problem.severity; });
  const std::size_t beyond = entries.size() - kMost;
  const Severity worst = entries[kMost].problem.severity;
  entries.resize(kMost);
  entries.push_back({{"Report", "", "(all)", {}}, and_more(worst, beyond)});
}

std::string_view to_string(Transport transport) {
  return transport == Transport::tcp ? "tcp" : "udp";
}

std::string_view to_string(PathMatch match) {
  switch (match) {
    case PathMatch::exact:
      return "exact";
    case PathMatch::prefix:
      return "prefix";
    case PathMatch::slash_redirect:
      return "slash-redirect";
    case PathMatch::pattern:
      return "pattern";
    case PathMatch::snippet_exact:
      return "location =";
    case PathMatch::snippet_prefix:
      return "location";
    case PathMatch::snippet_first:
      return "location ^~";
    case PathMatch::snippet_slash:
      return "slash-redirect to location";
    case PathMatch::snippet_pattern:
      return "location ~";
    case PathMatch::snippet_pattern_any_case:
      return "location ~*";
  }
  return "unknown";
}

std::string_view to_string(BackendProtocol p) {
  switch (p) {
    case BackendProtocol::http:
      return "HTTP";
    case BackendProtocol::https:
      return "HTTPS";
    case BackendProtocol::grpc:
      return "GRPC";
    case BackendProtocol::grpcs:
      return "GRPCS";
    case BackendProtocol::auto_http:
      return "AUTO_HTTP";
    case BackendProtocol::fcgi:
      return "FCGI";
  }
  return "unknown";
}

std::string_view to_string(AmbiguousPaths p) {
  switch (p) {
    case AmbiguousPaths::raw:
      return "raw";
    case AmbiguousPaths::normalize:
      return "normalize";
    case AmbiguousPaths::refuse:
      return "refuse";
  }
  return "unknown";
}

std::string_view to_string(Risk r) {
  switch (r) {
    case Risk::low:
      return "Low";
    case Risk::medium:
      return "Medium";
    case Risk::high:
      return "High";
    case Risk::critical:
      return "Critical";
  }
  return "unknown";
}

const Shared<UpstreamTls>& unverified_tls() {
  static const Shared<UpstreamTls> plain = [] {
    UpstreamTls tls;
    tls.protocols = "TLSv1.2 TLSv1.3";
    return tls;
  }();
  return plain;
}

std::string_view to_string(Severity s) {
  switch (s) {
    case Severity::ignored:
      return "ignored";
    case Severity::warning:
      return "warning";
    case Severity::error:
      return "error";
  }
  return "unknown";
}

std::string Report::line(const Entry& e) {
  std::string out;
  if (!e.object.origin.file.empty()) out += e.object.origin.file + ":" + std::to_string(e.object.origin.line) + " ";
  out += e.object.text() + ": " + std::string(to_string(e.problem.severity)) + " " + e.problem.reason;
  if (!e.problem.field.empty()) out += " field=" + e.problem.field;
  if (!e.problem.value.empty()) out += " value=\"" + e.problem.value + "\"";
  if (!e.problem.expected.empty()) out += " expected " + e.problem.expected;
  if (!e.problem.consequence.empty()) out += "; " + e.problem.consequence;
  return printable(out);
}

}  // namespace sluice::model
