"""What fails before a route is known: its status, its end, its log line and its count are the same on every listener."""
import re
import ssl

import pytest

import proxy_header as ph
from h2raw import Http2, PROTOCOL_ERROR, block
from harness import Raw, certificate, tls_secret, wait_for

H = "Host: app.example\r\n"
LOG = "$remote_addr $ssl_protocol $server_protocol $status $failure_reason $req_id"
KINDS = {
    "a control byte": (b"GET / HTTP/1.1\r\nX: a\x01b\r\n\r\n", 400),
    "a bare LF": ("GET / HTTP/1.1\n" + H + "\n", 400),
    "no version": ("GET /\r\n\r\n", 400),
    "no target": ("GET a HTTP/1.1\r\n" + H + "\r\n", 400),
    "a method with such a target": ("FOO bar HTTP/1.1\r\n" + H + "\r\n", 400),
    "no method": ("\x00\x01\x02", 400),
    "a TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "no Host": ("GET / HTTP/1.1\r\n\r\n", 400),
    "two lengths": ("POST / HTTP/1.1\r\n" + H + "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400),
    "above the root": ("GET /../x HTTP/1.1\r\n" + H + "\r\n", 400),
    "TRACE": ("TRACE / HTTP/1.1\r\n" + H + "\r\n", 405),
    "CONNECT": ("CONNECT app.example:443 HTTP/1.1\r\nHost: app.example:443\r\n\r\n", 405),
    "a long target": ("GET /" + "a" * 9000 + " HTTP/1.1\r\n" + H + "\r\n", 414),
    "an expectation": ("POST / HTTP/1.1\r\n" + H + "Expect: more\r\nContent-Length: 1\r\n\r\nx", 417),
    "a long field": ("GET / HTTP/1.1\r\n" + H + "X: " + "a" * 9000 + "\r\n\r\n", 431),
    "many fields": ("GET / HTTP/1.1\r\n" + H + "".join(f"X-{i}: y\r\n" for i in range(300)) + "\r\n", 431),
    "a coding": ("POST / HTTP/1.1\r\n" + H + "Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
    "another version": ("GET / HTTP/3.0\r\n" + H + "\r\n", 505),
    "the preface of HTTP/2": ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
}
LISTENERS = ["plain", "proxy", "tls", "proxy+tls"]


def client_context(alpn=None):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    if alpn:
        c.set_alpn_protocols(alpn)
    return c


class Listeners:
    """One proxy with a listener of each kind."""

    def __init__(self, site, *args, **options):
        self.pod = site.pod()
        cert, key = certificate("app.example")
        site.manifests.write("secret.yaml", tls_secret("app-tls", cert, key))
        site.app("app.example", self.pod.address, tls=[(["app.example"], "app-tls")], annotations={"ssl-redirect": "false"})
        self.sluice = site.sluice("--http", "127.0.0.1:0,proxy-protocol", "--https", "127.0.0.1:0,proxy-protocol", *args,
                                  options={"log-format-upstream": LOG, **options})
        http, https = ([x.split()[2] for x in self.sluice.out if x.startswith(f"listening {kind} ")] for kind in ("http", "https"))
        self.addresses = {"plain": http[0], "proxy": http[1], "tls": https[0], "proxy+tls": https[1]}

    def dial(self, listener, tls=True):
        c = Raw(self.addresses[listener])
        if "proxy" in listener:
            c.send(ph.v1("1.2.3.4", 1111, "5.6.7.8", 8080))
        if "tls" in listener and tls:
            c.sock = client_context().wrap_socket(c.sock, server_hostname="app.example")
        return c

    def line(self, start, listener, tls=True):
        """The one access log line since `start`: protocol of TLS, of HTTP, status, reason, id."""
        address = "1.2.3.4" if "proxy" in listener else "127.0.0.1"
        m = self.sluice.wait_line(rf"^{re.escape(address)} (TLSv1\.\d|-) (\S+) (\d\d\d) (.*) ([0-9a-f]{{32}})$", start=start)
        assert (m.group(1) != "-") == ("tls" in listener and tls), m.group(0)
        return m


def counted(sluice, name, **labels):
    return int(sluice.metric(name, **labels))


@pytest.fixture(scope="module", params=[False, True], ids=["h1 alone", "h2c allowed"])
def running(tmp_path_factory, request):
    from conftest import Site
    site = Site(tmp_path_factory.mktemp("before-routing"))
    yield Listeners(site, **{"http2-prior-knowledge": "true"} if request.param else {}), request.param
    site.stop()


@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_refused_request_has_its_status_on_every_listener(running, listener, kind):
    all_, h2c = running
    data, status = KINDS[kind]
    h2_here = h2c and "tls" not in listener
    if h2_here and kind == "the preface of HTTP/2":
        pytest.skip("it is served there")
    sluice = all_.sluice
    before, start = counted(sluice, "sluice_malformed_requests_total"), len(sluice.out)
    requests = all_.pod.stats()["requests"]
    with all_.dial(listener) as c:
        c.try_send(data)
        a = c.answer()
        assert a.status == status and a.get("connection") == "close", a
        assert (a.get("allow") or "").startswith("GET, ") == (status == 405)
        assert c.read_all() == b""
    m = all_.line(start, listener)
    assert int(m.group(3)) == status and m.group(5) in a.body.decode()
    # A path above the root is well-formed HTTP.
    assert counted(sluice, "sluice_malformed_requests_total") == before + (kind != "above the root")
    assert all_.pod.stats()["requests"] == requests


@pytest.mark.parametrize("line,fields,status", [("HEAD /../x HTTP/1.1", H, 400), ("HEAD / HTTP/1.1", "", 400), ("HEAD /" + "a" * 9000 + " HTTP/1.1", H, 414),
                                                ("HEAD / HTTP/1.1", H + "Expect: more\r\n", 417), ("HEAD / HTTP/1.1", H + f"X: {'y' * 40_000}\r\n", 431),
                                                ("HEAD / HTTP/1.1", H + "Transfer-Encoding: gzip\r\n", 501), ("HEAD / HTTP/2.0", H, 505)],
                         ids=["path", "host", "line", "expect", "fields", "coding", "version"])
def test_a_head_that_is_refused_gets_no_body(running, line, fields, status):
    """RFC 9110 section 9.3.2, though nothing of the request may have been read but this."""
    with running[0].dial("plain") as c:
        c.try_send(f"{line}\r\n{fields}\r\n")
        a = c.answer("HEAD")
        assert a.status == status and int(a.get("content-length")) > 0, a
        assert c.read_all() == b""


@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize("h2c", [False, True])
@pytest.mark.parametrize("begun", ["P", "GET / HT", "GET a", "GET / HTTP/1.1\r\nHo"])
def test_a_head_that_does_not_end_is_408_on_every_listener(site, listener, h2c, begun):
    all_ = Listeners(site, **{"client-header-timeout": "1", "http2-prior-knowledge": str(h2c).lower()})
    start = len(all_.sluice.out)
    with all_.dial(listener) as c:
        a = c.send(begun).answer()
        assert a.status == 408 and a.get("connection") == "close" and c.read_all() == b""
    assert int(all_.line(start, listener).group(3)) == 408
    assert counted(all_.sluice, "sluice_client_timeouts_total", phase="header") == 1
    assert counted(all_.sluice, "sluice_client_timeouts_total") == 1 and counted(all_.sluice, "sluice_malformed_requests_total") == 0


@pytest.mark.parametrize("passthrough", [False, True])
def test_plain_http_on_a_tls_listener_is_told_so(site, passthrough):
    all_ = Listeners(site, *["--enable-ssl-passthrough"] if passthrough else [])
    sluice = all_.sluice
    for listener in ("tls", "proxy+tls"):
        for method in ("GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "PROPFIND", "get", "\r\nGET", "9GET"):
            before, start = counted(sluice, "sluice_malformed_requests_total"), len(sluice.out)
            with all_.dial(listener, tls=False) as c:
                a = c.send(f"{method} / HTTP/1.1\r\n{H}\r\n").answer(method)
                assert a.status == 400 and (method == "HEAD" or b"The plain HTTP request was sent to HTTPS port" in a.body) and a.get("connection") == "close" and not a.get("strict-transport-security"), (method, a)
                assert c.read_all() == b""
            m = all_.line(start, listener, tls=False)
            assert (m.group(3), m.group(4)) == ("400", "plain HTTP on a listener of TLS")
            assert counted(sluice, "sluice_malformed_requests_total") == before + 1
        with all_.dial(listener, tls=False) as c:  # in pieces, and much of it
            for byte in b"GET / HTTP/1.1\r\n":
                c.try_send(bytes([byte]))
            c.try_send("X: " + "y" * 200_000)
            assert c.answer().status == 400
        with all_.dial(listener, tls=False) as c:  # what is no text is OpenSSL's to refuse
            c.try_send(b"\x80\x2e\x01\x00\x02" + b"\0" * 64)
            assert not c.read_all().startswith(b"HTTP")
    with all_.dial("tls") as c:
        assert c.get("/", "app.example").status == 200


H2_KINDS = {  # fields, status or None for a reset
    "TRACE": ([(":method", "TRACE"), (":scheme", "http"), (":authority", "app.example"), (":path", "/")], 405),
    "CONNECT": ([(":method", "CONNECT"), (":authority", "app.example:443")], 405),
    "another :protocol": ([(":method", "CONNECT"), (":protocol", "foo"), (":scheme", "http"), (":authority", "app.example"), (":path", "/")], 501),
    "a long path": ([(":method", "GET"), (":scheme", "http"), (":authority", "app.example"), (":path", "/" + "a" * 9000)], 414),
    "a long field": ([(":method", "GET"), (":scheme", "http"), (":authority", "app.example"), (":path", "/"), ("x", "a" * 9000)], 431),
    "many fields": ([(":method", "GET"), (":scheme", "http"), (":authority", "app.example"), (":path", "/")] + [(f"x-{i}", "y") for i in range(200)], 431),
    "an expectation": ([(":method", "GET"), (":scheme", "http"), (":authority", "app.example"), (":path", "/"), ("expect", "more")], 417),
    "two authorizations": ([(":method", "GET"), (":scheme", "http"), (":authority", "app.example"), (":path", "/")] + [("authorization", "Basic YTpi")] * 2, 400),
    "above the root": ([(":method", "GET"), (":scheme", "http"), (":authority", "app.example"), (":path", "/../x")], 400),
    "a space in the path": ([(":method", "GET"), (":scheme", "http"), (":authority", "app.example"), (":path", "/a b")], None),
    "connection": ([(":method", "GET"), (":scheme", "http"), (":authority", "app.example"), (":path", "/"), ("connection", "close")], None),
    "userinfo": ([(":method", "GET"), (":scheme", "http"), (":authority", "u@app.example"), (":path", "/")], None),
}


@pytest.mark.parametrize("listener", LISTENERS)
def test_a_refused_stream_has_its_status_on_every_listener(site, listener, monkeypatch):
    all_ = Listeners(site, **{"http2-prior-knowledge": "true"})
    sluice, tls = all_.sluice, "tls" in listener
    if "proxy" in listener:
        import h2raw
        plain = h2raw.connect

        def connect(*args):
            sock = plain(*args)
            sock.sendall(ph.v1("1.2.3.4", 1111, "5.6.7.8", 8080))
            return sock
        monkeypatch.setattr(h2raw, "connect", connect)
    with Http2(all_.addresses[listener], sni="app.example" if tls else None) as c:
        c.wait(lambda: c.settings is not None, "SETTINGS")
        for kind, (fields, status) in H2_KINDS.items():
            before, start = counted(sluice, "sluice_malformed_requests_total"), len(sluice.out)
            number = c.open(dict(fields)[":method"])
            c.send(c.headers(number, block(fields)))
            stream = c.done(c.streams[number])
            assert stream.status == status and (stream.code == PROTOCOL_ERROR if status is None else stream.ended), (kind, stream)
            if status:
                assert int(all_.line(start, listener).group(3)) == status, kind
                assert not stream.get("connection") and bool(stream.get("allow")) == (status == 405)
            count = kind != "above the root"
            wait_for(lambda: counted(sluice, "sluice_malformed_requests_total") == before + count, kind)
        assert c.done(c.request("/")).status == 200  # its neighbours go on
    assert all_.pod.stats()["requests"] == 1


def test_a_damaged_preface_is_answered_by_nothing_and_counted(site):
    """Its client would not read HTTP/1."""
    sluice, _ = site.simple(options={"http2-prior-knowledge": "true"})
    with sluice.raw() as c:
        assert c.send(b"INVALID CONNECTION PREFACE\r\n\r\n").read_all() == b""
    assert counted(sluice, "sluice_malformed_requests_total") == 1


@pytest.mark.parametrize("options, offered, chosen", [
    ({}, ["foo"], None), ({}, ["acme-tls/1"], None), ({}, ["foo", "http/1.1"], "http/1.1"), ({}, ["http/1.0"], "http/1.0"), ({}, None, None),
    ({"use-http2": "false"}, ["h2"], None), ({"use-http2": "false"}, ["h2", "http/1.1"], "http/1.1")])
def test_no_protocol_in_common_ends_the_handshake(site, options, offered, chosen):
    """RFC 7301 section 3.2: no_application_protocol; without the extension it is HTTP/1.1."""
    sluice, _ = site.simple(options=options)
    if offered and chosen is None:
        with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
            Raw(sluice.https, tls=client_context(offered), sni="app.example")
        wait_for(lambda: counted(sluice, "sluice_tls_handshake_failures_total") == 1, "it is counted")
        return
    with Raw(sluice.https, tls=client_context(offered), sni="app.example") as c:
        assert c.sock.selected_alpn_protocol() == chosen
        assert c.get("/", "app.example").status == 200
