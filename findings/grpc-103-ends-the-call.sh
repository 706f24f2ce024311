#!/usr/bin/env bash
# Surprise: an interim response (103) before the headers of a gRPC answer ends the call in the client on gRPC's C core
#   (here Python's): UNKNOWN, "Received http2 header with status: 103". grpc-go and grpc-js go on to the answer.
#   An intermediary that passes on what a pod sends before its answer, as it must, so breaks some of the clients.
# Source: RFC 9113 section 8.1 (a response begins with any number of field sections of interim responses), RFC 9110 section 15.2
#   (a client must be able to parse them, unexpected ones too); gRPC's own doc/http-grpc-status-mapping.md says that a 1xx
#   "should have the entire header skipped and a subsequent header be read".
#   grpcio 1.85.3, grpc-go 1.85.0, @grpc/grpc-js 1.14.7.
# Usual guess: below gRPC there is HTTP/2, whose libraries take interim responses, so no call can see them.
. "$(dirname "$0")/common.sh"
from_pypi grpcio==1.85.3 h2==4.4.1
from_npm @grpc/grpc-js@1.14.7
from_go google.golang.org/grpc@v1.85.0

cat >"$T/server.py" <<'P'
# HTTP/2 without TLS; the path of a call says what it is answered: frames of headers, the last one ends the stream.
import socket, sys, threading
import h2.config, h2.connection, h2.events
TYPE = ("content-type", "application/grpc")
ANSWERS = {
    "/x/plain": [[(":status", "200"), TYPE, ("grpc-status", "8"), ("grpc-message", "the answer")]],
    "/x/early": [[(":status", "103"), ("link", "</a>")], [(":status", "200"), TYPE, ("grpc-status", "8"), ("grpc-message", "the answer")]],
}
def serve(c):
    h2c = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
    h2c.initiate_connection()
    while True:
        c.sendall(h2c.data_to_send())
        data = c.recv(65536)
        if not data: return
        for e in h2c.receive_data(data):
            if isinstance(e, h2.events.RequestReceived):
                frames = ANSWERS[dict(e.headers)[":path"]]
                for f in frames: h2c.send_headers(e.stream_id, f, end_stream=f is frames[-1])
s = socket.create_server(("127.0.0.1", 0))
open(sys.argv[1], "w").write(str(s.getsockname()[1]))
while True: threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
P
PATHS=(/x/plain /x/early)
cat >"$T/client.py" <<'P'
import sys, grpc
for path in sys.argv[2:]:
    with grpc.insecure_channel(sys.argv[1]) as c:
        try: print("grpcio", path, "OK", c.unary_unary(path)(b"", timeout=10))
        except grpc.RpcError as e: print("grpcio", path, e.code().name, "|", e.details())
P
cat >"$T/client.cjs" <<'J'
const grpc = require("@grpc/grpc-js"), [address, ...paths] = process.argv.slice(2);
(async () => {
  const c = new grpc.Client(address, grpc.credentials.createInsecure()), same = (x) => x;
  for (const path of paths)
    await new Promise((done) => c.makeUnaryRequest(path, same, same, Buffer.alloc(0), { deadline: Date.now() + 10000 }, (e, v) => {
      console.log("grpc-js", path, e ? `${grpc.status[e.code]} | ${e.details}` : `OK ${v}`);
      done();
    }));
  c.close();
})();
J
mkdir -p "$T/go/client"
cat >"$T/go/client/main.go" <<'G'
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

func main() {
	for _, path := range os.Args[2:] {
		c, err := grpc.NewClient("passthrough:///"+os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			panic(err)
		}
		x, end := context.WithTimeout(context.Background(), 10*time.Second)
		err = c.Invoke(x, path, &emptypb.Empty{}, &emptypb.Empty{})
		end()
		c.Close()
		fmt.Println("grpc-go", path, status.Code(err), "|", status.Convert(err).Message())
	}
}
G
go_build client
"$T/py/bin/python" "$T/server.py" "$T/port" &
address=127.0.0.1:$(port_in "$T/port")
{
  "$T/py/bin/python" "$T/client.py" "$address" "${PATHS[@]}"
  node "$T/client.cjs" "$address" "${PATHS[@]}"
  "$T/go/client.bin" "$address" "${PATHS[@]}"
} >"$T/got"
holds "$T/got" <<'X'
grpcio /x/plain RESOURCE_EXHAUSTED | the answer
grpcio /x/early UNKNOWN | Received http2 header with status: 103
grpc-js /x/plain RESOURCE_EXHAUSTED | the answer
grpc-js /x/early RESOURCE_EXHAUSTED | the answer
grpc-go /x/plain ResourceExhausted | the answer
grpc-go /x/early ResourceExhausted | the answer
X
