#include "ops/admin/access.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "ops/admin/token_file.h"

namespace sluice::ops {
namespace {

using Fields = std::vector<std::pair<std::string_view, std::string_view>>;
namespace fs = std::filesystem;

AdminPage page(AdminReaders readers) {
  AdminPage p;
  p.path = "/page";
  p.methods = {"GET", "PUT"};
  p.readers = readers;
  return p;
}

class Directory {
 public:
  Directory() {
    std::string name = (fs::temp_directory_path() / "admin-access-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~Directory() { fs::remove_all(path_); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name, std::ios::trunc) << text;
    return (path_ / name).string();
  }
  std::string at(const std::string& name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

// What the caller hears; 200 when nothing is refused.
unsigned asked(AdminAccess& access, const AdminCaller& caller, const AdminPage& p) {
  if (const auto no = access.refuse_caller(caller, &p)) return no->status;
  if (const auto no = access.refuse_page(caller, p)) return no->status;
  return 200;
}

AdminAccessSettings with_hosts(std::vector<std::string> hosts) {
  AdminAccessSettings s;
  s.hosts = std::move(hosts);
  return s;
}

// What a browser sends on behalf of a web page, and what DNS leads here under a name that is not ours.
TEST(AdminAccess, WebPagesAndForeignNamesReachProbesAlone) {
  struct Row {
    const char* name;
    Fields fields;
    const char* target = "/page";
    bool http_1_0 = false;
  };
  const std::vector<Row> refused = {
      {"a name", {{"Host", "evil.example"}}},
      {"a name with a port", {{"Host", "evil.example:10254"}}},
      {"the name of a pod", {{"Host", "sluice-admin.sluice.svc:10254"}}},
      {"no name at all", {{"Host", ""}}},
      {"a port alone", {{"Host", ":10254"}}},
      {"a label in front of ours", {{"Host", "evil.localhost"}}},
      {"ours in front of a name", {{"Host", "localhost.evil.example"}}},
      {"an address in front of a name", {{"Host", "127.0.0.1.evil.example"}}},
      {"an address and a dot", {{"Host", "127.0.0.1."}}},
      {"two dots", {{"Host", "localhost.."}}},
      {"user information", {{"Host", "127.0.0.1@evil.example"}}},
      {"a port that is none", {{"Host", "localhost:evil"}}},
      {"a port that is too large", {{"Host", "localhost:65536"}}},
      {"two ports", {{"Host", "localhost:1:2"}}},
      {"a list", {{"Host", "127.0.0.1, evil.example"}}},
      {"a path", {{"Host", "127.0.0.1/evil"}}},
      {"blanks", {{"Host", "localhost evil"}}},
      {"an address in short", {{"Host", "127.1"}}},
      {"an address in octal", {{"Host", "0177.0.0.1"}}},
      {"an address in hexadecimal", {{"Host", "0x7f000001"}}},
      {"an address as a number", {{"Host", "2130706433"}}},
      {"IPv6 without brackets", {{"Host", "::1"}}},
      {"IPv6 that is none", {{"Host", "[evil]"}}},
      {"IPv6 that does not end", {{"Host", "[::1"}}},
      {"IPv6 and more", {{"Host", "[::1]evil.example"}}},
      {"IPv6 with a zone", {{"Host", "[fe80::1%eth0]"}}},
      {"an address and a NUL", {{"Host", std::string_view("127.0.0.1\0evil", 14)}}},
      {"IPv4 in brackets", {{"Host", "[127.0.0.1]"}}},
      {"no Host, as HTTP/1.0 may", {}, "/page", true},
      {"an absolute form", {{"Host", "127.0.0.1"}}, "http://evil.example/page"},
      {"an absolute form beside a name", {{"Host", "evil.example"}}, "http://127.0.0.1/page"},
      {"an absolute form alone", {}, "http://evil.example/page", true},
      {"an Origin", {{"Host", "127.0.0.1"}, {"Origin", "http://evil.example"}}},
      {"an Origin of our own", {{"Host", "127.0.0.1:10254"}, {"Origin", "http://127.0.0.1:10254"}}},
      {"an opaque Origin", {{"Host", "127.0.0.1"}, {"origin", "null"}}},
      {"an empty Origin", {{"Host", "127.0.0.1"}, {"Origin", ""}}},
      {"a page of another site", {{"Host", "127.0.0.1"}, {"Sec-Fetch-Site", "cross-site"}}},
      {"a page of the same site", {{"Host", "127.0.0.1"}, {"sec-fetch-site", "same-site"}}},
      {"two of which one is", {{"Host", "127.0.0.1"}, {"Sec-Fetch-Site", "none"}, {"Sec-Fetch-Site", "cross-site"}}},
      {"a Referer", {{"Host", "127.0.0.1"}, {"Referer", "http://evil.example/127.0.0.1"}}},
      {"a Referer with another port", {{"Host", "127.0.0.1:10254"}, {"Referer", "http://127.0.0.1:3000/"}}},
      {"a Referer that is no URL", {{"Host", "127.0.0.1"}, {"Referer", "127.0.0.1"}}},
      {"a Referer of https", {{"Host", "127.0.0.1"}, {"Referer", "https://127.0.0.1/"}}},
  };
  AdminAccessSettings settings;
  settings.pages = TrustedPages::open;
  AdminAccess access(settings);
  for (const auto& row : refused)
    for (const char* method : {"GET", "HEAD", "PUT"}) {
      const AdminCaller caller{true, row.http_1_0, method, row.target, row.fields};
      for (const auto readers : {AdminReaders::operators, AdminReaders::trusted}) {
        EXPECT_EQ(asked(access, caller, page(readers)), 403U) << row.name << ", " << method;
        ASSERT_TRUE(access.refuse_caller(caller, nullptr)) << row.name << ": a page that is not there";
      }
      EXPECT_EQ(asked(access, caller, page(AdminReaders::everybody)), std::string_view(method) == "PUT" ? 403U : 200U)
          << row.name << ", " << method;
    }
}

TEST(AdminAccess, AddressesAndNamesOfOursAreAnswered) {
  AdminAccess access(with_hosts({"Sluice-Admin.sluice.svc", "ops.example."}));
  const std::vector<std::pair<std::string_view, const char*>> rows = {
      {"127.0.0.1", "/page"},
      {"127.0.0.1:10254", "/page"},
      {"10.244.1.7:10254", "/page"},
      {"[::1]", "/page"},
      {"[fd00::7]:10254", "/page"},
      {"[::ffff:10.0.0.1]:1", "/page"},
      {"localhost", "/page"},
      {"LocalHost:43121", "/page"},
      {"localhost.", "/page"},
      {"localhost:", "/page"},
      {"sluice-admin.sluice.svc:10254", "/page"},
      {"SLUICE-ADMIN.sluice.svc.", "/page"},
      {"ops.example", "/page"},
      {"127.0.0.1", "http://127.0.0.1/page"},
      {"127.0.0.1", "HTTP://localhost:1/page?x=http://evil.example"},
  };
  for (const auto& [host, target] : rows) {
    const AdminCaller caller{true, false, "GET", target, {{"hOST", host}}};
    EXPECT_EQ(asked(access, caller, page(AdminReaders::trusted)), 200U) << host << " " << target;
  }
  const AdminCaller browser{true,
                            false,
                            "GET",
                            "/page",
                            {{"Host", "localhost:1"}, {"Sec-Fetch-Site", "none"}, {"Referer", "http://localhost:1/"}}};
  EXPECT_EQ(asked(access, browser, page(AdminReaders::trusted)), 200U);
}

TEST(AdminAccess, MessagesThatAreNoneAreRefusedForProbesToo) {
  AdminAccess access({});
  const auto probe = page(AdminReaders::everybody);
  const auto status = [&](const AdminCaller& caller) { return asked(access, caller, probe); };
  EXPECT_EQ(status({true, false, "GET", "/page", {}}), 400U);
  EXPECT_EQ(status({true, true, "GET", "/page", {}}), 200U);
  EXPECT_EQ(status({true, false, "GET", "/page", {{"Host", "127.0.0.1"}, {"host", "127.0.0.1"}}}), 400U);
  EXPECT_EQ(status({true, true, "GET", "/page", {{"Host", "127.0.0.1"}, {"Host", "evil.example"}}}), 400U);
  for (const char* target : {"", "page", "*", "evil.example:80", "https://127.0.0.1/page", "ftp://127.0.0.1/page",
                             "http://", "http:///page"})
    EXPECT_EQ(status({true, false, "GET", target, {{"Host", "127.0.0.1"}}}), 400U) << target;
}

struct Trust {
  bool loopback;
  Fields more;
  unsigned without;  // a token file
  unsigned with;     // one that holds "secret"
};

// What the table says for a method that changes something holds for the pages that are guarded.
TEST(AdminAccess, LoopbackOrATokenOpensWhatIsGuarded) {
  const Directory d;
  const auto file = d.write("token", "secret\n");
  const std::vector<Trust> rows = {
      {true, {}, 200, 200},
      {false, {}, 403, 401},
      {false, {{"Authorization", "Bearer secret"}}, 403, 200},
      {false, {{"authorization", "bEARER   secret "}}, 403, 200},
      {false, {{"Authorization", "Bearer secre"}}, 403, 401},
      {false, {{"Authorization", "Bearer secret2"}}, 403, 401},
      {false, {{"Authorization", "Bearer secretsecret"}}, 403, 401},
      {false, {{"Authorization", "Bearer Secret"}}, 403, 401},
      {false, {{"Authorization", "Bearer "}}, 403, 401},
      {false, {{"Authorization", "Bearer"}}, 403, 401},
      {false, {{"Authorization", "secret"}}, 403, 401},
      {false, {{"Authorization", "Basic secret"}}, 403, 401},
      {false, {{"Authorization", ""}}, 403, 401},
      {false, {{"X-Token", "secret"}}, 403, 401},
      // A method said elsewhere than in the request line is none.
      {false, {{"X-HTTP-Method-Override", "GET"}}, 403, 401},
      // Of a proxy the address says nothing of who asks.
      {true, {{"X-Forwarded-For", "10.0.0.1"}}, 403, 401},
      {true, {{"x-real-ip", "127.0.0.1"}}, 403, 401},
      {true, {{"Forwarded", "for=127.0.0.1"}}, 403, 401},
      {true, {{"Via", "1.1 sluice"}}, 403, 401},
      {true, {{"X-Forwarded-Host", "a"}, {"Authorization", "Bearer secret"}}, 403, 200},
  };
  AdminAccessSettings none, token, no_loopback;
  token.token_file = no_loopback.token_file = file;
  no_loopback.trust_loopback = false;
  AdminAccess without(none), with(token), node(no_loopback);
  for (const auto& row : rows) {
    Fields fields{{"Host", "127.0.0.1"}};
    fields.insert(fields.end(), row.more.begin(), row.more.end());
    const AdminCaller reads{row.loopback, false, "GET", "/page", fields};
    const AdminCaller changes{row.loopback, false, "PUT", "/page", fields};
    const auto shown = ::testing::PrintToString(row.more);
    for (const auto readers : {AdminReaders::everybody, AdminReaders::operators, AdminReaders::trusted}) {
      EXPECT_EQ(asked(without, changes, page(readers)), row.without) << shown;
      EXPECT_EQ(asked(with, changes, page(readers)), row.with) << shown;
      EXPECT_EQ(asked(node, changes, page(readers)), row.more.empty() ? 401U : row.with) << shown;
    }
    EXPECT_EQ(asked(without, reads, page(AdminReaders::trusted)), row.without) << shown;
    EXPECT_EQ(asked(with, reads, page(AdminReaders::trusted)), row.with) << shown;
    for (const auto readers : {AdminReaders::everybody, AdminReaders::operators})
      EXPECT_EQ(asked(without, reads, page(readers)), 200U) << shown;
  }
}

TEST(AdminAccess, PagesOfAllTenantsAreClosedApart) {
  const AdminCaller stranger{false, false, "GET", "/page", {{"Host", "10.0.0.1"}}};
  AdminAccessSettings open, off;
  open.pages = TrustedPages::open;
  off.pages = TrustedPages::off;
  AdminAccess opened(open);
  EXPECT_EQ(asked(opened, stranger, page(AdminReaders::trusted)), 200U);
  EXPECT_TRUE(opened.serves(page(AdminReaders::trusted)));
  AdminAccess shut(off);
  EXPECT_FALSE(shut.serves(page(AdminReaders::trusted)));
  EXPECT_TRUE(shut.serves(page(AdminReaders::operators)));
  EXPECT_TRUE(shut.serves(page(AdminReaders::everybody)));
}

TEST(AdminAccess, ATokenThatChangesCountsAtOnceAndOneThatIsGoneOpensNothing) {
  const Directory d;
  AdminAccessSettings settings;
  settings.token_file = d.write("token", "old");
  AdminAccess access(settings);
  const auto status = [&](std::string_view given) {
    const AdminCaller caller{false, false, "PUT", "/page", {{"Host", "10.0.0.1"}, {"Authorization", given}}};
    return asked(access, caller, page(AdminReaders::operators));
  };
  EXPECT_EQ(status("Bearer old"), 200U);
  d.write("token", "new");  // the same size, most likely within one tick of the file system's clock
  EXPECT_EQ(status("Bearer old"), 401U);
  EXPECT_EQ(status("Bearer new"), 200U);
  for (const char* text : {"", "\n", " \t\r\n"}) {
    d.write("token", text);
    EXPECT_EQ(status("Bearer new"), 403U);
    EXPECT_EQ(status("Bearer "), 403U);
    EXPECT_EQ(status("Bearer"), 403U);
  }
  fs::remove(settings.token_file);
  EXPECT_EQ(status("Bearer new"), 403U);
  d.write("token", "back");
  EXPECT_EQ(status("Bearer back"), 200U);
}

TEST(TokenFile, SaysWhatIsWrong) {
  const Directory d;
  const auto said = [&](const std::string& path) {
    const auto token = read_token(path);
    return token ? "token " + *token : token.error();
  };
  EXPECT_EQ(said(d.write("a", "abc")), "token abc");
  EXPECT_EQ(said(d.write("a", " \n abc+/=~._-!\r\n\n")), "token abc+/=~._-!");
  EXPECT_EQ(said(d.write("a", std::string(4096, 'x') + "\n")), "token " + std::string(4096, 'x'));
  EXPECT_EQ(said(d.write("a", std::string(4097, 'x'))),
            d.at("a") + ": is larger than 4096 bytes; expected a file with a token");
  EXPECT_EQ(said(d.write("a", "")), d.at("a") + ": is empty; expected a token, such as `openssl rand -hex 32` prints");
  for (const char* text : {"two words", "two\nlines", "caf\xc3\xa9", "a\tb", "a\x7f"})
    EXPECT_EQ(said(d.write("a", text)),
              d.at("a") + ": holds a byte that is no visible ASCII character; expected one token");
  EXPECT_EQ(said(d.at("none")),
            d.at("none") + ": cannot be read: No such file or directory; expected a file with a token");
  EXPECT_EQ(said(d.at("")), d.at("") + ": is no regular file; expected a file with a token");
  ASSERT_EQ(::mkfifo(d.at("pipe").c_str(), 0600), 0);
  EXPECT_EQ(said(d.at("pipe")), d.at("pipe") + ": is no regular file; expected a file with a token");
}

TEST(TokenFile, ComparesWhole) {
  EXPECT_TRUE(same_token("abc", "abc"));
  for (const char* given : {"", "a", "ab", "abd", "xbc", "abca", "abcabc", "ABC"})
    EXPECT_FALSE(same_token(given, "abc")) << given;
  EXPECT_FALSE(same_token("", ""));
}

}  // namespace
}  // namespace sluice::ops
