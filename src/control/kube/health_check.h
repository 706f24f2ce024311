#pragma once
#include <string>
#include <string_view>

#include "model/settings/health_check.h"

// The values of health-check*, which annotations and keys of the ConfigMap share. Each of the readers reads the whole
// text or changes nothing and returns what was expected.
namespace sluice::control {

inline constexpr std::string_view kCheckGrammar = "off, http, grpc or tcp";
std::string read_check_by(std::string_view v, model::HealthCheck& out);
std::string read_check_path(std::string_view v, model::HealthCheck& out);
std::string read_check_host(std::string_view v, model::HealthCheck& out);
std::string read_check_service(std::string_view v, model::HealthCheck& out);
std::string read_check_interval(std::string_view v, model::HealthCheck& out);
std::string read_check_timeout(std::string_view v, model::HealthCheck& out);
std::string read_unhealthy_after(std::string_view v, model::HealthCheck& out);
std::string read_healthy_after(std::string_view v, model::HealthCheck& out);
std::string read_check_expect(std::string_view v, model::HealthCheck& out);

std::string print_check_by(const model::HealthCheck& check);
std::string print_check_path(const model::HealthCheck& check);
std::string print_check_host(const model::HealthCheck& check);
std::string print_check_service(const model::HealthCheck& check);
std::string print_check_interval(const model::HealthCheck& check);
std::string print_check_timeout(const model::HealthCheck& check);
std::string print_unhealthy_after(const model::HealthCheck& check);
std::string print_healthy_after(const model::HealthCheck& check);
std::string print_check_expect(const model::HealthCheck& check);

}  // namespace sluice::control
