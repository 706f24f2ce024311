#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "control/kube/readings.h"
#include "control/source/object.h"
#include "model/settings/header_map.h"

// ConfigMaps whose keys are names of fields. Whoever writes one must reach neither the end of a field nor that of a
// message: names are tokens, values hold no control character, and what belongs to the connection or tells where a body
// ends is not set.
namespace sluice::control {

// "namespace/name" of a ConfigMap, as annotations and options have it.
bool names_config_map(std::string_view text);

// Who gets the fields.
enum class HeadersTo : std::uint8_t { clients, pods };

// Is it a field of the connection, of the framing of its messages, or of a WebSocket's two ends?
bool is_of_connection(std::string_view name);

// What the name of a field that they get should have been; empty when it is fine.
std::string wrong_header_name(std::string_view name, HeadersTo to);

// A key that cannot be used.
struct WrongHeader {
  std::string field;     // "data[NAME]"
  std::string value;     // shortened
  std::string expected;  // instead
  bool removed = false;  // pods get none of that name, as if the value were empty
  bool operator==(const WrongHeader&) const = default;
};

struct ReadHeaders {
  std::vector<model::HeaderLine> lines;  // those that can be used
  static constexpr std::size_t kShown = 20;
  std::vector<WrongHeader> wrong;  // the first of them
  std::size_t more = 0;            // how many are wrong beside these
};

// Values name variables; an empty one removes the field. Of two names that differ in the case of their letters the last
// counts, as in nginx. What is beyond the limits of HeaderMap is wrong. A field that pods were to get and that cannot
// be made is removed: whoever sets one means that the client's does not count.
ReadHeaders read_headers(const std::map<std::string, std::string>& data, HeadersTo to);
// For custom-headers, as ingress-nginx has them: values are text that is sent as it is, of printable ASCII and not
// empty; names are among `allowed`. One of them that is wrong denies all: of a map that has too many none is looked
// at, as many Ingresses may name it.
ReadHeaders read_literal_headers(const std::map<std::string, std::string>& data,
                                 const std::vector<std::string>& allowed);

// The fields of a ConfigMap that Ingresses name, read once for all of them: none of them counts if one is wrong.
struct NamedHeaders {
  model::Shared<model::HeaderMap> headers;  // null: something is wrong
  std::vector<WrongHeader> wrong;
  std::size_t more = 0;
};
NamedHeaders named_headers(const ConfigMap& map, ReadHeaders&& read);

}  // namespace sluice::control
