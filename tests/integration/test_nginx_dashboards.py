"""The dashboards and alerts that users of ingress-nginx have: what they ask is answered by a real Prometheus that scrapes a real Sluice.

A list of facts, not the dashboards: which panel asks for what. Grafana's variables are filled as "All" fills them. Sources: the two
dashboards of kubernetes/ingress-nginx (the second is 9614 of grafana.com), 14314 of grafana.com, and the alerts of the chart.
"""
import http.client
import json
import math
import re
import ssl
import time
import urllib.parse

import pytest
from harness import Process, certificate, http_get, ingress, need, service, slices, tls_secret, wait_for

POD, POD_NAMESPACE = "ingress-nginx-controller-7d9c-x2x4k", "ingress-nginx"
DAY = 86400

# What 1.15.1 shows: type, and labels beside controller_class, controller_namespace and controller_pod. Of those that are not of a cluster.
REQUEST = "status method path namespace ingress service canary host"
CERTIFICATE = "namespace class host secret_name identifier"
METRICS = {
    "requests": ("counter", REQUEST),
    "request_duration_seconds": ("histogram", REQUEST),
    "response_duration_seconds": ("histogram", REQUEST),
    "header_duration_seconds": ("histogram", REQUEST),
    "connect_duration_seconds": ("histogram", REQUEST),
    "request_size": ("histogram", REQUEST),
    "response_size": ("histogram", REQUEST),
    "bytes_sent": ("histogram", REQUEST),
    "build_info": ("gauge", "build release repository"),
    "config_hash": ("gauge", ""),
    "config_last_reload_successful": ("gauge", ""),
    "config_last_reload_successful_timestamp_seconds": ("gauge", ""),
    "success": ("counter", ""),
    "errors": ("counter", ""),
    "ssl_expire_time_seconds": ("gauge", CERTIFICATE),
    "ssl_certificate_info": ("gauge", CERTIFICATE + " issuer_organization issuer_common_name serial_number public_key_algorithm"),
    "orphan_ingress": ("gauge", "namespace ingress type"),
    "nginx_process_connections": ("gauge", "state"),
    "nginx_process_connections_total": ("counter", "state"),
    "nginx_process_requests_total": ("counter", ""),
    "nginx_process_num_procs": ("gauge", ""),
    "nginx_process_cpu_seconds_total": ("counter", ""),
    "nginx_process_read_bytes_total": ("counter", ""),
    "nginx_process_write_bytes_total": ("counter", ""),
    "nginx_process_resident_memory_bytes": ("gauge", ""),
    "nginx_process_virtual_memory_bytes": ("gauge", ""),
    "nginx_process_oldest_start_time_seconds": ("gauge", ""),
}
TIME = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
LENGTH = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
SIZE = [10, 100, 1000, 10000, 100000, 1e6, 1e7]
BUCKETS = {**{n: TIME for n in METRICS if n.endswith("duration_seconds")}, "request_size": LENGTH, "response_size": LENGTH, "bytes_sent": SIZE}

# Who is meant. A Prometheus that finds pods by itself gives each series the namespace of the controller's pod; that of the Ingress is
# exported_namespace then. The dashboards of the project mean that; they look at controller_namespace, too.
POD_IS = 'controller_pod=~"$controller",controller_class=~"$controller_class"'
HERE = POD_IS + ',namespace=~"$namespace"'
THERE = POD_IS + ',controller_namespace=~"$namespace"'
OF = 'exported_namespace=~"$exported_namespace",ingress=~"$ingress"'
GOOD = 'status!~"[4-5].*"'
N = "nginx_ingress_controller_"


def positive(v):
    return v > 0


def share(v):
    return 0 < v < 1


def a_time(v):
    return 0 < v <= 10


def quantiles(*of, by="le", where, metric="request_duration_seconds", window="2m"):
    return [f"histogram_quantile({q}, sum(rate({N}{metric}_bucket{{{where}}}[{window}])) by ({by}))" for q in of]


