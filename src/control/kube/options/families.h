#pragma once
#include <span>

#include "control/kube/options.h"

// The tables of options, one file each family; options.cpp joins them in this order.
namespace sluice::control::options_of {

std::span<const Option> tenancy();
std::span<const Option> addresses();
std::span<const Option> redirects();
std::span<const Option> clients();
std::span<const Option> downstream();
std::span<const Option> compression();
std::span<const Option> tls();
std::span<const Option> upstream();
std::span<const Option> streams();
std::span<const Option> limits();
std::span<const Option> logs();
std::span<const Option> rules();
std::span<const Option> snippets();
std::span<const Option> external_auth();
std::span<const Option> shutdown();

// A key of ingress-nginx that changes nothing here.
struct IdleOption {
  std::string_view key;
  bool meaningless;      // what it asks for is not there to be done, or is done anyway; false: it is not served
  std::string_view why;  // a sentence without its end
};
std::span<const IdleOption> idle();  // by key

}  // namespace sluice::control::options_of
