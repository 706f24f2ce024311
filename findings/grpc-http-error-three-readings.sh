#!/usr/bin/env bash
# Surprise: (1) For an answer of HTTP status 503 or 429, of type application/grpc and without a grpc-status, as a proxy may
#   send it, grpc-go returns UNKNOWN with an empty message, though gRPC has a table that says UNAVAILABLE (so a policy that
#   tries UNAVAILABLE again does not); the others go by the table. (2) Where the grpc-status of such an answer stands in the
#   trailers and not in the first headers, grpcio passes over it and goes by the table, where grpc-go and grpc-js use it.
# Source: gRPC, doc/http-grpc-status-mapping.md: the table is for clients "that received a response that did not include
#   grpc-status"; "If grpc-status was provided, it must be used". grpcio 1.85.3, grpc-go 1.85.0, @grpc/grpc-js 1.14.7.
# Usual guess: clients of one project map statuses alike, and grpc-go, of all, by the project's own table.
set -euo pipefail
T=$(mktemp -d)
. "$(dirname "$0")/lib/packages.sh"
. "$(dirname "$0")/lib/grpc.sh"

read_by_all <<'P'
ANSWERS = {
    "/x/503": [[(":status", "503"), TYPE]],
    "/x/429": [[(":status", "429"), TYPE]],
    "/x/403": [[(":status", "403"), TYPE]],
    "/x/503-and-status": [[(":status", "503"), TYPE, ("grpc-status", "8"), ("grpc-message", "full")]],
    "/x/503-and-trailers": [[(":status", "503"), TYPE], [("grpc-status", "8"), ("grpc-message", "full")]],
}
P
holds "$T/got" <<'X' || exit 1
grpcio /x/503 UNAVAILABLE | Received http2 header with status: 503
grpcio /x/429 UNAVAILABLE | Received http2 header with status: 429
grpcio /x/403 PERMISSION_DENIED | Received http2 header with status: 403
grpcio /x/503-and-status RESOURCE_EXHAUSTED | full
grpcio /x/503-and-trailers UNAVAILABLE | Received http2 header with status: 503
grpc-js /x/503 UNAVAILABLE | Received HTTP status code 503
grpc-js /x/429 UNAVAILABLE | Received HTTP status code 429
grpc-js /x/403 PERMISSION_DENIED | Received HTTP status code 403
grpc-js /x/503-and-status RESOURCE_EXHAUSTED | full
grpc-js /x/503-and-trailers RESOURCE_EXHAUSTED | full
grpc-go /x/503 Unknown | 
grpc-go /x/429 Unknown | 
grpc-go /x/403 Unknown | 
grpc-go /x/503-and-status ResourceExhausted | full
grpc-go /x/503-and-trailers ResourceExhausted | full
X