# (panel, query, what each value must be)
NGINX = [
    ("Controller Request Volume", f"round(sum(irate({N}requests{{{HERE}}}[2m])), 0.001)", positive),
    ("Controller Connections", f'sum(avg_over_time({N}nginx_process_connections{{{THERE},state="active"}}[2m]))', positive),
    ("Controller Success Rate", f"sum(rate({N}requests{{{HERE},{GOOD}}}[2m])) / sum(rate({N}requests{{{HERE}}}[2m]))", share),
    ("Config Reloads", f"avg(irate({N}success{{{THERE}}}[1m])) * 60", lambda v: v >= 0),
    ("Ingress Request Volume", f"round(sum(irate({N}requests{{{THERE},{OF}}}[2m])) by (ingress), 0.001)", lambda v: v >= 0),
    ("Ingress Success Rate",
     f"sum(rate({N}requests{{{HERE},{OF},{GOOD}}}[2m])) by (ingress) / sum(rate({N}requests{{{HERE},{OF}}}[2m])) by (ingress)", lambda v: 0 < v <= 1),
    ("Network I/O pressure, received", f"sum(irate({N}request_size_sum{{{THERE}}}[2m]))", positive),
    ("Network I/O pressure, sent", f"- sum(irate({N}response_size_sum{{{THERE}}}[2m]))", lambda v: v < 0),
    ("Average Memory Usage", f"avg({N}nginx_process_resident_memory_bytes{{{THERE}}})", lambda v: 1e6 < v < 1e10),
    ("Average CPU Usage", f"avg(rate({N}nginx_process_cpu_seconds_total{{{THERE}}}[2m]))", lambda v: 0 < v < 64),
    *[("Response Times and Transfer Rates", q, a_time) for q in quantiles(0.50, 0.90, 0.99, by="le, ingress", where=f'ingress!="",{THERE},{OF}')],
    ("Transfer Rates, in", f'sum(irate({N}request_size_sum{{ingress!="",{THERE},{OF}}}[2m])) by (ingress)', lambda v: v >= 0),
    ("Transfer Rates, out", f'sum(irate({N}response_size_sum{{ingress!="",{THERE},{OF}}}[2m])) by (ingress)', lambda v: v >= 0),
    *[("Percentile Response Times", q, a_time) for q in quantiles(0.80, 0.90, 0.99, where=f'ingress!="",{THERE},{OF}')],
    ("Request Latency Heatmap", f'sum(increase({N}request_duration_seconds_bucket{{ingress!="",{THERE},{OF}}}[2m])) by (le)', lambda v: v >= 0),
    # kubernetes_pod_name and ingress are no labels of it: "All" matches where they are missing, one choice does not, as with ingress-nginx.
    ("Ingress Certificate Expiry",
     f'avg({N}ssl_expire_time_seconds{{kubernetes_pod_name=~"$controller",namespace=~"$namespace",ingress=~"$ingress"}}) by (host) - time()',
     lambda v: 0 < v < 400 * DAY),
    ("annotation: Config Reloads",
     f'sum(changes({N}config_last_reload_successful_timestamp_seconds{{instance!="unknown",controller_class=~"$controller_class",namespace=~"$namespace"}}[30s])) by (controller_class)',
     lambda v: v >= 0),
]
ING = 'ingress=~"$ingress"'
HANDLING = [
    *[("Request Latency Percentiles", q, a_time) for q in quantiles(0.5, 0.95, 0.99, where=ING, window="5m")],
    *[("Upstream Response Latency Percentiles", q, a_time) for q in quantiles(0.5, 0.95, 0.99, where=ING, metric="response_duration_seconds", window="5m")],
    ("Request Rate by Method and Path", f"sum by (method, host, path)(rate({N}request_duration_seconds_count{{{ING}}}[5m]))", positive),
    *[("Median Upstream Response Time", q, a_time)
      for q in quantiles(0.5, by="le, method, host, path", where=ING + ',ingress!="nowhere",ingress!=""', metric="response_duration_seconds", window="5m")],
    ("Response Error Rate", f'sum by (method, host, path)(rate({N}request_duration_seconds_count{{{ING},status=~"[4-5].*"}}[5m]))'
                            f" / sum by (method, host, path)(rate({N}request_duration_seconds_count{{{ING}}}[5m]))", lambda v: 0 < v <= 1),
    ("Upstream Response Time", f"sum by (method, host, path)(rate({N}response_duration_seconds_sum{{{ING}}}[5m]))", lambda v: v >= 0),
    ("Responses with errors", f'sum(rate({N}request_duration_seconds_count{{{ING},status=~"[4-5].*"}}[5m])) by (method, host, path, status)', positive),
    ("Average Response Size", f"sum(rate({N}response_size_sum{{{ING}}}[5m])) by (method, host, path) / sum(rate({N}response_size_count{{{ING}}}[5m])) by (method, host, path)",
     lambda v: 50 < v < 1e6),
    ("Response sizes", f"sum(rate({N}response_size_bucket{{{ING}}}[5m])) by (le)", lambda v: v >= 0),
]
WHOSE = 'controller_class=~"$controller_class",ingress=~"$ingress",namespace=~"$namespace",controller_pod=~"$pod"'
CONNECTIONS = 'state=~"active",controller_class=~"$controller_class",controller_pod=~"$pod"'
KINDS = {"1/2xx": "(1|2).*", "3xx": "3.*", "4xx": "4.*", "5xx": "5.*"}


