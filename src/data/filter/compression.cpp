#include "data/filter/compression.h"

#include <algorithm>

#include "base/release.h"
#include "base/strings.h"
#include "data/coding/accepts.h"
#include "data/plan/added_fields.h"
#include "data/proxy/grpc.h"
#include "data/runtime/worker_context.h"
#include "net/io/signal.h"

namespace sluice::data {

using net::http::Framing;
using net::http::Name;

namespace {

// A body on its way to the client, coded piece by piece. What one piece brought leaves at once, so that nobody waits
// for bytes that the pod has sent.
class Encoder final : public BodySource {
 public:
  Encoder(Exchange& ex, BodySource& below, std::unique_ptr<Coder> coder, Coding coding, unsigned level,
          std::size_t memory) noexcept
      : ex_(ex), below_(below), coder_(std::move(coder)), piece_(info(coding).piece(level)), memory_(memory) {
    ex_.coder_memory = memory;
    ex_.worker.stats.compression_memory.add(memory);
  }
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;
  ~Encoder() override { let_go(); }

  net::Task<Result<Chunk>> read(std::size_t) override {
    for (;;) {
      // A pod may be faster than we are, and then nothing else would make this exchange wait.
      if (since_others_ >= piece_) {
        since_others_ = 0;
        net::EndOfTurn others(ex_.worker.loop);
        co_await others;
      }
      if (kept_at_ < kept_.size()) {
        const auto size = std::min(wanted(), kept_.size() - kept_at_);
        const std::string_view part(kept_.data() + kept_at_, size);
        kept_at_ += size;
        const bool all = kept_at_ == kept_.size();
        co_return code({part, all && kept_last_, all ? std::string_view(kept_trailers_) : std::string_view()});
      }
      sluice::release(kept_);
      kept_at_ = 0;
      Result<Chunk> piece = co_await below_.read(wanted());
      if (!piece || piece->last || !piece->data.empty()) co_return pass(piece);
    }
  }
  Result<Chunk> take(std::size_t) override {
    const Result<Chunk> piece = below_.take(wanted());
    if (piece && !piece->last && piece->data.empty()) return piece;
    return pass(piece);
  }
  void stop() noexcept override { below_.stop(); }
  bool ended() const noexcept override { return ended_; }

 private:
  // By what is read, not by what becomes of it: the client is to be asked as one that is sent much. What does not
  // become smaller grows by its framing.
  std::size_t wanted() noexcept {
    const std::size_t room = std::min(ex_.down.room(taken_), piece_);
    return room - std::min(room / 2, Coder::kOverhead);
  }

  // What came behind the head may be more than is coded at once. It lies where the next read goes, so it is kept.
  Result<Chunk> pass(const Result<Chunk>& piece) {
    if (!piece || piece->data.size() <= piece_) return piece ? code(*piece) : piece;
    kept_ = piece->data.substr(piece_);
    kept_last_ = piece->last;
    kept_trailers_ = piece->trailers;
    return code({piece->data.substr(0, piece_), false, {}});
  }

  Result<Chunk> code(const Chunk& piece) {
    auto& out = ex_.worker.coded;
    auto& stats = ex_.worker.stats;
    out.clear();
    taken_ = piece.data.size();
    since_others_ += taken_;
    if (!coder_->code(piece.data, piece.last, out))
      return std::unexpected(
          Error{Fault::overload, Whose::internal, Retry::no, 500, "the response cannot be compressed any further"});
    stats.compression_in.add(taken_);
    stats.compression_out.add(out.size());
    if (piece.last) {
      ended_ = true;
      let_go();  // the client may take its time
    }
    return Chunk{out, piece.last, piece.trailers};
  }

  void let_go() noexcept {
    coder_.reset();
    const std::size_t memory = std::exchange(memory_, 0);
    if (memory == 0) return;
    ex_.coder_memory = 0;
    ex_.worker.stats.compression_memory.sub(memory);
    ex_.worker.shared.compression.give_back(memory);
  }

