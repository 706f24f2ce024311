#include "base/regex.h"

#include <gtest/gtest.h>

#include <ctime>
#include <string>
#include <thread>
#include <vector>

namespace sluice {
namespace {

using enum Regex::Outcome;

std::shared_ptr<const Regex> made(std::string_view pattern) {
  auto out = Regex::make(pattern);
  EXPECT_TRUE(out) << pattern << ": " << out.error();
  return out ? *out : nullptr;
}

TEST(Regex, MatchesWhateverTheCase) {
  const auto r = made("^/foo/[a-z]+$");
  EXPECT_EQ(r->match("/FOO/Bar"), yes);
  EXPECT_EQ(r->match("/foo/1"), no);
  EXPECT_EQ(r->match(""), no);
}

TEST(Regex, GivesGroupsThatTookNoPartAsEmpty) {
  const auto r = made("^/a(b)?(/|$)(.*)");
  Regex::Captures c;
  ASSERT_EQ(r->match("/a/x/y", &c), yes);
  EXPECT_EQ(c[0], "/a/x/y");
  EXPECT_EQ(c[1], "");
  EXPECT_EQ(c[2], "/");
  EXPECT_EQ(c[3], "x/y");
  EXPECT_EQ(c[4], "");
  EXPECT_EQ(c[9], "");
}

TEST(Regex, HasNineGroupsAndNoMore) {
  const auto r = made("(1)(2)(3)(4)(5)(6)(7)(8)(9)(a)(b)");
  Regex::Captures c;
  ASSERT_EQ(r->match("x123456789ab", &c), yes);
  EXPECT_EQ(c[0], "123456789ab");
  EXPECT_EQ(c[9], "9");
}

// \K sets where a match begins, even behind its end: no view may have a negative size.
TEST(Regex, AMatchThatEndsBeforeItBeginsIsEmpty) {
  const auto made_so = Regex::make("(?=ab\\K)");
  if (!made_so) return;  // PCRE2 since 10.38 refuses it
  Regex::Captures c;
  const auto outcome = (*made_so)->match("ab", &c);
  EXPECT_TRUE(outcome != yes || c[0].empty());
}

TEST(Regex, SaysWhatIsWrongAndWhere) {
  EXPECT_EQ(Regex::make("^/a(b").error(), "missing closing parenthesis at 5");
  EXPECT_EQ(Regex::make("^/a[b").error(), "missing terminating ] for character class at 5");
  EXPECT_EQ(Regex::make(std::string(Regex::kMaxPattern + 1, 'a')).error(), "more than 4096 bytes");
  EXPECT_TRUE(Regex::make(std::string(Regex::kMaxPattern, 'a')));
  EXPECT_FALSE(Regex::make("((a{1000}){1000}){1000}")) << "patterns that grow are refused";
}

// A group that is repeated by a number is copied as often: a few bytes of text came to hundreds of KiB.
TEST(Regex, TakesMemoryByItsText) {
  for (const std::string_view grows : {"(?:(?:(?:a{1,50}){1,20}){1,5})", "(?:a{1,9}){1,99}", "(?:[a-z]){1,999}",
                                       "(?:\\w\\d\\s){1,999}", "(?:a){1,99}", "(((x{3}){4}){5}){6}"}) {
    const auto made = Regex::make(grows);
    ASSERT_FALSE(made) << grows;
    EXPECT_EQ(made.error().find("no more than " + std::to_string(1024 + 16 * grows.size()) + " bytes once compiled"),
              0U)
        << made.error();
  }
  // As people write them; the longest are those for addresses of IPv6 and for names with a count of labels.
  for (const std::string_view usual :
       {"/something(/|$)(.*)", "^/api/v[0-9]{1,3}/([a-z0-9-]{1,63})(/.*)?$", "(\\/[a-z0-9-]+){1,20}", "(/[^/]+){1,50}",
        "^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\\.){1,10}example\\.com$", "[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}",
        "^((25[0-5]|(2[0-4]|1\\d|[1-9]|)\\d)\\.?\\b){4}$",
        "^(?:(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)\\.){3}(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)$",
        "(([0-9a-f]{1,4}:){7,7}[0-9a-f]{1,4}|([0-9a-f]{1,4}:){1,7}:|([0-9a-f]{1,4}:){1,6}:[0-9a-f]{1,4}|([0-9a-f]{1,4}:"
        ")"
        "{1,5}(:[0-9a-f]{1,4}){1,2}|([0-9a-f]{1,4}:){1,4}(:[0-9a-f]{1,4}){1,3}|([0-9a-f]{1,4}:){1,3}(:[0-9a-f]{1,4})"
        "{1,4}|([0-9a-f]{1,4}:){1,2}(:[0-9a-f]{1,4}){1,5}|[0-9a-f]{1,4}:((:[0-9a-f]{1,4}){1,6})|:((:[0-9a-f]{1,4})"
        "{1,7}|:))"}) {
    const auto r = made(usual);
    ASSERT_TRUE(r);
    EXPECT_LE(r->memory(), 1024 + 16 * usual.size() + 600) << usual;
    for (int i = 0; i < 100; ++i) ASSERT_NE(r->match("/something/10.0.0.1/fe80::1"), gave_up) << usual;
    EXPECT_TRUE(r->is_fast()) << usual;
  }
}

// Some 20 bytes of code for each copy are ten times as many once they are machine code.
TEST(Regex, IsMatchedWithoutMachineCodeThatTakesTooMuch) {
  const std::size_t before = Regex::machine_code();
  {
    const auto r = made("^(?:a{1,9}){1,30}x$");
    for (int i = 0; i < 200; ++i) {
      ASSERT_EQ(r->match("aaaaaax"), yes);
      ASSERT_EQ(r->match("aaaa"), no);
    }
    EXPECT_FALSE(r->is_fast());
    EXPECT_EQ(Regex::machine_code(), before);
    const auto small = made("^/small/([a-z]+)$");
    for (int i = 0; i < 200; ++i) ASSERT_EQ(small->match("/small/x"), yes);
    EXPECT_TRUE(small->is_fast());
    EXPECT_GT(Regex::machine_code(), before);
    EXPECT_LE(Regex::machine_code(), before + 8192);
  }
  EXPECT_EQ(Regex::machine_code(), before) << "it is given back";
}

// Beyond what all may have together nothing fails: what comes later is matched as it is.
TEST(Regex, MachineCodeOfAllHasACeiling) {
  std::vector<std::shared_ptr<const Regex>> all;
  const std::string tail(3'000, 'y');
  std::size_t slow = 0;
  for (int i = 0; i < 3'000 && slow < 10; ++i) {
    all.push_back(made("^/" + std::to_string(i) + "(a|b)+" + tail));
    for (int n = 0; n < 70; ++n) ASSERT_EQ(all.back()->match("/" + std::to_string(i) + "ab" + tail), yes);
    if (!all.back()->is_fast()) ++slow;
  }
  EXPECT_EQ(slow, 10U);
  EXPECT_LE(Regex::machine_code(), Regex::kAllMachineCode);
  EXPECT_GT(all.size(), 100U);
}

TEST(Regex, OfAListHaveABudgetTogether) {
  RegexBudget budget;
  std::size_t fitted = 0;
  while (fitted < 1'000 && budget.make("a" + std::to_string(fitted))) ++fitted;
  EXPECT_GT(fitted, 100U);
  EXPECT_LT(fitted, 400U);
  EXPECT_NE(budget.make("b0").error().find("16 KiB and 16 for each byte of their text"), std::string::npos);
  EXPECT_TRUE(budget.make("^/(?:api|static|images|fonts)/(.*)/and/so/on/and/so/on/and/so/on/and/so/on$"))
      << "what takes no more than its text always has room";
  EXPECT_EQ(budget.make("(").error(), "missing closing parenthesis at 1");
  // Of an Ingress with many paths, as people write them, each takes no more than its text.
  RegexBudget paths;
  for (int i = 0; i < 5'000; ++i) ASSERT_TRUE(paths.make("^/service-" + std::to_string(i) + "(/|$)(.*)")) << i;
}

// In both ways of matching: the first matches are interpreted, later ones are machine code.
TEST(Regex, GivesUpWhatRunsAway) {
  const auto r = made("^/(a+)+$");
  const std::string runaway = "/" + std::string(60, 'a') + "b";
  for (int i = 0; i < 200; ++i) ASSERT_EQ(r->match(runaway), gave_up) << i;
  for (int i = 0; i < 200; ++i) ASSERT_EQ(r->match("/aaaa"), yes) << i;
}

// Each alternative runs to the end of the subject from each of its places.
// Before it is machine code and as such, of short and of long subjects.
TEST(Regex, HasFewStepsWhereOthersHaveRunAway) {
  const auto plain = *Regex::make("^/app(/|$)(.*)x?$");
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(plain->match_after(Regex::kMostRunaways, "/app/any/path/there/is"), Regex::Outcome::yes);
    EXPECT_EQ(plain->match_after(100, "/other"), Regex::Outcome::no);
  }
  for (const char* pattern : {"^(a+)+$", "(a+)+$"})
    for (const std::size_t size : {30, 4000}) {
      const auto regex = *Regex::make(pattern);
      const auto took = [&](std::uint32_t runaways) {
        timespec from{}, to{};
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
        for (int i = 0; i < 100; ++i)
          EXPECT_EQ(regex->match_after(runaways, std::string(size, 'a') + "b"), Regex::Outcome::gave_up);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
        return static_cast<double>(to.tv_sec - from.tv_sec) * 1e9 + static_cast<double>(to.tv_nsec - from.tv_nsec);
      };
      EXPECT_LT(took(Regex::kMostRunaways), took(0) / 3) << pattern << " of " << size;
    }
}

TEST(Regex, GivesUpWhatLooksAtALongSubjectTooOften) {
  std::string pattern;
  for (int i = 0; i < 60; ++i)
    pattern.append(i == 0 ? "(?:" : "|").append("x*+[").append(1, static_cast<char>('a' + i % 20)).append("q]");
  const auto r = made(pattern + ")");
  EXPECT_EQ(r->match("/" + std::string(20'000, 'x')), gave_up);
  EXPECT_EQ(r->match("/" + std::string(100, 'x') + "b"), yes);
}

// Long subjects are searched a part at a time: nothing may depend on where one begins.
TEST(Regex, FindsWhatStandsAnywhereInALongSubject) {
  const struct {
    const char* pattern;
    const char* found;  // null: nothing
  } cases[] = {{"id=(\\d+)", "id=7"},
               {"(?<=;)id=7$", "id=7"},
               {"\\bid=7", "id=7"},
               {"(?<=[xy]{20};)id", "id"},
               {"y+;id=7", nullptr},
               {"[^x;]+$", "id=7"},
               {"$", ""},
               {"z*", ""},
               {"^id", nullptr},
               {"(?m)^id", nullptr},
               {"x;(.*)", "x;id=7"},
               {"(x{2,50};)id=7", nullptr},
               {"(a|x{3};)id", "xxx;id"}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.pattern);
    const auto r = made(c.pattern);
    for (const std::size_t before : {10U, 127U, 128U, 129U, 500U, 3000U}) {
      const std::string subject = std::string(before, 'x') + ";id=7";
      for (int i = 0; i < 70; ++i) {
        Regex::Captures captures;
        const auto outcome = r->match(subject, &captures);
        if (std::string_view(c.pattern).starts_with("(x{2,50}")) {
          ASSERT_EQ(outcome, yes);
          ASSERT_EQ(captures[0].size(), std::min<std::size_t>(before, 50) + 5);
        } else if (std::string_view(c.pattern).starts_with("(?<=[xy]{20}") && before < 20) {
          ASSERT_EQ(outcome, no);
        } else {
          ASSERT_EQ(outcome, c.found == nullptr ? no : yes) << before;
          if (c.found != nullptr) {
            ASSERT_EQ(captures[0], c.found) << before;
          }
        }
      }
    }
  }
  EXPECT_FALSE(Regex::make("\\Ga"));
  EXPECT_TRUE(Regex::make("\\\\Ga"));
}

TEST(Regex, AnswersAlikeBeforeAndAfterItIsMachineCode) {
  const auto r = made("^/(x|y)+(/|$)(.*)");
  const std::string deep = "/" + std::string(4000, 'x') + "/rest";
  for (int i = 0; i < 200; ++i) {
    Regex::Captures c;
    ASSERT_EQ(r->match(deep, &c), yes) << i;
    ASSERT_EQ(c[3], "rest");
    ASSERT_EQ(r->match("/z", &c), no);
  }
}

// 8 KB that are matched in about as many steps as there may be: an interpreter counts more of them than machine code
// does, and one input is not to have two answers.
TEST(Regex, GivesUpByTheSameStepsBeforeAndAfter) {
  const auto r = made("^/(en|de)/((\\w|-|/)*)$");
  const std::string longer = "/en/" + std::string(8000, 'a');
  for (int i = 0; i < 100; ++i) ASSERT_EQ(r->match(longer), yes) << i;
  const auto runaway = made("^/(x+x+)+[yz]$");
  EXPECT_EQ(runaway->match("/" + std::string(60, 'x')), Regex::Outcome::gave_up);
  EXPECT_TRUE(runaway->is_fast()) << "and was asked twice, once in its life";
}

TEST(Regex, ManyThreadsMatchAtOnce) {
  for (int round = 0; round < 20; ++round) {
    const auto r = made("^/round" + std::to_string(round) + "/(.*)");
    const std::string subject = "/round" + std::to_string(round) + "/abc";
    std::vector<std::thread> threads;
    std::atomic<int> right = 0;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < 100; ++i) {
          Regex::Captures c;
          if (r->match(subject, &c) == yes && c[1] == "abc") ++right;
        }
      });
    for (auto& t : threads) t.join();
    EXPECT_EQ(right, 400);
  }
}

TEST(Regex, EqualPatternsAreOne) {
  const auto a = made("^/shared(.*)");
  const auto b = made(std::string("^/shared") + "(.*)");
  EXPECT_EQ(a, b);
  const Regex* const was = a.get();
  EXPECT_EQ(made("^/shared(.*)").get(), was);
  EXPECT_EQ(*a, *b);
  EXPECT_FALSE(*a == *made("^/other"));
}

TEST(Regex, ThoseThatLeaveAreForgotten) {
  for (int i = 0; i < 3; ++i) {
    const auto r = made("^/comes-and-goes");
    EXPECT_EQ(r.use_count(), 1);
    EXPECT_EQ(r->match("/comes-and-goes"), yes);
  }
}

TEST(Regex, LiteralBeginnings) {
  struct Case {
    std::string_view pattern, text;
    bool whole;
  };
  for (const auto& [pattern, text, whole] : std::vector<Case>{
           {"/foo/bar", "/foo/bar", true},
           {"/foo(/|$)(.*)", "/foo", false},
           {"/b\\.html", "/b.html", true},
           {"/b.html", "/b", false},
           {"/v[0-9]", "/v", false},
           {"/foo?x", "/fo", false},
           {"/foo*", "/fo", false},
           {"/fo{2}", "/f", false},
           {"/a\\.?b", "/a", false},
           {"/a\\d", "/a", false},
           {"/a\\", "/a", false},
           {"/a|/b", "", false},
           {"/(a|b)", "/", false},
           {"/[|]x", "/", false},
           {"/a\\|b", "/a|b", true},
           {"/\\Qa|b\\E", "", false},
           {"/a(?:b|c)", "/a", false},
           {"/a(?x: # )\n|b)", "", false},
           {"/a$", "/a", false},
           {"/a-b_c~d,e:f;g=h&i@j!k'l%m", "/a-b_c~d,e:f;g=h&i@j!k'l%m", true},
           {"", "", true},
       }) {
    const auto found = literal_beginning(pattern);
    EXPECT_EQ(found.text, text) << pattern;
    EXPECT_EQ(found.whole, whole) << pattern;
  }
}

TEST(Regex, GroupsHaveNames) {
  const auto r = *Regex::make("^/(?<user>[a-z]+)(?:/(?P<Rest>.*))?(?'end'z)?$");
  ASSERT_EQ(r->names().size(), 3U);
  std::array<std::string_view, 3> named;
  named.fill("before");
  EXPECT_EQ(r->match("/9", nullptr, named), no);
  EXPECT_EQ(named[0], "before") << "a subject that does not match leaves them as they were";
  Regex::Captures captures;
  ASSERT_EQ(r->match("/me/x/y", &captures, named), yes);
  const auto of = [&](std::string_view name) {
    for (std::size_t i = 0; i < r->names().size(); ++i)
      if (r->names()[i].name == name) return named[i];
    return std::string_view("no such name");
  };
  EXPECT_EQ(of("user"), "me");
  EXPECT_EQ(of("Rest"), "x/y");
  EXPECT_EQ(of("end"), "") << "it took no part";
  EXPECT_EQ(captures[2], "x/y");
  ASSERT_EQ(r->match("/me", nullptr, std::span(named).first(1)), yes) << "as far as there is room";
  EXPECT_EQ(named[0], r->names()[0].name == "user" ? "me" : "");
  EXPECT_TRUE((*Regex::make("(a)(?:b)(?=c)(?<=c)"))->names().empty());
}

// Behind those that $1 to $9 can name, in a thread's first match and when it is machine code.
TEST(Regex, GroupsBehindTheNinthHaveNamesToo) {
  std::string pattern = "^";
  for (std::uint32_t i = 1; i < Regex::kMostGroups; ++i) pattern += "(.)";
  const auto r = *Regex::make(pattern + "(?<last>.+)$");
  ASSERT_EQ(r->names().size(), 1U);
  EXPECT_EQ(r->names()[0].group, Regex::kMostGroups);
  const std::string subject = std::string(Regex::kMostGroups - 1, 'x') + "end";
  for (int i = 0; i < 100; ++i) {
    std::string_view last;
    ASSERT_EQ(r->match(subject, nullptr, std::span(&last, 1)), yes);
    EXPECT_EQ(last, "end");
  }
}

// What a match begins with is what literal_beginning() says: tried with PCRE2 itself.
TEST(Regex, EveryMatchHasTheLiteralBeginning) {
  const std::string_view parts[] = {"/a", "b",  ".",     "(/|$)", "(c|d)", "|e",
                                    "x*", "y?", "[f-h]", "\\.",   "\\d",   "z{1,2}"};
  const std::string_view subjects[] = {"/ab", "/a",   "/e",   "e",   "/axy", "/a.",
                                       "/a5", "/ac/", "/abd", "/ah", "/azz", "/"};
  int tried = 0;
  for (const auto a : parts)
    for (const auto b : parts)
      for (const auto c : parts) {
        const std::string pattern = "/" + std::string(a) + std::string(b) + std::string(c);
        const auto r = Regex::make("^" + pattern);
        if (!r) continue;
        const auto beginning = literal_beginning(pattern);
        for (const auto s : subjects) {
          if ((*r)->match(s) != yes) continue;
          ++tried;
          EXPECT_TRUE(s.starts_with(beginning.text)) << pattern << " matches " << s;
        }
        for (const auto s : subjects)
          EXPECT_TRUE(!beginning.whole || !s.starts_with(beginning.text) || (*r)->match(s) == yes)
              << pattern << " " << s;
      }
  EXPECT_GT(tried, 500);
}

}  // namespace
}  // namespace sluice
