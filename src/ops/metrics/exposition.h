#pragma once
#include <prometheus/metric_family.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "ops/metrics/catalogue.h"

namespace sluice::ops {

// Collects values of declared metrics and writes them as text, in the order of the catalogue. One thread.
class Exposition {
 public:
  using Labels = std::vector<prometheus::ClientMetric::Label>;
  // `constant` goes to every nginx_ingress_controller_ metric.
  explicit Exposition(Labels constant);

  // Label values in the order the catalogue names them. Throws std::logic_error for a metric that is not declared or
  // a wrong number of values: both are mistakes of this program.
  void value(std::string_view name, double value, std::initializer_list<std::string_view> labels = {});
  prometheus::ClientMetric& add(std::string_view name, std::initializer_list<std::string_view> labels);
  // Writes what was collected so far and forgets it, so that a large family is in memory alone.
  void flush(std::string& out);

 private:
  Labels constant_;
  std::vector<prometheus::MetricFamily> families_;  // by position in the catalogue
};

}  // namespace sluice::ops
