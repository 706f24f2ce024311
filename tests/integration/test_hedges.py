"""hedge-delay: a second pod is asked beside one that does not answer, and the first answer counts."""
import re
import subprocess
import time

import pytest

from fastcgi_pod import FastcgiPod
from h2pod import H2Pod
from h2raw import Http2
from harness import SLUICE, never_accepts, read_request, wait_for
from middle import H2_OPTIONS

LOOPBACK = {"allow-destinations": "127.0.0.0/8"}
CANCEL = 8  # RFC 9113 section 7
HEDGED = {"hedge-delay": "200ms"}
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"


class Pod:
    """Keeps what it was asked; `answer`: what it says at once, nothing: it waits until it is left alone."""

    def __init__(self, site, answer=None):
        self.asked, self.raw, self.left, self.answer = [], [], 0, answer
        self.address = site.scripted(self.serve).address

    def serve(self, sock, _):
        while r := read_request(sock):
            self.asked.append((*r[0].split("\r\n")[0].split(" ")[:2], r[1]))
            self.raw.append(r[0])
            if self.answer is not None:
                sock.sendall(self.answer)
                continue
            try:
                assert sock.recv(1) == b""
            finally:
                self.left += 1
            return


def hedges(sluice, result):
    return sluice.metric("sluice_hedges_total", result=result)


def start(site, annotations=None, options=None, **kw):
    slow, good = Pod(site), Pod(site, GOOD)
    site.app("app.example", [slow.address, good.address], annotations=HEDGED | (annotations or {}), **kw)
    return site.sluice(options=H2_OPTIONS | (options or {})), slow, good


@pytest.mark.parametrize("version", ["h1", "h2"])
def test_the_other_pod_answers_and_the_slow_one_is_left(site, version):
    sluice, slow, good = start(site)
    begin = time.monotonic()
    with sluice.raw() if version == "h1" else Http2(sluice.http) as c:
        for i in range(8):
            a = c.get(f"/{i}", "app.example") if version == "h1" else c.done(c.request(f"/{i}"))
            assert (a.status, bytes(a.body)) == (200, b"good")
    # By turns: a hedge is a turn too, so that each later request begins at the slow one, or every other one does.
    assert len(slow.asked) in range(4, 9) and time.monotonic() - begin > 0.2 * len(slow.asked)
    assert len(good.asked) == 8, "each of them once"
    wait_for(lambda: slow.left == len(slow.asked), "all of its connections are closed")
    assert hedges(sluice, "won") == len(slow.asked)
    assert [hedges(sluice, r) for r in ("lost", "failed", "over_budget", "limited")] == [0, 0, 0, 0]
    assert sluice.metric("sluice_upstream_retries_total") == 0
    sluice.wait_access(rf'" 200 .*{re.escape(slow.address)}, {re.escape(good.address)} \d+, \d+ [\d.]+, [\d.]+ -, 200 ')


def test_both_get_the_same_request(site):
    """Whatever a route adds, takes away or writes anew."""
    users = site.scripted(lambda sock, _: [sock.sendall(b"HTTP/1.1 200 OK\r\nX-User: ada\r\nContent-Length: 0\r\n\r\n") for _ in iter(lambda: read_request(sock), None)])
    sluice, slow, good = start(site, {
        "auth-url": f"http://{users.address}/", "auth-response-headers": "X-User", "rewrite-target": "/new/$1", "use-regex": "true",
        "upstream-vhost": "pod.example", "x-forwarded-prefix": "/old", "proxy-next-upstream": "error timeout non_idempotent"},
        LOOPBACK | {"proxy-add-original-uri-header": "true"}, paths=[("/old/(.*)", "ImplementationSpecific")])
    with sluice.raw() as c:
        for i in range(2):
            assert c.get(f"/old/a?b={i}", "app.example", "POST", ["Cookie: a=1", "X-Own: 2", "TE: trailers", "X-User: mallory", "Accept: */*"], b"the body").status == 200
    assert slow.asked
    twin = {r.split("\r\n")[0]: r for r in good.raw}
    for raw, asked in zip(slow.raw, slow.asked):
        assert twin[raw.split("\r\n")[0]] == raw
        assert asked[2] == b"the body"


