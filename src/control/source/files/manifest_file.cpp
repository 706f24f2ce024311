#include "control/source/files/manifest_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <set>
#include <system_error>
#include <thread>
#include <unordered_map>

#include "base/descriptor.h"
#include "base/page_memory.h"
#include "base/release.h"
#include "base/reserve.h"
#include "control/source/files/encoding.h"
#include "control/source/files/tree.h"

namespace sluice::control {

namespace {

constexpr std::size_t kInlineBytes = 256 * 1024;  // less is parsed on the calling thread
constexpr std::size_t kWave = 4096;               // documents that are parsed before their problems are counted
constexpr std::size_t kWorthKeeping = 64;         // bytes of a document that holds no object
constexpr std::size_t kTree = 1U << 20;           // bytes of the tree of a file, which most have room in

constexpr std::string_view kSpace = " \t\r\n";

// Nothing but comments, directives and marks.
bool blank(std::string_view s) {
  while (!s.empty()) {
    auto end = std::min(s.find('\n'), s.size() - 1) + 1;
    auto line = trim(s.substr(0, end));
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
    if (!line.empty() && line.front() != '#' && line.front() != '%' && line != "---" && line != "...") return false;
    s.remove_prefix(end);
  }
  return true;
}

// Size of the white space, as Go has it (unicode.IsSpace), that the text begins with; 0: none.
std::size_t space(std::string_view s) {
  if (s.empty()) return 0;
  if (s[0] == ' ' || (s[0] >= '\t' && s[0] <= '\r')) return 1;
  for (const std::string_view one :
       {"\xc2\x85", "\u00a0", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006", "\u2007",
        "\u2008", "\u2009", "\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000"})
    if (s.starts_with(one)) return one.size();
  return 0;
}

// What kubectl cuts documents at (apimachinery, util/yaml): a line --- with nothing behind it but space and a comment,
// which need not be set apart from it. It is no part of any of them.
bool separates(std::string_view line) {
  if (!line.starts_with("---")) return false;
  line.remove_prefix(3);
  while (const auto size = space(line)) line.remove_prefix(size);
  return line.empty() || line[0] == '#';
}

// What begins one for YAML alone, with its first words behind it.
bool begins_document(std::string_view line) {
  return line.starts_with("---") &&
         (line.size() == 3 || line[3] == '\n' || line[3] == '\r' || line[3] == ' ' || line[3] == '\t');
}

// Where the string of JSON ends that begins with the quote at `begin`: its last quote; npos: nowhere. Most of a
// manifest are strings.
std::size_t end_of_string(std::string_view text, std::size_t begin) {
  for (auto quote = text.find('"', begin + 1); quote != std::string_view::npos; quote = text.find('"', quote + 1)) {
    std::size_t first = quote;
    while (text[first - 1] == '\\') --first;
    if ((quote - first) % 2 == 0) return quote;
  }
  return std::string_view::npos;
}

// The size of the map in braces that the text begins with, if braces and quotes are those of JSON; 0: they are not.
std::size_t braced(std::string_view text) {
  std::size_t depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') {
      i = end_of_string(text, i);
      if (i == std::string_view::npos) return 0;
    } else if (c == '{') {
      ++depth;
    } else if (c == '}' && --depth == 0) {
      return i + 1;
    }
  }
  return 0;
}

// May a value of JSON stand behind another? Then a brace is opened right behind one that is closed: few texts have that
// anywhere, and most need not be gone through byte by byte.
bool may_have_several(std::string_view text) {
  for (auto at = text.find('{'); at != std::string_view::npos; at = text.find('{', at + 1)) {
    const auto before = text.substr(0, at).find_last_not_of(kSpace);
    if (before != std::string_view::npos && text[before] == '}') return true;
  }
  return false;
}

