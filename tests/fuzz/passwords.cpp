#include <string>

#include "base/password_hash.h"
#include "control/kube/store.h"
#include "data/exchange/basic_credentials.h"
#include "data/filter/users.h"
#include "net/http/message.h"
#include "support.h"

// The data of a Secret of users, as basic and as digest read it, and an Authorization: who can log in has a hash that
// is of a known form, whatever stands beside it; a hash that costs little says whether it is right.
namespace {

using namespace sluice;  // NOLINT(google-build-using-namespace)

template <class T>
control::ObjectPtr object(T made) {
  return std::make_shared<const control::Object>(std::move(made));
}

control::Ingress ingress_of(const std::string& type) {
  control::Ingress out;
  out.meta.ns = "default";
  out.meta.name = type;
  out.class_name = "nginx";
  out.meta.annotations = {{"nginx.ingress.kubernetes.io/auth-type", type},
                          {"nginx.ingress.kubernetes.io/auth-secret", "users"},
                          {"nginx.ingress.kubernetes.io/auth-realm", "r"}};
  control::IngressPath path{"/", "Prefix", {}};
  path.backend.service = "svc";
  path.backend.port = "80";
  out.rules.push_back({type + ".example", {path}});
  return out;
}

control::Store& store() {
  static control::Store& made = []() -> control::Store& {
    static control::Store out(control::Settings{});
    out.upsert(object(ingress_of("basic")));
    out.upsert(object(ingress_of("digest")));
    return out;
  }();
  return made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(fuzz::text_of(data, size));
  control::Secret users;
  users.meta.ns = "default";
  users.meta.name = "users";
  users.data = {{"auth", text}};
  store().upsert(object(std::move(users)));
  const auto update = store().commit();
  for (const auto& [name, host] : update.model->hosts) {
    const auto& auth = host->routes.front().settings->basic_auth;
    PROPERTY(auth);
    const data::Users read(auth->users);
    for (const auto& user : read.all) {
      PROPERTY(!user.name.empty() && !user.hash.empty());
      PROPERTY(read.find(user.name) != nullptr);
      if (auth->digest) continue;
      PROPERTY(unusable(user.hash) == nullptr);
      if (quick(user.hash)) is_password(user.hash, user.name);
    }
  }
  net::http::RequestHead head;
  head.fields.add() = {"Authorization", text, net::http::Name::authorization, false};
  head.names.add(net::http::Name::authorization);
  std::array<char, data::kMostCredentials> room{};
  if (const auto given = data::given_by(head, room)) {
    PROPERTY(given->name.find(':') == std::string_view::npos);
    for (const auto part : {given->name, given->password})
      PROPERTY(part.empty() || (part.data() >= room.data() && part.data() + part.size() <= room.data() + room.size()));
  }
  return 0;
}
