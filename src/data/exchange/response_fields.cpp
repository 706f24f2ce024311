#include "data/exchange/response_fields.h"

#include <algorithm>

#include "base/strings.h"

namespace sluice::data {

namespace {

bool has_name(const net::http::Field& field, std::string_view name, net::http::Name id) noexcept {
  using net::http::Name;
  // x_accel stands for many.
  return field.id == id && ((id != Name::other && id != Name::x_accel) || iequals(field.name, name));
}

}  // namespace

bool ResponseFields::taken(std::string_view name, net::http::Name id) const noexcept {
  return std::ranges::any_of(ours_, [&](const auto& field) { return has_name(field, name, id); });
}

void ResponseFields::hide(std::string_view name, net::http::Name id) noexcept {
  if (response_ == nullptr) return;
  for (auto& field : response_->fields)
    if (has_name(field, name, id)) field.drop = true;
}

void ResponseFields::drop(std::string_view name, net::http::Name id) {
  hide(name, id);
  if (!taken(name, id)) ours_.push_back({name, {}, id, true});
}

void ResponseFields::set(std::string_view name, std::string_view value, net::http::Name id) {
  hide(name, id);
  ours_.push_back({name, value, id, false});
}

void ResponseFields::replace(std::string_view name, std::string_view value, net::http::Name id) {
  std::erase_if(ours_, [&](const auto& field) { return has_name(field, name, id); });
  set(name, value, id);
}

void ResponseFields::clear(std::string_view name, net::http::Name id) {
  std::erase_if(ours_, [&](const auto& field) { return has_name(field, name, id); });
  drop(name, id);
}

void ResponseFields::clear_all(std::string_view beginning) {
  const auto begins = [&](const auto& field) {
    return field.name.size() >= beginning.size() && iequals(field.name.substr(0, beginning.size()), beginning);
  };
  std::erase_if(ours_, begins);
  if (response_ == nullptr) return;
  for (auto& field : response_->fields)
    if (begins(field)) field.drop = true;
}

void ResponseFields::add(std::string_view name, std::string_view value, net::http::Name id) {
  ours_.push_back({name, value, id, false});
}

void ResponseFields::set_if_free(std::string_view name, std::string_view value, net::http::Name id) {
  if (!taken(name, id)) set(name, value, id);
}

}  // namespace sluice::data
