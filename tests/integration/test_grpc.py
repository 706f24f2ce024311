"""gRPC through the proxy with the gRPC project's own Python client and server; the same over h2c and TLS."""
import hashlib
import threading
import time

import pytest

import h2raw
from grpc_pod import HOST, Client, GrpcPod, grpc
from h2pod import H2Pod
from harness import SLOW, body_of, certificate, free_port, wait_for
from middle import middle


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    from conftest import Site
    site = Site(tmp_path_factory.mktemp("grpc"))
    pod = site.add(GrpcPod())
    proxy = middle(site, pod, HOST, grpc=True, annotations={"proxy-body-size": "0"})
    yield proxy, pod
    site.stop()


@pytest.fixture(params=["h2c", "tls"])
def client(running, request):
    c = Client(running[0], request.param == "tls")
    yield c
    c.channel.close()


T = 20 * SLOW


def test_unary_with_metadata(running, client):
    proxy, pod = running
    reply, call = client.unary.with_call(b"hello", timeout=T, metadata=[("x-ascii", "a b"), ("x-bytes-bin", b"\0\1\xfe\xff")])
    assert reply == b"hello" and call.code() == grpc.StatusCode.OK
    seen = pod.service.metadata
    assert seen["x-ascii"] == "a b" and seen["x-bytes-bin"] == b"\0\1\xfe\xff"
    first, last = dict(call.initial_metadata()), dict(call.trailing_metadata())
    assert first["x-first"] == "1" and first["x-first-bin"] == b"\0\xff\1"
    assert last["x-last"] == "2" and last["x-last-bin"] == b"\xff\0"


@pytest.mark.parametrize("size", [0, 1, 16383, 16384, 65536, 1 << 20, 20 << 20])
def test_messages_of_every_size(client, size):
    body = body_of("g", min(size, 4096)).ljust(size, b"z")
    assert client.unary(body, timeout=T) == body


def test_client_streaming(client):
    messages = [body_of(f"c{i}", i % 3000) for i in range(1000)]
    assert client.collect(iter(messages), timeout=T) == f"1000 {hashlib.sha256(b''.join(messages)).hexdigest()}".encode()


def test_server_streaming(client):
    got = list(client.spread(b"1000 2000", timeout=T))
    assert len(got) == 1000 and got[7] == body_of("m7", 1000).ljust(2000, b".")


def test_both_ways_by_turns(client):
    """Each message is sent only after the answer to the one before: nothing is held back on the way."""
    turn = threading.Semaphore(1)

    def ask():
        for i in range(300):
            assert turn.acquire(timeout=T)
            yield b"%d" % i
    n = 0
    for reply in client.chat(ask(), timeout=2 * T):
        assert reply == b"%d" % n
        n += 1
        turn.release()
    assert n == 300


def test_empty_stream(client):
    assert list(client.chat(iter(()), timeout=T)) == []


def test_many_calls_at_once(client):
    calls = [client.unary.future(b"x%d" % i, timeout=T) for i in range(500)]
    assert [c.result() for c in calls] == [b"x%d" % i for i in range(500)]


@pytest.mark.parametrize("code", [c for c in grpc.StatusCode if c is not grpc.StatusCode.OK], ids=lambda c: c.name)
def test_status_and_message_of_the_server(client, code):
    message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈 100%\t\n" if code is grpc.StatusCode.UNKNOWN else f"why {code.name}"
    with pytest.raises(grpc.RpcError) as e:
        client.fail(f"{code.value[0]} {message}".encode(), timeout=T)
    assert e.value.code() == code and e.value.details() == message
    assert ("x-why", "because") in [tuple(x) for x in e.value.trailing_metadata()]


def test_status_after_messages(client):
    call = client.fail_late(b"9 late", timeout=T)
    assert [next(call), next(call)] == [b"one", b"two"]
    with pytest.raises(grpc.RpcError) as e:
        next(call)
    assert e.value.code() == grpc.StatusCode.FAILED_PRECONDITION and e.value.details() == "late"


def test_unknown_method_of_the_server(client):
    with pytest.raises(grpc.RpcError) as e:
        client.missing(b"", timeout=T)
    assert e.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_deadline(running, client):
    service = running[1].service
    service.cancelled.clear()
    service.remaining.clear()
    begin = time.monotonic()
    with pytest.raises(grpc.RpcError) as e:
        list(client.hold(b"deadline", timeout=0.5))
    assert e.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED and time.monotonic() - begin < 5 * SLOW
    assert 0 < service.remaining[0] < 0.6, "the server knows the deadline"
    wait_for(lambda: service.cancelled == [b"deadline"], "the server is told")


