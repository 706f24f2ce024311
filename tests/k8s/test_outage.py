"""The API server is away while objects change, and comes back to another state; etcd forgets what was before."""
import base64
import json
import os
import random
import subprocess
import time

import pytest
from cluster import CLASS, Api, Client, Cluster, Load, Pod, Sluice, ingress, service
from harness import wait_for
from test_faults import Unwell
from test_source import INGRESSES

# make test-k8s-long: as long as the promise says.
AWAY = 600 if os.environ.get("K8S_LONG") else 15
STABLE = [f"stable{n}.example.com" for n in range(20)]


@pytest.fixture
def unwell(away, tmp_path):
    with Unwell(away, tmp_path) as u:
        yield u


@pytest.fixture(params=[""], ids=["watch-cache"])
def away(request):
    """A cluster of its own, with hosts that stay."""
    c = Cluster(apiserver=request.param)
    try:
        c.pods = [Pod(c, "one"), Pod(c, "two")]
        c.apply(CLASS + "---\n" + service("app", [p.port for p in c.pods]) + "---\n" + "---\n".join(ingress(f"stable{n}", host) for n, host in enumerate(STABLE)))
        yield c
    finally:
        c.stop()


def changing_ingress(i):
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": f"c{i}", "namespace": "default"}, "spec": {
        "ingressClassName": "nginx", "rules": [{"host": f"c{i}.example.com", "http": {"paths": [{
            "path": "/", "pathType": "Prefix", "backend": {"service": {"name": "app", "port": {"number": 80}}}}]}}]}}


def test_objects_change_while_it_is_away(away):
    """Through another API server on the same etcd: Ingresses come and go, the Service's endpoints move from pod to pod."""
    _, api = away.second_api()
    with Sluice(away, "--workers", "2", "--publish-status-address", "192.0.2.1", "--update-status-on-shutdown", "false") as s, Load(away, s.port["http"], *STABLE) as load:
        away.stop_api()
        r, there, changes = random.Random(1), set(), 0
        end = time.monotonic() + AWAY
        while time.monotonic() < end:
            i = r.randrange(200)
            if i in there and r.random() < 0.5:
                api.delete("Ingress", f"c{i}")
                there.discard(i)
            else:
                api.apply(changing_ingress(i))
                there.add(i)
            api.merge("EndpointSlice", f"app-{changes % 2}", {"endpoints": [{"addresses": ["10.244.0.1"], "conditions": {"ready": bool(r.random() < 0.7) or changes % 2 == 0}}]})
            changes += 1
            time.sleep(0.05 if AWAY < 60 else 0.5)  # the length is the test
        asked = load.asked
        client = Client(away, s.port["http"])
        assert not there or {client.get(host=f"c{i}.example.com")[0] for i in there} == {404}  # nothing of it was seen
        away.start_api()
        back = time.monotonic()
        gone = [f"c{i}.example.com" for i in range(200) if i not in there]

        def converged():
            return all(client.get(host=f"c{i}.example.com")[0] == 200 for i in there) and all(client.get(host=h)[0] == 404 for h in gone)

        wait_for(converged, "what changed meanwhile", 2)
        print(f"away for {AWAY} s, {changes} changes, {len(there)} Ingresses more: converged {time.monotonic() - back:.2f} s after its return; {asked} requests meanwhile")
        wait_for(lambda: all("loadBalancer" in api.get("Ingress", f"c{i}")["status"] for i in there), "their status", 30)


