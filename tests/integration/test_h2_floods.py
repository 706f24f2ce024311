"""Floods of HTTP/2 frames: the connection is closed within 1,000 abusive pieces, at little cost, while clients that behave are served;
and clients that only look wild are never cut."""
import os
import threading

import pytest

import h2raw
from floods import FLOODS, attack, measure
from h2raw import CANCEL, Http2, window_update
from harness import SLOW, body_of, wait_for
from middle import middle

RELEASE = "release" in os.environ.get("SLUICE", "")
CPU_MS = 5 if RELEASE else 50 * SLOW  # of the whole process, for one connection's flood
GROWTH_KB = 1024 if RELEASE else 4096


def at_rest(s):
    return s["requests"] == s["responses"] + s["aborted_by_peer"] + s["truncated"]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    from conftest import Site
    site = Site(tmp_path_factory.mktemp("h2-floods"))
    pod = site.pod("pod", "--forget-ids")
    proxy = middle(site, pod, options={"keep-alive-requests": 1_000_000})
    with Http2(proxy.http) as c:  # what a connection may use at once is there before anything is measured
        c.done(*[c.request(f"/?size=5000&delay=200&id={i}") for i in range(128)])
    yield proxy, pod
    stats = pod.stats()
    site.stop()
    assert stats["violations"] == 0, stats["violation_samples"]


@pytest.mark.alone
@pytest.mark.parametrize("kind", FLOODS)
def test_flood_is_cut_short(running, kind):
    proxy, pod = running
    with Http2(proxy.http) as friend:
        friend.done(friend.request("/?size=10"))
        cost = measure(proxy, pod, kind, CPU_MS, GROWTH_KB)
        assert cost["cpu_ms"] <= CPU_MS, cost
        assert cost["growth_kb"] <= GROWTH_KB, cost
        assert friend.done(friend.request("/?size=10")).status == 200
    wait_for(lambda: at_rest(pod.stats()), "nothing of the attack is under way at the pod")


@pytest.mark.parametrize("kind", ["rapid_reset", "made_you_reset_overflow", "made_you_reset_length"])
def test_the_pod_hears_little_of_streams_that_end_as_they_begin(running, kind):
    """What one read both begins and breaks is nobody's work; only a head whose breaking came in the next read got to the pod."""
    proxy, pod = running
    pod.reset()
    with Http2(proxy.http) as c:
        attack(c, kind)
        c.wait_end(5)
    assert pod.stats()["requests"] <= 60, pod.stats()
    wait_for(lambda: at_rest(pod.stats()), "no request is left")


def test_one_client_opens_all_its_streams_at_once(running):
    """More than begin in one turn, and some are given up before theirs: each of the others is answered, in spite of it."""
    proxy, pod = running
    with Http2(proxy.http) as c:
        heads = [c.head(f"/?size=100&id=many-{i}") for i in range(128)]
        c.send(b"".join(d for d, _ in heads) + b"".join(h2raw.rst(s.number) for _, s in heads[100:]))
        c.done(*[s for _, s in heads[:100]])
        assert all(bytes(s.body) == body_of(f"many-{i}", 100) for i, (_, s) in enumerate(heads[:100])) and c.goaway is None
        assert c.done(c.request("/end")).status == 200


# ---- those who must not be cut -------------------------------------------------------------------------------------------

def test_a_browser_that_cancels_a_third_of_its_streams(running):
    """Pages of 100 streams each of which a third are given up: navigation away from a gallery, again and again."""
    proxy, pod = running
    with Http2(proxy.http, timeout=30) as c:
        for page in range(30):
            data, streams = b"", []
            for i in range(100):
                piece, stream = c.head(f"/{page}/{i}?size=3000&id={page}-{i}&delay={i % 3 * 5}")
                data += piece
                streams.append(stream)
            c.send(data)
            for stream in streams[::3]:
                c.reset(stream)
            c.done(*[s for i, s in enumerate(streams) if i % 3])
            for i, s in enumerate(streams):
                if i % 3:
                    assert s.status == 200 and bytes(s.body) == body_of(f"{page}-{i}", 3000), s
        assert c.goaway is None
        assert c.done(c.request("/end")).status == 200


