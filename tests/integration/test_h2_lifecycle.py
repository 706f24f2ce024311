"""HTTP/2 connections over time: drain, age, limits, deadlines, priorities, misdirected requests."""
import re
import signal
import socket
import time

import pytest

import h2raw
from h2raw import DATA, END_STREAM, NO_ERROR, REFUSED_STREAM, Http2, block, frame, request_fields, window_update
from harness import SLOW, body_of, certificate, ready, tls_secret, wait_for
from middle import H2_OPTIONS, middle
from test_h2_websocket import connect, opened, send

LAST = 0x7fffffff


@pytest.fixture
def proxied(site):
    def start(**kw):
        pod = site.pod()
        return middle(site, pod, **kw), pod
    return start


# ---- the end of a connection ----------------------------------------------------------------------------------------------

def test_drain_finishes_what_runs(proxied):
    """Nothing under way is lost, and each stream that the last GOAWAY covers is answered."""
    proxy, pod = proxied()
    with Http2(proxy.http, timeout=20) as c:
        streams = [c.request(f"/?size=2000&delay=700&id=d{i}") for i in range(20)]
        slow = c.request("/?size=200&chunk=10&gap=60&id=slow")
        wait_for(lambda: pod.stats()["requests"] == 21, "all are at the pod")
        proxy.proc.send_signal(signal.SIGTERM)
        c.done(*streams, slow)
        assert all(s.status == 200 and bytes(s.body) == body_of(f"d{i}", 2000) for i, s in enumerate(streams))
        assert bytes(slow.body) == body_of("slow", 200)
        c.wait_end(10)
        assert c.goaway is not None and c.goaway[1] == NO_ERROR and c.goaway[0] >= slow.number
    assert proxy.proc.wait(10 * SLOW) == 0


def test_requests_that_cross_the_goaway(proxied):
    """A client that goes on until it has read the GOAWAY loses nothing: what is above the last stream was never begun."""
    proxy, pod = proxied()
    with Http2(proxy.http, timeout=20) as c:
        streams = [c.request("/?size=100&delay=300&id=x")]
        wait_for(lambda: pod.stats()["requests"] == 1, "the first is at the pod")
        proxy.proc.send_signal(signal.SIGTERM)
        while c.goaway is None and len(streams) < 500:
            streams.append(c.request("/?size=100&id=x"))
            c.wait(lambda: True)
            if ready(c.sock, 0.002):
                c._receive()
        c.wait_end(10)
        for s in streams:
            if s.number <= c.goaway[0]:
                assert s.status == 200 and len(s.body) == 100 and not s.code, (s, c.goaway)
            else:
                assert s.headers is None, s
    assert proxy.proc.wait(10 * SLOW) == 0


def test_an_idle_connection_is_told_to_go_at_drain(proxied):
    proxy, pod = proxied()
    with Http2(proxy.http, timeout=20) as c:
        c.done(c.request("/"))
        proxy.proc.send_signal(signal.SIGTERM)
        c.wait_end(10)
        assert c.goaway is not None and c.goaway[1] == NO_ERROR
    assert proxy.proc.wait(10 * SLOW) == 0


def test_tunnels_end_after_the_grace(proxied):
    proxy, pod = proxied(options={"worker-shutdown-timeout": 1})
    with Http2(proxy.http, timeout=20) as c:
        stream = opened(c, connect(c))
        begin = time.monotonic()
        proxy.proc.send_signal(signal.SIGTERM)
        c.wait(lambda: c.goaway is not None, "GOAWAY")
        send(c, stream, b"still")
        c.wait(lambda: bytes(stream.body) == b"still", "the tunnel goes on in its grace")
        c.wait_end(10)
        assert time.monotonic() - begin > 0.8
    assert proxy.proc.wait(10 * SLOW) == 0


def test_requests_of_a_connection_have_an_end(proxied):
    proxy, pod = proxied(options={"keep-alive-requests": 10})
    served = 0
    for _ in range(3):
        with Http2(proxy.http, timeout=20) as c:
            streams = []
            while c.goaway is None and len(streams) < 100:
                streams.append(c.done(c.request("/?size=10")))
            assert c.goaway is not None and 8 <= len(streams) <= 14, len(streams)
            assert all(s.status == 200 for s in streams)
            served += len(streams)
            c.wait_end(10)
            assert c.goaway[1] == NO_ERROR
    assert pod.stats()["completed"] == served


