#!/usr/bin/env python3
"""Descriptors exhausted (prlimit): CPU under half a core, connections that exist are served, recovery within a second."""
import socket
import time

from common import harness, main


def body(run):
    rounds = run.pick(1, 10)
    site = run.site
    pod = site.pod("pod", "--forget-ids")
    site.app("app.example", pod.address)
    s = run.sluice(wrap=("prlimit", "--nofile=128:128"), workers=2)
    host, port = s.http.rsplit(":", 1)
    worst_cpu = worst_recovery = 0.0
    kept_ok = kept_all = 0
    for _ in range(rounds):
        kept = [harness.Raw(s.http) for _ in range(4)]
        for c in kept:
            assert c.get("/", "app.example").status == 200
        held = []
        for _ in range(1000):
            c = socket.socket()
            c.setblocking(False)
            c.connect_ex((host, int(port)))
            held.append(c)
        cpu, clock = s.cpu_seconds(), time.monotonic()
        while time.monotonic() - clock < 3:
            for c in kept:
                kept_all += 1
                try:
                    kept_ok += c.get("/", "app.example").status == 200
                except (EOFError, OSError, AssertionError):
                    pass
            time.sleep(0.05)
        worst_cpu = max(worst_cpu, (s.cpu_seconds() - cpu) / (time.monotonic() - clock))
        for c in held + [k.sock for k in kept]:
            c.close()
        start = time.monotonic()
        while True:
            try:
                with harness.Raw(s.http, timeout=5) as c:
                    if c.get("/", "app.example").status == 200:
                        break
            except (EOFError, OSError, AssertionError):
                pass
            if time.monotonic() - start > 20:
                break
            time.sleep(0.01)
        worst_recovery = max(worst_recovery, time.monotonic() - start)
    run.expect(worst_cpu < 0.5, f"{worst_cpu:.2f} cores while exhausted")
    run.expect(worst_recovery < 1, f"recovery took {worst_recovery:.2f} s")
    run.expect(kept_ok > 0.95 * kept_all, f"{kept_ok} of {kept_all} requests of established clients served")
    run.figure(rounds=rounds, cores_while_exhausted=round(worst_cpu, 3), recovery_s=round(worst_recovery, 3), established_served=kept_ok, established_asked=kept_all)


if __name__ == "__main__":
    main("fds", body)
