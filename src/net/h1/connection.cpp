#include "net/h1/connection.h"

#include "base/strings.h"

namespace sluice::net::h1 {
namespace {

constexpr unsigned kMostOptions = 64;  // each is compared with every field; a head could hold thousands

void drop_named(http::Fields& fields, std::string_view name, bool (*keep)(const http::Field&)) noexcept {
  for (auto& field : fields.all())
    if (iequals(field.name, name) && !keep(field)) field.drop = true;
}

}  // namespace

ConnectionOptions apply_connection(http::Fields& fields, bool (*keep)(const http::Field&)) noexcept {
  ConnectionOptions out;
  unsigned count = 0;
  for (const auto& field : fields.all()) {
    if (field.id != http::Name::connection) continue;
    for_each_element(field.value, [&](std::string_view option) {
      if (++count > kMostOptions) {
        out.too_many = true;
        return;
      }
      if (iequals(option, "close")) {
        out.close = true;
      } else if (iequals(option, "keep-alive")) {
        out.keep_alive = true;
      } else if (iequals(option, "upgrade")) {
        out.upgrade = true;
      } else {
        const auto id = http::name_of(option);
        if (id == http::Name::content_length || id == http::Name::transfer_encoding) out.breaks_framing = true;
        drop_named(fields, option, keep);
      }
    });
  }
  return out;
}

}  // namespace sluice::net::h1
