#pragma once
#include <memory>
#include <string>

#include "data/filter/order.h"

namespace sluice::data {

// A request of a route, to be changed by each test before it is asked about.
struct Asked {
  explicit Asked(model::RouteSettings wanted = {}, bool to_https = false)
      : settings(std::move(wanted)), plan(plan_of_route({settings, to_https})) {
    head.method = net::http::Method::get;
    head.method_text = "GET";
    head.authority = "a.example:8080";
    head.host = "a.example";
    head.path_query = head.target = "/x?y=1";
    view.path = "/x";
    view.query = "?y=1";
    view.client_host = "a.example";
    view.available = true;
    view.route = &route;
    view.route_seed = &seed;
    spec.path = "/";
    route.spec = &spec;
    route.settings = &settings;
    route.plan = plan.get();
    route.host = "a.example";
    route.forwards = true;
  }
  void field(std::string_view name, std::string_view value) {
    head.fields.add() = {name, value, net::http::name_of(name), false};
    head.names.add(net::http::name_of(name));
  }
  // "302 redirect", or "" for a request that goes on.
  std::string decided() const {
    const auto verdict = decide_for_route(view);
    return verdict ? std::to_string(verdict->reply.status) + " " + std::string(verdict->by) : "";
  }
  std::string location() const {
    const auto verdict = decide_for_route(view);
    return verdict ? verdict->reply.location : "";
  }

  model::RouteSettings settings;
  std::shared_ptr<const Plan> plan;
  model::Route spec;
  Route route;
  net::http::RequestHead head;
  RequestView view{head};
  HashSeed seed{1, 2};
};

inline net::http::Field field(std::string_view name, std::string_view value) {
  return {name, value, net::http::name_of(name), false};
}

// A response to it, with what the Plans make of the fields. Those that are left are sent: the pod's, then ours.
struct Responded {
  Responded(const Asked& asked, std::vector<net::http::Field> sent, const Plan* process = nullptr, bool from_pod = true,
            const model::Options& options = {})
      : theirs(std::move(sent)) {
    const ResponseFields::Response response{theirs, from_pod, options};
    ResponseFields fields(ours, texts, &response);
    add_response_fields(process, asked.view, fields);
  }
  template <class Print>
  void each(Print&& print) const {
    for (const auto* all : {&theirs, &ours})
      for (const auto& f : *all)
        if (!f.drop) print(f);
  }
  std::vector<net::http::Field> theirs, ours;
  Texts texts;
};

}  // namespace sluice::data
