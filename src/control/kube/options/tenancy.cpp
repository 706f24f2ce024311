// Whose hosts are whose.
#include <array>

#include "control/kube/host_grants.h"
#include "control/kube/options/families.h"
#include "control/kube/options/values.h"

namespace sluice::control::options_of {

namespace {

constexpr std::array kTenancyRows{
    Option{"host-namespaces",
           {"list of HOST=NAMESPACE", read_host_grants, print_host_grants, true},
           "sluice: which namespaces may have Ingresses for which hosts; `*.x` is all below x, `*` every host, `_` the "
           "catch-all, NAMESPACE `*` any; the most specific HOST decides ([tenancy](tenancy.md))",
           nullptr,
           keep_host_grants},
    Option{
        "share-hosts", boolean<&Options::share_hosts>,
        "sluice: namespaces that a host does not belong to may have paths there ([tenancy](tenancy.md)); a value that "
        "cannot be read counts as false",
        nullptr, [](const Options&, Options& o) { o.share_hosts = false; }},
};

}  // namespace

std::span<const Option> tenancy() {
  return kTenancyRows;
}

}  // namespace sluice::control::options_of
