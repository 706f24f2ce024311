#include "data/coding/accepts.h"

#include <gtest/gtest.h>

namespace sluice::data {
namespace {

struct Row {
  const char* accept_encoding;
  bool taken;
};

TEST(Accepts, GzipAsNginxReadsIt) {
  for (const auto& [value, taken] : {
           Row{"gzip", true},
           {"GZip", true},
           {"gzip, deflate, br", true},
           {"deflate, gzip", true},
           {"deflate,gzip", true},
           {"deflate gzip", true},
           {"gzip ,deflate", true},
           {"gzip;q=1", true},
           {"gzip;q=1.000", true},
           {"gzip;q=0.001", true},
           {"gzip; q=0.5", true},
           {"gzip;  Q=0.5, br", true},
           {"gzip;q=0.5 ", true},
           {"gzip;q=1.", true},
           {"gzip;", true},
           {"gzip; ", true},
           {"xgzipgzip", true},  // where the look begins anew
           {"", false},
           {"gzi", false},
           {"br", false},
           {"*", false},
           {"identity, *;q=1", false},
           {"x-gzip", false},
           {"xgzip", false},
           {"gzipx", false},
           {"gzip\t", false},
           {"\tgzip", false},
           {"gzip;q=0", false},
           {"gzip ;q=0", false},
           {"gzip;q=0.0", false},
           {"gzip;q=0.000", false},
           {"gzip;q=00.5", false},
           {"gzip;q=", false},
           {"gzip;q", false},
           {"gzip;q =1", false},
           {"gzip;q= 1", false},
           {"gzip;q=1.001", false},
           {"gzip;q=0.0001", false},
           {"gzip;q=2", false},
           {"gzip;q=0.5;x=1", false},
           {"gzip;q=.5", false},
           {"gzip;x=1", false},
           {"gzip;level=1;q=1", false},
           {"gzip;q=0, gzip", false},  // the first counts
       })
    EXPECT_EQ(accepts_gzip(value), taken) << value;
}

TEST(Accepts, BrotliAsItsModuleReadsIt) {
  for (const auto& [value, taken] : {
           Row{"br", true},
           {"BR", true},
           {"gzip, deflate, br", true},
           {"gzip,br", true},
           {"br;q=0.1, gzip", true},
           {"br;q=0.001", true},
           {"br;q=0.01", true},
           {"br;q=1.001", true},
           {"br;foo", true},
           {"br;Q=0", true},
           {"br ; q = 0.5", true},
           {"br;q=", true},
           {"brx, br", true},
           {"br;q=0.1x", true},
           {"", false},
           {"b", false},
           {"brx", false},
           {"xbr", false},
           {"*", false},
           {"gzip", false},
           {"br;q=0", false},
           {"br; q=0, gzip", false},
           {"br;q = 0", false},
           {"br;q=0.", false},
           {"br;q=0.0", false},
           {"br;q=0.00", false},
           {"br;q=0.000", false},
           {"br;q=0.0001", false},
           {"br;q=00.5", false},
           {"br;q=0, br", false},
       })
    EXPECT_EQ(accepts(value, "br"), taken) << value;
  EXPECT_TRUE(accepts("gzip, deflate, br, zstd", "zstd"));
  EXPECT_FALSE(accepts("gzip, zstd;q=0", "zstd"));
  EXPECT_FALSE(accepts("zst", "zstd"));
}

}  // namespace
}  // namespace sluice::data
