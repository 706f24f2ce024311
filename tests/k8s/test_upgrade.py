"""A new version of the controller itself: every replica of the Deployment is replaced under load, and no request fails.

The times are those that the manifests ship, divided by SCALE: how long a pod accepts after it was told to end, how long it waits for what runs,
how often it is asked whether it is ready, and how long Kubernetes leaves it."""
import json
import re
import sys
import time
from pathlib import Path

import pytest
from cluster import ADDRESS, ingress, service
from harness import TOOLS, wait_for
from test_manifests import HOST, as_shipped, installed, pod_of, status  # noqa: F401 (installed is a fixture)

SCALE = 10
PLAIN = "plain.example.com"
ADDRESSES = "203.0.113.7"


class Shipped:
    """What config/kubernetes/base says, in seconds, scaled."""

    def __init__(self, cluster):
        data = json.loads(cluster.kubectl("get", "configmap", "sluice", "-n", "sluice", "-o", "json"))["data"]
        spec = json.loads(cluster.kubectl("get", "deployment", "sluice", "-n", "sluice", "-o", "json"))["spec"]
        pod = spec["template"]["spec"]
        grace, drain, most = int(data["shutdown-grace-period"]), int(data["worker-shutdown-timeout"].removesuffix("s")), pod["terminationGracePeriodSeconds"]
        probe = pod["containers"][0]["readinessProbe"]
        assert grace + drain < most and grace > 2 * probe["periodSeconds"] and probe["failureThreshold"] == 1
        assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
        self.grace, self.drain, self.most, self.period = grace // SCALE, drain // SCALE, most / SCALE, probe["periodSeconds"] / SCALE


class Service:
    """The balancer in front of the replicas that are listed in its file."""

    def __init__(self, cluster, tmp_path, period):
        self.file, self.listed = tmp_path / "replicas", {}
        self.list()
        self.process = cluster.popen(sys.executable, Path(__file__).with_name("balancer.py"), self.file, period)
        self.address = {kind: self.process.wait_line(rf"^listening {kind} (\S+)")[1] for kind in ("http", "https")}

    def list(self):
        new = self.file.with_suffix(".new")
        new.write_text("".join(f"{name} {s.port['http']} {s.port['https']} {s.port['admin']}\n" for name, s in self.listed.items()))
        new.rename(self.file)


class Rollout:
    def __init__(self, cluster, tmp_path, shipped, service):
        self.cluster, self.tmp, self.shipped, self.service, self.running, self.going, self.took = cluster, tmp_path, shipped, service, [], [], []

    def start(self, name):
        """A pod more, as maxSurge says; waits until it takes traffic."""
        pod = pod_of(self.cluster, name)
        self.cluster.apply(json.dumps(pod))
        self.cluster.kubectl("patch", "pod", name, "-n", "sluice", "--subresource=status", "--type=merge", "-p", '{"status": {"phase": "Running"}}')
        place = self.tmp / name
        place.mkdir()
        s = as_shipped(self.cluster, place, "--workers", "1", "--set", f"worker-shutdown-timeout={self.shipped.drain}", pod=name, grace=self.shipped.grace)
        self.service.listed[name] = s
        self.service.list()
        self.service.process.wait_line(f"^{name} ready", seconds=30)
        self.running.append((name, s))

    def end_oldest(self):
        name, s = self.running.pop(0)
        s.process.proc.terminate()
        self.going.append((name, s, time.monotonic()))

    def reap(self):
        """Those that were told to end have ended in time and in good order."""
        for name, s, since in self.going:
            left = self.shipped.most - (time.monotonic() - since)
            assert s.process.proc.wait(max(left, 0.1)) == 0, s.process.err[-20:]
            self.took.append(time.monotonic() - since)
            del self.service.listed[name]
            self.service.list()
            self.cluster.kubectl("delete", "pod", name, "-n", "sluice", "--grace-period=0", "--force")
            assert status(self.cluster)[0]["ip"] == ADDRESSES, "the status was taken back although replicas run"
        self.going = []

    def stop(self):
        for _, s in self.running + [(n, s) for n, s, _ in self.going]:
            s.process.stop()
        self.running = []


CLIENTS = {
    "busy": ["-c", 12, "--size", "0:20000", "--rate", 300],
    "slow answers": ["-c", 6, "--query", "&delay=300"],
    "answers slower than the grace period": ["-c", 4, "--query", "&delay=2500"],
    "often idle": ["-c", 12, "--rate", 24],
    "a connection a request": ["-c", 4, "--rate", 60, "--per-connection", 1],
    "TLS": ["-c", 6, "--rate", 60, "--tls", "--sni", HOST],
}


@pytest.fixture
def load(installed, request):  # noqa: F811
    started = []

    def start(kind, address, host, name):
        tool = installed.popen(f"{TOOLS}/load", "--connect", address, "--host", host, "-d", 300, "--id-prefix", f"c{len(started)}", *CLIENTS[name])
        started.append(tool)
        # Those of one request each are counted on: the number itself may never stand there.
        wait_for(lambda: any(m and int(m[1]) >= CLIENTS[name][1] for m in (re.match(r"connected (\d+) ", line) for line in tool.err)),
                 f"connections of the clients: {name}", 30)
        return tool

    yield start
    for tool in started:
        tool.stop()


def test_no_request_fails_while_every_replica_is_replaced(installed, tmp_path, load):  # noqa: F811
    shipped = Shipped(installed)
    pod = installed.popen(f"{TOOLS}/strict-pod", "--name", "pod", "--listen", f"{ADDRESS}:0", "--forget-ids")
    port = int(pod.wait_line(r"^listening pod \S+:(\d+)")[1])
    installed.apply(service("app", [port]) + "---\n" + ingress("plain", PLAIN, class_name="sluice"))
    front = Service(installed, tmp_path, shipped.period)
    rollout = Rollout(installed, tmp_path, shipped, front)
    try:
        for i in range(2):
            rollout.start(f"sluice-a{i}")
        wait_for(lambda: status(installed), "the status")
        tools = {name: load("http", *((front.address["https"], HOST) if name == "TLS" else (front.address["http"], PLAIN)), name) for name in CLIENTS}
        for generation in "bc":
            for i in range(2):
                rollout.start(f"sluice-{generation}{i}")
                rollout.end_oldest()
            rollout.reap()
        results = {}
        for name, tool in tools.items():
            tool.stop()
            results[name] = json.loads(tool.out[-1])
        for name, r in results.items():
            assert (r["failed"], r["closed_unannounced"]) == (0, 0), (name, r)
            # On a quiet machine all is over sooner: some answers a connection are proof enough.
            assert r["ok"] >= 4 * CLIENTS[name][1], (name, r)
        print(f"\n4 replicas replaced: {sum(r['ok'] for r in results.values())} requests, 0 failed; longest end {max(rollout.took):.1f} s of {shipped.most:g} s")
    finally:
        rollout.stop()
        front.process.stop()
        pod.stop()
