// TLS towards clients.
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>
#include <memory>

#include "control/kube/options/families.h"
#include "control/kube/options/values.h"

namespace sluice::control::options_of {

namespace {

std::string read_protocols(std::string_view v, Options& o) {
  std::string out;
  std::string wrong;
  const auto take = [&](std::string_view name) {
    if (name == "SSLv2" || name == "SSLv3")
      wrong = "TLSv1, TLSv1.1, TLSv1.2, TLSv1.3; SSL is not offered";
    else if (name != "TLSv1" && name != "TLSv1.1" && name != "TLSv1.2" && name != "TLSv1.3")
      wrong = "names of TLS versions separated by spaces";
    out += (out.empty() ? "" : " ") + std::string(name);
  };
  if (v.find(',') != std::string_view::npos) return "names of TLS versions separated by spaces";
  for_each_word(v, take);
  if (!wrong.empty()) return wrong;
  if (out.empty()) return "names of TLS versions separated by spaces";
  o.ssl_protocols = std::move(out);
  return {};
}

// Whether OpenSSL takes the list, which alone knows what it can do: a context that it cannot be set in could not be
// served, and would take the other options of TLS with it.
bool openssl_takes(int (*set)(SSL_CTX*, const std::string&), const std::string& list) {
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!context) return true;  // out of memory: nothing can be said of the list
  const bool taken = set(context.get(), list) == 1;
  ERR_clear_error();
  return taken;
}

std::string read_ciphers(std::string_view v, Options& o) {
  if (v.empty() || !made_of(v, "!:+-_=@.")) return "an OpenSSL list";
  std::string list(v);
  if (!openssl_takes([](SSL_CTX* c, const std::string& text) { return SSL_CTX_set_cipher_list(c, text.c_str()); },
                     list))
    return "an OpenSSL list with a cipher of TLS 1.2 that is known";
  o.ssl_ciphers = std::move(list);
  return {};
}

std::string read_curves(std::string_view v, Options& o) {
  if (v.empty() || !made_of(v, "!:+-_=@.")) return "an OpenSSL list";
  std::string list(v);
  // OpenSSL refuses a list for one name that it does not know.
  if (list != "auto" && !openssl_takes(
                            [](SSL_CTX* c, const std::string& text) {
                              return static_cast<int>(SSL_CTX_set1_groups_list(c, text.c_str()));
                            },
                            list))
    return "auto, or names of curves that OpenSSL knows, separated by colons";
  o.ssl_ecdh_curve = std::move(list);
  return {};
}

std::string read_ticket_key(std::string_view v, Options& o) {
  std::string text;
  for (char c : v)
    if (c != '\n' && c != '\r' && c != ' ') text += c;
  const bool fine = text.size() == 108 && text[107] == '=' && made_of(text, "+/=");
  if (!text.empty() && !fine) return "base64 of 80 bytes";
  o.ssl_session_ticket_key = std::move(text);
  return {};
}

constexpr std::array kTlsRows{
    Option{"ssl-protocols",
           {"TLS versions", read_protocols, print_text<&Options::ssl_protocols>, false, true},
           "versions offered to clients"},
    Option{"ssl-ciphers", {"OpenSSL list", read_ciphers, print_text<&Options::ssl_ciphers>}, "ciphers up to TLS 1.2"},
    Option{"ssl-ecdh-curve",
           {"OpenSSL list", read_curves, print_text<&Options::ssl_ecdh_curve>},
           "groups for the key exchange"},
    Option{"ssl-session-cache", boolean<&Options::ssl_session_cache>, "keep sessions for resumption"},
    Option{"ssl-session-tickets", boolean<&Options::ssl_session_tickets>,
           "resume by tickets (ingress-nginx has them off)"},
    Option{"ssl-session-ticket-key",
           {"base64 of 80 bytes", read_ticket_key, print_text<&Options::ssl_session_ticket_key>},
           "shares tickets between replicas",
           nullptr,
           nullptr,
           true},
    Option{"ssl-session-timeout", seconds<&Options::ssl_session_timeout, 1>, "life of sessions"},
    Option{"ssl-reject-handshake", boolean<&Options::ssl_reject_handshake>, "refuse handshakes for unknown names"},
    Option{"ssl-handshake-timeout", seconds<&Options::ssl_handshake_timeout, 1>, "time for a handshake"},
};

}  // namespace

std::span<const Option> tls() {
  return kTlsRows;
}

}  // namespace sluice::control::options_of
