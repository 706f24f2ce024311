// The directory of manifests, looked at step by step: what is kept, what goes, what is read again.
#include "control/source/files/directory.h"

#include <gtest/gtest.h>

#include "scratch.h"

namespace sluice::control {
namespace {

using testing::ingress;
using testing::service;
using testing::fs::create_directory;
using testing::fs::create_symlink;
using testing::fs::remove;
using testing::fs::rename;

struct DirectoryTest : ::testing::Test {
  testing::Scratch dir;
  Directory directory{dir.str()};
  std::set<std::string> doubtful;
  ObjectChanges look(std::set<std::string> files, std::set<std::string> certain = {}) {
    doubtful.clear();
    return directory.look({std::move(files), {}}, certain, doubtful);
  }
  ObjectChanges look_everywhere(std::set<std::string> certain = {}) {
    doubtful.clear();
    return directory.look({{}, {""}}, certain, doubtful);
  }
  std::vector<std::string> reasons() {
    std::vector<std::string> out;
    for (auto& e : directory.problems()) out.push_back(e.problem.reason);
    return out;
  }
};
using Names = std::vector<std::string>;

TEST_F(DirectoryTest, ReadsYamlAndJsonBelowAndSkipsHidden) {
  dir.write("a.yaml", service("a"));
  dir.write("sub/deeper/b.yml", service("b"));
  dir.write("c.json", R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"c"}})");
  dir.write(".case.tmp", service("x"));
  dir.write(".hidden.yaml", service("x"));
  dir.write("..2026_x/y.yaml", service("y"));
  dir.write("notes.txt", service("x"));
  auto changes = directory.load();
  EXPECT_EQ(changes.upserts.size(), 3U);
  EXPECT_EQ(directory.files(), 3U);
  EXPECT_EQ(meta(*changes.upserts[1]).origin.file, "sub/deeper/b.yml");
}

TEST_F(DirectoryTest, ValuesOfJsonMayStandBehindEachOther) {
  const auto value = [](const std::string& name, const std::string& label) {
    return R"({"apiVersion":"v1","kind":"Service","metadata":{"name":")" + name + R"(","labels":{"x":")" + label +
           "\"}}}";
  };
  dir.write("a.json", value("a", "") + "\n" + value("b", "") + value("c", "} {") + " \t\r\n" + value("d", "\\\"}{"));
  dir.write("e.yaml", value("e", "}\\n{"));
  const auto changes = directory.load();
  EXPECT_EQ(changes.upserts.size(), 5U);
  EXPECT_EQ(reasons(), std::vector<std::string>());
  std::vector<int> lines;
  for (const auto& object : changes.upserts) lines.push_back(meta(*object).origin.line);
  EXPECT_EQ(lines, (std::vector<int>{1, 2, 2, 3, 1}));
}

TEST_F(DirectoryTest, AMissingDirectoryThrowsOnlyAtFirst) {
  EXPECT_THROW(Directory("/nonexistent/manifests").load(), std::runtime_error);
  dir.write("m/a.yaml", service("a"));
  Directory d(dir.str() + "/m");
  d.load();
  testing::fs::remove_all(dir / "m");
  std::set<std::string> doubt;
  auto changes = d.look({{"a.yaml"}, {""}}, {"a.yaml"}, doubt);
  EXPECT_TRUE(changes.erased.empty());
  EXPECT_EQ(d.objects(), 1U);
  ASSERT_EQ(d.problems().size(), 1U);
  EXPECT_EQ(d.problems()[0].problem.reason, "Unreadable");
  dir.write("m/a.yaml", service("b"));
  // Files written within the last second are left to their writer's own event.
  testing::fs::last_write_time(dir / "m/a.yaml", testing::fs::file_time_type::clock::now() - std::chrono::seconds(5));
  changes = d.look({{}, {""}}, {}, doubt);
  EXPECT_EQ(changes.erased.size(), 1U);
  EXPECT_EQ(changes.upserts.size(), 1U);
  EXPECT_TRUE(d.problems().empty());
}

TEST_F(DirectoryTest, UnchangedDocumentsStayTheSameObjects) {
  dir.write("a.yaml", service("a") + service("b") + service("c"));
  directory.load();
  dir.write("a.yaml", service("a") + ingress("new", "n.example") + service("b") + service("d"));
  auto changes = look({"a.yaml"});
  EXPECT_EQ(changes.upserts.size(), 2U);  // new, d
  EXPECT_EQ(changes.erased.size(), 1U);   // c
  ASSERT_EQ(changes.moved.size(), 1U);    // b, further down
  EXPECT_EQ(meta(*changes.moved[0]).origin.line, 25);
  dir.write("a.yaml", service("a") + ingress("new", "n.example") + service("b") + service("d"));
  EXPECT_TRUE(look({"a.yaml"}).empty());
}

