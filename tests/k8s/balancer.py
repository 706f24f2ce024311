#!/usr/bin/env python3
"""balancer.py FILE PERIOD: the Service in front of several replicas, as kube-proxy and a cloud's load balancer do it.

FILE has a line for each replica: NAME HTTP-PORT HTTPS-PORT ADMIN-PORT; it is read again each PERIOD seconds, when /readyz of each is asked too. New
connections go in turn to those that were ready at the last look; connections that are open stay where they are until one
side ends them. Nothing is tried twice."""
import asyncio
import itertools
import sys
from pathlib import Path

from carry import join

FILE, PERIOD = Path(sys.argv[1]), float(sys.argv[2])
ready, turn = {}, itertools.count()


async def is_ready(port):
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), 1)
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n")
        status = await asyncio.wait_for(reader.readline(), 1)
        writer.close()
        return b" 200 " in status
    except (OSError, asyncio.TimeoutError):
        return False


async def look():
    while True:
        listed = [line.split() for line in FILE.read_text().splitlines()]
        for name, http, https, admin in listed:
            now = await is_ready(int(admin))
            if now != (name in ready):
                print(name, "ready" if now else "not ready", flush=True)
            if now:
                ready[name] = {"http": int(http), "https": int(https)}
            else:
                ready.pop(name, None)
        for name in ready.keys() - {line[0] for line in listed}:
            ready.pop(name)
        await asyncio.sleep(PERIOD)


def serve(kind):
    async def client(reader, writer):
        places = [ports[kind] for _, ports in sorted(ready.items())]
        if not places:
            return writer.transport.abort()
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", places[next(turn) % len(places)])
        except OSError:
            return writer.transport.abort()
        await join(reader, writer, up_reader, up_writer)
    return client


async def main():
    for kind in ("http", "https"):
        server = await asyncio.start_server(serve(kind), "127.0.0.1", 0, backlog=1024)
        print(f"listening {kind} 127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await look()


asyncio.run(main())
