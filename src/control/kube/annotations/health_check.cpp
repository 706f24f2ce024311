#include "control/kube/health_check.h"

#include <array>

#include "base/strings.h"
#include "control/kube/annotations/values.h"

// health-check*: the pods of the Ingress's Services are asked from time to time whether they are well. Which Ingress
// decides for a Service port is said where it is said of balancing: cluster_balancing.cpp.
namespace sluice::control::annotation {

namespace {

using model::CheckBy;
using model::HealthCheck;

// What is served of it, or what is so by itself.
const HealthCheck& check_of(const ServedRoute& served) {
  static const HealthCheck none{};
  const auto& b = served.settings.balancing;
  return b && b->health ? *b->health : none;
}

// What else is to be written for a value to have an effect.
enum class Of : std::uint8_t { itself, http, grpc, any };

template <auto Read, auto Print, Of What>
constexpr AnnotationValue value_of(std::string_view grammar) {
  return {grammar,
          [](std::string_view v, const AnnotationContext&, AnnotationValues& out) {
            WrittenHealthCheck& written = out.health_check;
            const auto& balancing = out.settings.balancing;
            if (!written.check) written.check = balancing && balancing->health ? *balancing->health : HealthCheck{};
            std::string expected = Read(v, *written.check);
            if (!expected.empty()) return expected;
            if (What == Of::http) written.of_http = true;
            if (What == Of::grpc) written.of_grpc = true;
            if (What != Of::itself) written.beside = true;
            return expected;
          },
          [](const ServedRoute& served) { return Print(check_of(served)); }};
}

constexpr std::string_view kHealthCheck = "health-check";

constexpr std::array kHealthCheckRows{
    Annotation{.name = kHealthCheck,
               .value = value_of<read_check_by, print_check_by, Of::itself>("off, http, grpc or tcp"),
               .scope = Scope::backend,
               .option = "health-check",
               .doc = "Sluice's own: pods are asked from time to time whether they are well, by a GET, by the health "
                      "service of gRPC, or by a connection alone; who is not gets no requests "
                      "([resilience](resilience.md#pods-that-are-checked))"},
    Annotation{.name = "health-check-expect",
               .value = value_of<read_check_expect, print_check_expect, Of::http>("statuses and ranges"),
               .scope = Scope::backend,
               .option = "health-check-expect",
               .needs = kHealthCheck,
               .doc = "Sluice's own: with `health-check: http`, the statuses of pods that are well"},
    Annotation{.name = "health-check-healthy-after",
               .value = value_of<read_healthy_after, print_healthy_after, Of::any>("number"),
               .scope = Scope::backend,
               .option = "health-check-healthy-after",
               .needs = kHealthCheck,
               .doc = "Sluice's own: checks that have to succeed in a row until a pod is well again"},
    Annotation{.name = "health-check-host",
               .value = value_of<read_check_host, print_check_host, Of::any>("host name, with or without a port"),
               .risk = model::Risk::medium,
               .scope = Scope::backend,
               .otherwise = "address and port of the pod",
               .needs = kHealthCheck,
               .doc = "Sluice's own: with `health-check: http` and `grpc`, Host or `:authority`"},
    Annotation{.name = "health-check-interval",
               .value = value_of<read_check_interval, print_check_interval, Of::any>("time, 1s to 1h"),
               .scope = Scope::backend,
               .option = "health-check-interval",
               .needs = kHealthCheck,
               .doc = "Sluice's own: from the beginning of a check of a pod to that of the next one, a tenth more or "
                      "less by chance"},
    Annotation{.name = "health-check-path",
               .value = value_of<read_check_path, print_check_path, Of::http>("path"),
               .risk = model::Risk::medium,
               .scope = Scope::backend,
               .option = "health-check-path",
               .needs = kHealthCheck,
               .doc = "Sluice's own: with `health-check: http`, what is asked for"},
    Annotation{.name = "health-check-service",
               .value = value_of<read_check_service, print_check_service, Of::grpc>("name of a gRPC service"),
               .scope = Scope::backend,
               .otherwise = "none, which asks for the server as a whole",
               .needs = kHealthCheck,
               .doc = "Sluice's own: with `health-check: grpc`, the service that is asked about"},
    Annotation{.name = "health-check-timeout",
               .value = value_of<read_check_timeout, print_check_timeout, Of::any>("time, 100ms to 1m"),
               .scope = Scope::backend,
               .option = "health-check-timeout",
               .needs = kHealthCheck,
               .doc = "Sluice's own: a check that takes longer has failed, connecting and TLS included"},
    Annotation{.name = "health-check-unhealthy-after",
               .value = value_of<read_unhealthy_after, print_unhealthy_after, Of::any>("number"),
               .scope = Scope::backend,
               .option = "health-check-unhealthy-after",
               .needs = kHealthCheck,
               .doc = "Sluice's own: checks that have to fail in a row until a pod gets no requests"},
};

void finish_health_check(AnnotationResult& out) {
  WrittenHealthCheck& written = out.values.health_check;
  auto& settings = out.values.settings;
  model::Balancing made = settings.balancing ? *settings.balancing : model::Balancing{};
  if (!written.check && !made.health) return;
  HealthCheck check = written.check ? std::move(*written.check) : *made.health;
  const auto in_vain = [&](const char* field, std::string expected, const char* consequence) {
    out.problems.push_back({model::Severity::warning, "NoEffect", "metadata.annotations[" + std::string(field) + "]",
                            "", std::move(expected), consequence});
  };
  if (check.by == CheckBy::off && written.beside)
    in_vain("health-check-*", "health-check: http, grpc or tcp beside them", "no pod is checked");
  else if (check.by != CheckBy::off && check.by != CheckBy::http && written.of_http)
    in_vain("health-check-*", "health-check: http beside health-check-path and health-check-expect",
            check.by == CheckBy::tcp ? "they are ignored: a connection is all that is asked for"
                                     : "they are ignored: the health service of gRPC has neither");
  if (check.by != CheckBy::off && check.by != CheckBy::grpc && written.of_grpc)
    in_vain("health-check-service", "health-check: grpc beside it", "it is ignored");
  if (check.by != CheckBy::tcp && check.by != CheckBy::off && settings.protocol == model::BackendProtocol::fcgi) {
    if (written.check)
      in_vain("health-check", "health-check: tcp beside backend-protocol: FCGI",
              "its pods are checked by a connection alone");
    check.by = CheckBy::tcp;
  }
  if (check.by == CheckBy::off) {
    if (!made.health || made.health->by == CheckBy::off) return;
    check = {};
  }
  made.health = model::shared_unless_plain(std::move(check));
  if (made == model::Balancing{})
    settings.balancing.reset();
  else
    settings.balancing = std::move(made);
}

}  // namespace

AnnotationFamily health_check() {
  return {kHealthCheckRows, finish_health_check};
}

}  // namespace sluice::control::annotation
