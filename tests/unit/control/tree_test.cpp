// What is found below a directory: every directory once, however links lead, and no more than is bearable.
#include "control/source/files/tree.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "control/source/files/directory.h"
#include "scratch.h"

namespace sluice::control {
namespace {

using testing::fs::create_directories;
using testing::fs::create_directory_symlink;
using testing::fs::create_symlink;
using Names = std::set<std::string>;

struct TreeTest : ::testing::Test {
  testing::Scratch dir;
  testing::Scratch elsewhere;
};

TEST_F(TreeTest, DirectoriesThatLinkToEachOtherAreVisitedOnce) {
  for (const int n : {2, 3, 4, 7, 12}) {
    testing::Scratch d;
    Names expected{""};
    for (int i = 0; i < n; ++i) {
      d.write("d" + std::to_string(i) + "/f.yaml", "");
      expected.insert("d" + std::to_string(i));
      for (int j = 0; j < n; ++j)
        create_directory_symlink("../d" + std::to_string(j), d / ("d" + std::to_string(i) + "/l" + std::to_string(j)));
    }
    const Tree tree = walk(d.str());
    EXPECT_EQ(tree.directories, expected);
    EXPECT_EQ(tree.files.size(), static_cast<std::size_t>(n));
    EXPECT_TRUE(tree.beyond.empty());
  }
}

TEST_F(TreeTest, TheRealPlaceCountsWhereverTheLinkStands) {
  dir.write("z/real/f.yaml", "");
  create_directory_symlink("z/real", dir / "a");
  create_directory_symlink("../..", dir / "z/real/up");
  create_directory_symlink(".", dir / "self");
  EXPECT_EQ(walk(dir.str()).files, Names{"z/real/f.yaml"});
}

TEST_F(TreeTest, LinksLeadOutToEachPlaceOnce) {
  elsewhere.write("x/f.yaml", "");
  create_directory_symlink(elsewhere / "x", dir / "one");
  create_directory_symlink(elsewhere / "x", dir / "two");
  const Tree tree = walk(dir.str());
  EXPECT_EQ(tree.files, Names{"one/f.yaml"});
  EXPECT_EQ(tree.directories, (Names{"", "one"}));
}

TEST_F(TreeTest, TheKernelsDirectoriesAreNotEntered) {
  dir.write("own/f.yaml", "");
  create_directory_symlink("/proc", dir / "p");
  create_directory_symlink("/sys", dir / "s");
  const Tree tree = walk(dir.str());
  EXPECT_EQ(tree.files, Names{"own/f.yaml"});
  EXPECT_EQ(tree.not_entered, (Names{"p", "s"}));
}

TEST_F(TreeTest, LinksToWhatHoldsTheRootAreNotEntered) {
  create_directory_symlink("/", dir / "a");
  create_directory_symlink("..", dir / "b");
  create_directory_symlink(".", dir / "c");
  dir.write("z/f.yaml", "");
  const Tree tree = walk(dir.str() + "/z/..");
  EXPECT_EQ(tree.files, Names{"z/f.yaml"});
  EXPECT_EQ(tree.not_entered, (Names{"a", "b"}));
  EXPECT_TRUE(tree.beyond.empty());
}

TEST_F(TreeTest, OwnDirectoriesComeBeforeWhatIsElsewhere) {
  for (std::size_t i = 0; i < Tree::kMaxLinked + 10; ++i) create_directories(elsewhere / ("d" + std::to_string(i)));
  create_directory_symlink(elsewhere.str(), dir / "a");
  dir.write("z/deep/er/f.yaml", "");
  const Tree tree = walk(dir.str());
  EXPECT_EQ(tree.files, Names{"z/deep/er/f.yaml"});
  EXPECT_EQ(tree.directories.size(), Tree::kMaxLinked + 4);
  EXPECT_EQ(tree.beyond, "1000 directories behind links");
}

TEST_F(TreeTest, MoreDirectoriesThanAreLookedAtAreReported) {
  for (std::size_t i = 0; i < Tree::kMaxLinked + 50; ++i) create_directories(elsewhere / ("d" + std::to_string(i)));
  create_directory_symlink(elsewhere.str(), dir / "out");
  dir.write("a.yaml", testing::service("a"));
  Directory directory(dir.str());
  EXPECT_EQ(directory.load().upserts.size(), 1U);
  ASSERT_EQ(directory.problems().size(), 1U);
  EXPECT_EQ(directory.problems()[0].problem.reason, "TooMany");
  EXPECT_EQ(directory.problems()[0].problem.expected, "at most 1000 directories behind links");
}

TEST_F(TreeTest, NeitherPipesNorDevicesStopIt) {
  ASSERT_EQ(::mkfifo((dir / "pipe.yaml").c_str(), 0600), 0);
  create_symlink("/dev/zero", dir / "zero.yaml");
  create_symlink("/proc/self/environ", dir / "environment.yaml");
  create_symlink("loop.yaml", dir / "loop.yaml");
  dir.write("a.yaml", testing::service("a"));
  Directory directory(dir.str());
  EXPECT_EQ(directory.load().upserts.size(), 1U);
}

}  // namespace
}  // namespace sluice::control
