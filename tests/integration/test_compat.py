"""`compat`: what is a hazard of ingress-nginx is done for `exact` alone (docs/compat.md). Each test asks both."""
import gzip
import http.client
import ssl
import subprocess

import pytest

from h2raw import Http2
from harness import SLUICE, certificate, ingress, read_request, service, slices, tls_secret, wait_for
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


# ---- X-Accel-Redirect ----

class Files:
    """Answers /file as it is, and else names the target that the query says, with fields of its own."""

    def __init__(self, site):
        self.asked = []
        self.pod = site.scripted(self._serve)
        self.address = self.pod.address

    def _serve(self, sock, _):
        while (request := read_request(sock)) is not None:
            line = request[0].split("\r\n")[0].rsplit(" ", 1)[0]
            self.asked.append((line, request[1]))
            to = line.partition("to=")[2].replace("%20", " ")
            more = "Set-Cookie: b=2\r\nX-Mine: file\r\n"
            if to:
                more = f"X-Accel-Redirect: {to}\r\nContent-Type: text/x-first\r\nContent-Disposition: attachment\r\nSet-Cookie: a=1\r\nX-Mine: first\r\nETag: \"1\"\r\n"
            body = b"" if line.startswith("HEAD") else b"not this one" if to else b"the file"
            sock.sendall(f"HTTP/1.1 200 OK\r\n{more}Content-Length: {len(body)}\r\n\r\n".encode() + body)


def two_paths(site, annotations=None, **options):
    """app.example leads to one pod, its /files to another: (proxy, first, files)."""
    first, files = Files(site), Files(site)
    site.manifests.write("app.yaml", ingress("app", {"app.example": "first"}), ingress("files", {"app.example": [("/files", "Prefix", "files", 80)]}, annotations=annotations),
                         service("first"), *slices("first", [first.address]), service("files"), *slices("files", [files.address]))
    return site.sluice(options=options), first, files


@BOTH
def test_a_pod_names_another_path(site, compat):
    sluice, first, files = two_paths(site, compat=compat)
    with sluice.raw() as c:
        a = c.get("/x?to=/files/a%20b?v=1", "app.example", method="POST", body=b"body")
        assert c.get("/files/direct", "app.example").body == b"the file", "the connection goes on"
    assert a.status == 200 and first.asked == [("POST /x?to=/files/a%20b?v=1", b"body")]
    assert a.get("x-accel-redirect") is None
    told = [a.body, a.get("content-type"), a.get("content-disposition"), a.get("x-mine"), a.get("etag"), [v for n, v in a.headers if n.lower() == "set-cookie"]]
    if compat == "safe":
        assert told == [b"not this one", "text/x-first", "attachment", "first", '"1"', ["a=1"]] and len(files.asked) == 1
    else:
        assert told == [b"the file", "text/x-first", "attachment", "file", None, ["b=2", "a=1"]]
        assert files.asked == [("GET /files/a%20b?v=1", b""), ("GET /files/direct", b"")]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_page_of_an_error_may_name_another_path(site, method):
    """The error's status stays, and what a pod names may be internal."""
    pod = Files(site)
    site.app("app.example", pod.address, annotations={"configuration-snippet": "if ($arg_no) { return 403; } error_page 403 =418 /page?to=/inside;",
                                                      "server-snippet": "location = /inside { internal; set $a 1; return 200 inside; }"})
    sluice = site.sluice(options={"compat": "exact", "allow-snippet-annotations": "true", "annotations-risk-level": "Critical"})
    with sluice.raw() as c:
        a = c.get("/x?no=1", "app.example", method=method)
        assert a.status == 418 and a.body == (b"" if method == "HEAD" else b"inside")
        assert c.get("/file", "app.example").body == b"the file"
    assert [line for line, _ in pod.asked] == [f"{method} /page?to=/inside", "GET /file"]


