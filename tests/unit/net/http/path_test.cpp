#include "net/http/path.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

namespace sluice::net::http {
namespace {

std::string normal(std::string_view target) {
  std::string out(target.size(), '\0');
  const auto result = normalise_path(target, out.data());
  return result ? std::string(*result) : "error " + std::to_string(result.error().status);
}

struct Row {
  const char* target;
  const char* path;
};

TEST(NormalisePath, Table) {
  const std::vector<Row> rows = {
      {"/", "/"},
      {"/a", "/a"},
      {"/a/", "/a/"},
      {"/a?b", "/a"},
      {"/?a/../b", "/"},
      {"/a?b=../c?d", "/a"},
      {"//", "/"},
      {"//admin", "/admin"},
      {"/a//b", "/a/b"},
      {"/a///b//", "/a/b/"},
      {"/x/../admin", "/admin"},
      {"/x/./admin", "/x/admin"},
      {"/./", "/"},
      {"/.", "/"},
      {"/a/.", "/a/"},
      {"/a/..", "/"},
      {"/a/b/..", "/a/"},
      {"/a/b/../", "/a/"},
      {"/a/b/../..", "/"},
      {"/a/b/../../c", "/c"},
      {"/a//../b", "/b"},
      {"/x/%2e%2e/admin", "/admin"},
      {"/x/.%2E/admin", "/admin"},
      {"/%61dmin", "/admin"},
      {"/admin%2Fx", "/admin/x"},
      {"/x%2F..%2Fadmin", "/admin"},
      {"/%2Fadmin", "/admin"},
      {"/admin;x=1", "/admin;x=1"},
      {"/a/..;/b", "/a/..;/b"},
      {"/admin%20", "/admin "},
      {"/x\\..\\admin", "/x\\..\\admin"},
      {"/a+b?c+d", "/a+b"},
      {"/%C3%A9", "/\xc3\xa9"},
      {"/x%3Fy?z", "/x?y"},
      {"/%2523", "/%23"},
      {"/%252e%252e/", "/%2e%2e/"},
      {"/%0d%0a", "/\r\n"},
      {"/.well-known/acme", "/.well-known/acme"},
      {"/..a/.b/...", "/..a/.b/..."},
      {"/a.b/c..d", "/a.b/c..d"},
      {"/a/...//b", "/a/.../b"},
      // refused
      {"", "error 400"},
      {"a", "error 400"},
      {"*", "error 400"},
      {"?a", "error 400"},
      {"/..", "error 400"},
      {"/../x", "error 400"},
      {"/../../etc", "error 400"},
      {"/a/../..", "error 400"},
      {"/a/../../b", "error 400"},
      {"//../x", "error 400"},
      {"/./../x", "error 400"},
      {"/%2e%2e/admin", "error 400"},
      {"/%zz", "error 400"},
      {"/%", "error 400"},
      {"/a%4", "error 400"},
      {"/a%4?0", "error 400"},
      {"/%00", "error 400"},
  };
  for (const auto& row : rows) EXPECT_EQ(normal(row.target), row.path) << row.target;
}

TEST(NormalisePath, NormalPathsAreNotCopied) {
  for (std::string_view target : {"/", "/a/b.c/..d/.e", "/a?%zz//../"}) {
    const auto result = normalise_path(target, nullptr);
    ASSERT_TRUE(result.has_value()) << target;
    EXPECT_EQ(result->data(), target.data());
  }
}

// What readers of paths do with one, in the field: docs/paths.md names who.
struct Reader {
  const char* name;
  std::string (*read)(std::string path);
};

std::string decoded(std::string_view path) {
  std::string out;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '%' && i + 2 < path.size() && std::isxdigit(static_cast<unsigned char>(path[i + 1])) &&
        std::isxdigit(static_cast<unsigned char>(path[i + 2]))) {
      out += static_cast<char>(std::stoi(std::string(path.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    } else {
      out += path[i];
    }
  }
  return out;
}

std::string resolved(std::string_view path) {
  std::vector<std::string> kept;
  bool slash = false;
  for (std::size_t begin = 1; begin <= path.size();) {
    auto end = path.find('/', begin);
    if (end == std::string_view::npos) end = path.size();
    const auto segment = path.substr(begin, end - begin);
    slash = end == path.size() && (segment.empty() || segment == "." || segment == "..");
    if (segment == "..") {
      if (!kept.empty()) kept.pop_back();
    } else if (segment != "." && !segment.empty()) {
      kept.emplace_back(segment);
    }
    begin = end + 1;
  }
  std::string out;
  for (const auto& k : kept) out += "/" + k;
  return out.empty() ? "/" : slash ? out + "/" : out;
}

std::string each_segment(std::string_view path, std::string (*change)(std::string)) {
  std::string out;
  for (std::size_t begin = 1; begin <= path.size();) {
    auto end = path.find('/', begin);
    if (end == std::string_view::npos) end = path.size();
    out += "/" + change(std::string(path.substr(begin, end - begin)));
    begin = end + 1;
  }
  return out;
}

std::string slashes(std::string path) {
  for (char& c : path)
    if (c == '\\') c = '/';
  return path;
}

const Reader kReaders[] = {
    {"decodes, then resolves", [](std::string p) { return resolved(decoded(p)); }},
    {"resolves, then decodes", [](std::string p) { return decoded(resolved(p)); }},
    {"does not resolve", [](std::string p) { return decoded(p); }},
    {"decodes twice", [](std::string p) { return resolved(decoded(decoded(p))); }},
    {"takes backslashes for slashes", [](std::string p) { return resolved(slashes(decoded(p))); }},
    {"cuts parameters off",
     [](std::string p) {
       return resolved(decoded(each_segment(p, [](std::string s) { return s.substr(0, s.find(';')); })));
     }},
    {"cuts parameters off after decoding",
     [](std::string p) {
       return resolved(each_segment(decoded(p), [](std::string s) { return s.substr(0, s.find(';')); }));
     }},
    {"decodes, then looks for the query",
     [](std::string p) {
       p = decoded(p);
       return resolved(p.substr(0, p.find_first_of("?#")));
     }},
    {"ends at a control character",
     [](std::string p) {
       p = decoded(p);
       return resolved(p.substr(0, std::find_if(p.begin(), p.end(), [](char c) {
                                     return static_cast<unsigned char>(c) < 0x20;
                                   }) - p.begin()));
     }},
    {"trims segments as Windows does",
     [](std::string p) {
       return each_segment(resolved(decoded(p)), [](std::string s) {
         while (!s.empty() && (s.back() == '.' || s.back() == ' ')) s.pop_back();
         return s;
       });
     }},
};

// Two paths are read alike by all, or refuse would let through what a pod takes for another's.
void expect_no_disagreement(const std::string& target) {
  const std::string path = target.substr(0, target.find('?'));
  const std::string first = kReaders[0].read(path);
  for (const auto& reader : kReaders) EXPECT_EQ(reader.read(path), first) << target << ": " << reader.name;
}

TEST(AmbiguousPaths, Spellings) {
  for (const char* bad : {"/public/..;/admin",
                          "/public;x/../admin",
                          "/admin;x",
                          "/admin%3bx",
                          "/public\\..\\admin",
                          "/public/..\\admin",
                          "/public%5c..%5cadmin",
                          "/public/%2e%2e/admin",
                          "/public/.%2e/admin",
                          "/%2e/admin",
                          "/public%2fadmin",
                          "/public/..%2fadmin",
                          "/%2fadmin",
                          "//admin",
                          "/public//admin",
                          "/public/../admin",
                          "/./admin",
                          "/public/.",
                          "/%252e%252e/admin",
                          "/public%252fadmin",
                          "/%c0%ae%c0%ae/admin",
                          "/%c0%afadmin",
                          "/%e0%80%afadmin",
                          "/%ff",
                          "/%ed%a0%80",
                          "/public/..%cd%be/admin",
                          "/admin%e3%80%80",
                          "/admin%e2%80%80",
                          "/admin%c2%80",
                          "/admin%c2%85",
                          "/admin%c2%a0",
                          "/admin%e1%9a%80",
                          "/admin%e1%a0%8e",
                          "/admin%ef%bb%bf",
                          "/admin%e2%80%a6",
                          "/admin%e2%80%a8",
                          "/admin%e2%80%a9",
                          "/admin%e2%80%af",
                          "/admin%e2%81%9f",
                          "/%ef%b9%92%ef%b9%92/admin",
                          "/%ef%b9%a8admin",
                          "/%ef%b9%94admin",
                          "/%ef%b9%aa2fadmin",
                          "/%d9%aa2fadmin",
                          "/public%c2%a5..",
                          "/public%e2%82%a9..",
                          "/admin%09",
                          "/admin%0d%0a",
                          "/admin%7f",
                          "/admin%3fx",
                          "/admin%23x",
                          "/admin%20",
                          "/admin./x",
                          "/admin.",
                          "/admin%20/x",
                          "/%ef%bc%8fadmin",
                          "/%ef%bc%8e%ef%bc%8e/admin",
                          "/%e2%88%95admin",
                          "/%25%32%65"})
    EXPECT_NE(ambiguity(bad), nullptr) << bad;
  for (const char* good : {"/", "/admin", "/admin/", "/a.b/c..d", "/..a/.b", "/%61dmin", "/caf%C3%A9",
                           "/%E4%BD%A0%E5%A5%BD", "/a%20b", "/a+b", "/~user", "/v1/x:verb", "/a?b=../c;d\\e%2f",
                           "/%F0%9F%98%80", "/.well-known/acme-challenge/x", "/a%2Bb", "/a=b,c@d!$&'()*"})
    EXPECT_EQ(ambiguity(good), nullptr) << good << ": " << ambiguity(good);
}

TEST(AmbiguousPaths, WhatIsNotAmbiguousIsReadAlike) {
  static constexpr std::string_view kPieces[] = {
      "/",   "/",   "a",   "b",   ".",   "..",  ";",      "\\",        "%2e",   "%2f", "%5C", "%25", "2e",     "%3b",
      "%3f", "%23", "%20", "%09", "%c0", "%ae", "%c3%a9", "%ef%bc%8f", "admin", "%61", "~",   "%",   "?x/../y"};
  std::uint64_t state = 20261128;
  const auto draw = [&](std::size_t below) {
    state = state * 6364136223846793005 + 1442695040888963407;
    return static_cast<std::size_t>(state >> 33) % below;
  };
  std::size_t alike = 0;
  for (int i = 0; i < 300'000; ++i) {
    std::string target = "/";
    for (std::size_t n = draw(8); n > 0; --n) target += kPieces[draw(std::size(kPieces))];
    std::string room(target.size(), '\0');
    const auto path = normalise_path(target, room.data());
    if (!path) continue;
    std::string spelled;
    append_spelled(*path, spelled);
    std::string room_again(spelled.size(), '\0');
    const auto again = normalise_path(spelled, room_again.data());
    ASSERT_TRUE(again && *again == *path) << target;
    if (ambiguity(target) != nullptr) continue;
    ++alike;
    expect_no_disagreement(target);
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(alike, 5'000U);
}

TEST(AmbiguousPaths, OneSpelling) {
  const auto spelled = [](std::string_view target) {
    std::string room(target.size(), '\0'), out;
    append_spelled(normalise_path(target, room.data()).value(), out);
    return out;
  };
  EXPECT_EQ(spelled("/public/%2e%2e/admin"), "/admin");
  EXPECT_EQ(spelled("/public%2Fx"), "/public/x");
  EXPECT_EQ(spelled("//a/./b"), "/a/b");
  EXPECT_EQ(spelled("/%61%7e"), "/a~");
  EXPECT_EQ(spelled("/caf%c3%a9"), "/caf%C3%A9");
  EXPECT_EQ(spelled("/a\\b;c"), "/a%5Cb%3Bc");
  EXPECT_EQ(spelled("/a%252e"), "/a%252e");
  EXPECT_EQ(spelled("/a%20b%3f%23"), "/a%20b%3F%23");
}

}  // namespace
}  // namespace sluice::net::http