def test_what_may_not_be_sent_twice_is_not(site):
    """And one that may, at pods that take their time, is."""
    pods = [site.pod(f"p{i}") for i in range(2)]
    site.app("app.example", [p.address for p in pods], annotations=HEDGED)
    sluice = site.sluice()
    with sluice.raw() as c:
        assert c.get("/?delay=500", "app.example", "POST", body=b"hello").status == 200
        assert sum(p.stats()["requests"] for p in pods) == 1
        assert c.get("/?delay=500", "app.example", "PUT", body=b"hello").status == 200
        assert sum(p.stats()["requests"] for p in pods) == 3
    assert hedges(sluice, "won") + hedges(sluice, "lost") == 1


def test_the_budget_bounds_it(site):
    sluice, slow, good = start(site, {"proxy-read-timeout": "1"}, {"retry-budget-min-rate": "0", "retry-budget-percent": "10"})
    with sluice.raw() as c:
        statuses = [c.get(f"/{i}", "app.example").status for i in range(4)]
    assert hedges(sluice, "over_budget") >= 2 and sum(hedges(sluice, r) for r in ("won", "lost", "failed")) == 0
    assert sorted(statuses) == [200, 200, 504, 504] and len(slow.asked) == 2, "by turns"


def test_pods_of_http2(site):
    """The stream of the loser is cancelled; its connection carries the next ones."""
    slow = site.add(H2Pod(lambda _, call: None))
    good = site.add(H2Pod(lambda _, call: call.head(("x-pod", "good")).data(b"good", end=True)))
    site.app("app.example", [slow.address, good.address], annotations=HEDGED | {"backend-protocol": "GRPC"})
    sluice = site.sluice(options=H2_OPTIONS)
    with sluice.raw() as c:
        for i in range(4):
            a = c.get(f"/{i}", "app.example", headers=["X-Own: 1"])
            assert (a.status, a.get("x-pod"), a.body) == (200, "good", b"good")
    with Http2(sluice.http) as c:
        for i in range(4):
            assert bytes(c.done(c.request(f"/h2/{i}")).body) == b"good"
    wait_for(lambda: all(call.code == CANCEL for call in slow.calls), "its streams are reset")
    assert len(slow.calls) >= 4 and slow.connections == good.connections == 1
    assert hedges(sluice, "won") == len(slow.calls) and len(good.calls) == 8
    twin = {call.get(":path"): call.headers for call in good.calls}
    assert all(call.headers == twin[call.get(":path")] for call in slow.calls)


def test_pods_of_fastcgi(site):
    asked, left, twins = [], [], {}

    def hang(conn):
        conn.body()
        asked.append(conn.params)
        assert conn.sock.recv(1) == b""
        left.append(conn)

    def good(conn):
        conn.body()
        twins[conn.params["REQUEST_URI"]] = conn.params
        conn.reply("Content-Type: text/plain", b"good")
    pods = [site.add(FastcgiPod(app)) for app in (hang, good)]
    site.app("app.example", [p.address for p in pods], annotations=HEDGED | {"backend-protocol": "FCGI"})
    sluice = site.sluice()
    with sluice.raw() as c:
        for i in range(4):
            a = c.get(f"/{i}", "app.example", "PUT", ["X-Own: 1"], b"the body")
            assert (a.status, a.body) == (200, b"good")
    wait_for(lambda: len(left) == len(asked) > 0, "its connections are closed")
    assert hedges(sluice, "won") == len(asked)
    assert all(params == twins[params["REQUEST_URI"]] for params in asked)


