#include "control/source/cluster/webhook_certificate.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/json.hpp>

#include "base/base64.h"
#include "base/log.h"

namespace sluice::control::cluster {

namespace asio = boost::asio;
namespace json = boost::json;

namespace {

template <class T, void (*F)(T*)>
struct Free {
  void operator()(T* p) const noexcept { F(p); }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY, EVP_PKEY_free>>;
using CertificatePtr = std::unique_ptr<X509, Free<X509, X509_free>>;
using BioPtr = std::unique_ptr<BIO, Free<BIO, BIO_free_all>>;

void must(bool done) {
  if (!done) throw std::runtime_error("the webhook's certificate cannot be made");
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

// A certificate for the Service's DNS names that is its own authority, and its key, in PEM.
std::pair<std::string, std::string> make_pair_for(const std::string& ns, const std::string& service) {
  const KeyPtr key(EVP_EC_gen("P-256"));
  const CertificatePtr certificate(X509_new());
  must(key && certificate);
  X509* x = certificate.get();
  std::uint64_t serial = 0;
  must(RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) == 1);
  must(X509_set_version(x, 2) == 1 && ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial >> 1) == 1);
  must(X509_gmtime_adj(X509_getm_notBefore(x), -300) != nullptr);
  must(X509_gmtime_adj(X509_getm_notAfter(x),
                       std::chrono::duration_cast<std::chrono::seconds>(WebhookCertificate::kLife).count()) != nullptr);
  X509_NAME* name = X509_get_subject_name(x);
  const std::string common = "sluice webhook";
  must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(common.data()),
                                  static_cast<int>(common.size()), -1, 0) == 1);
  must(X509_set_issuer_name(x, name) == 1 && X509_set_pubkey(x, key.get()) == 1);
  const std::string base = service + "." + ns;
  const auto add = [&](int what, const std::string& value) {
    X509_EXTENSION* e = X509V3_EXT_conf_nid(nullptr, nullptr, what, value.c_str());
    must(e != nullptr);
    const int done = X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
    must(done == 1);
  };
  add(NID_subject_alt_name, "DNS:" + base + ".svc,DNS:" + base + ",DNS:" + base + ".svc.cluster.local");
  add(NID_ext_key_usage, "serverAuth");
  add(NID_key_usage, "critical,digitalSignature");
  must(X509_sign(x, key.get(), EVP_sha256()) > 0);
  const BioPtr out(BIO_new(BIO_s_mem())), secret(BIO_new(BIO_s_mem()));
  must(out && secret && PEM_write_bio_X509(out.get(), x) == 1);
  must(PEM_write_bio_PrivateKey(secret.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return {text_of(out.get()), text_of(secret.get())};
}

// How long it is still good; nothing for what is no certificate.
std::chrono::seconds left_of(const std::string& pem) {
  const BioPtr in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const CertificatePtr x(in ? PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr) : nullptr);
  int days = 0, seconds = 0;
  if (!x || ASN1_TIME_diff(&days, &seconds, nullptr, X509_get0_notAfter(x.get())) != 1) return {};
  return std::chrono::hours(24) * days + std::chrono::seconds(seconds);
}

std::string decoded(const json::object& data, std::string_view key) {
  const auto* found = data.if_contains(key);
  return found && found->is_string() ? decode_base64(std::string(found->get_string())).value_or("") : std::string();
}

}  // namespace

WebhookCertificate::WebhookCertificate(asio::io_context& io, const Access& access, Credentials& credentials,
                                       const std::string& service, std::string configuration,
                                       std::shared_ptr<MadePair> pair, std::function<bool()> may, std::uint64_t seed)
    : io_(io),
      client_(io, access, credentials, ApiClient::kAnswer, may),
      waiter_(io),
      backoff_(seed),
      ns_(service.substr(0, service.find('/'))),
      service_(service.substr(service.find('/') + 1)),
      configuration_(std::move(configuration)),
      pair_(std::move(pair)),
      may_(std::move(may)) {}

void WebhookCertificate::start() {
  asio::co_spawn(io_, enduring([this] { return run(); }), asio::detached);
}

void WebhookCertificate::review() {
  waiter_.news();
}

void WebhookCertificate::stop() {
  waiter_.stop();
}

