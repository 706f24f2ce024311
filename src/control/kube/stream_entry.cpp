#include "control/kube/stream_entry.h"

#include <array>

#include "base/strings.h"
#include "control/control.h"
#include "control/kube/grammar.h"

namespace sluice::control {

namespace {

constexpr const char* kForm = "NAMESPACE/SERVICE:PORT[:PROXY[:PROXY]], such as default/db:5432";

bool is_port_name(std::string_view text) {
  return !text.empty() && text.size() <= 63 && made_of(text, "-_");
}

std::uint16_t port_number(std::string_view text) {
  const auto number = parse_int(text);
  return number && *number >= 1 && *number <= 65535 ? static_cast<std::uint16_t>(*number) : std::uint16_t{0};
}

}  // namespace

std::expected<StreamEntry, StreamEntryError> read_stream_entry(model::Transport transport, std::string_view key,
                                                               std::string_view value) {
  StreamEntry out;
  // Block scalars of YAML end with a line's end.
  out.port = port_number(trim_of(key, kBlank));
  if (out.port == 0) return std::unexpected(StreamEntryError{true, "a port from 1 to 65535"});

  // More words than these are read by nobody.
  std::array<std::string_view, 5> words;
  std::size_t count = 0;
  for (std::string_view rest = trim_of(value, kBlank); count < words.size(); ++count) {
    const auto colon = rest.find(':');
    words[count] = rest.substr(0, colon);
    if (colon == std::string_view::npos) {
      ++count;
      break;
    }
    rest.remove_prefix(colon + 1);
  }
  const auto wrong = [](std::string expected) { return std::unexpected(StreamEntryError{false, std::move(expected)}); };
  if (count < 2) return wrong(kForm);
  const auto slash = words[0].find('/');
  if (slash == std::string_view::npos) return wrong(kForm);
  const auto ns = words[0].substr(0, slash), service = words[0].substr(slash + 1);
  if (!is_host_name(ns, false) || !is_host_name(service, false)) return wrong(kForm);
  out.ns = ns;
  out.service = service;
  out.service_port = words[1];
  if (parse_int(words[1]) ? port_number(words[1]) == 0 : !is_port_name(words[1]))
    return wrong("a port of Service " + std::string(words[0]) + ", by number or name");

  const auto is_proxy = [](std::string_view word) { return iequals(word, "PROXY"); };
  for (std::size_t i = 2; i < count; ++i) {
    if (words[i].empty()) continue;
    if (transport == model::Transport::udp)
      out.ignored.emplace_back("no PROXY, which datagrams do not have");
    else if (i > 3)
      out.ignored.emplace_back("at most two words behind the port; of more the first one counts alone");
    else if (!is_proxy(words[i]))
      out.ignored.emplace_back("PROXY, or nothing");
  }
  if (transport == model::Transport::udp) return out;
  out.proxy_in = count >= 3 && is_proxy(words[2]);
  out.proxy_out = count == 4 && is_proxy(words[3]);
  return out;
}

std::string config_map_of(model::Transport transport, const Settings& settings) {
  const bool tcp = transport == model::Transport::tcp;
  const std::string& flag = tcp ? settings.tcp_services : settings.udp_services;
  return !flag.empty() || settings.manifests.empty() ? flag : tcp ? kTcpServices : kUdpServices;
}

}  // namespace sluice::control
