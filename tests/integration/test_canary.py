"""Canaries: which of the two Services of a path takes a request, and what is told of it."""
import json
import subprocess
import threading
from collections import Counter

import pytest

import h2raw
from harness import SLUICE, free_port, ingress, read_request, service, slices, wait_for

HOST = "app.example"
UPGRADE = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]


def write_canary(site, addresses, annotations, **kw):
    addresses = [addresses] if isinstance(addresses, str) else addresses
    site.manifests.write("next.yaml", ingress("next", kw.pop("rules", {HOST: "next"}), annotations={"canary": "true", **annotations}, **kw), service("next"),
                         *slices("next", addresses))


class Both:
    """A main Service and a canary, each of one strict pod."""

    def __init__(self, site, annotations, main=None, **kw):
        self.site = site
        self.main, self.canary = site.pod("main"), site.pod("canary")
        site.app(HOST, self.main.address, annotations=main)
        self.put(annotations)
        self.sluice = site.sluice(**kw)

    def put(self, annotations, **kw):
        write_canary(self.site, self.canary.address, annotations, **kw)

    def taken(self, **headers):
        return self.sluice.get("/", HOST, headers={k.replace("_", "-"): v for k, v in headers.items()}).get("x-pod")


ORDER = {"canary-by-header": "X-Canary", "canary-by-cookie": "ck", "canary-weight": "100"}


@pytest.mark.parametrize("protocol", ["h1", "h2"])
def test_header_before_cookie_before_weight(site, protocol):
    both = Both(site, ORDER, options={"http2-prior-knowledge": "true"})
    rows = [({}, "canary"), ({"x-canary": "never"}, "main"), ({"x-canary": "never", "cookie": "ck=always"}, "main"),
            ({"x-canary": "always", "cookie": "ck=never"}, "canary"), ({"cookie": "ck=never"}, "main"), ({"x-canary": "odd", "cookie": "CK=never"}, "main")]
    if protocol == "h1":
        for headers, pod in rows:
            assert both.sluice.get("/", HOST, headers=headers).get("x-pod") == pod, headers
        return
    with h2raw.Http2(both.sluice.http) as c:
        for headers, pod in rows:
            stream = c.request("/", HOST, fields=list(headers.items()))
            c.wait(lambda s=stream: s.done, "an answer")
            assert dict(stream.headers)["x-pod"] == pod, headers


def test_values_and_patterns(site):
    both = Both(site, {"canary-by-header": "X-Canary", "canary-by-header-value": "yes please"})
    assert [both.taken(X_Canary=v) for v in ("yes please", "Yes Please", "always")] == ["canary", "main", "main"]
    both.sluice.changed(lambda: both.put({"canary-by-header": "X-Canary", "canary-by-header-pattern": "^v[0-9]+$"}))
    assert [both.taken(X_Canary=v) for v in ("v12", "V12", "v", "always")] == ["canary", "main", "main", "main"]
    both.sluice.changed(lambda: both.put({"canary-by-header": "X-Canary", "canary-by-header-pattern": "[a-z", "canary-by-cookie": "ck"}))
    assert both.taken(X_Canary="a", Cookie="ck=always") == "main" and both.taken(Cookie="ck=always") == "canary"
    assert "InvalidPattern" in check(site)[1]


def test_a_pattern_that_gives_up_stays_and_is_counted(site):
    both = Both(site, {"canary-by-header": "X-Canary", "canary-by-header-pattern": "^(a+)+$", "canary-weight": "100"})
    assert both.taken() == "canary"
    before = both.sluice.metric("sluice_regex_gave_up_total")
    assert both.taken(X_Canary="a" * 40 + "!") == "main"
    assert both.sluice.metric("sluice_regex_gave_up_total") == before + 1


def test_the_weight_takes_its_share(site):
    both = Both(site, {"canary-weight": "300", "canary-weight-total": "1000"})
    with both.sluice.raw() as c:
        counts = Counter(c.get("/", HOST).get("x-pod") for _ in range(1000))
    assert 200 < counts["canary"] < 400, counts  # seven times the deviation that chance has


@pytest.mark.parametrize("weight,pod", [("0", "main"), ("-5", "main"), ("150", "canary"), ("ten", "main")])
def test_weights_at_the_ends(site, weight, pod):
    both = Both(site, {"canary-weight": weight})
    with both.sluice.raw() as c:
        assert {c.get("/", HOST).get("x-pod") for _ in range(20)} == {pod}


def test_the_settings_are_the_main_ingresses(site):
    both = Both(site, {"canary-weight": "100", "upstream-vhost": "c.example", "whitelist-source-range": "192.0.2.1/32", "rewrite-target": "/rewritten"},
                main={"upstream-vhost": "m.example"})
    assert both.taken() == "canary"
    line, headers = both.canary.last_headers()
    assert line == "GET / HTTP/1.1" and ("Host", "m.example") in headers
    assert "CanaryProtection" in check(site)[1]


