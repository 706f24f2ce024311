#!/usr/bin/env python3
"""load_balancer.py ADDRESS FILE: a cloud's load balancer and kube-proxy for one Service: ports 80 and 443 of ADDRESS.

FILE has a line for each endpoint that is ready, PORT ADDRESS:PORT, and is read for each new connection: it goes to the next
of them. Connections that are open stay where they are until one side ends them. Nothing is tried twice."""
import asyncio
import itertools
import sys
from pathlib import Path

from carry import join

ADDRESS, FILE = sys.argv[1], Path(sys.argv[2])
turn = itertools.count()


def serve(port):
    async def client(reader, writer):
        places = [place for own, place in (line.split() for line in FILE.read_text().splitlines()) if own == port]
        try:
            host, _, number = places[next(turn) % len(places)].rpartition(":")
            up_reader, up_writer = await asyncio.open_connection(host, int(number))
        except (OSError, ZeroDivisionError):
            return writer.transport.abort()
        await join(reader, writer, up_reader, up_writer)
    return client


async def main():
    servers = [await asyncio.start_server(serve(port), ADDRESS, int(port), backlog=1024) for port in ("80", "443")]
    print("listening", flush=True)
    await asyncio.gather(*(s.serve_forever() for s in servers))


asyncio.run(main())
