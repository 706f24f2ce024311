#include "control/source/files/directory.h"

#include <sys/stat.h>

#include <algorithm>
#include <ctime>
#include <stdexcept>

namespace sluice::control {

namespace {

constexpr std::size_t kBatchBytes = 64U << 20;  // of texts that are held at once
constexpr std::size_t kMaxAliased = 64U << 20;  // bytes that aliases of all files may add, beside kTimes the files

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

// Is it one of these, or below one?
bool lies_in(std::string directory, const std::set<std::string>& these) {
  for (;; directory = directory_of(directory)) {
    if (these.contains(directory)) return true;
    if (directory.empty()) return false;
  }
}

}  // namespace

Directory::Directory(std::string root, std::string ns, std::string only, bool all_names)
    : root_(std::move(root)), ns_(std::move(ns)), only_(std::move(only)), all_names_(all_names) {}

// As of a cluster: what is asked for by name may lie in another namespace.
bool Directory::watched(const Object& object) const {
  const KindRow& row = kKinds[object.index()];
  return only_.empty() || !row.namespaced || row.by_name || meta(object).ns == only_;
}

void Directory::count(const ManifestFile& file, bool more) {
  const auto to = [&](std::size_t& sum, std::size_t of) { sum = more ? sum + of : sum - of; };
  to(aliased_, file.aliased);
  to(bytes_, file.signature.size);
  to(told_, file.entries.size());
}

void Directory::Known::hold(const std::string& path) {
  files.insert(std::upper_bound(files.begin(), files.end(), &path, [](auto* a, auto* b) { return *a < *b; }), &path);
}

void Directory::apply(const std::string& path, ManifestFile* next, std::set<std::string>& touched) {
  auto it = files_.find(path);
  auto [former, first_change] = changed_.try_emplace(path);
  const auto now = [&](const std::string& id) -> const ObjectPtr* {
    if (!next) return nullptr;
    auto same = next->objects.find(id);
    return same == next->objects.end() ? nullptr : &same->second;
  };
  if (it != files_.end()) {
    count(it->second, false);
    for (auto& [id, object] : it->second.objects) {
      const ObjectPtr* stays = now(id);
      if (stays && *stays == object) continue;
      touched.insert(id);
      if (!stays) std::erase(known_[id].files, &it->first);
    }
  }
  if (next) {
    if (it == files_.end()) it = files_.try_emplace(path).first;
    for (auto& [id, object] : next->objects) {
      if (it->second.objects.contains(id)) continue;
      known_[id].hold(it->first);
      touched.insert(id);
    }
    count(*next, true);
    std::swap(it->second, *next);
    if (first_change) former->second = std::move(next->objects);
  } else if (it != files_.end()) {
    if (first_change) former->second = std::move(it->second.objects);
    files_.erase(it);
  }
}

ObjectChanges Directory::settle(const std::set<std::string>& touched, bool problems_changed) {
  ObjectChanges out;
  out.problems_changed = problems_changed;
  for (auto& id : touched) {
    const auto it = known_.find(id);
    if (it == known_.end()) continue;
    Known& known = it->second;
    const bool many = known.files.size() > 1;
    if (many ? duplicates_.insert(id).second : duplicates_.erase(id) > 0) out.problems_changed = true;
    if (known.files.empty()) {
      if (known.current && watched(*known.current)) out.erased.push_back(std::move(known.current));
      known_.erase(it);
      continue;
    }
    const auto& object = files_.at(*known.files.back()).objects.at(id);
    if (!watched(*object)) {
      // Nobody is told of it.
    } else if (!known.current)
      out.upserts.push_back(object);
    else if (known.current != object)
      (*known.current == *object ? out.moved : out.upserts).push_back(object);
    known.current = object;
  }
  return out;
}

ObjectChanges Directory::load() {
  std::set<std::string> doubtful;
  Touched all;
  all.directories.insert("");
  auto out = look(all, {"*"}, doubtful);
  if (!tree_.error.empty() && files_.empty()) throw std::runtime_error("cannot read the manifests: " + tree_.error);
  return out;
}

// Lists all directories anew. `certainly`: files to be read; `perhaps`: those whose signature tells.
void Directory::list(const Touched& touched, std::set<std::string>& certainly, std::set<std::string>& perhaps) {
  Tree now = walk(root_, all_names_);
  if (!now.error.empty()) {
    // The last good state stays.
    problems_changed_ = problems_changed_ || now.error != tree_.error;
    tree_.error = std::move(now.error);
    return;
  }
  problems_changed_ = problems_changed_ || !tree_.error.empty() || now.unlistable != tree_.unlistable ||
                      now.not_entered != tree_.not_entered || now.beyond != tree_.beyond;
  const std::set<std::string> before = std::exchange(tree_, std::move(now)).directories;
  // Directories that nothing was said about have their own events.
  const auto concerned = [&](const std::string& directory) {
    return !before.contains(directory) || !tree_.directories.contains(directory) ||
           lies_in(directory, touched.directories);
  };
  for (const auto& path : tree_.files)
    if (concerned(directory_of(path))) (files_.contains(path) ? perhaps : certainly).insert(path);
  for (const auto& [path, file] : files_) {
    const auto directory = directory_of(path);
    if (!tree_.files.contains(path) && concerned(directory) && !lies_in(directory, tree_.unlistable))
      certainly.insert(path);
  }
}

// Does the file differ from what was read? One that somebody may be writing to now is `doubtful`.
bool Directory::differs(const std::string& path, bool certain, std::set<std::string>& doubtful) const {
  const auto& known = files_.at(path).signature;
  const auto full = root_ + "/" + path;
  struct stat s{}, link{};
  if (::stat(full.c_str(), &s) != 0) return true;
  // Its own event tells when that is done, except behind a link, where a new file of a swapped volume may also have
  // taken over the inode number of an old one.
  const bool linked = ::lstat(full.c_str(), &link) == 0 && S_ISLNK(link.st_mode);
  if (!linked && known.inode == s.st_ino && ::time(nullptr) - s.st_mtim.tv_sec < 1 && !certain) {
    doubtful.insert(path);
    return false;
  }
  return known != Signature::of(s);
}

ObjectChanges Directory::look(const Touched& touched, const std::set<std::string>& certain,
                              std::set<std::string>& doubtful) {
  const bool all_certain = certain.contains("*");
  std::set<std::string> paths = touched.files, perhaps;
  if (!touched.directories.empty()) list(touched, paths, perhaps);
  // While the root is gone, so are all files; that says nothing about them.
  if (!tree_.error.empty()) {
    ObjectChanges out;
    out.problems_changed = std::exchange(problems_changed_, false);
    return out;
  }
  for (const auto& path : perhaps)
    if (differs(path, all_certain, doubtful)) paths.insert(path);

  std::set<std::string> ids = std::exchange(all_again_, {});
  for (auto at = paths.begin(); at != paths.end();) {
    std::deque<ManifestReading> readings;
    std::size_t bytes = 0, documents = 0;
    for (; at != paths.end() && bytes < kBatchBytes && documents < kMaxDocuments; ++at) {
      const auto slash = at->rfind('/');
      if (!all_names_ && !is_manifest(slash == std::string::npos ? *at : at->substr(slash + 1))) continue;
      const auto known = files_.find(*at);
      auto& reading = readings.emplace_back(*at, known == files_.end() ? nullptr : &known->second, ns_);
      read(reading);
      bytes += reading.bytes();
      documents += reading.documents();
    }
    reads_ += readings.size();
    try {
      ManifestReading::parse(readings);
      for (; !readings.empty(); readings.pop_front()) {
        auto& reading = readings.front();
        const bool sure = all_certain || certain.contains(reading.path());
        if (!take(reading, sure, ids)) doubtful.insert(reading.path());
      }
    } catch (const std::bad_alloc&) {
      blame(std::move(readings));
      throw;
    }
  }
  give_up_largest_starved();
  return settle(ids, std::exchange(problems_changed_, false));
}

// Those that were read beside one that is too much had no memory either: they get another try.
void Directory::give_up_largest_starved() {
  auto starved = std::exchange(starved_, {});
  // Of a look before, which ended halfway: it may be gone by now.
  std::erase_if(starved, [&](const auto& path) { return !files_.contains(path); });
  const auto size = [&](const std::string& path) { return files_.at(path).signature.size; };
  const auto most =
      std::max_element(starved.begin(), starved.end(), [&](const auto& a, const auto& b) { return size(a) < size(b); });
  if (most == starved.end()) return;
  given_up_[*most] = files_.at(*most).signature;
  for (const auto& path : starved)
    if (path != *most) files_.at(path).signature.changed = 0;  // no file has that
  unsettled_ = starved.size() > 1;
}

// There was no memory to take these: the largest of them is given up.
void Directory::blame(std::deque<ManifestReading> readings) {
  const auto largest =
      std::max_element(readings.begin(), readings.end(), [](auto& a, auto& b) { return a.bytes() < b.bytes(); });
  if (largest == readings.end() || largest->bytes() == 0) return;
  std::string path = largest->path();
  const Signature signature = largest->next.signature;
  readings.clear();
  given_up_[std::move(path)] = signature;
  blamed_ = true;
}

void Directory::read(ManifestReading& reading) {
  // What only a link leads to that is no longer the way to its directory is at another place now.
  const auto directory = directory_of(reading.path());
  if (!tree_.directories.contains(directory) && !lies_in(directory, tree_.unlistable)) return reading.vanish();
  reading.read(root_);
  const auto given = given_up_.find(reading.path());
  if (given == given_up_.end()) return;
  if (given->second == reading.next.signature)
    reading.starve();
  else
    given_up_.erase(given);
}

// False when the file may be in the middle of a change.
bool Directory::take(ManifestReading& reading, bool sure, std::set<std::string>& ids) {
  const ManifestFile* previous = reading.previous();
  if (reading.missing()) {
    if (!previous) return true;
    if (!sure) return false;
    problems_changed_ = problems_changed_ || !previous->entries.empty();
    apply(reading.path(), nullptr, ids);
    return true;
  }
  reading.finish();
  ManifestFile& next = reading.next;
  const bool emptied = previous && !previous->objects.empty() && next.objects.empty();
  if (!sure && (reading.torn() || next.unreadable || next.broken || next.refuses || emptied)) return false;
  // Each file may add some; all together may not add many times as much.
  const std::size_t aliased = aliased_ - (previous ? previous->aliased : 0) + next.aliased;
  if (aliased > kMaxAliased + AliasAllowance::kTimes * (bytes_ + next.signature.size))
    reading.refuse("aliases that add more than 4 times all files");
  const std::size_t objects = known_.size() - (previous ? std::min(previous->objects.size(), known_.size()) : 0);
  if (objects + next.objects.size() > kMaxObjects && next.objects.size() > (previous ? previous->objects.size() : 0))
    reading.refuse("more than " + std::to_string(kMaxObjects) + " objects in all files");
  const std::size_t told = told_ - (previous ? previous->entries.size() : 0);
  if (told + next.entries.size() > model::Report::kMost) next.entries.keep(1, 1);
  problems_changed_ = problems_changed_ || (previous ? previous->entries != next.entries : !next.entries.empty());
  const bool starved = reading.starved() && !given_up_.contains(reading.path());
  apply(reading.path(), &next, ids);
  if (starved) starved_.insert(reading.path());
  return true;
}

std::vector<model::Entry> Directory::problems() const {
  std::vector<model::Entry> out;
  if (!tree_.error.empty())
    out.push_back(
        {{"File", "", root_, {}},
         {model::Severity::error, "Unreadable", "", tree_.error, "a directory", "everything stays as it was"}});
  if (!tree_.beyond.empty())
    out.push_back({{"File", "", root_, {}},
                   {model::Severity::error, "TooMany", "", "", "at most " + tree_.beyond, "the others are not read"}});
  for (auto& d : tree_.unlistable)
    out.push_back({{"File", "", d, {d, 0}},
                   {model::Severity::error, "Unreadable", "", "", "a directory that can be listed",
                    "objects known from it stay as they were"}});
  for (auto& d : tree_.not_entered)
    out.push_back({{"File", "", d, {d, 0}},
                   {model::Severity::warning, "NotFollowed", "", "",
                    "a directory of files, and none that holds this one", "it is not looked into"}});
  for (auto& [path, file] : files_) file.entries.append_to(out);
  for (auto& id : duplicates_) {
    if (out.size() > model::Report::kMost) break;
    auto& holders = known_.find(id)->second.files;
    for (auto* path : holders) {
      if (path == holders.back()) continue;
      auto& object = *files_.at(*path).objects.at(id);
      out.push_back({reference(object),
                     {model::Severity::warning, "DuplicateObject", "metadata.name", meta(object).name,
                      "one object of this name", "the one of " + *holders.back() + " counts"}});
    }
  }
  if (only_.empty()) return out;
  std::erase_if(out, [&](const model::Entry& e) {
    const KindRow* row = kind_of(e.object.kind.view());
    return !e.object.ns.empty() && e.object.ns.view() != only_ && !(row && row->by_name);
  });
  return out;
}

std::size_t Directory::unreadable() const {
  std::size_t n = tree_.error.empty() ? 0 : 1;
  for (auto& [path, file] : files_) n += file.unreadable || file.broken;
  return n;
}

void Directory::served() {
  changed_.clear();
}

void Directory::again() {
  // What is too much is what came last, and of that, most likely, the largest.
  const auto larger = [&](const std::string& a, const std::string& b) {
    return files_.at(a).signature.size < files_.at(b).signature.size;
  };
  std::vector<std::string> candidates;
  const bool known = std::exchange(blamed_, false);
  for (const auto& [path, before] : changed_)
    if (const auto it = files_.find(path);
        !known && it != files_.end() && !it->second.objects.empty() && !given_up_.contains(path))
      candidates.push_back(path);
  if (const auto most = std::max_element(candidates.begin(), candidates.end(), larger); most != candidates.end()) {
    given_up_[*most] = files_.at(*most).signature;
    ManifestFile before;
    before.objects = changed_.at(*most);
    ManifestReading refused(*most, &before, ns_);
    refused.next.signature = files_.at(*most).signature;
    refused.starve();
    refused.finish();
    files_.at(*most) = std::move(refused.next);
  }
  aliased_ = bytes_ = told_ = 0;
  known_.clear();
  duplicates_.clear();
  all_again_.clear();
  for (const auto& [path, file] : files_) {
    count(file, true);
    for (const auto& [id, object] : file.objects) {
      known_[id].hold(path);
      all_again_.insert(id);
    }
  }
  problems_changed_ = true;
}

}  // namespace sluice::control
