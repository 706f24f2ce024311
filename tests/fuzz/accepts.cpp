#include <optional>
#include <string>

#include "base/strings.h"
#include "data/coding/accepts.h"
#include "net/http/grammar.h"
#include "support.h"

// Accept-Encoding: what is written as RFC 9110 has it, and names a coding once, means what the RFC says, though it is
// read as nginx reads it; and whatever stands before it, a coding that is added is taken or refused as it is written.
namespace {

using namespace sluice;  // NOLINT(google-build-using-namespace)

std::size_t count(std::string_view text, std::string_view of) {
  std::size_t out = 0;
  for (auto at = text.find(of); at != std::string_view::npos; at = text.find(of, at + 1)) ++out;
  return out;
}

// 0, 0.5 or 1.000 (section 12.4.2): is it above 0? Nothing: it is none.
std::optional<bool> weight(std::string_view text) {
  if (text.empty() || (text[0] != '0' && text[0] != '1')) return std::nullopt;
  const auto fraction = text.substr(1);
  if (fraction.empty()) return text[0] == '1';
  if (fraction[0] != '.' || fraction.size() > 4) return std::nullopt;
  unsigned thousandths = 0;
  for (const char c : fraction.substr(1)) {
    if (!net::http::is_digit(c)) return std::nullopt;
    thousandths += static_cast<unsigned>(c - '0');
  }
  if (text[0] == '1' && thousandths > 0) return std::nullopt;
  return text[0] == '1' || thousandths > 0;
}

// Section 12.5.3, with one blank behind each comma at most. Nothing: it is not written like that.
std::optional<bool> strictly(std::string_view value, std::string_view coding) {
  bool takes = false;
  for (;;) {
    auto element = value.substr(0, value.find(','));
    const bool last = element.size() == value.size();
    value.remove_prefix(last ? value.size() : element.size() + 1);
    if (element.starts_with(' ')) element.remove_prefix(1);
    const auto semicolon = element.find(';');
    const auto name = element.substr(0, semicolon);
    if (!net::http::is_token(name)) return std::nullopt;
    bool wanted = true;
    if (semicolon != std::string_view::npos) {
      const auto parameter = element.substr(semicolon + 1);
      if (!parameter.starts_with("q=")) return std::nullopt;
      const auto above = weight(parameter.substr(2));
      if (!above) return std::nullopt;
      wanted = *above;
    }
    if (iequals(name, coding)) takes = wanted;
    if (last) return takes;
  }
}

bool takes(std::string_view value, std::string_view coding) {
  return coding == "gzip" ? data::accepts_gzip(value) : data::accepts(value, coding);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto value = fuzz::text_of(data, size);
  const std::string small = lower(value);
  for (const std::string_view coding : {"gzip", "br", "zstd"}) {
    const auto times = count(small, coding);
    const bool taken = takes(value, coding);
    if (times == 0) {
      PROPERTY(!taken);
      for (const std::string_view before : {std::string_view(value), std::string_view()}) {
        const std::string with =
            before.empty() ? std::string(coding) : std::string(before) + ", " + std::string(coding);
        PROPERTY(takes(with, coding) && takes(with + ";q=0.5", coding) && takes(with + ", x", coding));
        PROPERTY(!takes(with + ";q=0", coding) && !takes(with + ";q=0.000, x", coding));
        PROPERTY(!takes(with + "x", coding));
      }
    }
    if (times != 1) continue;
    if (const auto said = strictly(value, coding)) PROPERTY(*said == taken);
  }
  return 0;
}
