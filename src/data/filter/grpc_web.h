#pragma once
#include <memory>
#include <string>

#include "base/result.h"
#include "data/exchange/exchange.h"
#include "data/exchange/streams.h"

namespace sluice::data {

// Base64 that comes in pieces. It may be padded anywhere between groups of four digits: clients encode message by
// message.
class Base64Pieces {
 public:
  // Appends the bytes of `piece`, and of what was left of those before. False: it is not base64 (white space is
  // none), or with `last` it ends inside a group.
  bool decode(std::string_view piece, bool last, std::string& out);

 private:
  std::string group_;  // digits that do not make up four yet
};

// The last frame of a gRPC-Web body: 0x80, the length of the trailers, the trailers as lines.
void append_trailer_frame(std::string& out, std::string_view trailers);

// gRPC-Web (grpc/grpc, doc/PROTOCOL-WEB.md) for pods that speak gRPC: what browsers can send becomes a call, and the
// trailers of its answer, which browsers cannot read, the last frame of its body. In the -text form both bodies are
// base64.
class GrpcWeb final : public BodyTransform {
 public:
  // Null unless the pods of `ex` speak gRPC and the request is of such a type. The request's head in `ex.memory` is
  // that of a call afterwards.
  static std::unique_ptr<GrpcWeb> begin(Exchange& ex);

  BodySource& request(BodySource& client) override;
  BodySource& response(Exchange& ex, BodySource& pod) override;
  std::string_view reply_type() const noexcept override { return reply_type_; }

 private:
  GrpcWeb(bool text_up, bool text_down, std::string_view suffix);

  class Source : public BodySource {
   public:
    net::Task<Result<Chunk>> read(std::size_t most) override;
    Result<Chunk> take(std::size_t most) override;
    void stop() noexcept override { below_->stop(); }
    bool ended() const noexcept override { return below_->ended(); }
    // What becomes of a piece; the result lives until the next call.
    virtual Result<Chunk> pass(const Chunk& piece) = 0;
    BodySource* below_ = nullptr;
    std::string out_;
  };
  class Request final : public Source {
   public:
    Result<Chunk> pass(const Chunk& piece) override;
    bool text_ = false;
    Base64Pieces pieces_;
  };
  class Response final : public Source {
   public:
    Result<Chunk> pass(const Chunk& piece) override;
    bool text_ = false;
    Exchange* ex_ = nullptr;
  };

  Request request_;
  Response response_;
  std::string call_type_, reply_type_;
};

}  // namespace sluice::data
