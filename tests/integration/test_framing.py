"""HTTP/1.x as RFC 9110 and 9112 have it, on both sides: framings, interim responses, trailers, pipelining, tunnels."""
import re
import socket
import threading

import pytest

import h2raw
from harness import body_of, fnv1a, http_get, read_request, wait_for


@pytest.mark.parametrize("query,framing", [("size=5000", "content-length"), ("size=5000&chunked=1&chunk=333", "transfer-encoding"), ("size=5000&nolength=1", None)])
def test_response_framings(site, query, framing):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        a = c.get(f"/?{query}&id=f1", "app.example")
        assert a.status == 200 and a.body == body_of("f1", 5000)
        if framing:
            assert a.get(framing)
            assert c.get("/?size=3&id=f2", "app.example").body == body_of("f2", 3)


@pytest.mark.parametrize("size", [0, 1, 1000, 65536, 1_000_000])
def test_request_bodies_with_length(site, size):
    sluice, pod = site.simple()
    body = body_of("b", size)
    with sluice.raw() as c:
        a = c.get("/", "app.example", method="POST", body=body, headers=["X-Id: b", "X-Body: id"])
        assert a.get("x-req-length") == str(size) and a.get("x-req-hash") == str(fnv1a(body))
        assert c.get("/", "app.example").status == 200
    assert pod.stats()["bad_bodies"] == 0


@pytest.mark.parametrize("pieces", [[b""], [b"hello"], [b"a"] * 300, [b"x" * 70000, b"y" * 30000]])
def test_small_chunked_bodies_reach_the_pod_with_a_length(site, pieces):
    sluice, pod = site.simple()
    body = b"".join(pieces)
    data = b"POST /c HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: chunked\r\n\r\n"
    for p in pieces:
        if p:
            data += b"%x\r\n%s\r\n" % (len(p), p)
    with sluice.raw() as c:
        a = c.send(data + b"0\r\n\r\n").answer()
        assert a.get("x-req-length") == str(len(body)) and a.get("x-req-hash") == str(fnv1a(body))
    headers = dict((n.lower(), v) for n, v in pod.last_headers()[1])
    assert headers.get("content-length") == str(len(body)) and "transfer-encoding" not in headers


def test_large_chunked_bodies_stream(site):
    sluice, pod = site.simple(annotations={"proxy-body-size": "0"})
    body = body_of("big", 3_000_000)
    with sluice.raw(timeout=30) as c:
        c.send("POST /c HTTP/1.1\r\nHost: app.example\r\nX-Id: big\r\nX-Body: id\r\nTransfer-Encoding: chunked\r\n\r\n")
        for at in range(0, len(body), 50000):
            c.send(b"%x\r\n%s\r\n" % (len(body[at:at + 50000]), body[at:at + 50000]))
        a = c.send("0\r\n\r\n").answer()
        assert a.get("x-req-length") == str(len(body)) and a.get("x-req-hash") == str(fnv1a(body))
    headers = dict((n.lower(), v) for n, v in pod.last_headers()[1])
    assert headers.get("transfer-encoding") == "chunked" and "content-length" not in headers
    assert pod.stats()["bad_bodies"] == 0


def test_head_has_no_body(site):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        a = c.get("/?size=1234", "app.example", method="HEAD")
        assert a.status == 200 and a.get("content-length") == "1234"
        assert c.get("/?size=5&id=h", "app.example").body == body_of("h", 5)


def test_head_of_our_own_answers(site):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        a = c.get("/", "nobody.example", method="HEAD")
        assert a.status == 404
        assert c.get("/?size=5&id=h", "app.example").body == body_of("h", 5)


@pytest.mark.parametrize("status", [204, 304])
def test_bodyless_statuses(site, status):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        a = c.get(f"/?status={status}&size=10", "app.example")
        assert a.status == status and a.body == b"" and not a.get("transfer-encoding")
        if status == 204:
            assert a.get("content-length") is None
        assert c.get("/?size=5&id=n", "app.example").body == body_of("n", 5)


