"""custom-http-errors and default-backend: a Service answers in place of errors, and of a Service without endpoints."""
import gzip
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import config_map, free_port, ingress, never_accepts, read_request, service, slices, wait_for
from h2raw import Http2

ERRORS = {"custom-http-errors": "404,413,503", "default-backend": "errs"}


class Pages:
    """A Service of error pages, and what it was asked."""

    def __init__(self, site, status=None, body=b"a page", lines=()):
        self.asked, self.status, self.body, self.lines = [], status, body, list(lines)
        self.pod = site.scripted(self._serve)
        self.address = self.pod.address

    def _serve(self, sock, _):
        while (request := read_request(sock)) is not None:
            line, *rest = request[0].split("\r\n")
            fields = {k.lower(): v for k, v in (x.split(": ", 1) if ": " in x else (x.rstrip(":"), "") for x in rest if x)}
            self.asked.append((line, fields, request[1]))
            head = [f"HTTP/1.1 {self.status or fields['x-code']} Page", f"Content-Length: {len(self.body)}", "Content-Type: text/plain", *self.lines]
            sock.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + (b"" if line.startswith("HEAD") else self.body))


def answering(status, body=b"the pod's own"):
    def serve(sock, _):
        while (request := read_request(sock)) is not None:
            code = request[0].split(" ")[1].rsplit("=", 1)[-1] if "?s=" in request[0] else status
            sock.sendall(f"HTTP/1.1 {code} Own\r\nContent-Length: {len(body)}\r\nX-Own: 1\r\nRetry-After: 9\r\n\r\n".encode() + body)
    return serve


@pytest.fixture
def paged(site):
    """site.put(annotations): an app whose pod answers ?s=STATUS, with a Service `errs` beside it."""
    site.pages = Pages(site)
    site.own = site.scripted(answering(200))
    site.manifests.write("errs.yaml", service("errs"), *slices("errs", [site.pages.address]))
    site.put = lambda annotations=ERRORS, **kw: site.app("app.example", site.own.address, name="app", annotations=annotations, **kw)
    return site


def ask(sluice, path="/", method="GET", host="app.example", headers=(), body=None):
    with sluice.raw() as c:
        return c.get(path, host, method=method, headers=list(headers), body=body)


def test_a_page_stands_in_place_of_a_pods_error(paged):
    paged.put()
    sluice = paged.sluice()
    a = ask(sluice, "/x/y?s=404", headers=["Accept: text/html", "X-Code: forged", "Cookie: a=b"])
    assert (a.status, a.body, a.get("content-type")) == (404, b"a page", "text/plain")
    assert a.get("x-own") is None and a.get("retry-after") is None
    line, fields, body = paged.pages.asked[-1]
    assert line == "GET /?s=404 HTTP/1.1" and body == b""
    assert {k: fields[k] for k in ("x-code", "x-format", "x-original-uri", "x-namespace", "x-ingress-name", "x-service-name", "x-service-port", "host",
                                   "x-forwarded-for", "cookie")} == {
        "x-code": "404", "x-format": "text/html", "x-original-uri": "/x/y?s=404", "x-namespace": "default", "x-ingress-name": "app",
        "x-service-name": "app", "x-service-port": "80", "host": "app.example", "x-forwarded-for": "127.0.0.1", "cookie": "a=b"}
    assert fields["x-request-id"]
    # What is not listed is passed on.
    a = ask(sluice, "/?s=500")
    assert (a.status, a.body, a.get("x-own")) == (500, b"the pod's own", "1")
    assert len(paged.pages.asked) == 1


def test_the_status_is_that_of_the_page(paged):
    paged.pages.status = 200
    paged.put()
    assert ask(paged.sluice(), "/?s=404").status == 200


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "OPTIONS"])
def test_whatever_the_method_a_page_is_fetched(paged, method):
    paged.put()
    sluice = paged.sluice()
    a = ask(sluice, "/?s=404", method=method, body=b"abc" if method in ("POST", "PUT") else None)
    assert a.status == 404 and a.body == (b"" if method == "HEAD" else b"a page")
    line, fields, body = paged.pages.asked[-1]
    assert line.startswith("HEAD /" if method == "HEAD" else "GET /") and body == b"" and "content-length" not in fields


