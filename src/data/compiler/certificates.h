#pragma once
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "model/model.h"
#include "net/tls/tls.h"

// Key pairs of Secrets: read, kept when a later form is broken, chosen for hosts. Control thread.
namespace sluice::data {

// What became of a Certificate of the Model.
struct StoredPair {
  std::shared_ptr<const model::Certificate> spec;  // the last form seen
  net::tls::KeyPairPtr pair;                       // the last good form; null when there never was one
  std::string broken;                              // why `spec` is not `pair`; empty when it is
};

using ParsedPair = std::expected<net::tls::KeyPairPtr, std::string>;
// Results by the Certificate they were read from.
using ParsedPairs = std::unordered_map<const model::Certificate*, ParsedPair>;

// Reads many pairs on several threads and waits for them (a pair takes half a millisecond, a cluster may have
// thousands). Few are not worth a thread: then nothing is read.
ParsedPairs read_ahead(const std::vector<const model::Certificate*>& specs);

// Takes the new form of a pair. A broken one keeps the previous pair.
// `twin`: another pair that may have the same text (copies of one certificate in many namespaces are read once); or
// null.
void read_pair(StoredPair& stored, std::shared_ptr<const model::Certificate> spec, const StoredPair* twin,
               const ParsedPairs& ahead);

// A hash of the texts of a pair, to find twins by.
std::size_t text_hash(const model::Certificate& spec);

// The pairs to show for a host out of those it names, oldest first: one for each key type, ECDSA first.
std::vector<net::tls::KeyPairPtr> choose_pairs(std::string_view host, const std::vector<net::tls::KeyPairPtr>& named);

// What is wrong with a stored pair: broken, expired, not yet valid. `now`: Unix seconds.
std::vector<model::Entry> problems_of(const StoredPair& stored, std::int64_t now);

// An Ingress whose pairs could be shown for the host, beside an older one whose pairs are.
model::Entry not_shown(const model::HostSecrets& named, const model::HostSecrets& shown, std::string_view host);

// A pair that could be shown for the host, beside those of the same Ingress that are.
model::Entry not_sent(const StoredPair& stored, std::string_view host);

// A pair that does not cover the host, which is served with that of `instead`, or with the default one.
model::Entry mismatch(const StoredPair& stored, std::string_view host, const StoredPair* instead);

}  // namespace sluice::data