def rate_of(more=""):
    return f"sum(rate({N}requests{{{more}{WHOSE}}}[2m]))"


NEXTGEN = [
    ("Requests (period)", f"sum(increase({N}requests{{{WHOSE}}}[2m]))", positive),
    ("% Success", f"{rate_of(GOOD + ',')} / ({rate_of()} - ({rate_of('status=~' + json.dumps('404|499') + ',')} or vector(0)))", lambda v: 0 < v <= 1),
    ("Conns", f"sum(avg_over_time({N}nginx_process_connections{{{CONNECTIONS}}}[2m]))", positive),
    *[(f"HTTP {kind}", f'sum(increase({N}requests{{status=~"{status}",{WHOSE}}}[2m])) or vector(0)', positive) for kind, status in KINDS.items()],
    ("HTTP Requests / Ingress", f"sum(increase({N}requests{{{WHOSE}}}[2m])) by (ingress)", positive),
    ("HTTP Status Codes", f"sum(increase({N}requests{{{WHOSE}}}[2m])) by (status)", positive),
    *[("Latency", q, a_time) for q in quantiles(0.99, 0.95, 0.9, 0.75, 0.5, where='status!="404|500|304|499",' + WHOSE)],
    # Its curve of an average adds up the buckets 0.01, 0.1, 1 and 10, which are there, and 30 and 60, which ingress-nginx has by --time-buckets alone.
    *[(f"Latency, average: le {le}", f'sum(increase({N}request_duration_seconds_bucket{{status!="404|500|304",{WHOSE},le="{le}"}}[2m]))', positive)
      for le in ("0.01", "0.1", "1", "10", "+Inf")],
    ("Latency Heatmap", f'sum by (le)(increase({N}request_duration_seconds_bucket{{status!="404",status!="500",{WHOSE}}}[2m]))', lambda v: v >= 0),
    ("Total Connections Open", f"sum(avg_over_time({N}nginx_process_connections{{{CONNECTIONS}}}[5m]))", positive),
    *[("Latency (per ingress)", q, a_time) for q in quantiles(0.99, 0.95, 0.90, by="le, ingress", where='ingress!="",status!="404",status!="500",' + WHOSE, window="5m")],
]
ALERTS = [
    ("NGINXCertificateExpiry", f'(avg({N}ssl_expire_time_seconds{{host!="_"}}) by (host) - time()) < 604800', lambda v: 0 < v < 4 * DAY),
    ("NGINXTooMany500s", f'100 * (sum({N}requests{{status=~"5.+"}}) / sum({N}requests)) > 5', lambda v: v < 100),
    ("NGINXTooMany400s", f'100 * (sum({N}requests{{status=~"4.+"}}) / sum({N}requests)) > 5', lambda v: v < 100),
]
VARIABLES = [
    ("namespace", f"{N}config_hash", "controller_namespace", {POD_NAMESPACE}),
    ("controller_class", f"{N}config_hash", "controller_class", {"k8s.io/ingress-nginx"}),
    ("controller", f"{N}config_hash", "controller_pod", {POD}),
    ("exported_namespace", f'{N}requests{{ingress!=""}}', "exported_namespace", {"default"}),
    ("ingress", f'{N}requests{{ingress!=""}}', "ingress", {"app", "slow", "nowhere"}),
]


