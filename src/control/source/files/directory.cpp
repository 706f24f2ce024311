#include "control/source/files/directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <thread>

namespace sluice::control {

namespace {

constexpr int kMaxTreeDepth = 32;
constexpr std::size_t kMaxFiles = 200'000;
constexpr std::size_t kInlineBytes = 256 * 1024;  // less is parsed on the calling thread

bool is_json(std::string_view path) {
  return path.ends_with(".json");
}
bool wanted(std::string_view name) {
  return !name.starts_with('.') && (name.ends_with(".yaml") || name.ends_with(".yml") || is_json(name));
}

struct Chunk {
  std::string_view text;
  int line;
};

// A line `---` ends a document wherever it stands (YAML 1.2 section 9.1.2), so documents are parsed apart: one broken
// document leaves its neighbours alone.
std::vector<Chunk> documents(std::string_view text) {
  std::vector<Chunk> out;
  auto blank = [](std::string_view s) {
    while (!s.empty()) {
      auto end = std::min(s.find('\n'), s.size() - 1) + 1;
      auto line = trim(s.substr(0, end));
      while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
      if (!line.empty() && line.front() != '#' && line.front() != '%' && line != "---" && line != "...") return false;
      s.remove_prefix(end);
    }
    return true;
  };
  std::size_t start = 0;
  int line = 1, start_line = 1;
  auto cut = [&](std::size_t end) {
    auto piece = text.substr(start, end - start);
    if (!blank(piece)) out.push_back({piece, start_line});
  };
  for (std::size_t at = 0; at < text.size(); ++line) {
    auto end = std::min(text.find('\n', at), text.size() - 1) + 1;
    auto here = text.substr(at, end - at);
    if (at > start && here.starts_with("---") &&
        (here.size() == 3 || here[3] == '\n' || here[3] == '\r' || here[3] == ' ' || here[3] == '\t')) {
      cut(at);
      start = at;
      start_line = line;
    }
    at = end;
  }
  cut(text.size());
  return out;
}

}  // namespace

// One file on its way from disk into files_.
struct Directory::Reading {
  std::string path;
  const File* previous = nullptr;
  bool missing = false;
  bool torn = false;  // changed while it was read
  std::string error;
  std::string content;
  std::vector<std::pair<std::size_t, Chunk>> to_parse;  // index of the part, its text
  File next;
};

Directory::Directory(std::string root) : root_(std::move(root)) {}

bool Directory::list(const std::string& relative, int depth,
                     std::vector<std::pair<std::uint64_t, std::uint64_t>>& above, std::set<std::string>& files) {
  auto full = relative.empty() ? root_ : root_ + "/" + relative;
  int fd = ::open(full.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    list_error_ = full + ": " + std::strerror(errno);
    if (errno != ENOENT && errno != ENOTDIR && !relative.empty()) unlistable_.insert(relative);
    return false;
  }
  struct stat st{};
  ::fstat(fd, &st);
  std::pair<std::uint64_t, std::uint64_t> self{st.st_dev, st.st_ino};
  DIR* dir = ::fdopendir(fd);
  if (!dir || std::find(above.begin(), above.end(), self) != above.end() || depth > kMaxTreeDepth) {
    if (dir)
      ::closedir(dir);
    else
      ::close(fd);
    return true;  // a link that leads back up
  }
  directories_.insert(relative);
  above.push_back(self);
  while (dirent* e = ::readdir(dir)) {
    std::string name = e->d_name;
    if (name.starts_with('.')) continue;
    auto path = relative.empty() ? name : relative + "/" + name;
    bool directory = e->d_type == DT_DIR;
    if (e->d_type == DT_LNK || e->d_type == DT_UNKNOWN)
      directory = ::fstatat(fd, name.c_str(), &st, 0) == 0 && S_ISDIR(st.st_mode);
    if (directory)
      list(path, depth + 1, above, files);
    else if (wanted(name) && files.size() < kMaxFiles)
      files.insert(path);
  }
  above.pop_back();
  ::closedir(dir);
  return true;
}

void Directory::read(Reading& r) const {
  auto full = root_ + "/" + r.path;
  int fd = ::open(full.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    r.missing = errno == ENOENT || errno == ENOTDIR;
    r.error = std::strerror(errno);
    return;
  }
  struct stat before{}, after{};
  auto signature = [](const struct stat& s) {
    return Signature{s.st_dev, s.st_ino, static_cast<std::uint64_t>(s.st_size),
                     s.st_mtim.tv_sec * 1'000'000'000LL + s.st_mtim.tv_nsec,
                     s.st_ctim.tv_sec * 1'000'000'000LL + s.st_ctim.tv_nsec};
  };
  ::fstat(fd, &before);
  r.next.signature = signature(before);
  if (!S_ISREG(before.st_mode))
    r.error = "not a regular file";
  else if (before.st_size > static_cast<off_t>(kMaxFileBytes))
    r.error = "larger than 64 MiB";
  else {
    r.content.resize(static_cast<std::size_t>(before.st_size));
    std::size_t have = 0;
    while (have < r.content.size()) {
      auto n = ::read(fd, r.content.data() + have, r.content.size() - have);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) r.error = std::strerror(errno);
      if (n <= 0) break;
      have += static_cast<std::size_t>(n);
    }
    r.content.resize(have);
    ::fstat(fd, &after);
    r.torn = signature(after) != r.next.signature || have != static_cast<std::size_t>(before.st_size);
  }
  ::close(fd);
  if (!r.error.empty()) return;

  auto chunks = is_json(r.path) ? std::vector<Chunk>{} : documents(r.content);
  if (is_json(r.path) && r.content.find_first_not_of(" \t\r\n") != std::string::npos) chunks.push_back({r.content, 1});
  std::unordered_multimap<std::uint64_t, const Part*> known;
  if (r.previous)
    for (auto& p : r.previous->parts) known.emplace(p.hash, &p);
  r.next.parts.resize(chunks.size());
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    auto& part = r.next.parts[i];
    part.hash = std::hash<std::string_view>{}(chunks[i].text);
    part.size = chunks[i].text.size();
    part.line = chunks[i].line;
    auto it = known.find(part.hash);
    if (it == known.end() || it->second->size != part.size || it->second->broken) {
      r.to_parse.emplace_back(i, chunks[i]);
      continue;
    }
    // Unchanged text: the same objects, perhaps further down.
    part.decoded = it->second->decoded;
    part.shift = part.line - it->second->line;
    known.erase(it);
  }
}

