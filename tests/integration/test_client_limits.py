"""How much one client may ask of an Ingress (limit-rps, limit-rpm, limit-connections), and how fast it gets it (limit-rate)."""
import collections
import subprocess
import threading
import time

import pytest

from h2raw import Http2
from harness import SLUICE, read_request, wait_for

TRUST = {"use-forwarded-headers": "true", "proxy-real-ip-cidr": "127.0.0.0/8"}


def statuses(sluice, count, host="app.example", path="/", client=None, headers=()):
    """Of as many requests, each on a connection of its own, so that every worker has some; sorted."""
    out = []
    for _ in range(count):
        with sluice.raw() as c:
            out.append(c.get(path, host, headers=[*headers, *([f"X-Forwarded-For: {client}"] if client else []), "Connection: close"]).status)
    return dict(collections.Counter(out))


def at_once(sluice, count, *, path="/", host="app.example"):
    """As many connections, each with a request that is not answered yet; they are closed by the test."""
    out = []
    for _ in range(count):
        c = sluice.raw()
        c.send(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")
        out.append(c)
    return out


# A minute gives so little that the number that is let through does not depend on how long the test takes.
@pytest.mark.parametrize("annotations,passed", [({"limit-rpm": "2"}, 11), ({"limit-rpm": "1", "limit-burst-multiplier": "2"}, 3),
                                                ({"limit-rpm": "1", "limit-rps": "1", "limit-burst-multiplier": "3"}, 4)])
def test_all_workers_count_together(site, annotations, passed):
    sluice, pod = site.simple(annotations=annotations, workers=4)
    found, lock = collections.Counter(), threading.Lock()

    def ask():
        some = statuses(sluice, 10)
        with lock:
            found.update(some)
    threads = [threading.Thread(target=ask) for _ in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert found == {200: passed, 503: 40 - passed}
    assert pod.stats()["requests"] == passed
    assert sluice.metric("sluice_limited_requests_total", limit="rate") == 40 - passed


def test_paths_of_an_ingress_share_what_clients_do_not(site):
    pod = site.pod()
    site.app("app.example", pod.address, annotations={"limit-rpm": "1"}, paths=[("/a", "Prefix"), ("/b", "Prefix")])
    site.app("other.example", pod.address, annotations={"limit-rpm": "1"})
    sluice = site.sluice(workers=2, options=TRUST)
    assert statuses(sluice, 4, path="/a", client="10.0.0.1") == {200: 4}
    assert statuses(sluice, 4, path="/b", client="10.0.0.1") == {200: 2, 503: 2}
    assert statuses(sluice, 7, path="/b", client="10.0.0.2") == {200: 6, 503: 1}
    assert statuses(sluice, 7, path="/b", client="2001:db8::1") == {200: 6, 503: 1}
    assert statuses(sluice, 7, host="other.example", client="10.0.0.1") == {200: 6, 503: 1}


def test_changes_neither_reset_nor_double_what_was_counted(site):
    pod = site.pod()
    put = lambda **more: site.app("app.example", pod.address, annotations={"limit-rpm": "1", **{k.replace("_", "-"): v for k, v in more.items()}})
    put()
    sluice = site.sluice(workers=2)
    assert statuses(sluice, 3) == {200: 3}
    sluice.changed(lambda: site.app("other.example", pod.address))
    assert statuses(sluice, 2) == {200: 2}
    sluice.changed(lambda: put(proxy_body_size="2m"))
    assert statuses(sluice, 2) == {200: 1, 503: 1}
    sluice.changed(lambda: put(limit_burst_multiplier="7"))
    assert statuses(sluice, 3) == {200: 2, 503: 1}


def test_who_is_exempt_is_not_counted(site):
    pod = site.pod()
    site.app("app.example", pod.address, annotations={"limit-rpm": "1", "limit-connections": "1", "limit-allowlist": "10.0.0.0/8,2001:db8::/32"})
    site.app("older.example", pod.address, annotations={"limit-rpm": "1", "limit-whitelist": "10.0.0.1"})
    sluice = site.sluice(options=TRUST)
    assert statuses(sluice, 9, client="10.1.2.3") == statuses(sluice, 9, client="2001:db8::7") == {200: 9}
    assert statuses(sluice, 9, client="11.0.0.1") == {200: 6, 503: 3}
    assert statuses(sluice, 9, client="10.0.0.1", host="older.example") == {200: 9}
    assert statuses(sluice, 9, client="10.0.0.2", host="older.example") == {200: 6, 503: 3}


def test_a_client_is_what_the_config_map_says(site):
    sluice, _ = site.simple(annotations={"limit-rpm": "1"}, options={"limit-conn-zone-variable": "$http_x_user", "limit-req-status-code": "429"})
    assert statuses(sluice, 9, headers=["X-User: a"]) == {200: 6, 429: 3}
    assert statuses(sluice, 9, headers=["X-User: b"]) == {200: 6, 429: 3}
    assert statuses(sluice, 9) == {200: 9}, "who has no value is not limited"


def test_what_is_answered_without_a_pod_is_not_counted(site):
    pod = site.pod()
    site.app("app.example", pod.address, annotations={"limit-rpm": "1", "limit-burst-multiplier": "1", "enable-cors": "true", "proxy-body-size": "10"})
    site.app("empty.example", [], annotations={"limit-rpm": "1"})
    site.app("guarded.example", pod.address, annotations={"limit-rpm": "1", "limit-burst-multiplier": "1", "denylist-source-range": "127.0.0.1"})
    sluice = site.sluice()
    with sluice.raw() as c:
        for _ in range(5):
            assert c.get("/", "app.example", "OPTIONS", ["Origin: https://x.example", "Access-Control-Request-Method: GET"]).status == 204
    for _ in range(5):
        with sluice.raw() as c:
            assert c.get("/", "app.example", "POST", body=b"x" * 11).status == 413
    assert statuses(sluice, 9, host="empty.example") == {503: 9}
    assert sluice.metric("sluice_limited_requests_total") == 0
    assert statuses(sluice, 3) == {200: 2, 503: 1}
    assert statuses(sluice, 5, host="guarded.example") == {403: 2, 503: 3}, "who may not come is counted"


def test_requests_in_flight(site):
    sluice, pod = site.simple(annotations={"limit-connections": "3"}, workers=4, options={"limit-conn-status-code": "429"})
    held = at_once(sluice, 3, path="/?hold=1")
    wait_for(lambda: pod.stats()["requests"] == 3, "three are at the pod")
    assert statuses(sluice, 4) == {429: 4}
    held.pop().reset()
    wait_for(lambda: sluice.get("/", "app.example").status == 200, "a client that has left counts no more")
    held.pop().close()
    wait_for(lambda: statuses(sluice, 1) == {200: 1}, "likewise")
    assert sluice.metric("sluice_limited_requests_total", limit="connections") >= 4
    with sluice.raw() as c:
        assert [c.get("/", "app.example").status for _ in range(10)] == [200] * 10, "a connection that is idle does not count"
        with sluice.raw() as idle:
            assert idle.get("/", "app.example").status == 200
    [c.close() for c in held]


def test_a_body_that_still_comes_counts_and_a_head_does_not(site):
    sluice, pod = site.simple(annotations={"limit-connections": "1", "proxy-request-buffering": "off"}, workers=2)
    with sluice.raw() as slow:
        slow.send("POST / HTTP/1.1\r\nHost: app.example\r\n")
        for _ in range(2):
            assert statuses(sluice, 1) == {200: 1}
            # The client has an answer a moment before its worker is done with it.
            wait_for(lambda: sluice.metric("sluice_requests_active") == 0, "it is over")
        slow.send("Content-Length: 5\r\n\r\n1")
        wait_for(lambda: sluice.metric("sluice_requests_active") == 1, "its head is complete")
        assert statuses(sluice, 2) == {503: 2}
        slow.send("2345")
        assert slow.answer("POST").status == 200
        wait_for(lambda: statuses(sluice, 1) == {200: 1}, "it is over")


def test_a_tunnel_counts_for_all_its_life(site):
    sluice, pod = site.simple(annotations={"limit-connections": "1"}, workers=2)
    with sluice.raw() as c:
        c.send("GET /ws HTTP/1.1\r\nHost: app.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        assert c.read_head()[1] == 101
        assert statuses(sluice, 2) == {503: 2}
        sluice.changed(lambda: site.app("other.example", pod.address))
        assert statuses(sluice, 2) == {503: 2}
    wait_for(lambda: statuses(sluice, 1) == {200: 1}, "the tunnel is over")


def test_each_stream_of_http2_counts(site):
    sluice, pod = site.simple(annotations={"limit-connections": "2"}, options={"http2-prior-knowledge": "true"}, workers=2)
    c = Http2(sluice.http)
    streams = []
    for _ in range(5):
        streams.append(c.request("/?hold=1"))
    c.wait(lambda: sum(s.done for s in streams) == 3, "three are refused")
    assert [s.status for s in streams if s.done] == [503] * 3
    c.reset(next(s for s in streams if not s.done))
    wait_for(lambda: sluice.get("/", "app.example").status == 200, "a stream that was reset counts no more")
    c.close()
    wait_for(lambda: all(sluice.get("/", "app.example").status == 200 for _ in range(3)), "nor does one of a connection that is gone")


def test_a_refusal_is_told_and_logged(site):
    sluice, _ = site.simple(annotations={"limit-rpm": "1"}, options={"log-format-upstream": "$status $failure_reason"})
    assert statuses(sluice, 20) == {200: 6, 503: 14}
    sluice.wait_access(r"503 the client asks more often than limit-rpm")
    line = sluice.wait_line(r".*limit-rpm.*", stream="err").group(0)
    assert "default/app" in line and "client 127.0.0.1" in line and "excess" in line
    wait_for(lambda: sum("limit-rpm" in x for x in sluice.access_lines()) == 14, "the access log has all")
    assert sum("limit-rpm" in x for x in sluice.err) <= 3, "the operator is told once a second"


def test_a_value_that_cannot_be_read_drops_the_ingress(site):
    pod = site.pod()
    for i, (name, value) in enumerate([("limit-rps", "abc"), ("limit-rpm", "1.5"), ("limit-connections", "70000"), ("limit-allowlist", "office")]):
        site.app(f"h{i}.example", pod.address, annotations={"limit-rps": "1", name: value})
    site.app("rate.example", pod.address, annotations={"limit-rate": "fast", "limit-burst-multiplier": "0"})
    sluice = site.sluice()
    assert [sluice.get("/", f"h{i}.example").status for i in range(4)] == [404] * 4
    assert sluice.get("/", "rate.example").status == 200
    out = subprocess.run([SLUICE, "check", site.manifests.root], stdout=subprocess.PIPE, timeout=30, text=True).stdout
    for words in (["limit-rps", "abc", "a number up to"], ["limit-connections", "70000", "65535"], ["limit-allowlist", "office"], ["limit-rate", "fast", "KiB"]):
        assert any(all(w in block for w in words) for block in out.split("\n\n")) or all(w in out for w in words), (words, out)


def test_explain_says_what_is_counted(site):
    site.app("app.example", site.pod().address, annotations={"limit-rps": "5", "limit-connections": "7", "limit-allowlist": "10.0.0.0/8"})
    explain = lambda *more: subprocess.run([SLUICE, "explain", site.manifests.root, "GET", "http://app.example/", *more],
                                           stdout=subprocess.PIPE, timeout=30, text=True).stdout
    assert "each client may ask 5 a second (26 at once), 7 in flight of Ingress default/app" in explain()
    assert "each client" not in explain("--client", "10.1.1.1")


# ---- limit-rate ------------------------------------------------------------------------------------------------------

def timed(read):
    begun = time.monotonic()
    out = read()
    return out, time.monotonic() - begun


@pytest.mark.alone
@pytest.mark.parametrize("annotations,low,high", [
    ({"limit-rate": "32", "proxy-buffering": "on"}, 1.5, 4.5),  # a second's worth is a gift, and seconds are those of the clock
    ({"limit-rate": "32", "limit-rate-after": "64", "proxy-buffering": "on"}, 0.5, 2.5),
    ({"limit-rate": "32"}, 0, 1.5)])
def test_a_response_goes_at_its_rate(site, annotations, low, high):
    sluice, _ = site.simple(annotations=annotations)
    with sluice.raw(timeout=30) as c:
        answer, took = timed(lambda: c.get("/?size=122880", "app.example"))
        assert len(answer.body) == 122880 and low <= took <= high
        answer, took = timed(lambda: c.get("/?size=100", "app.example"))
        assert len(answer.body) == 100 and took < 1


@pytest.mark.alone
def test_each_stream_has_the_rate_of_its_own(site):
    sluice, _ = site.simple(annotations={"limit-rate": "32", "proxy-buffering": "on"}, options={"http2-prior-knowledge": "true"})
    c = Http2(sluice.http, timeout=30)

    def both():
        streams = [c.request("/?size=98304") for _ in range(2)]
        c.wait(lambda: all(s.done for s in streams), "both are there", 30)
        return [len(s.body) for s in streams]
    sizes, took = timed(both)
    assert sizes == [98304] * 2 and 1.5 <= took <= 4


@pytest.mark.alone
def test_a_pod_may_ask_for_a_rate(site):
    def handler(sock, _):
        while read_request(sock):
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 49152\r\nX-Accel-Limit-Rate: 16384\r\n\r\n" + b"x" * 49152)
    pod = site.scripted(handler)
    site.app("app.example", pod.address, annotations={"proxy-buffering": "on"})
    site.app("plain.example", pod.address)
    sluice = site.sluice()
    with sluice.raw(timeout=30) as c:
        answer, took = timed(lambda: c.get("/", "app.example"))
        assert len(answer.body) == 49152 and took >= 0.9 and answer.get("x-accel-limit-rate") is None
        answer, took = timed(lambda: c.get("/", "plain.example"))
        assert len(answer.body) == 49152 and took < 1


def test_other_requests_of_the_worker_do_not_wait(site):
    sluice, pod = site.simple(annotations={"limit-rate": "1", "proxy-buffering": "on"})
    slow = [sluice.raw(timeout=30) for _ in range(20)]
    for c in slow:
        c.send("GET /?size=1000000 HTTP/1.1\r\nHost: app.example\r\n\r\n")
        assert c.read_head()[1] == 200
    for _ in range(50):
        assert sluice.get("/?size=10", "app.example").status == 200
    assert pod.stats()["requests"] == 70
    for c in slow:
        c.close()
    # The requests to the pod end with their clients: nobody reads on for nothing.
    wait_for(lambda: sluice.metric("sluice_requests_active") == 0, "all are over")
    assert sluice.metric("sluice_client_timeouts_total") == 0


@pytest.mark.parametrize("disk", ["0", "1m"], ids=["in_memory", "on_disk"])
def test_what_may_not_go_yet_lies_here_within_its_bounds(site, disk):
    """As any buffered answer: in memory, then on the disk, and where both are full the pod waits."""
    sent = []

    def handler(sock, _):
        read_request(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        while True:
            sent.append(sock.send(b"x" * 65536))
    pod = site.scripted(handler)
    site.app("app.example", pod.address, annotations={"limit-rate": "16", "proxy-buffering": "on", "proxy-max-temp-file-size": disk})
    sluice = site.sluice()
    rss = sluice.rss_kb()
    with sluice.raw(timeout=30) as c:
        c.send("GET / HTTP/1.1\r\nHost: app.example\r\n\r\n")
        c.read_head()
        c.read_exactly(40_000)
        assert sum(sent) < 16_000_000, "what the kernel holds between them, and we"
        assert sluice.rss_kb() - rss < 4000
    wait_for(lambda: sluice.metric("sluice_requests_active") == 0, "it is over with its client")


def test_a_pod_is_done_before_its_slow_client_is(site):
    sluice, pod = site.simple(annotations={"limit-rate": "16", "proxy-buffering": "on"})
    with sluice.raw(timeout=60) as c:
        c.send("GET /?size=3000000 HTTP/1.1\r\nHost: app.example\r\n\r\n")
        c.read_head()
        wait_for(lambda: sluice.metric("sluice_upstream_idle") == 1, "its connection is for others")
        assert sluice.metric("sluice_requests_active") == 1 and pod.stats()["completed"] == 1
        assert len(c.read_exactly(20_000)) == 20_000


def test_a_process_that_ends_lets_a_slow_response_go_on(site):
    sluice, _ = site.simple(annotations={"limit-rate": "16", "proxy-buffering": "on"})
    with sluice.raw(timeout=30) as c:
        c.send("GET /?size=40000 HTTP/1.1\r\nHost: app.example\r\n\r\n")
        c.read_head()
        stopping = threading.Thread(target=sluice.stop, kwargs={"seconds": 30})
        stopping.start()
        assert len(c.read_exactly(40000)) == 40000
        stopping.join()


def test_and_gives_it_up_at_the_end(site):
    sluice, _ = site.simple(annotations={"limit-rate": "1", "proxy-buffering": "on"}, options={"worker-shutdown-timeout": "1s"})
    with sluice.raw(timeout=30) as c:
        c.send("GET /?size=1000000 HTTP/1.1\r\nHost: app.example\r\n\r\n")
        c.read_head()
        assert sluice.stop(seconds=20) == 0
        assert len(c.read_all()) < 1000000
