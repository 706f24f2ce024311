#!/usr/bin/env bash
# Surprise: trailers of a request that no field `Trailer` has announced are there for a handler of Go's server where the request came
#   by HTTP/1.1, and are not where it came by HTTP/2: r.Trailer is empty behind the same body, without an error. Announce one of two,
#   and HTTP/1.1 has both and HTTP/2 that one. Node's client announces none by itself, and Node's server has them all either way.
#   A checksum or signature behind an upload is so lost when a client, or a proxy that asks its pods by h2c, changes the protocol,
#   and for good where a proxy takes `Trailer` for a field of the connection and leaves it out.
# Source: RFC 9110 section 6.6.2 (a sender SHOULD announce: no condition for their being read), RFC 9113 section 8.1 (trailers are a
#   field block behind the body). Go 1.26 and 1.27 net/http: in HTTP/2 only names that were declared are copied into Request.Trailer.
# Usual guess: one handler, one request, one Trailer; what is behind the body is read whatever the protocol.
set -euo pipefail
T=$(mktemp -d)
. "$(dirname "$0")/lib/packages.sh"
node --version
from_go

mkdir -p "$T/go/server"
cat >"$T/go/server/main.go" <<'G'
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	os.WriteFile(os.Args[1], []byte(fmt.Sprint(l.Addr().(*net.TCPAddr).Port)), 0o600)
	s := &http.Server{Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "go: %s %s x-sum=%s x-more=%s %v", r.Proto, b, r.Trailer.Get("X-Sum"), r.Trailer.Get("X-More"), err)
	})}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetUnencryptedHTTP2(true)
	s.Serve(l)
}
G
cat >"$T/server.mjs" <<'J'
// The two protocols have a server each.
import http from "node:http";
import http2 from "node:http2";
import { writeFileSync } from "node:fs";
process.argv.slice(2).forEach((file, i) => {
  const s = [http, http2][i].createServer(async (q, a) => {
    let body = "";
    for await (const part of q.setEncoding("utf8")) body += part;
    a.end(`node: HTTP/${q.httpVersion} ${body} x-sum=${q.trailers["x-sum"] ?? ""} x-more=${q.trailers["x-more"] ?? ""}`);
  });
  s.listen(0, "127.0.0.1", () => writeFileSync(file, String(s.address().port)));
});
J
cat >"$T/client.mjs" <<'J'
import http from "node:http";
import http2 from "node:http2";
import { once } from "node:events";
const [url1, url2] = process.argv.slice(2), trailers = { "x-sum": "1", "x-more": "2" };
async function shown(what, stream) {
  let body = "";
  for await (const part of stream.setEncoding("utf8")) body += part;
  console.log(`${what}: ${body}`);
}
for (const [what, head] of [["none announced", {}], ["x-sum announced", { trailer: "x-sum" }]]) {
  const one = http.request(url1, { method: "POST", headers: { ...head, "transfer-encoding": "chunked" } });
  one.write("body");
  one.addTrailers(trailers);
  one.end();
  await shown(what, (await once(one, "response"))[0]);

  const session = http2.connect(url2);
  const two = session.request({ ":method": "POST", ...head }, { waitForTrailers: true });
  two.on("wantTrailers", () => two.sendTrailers(trailers));
  two.end("body");
  await shown(what, two);
  session.close();
}
process.exit(0);
J
go_build server
"$T/go/server.bin" "$T/port" &
node "$T/server.mjs" "$T/port1" "$T/port2" &
go=http://127.0.0.1:$(port_in "$T/port")
{
  node "$T/client.mjs" "$go" "$go"
  node "$T/client.mjs" "http://127.0.0.1:$(port_in "$T/port1")" "http://127.0.0.1:$(port_in "$T/port2")"
} >"$T/got"
holds "$T/got" <<'X' || exit 1
none announced: go: HTTP/1.1 body x-sum=1 x-more=2 <nil>
none announced: go: HTTP/2.0 body x-sum= x-more= <nil>
x-sum announced: go: HTTP/1.1 body x-sum=1 x-more=2 <nil>
x-sum announced: go: HTTP/2.0 body x-sum=1 x-more= <nil>
none announced: node: HTTP/1.1 body x-sum=1 x-more=2
none announced: node: HTTP/2.0 body x-sum=1 x-more=2
x-sum announced: node: HTTP/1.1 body x-sum=1 x-more=2
x-sum announced: node: HTTP/2.0 body x-sum=1 x-more=2
X
