"""Requests that come back: through a balancer in front, which no rule about addresses sees."""
import base64
import concurrent.futures
import re
import ssl

import pytest

import h2raw
from balancer import Balancer
from harness import Raw, certificate, http_get, ingress, service, slices, tls_secret, wait_for

LISTED = {"allow-destinations": "localhost"}  # the balancer of these tests is on loopback


def outside(site, name, port, *, host=None, annotations=None):
    """HOST leads by an ExternalName Service to what listens on this machine's port."""
    host = host or f"{name}.example"
    site.manifests.write(f"{name}.yaml", ingress(name, {host: [("/", "Prefix", name, port)]}, annotations=annotations),
                         service(name, port=port, external="localhost"))


def ready(sluice, *names):
    """The names of ExternalName Services have been resolved."""
    def resolved():
        return all(any(c["endpoints"] for c in sluice.config()["clusters"] if c["service"] == n) for n in names)
    wait_for(resolved, f"{names} resolve")


def inside_and_outside(site, **options):
    """app.example leads to a pod, out.example to another server by an ExternalName."""
    pod, other = site.pod(), site.pod()
    site.app("app.example", pod.address)
    outside(site, "out", int(other.address.rsplit(":", 1)[1]))
    sluice = site.sluice(options=LISTED | options)
    ready(sluice, "out")
    return sluice, pod, other


def looping(site, **kw):
    """loop.example leads to the balancer in front of us."""
    balancer = site.add(Balancer())
    outside(site, "loop", balancer.port)
    sluice = site.sluice(options={**LISTED, **kw.pop("options", {})}, **kw)
    balancer.targets.append(sluice.http)
    ready(sluice, "loop")
    return sluice, balancer


def counted(sluice, ask):
    """What ask() returns, and how many requests it made of it all."""
    before = sluice.metric("sluice_requests_total")
    answer = ask()
    wait_for(lambda: sluice.metric("sluice_requests_active") == 0, "nothing runs any more")
    return answer, sluice.metric("sluice_requests_total") - before


def test_one_request_is_two_and_no_more(site):
    sluice, balancer = looping(site)
    answer, made = counted(sluice, lambda: sluice.get("/x", "loop.example"))
    assert (answer.status, made, balancer.connections) == (508, 2, 1)
    assert b"<h1>508 Loop Detected</h1>" in answer.body
    assert sluice.metric("sluice_loops_total") == 1
    assert {re.search(r'" (\d{3}) ', sluice.wait_access(r'"GET /x HTTP/1.1" 508').string).group(1)} == {"508"}
    sluice.wait_line("the request has come back to a route that it took before", stream="err")


@pytest.mark.parametrize("mark", ['"', 'x="', '"\\', 'a, "b', '"a", "b', 'x; a="sluice, ', ",,,", "sluice, x"])
def test_what_a_client_puts_before_our_mark_hides_nothing(site, mark):
    sluice, _ = looping(site)

    def ask():
        with sluice.raw() as c:
            return c.get("/x", "loop.example", headers=[f"CDN-Loop: {mark}"]).status
    answer, made = counted(sluice, ask)
    assert (answer, made) == (508, 2)


@pytest.mark.parametrize("method,headers,body", [("HEAD", {}, None), ("POST", {}, b"x" * 100_000), ("PUT", {"Transfer-Encoding": "chunked"}, b"5\r\nhello\r\n0\r\n\r\n"),
                                                 ("OPTIONS", {}, None), ("DELETE", {}, None), ("GET", {"Connection": "CDN-Loop, X-Scheme, X-Real-IP"}, None)])
def test_whatever_is_asked(site, method, headers, body):
    sluice, _ = looping(site)
    answer, made = counted(sluice, lambda: http_get(sluice.http, "/x", method, body=body, headers=headers, host="loop.example"))
    assert (answer.status, made) == (508, 2)


def test_twenty_at_once(site):
    sluice, _ = looping(site, workers=2)
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers, made = counted(sluice, lambda: [f.result().status for f in [pool.submit(sluice.get, "/", "loop.example") for _ in range(20)]])
    assert answers == [508] * 20 and made == 40


