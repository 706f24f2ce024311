"""The Grafana dashboard: its queries name metrics that are declared, parse, and show something in a real Prometheus."""
import json
import re
import subprocess
import urllib.parse

import pytest
from harness import ROOT, Process, certificate, http_get, ingress, need, tls_secret, wait_for

DASHBOARD = json.loads((ROOT / "config/grafana/sluice.json").read_text())
PANELS = [p for p in DASHBOARD["panels"] if p["type"] != "row"]
# Of a cluster alone: tests/k8s scrapes them there (test_source.py, test_writes.py, test_webhook.py).
LEADER = "nginx_ingress_controller_leader_election_status"
CLUSTER_ALONE = re.compile(LEADER + "|sluice_api_|sluice_webhook_")


def expressions():
    return [(p["title"], t["expr"].replace("$__rate_interval", "10s").replace("$job", ".+")) for p in PANELS for t in p["targets"]]


def filled(expression):
    return re.sub(r"\$(class|host|ingress)\b", ".*", expression)


def test_it_names_metrics_that_are_declared(site):
    page = site.sluice().admin_get("/metrics").body.decode()
    catalogue = dict(re.findall(r"^\| `(\w+)` \| (\w+)", (ROOT / "docs/metrics.md").read_text(), re.M))
    assert len(catalogue) > 50 and set(re.findall(r"^# TYPE (\w+)", page, re.M)) <= catalogue.keys()
    used = set()
    for title, expression in expressions():
        names = re.findall(r"\b((?:nginx_ingress_controller|sluice|process)_\w+)", expression)
        assert names, title
        for name in names:
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            assert name in catalogue or catalogue.get(base) == "histogram", f"{title}: {name} is no metric of docs/metrics.md"
            used.add(base)
    variables = {v["name"] for v in DASHBOARD["templating"]["list"]}
    assert set(re.findall(r"\$(\w+)", json.dumps([p["targets"] for p in PANELS]))) - {"__rate_interval"} <= variables
    assert {"nginx_ingress_controller_requests", LEADER, "nginx_ingress_controller_ssl_expire_time_seconds"} <= used


def test_its_queries_parse(tmp_path):
    need("promtool")
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps({"groups": [{"name": "g", "rules": [{"record": f"r{i}", "expr": filled(e)} for i, (_, e) in enumerate(expressions())]}]}))
    r = subprocess.run(["promtool", "check", "rules", rules], capture_output=True, text=True, timeout=30)
    assert r.returncode == 0, r.stdout + r.stderr


def test_its_panels_have_places_of_their_own():
    taken = {}
    for p in DASHBOARD["panels"]:
        g = p["gridPos"]
        assert g["x"] + g["w"] <= 24, p["title"]
        for cell in ((x, y) for x in range(g["x"], g["x"] + g["w"]) for y in range(g["y"], g["y"] + g["h"])):
            assert taken.setdefault(cell, p["title"]) == p["title"], f"{p['title']} lies on {taken[cell]}"
    assert len({p["id"] for p in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


@pytest.fixture
def prometheus(site, tmp_path):
    """A Prometheus that scrapes the Sluice of the test each second; a function that asks it."""
    need("prometheus")

    def start(sluice):
        (tmp_path / "prometheus.json").write_text(json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": [
            {"job_name": "sluice", "static_configs": [{"targets": [sluice.admin]}]}]}))
        server = site.add(Process(["prometheus", f"--config.file={tmp_path / 'prometheus.json'}", f"--storage.tsdb.path={tmp_path / 'data'}",
                                   "--web.listen-address=127.0.0.1:0"]))
        port = int(server.wait_line(r'msg="Listening on" address=127.0.0.1:(\d+)', stream="err", seconds=30)[1])

        def ask(query):
            answer = http_get(f"127.0.0.1:{port}", "/api/v1/query?" + urllib.parse.urlencode({"query": query})).json()
            assert answer["status"] == "success", answer
            return answer["data"]["result"]

        return ask

    return start


def test_each_panel_shows_something(site, prometheus):
    cert, key = certificate("app.example")
    site.manifests.write("secret.yaml", tls_secret("cert", cert, key))
    site.manifests.write("nowhere.yaml", ingress("nowhere", {"nowhere.example": [("/", "Prefix", "missing", 80)]}))
    site.manifests.write("refused.yaml", ingress("refused", {"no host": [("/", "Prefix", "missing", 80)]}))
    pod = site.pod()
    site.app("app.example", pod.address, tls=[(["app.example"], "cert")], annotations={"nginx.ingress.kubernetes.io/ssl-redirect": "false"})
    sluice = site.sluice()
    ask = prometheus(sluice)

    def visit():
        for path in ("/", "/?status=500", "/"):
            sluice.get(path, "app.example")

    def share():
        return [float(r["value"][1]) for r in ask(filled(dict(expressions())["Answered with 5xx"]))]

    visit()
    wait_for(lambda: ask("sluice_requests_total >= 3"), "a scrape after the first requests", 30)
    visit()
    wait_for(lambda: share() == [pytest.approx(1 / 3)], "a third of the requests to be seen as errors", 30)
    for title, expression in expressions():
        if not CLUSTER_ALONE.search(expression):
            assert ask(filled(expression)), f"{title}: {expression} shows nothing"
