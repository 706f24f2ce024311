"""What probes and agents ask a controller for, in the shape of ingress-nginx 1.15.1: its ports 10254 and 10246, and port 80."""
import re
import signal
import subprocess

import pytest
from harness import SLUICE, Process, http_get, wait_for
from proxy_header import v1
from shop import a_shop
from test_admin import ask, outside

STUB = re.compile(r"Active connections: (\d+) \nserver accepts handled requests\n (\d+) (\d+) (\d+) \nReading: (\d+) Writing: (\d+) Waiting: (\d+) \n")


def unsynced(site):
    """One whose API server is not there: it lives, and has nothing to serve."""
    config = site.tmp / "kubeconfig"
    config.write_text("apiVersion: v1\nkind: Config\ncurrent-context: m\ncontexts: [{name: m, context: {cluster: c, user: u}}]\n"
                      "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\nusers: [{name: u, user: {}}]\n")
    p = site.add(Process([SLUICE, "serve", "--kubeconfig", config, *sum([[f"--{k}", "127.0.0.1:0"] for k in ("http", "https", "admin")], [])]))
    return p.wait_line(r"^listening admin (\S+)", 30).group(1)


def test_health_is_that_of_ingress_nginx(site):
    sluice, _ = site.simple(options={"shutdown-grace-period": 30})
    answer = sluice.admin_get("/healthz")
    assert (answer.status, answer.body, answer.get("content-type")) == (200, b"ok", "text/plain; charset=utf-8")
    assert sluice.admin_get("/healthz?verbose").body == b"[+]ping ok\n[+]nginx-ingress-controller ok\nhealthz check passed\n"
    assert (sluice.admin_get("/is-dynamic-lb-initialized").status, sluice.admin_get("/is-dynamic-lb-initialized").body) == (200, b"OK\n")
    sluice.proc.send_signal(signal.SIGTERM)
    wait_for(lambda: sluice.admin_get("/healthz").status == 500, "an end of readiness")
    assert b"[-]nginx-ingress-controller failed: the ingress controller is shutting down\nhealthz check failed\n" in sluice.admin_get("/healthz").body
    assert sluice.admin_get("/livez").status == 200 and sluice.admin_get("/readyz").status == 503


def test_nothing_to_serve_is_not_healthy(site):
    """Manifests for ingress-nginx have /healthz as readiness: a pod without routes would get requests."""
    at = unsynced(site)
    answer = http_get(at, "/healthz")
    assert answer.status == 500 and b"waiting for the first full sync" in answer.body
    assert http_get(at, "/is-dynamic-lb-initialized").status == 500 and http_get(at, "/livez").status == 200
    assert http_get(at, "/configuration/backends").json() == []
    assert http_get(at, "/configuration/certs?hostname=_").status == 404


def test_stub_status(site):
    """Byte for byte in nginx's form, on the admin address and, from loopback, at a host that no Ingress names."""
    sluice, _ = site.simple()
    with sluice.raw() as idle:
        idle.get("/", "app.example")
        answer = sluice.admin_get("/nginx_status")
        assert STUB.fullmatch(answer.body.decode()) and answer.get("content-type") == "text/plain", answer

        def figures():
            return tuple(map(int, STUB.fullmatch(sluice.admin_get("/nginx_status").body.decode()).groups()))

        # The client may have read its answer before the worker has ended the exchange.
        wait_for(lambda: figures()[4:] == (0, 0, 1), "the connection to wait for its next request")
        active, accepted, handled, requests, *_ = figures()
        assert active == 1 and accepted == handled >= 1 and requests >= 1
        before = accepted
        answer = sluice.get("/nginx_status", "10.0.0.7")
        m = STUB.fullmatch(answer.body.decode())
        assert answer.status == 200 and answer.get("content-type") == "text/plain" and m and int(m[2]) == before + 1 and int(m[6]) == 1, answer
    assert not [x for x in sluice.access_lines() if "nginx_status" in x], "it is not logged"
    assert sluice.get("/nginx_status", "app.example").get("x-pod") == "pod", "a host that an Ingress names has its own"
    assert sluice.get("/nginx_status/x", "10.0.0.7").status == 404
    with sluice.tls("nobody.example") as c:
        assert c.get("/nginx_status", "nobody.example").status == 200
    code, out = explained(site, "http://10.0.0.7/nginx_status", "--from", "127.0.0.1")
    assert code == 0 and "200" in out
    code, out = explained(site, "http://10.0.0.7/nginx_status", "--from", "192.0.2.1")
    assert "403" in out and "loopback" in out


def explained(site, url, *args):
    r = subprocess.run([SLUICE, "explain", site.manifests.root, "GET", url, *args], capture_output=True, text=True, timeout=30)
    return r.returncode, r.stdout


