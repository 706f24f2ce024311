"""proxy-next-upstream: after what another pod is asked, and what the client gets when none is left."""
import re
import threading
import time

import pytest

from h2pod import H2Pod
from h2raw import Http2
from harness import read_request, wait_for
from middle import H2_OPTIONS

CANCEL = 8  # RFC 9113 section 7
TIMES = {"proxy-read-timeout": "1"}


class Answers:
    """A pod that gives one answer to all, and keeps what it was asked."""

    def __init__(self, site, answer):
        self.asked, self.answer = [], answer
        self.address = site.scripted(self.serve).address

    def serve(self, sock, _):
        while r := read_request(sock):
            self.asked.append((*r[0].split("\r\n")[0].split(" ")[:2], r[1]))
            if self.answer is None:  # a timeout
                sock.recv(1)
                return
            if not self.answer:
                return
            sock.sendall(self.answer)
            if b"\r\n\r\n" not in self.answer:
                return


def status(code, body=b"of the pod", extra=b""):
    return b"HTTP/1.1 %d Whatever\r\nContent-Length: %d\r\nX-From: %d\r\n%s\r\n%s" % (code, len(body), code, extra, body)


GOOD = status(200, b"good")


def pods(site, bad, words, more=None, count=2):
    """`count` pods that answer `bad` and one that is good; the bad ones are asked first or second."""
    made = [Answers(site, bad) for _ in range(count)]
    good = Answers(site, GOOD)
    site.app("app.example", [p.address for p in [*made, good]], annotations={**({"proxy-next-upstream": words} if words else {}), **(more or {})})
    return made, good


@pytest.mark.parametrize("code", [403, 404, 429, 500, 502, 503, 504])
def test_a_status_that_is_listed_goes_to_the_next(site, code):
    bad, good = pods(site, status(code), f"http_{code}")
    sluice = site.sluice()
    for i in range(6):
        assert sluice.get(f"/{i}", "app.example").body == b"good"
    assert len(good.asked) == 6 and sum(len(p.asked) for p in bad) > 0
    sluice.wait_access(rf'" 200 .* {code}, (?:{code}, )?200 ')


@pytest.mark.parametrize("code", [500, 503, 501, 400, 404])
def test_one_that_is_not_listed_is_the_answer(site, code):
    bad, good = pods(site, status(code), "error timeout http_502", count=1)
    sluice = site.sluice()
    seen = [sluice.get(f"/{i}", "app.example") for i in range(6)]
    assert sorted({a.status for a in seen}) == sorted({200, code})
    assert len(bad[0].asked) == 3 and len(good.asked) == 3


def test_the_last_pods_own_answer_is_passed_on(site):
    made = [Answers(site, status(503, b"pod %d" % i)) for i in range(4)]
    site.app("app.example", [p.address for p in made], annotations={"proxy-next-upstream": "http_503"})
    sluice = site.sluice()
    a = sluice.get("/", "app.example")
    assert a.status == 503 and re.fullmatch(rb"pod \d", a.body) and a.get("x-from") == "503"
    assert sum(len(p.asked) for p in made) == 3
    assert sluice.metric("sluice_upstream_retries_total") == 2


def test_a_single_pod_is_asked_again(site):
    pod = Answers(site, status(503))
    site.app("app.example", [pod.address], annotations={"proxy-next-upstream": "http_503"})
    assert site.sluice().get("/", "app.example").body == b"of the pod"
    assert len(pod.asked) == 3


@pytest.mark.parametrize("words,asked", [("http_503", 1), ("http_503 non_idempotent", 3)])
def test_post_goes_again_only_where_that_is_said(site, words, asked):
    made = [Answers(site, status(503)) for _ in range(3)]
    site.app("app.example", [p.address for p in made], annotations={"proxy-next-upstream": words})
    a = site.sluice().get("/", "app.example", method="POST", body=b"pay")
    assert a.status == 503 and [r for p in made for r in p.asked] == [("POST", "/", b"pay")] * asked


def test_post_goes_again_where_the_config_map_says_so(site):
    made = [Answers(site, status(500)) for _ in range(3)]
    site.app("app.example", [p.address for p in made])
    sluice = site.sluice(options={"proxy-next-upstream": "error timeout http_500", "retry-non-idempotent": "true", "proxy-next-upstream-tries": 2})
    assert sluice.get("/", "app.example", method="POST", body=b"pay").status == 500
    assert sum(len(p.asked) for p in made) == 2


def test_the_whole_body_goes_again_with_its_trailers(site):
    bad, good = pods(site, status(503), "http_503")
    sluice = site.sluice()
    for i in range(3):
        with sluice.raw() as c:
            c.send("PUT /%d HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n" % i)
            assert c.answer().body == b"good"
            assert c.get("/", "app.example").body == b"good"  # the connection goes on
    assert all(b"hello" in r[2] for p in [*bad, good] for r in p.asked if r[0] == "PUT")


