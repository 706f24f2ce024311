#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ops/admin/admin.h"

// Who may ask the admin address for what (docs/admin.md). It decides and waits for nothing but the token's file.
namespace sluice::ops {

// What of a request the decision depends on. Views are of the request.
struct AdminCaller {
  bool loopback = false;  // the address of the peer
  bool http_1_0 = false;
  std::string_view method;
  std::string_view target;                                            // as received
  std::vector<std::pair<std::string_view, std::string_view>> fields;  // in order, names as received
};

// A request target taken apart (RFC 9112 section 3.2).
struct AdminTarget {
  std::string_view authority;  // of an absolute form, which stands above Host; empty otherwise
  std::string_view path, query;
};
// Empty for what is neither a path nor an http URL.
std::optional<AdminTarget> read_target(std::string_view target);

struct AdminRefusal {
  unsigned status = 403;
  std::string why;           // what was expected and what to do, one line
  bool wants_token = false;  // to be sent with WWW-Authenticate
};

class AdminAccess {
 public:
  // Throws std::runtime_error that names the setting: a token file that is empty or cannot be read, no host name.
  explicit AdminAccess(AdminAccessSettings settings);

  // Whether the page is there at all.
  bool serves(const AdminPage& page) const noexcept;
  // What keeps any page from this caller: a message that is none, a web page, a name that is not ours. `page`: what is
  // asked for, null when there is no such page.
  std::optional<AdminRefusal> refuse_caller(const AdminCaller& caller, const AdminPage* page) const;
  // What keeps this page, asked for by a method that it takes, from a caller that is not refused as such. Admin thread.
  std::optional<AdminRefusal> refuse_page(const AdminCaller& caller, const AdminPage& page);

 private:
  bool ours(std::string_view authority) const;
  std::optional<AdminRefusal> refuse_web_page(const AdminCaller& caller, std::string_view host) const;

  const AdminAccessSettings settings_;
  std::string problem_;  // of the token's file, as it was said last
};

}  // namespace sluice::ops
