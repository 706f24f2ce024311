#include "control/resolver.h"

#include <ares.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>

#include "base/backoff.h"
#include "base/log.h"
#include "base/strings.h"
#include "control/source/files/signature.h"

namespace sluice::control {

namespace {
using std::chrono::seconds;

// The nameserver lines of resolv.conf as c-ares reads them; a port may follow the address as in "[::1]:5353".
std::string servers_of(const std::string& path) {
  std::ifstream in(path);
  std::string out, line;
  while (std::getline(in, line)) {
    auto text = trim(line);
    if (!text.starts_with("nameserver") || text.size() < 12 || (text[10] != ' ' && text[10] != '\t')) continue;
    auto address = trim(text.substr(10));
    address = address.substr(0, address.find_first_of(" \t#;"));
    if (std::count(address.begin(), address.end(), ':') > 1 && !address.starts_with('['))
      out += (out.empty() ? "[" : ",[") + std::string(address) + "]";
    else
      out += (out.empty() ? "" : ",") + std::string(address);
  }
  return out.empty() ? "127.0.0.1" : out;
}
}  // namespace

struct Resolver::State {
  static constexpr seconds kLook{5};
  struct Name {
    std::vector<std::string> addresses;
    std::string error;  // why there are none
    bool told = false;  // something was said about it
    bool tell = false;  // what is known is to be said once more
    bool asking = false;
    Instant next{};  // when to ask again
    std::uint32_t failed = 0;
    std::uint64_t generation = 0;
  };
  struct Question {
    State* state;
    std::string name;
    std::uint64_t generation;
  };

  std::string resolv_conf;
  Changed changed;
  ares_channel channel = nullptr;
  std::map<std::string, Name> names;
  std::uint64_t generation = 0;
  std::uint64_t failures = 0;
  bool starved = false;  // an answer could not be taken for want of memory
  Instant now{};
  // resolv.conf, while there are names: inotify of its directory; where that cannot be had, a look now and then.
  int watch = -1;
  Signature seen;
  Instant look_at{};
  bool watch_told = false;

  ~State() {
    if (watch >= 0) ::close(watch);
  }

  // The directory, because editors and kubelets put a new file in the old one's place.
  void watch_resolv_conf() {
    if (watch >= 0 || resolv_conf.empty()) return;
    watch = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    const auto slash = resolv_conf.rfind('/');
    const std::string folder =
        slash == std::string::npos ? "." : resolv_conf.substr(0, std::max<std::size_t>(slash, 1));
    if (watch >= 0 && ::inotify_add_watch(watch, folder.c_str(),
                                          IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_ATTRIB | IN_ONLYDIR) >= 0)
      return;
    const int why = errno;
    if (watch >= 0) ::close(std::exchange(watch, -1));
    if (!std::exchange(watch_told, true))
      log::warn("inotify: {}; {} is looked at every {} seconds instead", std::strerror(why), resolv_conf,
                kLook.count());
  }
  // All zero where there is none.
  Signature found() const {
    struct stat s{};
    return ::stat(resolv_conf.c_str(), &s) == 0 ? Signature::of(s) : Signature();
  }
  bool looks() const { return watch < 0 && !resolv_conf.empty() && !names.empty(); }
  bool resolv_conf_changed() const {
    const std::string name = resolv_conf.substr(resolv_conf.rfind('/') + 1);
    alignas(inotify_event) char buffer[4096];
    bool changed_now = false;
    for (ssize_t n; (n = ::read(watch, buffer, sizeof buffer)) > 0;)
      for (const char* p = buffer; p < buffer + n;) {
        const auto* e = reinterpret_cast<const inotify_event*>(p);
        p += sizeof(inotify_event) + e->len;
        changed_now |= (e->mask & IN_Q_OVERFLOW) || (e->len > 0 && name == e->name);
      }
    return changed_now;
  }

  void open() {
    seen = found();
    ares_options options{};
    options.timeout = 2000;
    options.tries = 2;
    char lookups[] = "fb";
    options.lookups = lookups;
    options.ndomains = 0;
    options.ndots = 1;
    int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_DOMAINS | ARES_OPT_NDOTS;
    if (ares_init_options(&channel, &options, mask) != ARES_SUCCESS) {
      channel = nullptr;
      return;
    }
    ares_set_servers_ports_csv(channel, servers_of(resolv_conf).c_str());
  }
  void close() {
    if (!channel) return;
    auto old = std::exchange(channel, nullptr);
    ares_destroy(old);  // answers every open question with ARES_EDESTRUCTION
  }

  void ask(const std::string& text, Name& name) {
    if (!channel) return;
    // Freed by answered(), which c-ares calls exactly once.
    auto* question = new Question{this, text, generation + 1};
    name.asking = true;
    name.generation = ++generation;
    ares_addrinfo_hints hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_flags = ARES_AI_NOSORT;
    ares_getaddrinfo(channel, text.c_str(), nullptr, &hints, answered, question);
  }

  // An exception must not pass through C: process() throws it.
  static void answered(void* arg, int status, int, ares_addrinfo* info) noexcept {
    std::unique_ptr<Question> question(static_cast<Question*>(arg));
    try {
      question->state->take(*question, status, info);
    } catch (const std::bad_alloc&) {
      question->state->starved = true;
    }
    if (info) ares_freeaddrinfo(info);
  }

