#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <typeindex>
#include <utility>

#include "control/source/object.h"
#include "model/secret_text.h"
#include "model/shared.h"

namespace sluice::control {

// What was read of objects, for as long as these stay what they are: of a Secret or a ConfigMap that many Ingresses
// name it is read once, and not by each of them. Whoever changes objects clears it, and whoever has dealt with them
// does: what is to last is shared by those who have it (SharedSettings). Options are the same meanwhile. One thread.
class Readings {
 public:
  // read() of the object, or what it came to before. `how`: all else that it depends on. Valid until clear().
  template <class Object, class Read>
  const auto& of(const Object& object, std::string_view how, Read&& read) {
    using Result = decltype(read());
    auto& slot = known_[{&object, typeid(Result), std::string(how)}];
    if (!slot) slot = std::make_shared<const Result>(read());
    return *static_cast<const Result*>(slot.get());
  }
  void clear() noexcept { known_.clear(); }

 private:
  std::map<std::tuple<const void*, std::type_index, std::string>, std::shared_ptr<const void>> known_;
};

// A text of its data; empty where it has none. Text: std::string or SecretText.
template <class Text = std::string>
const model::Common<Text>& data_of(const Secret& secret, const std::string& key, Readings& readings) {
  return readings.of(secret, key, [&] {
    const auto at = secret.data.find(key);
    return at == secret.data.end() ? model::Common<Text>() : model::Common<Text>(at->second);
  });
}

}  // namespace sluice::control
