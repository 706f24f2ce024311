#pragma once
#include <expected>
#include <string>

namespace sluice {

// The content of a small file, whatever its path leads to: of a pipe, a device or a file that grows, too, no more than
// `most` bytes are read. Or why not: "No such file or directory", "more than 1048576 bytes".
std::expected<std::string, std::string> read_file(const std::string& path, std::size_t most);

}  // namespace sluice
