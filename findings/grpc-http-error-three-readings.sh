#!/usr/bin/env bash
# Surprise: (1) For an answer of HTTP status 503 or 429, of type application/grpc and without a grpc-status, as a proxy may
#   send it, grpc-go returns UNKNOWN with an empty message, though gRPC has a table that says UNAVAILABLE (so a policy that
#   tries UNAVAILABLE again does not); the others go by the table. (2) Where the grpc-status of such an answer stands in the
#   trailers and not in the first headers, grpcio passes over it and goes by the table, where grpc-go and grpc-js use it.
# Source: gRPC, doc/http-grpc-status-mapping.md: the table is for clients "that received a response that did not include
#   grpc-status"; "If grpc-status was provided, it must be used". grpcio 1.85.3, grpc-go 1.85.0, @grpc/grpc-js 1.14.7.
# Usual guess: clients of one project map statuses alike, and grpc-go, of all, by the project's own table.
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
    "/x/503": [[(":status", "503"), TYPE]],
    "/x/429": [[(":status", "429"), TYPE]],
    "/x/403": [[(":status", "403"), TYPE]],
    "/x/503-and-status": [[(":status", "503"), TYPE, ("grpc-status", "8"), ("grpc-message", "full")]],
    "/x/503-and-trailers": [[(":status", "503"), TYPE], [("grpc-status", "8"), ("grpc-message", "full")]],
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
PATHS=(/x/503 /x/429 /x/403 /x/503-and-status /x/503-and-trailers)
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