def test_two_hosts(site):
    """a leads to b, and b to a."""
    sluice, first = looping(site, wait=True)
    a = site.add(Balancer(sluice.http, rewrite=lambda d: d.replace(b"Host: a.example", b"Host: b.example")))
    b = site.add(Balancer(sluice.http, rewrite=lambda d: d.replace(b"Host: b.example", b"Host: a.example")))
    sluice.changed(lambda: outside(site, "a", a.port))
    sluice.changed(lambda: outside(site, "b", b.port))
    ready(sluice, "a", "b")
    for host in ("a.example", "b.example"):
        answer, made = counted(sluice, lambda: sluice.get("/", host))
        assert (answer.status, made) == (508, 3)


def test_ever_another_route_ends_with_the_fifth_pass(site):
    sluice, _ = looping(site)
    for i in range(8):
        step = site.add(Balancer(sluice.http, rewrite=lambda d, i=i: d.replace(b"Host: h%d.example" % i, b"Host: h%d.example" % (i + 1))))
        sluice.changed(lambda: outside(site, f"h{i}", step.port))
    ready(sluice, *(f"h{i}" for i in range(8)))
    answer, made = counted(sluice, lambda: sluice.get("/", "h0.example"))
    assert (answer.status, made) == (508, 5)
    # What needs fewer passes arrives.
    pod = site.pod()
    sluice.changed(lambda: site.app("h8.example", pod.address))
    answer, made = counted(sluice, lambda: sluice.get("/", "h5.example"))
    assert (answer.status, made) == (200, 4)


def test_another_route_of_the_same_host_is_no_loop(site):
    """As authentication by `https://$host/oauth2/auth` will have it: out, and in again by another path."""
    pod = site.pod()
    balancer = site.add(Balancer(rewrite=lambda d: d.replace(b"GET /app", b"GET /oauth2/auth")))
    site.manifests.write("app.yaml", ingress("app", {"app.example": [("/", "Prefix", "out", balancer.port), ("/oauth2", "Prefix", "pod", 80)]}),
                         service("out", port=balancer.port, external="localhost"), service("pod"), *slices("pod", [pod.address]))
    sluice = site.sluice(options=LISTED)
    balancer.targets.append(sluice.http)
    ready(sluice, "out")
    answer, made = counted(sluice, lambda: sluice.get("/app", "app.example"))
    assert (answer.status, made) == (200, 2)
    assert pod.last_headers()[0].startswith("GET /oauth2/auth")


def test_pods_that_are_a_balancer(site):
    """An EndpointSlice leads to the balancer in front: pods get no mark, but what comes back tells whence it comes."""
    balancer = site.add(Balancer())
    site.app("loop.example", balancer.address)
    sluice = site.sluice(workers=2)
    balancer.targets.append(sluice.http)
    answer, made = counted(sluice, lambda: sluice.get("/", "loop.example"))
    assert (answer.status, made) == (508, 5)
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers, made = counted(sluice, lambda: [f.result().status for f in [pool.submit(sluice.get, "/", "loop.example") for _ in range(20)]])
    assert answers == [508] * 20 and made == 100


def test_replicas_count_what_others_passed_on(site):
    """Two processes behind one balancer: neither knows the other's routes."""
    balancer = site.add(Balancer())
    outside(site, "loop", balancer.port)
    both = [site.sluice(options=LISTED) for _ in range(2)]
    for sluice in both:
        balancer.targets.append(sluice.http)
        ready(sluice, "loop")
    for sluice in both:
        before = sum(s.metric("sluice_requests_total") for s in both)
        assert sluice.get("/", "loop.example").status == 508
        wait_for(lambda: sum(s.metric("sluice_requests_active") for s in both) == 0, "nothing runs any more")
        assert sum(s.metric("sluice_requests_total") for s in both) - before <= 5


