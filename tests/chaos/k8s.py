#!/usr/bin/env python3
"""20 minutes of random changes of objects in a real cluster, and of faults of its API server, under load on two replicas: no request
fails that had a healthy pod, and at the end both serve what a fresh process makes of the API's state. Needs tests/k8s/build.sh and root."""
import base64
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path

from common import harness, main

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "k8s"))
from cluster import ADDRESS, CLASS, Cluster, Sluice  # noqa: E402
from test_faults import Unwell  # noqa: E402
from test_outage import compact  # noqa: E402

NAMESPACES = ["chaos-a", "chaos-b"]
STABLE, FRAIL, NAMES = 6, 2, 40  # hosts whose pods only come and go in good order; whose pods are killed; other objects of each kind
PREFIX = "nginx.ingress.kubernetes.io"
ANNOTATIONS = [("proxy-read-timeout", ["61", "soon", ""]), ("proxy-next-upstream-tries", ["2", "-1"]), ("permanent-redirect", ["https://a.example/", "no\turl"]),
               ("ssl-redirect", ["false", "maybe"]), ("proxy-body-size", ["2m", "2 kilos"]), ("auth-url", ["http://x/"]), ("no-such-thing", ["1"]),
               ("proxy-ssl-secret", ["chaos-a/s1", "nowhere"]), ("backend-protocol", ["HTTPS", "GOPHER"])]
OPTIONS = [("hsts-max-age", ["100", "long"]), ("keep-alive-requests", ["950", "1000"]), ("proxy-connect-timeout", ["4", "5"]), ("upstream-keepalive-connections", ["100", "x"]),
           ("via", ["true", "false"]), ("bogus", ["1"]), ("ssl-session-timeout", ["5m"]), ("proxy-next-upstream-tries", ["3", "4"])]
PORT = {"name": "http", "port": 80}


class StrictPod(harness.Process):
    """On the namespace's own address."""

    def __init__(self, cluster, name):
        super().__init__(cluster.inside(f"{harness.TOOLS}/strict-pod", "--name", name, "--listen", f"{ADDRESS}:0", "--forget-ids"))
        self.cluster = cluster
        cluster.children.append(self)  # ends with it
        self.port, self.control = (int(self.wait_line(rf"^listening {what} \S+:(\d+)")[1]) for what in ("pod", "control"))

    def stats(self):
        return harness.json.loads(self.cluster.request(self.control, "/stats")[1])


def meta(name, ns="default", **more):
    return {"name": name, "namespace": ns, **more}


def service(name, ns="default", port=None):
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta(name, ns), "spec": {"ports": [port or PORT]}}


def endpoint_slice(name, owner, ports, ns="default", states=({"ready": True},)):
    """The pods have one address: a slice has one port, so each pod gets a slice of its own, or a state for its endpoint."""
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": meta(name, ns, labels={"kubernetes.io/service-name": owner}), "ports": [{"name": "http", "port": ports, "protocol": "TCP"}],
            "endpoints": [{"addresses": [ADDRESS], "conditions": s} for s in states]}


def ingress(name, host, owner, ns="default", paths=("/",), annotations=None, tls=None, cls="nginx", kind="Prefix"):
    spec = {"ingressClassName": cls, "rules": [{"host": host, "http": {"paths": [
        {"path": p, "pathType": kind, "backend": {"service": {"name": owner, "port": {"number": 80}}}} for p in paths]}}]}
    if tls:
        spec["tls"] = [{"hosts": [host], "secretName": tls}]
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta(name, ns, annotations={f"{PREFIX}/{k}": v for k, v in (annotations or {}).items()}),
            "spec": spec}


