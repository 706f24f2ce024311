#include "net/tls/client_certificate.h"

#include <optional>

#include "base/regex.h"
#include "base/strings.h"
#include "data/exchange/exchange.h"
#include "data/plan/step.h"

// auth-tls-*: who may come by the certificate that the client showed when the connection was made.
namespace sluice::data {

namespace {

using net::tls::ClientCertificate;
using Worth = ClientCertificate::Verdict;

bool is_same_name(std::string_view server_name, std::string_view host) noexcept {
  if (host.ends_with('.')) host.remove_suffix(1);
  return iequals(server_name, host);
}

LocalReply refused(const model::ClientAuth& auth, const char* why) {
  if (!auth.error_page.empty()) return LocalReply{302, auth.error_page, why, {}, true};
  LocalReply out{.status = 400, .why = why, .close = true, .alone = true};
  out.body.emplace(
      "<html>\r\n<head><title>400 Bad Request</title></head>\r\n<body>\r\n<h1>400 Bad Request</h1>\r\n<p>");
  out.body->append(why).append("</p>\r\n</body>\r\n</html>\r\n");
  return out;
}

constexpr const char* kNone = "No required SSL certificate was sent";
constexpr const char* kBad = "The SSL certificate error";

class Certificates final : public Step {
 public:
  explicit Certificates(const model::Shared<model::ClientAuth>& auth) : auth_(auth) {
    if (!auth_->denied.empty()) {
      closed_ = auth_->denied;
      return;
    }
    if (auth_->verify != model::VerifyClient::off) {
      if (auto authority = net::tls::client_authority(auth_->ca_pem, auth_->crl_pem))
        check_ = net::tls::ClientCheck{std::move(*authority), auth_->depth};
      else
        closed_ = auth_->secret + ": " + authority.error();
    }
    if (auth_->match_cn.empty()) return;
    if (auto pattern = Regex::make("(?-i)" + auth_->match_cn))
      cn_ = std::move(*pattern);
    else
      closed_ = "auth-tls-match-cn: " + pattern.error();
  }

  std::optional<LocalReply> decide(const RequestView& request) const override {
    if (!closed_.empty())
      return LocalReply{
          .status = 403, .why = "the authorities of client certificates cannot be used", .detail = closed_};
    const Peer* const peer = request.from;
    const bool tls = peer != nullptr && peer->tls;
    if ((!tls && auth_->plain_too) || !request.certificate_known) return std::nullopt;
    if (tls && check_)
      if (auto reply = judge(request, peer->client.get())) return reply;
    if (!cn_) return std::nullopt;
    const auto* const shown = shown_certificate(request);
    switch (cn_->match(shown != nullptr ? shown->subject() : std::string_view())) {
      case Regex::Outcome::yes:
        return std::nullopt;
      case Regex::Outcome::gave_up:
        return LocalReply{
            .status = 500, .why = "auth-tls-match-cn takes too many steps for this certificate", .gave_up = true};
      case Regex::Outcome::no:
        break;
    }
    LocalReply out{.status = 403,
                   .why = "the subject of the client's certificate does not match auth-tls-match-cn",
                   .close = true};  // it may come with another one
    out.body = "client certificate unauthorized";
    return out;
  }

 private:
  // `shown`: null where the client was not asked when the connection was made.
  std::optional<LocalReply> judge(const RequestView& request, const ClientCertificate* shown) const {
    const bool must = auth_->verify == model::VerifyClient::on;
    const auto server_name = request.so_far != nullptr ? request.so_far->server_name : std::string_view();
    if (shown == nullptr) {
      if (!must && !cn_) return std::nullopt;
      if (is_same_name(server_name, request.received.host)) return anew("the host asks for certificates since");
      return must ? std::optional(refused(*auth_, kNone)) : std::nullopt;
    }
    // The authorities are others than when the connection was made, or it was made for another host.
    if (shown->judged_by() != *check_) {
      if (server_name.empty()) return refused(*auth_, kNone);
      if (!is_same_name(server_name, request.received.host)) return anew("the TLS connection's host asks for others");
      if (!shown->judge_again(*check_)) return anew("the authorities have changed and do not take the certificate");
    }
    switch (shown->verdict()) {
      case Worth::good:
        return std::nullopt;
      case Worth::none:
        return must ? std::optional(refused(*auth_, kNone)) : std::nullopt;
      case Worth::unknown_authority:
        if (auth_->verify == model::VerifyClient::optional_no_ca) return std::nullopt;
        break;
      case Worth::bad:
        break;
    }
    return refused(*auth_, kBad);
  }
  // The client is to connect anew: it is judged then.
  static LocalReply anew(const char* why) { return LocalReply{.status = 421, .why = why, .close = true}; }

  const model::Shared<model::ClientAuth> auth_;
  std::optional<net::tls::ClientCheck> check_;  // nothing: no client is asked
  std::shared_ptr<const Regex> cn_;             // null: any subject
  std::string closed_;                          // why nobody may come
};

// Behind the redirect to https: what comes in clear and stays so has shown nothing.
class NotInClear final : public Step {
 public:
  explicit NotInClear(const model::Shared<model::ClientAuth>& auth) : auth_(auth) {}
  std::optional<LocalReply> decide(const RequestView& request) const override {
    if (request.from != nullptr && request.from->tls) return std::nullopt;
    return refused(*auth_, kNone);
  }

 private:
  const model::Shared<model::ClientAuth> auth_;
};

StepPtr judge_certificates(const Needs& needs) {
  const auto& auth = needs.settings.client_auth;
  return auth ? std::make_shared<const Certificates>(auth) : nullptr;
}

StepPtr refuse_in_clear(const Needs& needs) {
  const auto& auth = needs.settings.client_auth;
  const bool must = auth && auth->denied.empty() && auth->verify == model::VerifyClient::on && !auth->plain_too;
  return must ? std::make_shared<const NotInClear>(auth) : nullptr;
}

}  // namespace

extern const Row kClientCertificate, kClientInClear;
const Row kClientCertificate{"client-certificate", in(Phase::answer), judge_certificates};
const Row kClientInClear{"client-certificate-in-clear", in(Phase::answer), refuse_in_clear};

}  // namespace sluice::data
