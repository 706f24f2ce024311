#!/usr/bin/env bash
# Surprise: https://pod.shop.svc.cluster.local./ (with the dot that spares a resolver the search list) cannot be fetched by
#   Node, undici, httpx or Python's ssl from a server written in Go: they send the dot in the name of the handshake, and Go
#   ends it with the alert decode_error. With requests, aiohttp and Go's client, which leave the dot out, it works;
#   and a server on OpenSSL takes the name with the dot from Python's ssl, so that it is the pair that fails.
# Source: RFC 6066 section 3 (a HostName is sent "without a trailing dot"); RFC 3986 section 3.2.2 allows the dot in a URL.
#   Go 1.26 crypto/tls, clientHelloMsg.unmarshal, takes no such name. requests 2.34.2, httpx 0.28.1, aiohttp 3.14.5,
#   undici 7.30.2, Node 20's https and http2.
# Usual guess: the dot is a matter of DNS, and both ends of TLS treat the name with and without it alike.
set -euo pipefail
T=$(mktemp -d)
. "$(dirname "$0")/lib/packages.sh"
from_pypi requests==2.34.2 httpx==0.28.1 aiohttp==3.14.5
from_npm undici@7.30.2
from_go

NAME=pod.shop.svc.cluster.local
. "$(dirname "$0")/lib/https.sh"
certificate "$NAME"
cat >"$T/go/server/main.go" <<'G'
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
)

func main() {
	s := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.TLS.ServerName)
	})}
	serve(s)
}
G
cat >"$T/go/client/main.go" <<'G'
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

func main() {
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: trusting(),
		DialContext: func(x context.Context, n, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(x, n, "127.0.0.1:"+os.Args[3])
		}}}
	r, err := c.Get(os.Args[1])
	if err != nil {
		fmt.Println("go", err)
		return
	}
	b, _ := io.ReadAll(r.Body)
	fmt.Println("go", string(b))
}
G
cat >"$T/clients.py" <<'P'
import asyncio, socket, ssl, sys
import aiohttp, httpx, requests
url, ca, port = sys.argv[1:]
really = socket.getaddrinfo
socket.getaddrinfo = lambda host, *a, **k: really("127.0.0.1", *a, **k)  # the name is in no DNS
context = ssl.create_default_context(cafile=ca)
def shown(name, get):
    try: print(name, get())
    except Exception as e: print(name, "decode_error" if "DECODE_ERROR" in str(e).upper().replace(" ", "_") else repr(e))
async def one():
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=aiohttp.ThreadedResolver())) as s:
        async with s.get(url, ssl=context) as r: return await r.text()
shown("requests", lambda: requests.get(url, verify=ca, timeout=10).text)
shown("aiohttp", lambda: asyncio.run(asyncio.wait_for(one(), 10)))
shown("httpx", lambda: httpx.get(url, verify=context, timeout=10).text)
def handshake(port):
    with socket.create_connection(("127.0.0.1", port), 10) as plain, context.wrap_socket(plain, server_hostname="pod.shop.svc.cluster.local.") as s: return "handshake done"
def unchecked(port):
    context.check_hostname = False  # of OpenSSL's server only the handshake is asked
    return handshake(port)
shown("ssl", lambda: handshake(int(port)))
# The same handshake with a server on OpenSSL.
import threading
server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); server.load_cert_chain(ca, ca.replace("cert", "key"))
listener = socket.create_server(("127.0.0.1", 0))
def serve():
    c, _ = listener.accept()
    with server.wrap_socket(c, server_side=True) as s: s.recv(1)
threading.Thread(target=serve, daemon=True).start()
shown("ssl, to OpenSSL", lambda: unchecked(listener.getsockname()[1]))
P
cat >"$T/clients.cjs" <<'J'
const https = require("https"), http2 = require("http2"), { Agent, fetch } = require("undici"), url = process.argv[2];
const lookup = (host, o, done) => (o.all ? done(null, [{ address: "127.0.0.1", family: 4 }]) : done(null, "127.0.0.1", 4));
const shown = (name, get) => get().then((t) => console.log(name, t), (e) => {
  const text = String(e) + String(e.cause);
  console.log(name, /decode error/.test(text) ? "decode_error" : text);
});
(async () => {
  await shown("https", () => new Promise((ok, no) => https.get(url, { lookup }, (r) => r.on("data", (d) => ok(String(d)))).on("error", no)));
  await shown("http2", () => new Promise((ok, no) => {
    const c = http2.connect(url, { lookup });
    c.on("error", no);
    c.request({}).on("data", (d) => { ok(String(d)); c.close(); }).on("error", no);
  }));
  await shown("undici", async () => (await fetch(url, { dispatcher: new Agent({ connect: { lookup } }) })).text());
  process.exit(0);
})();
J
go_build server
go_build client
"$T/go/server.bin" "$T/cert.pem" "$T/key.pem" "$T/port" &
port=$(port_in "$T/port")
url=https://$NAME.:$port/
{
  "$T/py/bin/python" "$T/clients.py" "$url" "$T/cert.pem" "$port"
  NODE_EXTRA_CA_CERTS=$T/cert.pem timeout 30 node "$T/clients.cjs" "$url"
  "$T/go/client.bin" "$url" "$T/cert.pem" "$port"
} >"$T/got"
holds "$T/got" <<'X' || exit 1
requests pod.shop.svc.cluster.local
aiohttp pod.shop.svc.cluster.local
httpx decode_error
ssl decode_error
ssl, to OpenSSL handshake done
https decode_error
http2 decode_error
undici decode_error
go pod.shop.svc.cluster.local
X
