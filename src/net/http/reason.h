#pragma once
#include <string_view>

namespace sluice::net::http {

// What stands behind the status where nobody has said anything else, in nginx's words; empty: it has none there.
std::string_view reason_phrase(int status) noexcept;

}  // namespace sluice::net::http
