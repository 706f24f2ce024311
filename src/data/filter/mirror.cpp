#include "model/settings/mirror.h"

#include <algorithm>

#include "data/exchange/variables.h"
#include "data/filter/upstream_way.h"
#include "data/plan/loop.h"
#include "data/plan/step.h"
#include "data/proxy/edit.h"
#include "data/proxy/serve.h"
#include "data/proxy/subrequest.h"
#include "data/runtime/borrowed_memory.h"
#include "net/io/signal.h"

// mirror-target: somebody else gets a copy of each request that goes to a pod. It is on its own from then on: nothing
// of it reaches the request, and the request does not wait.
namespace sluice::data {

namespace {

using net::http::Field;
using net::http::Framing;

// All that a copy needs, its own.
class Copy final : private Mirrors::Running {
 public:
  Copy(Exchange& of, const model::RouteSettings& way, std::string host, std::string target, bool with_body)
      : worker_(of.worker),
        view_(of.view),
        cluster_(of.further[static_cast<std::size_t>(model::Role::mirror)]),
        with_body_(with_body),
        host_(std::move(host)),
        target_(std::move(target)),
        method_(of.head().method_text),
        memory_(worker_),
        ex_(worker_, answer_, peer_, *memory_) {
    worker_.mirrors.enter();
    view_->pin();
    cluster_->pin();
    peer_.address = of.peer.address;
    std::copy_n(of.peer.bytes, sizeof peer_.bytes, peer_.bytes);
    peer_.port = of.peer.port;
    peer_.local_port = of.peer.local_port;
    peer_.tls = of.peer.tls;
    auto& head = memory_->request;
    head.clear();
    std::size_t size = of.request_id.size();
    for (const auto& f : of.head().fields.all()) size += f.name.size() + f.value.size();
    text_.reserve(size);
    const auto keep = [this](std::string_view from) {
      const auto begin = text_.size();
      text_ += from;
      return std::string_view(text_).substr(begin);
    };
    for (const auto& f : of.head().fields.all()) {
      if (f.drop && f.id != net::http::Name::cdn_loop) continue;  // which this pass is added to
      if (is_identity(of, f.name)) continue;
      const auto name = keep(f.name), value = keep(f.value);
      head.fields.add() = {name, value, f.id, false};
      head.names.add(f.id);
    }
    fields_.push_back({"Host", host_, net::http::Name::host, false});
    make_ours(ex_, {*cluster_, way, method_, target_, host_, fields_, true}, *of.options);
    ex_.route = of.route;
    ex_.route_seed = of.route_seed;
    ex_.request_id = keep(of.request_id);
    ex_.outside = true;
    mark_pass(ex_, true);
  }
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;
  ~Copy() {
    worker_.mirrors.give_back(body_.size());
    worker_.mirrors.leave();
    cluster_->unpin();
    view_->unpin();
  }

  // False: it is too much.
  bool add(std::string_view piece) {
    if (!with_body_) return true;
    if (body_.size() + piece.size() > Mirrors::kMostBody || !worker_.mirrors.take(piece.size())) return false;
    body_ += piece;
    return true;
  }

  static net::Task<void> run(std::unique_ptr<Copy> self) {
    Copy& copy = *self;
    WorkerContext& worker = copy.worker_;
    worker.mirrors.begin(copy);
    worker.entered();
    // The request itself comes first.
    net::EndOfTurn others(worker.loop);
    co_await others;
    copy.ex_.head().framing = copy.body_.empty() ? Framing::none : Framing::length;
    copy.ex_.body = copy.body_;
    net::Task<Status> asking = attempts(copy.ex_);
    [[maybe_unused]] Status outcome = co_await asking;
    (copy.answer_.started() ? worker.stats.mirrored : worker.stats.mirrors_failed).add();
    worker.mirrors.end(copy);
    self.reset();
    worker.left();
  }

 private:
  void cancel(Error why) noexcept override {
    ex_.client_gone = true;  // no further attempt
    if (ex_.waiting_on != nullptr) ex_.waiting_on->cancel(why);
  }

  WorkerContext& worker_;
  View* const view_;
  ClusterRuntime* const cluster_;
  const bool with_body_;
  const std::string host_, target_, method_;
  std::string text_, body_;
  std::vector<Field> fields_;
  Peer peer_;
  BorrowedMemory memory_;
  KeptAnswer answer_;
  Exchange ex_;
};

class Begun final : public RequestCopy {
 public:
  explicit Begun(WorkerContext& worker, std::unique_ptr<Copy> copy) : worker_(worker), copy_(std::move(copy)) {}
  void take(std::string_view piece, bool last) override {
    if (!copy_) return;
    if (!copy_->add(piece)) {
      worker_.stats.mirrors_dropped.add();
      copy_.reset();
    } else if (last) {
      net::spawn(Copy::run(std::move(copy_)));
    }
  }

 private:
  WorkerContext& worker_;
  std::unique_ptr<Copy> copy_;
};

class MirrorStep final : public Step {
 public:
  explicit MirrorStep(const model::Shared<model::Mirror>& mirror)
      : mirror_(mirror), way_(way_to(mirror->tls, mirror->host)) {}

  std::unique_ptr<RequestCopy> copy(Exchange& ex) const override {
    WorkerContext& worker = ex.worker;
    ClusterRuntime* cluster = ex.further[static_cast<std::size_t>(model::Role::mirror)];
    if (cluster == nullptr || ex.head().upgrade || ex.grpc) return nullptr;
    if (worker.mirrors.full() || worker.ends_connections()) {
      worker.stats.mirrors_dropped.add();
      return nullptr;
    }
    std::string target;
    evaluate(mirror_->target, ex, Spelling::target, target);
    if (!target.starts_with('/')) target.insert(0, "/");
    return std::make_unique<Begun>(
        worker, std::make_unique<Copy>(ex, way_, mirror_->host_header, std::move(target), mirror_->body));
  }
  std::string asks(const RequestView& request) const override {
    std::string out = mirror_->tls ? "https://" : "http://";
    out.append(mirror_->host).append(":").append(std::to_string(mirror_->port));
    evaluate(mirror_->target, request, Spelling::target, out);
    return out;
  }

 private:
  const model::Shared<model::Mirror> mirror_;
  const model::RouteSettings way_;
};

StepPtr mirror_of(const Needs& needs) {
  return needs.settings.mirror ? std::make_shared<const MirrorStep>(needs.settings.mirror) : nullptr;
}

}  // namespace

extern const Row kMirror;
const Row kMirror{"mirror", in(Phase::copy), mirror_of};

}  // namespace sluice::data
