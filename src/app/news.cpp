#include "app/news.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "app/problems.h"
#include "base/log.h"

namespace sluice::app {

namespace {

using model::Entry;
using model::Severity;

constexpr int kMostLines = 50;  // of one batch, for each of what began, what is wrong and what is over

// Says the first lines, and how many there are beyond.
class Lines {
 public:
  explicit Lines(const char* what) : what_(what) {}
  ~Lines() {
    if (count_ > kMostLines)
      log::info("and {} more {}; `sluice check` and /config of the admin address list all", count_ - kMostLines, what_);
  }
  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;
  bool next() { return ++count_ <= kMostLines; }

 private:
  const char* what_;
  int count_ = 0;
};

void say(Severity severity, const std::string& line) {
  if (severity == Severity::error)
    log::error("{}", line);
  else
    log::warn("{}", line);
}

}  // namespace

void News::tell_all(const model::Report& model, const model::Report& compiled) const {
  std::vector<Entry> entries = model.entries;
  entries.insert(entries.end(), compiled.entries.begin(), compiled.entries.end());
  for (const auto severity : {Severity::error, Severity::warning}) {
    Lines lines(severity == Severity::error ? "errors" : "kinds of warnings");
    for (const auto& line : problem_lines(entries, severity))
      if (lines.next()) say(severity, line);
  }
  log::info("serving {} Ingress{}; {}{}", served_.size(), served_.size() == 1 ? "" : "es",
            count_problems(entries).text(),
            entries.empty() ? "" : " (`sluice check` and /config of the admin address list them)");
  for (const auto& line : problem_lines(entries, Severity::ignored))
    if (line.starts_with("not read")) log::info("{}", line);
}

void News::tell(const control::Update& update, const model::Report& compiled, bool reported) {
  {
    Lines ingresses("Ingresses");
    for (const auto& [of, served] : update.served) {
      if (of.kind != "Ingress") continue;
      if ((served ? served_.insert(of.object).second : served_.erase(of.object) > 0) && begun_ && ingresses.next())
        log::info("Ingress {}: {}", of.object, served ? "served" : "no longer served");
    }
  }
  if (!reported && begun_) return;
  std::map<std::string, Told> now;
  for (const auto* report : {&update.model->report, &compiled}) {
    for (const Entry& e : report->entries) {
      if (e.problem.severity == Severity::ignored) continue;
      auto& told = now[problem_identity(e)];
      if (told.count++ == 0) told = {1, e.problem.severity, model::Report::line(e)};
    }
  }
  if (std::exchange(begun_, true)) {
    Lines lines("problems");
    for (const auto& [identity, told] : now) {
      const auto before = told_.find(identity);
      if (before != told_.end() && before->second.count >= told.count) continue;
      if (lines.next()) say(told.severity, told.line);
    }
    Lines over("problems that are over");
    for (const auto& [identity, told] : told_)
      if (!now.contains(identity) && over.next()) log::info("over: {}", told.line);
  } else {
    tell_all(update.model->report, compiled);
  }
  told_ = std::move(now);
}

}  // namespace sluice::app
