"""Who the client is, wherever it is asked: what pods get, redirects, logs, over every protocol and behind a PROXY header."""
import pytest

import proxy_header as ph
from h2raw import Http2
from harness import certificate, config_map, tls_secret

TRUSTED = {"use-forwarded-headers": "true", "proxy-real-ip-cidr": "127.0.0.0/8"}
STRANGER = {"use-forwarded-headers": "true", "proxy-real-ip-cidr": "10.0.0.0/8"}
LOG = "$remote_addr $scheme $pass_access_scheme $http_host $best_http_host $https $request_uri"
SAID = [("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "public.example:8443"), ("X-Forwarded-Port", "8443")]


def seen(pod):
    out = {}
    for n, v in pod.last_headers()[1]:
        out.setdefault(n.lower(), []).append(v)
    return out


def ask(c, path, fields):
    return c.get(path, "app.example", headers=[f"{n}: {v}" for n, v in fields])


@pytest.mark.parametrize("over", ["plain", "tls", "h2c", "h2"])
@pytest.mark.parametrize("options, believed", [(TRUSTED, True), (STRANGER, False), ({}, False)])
def test_one_answer_over_every_protocol(site, over, options, believed):
    cert, key = certificate("app.example")
    site.manifests.write("secret.yaml", tls_secret("app-tls", cert, key))
    pod = site.pod()
    site.app("app.example", pod.address, tls=[(["app.example"], "app-tls")], annotations={"ssl-redirect": "false"})
    sluice = site.sluice(options={**options, "http2-prior-knowledge": "true", "log-format-upstream": LOG})
    tls = over in ("tls", "h2")
    if over in ("h2c", "h2"):
        with Http2(sluice.https, sni="app.example") if tls else Http2(sluice.http) as c:
            assert c.done(c.request("/x", fields=[(n.lower(), v) for n, v in SAID])).status == 200
    else:
        with sluice.tls("app.example") if tls else sluice.raw() as c:
            a = ask(c, "/x", SAID)
            assert a.status == 200
            # HSTS is about the connection: what a proxy said of another one promises nothing about this.
            assert bool(a.get("strict-transport-security")) == tls
    v = seen(pod)
    own_port = "443" if tls else sluice.http.rsplit(":", 1)[1]
    scheme = "https" if tls else "http"
    want = ("203.0.113.9", "https", "public.example:8443", "8443") if believed else ("127.0.0.1", scheme, "app.example", own_port)
    assert (v["x-real-ip"], v["x-forwarded-proto"], v["host"], v["x-forwarded-port"]) == tuple([x] for x in want)
    assert v["x-forwarded-for"] == [want[0]] and v["x-scheme"] == v["x-forwarded-scheme"] == [want[1]] and v["x-forwarded-host"] == [want[2]]
    sluice.wait_access(f"^{want[0]} {scheme} {want[1]} app.example {want[2]} {'on' if tls else ''} /x$")


def test_a_forwarded_host_leads_to_no_other_route(site):
    one, two = site.pod("one"), site.pod("two")
    site.app("one.example", one.address)
    site.app("two.example", two.address)
    sluice = site.sluice(options=TRUSTED)
    with sluice.raw() as c:
        assert c.get("/", "one.example", headers=["X-Forwarded-Host: two.example"]).get("x-pod") == "one"
    assert seen(one)["host"] == ["two.example"] and two.stats()["requests"] == 0


def test_redirects_of_annotations_have_the_scheme_of_the_client(site):
    site.app("app.example", site.pod().address, annotations={"permanent-redirect": "/new"})
    site.app("slash.example", site.pod().address, paths=[("/foo/", "Prefix")])
    sluice = site.sluice(options=TRUSTED)
    for said, scheme in [("https", "https"), ("https, http", "https"), ("http,https", "http"), ("wss", "https"), ("ftp", "http"), ("a b", "http"),
                         ("javascript:alert(1)", "http"), ("x" * 300, "http")]:
        with sluice.raw() as c:
            assert c.get("/old", "app.example", headers=["X-Forwarded-Proto: " + said]).get("location") == f"{scheme}://app.example/new", said
            assert c.get("/foo", "slash.example", headers=["X-Forwarded-Proto: " + said]).get("location") == f"{scheme}://slash.example/foo/", said


def test_a_list_that_is_passed_on_was_said_by_a_trusted_proxy(site):
    """compute-full-forwarded-for: what a stranger says of itself is not made a list with our word at its end."""
    pod = site.pod()
    site.app("app.example", pod.address)
    site.manifests.write("options.yaml", config_map({**STRANGER, "compute-full-forwarded-for": "true"}))
    sluice = site.sluice()
    sluice.get("/", "app.example", headers={"X-Forwarded-For": "203.0.113.9"})
    assert seen(pod)["x-forwarded-for"] == ["127.0.0.1"]
    sluice.changed(lambda: site.manifests.write("options.yaml", config_map({**TRUSTED, "compute-full-forwarded-for": "true"})))
    sluice.get("/", "app.example", headers={"X-Forwarded-For": "203.0.113.9"})
    assert seen(pod)["x-forwarded-for"] == ["203.0.113.9, 127.0.0.1"]


@pytest.mark.parametrize("options, value, passes", [
    (TRUSTED, 'for=203.0.113.9;proto=https;host="a.example:8443"', True), (TRUSTED, "for=203.0.113.9, for=10.0.0.1", True),
    (TRUSTED, "host=a b", False), (TRUSTED, "proto=javascript", False), (TRUSTED, "nonsense", False),
    (STRANGER, "for=203.0.113.9", False), ({}, "for=203.0.113.9", False)])
def test_forwarded_of_rfc_7239_reaches_pods_only_well_formed_and_from_a_trusted_proxy(site, options, value, passes):
    sluice, pod = site.simple(options=options)
    with sluice.raw() as c:
        assert c.get("/", "app.example", headers=["Forwarded: " + value]).status == 200
    assert seen(pod).get("forwarded") == ([value] if passes else None)


@pytest.mark.parametrize("fields, status", [
    ([], 308), (["http"], 308), (["https"], 200), ([""], 200), (["http", ""], 200), (["", "http"], 200), (["http", "http"], 200)])
def test_what_is_not_http_alone_redirects_nobody(site, fields, status):
    """An empty field is there too: nginx joins "http" and it to "http, "."""
    sluice, _ = site.simple(options=TRUSTED, annotations={"force-ssl-redirect": "true"})
    with sluice.raw() as c:
        assert c.get("/", "app.example", headers=[f"X-Forwarded-Proto: {f}" for f in fields]).status == status


@pytest.mark.parametrize("port, said, status, scheme", [
    (80, None, 308, None), (443, None, 200, "https"), (80, "https", 200, "https"), (80, "http", 308, None), (443, "http", 200, "https"),
    (80, "https, http", 200, "https"), (443, "a b", 200, "https"), (80, "a b", 200, "http")])
def test_a_proxy_header_and_forwarded_fields_together(site, port, said, status, scheme):
    sluice, pod = site.simple(options={**TRUSTED, "use-proxy-protocol": "true", "proxy-real-ip-cidr": "127.0.0.0/8,10.0.0.0/8"},
                              annotations={"force-ssl-redirect": "true"})
    with sluice.raw() as c:
        c.send(ph.v1("10.1.2.3", 1111, "5.6.7.8", port))
        a = c.get("/x", "app.example", headers=["X-Forwarded-For: 203.0.113.9"] + ([f"X-Forwarded-Proto: {said}"] if said else []))
    assert a.status == status
    if status == 200:
        assert seen(pod)["x-forwarded-proto"] == [scheme] and seen(pod)["x-real-ip"] == ["203.0.113.9"]


def test_a_client_behind_a_proxy_header_that_is_no_proxy_of_ours_is_not_believed(site):
    sluice, pod = site.simple(options={**TRUSTED, "use-proxy-protocol": "true"})
    with sluice.raw() as c:
        c.send(ph.v1("192.0.2.1", 1111, "5.6.7.8", 80))
        assert ask(c, "/", SAID).status == 200
    v = seen(pod)
    assert v["x-real-ip"] == ["192.0.2.1"] and v["x-forwarded-proto"] == ["http"] and v["host"] == ["app.example"]


@pytest.mark.parametrize("ranges, trusted", [("::ffff:127.0.0.0/104", True), ("::ffff:0:0/96", True), ("127.0.0.1", True), ("::/1", False), ("::1", False),
                                             ("10.0.0.0/8,\x01127.0.0.0/8", False), ("0.0.0.0/0", True)])
def test_ranges_hold_the_addresses_of_their_family(site, ranges, trusted):
    pod = site.pod()
    site.app("app.example", pod.address)
    site.manifests.write("options.yaml", config_map({"use-forwarded-headers": "true", "proxy-real-ip-cidr": ranges}))
    sluice = site.sluice()
    sluice.get("/", "app.example", headers={"X-Forwarded-For": "203.0.113.9"})
    assert seen(pod)["x-real-ip"] == ["203.0.113.9" if trusted else "127.0.0.1"]


def test_connection_does_not_take_away_what_a_proxy_says(site):
    sluice, pod = site.simple(options={**TRUSTED, "forwarded-for-header": "X-Client", "forwarded-host-header": "X-Site"})
    with sluice.raw() as c:
        a = c.get("/", "app.example", headers=["Connection: X-Client, X-Site, X-Forwarded-Proto", "X-Client: 203.0.113.9", "X-Site: b.example", "X-Forwarded-Proto: https"])
    assert a.status == 200
    v = seen(pod)
    assert v["x-real-ip"] == ["203.0.113.9"] and v["host"] == ["b.example"] and v["x-forwarded-proto"] == ["https"]
