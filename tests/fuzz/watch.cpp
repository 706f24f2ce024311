#include <boost/asio/io_context.hpp>
#include <string>
#include <utility>
#include <variant>

#include "control/source/cluster/reflector.h"
#include "support.h"

// The lines of a watch, or (where the first byte is no brace) of a streamed list, as an API server may send them: each
// is followed or refused with a reason, what is handed on is what is known, and a line that comes twice says nothing
// new.
namespace {

using namespace sluice;                    // NOLINT(google-build-using-namespace)
using namespace sluice::control;           // NOLINT(google-build-using-namespace)
using namespace sluice::control::cluster;  // NOLINT(google-build-using-namespace)

struct Nobody : Credentials {
  boost::asio::awaitable<Answer> current(Instant) override { co_return Answer(Current{}); }
  void refused() override {}
};

struct Heard : Sink {
  void learnt(const std::string& name, ObjectPtr object, std::vector<model::Entry> entries) override {
    ++news;
    PROPERTY(from->knows(name));
    PROPERTY(object || !entries.empty());
    for (const auto& entry : entries) PROPERTY(!entry.problem.reason.empty());
    if (!object) return;
    PROPERTY(std::holds_alternative<Ingress>(*object));
    // A server names the namespace of each Ingress.
    if (!name.starts_with("Ingress//")) PROPERTY(identity(*object) == name);
  }
  void gone(const std::string& name, ObjectPtr) override {
    ++news;
    PROPERTY(!from->knows(name));
  }
  void complete(const Resource&) override {
    ++news;
    PROPERTY(!std::exchange(is_complete, true));
  }
  void trouble(const Resource&, const ApiError&) override {}
  void recovered(const Resource&) override {}

  const Reflector* from = nullptr;
  std::size_t news = 0;
  bool is_complete = false;
};

// Was it followed?
bool follows(Reflector& reflector, std::string_view line) {
  try {
    reflector.event(line);
    return true;
  } catch (const ApiError& e) {
    PROPERTY(*e.what() != '\0');
    return false;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto in = fuzz::text_of(data, size);
  static auto& io = *new boost::asio::io_context;
  static auto& access = *new Access;
  static Nobody nobody;
  Heard heard;
  Reflector reflector(io, access, nobody, {"Ingress", "/ingresses", "", false}, heard, 1);
  heard.from = &reflector;
  if (!in.starts_with('{')) {
    in.remove_prefix(std::min<std::size_t>(in.size(), 1));
    reflector.list_begins();
  }
  for (std::size_t lines = 1; !in.empty(); ++lines) {
    const auto line = fuzz::up_to('\n', in);
    const bool followed = follows(reflector, line);
    PROPERTY(reflector.objects() <= lines);
    const auto news = heard.news, objects = reflector.objects();
    PROPERTY(follows(reflector, line) == followed);
    PROPERTY(heard.news == news && reflector.objects() == objects);
  }
  std::size_t known = 0;
  reflector.each("Ingress/", [&](const std::string& name, const ObjectPtr& object) {
    ++known;
    PROPERTY(object != nullptr && reflector.knows(name));
  });
  PROPERTY(known <= reflector.objects());
  return 0;
}
