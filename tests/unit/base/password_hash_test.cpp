#include "base/password_hash.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice {
namespace {

struct Vector {
  const char* form;
  std::string_view hash, password;
};

// Made by openssl passwd (-apr1, -1, -5, -6), and by glibc's crypt through Python.
constexpr Vector kVectors[] = {
    {"apr1", "$apr1$abcdefgh$bGLO42WqKpmLoPH9uGWTg1", "bar"},
    {"apr1, short salt", "$apr1$x$12YdXEY0/hH4rDNkmZupO0", "secret"},
    {"apr1, long password", "$apr1$Zz9$Egt7hhnuawq0ayWfX0f/o0", "a-much-longer-password-of-more-than-sixteen-letters"},
    {"apr1, no password", "$apr1$abc$BfqKdn9xFDWJPa3kcp/PH0", ""},
    {"SHA", "{SHA}Ys23Ag/5IOWqZCw9QGaVDdHwH00=", "bar"},
    {"SSHA", "{SSHA}aTajYe2SJsRWrbKsIV9ZttXLp9RzYWx0", "bar"},
    {"PLAIN", "{PLAIN}bar", "bar"},
    {"PLAIN, nothing", "{PLAIN}", ""},
    {"DES", "ab9VHpu2/1Qrs", "bar"},
    {"BSDi", "_J9..rasmsyik2CsnUuI", "bar"},
    {"MD5", "$1$abcd$zNtFohdpqEzGVnLU66vEp.", "bar"},
    {"NT", "$3$$86c156fc198b358cccf6278d8bd49b6a", "bar"},
    {"bcrypt 2y", "$2y$05$abcdefghijklmnopqrstuuUq7qXkDOZJ5Q8HA9wCOH0FErWp6q0b6", "bar"},
    {"bcrypt 2b", "$2b$05$abcdefghijklmnopqrstuuUq7qXkDOZJ5Q8HA9wCOH0FErWp6q0b6", "bar"},
    {"SHA-256", "$5$saltsalt$/CnP1OkUPI/YYxBjMGRYh.bV5VNRz1I7OKD4GRMrHm4", "bar"},
    {"SHA-256, rounds", "$5$rounds=1234$salt$OUIzPK6hhGpTXurAEOrC9mSZ83vG/aUvrdHUtZWGOVA", "bar"},
    {"SHA-512", "$6$saltsalt$13ZWs86TCGWlKvPnoiZ5uGRk0I6FWQWsoBjy.0NUb9IUt/pnMWcsVBWPeXm2zbrm1/3NvnFsJFn2dIliX8SAJ/",
     "bar"},
    {"scrypt", "$7$6U..../....saltsalt$wOplUDqQ8vsuUCIHnldIIH5h0dtuvpC5/mYioYhubl1", "bar"},
    {"yescrypt", "$y$j9T$saltsalt$UERbnQYCaiICc/F8QiYnrto9OaHtqxunimwZRgjTt3.", "bar"},
    {"gost-yescrypt", "$gy$j75$saltsalt$4ZgsYlOp1jCF4vvCFZDRVvZuUO9UYgQwPKQ8fN2/Tz3", "bar"},
    {"sha1", "$sha1$1000$saltsalt$RmjP0Qci8TisDaDUYP7VHQw5idtq", "bar"},
    {"SunMD5", "$md5,rounds=100$saltsalt$$.rDU4TPXcp3xt2GJovuiU0", "bar"},
};

TEST(PasswordHash, TakesEveryFormOfHtpasswd) {
  for (const auto& [form, hash, password] : kVectors) {
    EXPECT_EQ(unusable(hash), nullptr) << form;
    EXPECT_TRUE(is_password(hash, password)) << form;
    EXPECT_FALSE(is_password(hash, std::string(password) + "x")) << form;
    EXPECT_FALSE(is_password(hash, hash)) << form << ": a hash is not its password";
    EXPECT_EQ(is_password(hash, ""), password.empty()) << form;
  }
}

TEST(PasswordHash, EndsAPasswordAtANul) {
  EXPECT_TRUE(is_password("{PLAIN}bar", std::string_view("bar\0x", 5)));
  EXPECT_TRUE(is_password("$apr1$abcdefgh$bGLO42WqKpmLoPH9uGWTg1", std::string_view("bar\0x", 5)));
  EXPECT_TRUE(is_password("ab9VHpu2/1Qrs", std::string_view("bar\0x", 5)));
}

TEST(PasswordHash, TakesNobodyByWhatIsNoHash) {
  for (const std::string_view hash :
       {"", "*", "x", "bar", "secretsecretse", "{CRYPT}ab9VHpu2/1Qrs",
        "{sha}Ys23Ag/5IOWqZCw9QGaVDdHwH00=", "{SHA256}/N4rLtula7QIYB+3If6bXDONEO5CnqBPrlURto+/j7k=", "{SHA}bar",
        "{SSHA}Ys23", "{MD5}x", "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA", "$apr1$abcdefgh$",
        "$apr1$abcdefghi$bGLO42WqKpmLoPH9uGWTg1", "$APR1$abcdefgh$bGLO42WqKpmLoPH9uGWTg1", "$9$x$y", "$"}) {
    EXPECT_NE(unusable(hash), nullptr) << hash;
    EXPECT_FALSE(is_password(hash, "bar")) << hash;
    EXPECT_FALSE(is_password(hash, hash)) << hash;
  }
}

// A Secret's author must not keep our threads for hours, or take all memory.
TEST(PasswordHash, RefusesWhatCostsTooMuch) {
  for (const std::string_view hash :
       {"$2y$15$abcdefghijklmnopqrstuuUq7qXkDOZJ5Q8HA9wCOH0FErWp6q0b6",
        "$2y$31$abcdefghijklmnopqrstuuUq7qXkDOZJ5Q8HA9wCOH0FErWp6q0b6",
        "$5$rounds=999999999$salt$OUIzPK6hhGpTXurAEOrC9mSZ83vG/aUvrdHUtZWGOVA",
        "$6$rounds=1000001$saltsalt$13ZWs86TCGWlKvPnoiZ5uGRk0I6FWQWsoBjy.0NUb9IUt/pnMWcsVBWPeXm2zbrm1/"
        "3NvnFsJFn2dIliX8SAJ/",
        "$y$jCT$saltsalt$UERbnQYCaiICc/F8QiYnrto9OaHtqxunimwZRgjTt3.",
        "$y$jzT$saltsalt$UERbnQYCaiICc/F8QiYnrto9OaHtqxunimwZRgjTt3.",
        "$y$j9T.zz$saltsalt$UERbnQYCaiICc/F8QiYnrto9OaHtqxunimwZRgjTt3.",
        "$7$DU..../....saltsalt$wOplUDqQ8vsuUCIHnldIIH5h0dtuvpC5/mYioYhubl1", "_zzzzrasmsyik2CsnUuI",
        "$sha1$4294967295$saltsalt$RmjP0Qci8TisDaDUYP7VHQw5idtq",
        "$md5,rounds=4294967295$saltsalt$$.rDU4TPXcp3xt2GJovuiU0"}) {
    EXPECT_NE(unusable(hash), nullptr) << hash;
    EXPECT_FALSE(is_password(hash, "bar")) << hash;
  }
}

}  // namespace
}  // namespace sluice