@pytest.mark.parametrize("compressed", ["false", "true"])
def test_what_stands_in_place_of_the_first_pods_fields(site, compressed):
    """What the first pod says of the document goes the way of the answer's own fields: it decides about compression, and what is set by name stands in place of it."""
    site.manifests.write("more.yaml", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "more", "namespace": "ingress-nginx"}, "data": {"Content-Disposition": "inline"}})
    options = {"use-gzip": compressed, "gzip-min-length": "1", "gzip-types": "text/x-first", "add-headers": "ingress-nginx/more", "compat": "exact"}
    sluice, first, files = two_paths(site, **options)
    a = sluice.get("/x?to=/files/a", "app.example", headers={"Accept-Encoding": "gzip"})
    told = {name: [v for n, v in a.headers if n.lower() == name] for name in ("content-type", "content-disposition", "content-encoding")}
    assert told == {"content-type": ["text/x-first"], "content-disposition": ["inline"], "content-encoding": ["gzip"] if compressed == "true" else []}
    assert (gzip.decompress(a.body) if compressed == "true" else a.body) == b"the file"


def test_who_may_not_come_does_not_come_by_a_pod_either(site):
    sluice, first, files = two_paths(site, annotations={"denylist-source-range": "127.0.0.0/8"}, compat="exact")
    assert sluice.get("/x?to=/files/a", "app.example").status == 403
    assert sluice.get("/x?to=/nowhere", "app.example").body == b"the file", "the first pod answers for what it names itself"
    assert files.asked == []


def test_who_has_to_sign_in_for_what_a_pod_names_is_sent_there(site):
    site.manifests.text("users.json", '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "users"}, "data": {"auth": "Zm9vOntQTEFJTn1iYXIK"}}')
    sluice, _, files = two_paths(site, annotations={"auth-type": "basic", "auth-secret": "users", "auth-url": "http://127.0.0.1:1/", "auth-signin": "https://login.example/"},
                                 compat="exact")
    a = sluice.get("/x?to=/files/a", "app.example")
    assert a.status == 302 and a.get("location").startswith("https://login.example/?rd=") and files.asked == []


def test_what_pods_name_in_turn_is_followed_ten_times(site):
    sluice, first, files = two_paths(site, compat="exact")
    assert sluice.get("/x?to=/x?to=/files/a", "app.example").body == b"the file"
    assert [line for line, _ in first.asked] == ["GET /x?to=/x?to=/files/a", "GET /x?to=/files/a"]
    first.asked.clear()
    answer = sluice.get("/x?to=" * 12 + "/files/a", "app.example")
    assert answer.status == 500 and len(first.asked) == 11
    assert "X-Accel-Redirect has led on ten times" in sluice.wait_line(r"500 GET app.example/x", stream="err").string


@pytest.mark.parametrize("to", ["@named", "relative", "/a/../../b"])
def test_a_target_that_names_no_path_is_an_error(site, to):
    sluice, first, files = two_paths(site, compat="exact")
    assert sluice.get(f"/x?to={to}", "app.example").status in (400, 404)
    assert len(first.asked) == 1 and files.asked == []


def test_the_log_has_both_pods_of_a_redirect(site):
    log = site.tmp / "access.log"
    first, files = Files(site), Files(site)
    site.manifests.write("app.yaml", ingress("app", {"app.example": "first"}), ingress("files", {"app.example": [("/files", "Prefix", "files", 80)]}),
                         service("first"), *slices("first", [first.address]), service("files"), *slices("files", [files.address]))
    sluice = site.sluice(options={"compat": "exact", "log-format-upstream": "$request_uri $status $upstream_addr $upstream_status $ingress_name"}, access_log=str(log))
    with Http2(sluice.http) as c:
        a = c.done(c.request("/x?to=/files/a", host="app.example"))
        assert a.status == 200 and a.body == b"the file"
    wait_for(lambda: log.read_text().endswith("\n"), "the line")
    assert log.read_text() == f"/x?to=/files/a 200 {first.address} : {files.address} 200 : 200 files\n"
    assert sluice.metric("nginx_ingress_controller_requests", ingress="files", status="200") == 1
    assert sluice.metric("nginx_ingress_controller_requests") == 1


def test_a_head_stays_one(site):
    sluice, first, files = two_paths(site, compat="exact")
    with sluice.raw() as c:
        a = c.get("/x?to=/files/a", "app.example", method="HEAD")
        assert a.status == 200 and files.asked == [("HEAD /files/a", b"")]
        assert c.get("/files/a", "app.example").body == b"the file"
