#include "data/compiler/certificates.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "base/reserve.h"
#include "base/strings.h"

namespace sluice::data {

namespace {

constexpr std::size_t kWorthThreads = 32;  // pairs
constexpr unsigned kMostThreads = 8;
constexpr std::size_t kOfAThread = 32U << 20;  // its stack, and what the allocator sets up for it

std::string day(std::int64_t unix_seconds) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(unix_seconds)));
}

std::string names_of(const net::tls::KeyPair& pair) {
  std::string out;
  for (const std::string& name : pair.names()) {
    if (out.size() + name.size() > 110) return out + ", ...";
    out += (out.empty() ? "" : ", ") + name;
  }
  return out;
}

int rank(const net::tls::KeyPair& pair) {
  if (pair.key_type() == "ECDSA") return 0;
  return pair.key_type() == "Ed25519" ? 1 : 2;
}

}  // namespace

std::size_t text_hash(const model::Certificate& spec) {
  const std::hash<std::string_view> hash;
  return hash(spec.chain_pem) * 31 + hash(spec.key_pem);
}

ParsedPairs read_ahead(const std::vector<const model::Certificate*>& specs) {
  ParsedPairs results;
  if (specs.size() < kWorthThreads) return results;
  std::vector<ParsedPair> parsed(specs.size());
  std::atomic<std::size_t> next{0};
  std::atomic<bool> starved{false};
  auto work = [&] {
    const Dispensable as_the_pairs_before_stay;
    try {
      for (std::size_t i = next++; i < specs.size(); i = next++)
        parsed[i] = net::tls::parse_key_pair(specs[i]->chain_pem, specs[i]->key_pem);
    } catch (const std::bad_alloc&) {
      starved = true;
    }
  };
  {
    std::vector<std::jthread> helpers;
    const unsigned threads = std::clamp(std::thread::hardware_concurrency(), 1U, kMostThreads);
    try {
      while (Reserve::has_room(kOfAThread) && helpers.size() + 1 < threads) helpers.emplace_back(work);
    } catch (const std::exception&) {
      // No more threads to be had, or no memory for them: those that started, and this one, do the work.
    }
    work();
  }
  if (starved) throw std::bad_alloc();
  results.reserve(specs.size());
  for (std::size_t i = 0; i < specs.size(); ++i) results.emplace(specs[i], std::move(parsed[i]));
  return results;
}

void read_pair(StoredPair& stored, std::shared_ptr<const model::Certificate> spec, const StoredPair* twin,
               const ParsedPairs& ahead) {
  stored.spec = std::move(spec);
  stored.broken.clear();
  const bool same_text = twin != nullptr && twin != &stored && twin->broken.empty() && twin->pair && twin->spec &&
                         twin->spec->chain_pem == stored.spec->chain_pem && twin->spec->key_pem == stored.spec->key_pem;
  if (same_text) {
    stored.pair = twin->pair;
    return;
  }
  const auto at = ahead.find(stored.spec.get());
  ParsedPair parsed =
      at != ahead.end() ? at->second : net::tls::parse_key_pair(stored.spec->chain_pem, stored.spec->key_pem);
  if (parsed) {
    stored.pair = std::move(*parsed);
  } else {
    stored.broken = std::move(parsed.error());
  }
}

std::vector<net::tls::KeyPairPtr> choose_pairs(std::string_view host, const std::vector<net::tls::KeyPairPtr>& named) {
  std::vector<net::tls::KeyPairPtr> chosen;
  for (const auto& pair : named) {
    if (!pair || host.empty() || !pair->covers(host)) continue;
    const bool taken =
        std::any_of(chosen.begin(), chosen.end(), [&](auto& c) { return c->key_type() == pair->key_type(); });
    if (!taken) chosen.push_back(pair);
  }
  // One of each type: there are no equals to keep in order.
  std::sort(chosen.begin(), chosen.end(), [](auto& a, auto& b) { return rank(*a) < rank(*b); });
  return chosen;
}

std::vector<model::Entry> problems_of(const StoredPair& stored, std::int64_t now) {
  std::vector<model::Entry> out;
  if (!stored.spec) return out;
  auto add = [&](model::Severity severity, std::string reason, std::string field, std::string value,
                 std::string expected, std::string consequence) {
    out.push_back({stored.spec->object,
                   {severity, std::move(reason), std::move(field), std::move(value), std::move(expected),
                    std::move(consequence)}});
  };
  if (!stored.broken.empty()) {
    const bool key = stored.broken.starts_with("tls.key");
    add(model::Severity::error, "InvalidCertificate", key ? "data[tls.key]" : "data[tls.crt]", "",
        "a PEM chain and the private key that belongs to it (" + stored.broken + ")",
        stored.pair ? "the previous pair stays in use" : "hosts that name it are served with the default certificate");
  }
  if (!stored.pair) return out;
  if (const auto expected = stored.pair->unfit(); !expected.empty())
    add(model::Severity::warning, "CertificateUnfit", "data[tls.crt]", names_of(*stored.pair), std::string(expected),
        "it is served as it is and clients will refuse it");
  if (stored.pair->not_after() < now) {
    add(model::Severity::warning, "CertificateExpired", "data[tls.crt]", "notAfter " + day(stored.pair->not_after()),
        "a certificate that is valid today", "it is served as it is and clients will refuse it");
  } else if (stored.pair->not_before() > now) {
    add(model::Severity::warning, "CertificateNotYetValid", "data[tls.crt]",
        "notBefore " + day(stored.pair->not_before()), "a certificate that is valid today",
        "it is served as it is and clients will refuse it until then");
  }
  return out;
}

model::Entry not_shown(const model::HostSecrets& named, const model::HostSecrets& shown, std::string_view host) {
  std::string secrets;
  for (const std::string& name : named.secrets) add_element(secrets, name);
  return {named.ingress,
          {model::Severity::warning, "CertificateNotShown", "spec.tls", secrets,
           "the Secrets of " + shown.ingress.text() + ", which is older and has TLS for " + std::string(host),
           std::string(host) + " is served with their certificate"}};
}

model::Entry not_sent(const StoredPair& stored, std::string_view host) {
  const std::string type(stored.pair->key_type());
  return {
      stored.spec->object,
      {model::Severity::warning, "CertificateNotShown", "data[tls.crt]", names_of(*stored.pair),
       "one pair with a key of type " + type + " for " + std::string(host) + ": an earlier TLS section names another",
       "it is never sent for " + std::string(host)}};
}

model::Entry mismatch(const StoredPair& stored, std::string_view host, const StoredPair* instead) {
  return {stored.spec->object,
          {model::Severity::warning, "CertificateNameMismatch", "data[tls.crt]", names_of(*stored.pair),
           "a certificate that names " + std::string(host),
           std::string(host) + " is served with " +
               (instead ? "Secret " + instead->spec->name : std::string("the default certificate"))}};
}

}  // namespace sluice::data