def test_what_guards_the_main_ingress_guards_its_canary(site):
    both = Both(site, {"canary-weight": "100"}, main={"whitelist-source-range": "192.0.2.1/32"})
    assert both.sluice.get("/", HOST).status == 403 and both.canary.stats()["requests"] == 0


def test_endpoints_of_both(site):
    both = Both(site, {"canary-by-header": "X-Canary"})
    assert both.taken(X_Canary="always") == "canary"
    both.sluice.changed(lambda: write_canary(site, [], {"canary-by-header": "X-Canary"}))
    assert both.taken(X_Canary="always") == "main", "as recorded"
    both.sluice.changed(lambda: site.manifests.write("next.yaml", ingress("next", {HOST: "missing"}, annotations={"canary": "true", "canary-weight": "100"})))
    assert both.taken() == "main"
    out = check(site)[1]
    assert "MissingService" in out and "its canary takes no requests" in out and "(the main Service gets all requests)" in out
    both.sluice.changed(lambda: both.put({"canary-weight": "100"}))
    both.sluice.changed(lambda: site.app(HOST, []))
    assert both.sluice.get("/", HOST, headers={"X-Canary": "always"}).status == 503, "as in ingress-nginx"


def test_who_waits_for_a_canary_that_goes_is_asked_of_the_main_service(site):
    """As whoever comes then is. What is under way at its pod ends there."""
    main, go, asked = site.pod("main"), threading.Event(), []

    def held(sock, _):
        while read_request(sock):
            asked.append(1)
            go.wait(20)
            sock.sendall(b"HTTP/1.1 200 OK\r\nX-Pod: canary\r\nContent-Length: 0\r\n\r\n")
    site.app(HOST, main.address)
    write_canary(site, site.scripted(held).address, {"canary-weight": "100"})
    sluice = site.sluice(options={"upstream-max-connections": "1"})
    got = []
    threads = [threading.Thread(target=lambda: got.append(sluice.get("/", HOST).get("x-pod"))) for _ in range(3)]
    for t in threads:
        t.start()
    wait_for(lambda: asked and sluice.metric("sluice_requests_active") == 3, "two that wait")
    write_canary(site, [], {"canary-weight": "100"})
    wait_for(lambda: got == ["main", "main"], "the two are answered")
    go.set()
    for t in threads:
        t.join()
    assert got[2] == "canary" and len(asked) == 1


def test_attempts_stay_with_the_canary(site):
    main, dead = site.pod("main"), f"127.0.0.1:{free_port()}"
    site.app(HOST, main.address)
    write_canary(site, dead, {"canary-weight": "100"})
    sluice = site.sluice()
    assert sluice.get("/", HOST).status == 502 and main.stats()["requests"] == 0
    line = sluice.wait_access(r'"GET / ').string
    assert f"[default-app-80] [default-next-80] {dead}, {dead}, {dead} " in line, line


def test_websockets(site):
    both = Both(site, {"canary-by-header": "X-Canary"})
    for value, pod in (("always", "canary"), ("never", "main")):
        with both.sluice.raw() as c:
            answer = c.get("/ws", HOST, headers=[*UPGRADE, f"X-Canary: {value}"])
            assert answer.status == 101 and getattr(both, pod).stats()["requests"] == 1
            assert c.send("hello").read_exactly(5) == b"hello"
            # The tunnel outlives its canary.
            if pod == "canary":
                both.sluice.changed(lambda: site.manifests.remove("next.yaml"))
                assert c.send("still").read_exactly(5) == b"still"
                both.sluice.changed(lambda: both.put({"canary-by-header": "X-Canary"}))
    wait_logged(both.sluice, '"GET /ws HTTP/1.1" 101', "[default-next-80]")


def wait_logged(sluice, *texts):
    """A line of the access log with all of these."""
    wait_for(lambda: any(all(t in x for t in texts) for x in sluice.access_lines()), f"a line with {texts}")


def test_grpc_calls(site):
    from grpc_pod import HOST as GRPC_HOST
    from grpc_pod import Client, GrpcPod
    from middle import middle
    pods = {"always": site.add(GrpcPod()), "never": site.add(GrpcPod())}
    site.manifests.write("next.yaml", ingress("next", {GRPC_HOST: "next"}, annotations={"canary": "true", "canary-by-header": "x-canary"}), service("next"),
                         *slices("next", [pods["always"].address]))
    proxy = middle(site, pods["never"], GRPC_HOST, grpc=True)
    client = Client(proxy, False)
    try:
        for value, pod in pods.items():
            assert client.unary(b"hello", timeout=20, metadata=[("x-canary", value)]) == b"hello"
            assert pod.service.metadata["x-canary"] == value
    finally:
        client.channel.close()