def test_the_first_one_may_win(site):
    pods = [site.add(H2Pod(lambda _, call: None)) for _ in range(2)]
    site.app("app.example", [p.address for p in pods], annotations=HEDGED | {"backend-protocol": "GRPC"})
    sluice = site.sluice(options=H2_OPTIONS)
    with sluice.raw() as c:
        c.send(b"GET / HTTP/1.1\r\nHost: app.example\r\n\r\n")
        wait_for(lambda: pods[0].calls or pods[1].calls, "the first one has it")
        first, second = (pods[0], pods[1]) if pods[0].calls else (pods[1], pods[0])
        wait_for(lambda: second.calls, "the second one has it")
        first.calls[0].head().data(b"first", end=True)
        a = c.answer()
        assert (a.status, a.body) == (200, b"first")
    wait_for(lambda: second.calls[0].code == CANCEL, "its stream is reset")
    assert first.calls[0].code is None and hedges(sluice, "lost") == 1


def test_a_call_of_grpc_that_may_be_sent_twice(site):
    """A unary one whose request is here; and one that is not marked so is sent once."""
    def answer(_, call):
        call.head(("content-type", "application/grpc")).data(b"\0\0\0\0\2hi").end(("grpc-status", "0"))
    slow, good = site.add(H2Pod(lambda _, call: None)), site.add(H2Pod(answer))
    grpc = {"backend-protocol": "GRPC", "proxy-read-timeout": "2"}
    site.app("again.example", [slow.address, good.address], name="again", annotations=HEDGED | grpc | {"proxy-next-upstream": "error timeout non_idempotent"})
    site.app("once.example", [slow.address, good.address], name="once", annotations=HEDGED | grpc)
    sluice = site.sluice(options=H2_OPTIONS)
    fields = [("content-type", "application/grpc"), ("te", "trailers")]
    with Http2(sluice.http) as c:
        for _ in range(2):
            a = c.done(c.request("/a.B/C", "again.example", "POST", fields, b"\0\0\0\0\2ho"))
            assert bytes(a.body) == b"\0\0\0\0\2hi" and ("grpc-status", "0") in [tuple(t) for t in a.trailers]
        made = hedges(sluice, "won")
        assert made == len(slow.calls) >= 1 and all(call.body == b"\0\0\0\0\2ho" for call in slow.calls)
        for _ in range(2):
            c.done(c.request("/a.B/C", "once.example", "POST", fields, b"\0\0\0\0\2ho"))
        assert hedges(sluice, "won") == made


@pytest.mark.parametrize("version", ["h1", "h2"])
def test_a_client_that_leaves_ends_both(site, version):
    pods = [Pod(site) for _ in range(2)]
    site.app("app.example", [p.address for p in pods], annotations=HEDGED)
    sluice = site.sluice(options=H2_OPTIONS)
    with sluice.raw() if version == "h1" else Http2(sluice.http) as c:
        if version == "h1":
            c.send(b"GET / HTTP/1.1\r\nHost: app.example\r\n\r\n")
        else:
            stream = c.request("/")
        wait_for(lambda: pods[0].asked and pods[1].asked, "both have it")
        if version == "h1":
            c.reset()
        else:
            c.reset(stream)
        wait_for(lambda: pods[0].left == pods[1].left == 1, "both are left alone")
    wait_for(lambda: hedges(sluice, "lost") == 1, "nobody has won")
    sluice.wait_access(r'" 499 ')


def test_the_connect_counts(site):
    full, sockets = never_accepts()
    good = Pod(site, GOOD)
    site.app("app.example", [full, good.address], annotations=HEDGED)
    sluice = site.sluice()
    begin = time.monotonic()
    with sluice.raw() as c:
        assert [c.get("/", "app.example").status for _ in range(4)] == [200] * 4
    assert time.monotonic() - begin < 4 and hedges(sluice, "won") >= 2, "the connect would take five seconds"
    for s in sockets:
        s.close()


