#include "support.h"

namespace sluice::net::tls {
namespace {

using namespace test;

// The table looks at nothing but the key type.
class Fake final : public KeyPair {
 public:
  explicit Fake(std::string_view type) : type_(type) {}
  bool covers(std::string_view) const override { return true; }
  std::int64_t not_before() const override { return 0; }
  std::int64_t not_after() const override { return 0; }
  std::string_view key_type() const override { return type_; }
  std::string serial() const override { return ""; }
  std::string serial_decimal() const override { return ""; }
  std::string issuer() const override { return ""; }
  Issuer issuer_fields() const override { return {}; }
  std::string chain_pem() const override { return ""; }
  std::vector<std::string> names() const override { return {}; }

 private:
  std::string_view type_;
};
KeyPairPtr fake(std::string_view type = "ECDSA") {
  return std::make_shared<Fake>(type);
}

TEST(CertificateTable, ExactBeforeTheWildcardOfOneLabel) {
  const auto exact = fake(), wildcard = fake(), fallback = fake();
  const auto table = make_table(nullptr, {{"a.example", {exact}}, {"*.EXAMPLE", {wildcard}}}, fallback, false);
  ASSERT_TRUE(table->find("a.example"));
  EXPECT_EQ(table->find("a.example")->front(), exact);
  ASSERT_TRUE(table->find("b.example"));
  EXPECT_EQ(table->find("b.example")->front(), wildcard);
  for (const char* none : {"", ".", "example", ".example", "x.b.example", "a.example.org"})
    EXPECT_FALSE(table->find(none)) << none;
  EXPECT_FALSE(table->find(std::string(300, 'a') + ".example"));
  EXPECT_FALSE(table->find(std::string(248, 'a') + ".example.x"));
  EXPECT_TRUE(table->find(std::string(247, 'a') + ".example"));
  EXPECT_EQ(table->fallback(), fallback);
  EXPECT_FALSE(table->reject_unknown());
}

TEST(CertificateTable, OnePairOfEachKeyTypeWithEcdsaFirst) {
  const auto rsa = fake("RSA"), rsa2 = fake("RSA"), ec = fake("ECDSA"), ed = fake("Ed25519");
  const auto table = make_table(nullptr, {{"a", {rsa, nullptr, rsa2, ed, ec}}}, fake(), true);
  ASSERT_TRUE(table->find("a"));
  EXPECT_EQ(*table->find("a"), (std::vector<KeyPairPtr>{ec, ed, rsa}));
  EXPECT_TRUE(table->reject_unknown());
}

TEST(CertificateTable, AChangeLeavesThePreviousTableAndSharesTheRest) {
  std::vector<CertificateChange> all;
  for (int i = 0; i < 10'000; ++i) all.push_back({"h" + std::to_string(i) + ".example", {fake()}});
  const auto fallback = fake();
  const auto before = make_table(nullptr, all, fallback, false);
  const auto fresh = fake();
  const auto after = make_table(before.get(), {{"h7.example", {fresh}}, {"h8.example", {}}}, nullptr, false);
  EXPECT_EQ(after->fallback(), fallback);
  EXPECT_EQ(after->find("h7.example")->front(), fresh);
  EXPECT_FALSE(after->find("h8.example"));
  EXPECT_EQ(before->find("h7.example")->front(), all[7].pairs[0]);
  EXPECT_EQ(before->find("h8.example")->front(), all[8].pairs[0]);
  int shared = 0;
  for (int i = 0; i < 10'000; ++i) {
    const std::string name = "h" + std::to_string(i) + ".example";
    if (i != 8) {
      ASSERT_TRUE(after->find(name)) << name;
    }
    shared += after->find(name) == before->find(name);
  }
  EXPECT_GT(shared, 9'700);  // all but two of 256 shards
}

TEST(CertificateTable, WithoutADefaultItMakesOne) {
  const auto table = make_table(nullptr, {}, nullptr, false);
  ASSERT_TRUE(table->fallback());
  EXPECT_TRUE(table->fallback()->covers("sluice.default"));
}

}  // namespace
}  // namespace sluice::net::tls
