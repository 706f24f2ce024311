#!/usr/bin/env bash
# Surprise: a server of grpc-js counts the milliseconds of grpc-timeout in 32 bits with a sign. A call with a deadline of 25 to 49
#   days is over at once (DEADLINE_EXCEEDED, told to the client while the handler works); one of 50 days has seven hours. A generous
#   deadline ("30 days" for a stream of watches) is so the shortest there is, and a proxy that passes grpc-timeout on as it came
#   gets errors of a time that nobody has waited. grpcio keeps all of them, and so does grpc-js as a client.
# Source: gRPC over HTTP/2 (PROTOCOL-HTTP2.md), Requests: grpc-timeout is up to eight digits and a unit, of which the largest are
#   hours. @grpc/grpc-js 1.14.7, server-interceptors (the product goes through "| 0" before it becomes a timer and a deadline);
#   against it grpcio 1.85.3.
# Usual guess: a deadline beyond what a library's timers take is cut to the longest that they do, or there is none.
set -euo pipefail
T=$(mktemp -d)
. "$(dirname "$0")/lib/packages.sh"
from_pypi grpcio==1.85.3
from_npm @grpc/grpc-js@1.14.7

# The servers answer after a moment, with the hours that they believe to have.
cat >"$T/server.py" <<'P'
import sys, time, grpc
from concurrent.futures import ThreadPoolExecutor
def get(request, context):
    left = context.time_remaining()
    time.sleep(0.5)
    return f"{left / 3600:.0f} hours".encode()
class Any(grpc.GenericRpcHandler):
    def service(self, _): return grpc.unary_unary_rpc_method_handler(get)
s = grpc.server(ThreadPoolExecutor(4))
s.add_generic_rpc_handlers((Any(),))
port = s.add_insecure_port("127.0.0.1:0")
s.start()
open(sys.argv[1], "w").write(str(port))
s.wait_for_termination()
P
cat >"$T/server.cjs" <<'J'
const grpc = require("@grpc/grpc-js"), same = (x) => x, s = new grpc.Server();
const get = (call, done) => {
  const left = call.getDeadline() - Date.now();
  setTimeout(done, 500, null, Buffer.from(`${Math.round(left / 3600000)} hours`));
};
s.addService({ Get: { path: "/any/Get", requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same } },
             { Get: get });
s.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (e, port) => require("fs").writeFileSync(process.argv[2], String(port)));
J
cat >"$T/ask.mjs" <<'J'
import http2 from "node:http2";
for (const server of process.argv.slice(2)) {
  const [name, port] = server.split(":"), session = http2.connect(`http://127.0.0.1:${port}`);
  for (const timeout of ["24H", "596H", "597H", "720H", "1193H", "1200H"]) {
    const call = session.request({ ":method": "POST", ":path": "/any/Get", "content-type": "application/grpc", te: "trailers", "grpc-timeout": timeout });
    let body = "", end;
    call.on("response", (h) => (end = h)).on("trailers", (h) => (end = h)).on("data", (d) => (body += d.subarray(5))).on("error", () => {});
    call.end(Buffer.alloc(5));
    await new Promise((done) => call.on("close", done));
    console.log(`${name}, ${timeout}: grpc-status ${end["grpc-status"]} ${body}`.trim());
  }
  session.close();
}
J
cat >"$T/client.cjs" <<'J'
const grpc = require("@grpc/grpc-js"), same = (x) => x;
const c = new grpc.Client(`127.0.0.1:${process.argv[2]}`, grpc.credentials.createInsecure());
c.makeUnaryRequest("/any/Get", same, same, Buffer.alloc(0), { deadline: Date.now() + 30 * 86400000 }, (e, body) => {
  console.log(`a client of grpc-js, 30 days: ${e ? grpc.status[e.code] : body}`);
  c.close();
});
J
"$T/py/bin/python" "$T/server.py" "$T/port.py" &
node "$T/server.cjs" "$T/port.js" &
grpcio=$(port_in "$T/port.py")
{
  node "$T/ask.mjs" "grpc-js:$(port_in "$T/port.js")" "grpcio:$grpcio"
  node "$T/client.cjs" "$grpcio"
} >"$T/got"
holds "$T/got" <<'X' || exit 1
grpc-js, 24H: grpc-status 0 24 hours
grpc-js, 596H: grpc-status 0 596 hours
grpc-js, 597H: grpc-status 4
grpc-js, 720H: grpc-status 4
grpc-js, 1193H: grpc-status 4
grpc-js, 1200H: grpc-status 0 7 hours
grpcio, 24H: grpc-status 0 24 hours
grpcio, 596H: grpc-status 0 596 hours
grpcio, 597H: grpc-status 0 597 hours
grpcio, 720H: grpc-status 0 720 hours
grpcio, 1193H: grpc-status 0 1193 hours
grpcio, 1200H: grpc-status 0 1200 hours
a client of grpc-js, 30 days: 720 hours
X
