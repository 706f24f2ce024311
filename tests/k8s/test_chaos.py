"""Churn, and the short form of the chaos run."""
import json
import os
import random
import subprocess
import sys
import time

import pytest
from cluster import Api, Load, Sluice, ingress, service
from harness import ROOT, SLOW, certificate, tls_secret, wait_for

CHURN = 600 if os.environ.get("K8S_LONG") else 20


def test_memory_is_flat_under_churn(cluster, ns, pods):
    """Ingresses, Services, EndpointSlices and Secrets come and go; as many are there at the end as at the beginning."""
    api, r, pod = Api(cluster), random.Random(7), pods()
    cluster.apply(service("app", [pod.port], ns) + "---\n" + ingress("app", f"{ns}.example.com", ns=ns))
    pairs = [certificate("churn.example.com", serial=100 + i) for i in range(3)]

    def objects(i, version):
        host = f"churn{i}-{version % 3}.example.com"
        meta = lambda **more: {"name": f"churn{i}", "namespace": ns, **more}
        return [{"apiVersion": "v1", "kind": "Service", "metadata": meta(), "spec": {"ports": [{"name": "http", "port": 80}]}},
                {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "metadata": meta(labels={"kubernetes.io/service-name": f"churn{i}"}),
                 "ports": [{"name": "http", "port": 1000 + version % 50, "protocol": "TCP"}], "endpoints": [{"addresses": ["10.244.0.1"], "conditions": {"ready": True}}]},
                tls_secret(f"churn{i}", *pairs[version % 3], ns),
                {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta(), "spec": {
                    "ingressClassName": "nginx", "tls": [{"hosts": [host], "secretName": f"churn{i}"}], "rules": [{"host": host, "http": {"paths": [{
                        "path": "/", "pathType": "Prefix", "backend": {"service": {"name": f"churn{i}", "port": {"number": 80}}}}]}}]}}]

    with Sluice(cluster, "--watch-namespace", ns, "--election-id", ns[-60:].strip("-"), "--publish-status-address", "192.0.2.9", "--status-annotation") as s, \
            Load(cluster, s.port["http"], f"{ns}.example.com"):
        there, samples, made = set(range(100)), [], 0
        for i in there:
            for o in objects(i, 0):
                api.create(o)
        begin = time.monotonic()
        while (past := time.monotonic() - begin) < CHURN:
            i = r.randrange(100)
            if i in there and r.random() < 0.3:
                for kind in ("Ingress", "Secret", "EndpointSlice", "Service"):
                    api.delete(kind, f"churn{i}", ns)
                there.discard(i)
            else:
                for o in objects(i, made):
                    api.apply(o)
                there.add(i)
            made += 1
            if past >= len(samples) * CHURN / 40:
                samples.append(s.process.rss_kb())
        for i in set(range(100)) - there:
            for o in objects(i, 0):
                api.create(o)
        wait_for(lambda: len(s.config()["clusters"]) == 101, "all of them again")
        middle = lambda part: sorted(part)[len(part) // 2]
        early, late = middle(samples[10:20]), middle(samples[-10:])
        print(f"{made} rounds of 4 objects in {CHURN} s: resident {early} -> {late} kB")
        assert late <= early * 1.1 + 4096 and made > CHURN


@pytest.mark.at_scale
def test_chaos_for_a_minute():
    r = subprocess.run([sys.executable, ROOT / "tests/chaos/k8s.py", "--short"], stdout=subprocess.PIPE, text=True, timeout=400 * SLOW)
    out = json.loads(r.stdout)
    print({k: out.get(k) for k in ("requests", "failed", "changes", "faults", "pods_killed", "converged_s", "table", "rss_kb")})
    assert r.returncode == 0 and out["good"], out["failures"]