// Calls `each(text, line)` for every document. A line `---` ends a document wherever it stands (YAML 1.2 section
// 9.1.2, and kubectl), so documents are parsed apart: one broken document leaves its neighbours alone. JSON values may
// stand behind each other without a mark.
template <class F>
void each_document(std::string_view text, F&& each) {
  std::size_t start = 0;
  int line = 1, start_line = 1;
  auto cut = [&](std::size_t end) {
    auto piece = text.substr(start, end - start);
    int at_line = start_line;
    for (;;) {
      const auto first = piece.find_first_not_of(kSpace);
      if (first == std::string_view::npos || piece[first] != '{' || !may_have_several(piece)) break;
      const auto size = braced(piece.substr(first));
      const auto next = size == 0 ? std::string_view::npos : piece.find_first_not_of(kSpace, first + size);
      if (next == std::string_view::npos || piece[next] != '{') break;
      each(piece.substr(0, next), at_line);
      at_line += static_cast<int>(std::count(piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(next), '\n'));
      piece.remove_prefix(next);
    }
    if (!blank(piece)) each(piece, at_line);
  };
  for (std::size_t at = 0; at < text.size(); ++line) {
    auto end = std::min(text.find('\n', at), text.size() - 1) + 1;
    if (const auto one = text.substr(at, end - at); separates(one)) {
      cut(at);
      start = end;
      start_line = line + 1;
    } else if (at > start && begins_document(one)) {
      cut(at);
      start = at;
      start_line = line;
    }
    at = end;
  }
  cut(text.size());
}

// As much of the file as it had when it was opened; or why not.
std::string slurp(int fd, std::size_t size, std::string& out) {
  out.resize(size);
  std::size_t have = 0;
  std::string error;
  while (have < size) {
    auto n = ::read(fd, out.data() + have, size - have);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) error = std::strerror(errno);
    if (n <= 0) break;
    have += static_cast<std::size_t>(n);
  }
  out.resize(have);
  return error;
}

}  // namespace

