#include "data/server/connection.h"
#include "data/server/h1_connection.h"
#include "data/server/h2_connection.h"

namespace sluice::data {

namespace {

template <class P>
std::unique_ptr<Protocol> make(Connection& connection) {
  return std::make_unique<P>(connection);
}

constexpr ProtocolEntry kProtocols[] = {
    {"h2", make<H2Connection>},        // first: what a preface on a plain connection asks for
    {"http/1.1", make<H1Connection>},  // last: what a client speaks that names nothing
};

}  // namespace

std::span<const ProtocolEntry> protocols() {
  return kProtocols;
}

}  // namespace sluice::data