def test_what_pods_and_others_receive(site):
    sluice, pod, other = inside_and_outside(site)

    def received(pod, host, *headers):
        with sluice.raw() as c:
            assert c.get("/", host, headers=headers).status == 200
        return [(k.lower(), v) for k, v in pod.last_headers()[1]]

    def marks(fields):
        return [v for k, v in fields if k == "cdn-loop"]

    assert marks(received(pod, "app.example")) == []
    assert marks(received(pod, "app.example", "CDN-Loop: cloudflare; loops=1", "cdn-loop: b")) == ["cloudflare; loops=1", "b"]
    # A proxy before us that is neither Sluice nor ingress-nginx, and half of what those send.
    half = ("X-Forwarded-For: 10.0.0.1", "X-Forwarded-Proto: https", "X-Real-IP: 10.0.0.1", "X-Forwarded-Host: x", "X-Forwarded-Port: 443", "X-Scheme: https")
    assert marks(received(pod, "app.example", *half)) == []
    assert marks(received(pod, "app.example", *half, "X-Forwarded-Scheme: https")) == ["sluice, sluice"]
    assert marks(received(pod, "app.example", "CDN-Loop: cloudflare, Sluice; r=1")) == ["cloudflare, Sluice; r=1, sluice"]
    (mark,) = marks(received(other, "out.example"))
    assert re.fullmatch(r"sluice; r=[0-9a-f]{16}", mark)
    assert marks(received(other, "out.example")) == [mark], "the same route, the same mark"
    assert marks(received(other, "out.example", "CDN-Loop: cloudflare", "CDN-Loop: fastly")) == [f"cloudflare, fastly, {mark}"]
    plain, marked = received(pod, "app.example"), received(other, "out.example")
    masked = [(k, "id" if k == "x-request-id" else v) for k, v in plain]
    assert [(k, "id" if k == "x-request-id" else v.replace("out.", "app.")) for k, v in marked if k != "cdn-loop"] == masked


def test_whoever_forges_a_mark_hurts_himself_alone(site):
    sluice, pod, other = inside_and_outside(site)
    for host in ("app.example", "out.example"):
        def ask(value, host=host):
            with sluice.raw() as c:
                return c.get("/", host, headers=[f"CDN-Loop: {value}"]).status
        assert ask("sluice, sluice, sluice") == 200
        assert ask("sluice, sluice;r=0, SLUICE ; x=y, sluice") == 508
        assert ask("sluice, x, sluice, y, sluice, sluice") == 508
        assert ask('other; a="sluice, sluice, sluice, sluice"') == 200
        for odd in (",,,,", '"', 'sluice;r="', "sluices, sluice-2, xsluice, asluice", "sluice; r=" + "0" * 7000, '"\\', "\t, \t;r="):
            assert ask(odd) == 200, odd
    for pod in (pod, other):
        assert pod.stats()["violations"] == 0
    assert http_get(sluice.http, "/", host="app.example").status == 200


def test_over_tls_and_http2(site):
    """The balancer leads to the https listener; the client speaks HTTP/2."""
    balancer = site.add(Balancer())
    site.manifests.write("cert.yaml", tls_secret("cert", *certificate("loop.example")))
    outside(site, "loop", balancer.port, annotations={"backend-protocol": "HTTPS", "ssl-redirect": "false"})
    sluice = site.sluice(options=LISTED)
    balancer.targets.append(sluice.https)
    ready(sluice, "loop")

    def ask():
        with h2raw.Http2(sluice.https, sni="loop.example") as c:
            s = c.request(host="loop.example")
            c.done(s)
            return s.status
    assert counted(sluice, ask) == (508, 2)


