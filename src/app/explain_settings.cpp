#include "app/explain_settings.h"

#include <fmt/format.h>

namespace sluice::app {

namespace {

std::string text(bool value) {
  return value ? "true" : "false";
}
std::string text(model::Millis value) {
  return value.count() % 1000 == 0 ? fmt::format("{}s", value.count() / 1000) : fmt::format("{}ms", value.count());
}
std::string size(std::uint64_t bytes) {
  if (bytes == 0) return "0 (no limit)";
  if (bytes % (1U << 20) == 0) return fmt::format("{}m", bytes >> 20);
  if (bytes % (1U << 10) == 0) return fmt::format("{}k", bytes >> 10);
  return fmt::format("{}", bytes);
}
std::string number(std::uint64_t value) {
  return fmt::format("{}", value);
}

constexpr std::string_view kByOthers = "not by an annotation of this Ingress, but as others at the host ask";

class Rows {
 public:
  explicit Rows(const std::function<bool(std::string_view)>& has) : has_(has) {}
  // `annotation`, `option`: the names in each place, empty where there is none. Annotations are stronger than options,
  // options (ConfigMap or --set) than the built-in default.
  void add(std::string name, std::string annotation, std::string option, std::string route, std::string options,
           std::string built_in, bool always = false) {
    std::string from;
    if (route != options && !annotation.empty()) {
      from = has_(annotation) ? fmt::format("annotation {}; without it {}", annotation, options)
                              : fmt::format("{}; without them {}", kByOthers, options);
    } else if (options != built_in && !option.empty()) {
      from = fmt::format("ConfigMap key or --set {}; the default is {}", option, built_in);
    }
    if (always || !from.empty()) rows_.push_back({std::move(name), std::move(route), std::move(from)});
  }
  // The same name in both places.
  void add(std::string name, std::string route, std::string options, std::string built_in, bool always = false) {
    add(name, name, name, std::move(route), std::move(options), std::move(built_in), always);
  }
  void add(SettingRow row) { rows_.push_back(std::move(row)); }
  std::vector<SettingRow> take() { return std::move(rows_); }

 private:
  const std::function<bool(std::string_view)>& has_;
  std::vector<SettingRow> rows_;
};

SettingRow protocol_row(const model::RouteSettings& r, const model::Cluster* cluster) {
  const auto port = cluster ? cluster->protocol : model::BackendProtocol::http;
  const auto spoken = r.protocol.value_or(port);
  std::string from;
  if (spoken != port)
    from = fmt::format("annotation backend-protocol; without it {}", to_string(port));
  else if (!r.protocol && port != model::BackendProtocol::http)
    from = "appProtocol of the Service's port; the default is HTTP";
  return {"backend-protocol", std::string(to_string(spoken)), from};
}

}  // namespace

std::vector<SettingRow> settings_of(const model::RouteSettings& r, const model::Cluster* cluster,
                                    const model::Options& o, const std::function<bool(std::string_view)>& has) {
  const model::Options d;
  Rows rows(has);
  rows.add(protocol_row(r, cluster));
  rows.add("proxy-body-size", size(r.body_limit), size(o.proxy_body_size), size(d.proxy_body_size), true);
  rows.add("proxy-connect-timeout", text(r.connect_timeout), text(o.proxy_connect_timeout),
           text(d.proxy_connect_timeout), true);
  rows.add("proxy-send-timeout", text(r.send_timeout), text(o.proxy_send_timeout), text(d.proxy_send_timeout), true);
  rows.add("proxy-read-timeout", text(r.read_timeout), text(o.proxy_read_timeout), text(d.proxy_read_timeout), true);
  rows.add("proxy-next-upstream-tries", number(r.tries), number(o.proxy_next_upstream_tries),
           number(d.proxy_next_upstream_tries), true);
  rows.add("proxy-next-upstream-timeout", text(r.tries_timeout), text(o.proxy_next_upstream_timeout),
           text(d.proxy_next_upstream_timeout));
  rows.add("proxy-buffer-size", size(r.response_head_limit), size(o.proxy_buffer_size), size(d.proxy_buffer_size));
  rows.add("proxy-request-buffering", text(r.request_buffering), text(o.proxy_request_buffering),
           text(d.proxy_request_buffering));
  rows.add("ambiguous-paths", std::string(to_string(r.ambiguous_paths)), std::string(to_string(o.ambiguous_paths)),
           std::string(to_string(d.ambiguous_paths)));
  rows.add("enable-grpc-web", text(r.grpc_web), text(o.enable_grpc_web), text(d.enable_grpc_web));
  rows.add("retry-non-idempotent", "proxy-next-upstream", "retry-non-idempotent", text(r.retry_non_idempotent),
           text(o.retry_non_idempotent), text(d.retry_non_idempotent));
  rows.add("ssl-redirect", text(r.ssl_redirect), text(o.ssl_redirect), text(d.ssl_redirect));
  rows.add("force-ssl-redirect", text(r.force_ssl_redirect), text(o.force_ssl_redirect), text(d.force_ssl_redirect));
  rows.add("http-redirect-code", "", "http-redirect-code", number(r.ssl_redirect_status), number(o.http_redirect_code),
           number(d.http_redirect_code));
  rows.add("preserve-trailing-slash", text(r.preserve_trailing_slash), text(o.preserve_trailing_slash),
           text(d.preserve_trailing_slash));
  rows.add("relative-redirects", text(r.relative_redirects), text(o.relative_redirects), text(d.relative_redirects));
  if (r.redirect) {
    const bool permanent = r.redirect->status == 301 || r.redirect->status == 308;
    const std::string name = permanent ? "permanent-redirect" : "temporal-redirect";
    rows.add(name, name, "", fmt::format("{} {}", r.redirect->status, r.redirect->location), "none", "none");
  }
  if (r.upstream_tls) {
    rows.add("proxy-ssl-verify", "proxy-ssl-verify", "", text(r.upstream_tls->verify), "false", "false");
    rows.add("proxy-ssl-name", "proxy-ssl-name", "", r.upstream_tls->server_name, "", "");
    rows.add("proxy-ssl-server-name", "proxy-ssl-server-name", "", text(r.upstream_tls->send_sni), "false", "false");
  }
  if (r.rewrite) rows.add("rewrite-target", "rewrite-target", "", r.rewrite->target, "none", "none");
  if (!r.access_log) rows.add("enable-access-log", "enable-access-log", "", "false", "true", "true");
  return rows.take();
}

}  // namespace sluice::app
