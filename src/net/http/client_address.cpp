#include "net/http/client_address.h"

#include "base/strings.h"

namespace sluice::net::http {

bool ListFromTheEnd::next(std::string_view& element) noexcept {
  for (;;) {
    while (rest_.empty()) {
      if (left_ == 0) return false;
      rest_ = values_[--left_];
    }
    const auto comma = rest_.rfind(',');
    const bool last = comma == std::string_view::npos;
    element = trim(last ? rest_ : rest_.substr(comma + 1));
    rest_ = last ? std::string_view{} : rest_.substr(0, comma);
    if (!element.empty()) return true;
  }
}

}  // namespace sluice::net::http
