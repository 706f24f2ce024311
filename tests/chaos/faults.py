#!/usr/bin/env python3
"""Pods and machines that misbehave while others are well, with resilience: recommended:

slow      one of ten pods answers a hundred times slower than the others: p99 stays within 1.5 times of what it is when all are well
liar      one of ten pods answers 503 at once: 0 requests fail beyond those that it takes to leave it out, p99 likewise
vanish    the node of three of ten pods vanishes: what it was sent is never acknowledged, and no connection to it ends. No GET fails,
          and after three seconds p99 is what it was
down      all pods are gone and come back: the first request is answered within a second, and pods are asked at most 1.2 times as often as
          clients ask, and retry-budget-min-rate
flapping  endpoints change a hundred times a second: memory stays flat
reused    another Service's pod gets the address of one that is gone: no client of either gets an answer of the other
disk      the disk that long bodies are collected on is full: these get 503, nobody else notices, and they are served when there is room again
dns       the name of an ExternalName Service gets no answer, a wrong one, one that is forged: the pod that was known last is asked, and no other"""
import os
import random
import re
import signal
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path

from common import harness, main
from pods import pod_at, write

HOST = "app.example"
RATE = 1000
WAIT = 5  # milliseconds that a pod takes that is well


def load(run, sluice, seconds, rate=RATE, host=HOST, **more):
    extra = [str(x) for k, v in more.items() for x in ("--" + k.replace("_", "-"), v)]
    return run.site.tool("load", "--connect", sluice.http, "--host", host, "-c", 64, "-d", seconds, "--rate", rate, "--per-connection", 900, "--size", "0:8000", *extra)


def kill(*pods):
    for p in pods:
        p.proc.kill()


def one_of_ten(run, name, *args, may_fail=0):
    """p99 with ten pods that are well, then with one of them that is not."""
    site, seconds = run.site, run.pick(4, 20)
    well = [pod_at(site, f"p{i}", "--delay", WAIT) for i in range(10)]
    write(site, well)
    sluice = run.sluice(workers=2, options={"resilience": "recommended"})
    load(run, sluice, 1).result(60)  # connections are made, workers know their pods
    healthy = load(run, sluice, seconds).result(60)
    run.load_result(healthy, label=f"{name}, all well")
    ill = pod_at(site, "ill", *args)
    sluice.changed(lambda: write(site, [*well[1:], ill]))
    with_it = load(run, sluice, seconds).result(60)
    run.expect(with_it["failed"] <= may_fail, f"{name}: {with_it['failed']} requests failed: {with_it['details']}")
    bound = max(1.5 * healthy["p99_ms"], healthy["p99_ms"] + 2)
    run.expect(with_it["p99_ms"] <= bound, f"{name}: p99 is {with_it['p99_ms']} ms, and {healthy['p99_ms']} where all are well")
    run.figure(**{name: {"requests": with_it["ok"], "failed": with_it["failed"], "p99_ms": with_it["p99_ms"], "p99_ms_all_well": healthy["p99_ms"],
                         "p999_ms": with_it["p999_ms"], "asked_of_it": ill_asked(ill)}})
    kill(*well, ill)
    sluice.stop()


def ill_asked(pod):
    control = next(line.split()[-1] for line in pod.out if line.startswith("listening control"))
    return harness.http_get(control, "/stats").json()["requests"]


def slow(run):
    one_of_ten(run, "slow", "--delay", WAIT * 100)


def liar(run):
    # Two workers may each have some under way when it is left out, which comes back after ten seconds, then after twenty.
    one_of_ten(run, "liar", "--status", 503, may_fail=run.pick(15, 25))


