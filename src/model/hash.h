#pragma once
#include <boost/pfr.hpp>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <vector>

#include "model/options.h"
#include "model/secret_text.h"
#include "model/shared.h"

namespace sluice::model {

// A number for values one after the other: the same for equal ones, in every process. Of a struct it takes every
// member by its place; nobody lists them, so none can be forgotten. Not against forgery.
class Hash {
 public:
  // left_out: for numbers that are shown to others.
  enum class Secrets : std::uint8_t { counted, left_out };
  // What Common values come to, by their addresses, so that each is read once; they stay where they are meanwhile.
  using Known = std::unordered_map<const void*, std::uint64_t>;
  explicit Hash(Secrets secrets = Secrets::counted, Known* known = nullptr) noexcept
      : secrets_(secrets), known_(known) {}

  template <class T>
    requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  void add(T value) noexcept {
    word(static_cast<std::uint64_t>(value));
  }
  template <class Rep, class Period>
  void add(std::chrono::duration<Rep, Period> value) noexcept {
    add(value.count());
  }
  template <std::convertible_to<std::string_view> T>
  void add(const T& value) noexcept {
    const std::string_view text = value;
    word(text.size());
    for (std::size_t at = 0; at < text.size(); at += 8) {
      std::uint64_t part = 0;
      std::memcpy(&part, text.data() + at, text.size() - at < 8 ? text.size() - at : 8);
      word(part);
    }
  }
  void add(const SecretText& value) noexcept {
    if (secrets_ == Secrets::counted) add(value.text);
  }
  void add(const Cidr& value) noexcept {
    add(std::string_view(reinterpret_cast<const char*>(value.bytes), sizeof value.bytes));
    add(value.bits);
  }
  template <class T>
  void add(const std::optional<T>& value) {
    add(value.has_value());
    if (value) add(*value);
  }
  template <class T>
  void add(const Shared<T>& value) {
    add(static_cast<bool>(value));
    if (value) add(*value);
  }
  template <class T>
  void add(const Common<T>& value) {
    const auto of = [&] {
      Hash part(secrets_);
      part.add(value.get());
      return part.value();
    };
    if (known_ == nullptr) return word(of());
    const auto [at, added] = known_->try_emplace(&value.get());
    if (added) at->second = of();
    word(at->second);
  }
  template <class T>
  void add(const std::vector<T>& values) {
    add(values.size());
    for (const auto& value : values) add(value);
  }
  template <class T>
    requires std::is_aggregate_v<T>
  void add(const T& value) {
    boost::pfr::for_each_field(value, [this](const auto& member) { this->add(member); });
  }
  template <class... Values>
    requires(sizeof...(Values) > 1)
  void all(const Values&... values) {
    (add(values), ...);
  }

  std::uint64_t value() const noexcept {
    // Sums of these are compared: every bit of the state reaches every bit.
    std::uint64_t x = state_;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
  }

 private:
  void word(std::uint64_t value) noexcept {
    state_ = (state_ ^ value) * 0x9e3779b97f4a7c15ULL;
    state_ ^= state_ >> 32;
  }
  std::uint64_t state_ = 0xcbf29ce484222325ULL;
  Secrets secrets_;
  Known* known_ = nullptr;
};

}  // namespace sluice::model
