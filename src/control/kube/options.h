#pragma once
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/model.h"

// The options: every ConfigMap key and --set key, with its grammar, default and effect. One row each, in the file of
// its family (options/).
namespace sluice::control {

// How a value is written, read and printed.
struct OptionValue {
  std::string_view grammar;
  std::string (*parse)(std::string_view value, model::Options& out);  // empty when fine, else what was expected
  std::string (*print)(const model::Options& in);
  bool list = false;   // of words; they may stand on lines of their own, and the good ones count beside a bad one
  bool lines = false;  // it may have several
};

struct Option {
  std::string_view key;
  OptionValue value;
  std::string_view doc;
  // Of what annotations may say otherwise: writes what routes have by themselves.
  void (*inherit)(const model::Options& in, model::RouteSettings& out) = nullptr;
  // Of what protects: makes `out` what counts where the value cannot be read, instead of what `previous` says.
  void (*keep)(const model::Options& previous, model::Options& out) = nullptr;
  bool secret = false;  // its value is never shown
};

// As the documentation lists them.
std::span<const Option> options();
// What routes have that no annotation speaks of.
model::RouteSettings default_settings(const model::Options& options);
// The set that the key has its value of, as "resilience: recommended"; empty: of none.
std::string set_of(std::string_view key, const model::Options& options);
// Is it the key of an option, of ours or of ingress-nginx, served or not?
bool is_option(std::string_view key);

// Applies `data` (a ConfigMap's) and then `set` over the defaults. Where a value cannot be read the default counts, as
// in ingress-nginx, whatever counted before: what is served is what another process, or this one after a restart, would
// serve. Of a list the elements that can be read count, and a row with `keep` says itself what does. Problems name
// `object`.
struct OptionsResult {
  model::Options options;
  model::Entries entries;
  std::vector<std::string> guards;  // keys that guard requests and are not served: they close (guarding_options.h)
};
// `accepted`: of --accept-unprotected.
OptionsResult read_options(const std::map<std::string, std::string>& data, const model::ObjectRef& object,
                           const std::map<std::string, std::string>& set, const model::Options& previous,
                           const std::set<std::string>& accepted = {});

}  // namespace sluice::control
