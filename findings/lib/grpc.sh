# Sourced behind packages.sh: what three libraries of gRPC make of an answer.
from_pypi grpcio==1.85.3 h2==4.4.1
from_npm @grpc/grpc-js@1.14.7
from_go google.golang.org/grpc@v1.85.0

cat >"$T/server.py" <<'P'
# HTTP/2 without TLS; the path of a call says what it is answered: frames of headers, the last one ends the stream.
import socket, sys, threading
import h2.config, h2.connection, h2.events
from answers import ANSWERS
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

# Standard input: ANSWERS, a Python dict of path to lists of fields, each one frame. Writes a line for each library and path to $T/got.
read_by_all() {
  { echo 'TYPE = ("content-type", "application/grpc")'; cat; } >"$T/answers.py"
  local address paths
  paths=$(cd "$T" && python3 -c 'from answers import ANSWERS; print(*ANSWERS)')
  "$T/py/bin/python" "$T/server.py" "$T/port" &
  address=127.0.0.1:$(port_in "$T/port")
  # shellcheck disable=SC2086
  {
    "$T/py/bin/python" "$T/client.py" "$address" $paths
    node "$T/client.cjs" "$address" $paths
    "$T/go/client.bin" "$address" $paths
  } >"$T/got"
}
