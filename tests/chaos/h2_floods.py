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
from floods import FLOODS, attack, measure  # noqa: E402
from h2raw import Http2  # noqa: E402

CPU_MS, GROWTH_KB = 5, 1024  # that a flood may cost


def friends(run, sluice, seconds):
    """A phase of well-behaved load; a function that waits for it and returns the p99 of both kinds in ms."""
    h1 = run.site.tool("load", "--connect", sluice.http, "-c", 50, "-d", seconds, "--rate", 1000, "--host", "app.example", "--size", 1024)
    h2, connections = [], lambda: sluice.metric("sluice_http2_connections_total")
    for _ in range(10):  # all clients of one h2load ask in the same instant: ten of them, out of step
        before = connections()
        log = tempfile.NamedTemporaryFile(prefix="h2load-", dir=run.directory.name)
        h2.append((log, subprocess.Popen(["h2load", "-c", "5", "-m", "1", "--rps", "20", "-D", str(seconds), "--log-file", log.name, "-H", ":authority: app.example",
                                          f"http://{sluice.http}/?size=1024"], stdout=subprocess.PIPE, text=True)))
        harness.wait_for(lambda: connections() >= before + 5, "the clients of an h2load are connected")

    def outcome():
        times = []
        for log, process in h2:
            out = process.communicate(timeout=seconds + 60)[0]
            run.expect(" 0 failed, 0 errored, 0 timeout" in out, f"HTTP/2 clients that behave: {out}")
            times += [int(took) for _, status, took in (line.split("\t") for line in Path(log.name).read_text().splitlines()) if status == "200"]
        r = h1.result(120)
        run.load_result(r, label="HTTP/1.1 clients that behave", unannounced=False)
        run.expect(len(times) > 50 * 20 * seconds * 0.9, f"only {len(times)} answers over HTTP/2")
        times.sort()
        return {"h1": r["p99_ms"], "h2": round(times[int(len(times) * 0.99)] / 1000, 3)}
    return outcome


def body(run):
    release = "release" in harness.SLUICE
    seconds = run.pick(6, 15)
    # One processor for the proxy, the other ones for all who talk to it: what is measured is its time, not that of the machine's scheduler.
    mine, *others = sorted(os.sched_getaffinity(0))
    pinned = {"wrap": ["taskset", "-c", str(mine)]} if others else {}
    os.sched_setaffinity(0, others or [mine])
    pod = run.site.pod("pod", "--forget-ids")
    run.site.app("app.example", pod.address)
    sluice = run.sluice(workers=1, options={"http2-prior-knowledge": "true"}, **pinned)
    with Http2(sluice.http) as c:
        c.done(*[c.request(f"/?size=1000&delay=200&id={i}") for i in range(128)])
    # One by one, at rest: what a kind costs.
    costs = {}
    for kind in FLOODS:
        try:
            cost = measure(sluice, pod, kind, CPU_MS, GROWTH_KB)
        except AssertionError as e:
            run.expect(False, f"{kind}: {e}")
            continue
        costs[kind] = {**cost, "cpu_ms": round(cost["cpu_ms"], 2)}
        if release:
            run.expect(cost["cpu_ms"] <= CPU_MS and cost["growth_kb"] <= GROWTH_KB, f"{kind}: {cost}")
    friends(run, sluice, 2)()
    calm = friends(run, sluice, seconds)()

    def under(target, friends_of):
        """All kinds in turn against `target`, from another process of low priority, beside the friends of `friends_of`."""
        enemy = subprocess.Popen([sys.executable, __file__, "--hostile", target.http, "--seconds", str(seconds + 1)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 text=True, preexec_fn=lambda: os.nice(10))
        enemy.stdout.readline()  # it has loaded what it needs
        wait = friends(run, friends_of, seconds)
        enemy.stdin.close()
        p99 = wait()
        return p99, int(enemy.stdout.read())

    # The enemy works beside the friends, too. What that does to them is seen when it attacks another instance: by turns, the median counts.
    other = run.sluice(workers=1, options={"http2-prior-knowledge": "true"})
    before, rounds = sluice.rss_kb(), [(under(other, sluice), under(sluice, sluice)) for _ in range(run.pick(1, 3))]
    median = lambda at, k: sorted(r[at][0][k] for r in rounds)[len(rounds) // 2]
    elsewhere, here = ({k: median(at, k) for k in calm} for at in (0, 1))
    attacks = [r[at][1] for r in rounds for at in (0, 1)]
    run.figure(kinds=len(FLOODS), costs=costs, worst_cpu_ms=max(c["cpu_ms"] for c in costs.values()), worst_growth_kb=max(c["growth_kb"] for c in costs.values()),
               attacks=attacks, p99_ms_calm=calm, p99_ms_enemy_elsewhere=elsewhere, p99_ms_under_attack=here, rounds=[[r[at][0] for at in (0, 1)] for r in rounds],
               growth_kb=sluice.rss_kb() - before)
    for k in calm:
        run.expect(here[k] <= elsewhere[k] * 1.5 + 0.5, f"p99 of {k} moved from {elsewhere[k]} (enemy elsewhere; {calm[k]} without one) to {here[k]} ms")
    run.expect(min(attacks) >= seconds * 10, f"only {attacks} hostile connections")


def hostile(address, seconds):
    print("ready", flush=True)
    sys.stdin.read()
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
