"""CORS: preflights that are answered here, and the fields of what pods and we answer, over HTTP/1 and HTTP/2."""
import json
import subprocess

import pytest

from h2raw import Http2
from harness import SLUICE, certificate, tls_secret

FIELDS = {"access-control-allow-origin", "access-control-allow-credentials", "access-control-allow-methods", "access-control-allow-headers", "access-control-max-age"}
ONE = {"enable-cors": "true", "cors-allow-origin": "https://a.example, https://*.b.example"}


def ask(sluice, method="GET", origin="https://a.example", path="/", headers=()):
    with sluice.raw() as c:
        return c.get(path, "app.example", method=method, headers=([f"Origin: {origin}"] if origin else []) + list(headers))


def cors(answer):
    return {n.lower(): v for n, v in answer.headers if n.lower().startswith("access-control-")}


def test_a_preflight_reaches_no_pod_and_the_connection_lives(site):
    sluice, pods = site.simple(annotations=ONE)
    with sluice.raw() as c:
        for _ in range(2):
            a = c.get("/x", "app.example", method="OPTIONS", headers=["Origin: https://a.example", "Access-Control-Request-Method: PUT"])
            assert a.status == 204 and a.body == b"" and a.get("content-length") is None and a.get("content-type") is None
            assert set(cors(a)) == FIELDS and a.get("access-control-allow-origin") == "https://a.example"
        assert c.get("/x", "app.example").status == 200
    assert sum(p.stats()["requests"] for p in (pods if isinstance(pods, list) else [pods])) == 1


def test_others_are_the_pods(site):
    sluice, _ = site.simple(annotations=ONE)
    for origin in ("https://evil.example", "https://a.example.evil", "https://x.y.b.example", "null", None):
        a = ask(sluice, "OPTIONS", origin)
        assert a.status != 204 and cors(a) == {}, origin
    assert cors(ask(sluice, origin="https://x.b.example"))["access-control-allow-origin"] == "https://x.b.example"


def test_what_we_answer_ourselves_carries_them_too(site):
    site.manifests.app("app.example", [], annotations={"enable-cors": "true"})
    sluice = site.sluice()
    a = ask(sluice)
    assert a.status == 503 and cors(a)["access-control-allow-origin"] == "*"
    assert ask(sluice, "OPTIONS").status == 204


def test_over_h2(site):
    cert, key = certificate("app.example")
    site.manifests.write("secret.yaml", tls_secret("app-tls", cert, key))
    site.app("app.example", site.pod().address, tls=[(["app.example"], "app-tls")], annotations=ONE)
    sluice = site.sluice()
    assert ask(sluice).status == 308 and set(cors(ask(sluice))) == FIELDS
    assert ask(sluice, "OPTIONS").status == 204, "before the redirect to https, which no browser follows for it"
    with Http2(sluice.https, sni="app.example") as c:
        a = c.done(c.request("/", method="OPTIONS", fields=[("origin", "https://a.example")]))
        assert a.status == 204 and dict(a.headers)["access-control-allow-origin"] == "https://a.example"
        a = c.done(c.request("/", fields=[("origin", "https://a.example")]))
        assert a.status == 200 and dict(a.headers)["access-control-max-age"] == "1728000"
        assert "strict-transport-security" in dict(a.headers)


def test_edited_while_it_runs(site):
    sluice, _ = site.simple(annotations=ONE)
    pod = site.pod("other")
    sluice.changed(lambda: site.app("app.example", pod.address, annotations={"enable-cors": "true", "cors-max-age": "5", "cors-expose-headers": "X-One",
                                                                             "cors-allow-credentials": "false"}))
    a = cors(ask(sluice, origin=None))
    assert a["access-control-max-age"] == "5" and a["access-control-expose-headers"] == "X-One" and "access-control-allow-credentials" not in a


@pytest.mark.parametrize("method,origin,status", [("OPTIONS", "https://a.example", 204), ("OPTIONS", "https://c.example", None), ("GET", "https://a.example", None)])
def test_explain_asks_the_same(site, method, origin, status):
    site.app("app.example", site.pod().address, annotations=ONE)
    r = subprocess.run([SLUICE, "explain", site.manifests.root, method, "http://app.example/", "-H", f"Origin: {origin}", "--json"], stdout=subprocess.PIPE, timeout=30, text=True)
    answer = json.loads(r.stdout)["answer"]
    assert answer["status"] == status and answer["filter"] == ("cors" if status else "")
    assert (f"Access-Control-Allow-Origin: {origin}" in answer["fields"]) == (origin == "https://a.example")
