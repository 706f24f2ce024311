#!/usr/bin/env python3
"""Three times as many requests as can be answered, sent whatever the answers do (bench/macro/goodput.cpp). What counts is goodput:
answers of 200 within half a second, a second.

pods      the pods are what is too slow: so many places, each busy for so long with a request, whatever this machine can do. With
          adaptive-concurrency goodput stays at 90 % of the best that any rate comes to; beside it, what happens without
proxy     one worker is what is too slow, for one and a half times and for three times what it can do: it has a tenth of a core, so
          that those who ask and those who answer are never what is. What it can do is what it does for as many connections. With overload-loop-lag requests of high priority are answered
          while those of low priority get 503; beside it, what happens without. Needs root and the cpu cgroup; says so where it did not run
crowd     clients take all connections, and all descriptors, and ask nothing: those who ask are served, and pods are reached"""
import json
import re
import socket
import subprocess
import time
from pathlib import Path

from common import harness, main
from cgroup import CpuCgroup, NoCgroup
from pods import HOST, pod_at, write

DEADLINE = 500  # milliseconds
PODS, PLACES, SERVICE = 4, 5, 50  # 400 requests a second
LAG = 20
CORE = 0.1
CONNECTIONS = {"high": 250, "low": 750}


def goodput(run):
    """The client, compiled as bench/macro does."""
    out = Path(run.directory.name) / "goodput"
    if not out.exists():
        subprocess.run(["g++", "-std=c++23", "-O2", "-o", out, harness.ROOT / "bench" / "macro" / "goodput.cpp"], check=True)
    return out


class Load:
    def __init__(self, run, sluice, rate, seconds, connections, host=HOST, size=100):
        self.rate, self.seconds = rate, seconds
        port = sluice.http.rsplit(":", 1)[1]
        self.proc = subprocess.Popen([goodput(run), host, port, str(rate), str(seconds), str(connections), str(DEADLINE), f"/?size={size}"],
                                     stdout=subprocess.PIPE, text=True)

    def result(self):
        out, _ = self.proc.communicate(timeout=self.seconds + 60)
        r = json.loads(out)
        every = r.pop("all")
        return {**r, "asked": int(self.rate * self.seconds), "goodput": round(r["good"] / self.seconds, 1), "rate": every["rate"],
                "errors": every["errors"], "p50_ms": round(every["p50_us"] / 1000, 1), "p99_ms": round(every["p99_us"] / 1000, 1)}


def load(*args, **kw):
    return Load(*args, **kw).result()


def row(r):
    return {k: r[k] for k in ("rate", "goodput", "refused", "late", "errors", "p50_ms", "p99_ms")}


def alive(run, sluice, name):
    run.expect(sluice.proc.poll() is None, f"{name}: the process is gone")


