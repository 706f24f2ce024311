#include "control/source/files/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "base/descriptor.h"

namespace sluice::control {

namespace {

// Their files are no files: names without end that change while they are read. linux/magic.h and the kernel's sources.
constexpr std::uint32_t kKernels[] = {
    0x9fa0 /* proc */,        0x62656572 /* sysfs */,   0x27e0eb /* cgroup */,     0x63677270 /* cgroup2 */,
    0x64626720 /* debugfs */, 0x74726163 /* tracefs */, 0x1cd1 /* devpts */,       0x73636673 /* securityfs */,
    0xcafe4a11 /* bpf */,     0x6165676c /* pstore */,  0xde5e81e4 /* efivarfs */, 0x62656570 /* configfs */,
    0xf97cff8c /* selinux */, 0x19800202 /* mqueue */,
};

struct Place {
  std::string path;
  int depth;
};

class Walk {
 public:
  Walk(const std::string& root, bool all_names) : root_(root), all_names_(all_names) {}

  Tree run() {
    look({"", 0}, false);
    // A link may lead to a place that lies below the root: its real path is the one that counts.
    while (tree_.error.empty() && (!own_.empty() || !linked_.empty())) {
      const bool linked = own_.empty();
      auto& from = linked ? linked_ : own_;
      const Place next = std::move(from.front());
      from.pop_front();
      if (tree_.directories.size() >= Tree::kMaxDirectories)
        beyond(std::to_string(Tree::kMaxDirectories) + " directories");
      else if (linked && ++behind_links_ > Tree::kMaxLinked)
        beyond(std::to_string(Tree::kMaxLinked) + " directories behind links");
      else
        look(next, linked);
    }
    return std::move(tree_);
  }

 private:
  using Identity = std::pair<dev_t, ino_t>;

  void beyond(const std::string& what) {
    if (tree_.beyond.empty()) tree_.beyond = what;
    own_.clear();
    linked_.clear();
  }

  void look(const Place& place, bool linked) {
    const auto full = place.path.empty() ? root_ : root_ + "/" + place.path;
    Descriptor fd(::open(full.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) {
      if (place.path.empty()) tree_.error = full + ": " + std::strerror(errno);
      if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP && !place.path.empty())
        tree_.unlistable.insert(place.path);
      return;
    }
    struct stat st{};
    const bool known = ::fstat(fd.get(), &st) == 0;
    const Identity self{st.st_dev, st.st_ino};
    if (place.path.empty()) find_above();
    if (!place.path.empty() && (above_.contains(self) || is_kernels(fd.get()))) {
      tree_.not_entered.insert(place.path);
      return;
    }
    if (!known || !seen_.insert(self).second) return;
    const std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(fd.get()), &::closedir);
    if (!dir) return;
    fd.release();  // closed with dir
    tree_.directories.insert(place.path);
    list(dir.get(), place, linked);
  }

  // The directories that the root lies in, wherever a link to it may stand.
  void find_above() {
    const std::unique_ptr<char, decltype(&std::free)> real(::realpath(root_.c_str(), nullptr), &std::free);
    struct stat st{};
    for (std::string path = real ? real.get() : ""; path.size() > 1;) {
      path.resize(std::max<std::size_t>(path.rfind('/'), 1));
      if (::stat(path.c_str(), &st) == 0) above_.emplace(st.st_dev, st.st_ino);
    }
  }

  void list(DIR* dir, const Place& place, bool linked) {
    std::vector<std::string> real, links, files;  // in the order of their names, whatever the order on disk
    while (const dirent* e = ::readdir(dir)) {
      const std::string_view name = e->d_name;
      if (++names_ > Tree::kMaxNames) return beyond(std::to_string(Tree::kMaxNames) + " names");
      if (all_names_ ? name == "." || name == ".." : name.starts_with('.')) continue;
      const auto [is_directory, is_link] = kind_of(dir, *e);
      if (is_directory && place.depth == Tree::kMaxDepth) continue;
      if (!is_directory && !all_names_ && !is_manifest(name)) continue;
      (!is_directory ? files
       : is_link     ? links
                     : real)
          .push_back(place.path.empty() ? std::string(name) : place.path + "/" + std::string(name));
    }
    for (auto* names : {&real, &links, &files}) std::sort(names->begin(), names->end());
    for (auto& path : files) {
      if (tree_.files.size() >= Tree::kMaxFiles) return beyond(std::to_string(Tree::kMaxFiles) + " files");
      tree_.files.insert(std::move(path));
    }
    for (auto& path : real) (linked ? linked_ : own_).push_back({std::move(path), place.depth + 1});
    for (auto& path : links) linked_.push_back({std::move(path), place.depth + 1});
  }

  // Is it a directory, or a link to one?
  static std::pair<bool, bool> kind_of(DIR* dir, const dirent& e) {
    if (e.d_type != DT_LNK && e.d_type != DT_UNKNOWN) return {e.d_type == DT_DIR, false};
    struct stat st{};
    const int fd = ::dirfd(dir);
    const bool link =
        e.d_type == DT_LNK || (::fstatat(fd, e.d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode));
    return {::fstatat(fd, e.d_name, &st, 0) == 0 && S_ISDIR(st.st_mode), link};
  }

  static bool is_kernels(int fd) {
    struct statfs fs{};
    return ::fstatfs(fd, &fs) == 0 && std::find(std::begin(kKernels), std::end(kKernels),
                                                static_cast<std::uint32_t>(fs.f_type)) != std::end(kKernels);
  }

  const std::string& root_;
  const bool all_names_;
  Tree tree_;
  std::deque<Place> own_, linked_;
  std::set<Identity> seen_, above_;
  std::size_t names_ = 0, behind_links_ = 0;
};

}  // namespace

bool is_json(std::string_view name) {
  return name.ends_with(".json");
}

bool is_manifest(std::string_view name) {
  return !name.starts_with('.') && (name.ends_with(".yaml") || name.ends_with(".yml") || is_json(name));
}

Tree walk(const std::string& root, bool all_names) {
  return Walk(root, all_names).run();
}

}  // namespace sluice::control