def test_cancellation_by_the_client_reaches_the_server(running, client):
    service = running[1].service
    service.cancelled.clear()
    call = client.hold(b"give up", timeout=T)
    assert next(call) == b"begun"
    call.cancel()
    begin = time.monotonic()
    wait_for(lambda: service.cancelled == [b"give up"], "the server is told", 5)
    assert time.monotonic() - begin < 2 * SLOW
    assert client.unary(b"next", timeout=T) == b"next"


def test_a_slow_reader_stops_the_server_and_nobody_else(running, client):
    """400 messages of 64 KiB that nobody reads at first: the server is stopped by the windows, and other calls go on."""
    proxy, pod = running
    pod.service.produced = 0
    before = proxy.rss_kb()
    call = client.spread(b"400 65536", timeout=3 * T)
    first = next(call)
    for i in range(50):
        assert client.unary(b"beside", timeout=T) == b"beside"
    proxy.expect_growth_below(16384, before, "what the proxy holds for it")
    rest = list(call)
    assert len(first) == 65536 and len(rest) == 399 and pod.service.produced == 400


def test_a_slow_server_stops_the_client(client):
    messages = (b"y" * 65536 for _ in range(200))
    assert client.slow_reader(messages, timeout=3 * T) == b"13107200"


def test_hours_without_a_message_is_no_error(running, client):
    """A stream that rests longer than what bodies are granted for a pause; the short form of it."""
    call = client.hold(b"rest", timeout=T)
    assert next(call) == b"begun"
    ready = threading.Event()
    call.add_callback(ready.set)
    assert not ready.wait(1.0), "the stream was ended"
    call.cancel()


# ---- when the server is not there, or speaks something else ---------------------------------------------------------------

def outcome(proxy, tls=False, host=HOST, **kw):
    c = Client(proxy, tls, host)
    try:
        with pytest.raises(grpc.RpcError) as e:
            c.unary(b"x", timeout=T, **kw)
        return e.value.code(), e.value.details()
    finally:
        c.channel.close()


@pytest.mark.parametrize("tls", [False, True], ids=["h2c", "tls"])
def test_pod_that_is_down(site, tls):
    proxy = middle(site, f"127.0.0.1:{free_port()}", HOST, grpc=True)
    code, details = outcome(proxy, tls)
    assert code == grpc.StatusCode.UNAVAILABLE, details


def test_no_endpoint(site):
    pod = site.add(GrpcPod())
    proxy = middle(site, pod, HOST, grpc=True)
    site.app("empty.example", [], annotations={"backend-protocol": "GRPC"})
    wait_for(lambda: outcome(proxy, host="empty.example")[0] == grpc.StatusCode.UNAVAILABLE, "the host is known and has no endpoint")


def test_no_route(running):
    code, details = outcome(running[0], host="unknown.example")
    assert code == grpc.StatusCode.UNIMPLEMENTED, details


@pytest.mark.parametrize("status,code", [(400, "INTERNAL"), (401, "UNAUTHENTICATED"), (403, "PERMISSION_DENIED"), (404, "UNIMPLEMENTED"), (429, "UNAVAILABLE"),
                                         (500, "UNKNOWN"), (502, "UNAVAILABLE"), (503, "UNAVAILABLE"), (504, "UNAVAILABLE")])
def test_pod_that_answers_in_plain_http(site, status, code):
    """The mapping of the gRPC project (http-grpc-status-mapping.md), whether made by the client or by us."""
    pod = site.add(H2Pod(lambda pod, call: call.head(("content-type", "text/html"), status=status).data(b"<html>no</html>", end=True)))
    assert outcome(middle(site, pod, HOST, grpc=True))[0].name == code


def test_server_that_speaks_tls(site):
    cert, key = certificate("pod.example")
    pod = site.add(GrpcPod(grpc.ssl_server_credentials([(key.encode(), cert.encode())])))
    c = Client(middle(site, pod, HOST, grpc=True, annotations={"backend-protocol": "GRPCS"}), True)
    assert c.unary(b"sealed", timeout=T) == b"sealed"
    assert list(c.chat(iter([b"a", b"b"]), timeout=T)) == [b"a", b"b"]
    c.channel.close()


@pytest.mark.parametrize("reset,code", [(h2raw.NO_ERROR, "INTERNAL"), (h2raw.INTERNAL_ERROR, "INTERNAL"), (h2raw.CANCEL, "CANCELLED"),
                                        (h2raw.ENHANCE_YOUR_CALM, "RESOURCE_EXHAUSTED"), (h2raw.INADEQUATE_SECURITY, "PERMISSION_DENIED")])