TEST_F(DirectoryTest, ABrokenDocumentKeepsWhatTheFileHad) {
  dir.write("a.yaml", service("a") + service("b"));
  directory.load();
  dir.write("a.yaml", service("a") + "---\nkind: [Serv");
  auto changes = look({"a.yaml"});
  EXPECT_EQ(doubtful, (std::set<std::string>{"a.yaml"}));  // perhaps half-written
  EXPECT_TRUE(changes.empty());
  changes = look({"a.yaml"}, {"a.yaml"});
  EXPECT_TRUE(changes.erased.empty());
  EXPECT_TRUE(changes.problems_changed);
  EXPECT_EQ(directory.objects(), 2U);
  EXPECT_EQ(reasons(), Names{"InvalidYaml"});
  dir.write("a.yaml", service("a"));
  changes = look({"a.yaml"});
  EXPECT_EQ(changes.erased.size(), 1U);
  EXPECT_TRUE(reasons().empty());
}

// What kubectl cuts documents at: --- at the begin of a line, with space and a comment behind it, set apart or not.
TEST_F(DirectoryTest, DocumentsAreSetApartAsForKubectl) {
  const auto document = [](const std::string& name) {
    return "apiVersion: v1\nkind: Service\nmetadata: {name: " + name + "}\n";
  };
  int n = 0;
  for (const std::string mark : {"---", "--- ", "---\t# c", "---#", "---# text", "---#{", "---\xc2\xa0", "---\f",
                                 "---\v", "---\r", "---\xe3\x80\x80# c", "---\xc2\x85", "---\n---#\n---"}) {
    const std::string name = "s" + std::to_string(n++);
    dir.write(name + ".yaml", mark + "\n" + document(name + "a") + mark + "\n" + document(name + "b") + mark + "\n" +
                                  R"({"apiVersion":"v1","kind":"Service","metadata":{"name":")" + name + "c\"}}\n" +
                                  mark);
  }
  const auto changes = directory.load();
  EXPECT_EQ(changes.upserts.size(), static_cast<std::size_t>(3 * n));
  EXPECT_TRUE(reasons().empty());
  for (const auto& object : changes.upserts)
    if (meta(*object).name == "s3b") {
      EXPECT_EQ(meta(*object).origin.line, 6);
    }
  // Broken all the same, and named.
  dir.write("s0.yaml", document("s0a") + "---x\n" + document("s0b"));
  look({"s0.yaml"}, {"s0.yaml"});
  EXPECT_EQ(reasons(), Names{"InvalidYaml"});
}

// A CR alone ends a line for YAML, and for kubectl, which reads the first document of such a file.
TEST_F(DirectoryTest, LinesMayEndWithCarriageReturnsAlone) {
  std::string text =
      "# c\rapiVersion: v1\rkind: Service\rmetadata: {name: a}\r---\r\xef\xbb\xbf"
      "apiVersion: v1\rkind: Service\r"
      "metadata:\r  name: b\r  annotations:\r    t: |\r      x\r      y\r";
  dir.write("a.yaml", text);
  dir.write("b.yaml", "apiVersion: v1\r\nkind: Service # c\rmetadata: {name: c}\r\r\n");
  const auto changes = directory.load();
  ASSERT_EQ(changes.upserts.size(), 3U);
  EXPECT_TRUE(reasons().empty());
  EXPECT_EQ(meta(*changes.upserts[1]).origin.line, 6);
  EXPECT_EQ(meta(*changes.upserts[1]).annotations.at("t"), "x\ny\n");
}

// docs/manifests.md names it.
TEST_F(DirectoryTest, AColonBeforeACommaInAFlowMapIsRefusedAloud) {
  dir.write("a.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: a, annotations: {x: /a:, y: z}}\n");
  EXPECT_TRUE(directory.load().upserts.empty());
  EXPECT_EQ(reasons(), Names{"InvalidYaml"});
}

