#include "data/routing/aliases.h"

#include <algorithm>

namespace sluice::data {

namespace {

bool is_pattern(std::string_view name) noexcept {
  return name.starts_with('~');
}
bool is_leading(std::string_view name) noexcept {
  return name.starts_with("*.");
}
bool is_trailing(std::string_view name) noexcept {
  return name.ends_with(".*");
}

bool has_pattern(const Aliases::HostPtr& host) {
  return std::ranges::any_of(host->spec().aliases, is_pattern, &model::Alias::name);
}

}  // namespace

std::string_view Aliases::text_of(std::string_view name) noexcept {
  if (is_leading(name)) return name.substr(2);
  return is_trailing(name) ? name.substr(0, name.size() - 2) : name;
}

const Aliases::Entry* Aliases::Names::find(std::string_view text) const noexcept {
  if (count == 0 || text.size() > longest) return nullptr;
  const Part* part = parts[part_of(text)].get();
  if (part == nullptr) return nullptr;
  const auto at = part->find(text);
  return at == part->end() ? nullptr : &at->second;
}

// Null: the name goes.
void Aliases::Names::set(std::string_view text, const Entry* entry, std::array<std::shared_ptr<Part>, kParts>& copies) {
  auto& copy = copies[part_of(text)];
  auto& part = parts[part_of(text)];
  if (!copy) {
    copy = part ? std::make_shared<Part>(*part) : std::make_shared<Part>(0, Hash{seed});
    part = copy;
  }
  count -= copy->erase(text);
  if (entry != nullptr) {
    copy->emplace(text, *entry);
    longest = std::max(longest, text.size());
    ++count;
  }
}

std::shared_ptr<const Aliases> Aliases::make(const Aliases* previous, const HashSeed& seed,
                                             std::span<const HostPtr> gone, std::span<const HostPtr> come) {
  auto next = previous ? std::make_shared<Aliases>(*previous) : std::make_shared<Aliases>();
  if (!previous) next->exact_.seed = next->leading_.seed = next->trailing_.seed = seed;
  std::array<std::array<std::shared_ptr<Part>, kParts>, 3> copies;
  const auto set = [&](std::string_view name, const Entry* entry) {
    if (is_pattern(name)) return;
    const std::size_t kind = is_leading(name) ? 1 : is_trailing(name) ? 2 : 0;
    Names& names = kind == 0 ? next->exact_ : kind == 1 ? next->leading_ : next->trailing_;
    names.set(text_of(name), entry, copies[kind]);
  };
  for (const HostPtr& host : gone)
    for (const model::Alias& alias : host->spec().aliases) set(alias.name, nullptr);
  for (const HostPtr& host : come)
    for (const model::Alias& alias : host->spec().aliases) {
      const Entry entry{&alias, host};
      set(alias.name, &entry);
    }
  if (std::ranges::any_of(gone, has_pattern) || std::ranges::any_of(come, has_pattern)) {
    auto& patterns = next->patterns_;
    std::erase_if(patterns, [&](const Pattern& p) {
      return std::ranges::any_of(gone, [&](const HostPtr& host) { return host == p.entry.host; });
    });
    for (const HostPtr& host : come)
      for (const model::Alias& alias : host->spec().aliases)
        if (is_pattern(alias.name))
          if (auto regex = Regex::make(std::string_view(alias.name).substr(1)))
            patterns.push_back({std::move(*regex), {&alias, host}});
    std::ranges::sort(patterns, [](const Pattern& a, const Pattern& b) {
      return std::tie(a.entry.spec->age, a.entry.spec->name) < std::tie(b.entry.spec->age, b.entry.spec->name);
    });
  }
  const bool none = next->exact_.count + next->leading_.count + next->trailing_.count + next->patterns_.size() == 0;
  return none ? nullptr : next;
}

// The longest one has the most of the name.
const Aliases::Entry* Aliases::leading(std::string_view name) const noexcept {
  if (leading_.count == 0 || name.size() > kLongestName) return nullptr;
  for (auto dot = name.find('.'); dot != std::string_view::npos; dot = name.find('.', dot + 1))
    if (const Entry* found = leading_.find(name.substr(dot + 1))) return found;
  return nullptr;
}

const Aliases::Entry* Aliases::trailing(std::string_view name) const noexcept {
  if (trailing_.count == 0 || name.size() > kLongestName) return nullptr;
  for (auto dot = name.rfind('.'); dot != std::string_view::npos && dot > 0; dot = name.rfind('.', dot - 1))
    if (dot + 1 < name.size())
      if (const Entry* found = trailing_.find(name.substr(0, dot))) return found;
  return nullptr;
}

}  // namespace sluice::data
