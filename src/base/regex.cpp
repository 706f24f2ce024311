#define PCRE2_CODE_UNIT_WIDTH 8
#include "base/regex.h"

#include <pcre2.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <mutex>
#include <new>
#include <unordered_map>

namespace sluice {

// PCRE2 asks here for what it needs for one pattern. It compiles, and makes machine code, in one thread at a time.
struct Regex::Account {
  std::size_t taken = 0, most = 0;  // bytes
  bool exhausted = false;           // it asked for more

  static void* take(std::size_t size, void* account) noexcept {
    auto& self = *static_cast<Account*>(account);
    if (size > self.most || self.taken > self.most - size) {
      self.exhausted = true;
      return nullptr;
    }
    auto* const block = static_cast<std::byte*>(std::malloc(size + kHead));
    if (block == nullptr) return nullptr;
    std::memcpy(block, &size, sizeof size);
    self.taken += size;
    return block + kHead;
  }
  static void give_back(void* memory, void* account) noexcept {
    if (memory == nullptr) return;
    auto* const block = static_cast<std::byte*>(memory) - kHead;
    std::size_t size = 0;
    std::memcpy(&size, block, sizeof size);
    static_cast<Account*>(account)->taken -= size;
    std::free(block);
  }

 private:
  static constexpr std::size_t kHead = alignof(std::max_align_t);  // the size is in front
};

// Patterns by text, as long as somebody has them: ten thousand Ingresses write a handful of shapes.
struct RegexTable {
  std::mutex mutex;
  std::unordered_map<std::string_view, std::weak_ptr<const Regex>> known;  // keys are in the Regex

  static RegexTable& instance() {
    static auto* const table = new RegexTable;  // outlives every static that holds a Regex
    return *table;
  }
  std::shared_ptr<const Regex> find(std::string_view pattern) {
    const std::lock_guard lock(mutex);
    const auto at = known.find(pattern);
    return at == known.end() ? nullptr : at->second.lock();
  }
  std::shared_ptr<const Regex> add(std::string_view pattern, pcre2_code* code,
                                   std::unique_ptr<Regex::Account> account) {
    const std::shared_ptr<const Regex> made(new Regex(pattern, code, std::move(account)), [](const Regex* gone) {
      {
        RegexTable& table = instance();
        const std::lock_guard lock(table.mutex);
        // Unless another has come in its place, since nobody could share this one any more.
        const auto at = table.known.find(gone->pattern());
        if (at != table.known.end() && at->first.data() == gone->pattern().data()) table.known.erase(at);
      }
      delete gone;
    });
    const std::lock_guard lock(mutex);
    known.erase(pattern);  // one whose last user has just left
    known.emplace(made->pattern(), made);
    return made;
  }
};

namespace {

constexpr std::uint32_t kOften = 64;                                   // matches, and machine code is worth its memory
constexpr std::uint32_t kHeapLimit = 4096;                             // KiB, of matching without machine code
constexpr std::size_t kStackStart = 32 << 10, kStackMost = 256 << 10;  // bytes, of matching with it

// What PCRE2 may have while it reads a pattern, beside what stays: its items by fours, the names of its groups.
constexpr std::size_t kReading = 4 << 10, kReadingForByte = 16;
// The same while it makes machine code of one.
constexpr std::size_t kTranslating = 32 << 10, kTranslatingForByte = 128;
// What belongs to a pattern beside the code: the object, its entry in the table, and two copies of the text.
constexpr std::size_t beside_code(std::string_view pattern) noexcept {
  return sizeof(Regex) + 160 + 2 * pattern.size();
}

std::atomic<std::size_t> machine_code_of_all = 0;  // bytes

std::size_t may_take(std::string_view pattern) noexcept {
  return Regex::kMemory + Regex::kMemoryForByte * pattern.size();
}

std::size_t size_of(const pcre2_code* code) noexcept {
  std::size_t size = 0;
  pcre2_pattern_info(code, PCRE2_INFO_SIZE, &size);
  return size;
}

// What a thread needs to match.
struct Scratch {
  pcre2_match_data* data = pcre2_match_data_create(Regex::kMostGroups + 1, nullptr);
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_jit_stack* stack = pcre2_jit_stack_create(kStackStart, kStackMost, nullptr);

