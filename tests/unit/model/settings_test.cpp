#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "model/fingerprint.h"
#include "model/hash.h"

namespace sluice::model {
namespace {

// Makes another value of each kind that settings have.
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
void alter(KeptConnections& value) {
  ++value.idle;
}
void alter(RetryConditions& value) {
  alter(value.bits);
}
template <class T>
void alter(std::vector<T>& value) {
  value.emplace_back();
}
template <class T>
void alter(std::optional<T>& value) {
  value ? value.reset() : static_cast<void>(value.emplace());
}

template <class T>
std::uint64_t hash_of(const T& value) {
  Hash h;
  h.add(value);
  return h.value();
}

// Calls `seen` with a copy of `from` for each member, and each member of the parts that are used, with that one
// altered; `secret`: it is one that is never shown.
template <class T>
void each_altered(const T& from, const std::function<void(const T&, bool secret)>& seen) {
  boost::pfr::for_each_field(from, [&]<class Member>(const Member& member, std::size_t) {
    const auto offset = reinterpret_cast<const char*>(&member) - reinterpret_cast<const char*>(&from);
    const auto with = [&](auto&& change, bool secret) {
      T copy = from;
      change(*reinterpret_cast<Member*>(reinterpret_cast<char*>(&copy) + offset));
      seen(copy, secret);
    };
    if constexpr (requires { member.alone(); }) {
      using Part = std::remove_cvref_t<decltype(*member)>;
      const Part part = member ? *member : Part{};
      with([&](Member& m) { m ? m.reset() : static_cast<void>(m = part); }, false);
      if (member)
        each_altered<Part>(part,
                           [&](const Part& altered, bool secret) { with([&](Member& m) { m = altered; }, secret); });
    } else if constexpr (requires(Member& m) { alter(m); }) {
      with([](Member& m) { alter(m); }, std::is_same_v<Member, SecretText>);
    } else {
      each_altered<Member>(member,
                           [&](const Member& altered, bool secret) { with([&](Member& m) { m = altered; }, secret); });
    }
  });
}

RouteSettings with_all_parts() {
  RouteSettings s;
  s.redirect = Redirect{};
  s.upstream_tls = UpstreamTls{};
  s.rewrite = Rewrite{};
  s.cors = Cors{};
  s.source_ranges = SourceRanges{};
  Balancing balancing;
  balancing.hash_by = HashBy{};
  balancing.affinity = Affinity{};
  s.balancing = balancing;
  s.compression = RouteCompression{};
  s.snippet = Snippet{};
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
  EXPECT_EQ(secrets, 1U);
  EXPECT_EQ(members, boost::pfr::tuple_size_v<RouteSettings> + boost::pfr::tuple_size_v<Redirect> +
                         boost::pfr::tuple_size_v<UpstreamTls> + boost::pfr::tuple_size_v<Rewrite> +
                         boost::pfr::tuple_size_v<Cors> + boost::pfr::tuple_size_v<SourceRanges> +
                         boost::pfr::tuple_size_v<Balancing> + boost::pfr::tuple_size_v<HashBy> +
                         boost::pfr::tuple_size_v<Affinity> +
                         // Of these two the parts count in place of the members that hold them.
                         boost::pfr::tuple_size_v<RouteCompression> - 2 + 2 * boost::pfr::tuple_size_v<RouteCoding> +
                         boost::pfr::tuple_size_v<Snippet> - 1 + boost::pfr::tuple_size_v<SnippetLimits>);
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
