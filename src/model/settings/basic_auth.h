#pragma once
#include <string>

#include "model/secret_text.h"

namespace sluice::model {

// auth-type: basic. Who may come, by a name and a password.
struct BasicAuth {
  std::string realm;
  std::string secret;  // "namespace/name" of the Secret that the users are of
  bool map = false;    // auth-secret-type: auth-map
  SecretText users;    // NAME:HASH lines, each with its end; of two with one name the first counts
  bool operator==(const BasicAuth&) const = default;
};

}  // namespace sluice::model
