#!/usr/bin/env python3
"""Latency at a constant rate: Sluice beside nginx, HAProxy and Envoy, those that are installed.

usage: tail.py SLUICE [--cases all-on,grpc-unary,ws-message,h1-1k] [--load 0.6] [--rate N] [--seconds 5] [--rounds 2] [--only a,b]

The clients send at a fixed rate and count a latency from the moment the request was due (loadgen.h). One worker each on core
0; client and pod on core 1. Each proxy gets the rate at which its core is busy for --load of the time, by what a request costs
it in a closed loop before; less where client and pod would need more than half of theirs, and the table says how busy it
was. --rate gives all of them the same one.

Two ways: at rest, and with 20 changes a second, each of them a new host. Sluice gets a manifest for each, Envoy a file of
routes. nginx and HAProxy get a file for each and a reload each second, which is how their controllers collect changes. At the
end the last host has to be served. Interleaved over the rounds; the table has the median round of each. Kept in bench/results.
"""
import argparse, http.client, json, os, pathlib, resource, signal, statistics, sys, threading, time

HERE = pathlib.Path(__file__).resolve().parent
CHANGES = 20  # a second


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("sluice")
    p.add_argument("--cases", default="all-on,grpc-unary,ws-message")
    p.add_argument("--load", type=float, default=0.6)
    p.add_argument("--rate", type=int, default=0)
    p.add_argument("--seconds", type=int, default=5)
    p.add_argument("--rounds", type=int, default=2)
    p.add_argument("--conns", type=int, default=64)
    p.add_argument("--only", default="")
    p.add_argument("--out")
    return p.parse_args()


A = arguments()
os.environ["SLUICE_BIN"] = A.sluice
sys.path.insert(0, str(HERE))
import clients, lab, scenarios  # noqa: E402
from proxies import PEERS, envoy, sluice  # noqa: E402

# Case → the client at a rate: (rate, seconds, what the check found) → its line of JSON.
CLIENTS = {
    "h1-1k": lambda rate, secs, _: clients.openloop(secs, A.conns, rate, 1024, ["GET /items HTTP/1.1\r\nHost: app.example.com\r\n\r\n"]),
    "all-on": lambda rate, secs, found: clients.openloop(secs, A.conns, rate, 1024, scenarios.shop(found)),
    "grpc-unary": lambda rate, secs, _: clients.calls(secs, A.conns, "/bench.Echo/Unary", 1, rate),
    "ws-message": lambda rate, secs, _: clients.messages(secs, A.conns, rate),
}


class Proxy:
    """One proxy at work, which can be given new hosts."""

    def __init__(self, name, scenario, changing):
        self.name, self.host = name, None
        peer = PEERS[name]
        self.command = peer.command(scenario.work)
        if name == "haproxy":
            self.command = ["-W" if c == "-db" else c for c in self.command]
        if name == "envoy" and changing:
            self.command = envoy.command(scenario.work, peer.binary, by_file=True)
            self.routes = json.loads(pathlib.Path(f"{lab.W}/envoy-routes.json").read_text())["resources"][0]
            self.routes.pop("@type")
        if name in ("nginx", "haproxy"):
            self.conf = pathlib.Path(self.command[-1])
            self.text = self.conf.read_text()
        self.reloaded = 0.0
        if os.path.exists(lab.LOG):
            os.unlink(lab.LOG)
        self.process = lab.start(self.command, lab.LOG if scenario.logs and name == "haproxy" else f"{lab.W}/{name}.out")
        if not (lab.wait_port(lab.HTTP) and lab.wait_port(lab.TLS)):
            lab.stop(self.process)
            sys.exit(f"{name} does not listen: {' '.join(self.command)}")

    def change(self, n, last=False):
        self.host = host = f"new{n}.example.com"
        if self.name == "sluice":
            text = sluice.ingress("changing", host).replace("service: {name: up", "service: {name: next")
            os.rename(lab.write("manifests/changing.yaml.part", text), f"{lab.W}/manifests/changing.yaml")
        elif self.name == "envoy":
            answers = {"match": {"prefix": "/"}, "direct_response": {"status": 200}}
            envoy.put_routes({**self.routes, "virtual_hosts": [*self.routes["virtual_hosts"], {"name": "new", "domains": [host, host + ":*"], "routes": [answers]}]})
        elif self.name == "nginx":
            self.reload(self.text.rstrip()[:-1] + f"  server {{ listen 127.0.0.1:{lab.HTTP}; server_name {host}; location / {{ return 200; }} }}\n}}\n", signal.SIGHUP, last)
        elif self.name == "haproxy":
            rule = f"  http-request return status 200 if {{ req.hdr(host) -m beg {host} }}\n"
            self.reload(self.text.replace("  http-request set-header", rule + "  http-request set-header", 1), signal.SIGUSR2, last)

    def reload(self, text, number, last):
        self.conf.write_text(text)
        if last or time.monotonic() - self.reloaded >= 1:
            self.process.send_signal(number)
            self.reloaded = time.monotonic()

    def must_have_changed(self):
        """The last change is served: else the column would measure nothing."""
        until = time.monotonic() + 10
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", lab.HTTP, timeout=2)
                connection.request("GET", "/", headers={"Host": self.host})
                if connection.getresponse().status == 200:
                    return
            except OSError:
                pass  # a reload
            if time.monotonic() > until:
                sys.exit(f"{self.name} does not follow its changes: {self.host} is not served")
            time.sleep(0.02)


