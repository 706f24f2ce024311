"""API servers that are not well: too busy, slow, silent, cut off. What is known is served all the while."""
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from cluster import CLASS, SLUICE, Cluster, Process, Sluice, ingress, service
from harness import SLOW, wait_for


class Unwell:
    def __init__(self, cluster, tmp_path):
        config = cluster.client_config()
        (tmp_path / "admin.json").write_text(json.dumps(config))
        self.file = tmp_path / "mode"
        self.mode("ok")
        self.process = cluster.popen(sys.executable, Path(__file__).with_name("api_proxy.py"), tmp_path / "admin.json", self.file)
        port = self.process.wait_line(r"^proxy (\d+)")[1]
        self.kubeconfig = tmp_path / "kubeconfig"
        config["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{port}"}
        config["users"][0]["user"] = {}
        self.kubeconfig.write_text(json.dumps(config))

    def mode(self, name):
        new = self.file.with_suffix(".new")
        new.write_text(name)
        new.rename(self.file)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stop()


@pytest.fixture
def unwell(cluster, tmp_path):
    with Unwell(cluster, tmp_path) as u:
        yield u


def app(cluster, ns, pods):
    cluster.apply(service("app", [pods().port], ns) + "---\n" + ingress("app", f"{ns}.example.com", ns=ns))


@pytest.mark.parametrize("mode,seconds", [("429", 40), ("slow", 40)])
def test_it_starts_and_follows(cluster, ns, pods, unwell, mode, seconds):
    app(cluster, ns, pods)
    unwell.mode(mode)
    s = Sluice(cluster, "--watch-namespace", ns, "--update-status", "false", kubeconfig=unwell.kubeconfig, wait=False)
    try:
        s.process.wait_line("^ready", seconds)
        assert s.ask(host=f"{ns}.example.com")[0] == 200
        cluster.apply(ingress("late", f"late.{ns}.example.com", ns=ns))
        s.until("a change", host=f"late.{ns}.example.com", seconds=seconds)
        if mode == "429":
            assert any("429 not well" in line and "tried again" in line for line in s.process.err)
    finally:
        assert s.process.stop() == 0


@pytest.mark.parametrize("mode", ["500", "cut", "hang"])
def test_it_serves_on_and_catches_up(cluster, ns, pods, unwell, mode):
    """Every request of Sluice meets the fault, in the middle of its watches; then the server is well again."""
    app(cluster, ns, pods)
    host, late = f"{ns}.example.com", f"late.{ns}.example.com"
    with Sluice(cluster, "--watch-namespace", ns, "--update-status", "false", kubeconfig=unwell.kubeconfig) as s:
        statuses, done = [], threading.Event()

        def keep_asking():
            while not done.is_set():
                statuses.append(s.ask(host=host)[0])

        asking = threading.Thread(target=keep_asking)
        asking.start()
        try:
            unwell.mode(mode)
            cluster.stop_api()  # ends the watches that go through the proxy
            cluster.start_api()
            if mode != "hang":
                s.process.wait_line("what is known is served, and it is tried again", stream="err")
            cluster.apply(ingress("late", late, ns=ns))
            asked = len(statuses)
            wait_for(lambda: len(statuses) > asked + 10, "requests meanwhile")
            assert s.ask(host=late)[0] == 404
            unwell.mode("ok")
            # Five seconds between two tries, or as long as an answer is waited for.
            s.until("the change after its recovery", host=late, seconds=40 if mode == "hang" else 8)
        finally:
            done.set()
            asking.join()
        assert set(statuses) == {200}


def test_a_partition_without_a_word_is_noticed(tmp_path):
    """Sluice in a network of its own; the cable is pulled at the far end: nothing is refused, nothing arrives."""
    cluster, ns = Cluster(apiserver="--bind-address=0.0.0.0"), "default"
    cluster.apply(CLASS + "---\n" + service("app", [80]) + "---\n" + ingress("app", "default.example.com"))
    other = f"sluice-p-{os.getpid()}"

    def ip(*args, where=None):
        subprocess.run(["ip", *(["-n", where] if where else []), *args], check=True)

    ip("netns", "add", other)
    s = None
    try:
        ip("link", "add", "far", "netns", cluster.netns, "type", "veth", "peer", "name", "near", "netns", other)
        ip("addr", "add", "10.250.0.1/24", "dev", "far", where=cluster.netns)
        ip("addr", "add", "10.250.0.2/24", "dev", "near", where=other)
        for where, device in ((cluster.netns, "far"), (other, "near"), (other, "lo")):
            ip("link", "set", device, "up", where=where)
        config = cluster.client_config()
        target = config["clusters"][0]["cluster"]
        target["server"] = target["server"].replace("127.0.0.1", "10.250.0.1")
        target["tls-server-name"] = "localhost"
        (tmp_path / "kubeconfig").write_text(json.dumps(config))
        s = Process(["ip", "netns", "exec", other, SLUICE, "serve", "--kubeconfig", tmp_path / "kubeconfig", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0",
                     "--admin", "127.0.0.1:0", "--access-log", "off", "--watch-namespace", ns, "--update-status", "false"])
        s.wait_line("^ready", 20)
        admin = s.wait_line(r"^listening admin (\S+)")[1]

        def routes():
            return subprocess.run(["ip", "netns", "exec", other, "curl", "-s", "-m", "5", f"http://{admin}/routes"], capture_output=True, text=True).stdout

        assert f'"{ns}.example.com"' in routes()
        ip("link", "set", "far", "down", where=cluster.netns)
        begun = time.monotonic()
        cluster.apply(ingress("late", f"late.{ns}.example.com", ns=ns))
        s.wait_line("what is known is served, and it is tried again", stream="err", seconds=60 / SLOW)
        print(f"noticed after {time.monotonic() - begun:.0f} s")
        assert f'"{ns}.example.com"' in routes() and "late" not in routes()
        ip("link", "set", "far", "up", where=cluster.netns)
        wait_for(lambda: f'"late.{ns}.example.com"' in routes(), "the change, once the network is back", 25)
    finally:
        if s:
            s.stop()
        subprocess.run(["ip", "netns", "del", other], check=False)
        cluster.stop()