def test_what_crosses_the_last_goaway_hurts_nothing_that_runs(proxied):
    """A client that goes on after the notice and beyond the GOAWAY: what is served is served to its end, the rest is never begun."""
    proxy, pod = proxied(options={"keep-alive-requests": 10})
    with Http2(proxy.http, timeout=20) as c:
        running = c.request("/?size=200&id=run&delay=3000")
        streams, last_seen = [], time.monotonic()
        while time.monotonic() < last_seen + 0.3:
            head, stream = c.head("/?size=5", method="POST", end=False)
            streams.append(stream)
            for piece in (head, frame(h2raw.DATA, 0, stream.number, b"abc"), c.headers(stream.number, block([("x-sum", "3")]))):
                c.send(piece)
            if ready(c.sock, 0.005):
                c._receive()
            if c.goaway is None or c.goaway[0] == LAST:
                last_seen = time.monotonic()
        assert bytes(c.done(running).body) == body_of("run", 200)
        served = [s for s in streams if s.number <= c.goaway[0]]
        c.done(*served)
        assert all(s.status == 200 for s in served) and len(served) < len(streams)
        assert all(s.headers is None for s in streams if s.number > c.goaway[0])
        c.wait_end(10)
        assert c.goaway[1] == NO_ERROR
    assert pod.stats()["completed"] == len(served) + 1


def test_age_of_a_connection_has_an_end(proxied):
    proxy, pod = proxied(options={"http2-max-connection-age": 1})
    with Http2(proxy.http, timeout=20) as c:
        begin = time.monotonic()
        while c.goaway is None:
            assert time.monotonic() - begin < 10 * SLOW
            assert c.done(c.request("/?size=10&delay=20")).status == 200
        assert time.monotonic() - begin > 0.7
        c.wait_end(10)
        assert c.goaway[1] == NO_ERROR


def test_idle_connections_end(proxied):
    proxy, pod = proxied(options={"keep-alive": 1})
    with Http2(proxy.http, timeout=20) as c:
        assert c.done(c.request("/?delay=2500&size=5")).status == 200, "a stream that waits is not idleness"
        begin = time.monotonic()
        c.wait_end(10)
        assert 0.5 < time.monotonic() - begin < 5 * SLOW
        assert c.goaway is not None and c.goaway[1] == NO_ERROR


def test_preface_that_never_comes(proxied):
    proxy, pod = proxied(options={"client-header-timeout": 1})
    for said in (b"", b"PRI * HT", h2raw.PREFACE):
        with Http2(proxy.http, preface=False) as c:
            c.send(said)
            c.wait_end(10)
    with Http2(proxy.https, sni="app.example", preface=False) as c:
        c.wait_end(10)


def test_preface_that_is_wrong(proxied):
    proxy, pod = proxied()
    with Http2(proxy.https, sni="app.example", preface=False) as c:
        c.send(b"GET / HTTP/1.1\r\nHost: app.example\r\n\r\n")
        c.wait_end(10)
    assert pod.stats()["requests"] == 0


def test_head_that_never_ends(proxied):
    """HEADERS without END_HEADERS, and silence: the connection cannot go on, and ends."""
    proxy, pod = proxied(options={"client-header-timeout": 1})
    with Http2(proxy.http) as c:
        assert c.done(c.request("/")).status == 200
        c.send(frame(h2raw.HEADERS, 0, c.open(), block(request_fields())[:10]))
        c.wait_end(10)


def test_body_that_trickles_out(proxied):
    """A pause in one request's body ends that stream with 408; its neighbours go on."""
    proxy, pod = proxied(options={"client-body-timeout": 1})
    with Http2(proxy.http) as c:
        stalled = c.request("/", method="POST", fields=[("content-length", "100")], end=False)
        c.body(stalled, b"some", end=False)
        other = c.request("/?size=200&chunk=10&gap=100&id=other")
        c.done(stalled, other)
        assert stalled.status == 408 or stalled.code, stalled
        assert bytes(other.body) == body_of("other", 200)
        assert c.done(c.request("/")).status == 200 and c.goaway is None


