#include "control/source/files/watch.h"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/log.h"

namespace sluice::control {

namespace {
// IN_CREATE serves links and directories: a file that is created is read when its writer closes it.
constexpr std::uint32_t kMask = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_ATTRIB |
                                IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

std::pair<std::string, std::string> split(const std::string& path) {
  auto slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}
}  // namespace

Watch::Watch(std::string root) : root_(std::move(root)) {
  open();
}

void Watch::open() {
  fd_ = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd_ < 0) {
    if (!std::exchange(told_, true))
      log::warn("inotify: {}; {} is looked at each second instead (fs.inotify.max_user_instances)",
                std::strerror(errno), root_);
    return;
  }
  auto trimmed = root_;
  while (trimmed.size() > 1 && trimmed.back() == '/') trimmed.pop_back();
  auto [parent, name] = split(trimmed);
  if (!name.empty() && name != "." && name != "..") {
    root_name_ = name;
    parent_ = add(parent);
  }
}

Watch::~Watch() {
  if (fd_ >= 0) ::close(fd_);
}

int Watch::add(const std::string& path) {
  return ::inotify_add_watch(fd_, path.c_str(), kMask);
}

std::set<std::string> Watch::sync(const std::set<std::string>& directories) {
  std::set<std::string> fresh;
  if (fd_ < 0) open();
  complete_ = fd_ >= 0;
  if (!complete_) return fresh;
  auto drop = [&](const std::string& path, int wd) {
    auto& names = paths_[wd];
    names.erase(path);
    if (!names.empty()) return;
    paths_.erase(wd);
    if (wd != parent_) ::inotify_rm_watch(fd_, wd);
  };
  for (auto it = watches_.begin(); it != watches_.end();) {
    if (directories.contains(it->first)) {
      ++it;
      continue;
    }
    drop(it->first, it->second);
    it = watches_.erase(it);
  }
  for (auto& path : directories) {
    int wd = add(path.empty() ? root_ : root_ + "/" + path);
    auto known = watches_.find(path);
    if (known != watches_.end() && known->second == wd) continue;
    if (known != watches_.end()) {
      drop(path, known->second);
      watches_.erase(known);
    }
    if (wd < 0) {
      // One that is gone meanwhile is no longer there the next time.
      complete_ = complete_ && (errno == ENOENT || errno == ENOTDIR);
      if (!complete_ && !std::exchange(told_, true))
        log::warn(
            "inotify: {}: {}; directories without a watch are looked at each second (fs.inotify.max_user_watches)",
            path.empty() ? root_ : path, std::strerror(errno));
      continue;
    }
    watches_[path] = wd;
    paths_[wd].insert(path);
    fresh.insert(path);
  }
  return fresh;
}

void Watch::touch(const std::string& directory, std::uint32_t mask, std::string_view name,
                  Directory::Touched& touched) const {
  auto path = directory.empty() ? std::string(name) : directory + "/" + std::string(name);
  if (mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) {
    auto above = directory.rfind('/');
    touched.directories.insert(above == std::string::npos ? "" : directory.substr(0, above));
  } else if (name.starts_with("..")) {
    touched.directories.insert(directory);  // the swap of a mounted volume
  } else if (name.starts_with('.')) {
    return;
  } else if (mask & IN_ISDIR) {
    touched.directories.insert(directory);
  } else if (name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json")) {
    touched.files.insert(path);
  } else if (watches_.contains(path)) {
    touched.directories.insert(directory);  // a link to a directory that goes
  } else if (mask & (IN_CREATE | IN_MOVED_TO)) {
    struct stat st{};
    if (::stat((root_ + "/" + path).c_str(), &st) == 0 && S_ISDIR(st.st_mode)) touched.directories.insert(directory);
  }
}

void Watch::drain(Directory::Touched& touched) {
  alignas(inotify_event) char buffer[64 * 1024];
  while (fd_ >= 0) {
    auto n = ::read(fd_, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    for (char* p = buffer; p < buffer + n;) {
      auto* e = reinterpret_cast<const inotify_event*>(p);
      p += sizeof(inotify_event) + e->len;
      std::string_view name = e->len ? std::string_view(e->name) : std::string_view();
      if (e->mask & IN_Q_OVERFLOW) {
        touched.directories.insert("");
        continue;
      }
      if (e->wd == parent_ && name == root_name_) touched.directories.insert("");
      auto it = paths_.find(e->wd);
      if (it == paths_.end()) continue;
      // Created by a writer: its end will be told. Links and further hard links have no writer.
      for (auto& directory : it->second) {
        if ((e->mask & IN_CREATE) && !(e->mask & IN_ISDIR)) {
          auto full = (directory.empty() ? root_ : root_ + "/" + directory) + "/" + std::string(name);
          struct stat st{};
          if (::lstat(full.c_str(), &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1) continue;
        }
        touch(directory, e->mask, name, touched);
      }
    }
  }
}

}  // namespace sluice::control
