#!/usr/bin/env python3
"""1,000 changes of routes, certificates and endpoints during 1,000,000 requests of raw keep-alive clients that never retry, plain and
TLS, with WebSocket tunnels open throughout: 0 failed, 0 connections closed by us, no tunnel lost, each request at a pod exactly once."""
import random
import time

from common import harness, main


def body(run):
    changes, requests = run.pick(100, 1000), run.pick(100_000, 1_000_000)
    site = run.site
    pods = [site.pod(f"p{i}") for i in range(3)]
    spare = site.pod("spare")
    certs = [harness.certificate("app.example", serial=5000 + i) for i in range(4)]
    m = site.manifests
    write_cert = lambda i: m.write("secret.json", harness.tls_secret("app-tls", *certs[i % 4]))
    write_app = lambda addresses: m.app("app.example", addresses, tls=[(["app.example"], "app-tls")], annotations={"ssl-redirect": "false"})
    write_cert(0)
    write_app([p.address for p in pods])
    sluice = run.sluice(workers=2)
    version = sluice.version()
    # 900 requests a connection, by the client: the proxy announces a close after keep-alive-requests (1,000).
    common = ["--host", "app.example", "--per-connection", 900, "--size", "0:8000"]
    plain = site.tool("load", "--connect", sluice.http, "--id-prefix", "plain", "-c", 16, "-n", requests * 3 // 4, *common)
    tls = site.tool("load", "--connect", sluice.https, "--tls", "--id-prefix", "tls", "-c", 8, "-n", requests // 8, *common)
    post = site.tool("load", "--connect", sluice.http, "--id-prefix", "post", "-c", 8, "-n", requests // 8, "--mode", "post", "--body", 3000, *common)
    tunnels = site.tool("load", "--connect", sluice.http, "--id-prefix", "ws", "-c", 50, "-d", 36000, "--mode", "hold", "--interval", 0.5, "--host", "app.example")
    for t in (plain, tls, post, tunnels):
        t.wait_connected(8)
    tunnels.wait_done(50)
    random.seed(1)
    kinds = {"route": 0, "certificate": 0, "endpoints": 0}
    start = time.monotonic()
    loads = (plain, tls, post)
    made = 0
    while made < changes or any(t.proc.poll() is None for t in loads):
        if made < changes:
            kind = ("route", "certificate", "endpoints")[made % 3]
            if kind == "route":
                if made % 2:
                    m.app(f"extra{made % 30}.example", [pods[0].address], paths=[("/", "Prefix"), (f"/{made}", "Exact")])
                else:
                    m.app("app.example", [p.address for p in pods], tls=[(["app.example"], "app-tls")], annotations={"ssl-redirect": "false"},
                          paths=[("/", "Prefix"), (f"/only-{made}", "Exact")])
            elif kind == "certificate":
                write_cert(made)
            else:
                some = random.sample([p.address for p in pods] + [spare.address], random.randint(1, 4))
                write_app(some)
            kinds[kind] += 1
            made += 1
            # Spread over the load; each is live before the next.
            done = sum(_done(t) for t in loads)
            while done < requests * made / (changes + 1) and any(t.proc.poll() is None for t in loads):
                time.sleep(0.005)
                done = sum(_done(t) for t in loads)
        else:
            time.sleep(0.05)
    results = {n: t.result(3600) for n, t in (("plain", plain), ("tls", tls), ("post", post))}
    ws = tunnels.result(60, stop=True)
    after = sluice.version()
    for n, r in results.items():
        run.load_result(r, label=n)
    run.expect(ws["failed"] == 0 and ws["ok"] == 50 and ws["connects"] == 50, f"tunnels: {ws}")
    total = sum(r["ok"] for r in results.values())
    run.expect(total == requests // 8 * 2 + requests * 3 // 4, f"{total} requests answered")
    stats = [p.stats() for p in pods + [spare]]
    at_pods, twice = sum(s["completed"] for s in stats), 0
    counts = {}
    for p in pods + [spare]:
        for k, n in p.ids().items():
            counts[k] = counts.get(k, 0) + n
    twice = sum(1 for n in counts.values() if n != 1)
    run.expect(len([k for k in counts if not k.startswith("ws")]) == total and twice == 0, f"{len(counts)} ids at the pods, {twice} not exactly once")
    run.expect(sum(s["bad_bodies"] for s in stats) == 0, "request bodies arrived as sent")
    run.expect(after - version >= changes * 0.5, f"only {after - version} versions for {changes} changes")
    run.figure(requests=total, changes=made, kinds=kinds, versions=after - version, failed=sum(r["failed"] for r in results.values()),
               closed_by_us=sum(r["closed_unannounced"] + r["closed_announced"] for r in results.values()), tunnels=ws["ok"], tunnel_echoes=ws["echoes"],
               tunnels_lost=ws["failed"], at_pods=at_pods, p99_ms={n: r["p99_ms"] for n, r in results.items()}, p999_ms={n: r["p999_ms"] for n, r in results.items()},
               rate=round(total / (time.monotonic() - start)))
    run.expect(run.figures["closed_by_us"] == 0, "connections were closed by us")


def _done(tool):
    for line in reversed(tool.err[-3:]):
        if " done " in line:
            return int(line.rsplit(" ", 1)[1])
    return 0


if __name__ == "__main__":
    main("changes", body)
