#include "app/config_file.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <vector>

#include "base/read_file.h"
#include "control/source/node.h"

namespace sluice::app {

namespace {

using control::Node;

constexpr std::size_t kMost = 1U << 20;

std::string at(const std::string& path, int line) {
  return fmt::format("{}:{}", path, line);
}

// A scalar or a list of scalars; a map gives KEY=VALUE pairs, as --set takes them.
bool values_of(const Node& node, std::vector<std::string>& out) {
  if (node.kind == Node::Kind::null) return true;
  if (node.is_scalar()) {
    out.emplace_back(node.text);
    return true;
  }
  for (const Node* n = node.first; n; n = n->next) {
    if (!n->is_scalar()) return false;
    out.push_back((node.kind == Node::Kind::map ? std::string(n->key) + "=" : "") + std::string(n->text));
  }
  return true;
}

std::string apply_flag(CLI::Option& flag, const std::vector<std::string>& values) {
  if (flag.count() > 0 || values.empty()) return {};
  try {
    for (const auto& value : values) flag.add_result(value);
    flag.run_callback();
  } catch (const std::exception& e) {  // of CLI11, or of the standard library, which it lets through
    return e.what();
  }
  return {};
}

std::string apply_option(const std::string& key, const std::vector<std::string>& values, control::Settings& settings) {
  std::string value;
  for (const auto& v : values) value += (value.empty() ? "" : ",") + v;
  if (auto wrong = control::check_option(key, value); !wrong.empty()) return wrong;
  settings.set.emplace(key, value);
  return {};
}

}  // namespace

std::string apply_config_file(const std::string& path, CLI::App& flags, control::Settings& settings) {
  const auto text = read_file(path, kMost);
  if (!text) return fmt::format("{}: {}", path, text.error());
  std::vector<std::unique_ptr<control::Document>> documents;
  try {
    documents = control::parse_yaml(*text, 1);
  } catch (const control::SyntaxError& e) {
    return fmt::format("{}: {}; expected `key: value` lines", at(path, e.line), e.what());
  }
  if (documents.empty()) return {};
  const Node& root = *documents.front()->root;
  if (root.kind != Node::Kind::map) return fmt::format("{}: expected a map of flags and options", at(path, root.line));
  for (const Node* n = root.first; n; n = n->next) {
    const std::string key(n->key), where = at(path, n->line);
    auto* flag = key == "config" || key == "help" ? nullptr : flags.get_option_no_throw("--" + key);
    const auto shown = flag ? key : control::option_name(key);
    std::vector<std::string> values;
    if (!values_of(*n, values)) return fmt::format("{}: {}: expected a value or a list of values", where, shown);
    const auto wrong = flag ? apply_flag(*flag, values) : apply_option(key, values, settings);
    if (!wrong.empty()) return fmt::format("{}: {}: {}", where, shown, wrong);
  }
  return {};
}

}  // namespace sluice::app
