#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "model/ip.h"

// Where this process takes connections itself: nothing that it passes on may lead back there.
namespace sluice::model {

struct OwnListener {
  std::string what;  // "http", "https", "admin" or "webhook"
  Ip address{};      // any() : every address of this machine
  std::uint16_t port = 0;
  bool operator==(const OwnListener&) const = default;
  bool any() const noexcept;
};

// "10.0.0.1:80", "[::]:443": as listeners tell where they are bound. Throws std::invalid_argument for anything else.
OwnListener read_listener(std::string what, const std::string& bound);

struct OwnListeners {
  std::vector<OwnListener> all;
  std::vector<Ip> addresses;  // by which those on every address are reached, beside loopback; sorted
  bool operator==(const OwnListeners&) const = default;

  // Does anything of ours listen on this port at all?
  bool has_port(std::uint16_t port) const noexcept;
  // Is there one on every address, so that `addresses` matters?
  bool any() const noexcept;
  // The listener that a connection to this address and port would reach, also by way of a gateway that takes the
  // address for the IPv4 address in it; null: none.
  const OwnListener* find(const Ip& ip, std::uint16_t port) const noexcept;
};

}  // namespace sluice::model
