#include "control/source/decode.h"

#include <algorithm>
#include <array>

#include "base/nearest.h"
#include "base/strings.h"
#include "control/source/disclosure.h"
#include "control/source/fields.h"

namespace sluice::control {

namespace {

// Where an object has not the shape of its kind. The value is as a message may show it.
struct BadShape {
  std::string field, value, expected;
  int line;
  const Node* node;  // that is wrong
};

constexpr std::size_t kMostTold = 30;            // of what is wrong with an object
constexpr std::uint32_t kMaxObject = 16U << 20;  // bytes of its tree; etcd's limit of 1.5 MiB takes less
constexpr std::uint32_t kMaxMembers = 10'000;    // of a map of strings

// Its namespace and name, as written, where they are; else `ns`.
std::pair<std::string_view, std::string_view> written_name(const Node& n, std::string_view otherwise) {
  std::pair<std::string_view, std::string_view> out{otherwise, ""};
  const Node* metadata = n.get("metadata");
  if (!metadata) return out;
  if (const Node* ns = metadata->get("namespace"); ns && ns->is_scalar() && !ns->text.empty()) out.first = ns->text;
  if (const Node* name = metadata->get("name"); name && name->is_scalar()) out.second = name->text;
  return out;
}

// As much of an identity as a message may show.
model::ObjectRef rough_reference(const Node& n, const std::string& kind, const Disclosure& shown, const Text& file,
                                 std::string_view otherwise) {
  const auto [ns, name] = written_name(n, otherwise);
  model::ObjectRef ref{kind, shown.name(ns), shown.name(name), {file, n.line}};
  if (const KindRow* known = kind_of(kind); known && !known->namespaced) ref.ns = {};
  if (ref.name.empty()) ref.name = name.empty() ? "(without a name)" : "(no name that can be shown)";
  return ref;
}

// One object that is read.
struct Reading {
  const Node& object;
  const KindRow& kind;
  const Text& file;
  std::string_view ns;  // of an object that names none
  Disclosure shown;
  model::Entries taken{};         // values that were taken although the API server would refuse them
  std::vector<BadShape> wrong{};  // the first kMostTold of them
  std::size_t wrong_beyond = 0;   // how many more there are

  // As messages name it, of what stands in this line.
  model::ObjectRef ref(int line) const {
    auto out = rough_reference(object, kind.name, shown, file, ns);
    out.origin.line = line;
    return out;
  }
};

// Not a number, that is: the name of a port has a letter.
bool names_port(std::string_view s) {
  return s.find_first_not_of("0123456789") != std::string_view::npos;
}

// A node with the way that led to it, which is written out for messages alone. It lives no longer than the Field that
// it was taken from, as it leads back there. What is wrong is noted, and read as if it were not there: a reader goes
// on, so that all that is wrong with an object is said at once. The object is refused all the same.
class Field {
 public:
  Field(const Node* node, Reading& reading) : node_(node), reading_(&reading) {}
  Field(const Field&) = delete;
  Field& operator=(const Field&) = delete;
  explicit operator bool() const { return node_ != nullptr; }
  const Node& node() const { return *node_; }
  std::string_view default_ns() const { return reading_->ns; }

  void bad(std::string_view expected) const {
    wrong(node_, nullptr, node_->line, [&] { return path(); }, [&] { return reading_->shown.value(*node_); }, expected);
  }
  // A member of it, which need not be there.
  void bad(std::string_view name, std::string_view value, std::string_view expected) const {
    if (full()) return;
    wrong(
        node_->get(name), node_, node_->line, [&] { return below(name); }, [&] { return reading_->shown.value(value); },
        expected);
  }
  void bad_member(std::string_view key, std::string_view expected) const {
    if (full()) return;
    wrong(node_->get(key), node_, node_->line, [&] { return member(key); }, [] { return std::string(); }, expected);
  }