def test_stub_status_is_for_loopback_alone(site):
    """The connection has to come from there, and whoever it speaks for."""
    site.app("app.example", site.pod().address)
    trusting = {"use-forwarded-headers": "true", "proxy-real-ip-cidr": "0.0.0.0/0"}
    sluice = site.sluice(options=trusting, listen={"http": "0.0.0.0:0"})
    here = sluice.http.replace("0.0.0.0", "127.0.0.1")
    far = outside(here)
    assert http_get(here, "/nginx_status", host="x.example").status == 200
    for address, fields in ((far, {}), (far, {"X-Forwarded-For": "127.0.0.1"}), (here, {"X-Forwarded-For": "192.0.2.1"})):
        answer = http_get(address, "/nginx_status", host="x.example", headers=fields)
        assert answer.status == 403 and b"Active" not in answer.body, (address, fields)
    assert http_get(far, "/healthz", host="x.example").status == 200, "probes come from elsewhere"


def test_stub_status_behind_a_proxy_header(site):
    site.app("app.example", site.pod().address)
    sluice = site.sluice(options={"use-proxy-protocol": "true"})
    for sender in ("192.0.2.9", "127.0.0.1"):
        with sluice.raw() as c:
            c.send(v1(sender, 1000, "192.0.2.1", 80))
            assert c.get("/nginx_status", "x.example").status == 403, sender


def test_a_catch_all_keeps_its_own_status_page(site):
    pod = site.pod()
    site.app(None, pod.address, name="all", paths=[("/", "Prefix")])
    sluice = site.sluice()
    assert sluice.get("/nginx_status", "x.example").get("x-pod") is None
    site.app(None, pod.address, name="all", paths=[("/", "Prefix"), ("/nginx_status", "Exact")])
    wait_for(lambda: sluice.get("/nginx_status", "x.example").get("x-pod") == "pod", "the path of the catch-all")


@pytest.fixture
def shop(site):
    return a_shop(site)


def test_backends_have_the_form_of_ingress_nginx(shop):
    sluice, _ = shop
    answer = sluice.admin_get("/configuration/backends")
    assert answer.get("content-type") == "application/json"
    backends = {b["name"]: b for b in answer.json()}
    assert {"default-shop-80", "default-next-80", "other-hash-80", "default-nobody-80"} <= set(backends)
    one = backends["default-shop-80"]
    assert sorted(e["address"] for e in one["endpoints"]) == ["10.0.0.1", "10.0.0.2"] and all(e["port"] == "8080" for e in one["endpoints"])
    assert one["sessionAffinityConfig"]["name"] == "cookie" and one["sessionAffinityConfig"]["mode"] == "balanced"
    assert one["sessionAffinityConfig"]["cookieSessionAffinity"]["name"] == "S"
    assert one["port"] == 80 and one["noServer"] is False and one["alternativeBackends"] == ["default-next-80"] and one["sslPassthrough"] is False
    canary = backends["default-next-80"]
    assert canary["noServer"] is True
    assert canary["trafficShapingPolicy"] == {"weight": 20, "weightTotal": 100, "header": "", "headerValue": "", "headerPattern": "", "cookie": ""}
    assert backends["other-hash-80"]["upstreamHashByConfig"] == {"upstream-hash-by": "$request_uri"} and backends["other-hash-80"]["load-balance"] == "ewma"
    assert "endpoints" not in backends["default-nobody-80"]
    assert sluice.admin_get("/configuration/general").json() == {}


def test_certificates_without_keys(shop):
    sluice, cert = shop
    answer = sluice.admin_get("/configuration/certs?hostname=shop.example")
    assert answer.status == 200 and answer.body.decode() == cert and b"PRIVATE" not in answer.body
    assert sluice.admin_get("/configuration/certs?x=1&hostname=SHOP%2eexample").body.decode() == cert
    assert sluice.admin_get("/configuration/certs?hostname=_").body.startswith(b"-----BEGIN CERTIFICATE-----")
    for name in ("hash.example", "nobody.example", "%00", "a" * 3000):
        answer = sluice.admin_get(f"/configuration/certs?hostname={name}")
        assert (answer.status, answer.body) == (404, b"No key associated with this hostname."), name
    for query in ("", "?", "?hostname=", "?hostnam=x"):
        answer = sluice.admin_get("/configuration/certs" + query)
        assert (answer.status, answer.body) == (400, b"Hostname must be specified."), query
    assert http_get(sluice.admin, "/configuration/backends", "POST", body=b"[]").status == 405, "nothing is changed through them"


@pytest.mark.parametrize("path, words", [("/build", "build_info"), ("/stop", "SIGTERM"), ("/configuration/servers", "Secrets"), ("/debug/pprof/", "profiler"),
                                         ("/debug/pprof/profile", "profiler"), ("/configuration/nonsense", "in the list")])
def test_what_is_not_there_says_what_to_use(shop, path, words):
    answer = shop[0].admin_get(path)
    first = answer.body.decode().splitlines()[0]
    assert answer.status == 404 and first.startswith("no such page: ") and words in first and "/healthz" in answer.body.decode()
    assert ask(shop[0].admin, path, fields=["Host: evil.example"]).status == 403
