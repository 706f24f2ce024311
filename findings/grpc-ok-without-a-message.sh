#!/usr/bin/env bash
# Surprise: a unary call that ends with grpc-status 0 and has no message is OK with None in Python, UNIMPLEMENTED in
#   JavaScript and INTERNAL in Go. Who alerts by code sees one pod's mistake as three, one of them no mistake.
# Source: gRPC, PROTOCOL-HTTP2.md (Trailers-Only is an answer; on the wire nothing binds OK to a message); doc/statuscodes.md:
#   "Response cardinality violation" is UNIMPLEMENTED, made by the client. grpcio 1.85.3, grpc-go 1.85.0,
#   @grpc/grpc-js 1.14.7.
# Usual guess: a library refuses a unary call without a message, and all do with the code that the project's table has.
set -euo pipefail
T=$(mktemp -d)
. "$(dirname "$0")/lib/packages.sh"
. "$(dirname "$0")/lib/grpc.sh"

read_by_all <<'P'
ANSWERS = {
    "/x/ok": [[(":status", "200"), TYPE, ("grpc-status", "0")]],
    "/x/ok-in-trailers": [[(":status", "200"), TYPE], [("grpc-status", "0")]],
}
P
holds "$T/got" <<'X' || exit 1
grpcio /x/ok OK None
grpcio /x/ok-in-trailers OK None
grpc-js /x/ok UNIMPLEMENTED | No message received
grpc-js /x/ok-in-trailers UNIMPLEMENTED | No message received
grpc-go /x/ok Internal | cardinality violation: received no response message from non-server-streaming RPC
grpc-go /x/ok-in-trailers Internal | cardinality violation: received no response message from non-server-streaming RPC
X