class Changes:
    """Random changes, by the API server that stays."""

    def __init__(self, run, api, cluster):
        self.run, self.api, self.cluster, self.r = run, api, cluster, random.Random(run.args.seed)
        self.pods = [StrictPod(cluster, f"p{i}") for i in range(4)]
        self.frail = [StrictPod(cluster, f"f{i}") for i in range(3)]
        self.certificates = [harness.certificate("tls.example", serial=9000 + i) for i in range(4)]
        self.made, self.refused, self.killed, self.broken = {}, 0, 0, set()

    def apply(self, o, must=False):
        status, answer = self.api.call("PATCH", self.api.path(o["kind"], o["metadata"]["namespace"], o["metadata"]["name"]) + "?fieldManager=chaos&force=true", o,
                                       "application/apply-patch+yaml")
        assert not must or status // 100 == 2, f"{o['metadata']['name']}: {status} {answer}"
        self.refused += status // 100 != 2  # by the API server itself

    def secret(self, name, ns="default", pair=None):
        return harness.tls_secret(name, *(pair or self.r.choice(self.certificates)), ns)

    def begin(self):
        for ns in (*NAMESPACES, "ingress-nginx"):
            self.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ns}})
        self.apply(self.secret("stable-tls"), True)
        for i in range(STABLE + FRAIL):
            self.apply(service(f"h{i}"), True)
            self.endpoints(i, True)
            self.stable_ingress(i)

    def endpoints(self, i, all_=False):
        """Of a host under load: one pod at least takes requests; others may be unready, ending, or not there."""
        pods = self.pods if i < STABLE else self.frail
        takes = set(range(len(pods))) if all_ else set(self.r.sample(range(len(pods)), self.r.randint(1, len(pods))))
        # First those that come, then those that go: the state in between has a healthy one too.
        for n in sorted(range(len(pods)), key=lambda n: n not in takes):
            if n in takes:
                self.apply(endpoint_slice(f"h{i}-{n}", f"h{i}", pods[n].port), True)
            elif self.r.random() < 0.5:
                self.api.delete("EndpointSlice", f"h{i}-{n}")
            else:
                self.apply(endpoint_slice(f"h{i}-{n}", f"h{i}", pods[n].port, states=[self.r.choice(
                    [{"ready": False}, {"ready": False, "serving": True, "terminating": True}])]), True)

    def stable_ingress(self, i):
        annotations = {"ssl-redirect": "false", "proxy-read-timeout": str(self.r.randint(50, 70))}
        paths = ["/"] + [f"/{self.r.randint(1, 9)}" for _ in range(self.r.randint(0, 2))]
        self.apply(ingress(f"h{i}", "tls.example" if i == 0 else f"h{i}.example", f"h{i}", paths=sorted(set(paths)), annotations=annotations,
                           tls="stable-tls" if i == 0 else self.r.choice([None, "stable-tls", "absent"])), True)

    def kill_a_pod(self):
        """Without a word, once both replicas know the other pods of its Services. False: they do not, for the API is not well."""
        n = self.r.randrange(len(self.frail))
        for i in range(STABLE, STABLE + FRAIL):
            self.endpoints(i, True)
        try:
            harness.wait_for(lambda: all(self.known(s) for s in self.replicas), "the endpoints", 2, 0.1)
        except AssertionError:
            return False
        self.frail[n].proc.kill()
        self.frail[n].stop()
        self.killed += 1
        self.frail[n] = StrictPod(self.cluster, f"f{n}-{self.killed}")
        for i in range(STABLE, STABLE + FRAIL):
            self.endpoints(i, True)
        return True

    def known(self, s):
        want, names = {p.port for p in self.frail}, {f"h{STABLE + n}" for n in range(FRAIL)}
        return all({e["port"] for e in c["endpoints"] if e["ready"]} >= want for c in s.config()["clusters"] if c["namespace"] == "default" and c["service"] in names)

    def something(self):
        """One change of an object that carries no promise."""
        r, ns, n = self.r, self.r.choice(NAMESPACES), self.r.randrange(NAMES)
        kind = r.choice(["Ingress"] * 5 + ["Service", "EndpointSlice", "EndpointSlice", "Secret", "ConfigMap", "IngressClass"])
        self.made[kind] = self.made.get(kind, 0) + 1
        if kind == "ConfigMap":
            data = {k: r.choice(v) for k, v in r.sample(OPTIONS, r.randint(0, 4))}
            return self.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("ingress-nginx-controller", "ingress-nginx"), "data": data})
        if kind == "IngressClass":
            if r.random() < 0.5:
                return self.api.call("DELETE", self.api.path("IngressClass", name=f"c{n % 3}"))
            return self.api.call("PATCH", self.api.path("IngressClass", name=f"c{n % 3}") + "?fieldManager=chaos&force=true", {
                "apiVersion": "networking.k8s.io/v1", "kind": "IngressClass",
                "metadata": {"name": f"c{n % 3}", "annotations": {"ingressclass.kubernetes.io/is-default-class": r.choice(["true", "false"])}},
                "spec": {"controller": ["k8s.io/ingress-nginx", "example.com/other", "sluice.dev/ingress-controller"][n % 3]}}, "application/apply-patch+yaml")
        if r.random() < 0.3:
            return self.api.delete(kind, f"s{n}", ns)
        if kind == "Ingress":
            hosts = [f"x{r.randrange(NAMES)}.example", f"h{r.randrange(1, STABLE)}.example", "*.example", "tls.example"]
            annotations = {k: r.choice(v) for k, v in r.sample(ANNOTATIONS, r.randint(0, 2))}
            # At hosts under load only beside what is there: younger, and not Exact, which is a path of its own.
            host = r.choice(hosts[:1] * 6 + hosts)
            paths = ("/",) if host == hosts[0] else (r.choice(["/other", "/"]),)
            o = ingress(f"s{n}", host, f"s{r.randrange(NAMES)}", ns, paths, annotations, r.choice([None, None, f"s{r.randrange(NAMES)}"]),
                        r.choice(["nginx", "nginx", "c0", "c1", "c2", "unknown"]),
                        r.choice(["Prefix", "ImplementationSpecific"] + ["Exact"] * (host == hosts[0])))
            if r.random() < 0.1:
                del o["spec"]["ingressClassName"]
            return self.apply(o)
        if kind == "Service":
            return self.apply(service(f"s{n}", ns, r.choice([PORT, PORT, {"name": "http", "port": 8080}])))
        if kind == "EndpointSlice":
            states = [{"ready": r.random() < 0.8} for _ in range(r.randint(0, 3))]
            return self.apply(endpoint_slice(f"s{n}", f"s{r.randrange(NAMES)}", r.choice(self.pods).port, ns, states))
        pair = r.choice([None, None, ("no certificate", "no key"), (self.certificates[0][0], self.certificates[1][1])])
        o = self.secret(f"s{n}", ns, pair)
        if pair and pair[0] == "no certificate":
            o["data"]["tls.crt"] = base64.b64encode(b"-----BEGIN NOTHING-----").decode()
        (self.broken.add if pair else self.broken.discard)((ns, f"s{n}"))
        self.apply(o)

    def mend(self):
        """A Secret that became unusable keeps its former pair, an option that became invalid its former value: a process that starts now
        never saw them. All else is no history."""
        for ns, name in self.broken:
            self.apply(self.secret(name, ns), True)
        self.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("ingress-nginx-controller", "ingress-nginx"),
                    "data": {name: values[0] for name, values in OPTIONS}})

    def one(self):
        dice = self.r.random()
        if dice < 0.15:
            self.endpoints(self.r.randrange(STABLE + FRAIL))
            what = "endpoints under load"
        elif dice < 0.22:
            self.stable_ingress(self.r.randrange(STABLE + FRAIL))
            what = "Ingress under load"
        elif dice < 0.26:
            self.apply(self.secret("stable-tls"), True)
            what = "certificate under load"
        else:
            return self.something()
        self.made[what] = self.made.get(what, 0) + 1


