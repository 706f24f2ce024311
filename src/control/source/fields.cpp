#include "control/source/fields.h"

#include <algorithm>
#include <array>
#include <span>

#include "base/strings.h"
#include "control/source/kinds.h"

namespace sluice::control {

namespace {

using Field = Schema;

const Field* find(std::span<const Field> fields, std::string_view name) {
  for (const Field& f : fields)
    if (f.name == name) return &f;
  return nullptr;
}

// Letters that were left out, added, changed or swapped with the next one; case means nothing.
std::size_t slips(std::string_view written, std::string_view meant) {
  constexpr std::size_t kLongest = 40;
  if (written.size() > kLongest || meant.size() > kLongest) return kLongest;
  const std::string a = lower(written), b = lower(meant);
  std::array<std::array<std::size_t, kLongest + 1>, kLongest + 1> d{};
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        d[i][j] = i + j;
        continue;
      }
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

bool begins_with(std::string_view text, std::string_view begin) {
  return begin.size() >= 4 && lower(text).starts_with(lower(begin));
}

// The field nearest in spelling, or of which it is a part; else one of the same name a level or two further down.
std::string suggestion(std::span<const Field> fields, std::string_view written) {
  const Field* nearest = nullptr;
  std::size_t least = std::min<std::size_t>(3, written.size() / 3 + 1);
  for (const Field& f : fields) {
    if (std::max(f.name.size(), written.size()) - std::min(f.name.size(), written.size()) >= least) continue;
    if (const auto n = slips(written, f.name); n < least) {
      nearest = &f;
      least = n;
    }
  }
  if (nearest) return std::string(nearest->name);
  for (const Field& f : fields)
    if (begins_with(f.name, written) || begins_with(written, f.name)) return std::string(f.name);
  for (const Field& f : fields) {
    if (f.name == "metadata" || f.name == "status") continue;
    if (find(f.below, written)) return std::string(f.name) + "." + std::string(written);
    for (const Field& g : f.below)
      if (find(g.below, written)) return std::string(f.name) + "." + std::string(g.name) + "." + std::string(written);
  }
  return {};
}

constexpr std::size_t kSuggested = 10;  // of one object: further slips get no suggestion, which takes time to find

class Search {
 public:
  Search(const Disclosure& shown, const std::function<void(OddField)>& take) : shown_(shown), take_(take) {}

  void look_into(const Node& node, std::span<const Field> fields, const std::string& path) {
    std::size_t index = 0;
    for (const Node* n = node.first; n; n = n->next) {
      if (node.kind == Node::Kind::list) {
        if (n->first)
          look_into(*n, fields, path + "[" + std::to_string(index++) + "]");
        else
          ++index;
        continue;
      }
      const Field* known = find(fields, n->key);
      const bool odd = !known && !fields.empty();
      if (!odd && !n->repeated && !n->first) continue;
      const std::string meant = odd && suggested_++ < kSuggested ? suggestion(fields, n->key) : std::string();
      const bool plain = known || !meant.empty();
      std::string below = path;
      if (plain || odd)
        below += (path.empty() ? "" : ".") + (plain ? std::string(n->key) : shown_.key(n->key));
      else
        below += "[" + shown_.key(n->key) + "]";
      if (n->repeated) take_({below, n, true, {}});
      if (odd && n->kind != Node::Kind::null) take_({below, n, false, meant});
      if (n->first) look_into(*n, known ? known->below : std::span<const Field>(), below);
    }
  }

 private:
  const Disclosure& shown_;
  const std::function<void(OddField)>& take_;
  std::size_t suggested_ = 0;
};

}  // namespace

void find_odd_fields(const Node& object, std::string_view kind, const Disclosure& shown,
                     const std::function<void(OddField)>& take) {
  if (const KindRow* known = kind_of(kind)) Search(shown, take).look_into(object, known->fields, "");
}

}  // namespace sluice::control
