#!/usr/bin/env python3
"""What one change costs with 10,000 Ingresses and 20,000 endpoints loaded: allocations and bytes in the whole process, the time to
compile, the pause of each worker, and the time from the file's change until it is published; for one endpoint, one route
and one certificate, under a light load that must not notice."""
import json
import os
import pathlib
import struct
import time

from common import harness, main

TOOLS = pathlib.Path(os.environ["TOOLS"])


YAML = """apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: app{i}
  namespace: default
spec:
  ingressClassName: nginx
  rules:
    - host: h{i}.example
      http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service:
                name: s{i}
                port:
                  number: 80
---
apiVersion: v1
kind: Service
metadata:
  name: s{i}
  namespace: default
spec:
  ports:
    - name: http
      port: 80
      targetPort: 8080
---
"""


def load_times(run, count):
    """Seconds from start to ready with `count` Ingresses and as many Services: one file, and a hundred."""
    for kind in ("json", "yaml"):
        for files in (1, 100):
            site = type(run.site)(run.site.tmp / f"load-{kind}-{files}")
            for f in range(files):
                of_file = range(f, count, files)
                if kind == "yaml":
                    site.manifests.text(f"part{f}.yaml", "".join(YAML.format(i=i) for i in of_file))
                else:
                    site.manifests.write(f"part{f}.json", *[o for i in of_file for o in (harness.ingress(f"app{i}", {f"h{i}.example": f"s{i}"}), harness.service(f"s{i}"))])
            begin = time.monotonic()
            sluice = site.sluice(access_log="off")
            seconds = round(time.monotonic() - begin, 2)
            run.expect(sluice.metric("sluice_config_objects", kind="hosts") == count, f"{kind}, {files} files: all hosts are there")
            run.figure(**{f"load_{kind}_{files}_files": {"seconds": seconds, "rss_mb": sluice.rss_kb() >> 10}})
            run.say(f"{count} Ingresses and Services, {kind}, {files} files: ready after {seconds} s, resident {sluice.rss_kb() >> 10} MB")
            run.expect(seconds <= {"json": 2, "yaml": 7}[kind], f"{kind}, {files} files: ready after {seconds} s")
            sluice.stop()


def body(run):
    load_times(run, run.pick(1000, 10000))
    hosts = run.pick(1000, 10000)
    rounds = run.pick(5, 20)
    site = run.site
    pod, other = site.pod("pod", "--forget-ids"), site.pod("other", "--forget-ids")
    pairs = [harness.certificate("one.example", serial=i + 1) for i in range(2)]
    for at in range(0, hosts, 500):
        objects = []
        for i in range(at, min(at + 500, hosts)):
            objects += [harness.ingress(f"app{i}", {f"h{i}.example": f"s{i}"}, tls=[([f"h{i}.example"], f"t{i % 50}")]), harness.service(f"s{i}"),
                        harness.endpoint_slice(f"s{i}", [f"127.1.{i >> 8}.{i & 255}:8080", f"127.2.{i >> 8}.{i & 255}:8080"])]
        site.manifests.write(f"part{at:05}.json", *objects)
    site.manifests.write("secrets.json", *[harness.tls_secret(f"t{i}", *harness.certificate(*[f"h{j}.example" for j in range(i, hosts, 50)][:60])) for i in range(50)])
    paths = lambda i: [("/", "Prefix", "one", 80), (f"/extra{i}", "Prefix", "one", 80)]
    route = lambda i: site.manifests.write("one-ingress.json", harness.ingress("one", {"one.example": paths(i)}, tls=[(["one.example"], "one-tls")]))
    endpoint = lambda i: site.manifests.write("one-slice.json", harness.endpoint_slice("one", [(pod, other)[i % 2].address]))
    certificate = lambda i: site.manifests.write("one-secret.json", harness.tls_secret("one-tls", *pairs[i % 2]))
    site.manifests.write("one-service.json", harness.service("one"))
    for write in (route, endpoint, certificate):
        write(0)
    counters = pathlib.Path(run.directory.name) / "malloc-count"
    start = time.monotonic()
    sluice = run.sluice(workers=2, options={"ssl-redirect": "false"}, env={"LD_PRELOAD": str(TOOLS / "libmalloc-count.so"), "MALLOC_COUNT": str(counters)})
    run.figure(ingresses=hosts + 1, endpoints=int(sluice.metric("sluice_config_objects", kind="endpoints")), load_seconds=round(time.monotonic() - start, 2))
    run.expect(sluice.metric("sluice_config_objects", kind="hosts") == hosts + 1, "all hosts are served")
    read = lambda: struct.unpack("QQ", counters.read_bytes()[:16])

    published = lambda: json.loads(sluice.admin_get("/version").body)["version"]

    def change(write, i):
        """(allocations, bytes, compile us, longest pause us, ms until live) of one change; asking allocates too, and is taken off."""
        before = published()
        a = read()
        published()
        asking = [y - x for x, y in zip(a, read())]
        a, begin, asked = read(), time.monotonic(), 0
        write(i)
        while True:
            asked += 1
            if published() > before:
                break
        live = time.monotonic() - begin
        b = read()
        while True:  # it is published; a worker that is busy takes it in its next turn
            m = sluice.metrics()
            versions = {v for (n, _), v in m.items() if n == "sluice_worker_config_version"}
            if versions == {before + 1} or time.monotonic() > begin + 5:
                break
        run.expect(versions == {before + 1}, f"every worker serves version {before + 1}: {versions}")
        pauses = [v for (n, _), v in m.items() if n == "sluice_worker_publish_pause_seconds"]
        compile_s = next(v for (n, _), v in m.items() if n == "sluice_config_compile_seconds")
        return b[0] - a[0] - asked * asking[0], b[1] - a[1] - asked * asking[1], compile_s * 1e6, max(pauses) * 1e6, live * 1e3

    load = site.tool("load", "--connect", sluice.http, "--host", "one.example", "-c", 8, "-d", 3600, "--rate", 100)
    load.wait_done(10)
    worst = 0
    for name, write in (("endpoint", endpoint), ("route", route), ("certificate", certificate)):
        figures = []
        for i in range(1, rounds + 1):
            figures.append(change(write, i))
            time.sleep(0.06)  # outside the batching window: each change by itself
        middle = lambda k: sorted(f[k] for f in figures)[len(figures) // 2]
        worst = max(worst, max(f[3] for f in figures))
        run.figure(**{name: {"allocations": middle(0), "allocated_bytes": middle(1),
                             "compile_us": round(middle(2), 1), "pause_us_median": round(middle(3), 1),
                             "pause_us_worst": round(max(f[3] for f in figures), 1), "live_ms_median": round(middle(4), 1), "live_ms_worst": round(max(f[4] for f in figures), 1)}})
        run.say(f"{name}: {json.dumps(run.figures[name])}")
        run.expect(middle(4) <= 200, f"one {name} is live in {middle(4):.0f} ms, not 200")
    run.expect(worst <= 200, f"a worker paused {worst:.0f} us for a change, not 200")
    run.load_result(load.result(60, stop=True))


if __name__ == "__main__":
    main("cost", body)
