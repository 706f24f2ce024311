#include <fmt/format.h>

#include <algorithm>

#include "control/control.h"

namespace sluice::control {

namespace {

constexpr std::size_t kMostSelector = 4096, kMostName = 63, kMostPrefix = 253;

bool alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_name(std::string_view s) {
  return !s.empty() && s.size() <= kMostName && alphanumeric(s.front()) && alphanumeric(s.back()) &&
         std::all_of(s.begin(), s.end(), [](char c) { return alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

bool is_prefix(std::string_view s) {
  return !s.empty() && s.size() <= kMostPrefix && alphanumeric(s.front()) && alphanumeric(s.back()) &&
         std::all_of(s.begin(), s.end(),
                     [](char c) { return (alphanumeric(c) && !(c >= 'A' && c <= 'Z')) || c == '-' || c == '.'; });
}

bool is_key(std::string_view s) {
  const auto slash = s.find('/');
  return slash == std::string_view::npos ? is_name(s) : is_prefix(s.substr(0, slash)) && is_name(s.substr(slash + 1));
}

// The grammar of k8s.io/apimachinery/pkg/labels: requirements with ',' between them.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) { next(); }

  // What is wrong, or nothing.
  std::string all() {
    for (;;) {
      if (auto wrong = requirement(); !wrong.empty()) return wrong;
      if (token_.empty()) return {};
      if (token_ != ",") return expected("',' or the end");
      next();
    }
  }

 private:
  void next() {
    const auto start = rest_.find_first_not_of(" \t");
    rest_.remove_prefix(std::min(start, rest_.size()));
    std::size_t length = std::min(rest_.find_first_of(" \t!=<>(),"), rest_.size());
    if (length == 0)
      length = rest_.starts_with("==") || rest_.starts_with("!=") ? 2 : std::min<std::size_t>(1, rest_.size());
    token_ = rest_.substr(0, length);
    rest_.remove_prefix(length);
  }
  bool symbol() const {
    return token_.empty() || std::string_view("!=<>(),").find(token_[0]) != std::string_view::npos;
  }
  std::string expected(const char* what) const {
    return fmt::format("expected {}, found {}", what, token_.empty() ? "the end" : "\"" + std::string(token_) + "\"");
  }

  std::string requirement() {
    const bool absent = token_ == "!";
    if (absent) next();
    if (symbol() || !is_key(token_)) return expected("the key of a label");
    next();
    if (absent || token_.empty() || token_ == ",") return {};
    if (token_ == "in" || token_ == "notin") return set();
    const bool compared = token_ == "<" || token_ == ">";
    if (!compared && token_ != "=" && token_ != "==" && token_ != "!=") return expected("=, ==, !=, in, notin, < or >");
    next();
    if (compared &&
        (symbol() || token_.size() > 18 || token_.find_first_not_of("0123456789") != std::string_view::npos))
      return expected("a number");
    return value();
  }

  std::string set() {
    next();
    if (token_ != "(") return expected("'('");
    do {
      next();
      if (auto wrong = value(); !wrong.empty()) return wrong;
    } while (token_ == ",");
    if (token_ != ")") return expected("')'");
    next();
    return {};
  }

  // May be empty.
  std::string value() {
    if (token_.empty() || token_ == "," || token_ == ")") return {};
    if (symbol() || !is_name(token_)) return expected("the value of a label");
    next();
    return {};
  }

  std::string_view rest_, token_;
};

}  // namespace

std::string check_label_selector(const std::string& text) {
  if (text.size() > kMostSelector) return fmt::format("expected at most {} bytes", kMostSelector);
  return Reader(text).all();
}

}  // namespace sluice::control