def test_an_unwanted_answer_does_not_win(site):
    busy, good = Pod(site, b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"), site.pod("good")
    site.app("app.example", [good.address, busy.address], annotations=HEDGED | {"proxy-next-upstream": "error timeout http_503"})
    sluice = site.sluice()
    with sluice.raw() as c:
        answers = [c.get("/?delay=400", "app.example") for _ in range(4)]
    assert [a.status for a in answers] == [200] * 4
    assert busy.asked


def test_all_routes_by_the_configmap_and_none_by_the_annotation(site):
    pods = [site.pod(f"p{i}") for i in range(2)]
    site.app("app.example", [p.address for p in pods], name="app")
    site.app("off.example", [p.address for p in pods], name="off", annotations={"hedge-delay": "0"})
    site.app("bad.example", [p.address for p in pods], name="bad", annotations={"hedge-delay": "soon"})
    sluice = site.sluice(options={"hedge-delay": "200ms"})
    with sluice.raw() as c:
        assert c.get("/?delay=400", "off.example").status == 200
        assert hedges(sluice, "lost") + hedges(sluice, "won") == 0
        assert c.get("/?delay=400", "app.example").status == 200
        assert hedges(sluice, "lost") + hedges(sluice, "won") == 1
    assert [e["value"] for e in sluice.config()["report"] if e["field"] == "metadata.annotations[hedge-delay]"] == ["soon"]
    out = subprocess.run([SLUICE, "explain", site.manifests.root, "GET", "http://off.example/", "--set", "hedge-delay=100ms"], capture_output=True, text=True, timeout=30).stdout
    assert "hedge-delay = 0  (annotation hedge-delay; without it 100ms)" in out, out


def test_sessions_stay_at_their_pod(site):
    pods = [site.pod(f"p{i}") for i in range(2)]
    site.app("app.example", [p.address for p in pods], annotations=HEDGED | {"affinity": "cookie", "session-cookie-change-on-failure": "true"})
    sluice = site.sluice()
    with sluice.raw() as c:
        a = c.get("/?delay=400", "app.example")
        cookie = a.get("set-cookie").split(";")[0]
        assert c.get("/?delay=400", "app.example", headers=[f"Cookie: {cookie}"]).status == 200
    assert sum(p.stats()["requests"] for p in pods) == 2


def test_who_is_asked_beside_is_asked_once(site):
    """The service of auth-url and a mirror, which take their time, are no pods of the route."""
    pods = [Pod(site, GOOD) for _ in range(2)]
    asked = []

    def take_time(sock, _):
        while r := read_request(sock):
            asked.append(r[0].split(" ")[1])
            time.sleep(0.4)
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    other = site.scripted(take_time)
    site.app("app.example", [p.address for p in pods], annotations=HEDGED | {"auth-url": f"http://{other.address}/who", "mirror-target": f"http://{other.address}/copy"})
    sluice = site.sluice(options=LOOPBACK)
    assert sluice.get("/", "app.example").status == 200
    wait_for(lambda: sluice.metric("sluice_mirrored_requests_total", result="answered") == 1, "the copy has its answer")
    assert sorted(asked) == ["/copy", "/who"] and len(pods[0].asked + pods[1].asked) == 1
    assert sum(hedges(sluice, r) for r in ("won", "lost", "failed")) == 0


def test_the_end_of_the_process_gives_both_up(site):
    pods = [Pod(site) for _ in range(2)]
    site.app("app.example", [p.address for p in pods], annotations=HEDGED)
    sluice = site.sluice(options={"worker-shutdown-timeout": 1})
    with sluice.raw() as c:
        c.send(b"GET / HTTP/1.1\r\nHost: app.example\r\n\r\n")
        wait_for(lambda: pods[0].asked and pods[1].asked, "both have it")
        sluice.stop()
    wait_for(lambda: pods[0].left == pods[1].left == 1, "both are left alone")
