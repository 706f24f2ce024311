#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <set>
#include <type_traits>
#include <utility>
#include <vector>

#include "model/fingerprint.h"
#include "model/hash.h"

namespace sluice::model {
namespace {

// Makes another value of each kind that settings have and that has no members.
template <class T>
  requires std::is_arithmetic_v<T> || std::is_enum_v<T>
void alter(T& value) {
  value = static_cast<T>(static_cast<std::uint64_t>(value) ^ 1U);
}
template <class Rep, class Period>
void alter(std::chrono::duration<Rep, Period>& value) {
  value += std::chrono::duration<Rep, Period>(1);
}
void alter(std::string& value) {
  value += "x";
}
void alter(Template& value) {
  value = Template(value.text() + "x");
}
void alter(SecretText& value) {
  value.text += "x";
}
void alter(Cidr& value) {
  ++value.bits;
}
template <class T>
void alter(std::optional<T>& value) {
  value ? value.reset() : static_cast<void>(value.emplace());
}
template <class T>
concept Plain = requires(T& value) { alter(value); };

// What a Shared is of, or a Common, or the elements of a vector; void: it is none of these.
template <class T>
struct Held {
  using Shared = void;
  using Common = void;
  using Element = void;
};
template <class T>
struct Held<model::Shared<T>> {
  using Shared = T;
  using Common = void;
  using Element = void;
};
template <class T>
struct Held<model::Common<T>> {
  using Shared = void;
  using Common = T;
  using Element = void;
};
template <class T>
struct Held<std::vector<T>> {
  using Shared = void;
  using Common = void;
  using Element = T;
};
template <class T>
using SharedPart = typename Held<T>::Shared;
template <class T>
using CommonValue = typename Held<T>::Common;
template <class T>
using Element = typename Held<T>::Element;

template <class T>
std::uint64_t hash_of(const T& value) {
  Hash h;
  h.add(value);
  return h.value();
}

// Every part is used, and no list is empty: whatever the type has, nobody lists it here.
template <class T>
void use_all(T& value) {
  if constexpr (!std::is_void_v<SharedPart<T>>) {
    SharedPart<T> part{};
    use_all(part);
    value = std::move(part);
  } else if constexpr (!std::is_void_v<CommonValue<T>>) {
    CommonValue<T> common{};
    use_all(common);
    value = std::move(common);
  } else if constexpr (!std::is_void_v<Element<T>>) {
    if (value.empty()) value.emplace_back();
    use_all(value.front());
  } else if constexpr (!Plain<T>) {
    boost::pfr::for_each_field(value, [](auto& member) { use_all(member); });
  }
}

// How many values a type has that can be altered each for itself, by the type alone.
template <class T>
constexpr std::size_t values_of() {
  if constexpr (!std::is_void_v<SharedPart<T>>) {
    return 1 + values_of<SharedPart<T>>();
  } else if constexpr (!std::is_void_v<CommonValue<T>>) {
    return values_of<CommonValue<T>>();
  } else if constexpr (!std::is_void_v<Element<T>>) {
    return 1 + values_of<Element<T>>();
  } else if constexpr (Plain<T>) {
    return 1;
  } else {
    return []<std::size_t... I>(std::index_sequence<I...>) {
      return (values_of<boost::pfr::tuple_element_t<I, T>>() + ... + std::size_t{0});
    }(std::make_index_sequence<boost::pfr::tuple_size_v<T>>());
  }
}

// Calls `seen` with a copy of `from` for each value in it, with that one altered: a part that is gone, a list with an
// element more, and each member of the parts and of the first elements. `secret`: it is one that is never shown.
template <class T>
void each_altered(const T& from, const std::function<void(const T&, bool secret)>& seen) {
  if constexpr (!std::is_void_v<SharedPart<T>>) {
    using Part = SharedPart<T>;
    seen(T(), false);
    if (from) each_altered<Part>(*from, [&](const Part& altered, bool secret) { seen(T(altered), secret); });
  } else if constexpr (!std::is_void_v<CommonValue<T>>) {
    using Value = CommonValue<T>;
    each_altered<Value>(from.get(), [&](const Value& altered, bool secret) { seen(T(altered), secret); });
  } else if constexpr (!std::is_void_v<Element<T>>) {
    T copy = from;
    copy.emplace_back();
    seen(copy, false);
    if (from.empty()) return;
    each_altered<Element<T>>(from.front(), [&](const Element<T>& altered, bool secret) {
      T other = from;
      other.front() = altered;
      seen(other, secret);
    });
  } else if constexpr (Plain<T>) {
    T copy = from;
    alter(copy);
    seen(copy, std::is_same_v<T, SecretText>);
  } else {
    boost::pfr::for_each_field(from, [&]<class Member>(const Member& member, std::size_t) {
      const auto offset = reinterpret_cast<const char*>(&member) - reinterpret_cast<const char*>(&from);
      each_altered<Member>(member, [&](const Member& altered, bool secret) {
        T copy = from;
        *reinterpret_cast<Member*>(reinterpret_cast<char*>(&copy) + offset) = altered;
        seen(copy, secret);
      });
    });
  }
}

RouteSettings with_all_parts() {
  RouteSettings s;
  use_all(s);
  return s;
}

std::uint64_t fingerprint_of(const RouteSettings& settings) {
  Model model;
  Host host;
  host.routes.emplace_back().settings = settings;
  model.hosts["a.example"] = std::make_shared<const Host>(std::move(host));
  Change change;
  change.everything = true;
  Fingerprint f;
  f.follow(model, change, [](const Options&) { return ""; });
  return f.value();
}

TEST(RouteSettings, EachMemberCountsInEqualityHashAndFingerprint) {
  const RouteSettings whole = with_all_parts();
  // A part that is read again, of the same words, is no difference.
  ASSERT_EQ(whole, with_all_parts());
  ASSERT_EQ(hash_of(whole), hash_of(with_all_parts()));
  std::set<std::uint64_t> hashes{hash_of(whole)}, prints{fingerprint_of(whole)};
  std::size_t members = 0, secrets = 0;
  each_altered<RouteSettings>(whole, [&](const RouteSettings& altered, bool secret) {
    ++members;
    SCOPED_TRACE(members);
    EXPECT_NE(altered, whole);
    EXPECT_TRUE(hashes.insert(hash_of(altered)).second);
    Route one, other;
    one.settings = whole;
    other.settings = altered;
    EXPECT_NE(one, other);
    EXPECT_EQ(prints.insert(fingerprint_of(altered)).second, !secret);
    secrets += secret ? 1 : 0;
  });
  // The users of basic_auth, and the key of upstream_tls and of the health checks.
  EXPECT_EQ(secrets, 3U);
  EXPECT_EQ(members, values_of<RouteSettings>());
}

TEST(RouteSettings, APartThatIsNotUsedIsNotWalked) {
  std::size_t members = 0;
  each_altered<RouteSettings>(RouteSettings{}, [&](const RouteSettings&, bool) { ++members; });
  EXPECT_LT(members, values_of<RouteSettings>()) << "what the count above would say if a part were left out";
}

TEST(Hash, EachByteOfARangeCounts) {
  std::set<std::uint64_t> hashes{hash_of(Cidr{})};
  for (std::size_t i = 0; i < sizeof Cidr::bytes; ++i) {
    Cidr other;
    other.bytes[i] = 1;
    EXPECT_TRUE(hashes.insert(hash_of(other)).second) << i;
  }
}

TEST(Hash, TextsEndWhereTheyEnd) {
  const auto of = [](std::string_view a, std::string_view b) {
    Hash h;
    h.all(a, b);
    return h.value();
  };
  EXPECT_NE(of("ab", "c"), of("a", "bc"));
  EXPECT_NE(of("12345678", ""), of("1234567", "8"));
  EXPECT_NE(of("a", ""), of(std::string_view("a\0", 2), ""));
  EXPECT_EQ(of("12345678a", "b"), of("12345678a", "b"));
}

}  // namespace
}  // namespace sluice::model
