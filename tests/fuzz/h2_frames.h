#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "support.h"

namespace sluice::fuzz {

// Input → bytes of HTTP/2 frames. The first byte chooses: frames as they stand in the input, or frames made from it
// with the lengths that their payloads have, so that mutations reach behind the framing.
inline std::string h2_bytes(std::string_view in) {
  if (in.empty()) return {};
  const bool raw = (in.front() & 1) != 0;
  in.remove_prefix(1);
  if (raw) return std::string(in);
  std::string out;
  while (in.size() >= 4) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(in[i]); };
    const unsigned type = at(0) % 17, flags = at(1), stream = at(2) % 12;
    std::size_t length = at(3);
    in.remove_prefix(4);
    length = std::min(length, in.size());
    const char head[9] = {0, 0, static_cast<char>(length), static_cast<char>(type), static_cast<char>(flags), 0,
                          0, 0, static_cast<char>(stream)};
    out.append(head, sizeof head);
    out.append(in.substr(0, length));
    in.remove_prefix(length);
  }
  return out;
}

}  // namespace sluice::fuzz
