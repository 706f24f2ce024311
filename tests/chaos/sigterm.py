#!/usr/bin/env python3
"""100 times: two proxies under load, one is taken out of the clients' list (as an endpoint is removed first), the wait, SIGTERM.
The clients go on sending on the connections they have until an answer says close: not one request of theirs may fail, and no
connection may end without that word. Idle connections are told Connection: close before they are closed."""
import random
import signal
import time

from common import harness, main


def body(run):
    rounds = run.pick(5, 100)
    site = run.site
    pod = site.pod("pod", "--forget-ids")
    site.app("app.example", pod.address)
    random.seed(2)
    failed = unannounced = ok = 0
    codes, drains = [], []
    options = {"shutdown-grace-period": 1}
    for i in range(rounds):
        s = run.sluice(options=options, workers=2) if i == 0 else site.sluice(options=options, workers=2, access_log="off")
        plain = site.tool("load", "--connect", s.http, "--host", "app.example", "-c", 12, "-d", 600, "--size", "0:20000", "--id-prefix", f"r{i}")
        slow = site.tool("load", "--connect", s.http, "--host", "app.example", "-c", 6, "-d", 600, "--query", "&delay=300", "--id-prefix", f"d{i}")
        idle = site.tool("load", "--connect", s.http, "--host", "app.example", "-c", 12, "-d", 600, "--rate", 24, "--id-prefix", f"i{i}")
        for t in (plain, slow, idle):
            t.wait_done(10)
        time.sleep(random.random() * 0.2)  # a random point of the traffic, not a wait
        start = time.monotonic()
        s.proc.send_signal(signal.SIGTERM)
        harness.wait_for(lambda: s.admin_get("/readyz").status == 503, "not ready")
        # The endpoint is gone for clients: they open nothing new, and go on with what is open until they are told to close.
        for t in (plain, slow, idle):
            t.proc.send_signal(signal.SIGUSR1)
        results = [t.result(60) for t in (plain, slow, idle)]
        codes.append(s.proc.wait(60))
        drains.append(time.monotonic() - start)
        for n, r in zip(("plain", "slow", "idle"), results):
            failed += r["failed"]
            unannounced += r["closed_unannounced"]
            ok += r["ok"]
            run.load_result(r, label=f"round {i} {n}")
        s.check_clean()
        for child in (plain, slow, idle, s):
            site.children.remove(child)
    run.expect(set(codes) == {0}, f"exit codes {codes}")
    run.figure(rounds=rounds, requests=ok, failed=failed, closed_unannounced=unannounced, exit_codes=sorted(set(codes)), longest_drain_s=round(max(drains), 2))


if __name__ == "__main__":
    main("sigterm", body)
