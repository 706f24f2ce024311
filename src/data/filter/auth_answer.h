#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "data/exchange/exchange.h"
#include "data/filter/address_set.h"
#include "data/plan/step.h"
#include "model/settings/snippet.h"

// What is common to those who ask somebody whether a request may come: external_auth.cpp another service, and
// auth_request.cpp a path of the same host. Source: nginx, ngx_http_auth_request_module.
namespace sluice::data {

// What somebody has said, wherever it comes from.
struct Said {
  int status = 0;
  std::span<const net::http::Field> fields;
  const ExchangeRecord* record = nullptr;  // of the question; null: it was asked before
};

// Why a request does not go on, for logs; texts that live for ever.
struct WhyNot {
  const char *unauthorized, *forbidden, *failed;
};

// A guard that asks somebody. `satisfy: any`: of the address, the password and whoever is asked one suffices.
class Asker : public Step {
 public:
  explicit Asker(const model::RouteSettings& route);

  bool waits(const RequestView& request) const final { return !request.client_known || !admits(request.client); }
  bool admits(const std::array<std::uint8_t, 16>& client) const final { return listed_.admits(client); }
  net::Task<Result<std::optional<LocalReply>>> wait(Exchange& ex) const final;

 protected:
  // As Step::wait(), where no other way lets the request in. `other`: what its password says, where there is one.
  virtual net::Task<Result<std::optional<LocalReply>>> ask(Exchange& ex, std::optional<LocalReply> other) const = 0;

 private:
  net::Task<Result<std::optional<LocalReply>>> behind_password(Exchange& ex) const;

  const StepPtr password_;
  const AddressLists listed_;
};

// 2xx lets the request go on, 401 and 403 are passed on, all else is 500. `other`: the answer that the request would
// get of its password. Nothing: it goes on.
std::optional<LocalReply> verdict(const Said& said, const WhyNot& why, Exchange& ex, std::optional<LocalReply> other);
// 500; the challenge of the password stays in it, as nginx has set it by then.
LocalReply auth_failure(const char* why, std::optional<LocalReply> other);
// Counts it.
void count_answer(int status, WorkerStats& stats) noexcept;

// Does one of them need this field of the answer?
bool names_answer(std::span<const model::SnippetAuthField> sets, std::string_view field) noexcept;
// auth_request_set. `of`: the question, whose path and query $uri and $args are. False: it makes too much text of it.
bool set_variables(std::span<const model::SnippetAuthField> sets, const Said& said, const RequestView& of,
                   Exchange& ex);

}  // namespace sluice::data
