#include <string>

#include "control/kube/options.h"
#include "data/filter/order.h"
#include "model/hash.h"
#include "support.h"

// Whatever the ConfigMap says: each key is taken or reported, what is taken prints as text that is taken again and
// means the same, and Plans can be made of it.
//
// The input: up to four times the number of a row in one byte, then its value up to a NUL.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice;  // NOLINT(google-build-using-namespace)
  static const model::ObjectRef map{"ConfigMap", "ingress-nginx", "ingress-nginx-controller", {}};
  auto text = fuzz::text_of(data, size);
  const auto rows = control::options();
  std::map<std::string, std::string> values;
  for (int i = 0; i < 4 && !text.empty(); ++i) {
    const auto& row = rows[static_cast<std::uint8_t>(text[0]) % rows.size()];
    text.remove_prefix(1);
    const auto value = fuzz::up_to('\0', text);
    values[std::string(row.key)] = value;
  }
  const auto read = control::read_options(values, map, {}, {});
  for (const auto& entry : read.entries) PROPERTY(!entry.problem.reason.empty());
  std::map<std::string, std::string> printed;
  for (const auto& row : rows) {
    if (row.secret || !values.contains(std::string(row.key))) continue;
    printed[std::string(row.key)] = row.value.print(read.options);
  }
  const auto again = control::read_options(printed, map, {}, {});
  for (const auto& [key, value] : printed)
    for (const auto& row : rows)
      if (row.key == key) PROPERTY(row.value.print(again.options) == value);
  for (const bool secured : {false, true}) data::plan_of_process(read.options, secured);
  return 0;
}