def pods(run):
    site, seconds = run.site, run.pick(5, 20)
    nominal = PODS * PLACES * 1000 // SERVICE
    all_pods = [pod_at(site, f"p{i}", "--delay", SERVICE, "--slots", PLACES) for i in range(PODS)]
    write(site, all_pods)
    out = {"pods": PODS, "places": PLACES, "service_ms": SERVICE, "deadline_ms": DEADLINE}
    for name, options in (("with", {"adaptive-concurrency": "true"}), ("without", {})):
        sluice = run.sluice(workers=2, options={"load-balance": "least_request", **options}, access_log="off")
        load(run, sluice, nominal // 2, 2, 200)
        sweep = [load(run, sluice, int(nominal * part), seconds, 400) for part in (0.7, 0.85, 0.95, 1.1)]
        peak = max(r["goodput"] for r in sweep)
        flooded = load(run, sluice, 3 * nominal, seconds, 2000)
        alive(run, sluice, f"pods, {name}")
        after = load(run, sluice, nominal // 2, 3, 200)
        out[name] = {"peak": peak, "sweep": [row(r) for r in sweep], "three_times": row(flooded), "afterwards": row(after),
                     "of_the_peak": round(flooded["goodput"] / peak, 3), "shed": sluice.metric("sluice_shed_requests_total")}
        run.say(f"pods, {name}: peak {peak}/s, at three times {flooded['goodput']}/s: {out[name]['of_the_peak'] * 100:.0f} %; p99 {flooded['p99_ms']} ms")
        if options:
            run.expect(flooded["goodput"] >= 0.9 * peak, f"pods: {flooded['goodput']} good answers a second at three times what pods can do, and {peak} at best")
            run.expect(after["good"] >= 0.98 * after["asked"], f"pods: afterwards {after['good']} of {after['asked']} are answered")
        sluice.stop()
    run.figure(pods=out)
    for p in all_pods:
        p.proc.kill()


def routes(site, pod):
    """One pod, a host of high and a host of low priority."""
    def ingress(name, priority):
        return harness.ingress(name, {f"{name}.example": "app"}, annotations={"priority": priority})
    site.manifests.write("app.yaml", ingress("high", "high"), ingress("low", "low"), harness.service("app"), *harness.slices("app", [pod.address]))


def proxy(run):
    site, seconds = run.site, run.pick(5, 15)
    pod = pod_at(site, "pod")
    routes(site, pod)
    out = {"deadline_ms": DEADLINE, "overload-loop-lag": LAG}
    options = {"with": {"overload-loop-lag": LAG}, "without": {}}
    try:
        groups = {name: CpuCgroup(f"sluice-chaos-{name}", CORE) for name in options}
    except NoCgroup as e:
        run.say(f"proxy: NOT RUN: {e}")
        run.figure(proxy={"skipped": str(e)})
        return
    out["core"], out["connections"] = CORE, CONNECTIONS
    both = {name: run.sluice(workers=1, options={"priority-namespaces": "*", **o}, access_log="off", wrap=groups[name].wrap()) for name, o in options.items()}
    # What one worker can do: as much as it answers of more than that.
    rate, best = 1000, 0
    while True:
        r = load(run, both["without"], rate, run.pick(2, 4), sum(CONNECTIONS.values()), host="high.example")
        best = max(best, r["goodput"])
        if r["goodput"] < 0.9 * rate:
            break
        rate = int(rate * 1.2)
    out["peak"] = best
    # In turns, as what else the machine does goes up and down.
    for times in (1.5, 3):
        rows = {name: {"high": [], "low": []} for name in both}
        for name in ("with", "without") * run.pick(2, 5):
            high, low = (Load(run, both[name], int(best * part), seconds, CONNECTIONS[who], host=f"{who}.example")
                         for who, part in (("high", 0.5), ("low", times - 0.5)))
            rows[name]["high"].append(high.result())
            rows[name]["low"].append(low.result())
            alive(run, both[name], f"proxy, {name}")
        here = out.setdefault(f"{times} times", {})
        for name, r in rows.items():
            here[name] = {who: {"in_time": round(sum(x["good"] for x in r[who]) / sum(x["asked"] for x in r[who]), 3), "refused": sum(x["refused"] for x in r[who]), "runs": [row(x) for x in r[who]]}
                          for who in ("high", "low")}
            run.say(f"proxy, {times} times, {name}: in time {here[name]['high']['in_time'] * 100:.0f} % of high priority, {here[name]['low']['in_time'] * 100:.0f} % of low priority, of which {here[name]['low']['refused']} were refused")
    for name, s in both.items():
        out[f"low_priority_refused_{name}"] = s.metric("sluice_overload_actions_total", action="low_priority_refused")
    h = out["1.5 times"]
    run.expect(h["with"]["high"]["in_time"] >= h["without"]["high"]["in_time"] - 0.02, f"proxy: of high priority {h['with']['high']['in_time']} in time with overload-loop-lag, and {h['without']['high']['in_time']} without")
    run.expect(h["with"]["high"]["in_time"] >= h["with"]["low"]["in_time"], "proxy: those of low priority fared better")
    run.expect(out["low_priority_refused_with"] > 0 and out["low_priority_refused_without"] == 0, "proxy: nobody was refused, or without the option")
    for name, s in both.items():
        s.stop()
        groups[name].remove()
    run.figure(proxy=out)
    pod.proc.kill()


class Crowd:
    """Connections that ask nothing, made anew as soon as they end."""

    def __init__(self, sluice, many):
        self.host, self.port = sluice.http.rsplit(":", 1)
        self.many, self.held = many, []

    def press(self):
        still = []
        for c in self.held:
            try:
                gone = c.recv(1, socket.MSG_DONTWAIT) == b""
            except BlockingIOError:
                gone = False
            except OSError:
                gone = True
            if gone:
                c.close()
            else:
                still.append(c)
        self.held = still
        while len(self.held) < self.many:
            c = socket.socket()
            c.setblocking(False)
            c.connect_ex((self.host, int(self.port)))
            self.held.append(c)

    def leave(self):
        for c in self.held:
            c.close()


def crowd(run):
    site, seconds = run.site, run.pick(6, 30)
    out = {}
    for name, kw in (("connections", {"options": {"max-connections": 200}}), ("descriptors", {"wrap": ("prlimit", "--nofile=256:256"), "options": {"max-connections": 100000}})):
        # A pod that keeps no connection: each request takes a descriptor.
        pod = pod_at(site, name, "--close-after", 1)
        write(site, [pod])
        sluice = run.sluice(workers=2, access_log="off", **kw)
        clients = [sluice.raw() for _ in range(4)]
        for c in clients:
            assert c.get("/", HOST).status == 200
        people, asked, served, reconnects, refused = Crowd(sluice, 500), 0, 0, 0, 0
        highest, begin = 0, time.monotonic()
        while time.monotonic() - begin < seconds:
            people.press()
            for i in range(len(clients)):
                asked += 1
                for _ in range(2):  # a connection that ended unused may be made anew, as clients do
                    try:
                        a = clients[i].get("/", HOST)
                    except (EOFError, OSError):
                        reconnects += 1
                        clients[i].close()
                        clients[i] = sluice.raw()
                        continue
                    served += a.status == 200
                    refused += a.status == 503
                    break
            highest = max(highest, len(list(Path(f"/proc/{sluice.proc.pid}/fd").iterdir())))
            time.sleep(0.05)
        held = [sluice.metric("sluice_overload_rung_held", rung=r, source=name) for r in ("close-idle", "reset-slow")]
        closed = sluice.metric("sluice_overload_actions_total", action="idle_closed")
        people.leave()
        lines = [line for line in sluice.err if re.search(rf"{name}: \d+ of \d+", line)]
        alive(run, sluice, f"crowd, {name}")
        run.expect(served >= 0.99 * asked, f"crowd, {name}: {served} of {asked} requests of those who ask were served")
        run.expect(closed > 0 and lines, f"crowd, {name}: the ladder did nothing: {closed} closed, {len(lines)} lines")
        out[name] = {"asked": asked, "served": served, "answered_503": refused, "reconnects": reconnects, "idle_closed": closed, "held_at_the_end": held,
                     "most_descriptors": highest, "lines": len(lines)}
        run.say(f"crowd, {name}: {out[name]}")
        sluice.stop()
        pod.proc.kill()
    run.figure(crowd=out)


PARTS = {f.__name__: f for f in (pods, proxy, crowd)}


def body(run):
    for name in run.args.parts.split(",") if run.args.parts else PARTS:
        PARTS[name](run)


if __name__ == "__main__":
    main("overload", body, parts="")
