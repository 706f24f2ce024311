#!/usr/bin/env python3
"""A page, its WebSocket echo, and what the page reports; prints "listening ADDR", then one line for each report."""
import asyncio
import http
import json
import urllib.parse

import websockets

PAGE = b"""<!doctype html><title>echo</title><script>
let open = 0, echoes = 0, wrong = 0, closed = 0;
const sockets = [];
for (let i = 0; i < 5; i++) {
  const ws = new WebSocket("wss://" + location.host + "/ws?" + i, "chat");
  ws.binaryType = "arraybuffer";
  ws.onopen = () => { open++; ws.send("0"); };
  ws.onclose = ws.onerror = () => { closed++; };
  ws.onmessage = m => { echoes++; if (m.data !== String(ws.n || 0)) wrong++; ws.n = (ws.n || 0) + 1; setTimeout(() => ws.send(String(ws.n)), 5); };
  sockets.push(ws);
}
setInterval(() => fetch("/report?" + new URLSearchParams({open, echoes, wrong, closed,
  protocol: performance.getEntriesByType("navigation")[0].nextHopProtocol})), 100);
</script>"""


async def plain(path, headers):
    if path.startswith("/ws"):
        return None
    if path.startswith("/report?"):
        print(json.dumps(dict(urllib.parse.parse_qsl(path.split("?", 1)[1]))), flush=True)
        return http.HTTPStatus.NO_CONTENT, [], b""
    return http.HTTPStatus.OK, [("Content-Type", "text/html")], PAGE


async def echo(ws, *_):
    async for message in ws:
        await ws.send(message)


async def main():
    async with websockets.serve(echo, "127.0.0.1", 0, process_request=plain, subprotocols=["chat"], ping_interval=None) as server:
        print("listening 127.0.0.1:%d" % server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


asyncio.run(main())
