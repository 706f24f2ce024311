#pragma once
#include <cstddef>
#include <set>
#include <string>
#include <string_view>

namespace sluice::control {

// A name that is read: .yaml, .yml or .json, and not hidden.
bool is_manifest(std::string_view name);
bool is_json(std::string_view name);

// What lies below a directory: paths relative to it, "" is itself. Names that begin with '.' are not looked at.
struct Tree {
  static constexpr int kMaxDepth = 32;
  static constexpr std::size_t kMaxDirectories = 10'000, kMaxFiles = 200'000;
  static constexpr std::size_t kMaxLinked = 1'000;     // directories that only links lead to
  static constexpr std::size_t kMaxNames = 2'000'000;  // of all kinds

  std::string error;                  // why the root cannot be listed; nothing else is known then
  std::set<std::string> directories;  // each once, by its real place if that is below the root, else by the first link
  std::set<std::string> files;        // manifests
  std::set<std::string> unlistable;   // directories that are there but cannot be listed
  std::set<std::string> not_entered;  // /proc, /sys and their like, and links to a directory that holds the root
  std::string beyond;                 // what there is more of than is looked at; empty: this is all
};

// Links are followed, to each directory once however many lead there. What lies below the root itself comes first, so
// that a link to elsewhere takes nothing from it when there is more than kMax….
// `all_names`: what is hidden or is called otherwise than manifests are is one all the same.
Tree walk(const std::string& root, bool all_names = false);

}  // namespace sluice::control