// Parses all parts of all readings; with threads when there is enough of it.
void Directory::parse(std::vector<Reading>& readings) const {
  struct Task {
    Reading* reading;
    Part* part;
    Chunk chunk;
  };
  std::vector<Task> tasks;
  std::size_t bytes = 0;
  for (auto& r : readings)
    for (auto& [index, chunk] : r.to_parse) {
      tasks.push_back({&r, &r.next.parts[index], chunk});
      bytes += chunk.text.size();
    }
  auto run = [](const Task& t) {
    try {
      auto first = t.chunk.text.find_first_not_of(" \t\r\n");
      bool json = is_json(t.reading->path);
      if (!json && first != std::string_view::npos && t.chunk.text[first] == '{') {
        // Flow style that is JSON, as most of it is, reads faster by the JSON reader.
        try {
          decode(*parse_json(t.chunk.text, t.chunk.line), t.reading->path, t.part->decoded);
          return;
        } catch (const SyntaxError&) {
          t.part->decoded = {};
        }
      }
      if (json) {
        decode(*parse_json(t.chunk.text, t.chunk.line), t.reading->path, t.part->decoded);
      } else {
        for (auto& doc : parse_yaml(t.chunk.text, t.chunk.line)) decode(*doc, t.reading->path, t.part->decoded);
      }
    } catch (const std::exception& e) {
      auto* at = dynamic_cast<const SyntaxError*>(&e);
      t.part->broken = true;
      t.part->decoded = {};
      model::ObjectRef ref{"File", "", t.reading->path, {t.reading->path, at ? at->line : t.chunk.line}};
      auto where =
          at ? "line " + std::to_string(at->line) + (at->column > 0 ? ", column " + std::to_string(at->column) : "")
             : "";
      t.part->decoded.entries.push_back(
          {ref,
           {model::Severity::error, is_json(t.reading->path) ? "InvalidJson" : "InvalidYaml", where,
            std::string(e.what()).substr(0, 120), is_json(t.reading->path) ? "a JSON document" : "a YAML document",
            "the document is skipped; objects known from this file stay as they were"}});
    }
  };
  auto threads = std::min<std::size_t>({std::max(1U, std::thread::hardware_concurrency()), 8, tasks.size()});
  if (bytes < kInlineBytes || threads < 2) {
    for (auto& t : tasks) run(t);
    return;
  }
  std::atomic<std::size_t> next{0};
  auto work = [&] {
    for (std::size_t i; (i = next.fetch_add(1)) < tasks.size();) run(tasks[i]);
  };
  std::vector<std::jthread> others;
  for (std::size_t i = 1; i < threads; ++i) others.emplace_back(work);
  work();
}

