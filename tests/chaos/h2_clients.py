#!/usr/bin/env python3
"""HTTP/2 clients that never retry: every answer's status, length and bytes are compared with what its id promises, what breaks RFC 9113
is found by h2raw.py, tunnels echo throughout. A connection that says GOAWAY is left when its streams are done. Prints one JSON object."""
import argparse
import json
import os
import select
import signal
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
import h2raw  # noqa: E402
from h2raw import Http2, block  # noqa: E402
from harness import body_of  # noqa: E402


class Connection:
    def __init__(self, run, number):
        a = run.args
        self.run, self.number = run, number
        self.http = Http2(a.connect, sni=a.host if a.tls else None, timeout=60)
        self.http.wait(lambda: self.http.settings is not None, "SETTINGS")
        self.waiting, self.tunnels, self.served = {}, {}, 0
        run.connects += 1
        for i in range(a.tunnels):
            self.tunnel(i)

    def tunnel(self, i):
        n = self.http.open("CONNECT")
        self.http.send(self.http.headers(n, block([(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", self.http.scheme), (":authority", self.run.args.host),
                                                   (":path", f"/tunnel?id=ws-{os.getpid()}-{self.number}-{i}"), ("sec-websocket-version", "13")]), end=False))
        self.tunnels[n] = [b"", 0.0]  # what was sent, when the next may be

    def step(self):
        """Looks at what came, and sends what may be sent."""
        c, run, out = self.http, self.run, []
        for n in [n for n in self.waiting if c.streams[n].done]:
            self.check(c.streams.pop(n), *self.waiting.pop(n))
        now = time.monotonic()
        for n, tunnel in self.tunnels.items():
            s = c.streams[n]
            if s.done or (s.headers and s.status != 200):
                run.fail(f"tunnel: {s}"[:300])
                self.tunnels = {k: v for k, v in self.tunnels.items() if k != n}
                break
            if s.headers and bytes(s.body) == tunnel[0] and now >= tunnel[1]:
                if tunnel[0]:
                    run.echoes += 1
                s.body.clear()
                tunnel[0], tunnel[1] = b"%d:%d" % (n, run.echoes), now + run.args.interval
                c.body(s, tunnel[0], end=False)
        while len(self.waiting) < run.args.streams and run.issued < run.args.requests and c.goaway is None and not run.stop:
            i, run.issued = run.issued, run.issued + 1
            ident, size = f"{run.args.prefix}-{os.getpid()}-{i}", i * 7919 % 6000
            post = i % 8 == 0
            head, stream = c.head(f"/h2?size={size}&id={ident}", run.args.host, "POST" if post else "GET", end=not post)
            out.append(head)
            if post:
                out.append(h2raw.frame(h2raw.DATA, h2raw.END_STREAM, stream.number, b"p" * (i % 300)))
                c.spend(stream.number, i % 300)
            self.waiting[stream.number] = ident, size, i % 300 if post else 0
        if out:
            c.send(b"".join(out))

    def check(self, s, ident, size, sent):
        run = self.run
        goaway = self.http.goaway
        if goaway and s.number > goaway[0] and s.code is not None:  # it was never begun, and may be asked again
            run.issued -= 1
            run.not_begun += 1
        elif s.code is not None or s.status != 200 or bytes(s.body) != body_of(ident, size) or s.get("x-req-length") != str(sent):
            run.fail(f"{ident}: {str(s)[:300]}")
        else:
            run.ok += 1
            self.served += 1

    def over(self):
        """The peer wants no more of it, and nothing is under way."""
        c = self.http
        if c.ended:
            cut = [n for n in self.waiting if not (c.goaway and n > c.goaway[0])]
            for n in cut:
                self.run.fail(f"the connection ended with stream {n} under way; GOAWAY {c.goaway}")
            self.run.issued -= len(self.waiting) - len(cut)
            if self.tunnels and not self.run.stop:
                self.run.fail(f"the connection ended under {len(self.tunnels)} tunnels; GOAWAY {c.goaway}")
            if c.goaway is None:
                self.run.unannounced += 1
            return True
        return c.goaway is not None and not self.waiting and not self.tunnels


class Run:
    def __init__(self, args):
        self.args, self.stop = args, False
        self.ok = self.issued = self.echoes = self.connects = self.unannounced = self.goaways = self.not_begun = 0
        self.failures = Counter()

    def fail(self, what):
        self.failures[what] += 1

    def all(self):
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "stop", True))
        live = [Connection(self, i) for i in range(self.args.connections)]
        number, told = len(live), 0.0
        while not self.stop and (self.ok + sum(self.failures.values()) < self.args.requests or self.args.requests == 0):
            for i, c in enumerate(live):
                c.step()
                if c.over():
                    self.goaways += c.http.goaway is not None
                    c.http.close()
                    live[i] = Connection(self, number)
                    number += 1
            readable = [c for c in live if getattr(c.http.sock, "pending", lambda: 0)()]
            if not readable:
                ready = set(select.select([c.http.sock for c in live], [], [], 0.02)[0])
                readable = [c for c in live if c.http.sock in ready]
            for c in readable:
                try:
                    c.http._receive()
                except AssertionError as e:  # something that RFC 9113 forbids
                    self.fail(f"against the rules: {e}"[:300])
                    c.http.ended = True
            if time.monotonic() - told > 0.2:
                told = time.monotonic()
                print(f"connected {len(live)} done {self.ok}", file=sys.stderr, flush=True)
            if sum(self.failures.values()) > 1000:
                break
        tunnels = sum(len(c.tunnels) for c in live)
        print(json.dumps({"ok": self.ok, "failed": sum(self.failures.values()), "details": dict(self.failures.most_common(10)), "connects": self.connects,
                          "goaways": self.goaways, "not_begun": self.not_begun, "closed_unannounced": self.unannounced, "tunnels": tunnels, "echoes": self.echoes}))


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--connect", required=True)
    p.add_argument("--host", default="app.example")
    p.add_argument("--tls", action="store_true")
    p.add_argument("--connections", "-c", type=int, default=4)
    p.add_argument("--streams", "-m", type=int, default=10)
    p.add_argument("--requests", "-n", type=int, default=0)
    p.add_argument("--tunnels", type=int, default=0, help="of each connection")
    p.add_argument("--interval", type=float, default=0.1, help="seconds between the messages of a tunnel")
    p.add_argument("--prefix", default="h2")
    Run(p.parse_args()).all()


if __name__ == "__main__":
    main()
