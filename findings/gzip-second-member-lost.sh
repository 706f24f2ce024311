#!/usr/bin/env bash
# Surprise: of a body in Content-Encoding: gzip that has two members, httpx gives its caller the first one, with status 200,
#   no error and no warning. libcurl gives the first one too and then says that the application could not write (error 23).
#   urllib3, aiohttp, Node's fetch and Go give all of it.
# Source: RFC 9110 section 8.4.1.3 makes the coding the format of RFC 1952, whose section 2.2 says that a file is a series of
#   members, one behind the other. Such bodies come from servers that join compressed parts (bgzip, logs that are rotated
#   and concatenated). httpx 0.28.1 (GZipDecoder, one zlib.decompressobj), libcurl 8.16 as pycurl 7.45.7 brings it; against them
#   urllib3 2.8.0, aiohttp 3.14.5, Node's undici 7.30.2, Go's compress/gzip (multistream).
# Usual guess: the two members are one text in every client, or the rest is at least an error about the coding.
set -euo pipefail
T=$(mktemp -d)
. "$(dirname "$0")/lib/packages.sh"
from_pypi httpx==0.28.1 pycurl==7.45.7 urllib3==2.8.0 aiohttp==3.14.5
from_npm undici@7.30.2
from_go
"$T/py/bin/python" -c 'import pycurl; print(pycurl.version.split()[1:4])'

cat >"$T/server.py" <<'P'
import gzip, http.server, sys
BODY = gzip.compress(b"first,") + gzip.compress(b"second")
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)
    def log_message(self, *_): pass
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
open(sys.argv[1], "w").write(str(s.server_port))
s.serve_forever()
P
cat >"$T/clients.py" <<'P'
import asyncio, io, sys
import aiohttp, httpx, pycurl, urllib3
url = sys.argv[1]
r = httpx.get(url, timeout=10); print("httpx", r.status_code, r.text)
out, c = io.BytesIO(), pycurl.Curl()
c.setopt(c.URL, url); c.setopt(c.ACCEPT_ENCODING, "gzip"); c.setopt(c.WRITEDATA, out); c.setopt(c.TIMEOUT, 10)
try: c.perform(); end = "no error"
except pycurl.error as e: end = f"error {e.args[0]}"
print("libcurl", c.getinfo(c.RESPONSE_CODE), out.getvalue().decode(), end)
r = urllib3.request("GET", url, timeout=10); print("urllib3", r.status, r.data.decode())
async def one():
    async with aiohttp.ClientSession() as s, s.get(url) as r: print("aiohttp", r.status, await r.text())
asyncio.run(asyncio.wait_for(one(), 10))
P
cat >"$T/clients.mjs" <<'J'
import { fetch } from "undici";
const r = await fetch(process.argv[2], { signal: AbortSignal.timeout(10000) });
console.log("undici", r.status, await r.text());
J
mkdir -p "$T/go/client"
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
	r, err := (&http.Client{Timeout: 10 * time.Second}).Get(os.Args[1])
	if err != nil {
		panic(err)
	}
	b, err := io.ReadAll(r.Body)
	fmt.Println("go", r.StatusCode, string(b), err)
}
G
go_build client
python3 "$T/server.py" "$T/port" &
url=http://127.0.0.1:$(port_in "$T/port")/
{ "$T/py/bin/python" "$T/clients.py" "$url"; node "$T/clients.mjs" "$url"; "$T/go/client.bin" "$url"; } >"$T/got"
holds "$T/got" <<'X' || exit 1
httpx 200 first,
libcurl 200 first, error 23
urllib3 200 first,second
aiohttp 200 first,second
undici 200 first,second
go 200 first,second <nil>
X
