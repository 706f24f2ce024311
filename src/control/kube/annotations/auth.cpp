#include <array>
#include <functional>
#include <set>
#include <string>

#include "base/password_hash.h"
#include "base/strings.h"
#include "control/kube/annotations/values.h"

// auth-type with its Secret, and satisfy.
namespace sluice::control::annotation {

namespace {

using model::Severity;

constexpr std::string_view kType = "auth-type", kSecretName = "auth-secret", kBasic = "basic", kDigest = "digest";
constexpr std::string_view kSimple = " -._~/:";  // beside letters and digits, where ingress-nginx is strict

// One of `words` is in it, blanks aside: ingress-nginx does not ask for more.
bool holds_one(std::string_view value, std::initializer_list<std::string_view> words) {
  std::string text(value);
  std::erase(text, ' ');
  return std::ranges::any_of(words, [&](auto word) { return text.find(word) != std::string::npos; });
}

// What was expected of an MD5 of USER:REALM:PASSWORD; null: it is one.
const char* unusable_digest(std::string_view hash) {
  return hash.size() == 32 && hash.find_first_not_of("0123456789abcdef") == std::string_view::npos
             ? nullptr
             : "an MD5 in 32 digits of lower case, as htdigest makes it";
}

std::string read_type(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  if (!holds_one(v, {"basic", "digest"})) return "basic or digest";
  out.auth.type = v;
  return {};
}

// finish_auth() judges the rest, which it knows all of.
std::string read_secret(std::string_view v, const AnnotationContext& context, AnnotationValues& out) {
  auto& w = out.auth;
  w.secret = v;
  const auto slash = v.find('/');
  const auto ns = slash == std::string_view::npos || slash == 0 ? std::string_view(context.ns()) : v.substr(0, slash);
  const auto name = slash == std::string_view::npos ? v : v.substr(slash + 1);
  w.ns = ns;
  if (name.empty() || name.find('/') != std::string_view::npos) return {};
  w.name = std::string(ns) + "/" + std::string(name);
  w.foreign = ns != context.ns() && !context.options.allow_cross_namespace_resources;
  if (!w.foreign) w.held = context.look_up.secret(w.name);
  return {};
}

std::string read_realm(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  out.auth.realm = v;
  return {};
}

std::string read_secret_type(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  out.auth.secret_type = v;
  return {};
}

std::string read_satisfy(std::string_view v, const AnnotationContext&, AnnotationValues& out) {
  if (v != "any" && v != "all") return "any or all";
  out.settings.satisfy_any = v == "any";
  out.auth.satisfy = true;
  return {};
}

std::string print_type(const ServedRoute& served) {
  const auto& auth = served.settings.basic_auth;
  return std::string(!auth ? std::string_view() : auth->digest ? kDigest : kBasic);
}
std::string print_secret(const ServedRoute& served) {
  return served.settings.basic_auth ? served.settings.basic_auth->secret : "";
}
std::string print_realm(const ServedRoute& served) {
  return served.settings.basic_auth ? served.settings.basic_auth->realm : "";
}
std::string print_secret_type(const ServedRoute& served) {
  const auto& auth = served.settings.basic_auth;
  return auth && auth->map ? "auth-map" : "auth-file";
}
std::string print_satisfy(const ServedRoute& served) {
  return served.settings.satisfy_any ? "any" : "all";
}

constexpr std::array kAuthRows{
    Annotation{.name = "auth-realm",
               .value = {"text", read_realm, print_realm, White::spaces_or_absent},
               .on_invalid = OnInvalid::drop,
               .risk = model::Risk::medium,
               .needs = kType,
               .read_with = kType,
               .doc = "what browsers show when they ask for a password"},
    Annotation{.name = kSecretName,
               .value = {"[NAMESPACE/]NAME", read_secret, print_secret, White::spaces_or_absent},
               .on_invalid = OnInvalid::deny,
               .risk = model::Risk::medium,
               .needs = kType,
               .read_with = kType,
               .doc = "Secret with the users; without one that can be used the paths answer 503 "
                      "([authentication](authentication.md))"},
    Annotation{.name = "auth-secret-type",
               .value = {"auth-file or auth-map", read_secret_type, print_secret_type, White::blanks},
               .on_invalid = OnInvalid::drop,
               .initial = "auth-file",
               .needs = kType,
               .read_with = kType,
               .doc = "auth-file: the key `auth` is an htpasswd file, or for digest one of htdigest; auth-map: each "
                      "key is a user, "
                      "its value the hash"},
    Annotation{
        .name = kType,
        .value = {"basic or digest", read_type, print_type, White::blanks},
        .on_invalid = OnInvalid::drop,
        .serves = [](std::string_view value) { return value == kBasic || value == kDigest; },
        .doc = "ask for a name and a password ([authentication](authentication.md)); digest: without sending it"},
    Annotation{.name = "satisfy",
               .value = {"any or all", read_satisfy, print_satisfy},
               .initial = "all",
               .doc = "any: who comes from an address of allowlist-source-range needs no password, and who has one may "
                      "come from anywhere"},
};

// Who can log in by a Secret.
struct ReadUsers {
  model::Common<model::SecretText> lines;  // as BasicAuth has them
  std::string expected;                    // instead of what is wrong there; empty: nothing is
  const char* consequence = "";
};

// Lines that nobody can log in by are left out, and said once for all. Such a line locks its user out all the same:
// the first of a name counts, as in nginx.
ReadUsers users_of(const Secret& held, const WrittenAuth& w) {
  std::string lines, wrong;
  std::set<std::string, std::less<>> locked;
  std::size_t wrong_ones = 0;
  const bool digest = w.type == kDigest;
  const auto take = [&](std::string_view name, std::string_view hash, const std::string& where) {
    const bool named = !name.empty() && name.find_first_of("\r\n:") == std::string_view::npos;
    bool counts = named;
    const char* expected = nullptr;
    if (digest) {
      hash = hash.substr(0, hash.find_first_of("\r\n"));
      const bool of_realm = named && hash.starts_with(w.realm) && hash.substr(w.realm.size()).starts_with(':');
      if (of_realm) hash.remove_prefix(w.realm.size() + 1);
      hash = hash.substr(0, hash.find(':'));
      counts = of_realm;
      expected = !of_realm ? "USER:REALM:HASH of the realm that auth-realm says" : unusable_digest(hash);
    } else {
      hash = hash.substr(0, hash.find_first_of("\r\n:"));
      expected = named ? unusable(hash) : "USER:HASH";
    }
    if (expected == nullptr) {
      if (locked.contains(name)) return;
      lines.append(name).append(":").append(hash).append("\n");
      return;
    }
    if (counts) locked.emplace(name);
    if (++wrong_ones <= 3) add_element(wrong, where + ": " + expected);
  };
  if (w.secret_type == "auth-map") {
    // Not by name: who swaps names and passwords has a password there.
    std::size_t number = 0;
    for (const auto& [name, hash] : held.data)
      take(name, hash, "key " + std::to_string(++number) + " of data, in alphabetical order");
  } else {
    std::string_view rest = held.data.at("auth");
    for (std::size_t number = 1; !rest.empty(); ++number) {
      const auto end = rest.find('\n');
      const auto line = rest.substr(0, end);
      rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
      if (line.empty() || line.front() == '#' || line.front() == '\r') continue;
      const auto colon = line.find(':');
      const bool none = colon == std::string_view::npos;
      take(none ? std::string_view() : line.substr(0, colon), none ? line : line.substr(colon + 1),
           "line " + std::to_string(number) + " of data[auth]");
    }
  }
  if (wrong_ones > 3) wrong += " and " + std::to_string(wrong_ones - 3) + " more";
  if (wrong.empty() && lines.empty()) return {{}, "a user", "nobody can log in"};
  return {std::move(lines), std::move(wrong), "nobody can log in by what is wrong there"};
}

struct Reader {
  AnnotationResult& out;
  WrittenAuth& w = out.values.auth;