def test_a_page_that_is_left_at_once(running):
    """All 100 streams are given up together, three times."""
    proxy, pod = running
    with Http2(proxy.http) as c:
        for page in range(3):
            heads = [c.head(f"/?delay=200&id=x{page}-{i}") for i in range(100)]
            c.send(b"".join(d for d, _ in heads))
            for _, stream in heads:
                c.reset(stream)
            assert c.done(c.request("/next?size=5")).status == 200
        assert c.goaway is None


def test_small_messages_both_ways(running):
    """A stream of 5,000 small DATA frames with a WINDOW_UPDATE and now and then a PING, as chatty RPCs make them."""
    proxy, pod = running
    with Http2(proxy.http, timeout=30) as c:
        stream = c.request("/up", method="POST", end=False)
        for i in range(5000):
            c.body(stream, b"0123456789", end=False)
            if i % 100 == 0:
                c.ping()
        c.body(stream, b"", end=True)
        assert c.done(stream).get("x-req-length") == "50000"
        assert c.goaway is None


def test_a_download_with_a_window_update_for_each_frame(running):
    proxy, pod = running
    with Http2(proxy.http, timeout=30) as c:
        stream = c.done(c.request("/?size=20000000&id=big"), seconds=60)
        assert len(stream.body) == 20_000_000 and c.goaway is None


def test_pings_that_measure_the_bandwidth(running):
    """gRPC's clients send a PING each round trip while they are sent data."""
    proxy, pod = running
    with Http2(proxy.http, timeout=30) as c:
        stream, seen = c.request("/?size=60000000&id=ping"), 0
        while not stream.done:
            c.wait(lambda: len(stream.body) > seen or stream.done, "more of the body")
            seen = len(stream.body)
            c.ping()
        assert len(stream.body) == 60_000_000 and c.pongs > 500 and c.goaway is None


def test_many_requests_with_priorities(running):
    """As Firefox did: PRIORITY frames for idle streams at the start, one with each request, and a PRIORITY_UPDATE now and then."""
    proxy, pod = running
    with Http2(proxy.http) as c:
        c.send(b"".join(h2raw.frame(h2raw.PRIORITY, 0, n, b"\0\0\0\0\x10") for n in (3, 5, 7, 9, 11)))
        c.next = 13
        for i in range(300):
            stream = c.request(f"/?size=100&id=f{i}")
            c.send(h2raw.frame(h2raw.PRIORITY, 0, stream.number, b"\0\0\0\x0b\x10"))
            c.send(h2raw.frame(0x10, 0, 0, stream.number.to_bytes(4, "big") + b"u=2, i"))
            assert c.done(stream).status == 200
        assert c.goaway is None


def test_a_hundred_pings_while_idle(running):
    proxy, pod = running
    with Http2(proxy.http) as c:
        for _ in range(100):
            c.ping()
        assert c.done(c.request("/")).status == 200 and c.goaway is None


def test_settings_that_change_ten_times(running):
    proxy, pod = running
    with Http2(proxy.http) as c:
        for i in range(10):
            c.send(h2raw.settings({h2raw.INITIAL_WINDOW_SIZE: 65535 + i}))
        c.wait(lambda: c.acks >= 11, "each SETTINGS is acknowledged")
        assert c.done(c.request("/")).status == 200


# ---- flow control: one who does not read hurts nobody else ------------------------------------------------------------------