def test_a_start_while_it_is_away(away):
    """It lives, says what it waits for, and serves as soon as there is somebody to ask."""
    away.stop_api()
    s = Sluice(away, "--update-status", "false", wait=False)
    try:
        s.process.wait_line("Connection refused.*nothing is served before it succeeds, and it is tried again", stream="err")
        admin = Client(away, s.port["admin"])
        assert admin.get("/livez", "localhost")[0] == 200
        assert admin.get("/readyz", "localhost") == (503, "waiting for the first full sync\n")
        assert s.metric("sluice_ready") == 0
        early = away.connect(s.port["http"], 60)  # the kernel takes it, and nobody answers from an empty table
        early.sendall(f"GET / HTTP/1.1\r\nHost: {STABLE[0]}\r\nConnection: close\r\n\r\n".encode())
        wait_for(lambda: s.metric("sluice_api_failures_total", INGRESSES) >= 5, "it is tried again")
        assert admin.get("/livez", "localhost")[0] == 200 and admin.get("/readyz", "localhost")[0] == 503
        assert "ready" not in s.process.out
        away.start_api()
        s.process.wait_line("^ready", 5)
        with early:
            assert early.recv(1000).startswith(b"HTTP/1.1 200 ")
        client = Client(away, s.port["http"])
        assert {client.get(host=host)[0] for host in STABLE} == {200}, "ready means everything"
        assert admin.get("/readyz", "localhost")[0] == 200
    finally:
        assert s.process.stop() == 0


def etcd(c, verb, body):
    r = subprocess.run(c.inside("curl", "-s", "-m", "10", f"http://127.0.0.1:2379/v3/kv/{verb}", "-d", json.dumps(body)), capture_output=True, text=True)
    answer = json.loads(r.stdout)
    assert "error" not in answer, answer
    return answer


def compact(c):
    revision = etcd(c, "range", {"key": base64.b64encode(b"x").decode()})["header"]["revision"]
    etcd(c, "compaction", {"revision": revision, "physical": True})


@pytest.mark.parametrize("away", ["--watch-cache=false", "--watch-cache=true"], ids=["etcd", "watch-cache"], indirect=True)
def test_a_compaction_between_two_watches(away, unwell):
    """Cut off, it misses changes that etcd no longer has when it comes back: 410 Gone, a new list, and no 404 for what stayed."""
    api = Api(away)
    away.apply(ingress("old", "old.example.com"))
    with Sluice(away, "--update-status", "false", kubeconfig=unwell.kubeconfig) as s, Load(away, s.port["http"], *STABLE):
        client = Client(away, s.port["http"])
        for round_ in range(2):
            unwell.mode("500")
            away.stop_api()  # ends its watches
            away.start_api()
            s.process.wait_line("500 .*what is known is served", stream="err")
            for i in range(50):
                api.apply(changing_ingress(round_ * 50 + i))
            if round_ == 1:
                api.delete("Ingress", "old")
            compact(away)
            away.stop_api()  # what it remembers itself is gone too
            away.start_api()
            said = len(s.process.err)
            unwell.mode("ok")
            s.process.wait_line("no longer has the changes since the last one seen; listing anew", stream="err", seconds=20, start=said)
            wait_for(lambda: client.get(host=f"c{round_ * 50 + 49}.example.com")[0] == 200, "what changed meanwhile")
            wait_for(lambda: client.get(host="old.example.com")[0] == (200 if round_ < 1 else 404), "what was deleted to be gone, and no earlier")


def test_an_error_in_the_middle_of_a_watch(away, unwell):
    """The server ends each watch with 410 as an event at the next change."""
    api = Api(away)
    with Sluice(away, "--update-status", "false", kubeconfig=unwell.kubeconfig) as s, Load(away, s.port["http"], *STABLE):
        client = Client(away, s.port["http"])
        unwell.mode("gone")
        for i in range(5):
            said = len(s.process.err)
            api.apply(changing_ingress(i))
            s.process.wait_line("ingresses: the server no longer has the changes since the last one seen", stream="err", start=said)
            wait_for(lambda: client.get(host=f"c{i}.example.com")[0] == 200, "the change that the error hid")
        unwell.mode("ok")
        api.apply(changing_ingress(99))
        wait_for(lambda: client.get(host="c99.example.com")[0] == 200, "a change afterwards")
