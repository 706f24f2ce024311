#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "control/source/decode.h"

// Helpers of the control tests: a directory of one's own, small manifests, waiting for a condition.
namespace sluice::control::testing {

namespace fs = std::filesystem;

class Scratch {
 public:
  Scratch() {
    std::string pattern = (fs::temp_directory_path() / "sluice-control-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~Scratch() {
    std::error_code ignored;
    fs::permissions(path_, fs::perms::owner_all, ignored);
    fs::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  std::string str() const { return path_.string(); }
  fs::path operator/(const std::string& name) const { return path_ / name; }
  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::trunc) << text;
  }
  // As careful writers do: a hidden file, then a rename.
  void replace(const std::string& name, const std::string& text) const {
    write(name + ".tmp~", text);
    fs::rename(path_ / (name + ".tmp~"), path_ / name);
  }

 private:
  fs::path path_;
};

inline bool eventually(const std::function<bool()>& condition,
                       std::chrono::milliseconds limit = std::chrono::seconds(10)) {
  auto end = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

// What manifests hold that are read without a problem.
inline std::vector<ObjectPtr> objects(const std::string& yaml) {
  Decoded out;
  for (auto& doc : parse_yaml(yaml, 1)) decode(*doc, "test.yaml", out);
  EXPECT_TRUE(out.entries.empty());
  return out.objects;
}

inline std::string ingress(const std::string& name, const std::string& host, const std::string& service = "app",
                           const std::string& annotations = "{}") {
  return "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: " + name +
         "\n  annotations: " + annotations + "\nspec:\n  ingressClassName: nginx\n  rules:\n  - host: " + host +
         "\n    http:\n      paths:\n      - path: /\n        pathType: Prefix\n        backend:\n          service: "
         "{name: " +
         service + ", port: {number: 80}}\n";
}
inline std::string service(const std::string& name) {
  return "---\napiVersion: v1\nkind: Service\nmetadata: {name: " + name +
         "}\nspec:\n  ports:\n  - {name: http, port: 80, targetPort: 8080}\n";
}
inline std::string slice(const std::string& of, const std::string& address, const std::string& name = "") {
  return "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\naddressType: IPv4\nmetadata:\n  name: " +
         (name.empty() ? of + "-1" : name) + "\n  labels: {kubernetes.io/service-name: " + of +
         "}\nendpoints:\n- addresses: [" + address + "]\nports:\n- {name: http, port: 8080}\n";
}

}  // namespace sluice::control::testing
