#!/usr/bin/env python3
"""grpc_load.py serve: a gRPC pod; prints "listening ADDR". grpc_load.py ADDR -n N: calls that are never tried again, N unary ones beside
streams that take turns until the end; every message is compared. Prints one JSON object. Its `unsent` are calls that gRPC had assigned to
a connection whose GOAWAY it was just reading: they never left it (grpc/grpc issue 19969) and are made anew; who counts requests at the other
end can tell."""
import argparse
import json
import sys
import threading
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from grpc_pod import HOST, Client, GrpcPod, grpc  # noqa: E402


class Address:
    def __init__(self, address):
        self.http = address


class Run:
    def __init__(self, a):
        self.args, self.lock, self.stop = a, threading.Lock(), threading.Event()
        self.ok = self.messages = self.streams = self.unsent = 0
        self.failures = Counter()
        self.client = Client(Address(a.address), False)
        self.room = threading.Semaphore(a.outstanding)

    def fail(self, e):
        with self.lock:
            self.failures[f"{e.code()} {e.details()}" if isinstance(e, grpc.RpcError) else repr(e)] += 1

    def unary(self):
        for i in range(self.args.requests):
            self.room.acquire()
            self.call(b"%d" % i + b"x" * (i % 2000))
            if sum(self.failures.values()) > 1000:
                break
        for _ in range(self.args.outstanding):
            self.room.acquire()

    def call(self, want):
        self.client.unary.future(want, timeout=60).add_done_callback(lambda f: self.answered(f, want))

    def answered(self, f, want):
        e = f.exception()
        if isinstance(e, grpc.RpcError) and (e.code(), e.details()) == (grpc.StatusCode.UNAVAILABLE, "GOAWAY received"):
            with self.lock:
                self.unsent += 1
            return self.call(want)
        self.room.release()
        if e is not None:
            return self.fail(e)
        if f.result() != want:
            return self.fail(ValueError("another message came back"))
        with self.lock:
            self.ok += 1

    def turns(self):
        turn = threading.Semaphore(1)

        def ask():
            i = 0
            while not self.stop.wait(0.02):
                turn.acquire()
                yield b"turn %d" % i
                i += 1
        try:
            n = 0
            for reply in self.client.chat(ask()):
                if reply != b"turn %d" % n:
                    raise ValueError("another message came back")
                n += 1
                turn.release()
                with self.lock:
                    self.messages += 1
            with self.lock:
                self.streams += 1
        except (grpc.RpcError, ValueError) as e:
            self.fail(e)
            turn.release()

    def all(self):
        def tell():
            while not self.stop.wait(0.2):
                print(f"connected 1 done {self.ok}", file=sys.stderr, flush=True)
        threads = [threading.Thread(target=self.turns) for _ in range(self.args.streams)] + [threading.Thread(target=tell)]
        for t in threads:
            t.start()
        begin = time.monotonic()
        self.unary()
        seconds = time.monotonic() - begin
        self.stop.set()
        for t in threads:
            t.join()
        print(json.dumps({"ok": self.ok, "failed": sum(self.failures.values()), "details": dict(self.failures.most_common(10)), "streams": self.streams,
                          "messages": self.messages, "unsent": self.unsent, "seconds": round(seconds, 1)}))


def main():
    if sys.argv[1:] == ["serve"]:
        pod = GrpcPod()
        print(f"listening {pod.address}", flush=True)
        pod.server.wait_for_termination()
        return
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("address")
    p.add_argument("--requests", "-n", type=int, required=True)
    p.add_argument("--outstanding", type=int, default=40)
    p.add_argument("--streams", type=int, default=10)
    Run(p.parse_args()).all()


if __name__ == "__main__":
    main()