  Field operator[](std::string_view name) const {
    if (node_ && node_->kind != Node::Kind::map) bad("a map");
    return {node_ ? node_->get(name) : nullptr, *this, name, kMember};
  }
  // `otherwise`: where nothing is written, or "", which means the same to the API.
  std::string text(std::string otherwise = {}) const {
    std::string out(node_ ? string() : std::string_view());
    return out.empty() ? otherwise : out;
  }
  // The same of what many objects say: usual(), where it is there.
  Text word() const { return node_ ? usual(string()) : Text(); }
  // text(otherwise) of a field for which the API has these words alone; `how` another one is read.
  Text one_of(std::initializer_list<std::string_view> words, std::string otherwise, const char* how) const {
    const std::string written = text(std::move(otherwise));
    if (node_ && node_->is_scalar() && !written.empty() && std::ranges::find(words, written) == words.end()) {
      std::string expected = "one of ";
      for (const auto word : words) expected.append(word == *words.begin() ? "" : ", ").append(word);
      taken(*node_, path(), "UnknownValue", expected + did_you_mean(written, words), how);
    }
    return usual(written);
  }
  // The name of a port, which has a letter.
  std::string port_name() const {
    std::string name = text();
    if (!names_port(name)) bad("the name of a port, which has a letter; a number goes into the field number");
    return name;
  }
  // Nothing is written, or what means the same to the API where it says so: "" of a text, 0 of a number.
  bool is_empty() const { return !node_ || (node_->kind == Node::Kind::string && node_->text.empty()); }
  bool is_zero() const { return !node_ || (node_->kind == Node::Kind::number && whole_number(node_->text) == 0); }
  // A port's number or its name: IntOrString.
  std::string port_or_name() const {
    if (is_empty() || is_zero()) return {};  // core/v1, SetDefaults_Service
    if (!node_->is_scalar()) return bad("a string or a number"), std::string();
    if (node_->kind == Node::Kind::number) return std::to_string(port());
    if (node_->kind == Node::Kind::string && !node_->text.empty() && !names_port(node_->text))
      taken(*node_, path(), "NotANumber", "a number, without quotes", "it is read as the number");
    return std::string(node_->text);
  }
  bool boolean(bool otherwise) const {
    if (!node_) return otherwise;
    if (node_->kind != Node::Kind::boolean) return bad("true or false"), otherwise;
    return means_true(node_->text);
  }
  std::uint16_t port() const {
    const auto number = node_->kind == Node::Kind::number ? whole_number(node_->text) : std::nullopt;
    if (!number || *number < 1 || *number > 65535) return bad("a number from 1 to 65535"), std::uint16_t{0};
    return static_cast<std::uint16_t>(*number);
  }
  // Appends what `read` makes of each element.
  template <class T, class F>
  void list(std::vector<T>& out, F&& read) const {
    if (!node_) return;
    if (node_->kind != Node::Kind::list) return bad("a list");
    out.reserve(node_->count);
    std::size_t i = 0;
    for (const Node* n = node_->first; n; n = n->next) read(Field(n, *this, {}, i++));
  }
  // Of a map of strings. `most`: bytes of all keys and values.
  std::map<std::string, std::string> strings(std::size_t most) const {
    std::map<std::string, std::string> out;
    members(most, [&](std::string_view key, std::string_view value) { out.emplace(key, value); });
    return out;
  }
  // The same, told take(key, value) one by one.
  template <class F>
  void members(std::size_t most, F&& take) const {
    if (!node_) return;
    if (node_->kind != Node::Kind::map) return bad("a map of strings");
    if (node_->count > kMaxMembers) return bad("at most " + std::to_string(kMaxMembers) + " members");
    std::size_t left = most;
    for (const Node* n = node_->first; n; n = n->next) {
      if (!n->is_scalar()) {
        wrong(n, node_, n->line, [&] { return member(n->key); }, [&] { return reading_->shown.value(*n); }, "a string");
        continue;
      }
      expect_string(*n, [&] { return member(n->key); });
      const std::size_t size = n->key.size() + n->text.size();
      if (size > left) return bad("at most " + std::to_string(most) + " bytes in all, as the API server takes no more");
      left -= size;
      take(n->key, n->text);
    }
  }

