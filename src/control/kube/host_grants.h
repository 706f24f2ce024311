#pragma once
#include <string>
#include <string_view>

#include "model/options.h"

// The option host-namespaces: which namespaces may have Ingresses for which hosts.
namespace sluice::control {

// Reads words "HOST=NAMESPACE"; several of one HOST add up. HOST: a name; "*.x" for all below x, at any depth; "*" for
// every host; "_" for the catch-all. NAMESPACE: a name, or "*" for any. Returns what was expected when a word cannot be
// read; the others count then, and a HOST whose NAMESPACE cannot be read is nobody's.
std::string read_host_grants(std::string_view value, model::Options& out);
std::string print_host_grants(const model::Options& in);
// Puts back what `previous` says of HOSTs for which `out` has no NAMESPACE.
void keep_host_grants(const model::Options& previous, model::Options& out);

// May Ingresses of the namespace name the host ("" is the catch-all)? The most specific HOST decides; a host that none
// holds is everybody's. When not, `rule` says what does: "*.x=shop".
bool may_name(const model::Options& options, std::string_view ns, std::string_view host, std::string& rule);

// May its hosts have this other name (model::Alias)? One that stands for several, as all of them are the namespace's.
bool may_alias(const model::Options& options, std::string_view ns, const std::string& alias, std::string& rule);

}  // namespace sluice::control
