"""An answer that is given before the request is over reaches every client, also those that write all of it before they read."""
import http.client
import shutil
import socket
import subprocess
import threading

import pytest

from h2raw import DATA, END_STREAM, Http2, frame
from harness import body_of, wait_for
from middle import middle

SIZES = [3 << 19, 4 << 20, 50 << 20]


def pieces(size, step=65536):
    while size > 0:
        yield b"x" * min(step, size)
        size -= step


def post(address, size, chunked, path="/"):
    c = http.client.HTTPConnection(address, timeout=30)
    try:
        body = pieces(size) if chunked else b"x" * size
        c.request("POST", path, body=body, headers={"Host": "app.example"}, encode_chunked=chunked)
        return c.getresponse().status
    finally:
        c.close()


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("size", SIZES)
def test_a_413_is_seen_by_a_client_that_writes_first(site, size, chunked):
    sluice, pod = site.simple()
    assert [post(sluice.http, size, chunked) for _ in range(3)] == [413] * 3
    assert pod.stats()["violations"] == 0


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_404_is_seen_by_a_client_that_writes_first(site, chunked):
    sluice, _ = site.simple()
    c = http.client.HTTPConnection(sluice.http, timeout=30)
    body = pieces(SIZES[2]) if chunked else b"x" * SIZES[2]
    c.request("POST", "/", body=body, headers={"Host": "nobody.example"}, encode_chunked=chunked)
    assert c.getresponse().status == 404
    c.close()


@pytest.mark.parametrize("trailer", [False, True], ids=["length", "trailers"])
def test_the_answer_of_a_pod_that_takes_no_more_of_a_collected_body(site, trailer):
    """The pod reads the head alone, answers, and leaves the rest where it is. The client's connection goes on."""
    done = threading.Event()

    def answer(sock, number):
        data = b""
        while b"\r\n\r\n" not in data:
            piece = sock.recv(1024)
            if not piece:
                return
            data += piece
        sock.sendall(b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 5\r\n\r\nlarge")
        done.wait(60)
    pod = site.scripted(answer)
    pod.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    pod.listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)  # the kernel keeps little for the pod
    site.app("app.example", pod.address)
    sluice = site.sluice()
    with sluice.raw() as c:
        for _ in range(2):
            body = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces(900_000)) + (b"0\r\nX-End: 1\r\n\r\n" if trailer else b"0\r\n\r\n")
            c.send(b"POST / HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
            a = c.answer("POST")
            assert (a.status, a.body, a.get("connection")) == (413, b"large", None)
    done.set()


def test_a_pods_early_answer_is_seen_by_a_client_that_writes_first(site):
    sluice, _ = site.simple(annotations={"proxy-body-size": "0"})
    assert post(sluice.http, SIZES[2], False, "/?early=1&status=401&size=3&id=e") == 401


def test_what_lingers_is_counted_and_ends_with_the_client(site):
    sluice, _ = site.simple()
    with sluice.raw() as c:
        c.send(b"POST / HTTP/1.1\r\nHost: app.example\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 10000)
        assert c.answer().status == 413
        assert c.closed()  # the end is said at once
        wait_for(lambda: sluice.metric("sluice_downstream_lingering") == 1, "it lingers")
        c.send(b"x" * 3_000_000)
    wait_for(lambda: sluice.metric("sluice_downstream_lingering") == 0, "it ends with its client")


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.parametrize("version", ["--http2", "--http1.1"])
def test_curl_shows_a_413(site, tmp_path, version):
    """curl 7.88 forgets an answer that comes in one piece with the reset of its upload."""
    sluice = middle(site, site.pod())
    body = tmp_path / "body"
    body.write_bytes(b"x" * (8 << 20))
    port = sluice.https.rsplit(":", 1)[1]
    for _ in range(5):
        r = subprocess.run(["curl", "-sk", version, "-m", "20", "-o", "/dev/null", "-w", "%{http_code}", "--resolve", f"app.example:{port}:127.0.0.1",
                            "--data-binary", f"@{body}", f"https://app.example:{port}/"], capture_output=True, text=True)
        assert (r.stdout, r.returncode) == ("413", 0), r.stderr


def test_over_http2_the_window_opens_after_an_early_answer(site):
    """A client that sends all of its body before it looks gets the window for it; the reset does not come with the answer."""
    sluice = middle(site, site.pod())
    with Http2(sluice.http) as c:
        stream = c.request("/", host="app.example", method="POST", fields=[("content-length", str(3 << 20))], end=False)
        c.wait(lambda: stream.headers, "the answer")
        assert stream.status == 413
        left = 3 << 20
        while left:
            room = lambda: min(c.send_window, c.peer_window(stream.number), left, 16384)
            c.wait(lambda: room() > 0, "the window opens")
            assert stream.code is None, "reset inside the body"
            size = room()
            left -= size
            c.spend(stream.number, size)
            c.send(frame(DATA, 0 if left else END_STREAM, stream.number, b"x" * size))
        other = c.done(c.request("/?size=4&id=f", host="app.example"))
        assert other.status == 200 and other.body == body_of("f", 4)
        assert c.goaway is None
