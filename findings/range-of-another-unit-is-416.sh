#!/usr/bin/env bash
# Surprise: a Range in a unit that a server does not know (lines=1-2) has to be ignored, and is 416 from files served by Go, aiohttp and Flask,
#   and 400 from Starlette's: clients that ask for a unit of their own, and would take everything, get nothing. Go does so for "Bytes=0-4" too,
#   though units have no case. Two ranges that are both there are 416 for aiohttp and Flask, and one that is there beside one that is not is 416 for
#   Starlette as well. send (Express) ignores what it does not serve.
# Source: RFC 9110 section 14.2 (an origin server MUST ignore a Range whose unit it does not understand; any server MAY ignore Range), 14.1 (names
#   of units are case-insensitive), 14.1.2 (a set of ranges can be satisfied if one of them can), 15.5.17. Go 1.26.8 and 1.27.1 net/http
#   ServeContent, Starlette 1.10.0, aiohttp 3.14.5, Flask 3.1.3 with Werkzeug 3.1.9, send 1.2.1.
# Usual guess: who cannot serve the range serves the file with 200, and 416 speaks of the file's length alone.
set -euo pipefail
T=$(mktemp -d)
. "$(dirname "$0")/lib/packages.sh"
from_pypi starlette==1.10.0 httpx==0.28.1 aiohttp==3.14.5 flask==3.1.3 werkzeug==3.1.9
from_npm send@1.2.1
from_go

printf 0123456789 >"$T/file"
RANGES=("bytes=0-4" "lines=1-2" "Bytes=0-4" "bytes=0-1,4-5" "bytes=0-4,100-")
cat >"$T/servers.py" <<'P'
import asyncio, sys
import aiohttp, flask, httpx
from aiohttp import web
from starlette.applications import Starlette
from starlette.responses import FileResponse
from starlette.routing import Route
path, *ranges = sys.argv[1:]
async def starlette():
    app = Starlette(routes=[Route("/", lambda _: FileResponse(path))])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://pod") as c:
        return [(await c.get("/", headers={"Range": r})).status_code for r in ranges]
async def of_aiohttp():
    async def get(_): return web.FileResponse(path)
    app = web.Application()
    app.router.add_get("/", get)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession() as c:
        out = []
        for r in ranges:
            async with c.get(f"http://127.0.0.1:{runner.addresses[0][1]}/", headers={"Range": r}) as a: out.append(a.status)
    await runner.cleanup()
    return out
def of_flask():
    app = flask.Flask("pod")
    app.add_url_rule("/", view_func=lambda: flask.send_file(path))
    return [app.test_client().get("/", headers={"Range": r}).status_code for r in ranges]
print("starlette", *asyncio.run(starlette()))
print("aiohttp", *asyncio.run(of_aiohttp()))
print("flask", *of_flask())
P
cat >"$T/server.cjs" <<'J'
const http = require("http"), send = require("send"), [path, ...ranges] = process.argv.slice(2);
const s = http.createServer((q, r) => send(q, path).pipe(r)).listen(0, "127.0.0.1", async () => {
  const out = [];
  for (const range of ranges) out.push((await fetch(`http://127.0.0.1:${s.address().port}/`, { headers: { range } })).status);
  console.log("send", ...out);
  process.exit();
});
J
mkdir -p "$T/go/server"
cat >"$T/go/server/main.go" <<'G'
package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
)

func main() {
	fmt.Print("go")
	for _, r := range os.Args[2:] {
		q, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
		q.Header.Set("Range", r)
		http.ServeFile(w, q, os.Args[1])
		fmt.Print(" ", w.Code)
	}
	fmt.Println()
}
G
go_build server
{
  printf '%s\n' "${RANGES[*]}"
  "$T/go/server.bin" "$T/file" "${RANGES[@]}"
  "$T/py/bin/python" -W ignore "$T/servers.py" "$T/file" "${RANGES[@]}"
  node "$T/server.cjs" "$T/file" "${RANGES[@]}"
} >"$T/got"
holds "$T/got" <<'X' || exit 1
bytes=0-4 lines=1-2 Bytes=0-4 bytes=0-1,4-5 bytes=0-4,100-
go 206 416 416 206 206
starlette 206 400 206 206 416
aiohttp 206 416 206 416 416
flask 206 416 206 416 416
send 206 200 200 200 206
X