// Gives each object its place, and keeps what must be kept of the previous form.
void Directory::finish(Reading& r) const {
  auto& next = r.next;
  if (!r.error.empty()) {
    next.unreadable = true;
    if (r.previous) next.objects = r.previous->objects;
    model::ObjectRef ref{"File", "", r.path, {r.path, 0}};
    next.entries.push_back({ref,
                            {model::Severity::error, "Unreadable", "", r.error, "a readable file of at most 64 MiB",
                             "objects known from it stay as they were"}});
    return;
  }
  std::set<std::string> refused;
  std::uint64_t index = 0;
  for (auto& part : next.parts) {
    next.broken = next.broken || part.broken;
    int shift = std::exchange(part.shift, 0);
    auto base = index++ << 24;
    for (auto& object : part.decoded.objects) {
      auto position = base | (meta(*object).position & 0xffffff);
      if (shift != 0 || meta(*object).position != position) {
        Object copy = *object;
        std::visit(
            [&](auto& o) {
              o.meta.origin.line += shift;
              o.meta.position = position;
            },
            copy);
        object = std::make_shared<const Object>(std::move(copy));
      }
      auto id = identity(*object);
      auto [it, added] = next.objects.try_emplace(id, object);
      if (!added) {
        next.entries.push_back({reference(*it->second),
                                {model::Severity::warning, "DuplicateObject", "metadata.name", meta(*object).name,
                                 "one object of this name",
                                 "the later one counts, at line " + std::to_string(meta(*object).origin.line)}});
        it->second = object;
      }
    }
    for (auto& e : part.decoded.entries) {
      e.object.origin.line += shift;
      next.entries.push_back(e);
    }
    refused.insert(part.decoded.refused.begin(), part.decoded.refused.end());
  }
  next.refuses = !refused.empty();
  if (!r.previous) return;
  for (auto& [id, object] : r.previous->objects)
    if (!next.objects.contains(id) && (next.broken || refused.contains(id))) next.objects.emplace(id, object);
}

void Directory::apply(const std::string& path, File* next, std::set<std::string>& touched) {
  auto it = files_.find(path);
  if (it != files_.end()) {
    for (auto& [id, object] : it->second.objects) {
      if (next) {
        auto same = next->objects.find(id);
        if (same != next->objects.end() && same->second == object) continue;
      }
      touched.insert(id);
      if (auto h = holders_.find(id); h != holders_.end() && h->second.erase(path) && h->second.empty())
        holders_.erase(h);
    }
  }
  if (!next) {
    if (it != files_.end()) files_.erase(it);
    return;
  }
  for (auto& [id, object] : next->objects)
    if (holders_[id].insert(path).second) touched.insert(id);
  if (it != files_.end())
    it->second = std::move(*next);
  else
    files_.emplace(path, std::move(*next));
}

ObjectChanges Directory::settle(const std::set<std::string>& touched, bool problems_changed) {
  ObjectChanges out;
  out.problems_changed = problems_changed;
  for (auto& id : touched) {
    auto h = holders_.find(id);
    auto had = current_.find(id);
    if (h == holders_.end()) {
      if (duplicates_.erase(id)) out.problems_changed = true;
      if (had == current_.end()) continue;
      out.erased.push_back(had->second);
      current_.erase(had);
      continue;
    }
    bool many = h->second.size() > 1;
    if (many ? duplicates_.insert(id).second : duplicates_.erase(id) > 0) out.problems_changed = true;
    const auto& object = files_.at(*h->second.rbegin()).objects.at(id);
    if (had == current_.end()) {
      out.upserts.push_back(object);
      current_.emplace(id, object);
    } else if (had->second != object) {
      (*had->second == *object ? out.moved : out.upserts).push_back(object);
      had->second = object;
    }
  }
  return out;
}

ObjectChanges Directory::load() {
  std::set<std::string> doubtful;
  Touched all;
  all.directories.insert("");
  auto out = look(all, {"*"}, doubtful);
  if (!root_error_.empty() && files_.empty()) throw std::runtime_error("cannot read the manifests: " + root_error_);
  return out;
}

