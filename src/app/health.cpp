#include "app/health.h"

#include <iostream>
#include <string_view>

#include "app/ask.h"
#include "app/terminal.h"
#include "net/io/socket.h"

namespace sluice::app {

int health(const std::string& admin) {
  if (const auto address = net::parse_listen(admin.starts_with(':') ? "127.0.0.1" + admin : admin); !address)
    return refuse("--admin " + address.error());
  const auto told = ask_admin({admin, {}}, "/readyz", kHealthPatience);
  if (!told) return refuse(told.error(), 1);
  // Whoever answers there: a page is a line.
  std::string_view page = told->body;
  if (page.ends_with('\n')) page.remove_suffix(1);
  if (!page.empty()) print_line(std::cout, page);
  return told->status == 200 ? 0 : 1;
}

}  // namespace sluice::app