 private:
  static constexpr std::size_t kMember = static_cast<std::size_t>(-1);  // for an index: it is a map's

  Field(const Node* node, const Field& above, std::string_view name, std::size_t index)
      : node_(node), above_(&above), name_(name), index_(index), reading_(above.reading_) {}
  std::string path() const {
    if (!above_) return {};
    return index_ == kMember ? above_->below(name_) : above_->path() + "[" + std::to_string(index_) + "]";
  }
  std::string below(std::string_view name) const {
    std::string out = path();
    if (!out.empty()) out += '.';
    return out += name;
  }
  std::string member(std::string_view key) const { return path() + "[" + reading_->shown.key(key) + "]"; }
  // No more is said of this object: it is counted.
  bool full() const {
    const bool is = reading_->wrong.size() >= kMostTold;
    reading_->wrong_beyond += is;
    return is;
  }
  // Of a node one thing is said, and nothing of what is not found in it then. `n`: null where nothing is written;
  // `within`: of a member.
  template <class Path, class Value>
  void wrong(const Node* n, const Node* within, int line, Path&& path, Value&& value, std::string_view expected) const {
    auto& all = reading_->wrong;
    const auto said = [&](const Node* node) {
      return node != nullptr && std::ranges::find(all, node, &BadShape::node) != all.end();
    };
    if (said(n) || said(within) || full()) return;
    all.push_back({path(), value(), std::string(expected), line, n});
  }
  std::string_view string() const {
    if (!node_->is_scalar()) return bad("a string"), std::string_view();
    expect_string(*node_, [&] { return path(); });
    return node_->text;
  }
  template <class Path>
  void expect_string(const Node& n, Path&& path) const {
    if (n.kind != Node::Kind::number && n.kind != Node::Kind::boolean) return;
    const std::string value = reading_->shown.value(n);
    taken(n, path(), "NotAString", "a string, in quotes",
          "it is read as " + (value.empty() ? "text" : "the text " + value));
  }
  void taken(const Node& n, const std::string& path, const char* reason, std::string expected,
             const std::string& how) const {
    reading_->taken.push_back({reading_->ref(n.line),
                               {model::Severity::warning, reason, path, reading_->shown.value(n), std::move(expected),
                                how + "; the API server would refuse the object"}});
  }

