#include <array>

#include "base/strings.h"
#include "control/kube/annotations/values.h"

namespace sluice::control::annotation {

namespace {

using model::Affinity;
using model::Balancing;
using model::HashBy;

// What is served of it, or what is so by itself.
const Affinity& affinity_of(const ServedRoute& served) {
  static const Affinity none{};
  const auto& b = served.settings.balancing;
  return b && b->affinity ? *b->affinity : none;
}
const HashBy* hash_of(const ServedRoute& served) {
  const auto& b = served.settings.balancing;
  return b ? b->hash_by.get() : nullptr;
}

std::string read_load_balance(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto way = parse_load_balance(v);
  if (!way) return std::string(kLoadBalanceGrammar);
  out.balancing.load_balance = *way;
  return {};
}
std::string print_load_balance(const ServedRoute& served) {
  const auto& b = served.settings.balancing;
  return std::string(to_string(b ? b->load_balance : model::LoadBalance::round_robin));
}

std::string read_by_service(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto b = parse_bool(v);
  if (!b) return "true or false";
  out.balancing.by_service = *b;
  return {};
}
std::string print_by_service(const ServedRoute& served) {
  const auto& b = served.settings.balancing;
  return truth(b && b->by_service);
}

std::string read_slow_start(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto n = parse_int(v);
  if (!n || *n < 0 || *n > 3600) return "seconds, a bare number, 3600 at most";
  out.balancing.slow_start = std::chrono::seconds(*n);
  return {};
}
std::string print_slow_start(const ServedRoute& served) {
  const auto& b = served.settings.balancing;
  return std::to_string(b ? b->slow_start.count() : 0);
}

std::string read_hash_by(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  Template key(v);
  if (auto expected = wrong_variables(key, false); !expected.empty()) return expected;
  if (!made_of(v, "-_${}")) return "variables, and letters, digits, - and _ between them";
  out.balancing.hash_by.key = std::move(key);
  return {};
}
std::string print_hash_by(const ServedRoute& served) {
  const auto* hash = hash_of(served);
  return hash != nullptr ? hash->key.text() : "";
}
std::string read_subset(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto b = parse_bool(v);
  if (!b) return "true or false";
  out.balancing.hash_by.subset = *b;
  return {};
}
std::string print_subset(const ServedRoute& served) {
  const auto* hash = hash_of(served);
  return truth(hash != nullptr && hash->subset);
}
std::string read_subset_size(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto n = parse_int(v);
  if (!n || *n < 0 || *n > 100'000) return "a number of endpoints, 0 for 3";
  out.balancing.hash_by.subset_size = *n == 0 ? HashBy{}.subset_size : static_cast<std::uint32_t>(*n);
  return {};
}
std::string print_subset_size(const ServedRoute& served) {
  const auto* hash = hash_of(served);
  return std::to_string(hash != nullptr ? hash->subset_size : HashBy{}.subset_size);
}

std::string read_hash_policy(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  using enum model::HashPolicy;
  for (const auto way : {ring, maglev})
    if (v == to_string(way)) {
      out.balancing.hash_by.policy = way;
      return {};
    }
  return "ring or maglev";
}
std::string print_hash_policy(const ServedRoute& served) {
  const auto* hash = hash_of(served);
  return std::string(to_string(hash != nullptr ? hash->policy : model::HashPolicy::ring));
}
std::string read_balance_factor(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto n = parse_int(v);
  if (!n || (*n != 0 && (*n < 105 || *n > 10'000))) return "per cent of the mean, 105 to 10000, or 0 for no bound";
  out.balancing.hash_by.balance_factor = static_cast<std::uint32_t>(*n);
  return {};
}
std::string print_balance_factor(const ServedRoute& served) {
  const auto* hash = hash_of(served);
  return std::to_string(hash != nullptr ? hash->balance_factor : 0);
}

std::string read_affinity(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  if (v != "cookie") return "cookie, which is the only kind";
  out.balancing.has_affinity = true;
  return {};
}
std::string print_affinity(const ServedRoute& served) {
  const auto& b = served.settings.balancing;
  return b && b->affinity ? "cookie" : "";
}
std::string read_mode(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  if (v != "balanced" && v != "persistent") return "balanced or persistent";
  out.balancing.affinity.persistent = v == "persistent";
  return {};
}
std::string print_mode(const ServedRoute& served) {
  return affinity_of(served).persistent ? "persistent" : "balanced";
}
std::string read_name(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  if (!is_token(v)) return "the name of a cookie";
  out.balancing.affinity.name = v;
  return {};
}
std::string print_name(const ServedRoute& served) {
  return affinity_of(served).name;
}
std::string read_path(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  if (!v.starts_with('/') || v.find_first_of(" ;,\"") != std::string_view::npos)
    return "a path, which begins with / and has no blank, comma, semicolon or quotation mark";
  out.balancing.affinity.path = v;
  return {};
}
std::string print_path(const ServedRoute& served) {
  return affinity_of(served).path;
}
std::string read_domain(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  if (!is_host_name(v.starts_with('.') ? v.substr(1) : v, false)) return "a domain such as a.example";
  out.balancing.affinity.domain = v;
  return {};
}
std::string print_domain(const ServedRoute& served) {
  return affinity_of(served).domain;
}
template <auto M>
std::string read_life(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  const auto n = parse_int(v);
  if (!n || *n < -3'153'600'000 || *n > 3'153'600'000) return "seconds, a bare number, of a hundred years at most";
  out.balancing.affinity.*M = *n;
  return {};
}
template <auto M>
std::string print_life(const ServedRoute& served) {
  const auto& life = affinity_of(served).*M;
  return life ? std::to_string(*life) : "";
}
std::string read_same_site(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  using enum model::SameSite;
  for (const auto way : {none, lax, strict})
    if (iequals(v, to_string(way))) {
      out.balancing.affinity.same_site = way;
      return {};
    }
  return "None, Lax or Strict";
}
std::string print_same_site(const ServedRoute& served) {
  return std::string(to_string(affinity_of(served).same_site));
}
template <auto M>
constexpr AnnotationValue truth_of{"boolean",
                                   [](std::string_view v, const AnnotationContext&, AnnotationValues& out) {
                                     const auto b = parse_bool(v);
                                     if (!b) return std::string("true or false");
                                     out.balancing.affinity.*M = *b;
                                     return std::string();
                                   },
                                   [](const ServedRoute& served) { return truth(affinity_of(served).*M); },
                                   White::none};

constexpr std::string_view kAffinityName = "affinity", kHashName = "upstream-hash-by";

constexpr std::array kBalancingRows{
    Annotation{.name = kAffinityName,
               .value = {"cookie", read_affinity, print_affinity},
               .scope = Scope::backend,
               .doc = "a cookie keeps the requests of a browser at one pod ([balancing](balancing.md)); stronger than "
                      "upstream-hash-by and load-balance"},
    Annotation{.name = "affinity-mode",
               .value = {"balanced or persistent", read_mode, print_mode},
               .risk = model::Risk::medium,
               .scope = Scope::backend,
               .initial = "balanced",
               .needs = kAffinityName,
               .doc = "balanced: when pods come some sessions move to them; persistent: a session stays for as long as "
                      "its pod is there"},
    Annotation{.name = "load-balance",
               .value = {kLoadBalanceValues, read_load_balance, print_load_balance},
               .scope = Scope::backend,
               .option = "load-balance",
               .doc =
                   "which pod the next request goes to: one after the other, the one that answers sooner, the one "
                   "with the fewest requests in flight, anyone by chance, or the quickest of those that are not busy "
                   "([balancing](balancing.md)); the last three are Sluice's own"},
    Annotation{.name = "service-upstream",
               .value = {"boolean", read_by_service, print_by_service, White::none},
               .scope = Scope::backend,
               .option = "service-upstream",
               .doc = "pods are reached by the cluster address of their Service, which is the one endpoint then; a "
                      "Service without one is served by its pods ([balancing](balancing.md))"},
    Annotation{.name = "session-cookie-change-on-failure",
               .value = truth_of<&Affinity::change_on_failure>,
               .scope = Scope::backend,
               .initial = "false",
               .needs = kAffinityName,
               .doc = "after a failed attempt another pod is asked and the session moves there; false: the same pod is "
                      "asked again"},
    Annotation{.name = "session-cookie-conditional-samesite-none",
               .value = truth_of<&Affinity::same_site_none_if_understood>,
               .scope = Scope::backend,
               .initial = "false",
               .needs = kAffinityName,
               .doc = "leave SameSite=None out for browsers that do not understand it"},
    Annotation{.name = "session-cookie-domain",
               .value = {"domain", read_domain, print_domain, White::spaces_or_absent},
               .risk = model::Risk::medium,
               .scope = Scope::backend,
               .needs = kAffinityName,
               .doc = "Domain of the cookie"},
    Annotation{.name = "session-cookie-expires",
               .value = {"seconds", read_life<&Affinity::expires>, print_life<&Affinity::expires>, White::spaces},
               .risk = model::Risk::medium,
               .scope = Scope::backend,
               .needs = kAffinityName,
               .doc = "Expires of the cookie: so many seconds from now"},
    Annotation{.name = "session-cookie-max-age",
               .value = {"seconds", read_life<&Affinity::max_age>, print_life<&Affinity::max_age>, White::none},
               .risk = model::Risk::medium,
               .scope = Scope::backend,
               .needs = kAffinityName,
               .doc = "Max-Age of the cookie"},
    Annotation{.name = "session-cookie-name",
               .value = {"name", read_name, print_name, White::spaces_or_absent},
               .risk = model::Risk::medium,
               .scope = Scope::backend,
               .initial = "INGRESSCOOKIE",
               .needs = kAffinityName,
               .doc = "name of the cookie"},
    Annotation{.name = "session-cookie-path",
               .value = {"path", read_path, print_path, White::spaces_or_absent},
               .risk = model::Risk::medium,
               .scope = Scope::backend,
               .otherwise = "the path of the Ingress's rule",
               .needs = kAffinityName,
               .doc = "Path of the cookie; with use-regex it is to be written, as browsers know no patterns"},
    Annotation{.name = "session-cookie-samesite",
               .value = {"None, Lax or Strict, any case", read_same_site, print_same_site},
               .scope = Scope::backend,
               .needs = kAffinityName,
               .doc = "SameSite of the cookie"},
    Annotation{.name = "session-cookie-secure",
               .value = truth_of<&Affinity::secure>,
               .scope = Scope::backend,
               .initial = "false",
               .needs = kAffinityName,
               .doc = "Secure even where the client came without TLS; where it came with TLS the cookie always is"},
    Annotation{.name = "slow-start",
               .value = {"seconds", read_slow_start, print_slow_start, White::none},
               .scope = Scope::backend,
               .option = "slow-start",
               .doc = "a pod that has come gets a share of the requests that grows to that of the others in this time; "
                      "0 is the whole share at once ([balancing](balancing.md)). Sluice's own"},
    Annotation{.name = kHashName,
               .value = {"text with variables", read_hash_by, print_hash_by, White::spaces_or_absent},
               .risk = model::Risk::high,
               .scope = Scope::backend,
               .doc = "requests with the same key go to the same pod ([balancing](balancing.md), "
                      "[variables](variables.md)); stronger than load-balance"},
    Annotation{.name = "upstream-hash-by-balance-factor",
               .value = {"per cent", read_balance_factor, print_balance_factor},
               .scope = Scope::backend,
               .initial = "0",
               .needs = kHashName,
               .doc = "Sluice's own: so many requests in flight, of the mean of all pods, may the key's pod have; with "
                      "more the key goes to another one; 0: without bound"},
    Annotation{.name = "upstream-hash-by-policy",
               .value = {"ring or maglev", read_hash_policy, print_hash_policy},
               .scope = Scope::backend,
               .initial = "ring",
               .needs = kHashName,
               .doc = "Sluice's own: what leads from keys to pods, a ring as in ingress-nginx, or the table of Maglev, "
                      "whose shares are all but equal"},
    Annotation{.name = "upstream-hash-by-subset",
               .value = {"boolean", read_subset, print_subset, White::none},
               .scope = Scope::backend,
               .initial = "false",
               .needs = kHashName,
               .doc = "the key leads to a few pods, of which one is chosen by chance"},
    Annotation{.name = "upstream-hash-by-subset-size",
               .value = {"number", read_subset_size, print_subset_size, White::none},
               .scope = Scope::backend,
               .initial = "3",
               .needs = kHashName,
               .doc = "how many pods that are"},
};

void finish_balancing(AnnotationResult& out) {
  WrittenBalancing& written = out.values.balancing;
  const auto in_vain = [&](const char* field, const char* expected, const char* consequence) {
    out.problems.push_back({model::Severity::warning, "NoEffect", field, "", expected, consequence});
  };
  Balancing made = out.values.settings.balancing ? *out.values.settings.balancing : Balancing{};
  if (written.load_balance) made.load_balance = *written.load_balance;
  if (written.by_service) made.by_service = *written.by_service;
  if (written.slow_start) made.slow_start = *written.slow_start;
  if (written.hash_by.subset) {
    const auto beside_subset = [&](const char* field) {
      in_vain(field, "no upstream-hash-by-subset: true beside it",
              "it is ignored: subsets stand on the ring, without bound");
    };
    if (written.hash_by.policy != HashBy{}.policy) beside_subset("metadata.annotations[upstream-hash-by-policy]");
    if (written.hash_by.balance_factor != 0) beside_subset("metadata.annotations[upstream-hash-by-balance-factor]");
    written.hash_by.policy = HashBy{}.policy;
    written.hash_by.balance_factor = 0;
  }
  if (!written.hash_by.key.empty())
    made.hash_by = std::move(written.hash_by);
  else if (written.hash_by != HashBy{})
    in_vain("metadata.annotations[upstream-hash-by-*]", "upstream-hash-by beside them",
            "without upstream-hash-by they are ignored");
  if (written.has_affinity) {
    if (out.values.use_regex && written.affinity.path.empty())
      in_vain("metadata.annotations[affinity]", "session-cookie-path beside it, as use-regex makes the paths patterns",
              "browsers do not send the cookie back, whose Path is the pattern");
    made.affinity = std::move(written.affinity);
  } else if (written.affinity != Affinity{}) {
    in_vain("metadata.annotations[session-cookie-*]", "affinity: cookie beside them",
            "without affinity they are ignored");
  }
  if (made == Balancing{})
    out.values.settings.balancing.reset();
  else
    out.values.settings.balancing = std::move(made);
}

}  // namespace

AnnotationFamily balancing() {
  return {kBalancingRows, finish_balancing};
}

}  // namespace sluice::control::annotation
