#pragma once
#include <ostream>
#include <string>

#include "app/ask.h"

// What `kubectl ingress-nginx` is asked about a controller, answered by a running process through its admin address
// (docs/kubectl-plugin.md). They return 0; 1 where what was asked for is not there, with what is; 2 where nobody could
// be asked.
namespace sluice::app {

struct BackendsQuestion {
  std::string name;   // one of them alone; empty: all
  bool list = false;  // their names, one a line
};
// As JSON, in ingress-nginx's form.
int print_backends(const AdminAddress& whom, const BackendsQuestion& question, std::ostream& out);

struct IngressesQuestion {
  std::string host, ns;  // of these alone; empty: of all
  bool json = false;
};
// A line for each path of each Ingress that is served: where it leads.
int print_ingresses(const AdminAddress& whom, const IngressesQuestion& question, std::ostream& out);

struct ConfQuestion {
  std::string host;  // "_" or "*": the catch-all; empty: all
  bool json = false;
};
// What is served, host by host, in the order in which paths are looked at.
int print_conf(const AdminAddress& whom, const ConfQuestion& question, std::ostream& out);

// The chain that is shown for a host, PEM. No key.
int print_certificate(const AdminAddress& whom, const std::string& host, std::ostream& out);

// What does the work of a command of the plugin that is none here: "logs: kubectl logs …"; empty: it is none of these.
std::string in_place_of_command(std::string_view word);

}  // namespace sluice::app
