#include "ops/metrics/exposition.h"

#include <prometheus/text_serializer.h>

#include <stdexcept>
#include <utility>

#include "base/printable.h"

namespace sluice::ops {
namespace {

constexpr std::string_view kPrefix = "nginx_ingress_controller_";

prometheus::MetricType wire_type(MetricType type) {
  switch (type) {
    case MetricType::counter:
      return prometheus::MetricType::Counter;
    case MetricType::gauge:
      return prometheus::MetricType::Gauge;
    case MetricType::histogram:
      return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

}  // namespace

Exposition::Exposition(Labels constant) : constant_(std::move(constant)), families_(catalogue().size()) {}

prometheus::ClientMetric& Exposition::add(std::string_view name, std::initializer_list<std::string_view> values) {
  const MetricInfo* info = find_metric(name);
  if (info == nullptr) throw std::logic_error("metric without declaration: " + std::string(name));
  prometheus::MetricFamily& family = families_[static_cast<std::size_t>(info - catalogue().data())];
  if (family.metric.empty()) {
    family.name = info->name;
    family.help = info->help;
    family.type = wire_type(info->type);
  }
  prometheus::ClientMetric& metric = family.metric.emplace_back();
  std::string_view names = info->labels;
  for (std::string_view value : values) {
    if (names.empty()) throw std::logic_error("too many label values: " + std::string(name));
    const auto space = names.find(' ');
    // Prometheus refuses all of a page that is no UTF-8.
    metric.label.push_back({std::string(names.substr(0, space)), printable(value)});
    names = space == std::string_view::npos ? std::string_view{} : names.substr(space + 1);
  }
  if (!names.empty()) throw std::logic_error("too few label values: " + std::string(name));
  if (name.starts_with(kPrefix)) metric.label.insert(metric.label.end(), constant_.begin(), constant_.end());
  return metric;
}

void Exposition::value(std::string_view name, double value, std::initializer_list<std::string_view> labels) {
  prometheus::ClientMetric& metric = add(name, labels);
  metric.counter.value = metric.gauge.value = value;  // the family's type picks one
}

void Exposition::flush(std::string& out) {
  std::vector<prometheus::MetricFamily> full;
  for (prometheus::MetricFamily& family : families_)
    if (!family.metric.empty()) full.push_back(std::exchange(family, {}));
  out += prometheus::TextSerializer().Serialize(full);
}

}  // namespace sluice::ops
