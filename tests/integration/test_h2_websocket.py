"""WebSockets over HTTP/2 (RFC 8441): an extended CONNECT becomes an upgrade at an HTTP/1.1 pod."""
import asyncio
import base64
import hashlib
import os
import re
import socket
import threading

import pytest

import h2raw
from h2raw import DATA, END_STREAM, Http2, block, frame, window_update
from harness import SLOW, body_of, read_request, wait_for
from middle import middle


def connect(c, path="/ws", fields=(("sec-websocket-version", "13"),), host="app.example", protocol="websocket"):
    c.wait(lambda: c.settings is not None, "SETTINGS")
    number = c.open("CONNECT")
    c.send(c.headers(number, block([(":method", "CONNECT"), (":protocol", protocol), (":scheme", c.scheme), (":authority", host), (":path", path), *fields]), end=False))
    return c.streams[number]


def send(c, stream, data, end=False):
    c.body(stream, data, end=end)


def message(data, opcode=2, final=True):
    """A masked frame of a client (RFC 6455 5.2)."""
    mask = os.urandom(4)
    size = len(data)
    head = bytes([opcode | (128 if final else 0)])
    head += bytes([128 | size]) if size < 126 else bytes([254]) + size.to_bytes(2, "big") if size < 65536 else bytes([255]) + size.to_bytes(8, "big")
    key = (mask * (size // 4 + 1))[:size]
    return head + mask + (int.from_bytes(data, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


def accept(head):
    key = re.search(r"(?im)^sec-websocket-key: *(\S+)", head).group(1)
    return base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())


def take(c, stream):
    """The next frame of the server: (opcode, payload)."""
    def have(n):
        c.wait(lambda: len(stream.body) >= n or stream.done, f"{n} bytes of a frame")
        assert len(stream.body) >= n, stream
    have(2)
    size, at = stream.body[1] & 127, 2
    assert not stream.body[1] & 128, "a server does not mask"
    if size >= 126:
        at = 4 if size == 126 else 10
        have(at)
        size = int.from_bytes(stream.body[2:at], "big")
    have(at + size)
    opcode, data = stream.body[0] & 15, bytes(stream.body[at:at + size])
    del stream.body[:at + size]
    return opcode, data


@pytest.fixture(scope="module", params=["h2c", "tls"])
def running(tmp_path_factory, request):
    from conftest import Site
    site = Site(tmp_path_factory.mktemp("h2-ws"))
    pod = site.pod()
    proxy = middle(site, pod)

    def dial(**kw):
        return Http2(proxy.https, sni="app.example", **kw) if request.param == "tls" else Http2(proxy.http, **kw)
    yield proxy, pod, dial
    stats = pod.stats()
    site.stop()
    assert stats["violations"] == 0, stats["violation_samples"]


def opened(c, stream):
    c.wait(lambda: stream.headers or stream.done, "the answer")
    return stream


def test_extended_connect_is_announced(running):
    with running[2]() as c:
        c.wait(lambda: c.settings is not None, "SETTINGS")
        assert c.settings.get(h2raw.ENABLE_CONNECT_PROTOCOL) == 1


def test_upgrade_at_the_pod(running):
    proxy, pod, dial = running
    with dial() as c:
        stream = opened(c, connect(c, "/chat?id=u", [("sec-websocket-version", "13"), ("sec-websocket-protocol", "chat, superchat"), ("origin", "https://app.example"),
                                                    ("sec-websocket-extensions", "permessage-deflate; client_max_window_bits"), ("cookie", "a=1"), ("cookie", "b=2")]))
        assert stream.status == 200 and not stream.ended, stream
        assert not stream.get("sec-websocket-accept") and not stream.get("upgrade") and not stream.get("content-length")
        line, headers = pod.last_headers()
        seen = {n.lower(): v for n, v in headers}
        assert line == "GET /chat?id=u HTTP/1.1" and seen["upgrade"].lower() == "websocket" and "upgrade" in seen["connection"].lower()
        assert seen["host"] == "app.example" and seen["sec-websocket-version"] == "13" and len(base64.b64decode(seen["sec-websocket-key"])) == 16
        assert seen["sec-websocket-protocol"] == "chat, superchat" and seen["sec-websocket-extensions"] == "permessage-deflate; client_max_window_bits"
        assert seen["cookie"] == "a=1; b=2" and "content-length" not in seen and "transfer-encoding" not in seen
        for size in (1, 100, 16384, 100_000):
            data = body_of("w", size)
            send(c, stream, data)
            c.wait(lambda: len(stream.body) == size, f"{size} bytes come back")
            assert bytes(stream.body) == data
            stream.body.clear()


def test_end_of_the_client_is_the_end_at_the_pod(running):
    proxy, pod, dial = running
    with dial() as c:
        stream = opened(c, connect(c))
        send(c, stream, b"last words", end=True)
        assert bytes(c.done(stream).body) == b"last words" and stream.ended
        assert c.done(c.request("/after")).status == 200
    wait_for(lambda: pod.stats()["open"] <= 1, "the tunnel is closed at the pod")


def test_reset_by_the_client_ends_the_pods_connection(running):
    proxy, pod, dial = running
    with dial() as c:
        stream = opened(c, connect(c))
        open_before = pod.stats()["open"]
        c.reset(stream)
        wait_for(lambda: pod.stats()["open"] < open_before, "the tunnel is closed at the pod")
        assert c.done(c.request("/after")).status == 200


def test_fifty_tunnels_and_requests_on_one_connection(running):
    proxy, pod, dial = running
    with dial() as c:
        tunnels = [opened(c, connect(c, f"/t{i}")) for i in range(50)]
        for turn in range(5):
            for i, t in enumerate(tunnels):
                send(c, t, b"%d-%d" % (turn, i))
            requests = [c.request(f"/?size=500&id=r{turn}-{i}") for i in range(20)]
            c.done(*requests)
            assert all(r.status == 200 for r in requests)
            c.wait(lambda: all(bytes(t.body) == b"%d-%d" % (turn, i) for i, t in enumerate(tunnels)), "every echo")
            for t in tunnels:
                t.body.clear()
        for t in tunnels:
            c.send(frame(DATA, END_STREAM, t.number))
        c.done(*tunnels)


def test_a_101_to_another_protocol_is_no_tunnel(site):
    def handler(sock, _):
        if read_request(sock):
            sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n")
    proxy = middle(site, site.scripted(handler))
    with Http2(proxy.http) as c:
        stream = connect(c)
        c.wait(lambda: stream.headers or stream.done, "the answer")
        assert stream.status == 502


def test_a_tunnel_that_is_not_read_stops_itself_alone(site):
    """The echo of a tunnel whose window stays shut fills what is between; then the client may send no more, and requests go on."""
    def handler(sock, _):
        head, _ = read_request(sock)
        if "upgrade" not in head.lower():
            return sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 30000\r\n\r\n" + b"b" * 30000)
        sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept(head) + b"\r\n\r\n")
        while data := sock.recv(65536):
            sock.sendall(data)
    proxy = middle(site, site.scripted(handler))
    with Http2(proxy.http, grow=False, timeout=20) as c:
        c.send(window_update(0, 1 << 24))  # so that the stream's own window is the tight one
        c.window += 1 << 24
        stream = opened(c, connect(c))
        before, sent = proxy.rss_kb(), 0
        while sent < 64 << 20:
            room = min(c.peer_window(stream.number), c.send_window, 16384)
            if room <= 0:
                try:
                    c.wait(lambda: min(c.peer_window(stream.number), c.send_window) > 0, "room", seconds=0.5)
                except AssertionError:
                    break
                continue
            c.spend(stream.number, room)
            assert c.try_send(frame(DATA, 0, stream.number, b"z" * room))
            sent += room
        assert sent < 32 << 20, sent
        proxy.expect_growth_below(4096, before, "what a tunnel holds that its client does not read")
        assert len(c.done(c.request("/beside")).body) == 30000


@pytest.mark.parametrize("protocol", ["webtransport", "connect-udp", "", "WebSocket2"])
def test_other_protocols_are_refused(running, protocol):
    proxy, pod, dial = running
    pod.reset()
    with dial() as c:
        stream = c.done(connect(c, protocol=protocol))
        assert stream.code or stream.status in (400, 501), stream
        assert c.done(c.request("/after")).status == 200
    assert pod.stats()["requests"] == 1


@pytest.mark.parametrize("fields", [(), (("sec-websocket-version", "8"),)], ids=["no-version", "version-8"])
def test_versions_that_nobody_speaks(running, fields):
    proxy, pod, dial = running
    with dial() as c:
        stream = c.done(connect(c, fields=fields))
        assert stream.status == 426 and stream.get("sec-websocket-version") == "13", stream
        assert not stream.get("upgrade") and not stream.get("connection"), "fields of HTTP/1"


def test_pod_that_refuses(running):
    proxy, pod, dial = running
    with dial() as c:
        stream = c.done(connect(c, "/?noupgrade=1&status=403&size=12&id=no"))
        assert stream.status == 403 and bytes(stream.body) == body_of("no", 12)
        stream = c.done(connect(c, "/?noupgrade=1&status=200&size=12&id=no"))
        assert stream.status != 200 or stream.code, "a 200 without an upgrade is no tunnel"
        assert c.done(c.request("/after")).status == 200


def test_no_route(running):
    proxy, pod, dial = running
    with dial() as c:
        assert c.done(connect(c, host="unknown.example")).status in (404, 421)


def test_real_messages_with_a_real_server(site):
    """python's websockets as the pod: it checks key, version and masks."""
    import websockets
    address, seen, done = {}, [], threading.Event()

    async def echo(ws, *_):
        seen.append((ws.path, ws.subprotocol))
        async for m in ws:
            await ws.send(m)

    async def serve():
        async with websockets.serve(echo, "127.0.0.1", 0, max_size=None, subprotocols=["chat"], compression=None) as s:
            address["it"] = "127.0.0.1:%d" % s.sockets[0].getsockname()[1]
            while not done.is_set():
                await asyncio.sleep(0.02)
    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    wait_for(lambda: address, "the pod listens")
    proxy = middle(site, address["it"])
    with Http2(proxy.http, timeout=30) as c:
        stream = opened(c, connect(c, "/room?x=1", [("sec-websocket-version", "13"), ("sec-websocket-protocol", "chat")]))
        assert stream.status == 200 and stream.get("sec-websocket-protocol") == "chat", stream
        for data in (b"", b"hello", body_of("m", 1000), body_of("m", 70_000), body_of("m", 1 << 20)):
            send(c, stream, message(data))
            assert take(c, stream) == (2, data)
        send(c, stream, message(b"ping", 9))
        assert take(c, stream) == (10, b"ping")
        send(c, stream, message(b"first ", 1, False) + message(b"second", 0))
        assert take(c, stream) == (1, b"first second")
        send(c, stream, message((1000).to_bytes(2, "big"), 8))
        assert take(c, stream)[0] == 8
        c.done(stream)
    assert seen == [("/room?x=1", "chat")]
    done.set()
    thread.join(5)


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "reset"])
def test_pod_that_ends_the_tunnel(site, reset):
    go = threading.Event()

    def handler(sock, _):
        head, _ = read_request(sock)
        sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept(head) + b"\r\n\r\nfarewell")
        if reset:
            go.wait(10 * SLOW)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    proxy = middle(site, site.scripted(handler))
    with Http2(proxy.http) as c:
        stream = opened(c, connect(c))
        c.wait(lambda: bytes(stream.body) == b"farewell", "the first words")
        go.set()
        c.wait(lambda: stream.done, "the end of the tunnel")
        assert stream.code not in (None, h2raw.NO_ERROR) if reset else stream.ended, stream
        c.ping()


def test_changes_do_not_touch_tunnels(site):
    """Tunnels and a stream of requests while routes change; the long form is tests/chaos/mixed.py."""
    pod = site.pod()
    proxy = middle(site, pod)
    if not hasattr(proxy, "changed"):
        pytest.skip("only for the proxy itself")
    with Http2(proxy.http, timeout=20 * SLOW) as c:
        tunnels = [opened(c, connect(c, f"/t{i}")) for i in range(10)]
        for i in range(60):
            proxy.changed(lambda: site.app(f"more{i % 7}.example", pod.address, paths=[("/", "Prefix"), (f"/{i}", "Exact")]))
            for t in tunnels:
                send(c, t, b"%d" % i)
            assert c.done(c.request(f"/?size=100&id=c{i}")).status == 200
            c.wait(lambda: all(bytes(t.body) == b"%d" % i for t in tunnels), "every echo")
            for t in tunnels:
                t.body.clear()
        assert c.goaway is None and not any(t.done for t in tunnels)
