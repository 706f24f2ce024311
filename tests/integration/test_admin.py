"""The admin address."""
import json
import re
import subprocess

from harness import certificate, http_get, need, tls_secret, wait_for


def test_health_and_readiness(site):
    sluice, _ = site.simple()
    assert sluice.admin_get("/healthz").status == 200
    assert sluice.admin_get("/readyz").status == 200
    assert http_get(sluice.admin, "/nothing").status == 404
    assert http_get(sluice.admin, "/healthz", "POST").status == 405


def test_metrics_pass_promtool(site):
    need("promtool")
    sluice, _ = site.simple()
    sluice.get("/", "app.example")
    text = sluice.admin_get("/metrics").body
    r = subprocess.run(["promtool", "check", "metrics"], input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30)
    assert r.returncode == 0, r.stdout.decode()


def test_request_metrics(site):
    sluice, pod = site.simple()
    for i in range(7):
        sluice.get("/x", "app.example")
    sluice.get("/?status=500", "app.example", method="POST", body=b"abc")
    labels = dict(method="GET", path="/", namespace="default", ingress="app", service="app", host="app.example")
    wait_for(lambda: sluice.metric("nginx_ingress_controller_requests", status="200", **labels) == 7, "seven GETs counted")
    assert sluice.metric("nginx_ingress_controller_requests", status="500", method="POST") == 1
    for family in ("request_duration_seconds", "response_duration_seconds", "request_size", "response_size"):
        assert sluice.metric(f"nginx_ingress_controller_{family}_count", **{k: labels[k] for k in ("host", "ingress")}) == 8, family
    les = sorted((dict(l)["le"] for (n, l) in sluice.metrics() if n == "nginx_ingress_controller_request_duration_seconds_bucket" and dict(l)["status"] == "200"),
                 key=float)
    assert les == ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"]
    one = next(dict(l) for (n, l) in sluice.metrics() if n == "nginx_ingress_controller_requests")
    assert {"status", "method", "path", "namespace", "ingress", "service", "canary", "host"} <= set(one)


def test_label_values_are_bounded(site):
    sluice, pod = site.simple()
    for i in range(30):
        with sluice.raw() as c:
            c.get("/", "app.example", method=f"WEIRD{i}")
        sluice.get("/", f"nobody{i}.example")
    wait_for(lambda: sluice.metric("nginx_ingress_controller_requests", host="app.example") == 30, "counted")
    methods = {dict(l)["method"] for (n, l) in sluice.metrics() if n == "nginx_ingress_controller_requests"}
    hosts = {dict(l)["host"] for (n, l) in sluice.metrics() if n == "nginx_ingress_controller_requests"}
    assert len(methods) <= 2 and not [h for h in hosts if h.startswith("nobody")], (methods, hosts)


def test_config_shows_everything_but_keys(site):
    cert, key = certificate("app.example")
    pod = site.pod()
    site.manifests.write("s.yaml", tls_secret("app-tls", cert, key))
    site.app("app.example", pod.address, tls=[(["app.example"], "app-tls")])
    site.manifests.write("bad.yaml", {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "broken"},
                                      "spec": {"ingressClassName": "nginx", "rules": [{"host": "bad host!", "http": {"paths": []}}]}})
    sluice = site.sluice()
    text = sluice.admin_get("/config").body.decode()
    assert "app.example" in text and "broken" in text
    assert "PRIVATE KEY" not in text
    body = "".join(key.splitlines()[1:-1])
    assert body[:40] not in text
    assert isinstance(sluice.version(), int) and sluice.version() >= 1


def test_routes(site):
    sluice, _ = site.simple()
    text = sluice.admin_get("/routes").body.decode()
    assert "app.example" in text


def test_connection_metrics(site):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        c.get("/", "app.example")
        names = {n for (n, _) in sluice.metrics()}
        assert any("downstream_connections" in n or n.endswith("_connections") for n in names), sorted(names)
        assert any("upstream" in n for n in names)
        assert any("snapshot" in n or "config" in n for n in names)


def test_admin_answers_while_busy(site):
    sluice, pod = site.simple()
    load = site.tool("load", "--connect", sluice.http, "--host", "app.example", "-c", 32, "-d", 60)
    load.wait_done(100)
    for _ in range(20):
        assert http_get(sluice.admin, "/healthz", timeout=2).status == 200
    r = load.result(stop=True)
    assert r["failed"] == 0, r