def test_logs_and_metrics_tell_of_the_canary(site):
    both = Both(site, {"canary-by-header": "X-Canary"})
    for value in ("always", "never"):
        both.taken(X_Canary=value)
    wait_logged(both.sluice, f"[default-app-80] [default-next-80] {both.canary.address} ")
    wait_logged(both.sluice, f"[default-app-80] [] {both.main.address} ")
    for canary in ("default-next-80", ""):
        labels = {"ingress": "app", "service": "app", "canary": canary}
        wait_for(lambda l=labels: both.sluice.metric("nginx_ingress_controller_requests", **l) == 1, f"a request of {labels}")
    # The label sets stay the same ones while the weight changes.
    both.sluice.changed(lambda: both.put({"canary-by-header": "X-Canary", "canary-weight": "1"}))
    both.taken(X_Canary="always")
    wait_for(lambda: both.sluice.metric("nginx_ingress_controller_requests", canary="default-next-80") == 2, "the second request of the canary")


def test_variables_of_a_format(site):
    both = Both(site, {"canary-by-header": "X-Canary"}, options={"log-format-upstream": "$proxy_upstream_name|$proxy_alternative_upstream_name|$service_name|$http_x_canary"})
    both.taken(X_Canary="always")
    wait_logged(both.sluice, "default-app-80|default-next-80|app|always")


def test_changes_under_load_cut_nothing(site):
    both = Both(site, {"canary-weight": "50"}, workers=2)
    load = site.tool("load", "--connect", both.sluice.http, "--host", HOST, "-c", 16, "-d", 60)
    load.wait_done(200)
    spare = site.pod("spare")
    for weight in (10, 100, 0, 60):
        both.sluice.changed(lambda: both.put({"canary-weight": str(weight)}))
        both.sluice.changed(lambda: site.manifests.remove("next.yaml"))
        both.sluice.changed(lambda: both.put({"canary-weight": "50"}))
        both.sluice.changed(lambda: write_canary(site, [both.canary.address, spare.address], {"canary-weight": "50"}))
        both.sluice.changed(lambda: write_canary(site, [], {"canary-weight": "50"}))
    result = load.result(stop=True)
    assert result["failed"] == 0 and result["closed_unannounced"] == 0, result
    assert both.canary.stats()["requests"] > 0 and both.main.stats()["requests"] > 0


def run(verb, *args):
    p = subprocess.run([SLUICE, verb, *args], capture_output=True, text=True, timeout=30)
    return p.returncode, p.stdout


def check(site, *args):
    return run("check", site.manifests.root, *args)


def explain(site, *headers, more=()):
    code, out = run("explain", site.manifests.root, "GET", f"http://{HOST}/", *sum([["-H", h] for h in headers], []), *more)
    assert code == 0, out
    return out


def test_explain_and_check_tell_of_the_canary(site):
    site.app(HOST, "127.0.0.1:1001")
    write_canary(site, "127.0.0.1:1002", {**ORDER, "canary-weight": "20"})
    out = explain(site)
    assert "forwarded to default/app:80" in out and "or, 20 of 100 times, to default/next:80" in out, out
    assert "127.0.0.1:1001 ready" in out and "127.0.0.1:1002 ready" in out
    out = explain(site, "X-Canary: always")
    assert "forwarded to default/next:80" in out and "127.0.0.1:1001" not in out and "header X-Canary says so (canary-by-header)" in out, out
    out = explain(site, "Cookie: ck=never")
    assert "forwarded to default/app:80" in out and "times, to" not in out and "does not take it" in out, out
    told = json.loads(explain(site, more=["--json"]))["canary"]
    assert told["takes"] == "by chance" and told["weight"] == 20 and told["service"] == "next" and told["ingress"] == "next"
    code, out = check(site)
    assert code == 0 and "canary -> default/next:80: header X-Canary is always, cookie ck is always, 20 of 100 others  1 endpoint  [Ingress default/next]" in out, out
    row = json.loads(check(site, "--json")[1])["served"][0]
    assert row["canary"]["weight"] == 20 and row["canary"]["usableEndpoints"] == 1


def test_the_admin_address_shows_it(site):
    both = Both(site, {"canary-weight": "20"})
    route = next(r for r in both.sluice.config()["routes"] if r["host"] == HOST)
    assert route["canary"]["cluster"] == "default-next-80" and route["canary"]["weight"] == 20


def test_an_alias_and_a_regular_expression(site):
    pod, canary = site.pod("main"), site.pod("canary")
    paths = [("/[a-z]+", "ImplementationSpecific", "app", 80)]
    site.manifests.write("app.yaml", ingress("app", {HOST: paths}, annotations={"use-regex": "true", "server-alias": "alias.example"}), service("app"), *slices("app", [pod.address]))
    write_canary(site, canary.address, {"canary-by-cookie": "ck"}, rules={HOST: [("/[a-z]+", "ImplementationSpecific", "next", 80)]})
    sluice = site.sluice()
    for host in (HOST, "alias.example"):
        assert sluice.get("/abc", host).get("x-pod") == "main"
        assert sluice.get("/abc", host, headers={"Cookie": "ck=always"}).get("x-pod") == "canary"


def test_a_canary_alone_serves_nothing(site):
    write_canary(site, site.pod("canary").address, {"canary-weight": "100"})
    sluice = site.sluice()
    assert sluice.get("/", HOST).status == 404
    assert "CanaryWithoutMain" in check(site)[1]