void ManifestReading::read(const std::string& root) {
  auto full = root + "/" + path_;
  const Descriptor fd(::open(full.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) {
    missing_ = errno == ENOENT || errno == ENOTDIR;
    error_ = std::strerror(errno);
    return;
  }
  struct stat before{}, after{};
  bool whole = true;
  ::fstat(fd.get(), &before);
  next.signature = Signature::of(before);
  try {
    if (!S_ISREG(before.st_mode))
      error_ = "not a regular file";
    else if (before.st_size > static_cast<off_t>(kMaxFileBytes))
      error_ = "larger than 64 MiB";
    else
      error_ = slurp(fd.get(), static_cast<std::size_t>(before.st_size), content_);
    whole = content_.size() == static_cast<std::size_t>(before.st_size);
    if (error_.empty())
      if (const auto other = to_utf8(content_); !other.empty()) error_ = other;
    if (error_.empty() && !split()) error_ = "more than " + std::to_string(kMaxDocuments) + " documents";
  } catch (const std::bad_alloc&) {
    starved_ = true;
  }
  ::fstat(fd.get(), &after);
  torn_ = Signature::of(after) != next.signature || !whole;
}

bool ManifestReading::split() {
  std::unordered_multimap<std::uint64_t, const ManifestFile::Part*> known;
  if (previous_)
    for (auto& p : previous_->parts) known.emplace(p.hash, &p);
  std::vector<std::pair<std::string_view, int>> documents;
  bool too_many = false;
  each_document(content_, [&](std::string_view text, int line) {
    if (documents.size() < kMaxDocuments)
      documents.emplace_back(text, line);
    else
      too_many = true;
  });
  if (too_many) return false;
  next.parts.reserve(documents.size());
  for (const auto& [text, line] : documents) {
    auto& part = next.parts.emplace_back();
    part.hash = std::hash<std::string_view>{}(text);
    part.size = text.size();
    part.line = line;
    auto it = known.find(part.hash);
    if (it == known.end() || it->second->size != part.size) {
      to_parse_.push_back({text, line, next.parts.size() - 1});
      continue;
    }
    // Unchanged text: the same objects, perhaps further down.
    part.decoded = it->second->decoded;
    part.shift = part.line - it->second->line;
    part.aliased = it->second->aliased;
    aliased_ += part.aliased;
    count(part.decoded.entries);
    known.erase(it);
  }
  return true;
}

// What kubectl takes, whatever the file is called. Flow style that is JSON, as most of it is, reads faster by the JSON
// reader, behind comments too; and in a file of JSON that one's complaint is the better one.
void ManifestReading::parse_into(const Chunk& chunk, ManifestFile::Part& part, std::span<std::byte> tree) const {
  const auto before = before_value(chunk.text);
  const auto value = chunk.text.substr(before);
  std::optional<SyntaxError> no_json;
  if (is_json(path_) || value.starts_with('{')) {
    try {
      const auto lines = std::ranges::count(chunk.text.substr(0, before), '\n');
      decode(*parse_json(value, chunk.line + static_cast<int>(lines), kTreeTimes, tree), path_, part.decoded, ns_);
      return;
    } catch (const TooMuch&) {
      throw;
    } catch (const SyntaxError& e) {
      if (is_json(path_)) no_json = e;
      part.decoded = {};
    }
  }
  AliasAllowance aliases(content_.size());
  bool map = false;
  try {
    parse_yaml(chunk.text, chunk.line, aliases, [&](std::unique_ptr<Document> document) {
      map = map || document->root->kind == Node::Kind::map;
      decode(*document, path_, part.decoded, ns_);
    });
  } catch (const SyntaxError&) {
    if (no_json) throw *no_json;
    throw;
  }
  if (no_json && !map) throw *no_json;
  part.aliased = aliases.spent();
}

void ManifestReading::take(const Chunk& chunk, std::span<std::byte> tree) noexcept {
  auto& part = next.parts[chunk.part];
  try {
    try {
      if (starved_ || aliased_ > AliasAllowance::of_file(content_.size())) return;
      parse_into(chunk, part, tree);
      aliased_ += part.aliased;
    } catch (const std::bad_alloc&) {
      throw;
    } catch (const std::exception& e) {
      const auto* at = dynamic_cast<const SyntaxError*>(&e);
      part.broken = true;
      part.decoded = {};
      find_husks(chunk.text, path_, ns_, part.decoded.objects);
      part.aliased = 0;
      const bool json = is_json(path_);
      std::string where;
      if (at)
        where = "line " + std::to_string(at->line) + (at->column > 0 ? ", column " + std::to_string(at->column) : "");
      part.decoded.entries.push_back({{"File", "", path_, {path_, at ? at->line : chunk.line}},
                                      {model::Severity::error, json ? "InvalidJson" : "InvalidYaml", where, e.what(),
                                       json ? "a JSON document" : "a YAML document",
                                       "the document is skipped; objects known from this file stay as they were"}});
    }
  } catch (...) {
    part.decoded = {};
    starved_ = true;
  }
}

// Runs `work` on as many threads as are worth it, the calling one among them.
template <class Work>
void on_threads(std::size_t most, Work&& work) {
  constexpr std::size_t kOfAThread = 16U << 20;  // its stack, and what the allocator sets up for it
  std::vector<std::jthread> others;
  if (most < 2 || !Reserve::has_room(most * kOfAThread)) return work();
  try {
    others.reserve(most);
    while (others.size() + 1 < most) others.emplace_back(work);
  } catch (const std::exception&) {
    // No more threads to be had, or no memory for them: those that started, and this one, do the work.
  }
  work();
}

void ManifestReading::parse(std::deque<ManifestReading>& readings) {
  struct Task {
    ManifestReading* reading;
    const Chunk* chunk;
  };
  std::vector<Task> tasks;
  std::size_t bytes = 0, count = 0;
  for (auto& r : readings) count += r.to_parse_.size();
  tasks.reserve(count);
  for (auto& r : readings)
    for (auto& chunk : r.to_parse_) {
      tasks.push_back({&r, &chunk});
      bytes += chunk.text.size();
    }
  const auto threads = std::min<std::size_t>({std::max(1U, std::thread::hardware_concurrency()), 8, tasks.size()});
  for (std::size_t begin = 0; begin < tasks.size(); begin += kWave) {
    const auto end = std::min(begin + kWave, tasks.size());
    std::atomic<std::size_t> at{begin};
    on_threads(bytes < kInlineBytes ? 1 : threads, [&] {
      const Dispensable as_the_former_form_stays;
      const Pages tree(kTree);
      for (std::size_t i; (i = at.fetch_add(1)) < end;) tasks[i].reading->take(*tasks[i].chunk, tree.all());
    });
    for (std::size_t i = begin; i < end; ++i)
      tasks[i].reading->limit(tasks[i].reading->next.parts[tasks[i].chunk->part]);
  }
}

// Problems that nobody will be told are only counted, before there are a hundred thousand of them.
void ManifestReading::limit(ManifestFile::Part& part) {
  const auto left = [](std::size_t told) { return model::Entries::kMost - std::min(told, model::Entries::kMost); };
  part.decoded.entries.keep(left(told_), left(told_others_));
  count(part.decoded.entries);
}

void ManifestReading::count(const model::Entries& entries) {
  told_ += entries.size() - entries.others();
  told_others_ += entries.others();
}

void ManifestReading::keep_former(const char* reason, std::string why, std::string expected) {
  release(next.parts);
  next.objects = previous_ ? previous_->objects : StringMap<ObjectPtr>();
  next.entries = {};
  next.aliased = 0;
  next.unreadable = true;
  next.entries.push_back({{"File", "", path_, {path_, 0}},
                          {model::Severity::error, reason, "", std::move(why), std::move(expected),
                           "objects known from it stay as they were"}});
}

void ManifestReading::refuse(std::string why) {
  keep_former(
      "Unreadable", std::move(why),
      "a readable file of UTF-8 or UTF-16, of at most 64 MiB and " + std::to_string(kMaxDocuments) + " documents");
}

void ManifestReading::finish() {
  if (error_.empty() && aliased_ > AliasAllowance::of_file(content_.size()))
    error_ = "aliases that add more than " + std::to_string(AliasAllowance::of_file(content_.size())) + " bytes";
  if (error_.empty() && !starved_) {
    try {
      return collect();
    } catch (const std::bad_alloc&) {
      starved_ = true;
    }
  }
  std::vector<ObjectPtr> husks;
  each_document(content_, [&](std::string_view text, int) { find_husks(text, path_, ns_, husks); });
  release(content_);
  release(to_parse_);
  if (starved_)
    keep_former("NotEnoughMemory", "", "a smaller file, or more memory");
  else
    refuse(std::move(error_));
  for (auto& husk : husks) next.objects.try_emplace(identity(*husk), husk);
}

void ManifestReading::collect() {
  std::set<std::string> refused;
  std::vector<ObjectPtr> husks;
  std::uint64_t index = 0;
  next.aliased = aliased_;
  for (auto& part : next.parts) {
    next.broken = next.broken || part.broken;
    int shift = std::exchange(part.shift, 0);
    auto base = index++ << 24;
    for (auto& object : part.decoded.objects) {
      if (const auto* map = std::get_if<ConfigMap>(object.get()); map != nullptr && map->unreadable) {
        husks.push_back(object);
        continue;
      }
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
    for (auto& e : part.decoded.entries) e.object.origin.line += shift;
    next.entries.add(part.decoded.entries);
    refused.insert(part.decoded.refused.begin(), part.decoded.refused.end());
  }
  // What is smaller than the memory of it is parsed again when the file changes, and so is what did not parse.
  std::erase_if(next.parts, [](const auto& part) {
    const bool empty = part.decoded.objects.empty() && part.decoded.refused.empty();
    return part.broken || (empty && part.size < kWorthKeeping);
  });
  next.parts.shrink_to_fit();
  next.refuses = !refused.empty();
  if (previous_)
    for (auto& [id, object] : previous_->objects)
      if (!next.objects.contains(id) && (next.broken || refused.contains(id))) next.objects.emplace(id, object);
  for (auto& husk : husks) next.objects.try_emplace(identity(*husk), husk);
}

}  // namespace sluice::control
