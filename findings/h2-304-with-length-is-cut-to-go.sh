#!/usr/bin/env bash
# Surprise: a 304 with a Content-Length, which a server may send, is a body cut short to Go's client of HTTP/2: status 304, and
#   `unexpected EOF` where the body is read. Over HTTP/1.1 the same client reads the same fields as a whole response. A reverse
#   proxy made of net/http/httputil in front of such a server closes its client's connection without a byte of an answer, so
#   that what is in the client's cache, and still good, cannot be used. httpx and Node's http2 read the 304 as it is meant.
# Source: RFC 9110 section 8.6 (a server MAY send Content-Length in a 304: the length that a 200 would have had), RFC 9113 section
#   8.1.1 (a response that has no content by definition may have a Content-Length that is not zero). Go 1.26 and 1.27
#   net/http (HTTP/2 there takes HEAD alone for a request whose answer ends with its head); httpx 0.28.1 with h2 4.4.1.
# Usual guess: who knows that HEAD has no body knows it of 304 as well, and whatever HTTP/1.1 does HTTP/2 does too.
set -euo pipefail
T=$(mktemp -d)
. "$(dirname "$0")/lib/packages.sh"
from_pypi "httpx[http2]==0.28.1" h2==4.4.1
node --version
. "$(dirname "$0")/lib/h2.sh"

cat >"$T/go/server/main.go" <<'G'
package main

import "golang.org/x/net/http2"

func asked(f *http2.Framer, stream uint32, _ string) {
	f.WriteHeaders(http2.HeadersFrameParam{
		StreamID: stream, BlockFragment: block(":status", "304", "etag", `"a"`, "content-length", "5"), EndHeaders: true, EndStream: true,
	})
}

func pinged(*http2.Framer) {}
G
cat >"$T/go/client/main.go" <<'G'
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"time"
)

func get(what string, t http.RoundTripper, to string) {
	q, _ := http.NewRequest("GET", to, nil)
	q.Header.Set("If-None-Match", `"a"`)
	r, err := (&http.Client{Timeout: 10 * time.Second, Transport: t}).Do(q)
	if err != nil {
		fmt.Println(what, "no response:", err.(*url.Error).Err)
		return
	}
	b, err := io.ReadAll(r.Body)
	fmt.Printf("%s %d, length %s, body %q, %v\n", what, r.StatusCode, r.Header.Get("Content-Length"), b, err)
}

// The same head by HTTP/1.1; the connection stays open.
func http1(l net.Listener) {
	c, _ := l.Accept()
	c.Read(make([]byte, 4096))
	io.WriteString(c, "HTTP/1.1 304 Not Modified\r\nEtag: \"a\"\r\nContent-Length: 5\r\n\r\n")
	c.Read(make([]byte, 1))
}

func main() {
	log.SetOutput(io.Discard)
	var h2c http.Protocols
	h2c.SetUnencryptedHTTP2(true)
	over2 := &http.Transport{Protocols: &h2c}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go http1(l)
	get("go, HTTP/1.1:", &http.Transport{}, "http://"+l.Addr().String())
	get("go, HTTP/2:", over2, os.Args[1])
	to, _ := url.Parse(os.Args[1])
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.Transport = over2
	get("through ReverseProxy:", &http.Transport{}, httptest.NewServer(proxy).URL)
}
G
cat >"$T/client.py" <<'P'
import sys, httpx
with httpx.Client(http1=False, http2=True, timeout=10) as c:
    r = c.get(sys.argv[1], headers={"if-none-match": '"a"'})
    print(f'httpx, HTTP/2: {r.status_code}, length {r.headers["content-length"]}, body "{r.text}"')
P
cat >"$T/client.mjs" <<'J'
import http2 from "node:http2";
const session = http2.connect(process.argv[2]), request = session.request({ "if-none-match": '"a"' });
let head, body = "";
request.on("response", (h) => (head = h));
for await (const part of request.setEncoding("utf8")) body += part;
console.log(`node, HTTP/2: ${head[":status"]}, length ${head["content-length"]}, body "${body}"`);
session.close();
J
go_build server
go_build client
"$T/go/server.bin" "$T/port" &
url=http://127.0.0.1:$(port_in "$T/port")
{
  "$T/go/client.bin" "$url"
  "$T/py/bin/python" "$T/client.py" "$url"
  node "$T/client.mjs" "$url"
} >"$T/got"
holds "$T/got" <<'X' || exit 1
go, HTTP/1.1: 304, length 5, body "", <nil>
go, HTTP/2: 304, length 5, body "", unexpected EOF
through ReverseProxy: no response: EOF
httpx, HTTP/2: 304, length 5, body ""
node, HTTP/2: 304, length 5, body ""
X
