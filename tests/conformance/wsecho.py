#!/usr/bin/env python3
"""An echo of WebSocket messages with python's websockets; prints "listening ADDR"."""
import asyncio

import websockets


async def echo(ws):
    try:
        async for message in ws:
            await ws.send(message)
    except websockets.ConnectionClosed:
        pass


async def main():
    async with websockets.serve(echo, "127.0.0.1", 0, max_size=None, ping_interval=None, compression=None) as server:
        print("listening 127.0.0.1:%d" % server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


asyncio.run(main())
