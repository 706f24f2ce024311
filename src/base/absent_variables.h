#pragma once
#include <span>
#include <string_view>

// Variables of nginx, its modules and ingress-nginx that texts name and that have no value here. They are no
// variables anywhere else: a condition on one would never hold, and whoever wrote it would not be told.
namespace sluice {

struct AbsentVariable {
  std::string_view name;  // without the dollar sign; one that ends in '_' is a family
  std::string_view because;
};
std::span<const AbsentVariable> absent_variables() noexcept;

// Why `name`, in any case of letters, has none; empty: it is none of these.
std::string_view absent_because(std::string_view name) noexcept;

}  // namespace sluice
