// What routes have a setting for, and how TLS to pods is spoken.
#include <algorithm>
#include <charconv>

#include "base/strings.h"
#include "control/kube/grammar.h"
#include "control/kube/replacement.h"
#include "control/kube/snippet/families.h"
#include "control/kube/snippet/setting_directives.h"

namespace sluice::control::snippet {

namespace {

using model::RouteSettings;

template <class F>
void change_tls(Reader& r, const Directive& d, F&& how) {
  r.change(
      d,
      [how](RouteSettings& s) {
        model::UpstreamTls tls = s.upstream_tls ? *s.upstream_tls : *model::unverified_tls();
        how(tls);
        s.upstream_tls = std::move(tls);
      },
      true);
}

}  // namespace

std::optional<std::int64_t> read_time(std::string_view text, bool fine) {
  if (text.empty()) return std::nullopt;
  std::int64_t total = 0;
  while (!text.empty()) {
    if (text[0] == ' ') {
      text.remove_prefix(1);
      continue;
    }
    std::int64_t n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc() || n < 0 || n > 3'153'600'000) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    std::int64_t unit = 1000;
    if (text.starts_with("ms")) {
      if (!fine) return std::nullopt;
      unit = 1;
      text.remove_prefix(2);
    } else if (!text.empty() && text[0] != ' ') {
      static constexpr std::pair<char, std::int64_t> kUnits[] = {
          {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86'400}, {'w', 604'800}, {'M', 2'592'000}, {'y', 31'536'000}};
      const auto* const known = std::ranges::find(kUnits, text[0], &std::pair<char, std::int64_t>::first);
      if (known == std::end(kUnits)) return std::nullopt;
      unit = known->second * 1000;
      text.remove_prefix(1);
    }
    total += n * unit;
    if (total > 3'153'600'000'000) return std::nullopt;
  }
  return fine ? total : total / 1000;
}

std::string read_request_buffering(Reader& r, const Directive& d) {
  using enum model::RequestBuffering;
  const auto on = parse_on_off(d.words[0].text);
  if (!on) return "on or off";
  r.change(d, [how = *on ? all : none](RouteSettings& s) { s.request_buffering = how; });
  return {};
}

std::string read_buffers(Reader& r, const Directive& d) {
  const auto n = parse_int(d.words[0].text);
  if (!n || *n < 1 || *n > 4096 || !parse_size(d.words[1].text)) return "a number from 1 to 4096 and a size";
  r.say(d, "the size of one is that of proxy_buffer_size");
  r.change(d, [n = static_cast<std::uint32_t>(*n)](RouteSettings& s) { s.response_buffers = n; });
  return {};
}

std::string read_http_version(Reader& r, const Directive& d) {
  const std::string& version = d.words[0].text;
  if (version != "1.0" && version != "1.1") return "1.0 or 1.1";
  r.change(d, [old = version == "1.0"](RouteSettings& s) { s.http_1_0 = old; });
  return {};
}

std::string read_access_log(Reader& r, const Directive& d) {
  if (d.words[0].text == "off")
    r.change(d, [](RouteSettings& s) { s.access_log = false; }, true);
  else
    r.say(d, "access-log-path and log-format-upstream of the ConfigMap say where and how");
  return {};
}

std::string read_next_upstream(Reader& r, const Directive& d) {
  std::string words;
  for (const Word& w : d.words) words += (words.empty() ? "" : " ") + w.text;
  const auto conditions = parse_retry_conditions(words);
  if (!conditions) return std::string(kRetryGrammar);
  r.change(d, [c = *conditions](RouteSettings& s) { s.retry_on = c; });
  return {};
}

std::string read_tries(Reader& r, const Directive& d) {
  const auto n = parse_int(d.words[0].text);
  if (!n || *n < 0 || *n > 1000) return "a number";
  r.change(d, [n = static_cast<std::uint32_t>(*n)](RouteSettings& s) { s.tries = n; });
  return {};
}

std::string read_proxy_redirect(Reader& r, const Directive& d) {
  model::Shared<model::Replacement> made;
  if (d.words.size() == 1) {
    if (d.words[0].text != "off" && d.words[0].text != "default") return "off, default, or two texts";
    r.change(d, [](RouteSettings& s) { s.redirect_replacement = nullptr; });
    return {};
  }
  const std::string& from = d.words[0].text;
  if (auto expected = read_replaced(from, "", made); !expected.empty()) return expected;
  model::Replacement out;
  out.from = from;
  if (auto expected = r.text(d.words[1], Reader::For::request, out.to); !expected.empty()) return expected;
  r.change(d, [out](RouteSettings& s) { s.redirect_replacement = out; });
  return {};
}

std::string read_ssl_verify(Reader& r, const Directive& d) {
  const auto on = parse_on_off(d.words[0].text);
  if (!on) return "on or off";
  if (*on) return "the annotations proxy-ssl-secret and proxy-ssl-verify: a Secret has the authorities";
  r.say(d, "certificates of pods are not verified unless proxy-ssl-verify says so");
  return {};
}

std::string read_ssl_server_name(Reader& r, const Directive& d) {
  const auto on = parse_on_off(d.words[0].text);
  if (!on) return "on or off";
  change_tls(r, d, [on = *on](model::UpstreamTls& tls) { tls.send_sni = on; });
  return {};
}

std::string read_ssl_name(Reader& r, const Directive& d) {
  if (!is_host_name(lower(d.words[0].text), false)) return "a host name without variables";
  change_tls(r, d, [name = lower(d.words[0].text)](model::UpstreamTls& tls) { tls.server_name = name; });
  return {};
}

std::string read_ssl_protocols(Reader& r, const Directive& d) {
  std::string all;
  for (const Word& w : d.words) {
    const bool known = w.text == "TLSv1" || w.text == "TLSv1.1" || w.text == "TLSv1.2" || w.text == "TLSv1.3";
    if (!known) return "TLSv1.2, TLSv1.3 or both";
    if (w.text == "TLSv1.2" || w.text == "TLSv1.3") all += (all.empty() ? "" : " ") + w.text;
  }
  if (all.empty()) return "TLSv1.2, TLSv1.3 or both";
  change_tls(r, d, [all](model::UpstreamTls& tls) { tls.protocols = all; });
  return {};
}

}  // namespace sluice::control::snippet
