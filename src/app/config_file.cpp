#include "app/config_file.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <CLI/CLI.hpp>
#include <vector>

namespace sluice::app {

namespace {

std::string at(const std::string& path, const YAML::Mark& mark) {
  return mark.is_null() ? path : fmt::format("{}:{}", path, mark.line + 1);
}

// A scalar or a list of scalars; a map gives KEY=VALUE pairs, as --set takes them.
bool values_of(const YAML::Node& node, std::vector<std::string>& out) {
  if (node.IsScalar()) {
    out.push_back(node.Scalar());
  } else if (node.IsSequence()) {
    for (const auto& element : node) {
      if (!element.IsScalar()) return false;
      out.push_back(element.Scalar());
    }
  } else if (node.IsMap()) {
    for (const auto& pair : node) {
      if (!pair.first.IsScalar() || !pair.second.IsScalar()) return false;
      out.push_back(pair.first.Scalar() + "=" + pair.second.Scalar());
    }
  } else {
    return node.IsNull();
  }
  return true;
}

std::string apply_flag(CLI::Option& flag, const std::vector<std::string>& values) {
  if (flag.count() > 0 || values.empty()) return {};
  try {
    for (const auto& value : values) flag.add_result(value);
    flag.run_callback();
  } catch (const CLI::Error& e) {
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
  YAML::Node root;
  try {
    root = YAML::LoadFile(path);
  } catch (const YAML::ParserException& e) {
    return fmt::format("{}: {}; expected `key: value` lines", at(path, e.mark), e.msg);
  } catch (const YAML::Exception& e) {
    return fmt::format("{}: {}", path, e.what());
  }
  if (root.IsNull()) return {};
  if (!root.IsMap()) return fmt::format("{}: expected a map of flags and options", at(path, root.Mark()));
  for (const auto& pair : root) {
    const auto where = at(path, pair.first.Mark());
    if (!pair.first.IsScalar()) return fmt::format("{}: expected the name of a flag or an option", where);
    const auto& key = pair.first.Scalar();
    std::vector<std::string> values;
    if (!values_of(pair.second, values)) return fmt::format("{}: {}: expected a value or a list of values", where, key);
    auto* flag = key == "config" || key == "help" ? nullptr : flags.get_option_no_throw("--" + key);
    const auto wrong = flag ? apply_flag(*flag, values) : apply_option(key, values, settings);
    if (!wrong.empty()) return fmt::format("{}: {}: {}", where, key, wrong);
  }
  return {};
}

}  // namespace sluice::app