def test_our_own_errors_have_pages_too(paged):
    paged.put(ERRORS | {"proxy-body-size": "10", "custom-http-errors": "404,413,502,503"})
    paged.manifests.write("more.yaml", ingress("more", {"app.example": [("/dead", "Prefix", "dead", 80), ("/empty", "Prefix", "none", 80)]},
                                              annotations={"custom-http-errors": "502,503", "default-backend": "errs"}),
                          service("dead"), *slices("dead", [f"127.0.0.1:{free_port()}"]))
    sluice = paged.sluice()
    a = ask(sluice, "/", method="POST", body=b"x" * 100)
    assert (a.status, a.body) == (413, b"a page")
    a = ask(sluice, "/dead")
    assert (a.status, a.body) == (502, b"a page")
    assert paged.pages.asked[-1][1]["x-service-name"] == "dead"


def test_who_may_not_come_gets_a_page_and_no_other_status(paged):
    paged.pages.status = 200
    paged.manifests.text("users.json", '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "users"}, "data": {"auth": "Zm9vOntQTEFJTn1iYXIK"}}')
    paged.put(ERRORS | {"custom-http-errors": "401,403", "auth-type": "basic", "auth-secret": "users"})
    sluice = paged.sluice()
    a = ask(sluice)
    assert (a.status, a.body, a.get("www-authenticate")) == (401, b"a page", 'Basic realm=""')
    sluice.changed(lambda: paged.put(ERRORS | {"custom-http-errors": "403", "denylist-source-range": "127.0.0.0/8"}))
    a = ask(sluice)
    assert (a.status, a.body) == (403, b"a page")


def test_a_refusal_has_a_body_whatever_the_page(paged):
    """A page without one, as 204 and 304 have none, does not leave the client waiting."""
    paged.manifests.text("users.json", '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "users"}, "data": {"auth": "Zm9vOntQTEFJTn1iYXIK"}}')
    paged.pages.status, paged.pages.body = 204, b""
    paged.put(ERRORS | {"custom-http-errors": "401", "auth-type": "basic", "auth-secret": "users"})
    sluice = paged.sluice()
    with sluice.raw() as c:
        for _ in range(2):
            a = c.get("/", "app.example", headers=['If-None-Match: "x"', "If-Modified-Since: Sat, 29 Oct 1994 19:43:31 GMT", "Range: bytes=0-1"])
            assert (a.status, a.body, a.get("content-length")) == (401, b"", "0")
    for _, fields, _ in paged.pages.asked:
        assert not {"if-none-match", "if-modified-since", "range"} & fields.keys()


def test_pages_are_told_nothing_that_clients_made_up(paged):
    from test_client_certificates import Authority, secret
    authority = Authority()
    paged.manifests.text("ca.json", secret("ca", {"ca.crt": authority.pem}))
    paged.put(ERRORS | {"custom-http-errors": "500,503", "auth-tls-secret": "default/ca", "auth-tls-verify-client": "optional", "auth-url": "http://127.0.0.1:1/",
                        "auth-response-headers": "X-User"})
    sluice = paged.sluice(options={"allow-destinations": "127.0.0.0/8"})
    with sluice.tls("app.example") as c:
        assert c.get("/", "app.example", headers=["ssl-client-verify: SUCCESS", "SSL_Client_Subject_DN: CN=admin", "X-User: admin", "X_User: admin"]).status == 500
    _, fields, _ = paged.pages.asked[-1]
    assert fields["ssl-client-verify"] == "NONE"
    assert not {"ssl-client-subject-dn", "ssl_client_subject_dn", "x-user", "x_user"} & fields.keys()


@pytest.mark.parametrize("shown", [False, True])
def test_a_certificate_that_is_refused_has_no_page(paged, shown):
    """nginx has codes of its own for it (495, 496), which no error_page names: a page's 200 would say that it is good."""
    from test_client_certificates import Authority, ask as ask_with, secret
    authority, stranger = Authority(), Authority("stranger")
    paged.manifests.text("ca.json", secret("ca", {"ca.crt": authority.pem}))
    paged.pages.status = 200
    paged.put(ERRORS | {"custom-http-errors": "400,403,404", "auth-tls-secret": "default/ca"})
    sluice = paged.sluice()
    a = ask_with(sluice, stranger.client() if shown else None, sni="app.example", host="app.example")
    assert a.status == 400 and b"SSL certificate" in a.body and not paged.pages.asked