class Node:
    """A machine of its own, as a network namespace: `vanish` lets nothing of it arrive any more."""

    def __init__(self, number):
        self.name, self.ours, self.theirs = f"sluice-node-{os.getpid()}-{number}", f"10.213.{number}.1", f"10.213.{number}.2"
        veth = f"sl{os.getpid() % 100000}n{number}"  # which ends with the namespace
        self.run("netns", "add", self.name)
        self.run("link", "add", veth, "type", "veth", "peer", "name", "uplink", "netns", self.name)
        self.run("addr", "add", f"{self.ours}/24", "dev", veth)
        self.run("link", "set", veth, "up")
        for args in (("addr", "add", f"{self.theirs}/24", "dev", "uplink"), ("link", "set", "uplink", "up"), ("link", "set", "lo", "up")):
            self.run("-n", self.name, *args)

    @staticmethod
    def run(*args):
        subprocess.run(["ip", *args], check=True, timeout=20)

    def vanish(self):
        self.run("-n", self.name, "route", "add", "blackhole", f"{self.ours}/32")

    def end(self):
        subprocess.run(["ip", "netns", "del", self.name], timeout=20)

    def pod(self, run, name, *args):
        return pod_at(run.site, name, *args, listen=f"{self.theirs}:0", within=("ip", "netns", "exec", self.name))


def vanish(run):
    if os.geteuid() != 0:
        return run.say("vanish: NOT RUN, a network namespace needs root")
    site, seconds = run.site, run.pick(4, 20)
    node = Node(1)
    try:
        pods = [pod_at(site, f"p{i}", "--delay", WAIT) for i in range(7)]
        lost = [node.pod(run, f"lost{i}", "--delay", WAIT) for i in range(3)]
        write(site, pods + lost)
        sluice = run.sluice(workers=2, options={"resilience": "recommended"})
        load(run, sluice, 1).result(60)
        healthy = load(run, sluice, seconds).result(60)
        run.load_result(healthy, label="vanish, all well")
        during = load(run, sluice, 4, timeout=60)
        during.wait_connected(64)
        time.sleep(1)
        node.vanish()
        time.sleep(3)
        after = load(run, sluice, seconds).result(60)
        d = during.result(120)
        run.load_result(d, label="vanish, when it vanishes", unannounced=False)
        run.load_result(after, label="vanish, three seconds later")
        bound = max(1.5 * healthy["p99_ms"], healthy["p99_ms"] + 2)
        run.expect(after["p99_ms"] <= bound, f"vanish: p99 is {after['p99_ms']} ms three seconds later, and was {healthy['p99_ms']}")
        run.figure(vanish={"requests": d["ok"] + after["ok"], "failed": d["failed"] + after["failed"], "p99_ms_all_well": healthy["p99_ms"], "p99_ms_meanwhile": d["p99_ms"],
                           "p99_ms_3_s_later": after["p99_ms"], "ejections": sluice.metric("sluice_endpoint_ejections_total"), "retries": sluice.metric("sluice_upstream_retries_total")})
        kill(*pods, *lost)
        sluice.stop()
    finally:
        node.end()


def down(run):
    site, seconds = run.site, run.pick(3, 10)
    pods = [pod_at(site, f"p{i}", "--delay", WAIT) for i in range(3)]
    write(site, pods)
    sluice = run.sluice(workers=2, options={"resilience": "recommended", "proxy-next-upstream": "error timeout http_503"})
    load(run, sluice, 1).result(60)
    kill(*pods)
    for p in pods:
        p.proc.wait()
    # Clients go on asking: each gets an error at once, and pods that are gone are not asked over and over.
    errors = load(run, sluice, seconds, rate=200, status=502)
    r = errors.result(60)
    asked = r["ok"] + r["failed"]
    back = [pod_at(site, p.argv[2], "--delay", WAIT, listen=p.address) for p in pods]
    begin = time.monotonic()
    status = 0
    while status != 200 and time.monotonic() - begin < 10:
        status = sluice.get("/", HOST).status
    recovered = time.monotonic() - begin
    run.expect(recovered <= 1, f"down: the first answer came {recovered:.1f} s after the pods were back")
    # Under load: what pods are asked, beside what clients ask.
    sluice.stop()
    ill = [pod_at(site, f"ill{i}", "--delay", WAIT, "--status", 503) for i in range(3)]
    write(site, ill)
    sluice = run.sluice(workers=2, options={"resilience": "recommended", "proxy-next-upstream": "error timeout http_503"})
    failing = load(run, sluice, run.pick(5, 20), rate=500, status=503).result(60)
    of_clients, of_pods = failing["ok"] + failing["failed"], sum(map(ill_asked, ill))
    # A fifth, and what retry-budget-min-rate lets through while there were few requests: ten seconds of it, for each worker.
    run.expect(of_pods <= 1.2 * of_clients + 2 * 10 * 10, f"down: {of_clients} requests of clients became {of_pods}")
    run.figure(down={"asked_meanwhile": asked, "first_answer_after_s": round(recovered, 3), "client_requests_of_an_outage": of_clients, "pod_requests": of_pods, "retries": sluice.metric("sluice_upstream_retries_total")})
    kill(*back, *ill)
    sluice.stop()


