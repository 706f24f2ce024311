#pragma once
#include <atomic>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "control/source/decode.h"
#include "control/source/files/signature.h"
#include "control/source/object.h"

// One file of manifests: how it is read, taken apart and parsed, and what of its former form stays.
namespace sluice::control {

struct ManifestFile {
  // A document of a YAML file, or a whole JSON file.
  struct Part {
    std::uint64_t hash = 0;
    std::size_t size = 0;
    std::size_t aliased = 0;  // bytes that its aliases add
    int line = 1;
    int shift = 0;  // lines that the text moved since it was decoded; applied by finish()
    Decoded decoded;
    bool broken = false;
  };
  Signature signature;
  std::vector<Part> parts;       // that need not be parsed again
  StringMap<ObjectPtr> objects;  // by identity; with those kept from before
  model::Entries entries;
  std::size_t aliased = 0;  // of all parts
  bool unreadable = false;
  bool broken = false;   // a document that does not parse
  bool refuses = false;  // an object of a bad shape
};

// A file on its way from disk. read(), parse() and finish() in this order; the first and the last on one thread.
class ManifestReading {
 public:
  // `previous`: as it was known, or null. `ns`: of objects that name none. Both must outlive this.
  ManifestReading(std::string path, const ManifestFile* previous, const std::string& ns)
      : path_(std::move(path)), ns_(ns), previous_(previous) {}

  // The text, and its documents: those that are known already are not parsed again.
  void read(const std::string& root);
  // Parses what is to be parsed, with threads when there is enough of it.
  static void parse(std::deque<ManifestReading>& readings);
  // Gives each object its place, and keeps what must be kept of the former form.
  void finish();
  // In place of read(): it is not there.
  void vanish() noexcept { missing_ = true; }
  // It is not taken, its former form stays: before finish(), for want of memory; after it, for that reason.
  void starve() noexcept { starved_ = true; }
  void refuse(std::string why);

  const std::string& path() const noexcept { return path_; }
  const ManifestFile* previous() const noexcept { return previous_; }
  std::size_t bytes() const noexcept { return content_.size(); }
  std::size_t documents() const noexcept { return next.parts.size(); }
  bool missing() const noexcept { return missing_; }
  bool torn() const noexcept { return torn_; }        // changed while it was read
  bool starved() const noexcept { return starved_; }  // there was no memory for it
  ManifestFile next;                                  // what comes of it

 private:
  struct Chunk {
    std::string_view text;
    int line;
    std::size_t part;
  };
  bool split();  // false: more documents than are taken
  // `tree`: memory for the tree of it, which nobody else uses meanwhile.
  void take(const Chunk& chunk, std::span<std::byte> tree) noexcept;
  void parse_into(const Chunk& chunk, ManifestFile::Part& part, std::span<std::byte> tree) const;
  void limit(ManifestFile::Part& part);
  void count(const model::Entries& entries);
  void collect();
  void keep_former(const char* reason, std::string why, std::string expected);

  std::string path_;
  const std::string& ns_;
  const ManifestFile* previous_;
  bool missing_ = false, torn_ = false;
  std::string error_;
  std::string content_;
  std::vector<Chunk> to_parse_;
  std::size_t told_ = 0;                 // problems that are kept,
  std::size_t told_others_ = 0;          // and objects of other kinds
  std::atomic<std::size_t> aliased_{0};  // of the documents that are parsed
  std::atomic<bool> starved_{false};     // there was no memory for it
};

}  // namespace sluice::control
