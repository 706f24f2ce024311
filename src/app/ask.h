#pragma once
#include <chrono>
#include <expected>
#include <string>

// A question to the admin address of a running process, for commands.
namespace sluice::app {

struct AdminAddress {
  std::string address = "127.0.0.1:10254";  // as `serve --admin` has it; ":PORT" is loopback's
  std::string token_file;                   // whose bearer is sent; empty: none
};

struct Told {
  unsigned status = 0;
  std::string body;
};

// GET `target`, a path with or without a query. An answer of more than 256 MiB, or one that is not there whole within
// `patience`, is an error, which names the address and what was wrong with it.
std::expected<Told, std::string> ask_admin(const AdminAddress& whom, const std::string& target,
                                           std::chrono::seconds patience);

}  // namespace sluice::app