  Exchange& ex_;
  BodySource& below_;
  std::unique_ptr<Coder> coder_;
  const std::size_t piece_;  // most that is coded at once
  std::size_t memory_;
  std::size_t taken_ = 0;         // by the last piece
  std::size_t since_others_ = 0;  // coded since the others had their turn
  std::string kept_, kept_trailers_;
  std::size_t kept_at_ = 0;
  bool kept_last_ = false, ended_ = false;
};

constexpr bool is_listed(int status) noexcept {
  return status == 200 || status == 403 || status == 404;
}

// The last value of a field, of ours where one of ours has the name. Null: there is none.
const net::http::Field* last_of(std::span<const net::http::Field> theirs, std::span<const net::http::Field> ours,
                                Name name) noexcept {
  for (const auto& f : ours)
    if (f.id == name) return f.drop ? nullptr : &f;
  const net::http::Field* last = nullptr;
  for (const auto& f : theirs)
    if (f.id == name && !f.drop) last = &f;
  return last;
}

bool is_coded(std::span<const net::http::Field> fields) noexcept {
  return std::ranges::any_of(
      fields, [](const auto& f) { return f.id == Name::content_encoding && !f.drop && !f.value.empty(); });
}

std::optional<std::uint64_t> length_of(const ResponseStart& response) noexcept {
  if (response.framing == Framing::length) return response.content_length;
  // To HEAD: what a GET would get.
  if (response.framing == Framing::none && last_of(response.fields, {}, Name::content_length) != nullptr)
    return response.content_length;
  return std::nullopt;
}

// What is true of the bytes of the pod, and not of those that the client gets.
void forget_bytes(Exchange& ex, std::span<net::http::Field> fields) {
  for (auto& f : fields) {
    if (f.drop) continue;
    if (f.id == Name::content_length || f.id == Name::content_encoding || iequals(f.name, "accept-ranges"))
      f.drop = true;
    else if (f.id == Name::other && iequals(f.name, "etag"))
      switch (tag_of_coded(f.value)) {
        case NewTag::same:
          break;
        case NewTag::weak:
          f.value = ex.memory.joined.emplace_back("W/").append(f.value);
          break;
        case NewTag::none:
          f.drop = true;
      }
  }
}

}  // namespace

std::string_view compared_type(std::string_view type) noexcept {
  constexpr std::string_view kCharset = "charset=";
  for (std::size_t at = 0; (at = type.find(';', at)) != std::string_view::npos;) {
    const std::size_t parameter = type.find_first_not_of(' ', at + 1);
    if (parameter == std::string_view::npos) break;
    if (iequals(type.substr(parameter, kCharset.size()), kCharset)) return type.substr(0, at);
    at = parameter;
  }
  return type;
}

NewTag tag_of_coded(std::string_view etag) noexcept {
  if (etag.size() > 2 && etag.starts_with("W/")) return NewTag::same;
  return etag.starts_with('"') ? NewTag::weak : NewTag::none;
}

Compression::Compression(const model::Options& o)
    : rules_{Rule{o.enable_brotli, Coding::brotli, o.brotli_level, o.brotli_min_length, o.brotli_types},
             Rule{o.enable_zstd, Coding::zstd, o.zstd_level, o.zstd_min_length, o.zstd_types},
             Rule{o.use_gzip, Coding::gzip, o.gzip_level, o.gzip_min_length, o.gzip_types}},
      on_(o.enable_brotli || o.enable_zstd || o.use_gzip) {
  if (o.gzip_disable.empty()) return;
  // A version 6 that says SV1 has the fault mended.
  if (auto made =
          Regex::make(o.gzip_disable == model::kMsie6 ? R"((?-i)MSIE (?:[45]\.|6\.(?!.*SV1)))" : o.gzip_disable))
    disable_ = std::move(*made);
}

std::shared_ptr<const Compression> Compression::make(const model::Options& options) {
  if (!options.use_gzip && !options.enable_brotli && !options.enable_zstd) return nullptr;
  return make_for_routes(options);
}

std::shared_ptr<const Compression> Compression::make_for_routes(const model::Options& options) {
  return std::shared_ptr<const Compression>(new Compression(options));
}

bool Compression::takes(const Rule& rule, const net::http::RequestHead& request, std::string_view accepted) const {
  if (rule.coding != Coding::gzip) return accepts(accepted, info(rule.coding).token);
  if (!accepts_gzip(accepted) || (request.major == 1 && request.minor == 0)) return false;
  if (!disable_) return true;
  const auto* agent = request.find(Name::user_agent);
  // A pattern that gives up codes nothing: such a response is right for whoever it is.
  return agent == nullptr || disable_->match(agent->value) == Regex::Outcome::no;
}

namespace {

bool is_of(const std::vector<std::string>& types, std::string_view type) noexcept {
  return iequals(type, "text/html") ||
         std::ranges::any_of(types, [&](const auto& listed) { return listed == "*" || iequals(listed, type); });
}

// Null: the route says nothing of it.
const model::RouteCoding* own_of(const model::RouteCompression* own, Coding coding) noexcept {
  if (own == nullptr || coding == Coding::zstd) return nullptr;
  return coding == Coding::gzip ? &own->gzip : &own->brotli;
}

}  // namespace

Compression::Choice Compression::choose(const net::http::RequestHead& request, const Facts& response,
                                        const model::RouteCompression* own) const {
  Choice choice;
  if (!is_listed(response.status) || response.coded) return choice;
  const auto type = compared_type(response.type);
  const auto* accepted = request.find(Name::accept_encoding);
  for (const Rule& rule : rules_) {
    const model::RouteCoding* here = own_of(own, rule.coding);
    if (!(here != nullptr ? here->on.value_or(rule.on) : rule.on)) continue;
    const std::uint64_t least = here != nullptr && here->min_length ? *here->min_length : rule.least;
    if (response.length && *response.length < least) continue;
    if (!is_of(here != nullptr && here->types ? *here->types : rule.types, type)) continue;
    choice.depends = true;
    if (accepted == nullptr || !takes(rule, request, accepted->value)) continue;
    choice.coding = rule.coding;
    choice.level = here != nullptr && here->level ? *here->level : rule.level;
    break;
  }
  if (own != nullptr && own->vary == false) choice.depends = false;
  return choice;
}

std::unique_ptr<BodySource> Compression::encode(Exchange& ex, ResponseStart& response, BodySource& body) const {
  if (!is_listed(response.status)) return nullptr;
  const model::RouteCompression* own = ex.settings != nullptr ? ex.settings->compression.get() : nullptr;
  if (own == nullptr && !on_) return nullptr;
  // ConfigMaps may name fields that decide, as they do in ingress-nginx.
  make_added_fields(ex, response);
  const auto* type = last_of(response.fields, ex.memory.added, Name::content_type);
  Facts facts;
  facts.status = response.status;
  facts.length = length_of(response);
  if (type != nullptr) facts.type = type->value;
  facts.coded = is_coded(response.fields) || is_coded(ex.memory.added);
  // Clients of gRPC know codings of messages, none of bodies.
  if (is_grpc(facts.type)) return nullptr;
  const Choice choice = choose(ex.head(), facts, own);
  response.vary = choice.depends;
  if (!choice.coding) return nullptr;

  auto& stats = ex.worker.stats;
  const bool has_body = ex.head().method != net::http::Method::head;
  std::unique_ptr<Coder> coder;
  const CodingInfo& coding = info(*choice.coding);
  const std::size_t memory = coding.memory(choice.level, facts.length);
  if (has_body) {
    const Held held = ex.worker.held();
    if (held.by(Source::memory, Rung::save) || held.by(Source::lag, Rung::save)) {
      stats.uncompressed_overload.add();
      return nullptr;
    }
    auto& budget = ex.worker.shared.compression;
    if (!budget.take(memory, ex.options->compression_memory)) {
      stats.uncompressed_limit.add();
      return nullptr;
    }
    ex.worker.grew(memory);
    coder = coding.make(choice.level, facts.length);
    if (!coder) {
      budget.give_back(memory);
      stats.uncompressed_overload.add();
      return nullptr;
    }
    (*choice.coding == Coding::gzip     ? stats.compressed_gzip
     : *choice.coding == Coding::brotli ? stats.compressed_brotli
                                        : stats.compressed_zstd)
        .add();
  }
  forget_bytes(ex, response.fields);
  forget_bytes(ex, ex.memory.added);
  response.coding = coding.token;
  response.framing = has_body ? Framing::chunked : Framing::none;
  if (!has_body) return nullptr;
  return std::make_unique<Encoder>(ex, body, std::move(coder), *choice.coding, choice.level, memory);
}

namespace {

StepPtr make_compression(const model::Options& options, bool) {
  const bool snippets =
      options.allow_snippet_annotations || !options.server_snippet.empty() || !options.location_snippet.empty();
  return snippets ? Compression::make_for_routes(options) : Compression::make(options);
}

}  // namespace

extern const Row kCompression;
const Row kCompression{"compression", in(Phase::encode), nullptr, make_compression};

}  // namespace sluice::data
