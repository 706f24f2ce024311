#include "data/proxy/logged_values.h"

#include <utility>

#include "data/exchange/exchange.h"
#include "data/exchange/variables.h"
#include "data/runtime/worker_context.h"
#include "net/http/trailers.h"

namespace sluice::data {

namespace {

// Notes what is wanted of that family of fields. `walk(sink)` calls sink(name, value) for each field of the head;
// several of one name are one value, as in nginx.
template <class Walk>
void note_fields(Exchange& ex, VariableId family, Walk&& walk) {
  const auto& of = ex.wanted->of;
  for (std::size_t i = 0; i < of.size(); ++i) {
    if (of[i].id != family) continue;
    ex.memory.logged.set(i, [&](std::string& out) {
      bool first = true;
      walk([&](std::string_view name, std::string_view value) {
        if (!names_field(of[i].of, name)) return;
        if (!std::exchange(first, false)) out += ", ";
        out += value;
      });
      return !first;
    });
  }
}

}  // namespace

void hold_wanted(Exchange& ex) {
  ex.wanted = ex.worker.recorder.wanted;
  ex.memory.logged.begin(*ex.wanted);
}

void forget_pod_fields(Exchange& ex) {
  if (ex.wanted->of_pod) ex.memory.logged.begin(*ex.wanted);  // nothing else is noted before an answer begins
}

void note_pod_fields(Exchange& ex) {
  if (!ex.wanted->of_pod) return;
  note_fields(ex, variable("upstream_http_"), [&](auto&& sink) {
    for (const auto& field : ex.memory.response.fields.all()) sink(field.name, field.value);
  });
}

void note_sent_fields(Exchange& ex, std::string_view head) {
  if (!ex.wanted->of_answer) return;
  head.remove_prefix(head.find("\r\n") + 2);
  note_fields(ex, variable("sent_http_"), [&](auto&& sink) { net::http::for_each_line(head, sink); });
}

void note_sent_fields(Exchange& ex, std::span<const net::h2::Field> fields) {
  if (!ex.wanted->of_answer) return;
  note_fields(ex, variable("sent_http_"), [&](auto&& sink) {
    for (const auto& field : fields) sink(field.name, field.value);
  });
}

void give_values(Exchange& ex) {
  const auto& of = ex.wanted->of;
  for (std::size_t i = 0; i < of.size(); ++i) {
    if (of[i].id == variable("sent_http_") || of[i].id == variable("upstream_http_")) continue;
    ex.memory.logged.set(i, [&](std::string& out) { return append_value(ex, of[i], Spelling::raw, out); });
  }
  ex.record.wanted = ex.wanted.get();
  ex.record.values = ex.memory.logged.values();
}

void keep_values(Exchange& ex) {
  ex.logged = std::make_unique<LoggedValues>(std::move(ex.memory.logged));
  ex.record.values = ex.logged->values();
}

}  // namespace sluice::data