def filled(query):
    return re.sub(r"\$\w+", ".*", query)


class Watched:
    """A Sluice with some traffic, and a Prometheus that scrapes it each second."""

    def __init__(self, site):
        need("prometheus")
        self.site = site
        for name, host, days in (("cert", "app.example", 90), ("soon", "soon.example", 3)):
            cert, key = certificate(host, days=days)
            site.manifests.write(f"secret-{name}.yaml", tls_secret(name, cert, key))
        self.pod, self.next = site.pod("app"), site.pod("next")
        plain = {"nginx.ingress.kubernetes.io/ssl-redirect": "false"}
        site.app("app.example", self.pod.address, name="app", tls=[(["app.example"], "cert")], annotations=plain)
        site.app("soon.example", self.pod.address, name="soon", tls=[(["soon.example"], "soon")])
        site.app("slow.example", self.pod.address, name="slow")
        canary = {"nginx.ingress.kubernetes.io/canary": "true", "nginx.ingress.kubernetes.io/canary-by-header": "X-Next"}
        site.manifests.write("next.yaml", ingress("next", {"app.example": "next"}, annotations=canary), service("next"), *slices("next", [self.next.address]))
        site.manifests.write("nowhere.yaml", ingress("nowhere", {"nowhere.example": "nobody"}))
        self.sluice = site.sluice(env={"POD_NAME": POD, "POD_NAMESPACE": POD_NAMESPACE})
        config = site.tmp / "prometheus.json"
        target = {"targets": [self.sluice.admin], "labels": {"namespace": POD_NAMESPACE, "pod": POD}}
        config.write_text(json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": [{"job_name": "ingress-nginx", "static_configs": [target]}]}))
        server = site.add(Process(["prometheus", f"--config.file={config}", f"--storage.tsdb.path={site.tmp / 'data'}", "--web.listen-address=127.0.0.1:0"]))
        self.port = int(server.wait_line(r'msg="Listening on" address=127.0.0.1:(\d+)', stream="err", seconds=30)[1])

    def ask(self, query):
        answer = http_get(f"127.0.0.1:{self.port}", "/api/v1/query?" + urllib.parse.urlencode({"query": filled(query)})).json()
        assert answer["status"] == "success", answer
        return answer["data"]["result"]

    def values(self, query):
        return [float(r["value"][1]) for r in self.ask(query)]

    def visit(self):
        for path in ("/", "/?size=2000", "/?status=302", "/?status=404", "/?status=500"):
            self.sluice.get(path, "app.example")
        self.sluice.get("/", "app.example", headers={"X-Next": "always"})
        self.sluice.get("/?delay=300", "slow.example")
        self.sluice.get("/", "nowhere.example")
        self.sluice.get("/", "nobody.example")

    def traffic(self):
        """Twice what visit() asks, with a scrape between: what is counted grows."""
        self.visit()
        wait_for(lambda: self.ask("sluice_requests_total >= 9"), "a scrape after the first requests", 30)
        self.visit()
        wait_for(lambda: self.ask("sluice_requests_total >= 18"), "a scrape after the second ones", 30)


@pytest.fixture
def watched(site):
    return Watched(site)


def test_the_panels_and_alerts_of_ingress_nginx(watched):
    kept = watched.sluice.raw()  # a connection that is open
    kept.get("/", "app.example")
    watched.traffic()
    # What looks at the last two scrapes alone is asked while they differ.
    for title, query, fine in NGINX + HANDLING + NEXTGEN + ALERTS:
        def shown():
            values = watched.values(query)
            good = values and all(math.isfinite(v) and fine(v) for v in values)
            if not good and "irate" in query:
                watched.visit()
            shown.last = values
            return good
        try:
            wait_for(shown, title, 20, pause=0.2)
        except AssertionError:
            raise AssertionError(f"{title}: {query}: {shown.last}") from None
    for name, series, label, expected in VARIABLES:
        assert expected <= {r["metric"].get(label) for r in watched.ask(series)}, name
    kept.close()


def test_what_the_figures_say(watched):
    watched.traffic()
    slow = watched.values(quantiles(0.5, where='ingress="slow"')[0])
    assert slow and slow[0] >= 0.25, "the slow requests take 0.3 s"
    quick = watched.values(quantiles(0.5, where='ingress="app"')[0])
    assert quick and quick[0] < slow[0]
    canaries = {(r["metric"]["canary"], r["metric"]["ingress"]) for r in watched.ask(N + 'requests{canary!=""}')}
    assert {c for c, _ in canaries} == {"default-next-80"}
    assert watched.values(f'sum({N}requests{{ingress="app",status="404"}})') == [2]
    expiry = {r["metric"]["host"]: float(r["value"][1]) for r in watched.ask(f"{N}ssl_expire_time_seconds - time()")}
    assert 89 * DAY < expiry["app.example"] <= 90 * DAY and 2 * DAY < expiry["soon.example"] <= 3 * DAY
    firing = {r["metric"]["host"] for r in watched.ask(ALERTS[0][1])}
    assert firing == {"soon.example"}
    orphans = {(r["metric"]["ingress"], r["metric"]["type"]) for r in watched.ask(N + "orphan_ingress == 1")}
    assert orphans == {("nowhere", "no-service")}


def test_a_change_is_seen_and_none_has_failed(watched):
    failed = f"count({N}config_last_reload_successful == 0) > 0"
    wait_for(lambda: watched.ask(N + "success"), "a scrape", 30)
    assert watched.ask(failed) == [], "NGINXConfigFailed does not fire"
    assert watched.values(f"count({N}config_last_reload_successful == 0) or vector(0)") == [0]
    reloads = f"avg(irate({N}success{{{THERE}}}[1m])) * 60"
    before = watched.values(N + "config_hash")
    numbers = iter(range(1000))

    def seen():
        # It looks at the last two scrapes alone: there is a change between any two until it was seen.
        watched.site.app(f"more{next(numbers)}.example", watched.pod.address, name="more")
        return [v for v in watched.values(reloads) if v > 0]
    wait_for(seen, "the reload", 30, pause=0.3)
    wait_for(lambda: watched.values(N + "config_hash") != before, "another hash", 30)
    errors = watched.values(N + "errors")
    watched.site.manifests.write("bad.yaml", ingress("bad", {"no host": "app"}))
    wait_for(lambda: watched.values(N + "errors") > errors, "an error", 30)
    assert watched.ask(failed) == [], "a bad object holds nothing back"


def test_names_types_labels_and_buckets(watched):
    watched.visit()
    page = watched.sluice.admin_get("/metrics").body.decode()
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", page, re.M))
    const = {"controller_class", "controller_namespace", "controller_pod"}
    for name, (kind, labels) in METRICS.items():
        assert types.get(N + name) == kind, name
        suffix = "_bucket" if kind == "histogram" else ""
        lines = re.findall(rf"^{N}{name}{suffix}\{{(.*)\}} ", page, re.M)
        assert lines, name
        for line in lines:
            assert set(re.findall(r'(\w+)="', line)) - {"le"} == const | set(labels.split()), (name, line)
        if suffix:
            first = next(x for x in lines if 'ingress="app"' in x)
            rest = re.sub(r',?le="[^"]*"', "", first)
            bounds = [x for line in lines for x in re.findall(r'le="([^"]*)"', line) if re.sub(r',?le="[^"]*"', "", line) == rest]
            assert [float(b) for b in bounds] == BUCKETS[name] + [math.inf], name
    assert len(METRICS) == 27 and set(BUCKETS) == {n for n, (k, _) in METRICS.items() if k == "histogram"}
    info = next(x for x in page.splitlines() if x.startswith(N + "ssl_certificate_info") and 'host="app.example"' in x)
    told = dict(re.findall(r'(\w+)="([^"]*)"', info))
    assert told["secret_name"] == "cert" and told["namespace"] == "default" and told["public_key_algorithm"] == "ECDSA"
    assert told["serial_number"].isdigit() and told["identifier"] == "-" + told["serial_number"], "as Go prints the number"
    assert told["issuer_common_name"] == "app.example" and told["issuer_organization"] == ""
    expire = next(x for x in page.splitlines() if x.startswith(N + "ssl_expire_time_seconds") and 'host="app.example"' in x)
    assert f'identifier="{told["identifier"]}"' in expire


def test_the_process_by_the_names_of_all_clients(watched):
    page = watched.sluice.metrics()
    figures = {n: v for (n, _), v in page.items() if n.startswith("process_")}
    assert {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_virtual_memory_bytes", "process_start_time_seconds",
            "process_open_fds", "process_max_fds"} == set(figures)
    assert abs(time.time() - figures["process_start_time_seconds"]) < 600 and figures["process_resident_memory_bytes"] > 1e6


def test_connections_add_up(watched):
    """active is what reads, writes and waits, as in nginx."""
    sluice = watched.sluice
    with sluice.raw() as idle, sluice.raw() as halfway, sluice.raw(timeout=20) as busy:
        idle.get("/", "app.example")
        halfway.send("GET / HTTP/1.1\r\nHo")
        busy.send("GET /?delay=9000 HTTP/1.1\r\nHost: app.example\r\n\r\n")
        state = lambda s: sluice.metric(N + "nginx_process_connections", state=s)
        wait_for(lambda: (state("active"), state("reading"), state("writing"), state("waiting")) == (3, 1, 1, 1), "one of each", 8)


def review(name, host, ns="default"):
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "1", "operation": "CREATE", "kind": {"group": "networking.k8s.io", "version": "v1", "kind": "Ingress"}, "name": name, "namespace": ns,
        "object": {**ingress(name, {host: "app"}), "metadata": {"name": name, "namespace": ns}, "spec": {**ingress(name, {host: "app"})["spec"], "ingressClassName": "nginx"}}}}