def test_stalled_streams_do_not_stall_others(running):
    """Ten streams whose windows are never opened, beside one that flows."""
    proxy, pod = running
    with Http2(proxy.http, settings={h2raw.INITIAL_WINDOW_SIZE: 1000}, grow=False) as c:
        c.send(window_update(0, 10_000_000))
        c.window += 10_000_000
        stalled = [c.request(f"/?size=1000000&id=s{i}") for i in range(10)]
        c.wait(lambda: all(len(s.body) == 1000 for s in stalled), "each stream gets its window's worth")
        flowing = c.request("/?size=500000&id=flow")
        while not flowing.done:
            c.wait(lambda: flowing.window == 0 or flowing.done, "the window is used")
            if not flowing.done:
                flowing.window += 50_000
                c.send(window_update(flowing.number, 50_000))
        assert bytes(flowing.body) == body_of("flow", 500000)
        assert all(len(s.body) == 1000 and not s.done for s in stalled)
        before = proxy.rss_kb()
        more = [c.request(f"/?size=1000000&id=m{i}") for i in range(60)]
        c.wait(lambda: all(len(s.body) == 1000 for s in more), "each further stream too")
        proxy.expect_growth_below(60 * 256, before, "what stalled streams hold")


def test_connection_window_is_kept(running):
    proxy, pod = running
    with Http2(proxy.http, settings={h2raw.INITIAL_WINDOW_SIZE: 1 << 20}, grow=False) as c:
        streams = [c.request(f"/?size=100000&id=w{i}") for i in range(4)]
        c.wait(lambda: c.window == 0, "the window of the connection is used")
        c.ping()
        assert sum(len(s.body) for s in streams) == 65535
        c.give(streams[0], 400_000)
        for s in streams:
            c.done(s)


def test_one_byte_windows(running):
    """A client that opens its window by a byte at a time for a short while gets its bytes."""
    proxy, pod = running
    with Http2(proxy.http, settings={h2raw.INITIAL_WINDOW_SIZE: 0}, grow=False) as c:
        stream = c.request("/?size=50&id=one")
        c.wait(lambda: stream.headers, "the head")
        for i in range(50):
            stream.window += 1
            c.send(window_update(stream.number, 1))
            c.wait(lambda: len(stream.body) == i + 1, "the byte")
        assert bytes(c.done(stream).body) == body_of("one", 50)


def test_slow_pod_stalls_the_upload_and_nothing_else(running, site):
    """A pod that does not read: the client may send no more than what is buffered for it; other streams go on."""
    proxy, pod = running
    go = threading.Event()

    def handler(sock, _):
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(1)
        go.wait(30 * SLOW)
        sock.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    slow = site.scripted(handler)
    own = middle(site, slow, host="slow.example", annotations={"proxy-body-size": "0", "proxy-request-buffering": "off"})
    with Http2(own.http, timeout=20) as c:
        stream = c.request("/", "slow.example", method="POST", fields=[("content-length", str(1 << 30))], end=False)
        c.wait(lambda: c.settings is not None, "SETTINGS")
        sent = 0
        while sent < 64 << 20:
            room = min(c.peer_window(stream.number), c.send_window, 16384)
            if room <= 0:
                try:
                    c.wait(lambda: min(c.peer_window(stream.number), c.send_window) > 0, "more room", seconds=0.5)
                except AssertionError:
                    break
                continue
            c.spend(stream.number, room)
            assert c.try_send(h2raw.frame(h2raw.DATA, 0, stream.number, b"x" * room))
            sent += room
        assert sent < 16 << 20, f"{sent} bytes were taken for a pod that reads nothing"
        assert c.send_window > 0, "the connection's window is not held by one stream"
        go.set()


def test_cancel_reaches_the_pod(running):
    proxy, pod = running
    pod.reset()
    with Http2(proxy.http) as c:
        stream = c.request("/?size=10&delay=30000")
        wait_for(lambda: pod.stats()["requests"] == 1, "the request is at the pod")
        c.reset(stream, CANCEL)
        wait_for(lambda: pod.stats()["aborted_by_peer"] == 1, "the pod is told")
        assert c.done(c.request("/?size=1")).status == 200
