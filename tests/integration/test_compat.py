"""`compat`: what is a hazard of ingress-nginx is done for `exact` alone (docs/compat.md). Each test asks both."""
import http.client
import ssl
import subprocess

import pytest

from h2raw import Http2
from harness import SLUICE, certificate, tls_secret
from test_cors import ONE, ask, cors

BOTH = pytest.mark.parametrize("compat", ["safe", "exact"])


def https(sluice, name):
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname, ctx.verify_mode = False, ssl.CERT_NONE
    host, port = sluice.https.rsplit(":", 1)
    c = http.client.HTTPSConnection(host, int(port), timeout=10, context=ctx)
    c.request("GET", "/", headers={"Host": name})
    answer = c.getresponse()
    answer.read()
    c.close()
    return answer


@BOTH
def test_hsts_with_the_default_certificate(site, compat):
    sluice, _ = site.simple(options={"compat": compat})
    for name in ("app.example", "unknown.example"):
        assert bool(https(sluice, name).getheader("Strict-Transport-Security")) == (compat == "exact"), name
    for scheme in ("http", "https"):
        a = sluice.get("/", "app.example", headers={"X-Forwarded-Proto": scheme})
        assert a.get("strict-transport-security") is None, "the connection itself is plain"


@BOTH
def test_hsts_with_a_certificate_for_the_name(site, compat):
    cert, key = certificate("app.example")
    site.manifests.write("secret.yaml", tls_secret("app-tls", cert, key))
    site.app("app.example", site.pod().address, tls=[(["app.example"], "app-tls")])
    sluice = site.sluice(options={"compat": compat})
    with Http2(sluice.https, sni="app.example") as c:
        headers = c.done(c.request("/")).headers
    assert [n for n, _ in headers].count("strict-transport-security") == 1
    assert sluice.get("/", "app.example").get("strict-transport-security") is None


@BOTH
def test_forwarded_fields_of_a_stranger(site, compat):
    """Which address the client has is proxy-real-ip-cidr's to say in both."""
    sluice, pod = site.simple(options={"compat": compat, "use-forwarded-headers": "true", "proxy-real-ip-cidr": "10.0.0.0/8"})
    sent = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "other.example", "X-Forwarded-Port": "8443", "X-Forwarded-For": "1.2.3.4", "Forwarded": "for=1.2.3.4"}
    assert sluice.get("/", "app.example", headers=sent).status == 200
    got = {n.lower(): v for n, v in pod.last_headers()[1]}
    told = (got["x-forwarded-proto"], got["x-forwarded-host"], got["x-forwarded-port"], got.get("forwarded"))
    assert told == (("https", "other.example", "8443", "for=1.2.3.4") if compat == "exact" else ("http", "app.example", sluice.http.rsplit(":", 1)[1], None))
    assert got["x-forwarded-for"] == "127.0.0.1"


@BOTH
@pytest.mark.parametrize("origin", ["https://evilhttps://a.example", "evil https://x.b.example"])
def test_the_end_of_an_origin(site, compat, origin):
    sluice, _ = site.simple(annotations=ONE, options={"compat": compat})
    assert bool(cors(ask(sluice, origin=origin))) == (compat == "exact")
    assert cors(ask(sluice, origin="https://x.y.b.example")) == {}
    assert cors(ask(sluice, origin="https://a.example"))


@BOTH
def test_http2_without_tls(site, compat):
    sluice, _ = site.simple(options={"compat": compat})
    if compat == "exact":
        with Http2(sluice.http) as c:
            assert c.done(c.request("/", host="app.example")).status == 200
    else:
        with sluice.raw() as c:
            c.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            assert c.answer().status in (400, 505)


def test_a_key_itself_is_stronger(site):
    sluice, _ = site.simple(options={"compat": "exact", "http2-prior-knowledge": "false"})
    with sluice.raw() as c:
        c.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert c.answer().status in (400, 505)


@BOTH
def test_the_error_of_a_call(site, compat):
    site.manifests.app("app.example", [], annotations={"backend-protocol": "GRPC"})
    sluice = site.sluice(options={"compat": compat, "http2-prior-knowledge": "true"})
    with Http2(sluice.http) as c:
        a = c.done(c.request("/a.B/C", method="POST", host="app.example", fields=[("content-type", "application/grpc"), ("te", "trailers")]))
    kind = dict(a.headers)["content-type"]
    assert (a.status, kind) == ((503, "text/html") if compat == "exact" else (200, "application/grpc"))


def test_check_names_the_hazards(site):
    site.app("app.example", site.pod().address)
    for value, words in (("exact", "hazards"), ("exakt", "safe or exact")):
        site.manifests.write("options.yaml", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ingress-nginx-controller", "namespace": "ingress-nginx"}, "data": {"compat": value}})
        r = subprocess.run([SLUICE, "check", site.manifests.root], capture_output=True, text=True)
        assert "data[compat]" in r.stdout + r.stderr and words in r.stdout + r.stderr, (r.stdout, r.stderr)
