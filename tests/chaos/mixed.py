#!/usr/bin/env python3
"""1,000 changes of routes, certificates and endpoints under mixed load of HTTP/1.1, HTTP/2, gRPC and WebSockets over both: 0 failed of at
least 500,000 exchanges, no tunnel and no stream lost, no connection closed without a word. No client ever retries."""
import json
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from common import harness, main

HERE = Path(__file__).parent
GRPC = "grpc.example"


class Load(harness.Process):
    """A client in Python that tells how far it is, as tools of tests/support do."""
    wait_connected, wait_done = harness.Tool.wait_connected, harness.Tool.wait_done

    def __init__(self, script, *argv):
        super().__init__([sys.executable, HERE / script, *argv])

    def result(self, seconds=3600, stop=False):
        if stop and self.proc.poll() is None:
            self.proc.send_signal(signal.SIGTERM)
        self.proc.wait(seconds)
        for t in self.threads:
            t.join(5)
        return json.loads(self.out[-1])


class H2load:
    """nghttp2's load generator. It gives up at a GOAWAY, so it runs in rounds of at most 900 requests a connection."""
    ROUND = 8 * 900

    def __init__(self, url, requests, host):
        self.left, self.seen = requests, {"ok": 0, "failed": 0, "details": {}}
        self.command = ["h2load", "-c", "8", "-m", "16", "-H", f":authority: {host}", url]
        self.thread = threading.Thread(target=self._rounds, daemon=True)
        self.thread.start()

    def _rounds(self):
        while self.left:
            n = min(self.left, self.ROUND)
            out = subprocess.run([*self.command, "-n", str(n)], stdout=subprocess.PIPE, text=True, timeout=600).stdout
            m = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", out)
            good = int(m.group(1)) if m else 0
            self.seen["ok"] += good
            self.seen["failed"] += n - good
            if good < n:
                self.seen["details"][out[-300:]] = 1
            self.left -= n

    def running(self):
        return self.thread.is_alive()

    def outcome(self):
        self.thread.join(3600)
        return self.seen

    def stop(self, *_):
        self.thread.join(60)


def done(tool):
    for line in reversed(tool.err[-3:]):
        if " done " in line:
            return int(line.rsplit(" ", 1)[1])
    return 0