// As of a cluster: objects of other namespaces are not there, nor is what is wrong with them; what is asked for by name
// is.
TEST_F(DirectoryTest, OneNamespaceMayBeWatched) {
  const auto object = [](const std::string& kind, const std::string& ns, const std::string& more = "") {
    const bool core = kind != "Ingress" && kind != "IngressClass";
    return std::string("---\napiVersion: ") + (core ? "v1" : "networking.k8s.io/v1") + "\nkind: " + kind +
           "\nmetadata: {name: a" + (ns.empty() ? "" : ", namespace: " + ns) + "}\n" + more + "\n";
  };
  Directory only(dir.str(), "default", "shop");
  dir.write("a.yaml", object("Service", "shop") + object("Service", "other") + object("Service", "") +
                          object("IngressClass", "") + object("Secret", "other") + object("ConfigMap", "other"));
  dir.write("b.yaml", object("Service", "worse", "spec: {ports: x}") + object("Service", "shop", "odd: 1"));
  std::vector<std::string> ids;
  for (const auto& o : only.load().upserts) ids.push_back(identity(*o));
  EXPECT_EQ(ids, (Names{"ConfigMap/other/a", "IngressClass//a", "Secret/other/a", "Service/shop/a"}));
  std::vector<std::string> said;
  for (const auto& e : only.problems()) said.push_back(e.object.ns.str() + " " + e.problem.reason);
  EXPECT_EQ(said, (Names{"shop UnknownField", "shop DuplicateObject"}));
  dir.write("a.yaml", object("Service", "other", "spec: {ports: [{port: 1}]}"));
  const auto changes = only.look({{"a.yaml"}, {}}, {"a.yaml"}, doubtful);
  EXPECT_TRUE(changes.upserts.empty());
  ids.clear();
  for (const auto& o : changes.erased) ids.push_back(identity(*o));
  EXPECT_EQ(ids, (Names{"ConfigMap/other/a", "IngressClass//a", "Secret/other/a"}));
}

TEST_F(DirectoryTest, ABadShapeKeepsThatObjectAlone) {
  dir.write("a.yaml", service("a") + service("b") + service("c"));
  directory.load();
  dir.write("a.yaml",
            service("a") + "---\napiVersion: v1\nkind: Service\nmetadata: {name: b}\nspec: {ports: nonsense}\n");
  auto changes = look({"a.yaml"});
  EXPECT_EQ(doubtful.size(), 1U);
  EXPECT_TRUE(changes.empty());
  changes = look({"a.yaml"}, {"a.yaml"});
  ASSERT_EQ(changes.erased.size(), 1U);
  EXPECT_EQ(meta(*changes.erased[0]).name, "c");
  EXPECT_EQ(directory.objects(), 2U);
  EXPECT_EQ(reasons(), Names{"BadShape"});
}

TEST_F(DirectoryTest, EmptyAndMissingFilesAreDoubtedOnce) {
  dir.write("a.yaml", service("a"));
  directory.load();
  dir.write("a.yaml", "");
  EXPECT_TRUE(look({"a.yaml"}).empty());
  EXPECT_EQ(doubtful.size(), 1U);
  dir.write("a.yaml", service("a"));
  EXPECT_TRUE(look({"a.yaml"}, {"a.yaml"}).empty());
  remove(dir / "a.yaml");
  EXPECT_TRUE(look({"a.yaml"}).empty());
  EXPECT_EQ(doubtful.size(), 1U);
  EXPECT_EQ(look({"a.yaml"}, {"a.yaml"}).erased.size(), 1U);
  EXPECT_EQ(directory.files(), 0U);
}

TEST_F(DirectoryTest, AFileThatCannotBeReadKeepsItsObjects) {
  dir.write("a.yaml", service("a"));
  directory.load();
  remove(dir / "a.yaml");
  create_directory(dir / "a.yaml");  // works as root too, where permissions do not bite
  auto changes = look({"a.yaml"}, {"a.yaml"});
  EXPECT_TRUE(changes.erased.empty());
  EXPECT_EQ(reasons(), Names{"Unreadable"});
  EXPECT_EQ(directory.unreadable(), 1U);
}

TEST_F(DirectoryTest, FilesBeyondTheLimitAreRefused) {
  dir.write("a.yaml", service("a"));
  testing::fs::resize_file(dir / "a.yaml", kMaxFileBytes + 1);
  directory.load();
  EXPECT_EQ(reasons(), Names{"Unreadable"});
}

