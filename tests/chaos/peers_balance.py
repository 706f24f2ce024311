#!/usr/bin/env python3
"""Pods that differ, and pods that are busy, under each policy of Sluice, nginx, HAProxy and Envoy, one after the other in one run:

skew      two of sixteen pods take sixteen times as long as the others, and none becomes slower by load
cores     four pods of one place each, and thirty clients that ask again as soon as they are answered
weak      one of ten pods that are kept busy works at a tenth of the others' speed

The first two are made after a published comparison of a Prequal with probes (github.com/sathwick-p/prequal). Of each proxy the best policy
counts, as whoever chooses one would choose it: Sluice's 99th percentile is no worse than that of the best of the others. How the peers are set up stands in
peers_pods.py; two workers each."""
from common import main
from peers_pods import Envoy, HAProxy, Nginx, Sluice
from pods import HOST, pod_at

POLICIES = {
    "Sluice": ("round_robin", "random", "least_request", "ewma", "prequal"),
    "nginx": ("", "least_conn;", "random two least_conn;"),
    "HAProxy": ("roundrobin", "leastconn", "random(2)"),
    "Envoy": ("ROUND_ROBIN", "RANDOM", "LEAST_REQUEST"),
}
# Pods as (number, milliseconds of a request, places; 0: as many as come), and who asks: (connections, requests a second; 0: without a pause).
SCENARIOS = {
    "skew": (((14, 50, 0), (2, 800, 0)), (256, 300)),
    "cores": (((4, 5, 1),), (30, 0)),
    "weak": (((9, 10, 2), (1, 100, 2)), (256, 1200)),
}
NOISE = 1.1  # what a run of these differs by from the next


def ask(run, address, seconds, who):
    connections, rate = who
    tool = run.site.tool("load", "--connect", address, "--host", HOST, "-c", connections, "-d", seconds, "--size", "0:1000", *(["--rate", rate] if rate else []))
    tool.wait_connected(connections)
    return tool.result(seconds + 120)


def measure(run, make, groups, who):
    pods = [pod_at(run.site, f"p{i}-{n}", "--delay", delay, *(["--slots", slots] if slots else []))
            for i, (count, delay, slots) in enumerate(groups) for n in range(count)]
    proxy = make()
    address = proxy.start(pods)
    ask(run, address, run.pick(1, 4), who)
    r = ask(run, address, run.pick(2, 12), who)
    proxy.stop()
    for p in pods:
        p.proc.kill()
    return {"requests": r["ok"] + r["failed"], "failed": r["failed"], "p50_ms": r["p50_ms"], "p99_ms": r["p99_ms"], "p999_ms": r["p999_ms"]}


def body(run):
    makers = {"Sluice": lambda policy: Sluice(run, {"load-balance": policy})}
    for name, peer in (("nginx", Nginx), ("HAProxy", HAProxy), ("Envoy", Envoy)):
        if peer.binary:
            makers[name] = lambda policy, peer=peer: peer(run, policy)
        else:
            run.say(f"{name}: NOT RUN, it is not installed")
    table = {}
    for scenario, (groups, who) in SCENARIOS.items():
        rows = table[scenario] = {}
        for name, make in makers.items():
            for policy in POLICIES[name]:
                title = f"{name} {policy.rstrip(';') or 'round robin'}"
                rows[title] = result = measure(run, lambda: make(policy), groups, who)
                run.say(f"{scenario:6} {title:30} " + ", ".join(f"{k} {v}" for k, v in result.items()))
        best = {ours: min((r["p99_ms"], title) for title, r in rows.items() if title.startswith("Sluice") == ours) for ours in (True, False) if ours or len(makers) > 1}
        if False in best:
            run.expect(best[True][0] <= best[False][0] * NOISE, f"{scenario}: p99 {best[True][0]} ms of {best[True][1]}, and {best[False][0]} of {best[False][1]}")
            run.say(f"{scenario:6} best: {best[True][1]} {best[True][0]} ms, {best[False][1]} {best[False][0]} ms")
        run.expect(not any(r["failed"] for title, r in rows.items() if title.startswith("Sluice")), f"{scenario}: requests of Sluice failed")
    run.figure(table=table)


if __name__ == "__main__":
    main("peers_balance", body)
