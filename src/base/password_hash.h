#pragma once
#include <string_view>

// Passwords against their hashes, as htpasswd files have them: every form that nginx takes with glibc's crypt
// (docs/adr/0011).
namespace sluice {

// What was expected where nobody can log in with this hash, because it is of no form that is known or would keep a
// thread for more than about a second or 64 MiB; null: it is fine. Any thread.
const char* unusable(std::string_view hash) noexcept;

// Is it the password? Takes as long as the hash asks for: some microseconds to about a second, so never on a worker
// unless quick() says so. How long it takes does not tell how much of the password is right. False for what is unusable
// and where there is no memory. A NUL ends the password, as in nginx. Any thread.
bool is_password(std::string_view hash, std::string_view password) noexcept;

// A hash that costs less than to ask another thread.
bool quick(std::string_view hash) noexcept;

}  // namespace sluice
