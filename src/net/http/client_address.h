#pragma once
#include <cstddef>
#include <span>
#include <string_view>

#include "net/http/cidr.h"

// Who the client is, when proxies stand before us and say so in X-Forwarded-For (or the field that is configured).
namespace sluice::net::http {

// Reads the elements of a list field from its last to its first; several lines of the field count as one list, in order
// (RFC 9110 section 5.3). The values must outlive the reader. Empty elements are skipped.
class ListFromTheEnd {
 public:
  explicit ListFromTheEnd(std::span<const std::string_view> values) noexcept : values_(values), left_(values.size()) {}
  // The next element towards the front, trimmed; false when there is none.
  bool next(std::string_view& element) noexcept;

 private:
  std::span<const std::string_view> values_;
  std::size_t left_;       // values not begun
  std::string_view rest_;  // of the current value
};

// Walks from the peer to the left: while the address we stand on belongs to a proxy that we trust, the element before
// it is believed. The result is the first address that is not trusted, or the leftmost one when all are. An element
// that is not an address ends the walk: what stands left of it was said by nobody we know. `trusted`: bool(const
// Address&).
template <class Trusted>
Address client_address(const Address& peer, std::span<const std::string_view> forwarded_for, Trusted&& trusted) {
  Address client = peer;
  ListFromTheEnd list(forwarded_for);
  std::string_view element;
  while (trusted(static_cast<const Address&>(client)) && list.next(element))
    if (!parse_address_port(element, client)) break;
  return client;
}

}  // namespace sluice::net::http
