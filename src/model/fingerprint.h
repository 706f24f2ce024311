#pragma once
#include <cstdint>
#include <string_view>
#include <unordered_map>

#include "base/strings.h"
#include "model/model.h"

// A number for what a Model asks for, by which two processes can be compared: the same for the same wishes, whatever
// the order they came in, the files they stand in, and where this process itself is reached.
namespace sluice::model {

std::uint64_t fingerprint(std::string_view text) noexcept;

// Follows Models at the cost of what changed. One thread.
class Fingerprint {
 public:
  // `options`: the text of model.options; asked for only when they changed.
  template <class OptionsText>
  void follow(const Model& model, const Change& change, OptionsText&& options) {
    if (change.everything || change.options) options_ = fingerprint(options(*model.options));
    follow(model, change);
  }
  std::uint64_t value() const noexcept;

 private:
  void follow(const Model& model, const Change& change);
  struct Parts {
    std::unordered_map<std::uint64_t, std::uint64_t> each;  // by the number of its name, which is long
    std::uint64_t sum = 0;                                  // of all: their order does not matter
    template <class T>
    void follow(const StringMap<std::shared_ptr<const T>>& now, const std::vector<std::string>& names);
    template <class T>
    void follow_all(const StringMap<std::shared_ptr<const T>>& now);
    void set(const std::string& name, std::uint64_t value);
  };
  Parts hosts_, clusters_, certificates_;
  std::uint64_t options_ = 0, default_certificate_ = 0, streams_ = 0;
};

}  // namespace sluice::model
