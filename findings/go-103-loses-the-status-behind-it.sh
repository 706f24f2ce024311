#!/usr/bin/env bash
# Surprise: a handler of Go that sends 103 (Early Hints) and then 404 answers 404 on a plain server, and 200 with the text of the 404 behind
#   http.TimeoutHandler or in an application of Echo: both take the 103 for the one status that there is, pass it on as an interim response, and
#   the real one is dropped ("superfluous" or "already written" in the log at most). As a program of FastCGI or CGI the same handler says
#   "Status: 103 Early Hints" in its only head, which is no answer that a web server could pass on, and tests with httptest's recorder see 103.
# Source: documentation of net/http, ResponseWriter.WriteHeader: any number of 1xx headers may be written, followed by at most one 2xx-5xx header;
#   RFC 9110 section 15.2 (interim), RFC 8297 (103), RFC 3875 section 6.3.3 (Status). Go 1.26.8 and 1.27.1 net/http, net/http/fcgi,
#   net/http/cgi and httptest; github.com/labstack/echo v5.4.6. Right: net/http's plain server, promhttp 1.25.0, otelhttp.
# Usual guess: what wraps a ResponseWriter, in the standard library at least, has known of 1xx since the library does (Go 1.19).
set -euo pipefail
T=$(mktemp -d)
. "$(dirname "$0")/lib/packages.sh"
from_go github.com/labstack/echo/v5@v5.4.6

mkdir -p "$T/go/server"
cat >"$T/go/server/main.go" <<'G'
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/fcgi"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"time"

	"github.com/labstack/echo/v5"
)

var handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Link", "</a.css>; rel=preload")
	w.WriteHeader(http.StatusEarlyHints)
	w.WriteHeader(http.StatusNotFound)
	io.WriteString(w, "no such page")
})

func ask(what string, h http.Handler) {
	s := httptest.NewServer(h)
	defer s.Close()
	var interim []int
	trace := &httptrace.ClientTrace{Got1xxResponse: func(c int, _ textproto.MIMEHeader) error { interim = append(interim, c); return nil }}
	q, _ := http.NewRequestWithContext(httptrace.WithClientTrace(context.Background(), trace), "GET", s.URL, nil)
	r, err := (&http.Client{Timeout: 10 * time.Second}).Do(q)
	if err != nil {
		panic(err)
	}
	b, _ := io.ReadAll(r.Body)
	fmt.Println(what, interim, r.StatusCode, string(b))
}

func main() {
	log.SetOutput(io.Discard)
	quiet := slog.New(slog.DiscardHandler)
	if len(os.Args) > 1 && os.Args[1] == "cgi" {
		cgi.Serve(handler)
		return
	}
	if len(os.Args) > 1 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		os.WriteFile(os.Args[1], []byte(fmt.Sprint(l.Addr().(*net.TCPAddr).Port)), 0o600)
		fcgi.Serve(l, handler)
		return
	}
	ask("plain:", handler)
	ask("http.TimeoutHandler:", http.TimeoutHandler(handler, 10*time.Second, ""))
	e := echo.New()
	e.Logger = quiet
	e.GET("/", echo.WrapHandler(handler))
	ask("echo, the same handler:", e)
	e = echo.New()
	e.Logger = quiet
	e.GET("/", func(c *echo.Context) error {
		c.Response().WriteHeader(http.StatusEarlyHints)
		return c.String(http.StatusNotFound, "no such page")
	})
	ask("echo, its own functions:", e)
	r := httptest.NewRecorder()
	handler(r, httptest.NewRequest("GET", "/", nil))
	fmt.Println("httptest's recorder:", r.Code)
}
G
cat >"$T/ask.py" <<'P'
# One request of FastCGI, and what came on its standard output.
import socket, struct, sys
def record(kind, text=b""): return struct.pack(">BBHHBx", 1, kind, 1, len(text), 0) + text
params = {b"REQUEST_METHOD": b"GET", b"SERVER_PROTOCOL": b"HTTP/1.1", b"REQUEST_URI": b"/", b"HTTP_HOST": b"pod"}
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
s.sendall(record(1, struct.pack(">HB5x", 1, 0)) + record(4, b"".join(bytes((len(k), len(v))) + k + v for k, v in params.items())) + record(4) + record(5))
f, out = s.makefile("rb"), b""
while True:
    _, kind, _, size, padding = struct.unpack(">BBHHBx", f.read(8))
    text = f.read(size + padding)[:size]
    if kind == 6: out += text
    if kind == 3: break
print("net/http/fcgi:", out.decode().splitlines()[0])
P
go_build server
"$T/go/server.bin" >"$T/got"
"$T/go/server.bin" "$T/port" &
python3 "$T/ask.py" "$(port_in "$T/port")" >>"$T/got"
REQUEST_METHOD=GET SERVER_PROTOCOL=HTTP/1.1 REQUEST_URI=/ HTTP_HOST=pod "$T/go/server.bin" cgi 2>"$T/cgi.log" | tr -d '\r' | sed -n '1s,^,net/http/cgi: ,p' >>"$T/got"
holds "$T/got" <<'X' || exit 1
plain: [103] 404 no such page
http.TimeoutHandler: [103] 200 no such page
echo, the same handler: [103] 200 no such page
echo, its own functions: [103] 200 no such page
httptest's recorder: 103
net/http/fcgi: Status: 103 Early Hints
net/http/cgi: Status: 103 Early Hints
X
