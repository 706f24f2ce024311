#pragma once
#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "app/options.h"

// Flags that ingress-nginx has and Sluice has not, or has under another name: a Deployment's arguments are taken as
// they are. Those without a meaning here are accepted, and said once at the start (docs/configmap.md).
namespace sluice::app {

class NginxFlags {
 public:
  // For `serve`. `this` has to outlive the parser.
  void add(CLI::App& command);
  // After parsing: puts what was given into `options`, where no flag of ours says the same. The message of a
  // contradiction; empty: fine.
  std::string take(const CLI::App& command, ServeOptions& options);
  // What was accepted without an effect, a sentence each.
  const std::vector<std::string>& notes() const noexcept { return notes_; }

 private:
  std::optional<std::uint16_t> http_, https_, healthz_;
  std::string healthz_host_;
  std::optional<std::string> grace_;
  std::optional<unsigned> verbosity_;
  std::vector<std::string> notes_;
};

// Of those that read objects from a cluster: another address of its API.
void add_api_server(CLI::App& command, control::Settings& settings);
// Of all commands that read objects: what ingress-nginx leaves out by a flag.
void add_exclusions(CLI::App& command, control::Settings& settings);
// The same: where this process runs, and whether that matters.
void add_whereabouts(CLI::App& command, control::Settings& settings);

}  // namespace sluice::app
