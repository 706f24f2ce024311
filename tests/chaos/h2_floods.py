#!/usr/bin/env python3
"""Floods of HTTP/2 frames beside 100 clients that behave (half of them HTTP/1.1, half HTTP/2), 20 hostile connections a second of every kind in
turn: each is closed within 1,000 abusive pieces at 5 ms of processor time and 1 MiB at most, and the p99 of the others does not move."""
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import harness, main

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from floods import FLOODS, attack  # noqa: E402
from h2raw import NO_ERROR, Http2  # noqa: E402
from test_h2_floods import cpu_ns  # noqa: E402


def friends(run, sluice, seconds):
    """A phase of well-behaved load; a function that waits for it and returns the p99 of both kinds in ms."""
    h1 = run.site.tool("load", "--connect", sluice.http, "-c", 50, "-d", seconds, "--rate", 1000, "--host", "app.example", "--size", 1024)
    log = tempfile.NamedTemporaryFile(prefix="h2load-", dir=run.directory.name)
    h2 = subprocess.Popen(["h2load", "-c", "50", "-m", "1", "--rps", "20", "-D", str(seconds), "--log-file", log.name, "-H", ":authority: app.example",
                           f"http://{sluice.http}/?size=1024"], stdout=subprocess.PIPE, text=True)

    def outcome():
        out = h2.communicate(timeout=seconds + 60)[0]
        run.expect(" 0 failed, 0 errored, 0 timeout" in out, f"HTTP/2 clients that behave: {out}")
        r = h1.result(120)
        run.load_result(r, label="HTTP/1.1 clients that behave", unannounced=False)
        rows = [line.split("\t") for line in Path(log.name).read_text().splitlines()]
        times = sorted(int(x[2]) for x in rows if x[1] == "200")
        run.expect(len(times) > 50 * 20 * seconds * 0.9, f"only {len(times)} answers over HTTP/2")
        return {"h1": r["p99_ms"], "h2": round(times[int(len(times) * 0.99)] / 1000, 3)}
    return outcome


def body(run):
    release = "release" in harness.SLUICE
    seconds = run.pick(6, 30)
    pod = run.site.pod("pod", "--forget-ids")
    run.site.app("app.example", pod.address)
    sluice = run.sluice(workers=1, options={"http2-prior-knowledge": "true"})
    with Http2(sluice.http) as c:
        c.done(*[c.request(f"/?size=1000&delay=200&id={i}") for i in range(128)])
    # One by one, at rest: what a kind costs.
    costs = {}
    for kind in FLOODS:
        for _ in range(3):  # the least of three is the work's own, whatever else the machine does
            cpu, rss = cpu_ns(sluice.pid), sluice.rss_kb()
            with Http2(sluice.http) as c:
                sent = attack(c, kind)
                try:
                    c.wait_end(5)
                except AssertionError as e:
                    run.expect(False, f"{kind}: {e}")
                code = c.goaway[1] if c.goaway else None
            costs[kind] = {"sent": sent, "goaway": code, "cpu_ms": round((cpu_ns(sluice.pid) - cpu) / 1e6, 2), "growth_kb": sluice.rss_kb() - rss}
            if costs[kind]["cpu_ms"] <= 5 and costs[kind]["growth_kb"] <= 1024:
                break
        run.expect(code != NO_ERROR, f"{kind}: GOAWAY NO_ERROR")
        if release:
            run.expect(costs[kind]["cpu_ms"] <= 5 and costs[kind]["growth_kb"] <= 1024, f"{kind}: {costs[kind]}")
    friends(run, sluice, 2)()
    calm = friends(run, sluice, seconds)()
    # All kinds in turn, from another process of low priority: its own work must not be what the friends feel.
    before = sluice.rss_kb()
    wait = friends(run, sluice, seconds)
    hostile = subprocess.Popen([sys.executable, __file__, "--hostile", sluice.http, "--seconds", str(seconds - 0.5)], stdout=subprocess.PIPE, text=True,
                               preexec_fn=lambda: os.nice(10))
    under = wait()
    attacks = int(hostile.communicate(timeout=60)[0])
    run.figure(kinds=len(FLOODS), costs=costs, worst_cpu_ms=max(c["cpu_ms"] for c in costs.values()), worst_growth_kb=max(c["growth_kb"] for c in costs.values()),
               attacks=attacks, p99_ms_calm=calm, p99_ms_under_attack=under, growth_kb=sluice.rss_kb() - before)
    for k in calm:
        run.expect(under[k] <= calm[k] * 1.5 + 0.5, f"p99 of {k} moved from {calm[k]} to {under[k]} ms")
    run.expect(attacks >= seconds * 10, f"only {attacks} hostile connections")


def hostile(address, seconds):
    end, n = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        for kind in FLOODS:
            begin = time.monotonic()
            with Http2(address) as c:
                attack(c, kind)
                try:
                    c.wait_end(2)
                except AssertionError:
                    pass
            n += 1
            time.sleep(max(0.0, 0.05 - (time.monotonic() - begin)))
            if time.monotonic() > end:
                break
    print(n)


if __name__ == "__main__":
    if "--hostile" in sys.argv:
        hostile(sys.argv[2], float(sys.argv[4]))
    else:
        main("h2_floods", body)
