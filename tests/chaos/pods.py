#!/usr/bin/env python3
"""Pods that come and go under load, with shipped defaults but where it says otherwise:

rollout   each of many pods is replaced, in the order of events of Kubernetes: the new one is ready, the old one is marked as terminating
          and gets its SIGTERM at the same time, so that for a moment it is asked although it takes nothing more; 0 requests fail
kills     one of three pods is killed without a word, again and again, and comes back at its address: 0 GETs fail, no POST is executed twice
idle      pods end connections that were idle for as long as clients wait between two requests: 0 GETs fail, no POST is executed twice"""
import collections
import random
import signal
import time
from pathlib import Path

from common import harness, main

HOST = "app.example"


def pod_at(site, name, *args, listen="127.0.0.1:0", within=()):
    """A pod of its own name that can be killed: it is not asked how it is at the end. `within`: the command that starts it elsewhere."""
    p = harness.Process([*within, f"{harness.TOOLS}/strict-pod", "--name", name, "--listen", listen, "--forget-ids", *map(str, args)])
    p.wait_line("^ready")
    p.address = next(line.split()[-1] for line in p.out if line.startswith("listening pod"))
    return site.add(p)


def write(site, pods, terminating=()):
    """Its Service, with pods that are ready and pods that are on their way out, as the endpoints controller says it."""
    slices = harness.slices("app", [p.address for p in (*pods, *terminating)])
    gone = {p.address.rsplit(":", 1)[1] for p in terminating}
    for s in slices:
        for e in s["endpoints"]:
            if str(s["ports"][0]["port"]) in gone:
                e["conditions"] = {"ready": False, "serving": True, "terminating": True}
    site.manifests.write("app.yaml", harness.ingress("app", {HOST: "app"}), harness.service("app"), *slices)


def rollout(run):
    site, many = run.site, run.pick(10, 100)
    requests, rate = run.pick(20_000, 500_000), 2000
    pods = [pod_at(site, f"p{i}", "--graceful") for i in range(many)]
    write(site, pods)
    sluice = run.sluice(workers=2)
    load = site.tool("load", "--connect", sluice.http, "--host", HOST, "-c", 64, "-d", requests / rate, "--rate", rate, "--per-connection", 900, "--size", "0:8000",
                     "--query", "&delay=20")
    load.wait_connected(64)
    random.seed(1)
    leaving, replaced, begin = [], 0, time.monotonic()
    seconds = requests / rate
    while load.proc.poll() is None:
        at = replaced % many
        new = pod_at(site, f"n{replaced}", "--graceful")
        old, pods[at] = pods[at], new
        leaving.append(old)
        write(site, pods, leaving)
        old.proc.send_signal(signal.SIGTERM)
        replaced += 1
        leaving = [p for p in leaving if p.proc.poll() is None]
        write(site, pods, leaving)
        # Spread over the load, with some that follow each other at once.
        while time.monotonic() - begin < seconds * replaced / (many * 1.5) * random.uniform(0.9, 1) and load.proc.poll() is None:
            time.sleep(0.01)
    r = load.result(600)
    run.load_result(r, label="rollout")
    run.expect(r["ok"] >= requests * 0.97, f"only {r['ok']} of {requests} requests were made in time")
    run.expect(replaced >= many, f"only {replaced} of {many} pods were replaced")
    run.figure(rollout={"requests": r["ok"], "failed": r["failed"], "pods": many, "replaced": replaced, "p99_ms": r["p99_ms"], "p999_ms": r["p999_ms"],
                        "retries": sluice.metric("sluice_upstream_retries_total")})
    for p in (*pods, *leaving):
        p.proc.kill()
    sluice.stop()


def executed(ledgers):
    """How often each id was asked, over all pods that ever were."""
    counts = collections.Counter()
    for path in ledgers:
        counts.update(Path(path).read_text().split())
    return counts


def three(run, *args):
    ledgers = [Path(run.directory.name) / f"ledger-{i}" for i in range(3)]
    for path in ledgers:
        path.write_text("")
    return ledgers, [pod_at(run.site, f"p{i}", "--ledger", ledgers[i], *args) for i in range(3)]


def both_loads(run, sluice, requests, connections, rate):
    """GETs at that rate, and a tenth of it of POSTs."""
    common = ["--host", HOST, "--per-connection", 900, "--size", "0:8000", "-d", requests / rate]
    get = run.site.tool("load", "--connect", sluice.http, "--id-prefix", "get", "-c", connections, "--rate", rate, *common)
    post = run.site.tool("load", "--connect", sluice.http, "--id-prefix", "post", "-c", connections // 4, "--rate", rate // 10, "--mode", "post", "--body", 300, *common)
    return get, post


def judge(run, name, sluice, get, post, requests, ledgers, **more):
    g, p = get.result(1200), post.result(1200)
    run.load_result(g, label=name)
    run.expect(g["ok"] >= requests * 0.97, f"{name}: only {g['ok']} of {requests} requests were made in time")
    counts = executed(ledgers)
    twice = [k for k, n in counts.items() if k.startswith("post") and n > 1]
    run.expect(not twice, f"{name}: {len(twice)} POSTs were executed twice: {twice[:5]}")
    run.figure(**{name: {"gets": g["ok"], "gets_failed": g["failed"], "posts": p["ok"], "posts_failed": p["failed"], "posts_twice": len(twice),
                         "retries": sluice.metric("sluice_upstream_retries_total"), "p99_ms": g["p99_ms"], **more}})


def kills(run):
    site, requests, times = run.site, run.pick(10_000, 100_000), run.pick(10, 50)
    ledgers, pods = three(run)
    write(site, pods)
    sluice = run.sluice(workers=2)
    rate = run.pick(1500, 1000)
    get, post = both_loads(run, sluice, requests, 32, rate)
    get.wait_connected(32)
    random.seed(2)
    killed, begin = 0, time.monotonic()
    while get.proc.poll() is None and killed < times:
        at = random.randrange(3)
        pods[at].proc.kill()
        pods[at].proc.wait()
        killed += 1
        time.sleep(random.uniform(0, 0.2))  # the kubelet starts the container again
        pods[at] = pod_at(site, f"p{at}", "--ledger", ledgers[at], listen=pods[at].address)
        while time.monotonic() - begin < requests / rate * killed / times and get.proc.poll() is None:
            time.sleep(0.01)
    judge(run, "kills", sluice, get, post, requests, ledgers, killed=killed)
    run.expect(killed == times, f"{killed} of {times} kills")
    for p in pods:
        p.proc.kill()
    sluice.stop()


def idle(run):
    site, requests = run.site, run.pick(8_000, 100_000)
    ledgers, pods = three(run, "--idle-close", 20)
    write(site, pods)
    sluice = run.sluice(workers=2)
    # Each connection is asked again about when its pod ends it.
    get, post = both_loads(run, sluice, requests, 64, run.pick(1600, 2400))
    judge(run, "idle", sluice, get, post, requests, ledgers)
    reused = sluice.metric("sluice_upstream_reused_total")
    run.figure(idle_reused=reused)
    run.expect(reused > requests / 20, "too few connections were used again to prove anything")
    for p in pods:
        p.proc.kill()
    sluice.stop()


def body(run):
    for part in (rollout, kills, idle):
        part(run)


if __name__ == "__main__":
    main("pods", body)
