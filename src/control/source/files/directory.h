#pragma once
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/strings.h"
#include "control/source/files/manifest_file.h"
#include "control/source/files/tree.h"
#include "control/source/object.h"

namespace sluice::control {

// The objects of every .yaml, .yml and .json file under a directory. Names that begin with '.' are not looked at, links
// are followed (so a mounted volume's `file -> ..data/file` is read once), to each directory once. What cannot be read
// keeps its last good form. Of two objects with the same identity the later one counts, in the order of paths and then
// of documents, as with `kubectl apply`.
class Directory {
 public:
  // `ns`: of objects that name no namespace; `only`: the namespace that is watched, empty: all; `all_names`: every file
  // counts, whatever it is called.
  explicit Directory(std::string root, std::string ns = "default", std::string only = "", bool all_names = false);

  static constexpr std::size_t kMaxObjects = 500'000;

  // What to look at, relative to the root.
  struct Touched {
    std::set<std::string> files;
    std::set<std::string> directories;  // with all below; "" is the root
    bool empty() const { return files.empty() && directories.empty(); }
  };

  // Looks at everything. Throws std::runtime_error when the root cannot be listed and nothing was ever read.
  ObjectChanges load();
  // Looks at what was touched. Files that seem to be in the middle of a change (unreadable, broken, empty or gone all
  // at once) are put into `doubtful` and left as they are, unless they are in `certain`.
  ObjectChanges look(const Touched& touched, const std::set<std::string>& certain, std::set<std::string>& doubtful);

  // What was handed out is served.
  void served();
  // What was handed out since then could not be served for want of memory. The next look() hands out everything once
  // more, but for the file that seems to have been too much: it stays as it was until it changes. Nothing of the disk
  // is read.
  void again();

  // Some files want to be looked at once more soon.
  bool unsettled() { return std::exchange(unsettled_, false); }

  std::vector<model::Entry> problems() const;
  // Real directories behind what was listed, for a watch on each: path relative to the root ("" is the root).
  const std::set<std::string>& directories() const { return tree_.directories; }
  const std::string& root() const { return root_; }
  std::size_t files() const { return files_.size(); }
  std::size_t objects() const { return known_.size(); }
  std::uint64_t reads() const { return reads_; }
  std::size_t unreadable() const;

 private:
  struct Known {
    ObjectPtr current;                      // as it was handed out
    std::vector<const std::string*> files;  // that have it, in order; keys of files_
    void hold(const std::string& path);
  };

  void list(const Touched& touched, std::set<std::string>& certainly, std::set<std::string>& perhaps);
  bool differs(const std::string& path, bool certain, std::set<std::string>& doubtful) const;
  void read(ManifestReading& reading);
  void give_up_largest_starved();
  void blame(std::deque<ManifestReading> readings);
  bool take(ManifestReading& reading, bool sure, std::set<std::string>& ids);
  void apply(const std::string& path, ManifestFile* next, std::set<std::string>& touched);
  void count(const ManifestFile& file, bool more);
  ObjectChanges settle(const std::set<std::string>& touched, bool problems_changed);
  bool watched(const Object& object) const;

  const std::string root_, ns_, only_;
  const bool all_names_;
  std::map<std::string, ManifestFile> files_;
  Tree tree_;                                            // as it was listed last; with an error, as it was before
  StringMap<Known> known_;                               // by identity
  std::set<std::string> duplicates_;                     // identities in more than one file
  std::map<std::string, StringMap<ObjectPtr>> changed_;  // files since the last served(): what they had before
  std::map<std::string, Signature> given_up_;            // files that there was no memory for
  std::set<std::string> all_again_;                      // identities that are to be handed out once more
  std::size_t aliased_ = 0, bytes_ = 0, told_ = 0;       // of all files
  bool problems_changed_ = false;
  std::set<std::string> starved_;  // files that this look had no memory for
  bool unsettled_ = false;
  bool blamed_ = false;  // a file was given up before it was taken
  std::uint64_t reads_ = 0;
};

}  // namespace sluice::control