@pytest.mark.parametrize("size", [10, 60000])
def test_a_small_body_goes_again_however_it_comes(site, size):
    """What was sent of it is kept; the rest goes to the next pod alone."""
    bad, good = pods(site, status(503), "http_503")
    sluice = site.sluice()
    for i in range(3):
        with sluice.raw() as c:
            c.send(f"PUT /{i} HTTP/1.1\r\nHost: app.example\r\nContent-Length: {size}\r\n\r\n")
            c.send("a" * (size // 2))
            wait_for(lambda: sluice.metric("sluice_requests_active") == 1, "it runs")
            c.send("b" * (size // 2))
            assert c.answer().body == b"good"
    assert [r[2] for r in good.asked] == [b"a" * (size // 2) + b"b" * (size // 2)] * 3


def test_a_body_that_is_under_way_is_not_sent_again(site):
    bad, good = pods(site, status(503), "http_503")
    sluice = site.sluice()
    for i in range(3):
        with sluice.raw() as c:
            c.send(f"PUT /{i} HTTP/1.1\r\nHost: app.example\r\nContent-Length: 100000\r\n\r\n")
            c.send("x" * 100000)
            assert c.answer().status in (200, 503)
    assert len([r for p in [*bad, good] for r in p.asked]) == 3


@pytest.mark.parametrize("what,bad,word,without", [("closed", b"", "error", 502), ("timeout", None, "timeout", 504),
                                                   ("closed inside the head", b"HTTP/1.1 200 OK\r\nX-", "error", 502),
                                                   ("no header", b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "invalid_header", 502),
                                                   ("too large", status(200, extra=b"X-L: " + b"l" * 9000 + b"\r\n"), "invalid_header", 502)])
def test_each_condition(site, what, bad, word, without):
    """Where it is listed, another pod answers; where it is not, that is the end."""
    for words, more in ((word, {}), (" ".join({"error", "timeout", "invalid_header", "http_503"} - {word}), {}), ("off", {})):
        made = [Answers(site, bad) for _ in range(2)]
        good = Answers(site, GOOD)
        site.app("app.example", [p.address for p in [*made, good]], annotations={"proxy-next-upstream": words, **TIMES, **more})
        sluice = site.sluice()
        seen = {sluice.get(f"/{i}", "app.example").status for i in range(3)}
        assert seen == ({200} if words == word else {200, without}), (words, seen)
        sluice.stop()


def test_refused_is_an_error_too(site):
    dead = site.scripted(lambda *_: None)
    dead.stop()
    good = Answers(site, GOOD)
    site.app("app.example", [dead.address, good.address], annotations={"proxy-next-upstream": "off"})
    sluice = site.sluice()
    assert {sluice.get("/", "app.example").status for _ in range(4)} == {200, 502}


@pytest.mark.parametrize("words,answered", [("error", True), ("off", False)])
def test_a_stale_connection_is_an_error(site, words, answered):
    """The pod closes instead of answering a second request; a new connection is made where `error` is listed."""
    def serve(sock, number):
        read_request(sock)
        sock.sendall(GOOD)
        read_request(sock)
    pod = site.scripted(serve)
    site.app("app.example", [pod.address], annotations={"proxy-next-upstream": words})
    sluice = site.sluice()
    assert sluice.get("/", "app.example").status == 200
    assert sluice.get("/", "app.example").status == (200 if answered else 502)
    assert pod.connections == (2 if answered else 1)


def test_no_new_try_after_the_time(site):
    made = [Answers(site, None) for _ in range(4)]
    site.app("app.example", [p.address for p in made],
             annotations={"proxy-next-upstream": "timeout", "proxy-next-upstream-tries": "0", "proxy-next-upstream-timeout": "1", **TIMES})
    begin = time.monotonic()
    assert site.sluice().get("/", "app.example").status == 504
    assert time.monotonic() - begin < 10 and sum(len(p.asked) for p in made) in (1, 2)


@pytest.mark.parametrize("version", ["h1", "h2"])
def test_clients_of_both_versions_and_a_connection_that_goes_on(site, version):
    bad, good = pods(site, status(503, b"x" * 50000), "http_503")
    sluice = site.sluice(options=H2_OPTIONS)
    with sluice.raw() if version == "h1" else Http2(sluice.http, timeout=20) as c:
        for i in range(6):
            assert bytes((c.get(f"/{i}", "app.example") if version == "h1" else c.done(c.request(f"/{i}"))).body) == b"good"
    wait_for(lambda: sluice.metric("sluice_requests_active") == 0, "all have ended")


def test_pods_of_http2(site):
    """The stream of an answer that is not wanted is reset; its connection carries the next ones."""
    bad = site.add(H2Pod(lambda _, call: call.head(status=503)))
    good = site.add(H2Pod(lambda _, call: call.head().data(b"good", end=True)))
    site.app("app.example", [bad.address, good.address], annotations={"backend-protocol": "GRPC", "proxy-next-upstream": "http_503"})
    sluice = site.sluice()
    assert {sluice.get(f"/{i}", "app.example").body for i in range(6)} == {b"good"}
    assert len(good.calls) == 6 and bad.calls and bad.connections == 1
    wait_for(lambda: all(call.code == CANCEL for call in bad.calls), "the streams are reset")


def test_an_answer_that_nobody_waits_for_any_more_is_logged_as_left(site):
    bad = Answers(site, status(503))
    slow = Answers(site, None)
    site.app("app.example", [bad.address, slow.address], annotations={"proxy-next-upstream": "http_503"})
    sluice = site.sluice()
    for i in range(2):
        with sluice.raw() as c:
            c.send(f"GET /{i} HTTP/1.1\r\nHost: app.example\r\n\r\n")
            wait_for(lambda i=i: ("GET", f"/{i}", b"") in slow.asked, "the slow one is asked")
    sluice.wait_access(r'"GET /1 HTTP/1.1" 499 ')


@pytest.mark.parametrize("words", ["http_505", "error,timeout", "errortimeout", "Error"])
def test_words_that_are_none_leave_the_default(site, words):
    bad, good = pods(site, status(503), words, count=1)
    sluice = site.sluice()
    assert {sluice.get(f"/{i}", "app.example").status for i in range(4)} == {200, 503}
    assert "proxy-next-upstream" in sluice.admin_get("/config").body.decode()


def answers_after(site, seconds):
    """Two pods that take their time; how many requests they got."""
    asked = []

    def serve(sock, _):
        while r := read_request(sock):
            asked.append(r[1])
            threading.Event().wait(seconds)
            sock.sendall(GOOD)
    return [site.scripted(serve).address for _ in range(2)], asked


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_try_has_the_usual_time_once_its_body_is_not_kept(site, framing):
    """proxy-next-upstream-try-timeout, 300 ms: no other pod could have what was sent, so that its end would end the request."""
    addresses, asked = answers_after(site, 0.8)
    site.app("app.example", addresses, annotations={"proxy-next-upstream-try-timeout": "300ms", "proxy-body-size": "8m"})
    sluice = site.sluice(options={"outlier-consecutive-failures": "1"})
    size = 70_000 if framing == "length" else 1_500_000
    with sluice.raw() as c:
        if framing == "length":
            c.send(b"PUT / HTTP/1.1\r\nHost: app.example\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
        else:
            c.send(b"PUT / HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % size + b"x" * size + b"\r\n0\r\n\r\n")
        assert c.answer("PUT").body == b"good"
    assert len(asked) == 1
    assert sluice.metric("sluice_upstream_retries_total") == 0 and sluice.metric("sluice_endpoint_ejections_total") == 0


def test_a_client_that_takes_its_time_is_no_pods_fault(site):
    """What it sends is small enough to be kept; the pod's 300 ms begin when it has the request."""
    addresses, asked = answers_after(site, 0)
    site.app("app.example", addresses, annotations={"proxy-next-upstream-try-timeout": "300ms"})
    sluice = site.sluice(options={"outlier-consecutive-failures": "1"})
    with sluice.raw() as c:
        c.send(b"PUT / HTTP/1.1\r\nHost: app.example\r\nContent-Length: 20\r\n\r\n")
        for _ in range(2):
            threading.Event().wait(0.8)  # the pace of the client
            c.send(b"x" * 10)
        assert c.answer("PUT").body == b"good"
    assert asked == [b"x" * 20]
    assert sluice.metric("sluice_upstream_retries_total") == 0 and sluice.metric("sluice_endpoint_ejections_total") == 0


def test_a_pod_is_late_once_it_has_the_request(site):
    addresses, asked = answers_after(site, 2)
    quick = Answers(site, GOOD)
    site.app("app.example", [addresses[0], quick.address], annotations={"proxy-next-upstream-try-timeout": "300ms"})
    sluice = site.sluice()
    for _ in range(2):  # by turns: one of them begins at the slow one, or both, as a further try is a turn as well
        with sluice.raw() as c:
            c.send(b"PUT / HTTP/1.1\r\nHost: app.example\r\nContent-Length: 20\r\n\r\n")
            threading.Event().wait(0.5)
            begun = time.monotonic()
            c.send(b"x" * 20)
            assert c.answer("PUT").body == b"good" and time.monotonic() - begun < 1.5
    assert asked in ([b"x" * 20], [b"x" * 20] * 2) and sluice.metric("sluice_upstream_retries_total") == len(asked)