def test_response_that_is_never_taken(proxied):
    """A window that stays shut: the stream is reset after the time that a client may take nothing, and its pod's connection let go."""
    proxy, pod = proxied(options={"client-send-timeout": 1})
    with Http2(proxy.http, grow=False, settings={h2raw.INITIAL_WINDOW_SIZE: 100}) as c:
        stalled = c.request("/?size=50000000")
        c.wait(lambda: stalled.done, "the end of the stream that is not read", 10)
        assert stalled.code not in (None, NO_ERROR) and len(stalled.body) == 100
        assert c.done(c.request("/?size=50")).status == 200 and c.goaway is None
    wait_for(lambda: pod.stats()["aborted_by_peer"] == 1, "the pod is let go")


# ---- limits -----------------------------------------------------------------------------------------------------------------

def test_streams_at_once(proxied):
    proxy, pod = proxied(options={"http2-max-concurrent-streams": 10})
    with Http2(proxy.http) as c:
        c.wait(lambda: c.settings is not None, "SETTINGS")
        assert c.settings[h2raw.MAX_CONCURRENT_STREAMS] == 10
        streams = [c.request("/?size=10&delay=500") for _ in range(15)]
        c.done(*streams)
        assert sum(s.status == 200 for s in streams) == 10 and all(s.code == REFUSED_STREAM for s in streams if s.status is None), streams
        assert c.done(c.request("/")).status == 200


def test_default_of_streams_at_once(proxied):
    proxy, pod = proxied()
    with Http2(proxy.http) as c:
        c.wait(lambda: c.settings is not None, "SETTINGS")
        assert c.settings[h2raw.MAX_CONCURRENT_STREAMS] == 128
        streams = [c.request("/?size=10&delay=100") for _ in range(128)]
        c.done(*streams)
        assert all(s.status == 200 for s in streams)


def test_body_over_the_limit(proxied):
    proxy, pod = proxied(annotations={"proxy-body-size": "1k"})
    with Http2(proxy.http) as c:
        stream = c.request("/", method="POST", fields=[("content-length", "5000")], end=False)
        c.wait(lambda: stream.headers or stream.done, "the answer before the body")
        assert stream.status == 413
        unknown = c.request("/", method="POST", end=False)
        c.body(unknown, b"x" * 5000, end=False)
        c.wait(lambda: unknown.headers or unknown.done, "the answer")
        assert unknown.status == 413
        assert c.done(c.request("/?size=10", method="POST", body=b"y" * 1000)).status == 200
        assert c.goaway is None
    assert pod.stats()["completed"] == 1


# ---- priorities (RFC 9218) ----------------------------------------------------------------------------------------------------

def compete(c, priorities, update=None):
    """Requests of 400,000 bytes that are asked for together under a window that opens slowly; the order of their ends, and how far each was
    when half of all had come."""
    heads = [c.head(f"/?size=400000&id=p{i}", fields=[("priority", p)] if p else []) for i, p in enumerate(priorities)]
    c.send(b"".join(h for h, _ in heads))
    streams = [s for _, s in heads]
    c.wait(lambda: all(s.headers for s in streams), "every head")
    for s in streams:  # every stream may be sent whole; what is tight is the connection
        s.window += 1 << 20
    c.send(b"".join(window_update(s.number, 1 << 20) for s in streams))
    if update:
        c.send(update(streams))
    order, half = [], None
    while not all(s.done for s in streams):
        # Less than the proxy keeps of each stream (16 KiB), so that who goes first is not who has something to send.
        c.window += 8_000
        c.send(window_update(0, 8_000))
        c.wait(lambda: c.window == 0 or all(s.done for s in streams), "the window is used")
        order += [i for i, s in enumerate(streams) if s.done and i not in order]
        if half is None and sum(len(s.body) for s in streams) >= 200_000 * len(streams):
            half = [len(s.body) for s in streams]
    return order, half


@pytest.fixture
def tight(proxied):
    """A connection whose own window is what all streams compete for."""
    proxy, pod = proxied()
    with Http2(proxy.http, grow=False, timeout=30, settings={h2raw.INITIAL_WINDOW_SIZE: 0}) as c:
        yield c