asio::awaitable<void> WebhookCertificate::run() {
  while (!waiter_.stopped()) {
    std::optional<ApiError> failure;
    try {
      co_await look();
    } catch (const std::exception& e) {
      failure = failure_of(e, "Secret " + ns_ + "/" + service_);
    }
    if (waiter_.stopped()) co_return;
    if (failure) {
      complaint_.say(std::string(failure->what()) + "; the webhook's certificate is looked at again");
      co_await waiter_.rest(backoff_.next(*failure));
      continue;
    }
    backoff_.reset();
    co_await waiter_.for_news(pair_->made() ? kLook : kSoon);
  }
}

asio::awaitable<void> WebhookCertificate::look() {
  Pair now = co_await read();
  if (left_of(now.certificate) < kRenew && may_()) {
    Pair old = now;
    co_await renew(std::move(old));
    now = co_await read();
  }
  if (now.certificate.empty()) co_return;
  pair_->set(now.certificate, now.key);
  if (may_()) {
    std::string bundle = now.certificate, must_have = now.certificate;
    co_await trust(std::move(bundle), std::move(must_have));
  }
}

asio::awaitable<WebhookCertificate::Pair> WebhookCertificate::read() {
  std::string target = "/api/v1/namespaces/" + ns_ + "/secrets/" + service_;
  std::string body;
  try {
    body = co_await client_.get(std::move(target));
  } catch (const ApiError& e) {
    if (e.status != 404) throw;
  }
  Pair out;
  if (body.empty()) co_return out;
  const auto document = json::parse(body);
  out.version = std::string(document.at("metadata").at("resourceVersion").as_string());
  if (const auto* data = document.as_object().if_contains("data"); data && data->is_object()) {
    out.certificate = decoded(data->get_object(), "tls.crt");
    out.key = decoded(data->get_object(), "tls.key");
  }
  co_return out;
}

// First the API server trusts the new one beside the old, then it is served.
asio::awaitable<void> WebhookCertificate::renew(Pair old) {
  const auto made = make_pair_for(ns_, service_);
  std::string bundle = made.first + old.certificate, must_have = made.first;
  co_await trust(std::move(bundle), std::move(must_have));
  json::object metadata{{"name", service_}, {"namespace", ns_}};
  if (!old.version.empty()) metadata["resourceVersion"] = old.version;
  std::string body = json::serialize(json::object{
      {"apiVersion", "v1"},
      {"kind", "Secret"},
      {"metadata", metadata},
      {"type", "kubernetes.io/tls"},
      {"data", json::object{{"tls.crt", encode_base64(made.first)}, {"tls.key", encode_base64(made.second)}}}});
  const bool create = old.version.empty();
  std::string target = "/api/v1/namespaces/" + ns_ + "/secrets" + (create ? "" : "/" + service_);
  std::string method = create ? "POST" : "PUT", type = "application/json";
  co_await client_.send(std::move(method), std::move(target), std::move(type), std::move(body));
  log::info("webhook: a new certificate is in Secret {}/{}", ns_, service_);
}

// Makes `bundle` the caBundle of each webhook of the configuration that lacks `must_have`.
asio::awaitable<void> WebhookCertificate::trust(std::string bundle, std::string must_have) {
  const std::string target = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/" + configuration_;
  std::string where = target;
  const std::string body = co_await client_.get(std::move(where));
  const auto document = json::parse(body);
  json::array patch{json::object{
      {"op", "test"}, {"path", "/metadata/resourceVersion"}, {"value", document.at("metadata").at("resourceVersion")}}};
  const auto* webhooks = document.as_object().if_contains("webhooks");
  if (!webhooks || !webhooks->is_array()) co_return;
  std::size_t i = 0;
  for (const auto& w : webhooks->get_array()) {
    const auto& client = w.at("clientConfig").as_object();
    if (decoded(client, "caBundle").find(must_have) == std::string::npos)
      patch.push_back(json::object{{"op", "add"},
                                   {"path", "/webhooks/" + std::to_string(i) + "/clientConfig/caBundle"},
                                   {"value", encode_base64(bundle)}});
    ++i;
  }
  if (patch.size() == 1) co_return;
  std::string method = "PATCH", to = target, type = "application/json-patch+json", text = json::serialize(patch);
  co_await client_.send(std::move(method), std::move(to), std::move(type), std::move(text));
}

}  // namespace sluice::control::cluster
