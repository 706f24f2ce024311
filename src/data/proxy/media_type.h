#pragma once
#include <string_view>

namespace sluice::data {

// The media type of what nginx answers for a path with this extension, as its mime.types has it; empty: it says
// nothing.
std::string_view media_type_of(std::string_view path) noexcept;

}  // namespace sluice::data
