#!/usr/bin/env bash
# Surprise: metadata of 8 to 16 KiB are refused by chance on gRPC's C core (Python, C++, Ruby, PHP): of a hundred calls that are alike some
#   succeed and the others are RESOURCE_EXHAUSTED, in about the share by which the size has come from one limit to the other; at 12 KiB it
#   is one in two. Servers do so with what a client sends, and clients with what a server sends, answers that were computed among them, though
#   both announce by SETTINGS_MAX_HEADER_LIST_SIZE that they take 16 KiB. Who adds fields on the way (a token, X-Forwarded-For, a cookie) takes
#   calls from "always" to "now and then". grpc-js takes all of them.
# Source: RFC 9113 section 6.5.2 (the setting, and that a field counts for 32 bytes more than it has); gRPC over HTTP/2 (PROTOCOL-HTTP2.md),
#   Requests: servers may limit the size, 8 KiB suggested; grpc/impl/channel_arg_names.h: GRPC_ARG_MAX_METADATA_SIZE (soft limit, 8 KiB)
#   and GRPC_ARG_ABSOLUTE_MAX_METADATA_SIZE (hard limit, 16 KiB). grpcio 1.85.3; @grpc/grpc-js 1.14.7.
# Usual guess: a limit of a size is one number, the announced one, and a call that has passed once will pass again.
set -euo pipefail
T=$(mktemp -d)
. "$(dirname "$0")/lib/packages.sh"
from_pypi grpcio==1.85.3
from_npm @grpc/grpc-js@1.14.7

cat >"$T/server.py" <<'P'
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
cat >"$T/server.cjs" <<'J'
// Answers with metadata of as many bytes as the request says.
const grpc = require("@grpc/grpc-js"), same = (x) => x, s = new grpc.Server();
s.addService({ Get: { path: "/any/Get", requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same } }, {
  Get: (call, done) => {
    const size = Number(call.request.toString()), metadata = new grpc.Metadata();
    if (size) metadata.set("x", "a".repeat(size));
    call.sendMetadata(metadata);
    done(null, Buffer.alloc(0));
  },
});
s.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (e, port) => require("fs").writeFileSync(process.argv[2], String(port)));
J
cat >"$T/client.py" <<'P'
# To grpc-js' server: what it answers with.
import sys, grpc
with grpc.insecure_channel(sys.argv[1]) as c:
    for size in (7000, 12000, 17000):
        codes = []
        for _ in range(100):
            try: c.unary_unary("/any/Get")(str(size).encode(), timeout=10); codes.append("OK")
            except grpc.RpcError as e: codes.append(e.code().name)
        print(f"answers of grpc-js to grpcio, {size} bytes:", *sorted(set(codes)))
P
cat >"$T/client.cjs" <<'J'
// To both servers: what the client asks with.
const grpc = require("@grpc/grpc-js"), http2 = require("http2"), same = (x) => x, [python, node] = process.argv.slice(2);
const call = (c, size, text) => new Promise((done) => {
  const metadata = new grpc.Metadata();
  if (size) metadata.set("x", "a".repeat(size));
  c.makeUnaryRequest("/any/Get", same, same, Buffer.from(text), metadata, { deadline: Date.now() + 10000 }, (e) => done(e ? grpc.status[e.code] : "OK"));
});
(async () => {
  const s = http2.connect(`http://${python}`);
  await new Promise((done) => s.on("remoteSettings", done));
  console.log("grpcio announces", s.remoteSettings.maxHeaderListSize);
  s.close();
  for (const [name, address] of [["grpcio", python], ["grpc-js", node]]) {
    const c = new grpc.Client(address, grpc.credentials.createInsecure());
    for (const size of [7000, 12000, 17000]) {
      const codes = new Set();
      for (let i = 0; i < 100; i++) codes.add(await call(c, size, "0"));
      console.log(`requests to ${name}, ${size} bytes:`, ...[...codes].sort());
    }
    c.close();
  }
  const c = new grpc.Client(node, grpc.credentials.createInsecure());
  console.log("answers of grpc-js to grpc-js, 17000 bytes:", await call(c, 0, "17000"));
  c.close();
})();
J
"$T/py/bin/python" "$T/server.py" "$T/port.py" &
node "$T/server.cjs" "$T/port.js" &
python=127.0.0.1:$(port_in "$T/port.py") node=127.0.0.1:$(port_in "$T/port.js")
{ node "$T/client.cjs" "$python" "$node"; "$T/py/bin/python" "$T/client.py" "$node"; } >"$T/got"
holds "$T/got" <<'X' || exit 1
grpcio announces 16384
requests to grpcio, 7000 bytes: OK
requests to grpcio, 12000 bytes: OK RESOURCE_EXHAUSTED
requests to grpcio, 17000 bytes: RESOURCE_EXHAUSTED
requests to grpc-js, 7000 bytes: OK
requests to grpc-js, 12000 bytes: OK
requests to grpc-js, 17000 bytes: OK
answers of grpc-js to grpc-js, 17000 bytes: OK
answers of grpc-js to grpcio, 7000 bytes: OK
answers of grpc-js to grpcio, 12000 bytes: OK RESOURCE_EXHAUSTED
answers of grpc-js to grpcio, 17000 bytes: RESOURCE_EXHAUSTED
X