def faults(run, cluster, unwell, stop, counts, r):
    """The API server dies, freezes, forgets; what stands before it is busy, slow, silent, or cuts."""
    pid = lambda: int((cluster.dir / "run/apiserver.pid").read_text())
    while not stop.wait(r.uniform(1, 6)):
        kind = r.choice(["kill", "freeze", "compaction", "429", "429", "500", "slow", "slow", "hang", "cut", "gone", "gone"])
        counts[kind] = counts.get(kind, 0) + 1
        if kind == "kill":
            cluster.stop_api()
            stop.wait(r.uniform(0, 15))
            cluster.start_api()
        elif kind == "freeze":
            os.kill(pid(), signal.SIGSTOP)
            stop.wait(r.uniform(1, 8))
            os.kill(pid(), signal.SIGCONT)
        elif kind == "compaction":
            compact(cluster)
        else:
            unwell.mode(kind)
            stop.wait(r.uniform(2, 10))
            unwell.mode("ok")


def body(run):
    seconds = run.args.duration or run.pick(75, 1200)
    cluster = Cluster()
    replicas, tools, stop, second, unwell = [], {}, threading.Event(), None, None
    try:
        cluster.apply(CLASS)
        second, api = cluster.second_api()
        changes = Changes(run, api, cluster)
        changes.begin()
        unwell = Unwell(cluster, Path(run.directory.name))
        flags = ["--workers", "1", "--status-annotation", "--update-status-on-shutdown", "false"]
        run.figure(switches=flags + ["addresses with port 0"])
        replicas = [Sluice(cluster, *flags, "--publish-status-address", "192.0.2.1"),
                    Sluice(cluster, *flags, "--publish-status-address", "192.0.2.2", kubeconfig=unwell.kubeconfig)]
        changes.replicas = replicas
        hosts = [x for i in range(1, STABLE) for x in ("--host", f"h{i}.example")]
        frail = [x for i in range(STABLE, STABLE + FRAIL) for x in ("--host", f"h{i}.example")]

        def load(port, *args):
            return harness.Process(cluster.inside(f"{harness.TOOLS}/load", "--connect", f"127.0.0.1:{port}", "--per-connection", "900", *args))

        for n, s in enumerate(replicas):
            tools[f"get {n}"] = load(s.port["http"], *hosts, "-c", 6, "--rate", run.args.rate, "--size", "0:8000")
            tools[f"post {n}"] = load(s.port["http"], *hosts, "-c", 3, "--rate", run.args.rate / 4, "--mode", "post", "--body", "3000")
            tools[f"tls {n}"] = load(s.port["https"], "--tls", "--host", "tls.example", "-c", 3, "--rate", run.args.rate / 2, "--size", "0:8000")
            # Small answers: a pod that dies in the middle of one leaves a request that no other pod can finish.
            tools[f"killed {n}"] = load(s.port["http"], *frail, "-c", 3, "--rate", run.args.rate / 4, "--size", "0:500")
        counts, fault_random = {}, random.Random(run.args.seed + 1)
        troubled = threading.Thread(target=faults, args=(run, cluster, unwell, stop, counts, fault_random))
        troubled.start()
        samples, begin, next_kill, next_sample = [], time.monotonic(), time.monotonic() + 10, time.monotonic()
        try:
            while (now := time.monotonic()) < begin + seconds:
                changes.one()
                if now > next_kill:
                    next_kill = now + (20 if changes.kill_a_pod() else 1)
                if now > next_sample:
                    samples.append([round(now - begin), *(s.process.rss_kb() for s in replicas)])
                    run.say(f"after {samples[-1][0]} s: resident {samples[-1][1:]} kB, {sum(changes.made.values())} changes, faults {counts}")
                    next_sample = now + seconds / 20
                time.sleep(changes.r.uniform(0, 0.1))
        finally:
            stop.set()
            troubled.join()
            unwell.mode("ok")
        changes.mend()
        last = time.monotonic()
        with Sluice(cluster, "--update-status", "false") as fresh:
            want = fresh.config()
            took = []
            for s in replicas:
                # A question that was taken and never answered is given up after 30 s, a watch after 90.
                try:
                    harness.wait_for(lambda s=s: s.config() == want, "the same table as a fresh process", 100, 0.1)
                except AssertionError:
                    have = s.config()
                    run.expect(False, "another table than a fresh process: " + str({k: [x for x in have[k] if x not in want[k]][:3] + ["…"] + [
                        x for x in want[k] if x not in have[k]][:3] for k in want if have[k] != want[k]})[:3000])
                took.append(round(time.monotonic() - last, 2))
            run.figure(table={k: len(v) for k, v in want.items()}, converged_s=took)
            run.expect(len(want["routes"]) > 30 and len(want["report"]) > 10, "there is something to compare")
        results = {}
        for name, tool in tools.items():
            tool.proc.send_signal(signal.SIGTERM)
        for name, tool in tools.items():
            tool.proc.wait(120)
            for t in tool.threads:
                t.join(5)
            results[name] = harness.json.loads(tool.out[-1])
            run.load_result(results[name], label=name)
        violations = {p.argv[-1]: s["violation_samples"] for p in (*changes.pods, *changes.frail) if (s := p.stats())["violations"]}
        run.expect(not violations, f"bytes that a strict reader refuses reached a pod: {violations}")
        fifth = max(1, len(samples) // 5)
        middle = lambda part, k: sorted(x[k] for x in part)[len(part) // 2]
        rss = [[middle(samples[fifth:2 * fifth], k), middle(samples[-fifth:], k)] for k in (1, 2)]
        for early, late in rss:
            run.expect(late <= early * 1.1 + 16_384, f"resident {early} -> {late} kB")
        said = [line for s in replicas for line in s.process.err]
        run.expect(any("tried again" in line for line in said), "the faults were felt")
        run.figure(duration_s=seconds, seed=run.args.seed, requests=sum(r["ok"] for r in results.values()), failed=sum(r["failed"] for r in results.values()),
                   changes=changes.made, refused_by_the_server=changes.refused, pods_killed=changes.killed, faults=counts, rss_kb=rss,
                   p99_ms={n: r["p99_ms"] for n, r in results.items()}, samples=samples)
    finally:
        stop.set()
        for tool in tools.values():
            tool.stop(signal.SIGKILL)
        for s in replicas:
            status = s.process.stop(seconds=30)
            run.expect(status == 0, f"exit {status}: {s.process.err[-10:]}")
        for p in (unwell and unwell.process, second):
            if p:
                p.stop()
        cluster.stop()


if __name__ == "__main__":
    main("k8s", body, duration=0, seed=1, rate=200.0)