@pytest.mark.parametrize("tls", [False, True], ids=["h2c", "tls"])
def test_streams_of_http2_all_around(site, tls):
    """HTTP/2 to us and from us; a gRPC call ends as a call."""
    balancer = site.add(Balancer())
    outside(site, "loop", balancer.port, annotations={"backend-protocol": "GRPCS" if tls else "GRPC", "ssl-redirect": "false"})
    sluice = site.sluice(options={**LISTED, "http2-prior-knowledge": "true"})
    balancer.targets.append(sluice.https if tls else sluice.http)
    ready(sluice, "loop")

    def plain():
        with h2raw.Http2(sluice.http) as c:
            s = c.request(host="loop.example")
            c.done(s)
            return s.status
    assert counted(sluice, plain) == (508, 2)

    def call():
        with h2raw.Http2(sluice.http) as c:
            s = c.request("/p.S/m", host="loop.example", method="POST", fields=[("content-type", "application/grpc"), ("te", "trailers")], body=b"\0\0\0\0\1x")
            c.done(s)
            return s.status, s.get("grpc-status"), s.get("grpc-message")
    assert counted(sluice, call) == ((200, "2", "508 Loop Detected"), 2)


def test_an_upgrade(site):
    sluice, _ = looping(site)

    def ask():
        with sluice.raw() as c:
            key = base64.b64encode(b"0123456789abcdef").decode()
            return c.get("/ws", "loop.example", headers=["Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]).status
    assert counted(sluice, ask) == (508, 2)


@pytest.mark.parametrize("external", [True, False], ids=["name", "slice"])
def test_tls_that_is_passed_through(site, external):
    """Nothing can be written into it, but each ClientHello is one of a kind."""
    balancer = site.add(Balancer())
    site.manifests.write("pass.yaml", ingress("pass", {"pass.example": [("/", "Prefix", "pass", balancer.port)]}, annotations={"ssl-passthrough": "true"}),
                         service("pass", port=balancer.port, external="localhost") if external else service("pass", port=balancer.port),
                         *([] if external else slices("pass", [balancer.address])))
    sluice = site.sluice("--enable-ssl-passthrough", options=LISTED, workers=2)
    balancer.targets.append(sluice.https)
    ready(sluice, "pass")
    for n in range(1, 4):
        with pytest.raises((ssl.SSLError, OSError)):
            sluice.tls("pass.example")
        wait_for(lambda: sluice.metric("sluice_passthrough_active") == 0, "both have ended")
        assert sluice.metric("sluice_passthrough_connections_total") == 2 * n == 2 * sluice.metric("sluice_loops_total")
    sluice.wait_line("the connection has come back: its host leads to us", stream="err")
    sluice.wait_access(r" TCP 508 0 0 ")


def test_exactly_as_ingress_nginx_nothing_is_marked(site):
    """compat: exact: what is under way is counted by its id instead, and its client may have others."""
    sluice, pod, other = inside_and_outside(site, compat="exact")
    for fields in ([], ["CDN-Loop: cloudflare"]):
        with sluice.raw() as c:
            assert c.get("/", "out.example", headers=fields).status == 200
        assert [v for k, v in other.last_headers()[1] if k.lower() == "cdn-loop"] == [f.split(": ")[1] for f in fields]
    held = [sluice.raw() for _ in range(100)]
    for c in held:
        c.send(b"GET /?hold=1 HTTP/1.1\r\nHost: out.example\r\nX-Request-ID: one\r\n\r\n")
    wait_for(lambda: other.stats()["requests"] == 102, "a hundred are under way")

    def ask(host, name):
        with sluice.raw() as c:
            return c.get("/", host, headers=[f"X-Request-ID: {name}"]).status
    assert [ask("out.example", "one"), ask("out.example", "two"), ask("app.example", "one")] == [508, 200, 200]
    assert sluice.metric("sluice_loops_total") == 1
    for c in held:
        c.close()
    wait_for(lambda: ask("out.example", "one") == 200, "they are over")


def test_a_loop_that_is_not_marked_ends_all_the_same(site):
    sluice, _ = looping(site, options={"compat": "exact"})
    answer, made = counted(sluice, lambda: sluice.get("/x", "loop.example"))
    assert (answer.status, made) == (508, 101)
    # Without an id there is nothing to count by.
    balancer = site.add(Balancer())
    outside(site, "again", balancer.port)
    other = site.sluice(options=LISTED | {"compat": "exact", "generate-request-id": "false"})
    balancer.targets.append(other.http)
    ready(other, "again")
    assert counted(other, lambda: other.get("/x", "again.example"))[1] == 2
