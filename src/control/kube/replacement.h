#pragma once
#include <string>
#include <string_view>

#include "model/settings/replacement.h"
#include "model/shared.h"

// Replacements in responses: proxy-redirect-from and -to, proxy-cookie-domain, proxy-cookie-path.
namespace sluice::control {

// Each reads trimmed text into `out` and returns "", or what was expected, and `out` is as it was. What nothing is to
// be replaced by becomes null. `marks`: what may stand in them beside letters and digits; empty: all that can be seen.
std::string read_replaced(std::string_view from, std::string_view marks, model::Shared<model::Replacement>& out);
std::string read_replacing(std::string_view to, std::string_view marks, model::Shared<model::Replacement>& out);
// "off", or both with blanks between them.
std::string read_replacement(std::string_view both, std::string_view marks, model::Shared<model::Replacement>& out);

// As they are written; "off" where there are none.
std::string replaced_text(const model::Shared<model::Replacement>& replacement);
std::string replacing_text(const model::Shared<model::Replacement>& replacement);
std::string replacement_text(const model::Shared<model::Replacement>& replacement);

}  // namespace sluice::control
