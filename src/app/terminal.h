#pragma once
#include <boost/json/value.hpp>
#include <ostream>
#include <string>
#include <string_view>

// What commands print. Names of files, fields of objects and words of the command line are others' text: all of them
// leave through here, where none can end a line or tell a terminal anything.
namespace sluice::app {

// One line; what stands for a line end inside it is spelt out.
void print_line(std::ostream& out, std::string_view line);
// One JSON text and a line end.
void print_json(std::ostream& out, const boost::json::value& value);
// The same for a page.
std::string json_page(const boost::json::value& value);
// Says on standard error why the command does nothing; returns `code`.
int refuse(std::string_view why, int code = 2);
// The same where the answer is expected, as JSON or as a line.
int fail(std::string_view why, bool json, std::ostream& out);

}  // namespace sluice::app
