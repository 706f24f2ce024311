#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// What a request asks of its answer, by its query or by an `X-Echo` header in the same form (`status=503&delay=20`).
namespace sluice::echo {

struct Switches {
  int status = 200;
  std::uint64_t delay = 0;            // ms before the answer
  std::optional<std::uint64_t> size;  // a body of this many bytes instead of JSON
  std::uint32_t seed = 0;             // byte i of it is (i + seed) % 251 …
  std::optional<char> fill;           // … or this letter
  std::uint64_t chunks = 0;           // chunked, in this many pieces
  std::uint64_t pause = 0;            // ms between pieces
  std::uint64_t rate = 0;             // bytes a second at which the request's body is read
  enum class Abort { none, silent, head, body, reset } abort = Abort::none;
  enum class Framing { automatic, length, chunked, close } framing = Framing::automatic;
  bool close = false;
  bool early = false;       // answer before the body is read
  bool upgrade = false;     // answer 101 to any Upgrade token
  bool no_upgrade = false;  // upgrade=0: not even to websocket
  std::vector<int> interim;
  std::vector<std::pair<std::string, std::string>> headers, trailers;
};

// Adds what `text` says. An empty string when fine, else the pair that is not understood by its value; unknown names
// are left alone, for requests may carry any query.
std::string apply(std::string_view text, Switches& out);

// What `sluice-echo --help` and docs say about them.
std::string_view switches_help();

}  // namespace sluice::echo
