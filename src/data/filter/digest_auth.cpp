#include <openssl/crypto.h>

#include "data/exchange/digest_credentials.h"
#include "data/filter/address_set.h"
#include "data/filter/basic_auth.h"
#include "data/filter/made_once.h"
#include "data/filter/users.h"
#include "data/plan/step.h"
#include "data/runtime/worker_context.h"

// auth-type: digest (RFC 7616, MD5 and qop=auth): the client shows that it knows the password without sending it. Two
// sums over what it says, so that nothing waits for another thread.
namespace sluice::data {

namespace {

class DigestAuth final : public Step {
 public:
  // `any`: who comes from one of these addresses needs no password; null: everybody does.
  DigestAuth(const model::Shared<model::BasicAuth>& auth, const model::SourceRanges* any)
      : auth_(auth),
        users_(made_once<Users>(auth->users)),
        challenge_("Digest algorithm=\"MD5\", qop=\"auth\", realm=\"" + auth->realm + "\", nonce=\""),
        listed_(any) {}

  // Even a refusal takes a number that is made for it.
  bool waits(const RequestView& request) const override { return !excused(request); }

  // The number is not asked: it is good for some minutes alone.
  std::optional<LocalReply> decide_at_length(const RequestView& request) const override {
    const auto given = digest_given_by(request.received);
    if (!given) return LocalReply{.status = 401, .why = kNone};
    if (!right(*given, request.sent())) return LocalReply{.status = 401, .why = kWrong};
    return std::nullopt;
  }

  net::Task<Result<std::optional<LocalReply>>> wait(Exchange& ex) const override {
    Result<std::optional<LocalReply>> out{};
    const auto given = digest_given_by(ex.received);
    if (!given) {
      out->emplace(refusal(ex, kNone, false));
      co_return std::move(out);
    }
    WorkerStats& stats = ex.worker.stats;
    Credentials& checked = ex.worker.shared.credentials;
    Nonces& nonces = ex.worker.shared.nonces;
    const Instant now = ex.worker.loop.now();
    if (checked.limited(ex.client, now)) {
      stats.auth_limited.add();
      out->emplace(LocalReply{.status = 429, .why = "the client gave too many wrong passwords"});
      (*out)->fields.emplace_back("Retry-After", "1");
      co_return std::move(out);
    }
    if (!right(*given, ex.sent())) {
      checked.wrong(ex.client, now);
      stats.auth_wrong.add();
      out->emplace(refusal(ex, kWrong, false));
    } else if (!nonces.valid(given->nonce, now) || !nonces.use(given->nonce, given->count, now)) {
      stats.auth_stale.add();
      out->emplace(refusal(ex, "the nonce is too old, of another process, or was used with this count before", true));
    } else {
      stats.auth_right.add();
    }
    co_return std::move(out);
  }

  bool admits(const std::array<std::uint8_t, 16>& client) const override { return of_address(client); }

 private:
  static constexpr const char* kNone = "no digest of a name and a password by which the request may come";
  static constexpr const char* kWrong = "the digest is not that of a user, or of another request";

  bool of_address(const std::array<std::uint8_t, 16>& client) const noexcept { return listed_.admits(client); }
  bool excused(const RequestView& request) const noexcept { return request.client_known && of_address(request.client); }

  // For this request, by a user: a name that nobody has takes as long.
  bool right(const DigestGiven& given, const net::http::RequestHead& head) const {
    static constexpr std::string_view kNobody = "00000000000000000000000000000000";
    const auto* user = users_->find(unquoted(given.username));
    const std::string expected = digest_response(given, user != nullptr ? user->hash : kNobody, head.method_text);
    const bool same = expected.size() == given.response.size() &&
                      CRYPTO_memcmp(expected.data(), given.response.data(), expected.size()) == 0;
    const bool here = given.uri == head.path_query || given.uri == head.target;
    return user != nullptr && same && here && unquoted(given.realm) == auth_->realm;
  }

  LocalReply refusal(Exchange& ex, const char* why, bool stale) const {
    LocalReply out{.status = 401, .why = why};
    const auto nonce = ex.worker.shared.nonces.make(ex.worker.loop.now());
    auto& value = out.fields.emplace_back("WWW-Authenticate", challenge_).second;
    value.append(nonce.data(), nonce.size()).append(stale ? "\", stale=true" : "\"");
    return out;
  }

  const model::Shared<model::BasicAuth> auth_;
  const std::shared_ptr<const Users> users_;
  const std::string challenge_;
  const AddressLists listed_;
};

}  // namespace

StepPtr digest_step(const model::Shared<model::BasicAuth>& auth, const model::SourceRanges* any) {
  return std::make_shared<const DigestAuth>(auth, any);
}

}  // namespace sluice::data
