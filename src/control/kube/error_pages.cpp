#include "control/kube/error_pages.h"

#include <algorithm>

#include "base/strings.h"
#include "control/kube/grammar.h"

namespace sluice::control {

std::string read_statuses(std::string_view written, std::vector<std::uint16_t>& out) {
  out.clear();
  bool wrong = false;
  for_each_element(written, [&](std::string_view element) {
    if (element.empty()) return;
    const auto status = parse_int(element);
    if (status && *status >= 400 && *status <= 599)
      out.push_back(static_cast<std::uint16_t>(*status));
    else
      wrong = true;
  });
  std::ranges::sort(out);
  const auto twice = std::ranges::unique(out);
  out.erase(twice.begin(), twice.end());
  return wrong ? "statuses from 400 to 599, separated by commas" : "";
}

std::string statuses_text(const std::vector<std::uint16_t>& statuses) {
  std::string out;
  for (const auto status : statuses) out += (out.empty() ? "" : ",") + std::to_string(status);
  return out;
}

}  // namespace sluice::control