def test_urgent_ones_first(tight):
    order, _ = compete(tight, ["u=7", "u=5", "u=1", "u=0"])
    assert order == [3, 2, 1, 0]


def test_default_is_urgency_three(tight):
    order, _ = compete(tight, ["u=4", "", "u=2"])
    assert order == [2, 1, 0]


def test_incremental_ones_share(tight):
    _, half = compete(tight, ["u=3, i", "u=3, i", "u=3, i"])
    assert max(half) < 2 * min(half), half


def test_others_come_one_after_the_other(tight):
    order, half = compete(tight, ["u=3", "u=3", "u=3"])
    assert order == [0, 1, 2] and half[0] >= 390_000, half


def test_priority_update(tight):
    order, _ = compete(tight, ["u=6", "u=5"], lambda streams: frame(0x10, 0, 0, streams[0].number.to_bytes(4, "big") + b"u=0"))
    assert order == [0, 1]


# ---- one connection, several hosts ----------------------------------------------------------------------------------------------

def test_other_host_of_the_same_certificate(site):
    """Connections are shared by hosts whose TLS says the same, as browsers do."""
    pod = site.pod()
    cert, key = certificate("a.example", "b.example")
    site.manifests.write("s.yaml", tls_secret("both-tls", cert, key))
    for host in ("a.example", "b.example"):
        site.app(host, pod.address, tls=[([host], "both-tls")])
    proxy = site.sluice(options=H2_OPTIONS)
    with Http2(proxy.https, sni="a.example") as c:
        for host in ("a.example", "b.example", "A.example"):
            assert c.done(c.request("/", host)).status == 200


def test_one_request_is_one_line_of_the_log_and_one_of_the_metrics(proxied):
    proxy, pod = proxied()
    with Http2(proxy.http) as c:
        c.done(*[c.request(f"/logged?{i}&size=100") for i in range(7)])
        c.done(c.request("/logged?bad", fields=[("x-a", "b\n")]))
    wait_for(lambda: sum("/logged" in x for x in proxy.access_lines()) >= 7, "seven lines")
    lines = [x for x in proxy.access_lines() if "/logged" in x and " 200 " in x]
    assert len(lines) == 7 and all(re.search(r"HTTP/2(\.0)?\b", x) for x in lines), lines
    assert proxy.metric("sluice_requests_total") >= 7


def test_goaway_of_the_client(proxied):
    """A client that says GOAWAY still gets what it asked for."""
    proxy, pod = proxied()
    with Http2(proxy.http) as c:
        stream = c.request("/?size=3000&delay=300&id=g")
        c.send(frame(h2raw.GOAWAY, 0, 0, (0).to_bytes(4, "big") + NO_ERROR.to_bytes(4, "big")))
        assert bytes(c.done(stream).body) == body_of("g", 3000)
        c.wait_end(10)


def test_end_of_the_clients_side_ends_its_requests(proxied):
    """FIN means that the client is gone: without its WINDOW_UPDATEs nothing can go on. The pod is told."""
    proxy, pod = proxied()
    with Http2(proxy.http) as c:
        for i in range(3):
            c.request("/?size=1000&delay=20000")
        wait_for(lambda: pod.stats()["requests"] == 3, "the requests are at the pod")
        c.sock.shutdown(socket.SHUT_WR)
        c.wait_end(10)
    wait_for(lambda: pod.stats()["aborted_by_peer"] == 3, "the pod is told")


@pytest.mark.parametrize("pieces", [[b"a" * 5000], [b"a" * 3000, b"b" * 2000], [b"a" * 40_000, b"b"]], ids=len)
def test_the_end_of_a_body_comes_by_itself(site, pieces):
    """Each DATA frame, and END_STREAM in one without data, is taken before the next one is sent (the answer to a PING says so)."""
    pod = site.pod()
    proxy = middle(site, pod)
    body = b"".join(pieces)
    with Http2(proxy.http) as c:
        stream = c.request("/?mode=echo", method="POST", fields=[("content-length", str(len(body)))], end=False)
        for piece in pieces:
            c.ping()
            c.body(stream, piece, end=False)
        c.ping()
        c.send(frame(DATA, END_STREAM, stream.number))
        c.done(stream)
        assert stream.status == 200 and stream.get("x-req-length") == str(len(body)), stream