def test_pods_errors_may_pass_while_ours_have_pages(paged):
    paged.put(ERRORS | {"disable-proxy-intercept-errors": "true", "proxy-body-size": "10"})
    sluice = paged.sluice()
    assert ask(sluice, "/?s=404").body == b"the pod's own"
    assert ask(sluice, "/", method="POST", body=b"x" * 100).body == b"a page"


def test_without_a_page_the_error_is_answered_as_it_is(paged):
    paged.manifests.write("errs.yaml", service("errs"), *slices("errs", [f"127.0.0.1:{free_port()}"]))
    paged.put(ERRORS | {"custom-http-errors": "404,503"})
    sluice = paged.sluice()
    a = ask(sluice, "/?s=404")
    assert a.status == 404 and b"404 Not Found" in a.body
    sluice.changed(lambda: paged.manifests.remove("errs.yaml"))
    a = ask(sluice, "/?s=404")  # there is no such Service any more: errors stay as they are
    assert (a.status, a.body, a.get("x-own")) == (404, b"the pod's own", "1")
    sluice.changed(lambda: paged.manifests.write("errs.yaml", service("errs"), *slices("errs", [paged.pages.address])))
    assert ask(sluice, "/?s=404").body == b"a page"


def test_errors_without_anybody_who_answers_are_said(paged):
    paged.put({"custom-http-errors": "404"})
    sluice = paged.sluice()
    assert ask(sluice, "/?s=404").body == b"the pod's own"
    assert [e for e in sluice.config()["report"] if e["reason"] == "NoEffect" and "custom-http-errors" in e["field"]]


@pytest.mark.parametrize("value", ["404,abc", "200", "99", "600"])
def test_wrong_statuses_take_the_ingress_out(paged, value):
    paged.put({"custom-http-errors": value, "default-backend": "errs"})
    sluice = paged.sluice()
    assert ask(sluice).status == 404 and paged.own.connections == 0
    assert [e["reason"] for e in sluice.config()["report"] if "custom-http-errors" in e["field"]] == ["InvalidAnnotation"]


def test_a_service_without_endpoints_is_answered_for(paged):
    pod = paged.pod("defback")
    paged.manifests.write("defback.yaml", service("defback"), *slices("defback", [pod.address]))
    paged.app("empty.example", [], name="empty", annotations={"default-backend": "defback"})
    sluice = paged.sluice()
    a = ask(sluice, "/x?y=1", host="empty.example", headers=["X-Code: forged"])
    assert a.status == 200
    line, fields = pod.last_headers()
    got = {k.lower(): v for k, v in fields}
    assert line == "GET /x?y=1 HTTP/1.1" and got["x-code"] == "503" and got["x-service-name"] == "empty" and got["x-ingress-name"] == "empty"
    assert got["x-forwarded-host"] == "empty.example"
    sluice.changed(lambda: paged.manifests.write("defback.yaml", service("defback")))
    assert ask(sluice, "/", host="empty.example").status == 503


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_who_waits_for_the_last_pod_while_it_goes_is_answered_for(paged, method):
    """As whoever comes then: nothing of it was sent."""
    pod = paged.pod("defback")
    paged.manifests.write("defback.yaml", service("defback"), *slices("defback", [pod.address]))
    silent, held = never_accepts()
    of = {"default-backend": "defback", "proxy-connect-timeout": "60"}
    paged.app("waits.example", [silent], name="waits", annotations=of)
    sluice = paged.sluice()
    with sluice.raw(timeout=20) as c, ThreadPoolExecutor(1) as asking:
        body = b"whole" if method == "POST" else None
        answer = asking.submit(c.get, "/x?y=1", "waits.example", method=method, body=body)
        wait_for(lambda: sluice.metric("sluice_upstream_connects_total") >= 1, "it waits for a connection")
        paged.app("waits.example", [], name="waits", annotations=of)
        a = answer.result(20)
    assert (a.status, a.get("x-pod")) == (200, "defback")
    line, fields = pod.last_headers()
    got = {k.lower(): v for k, v in fields}
    assert line == f"{method} /x?y=1 HTTP/1.1" and got["x-code"] == "503" and got["x-service-name"] == "waits"
    for s in held:
        s.close()


