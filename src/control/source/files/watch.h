#pragma once
#include <map>
#include <set>
#include <string>

#include "control/source/files/directory.h"

namespace sluice::control {

// inotify over a tree of directories and its root's parent (the root may be swapped as a whole). Where the kernel gives
// none it has to be done without: said once, and tried again with each sync().
class Watch {
 public:
  explicit Watch(std::string root);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  int fd() const { return fd_; }  // -1 when there is none
  // Every directory of the last sync() is watched.
  bool complete() const { return complete_; }
  // Watches exactly these (relative paths). Returns those that were not watched in this form before.
  std::set<std::string> sync(const std::set<std::string>& directories);
  // Takes all waiting events.
  void drain(Directory::Touched& touched);

 private:
  void open();
  int add(const std::string& path);
  void touch(const std::string& directory, std::uint32_t mask, std::string_view name,
             Directory::Touched& touched) const;

  int fd_ = -1;
  bool complete_ = false, told_ = false;
  std::string root_, root_name_;
  int parent_ = -1;
  std::map<std::string, int> watches_;          // relative path → descriptor
  std::map<int, std::set<std::string>> paths_;  // and back: links may lead to one directory twice
};

}  // namespace sluice::control
