#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "model/ip.h"
#include "model/stream_listener.h"

// Where this process takes connections itself: nothing that it passes on may lead back there.
namespace sluice::model {

struct OwnListener {
  std::string what;  // "http", "https", "admin", "webhook", or "tcp" and "udp" for ports that lead to Services
  Ip address{};      // any() : every address of this machine
  std::uint16_t port = 0;
  bool operator==(const OwnListener&) const = default;
  bool any() const noexcept;
};

// "10.0.0.1:80", "[::]:443": as listeners tell where they are bound. Throws std::invalid_argument for anything else.
OwnListener read_listener(std::string what, const std::string& bound);

struct OwnListeners {
  std::vector<OwnListener> all;  // of TCP
  std::vector<Ip> addresses;     // by which those on every address are reached, beside loopback; sorted
  std::vector<Ip> replicas;      // where others like us listen on the same ports; sorted
  std::vector<std::pair<Ip, std::uint16_t>> services;  // addresses and ports that lead to one of them; sorted
  // The same for datagrams, whose ports are others.
  std::vector<OwnListener> datagrams;
  std::vector<std::pair<Ip, std::uint16_t>> datagram_services;
  bool operator==(const OwnListeners&) const = default;

  // Does anything of ours listen on this port?
  bool listens_on(std::uint16_t port) const noexcept;
  // May this port lead to us at all? By an address that is ours, or a Service's.
  bool has_port(std::uint16_t port) const noexcept;
  // Does one on every address listen on this port?
  bool everywhere(std::uint16_t port) const noexcept;
  // Would a connection to this address and port reach a listener of this process or of a replica?
  bool reached(const Ip& ip, std::uint16_t port) const noexcept;
  // The three of these for datagrams.
  bool takes_datagrams_on(std::uint16_t port) const noexcept;
  bool has_datagram_port(std::uint16_t port) const noexcept;
  bool reached_by_datagrams(const Ip& ip, std::uint16_t port) const noexcept;
  // And would that be one for clients' requests?
  bool takes_requests(const Ip& ip, std::uint16_t port) const noexcept;
  // Is there one on every address, so that `addresses` matters?
  bool any() const noexcept;
  // The listener that a connection to this address and port would reach, also by way of a gateway that takes the
  // address for the IPv4 address in it; null: none.
  const OwnListener* find(const Ip& ip, std::uint16_t port) const noexcept;
};

}  // namespace sluice::model