  const Node* node_;
  const Field* above_ = nullptr;  // null: it is the object
  std::string_view name_;
  std::size_t index_ = kMember;  // of a list
  Reading* reading_;
};

template <class... Kind>
constexpr auto readers(KindList<Kind...>) {
  using Reader = Object (*)(const Field&);
  return std::array<Reader, sizeof...(Kind)>{[](const Field& f) -> Object { return Kind::read(f); }...};
}
constexpr auto kReaders = readers(Kinds());  // in the order of kKinds

// What the API does not know of it, or has twice.
void report_odd_fields(const Node& n, const Reading& reading, model::Entries& entries) {
  const std::string kind = reading.kind.name;
  find_odd_fields(n, kind, reading.shown, [&](OddField odd) {
    auto ref = reading.ref(odd.value->line);
    const std::string value = reading.shown.value(*odd.value);
    if (odd.repeated) {
      const bool at_top = odd.path.find_first_of(".[") == std::string::npos;
      return entries.push_back({std::move(ref),
                                {model::Severity::warning, "DuplicateKey", std::move(odd.path), value,
                                 at_top ? "each key once, and a line --- between objects" : "each key once",
                                 "the last one counts, as for kubectl"}});
    }
    const std::string meant = odd.suggestion.empty() ? "" : "; did you mean " + odd.suggestion + "?";
    entries.push_back(
        {std::move(ref),
         {model::Severity::warning, "UnknownField", std::move(odd.path), value, "a field that " + kind + " has" + meant,
          "it is not read; the API server would drop it or refuse the object"}});
  });
}

// What a ConfigMap that cannot be read would protect must not open because of it: that it is there is told.
ObjectPtr make_husk(std::string_view ns, std::string_view name, const Text& file, int line) {
  if (!plain_name(name) || !plain_name(ns)) return nullptr;
  ConfigMap out;
  out.meta.ns = ns;
  out.meta.name = name;
  out.meta.created = kNoTimestamp;
  out.meta.origin = {file, line};
  out.unreadable = true;
  return std::make_shared<const Object>(std::move(out));
}

// An object of `row` is refused.
void refuse(const KindRow& row, const Node& n, const Text& file, std::string_view otherwise, bool from_api,
            Decoded& out) {
  const auto [ns, name] = written_name(n, otherwise);
  out.refused.push_back(
      identity(row.name, row.namespaced ? std::string(ns.substr(0, 253)) : "", std::string(name.substr(0, 253))));
  if (from_api || std::string_view(row.name) != ConfigMap::kRow.name) return;
  if (auto husk = make_husk(ns, name, file, n.line)) out.objects.push_back(std::move(husk));
}

// The same, for what was found wrong with it.
void refuse(Reading& reading, std::string_view otherwise, bool from_api, Decoded& out) {
  refuse(reading.kind, reading.object, reading.file, otherwise, from_api, out);
  std::string then = "the object is refused; its previous form, if there is one, stays";
  for (BadShape& bad : reading.wrong) {
    const bool last = &bad == &reading.wrong.back() && reading.wrong_beyond > 0;
    if (last) then += "; " + std::to_string(reading.wrong_beyond) + " more of its values are like that";
    out.entries.push_back({reading.ref(bad.line),
                           {model::Severity::error, "BadShape", std::move(bad.field), std::move(bad.value),
                            std::move(bad.expected), then}});
  }
}

// `pruned`: the API server has taken it, so it has no other fields than the API knows.
void read_known(const KindRow& row, const Node& n, const Text& file, std::string_view otherwise, std::uint32_t position,
                bool pruned, Decoded& out) {
  Reading reading{n, row, file, otherwise, Disclosure(n, row.name)};
  if (n.cost > kMaxObject) {
    reading.wrong.push_back(
        {"", "", "an object that takes at most " + std::to_string(kMaxObject >> 20) + " MiB when it is read", n.line,
         &n});
    return refuse(reading, otherwise, pruned, out);
  }
  if (!pruned) report_odd_fields(n, reading, out.entries);
  Object object = kReaders[&row - kKinds](Field(&n, reading));
  out.entries.add(reading.taken);
  if (!reading.wrong.empty()) return refuse(reading, otherwise, pruned, out);
  std::visit(
      [&](auto& o) {
        o.meta.origin = {file, n.line};
        o.meta.position = position;
      },
      object);
  out.objects.push_back(std::make_shared<const Object>(std::move(object)));
}

// What a list says of its items that do not say it themselves.
struct Of {
  std::string_view kind, version;
  bool list = false;
};

std::string_view scalar(const Node* n) {
  return n && n->is_scalar() ? n->text : std::string_view();
}

// Something that was meant to be an object must not get lost without an error; values of charts and the like may lie
// beside objects.
bool meant_as_object(const Node& n, const Of& of) {
  const auto named = [](const Node& o) { return o.get("metadata") && o.get("metadata")->get("name"); };
  if (of.list || named(n)) return true;
  if (n.kind != Node::Kind::list) return false;
  for (const Node* item = n.first; item; item = item->next)
    if (named(*item)) return true;
  return false;
}

constexpr std::size_t kSlips = 2;  // letters of a group's name that may be wrong

bool of_our_groups(std::string_view version) {
  return std::ranges::any_of(kKinds, [&](const KindRow& row) { return version == row.api_version; });
}

// Groups that have no kinds but those of Kubernetes: nobody can add one named like ours. A group without a dot is one
// of them (apps, batch, or "core", which is spelt so nowhere), as those of additions have one.
constexpr std::string_view kGroupsOfKubernetes[] = {"admissionregistration.k8s.io",
                                                    "apiextensions.k8s.io",
                                                    "apiregistration.k8s.io",
                                                    "authentication.k8s.io",
                                                    "authorization.k8s.io",
                                                    "certificates.k8s.io",
                                                    "coordination.k8s.io",
                                                    "events.k8s.io",
                                                    "flowcontrol.apiserver.k8s.io",
                                                    "node.k8s.io",
                                                    "rbac.authorization.k8s.io",
                                                    "resource.k8s.io",
                                                    "scheduling.k8s.io",
                                                    "storage.k8s.io"};

bool of_kubernetes(std::string_view group) {
  if (!group.contains('.')) return true;
  const auto near = [&](const KindRow& row) {
    constexpr std::size_t kLongest = 64;
    return !row.group().empty() && group.size() <= kLongest && edits(group, row.group()) <= kSlips;
  };
  return std::ranges::any_of(kKinds, near) ||
         std::ranges::find(kGroupsOfKubernetes, group) != std::end(kGroupsOfKubernetes);
}

void decode_one(const Node& n, const Of& of, const Text& file, std::string_view ns, Decoded& out) {
  auto position = out.positions++;
  // As kubectl has it, an empty text says nothing.
  const auto unsaid = [&n](std::string_view name) {
    const Node* const written = n.get(name);
    return !written || (written->kind == Node::Kind::string && written->text.empty());
  };
  const bool bare = unsaid("kind") && unsaid("apiVersion");
  const std::string_view kind = bare ? of.kind : scalar(n.get("kind"));
  const std::string_view version = bare ? of.version : scalar(n.get("apiVersion"));
  if (n.kind != Node::Kind::map || kind.empty()) {
    model::ObjectRef ref{"File", "", file, {file, n.line}};
    const bool meant = meant_as_object(n, of);
    out.entries.push_back(
        {ref,
         {meant ? model::Severity::error : model::Severity::ignored, "NotAnObject", "kind", Disclosure(n, "").value(n),
          "a Kubernetes object with kind and metadata", of.list ? "the item is skipped" : "the document is skipped"}});
    return;
  }
  const KindRow* const known = kind_of(kind);
  if (known && version == known->api_version) return read_known(*known, n, file, ns, position, false, out);
  const Disclosure shown(n, kind);
  if (known) {
    const KindRow& row = *known;
    // Groups of others have kinds of their own of that name.
    const bool ours = of_kubernetes(group_of(version));
    if (ours) refuse(row, n, file, ns, false, out);
    auto said = Disclosure::api_version(version);
    if (said.empty()) said = shown.value(version);
    out.entries.push_back({rough_reference(n, row.name, shown, file, ns),
                           {ours ? model::Severity::error : model::Severity::ignored, "UnsupportedVersion",
                            "apiVersion", std::move(said), std::string(row.api_version), "the object is not served"}});
    return;
  }
  // The begin of a kind of ours with nothing behind it is a file that is still being written, not another kind.
  if (!n.get("metadata"))
    for (const KindRow& row : kKinds)
      if (std::string_view(row.name).starts_with(kind))
        throw SyntaxError(n.line, 1, "the document ends inside an object");
  // A list of ours whose items nobody finds must not be lost without an error.
  if (kind.ends_with("List") && (kind == "List" || kind_of(kind.substr(0, kind.size() - 4)) != nullptr)) {
    const Node* items = nullptr;
    bool like = false;
    for (const Node* field = n.first; field != nullptr; field = field->next) {
      if (field->key == "items") items = field;
      like = like || edits(field->key, "items") <= kSlips;
    }
    if (items != nullptr && items->kind == Node::Kind::null) return;  // none
    out.entries.push_back(
        {rough_reference(n, std::string(kind), shown, file, ns),
         {model::Severity::error, "BadShape", "items", items ? shown.value(*items) : std::string(),
          items == nullptr && like ? "a list; did you mean items?" : "a list", "nothing of it is read"}});
    return;
  }
  const auto spelt = Disclosure::kind(kind, group_of(version)), group = Disclosure::api_version(version);
  if (const auto meant = Disclosure::meant_kind(kind); !spelt.empty() && kind_of(meant) && of_our_groups(version)) {
    out.entries.push_back(
        {rough_reference(n, spelt, shown, file, ns),
         {model::Severity::error, "UnknownKind", "kind", spelt,
          "a kind that " + std::string(version) + " has; did you mean " + meant + "?", "the object is not served"}});
    return;
  }
  // Nobody knows here whether its kind has namespaces: it has the one that it names.
  out.entries.push_back({rough_reference(n, spelt.empty() ? "(another kind)" : spelt, shown, file, ""),
                         {model::Severity::ignored, "UnknownKind", "kind",
                          group.empty() || spelt.empty() ? spelt : group + " " + spelt, "", "not read by Sluice"}});
}

// An object, or all of a list's: what has `items` is one, whatever its kind, as for kubectl. Lists may hold lists.
void decode_tree(const Node& n, const Of& of, const Text& file, std::string_view ns, Decoded& out) {
  const Node* items = n.get("items");
  if (!items || items->kind != Node::Kind::list) return decode_one(n, of, file, ns, out);
  std::string_view kind = scalar(n.get("kind"));
  if (kind.ends_with("List")) kind.remove_suffix(4);
  const Of own{kind, scalar(n.get("apiVersion")), true};
  for (const Node* item = items->first; item; item = item->next) decode_tree(*item, own, file, ns, out);
}

}  // namespace

void decode(const Document& document, const std::string& file, Decoded& out, std::string_view ns) {
  if (document.root) decode_tree(*document.root, {}, file, ns, out);
}

void find_husks(std::string_view text, const std::string& file, std::string_view ns, std::vector<ObjectPtr>& out) {
  constexpr std::size_t kMost = 64;
  // The words behind `key`, where a field of this name begins: "kind: ConfigMap", or "kind":"ConfigMap".
  const auto words_of = [&](std::string_view key) {
    std::vector<std::string_view> words;
    for (auto at = text.find(key); at != std::string_view::npos && words.size() < kMost; at = text.find(key, at + 1)) {
      if (at > 0 && std::string_view(" \t\n\r{,\"'").find(text[at - 1]) == std::string_view::npos) continue;
      auto rest = text.substr(at + key.size());
      if (!rest.empty() && (rest[0] == '"' || rest[0] == '\'')) rest.remove_prefix(1);
      if (!rest.starts_with(':')) continue;
      rest.remove_prefix(std::min(rest.size(), rest.find_first_not_of(": \t\"'")));
      const auto word = rest.substr(0, rest.find_first_of(" \t\r\n,}\"'"));
      if (std::ranges::find(words, word) == words.end()) words.push_back(word);
    }
    return words;
  };
  const auto kinds = words_of("kind");
  if (std::ranges::find(kinds, ConfigMap::kRow.name) == kinds.end()) return;
  auto namespaces = words_of("namespace");
  if (namespaces.empty()) namespaces.push_back(ns);
  for (const auto name : words_of("name"))
    for (const auto of : namespaces)
      if (auto husk = out.size() < kMost ? make_husk(of, name, file, 1) : nullptr) out.push_back(std::move(husk));
}

void decode_item(const Node& item, const char* kind, Decoded& out) {
  if (const KindRow* row = kind_of(kind)) read_known(*row, item, Text(), "default", out.positions++, true, out);
}

}  // namespace sluice::control
