#pragma once
#include <functional>
#include <string_view>

#include "data/routing/route_table.h"

namespace sluice::data {

// One route takes all below /, and nothing else is there but /nowhere, which is nobody's.
class OneRoute final : public RouteTable {
 public:
  Route route;
  const Route* match(std::string_view, std::string_view path, Doubt* = nullptr) const noexcept override {
    return path.starts_with("/nowhere") ? nullptr : &route;
  }
  const Route* root(std::string_view) const noexcept override { return nullptr; }
  const HostRoutes* host(std::string_view) const noexcept override { return nullptr; }
  const Route* explain(std::string_view, std::string_view,
                       const std::function<void(std::string_view)>&) const override {
    return nullptr;
  }
  std::size_t hosts() const noexcept override { return 1; }
  std::size_t routes() const noexcept override { return 1; }
  void for_each(const std::function<void(const Route&)>&) const override {}
};

}  // namespace sluice::data
