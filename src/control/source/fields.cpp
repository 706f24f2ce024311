#include "control/source/fields.h"

#include <algorithm>
#include <span>

#include "base/nearest.h"
#include "base/strings.h"
#include "control/source/kinds.h"

namespace sluice::control {

namespace {

using Field = Schema;

const Field* find(std::span<const Field> fields, std::string_view name) {
  // Every member of every object is looked for: most fields differ in length or in their first letter.
  const char first = name.empty() ? '\0' : name[0];
  for (const Field& f : fields)
    if (f.name.size() == name.size() && f.name[0] == first && f.name == name) return &f;
  return nullptr;
}

// Letters that were left out, added, changed or swapped with the next one; case means nothing.
std::size_t slips(std::string_view written, std::string_view meant) {
  constexpr std::size_t kLongest = 40;
  if (written.size() > kLongest || meant.size() > kLongest) return kLongest;
  return edits(lower(written), lower(meant));
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

  void look_into(const Node& object, std::span<const Field> fields) { look_into(object, fields, Step{}); }

 private:
  // The way to a node, from below: it is written out only for what is reported.
  struct Step {
    const Step* above = nullptr;  // null: the object itself
    std::string_view key;
    std::size_t index = 0;
    enum class As : std::uint8_t { element, name, hidden, key } as = As::name;  // hidden: a name that may be secret
  };

  void look_into(const Node& node, std::span<const Field> fields, const Step& here) {
    Step step{.above = &here, .key = {}};
    if (node.kind == Node::Kind::list) {
      step.as = Step::As::element;
      for (const Node* n = node.first; n; n = n->next, ++step.index)
        if (n->first) look_into(*n, fields, step);
      return;
    }
    for (const Node* n = node.first; n; n = n->next) {
      const Field* known = find(fields, n->key);
      const bool odd = !known && !fields.empty();
      if (!odd && !n->repeated && !n->first) continue;
      const std::string meant = odd && suggested_++ < kSuggested ? suggestion(fields, n->key) : std::string();
      step.key = n->key;
      step.as = known || !meant.empty() ? Step::As::name : odd ? Step::As::hidden : Step::As::key;
      if (n->repeated) take_({path(step), n, true, {}});
      if (odd && n->kind != Node::Kind::null) take_({path(step), n, false, meant});
      if (n->first) look_into(*n, known ? known->below : std::span<const Field>(), step);
    }
  }

  std::string path(const Step& step) const {
    if (!step.above) return {};
    std::string out = path(*step.above);
    if (step.as == Step::As::element) return out + "[" + std::to_string(step.index) + "]";
    if (step.as == Step::As::key) return out + "[" + shown_.key(step.key) + "]";
    if (!out.empty()) out += '.';
    return out += step.as == Step::As::name ? std::string(step.key) : shown_.field(step.key);
  }

  const Disclosure& shown_;
  const std::function<void(OddField)>& take_;
  std::size_t suggested_ = 0;
};

}  // namespace

void find_odd_fields(const Node& object, std::string_view kind, const Disclosure& shown,
                     const std::function<void(OddField)>& take) {
  if (const KindRow* known = kind_of(kind)) Search(shown, take).look_into(object, known->fields);
}

}  // namespace sluice::control
