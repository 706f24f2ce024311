"""Bodies that are collected, on the disk where they are long: requests before a pod is asked, answers while a client takes them slowly."""
import hashlib
import os
import socket
import threading

import pytest

from harness import read_request, wait_for
from h2raw import Http2, block

ON = {"proxy-request-buffering": "on", "proxy-body-size": "64m"}


def files_of(sluice):
    """Files without a name that the process has open."""
    out = 0
    for fd in os.listdir(f"/proc/{sluice.pid}/fd"):
        try:
            out += "(deleted)" in os.readlink(f"/proc/{sluice.pid}/fd/{fd}")
        except OSError:
            pass
    return out


def bytes_on_disk(sluice):
    out = 0
    for fd in os.listdir(f"/proc/{sluice.pid}/fd"):
        at = f"/proc/{sluice.pid}/fd/{fd}"
        try:
            out += os.stat(at).st_size if "(deleted)" in os.readlink(at) else 0
        except OSError:
            pass
    return out


class Taker:
    """A pod that reads requests and remembers them; `say` makes the answer."""

    def __init__(self, site, say=None):
        self.got = []
        self.begun = threading.Event()
        self.say = say or (lambda head, body: b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        self.pod = site.scripted(self._serve)
        self.address = self.pod.address

    def _serve(self, sock, number):
        first = sock.recv(1, socket.MSG_PEEK)
        if not first:
            return
        self.begun.set()
        while (request := read_request(sock)) is not None:
            self.got.append(request)
            answer = self.say(*request)
            if answer is None:
                return
            sock.sendall(answer)


@pytest.fixture
def taken(site):
    """site.take(annotations): (proxy, pod)."""
    def take(annotations=None, *args, say=None, **kw):
        pod = Taker(site, say)
        site.app("app.example", pod.address, annotations=ON | (annotations or {}))
        return site.sluice(*args, **kw), pod
    site.take = take
    return site


def body_of(size):
    return (hashlib.sha256(str(size).encode()).digest() * (size // 32 + 1))[:size]


@pytest.mark.parametrize("size", [0, 1, 8192, 8193, 300_000, 5_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_pods_get_the_whole_body_with_its_length(taken, size, chunked):
    sluice, pod = taken.take()
    body = body_of(size)
    head = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    with sluice.raw() as c:
        c.send(f"POST /x HTTP/1.1\r\nHost: app.example\r\n{head}\r\n\r\n".encode())
        for at in range(0, size, 100_000):
            piece = body[at:at + 100_000]
            c.send(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
        if chunked:
            c.send(b"0\r\n\r\n")
        assert c.answer("POST").status == 200
        wait_for(lambda: files_of(sluice) == 0, "the file is gone with the request")
        assert c.get("/y", "app.example").status == 200, "the connection goes on"
    assert pod.got[0][1] == body
    assert f"content-length: {size}" in pod.got[0][0].lower() and "transfer-encoding" not in pod.got[0][0].lower()
    if size != 8193:  # which is in memory where it came with the head
        assert (sluice.metric("sluice_disk_bodies_total", result="written") > 0) == (size > 8192)


def test_no_pod_is_asked_before_the_body_is_here(taken):
    sluice, pod = taken.take()
    with sluice.raw() as c:
        c.send(b"POST /x HTTP/1.1\r\nHost: app.example\r\nContent-Length: 600000\r\n\r\n" + b"x" * 599_999)
        wait_for(lambda: files_of(sluice) == 1, "it lies on the disk")
        assert not pod.begun.is_set()
        c.send(b"x")
        assert c.answer("POST").status == 200
    assert len(pod.got[0][1]) == 600_000


def test_a_client_that_leaves_takes_its_file_along(taken):
    sluice, pod = taken.take()
    with sluice.raw() as c:
        c.send(b"POST /x HTTP/1.1\r\nHost: app.example\r\nContent-Length: 600000\r\n\r\n" + b"x" * 500_000)
        wait_for(lambda: files_of(sluice) == 1, "it lies on the disk")
    wait_for(lambda: files_of(sluice) == 0, "it is gone")
    assert not pod.begun.is_set()


def test_another_pod_gets_all_of_it(site):
    """What lies on the disk can be sent again, whatever its length."""
    def dies(sock, _):
        sock.recv(65536)  # and closes inside the request
    dead, pod = site.scripted(dies), Taker(site)
    site.app("app.example", [dead.address, pod.address], annotations=ON)
    sluice = site.sluice()
    body = body_of(3_000_000)
    for _ in range(4):
        with sluice.raw() as c:
            c.send(b"PUT /x HTTP/1.1\r\nHost: app.example\r\nContent-Length: 3000000\r\n\r\n" + body)
            assert c.answer("PUT").status == 200
    assert all(got == body for _, got in pod.got) and len(pod.got) == 4 and dead.connections > 0


def test_above_proxy_body_size_is_413_and_nothing_stays(taken):
    sluice, pod = taken.take({"proxy-body-size": "300k"})
    with sluice.raw() as c:
        c.send(b"POST /x HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: chunked\r\n\r\n" + b"40000\r\n" + b"x" * 0x40000 + b"\r\n" + b"40000\r\n" + b"x" * 0x40000 + b"\r\n")
        assert c.answer("POST").status == 413
    assert not pod.begun.is_set()
    wait_for(lambda: files_of(sluice) == 0, "it is gone")


def test_bounds_of_a_namespace_and_of_the_process(taken):
    sluice, pod = taken.take({}, "--buffer-limit", "2Mi")
    with sluice.raw() as c:  # more than a namespace may have at all
        c.send(b"POST /x HTTP/1.1\r\nHost: app.example\r\nContent-Length: 1500000\r\n\r\n")
        c.try_send(b"x" * 1_500_000)
        assert c.answer("POST").status == 413
    wait_for(lambda: files_of(sluice) == 0, "it has given its room back")
    with sluice.raw() as first:
        first.send(b"POST /x HTTP/1.1\r\nHost: app.example\r\nContent-Length: 900000\r\n\r\n" + b"x" * 800_000)
        # Less than a piece (kDiskPiece) is left in memory: none of it asks for room before the last byte is here.
        wait_for(lambda: bytes_on_disk(sluice) > 800_000 - (256 << 10), "it lies on the disk")
        with sluice.raw() as second:
            second.send(b"POST /x HTTP/1.1\r\nHost: app.example\r\nContent-Length: 700000\r\n\r\n")
            second.try_send(b"x" * 700_000)
            assert second.answer("POST").status == 503
        sluice.wait_line(r"half of --buffer-limit", stream="err")
        wait_for(lambda: files_of(sluice) == 1, "the second one has given its room back")
        first.send(b"x" * 100_000)
        assert first.answer("POST").status == 200
    assert sluice.metric("sluice_disk_bodies_total", result="refused") >= 1
    wait_for(lambda: files_of(sluice) == 0, "the first one has, too")
    with sluice.raw() as c:
        c.send(b"POST /x HTTP/1.1\r\nHost: app.example\r\nContent-Length: 700000\r\n\r\n" + b"x" * 700_000)
        assert c.answer("POST").status == 200, "room is given back"


@pytest.mark.parametrize("directory,words", [("", "--buffer-directory names none"), ("/nowhere", "No such file or directory"), ("/proc", "writing below /proc")])
def test_without_a_disk_long_bodies_are_503_and_short_ones_are_served(taken, directory, words):
    sluice, pod = taken.take({}, "--buffer-directory", directory)
    with sluice.raw() as c:
        c.send(b"POST /x HTTP/1.1\r\nHost: app.example\r\nContent-Length: 100000\r\n\r\n")
        c.try_send(b"x" * 100_000)
        assert c.answer("POST").status == 503
    sluice.wait_line(words, stream="err")
    with sluice.raw() as c:
        assert c.get("/x", "app.example", "POST", body=b"x" * 5000).status == 200


@pytest.mark.skipif(os.getuid() != 0, reason="mounts a small disk")
def test_a_full_disk_is_503_and_said(taken, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if os.system(f"mount -t tmpfs -o size=1m tmpfs {small} 2>/dev/null") != 0:
        pytest.skip("no right to mount")
    try:
        sluice, pod = taken.take({}, "--buffer-directory", small)
        with sluice.raw() as c:
            c.send(b"POST /x HTTP/1.1\r\nHost: app.example\r\nContent-Length: 3000000\r\n\r\n")
            c.try_send(b"x" * 3_000_000)
            assert c.answer("POST").status == 503
        sluice.wait_line(rf"writing below {small}: No space left on device", stream="err")
        wait_for(lambda: files_of(sluice) == 0, "its room is given back")
        with sluice.raw() as c:
            c.send(b"POST /x HTTP/1.1\r\nHost: app.example\r\nContent-Length: 500000\r\n\r\n" + b"x" * 500_000)
            assert c.answer("POST").status == 200
        sluice.stop()
    finally:
        os.system(f"umount -l {small}")


def test_client_body_buffer_size_stays_in_memory(taken):
    sluice, pod = taken.take({"client-body-buffer-size": "512k"})
    with sluice.raw() as c:
        c.send(b"POST /x HTTP/1.1\r\nHost: app.example\r\nContent-Length: 500000\r\n\r\n" + b"x" * 500_000)
        assert c.answer("POST").status == 200
    assert sluice.metric("sluice_disk_bodies_total", result="written") == 0 and len(pod.got[0][1]) == 500_000


def test_by_the_option(site):
    pod = Taker(site)
    site.app("app.example", pod.address)
    sluice = site.sluice(options={"proxy-request-buffering": "on"})
    with sluice.raw() as c:
        c.send(b"POST /x HTTP/1.1\r\nHost: app.example\r\nContent-Length: 600000\r\n\r\n" + b"x" * 599_999)
        wait_for(lambda: files_of(sluice) == 1, "it lies on the disk")
        assert not pod.begun.is_set()


def test_over_http2(taken):
    sluice, pod = taken.take(options={"http2-prior-knowledge": "true"})
    body = body_of(400_000)
    with Http2(sluice.http) as c:
        stream = c.request("/x", method="POST", body=body)
        c.done(stream)
        assert stream.status == 200
    assert pod.got[0][1] == body


def test_http_1_0_gets_a_length_whatever_the_body(site):
    pod = Taker(site)
    site.app("app.example", pod.address, annotations={"proxy-http-version": "1.0", "proxy-body-size": "8m"})
    sluice = site.sluice()
    with sluice.raw() as c:
        c.send(b"POST /x HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: chunked\r\nTrailer: X-A\r\n\r\n" + b"200000\r\n" + b"x" * 0x200000 + b"\r\n0\r\nX-A: b\r\n\r\n")
        assert c.answer("POST").status == 200
        assert c.get("/y", "app.example").status == 200
    assert pod.got[0][0].startswith("POST /x HTTP/1.0\r\n") and "content-length: 2097152" in pod.got[0][0].lower()
    assert not {"transfer-encoding", "connection", "trailer"} & {line.split(":")[0].lower() for line in pod.got[0][0].split("\r\n")[1:]}
    assert len(pod.got[0][1]) == 0x200000 and pod.pod.connections == 2, "one request each"


def test_http_1_0_gets_no_trailers_of_a_body_with_a_length_either(site):
    """HTTP/2 has trailers behind one, for which a pod of HTTP/1.1 gets chunks."""
    pod = Taker(site)
    site.app("app.example", pod.address, annotations={"proxy-http-version": "1.0"})
    sluice = site.sluice(options={"http2-prior-knowledge": "true"})
    with Http2(sluice.http) as c:
        stream = c.request("/x", method="POST", fields=[("content-length", "10"), ("trailer", "x-a")], end=False)
        c.body(stream, b"hello", end=False)
        wait_for(lambda: pod.pod.connections, "the pod is asked meanwhile")
        c.body(stream, b"world", end=False)
        c.send(c.headers(stream.number, block([("x-a", "b")]), True))
        assert c.done(stream).status == 200
    head, body = pod.got[0][0].lower(), pod.got[0][1]
    assert "content-length: 10" in head and "transfer-encoding" not in head and "trailer" not in head and body == b"helloworld"


# ---- answers ---------------------------------------------------------------------------------------------------------

class Giver:
    """A pod that gives an answer of so many bytes at once, and says when it has."""

    def __init__(self, site, size, fields=b"", chunked=False):
        self.body = body_of(size)
        self.given = threading.Event()
        self.requests = 0

        def serve(sock, _):
            while read_request(sock) is not None:
                self.requests += 1
                if chunked:
                    sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + fields + b"\r\n%x\r\n" % size)
                    sock.sendall(self.body + b"\r\n0\r\n\r\n")
                else:
                    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % size + fields + b"\r\n")
                    sock.sendall(self.body)
                self.given.set()
        self.pod = site.scripted(serve)
        self.address = self.pod.address


SIZE = 24 * 1024 * 1024  # more than all sockets on the way hold


def slow_client(sluice):
    c = sluice.raw(rcvbuf=4096)
    c.send(b"GET / HTTP/1.1\r\nHost: app.example\r\n\r\n")
    return c


@pytest.mark.parametrize("chunked", [False, True])
def test_a_slow_client_does_not_hold_the_pod(site, chunked):
    giver = Giver(site, SIZE, chunked=chunked)
    site.app("app.example", giver.address, annotations={"proxy-buffering": "on"})
    sluice = site.sluice()
    with slow_client(sluice) as slow:
        assert giver.given.wait(20), "the pod is done although nothing was read"
        wait_for(lambda: sluice.metric("sluice_upstream_idle") == 1, "its connection is free")
        assert files_of(sluice) == 1
        giver.given.clear()
        with slow_client(sluice) as other:
            assert giver.given.wait(20)
            assert giver.pod.connections == 1, "the same connection"
            assert other.answer().body == giver.body
        assert slow.answer().body == giver.body
    wait_for(lambda: files_of(sluice) == 0, "the files are gone")


def test_over_http2_too(site):
    giver = Giver(site, 3_000_000)
    site.app("app.example", giver.address, annotations={"proxy-buffering": "on"})
    sluice = site.sluice(options={"http2-prior-knowledge": "true"})
    with Http2(sluice.http) as c:
        stream = c.request()
        c.done(stream)
        assert bytes(stream.body) == giver.body


@pytest.mark.parametrize("annotations,fields", [({}, b""), ({"proxy-buffering": "on", "proxy-max-temp-file-size": "0"}, b""),
                                                 ({"proxy-buffering": "on"}, b"X-Accel-Buffering: no\r\n")])
def test_where_nothing_is_put_aside_the_pod_waits(site, annotations, fields):
    giver = Giver(site, SIZE, fields)
    site.app("app.example", giver.address, annotations=annotations)
    sluice = site.sluice()
    with slow_client(sluice) as slow:
        wait_for(lambda: giver.requests == 1, "it is asked")
        assert not giver.given.wait(1.0) and files_of(sluice) == 0
        a = slow.answer()
        assert a.body == giver.body and a.get("x-accel-buffering") is None
    assert giver.given.wait(10)


@pytest.mark.parametrize("how", ["yes", "YES"])
def test_a_pod_may_ask_to_be_read_ahead(site, how):
    """As in nginx, where it counts with proxy_buffering off as well, which is what ingress-nginx writes."""
    giver = Giver(site, SIZE, f"X-Accel-Buffering: {how}\r\n".encode())
    site.app("app.example", giver.address)
    sluice = site.sluice()
    with slow_client(sluice) as slow:
        assert giver.given.wait(10), "the pod is done before the client has begun"
        a = slow.answer()
        assert a.body == giver.body and a.get("x-accel-buffering") is None


def test_a_bound_of_the_disk_holds_the_pod_and_loses_nothing(site):
    giver = Giver(site, SIZE)
    site.app("app.example", giver.address, annotations={"proxy-buffering": "on"})
    sluice = site.sluice("--buffer-limit", "8Mi")
    with slow_client(sluice) as slow:
        wait_for(lambda: sluice.metric("sluice_disk_bodies_total", result="refused") >= 1, "the bound is reached")
        assert not giver.given.is_set()
        assert slow.answer().body == giver.body


def test_a_client_that_leaves_ends_it(site):
    giver = Giver(site, SIZE)
    site.app("app.example", giver.address, annotations={"proxy-buffering": "on", "proxy-max-temp-file-size": "4m"})
    sluice = site.sluice()
    with slow_client(sluice) as slow:
        wait_for(lambda: files_of(sluice) == 1, "it lies on the disk")
        slow.reset()
    wait_for(lambda: files_of(sluice) == 0, "the file is gone")
    wait_for(lambda: sluice.metric("sluice_upstream_connections") == 0, "so is the pod's connection")


def test_an_answer_that_breaks_off_is_not_complete(site):
    def breaks(sock, _):
        read_request(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 2_000_000)
    site.app("app.example", site.scripted(breaks).address, annotations={"proxy-buffering": "on"})
    sluice = site.sluice()
    with sluice.raw() as c:
        c.send(b"GET / HTTP/1.1\r\nHost: app.example\r\n\r\n")
        data = c.read_all()
    assert data.count(b"x") <= 2_000_000 and b"Content-Length: 3000000" in data


def test_what_comes_now_and_then_goes_on_at_once(site):
    """Buffering holds nothing back: events arrive when they are sent."""
    go = threading.Event()

    def events(sock, _):
        read_request(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        go.wait(20)
        sock.sendall(b"6\r\nsecond\r\n0\r\n\r\n")
    site.app("app.example", site.scripted(events).address, annotations={"proxy-buffering": "on"})
    sluice = site.sluice()
    with sluice.raw() as c:
        c.send(b"GET / HTTP/1.1\r\nHost: app.example\r\n\r\n")
        assert b"first" in c.read_until(b"first")
        go.set()
        assert b"second" in c.read_until(b"second")
