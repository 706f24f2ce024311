#include "control/source/cluster/reflector.h"

#include "base/log.h"
#include "base/printable.h"

namespace sluice::control::cluster {

namespace asio = boost::asio;

namespace {

std::string_view text_of(const Node* node) {
  return node && node->is_scalar() ? node->text : std::string_view();
}

std::string_view member(const Node* node, std::string_view name) {
  return node ? text_of(node->get(name)) : std::string_view();
}

std::string identity_of(const char* kind, const Node& object) {
  const Node* metadata = object.get("metadata");
  return identity(kind, std::string(member(metadata, "namespace")), std::string(member(metadata, "name")));
}

unsigned number(std::string_view text) {
  unsigned out = 0;
  for (const char c : text) out = c >= '0' && c <= '9' ? out * 10 + static_cast<unsigned>(c - '0') : 0;
  return out;
}

}  // namespace

Reflector::Reflector(asio::io_context& io, const Access& access, Credentials& credentials, Resource resource,
                     Sink& sink, std::uint64_t seed)
    : client_(io, access, credentials),
      waiter_(io),
      resource_(std::move(resource)),
      sink_(sink),
      backoff_(seed),
      random_(static_cast<unsigned>(seed)) {}

std::string Reflector::query(const std::string& more) const {
  return resource_.path + "?" + (resource_.selector.empty() ? "" : resource_.selector + "&") + more;
}

asio::awaitable<void> Reflector::run() {
  for (;;) {
    std::optional<ApiError> failure;
    try {
      co_await follow();
    } catch (const std::exception& e) {
      failure = failure_of(e, "GET " + resource_.path);
    }
    if (!failure) continue;
    // What we would go on from is no longer kept: a new list helps, at once. During a list it is a failure like others.
    bool circles = false;
    if (failure->status == 410 && !version_.empty()) {
      log::info("{}: the server no longer has the changes since the last one seen; listing anew", resource_.path);
      version_.clear();
      // Once: a server that has lost them again before an event came would list all in a circle.
      circles = std::exchange(expired_, true);
      if (!circles) continue;
    }
    sink_.trouble(resource_, *failure);
    Duration wait = backoff_.next(*failure);
    if (circles) wait = std::max<Duration>(wait, Backoff::kLongest);
    if (failure->status == 403 && resource_.deniable) {
      // One may pass, while roles are made or an authorizer starts: what is there is not known for it.
      wait = doubled(kDeniedSoon, denials_++, kDenied);
      if (denials_ >= kDenials && !std::exchange(complete_, true)) sink_.complete(resource_);
    }
    co_await waiter_.rest(wait);
  }
}

// One list, if it is needed, and one watch to its end.
asio::awaitable<void> Reflector::follow() {
  if (version_.empty() && !streams_) co_await list();
  if (version_.empty()) {
    bool streamed = true;
    try {
      co_await stream();
    } catch (const ApiError& e) {
      // Before Kubernetes 1.32, or with the feature off: 400 or 422 for sendInitialEvents.
      if (e.status != 400 && e.status != 422) throw;
      streamed = false;
    }
    if (streamed) co_return;
    streams_ = false;
    log::debug("{}: no streaming lists; listing in pages", resource_.path);
    co_return;
  }
  const auto span = static_cast<unsigned>((kWatchMax - kWatchMin).count());
  const auto seconds = static_cast<unsigned>(kWatchMin.count()) + static_cast<unsigned>(random_() % span);
  std::string target = query("watch=1&allowWatchBookmarks=true&resourceVersion=" + version_ +
                             "&timeoutSeconds=" + std::to_string(seconds));
  std::function<void(std::string_view)> line = [this](std::string_view text) { event(text); };
  const Instant began = SystemClock().now();
  co_await client_.lines(target, kSilence, line);
  // A server that ends each watch at once would be asked in a circle.
  if (SystemClock().now() - began < std::chrono::seconds(1))
    throw ApiError(0, "GET " + resource_.path + ": the watch ended at once");
}

asio::awaitable<void> Reflector::stream() {
  std::string target = query(
      "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=&allowWatchBookmarks=true"
      "&timeoutSeconds=" +
      std::to_string(kWatchMax.count()));
  list_begins();
  std::function<void(std::string_view)> line = [this](std::string_view text) { event(text); };
  co_await client_.lines(target, kSilence, line);
  // To be asked again after a pause: a server that is about to end does so each time.
  if (listing_) throw ApiError(0, "GET " + resource_.path + ": the list ended before it was whole");
}

asio::awaitable<void> Reflector::list() {
  list_begins();
  std::string next, version;
  bool whole = true;
  do {
    std::string target =
        query("limit=" + std::to_string(kPage) + (next.empty() ? "" : "&continue=" + query_value(next)));
    const std::string body = co_await client_.get(target);
    // One object after the other: what one tenant's objects take is no reason to refuse those of others.
    const JsonList page = cut_json_list(body);
    const auto document = parse_json(page.rest, 1);
    const Node* root = document->root;
    const Node* metadata = root ? root->get("metadata") : nullptr;
    if (!metadata) throw ApiError(0, "GET " + target + ": the answer is not a list");
    for (const std::string_view item : page.items) {
      try {
        if (const auto object = parse_json(item, 1, kJsonTimes); object->root) take(*object->root);
      } catch (const SyntaxError& e) {
        log::warn("GET {}: an object of {} bytes cannot be read ({}); it is left out, what was known of it stays",
                  target, item.size(), e.what());
        whole = false;  // it may be any of those that are not seen
      }
    }
    version = member(metadata, "resourceVersion");
    next = member(metadata, "continue");
  } while (!next.empty());
  if (!whole) unseen_.clear();
  list_ends(version);
}

void Reflector::list_begins() {
  listing_ = true;
  unseen_.clear();
  for (const auto& [name, known] : known_) unseen_.insert(name);
}

void Reflector::list_ends(std::string version) {
  listing_ = false;
  while (!unseen_.empty()) {
    const std::string name = *unseen_.begin();
    drop(name);
    unseen_.erase(name);
  }
  version_ = std::move(version);  // now, and not before: what there was no memory for is listed anew
  if (!std::exchange(complete_, true)) sink_.complete(resource_);
  denials_ = 0;
  if (backoff_.failures() > 0) sink_.recovered(resource_);
  backoff_.reset();
}

void Reflector::event(std::string_view line) {
  if (line.empty()) return sink_.follows(resource_);
  std::unique_ptr<Document> document;
  try {
    document = parse_json(line, 1, kJsonTimes);
  } catch (const SyntaxError& e) {
    // From the same version on it would come again, and nothing behind it; a page leaves out one object alone.
    version_.clear();
    streams_ = false;
    throw ApiError(0, "watch of " + resource_.path + ": an event of " + std::to_string(line.size()) +
                          " bytes cannot be read (" + e.what() + "); all is listed anew");
  }
  const Node* root = document->root;
  const std::string_view type = member(root, "type");
  const Node* object = root ? root->get("object") : nullptr;
  if (!object) throw ApiError(0, "GET " + resource_.path + ": an event without an object");
  const Node* metadata = object->get("metadata");
  if (type == "ERROR")
    throw ApiError(number(member(object, "code")),
                   "watch of " + resource_.path + ": " + std::string(cut(member(object, "message"), 300)));
  const std::string version(member(metadata, "resourceVersion"));
  if (type == "BOOKMARK") {
    const Node* annotations = metadata ? metadata->get("annotations") : nullptr;
    if (listing_ && member(annotations, "k8s.io/initial-events-end") == "true") return list_ends(version);
  } else if (type == "DELETED") {
    drop(identity_of(resource_.kind, *object));
  } else if (type == "ADDED" || type == "MODIFIED") {
    take(*object);
  }
  if (listing_ || version.empty()) return;
  version_ = version;
  expired_ = false;
  denials_ = 0;
  if (backoff_.failures() > 0) sink_.recovered(resource_);
  backoff_.reset();
}

void Reflector::take(const Node& object) {
  const std::string name = identity_of(resource_.kind, object);
  std::string version(member(object.get("metadata"), "resourceVersion"));
  unseen_.erase(name);
  Known& known = known_[name];
  if (known.version == version) return;
  sink_.seen(name, object);
  Decoded decoded;
  decode_item(object, resource_.kind, decoded);
  ObjectPtr made = decoded.objects.empty() ? nullptr : decoded.objects.front();
  // Most changes are of parts that mean nothing here: status, managed fields, leases in annotations.
  if (!made || !known.object || *made != *known.object || !decoded.entries.empty()) {
    sink_.learnt(name, made, decoded.entries.all());
    if (made) known.object = std::move(made);
  }
  known.version = std::move(version);  // now, and not before: what there was no memory for comes again
}

void Reflector::each(std::string_view prefix,
                     const std::function<void(const std::string&, const ObjectPtr&)>& f) const {
  for (const auto& [name, known] : known_)
    if (known.object && name.starts_with(prefix)) f(name, known.object);
}

void Reflector::drop(const std::string& identity) {
  const auto it = known_.find(identity);
  if (it == known_.end()) return;
  auto one = known_.extract(it);
  try {
    sink_.gone(identity, one.mapped().object);
  } catch (...) {
    known_.insert(std::move(one));  // what there was no memory for comes again
    throw;
  }
}

}  // namespace sluice::control::cluster
