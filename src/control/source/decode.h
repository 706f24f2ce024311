#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "control/source/node.h"
#include "control/source/object.h"

namespace sluice::control {

// The objects of some documents, in order.
struct Decoded {
  std::vector<ObjectPtr> objects;    // and husks (ConfigMap::unreadable), for where there is no previous form
  model::Entries entries;            // refused and ignored objects
  std::vector<std::string> refused;  // identities of refused objects: their previous form stays
  std::uint32_t positions = 0;       // objects seen, for the order of those that follow
};

// Reads the document's object, or those of its List, into `out`. Never throws for bad shapes: the object is refused
// alone, with its field and line. `ns`: of objects that name no namespace.
void decode(const Document& document, const std::string& file, Decoded& out, std::string_view ns = "default");
// Appends husks of the ConfigMaps that seem to be in the text of a document that cannot be parsed.
void find_husks(std::string_view text, const std::string& file, std::string_view ns, std::vector<ObjectPtr>& out);
// Reads one object of `kind` (of kKinds) as the API of a cluster sends it: items of its lists name no kind.
void decode_item(const Node& item, const char* kind, Decoded& out);

}  // namespace sluice::control
