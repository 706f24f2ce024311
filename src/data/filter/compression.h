#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/regex.h"
#include "data/coding/coder.h"
#include "data/plan/step.h"

// Compression of responses: what decides is nginx's (docs/compression.md has the rules).
namespace sluice::data {

// What of a Content-Type is compared with a list of types: all up to the `;` of a charset, and all of it where there is
// no charset, other parameters included. That is nginx's rule.
std::string_view compared_type(std::string_view content_type) noexcept;

// An entity tag once the bytes are others: weak. Nothing: it is not well-formed, and goes.
enum class NewTag : std::uint8_t { same, weak, none };
NewTag tag_of_coded(std::string_view etag) noexcept;

class Compression final : public Step {
 public:
  // Null: nothing is ever compressed.
  static std::shared_ptr<const Compression> make(const model::Options& options);
  // The same where routes may ask for it by themselves: never null.
  static std::shared_ptr<const Compression> make_for_routes(const model::Options& options);

  // A response as far as it decides.
  struct Facts {
    int status = 200;
    std::optional<std::uint64_t> length;  // of the body that a GET gets; nothing: it is not said
    std::string_view type;                // Content-Type; empty: there is none
    bool coded = false;                   // it has a Content-Encoding already
  };
  struct Choice {
    bool depends = false;          // on what the client accepts: Vary says so
    std::optional<Coding> coding;  // nothing: it goes out as it is
    unsigned level = 0;            // of it
    bool operator==(const Choice&) const = default;
  };
  // `own`: what the route says; null: nothing.
  Choice choose(const net::http::RequestHead& request, const Facts& response,
                const model::RouteCompression* own = nullptr) const;

  std::unique_ptr<BodySource> encode(Exchange&, ResponseStart&, BodySource&) const override;

 private:
  struct Rule {
    bool on;
    Coding coding;
    unsigned level;
    std::uint64_t least;             // bytes
    std::vector<std::string> types;  // lower case; "*": any
  };
  explicit Compression(const model::Options& options);
  bool takes(const Rule& rule, const net::http::RequestHead& request, std::string_view accept_encoding) const;

  std::array<Rule, 3> rules_;             // in the order in which they are asked
  bool on_;                               // one of them is, where the route says nothing
  std::shared_ptr<const Regex> disable_;  // null: nobody
};

}  // namespace sluice::data