TEST_F(DirectoryTest, OfTwoFilesTheLaterCounts) {
  dir.write("a.yaml", service("x") + service("w"));
  dir.write("b.yaml", service("x"));
  auto changes = directory.load();
  EXPECT_EQ(changes.upserts.size(), 2U);
  ASSERT_EQ(reasons(), Names{"DuplicateObject"});
  EXPECT_EQ(directory.problems()[0].object.origin.file, "a.yaml");
  remove(dir / "b.yaml");
  changes = look({"b.yaml"}, {"b.yaml"});
  EXPECT_TRUE(changes.erased.empty());
  EXPECT_EQ(changes.moved.size(), 1U);
  EXPECT_TRUE(reasons().empty());
}

TEST_F(DirectoryTest, MountedVolumesAreReadOnceAndSwapWhole) {
  dir.write("..1/a.yaml", service("a"));
  dir.write("..1/b.yaml", service("b"));
  create_symlink("..1", dir / "..data");
  create_symlink("..data/a.yaml", dir / "a.yaml");
  create_symlink("..data/b.yaml", dir / "b.yaml");
  auto changes = directory.load();
  EXPECT_EQ(changes.upserts.size(), 2U);
  EXPECT_EQ(directory.files(), 2U);
  dir.write("..2/a.yaml", service("a2"));
  dir.write("..2/b.yaml", service("b"));
  create_symlink("..2", dir / "..data_tmp");
  rename(dir / "..data_tmp", dir / "..data");
  changes = look_everywhere();
  EXPECT_EQ(changes.upserts.size(), 1U);
  EXPECT_EQ(changes.erased.size(), 1U);
  EXPECT_TRUE(doubtful.empty());
}

TEST_F(DirectoryTest, LinksThatLeadBackUpEnd) {
  dir.write("sub/a.yaml", service("a"));
  testing::fs::create_directory_symlink("..", dir / "sub/up");
  EXPECT_EQ(directory.load().upserts.size(), 1U);
}

TEST_F(DirectoryTest, ALinkThatGoesLeavesTheOtherWay) {
  testing::Scratch elsewhere;
  elsewhere.write("x/a.yaml", service("a"));
  testing::fs::create_directory_symlink(elsewhere / "x", dir / "one");
  testing::fs::create_directory_symlink(elsewhere / "x", dir / "two");
  EXPECT_EQ(directory.load().upserts.size(), 1U);
  remove(dir / "one");
  auto changes = look_everywhere();
  EXPECT_TRUE(changes.erased.empty());
  EXPECT_EQ(doubtful, (std::set<std::string>{"one/a.yaml"}));
  changes = look({"one/a.yaml"}, {"one/a.yaml"});
  EXPECT_TRUE(changes.erased.empty());
  EXPECT_EQ(directory.objects(), 1U);
  EXPECT_EQ(directory.files(), 1U);
  EXPECT_TRUE(reasons().empty());
}

TEST_F(DirectoryTest, ProblemsOfAFileAreCountedBeyondTheFirst) {
  std::string text = R"({"kind":"List","items":[0)";
  for (int i = 1; i < 5000; ++i) text += ",0";
  dir.write("x.json", text + "]}");
  directory.load();
  const auto problems = directory.problems();
  ASSERT_EQ(problems.size(), model::Entries::kMost + 1);
  EXPECT_EQ(problems.back().problem.reason, "MoreProblems");
  EXPECT_EQ(problems.back().problem.consequence, "and 4900 more, which are not listed");
  std::string documents;
  for (int i = 0; i < 5000; ++i) documents += "---\na: b\n";
  dir.write("x.yaml", documents);
  remove(dir / "x.json");
  look({"x.yaml", "x.json"}, {"x.json"});
  ASSERT_EQ(directory.problems().size(), model::Entries::kMost + 1);
  EXPECT_EQ(directory.problems().back().problem.consequence, "and 4900 more, which are not listed");
  EXPECT_EQ(directory.problems().front().object.origin.line, 2);
}