def test_reset_by_the_server_keeps_its_code(site, reset, code):
    def answer(pod, call):
        call.head(("content-type", "application/grpc")).data(b"\0\0\0\0\1a")
        call.reset(reset)
    pod = site.add(H2Pod(answer))
    proxy = middle(site, pod, HOST, grpc=True)
    c = Client(proxy, False)
    call = c.spread(b"", timeout=T)
    with pytest.raises(grpc.RpcError) as e:
        list(call)
    assert e.value.code().name == code, e.value.details()
    c.channel.close()
    with h2raw.Http2(proxy.http) as raw:
        stream = raw.done(raw.request("/test.Echo/spread", HOST, "POST", [("content-type", "application/grpc"), ("te", "trailers")], body=b"\0\0\0\0\0"))
        assert stream.code == reset, stream


def test_refused_stream_is_tried_again(site):
    """REFUSED_STREAM says that nothing was done: another attempt is safe for any method."""
    def answer(pod, call):
        if len(pod.calls) == 1:
            return call.reset(h2raw.REFUSED_STREAM)
        call.head(("content-type", "application/grpc")).data(b"\0\0\0\0\2ok").end(("grpc-status", "0"))
    pod = site.add(H2Pod(answer))
    proxy = middle(site, pod, HOST, grpc=True)
    c = Client(proxy, False)
    assert c.unary(b"x", timeout=T) == b"ok" and len(pod.calls) == 2
    c.channel.close()


def test_client_cancel_is_rst_cancel_at_the_pod(site):
    pod = site.add(H2Pod(lambda pod, call: call.head(("content-type", "application/grpc"))))
    proxy = middle(site, pod, HOST, grpc=True)
    with h2raw.Http2(proxy.http) as c:
        stream = c.request("/test.Echo/hold", HOST, "POST", [("content-type", "application/grpc"), ("te", "trailers")], body=b"\0\0\0\0\0")
        call = pod.wait_call()
        c.wait(lambda: stream.headers, "the head")
        c.reset(stream, h2raw.CANCEL)
        wait_for(lambda: call.code == h2raw.CANCEL, "RST_STREAM with CANCEL at the pod")
        assert not call.gone, "the connection to the pod goes on"


def test_what_a_grpc_pod_sees(site):
    def answer(pod, call):
        call.head(("content-type", "application/grpc"), ("grpc-status", "0"), end=True)
    pod = site.add(H2Pod(answer))
    proxy = middle(site, pod, HOST, grpc=True)
    with h2raw.Http2(proxy.http) as c:
        fields = [("content-type", "application/grpc+proto"), ("te", "trailers"), ("grpc-timeout", "5S"), ("grpc-encoding", "identity"), ("user-agent", "t/1")]
        stream = c.done(c.request("/a.B/C", HOST, "POST", fields, body=b"\0\0\0\0\0"))
        assert stream.get("grpc-status") == "0" and not stream.body and not stream.trailers, "trailers-only stays one HEADERS"
    call = pod.wait_call()
    assert [call.get(n) for n in (":method", ":path", ":authority", "te", "grpc-timeout", "content-type")] == \
        ["POST", "/a.B/C", HOST, "trailers", "5S", "application/grpc+proto"]
    assert call.body == b"\0\0\0\0\0" and call.get(":scheme") in ("http", "https")
    assert not {"connection", "host", "transfer-encoding"} & {n for n, _ in call.headers}


def test_early_answer_of_the_server(site):
    """An error before the request's body is complete, then RST_STREAM NO_ERROR: the client sees the status, not the reset."""
    def answer(pod, call):
        call.head(("content-type", "application/grpc"), ("grpc-status", "8"), ("grpc-message", "enough"), end=True)
        call.reset(h2raw.NO_ERROR)
    pod = site.add(H2Pod(answer, whole=False))
    proxy = middle(site, pod, HOST, grpc=True)
    c = Client(proxy, False)
    go = threading.Event()

    def forever():
        yield b"first"
        go.wait(T)
    call = c.collect.future(forever(), timeout=T)
    assert call.code() == grpc.StatusCode.RESOURCE_EXHAUSTED and call.details() == "enough"
    go.set()
    c.channel.close()


def test_goaway_of_the_server_hurts_no_call(site):
    """A server that ends each connection politely after some five calls."""
    def answer(pod, call):
        call.head(("content-type", "application/grpc")).data(b"\0\0\0\0\2ok")
        call.end(("grpc-status", "0"))
        known = [c for c in list(pod.calls) if c.connection == call.connection]
        if len(known) >= 5 and all(c.ended for c in known):
            call.goaway(last=call.stream)  # what came in the same bytes was not begun
    pod = site.add(H2Pod(answer))
    proxy = middle(site, pod, HOST, grpc=True)
    c = Client(proxy, False)
    for _ in range(60):
        assert c.unary(b"x", timeout=T) == b"ok"
    calls = [c.unary.future(b"x", timeout=T) for _ in range(60)]
    assert all(call.result() == b"ok" for call in calls)
    assert pod.connections >= 5
    c.channel.close()
