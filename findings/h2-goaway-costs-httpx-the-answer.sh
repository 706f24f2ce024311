#!/usr/bin/env bash
# Surprise: httpx over HTTP/2 gives up a response that it is in the middle of as soon as a GOAWAY comes, though the GOAWAY says that
#   its stream will be served: the first one of a graceful shutdown, which refuses no stream at all, is enough. The request is not
#   repeated either, so that a server or proxy that drains as the RFC asks fails every request that these clients have under way.
#   Go, Node's http2 and libcurl wait for the rest and have the whole answer.
# Source: RFC 9113 section 6.8: streams up to the last stream identifier may still complete; a server that shuts down gracefully
#   should first send 2^31-1. httpx 0.28.1 over httpcore 1.0.9 and h2 4.4.1, whose state of the connection is closed from then on;
#   against them Go's net/http, Node's http2 and libcurl 8 as pycurl 7.49.0 brings it.
# Usual guess: a GOAWAY with NO_ERROR ends what is not begun; only a lower identifier or the end of the connection costs a response.
set -euo pipefail
T=$(mktemp -d)
. "$(dirname "$0")/lib/packages.sh"
from_pypi "httpx[http2]==0.28.1" httpcore==1.0.9 h2==4.4.1 pycurl==7.49.0
node --version
. "$(dirname "$0")/lib/h2.sh"
"$T/py/bin/python" -c 'import pycurl; print(pycurl.version.split()[1])'

cat >"$T/go/server/main.go" <<'G'
// Half of a response, a PING and a GOAWAY in one write; the other half once the client has answered the PING.
package main

import "golang.org/x/net/http2"

func asked(f *http2.Framer, stream uint32, path string) {
	f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block(":status", "200"), EndHeaders: true})
	f.WriteData(stream, false, []byte("first,"))
	f.WritePing(false, [8]byte{1})
	switch path {
	case "/all":
		f.WriteGoAway(1<<31-1, http2.ErrCodeNo, nil)
	case "/this":
		f.WriteGoAway(stream, http2.ErrCodeNo, nil)
	}
}

func pinged(f *http2.Framer) { f.WriteData(1, true, []byte("second")) }
G
cat >"$T/go/client/main.go" <<'G'
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

func main() {
	var h2c http.Protocols
	h2c.SetUnencryptedHTTP2(true)
	for _, path := range os.Args[2:] {
		c := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{Protocols: &h2c}}
		r, err := c.Get(os.Args[1] + path)
		if err != nil {
			panic(err)
		}
		b, err := io.ReadAll(r.Body)
		fmt.Println("go", path, string(b), err)
	}
}
G
cat >"$T/clients.py" <<'P'
import io, sys
import httpx, pycurl
for path in sys.argv[2:]:
    with httpx.Client(http1=False, http2=True, timeout=10) as c:
        try: print("httpx", path, c.get(sys.argv[1] + path).text)
        except httpx.HTTPError as e: print("httpx", path, type(e).__name__, e)
for path in sys.argv[2:]:
    out, c = io.BytesIO(), pycurl.Curl()
    c.setopt(c.URL, sys.argv[1] + path); c.setopt(c.HTTP_VERSION, c.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE)
    c.setopt(c.WRITEDATA, out); c.setopt(c.TIMEOUT, 10); c.perform()
    print("libcurl", path, out.getvalue().decode())
P
cat >"$T/client.mjs" <<'J'
import http2 from "node:http2";
const [url, ...paths] = process.argv.slice(2);
for (const path of paths) {
  const session = http2.connect(url), request = session.request({ ":path": path });
  let body = "";
  for await (const part of request.setEncoding("utf8")) body += part;
  console.log("node", path, body);
  session.close();
}
J
go_build server
go_build client
"$T/go/server.bin" "$T/port" &
url=http://127.0.0.1:$(port_in "$T/port")
{
  "$T/py/bin/python" "$T/clients.py" "$url" /none /all /this
  node "$T/client.mjs" "$url" /none /all /this
  "$T/go/client.bin" "$url" /none /all /this
} >"$T/got"
holds "$T/got" <<'X' || exit 1
httpx /none first,second
httpx /all RemoteProtocolError <ConnectionTerminated error_code:0, last_stream_id:2147483647, additional_data:None>
httpx /this RemoteProtocolError <ConnectionTerminated error_code:0, last_stream_id:1, additional_data:None>
libcurl /none first,second
libcurl /all first,second
libcurl /this first,second
node /none first,second
node /all first,second
node /this first,second
go /none first,second <nil>
go /all first,second <nil>
go /this first,second <nil>
X