// They take no place of what is said of ours, and are counted by their kinds.
TEST_F(DirectoryTest, ObjectsOfOtherKindsAreCountedBesideTheProblemsOfAFile) {
  const auto check = [&] {
    std::map<std::string, std::size_t> counted;
    std::size_t entries = 0, ours = 0;
    for (const auto& e : directory.problems()) {
      ++entries;
      EXPECT_NE(e.problem.reason, "MoreProblems");
      EXPECT_EQ(e.object.ns, "") << "nobody knows whether its kind has namespaces";
      if (model::of_other_kind(e))
        counted[e.object.kind.str()] += e.objects;
      else
        ++ours;
    }
    EXPECT_EQ(counted,
              (std::map<std::string, std::size_t>{{"ClusterRole", 40}, {"Deployment", 40}, {"Job", 40}, {"Role", 40}}));
    EXPECT_EQ(ours, 3U);
    EXPECT_EQ(entries, model::Entries::kMost + 2 + 3) << "two kinds go on beyond what is kept";
  };
  std::string documents;
  for (const std::string head :
       {"rbac.authorization.k8s.io/v1\nkind: ClusterRole", "rbac.authorization.k8s.io/v1\nkind: Role",
        "apps/v1\nkind: Deployment", "batch/v1\nkind: Job"})
    for (int i = 0; i < 40; ++i)
      documents += "---\napiVersion: " + head + "\nmetadata: {name: n" + std::to_string(i) + "}\n";
  for (int i = 0; i < 3; ++i) documents += "---\na: b\n";
  dir.write("x.yaml", documents);
  directory.load();
  check();
  dir.write("x.yaml", "# further down\n" + documents);
  look({"x.yaml"}, {});
  check();
}

TEST_F(DirectoryTest, TooManyDocumentsAreRefusedWithTheFile) {
  std::string text = service("a");
  for (std::size_t i = 0; i < kMaxDocuments; ++i) text += "---\na\n";
  dir.write("x.yaml", text);
  dir.write("y.yaml", service("b"));
  EXPECT_EQ(directory.load().upserts.size(), 1U);
  EXPECT_EQ(reasons(), Names{"Unreadable"});
}

TEST_F(DirectoryTest, AliasesOfAllDocumentsOfAFileAreCountedTogether) {
  std::string text;
  const std::string document = "x: &a " + std::string(5000, 'y') + "\nz: [" + [] {
    std::string all = "*a";
    for (int i = 0; i < 199; ++i) all += ",*a";
    return all;
  }() + "]\n";
  for (int i = 0; i < 3; ++i) text += "---\n" + document;
  dir.write("few.yaml", text + service("a"));
  EXPECT_EQ(directory.load().upserts.size(), 1U);
  for (int i = 0; i < 10; ++i) text += "---\n" + document;
  dir.write("many.yaml", text + service("b"));
  EXPECT_TRUE(look({"many.yaml"}, {"many.yaml"}).upserts.empty());
  bool said = false;
  for (auto& e : directory.problems()) said = said || e.problem.value.starts_with("aliases that add more than");
  EXPECT_TRUE(said);
}

// There was no memory to serve a change: all is handed out once more, the largest file that changed as it was.
TEST_F(DirectoryTest, WhatThereIsNoMemoryForStaysAsItWas) {
  dir.write("a.yaml", service("a"));
  dir.write("big.yaml", service("b"));
  directory.load();
  directory.served();
  dir.write("a.yaml", service("a2"));
  dir.write("big.yaml", service("c") + service("d") + service("e"));
  EXPECT_EQ(look({"a.yaml", "big.yaml"}).upserts.size(), 4U);
  directory.again();
  auto changes = look({});
  EXPECT_EQ(changes.upserts.size(), 2U);  // a2, b
  EXPECT_TRUE(changes.erased.empty());
  EXPECT_TRUE(changes.problems_changed);
  EXPECT_EQ(reasons(), Names{"NotEnoughMemory"});
  directory.served();
  // It stays so until it changes.
  EXPECT_TRUE(look_everywhere({"*"}).empty());
  EXPECT_TRUE(look({"big.yaml"}, {"big.yaml"}).empty());
  dir.write("big.yaml", service("c"));
  changes = look({"big.yaml"});
  EXPECT_EQ(changes.upserts.size(), 1U);
  EXPECT_EQ(changes.erased.size(), 1U);
  EXPECT_TRUE(reasons().empty());
}

TEST_F(DirectoryTest, OnlyWhatDiffersIsReadAgain) {
  for (int i = 0; i < 50; ++i) dir.write("f" + std::to_string(i) + ".yaml", service("s" + std::to_string(i)));
  directory.load();
  auto reads = directory.reads();
  EXPECT_TRUE(look_everywhere().empty());
  EXPECT_EQ(directory.reads(), reads);
  dir.replace("f7.yaml", service("seven"));
  EXPECT_EQ(look_everywhere().upserts.size(), 1U);
  EXPECT_EQ(directory.reads(), reads + 1);
}

}  // namespace
}  // namespace sluice::control
