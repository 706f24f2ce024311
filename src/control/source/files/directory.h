#pragma once
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/strings.h"
#include "control/source/decode.h"
#include "control/source/object.h"

namespace sluice::control {

// The objects of every .yaml, .yml and .json file under a directory. Names that begin with '.' are not looked at, links
// are followed (so a mounted volume's `file -> ..data/file` is read once). What cannot be read keeps its last good
// form. Of two objects with the same identity the later one counts, in the order of paths and then of documents, as
// with `kubectl apply`.
class Directory {
 public:
  explicit Directory(std::string root);

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

  std::vector<model::Entry> problems() const;
  // Real directories behind what was listed, for a watch on each: path relative to the root ("" is the root).
  const std::set<std::string>& directories() const { return directories_; }
  const std::string& root() const { return root_; }
  std::size_t files() const { return files_.size(); }
  std::size_t objects() const { return current_.size(); }
  std::uint64_t reads() const { return reads_; }
  std::size_t unreadable() const;

 private:
  struct Signature {
    std::uint64_t device = 0, inode = 0, size = 0;
    std::int64_t modified = 0, changed = 0;
    bool operator==(const Signature&) const = default;
  };
  // A document of a YAML file, or a whole JSON file.
  struct Part {
    std::uint64_t hash = 0;
    std::size_t size = 0;
    int line = 1;
    int shift = 0;  // lines that the text moved since it was decoded; applied by finish()
    Decoded decoded;
    bool broken = false;
  };
  struct File {
    Signature signature;
    std::vector<Part> parts;
    StringMap<ObjectPtr> objects;  // by identity; with those kept from before
    std::vector<model::Entry> entries;
    bool unreadable = false;
    bool broken = false;   // a document that does not parse
    bool refuses = false;  // an object of a bad shape
  };
  struct Reading;

  bool list(const std::string& relative, int depth, std::vector<std::pair<std::uint64_t, std::uint64_t>>& above,
            std::set<std::string>& files);
  void read(Reading& r) const;
  void parse(std::vector<Reading>& readings) const;
  void finish(Reading& r) const;
  void apply(const std::string& path, File* next, std::set<std::string>& touched);
  ObjectChanges settle(const std::set<std::string>& touched, bool problems_changed);

  std::string root_;
  std::map<std::string, File> files_;
  std::set<std::string> directories_;
  StringMap<std::set<std::string>> holders_;  // identity → files
  StringMap<ObjectPtr> current_;
  std::set<std::string> duplicates_;  // identities in more than one file
  std::string root_error_;
  std::string list_error_;
  std::set<std::string> unlistable_;  // directories that exist but cannot be listed: what is known of them stays
  std::uint64_t reads_ = 0;
};

}  // namespace sluice::control