def children():
    u = resource.getrusage(resource.RUSAGE_CHILDREN)
    return u.ru_utime + u.ru_stime


def measure(name, case, changing, rates, pods):
    scenario = scenarios.SCENARIOS[case]
    proxy = Proxy(name, scenario, changing)
    done = threading.Event()
    changes = 0

    def keep_changing():
        nonlocal changes
        began = time.monotonic()
        while not done.wait(max(0.0, began + (changes + 1) / CHANGES - time.monotonic())):
            changes += 1
            proxy.change(changes)

    try:
        found = scenario.check(scenario.work)
        if A.rate:
            rates[case, name] = A.rate
        elif (case, name) not in rates:
            scenario.load(1, A.conns, found)
            ours, theirs = lab.cpu(proxy.process.pid), pods.cpu() + children()
            load = scenario.load(2, A.conns, found)
            ours, theirs = lab.cpu(proxy.process.pid) - ours, pods.cpu() + children() - theirs
            rates[case, name] = int(min(A.load * load.good / ours, 0.5 * load.good / theirs))
        rate = rates[case, name]
        CLIENTS[case](min(rate, 2000), 1, found)
        thread = threading.Thread(target=keep_changing, daemon=True)
        if changing:
            thread.start()
        cpu, core, began = lab.cpu(proxy.process.pid), pods.cpu() + children(), time.monotonic()
        waited = lab.schedstat(proxy.process.pid)[1]
        result = json.loads(CLIENTS[case](rate, A.seconds, found))
        seconds = time.monotonic() - began
        result |= {"load": (lab.cpu(proxy.process.pid) - cpu) / seconds, "core": (pods.cpu() + children() - core) / seconds}
        # Alone on its core it never waits for it; what it waited somebody else had.
        result["waited"] = max(0.0, (lab.schedstat(proxy.process.pid)[1] - waited) / 1e9 / seconds)
        done.set()
        if changing:
            thread.join()
            if changes < CHANGES * A.seconds * 0.9:
                print(f"{name}: only {changes} changes in {A.seconds} s", file=sys.stderr)
            proxy.change(10**6, last=True)
            proxy.must_have_changed()
        return result
    finally:
        done.set()
        lab.stop(proxy.process)


def main():
    lab.build()
    names = [n for n in (A.only.split(",") if A.only else ("sluice", "nginx", "haproxy", "envoy")) if n in PEERS]
    cases = A.cases.split(",")
    cells = [(n, c, way) for c in cases for way in (False, True) for n in names]
    results, rates = {cell: [] for cell in cells}, {}
    with lab.Pods() as pods:
        for _ in range(A.rounds):
            for cell in cells:
                results[cell].append(measure(*cell, rates, pods))
    m = lab.machine()
    rate = f"{A.rate} requests a second" if A.rate else f"{A.load * 100:.0f} % load"
    lines = [f"# Latency at {rate}, {m['at']}", "",
             f"Commit {m['commit']}, {m['cores']} cores of {m['cpu']}, Linux {m['kernel']}; " + ", ".join(f"{n}: {PEERS[n].version()}" for n in names) + ". "
             f"{A.conns} connections (gRPC: {max(1, A.conns // 8)} of 8 calls), {A.seconds} s, median of {A.rounds} rounds; "
             "microseconds from the moment a request was due. Busy: the proxy's core; client and pod: theirs.", ""]
    disturbed = 0
    for case in cases:
        lines += [f"## {case}", "", "| | | a second | busy | p50 | p90 | p99 | p99.9 | max | errors | ended connections | client and pod | |", "|---|---|---|---|---|---|---|---|---|---|---|---|---|"]
        for (name, of, changing), rounds in results.items():
            if of != case:
                continue
            mid = lambda key: statistics.median(r[key] for r in rounds)
            us = lambda key: f"{mid(key):.0f}" if mid(key) < 1e8 else "failed"
            # A latency of a proxy that had no core tells of the machine. Reloads make processes that share the core: theirs is their own.
            strange = mid("waited") > 0.05 and not (changing and name in ("nginx", "haproxy"))
            disturbed += strange
            note = f"disturbed: it waited for its core for {mid('waited') * 100:.0f} % of the time" if strange else ""
            lines.append(f"| {f'{CHANGES} changes a second' if changing else 'at rest'} | {name} | {mid('rate'):.0f} | {mid('load') * 100:.0f} % | {us('p50_us')} | {us('p90_us')} | {us('p99_us')} | {us('p999_us')} | {us('max_us')} | "
                         f"{sum(r['errors'] for r in rounds)} | {sum(r['reconnects'] for r in rounds)} | {mid('core') * 100:.0f} % | {note} |")
        lines.append("")
    out = pathlib.Path(A.out) if A.out else lab.ROOT / f"bench/results/{time.strftime('%F')}-tail.md"
    out.write_text("\n".join(lines))
    kept = [{"proxy": n, "case": c, "changing": w, "rounds": r} for (n, c, w), r in results.items()]
    out.with_suffix(".json").write_text(json.dumps({"machine": m, "cells": kept}, indent=1) + "\n")
    print("\n".join(lines) + f"\nkept in {out}")
    if disturbed:
        sys.exit(f"{disturbed} rows were disturbed by others on the machine: their latencies say nothing of the proxies")


if __name__ == "__main__":
    main()