def memory(sluice):
    return int(re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{sluice.proc.pid}/status").read_text()).group(1)) / 1000


def flapping(run):
    site, seconds = run.site, run.pick(6, 60)
    pods = [pod_at(site, f"p{i}") for i in range(20)]
    write(site, pods)
    sluice = run.sluice(workers=2, options={"resilience": "recommended"})
    loads = load(run, sluice, seconds * 2)
    loads.wait_connected(64)
    random.seed(3)
    changes, marks, begin = 0, [], time.monotonic()
    while time.monotonic() - begin < seconds * 1.5:
        write(site, random.sample(pods, random.randrange(5, 20)))
        changes += 1
        if len(marks) < 2 and time.monotonic() - begin > seconds * (0.5 + len(marks)):
            marks.append(memory(sluice))
        time.sleep(0.005)
    took = time.monotonic() - begin
    marks.append(memory(sluice))
    run.load_result(loads.result(60), label="flapping")
    run.expect(marks[-1] <= marks[0] * 1.1 + 2, f"flapping: memory goes from {marks[0]:.1f} to {marks[-1]:.1f} MB")
    run.expect(changes / took >= 50, f"flapping: only {changes / took:.0f} changes a second")
    run.figure(flapping={"changes_a_second": round(changes / took), "memory_mb": marks})
    kill(*pods)
    sluice.stop()


def reused(run):
    """Each Service says in a field of its own who answered; addresses go from pods of one to pods of the other, as they do."""
    site, times = run.site, run.pick(10, 100)
    def slices(name, pods):
        out = harness.slices(name, [p.address for p in pods])
        for s in out:
            for e, p in zip(s["endpoints"], [p for p in pods if p.address.endswith(f":{s['ports'][0]['port']}")]):
                e["targetRef"] = {"kind": "Pod", "namespace": "default", "name": p.name}
        return out
    def state(one, two):
        site.manifests.write("both.yaml", harness.ingress("one", {"one.example": "one"}), harness.service("one"), *slices("one", one),
                             harness.ingress("two", {"two.example": "two"}), harness.service("two"), *slices("two", two))
    def pod(name, listen="127.0.0.1:0"):
        p = pod_at(site, name, listen=listen)
        p.name = name
        return p
    one, two = [pod("one-0"), pod("one-1")], [pod("two-0"), pod("two-1")]
    state(one, two)
    sluice = run.sluice(workers=2, options={"resilience": "recommended"})
    asked = crossed = failed = 0
    for i in range(times):
        # A pod of each goes, as Kubernetes does it: out of the slice, then its process, then its address is another's.
        a, b = one[0], two[0]
        sluice.changed(lambda: state(one[1:], two[1:]))
        kill(a, b)
        a.proc.wait(), b.proc.wait()
        new_one, new_two = pod(f"one-{i + 2}", listen=b.address), pod(f"two-{i + 2}", listen=a.address)
        one, two = [one[1], new_one], [two[1], new_two]
        version = sluice.version()
        state(one, two)  # and requests come while it is taken over
        with sluice.raw() as c:
            for _ in range(50):
                for name in ("one", "two"):
                    answer = c.get("/", f"{name}.example")
                    asked += 1
                    failed += answer.status != 200
                    crossed += answer.status == 200 and not answer.get("x-pod").startswith(name)
        harness.wait_for(lambda: sluice.version() > version, "it is taken over")
    run.expect(crossed == 0 and failed == 0, f"reused: of {asked} requests {crossed} got an answer of the other Service, {failed} failed")
    run.figure(reused={"addresses_that_changed_hands": 2 * times, "requests": asked, "crossed": crossed, "failed": failed})
    kill(*one, *two)
    sluice.stop()


def in_its_own_mounts(command, *args):
    """What `command` of a shell mounts is seen by the proxy alone, and goes with it. Its arguments are $0, $1 and so on."""
    shift = f"shift {len(args) - 1};" if len(args) > 1 else ""
    return "unshare", "--mount", "--propagation", "private", "sh", "-c", f'{command} && {{ {shift} exec "$@"; }}', *map(str, args)


def disk(run):
    if os.geteuid() != 0:
        return run.say("disk: NOT RUN, to mount a small one needs root")
    site, seconds = run.site, run.pick(4, 20)
    where = Path(run.directory.name) / "small"
    where.mkdir()
    pods = [pod_at(site, f"p{i}") for i in range(2)]
    site.manifests.write("app.yaml", harness.ingress("app", {HOST: "app"}), harness.ingress("up", {"up.example": "app"}, annotations={"proxy-request-buffering": "on", "proxy-body-size": "16m"}),
                         harness.service("app"), *harness.slices("app", [p.address for p in pods]))
    sluice = run.sluice("--buffer-directory", where, workers=2, wrap=in_its_own_mounts('mount -t tmpfs -o size=2m tmpfs "$0"', where))
    counts, lock, over = {"200": 0, "503": 0, "small": 0, "other": []}, threading.Lock(), threading.Event()

    def ask(size):
        try:
            with sluice.raw(timeout=30) as c:
                c.send(f"POST /x HTTP/1.1\r\nHost: up.example\r\nContent-Length: {size}\r\n\r\n")
                c.try_send(b"x" * size)
                return c.answer("POST").status
        except (OSError, EOFError, AssertionError) as e:
            return repr(e)

    def upload():
        while not over.is_set():
            status = ask(1_500_000)
            with lock:
                if str(status) in counts:
                    counts[str(status)] += 1
                else:
                    counts["other"].append(status)

    def small():
        while not over.wait(0.02):
            status = ask(4000)
            with lock:
                if status == 200:
                    counts["small"] += 1
                else:
                    counts["other"].append(f"small: {status}")
    others = load(run, sluice, seconds + 1, rate=300)
    threads = [threading.Thread(target=f) for f in (upload, upload, upload, upload, small)]
    for t in threads:
        t.start()
    time.sleep(seconds)
    over.set()
    for t in threads:
        t.join()
    run.load_result(others.result(60), label="disk, those that need none")
    run.expect(counts["503"] > 0, "disk: it was never full")
    run.expect(not counts["other"], f"disk: {counts['other'][:3]}")
    afterwards = [ask(1_500_000) for _ in range(3)]
    run.expect(afterwards == [200] * 3, f"disk: with room again {afterwards}")
    run.expect(any("No space left on device" in line for line in sluice.err), "disk: nobody was told")
    run.figure(disk={"uploads_served": counts["200"], "uploads_503": counts["503"], "short_uploads_served": counts["small"], "afterwards": afterwards})
    kill(*pods)
    sluice.stop()


class Dns:
    """Answers questions for addresses as `how` says; what it forges leads to `liar`."""

    def __init__(self, address, liar):
        self.how, self.address, self.liar, self.asked = "well", address, liar, {}
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                question, client = self.socket.recvfrom(4096)
            except OSError:
                return
            self.asked[self.how] = self.asked.get(self.how, 0) + 1
            for answer in self.answers(question):
                self.socket.sendto(answer, client)

    def answers(self, question):
        number, = struct.unpack("!H", question[:2])
        end = question.index(b"\0", 12) + 5
        asked, kind = question[12:end], struct.unpack("!H", question[end - 4:end - 2])[0]

        def answer(address, number=number, code=0, name=b"\xc0\x0c", asked=asked):
            records = b"" if code or kind != 1 else name + struct.pack("!HHIH", 1, 1, 1, 4) + socket.inet_aton(address)
            return struct.pack("!HHHHHH", number, 0x8180 | code, 1, 1 if records else 0, 0, 0) + asked + records
        forged = answer(self.liar, number=number ^ 0x5A5A)
        if self.how == "well":
            return [answer(self.address)]
        if self.how == "forged":  # of another number, then of another question, by the right sender
            return [forged, answer(self.liar, asked=b"\x05other\x07example\0" + asked[-4:])]
        if self.how == "broken":
            return [question[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + asked + b"\xc0\xff\0\1", question[:7], b""]
        return {"nxdomain": [answer("", code=3)], "servfail": [answer("", code=2)], "refused": [answer("", code=5)], "empty": [struct.pack("!HHHHHH", number, 0x8180, 1, 0, 0, 0) + asked], "silent": []}[self.how]


def dns(run):
    if os.geteuid() != 0:
        return run.say("dns: NOT RUN, a resolv.conf of its own needs root")
    site, seconds = run.site, run.pick(3, 10)
    first = pod_at(site, "first")
    port = int(first.address.rsplit(":", 1)[1])
    second, liar = pod_at(site, "second", listen=f"127.0.0.2:{port}"), pod_at(site, "liar", listen=f"127.0.0.3:{port}")
    server = Dns("127.0.0.1", "127.0.0.3")
    conf = Path(run.directory.name) / "resolv.conf"
    conf.write_text(f"nameserver 127.0.0.1:{server.port}\noptions timeout:1 attempts:1\n")
    site.manifests.write("app.yaml", harness.ingress("app", {HOST: [("/", "Prefix", "app", port)]}), harness.service("app", port=port, external="pods.example"))
    sluice = run.sluice(workers=2, options={"allow-destinations": "pods.example"}, wrap=in_its_own_mounts('mount --bind "$0" /etc/resolv.conf', conf))
    harness.wait_for(lambda: any(c["endpoints"] for c in sluice.config()["clusters"]), "the name is known")
    out = {}
    for how in ("well", "silent", "nxdomain", "servfail", "refused", "empty", "broken", "forged"):
        # A try that fails lets the next one wait longer, up to a minute: after each fault the name is well again.
        server.how = "well"
        known = server.asked.get("well", 0)
        harness.wait_for(lambda: server.asked.get("well", 0) > known, f"it is asked before {how}", 90)
        server.how = how
        r = load(run, sluice, seconds, rate=300).result(60)
        run.load_result(r, label=f"dns, {how}")
        run.expect(server.asked.get(how, 0) > 0, f"dns: nobody asked while it was {how}")
        out[how] = {"requests": r["ok"], "failed": r["failed"], "asked": server.asked.get(how, 0)}
    run.expect(ill_asked(liar) == 0, f"dns: {ill_asked(liar)} requests went where forged answers led")
    run.expect(ill_asked(second) == 0, "dns: nobody had said the second address")
    server.how, server.address = "well", "127.0.0.2"
    harness.wait_for(lambda: sluice.get("/", HOST).get("x-pod") == "second", "what it says when it is well counts", 90)
    run.figure(dns=out)
    server.socket.close()
    kill(first, second, liar)
    sluice.stop()


PARTS = {f.__name__: f for f in (slow, liar, vanish, down, flapping, reused, disk, dns)}


def body(run):
    for name in run.args.parts.split(",") if run.args.parts else PARTS:
        PARTS[name](run)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: exit(1))
    main("faults", body, parts="")
