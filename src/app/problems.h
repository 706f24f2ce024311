#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "model/report.h"

// The entries of a Report as people read them: what repeats is one line.
namespace sluice::app {

struct ProblemCounts {
  std::size_t errors = 0, warnings = 0, ignored = 0;
  std::string text() const;  // "2 errors, 1 warning, 0 ignored"
};
ProblemCounts count_problems(const std::vector<model::Entry>& entries);

// Lines for those of one severity. Errors have one each; what is doubtful or ignored for the same reason at several
// objects is one line that names the first of them, and kinds that are ignored are one line together.
std::vector<std::string> problem_lines(const std::vector<model::Entry>& entries, model::Severity severity);

// What makes a problem the same one in a later Report: the object, the field and what is wrong there, not the line.
std::string problem_identity(const model::Entry& entry);

}  // namespace sluice::app