  void say(std::string_view annotation, std::string_view value, Severity severity, const char* reason,
           std::string expected, std::string consequence) {
    out.problems.push_back({severity, reason, "metadata.annotations[" + std::string(annotation) + "]", shorten(value),
                            std::move(expected), std::move(consequence)});
  }
  void drop(std::string_view annotation, std::string_view value, std::string expected) {
    out.dropped = true;
    say(annotation, value, Severity::error, "InvalidAnnotation", std::move(expected), "the Ingress is not served");
  }
  // As in ingress-nginx: nobody is let in.
  void deny(const char* reason, std::string expected) {
    add_element(out.closing.denied, kSecretName);
    say(kSecretName, w.secret, Severity::error, reason, std::move(expected), "the paths of this Ingress answer 503");
  }

  void read_users() {
    if (w.secret.empty()) return deny("InvalidAnnotation", "the name of a Secret");
    if (w.name.empty() || !made_of(w.secret, kSimple))
      return deny("InvalidAnnotation", "[NAMESPACE/]NAME of a Secret, of letters, digits and -._~/:");
    if (w.foreign)
      return deny("InvalidAnnotation", "a Secret of the Ingress's namespace, not of " + w.ns +
                                           ", as allow-cross-namespace-resources is false");
    if (w.held == nullptr) return deny("MissingSecret", "a Secret that exists");
    if (w.secret_type != "auth-file" && w.secret_type != "auth-map" && !w.secret_type.empty())
      return deny("InvalidAnnotation", "auth-secret-type: auth-file or auth-map");
    if (w.secret_type != "auth-map" && !w.held->data.contains("auth"))
      return deny("InvalidSecret", "a Secret with the key auth");
    model::BasicAuth auth;
    auth.realm = w.realm;
    auth.secret = w.name;
    auth.map = w.secret_type == "auth-map";
    auth.digest = w.type == kDigest;
    // Of a realm alone what digest asks for is.
    const std::string how = (auth.digest ? "digest " + w.realm : "basic") + (auth.map ? " map" : " file");
    const auto& read = out.readings->of(*w.held, how, [&] { return users_of(*w.held, w); });
    if (!read.expected.empty())
      say(kSecretName, w.secret, Severity::warning, "InvalidSecret", read.expected, read.consequence);
    auth.users = read.lines;
    out.values.settings.basic_auth = std::move(auth);
  }

  void read() {
    if (w.type.empty()) return;
    if (!w.secret_type.empty() && !holds_one(w.secret_type, {"auth-file", "auth-map"}))
      drop("auth-secret-type", w.secret_type, "auth-file or auth-map");
    if (!made_of(w.realm, kSimple)) drop("auth-realm", w.realm, "letters, digits, blanks and -._~/:");
    if (w.type == kBasic || w.type == kDigest) {
      const bool refused = out.closing.denied.find(kSecretName) != std::string::npos;  // and said
      if (!out.dropped && !refused) read_users();
      return;
    }
    add_element(out.closing.but_no_auth_locations, kType);
    say(kType, w.type, Severity::error, "UnsupportedAnnotation", "basic or digest, or --accept-unprotected auth-type",
        std::string(out.dropped ? "the Ingress is not served; were it, " : "") +
            "the paths of this Ingress answer 503, as serving them without this protection would open them");
  }
};

void finish_auth(AnnotationResult& out) {
  Reader{out}.read();
}

}  // namespace

AnnotationFamily auth() {
  return {kAuthRows, finish_auth};
}

}  // namespace sluice::control::annotation