ObjectChanges Directory::look(const Touched& touched, const std::set<std::string>& certain,
                              std::set<std::string>& doubtful) {
  bool all_certain = certain.contains("*");
  bool problems = false;
  std::set<std::string> paths = touched.files;
  std::set<std::string> maybe;  // read only when their signature differs
  for (auto& relative : touched.directories) {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> above;
    std::set<std::string> found;
    auto prefix = relative.empty() ? "" : relative + "/";
    auto known_directories = directories_;
    std::erase_if(directories_,
                  [&](const std::string& d) { return relative.empty() || d == relative || d.starts_with(prefix); });
    auto unlistable_before = unlistable_;
    std::erase_if(unlistable_,
                  [&](const std::string& d) { return relative.empty() || d == relative || d.starts_with(prefix); });
    bool listed = list(relative, 0, above, found);
    if (relative.empty()) {
      auto error = listed ? std::string() : list_error_;
      problems = problems || error != root_error_;
      root_error_ = error;
      if (!listed) {
        directories_ = known_directories;
        continue;  // the last good state stays
      }
    }
    problems = problems || unlistable_ != unlistable_before;
    auto unlistable = [&](const std::string& path) {
      return std::any_of(unlistable_.begin(), unlistable_.end(), [&](auto& d) { return path.starts_with(d + "/"); });
    };
    maybe.insert(found.begin(), found.end());
    for (auto it = files_.lower_bound(prefix); it != files_.end() && it->first.starts_with(prefix); ++it)
      if (!found.contains(it->first) && !unlistable(it->first)) paths.insert(it->first);
  }
  for (auto& path : maybe) {
    auto it = files_.find(path);
    if (it == files_.end()) {
      paths.insert(path);
      continue;
    }
    struct stat s{};
    bool there = ::stat((root_ + "/" + path).c_str(), &s) == 0;
    // Somebody may be writing to it now. Its own event tells when that is done, except behind a link, where a new file
    // of a swapped volume may also have taken over the inode number of an old one.
    struct stat link{};
    const bool linked = ::lstat((root_ + "/" + path).c_str(), &link) == 0 && S_ISLNK(link.st_mode);
    if (there && !linked && it->second.signature.inode == s.st_ino && ::time(nullptr) - s.st_mtim.tv_sec < 1 &&
        !all_certain) {
      doubtful.insert(path);
      continue;
    }
    if (!there || it->second.signature != Signature{s.st_dev, s.st_ino, static_cast<std::uint64_t>(s.st_size),
                                                    s.st_mtim.tv_sec * 1'000'000'000LL + s.st_mtim.tv_nsec,
                                                    s.st_ctim.tv_sec * 1'000'000'000LL + s.st_ctim.tv_nsec})
      paths.insert(path);
  }
  // While the root is gone, so are all files; that says nothing about them.
  if (!root_error_.empty()) {
    ObjectChanges out;
    out.problems_changed = problems;
    return out;
  }

  std::vector<Reading> readings;
  for (auto& path : paths) {
    auto slash = path.rfind('/');
    if (!wanted(slash == std::string::npos ? path : path.substr(slash + 1))) continue;
    Reading r;
    r.path = path;
    if (auto it = files_.find(path); it != files_.end()) r.previous = &it->second;
    readings.push_back(std::move(r));
  }
  for (auto& r : readings) read(r);
  reads_ += readings.size();
  parse(readings);

  std::set<std::string> ids;
  for (auto& r : readings) {
    bool sure = all_certain || certain.contains(r.path);
    if (r.missing) {
      if (!r.previous) continue;
      if (!sure) {
        doubtful.insert(r.path);
        continue;
      }
      problems = problems || !r.previous->entries.empty();
      apply(r.path, nullptr, ids);
      continue;
    }
    finish(r);
    bool emptied = r.previous && !r.previous->objects.empty() && r.next.objects.empty();
    if (!sure && (r.torn || r.next.unreadable || r.next.broken || r.next.refuses || emptied)) {
      doubtful.insert(r.path);
      continue;
    }
    problems = problems || (r.previous ? r.previous->entries != r.next.entries : !r.next.entries.empty());
    apply(r.path, &r.next, ids);
  }
  return settle(ids, problems);
}

std::vector<model::Entry> Directory::problems() const {
  std::vector<model::Entry> out;
  if (!root_error_.empty())
    out.push_back(
        {{"File", "", root_, {}},
         {model::Severity::error, "Unreadable", "", root_error_, "a directory", "everything stays as it was"}});
  for (auto& d : unlistable_)
    out.push_back({{"File", "", d, {d, 0}},
                   {model::Severity::error, "Unreadable", "", "", "a directory that can be listed",
                    "objects known from it stay as they were"}});
  for (auto& [path, file] : files_) out.insert(out.end(), file.entries.begin(), file.entries.end());
  for (auto& id : duplicates_) {
    auto& holders = holders_.find(id)->second;
    for (auto& path : holders) {
      if (path == *holders.rbegin()) continue;
      auto& object = *files_.at(path).objects.at(id);
      out.push_back({reference(object),
                     {model::Severity::warning, "DuplicateObject", "metadata.name", meta(object).name,
                      "one object of this name", "the one of " + *holders.rbegin() + " counts"}});
    }
  }
  return out;
}

std::size_t Directory::unreadable() const {
  std::size_t n = root_error_.empty() ? 0 : 1;
  for (auto& [path, file] : files_) n += file.unreadable || file.broken;
  return n;
}

}  // namespace sluice::control
