"""Limits: each has its status, and the proxy goes on."""
import socket
import threading
import time

import pytest

from h2raw import DATA, END_STREAM, Http2, frame
from harness import SANITIZED, SLOW, Raw, body_of, need, run_tool, wait_for


def test_body_limit_by_length(site):
    sluice, pod = site.simple(annotations={"proxy-body-size": "1k"})
    with sluice.raw() as c:
        assert c.get("/", "app.example", method="POST", body=b"x" * 1024).status == 200
        a = c.get("/", "app.example", method="POST", body=b"x" * 1025)
        assert a.status == 413
    assert pod.stats()["requests"] == 1


def test_default_body_limit_is_1m(site):
    sluice, pod = site.simple()
    assert sluice.get("/", "app.example", method="POST", body=b"x" * (1 << 20)).status == 200
    with sluice.raw() as c:
        c.send(b"POST / HTTP/1.1\r\nHost: app.example\r\nContent-Length: %d\r\n\r\n" % ((1 << 20) + 1))
        assert c.answer().status == 413


@pytest.mark.parametrize("limit,size", [("1k", 1025), ("3m", 3_200_000)])
def test_body_limit_of_chunked(site, limit, size):
    sluice, pod = site.simple(annotations={"proxy-body-size": limit})
    with sluice.raw(timeout=20) as c:
        c.send("POST / HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: chunked\r\n\r\n")
        left = size
        while left > 0:
            n = min(left, 60000)
            if not c.try_send(b"%x\r\n%s\r\n" % (n, b"x" * n)):
                break
            left -= n
        c.try_send("0\r\n\r\n")
        assert c.answer().status == 413
    assert pod.stats()["completed"] == 0


@pytest.mark.parametrize("size,status", [(1024, 200), (1025, 413)])
def test_body_limit_of_http2_without_a_length(site, size, status):
    """The body comes with its head, all at once."""
    sluice, pod = site.simple(annotations={"proxy-body-size": "1k"}, options={"http2-prior-knowledge": "true"})
    with Http2(sluice.http) as c:
        head, s = c.head(method="POST", end=False)
        c.send(head + frame(DATA, END_STREAM, s.number, b"x" * size))
        c.done(s)
        assert s.status == status
    assert pod.stats()["requests"] == (status == 200)


def test_request_line_limit(site):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        assert c.get("/" + "a" * 8000, "app.example").status == 200
        assert c.send(f"GET /{'a' * 8300} HTTP/1.1\r\nHost: app.example\r\n\r\n").answer().status == 414


def test_field_limits(site):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        assert c.get("/", "app.example", headers=["X: " + "a" * 8000]).status == 200
        assert c.send("GET / HTTP/1.1\r\nHost: app.example\r\nX: " + "a" * 9000 + "\r\n\r\n").answer().status == 431
    with sluice.raw() as c:
        assert c.get("/", "app.example", headers=[f"X-{i}: y" for i in range(90)]).status == 200
        c.send("GET / HTTP/1.1\r\nHost: app.example\r\n" + "".join(f"X-{i}: y\r\n" for i in range(101)) + "\r\n")
        assert c.answer().status == 431
    with sluice.raw() as c:
        c.try_send("GET / HTTP/1.1\r\nHost: app.example\r\n" + "".join(f"X-{i}: {'y' * 7000}\r\n" for i in range(6)) + "\r\n")
        assert c.answer().status == 431


def test_header_buffers_option(site):
    sluice, pod = site.simple(options={"large-client-header-buffers": "4 16k"})
    with sluice.raw() as c:
        assert c.get("/", "app.example", headers=["X: " + "a" * 15000]).status == 200


def test_a_line_that_the_first_buffer_takes_needs_no_large_one(site):
    sluice, pod = site.simple(options={"client-header-buffer-size": "16k"})
    with sluice.raw() as c:
        assert c.get("/", "app.example", headers=["X: " + "a" * 15000]).status == 200
        assert c.get("/" + "a" * 15000, "app.example").status == 200
        c.try_send("GET / HTTP/1.1\r\nHost: app.example\r\nX: " + "a" * 17000 + "\r\n\r\n")
        assert c.answer().status == 431


