#include "control/kube/stream_entry.h"

#include <string>

#include "support.h"

// An entry of tcp-services or udp-services: the key up to the first end of line, then the value. What is taken can be
// spelt again and says the same; what is refused says what was expected.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice;  // NOLINT(google-build-using-namespace)
  auto value = fuzz::text_of(data, size);
  const auto key = fuzz::up_to('\n', value);
  for (const auto transport : {model::Transport::tcp, model::Transport::udp}) {
    const auto entry = control::read_stream_entry(transport, key, value);
    if (!entry) {
      PROPERTY(!entry.error().expected.empty());
      continue;
    }
    PROPERTY(entry->port != 0 && !entry->ns.empty() && !entry->service.empty() && !entry->service_port.empty());
    for (const std::string* part : {&entry->ns, &entry->service, &entry->service_port})
      PROPERTY(part->find_first_of(":/ \t\r\n") == std::string::npos);
    PROPERTY(transport == model::Transport::tcp || !(entry->proxy_in || entry->proxy_out));
    const std::string again = entry->ns + "/" + entry->service + ":" + entry->service_port + ":" +
                              (entry->proxy_in ? "PROXY" : "") + ":" + (entry->proxy_out ? "PROXY" : "");
    const auto twice = control::read_stream_entry(transport, std::to_string(entry->port), again);
    PROPERTY(twice && twice->port == entry->port && twice->ns == entry->ns && twice->service == entry->service &&
             twice->service_port == entry->service_port && twice->proxy_in == entry->proxy_in &&
             twice->proxy_out == entry->proxy_out && twice->ignored.empty());
  }
  return 0;
}
