#include "app/explain_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <exception>
#include <ostream>

#include "app/describe.h"
#include "app/terminal.h"
#include "base/strings.h"

namespace sluice::app {

namespace {

std::string config_map_text(const model::StreamListener& l) {
  auto text = fmt::format("{}, data[{}]", l.object.text(), l.port);
  const auto& origin = l.object.origin;
  return origin.file.empty() ? text : fmt::format("{} ({}:{})", text, origin.file, origin.line);
}

}  // namespace

bool names_transport(std::string_view method) {
  return iequals(method, "tcp") || iequals(method, "udp");
}

int run_explain_stream(const control::Settings& settings, std::string_view transport, std::string_view port, bool json,
                       std::ostream& out) {
  const auto wanted = iequals(transport, "udp") ? model::Transport::udp : model::Transport::tcp;
  const auto digits = port.starts_with(':') ? port.substr(1) : port;
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{} || end != digits.data() + digits.size() || number == 0)
    return fail(fmt::format("\"{}\": expected a port from 1 to 65535 behind {}", port, transport), json, out);
  try {
    const control::Update update = control::load_once(settings);
    const model::Model& model = *update.model;
    const auto at = std::ranges::find_if(
        *model.streams, [&](const model::StreamListener& l) { return l.transport == wanted && l.port == number; });
    const auto field = fmt::format("data[{}]", number);
    std::vector<std::string> said = problems_of_flags(model.report.entries);
    for (const model::Entry& e : model.report.entries)
      if (e.object.kind == "ConfigMap" && e.problem.field == field) said.push_back(model::Report::line(e));
    if (at == model.streams->end()) {
      if (json) {
        print_json(out, boost::json::object{{"transport", model::to_string(wanted)},
                                            {"port", number},
                                            {"open", false},
                                            {"report", boost::json::array(said.begin(), said.end())}});
        return 0;
      }
      print_line(out,
                 fmt::format("{} {} leads to no Service: nothing listens there", model::to_string(wanted), number));
    } else {
      const model::Cluster* cluster = find_cluster(model, *at);
      if (json) {
        auto object = to_json(*at, cluster);
        object["open"] = true;
        boost::json::array endpoints;
        if (cluster != nullptr)
          for (const auto& e : cluster->endpoints) endpoints.push_back(to_json(e));
        object["endpoints"] = std::move(endpoints);
        object["report"] = boost::json::array(said.begin(), said.end());
        print_json(out, object);
        return 0;
      }
      print_line(out, stream_text(*at));
      print_line(out, "  by " + config_map_text(*at));
      if (cluster == nullptr || usable(*cluster) == 0)
        print_line(out,
                   fmt::format("  {}: {}",
                               wanted == model::Transport::tcp ? "connections are closed" : "datagrams are dropped",
                               empty_text(cluster)));
      else
        for (const auto& e : cluster->endpoints)
          print_line(out, fmt::format("  {} {}", address_text(e), state_text(e)));
    }
    for (const auto& line : said) print_line(out, "  " + line);
  } catch (const std::exception& e) {
    return fail(e.what(), json, out);
  }
  return 0;
}

}  // namespace sluice::app