def test_continue_is_ours(site):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        c.send("POST /e HTTP/1.1\r\nHost: app.example\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert c.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
        assert c.send("hello").answer().get("x-req-length") == "5"
    assert not [n for n, _ in pod.last_headers()[1] if n.lower() == "expect"]


@pytest.mark.parametrize("fields", ["Expect:", "Expect: ,", "Expect:\r\nExpect:"])
def test_an_empty_expectation_expects_nothing(site, fields):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        a = c.send(f"POST /e HTTP/1.1\r\nHost: app.example\r\n{fields}\r\nContent-Length: 5\r\n\r\nhello").answer()
        assert a.status == 200 and a.get("x-req-length") == "5" and not a.interim
    assert not [n for n, _ in pod.last_headers()[1] if n.lower() == "expect"]


def test_no_continue_for_what_is_refused(site):
    sluice, pod = site.simple(annotations={"proxy-body-size": "4"})
    with sluice.raw() as c:
        c.send("POST /e HTTP/1.1\r\nHost: app.example\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        a = c.answer()
        assert a.status == 413 and not a.interim
    assert pod.stats()["requests"] == 0


def test_expect_with_the_body_already_there(site):  # row 116: body is body
    sluice, pod = site.simple()
    with sluice.raw() as c:
        c.send("POST /e HTTP/1.1\r\nHost: app.example\r\nExpect: 100-continue\r\nContent-Length: 30\r\n\r\nGET /smuggled HTTP/1.1\r\nX: y\r\n")
        a = c.answer()
        assert a.status == 200 and a.get("x-req-length") == "30"
    assert pod.stats()["requests"] == 1


def test_early_hints_pass(site):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        a = c.get("/?interim=103&size=5&id=i", "app.example")
        assert a.status == 200 and a.body == body_of("i", 5)
        assert [(i.status, i.get("link")) for i in a.interim] == [(103, "</s.css>; rel=preload")]


def test_eight_interim_responses_and_no_more(site):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        a = c.get("/?interim=103:8&size=5", "app.example")
        assert a.status == 200 and len(a.interim) == 8
        a = c.get("/?interim=103:1000&size=5", "app.example")
        assert len(a.interim) <= 8 and a.status in (200, 502)
        c.close()
    assert sluice.get("/", "app.example").status == 200


def test_old_clients_get_no_interim(site):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        c.send("GET /?interim=103&size=5 HTTP/1.0\r\nHost: app.example\r\n\r\n")
        assert c.answer().status == 200


def test_response_trailers(site):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        a = c.get("/?size=100&chunked=1&trailers=1&id=t", "app.example", headers=["TE: trailers", "Connection: TE"])
        assert a.body == body_of("t", 100)
        assert a.trailers == [("X-Sum", "100")]


def test_request_trailers(site):
    """A body too large to be collected streams, and its trailer fields behind it."""
    got = {}

    def pod(sock, _):
        data = b""
        while b"\r\nX-Late: yes\r\n" not in data:
            piece = sock.recv(65536)
            if not piece:
                break
            data = (data + piece)[-4000:]
        got["tail"] = data
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    p = site.scripted(pod)
    site.app("app.example", p.address, annotations={"proxy-body-size": "0"})
    sluice = site.sluice()
    with sluice.raw(timeout=20) as c:
        c.send("POST / HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: chunked\r\nTrailer: X-Late\r\n\r\n")
        for _ in range(40):
            c.send(b"ffff\r\n" + b"z" * 0xffff + b"\r\n")
        c.send("0\r\nX-Late: yes\r\n\r\n")
        assert c.answer().status == 200
    assert got["tail"].endswith(b"0\r\nX-Late: yes\r\n\r\n")


def whole_request(sock):
    """Head, body as it stands on the wire, and what came behind it. Trailers end a chunked one."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += sock.recv(65536) or b"\r\n\r\n"
    head, rest = data.split(b"\r\n\r\n", 1)
    if b"\r\ntransfer-encoding: chunked" in head.lower():
        while not (rest.startswith(b"0\r\n") or b"\r\n0\r\n" in rest) or not rest.endswith(b"\r\n\r\n"):
            piece = sock.recv(65536)
            assert piece, "an end inside the body"
            rest += piece
        return head.decode(), rest, b""
    length = int(re.search(rb"(?i)\r\ncontent-length: (\d+)", head + b"\r\ncontent-length: 0").group(1))
    while len(rest) < length:
        piece = sock.recv(65536)
        assert piece, "an end inside the body"
        rest += piece
    return head.decode(), rest[:length], rest[length:]


class Keeps:
    """A pod that keeps each request and answers it, if it is not told otherwise, with an empty 200."""

    def __init__(self, site, answers=lambda n: b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"):
        self.got = []

        def pod(sock, number):
            while True:
                self.got.append(whole_request(sock))
                answer = answers(len(self.got))
                if answer is None:
                    return
                sock.sendall(answer)
        self.address = site.scripted(pod).address


@pytest.mark.parametrize("size", [0, 5, 70_000, 1 << 20, (1 << 20) + 1, 3_000_000])
@pytest.mark.parametrize("buffering", ["on", "off"])
def test_request_trailers_of_every_size(site, size, buffering):
    pod = Keeps(site)
    site.app("app.example", pod.address, annotations={"proxy-body-size": "0", "proxy-request-buffering": buffering})
    sluice = site.sluice()
    body = body_of("t1-", size)  # no byte of it is ASCII
    with sluice.raw(timeout=20) as c:
        for _ in range(2):
            c.send("POST / HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, X-Two\r\n\r\n")
            for at in range(0, size, 60_000):
                c.send(b"%x\r\n%s\r\n" % (len(body[at:at + 60_000]), body[at:at + 60_000]))
            c.send("0\r\nX-Sum: abc\r\nHost: evil\r\nX-Two: 2\r\n\r\n")
            assert c.answer().status == 200
    for head, rest, _ in pod.got:
        assert "\r\nTrailer: X-Sum, X-Two" in head and "content-length" not in head.lower()
        assert rest.endswith(b"0\r\nX-Sum: abc\r\nX-Two: 2\r\n\r\n")
        assert b"".join(re.findall(rb"[\x80-\xff]+", rest)) == body


@pytest.mark.parametrize("sent", ["", "Host: evil\r\n"])
def test_trailers_that_do_not_go_on_are_not_announced(site, sent):
    pod = Keeps(site)
    site.app("app.example", pod.address)
    with site.sluice().raw() as c:
        c.send(f"POST / HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: chunked\r\nTrailer: Host, X-Sum\r\n\r\n5\r\nhello\r\n0\r\n{sent}\r\n")
        assert c.answer().status == 200
    head, rest, _ = pod.got[0]
    assert "trailer" not in head.lower() and "content-length: 5" in head.lower() and rest == b"hello"


@pytest.mark.parametrize("size", [5, 7000, 9000, 50_000, 2_000_000])
@pytest.mark.parametrize("announced,buffering,arrives", [(True, "on", True), (False, "on", True), (True, "off", True), (False, "off", False)])
def test_trailers_behind_a_length_of_http2(site, size, announced, buffering, arrives):
    """A pod of HTTP/1.1 gets them behind chunks, as far as they are known, or announced, before the head leaves."""
    pod = Keeps(site)
    site.app("app.example", pod.address, annotations={"proxy-body-size": "0", "proxy-request-buffering": buffering})
    sluice = site.sluice(options={"http2-prior-knowledge": "true"})
    body = body_of("t1-", size)  # no byte of it is ASCII
    fields = [("content-length", str(size))] + ([("trailer", "x-sum")] if announced else [])
    with h2raw.Http2(sluice.http, timeout=20) as c:
        assert c.done(c.request("/", "app.example", "POST", fields, body=body, trailers=[("x-sum", "abc")])).status == 200
    head, rest, _ = pod.got[0]
    if arrives:
        assert "content-length" not in head.lower() and rest.endswith(b"0\r\nx-sum: abc\r\n\r\n"), head
        assert b"".join(re.findall(rb"[\x80-\xff]+", rest)) == body
    else:
        assert f"\r\nContent-Length: {size}" in head and rest == body


def test_trailers_that_are_dropped_leave_a_length(site):
    pod = Keeps(site)
    site.app("app.example", pod.address)
    with site.sluice().raw() as c:
        c.send("POST / HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nHost: evil\r\n\r\n")
        assert c.answer().status == 200
    head, rest, _ = pod.got[0]
    assert "\r\nContent-Length: 2" in head and rest == b"ab"


def test_trailers_are_sent_again_with_their_body(site):
    """The pod closes without an answer: the whole request goes to it a second time."""
    pod = Keeps(site, lambda n: None if n == 1 else b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    site.app("app.example", pod.address)
    with site.sluice().raw() as c:
        c.send("PUT / HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 5\r\n\r\n")
        assert c.answer().status in (200, 502)
    assert {rest for _, rest, _ in pod.got} == {b"5\r\nhello\r\n0\r\nX-Sum: 5\r\n\r\n"}


def test_pipelining(site):
    sluice, pod = site.simple()
    with sluice.raw(timeout=20) as c:
        n = 200
        c.send("".join(f"GET /?size={i}&id=p{i} HTTP/1.1\r\nHost: app.example\r\n\r\n" for i in range(n)))
        for i in range(n):
            a = c.answer()
            assert a.status == 200 and a.body == body_of(f"p{i}", i) and a.get("x-id") == f"p{i}"


def test_pipelined_posts_and_gets(site):
    sluice, pod = site.simple()
    with sluice.raw(timeout=20) as c:
        c.send("".join(f"POST /?size=7&id=a{i} HTTP/1.1\r\nHost: app.example\r\nContent-Length: {i}\r\n\r\n{'x' * i}"
                       f"GET /?size=9&id=b{i} HTTP/1.1\r\nHost: app.example\r\n\r\n" for i in range(50)))
        for i in range(50):
            a = c.answer()
            assert a.get("x-id") == f"a{i}" and a.get("x-req-length") == str(i)
            assert c.answer().get("x-id") == f"b{i}"


def test_keep_alive_requests(site):
    sluice, pod = site.simple(options={"keep-alive-requests": 5})
    with sluice.raw() as c:
        for i in range(4):
            assert c.get("/", "app.example").get("connection") in (None, "keep-alive")
        assert c.get("/", "app.example").get("connection") == "close"
        assert c.closed()


def test_keep_alive_timeout(site):
    sluice, pod = site.simple(options={"keep-alive": 1})
    with sluice.raw() as c:
        assert c.get("/", "app.example").status == 200
        assert c.closed()


def test_connection_close_is_obeyed(site):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        a = c.get("/", "app.example", headers=["Connection: close"])
        assert a.get("connection") == "close" and c.closed()


def test_http10(site):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        a = c.send("GET /?size=5&id=z HTTP/1.0\r\nHost: app.example\r\n\r\n").answer()
        assert a.status == 200 and a.body == body_of("z", 5) and c.closed()
    assert pod.last_headers()[0].endswith("HTTP/1.1")


def test_http10_keep_alive(site):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        for i in range(3):
            a = c.send(f"GET /?size=5&id=z{i} HTTP/1.0\r\nHost: app.example\r\nConnection: keep-alive\r\n\r\n").answer()
            assert a.body == body_of(f"z{i}", 5) and a.get("connection", "").lower() == "keep-alive"


def test_http10_never_gets_chunks(site):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        c.send("GET /?size=5000&chunked=1&id=z HTTP/1.0\r\nHost: app.example\r\nConnection: keep-alive\r\n\r\n")
        a = c.answer()
        assert not a.get("transfer-encoding") and a.body == body_of("z", 5000)


def test_http10_without_host_has_no_route(site):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        assert c.send("GET / HTTP/1.0\r\n\r\n").answer().status == 404


def test_early_response_while_uploading(site):
    """A pod that says 413 at once is heard although the client is still sending."""
    sluice, pod = site.simple(annotations={"proxy-body-size": "0"})
    with sluice.raw(timeout=20) as c:
        c.send("POST /?early=1&status=413&size=3&id=e HTTP/1.1\r\nHost: app.example\r\nContent-Length: 100000000\r\n\r\n")
        c.send(b"x" * 10000)
        a = c.answer()
        assert a.status == 413 and a.body == body_of("e", 3)
    assert sluice.get("/?size=4&id=f", "app.example").body == body_of("f", 4)
    assert pod.stats()["violations"] == 0


def test_early_response_does_not_poison_the_connection(site):  # CVE-2025-4366
    sluice, pod = site.simple()
    with sluice.raw(timeout=20) as c:
        smuggled = b"GET /smuggled HTTP/1.1\r\nHost: app.example\r\n\r\n"
        c.send(b"POST /?early=1&status=401&size=3&id=e HTTP/1.1\r\nHost: app.example\r\nContent-Length: %d\r\n\r\n" % len(smuggled))
        a = c.answer()
        assert a.status == 401
        if c.try_send(smuggled):
            rest = c.get("/?size=2&id=after", "app.example") if a.get("connection") != "close" else None
            if rest:
                assert rest.get("x-id") == "after"
    assert not [h for h in pod.last() if h.startswith("GET /smuggled")]


def test_half_closed_client_is_served(site):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        c.send("GET /?size=50000&delay=200&id=hc HTTP/1.1\r\nHost: app.example\r\n\r\n").half_close()
        a = c.answer()
        assert a.status == 200 and a.body == body_of("hc", 50000)
        assert c.closed()


def test_half_close_after_upload(site):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        c.send(b"POST /?delay=100 HTTP/1.1\r\nHost: app.example\r\nContent-Length: 5\r\n\r\nhello").half_close()
        assert c.answer().get("x-req-length") == "5"


def test_truncated_upload_is_not_completed(site):
    sluice, pod = site.simple(annotations={"proxy-body-size": "0"})
    with sluice.raw() as c:
        c.send(b"POST / HTTP/1.1\r\nHost: app.example\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 100000).half_close()
        c.read_all()
    wait_for(lambda: pod.stats()["open"] == 0 or pod.stats()["truncated"] == 1, "the pod sees the end")
    assert pod.stats()["completed"] == 0


WS = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]


def test_tunnel_both_ways_until_either_ends(site):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        a = c.get("/ws?id=w", "app.example", headers=WS)
        assert a.status == 101 and a.get("upgrade") == "websocket"
        for i in range(20):
            data = body_of(f"w{i}", 5000)
            assert c.send(data).read_exactly(5000) == data
        c.half_close()
        assert c.closed()
    wait_for(lambda: pod.stats()["open"] == 0, "the pod's side ended")


def test_bytes_behind_the_upgrade_request_are_the_tunnels(site):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        c.send("GET /ws HTTP/1.1\r\nHost: app.example\r\n" + "\r\n".join(WS) + "\r\n\r\nearly bytes")
        assert c.answer().status == 101
        assert c.read_exactly(11) == b"early bytes"


def test_tunnel_of_another_protocol(site):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        a = c.get("/x", "app.example", headers=["Connection: upgrade", "Upgrade: my-protocol/2"])
        assert a.status == 101 and a.get("upgrade") == "my-protocol/2"
        assert c.send("ping").read_exactly(4) == b"ping"


class Switches:
    """A pod that reads a whole request, switches, and sends back what it gets in the tunnel. early: it switches after the head already."""

    def __init__(self, site, early=False):
        self.got, self.switched = [], threading.Event()

        def pod(sock, _):
            if early:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += sock.recv(1)
                sock.sendall(self.ANSWER)
                self.switched.set()
                length = int(re.search(rb"(?i)\r\ncontent-length: (\d+)", head).group(1))
                body = b""
                while len(body) < length:
                    body += sock.recv(min(65536, length - len(body))) or b"!" * length
                self.got.append((head.decode(), body, b""))
            else:
                self.got.append(whole_request(sock))
                sock.setblocking(False)
                try:
                    self.got.append(("too early", sock.recv(1), b""))
                except BlockingIOError:
                    pass
                sock.settimeout(30)
                sock.sendall(self.ANSWER)
            while data := sock.recv(65536):
                sock.sendall(data)
        self.address = site.scripted(pod).address

    ANSWER = b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"


EXEC = "POST /v1.43/exec/1/start HTTP/1.1\r\nHost: app.example\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
JSON = b'{"Detach":false,"Tty":true}'


@pytest.mark.parametrize("buffering", ["on", "off"])
@pytest.mark.parametrize("framing", ["length", "chunked", "large chunked"])
@pytest.mark.parametrize("pieces", [1, 3])
def test_an_upgrade_with_a_body(site, framing, pieces, buffering):
    """docker exec: the pod gets offer and body, and what is sent behind the body once it has switched."""
    pod = Switches(site)
    site.app("app.example", pod.address, annotations={"proxy-request-buffering": buffering, "proxy-body-size": "0"})
    sluice = site.sluice()
    body = {"length": JSON, "chunked": body_of("t1-", 27), "large chunked": body_of("t1-", 2_000_000)}[framing]  # t1-: no byte of it is ASCII
    if framing == "length":
        message = f"{EXEC}Content-Length: {len(body)}\r\n\r\n".encode() + body
    else:
        message = f"{EXEC}Transfer-Encoding: chunked\r\n\r\n".encode() + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    message += b"early bytes"
    cuts = {1: [len(message)], 3: [len(message) - 40, len(message) - 15, len(message)]}[pieces]
    with sluice.raw(timeout=20) as c:
        for begin, end in zip([0, *cuts], cuts):
            c.send(message[begin:end])
        a = c.answer()
        assert (a.status, a.get("upgrade"), a.get("connection")) == (101, "tcp", "upgrade")
        assert c.read_exactly(11) == b"early bytes"
        assert c.send("more").read_exactly(4) == b"more"
    (head, rest, behind), = pod.got
    assert "\r\nUpgrade: tcp\r\nConnection: upgrade\r\n" in head + "\r\n" and behind == b""
    assert (rest if framing == "length" else b"".join(re.findall(rb"[\x80-\xff]+", rest))) == body


def test_a_pod_that_switches_before_it_has_the_body(site):
    """Client and pod talk in the new protocol once the whole request has gone up."""
    pod = Switches(site, early=True)
    site.app("app.example", pod.address)
    other = site.pod()
    site.app("other.example", other.address, name="other")
    sluice = site.sluice()
    body = body_of("b", 300_000)
    with sluice.raw(timeout=20) as c:
        c.send(f"{EXEC}Content-Length: {len(body)}\r\n\r\n".encode() + body[:100_000])
        assert pod.switched.wait(20)
        for _ in range(5):
            assert sluice.get("/", "other.example").status == 200
        c.sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            c.sock.recv(1)
        c.sock.settimeout(20)
        c.send(body[100_000:] + b"behind")
        a = c.answer()
        assert a.status == 101 and a.get("content-type") == "application/vnd.docker.raw-stream"
        assert c.read_exactly(6) == b"behind"
    assert pod.got[0][1] == body


@pytest.mark.parametrize("there", [False, True], ids=["waits", "sent along"])
def test_an_upgrade_that_expects_100_gets_it_first(site, there):  # RFC 9110 section 7.8
    pod = Switches(site)
    site.app("app.example", pod.address)
    with site.sluice().raw() as c:
        c.send(f"{EXEC}Expect: 100-continue\r\nContent-Length: {len(JSON)}\r\n\r\n".encode() + (JSON if there else b""))
        assert c.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
        if not there:
            c.send(JSON)
        assert c.answer().status == 101
        assert c.send("ping").read_exactly(4) == b"ping"


def test_an_upgrade_whose_body_is_too_large(site):
    pod = Switches(site)
    site.app("app.example", pod.address, annotations={"proxy-body-size": "20"})
    with site.sluice().raw() as c:
        c.send(f"{EXEC}Content-Length: {len(JSON)}\r\n\r\n".encode() + JSON)
        assert c.answer().status == 413 and c.closed()
    assert not pod.got


def test_what_to_upgrade_to_is_in_a_426(site):
    """Ours is about WebSockets; a pod's says what the pod wants."""
    def pod(sock, _):
        while read_request(sock):
            sock.sendall(b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: tcp, foo/2\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n")
    site.app("app.example", site.scripted(pod).address)
    sluice = site.sluice()
    with sluice.raw() as c:
        for _ in range(2):
            a = c.get("/", "app.example")
            assert (a.status, a.get("upgrade"), a.get("connection")) == (426, "tcp, foo/2", "upgrade")
        a = c.get("/", "app.example", headers=["Connection: close"])
        assert (a.status, a.get("upgrade"), a.get("connection")) == (426, "tcp, foo/2", "close, upgrade")
    with sluice.raw() as c:
        a = c.get("/ws", "app.example", headers=[*WS[:2], "Sec-WebSocket-Version: 8", WS[3]])
        assert (a.status, a.get("upgrade"), a.get("connection"), a.get("sec-websocket-version")) == (426, "websocket", "close, upgrade", "13")


SWITCHES = [
    ("websocket", ["Upgrade: websocket"], 101), ("websocket", ["upgrade: WebSocket"], 101), ("my-protocol/2", ["Upgrade: My-Protocol/2"], 101),
    ("my-protocol/2", ["Upgrade: my-protocol"], 101), ("my-protocol", ["Upgrade: my-protocol/2"], 101), ("tcp", ["Upgrade: tcp"], 101),
    ("websocket", ["Upgrade: h2c"], 502), ("websocket", [], 502), ("websocket", ["Upgrade: "], 502), ("websocket", ["Upgrade: websocket, h2c"], 502),
    ("websocket", ["Upgrade: websocket", "Upgrade: h2c"], 502), ("websocket", ["Upgrade: websocket2"], 502), ("my-protocol/2", ["Upgrade: my-protocol/3"], 502),
    ("tcp", ["Upgrade: websocket"], 502), ("websocket, tcp", ["Upgrade: tcp"], 502)]  # what the pod was offered is the first one


@pytest.mark.parametrize("offered, answer, status", SWITCHES, ids=[f"{o}:{'+'.join(a)}" for o, a, _ in SWITCHES])
def test_a_101_switches_to_what_was_offered(site, offered, answer, status):
    """RFC 9110 sections 7.8 and 15.2.2: behind a 101 nothing is read any more."""
    def pod(sock, _):
        if read_request(sock):
            sock.sendall("\r\n".join(["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", *answer, "", "opaque"]).encode())
    site.app("app.example", site.scripted(pod).address)
    sluice = site.sluice()
    websocket = WS[2:] if offered.startswith("websocket") else []
    with sluice.raw() as c:
        c.send("\r\n".join(["GET /x HTTP/1.1", "Host: app.example", "Connection: upgrade", f"Upgrade: {offered}", *websocket, "", ""]))
        a = c.answer()
        assert a.status == status
        assert (c.read_exactly(6) == b"opaque") if status == 101 else b"opaque" not in a.body
    if status == 502:
        sluice.wait_line("101 (to a protocol that was not offered|without the protocol)", stream="err")


@pytest.mark.parametrize("method", ["POST", "PUT", "HEAD", "OPTIONS", "PROPFIND"])
def test_a_websocket_is_asked_for_by_get(site, method):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        assert c.get("/ws", "app.example", method=method, headers=WS).status == 400
    assert pod.stats()["requests"] == 0


def test_tunnel_idle_timeout(site):
    sluice, pod = site.simple(options={"tunnel-idle-timeout": 1})
    with sluice.raw() as c:
        assert c.get("/ws", "app.example", headers=WS).status == 101
        assert c.send("ping").read_exactly(4) == b"ping"
        assert c.closed()
    wait_for(lambda: pod.stats()["open"] == 0, "the pod's side ended")


def test_tunnel_max_lifetime(site):
    """However busy: it ends while every byte still comes back."""
    sluice, pod = site.simple(options={"tunnel-max-lifetime": 1})
    with sluice.raw() as c:
        assert c.get("/ws", "app.example", headers=WS).status == 101
        pings = 0
        try:
            while c.send("ping").read_exactly(4) == b"ping":
                pings += 1
        except (EOFError, OSError):
            pass
        assert pings > 0 and c.closed()
    wait_for(lambda: pod.stats()["open"] == 0, "the pod's side ended")


def test_a_half_closed_tunnel_says_its_last_words(site):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        assert c.get("/ws", "app.example", headers=WS).status == 101
        c.send("last words").sock.shutdown(socket.SHUT_WR)
        assert c.read_exactly(10) == b"last words" and c.closed()


def test_a_tunnel_whose_pod_has_ended_and_takes_nothing_is_over_soon(site):
    """Ten seconds, not tunnel-idle-timeout: the direction that is blocked in writing hears of the end of the other."""
    full, over = threading.Event(), threading.Event()

    def pod(sock, _):
        if read_request(sock):
            sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            full.wait(60)
            sock.shutdown(socket.SHUT_WR)
            over.wait(60)
    site.app("app.example", site.scripted(pod).address)
    sluice = site.sluice()
    with sluice.raw() as c:
        assert c.get("/ws", "app.example", headers=WS).status == 101
        c.sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            while True:
                c.sock.send(b"z" * 65536)
        full.set()
        wait_for(lambda: sluice.metric("sluice_tunnels_active") == 0, "the tunnel is over", 25)
    over.set()


def test_refused_upgrade_is_an_ordinary_answer(site):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        assert c.get("/?noupgrade=1&size=5&id=n", "app.example", headers=WS).body == body_of("n", 5)
        assert c.get("/?size=6&id=m", "app.example").body == body_of("m", 6)


def test_events_leave_chunk_by_chunk(site):
    """Each event arrives while the pod still holds back the next: a gate, not a clock, says so."""
    gate = threading.Semaphore(0)

    def pod(sock, _):
        while read_request(sock):
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            for i in range(5):
                event = b"data: %d\n\n" % i
                sock.sendall(b"%x\r\n%s\r\n" % (len(event), event))
                assert gate.acquire(timeout=20)
            sock.sendall(b"0\r\n\r\n")
    p = site.scripted(pod)
    site.app("app.example", p.address)
    sluice = site.sluice()
    with sluice.raw() as c:
        c.send("GET /events HTTP/1.1\r\nHost: app.example\r\n\r\n")
        _, status, _, _ = c.read_head()
        assert status == 200
        for i in range(5):
            size = int(c.read_until(b"\r\n"), 16)
            assert c.read_exactly(size + 2) == b"data: %d\n\n\r\n" % i
            gate.release()
        assert c.read_until(b"0\r\n\r\n")


def test_dual_stack(site):
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    pod = site.pod()
    site.app("app.example", pod.address)
    sluice = site.sluice("--http", "[::1]:0")
    assert any(x.startswith("listening http [::1]:") for x in sluice.out), sluice.out
    address = next(x.split()[-1] for x in sluice.out if x.startswith("listening http [::1]:"))
    from harness import Raw
    with Raw(address) as c:
        assert c.get("/", "app.example").status == 200
    assert ("X-Real-IP", "::1") in [(n if n != "X-Real-Ip" else "X-Real-IP", v) for n, v in pod.last_headers()[1]]


def test_a_client_that_left_is_499_and_its_upstream_request_ends(site):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        c.send("GET /gone?hold=1 HTTP/1.1\r\nHost: app.example\r\n\r\n")
        wait_for(lambda: pod.stats()["requests"] == 1, "the pod has it")
        c.reset()
    wait_for(lambda: pod.stats()["aborted_by_peer"] == 1 and pod.stats()["open"] == 0, "the upstream request ended")
    m = sluice.wait_access(r'"GET /gone\?hold=1 HTTP/1.1" (\d+) ')
    assert m.group(1) == "499"
    wait_for(lambda: sluice.metric("nginx_ingress_controller_requests", status="499") == 1, "counted")


def test_a_client_that_leaves_mid_body(site):
    sluice, pod = site.simple()
    with sluice.raw(rcvbuf=4096) as c:
        c.send("GET /gone?size=100000000&id=x HTTP/1.1\r\nHost: app.example\r\n\r\n")
        c.read_until(b"\r\n\r\n")
        c.reset()
    wait_for(lambda: pod.stats()["open"] == 0, "the upstream request ended")
    assert sluice.get("/?size=3&id=y", "app.example").body == body_of("y", 3)
