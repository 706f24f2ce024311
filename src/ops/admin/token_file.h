#pragma once
#include <expected>
#include <string>
#include <string_view>

// A bearer token in a file, as Kubernetes mounts a Secret's key.
namespace sluice::ops {

// The token in `path` without the white space around it: 1 to 4096 visible ASCII characters. The error names the file,
// what is wrong with it and what was expected. The file is read anew by each call, so that another token counts as soon
// as it is there. Never waits for the file of a pipe or a device.
std::expected<std::string, std::string> read_token(const std::string& path);

// Whether the two are the same, in a time that depends on the length of `given` alone.
bool same_token(std::string_view given, std::string_view token) noexcept;

}  // namespace sluice::ops