def test_header_timeout_is_absolute(site):
    """A byte now and then does not prolong it."""
    sluice, pod = site.simple(options={"client-header-timeout": 1})
    start = time.monotonic()
    with sluice.raw() as c:
        c.send("GET / HTTP/1.1\r\nHost: app.example\r\nX: ")
        stop = threading.Event()

        def trickle():
            while not stop.wait(0.2):
                if not c.try_send("a"):
                    return
        t = threading.Thread(target=trickle)
        t.start()
        data = c.read_all()
        stop.set()
        t.join()
    assert data == b"" or data.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - start < 4
    assert pod.stats()["requests"] == 0


def test_silent_connection_ends(site):
    sluice, pod = site.simple(options={"client-header-timeout": 1})
    with sluice.raw() as c:
        data = c.read_all()
    assert data == b"" or data.startswith(b"HTTP/1.1 408 ")


def test_body_timeout_is_408(site):
    sluice, pod = site.simple(options={"client-body-timeout": 1})
    with sluice.raw() as c:
        c.send("POST / HTTP/1.1\r\nHost: app.example\r\nContent-Length: 100\r\n\r\nabc")
        data = c.read_all()
    assert data.startswith(b"HTTP/1.1 408 "), data
    assert pod.stats()["completed"] == 0


def test_send_timeout_ends_a_reader_that_stopped(site):
    sluice, pod = site.simple(options={"client-send-timeout": 1})
    with sluice.raw(rcvbuf=4096) as c:
        c.send("GET /?size=50000000 HTTP/1.1\r\nHost: app.example\r\n\r\n")
        wait_for(lambda: pod.stats()["requests"] == 1 and pod.stats()["open"] == 0, "the upstream request ended", 15)


NO_LADDER = {f"overload-{key}": 0 for key in ("close-idle", "reset-slow", "refuse-low", "refuse-requests", "stop-accepting")}


def is_told_that_there_are_too_many(sluice, before=b""):
    """Whatever the client has begun to send: it is read and thrown away, so that no reset destroys the answer."""
    for size in (0, 1000, 1000, 1000, 8 << 20):
        with sluice.raw() as c:
            c.sock.sendall(before + b"POST / HTTP/1.1\r\nHost: app.example\r\nContent-Length: %d\r\n\r\n" % size)
            c.sock.sendall(b"x" * size)
            a = c.answer("POST")
            assert (a.status, a.get("retry-after"), a.get("connection")) == (503, "1", "close")
            assert c.closed()
    wait_for(lambda: sluice.metric("sluice_downstream_lingering") == 0, "nobody is kept")


def test_who_is_turned_away_does_not_hold_the_process(site):
    """For a moment, and so many at once: the rest is closed right behind the answer."""
    sluice, pod = site.simple(options={"max-connections": 1, **NO_LADDER})
    with sluice.raw() as held:
        assert held.get("/", "app.example").status == 200
        silent = [sluice.raw() for _ in range(40)]
        try:
            for c in silent:
                assert c.answer().status == 503
            assert 1 <= sluice.metric("sluice_downstream_lingering") <= 32
            assert sluice.metric("sluice_lingering_refused_total") >= 8
            wait_for(lambda: sluice.metric("sluice_downstream_lingering") == 0, "their time is over", 5)
            assert sluice.fds() < 60
        finally:
            for c in silent:
                c.close()
        assert held.get("/", "app.example").status == 200


def test_connections_for_each_address(site):
    sluice, pod = site.simple(options={"max-connections-per-address": 5})
    held = [sluice.raw() for _ in range(5)]
    for c in held:
        assert c.get("/", "app.example").status == 200
    is_told_that_there_are_too_many(sluice)
    for c in held:
        assert c.get("/", "app.example").status == 200
        c.close()

    def again():
        with sluice.raw() as c2:
            return c2.get("/", "app.example").status == 200
    def tolerant():
        try:
            return again()
        except EOFError:
            return False
    wait_for(tolerant, "connections are taken again")


def test_connections_in_all(site):
    sluice, pod = site.simple(options={"max-connections": 10, **NO_LADDER})
    held = [sluice.raw() for _ in range(10)]
    for c in held:
        assert c.get("/", "app.example").status == 200
    is_told_that_there_are_too_many(sluice)
    assert sluice.metric("sluice_shed_connections_total") + sluice.metric("sluice_shed_requests_total") >= 1 or \
        any("shed" in n and v >= 1 for (n, _), v in sluice.metrics().items())
    for c in held:
        c.close()


