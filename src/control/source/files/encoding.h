#pragma once
#include <string>

namespace sluice::control {

// Makes UTF-8 without byte order marks of what a manifest file holds: UTF-8, or UTF-16 that says so by its mark, as
// kubectl reads them. Marks in front of later documents, where files were put together, go as well, and a CR that ends
// a line alone becomes LF, which it is for YAML. Returns what it is instead of these; empty: it is one of them.
std::string to_utf8(std::string& content);

}  // namespace sluice::control
