#!/usr/bin/env python3
"""old_sessions.py ADDRESS:PORT UPSTREAM POD…: the part of ingress-nginx's balancer that nginx lacks: which pod a session has.

nginx asks it (auth_request) for each request, with its cookies: X-Pod is the answer's pod, X-Cookie what is to be set when a session begins.
A session is KEY|ID: keys have places on a ring of CRC-32 with 160 points for each pod (lua-resty-balancer's chash), the ID is that of the
upstream's name. test_migration.py holds both to what was recorded of ingress-nginx."""
import bisect
import hashlib
import itertools
import os
import re
import sys
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Ring:
    def __init__(self, pods):
        self.points = []
        for pod in pods:
            point = 0
            for _ in range(160):
                # nginx's running CRC: of the name, and then of the point before, least byte first.
                point = zlib.crc32(point.to_bytes(4, "little"), zlib.crc32(pod.encode()))
                self.points.append((point, pod))
        self.points.sort()

    def pod(self, key):
        at = bisect.bisect_left(self.points, (zlib.crc32(key.encode()), ""))
        return self.points[at % len(self.points)][1]


def identity(upstream):
    return hashlib.md5((hashlib.md5(upstream.encode()).hexdigest() + upstream).encode()).hexdigest()


def main():
    where, upstream, *pods = sys.argv[1:]
    host, _, port = where.rpartition(":")
    ring, mark, begun = Ring(pods), identity(upstream), itertools.count()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            cookie = re.search(r"(?:^|; )INGRESSCOOKIE=([^;|]+)\|" + mark, self.headers.get("Cookie", ""))
            key = cookie[1] if cookie else f"{time.time():.3f}.{os.getpid()}.{next(begun)}"
            self.send_response(204)
            self.send_header("X-Pod", ring.pod(key))
            if not cookie:
                self.send_header("X-Cookie", f"INGRESSCOOKIE={key}|{mark}; Path=/; HttpOnly")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer((host, int(port)), Handler)
    print("listening", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
