#include "app/terminal.h"

#include <boost/json.hpp>
#include <iostream>

#include "base/printable.h"

namespace sluice::app {

void print_line(std::ostream& out, std::string_view line) {
  out << printable(line) << '\n';
}

void print_json(std::ostream& out, const boost::json::value& value) {
  out << json_page(value);
}

std::string json_page(const boost::json::value& value) {
  return printable_json(boost::json::serialize(value)) + "\n";
}

int refuse(std::string_view why, int code) {
  std::cerr << "sluice: " << printable(why) << "\n";
  return code;
}

int fail(std::string_view why, bool json, std::ostream& out) {
  if (json)
    print_json(out, boost::json::object{{"error", why}});
  else
    print_line(out, std::string("error: ").append(why));
  return 2;
}

}  // namespace sluice::app
