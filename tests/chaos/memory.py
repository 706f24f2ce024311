#!/usr/bin/env python3
"""Clients that hold memory, in a cgroup of 64 MB: 5,000 that ask for 10 MB and do not read, and the other kinds of slow_clients.py. No
kill for lack of memory, and healthy clients, old and new, are served all the while. Needs root and a memory cgroup; says so where it did not
run."""
import time

from common import harness, main
import slow_clients
from cgroup import MemoryCgroup, NoCgroup
from middle import middle
from overload import Healthy, Peak, actions, open_all

LIMIT = 64 << 20


def one(run, kind, count):
    group = MemoryCgroup("sluice-chaos-memory", LIMIT)
    site = run.site
    try:
        pod = site.pod("pod", "--forget-ids")
        proxy = middle(site, pod, h2=kind.startswith("h2"), access_log="off", wrap=group.wrap(), workers=2)
        base = group.used()
        healthy, peak = Healthy(proxy), Peak(group.used)
        held, begun = [], time.monotonic()
        try:
            held = open_all(proxy, kind, count)
            opened = time.monotonic() - begun
            mark = healthy.kept, healthy.new
            harness.wait_for(lambda: healthy.kept > mark[0] + 50 and healthy.new > mark[1] + 50, "healthy clients are served on", 60)
            did = actions(proxy)
        finally:
            healthy.stop()
            highest = peak.stop()
            for s in held:
                s.close()
        run.expect(proxy.proc.poll() is None and group.kills() == 0, f"{kind}: ended, {group.kills()} kills for lack of memory")
        run.expect(not healthy.failures, f"{kind}: {len(healthy.failures)} of {len(healthy.failures) + healthy.kept + healthy.new} healthy requests failed: {healthy.failures[:3]}")
        run.figure(**{kind: {"clients": count, "opened_in_s": round(opened, 1), "base_mb": round(base / 2**20, 1), "highest_mb": round(highest / 2**20, 1),
                             "kept_alive_served": healthy.kept, "new_served": healthy.new, "slowest_s": round(healthy.slowest, 2), **did}})
        proxy.stop()
        site.children.remove(proxy)
        pod.stop()
        site.children.remove(pod)
    finally:
        for c in list(site.children):
            if c.proc.poll() is None:
                c.stop()
            site.children.remove(c)
        group.remove()


def body(run):
    try:
        MemoryCgroup("sluice-chaos-probe", LIMIT).remove()
    except NoCgroup as e:
        run.say(f"NOT RUN: {e}")
        run.figure(skipped=str(e))
        return
    most = slow_clients.raise_descriptors()
    attacks = {"slow_reader": run.pick(2000, 5000), "unfinished_head": run.pick(0, 5000), "slow_tls_reader": run.pick(0, 2000), "half_handshake": run.pick(0, 2000),
               "slow_upload": run.pick(0, 1500), "tunnel": run.pick(0, 2000), "h2_one_shut_window": run.pick(0, 2000), "h2_shut_windows": run.pick(40, 100),
               "h2_unread": run.pick(0, 100), "idle": run.pick(0, 5000), "idle_tls": run.pick(0, 3000)}
    run.expect(most > 11_000, f"only {most} descriptors")
    for kind, count in attacks.items():
        if count:
            one(run, kind, count)


if __name__ == "__main__":
    main("memory", body)
