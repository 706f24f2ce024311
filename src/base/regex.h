#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct pcre2_real_code_8;
struct pcre2_real_match_context_8;
struct pcre2_real_match_data_8;

// Regular expressions that tenants write: PCRE2 with a limit on what one match may cost (docs/adr/0010).
namespace sluice {

// One pattern, compiled, whatever the case of ASCII letters. Immutable; any number of threads may match at once. Those
// who ask for the same pattern share one.
class Regex {
 public:
  static constexpr std::size_t kMaxPattern = 4096;  // bytes; nginx takes no longer ones either
  // Bytes that a pattern may take when it is compiled: so many, and so many for each of its text. A group that is
  // repeated by numbers is copied as often, and those inside of it with it.
  static constexpr std::size_t kMemory = 1024, kMemoryForByte = 16;
  // The same of its machine code, and of that of all patterns: what is more is matched without.
  static constexpr std::size_t kMachineCode = 4096, kMachineCodeForByte = 32;
  static constexpr std::size_t kAllMachineCode = 32 << 20;
  static constexpr std::uint32_t kMatchLimit = 100'000;  // steps of one match, about a millisecond; fewer of long
                                                         // subjects, and of those three milliseconds at most
  // Where several patterns are asked one after the other so many of them may take all steps; then each has few, so that
  // a hundred that run away do not take a hundred times as long.
  static constexpr std::uint32_t kMostRunaways = 3, kFewSteps = kMatchLimit / 100;
  // $0, all that matched, to $9. A group that took no part is empty. Views into the subject.
  using Captures = std::array<std::string_view, 10>;
  // A group that the pattern calls by a name: "(?<name>…)". Of its number there is no more than kMostGroups.
  struct Name {
    std::string name;
    std::uint32_t group = 0;
  };
  static constexpr std::uint32_t kMostGroups = 63;  // whose text a match tells by name
  enum class Outcome : std::uint8_t {
    no,
    yes,
    gave_up,  // the limit is reached, or there is no memory: nobody knows
  };

  // Any thread, but not on the path of a request: takes a lock. Errors: what is wrong and where, as "missing closing
  // parenthesis at 4". Throws std::bad_alloc.
  static std::expected<std::shared_ptr<const Regex>, std::string> make(std::string_view pattern);

  Regex(const Regex&) = delete;
  Regex& operator=(const Regex&) = delete;
  ~Regex();

  // Looks for the pattern anywhere in `subject`. Allocates nothing but in the first match of a thread, and once in the
  // life of a pattern that is used often, which is compiled to machine code then (where the system allows that).
  // `named`: where it matches, the text of the groups in names(), in that order, as far as there is room.
  Outcome match(std::string_view subject, Captures* captures = nullptr,
                std::span<std::string_view> named = {}) const noexcept {
    return match_within(kMatchLimit, subject, captures, named);
  }
  // The same for one of several patterns that are asked one after the other, of which `runaways` gave up: with few
  // steps where these are kMostRunaways.
  Outcome match_after(std::uint32_t runaways, std::string_view subject) const noexcept {
    return match_within(runaways < kMostRunaways ? kMatchLimit : kFewSteps, subject, nullptr, {});
  }

  // Its groups with a name, in the order of PCRE2's table: by name, of one name several times ("(?J)") by number.
  const std::vector<Name>& names() const noexcept { return names_; }

  std::string_view pattern() const noexcept { return pattern_; }
  // Bytes that it takes with all that belongs to it, but for its machine code.
  std::size_t memory() const noexcept { return memory_; }
  // Is it machine code by now?
  bool is_fast() const noexcept { return fast_.load(std::memory_order_acquire) != nullptr; }
  // Bytes of the machine code of all patterns.
  static std::size_t machine_code() noexcept;
  bool operator==(const Regex& o) const noexcept { return pattern_ == o.pattern_; }

 private:
  friend struct RegexTable;
  struct Account;  // what PCRE2 has of memory for this pattern, and how much it may have
  Regex(std::string_view pattern, pcre2_real_code_8* code, std::unique_ptr<Account> account);
  Outcome match_within(std::uint32_t most, std::string_view subject, Captures* captures,
                       std::span<std::string_view> named) const noexcept;
  int search(std::string_view subject, std::uint32_t most, pcre2_real_match_data_8* data,
             pcre2_real_match_context_8* context) const noexcept;
  const pcre2_real_code_8* code() const noexcept;
  void make_fast() const noexcept;
  bool make_fast_early() const noexcept;

  const std::string pattern_;
  const std::unique_ptr<Account> account_;  // PCRE2 refers to it
  pcre2_real_code_8* const code_;
  const std::vector<Name> names_;
  const std::size_t memory_;
  const bool anchored_;                                     // it matches at the beginning of a subject or not at all
  mutable std::atomic<pcre2_real_code_8*> fast_ = nullptr;  // the same as machine code
  mutable std::size_t fast_size_ = 0;                       // bytes of that
  mutable std::atomic<std::uint32_t> uses_ = 0;             // up to when that is made
};

// What the patterns of one list or object may take together: `beside` bytes, and Regex::kMemoryForByte for each of
// their text. Those that are shared count as if they were not, so that a list means the same whatever others write.
class RegexBudget {
 public:
  static constexpr std::size_t kBeside = 16 << 10;
  explicit RegexBudget(std::size_t beside = kBeside) : beside_(beside) {}

  // As Regex::make, and an error where there is no room for it any more; then it is not counted.
  std::expected<std::shared_ptr<const Regex>, std::string> make(std::string_view pattern);

 private:
  std::size_t beside_;
  std::size_t text_ = 0, taken_ = 0;  // bytes
};

// What every match of a pattern begins with, if the pattern is to match at the beginning of the subject.
struct LiteralBeginning {
  std::string text;    // as written, but for the backslash of an escaped mark
  bool whole = false;  // there is nothing more in the pattern
};
LiteralBeginning literal_beginning(std::string_view pattern);

// Can `^` in front of the pattern be for a part of it alone, as in "a|b"? True also where that cannot be told easily.
bool may_alternate(std::string_view pattern) noexcept;

}  // namespace sluice