def body(run):
    changes = run.pick(60, 1000)
    share = run.pick(2, 40)
    n = {"h1": 14_000 * share, "h1-tls": 4_000 * share, "h2": 4_000 * share, "h2-tls": 3_000 * share, "h2load": 5_000 * share, "h2load-tls": 3_000 * share,
         "grpc": 1_500 * share}
    site = run.site
    pods = [site.pod(f"p{i}") for i in range(3)]
    servers = [site.add(Load("grpc_load.py", "serve")) for _ in range(2)]
    grpc_addresses = [s.wait_line(r"listening (\S+)", 30).group(1) for s in servers]
    certs = [harness.certificate("app.example", serial=7000 + i) for i in range(4)]
    m = site.manifests
    write_cert = lambda i: m.write("secret.json", harness.tls_secret("app-tls", *certs[i % 4]))
    write_app = lambda addresses, paths=None: m.app("app.example", addresses, tls=[(["app.example"], "app-tls")], annotations={"ssl-redirect": "false"}, paths=paths)
    write_grpc = lambda addresses: m.app(GRPC, addresses, annotations={"backend-protocol": "GRPC", "proxy-read-timeout": "3600"})
    all_pods = [p.address for p in pods]
    write_cert(0)
    write_app(all_pods)
    write_grpc(grpc_addresses)
    sluice = run.sluice(workers=2, options={"http2-prior-knowledge": "true"})
    first = sluice.version()
    common = ["--host", "app.example", "--per-connection", 900, "--size", "0:6000"]
    loads = {
        "h1": site.tool("load", "--connect", sluice.http, "--id-prefix", "h1", "-c", 8, "-n", n["h1"], *common),
        "h1-tls": site.tool("load", "--connect", sluice.https, "--tls", "--id-prefix", "h1s", "-c", 4, "-n", n["h1-tls"], *common),
        "h2": site.add(Load("h2_clients.py", "--connect", sluice.http, "-n", n["h2"], "-c", 4, "--prefix", "h2c")),
        "h2-tls": site.add(Load("h2_clients.py", "--connect", sluice.https, "--tls", "-n", n["h2-tls"], "-c", 4, "--prefix", "h2s")),
        "grpc": site.add(Load("grpc_load.py", sluice.http, "-n", n["grpc"])),
    }
    volume = {"h2load": site.add(H2load(f"http://{sluice.http}/?size=1000", n["h2load"], "app.example")),
              "h2load-tls": site.add(H2load(f"https://{sluice.https}/?size=1000", n["h2load-tls"], "app.example"))}
    tunnels = {"h1": site.tool("load", "--connect", sluice.http, "--id-prefix", "ws", "-c", 30, "-d", 36000, "--mode", "hold", "--interval", 0.5, "--host", "app.example"),
               "h2": site.add(Load("h2_clients.py", "--connect", sluice.http, "-n", 10**9, "-m", 0, "-c", 3, "--tunnels", 10, "--interval", 0.5, "--prefix", "h2t"))}
    for t in (*loads.values(), *tunnels.values()):
        t.wait_connected(1)
    kinds, made, under_load = {"route": 0, "certificate": 0, "endpoints": 0, "grpc endpoints": 0}, 0, 0
    total = sum(n[k] for k in loads)
    start = time.monotonic()
    running = lambda: [t for t in loads.values() if t.proc.poll() is None] + [v for v in volume.values() if v.running()]
    while made < changes:
        kind, seen = list(kinds)[made % 4], sluice.version()
        if kind == "route":
            write_app(all_pods, [("/", "Prefix"), (f"/only-{made}", "Exact")])
            m.app(f"extra{made % 30}.example", [pods[0].address], paths=[("/", "Prefix"), (f"/{made}", "Exact")])
        elif kind == "certificate":
            write_cert(made // 4 + 1)
        elif kind == "endpoints":
            write_app(all_pods[made % 3:] or all_pods)
        else:
            write_grpc(grpc_addresses[(made // 4 + 1) % 2:])
        kinds[kind] += 1
        made += 1
        harness.wait_for(lambda: sluice.version() > seen, f"change {made} ({kind}) is live", 10)
        under_load += bool(running())
        before = time.monotonic()
        while sum(map(done, loads.values())) < total * made / (changes + 1) and running() and time.monotonic() - before < 5:
            time.sleep(0.005)
    alive = len(running())
    results = {k: t.result(3600) for k, t in loads.items()} | {k: t.outcome() for k, t in volume.items()}
    seconds = time.monotonic() - start
    ws = {k: t.result(60, stop=True) for k, t in tunnels.items()}
    versions = sluice.version() - first
    for k, r in results.items():
        run.expect(r["failed"] == 0, f"{k}: {r['failed']} failed: {r.get('details')}")
        run.expect(r["ok"] == n[k], f"{k}: {r['ok']} of {n[k]} answered")
        run.expect(r.get("closed_unannounced", 0) == 0, f"{k}: {r.get('closed_unannounced')} connections ended without a word")
    run.expect(ws["h1"]["failed"] == 0 and ws["h1"]["ok"] == 30, f"tunnels over HTTP/1.1: {ws['h1']}")
    run.expect(ws["h2"]["failed"] == 0 and ws["h2"]["tunnels"] == 30 and ws["h2"]["connects"] == 3, f"tunnels over HTTP/2: {ws['h2']}")
    run.expect(results["grpc"]["streams"] == 10, f"gRPC streams that lived from the first change to the last: {results['grpc']}")
    run.expect(under_load >= changes * run.pick(0.5, 0.9), f"only {under_load} of {changes} changes were live before the load was over")
    calls = lambda: sluice.metric("nginx_ingress_controller_requests", ingress="grpc")
    try:
        harness.wait_for(lambda: calls() == n["grpc"] + results["grpc"]["streams"], "every call of gRPC has come once, and those that were made anew not twice")
    except AssertionError as e:
        run.expect(False, f"{e}: {calls()}; {results['grpc']}")
    counts = {}
    for p in pods:
        for k, v in p.ids().items():
            counts[k] = counts.get(k, 0) + v
    verified = sum(n[k] for k in ("h1", "h1-tls", "h2", "h2-tls"))
    mine = {k: v for k, v in counts.items() if not k.startswith("ws")}
    run.expect(len(mine) == verified and all(v == 1 for v in mine.values()), f"{len(mine)} of {verified} ids at the pods, not exactly once: {[k for k, v in mine.items() if v != 1][:5]}")
    exchanges = sum(r["ok"] for r in results.values())
    if not run.short:
        run.expect(exchanges >= 500_000, f"only {exchanges} exchanges")
    run.figure(exchanges=exchanges, failed=sum(r["failed"] for r in results.values()), by_kind={k: r["ok"] for k, r in results.items()}, changes=made, kinds=kinds, under_load=under_load, versions=versions,
               loads_alive_at_the_last_change=alive, tunnels=ws["h1"]["ok"] + ws["h2"]["tunnels"], tunnel_echoes=ws["h1"]["echoes"] + ws["h2"]["echoes"],
               tunnels_lost=ws["h1"]["failed"] + ws["h2"]["failed"], grpc_streams=results["grpc"]["streams"], grpc_messages=results["grpc"]["messages"], grpc_unsent=results["grpc"]["unsent"],
               h2_goaways=sum(results[k]["goaways"] for k in ("h2", "h2-tls")), rate=round(exchanges / seconds), seconds_of_load=round(seconds, 1))


if __name__ == "__main__":
    main("mixed", body)