def test_for_all_ingresses_by_the_default_backend(paged):
    paged.put({})
    paged.app("own.example", paged.own.address, name="own", annotations={"custom-http-errors": "500"})
    paged.app("empty.example", [], name="empty")
    paged.manifests.write("options.yaml", config_map({"custom-http-errors": "404,503"}))
    sluice = paged.sluice("--default-backend-service", "default/errs")
    assert ask(sluice, "/?s=404").body == b"a page"
    a = ask(sluice, host="empty.example")
    assert (a.status, a.body) == (503, b"a page") and paged.pages.asked[-1][1]["x-service-name"] == "empty"
    # An Ingress that lists errors means these alone.
    assert ask(sluice, "/?s=404", host="own.example").body == b"the pod's own"
    assert ask(sluice, "/?s=500", host="own.example").body == b"a page"


def test_the_rest_of_an_upload_is_not_waited_for(paged):
    """The pod answers early; the page comes, and the connection ends."""
    def early(sock, _):
        sock.recv(65536)
        sock.sendall(b"HTTP/1.1 404 Own\r\nContent-Length: 0\r\n\r\n")
    paged.app("early.example", paged.scripted(early).address, name="early", annotations=ERRORS)
    sluice = paged.sluice()
    with sluice.raw() as c:
        c.send("POST / HTTP/1.1\r\nHost: early.example\r\nContent-Length: 100000\r\n\r\n" + "x" * 1000)
        a = c.answer()
        assert (a.status, a.body, a.get("connection")) == (404, b"a page", "close")


def test_the_connection_goes_on_and_the_log_has_one_line(paged):
    paged.put()
    sluice = paged.sluice()
    with sluice.raw() as c:
        assert [c.get("/?s=404", "app.example").body for _ in range(3)] == [b"a page"] * 3
        assert c.get("/", "app.example").body == b"the pod's own"
    sluice.wait_access(r'"GET / HTTP/1.1" 200 ')
    lines = [x for x in sluice.access_lines() if "HTTP/1.1" in x]
    assert len(lines) == 4 and all('"GET /?s=404 HTTP/1.1" 404 6 ' in x for x in lines[:3])
    assert paged.pages.pod.connections == 1


def test_over_http2(paged):
    paged.put()
    sluice = paged.sluice(options={"http2-prior-knowledge": "true"})
    with Http2(sluice.http) as h2:
        s = h2.done(h2.request("/?s=404"))
        assert s.status == 404 and bytes(s.body) == b"a page"


def test_a_long_page_arrives_whole(paged):
    paged.pages.body = bytes(range(256)) * 8192
    paged.put()
    a = ask(paged.sluice(), "/?s=503")
    assert a.status == 503 and a.body == paged.pages.body


def challenging(sock, _):
    """Answers ?s=STATUS with challenges for the server and for a proxy."""
    while (request := read_request(sock)) is not None:
        code = request[0].split(" ")[1].rsplit("=", 1)[-1]
        sock.sendall(f"HTTP/1.1 {code} Own\r\nContent-Length: 0\r\nWWW-Authenticate: Basic realm=one\r\nWWW-Authenticate: Bearer\r\n"
                     "Proxy-Authenticate: Basic realm=proxy\r\nX-Own: 1\r\n\r\n".encode())


@pytest.mark.parametrize("h2", [False, True])
def test_what_a_pod_asks_the_client_for_goes_on_to_it(paged, h2):
    """RFC 9110 sections 11.6.1 and 11.7.1: without the challenge nobody could answer the 401."""
    paged.app("app.example", paged.scripted(challenging).address, annotations=ERRORS | {"custom-http-errors": "401,403,407"})
    paged.pages.lines = ["WWW-Authenticate: Page"]
    sluice = paged.sluice(options={"http2-prior-knowledge": "true"})

    def got(status):
        if not h2:
            a = ask(sluice, f"/?s={status}")
            return a.status, a.body, a.all("www-authenticate"), a.all("proxy-authenticate"), a.get("x-own")
        with Http2(sluice.http) as c:
            s = c.done(c.request(f"/?s={status}"))
            return s.status, bytes(s.body), *([v for n, v in s.headers if n == name] for name in ("www-authenticate", "proxy-authenticate")), dict(s.headers).get("x-own")
    for page in (None, 200):
        paged.pages.status = page
        assert got(401) == (page or 401, b"a page", ["Page", "Basic realm=one", "Bearer"], [], None)
        assert got(407) == (page or 407, b"a page", ["Page"], ["Basic realm=proxy"], None)
        assert got(403) == (page or 403, b"a page", ["Page"], [], None)
    # Where the page cannot be had, too.
    paged.manifests.remove("errs.yaml")
    sluice.changed(lambda: paged.manifests.write("errs.yaml", service("errs"), *slices("errs", [f"127.0.0.1:{free_port()}"])))
    assert (got(401)[0], got(401)[2:]) == (401, (["Basic realm=one", "Bearer"], [], None))


