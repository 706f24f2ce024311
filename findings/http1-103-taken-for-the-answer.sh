#!/usr/bin/env bash
# Surprise: behind a server that sends 103 (Early Hints) before its answer, requests and urllib3 return 103 with an
#   empty body as the answer, and urllib raises it as an error. No exception tells that a 200 was still to come.
# Source: RFC 9110 section 15.2 ("A client MUST be able to parse one or more 1xx responses received prior to a final
#   response, even if the client does not expect one"), RFC 8297. CPython's http.client, HTTPResponse.begin(), skips
#   interim responses of status 100 only; requests 2.34.2 and urllib3 2.8.0 are built on it. httpx 0.28.1, aiohttp 3.14.5
#   and Node's fetch, axios 1.21.1 read on until the final response.
# Usual guess: all 1xx are skipped alike, and a 103 can at worst be useless to a client that does not know it.
set -euo pipefail
T=$(mktemp -d)
. "$(dirname "$0")/lib/packages.sh"
from_pypi requests==2.34.2 urllib3==2.8.0 httpx==0.28.1 aiohttp==3.14.5
from_npm axios@1.21.1

cat >"$T/server.py" <<'P'
import socket, sys, threading
ANSWER = (b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
          b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nfinal")
def serve(c):
    with c:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = c.recv(4096)
            if not piece: return
            head += piece
        c.sendall(ANSWER)
s = socket.create_server(("127.0.0.1", 0))
open(sys.argv[1], "w").write(str(s.getsockname()[1]))
while True: threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
P
cat >"$T/clients.py" <<'P'
import asyncio, sys, urllib.error, urllib.request
import aiohttp, httpx, requests, urllib3
url = sys.argv[1]
r = requests.get(url, timeout=10); print("requests", r.status_code, r.content)
r = urllib3.request("GET", url, timeout=10); print("urllib3", r.status, r.data)
try: print("urllib", urllib.request.urlopen(url, timeout=10).status)
except urllib.error.HTTPError as e: print("urllib", "HTTPError", e.code)
r = httpx.get(url, timeout=10); print("httpx", r.status_code, r.content)
async def one():
    async with aiohttp.ClientSession() as s, s.get(url) as r: print("aiohttp", r.status, await r.read())
asyncio.run(asyncio.wait_for(one(), 10))
P
cat >"$T/clients.mjs" <<'J'
import axios from "axios";
const signal = AbortSignal.timeout(10000), url = process.argv[2];
const f = await fetch(url, { signal }); console.log("fetch", f.status, await f.text());
const a = await axios.get(url, { signal }); console.log("axios", a.status, a.data);
J
python3 "$T/server.py" "$T/port" & 
url=http://127.0.0.1:$(port_in "$T/port")/
{ "$T/py/bin/python" "$T/clients.py" "$url"; node "$T/clients.mjs" "$url"; } >"$T/got"
holds "$T/got" <<'X' || exit 1
requests 103 b''
urllib3 103 b''
urllib HTTPError 103
httpx 200 b'final'
aiohttp 200 b'final'
fetch 200 final
axios 200 final
X