  void take(const Question& question, int status, const ares_addrinfo* info) {
    auto it = names.find(question.name);
    if (it == names.end() || it->second.generation != question.generation || status == ARES_EDESTRUCTION ||
        status == ARES_ECANCELLED)
      return;
    auto& name = it->second;
    name.asking = false;
    std::vector<std::string> found;
    seconds ttl{3600};
    for (auto* node = status == ARES_SUCCESS && info ? info->nodes : nullptr; node; node = node->ai_next) {
      char text[INET6_ADDRSTRLEN];
      const void* raw =
          node->ai_family == AF_INET
              ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in*>(node->ai_addr)->sin_addr)
              : static_cast<const void*>(&reinterpret_cast<const sockaddr_in6*>(node->ai_addr)->sin6_addr);
      if ((node->ai_family != AF_INET && node->ai_family != AF_INET6) ||
          !::inet_ntop(node->ai_family, raw, text, sizeof text))
        continue;
      ttl = std::min(ttl, seconds(std::max(1, node->ai_ttl)));
      found.emplace_back(text);
    }
    std::sort(found.begin(), found.end());  // answers rotate; the order must not look like a change
    found.erase(std::unique(found.begin(), found.end()), found.end());
    if (found.size() > kMaxAddresses) found.resize(kMaxAddresses);
    if (found.empty()) {
      ++failures;
      name.next = now + doubled(seconds(1), name.failed++, seconds(60));
      std::string why = status == ARES_SUCCESS ? "no address" : ares_strerror(status);
      if (name.addresses.empty() && !name.told) {
        name.told = true;
        log::warn("cannot resolve {}: {}", question.name, why);
        name.error = why;
        changed(question.name, {}, why);
      }
      return;
    }
    // Without memory for it the name is asked for again.
    if (!name.told || name.addresses != found) {
      name.addresses = found;
      name.error.clear();
      name.told = true;
      changed(question.name, std::move(found), "");
    }
    name.failed = 0;
    name.next = now + ttl;
  }
};

Resolver::Resolver(std::string resolv_conf, Changed changed) : state_(std::make_unique<State>()) {
  static std::once_flag once;
  std::call_once(once, [] { ares_library_init(ARES_LIB_INIT_ALL); });
  state_->resolv_conf = std::move(resolv_conf);
  state_->changed = std::move(changed);
  state_->now = SystemClock().now();
}

Resolver::~Resolver() {
  state_->close();
}

void Resolver::want(const std::set<std::string>& wanted) {
  auto& s = *state_;
  std::erase_if(s.names, [&](auto& n) { return !wanted.contains(n.first); });
  if (wanted.empty()) return;
  if (!s.channel) s.open();
  s.watch_resolv_conf();
  for (auto& text : wanted) {
    if (s.names.size() >= kMaxNames) return;
    auto [it, added] = s.names.try_emplace(text);
    if (added) s.ask(it->first, it->second);
    if (std::exchange(it->second.tell, false) && it->second.told)
      s.changed(text, it->second.addresses, it->second.error);
  }
}

void Resolver::again() {
  for (auto& [text, name] : state_->names) name.tell = true;
}

void Resolver::reload() {
  auto& s = *state_;
  if (!s.channel) return;
  s.close();
  for (auto& [text, name] : s.names) {
    name.failed = 0;
    name.asking = false;
    name.next = s.now;
  }
  s.open();
  for (auto& [text, name] : s.names) s.ask(text, name);
}

Duration Resolver::prepare(std::vector<pollfd>& fds, Instant now) {
  auto& s = *state_;
  s.now = now;
  Duration wait = std::chrono::hours(1);
  if (!s.channel) return wait;
  if (s.watch >= 0) fds.push_back({s.watch, POLLIN, 0});
  if (s.looks()) wait = std::min(wait, std::max(Duration(0), s.look_at - now));
  ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
  int bits = ares_getsock(s.channel, sockets, ARES_GETSOCK_MAXNUM);
  for (int i = 0; i < ARES_GETSOCK_MAXNUM; ++i) {
    short events = static_cast<short>((ARES_GETSOCK_READABLE(bits, i) ? POLLIN : 0) |
                                      (ARES_GETSOCK_WRITABLE(bits, i) ? POLLOUT : 0));
    if (events) fds.push_back({sockets[i], events, 0});
  }
  timeval tv{};
  if (ares_timeout(s.channel, nullptr, &tv)) wait = seconds(tv.tv_sec) + std::chrono::microseconds(tv.tv_usec);
  for (auto& [text, name] : s.names)
    if (!name.asking) wait = std::min(wait, std::max(Duration(0), name.next - now));
  return wait;
}

void Resolver::process(const pollfd* fds, std::size_t count, Instant now) {
  auto& s = *state_;
  s.now = now;
  if (!s.channel) return;
  if (s.looks() && now >= s.look_at) {
    s.look_at = now + State::kLook;
    s.watch_resolv_conf();
    if (s.seen != s.found()) return reload();
  }
  bool any = false;
  for (std::size_t i = 0; i < count; ++i) {
    if (!fds[i].revents) continue;
    if (fds[i].fd == s.watch) {
      if (s.resolv_conf_changed()) return reload();
      continue;
    }
    any = true;
    ares_process_fd(s.channel, fds[i].revents & (POLLIN | POLLERR | POLLHUP) ? fds[i].fd : ARES_SOCKET_BAD,
                    fds[i].revents & POLLOUT ? fds[i].fd : ARES_SOCKET_BAD);
  }
  if (!any) ares_process_fd(s.channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);  // its timers
  for (auto& [text, name] : s.names)
    if (!name.asking && name.next <= now) s.ask(text, name);
  if (std::exchange(s.starved, false)) throw std::bad_alloc();
}

std::uint64_t Resolver::failures() const {
  return state_->failures;
}

}  // namespace sluice::control