@pytest.mark.parametrize("status", [401, 403, 421, 429])
def test_of_a_pods_refusal_the_page_says_the_status(paged, status):
    """As in ingress-nginx (error_page = @page): a pod that refuses has a page by its own tenant's wish."""
    paged.pages.status = 200
    paged.put(ERRORS | {"custom-http-errors": "401,403,421,429"})
    assert ask(paged.sluice(), f"/?s={status}").status == 200


@pytest.mark.parametrize("status,codings", [(200, ["gzip"]), (404, ["gzip"]), (503, [])])
def test_a_page_is_compressed_as_a_pods_answer_is(paged, status, codings):
    paged.pages.status, paged.pages.body = status, b"a page, " * 40_000
    paged.put()
    sluice = paged.sluice(options={"use-gzip": "true", "http2-prior-knowledge": "true"})
    accepts = ["Accept-Encoding: gzip"]
    for error in (404, 503):
        a = ask(sluice, f"/?s={error}", headers=accepts)
        assert a.status == status and a.all("content-encoding") == codings and len(a.all("content-length")) == 1 - len(codings)
        assert (gzip.decompress(a.body) if codings else a.body) == paged.pages.body
        assert ("Accept-Encoding" in a.all("vary")) == bool(codings)
    a = ask(sluice, "/?s=404")
    assert a.body == paged.pages.body and a.get("content-encoding") is None
    head = ask(sluice, "/?s=404", method="HEAD", headers=accepts)
    assert head.all("content-encoding") == codings and head.body == b""
    with Http2(sluice.http) as c:
        s = c.done(c.request("/?s=404", fields=[("accept-encoding", "gzip")]))
        assert (gzip.decompress(bytes(s.body)) if codings else bytes(s.body)) == paged.pages.body
    assert sluice.metric("sluice_compression_memory_bytes") == 0


def test_the_page_of_a_refusal_is_compressed_by_the_status_that_is_sent(paged):
    """A page of 200 that becomes a 429 or 401 is none of the statuses that are compressed; a 403 is."""
    paged.pages.status, paged.pages.body = 200, b"a page, " * 1000
    paged.manifests.text("users.json", '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "users"}, "data": {"auth": "Zm9vOntQTEFJTn1iYXIK"}}')
    paged.put(ERRORS | {"custom-http-errors": "401,403", "auth-type": "basic", "auth-secret": "users"})
    sluice = paged.sluice(options={"use-gzip": "true"})
    a = ask(sluice, headers=["Accept-Encoding: gzip"])
    assert (a.status, a.get("content-encoding"), a.body) == (401, None, paged.pages.body)
    sluice.changed(lambda: paged.put(ERRORS | {"custom-http-errors": "403", "denylist-source-range": "127.0.0.0/8"}))
    a = ask(sluice, headers=["Accept-Encoding: gzip"])
    assert (a.status, a.get("content-encoding")) == (403, "gzip") and gzip.decompress(a.body) == paged.pages.body


@pytest.mark.parametrize("compressed", ["false", "true"])
def test_what_a_snippet_answers_in_place_of_a_401_has_the_challenge(site, compressed):
    site.app("app.example", site.scripted(challenging).address, annotations={"configuration-snippet": "proxy_intercept_errors on; error_page 401 https://login.example/;"})
    sluice = site.sluice(options={"allow-snippet-annotations": "true", "annotations-risk-level": "Critical", "use-gzip": compressed})
    a = ask(sluice, "/?s=401")
    assert (a.status, a.get("location"), a.all("www-authenticate"), a.get("x-own")) == (302, "https://login.example/", ["Basic realm=one", "Bearer"], None)
