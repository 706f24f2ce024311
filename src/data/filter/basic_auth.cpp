#include "model/settings/basic_auth.h"

#include <openssl/crypto.h>

#include "base/password_hash.h"
#include "data/exchange/basic_credentials.h"
#include "data/filter/address_set.h"
#include "data/filter/basic_auth.h"
#include "data/filter/made_once.h"
#include "data/filter/users.h"
#include "data/plan/step.h"
#include "data/proxy/aside.h"
#include "data/runtime/worker_context.h"

// auth-type: basic. A password that was right before is a look into a table; another one is hashed off the worker.
namespace sluice::data {

namespace {

constexpr Duration kLongestCheck = std::chrono::seconds(10);

struct Check final : Aside {
  Check(std::shared_ptr<const Users> of, std::string_view against, std::string_view given)
      : users(std::move(of)), hash(against), password(given) {}
  ~Check() override { OPENSSL_cleanse(password.data(), password.size()); }
  void work() noexcept override { right = is_password(hash, password); }
  const std::shared_ptr<const Users> users;  // holds `hash`
  const std::string_view hash;
  std::string password;
  bool right = false;
};

class BasicAuth final : public Step {
 public:
  // `any`: who comes from one of these addresses needs no password; null: everybody does.
  BasicAuth(const model::Shared<model::BasicAuth>& auth, const model::SourceRanges* any)
      : users_(made_once<Users>(auth->users)),
        whose_(auth->secret.substr(0, auth->secret.find('/'))),
        challenge_("Basic realm=\"" + auth->realm + "\""),
        listed_(any) {}

  std::optional<LocalReply> decide(const RequestView& request) const override {
    if (excused(request)) return std::nullopt;
    std::array<char, kMostCredentials> room;
    if (given_by(request.received, room)) return std::nullopt;
    return refusal("no name and password by which the request may come");
  }
  bool waits(const RequestView& request) const override { return !excused(request); }

  std::optional<LocalReply> decide_at_length(const RequestView& request) const override {
    std::array<char, kMostCredentials> room;
    const auto given = given_by(request.received, room);
    const Users::User* user = given ? users_->find(given->name) : nullptr;
    if (user != nullptr && is_password(user->hash, given->password)) return std::nullopt;
    return refusal(kWrong);
  }

  net::Task<Result<std::optional<LocalReply>>> wait(Exchange& ex) const override {
    Result<std::optional<LocalReply>> out{};
    std::array<char, kMostCredentials> room;
    const auto given = given_by(ex.received, room);
    if (!given || users_->all.empty()) {
      out->emplace(refusal(kWrong));
      co_return std::move(out);
    }
    WorkerStats& stats = ex.worker.stats;
    Credentials& checked = ex.worker.shared.credentials;
    // A name that nobody has costs as much as one that somebody has: how long it takes does not tell.
    const Users::User* user = users_->find(given->name);
    const std::string_view hash = user != nullptr ? user->hash : users_->all.front().hash;
    const auto key = checked.key_of(hash, given->password);
    if (user != nullptr && checked.known(key)) {
      stats.auth_cached.add();
      co_return std::move(out);
    }
    if (checked.limited(ex.client, ex.worker.loop.now())) {
      stats.auth_limited.add();
      out->emplace(LocalReply{.status = 429, .why = "the client gave too many wrong passwords"});
      (*out)->fields.emplace_back("Retry-After", "1");
      co_return std::move(out);
    }
    // Counted before it is known: whoever does not wait for the answer has tried as well.
    checked.wrong(ex.client, ex.worker.loop.now());
    bool right = false;
    if (quick(hash)) {
      right = is_password(hash, given->password);
    } else {
      auto check = std::make_shared<Check>(users_, hash, given->password);
      net::Task<Status> checking = run_aside(ex, whose_, check, kLongestCheck);
      Status done = co_await checking;
      if (!done) {
        if (done.error().whose == Whose::internal) checked.not_wrong(ex.client);  // we could not tell
        if (done.error().status == 503) stats.auth_unchecked.add();
        out = std::unexpected(done.error());
        co_return std::move(out);
      }
      right = check->right;
    }
    if (right && user != nullptr) {
      stats.auth_right.add();
      checked.remember(key);
      checked.not_wrong(ex.client);
    } else {
      stats.auth_wrong.add();
      out->emplace(refusal(kWrong));
    }
    co_return std::move(out);
  }

  bool admits(const std::array<std::uint8_t, 16>& client) const override { return of_address(client); }

 private:
  static constexpr const char* kWrong = "the name and password are not those of a user";
  bool of_address(const std::array<std::uint8_t, 16>& client) const noexcept { return listed_.admits(client); }
  bool excused(const RequestView& request) const noexcept { return request.client_known && of_address(request.client); }
  LocalReply refusal(const char* why) const {
    LocalReply out{.status = 401, .why = why};
    out.fields.emplace_back("WWW-Authenticate", challenge_);
    return out;
  }

  const std::shared_ptr<const Users> users_;
  const std::string whose_;  // the namespace of the Secret
  const std::string challenge_;
  const AddressLists listed_;
};

// Where somebody else may answer instead, auth_answer.cpp asks for both.
StepPtr ask_for_password(const Needs& needs) {
  if (needs.settings.satisfy_any && asks_somebody(needs.settings)) return nullptr;
  return password_step(needs.settings, true);
}

}  // namespace

StepPtr password_step(const model::RouteSettings& settings, bool alone) {
  if (!settings.basic_auth) return nullptr;
  const bool or_address = alone && settings.satisfy_any;
  const model::SourceRanges* any = or_address ? settings.source_ranges.get() : nullptr;
  if (settings.basic_auth->digest) return digest_step(settings.basic_auth, any);
  return std::make_shared<const BasicAuth>(settings.basic_auth, any);
}

extern const Row kBasicAuth;
const Row kBasicAuth{"basic-auth", in(Phase::guard), ask_for_password};

}  // namespace sluice::data
