#include <algorithm>

#include "data/exchange/variables.h"
#include "data/plan/step.h"
#include "data/proxy/grpc.h"

// Fields of responses that ConfigMaps name: custom-headers for those of a route, add-headers for all.
namespace sluice::data {

namespace {

class ResponseHeaders final : public Step {
 public:
  explicit ResponseHeaders(const model::Shared<model::HeaderMap>& map) : map_(map) {
    for (const auto& line : map->lines) ids_.push_back(net::http::name_of(line.name));
  }

  void respond(const RequestView& request, ResponseFields& fields) const override {
    for (std::size_t i = 0; i < ids_.size(); ++i) {
      const model::HeaderLine& line = map_->lines[i];
      const net::http::Name id = ids_[i];
      if (id == net::http::Name::content_type && fields.response() != nullptr &&
          answers_call(fields.response()->fields))
        continue;
      std::string_view value = line.value;
      if (!line.value.is_literal()) {
        // Explain shows what is of the response as it is written.
        if (fields.response() == nullptr && !line.value.first_too_late(VariableRow::When::request).empty())
          value = line.value.text();
        else
          value = field_value(line.value, request, fields, fields.text());
      }
      if (value.empty())
        fields.drop(line.name, id);
      else
        fields.set_if_free(line.name, value, id);
    }
  }

 private:
  const model::Shared<model::HeaderMap> map_;  // which many routes may share
  std::vector<net::http::Name> ids_;           // of its lines
};

StepPtr make_header_step(const model::Shared<model::HeaderMap>& map) {
  return map && !map->lines.empty() ? std::make_shared<const ResponseHeaders>(map) : nullptr;
}

}  // namespace

extern const Row kCustomHeaders, kAddHeaders;
const Row kCustomHeaders{"custom-headers", in(Phase::respond),
                         [](const Needs& needs) { return make_header_step(needs.settings.custom_headers); }};
const Row kAddHeaders{"add-headers", in(Phase::respond), nullptr,
                      [](const model::Options& options, bool) { return make_header_step(options.add_headers); }};

}  // namespace sluice::data