def test_pipelining_deeper_than_the_limit_is_still_answered(site):
    sluice, pod = site.simple(options={"max-pipelined": 4})
    with sluice.raw(timeout=20) as c:
        c.send("GET /?size=1 HTTP/1.1\r\nHost: app.example\r\n\r\n" * 100)
        for _ in range(100):
            assert c.answer().status == 200


def test_error_bodies_name_the_request_id_and_not_our_insides(site):
    site.app("app.example", [])
    sluice = site.sluice()
    a = sluice.get("/", "app.example", headers={"X-Request-ID": "0123456789abcdef0123456789abcdef"})
    assert a.status == 503 and b"0123456789abcdef0123456789abcdef" in a.body and len(a.body) < 1000
    for secret in (b"sluice", b"127.0.0.1", b"/src/"):
        assert secret not in a.body.lower()
    a = sluice.get("/", "app.example", headers={"X-Request-ID": "<script>alert(1)</script>"})
    assert b"<script>" not in a.body


def test_descriptors_exhausted(site):
    """Runs out, spends little, tells some of those that wait, and serves as soon as connections end: a thousand that have
    gone while they waited hold nobody up, though a tenth of them fits in the table."""
    need("prlimit")
    pod = site.pod()
    site.app("app.example", pod.address)
    sluice = site.sluice(wrap=("prlimit", "--nofile=96:96"))
    kept = sluice.raw()
    assert kept.get("/", "app.example").status == 200
    held = []
    host, port = sluice.http.rsplit(":", 1)
    for _ in range(1000):
        c = socket.socket()
        c.setblocking(False)
        c.connect_ex((host, int(port)))
        held.append(c)
    cpu, clock = sluice.cpu_seconds(), time.monotonic()
    wait_for(lambda: time.monotonic() - clock > 2, "two seconds of exhaustion", 5)
    used = (sluice.cpu_seconds() - cpu) / (time.monotonic() - clock)
    assert used < 0.5, f"{used:.2f} of a core while descriptors are exhausted"
    assert kept.get("/", "app.example").status in (200, 503)
    for c in held:
        c.close()
    start = time.monotonic()

    def served():
        with Raw(sluice.http, timeout=2) as c:
            return c.get("/", "app.example").status == 200
    def tolerant():
        try:
            return served()
        except (EOFError, AssertionError):
            return False
    wait_for(tolerant, "served again", 5)
    assert time.monotonic() - start < SLOW
    told, ticks = sluice.metric("sluice_shed_connections_total"), 10 * (time.monotonic() - clock)
    assert 5 <= told <= ticks + 1, f"{told} were told in {ticks:.0f} tenths of a second"
    kept.close()


@pytest.mark.parametrize("direction", ["download", "upload"])
def test_large_bodies_with_a_slow_peer_hold_memory_flat(site, direction):
    """300 MB; the 5 GB form is tests/chaos/large.py."""
    sluice, pod = site.simple(annotations={"proxy-body-size": "0"}, options={"client-min-rate": 0})
    sluice.get("/", "app.example")
    before = sluice.rss_kb()
    peak = [before]
    stop = threading.Event()

    def watch():
        while not stop.wait(0.02):
            peak[0] = max(peak[0], sluice.rss_kb())
    t = threading.Thread(target=watch)
    t.start()
    total = 300_000_000
    try:
        if direction == "download":
            with sluice.raw(rcvbuf=8192, timeout=60) as c:
                c.send(f"GET /?size={total}&id=big HTTP/1.1\r\nHost: app.example\r\n\r\n")
                c.read_until(b"\r\n\r\n")
                got = len(c.buffer)
                c.buffer = b""
                while got < total:
                    n = len(c.sock.recv(1 << 20))
                    assert n
                    got += n
            assert got == total
        else:
            with sluice.raw(timeout=60) as c:
                c.send(f"POST / HTTP/1.1\r\nHost: app.example\r\nContent-Length: {total}\r\n\r\n")
                block = b"u" * 100_000
                for _ in range(total // len(block)):
                    c.send(block)
                assert c.answer().get("x-req-length") == str(total)
    finally:
        stop.set()
        t.join()
    print(f"{direction}: {total >> 20} MiB, resident {before} kB before, {peak[0]} kB at most")
    assert peak[0] - before < 16_000 * (4 if SANITIZED else 1)
