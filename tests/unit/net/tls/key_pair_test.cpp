#include <ctime>

#include "net/tls/key_pair.h"
#include "support.h"

namespace sluice::net::tls {
namespace {

using namespace test;

std::string refusal(std::string_view chain, std::string_view key) {
  auto made = parse_key_pair(chain, key);
  return made ? "accepted" : made.error();
}

TEST(KeyPair, EachKeyTypeIsReadAndDescribed) {
  for (const auto& [type, name] : {std::pair{"EC", "ECDSA"}, {"RSA", "RSA"}, {"Ed25519", "Ed25519"}}) {
    const Identity id = make_identity({.type = type, .cn = "c", .san = "DNS:A.Example,DNS:*.b.example,IP:10.0.0.1"});
    auto pair = parse_key_pair(id.certificate_pem, id.key_pem);
    ASSERT_TRUE(pair) << type << ": " << pair.error();
    EXPECT_EQ((*pair)->key_type(), name);
    EXPECT_EQ((*pair)->issuer(), "CN=c");
    EXPECT_FALSE((*pair)->serial().empty());
    EXPECT_EQ((*pair)->names(), (std::vector<std::string>{"a.example", "*.b.example", "10.0.0.1"}));
    EXPECT_NEAR(static_cast<double>((*pair)->not_before()), static_cast<double>(time(nullptr) - 3600), 60.0);
    EXPECT_NEAR(static_cast<double>((*pair)->not_after()), static_cast<double>(time(nullptr) + 86400), 60.0);
  }
}

TEST(KeyPair, BrokenPemsAreRefusedWithTheirReason) {
  const Identity good = make_identity({.san = "DNS:a.example"});
  const Identity other = make_identity({.san = "DNS:b.example"});
  const Identity weak = make_identity({.type = "RSA512", .san = "DNS:a.example"});
  const Identity odd = make_identity({.type = "Ed448", .san = "DNS:a.example"});
  std::string bad_base64 = good.certificate_pem;
  bad_base64.replace(bad_base64.find('\n') + 5, 4, "!!!!");
  std::string cut = good.certificate_pem.substr(0, good.certificate_pem.size() / 2);
  std::string bad_key = good.key_pem;
  bad_key.replace(bad_key.find('\n') + 1, 8, "AAAAAAAA");
  const std::string encrypted = pem_of([&](BIO* b) {
    char word[] = "secret";
    PEM_write_bio_PKCS8PrivateKey(b, good.key.get(), EVP_aes_256_cbc(), word, 6, nullptr, nullptr);
  });
  const struct {
    const char* what;
    std::string chain, key, reason;
  } table[] = {
      {"nothing", "", "", "tls.crt holds no PEM certificate"},
      {"no key", good.certificate_pem, "", "tls.key holds no PEM private key"},
      {"text for a certificate", "hello", good.key_pem, "tls.crt holds no PEM certificate"},
      {"text for a key", good.certificate_pem, "hello", "tls.key holds no PEM private key"},
      {"key in tls.crt", good.key_pem, good.key_pem, "tls.crt holds no PEM certificate"},
      {"certificate in tls.key", good.certificate_pem, good.certificate_pem, "tls.key holds no PEM private key"},
      {"another's key", good.certificate_pem, other.key_pem, "tls.key does not match tls.crt"},
      {"issuer first", other.certificate_pem + good.certificate_pem, good.key_pem,
       "tls.key matches certificate 2 of tls.crt, expected the first"},
      {"bad base64", bad_base64, good.key_pem, "tls.crt: certificate 1 cannot be read"},
      {"bad second", good.certificate_pem + bad_base64, good.key_pem, "tls.crt: certificate 2 cannot be read"},
      {"cut", cut, good.key_pem, "tls.crt"},
      {"damaged key", good.certificate_pem, bad_key, "tls.key cannot be read as a private key"},
      {"encrypted key", good.certificate_pem, encrypted, "tls.key is encrypted"},
      {"weak key", weak.certificate_pem, weak.key_pem, "cannot be used by a server: ee key too small"},
      {"odd key", odd.certificate_pem, odd.key_pem, "tls.key is of type ED448, expected RSA, EC or Ed25519"},
      {"too large", std::string(70'000, 'x'), good.key_pem, "tls.crt is larger than 64 KiB"},
      {"key too large", good.certificate_pem, std::string(70'000, 'x'), "tls.key is larger than 64 KiB"},
      {"zeros", std::string(100, '\0'), std::string(100, '\0'), "tls.crt holds no PEM certificate"},
  };
  for (const auto& row : table) {
    const std::string said = refusal(row.chain, row.key);
    EXPECT_NE(said.find(row.reason), std::string::npos) << row.what << ": " << said;
    EXPECT_EQ(said.find('\n'), std::string::npos) << row.what;
    EXPECT_EQ(ERR_peek_error(), 0u) << row.what;
  }
  EXPECT_EQ(refusal(good.certificate_pem, good.key_pem), "accepted");
}

TEST(KeyPair, TheOldFormsOfKeysAreRead) {
  for (const char* type : {"EC", "RSA"}) {
    const Identity id = make_identity({.type = type, .san = "DNS:a.example"});
    const std::string old = pem_of(
        [&](BIO* b) { PEM_write_bio_PrivateKey_traditional(b, id.key.get(), nullptr, nullptr, 0, nullptr, nullptr); });
    ASSERT_NE(old.find(std::string(type) + " PRIVATE KEY"), std::string::npos);
    EXPECT_EQ(refusal(id.certificate_pem, old), "accepted") << type;
    const std::string parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    EXPECT_EQ(refusal(id.certificate_pem, parameters + old), "accepted") << type;
    EXPECT_EQ(refusal(id.certificate_pem, id.certificate_pem + id.key_pem), "accepted") << type;
    const std::string encrypted = pem_of([&](BIO* b) {
      char word[] = "secret";
      PEM_write_bio_PrivateKey_traditional(b, id.key.get(), EVP_aes_128_cbc(), reinterpret_cast<unsigned char*>(word),
                                           6, nullptr, nullptr);
    });
    EXPECT_EQ(refusal(id.certificate_pem, encrypted), "tls.key is encrypted; expected a key without passphrase")
        << type;
  }
  const Identity ec = make_identity({.type = "EC", .san = "DNS:a.example"});
  const Identity rsa = make_identity({.type = "RSA", .san = "DNS:a.example"});
  EXPECT_EQ(refusal(ec.certificate_pem, rsa.key_pem), "tls.key does not match tls.crt");
  EXPECT_EQ(refusal(rsa.certificate_pem, ec.key_pem), "tls.key does not match tls.crt");
}

TEST(KeyPair, TextAroundTheBlocksAndAChainAreFine) {
  const Identity root = make_identity({.cn = "root", .ca = true});
  const Identity leaf = make_identity({.cn = "leaf", .san = "DNS:a.example", .issuer = &root});
  auto pair = parse_key_pair("subject=leaf\n" + leaf.certificate_pem + "\nsubject=root\n" + root.certificate_pem + "\n",
                             "Bag Attributes\n" + leaf.key_pem);
  ASSERT_TRUE(pair) << pair.error();
  EXPECT_EQ((*pair)->issuer(), "CN=root");
}

// Whole bundles of authorities stand behind leaves; their bytes are the limit (RFC 8446 section 4.4.2 has none).
TEST(KeyPair, ABundleOfAnyNumberIsTaken) {
  const Identity root = make_identity({.cn = "root", .ca = true});
  const Identity leaf = make_identity({.cn = "leaf", .san = "DNS:a.example", .issuer = &root});
  std::string bundle = leaf.certificate_pem;
  for (int i = 0; i < 50; ++i) bundle += root.certificate_pem;
  auto pair = parse_key_pair(bundle, leaf.key_pem);
  ASSERT_TRUE(pair) << pair.error();
  EXPECT_EQ(sk_X509_num(static_cast<const PemKeyPair&>(**pair).chain()), 50);
}

TEST(KeyPair, SaysWhatNoClientWouldTake) {
  for (const auto& [wish, expected] : std::initializer_list<std::pair<Wish, std::string_view>>{
           {{}, ""},
           {{.type = "RSA"}, ""},
           {{.type = "Ed25519"}, ""},
           {{.usage = "digitalSignature", .extended_usage = "serverAuth,clientAuth"}, ""},
           {{.extended_usage = "anyExtendedKeyUsage"}, ""},
           {{.type = "RSA", .usage = "keyEncipherment"}, ""},
           {{.extended_usage = "clientAuth"}, "an extendedKeyUsage with serverAuth, or none"},
           {{.usage = "keyAgreement"}, "a keyUsage with digitalSignature, or none"},
           {{.type = "RSA1024"}, "an RSA key of 2048 bits or more"},
           {{.type = "secp256k1"}, "a key of the curve P-256, P-384 or P-521"},
           {{.unknown = "DER:0500"}, ""},
           {{.unknown = "critical,DER:0500"}, "no critical extension that clients do not know"}}) {
    const auto pair = make_pair_of(wish);
    ASSERT_TRUE(pair);
    EXPECT_EQ(pair->unfit(), expected) << wish.type;
  }
}

TEST(KeyPair, CoversBySanWildcardAddressAndOldCommonName) {
  const auto san =
      make_pair_of({.cn = "cn.example", .san = "DNS:a.example,DNS:*.b.example,IP:10.0.0.1,IP:2001:db8::1"});
  for (const char* yes : {"a.example", "A.EXAMPLE", "a.example.", "x.b.example", "*.b.example", "10.0.0.1",
                          "2001:db8::1", "[2001:db8::1]"})
    EXPECT_TRUE(san->covers(yes)) << yes;
  for (const char* no : {"", "example", "cn.example", "b.example", ".b.example", "x.y.b.example", "xa.example",
                         "10.0.0.2", "2001:db8::2", "a.example.evil", "*.a.example"})
    EXPECT_FALSE(san->covers(no)) << no;
  // As `openssl x509 -checkhost` has it: a dot at its end makes a name of a SAN another one, and no CN counts beside
  // it.
  const auto dotted = make_pair_of({.cn = "a.example", .san = "DNS:a.example.,DNS:*.b.example."});
  for (const char* no : {"a.example", "a.example.", "x.b.example", "x.b.example."})
    EXPECT_FALSE(dotted->covers(no)) << no;
  EXPECT_EQ(dotted->names(), (std::vector<std::string>{"a.example.", "*.b.example."}));
  const auto cn = make_pair_of({.cn = "CN.example"});
  EXPECT_TRUE(cn->covers("cn.example"));
  EXPECT_TRUE(cn->names().empty());
  const auto cn_wildcard = make_pair_of({.cn = "*.example"});
  EXPECT_TRUE(cn_wildcard->covers("a.example"));
  EXPECT_TRUE(cn_wildcard->covers("*.example"));
  // No SAN that is a DNS name: ingress-nginx (verifyHostname) and OpenSSL look at the CN.
  const auto address = make_pair_of({.cn = "cn.example", .san = "IP:10.0.0.1,URI:spiffe://x"});
  EXPECT_TRUE(address->covers("cn.example"));
  EXPECT_TRUE(address->covers("10.0.0.1"));
}

TEST(KeyPair, SelfSignedIsValidForAYear) {
  const auto pair = self_signed();
  ASSERT_TRUE(pair);
  EXPECT_TRUE(pair->covers("sluice.default"));
  EXPECT_EQ(pair->key_type(), "ECDSA");
  EXPECT_EQ(pair->issuer(), "CN=sluice.default");
  EXPECT_LE(pair->not_after() - pair->not_before(), 366 * 86400);
  EXPECT_GT(pair->not_after(), time(nullptr) + 360 * 86400);
  EXPECT_NE(pair->serial(), self_signed()->serial());
}

}  // namespace
}  // namespace sluice::net::tls
