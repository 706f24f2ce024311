// Whose requests are taken.
#include <array>

#include "control/kube/options/families.h"
#include "control/kube/options/values.h"
#include "control/kube/source_ranges.h"

namespace sluice::control::options_of {

namespace {

template <auto M>
std::string read_ranges(std::string_view v, Options& o) {
  std::vector<model::Cidr> read;
  std::string bad;
  for_each_word(v, [&](std::string_view e) {
    if (const auto range = parse_source_ranges(e))
      read.push_back(range->front());
    else if (bad.empty())
      bad = shorten(e);
  });
  o.*M = std::move(read);
  return bad.empty() ? "" : "addresses and ranges such as 10.0.0.0/8, which \"" + bad + "\" is not";
}

template <auto M>
std::string print_ranges(const Options& o) {
  return source_ranges_text(o.*M);
}

template <auto M>
constexpr OptionValue ranges{"list of ranges", read_ranges<M>, print_ranges<M>, true};

// Who is meant to be kept out by what cannot be read is not known: nobody comes.
template <auto M>
void deny_everybody(const Options&, Options& o) {
  o.*M = *parse_source_ranges("0.0.0.0/0,::/0");
}
// What can be read of a list of those who may come is less than was meant; of none at all, nobody.
template <auto M>
void allow_nobody_else(const Options&, Options& o) {
  if ((o.*M).empty()) o.*M = *parse_source_ranges("0.0.0.0/32");
}

// As above: nobody knows who is meant.
template <auto M>
void block_everybody(const Options&, Options& o) {
  o.*M = {{model::TextRule::Kind::pattern_of_any_case, "^"}};
}

// What the three say together.
void inherit(const Options& o, RouteSettings& s) {
  s.source_ranges = source_ranges(o, {}, {});
}

constexpr std::array kAddressesRows{
    Option{
        "whitelist-source-range", ranges<&Options::whitelist_source_range>,
        "whose requests are taken, others are 403; an Ingress's allowlist-source-range stands in its place; of a list "
        "that cannot be read whole the rest counts, of one that cannot be read at all nobody",
        inherit, allow_nobody_else<&Options::whitelist_source_range>},
    Option{"denylist-source-range", ranges<&Options::denylist_source_range>,
           "whose requests are 403; an Ingress's own list stands in its place; a list that cannot be read whole denies "
           "everybody",
           inherit, deny_everybody<&Options::denylist_source_range>},
    Option{"block-cidrs", ranges<&Options::block_cidrs>,
           "whose requests are 403 where neither the Ingress nor the two lists above say whose are taken, and where no "
           "Ingress takes them; a list that cannot be read whole denies everybody",
           inherit, deny_everybody<&Options::block_cidrs>},
    Option{"block-user-agents", text_rules<&Options::block_user_agents>,
           "requests with such a User-Agent are 403: a whole text, whatever the case, or `~` and a regular expression "
           "(`~*`: whatever the case); a list that cannot be read whole blocks everybody ([protection](protection.md))",
           nullptr, block_everybody<&Options::block_user_agents>},
    Option{"block-referers", text_rules<&Options::block_referers>, "the same by the Referer", nullptr,
           block_everybody<&Options::block_referers>},
};

}  // namespace

std::span<const Option> addresses() {
  return kAddressesRows;
}

}  // namespace sluice::control::options_of
