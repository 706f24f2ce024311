#pragma once
#include <string>

#include "model/secret_text.h"
#include "model/shared.h"

namespace sluice::model {

// auth-type. Who may come, by a name and a password.
struct BasicAuth {
  std::string realm;
  std::string secret;   // "namespace/name" of the Secret that the users are of
  bool map = false;     // auth-secret-type: auth-map
  bool digest = false;  // auth-type: digest; else basic
  // NAME:HASH lines, each with its end; of two with one name the first counts. With `digest` the hash is MD5 of
  // NAME:REALM:PASSWORD, 32 digits in lower case, and lines of other realms are not here.
  Common<SecretText> users;
  bool operator==(const BasicAuth&) const = default;
};

}  // namespace sluice::model
