#!/usr/bin/env bash
# Surprise: two values of one binary key of gRPC's metadata (x-bin) that come in one line, with a comma between, fail the call in
#   grpc-go and grpcio, as servers and as clients: INTERNAL about base64, in place of the answer or of the status that the server
#   gave; metadata that nobody looks at is enough. In two lines the same values are read by all; grpc-js reads both forms. No library
#   of gRPC joins them, but fetch() does with the two that a gRPC-Web client appends in a browser, before a proxy makes gRPC of the
#   request, and so does whatever keeps fields in a map of text.
# Source: gRPC over HTTP/2 (PROTOCOL-HTTP2.md), Requests: duplicate names may have their values joined with ",", which means the
#   same, and implementations must split Binary-Headers on "," before they decode base64. google.golang.org/grpc 1.85.0
#   (internal/transport), grpcio 1.85.3; against them @grpc/grpc-js 1.14.7.
# Usual guess: the rule of lists holds for metadata as for all fields of HTTP, as the specification says: joined is as good as not.
set -euo pipefail
T=$(mktemp -d)
. "$(dirname "$0")/lib/packages.sh"
. "$(dirname "$0")/lib/grpc.sh"

# Clients: what the server said is NOT_FOUND.
read_by_all <<'P'
HEAD = [(":status", "200"), TYPE, ("grpc-status", "5"), ("grpc-message", "no such row")]
ANSWERS = {
    "/two/Lines": [HEAD + [("x-bin", "AQI"), ("x-bin", "AwQ")]],
    "/one/Line": [HEAD + [("x-bin", "AQI,AwQ")]],
    "/text/Line": [HEAD + [("x", "AQI,AwQ")]],
}
P

# Servers: any method is answered OK, and nothing asks for the metadata.
cat >"$T/any.py" <<'P'
import sys, grpc
from concurrent.futures import ThreadPoolExecutor
class Any(grpc.GenericRpcHandler):
    def service(self, _): return grpc.unary_unary_rpc_method_handler(lambda request, context: b"")
s = grpc.server(ThreadPoolExecutor(1))
s.add_generic_rpc_handlers((Any(),))
port = s.add_insecure_port("127.0.0.1:0")
s.start()
open(sys.argv[1], "w").write(str(port))
s.wait_for_termination()
P
cat >"$T/any.cjs" <<'J'
const grpc = require("@grpc/grpc-js"), same = (x) => x, s = new grpc.Server();
s.addService({ Get: { path: "/any/Get", requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same } },
             { Get: (_, done) => done(null, Buffer.alloc(0)) });
s.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (e, port) => require("fs").writeFileSync(process.argv[2], String(port)));
J
mkdir -p "$T/go/any"
cat >"$T/go/any/main.go" <<'G'
package main

import (
	"fmt"
	"net"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	os.WriteFile(os.Args[1], []byte(fmt.Sprint(l.Addr().(*net.TCPAddr).Port)), 0o600)
	grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
		if err := s.RecvMsg(&emptypb.Empty{}); err != nil {
			return err
		}
		return s.SendMsg(&emptypb.Empty{})
	})).Serve(l)
}
G
cat >"$T/ask.mjs" <<'J'
import http2 from "node:http2";
const joined = new Headers();
for (const value of ["AQI=", "AwQ="]) joined.append("x-bin", value);  // what a browser's fetch() makes of two
for (const server of process.argv.slice(2)) {
  const [name, port] = server.split(":"), session = http2.connect(`http://127.0.0.1:${port}`);
  for (const value of [["AQI=", "AwQ="], joined.get("x-bin")]) {
    const call = session.request({ ":method": "POST", ":path": "/any/Get", "content-type": "application/grpc", te: "trailers", "x-bin": value });
    let end;
    call.on("response", (h) => (end = h)).on("trailers", (h) => (end = h)).on("error", () => {}).resume();
    call.end(Buffer.alloc(5));
    await new Promise((done) => call.on("close", done));
    console.log(...[name, "as a server", JSON.stringify(value), "-> grpc-status", end["grpc-status"], end["grpc-message"]].filter(Boolean));
  }
  session.close();
}
J
go_build any
"$T/py/bin/python" "$T/any.py" "$T/port.py" &
node "$T/any.cjs" "$T/port.js" &
"$T/go/any.bin" "$T/port.go" &
node "$T/ask.mjs" "grpcio:$(port_in "$T/port.py")" "grpc-js:$(port_in "$T/port.js")" "grpc-go:$(port_in "$T/port.go")" >>"$T/got"
holds "$T/got" <<'X' || exit 1
grpcio /two/Lines NOT_FOUND | no such row
grpcio /one/Line INTERNAL | Stream removed (Error parsing 'x-bin' metadata: illegal base64 encoding)
grpcio /text/Line NOT_FOUND | no such row
grpc-js /two/Lines NOT_FOUND | no such row
grpc-js /one/Line NOT_FOUND | no such row
grpc-js /text/Line NOT_FOUND | no such row
grpc-go /two/Lines NotFound | no such row
grpc-go /one/Line Internal | transport: malformed x-bin: illegal base64 data at input byte 3
grpc-go /text/Line NotFound | no such row
grpcio as a server ["AQI=","AwQ="] -> grpc-status 0
grpcio as a server "AQI=, AwQ=" -> grpc-status 13 Error parsing 'x-bin' metadata: illegal base64 encoding
grpc-js as a server ["AQI=","AwQ="] -> grpc-status 0 OK
grpc-js as a server "AQI=, AwQ=" -> grpc-status 0 OK
grpc-go as a server ["AQI=","AwQ="] -> grpc-status 0
grpc-go as a server "AQI=, AwQ=" -> grpc-status 13 malformed binary metadata "AQI=, AwQ=" in header "x-bin": illegal base64 data at input byte 3
X
