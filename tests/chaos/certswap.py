#!/usr/bin/env python3
"""1,000 swaps of a mounted Secret through ..data, one pair in ten broken, during handshakes: never a wrong certificate, never a failed
handshake. A broken pair keeps the last good one."""
import os
import random
import shutil
import threading
import json

from common import harness, main


def volume(root, number, files):
    new = root / f"..2026_{number}"
    new.mkdir()
    for name, text in files.items():
        (new / name).write_text(text)
    os.symlink(new.name, root / "..data_tmp")
    old = os.readlink(root / "..data") if (root / "..data").is_symlink() else None
    os.rename(root / "..data_tmp", root / "..data")
    for name in files:
        if not (root / name).is_symlink():
            os.symlink(f"..data/{name}", root / name)
    if old:
        shutil.rmtree(root / old)


def body(run):
    swaps = run.pick(60, 1000)
    site = run.site
    pod = site.pod("pod", "--forget-ids")
    hosts = ["a.example", "b.example"]
    certs = {h: [harness.certificate(h, serial=(hosts.index(h) + 1) * 1000 + i) for i in range(8)] for h in hosts}
    root = site.manifests.root / "mounted"
    root.mkdir()
    for h in hosts:
        site.app(h, pod.address, tls=[([h], h[0])], annotations={"ssl-redirect": "false"})
    current = {h: 0 for h in hosts}
    files = lambda: {f"{h[0]}.json": json.dumps(harness.tls_secret(h[0], *certs[h][current[h]])) for h in hosts}
    volume(root, 0, files())
    sluice = run.sluice(workers=2)
    allowed = {h: {int(0)} for h in hosts}
    lock = threading.Lock()
    counts = {"handshakes": 0, "wrong": 0, "failed": 0}
    stop = threading.Event()

    def hammer(h):
        base = (hosts.index(h) + 1) * 1000
        while not stop.is_set():
            try:
                with sluice.tls(h) as c:
                    serial = harness.serial_of(c)
                    good = c.get("/", h).status == 200 and h in harness.names_of(c)
                with lock:
                    counts["handshakes"] += 1
                    if not good or not base <= serial < base + 8:
                        counts["wrong"] += 1
            except (OSError, EOFError) as e:
                with lock:
                    counts["failed"] += 1
                run.say(f"handshake: {e!r}")
    threads = [threading.Thread(target=hammer, args=(h,)) for h in hosts for _ in range(2)]
    for t in threads:
        t.start()
    load = site.tool("load", "--connect", sluice.https, "--tls", "--host", "a.example", "-c", 8, "-d", 36000, "--per-connection", 50)
    random.seed(3)
    broken = 0
    for i in range(1, swaps + 1):
        h = hosts[i % 2]
        f = files()
        if i % 10 == 0:
            broken += 1
            kind = (i // 10) % 4
            other = certs[hosts[(i + 1) % 2]][0]
            pair = [(certs[h][1][0], certs[h][2][1]), ("garbage", certs[h][1][1]), (certs[h][1][0], ""), (certs[h][1][0], other[1])][kind]
            f[f"{h[0]}.json"] = json.dumps(harness.tls_secret(h[0], *pair))
            volume(root, i, f)
        else:
            current[h] = (current[h] + 1) % 8
            volume(root, i, files())
            want = (hosts.index(h) + 1) * 1000 + current[h]

            def shown():
                with sluice.tls(h) as c:
                    return harness.serial_of(c) == want
            harness.wait_for(shown, f"swap {i} is live", 10)
    stop.set()
    for t in threads:
        t.join()
    r = load.result(60, stop=True)
    run.load_result(r, label="tls load")
    run.expect(counts["wrong"] == 0 and counts["failed"] == 0, f"{counts}")
    run.figure(swaps=swaps, broken_pairs=broken, handshakes=counts["handshakes"] + r["connects"], wrong_certificates=counts["wrong"],
               failed_handshakes=counts["failed"] + r["tls_failures"], requests=r["ok"], failed_requests=r["failed"])


if __name__ == "__main__":
    main("certswap", body)
