#include "data/proxy/subrequest.h"

#include "data/plan/loop.h"
#include "data/proxy/serve.h"
#include "data/runtime/borrowed_memory.h"

namespace sluice::data {

void leave_body_out(net::http::RequestHead& head) noexcept {
  head.framing = net::http::Framing::none;
  head.content_length = 0;
  head.expect_continue = head.upgrade = false;
  head.upgrade_token = {};
}

void make_ours(Exchange& ex, const Question& question, const model::Options& options) {
  auto& head = ex.head();
  head.method_text = question.method;
  head.method = net::http::method_of(question.method);
  head.target = head.path_query = question.target;
  leave_body_out(head);
  head.major = head.minor = 1;
  ex.of_ours = true;
  ex.body_whole = true;
  ex.options = &options;
  ex.settings = &question.settings;
  ex.cluster = &question.cluster;
  ex.target = question.target;
  ex.pod_host = question.host;
  ex.keeps = question.keeps;
  ex.set_for_pods = question.fields;
  ex.begun = ex.worker.loop.now();
}

SubRequest::SubRequest(Exchange& asker, const Question& question, Downstream* to)
    : asker_(asker),
      memory_(asker.worker),
      to_(to != nullptr ? *to : answer_),
      ex_(asker.worker, to_, asker.peer, *memory_),
      given_up_(asker, ex_) {
  memory_->request = asker.head();
  make_ours(ex_, question, *asker.options);
  ex_.client = asker.client;
  ex_.client_address = asker.client_address;
  ex_.scheme = asker.scheme;
  ex_.https = asker.https;
  if (!question.marked) return;
  ex_.route = asker.route;
  ex_.route_seed = asker.route_seed;
  ex_.request_id = asker.request_id;
  ex_.outside = true;
  mark_pass(ex_, true);
}

net::Task<Status> SubRequest::run() {
  asker_.waiting_on = &given_up_;
  net::Task<Status> asking = attempts(ex_);
  Status outcome = co_await asking;
  asker_.waiting_on = nullptr;
  if (answer_.started()) co_return Status{};  // whatever became of its body
  if (asker_.note.empty()) asker_.note = std::move(ex_.note);
  co_return outcome;
}

net::Task<Status> KeptAnswer::start(Exchange& ex, const ResponseStart& response, Chunk first) {
  std::size_t size = 0;
  for (const auto& f : response.fields) size += f.name.size() + f.value.size();
  text.reserve(size);
  for (const auto& f : response.fields) {
    if (f.drop || net::http::hop_by_hop(f.id)) continue;
    const auto copy = [this](std::string_view from) {
      const auto at = text.size();
      text += from;
      return std::string_view(text).substr(at);
    };
    const auto name = copy(f.name), value = copy(f.value);
    fields.push_back({name, value, f.id, false});
  }
  status = response.status;
  loop = &ex.worker.loop;
  dropped_from = loop->now();
  co_return drop(first);
}

Status KeptAnswer::drop(const Chunk& piece) noexcept {
  dropped += piece.data.size();
  ended = ended || piece.last;
  if (loop->now() - dropped_from > kLongestDropped)
    return std::unexpected(Error{Fault::too_slow, Whose::internal, Retry::no, 0, "nobody waits for this body"});
  if (dropped <= kMostDropped) return {};
  return std::unexpected(Error{Fault::too_large, Whose::internal, Retry::no, 0, "nobody wants so long a body"});
}

}  // namespace sluice::data
