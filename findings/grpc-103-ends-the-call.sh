#!/usr/bin/env bash
# Surprise: an interim response (103) before the headers of a gRPC answer ends the call in the client on gRPC's C core
#   (here Python's): UNKNOWN, "Received http2 header with status: 103". grpc-go and grpc-js go on to the answer.
#   An intermediary that passes on what a pod sends before its answer, as it must, so breaks some of the clients.
# Source: RFC 9113 section 8.1 (a response begins with any number of field sections of interim responses), RFC 9110 section 15.2
#   (a client must be able to parse them, unexpected ones too); gRPC's own doc/http-grpc-status-mapping.md says that a 1xx
#   "should have the entire header skipped and a subsequent header be read".
#   grpcio 1.85.3, grpc-go 1.85.0, @grpc/grpc-js 1.14.7.
# Usual guess: below gRPC there is HTTP/2, whose libraries take interim responses, so no call can see them.
set -euo pipefail
T=$(mktemp -d)
. "$(dirname "$0")/lib/packages.sh"
. "$(dirname "$0")/lib/grpc.sh"

read_by_all <<'P'
ANSWERS = {
    "/x/plain": [[(":status", "200"), TYPE, ("grpc-status", "8"), ("grpc-message", "the answer")]],
    "/x/early": [[(":status", "103"), ("link", "</a>")], [(":status", "200"), TYPE, ("grpc-status", "8"), ("grpc-message", "the answer")]],
}
P
holds "$T/got" <<'X' || exit 1
grpcio /x/plain RESOURCE_EXHAUSTED | the answer
grpcio /x/early UNKNOWN | Received http2 header with status: 103
grpc-js /x/plain RESOURCE_EXHAUSTED | the answer
grpc-js /x/early RESOURCE_EXHAUSTED | the answer
grpc-go /x/plain ResourceExhausted | the answer
grpc-go /x/early ResourceExhausted | the answer
X