  Scratch() {
    if (!context) return;
    pcre2_set_match_limit(context, Regex::kMatchLimit);
    pcre2_set_heap_limit(context, kHeapLimit);
    if (stack) pcre2_jit_stack_assign(context, nullptr, stack);
  }
  ~Scratch() {
    pcre2_jit_stack_free(stack);
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
};

// PCRE2 counts its steps anew for each place of the subject that a match may begin at, and a step may look at all that
// is left of it. Longer subjects are therefore searched some places at a time, with an eye on the clock.
constexpr std::size_t kShort = 128;  // bytes; below that the steps alone are bound enough
constexpr std::size_t kPlaces = 16;  // at first; twice as many each time that took next to nothing
constexpr std::chrono::nanoseconds kMostTime = std::chrono::milliseconds(3);  // of this thread, for one match
constexpr std::uint64_t kMostLookedAt = 100'000'000;                          // steps times bytes, from one place
constexpr std::uint32_t kLeastSteps = 10'000;

std::chrono::nanoseconds thread_time() noexcept {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

PCRE2_SPTR bytes(std::string_view text) noexcept {
  return reinterpret_cast<PCRE2_SPTR>(text.data());
}

// Marks that stand for themselves nowhere in a pattern.
constexpr std::string_view kMarks = "\\^$.[|()?*+{";

// `\\G` stands for the place at which a search begins, of which there may be several here.
bool names_beginning_of_search(std::string_view pattern) noexcept {
  for (std::size_t i = 0; i + 1 < pattern.size(); ++i) {
    if (pattern[i] != '\\') continue;
    if (pattern[++i] == 'G') return true;
  }
  return false;
}

std::vector<Regex::Name> names_of(const pcre2_code* code) {
  std::uint32_t count = 0, size = 0;
  PCRE2_SPTR table = nullptr;
  pcre2_pattern_info(code, PCRE2_INFO_NAMECOUNT, &count);
  pcre2_pattern_info(code, PCRE2_INFO_NAMEENTRYSIZE, &size);
  pcre2_pattern_info(code, PCRE2_INFO_NAMETABLE, &table);
  std::vector<Regex::Name> out;
  out.reserve(count);
  // Each entry: the number in two bytes, then the name with a NUL behind it.
  for (std::uint32_t i = 0; i < count; ++i, table += size)
    out.push_back({reinterpret_cast<const char*>(table + 2), static_cast<std::uint32_t>(table[0] << 8 | table[1])});
  return out;
}

bool is_alphanumeric(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// Behind the class that begins at `at`; npos: it does not end.
std::size_t behind_class(std::string_view pattern, std::size_t at) noexcept {
  std::size_t i = at + 1;
  if (i < pattern.size() && pattern[i] == '^') ++i;
  if (i < pattern.size() && pattern[i] == ']') ++i;
  for (; i < pattern.size(); ++i) {
    if (pattern[i] == '\\')
      ++i;
    else if (pattern[i] == '[')
      return std::string_view::npos;  // "[:alpha:]", or a mere bracket
    else if (pattern[i] == ']')
      return i + 1;
  }
  return std::string_view::npos;
}

}  // namespace

std::expected<std::shared_ptr<const Regex>, std::string> Regex::make(std::string_view pattern) {
  if (pattern.size() > kMaxPattern) return std::unexpected("more than " + std::to_string(kMaxPattern) + " bytes");
  if (names_beginning_of_search(pattern)) return std::unexpected("no \\G: a search begins at the beginning");
  RegexTable& table = RegexTable::instance();
  if (auto known = table.find(pattern)) return known;
  int error = 0;
  PCRE2_SIZE at = 0;
  auto account = std::make_unique<Account>();
  account->most = may_take(pattern) + kReading + kReadingForByte * pattern.size();
  std::unique_ptr<pcre2_general_context, decltype(&pcre2_general_context_free)> general(
      pcre2_general_context_create(Account::take, Account::give_back, account.get()), pcre2_general_context_free);
  std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)> context(
      pcre2_compile_context_create(general.get()), pcre2_compile_context_free);
  if (!general || !context) throw std::bad_alloc();
  std::unique_ptr<pcre2_code, decltype(&pcre2_code_free)> code(
      pcre2_compile(bytes(pattern), pattern.size(), PCRE2_CASELESS | PCRE2_USE_OFFSET_LIMIT, &error, &at,
                    context.get()),
      pcre2_code_free);
  if (account->exhausted || (code && size_of(code.get()) > may_take(pattern)))
    return std::unexpected("no more than " + std::to_string(may_take(pattern)) + " bytes once compiled, which are " +
                           std::to_string(kMemory) + " and " + std::to_string(kMemoryForByte) +
                           " for each byte of its text: each time that a group is repeated by a number is a copy");
  if (error == PCRE2_ERROR_HEAP_FAILED) throw std::bad_alloc();
  if (!code) {
    PCRE2_UCHAR text[128];
    const int size = pcre2_get_error_message(error, text, sizeof text);
    std::string why = size > 0 ? std::string(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size))
                               : "error " + std::to_string(error);
    return std::unexpected(why + " at " + std::to_string(at));
  }
  context.reset();
  general.reset();  // both are counted in the account
  return table.add(pattern, code.release(), std::move(account));
}

Regex::Regex(std::string_view pattern, pcre2_real_code_8* code, std::unique_ptr<Account> account)
    : pattern_(pattern),
      account_(std::move(account)),
      code_(code),
      names_(names_of(code)),
      memory_(beside_code(pattern) + size_of(code)),
      anchored_([code] {
        std::uint32_t options = 0;
        pcre2_pattern_info(code, PCRE2_INFO_ALLOPTIONS, &options);
        return (options & PCRE2_ANCHORED) != 0;
      }()) {}

Regex::~Regex() {
  pcre2_code_free(fast_.load(std::memory_order_acquire));
  pcre2_code_free(code_);
  machine_code_of_all.fetch_sub(fast_size_, std::memory_order_relaxed);
}

std::size_t Regex::machine_code() noexcept {
  return machine_code_of_all.load(std::memory_order_relaxed);
}

// The one whose use is the last before often makes the machine code; nobody waits for it.
const pcre2_code* Regex::code() const noexcept {
  if (const auto* fast = fast_.load(std::memory_order_acquire)) return fast;
  if (uses_.load(std::memory_order_relaxed) >= kOften) return code_;
  if (uses_.fetch_add(1, std::memory_order_relaxed) + 1 != kOften) return code_;
  make_fast();
  const auto* const fast = fast_.load(std::memory_order_acquire);
  return fast ? fast : code_;
}

// Of one that is not often used yet: in whichever thread is the first to ask. True: it is machine code now.
bool Regex::make_fast_early() const noexcept {
  if (is_fast()) return false;
  if (auto uses = uses_.load(std::memory_order_relaxed);
      uses < kOften && uses_.exchange(kOften, std::memory_order_relaxed) < kOften)
    make_fast();
  return is_fast();
}

// In one thread, once. What takes too much is matched as it is, and so is what comes when others have all there is;
// memory that is executed may be forbidden here as well.
void Regex::make_fast() const noexcept {
  const std::size_t most = kMachineCode + kMachineCodeForByte * pattern_.size();
  account_->most = account_->taken + size_of(code_) + kTranslating + kTranslatingForByte * pattern_.size();
  // Set aside before it is taken: others may come at the same time.
  const std::size_t aside = most + size_of(code_);
  if (machine_code_of_all.fetch_add(aside, std::memory_order_relaxed) > kAllMachineCode - aside) {
    machine_code_of_all.fetch_sub(aside, std::memory_order_relaxed);
    return;
  }
  pcre2_code* const copy = pcre2_code_copy(code_);
  std::size_t size = 0;
  const bool made = copy && pcre2_jit_compile(copy, PCRE2_JIT_COMPLETE) == 0 &&
                    pcre2_pattern_info(copy, PCRE2_INFO_JITSIZE, &size) == 0 && size <= most;
  if (!made) {
    pcre2_code_free(copy);
    machine_code_of_all.fetch_sub(aside, std::memory_order_relaxed);
    return;
  }
  fast_size_ = size_of(code_) + size;
  machine_code_of_all.fetch_sub(aside - fast_size_, std::memory_order_relaxed);
  fast_.store(copy, std::memory_order_release);
}

std::expected<std::shared_ptr<const Regex>, std::string> RegexBudget::make(std::string_view pattern) {
  auto out = Regex::make(pattern);
  if (!out) return out;
  // Once compiled. How many there may be is the concern of those who count them: a path has a KiB anyway.
  const std::size_t compiled = (*out)->memory() - beside_code(pattern);
  const std::size_t text = text_ + pattern.size(), taken = taken_ + compiled;
  if (const auto most = beside_ + Regex::kMemoryForByte * text; taken > most)
    return std::unexpected("that it and those in front of it take no more than " + std::to_string(most) +
                           " bytes, which are " + std::to_string(beside_ >> 10) + " KiB and " +
                           std::to_string(Regex::kMemoryForByte) + " for each byte of their text");
  text_ = text;
  taken_ = taken;
  return out;
}

int Regex::search(std::string_view subject, std::uint32_t most, pcre2_match_data* data,
                  pcre2_match_context* context) const noexcept {
  const pcre2_code* const made = code();
  if (anchored_ || subject.size() <= kShort)
    return pcre2_match(made, bytes(subject), subject.size(), 0, 0, data, context);
  const auto begun = thread_time();
  auto before = begun;
  int found = 0;
  for (std::size_t from = 0, places = kPlaces;;) {
    pcre2_set_offset_limit(context, from + places - 1);
    found = pcre2_match(made, bytes(subject), subject.size(), from, 0, data, context);
    from += places;
    if (found != PCRE2_ERROR_NOMATCH || from > subject.size()) break;
    const auto now = thread_time();
    if (now - begun > kMostTime * most / kMatchLimit) {
      found = PCRE2_ERROR_MATCHLIMIT;
      break;
    }
    if (now - before < kMostTime / 16) places *= 2;
    before = now;
  }
  pcre2_set_offset_limit(context, PCRE2_UNSET);
  return found;
}

Regex::Outcome Regex::match_within(std::uint32_t most, std::string_view subject, Captures* captures,
                                   std::span<std::string_view> named) const noexcept {
  thread_local Scratch scratch;
  if (!scratch.data || !scratch.context) return Outcome::gave_up;
  const auto steps =
      subject.empty() ? kMatchLimit : std::min<std::uint64_t>(kMatchLimit, kMostLookedAt / subject.size());
  pcre2_set_match_limit(scratch.context, std::min(most, std::max(static_cast<std::uint32_t>(steps), kLeastSteps)));
  int found = search(subject, most, scratch.data, scratch.context);
  // Machine code counts fewer steps for the same work: whether a pattern takes too many must not hang on how often it
  // was used before.
  if (found == PCRE2_ERROR_MATCHLIMIT && make_fast_early())
    found = search(subject, most, scratch.data, scratch.context);
  if (found == PCRE2_ERROR_NOMATCH) return Outcome::no;
  if (found < 0) return Outcome::gave_up;
  const PCRE2_SIZE* const ends = pcre2_get_ovector_pointer(scratch.data);
  const std::size_t set = found == 0 ? kMostGroups + 1 : static_cast<std::size_t>(found);
  const auto group = [&](std::size_t i) {
    const bool took_part = i < set && ends[2 * i] != PCRE2_UNSET && ends[2 * i] <= ends[2 * i + 1];
    return took_part ? subject.substr(ends[2 * i], ends[2 * i + 1] - ends[2 * i]) : std::string_view();
  };
  if (captures)
    for (std::size_t i = 0; i < captures->size(); ++i) (*captures)[i] = group(i);
  for (std::size_t i = 0; i < std::min(named.size(), names_.size()); ++i) named[i] = group(names_[i].group);
  return Outcome::yes;
}

bool may_alternate(std::string_view pattern) noexcept {
  if (pattern.find('|') == std::string_view::npos) return false;
  // Quotes, and groups that change what the marks behind them mean.
  if (pattern.find("\\Q") != std::string_view::npos) return true;
  std::size_t depth = 0;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    switch (pattern[i]) {
      case '\\':
        ++i;
        break;
      case '[':
        i = behind_class(pattern, i);
        if (i == std::string_view::npos) return true;
        --i;
        break;
      case '(':
        if (i + 1 < pattern.size() && (pattern[i + 1] == '?' || pattern[i + 1] == '*') &&
            !pattern.substr(i).starts_with("(?:"))
          return true;
        ++depth;
        break;
      case ')':
        if (depth == 0) return true;
        --depth;
        break;
      case '|':
        if (depth == 0) return true;
        break;
      default:
        break;
    }
  }
  return false;
}

LiteralBeginning literal_beginning(std::string_view pattern) {
  LiteralBeginning out;
  if (may_alternate(pattern)) return out;
  std::size_t i = 0;
  while (i < pattern.size()) {
    std::size_t next = i + 1;
    char c = pattern[i];
    if (c == '\\') {
      if (next == pattern.size() || is_alphanumeric(pattern[next]) || static_cast<unsigned char>(pattern[next]) >= 0x80)
        return out;
      c = pattern[next++];
    } else if (kMarks.find(c) != std::string_view::npos) {
      return out;
    }
    // What may be there more or less often is not what every match has.
    if (next < pattern.size() && std::string_view("?*+{").find(pattern[next]) != std::string_view::npos) return out;
    out.text += c;
    i = next;
  }
  out.whole = true;
  return out;
}

}  // namespace sluice
