"""Malformed responses of a pod: 502 or a visible cut, never passed on, and the next exchange is clean (docs/malformed.md, responses)."""
import socket

import pytest

from harness import body_of, read_request

OK = b"HTTP/1.1 200 OK\r\n"

BAD = [
    ("cl-and-te", OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("two-cl", OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
    ("cl-plus", OK + b"Content-Length: +5\r\n\r\nhello"),
    ("cl-minus", OK + b"Content-Length: -5\r\n\r\nhello"),
    ("cl-hex", OK + b"Content-Length: 0x5\r\n\r\nhello"),
    ("cl-huge", OK + b"Content-Length: 99999999999999999999\r\n\r\nhello"),
    ("te-unknown", OK + b"Transfer-Encoding: xchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    ("te-gzip", OK + b"Transfer-Encoding: gzip\r\n\r\nhello"),
    ("te-twice", OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("unasked-101", b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
    ("http09", b"hello, I am a body\r\n\r\n"),
    ("version-2", b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ("nul-in-value", OK + b"X: a\0b\r\nContent-Length: 0\r\n\r\n"),
    ("ctl-in-value", OK + b"X: a\x01b\r\nContent-Length: 0\r\n\r\n"),
    ("space-colon", OK + b"X-A : b\r\nContent-Length: 0\r\n\r\n"),
    ("no-colon", OK + b"nocolon\r\nContent-Length: 0\r\n\r\n"),
    ("bare-lf", b"HTTP/1.1 200 OK\nContent-Length: 0\n\n"),
    ("bare-cr", OK + b"X: a\rb\r\nContent-Length: 0\r\n\r\n"),
    ("obs-fold", OK + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n"),
    ("status-99", b"HTTP/1.1 99 Low\r\nContent-Length: 0\r\n\r\n"),
    ("status-0200", b"HTTP/1.1 0200 OK\r\nContent-Length: 0\r\n\r\n"),
    ("status-text", b"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n"),
    ("header-1M", OK + b"X: " + b"a" * 1_000_000 + b"\r\nContent-Length: 0\r\n\r\n"),
    ("headers-2000", OK + b"".join(b"X-%d: y\r\n" % i for i in range(2000)) + b"Content-Length: 0\r\n\r\n"),
    ("closed-before-head", b""),
    ("closed-inside-head", OK + b"Content-Le"),
    ("interim-then-close", b"HTTP/1.1 103 Early\r\n\r\n"),
]


@pytest.mark.parametrize("name,data", BAD, ids=[b[0] for b in BAD])
def test_malformed_head_is_502(site, name, data):
    good = {"n": 0}

    def pod(sock, _):
        while True:
            r = read_request(sock)
            if r is None:
                return
            if " /bad " in r[0].split("\r\n")[0]:
                sock.sendall(data)
                return
            good["n"] += 1
            sock.sendall(OK + b"Content-Length: 4\r\n\r\ngood")
    p = site.scripted(pod)
    site.app("app.example", p.address, annotations={"proxy-next-upstream-tries": "1"})
    sluice = site.sluice()
    with sluice.raw() as c:
        assert c.get("/", "app.example").body == b"good"
        a = c.get("/bad", "app.example", method="POST", body=b"x")
        assert a.status == 502, a
        for secret in (b"127.0.0.1", b"sluice::", b"/src/"):
            assert secret not in a.body
        if a.get("connection") != "close":
            assert c.get("/", "app.example").body == b"good"
    for _ in range(3):
        assert sluice.get("/", "app.example").body == b"good"


CUT = [
    ("length-short", OK + b"Content-Length: 100\r\n\r\nhello"),
    ("chunk-bad-size", OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n"),
    ("chunk-no-crlf", OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n"),
    ("chunk-cut", OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
    ("chunk-lf", OK + b"Transfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n"),
]


@pytest.mark.parametrize("name,data", CUT, ids=[b[0] for b in CUT])
def test_damage_in_a_body_must_not_look_complete(site, name, data):
    def pod(sock, _):
        while True:
            r = read_request(sock)
            if r is None:
                return
            if "/bad" in r[0]:
                sock.sendall(data)
                return
            sock.sendall(OK + b"Content-Length: 4\r\n\r\ngood")
    p = site.scripted(pod)
    site.app("app.example", p.address)
    sluice = site.sluice()
    with sluice.raw() as c:
        # Damage that comes with the head is a whole 502; asked to close, either way ends the connection.
        c.send("GET /bad HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\n\r\n")
        everything = c.read_all()
    head, _, body = everything.partition(b"\r\n\r\n")
    if b" 502 " not in head.split(b"\r\n")[0]:
        low = head.lower()
        if b"transfer-encoding: chunked" in low:
            assert not body.endswith(b"0\r\n\r\n"), everything
        else:
            assert b"content-length: 100" in low and len(body) < 100, everything
    assert sluice.get("/", "app.example").body == b"good"


def test_surplus_bytes_do_not_reach_the_next_exchange(site):
    # The surplus has left the pod before the next request is made: later, nobody could tell it from an answer.
    import threading
    sent = threading.Event()

    def pod(sock, number):
        # Nagle would hold the surplus back until the next request acknowledges the answer.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            r = read_request(sock)
            if r is None:
                return
            path = r[0].split()[1].encode()
            sock.sendall(OK + b"Content-Length: %d\r\n\r\n%s" % (len(path), path))
            if path == b"/more":
                sock.sendall(OK + b"Content-Length: 6\r\n\r\npoison")
                sent.set()
    p = site.scripted(pod)
    site.app("app.example", p.address)
    sluice = site.sluice()
    with sluice.raw() as c:
        for _ in range(10):
            sent.clear()
            assert c.get("/more", "app.example").body == b"/more"
            assert sent.wait(5)
            assert c.get("/clean", "app.example").body == b"/clean"


def test_unasked_bytes_on_an_idle_connection(site):
    def pod(sock, number):
        r = read_request(sock)
        if number == 1:
            sock.sendall(OK + b"Content-Length: 2\r\n\r\nok" + OK + b"Content-Length: 6\r\n\r\npoison")
            sock.recv(10000)
            return
        while r:
            sock.sendall(OK + b"Content-Length: 5\r\n\r\nclean")
            r = read_request(sock)
    p = site.scripted(pod)
    site.app("app.example", p.address)
    sluice = site.sluice()
    assert sluice.get("/", "app.example").body == b"ok"
    for _ in range(5):
        assert sluice.get("/", "app.example").body == b"clean"


def test_hop_by_hop_of_the_pod_stays(site):
    def pod(sock, _):
        while read_request(sock):
            sock.sendall(OK + b"Connection: keep-alive, X-Internal\r\nX-Internal: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\n"
                         b"X-Kept: 1\r\nContent-Length: 0\r\n\r\n")
    p = site.scripted(pod)
    site.app("app.example", p.address)
    sluice = site.sluice()
    a = sluice.get("/", "app.example")
    assert a.get("x-kept") == "1"
    assert not a.get("x-internal") and not a.get("keep-alive") and not a.get("proxy-connection")


def test_status_with_body_where_none_may_be(site):
    def pod(sock, _):
        while True:
            r = read_request(sock)
            if r is None:
                return
            if "/bad" in r[0]:
                sock.sendall(b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
            else:
                sock.sendall(OK + b"Content-Length: 4\r\n\r\ngood")
    p = site.scripted(pod)
    site.app("app.example", p.address)
    sluice = site.sluice()
    with sluice.raw() as c:
        assert c.get("/bad", "app.example").status == 204
        assert c.get("/x", "app.example").body == b"good"
    assert sluice.get("/x", "app.example").body == b"good"


def test_http10_pod(site):
    def pod(sock, _):
        read_request(sock)
        sock.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n" + body_of("old", 3000))
    p = site.scripted(pod)
    site.app("app.example", p.address)
    sluice = site.sluice()
    for _ in range(3):
        assert sluice.get("/", "app.example").body == body_of("old", 3000)


def test_server_and_x_accel_fields(site):
    """Server and X-Accel-* of a pod are its own business, as in ingress-nginx."""
    def pod(sock, _):
        while read_request(sock):
            sock.sendall(OK + b"Server: secret/1.0\r\nX-Accel-Buffering: no\r\nContent-Length: 0\r\n\r\n")
    p = site.scripted(pod)
    site.app("app.example", p.address)
    sluice = site.sluice()
    a = sluice.get("/", "app.example")
    assert "secret" not in (a.get("server") or "") and not a.get("x-accel-buffering")
