#!/usr/bin/env python3
"""30 minutes of mixed traffic with faults: pods that close, reset, hang and die, changes of routes and certificates, clients that leave.
Healthy traffic: 0 failed. Memory and descriptors flat at the end."""
import random
import threading
import time

from common import harness, main


def body(run):
    seconds = run.args.duration or run.pick(15, 1800)
    site = run.site
    pods = [site.pod(f"p{i}", "--forget-ids") for i in range(2)]
    chaos = site.pod("chaos", "--forget-ids")
    cert = [harness.certificate("app.example", serial=7000 + i) for i in range(3)]
    site.manifests.write("s.json", harness.tls_secret("app-tls", *cert[0]))
    annotations = {"ssl-redirect": "false"}
    site.app("app.example", [p.address for p in pods], tls=[(["app.example"], "app-tls")], annotations=annotations)
    site.app("chaos.example", chaos.address, annotations={"proxy-read-timeout": "1"})
    s = run.sluice(workers=2)
    common = ["--host", "app.example", "-d", seconds, "--per-connection", 900]
    tools = {
        "get": site.tool("load", "--connect", s.http, "-c", 8, "--rate", 800, "--size", "0:20000", *common),
        "chunked": site.tool("load", "--connect", s.http, "-c", 4, "--rate", 200, "--size", "0:20000", "--chunked-answer", *common),
        "tls": site.tool("load", "--connect", s.https, "--tls", "-c", 4, "--rate", 300, "--size", "0:20000", *common),
        "post": site.tool("load", "--connect", s.http, "-c", 4, "--rate", 200, "--mode", "post", "--body", 20000, *common),
        "ws": site.tool("load", "--connect", s.http, "-c", 20, "--mode", "hold", *common),
    }
    stop = threading.Event()
    made = {"faults": 0, "changes": 0}

    def faults():
        r = random.Random(4)
        kinds = ["abort=100", "abort=head", "stale=1", "hold=1", "raw=48545450", "size=5000000", "chunked=1&size=100000&abort=50000", "early=1&status=413", "close=1", "nolength=1&size=1000"]
        while not stop.wait(0.02):
            try:
                with s.raw(timeout=5) as c:
                    kind = r.choice(kinds)
                    if r.random() < 0.3:
                        c.send(f"POST /?{kind} HTTP/1.1\r\nHost: chaos.example\r\nContent-Length: 1000\r\n\r\n" + "x" * r.randint(0, 1000))
                    else:
                        c.send(f"GET /?{kind} HTTP/1.1\r\nHost: chaos.example\r\n\r\n")
                    if r.random() < 0.5:
                        c.sock.settimeout(r.random())
                        c.sock.recv(1000)
                    if r.random() < 0.5:
                        c.reset()
            except OSError:
                pass
            made["faults"] += 1

    def changes():
        i = 0
        while not stop.wait(0.3):
            i += 1
            if i % 3 == 0:
                site.manifests.write("s.json", harness.tls_secret("app-tls", *cert[i % 9 // 3]))
            elif i % 3 == 1:
                site.app("app.example", [p.address for p in (pods if i % 2 else pods[:1])], tls=[(["app.example"], "app-tls")], annotations=annotations)
            else:
                site.app(f"extra{i % 50}.example", pods[0].address)
            made["changes"] += 1
    threads = [threading.Thread(target=f) for f in (faults, faults, changes)]
    for t in threads:
        t.start()
    samples = []
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        time.sleep(min(seconds / 60, 10))
        samples.append((round(time.monotonic() - begin), s.rss_kb(), s.fds()))
        if len(samples) % 10 == 0:
            run.say(f"after {samples[-1][0]} s: resident {samples[-1][1]} kB, {samples[-1][2]} descriptors, {made}")
    stop.set()
    for t in threads:
        t.join()
    results = {n: t.result(120) for n, t in tools.items()}
    for n, r in results.items():
        run.load_result(r, label=n)
    # Flat: the median of the last fifth against the median of the second fifth.
    fifth = max(1, len(samples) // 5)
    middle = lambda part, k: sorted(x[k] for x in part)[len(part) // 2]
    early, late = samples[fifth:2 * fifth] or samples, samples[-fifth:]
    rss = middle(early, 1), middle(late, 1)
    fds = middle(early, 2), middle(late, 2)
    run.expect(rss[1] <= rss[0] * 1.1 + 4096, f"resident {rss[0]} -> {rss[1]} kB")
    run.expect(fds[1] <= fds[0] + 50, f"descriptors {fds[0]} -> {fds[1]}")
    run.figure(duration_s=seconds, requests=sum(r["ok"] for r in results.values()), failed=sum(r["failed"] for r in results.values()), faults=made["faults"], changes=made["changes"],
               rss_kb_early=rss[0], rss_kb_late=rss[1], fds_early=fds[0], fds_late=fds[1], p99_ms={n: r["p99_ms"] for n, r in results.items()}, samples=samples[:: max(1, len(samples) // 30)])


if __name__ == "__main__":
    main("soak", body, duration=0)
