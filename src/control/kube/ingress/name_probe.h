#pragma once
#include <string_view>

namespace sluice::control {

// Is the regular expression (PCRE2) for names that nobody has thought of? It is when it matches two or more of sixteen
// names of one to four labels, and addresses, which are made of its own text: always the same, but of letters that it
// does not name. `~.` and `[a-z]+` are, `\.shop\.example$` is not. A match that takes too many steps counts as one, so
// that the cost is that of two at most. What cannot be compiled is for no name. Any thread.
bool names_nothing(std::string_view pattern);

}  // namespace sluice::control
