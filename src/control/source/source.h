#pragma once
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "base/clock.h"
#include "control/control.h"
#include "control/source/object.h"
#include "control/status.h"

namespace sluice::control {

// What was made of the objects, for a Source that can act on it: what differs from the last time.
struct Feedback {
  // All Secrets and ConfigMaps that Ingresses of ours name, "Secret/ns/name".
  std::optional<std::set<std::string>> named;
  Standings served;                                   // what is served now, or no longer, by (object, parent)
  const std::vector<model::Entry>* report = nullptr;  // all of it; valid during the call
};

// Where objects come from: a directory of manifests, or the API of a cluster. Made, asked and destroyed on the control
// thread, which polls its descriptor.
class Source {
 public:
  virtual ~Source() = default;
  // Readable when look() has something to do.
  virtual int fd() const noexcept = 0;
  // When look() wants to be called although nothing is readable.
  virtual Instant due() const noexcept = 0;
  // Takes what has happened. Without `open` it only remembers it: changes are handed out when the next batch may leave.
  virtual ObjectChanges look(Instant now, bool open) = 0;
  // Everything has been seen once: before that nothing of it may be served. It may have to ask for what heed() tells.
  virtual bool complete() const noexcept = 0;
  virtual void heed(const Feedback&) {}
  // What was handed out is served.
  virtual void served() {}
  // What was handed out since then could not be served for want of memory, and is forgotten, with all before it: look()
  // hands out everything once more, without what seems to have been too much.
  virtual void again() = 0;
  // May an Ingress of this namespace be handed out at all?
  virtual bool takes(const std::string&) const { return true; }
  // Its own entries for the Report, to be asked after ObjectChanges::problems_changed.
  virtual std::vector<model::Entry> problems() const = 0;
  // Of a cluster. Any thread.
  virtual std::optional<ApiFigures> api() const { return {}; }
  // Adds its figures.
  virtual void count(Watcher::Stats& stats) const = 0;
};

// A directory that cannot be read yet is waited for. Where the kernel gives no inotify instance, or no watch, it is
// looked at each second.
std::unique_ptr<Source> make_file_source(const Settings& settings);
// The objects of a cluster, by its API. Throws std::runtime_error when the kubeconfig or the service account cannot be
// used; an API server that does not answer yet is waited for.
std::unique_ptr<Source> make_cluster_source(const Settings& settings);

}  // namespace sluice::control
