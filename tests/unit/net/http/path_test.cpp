#include "net/http/path.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace sluice::net::http
