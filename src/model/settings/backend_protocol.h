#pragma once
#include <cstdint>
#include <string_view>

namespace sluice::model {

// What pods speak. grpc is HTTP/2 without TLS by prior knowledge, grpcs HTTP/2 over TLS; auto_http is http or https as
// the client came, fcgi is FastCGI.
enum class BackendProtocol : std::uint8_t { http, https, grpc, grpcs, auto_http, fcgi };
std::string_view to_string(BackendProtocol);  // as the annotation spells it

}  // namespace sluice::model
