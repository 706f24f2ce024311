#include "net/http/client_address.h"
#include "net/http/forwarded.h"

#include <string>
#include <vector>

#include "support.h"

// The walk through X-Forwarded-For: never believes an element left of one that it does not trust, and finds the same in
// one field as in several. What X-Forwarded-Host, -Port and -Proto say is believed only as what Host, a port and a
// scheme may be, and is the first element or nothing.
namespace {

using namespace sluice;       // NOLINT(google-build-using-namespace)
using namespace sluice::net;  // NOLINT(google-build-using-namespace)

// An odd last byte is "trusted": any property of the address does.
bool trusted(const Address& a) {
  return a.bytes[15] % 2 == 1;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of(data, size);
  std::vector<std::string_view> lines;
  for (std::size_t at = 0; at <= text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  Address peer{};
  PROPERTY(http::parse_address("10.0.0.1", peer));
  const Address found = http::client_address(peer, lines, trusted);

  std::string one;
  for (auto line : lines) one.append(one.empty() ? "" : ",").append(line);
  const std::string_view joined[1] = {one};
  PROPERTY(http::client_address(peer, joined, trusted) == found);
  PROPERTY(http::client_address(peer, lines, [](const Address&) { return false; }) == peer);

  // The same walk, by hand.
  std::vector<Address> chain{peer};
  http::ListFromTheEnd list(lines);
  std::string_view element;
  while (list.next(element)) {
    PROPERTY(!element.empty() && element.find(',') == std::string_view::npos);
    Address a{};
    if (!http::parse_address_port(element, a)) break;
    chain.push_back(a);
  }
  std::size_t at = 0;
  while (at + 1 < chain.size() && trusted(chain[at])) ++at;
  PROPERTY(found == chain[at]);

  for (const auto& a : chain) {
    char out[http::kAddressText];
    Address again{};
    PROPERTY(http::parse_address(http::format_address(a, out), again) && again == a);
    PROPERTY(http::contains(a.bytes, 128, a.bytes) && http::contains(peer.bytes, 0, a.bytes));
  }
  const auto first = http::first_element(one);
  if (const auto host = http::forwarded_host(one)) {
    PROPERTY(host->text == first && http::split_authority(host->text));
    for (char c : host->text) PROPERTY(c > 0x20 && c < 0x7f);
    PROPERTY(host->text.find_first_of(",/@?#\\\"<>") == std::string_view::npos);
  }
  if (const auto port = http::forwarded_port(one)) {
    PROPERTY(*port == first && !port->empty() && port->size() <= 5);
    for (char c : *port) PROPERTY(c >= '0' && c <= '9');
    const int number = std::stoi(std::string(*port));
    PROPERTY(number >= 1 && number <= 65535);
  }
  if (const auto scheme = http::forwarded_scheme(one)) PROPERTY(*scheme == "http" || *scheme == "https");
  if (http::is_forwarded(one)) PROPERTY(one.find('=') != std::string::npos);
  return 0;
}
