#pragma once
#include <string>
#include <string_view>

#include "control/source/node.h"

// What of a document may be repeated in a message. A Secret's content may not, and a mistake can give a Secret any
// shape: no kind, a misspelt one, the value in place of its map or as the name of a member, a key file with the name of
// a manifest. So a message shows values of those objects alone that cannot be Secrets, and of all else only words that
// have the form of what they stand for. Every message about a document is made through this.
namespace sluice::control {

class Disclosure {
 public:
  // By what the object says of itself, and `kind`: what it is taken for. The node must outlive nothing here.
  Disclosure(const Node& object, std::string_view kind);

  // A value: at most 120 bytes of it, "(a list)" or "(a map)"; empty when it is not to be seen.
  std::string value(const Node& node) const;
  std::string value(std::string_view text) const;
  // A member's name in the path to a field; "…" when it is not to be seen.
  std::string key(std::string_view text) const;
  // The name of a field that the API does not have, where it has fields of its own, which are no data of a Secret. Of
  // an object that says to be a Secret it is not seen: a value may stand in its place. At most 63 bytes; "…" when it
  // has not the form of a name.
  std::string field(std::string_view text) const;
  // A name or namespace; empty when it is not to be seen.
  std::string name(std::string_view text) const;

  // Any document's: empty when it has not the form of one.
  static std::string object_name(std::string_view text);
  // `group`: that of the document's apiVersion; empty where there is none, or where it is not to be trusted.
  static std::string kind(std::string_view text, std::string_view group = {});
  // The kind that Kubernetes has and that `text`, which it has not, is spelt like; empty: none.
  static std::string meant_kind(std::string_view text);
  static std::string api_version(std::string_view text);
  // Of a ConfigMap, of --set and of the configuration file: these have values that are secret, too.
  static std::string option(std::string_view text);

 private:
  enum class Level : char { nothing, keys, all };
  Level level_;
  bool fields_ = false;  // names of fields are seen
};

}  // namespace sluice::control
