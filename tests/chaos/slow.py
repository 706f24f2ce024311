#!/usr/bin/env python3
"""10,000 slowloris and 1,000 slow-reading connections: the p99 of healthy clients stays within 10 % or 1 ms of the quiet p99, and the
memory of an idle half-sent connection is small."""
import time

from common import harness, main


def body(run):
    loris, readers = run.pick(1000, 10_000), run.pick(100, 1000)
    seconds = run.pick(4, 20)
    site = run.site
    pod, big = site.pod("pod", "--forget-ids"), site.pod("big", "--forget-ids")
    site.app("app.example", pod.address)
    site.app("big.example", big.address)
    s = run.sluice(workers=2)
    healthy = ["--connect", s.http, "--host", "app.example", "-c", 16, "-d", seconds, "--rate", 1000, "--per-connection", 900]
    harness.run_tool("load", *healthy[:-6], "-d", 1, "--rate", 1000)
    quiet = [harness.run_tool("load", *healthy) for _ in range(2)]
    before = s.rss_kb()
    attack = site.tool("load", "--connect", s.http, "--host", "app.example", "--mode", "slowloris", "-c", loris, "-d", 36000, "--interval", 5, "--ramp", 3, "--reopen")
    attack.wait_connected(loris, 60)
    idle = s.rss_kb()
    reader = site.tool("load", "--connect", s.http, "--host", "big.example", "--mode", "slowread", "-c", readers, "-d", 36000, "--size", 10_000_000, "--interval", 1, "--ramp", 3)
    reader.wait_connected(readers, 60)
    under = [harness.run_tool("load", *healthy) for _ in range(2)]
    peak = s.rss_kb()
    fds = s.fds()
    a, b = attack.result(60, stop=True), reader.result(60, stop=True)
    for i, r in enumerate(quiet + under):
        run.load_result(r, label=f"healthy {i}")
    q, u = min(r["p99_ms"] for r in quiet), min(r["p99_ms"] for r in under)
    run.expect(u <= q * 1.1 or u <= q + 1, f"p99 {q:.2f} ms quiet, {u:.2f} ms under attack")
    run.figure(slowloris=loris, slow_readers=readers, quiet_p99_ms=q, attacked_p99_ms=u, quiet_p50_ms=min(r["p50_ms"] for r in quiet),
               attacked_p50_ms=min(r["p50_ms"] for r in under), rss_kb={"before": before, "with slowloris": idle, "with both": peak},
               bytes_a_slow_connection=round((idle - before) * 1024 / loris), descriptors=fds, slowloris_cut=a["closed_announced"], requests=sum(r["ok"] for r in quiet + under))


if __name__ == "__main__":
    main("slow", body)