def test_the_metrics_of_the_webhook(site, tmp_path):
    site.app("app.example", site.pod().address)
    cert, key = certificate("webhook")
    for name, text in (("crt", cert), ("key", key)):
        (tmp_path / name).write_text(text)
    sluice = site.sluice("--validating-webhook", "127.0.0.1:0", "--validating-webhook-certificate", tmp_path / "crt", "--validating-webhook-key", tmp_path / "key")
    page = sluice.admin_get("/metrics").body.decode()
    assert N + "check_success" not in page
    port = int(sluice.wait_line(r"^listening webhook \S+:(\d+)")[1])
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def post(body):
        c = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)
        c.request("POST", "/networking/v1/ingresses", json.dumps(body), {"Content-Type": "application/json"})
        answer = json.loads(c.getresponse().read())
        c.close()
        return answer["response"]["allowed"]

    assert [post(review("good", "a.example")), post(review("good", "b.example")), post(review("bad", "no host"))] == [True, True, False]
    wait_for(lambda: sluice.metric(N + "check_success", namespace="default", ingress="good") == 2, "what was allowed")
    assert sluice.metric(N + "check_errors", namespace="default", ingress="bad") == 1 and sluice.metric(N + "check_errors", ingress="good") == 0
    assert sluice.metric(N + "admission_tested_ingresses") == 1
    assert 0 < sluice.metric(N + "admission_tested_duration") == sluice.metric(N + "admission_roundtrip_duration") < 5
    names = {n for n, _ in sluice.metrics()}
    assert {N + "admission_" + n for n in ("config_size", "render_duration", "render_ingresses", "roundtrip_duration", "tested_duration", "tested_ingresses")} <= names
    # Whoever reaches it can invent names: they are not all remembered.
    for i in range(2100):
        post(review(f"n{i}", "c.example"))
    wait_for(lambda: sluice.metric("sluice_webhook_reviews_total", verdict="allowed") >= 2102, "all of them")
    counted = [(dict(labels), v) for (n, labels), v in sluice.metrics().items() if n == N + "check_success"]
    assert len(counted) <= 2001 and sum(v for _, v in counted) == 2102
    assert [v for labels, v in counted if labels["ingress"] == ""] == [2102 - sum(v for labels, v in counted if labels["ingress"])]
