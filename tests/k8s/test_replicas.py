"""Three replicas: one writes. It is killed, the next is frozen and thawed, while objects change and all of them serve."""
import json
import signal
import threading
import time

from cluster import Api, Cluster, Load, Pod, Sluice, ingress, service, CLASS
from harness import SLOW, wait_for

FAILOVER = 15  # seconds


class Writes:
    """Who wrote the status of each Ingress, in the order of the writes, from a watch of the API."""

    def __init__(self, api):
        self.api, self.seen, self.lock = api, [], threading.Lock()
        version = api.get("Ingress")["metadata"]["resourceVersion"]
        self.thread = threading.Thread(target=self.run, args=(version,), daemon=True)
        self.thread.start()

    def run(self, version):
        raw = self.api.context.wrap_socket(self.api.cluster.connect(self.api.port, 300), server_hostname="localhost")
        fields = "".join(f"{k}: {v}\r\n" for k, v in self.api.fields.items())
        raw.sendall(f"GET {self.api.path('Ingress')}?watch=1&resourceVersion={version} HTTP/1.0\r\nHost: localhost\r\n{fields}\r\n".encode())
        last = {}
        for line in raw.makefile("rb"):
            if not line.startswith(b"{"):
                continue
            o = json.loads(line)["object"]
            who = [a["ip"] for a in o.get("status", {}).get("loadBalancer", {}).get("ingress", [])]
            if last.get(o["metadata"]["name"]) != who:
                last[o["metadata"]["name"]] = who
                with self.lock:
                    self.seen.append((time.monotonic(), o["metadata"]["name"], who[0] if who else ""))

    def of(self, who):
        with self.lock:
            return [w for w in self.seen if w[2] == who]


def test_the_leader_is_killed_and_the_next_one_frozen():
    c = Cluster()
    replicas, pod = [], Pod(c)
    stop = threading.Event()
    try:
        api = Api(c)
        c.apply(CLASS + "---\n" + service("app", [pod.port]) + "---\n" + "---\n".join(ingress(f"i{n}", f"i{n}.example.com") for n in range(20)))
        writes = Writes(api)
        for n in (1, 2, 3):
            replicas.append(Sluice(c, "--publish-status-address", f"192.0.2.{n}", "--status-annotation", "--workers", "1"))
            if n == 1:
                replicas[0].process.wait_line("this replica writes", stream="err")
        wait_for(lambda: len({w[1] for w in writes.of("192.0.2.1")}) == 20, "the leader's address everywhere")
        made = []

        def change():
            # One Ingress after the other comes; each must get an address, and paths of those that are there change.
            n = 0
            while not stop.wait(0.1):
                api.create({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": f"n{n}", "namespace": "default"}, "spec": {
                    "ingressClassName": "nginx", "rules": [{"host": f"n{n}.example.com", "http": {"paths": [{
                        "path": "/", "pathType": "Prefix", "backend": {"service": {"name": "app", "port": {"number": 80}}}}]}}]}})
                made.append(f"n{n}")
                api.merge("Ingress", f"i{n % 20}", {"metadata": {"annotations": {"nginx.ingress.kubernetes.io/proxy-read-timeout": str(60 + n % 2)}}})
                n += 1

        changing = threading.Thread(target=change)
        changing.start()
        hosts = [f"i{n}.example.com" for n in range(20)]
        with Load(c, replicas[1].port["http"], *hosts), Load(c, replicas[2].port["http"], *hosts):
            wait_for(lambda: len(writes.of("192.0.2.1")) > 25, "writes of the first")
            killed = time.monotonic()
            replicas[0].process.proc.kill()
            next_ = wait_for(lambda: next((n for n in (2, 3) if writes.of(f"192.0.2.{n}")), None), "another leader", 20)
            took = writes.of(f"192.0.2.{next_}")[0][0] - killed
            print(f"killed: the next one writes after {took:.1f} s")
            assert took <= FAILOVER * SLOW
            wait_for(lambda: {w[1] for w in writes.of(f"192.0.2.{next_}")} >= {f"i{n}" for n in range(20)} | set(made[:-5]), "its address everywhere")
        leader, last = replicas[next_ - 1], 5 - next_
        with Load(c, replicas[last - 1].port["http"], *hosts):
            # Frozen while it writes, some each tenth of a second. Not in the burst that a new leader begins with: the API
            # knows no fence, so a write that was on its way out when the process stopped leaves when it goes on. What
            # the other wrote meanwhile it cannot undo: each write names the version that it saw.
            frozen = time.monotonic()
            leader.process.proc.send_signal(signal.SIGSTOP)
            wait_for(lambda: writes.of(f"192.0.2.{last}"), "the third as leader", 20)
            took = writes.of(f"192.0.2.{last}")[0][0] - frozen
            print(f"frozen: the third writes after {took:.1f} s")
            assert took <= FAILOVER * SLOW
            thawed = time.monotonic()
            leader.process.proc.send_signal(signal.SIGCONT)
            leader.process.wait_line("it writes", stream="err")
            before = len(made)
            with Load(c, leader.port["http"], *hosts):
                wait_for(lambda: len(made) > before + 20, "changes after the thaw")
        stop.set()
        changing.join()
        wait_for(lambda: {w[1] for w in writes.of(f"192.0.2.{last}")} >= set(made) | {f"i{n}" for n in range(20)}, "an address for each", 20)
        assert not [w for w in writes.of(f"192.0.2.{next_}") if w[0] > thawed]  # not one write of the one that was thawed
        lease = api.get("Lease", "sluice-leader")["spec"]
        assert lease["leaseTransitions"] == 2
        wait_for(lambda: replicas[1].config() == replicas[2].config(), "both to serve the same")
        # The verdicts were written by whoever led, once each.
        assert {json.loads(api.get("Ingress", n)["metadata"]["annotations"]["sluice.dev/verdict"])["verdict"] for n in made} == {"served"}
    finally:
        stop.set()
        for r in replicas:
            r.process.stop()
        pod.stop()
        c.stop()
