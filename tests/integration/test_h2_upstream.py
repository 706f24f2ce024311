"""HTTP/2 to pods, with clients of HTTP/1 in front: what crosses, how connections are shared, and what a pod may do wrong."""
import concurrent.futures
import signal
import socket
import ssl
import threading

import pytest

from h2pod import H2Pod
from harness import SLOW, body_of, certificate, need, wait_for

HOST = "app.example"
GRPC = {"backend-protocol": "GRPC"}


def echo(pod, call):
    call.head(("x-pod", "h2")).data(call.body or b"hello", end=True)


def start(site, answer=echo, whole=True, annotations=None, context=None, **kw):
    pod = site.add(H2Pod(answer, whole, context))
    site.app(HOST, pod.address, annotations=annotations or GRPC)
    return site.sluice(**kw), pod


def test_a_request_becomes_one_of_http2(site):
    proxy, pod = start(site)
    with proxy.raw() as c:
        a = c.get("/a/../b?q=1", HOST, "POST", ["Cookie: a=1; b=2", "Keep-Alive: 5", "Connection: x-hop", "X-Hop: 1", "TE: trailers", "X-Upper: Yes"], b"body")
    assert (a.status, a.get("x-pod"), a.body, a.reason) == (200, "h2", b"body", "OK")
    call = pod.calls[-1]
    assert [call.get(n) for n in (":method", ":scheme", ":authority", ":path")] == ["POST", "http", HOST, "/a/../b?q=1"]
    names = [n for n, _ in call.headers]
    assert not {"host", "connection", "keep-alive", "x-hop", "transfer-encoding", "upgrade"} & set(names)
    assert all(n == n.lower() for n in names)
    assert (call.get("cookie"), call.get("te"), call.get("x-upper"), call.get("content-length")) == ("a=1; b=2", "trailers", "Yes", "4")
    assert call.get("x-forwarded-proto") == "http" and call.get("x-real-ip") == "127.0.0.1"


def test_what_a_pod_says_twice_among_many_fields(site):
    """The last Content-Type and the first Location, as from a pod of HTTP/1; a length is found wherever it stands."""
    many = [(f"x-{i}", "1") for i in range(70)]

    def answer(pod, call):
        call.head(("content-type", "a/a"), ("location", "/a"), *many[:30], ("content-length", "5"), ("content-type", "b/b"), ("location", "/b"),
                  *many[30:]).data(b"hello", end=True)
    proxy, pod = start(site, answer)
    a = proxy.get("/", HOST)
    assert (a.status, a.body, a.all("content-type"), a.all("location"), a.all("content-length")) == (200, b"hello", ["b/b"], ["/a"], ["5"])
    assert sum(n.lower().startswith("x-") for n, _ in a.headers) >= 70


def test_trailers_cross_both_ways(site):
    def answer(pod, call):
        call.head().data(b"x").end(("x-end", "1"), ("authorization", "no"))
    proxy, pod = start(site, answer, options={"proxy-request-buffering": "off"})
    with proxy.raw() as c:
        c.send(f"POST / HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\nTrailer: X-Up\r\n\r\n3\r\nabc\r\n0\r\nX-Up: 2\r\nHost: evil\r\n\r\n")
        a = c.answer("POST")
    assert a.body == b"x" and a.trailers == [("x-end", "1")]
    assert pod.calls[-1].body == b"abc" and pod.calls[-1].trailers == [("x-up", "2")]


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_a_body(site, status):
    proxy, pod = start(site, lambda pod, call: call.head(status=status, end=True))
    with proxy.raw() as c:
        assert c.get("/", HOST).status == status
        assert c.get("/", HOST).status == status


def test_head_keeps_its_length(site):
    proxy, pod = start(site, lambda pod, call: call.head(("content-length", "1234"), end=True))
    with proxy.raw() as c:
        a = c.get("/", HOST, "HEAD")
    assert a.status == 200 and a.get("content-length") == "1234"


def test_interim_answers_are_passed_on_and_counted(site):
    def answer(pod, call):
        n = int(call.get(":path")[1:])
        for i in range(n):
            call.conn.send_headers(call.stream, [(":status", "103"), ("link", f"</{i}>")])
        call.head().data(b"done", end=True)
    proxy, pod = start(site, answer)
    with proxy.raw() as c:
        a = c.get("/3", HOST)
        assert a.body == b"done" and [i.get("link") for i in a.interim] == ["</0>", "</1>", "</2>"]
        assert c.get("/100", HOST).status == 502


def test_what_comes_together_shares_one_connection(site):
    """Requests that arrive while a connection is made wait for it."""
    gate = threading.Event()

    def answer(pod, call):
        if len(pod.calls) == 20:
            gate.set()
        threading.Thread(target=lambda: (gate.wait(20 * SLOW), echo(pod, call)), daemon=True).start()
    proxy, pod = start(site, answer)
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: proxy.get("/", HOST), range(20)))
    assert [a.status for a in answers] == [200] * 20
    assert pod.connections == 1
    wait_for(lambda: proxy.metric("sluice_upstream_idle") == 1, "the connection lies idle")


def test_streams_run_out_and_connections_are_added(site):
    """A pod that takes two streams at once gets as many connections as are needed, and upstream-max-connections bounds them."""
    gate = threading.Event()

    def answer(pod, call):
        if call.stream == 1:
            with call.lock:
                call.conn.update_settings({3: 2})
                call._flush()
        if call.get(":path") == "/wait":
            threading.Thread(target=lambda: (gate.wait(20 * SLOW), echo(pod, call)), daemon=True).start()
        else:
            echo(pod, call)
    proxy, pod = start(site, answer, options={"upstream-max-connections": "2"})
    assert proxy.get("/", HOST).status == 200
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(proxy.get, "/wait", HOST) for _ in range(4)]
        wait_for(lambda: sum(c.get(":path") == "/wait" for c in pod.calls) == 4, "four streams wait at the pod")
        more = [pool.submit(proxy.get, "/", HOST) for _ in range(2)]
        assert pod.connections == 2
        gate.set()
        assert [j.result(20 * SLOW).status for j in jobs + more] == [200] * 6
    assert pod.connections == 2


def test_goaway_while_idle(site):
    def answer(pod, call):
        echo(pod, call)
        if call.connection == 1:
            call.goaway()
    proxy, pod = start(site, answer)
    for _ in range(3):
        assert proxy.get("/", HOST).status == 200
    assert pod.connections == 2


def test_streams_above_the_last_of_a_goaway_go_elsewhere(site):
    """Even a POST: the pod has said that it processed nothing of it."""
    def answer(pod, call):
        if call.connection == 1:
            call.goaway(last=0)
        else:
            echo(pod, call)
    proxy, pod = start(site, answer)
    with proxy.raw() as c:  # head and body in one piece: what streams is not sent again
        a = c.get("/", HOST, method="POST", body=b"once")
    assert (a.status, a.body) == (200, b"once")
    assert [c.connection for c in pod.calls] == [1, 2]
    assert proxy.metric("sluice_upstream_retries_total") == 1


def test_a_refused_stream_is_sent_again_whatever_its_method(site):
    def answer(pod, call):
        if len(pod.calls) < 3:
            call.reset(7)
        else:
            echo(pod, call)
    proxy, pod = start(site, answer)
    with proxy.raw() as c:
        a = c.get("/", HOST, method="POST", body=b"again")
    assert (a.status, a.body, len(pod.calls), pod.connections) == (200, b"again", 3, 1)


def test_a_reset_is_not_sent_again(site):
    proxy, pod = start(site, lambda pod, call: call.reset(2))
    assert proxy.get("/", HOST, method="POST", body=b"x").status == 502
    assert len(pod.calls) == 1
    proxy.wait_line("the pod reset the stream", stream="err")


def test_a_reset_inside_a_body_is_no_end(site):
    proxy, pod = start(site, lambda pod, call: call.head().data(b"some").reset(8))
    with proxy.raw() as c:
        c.send(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
        assert c.read_all().endswith(b"\r\n\r\n4\r\nsome\r\n")  # and no last chunk


def test_an_early_answer_is_passed_on(site):
    """413 before the body has come, then RST_STREAM with NO_ERROR: the client gets the answer, neighbours go on."""
    def answer(pod, call):
        call.head(("content-length", "5"), status=413).data(b"large", end=True)
        call.reset(0)
    proxy, pod = start(site, answer, whole=False, annotations={**GRPC, "proxy-body-size": "0"})
    with proxy.raw() as c:
        c.send(f"POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 100000000\r\n\r\n" + "z" * 100000)
        a = c.answer("POST")
    assert (a.status, a.body) == (413, b"large")
    assert proxy.get("/", HOST).status == 413
    assert pod.connections == 1


BROKEN = {
    "upper-case name": [(":status", "200"), ("X-Upper", "1")],
    "connection field": [(":status", "200"), ("connection", "close")],
    "transfer-encoding": [(":status", "200"), ("transfer-encoding", "chunked")],
    "line feed in a value": [(":status", "200"), ("x-a", "b\nc: d")],
    "NUL in a value": [(":status", "200"), ("x-a", "b\0c")],
    "space in a name": [(":status", "200"), ("x a", "b")],
    "no status": [("x-a", "b")],
    "two lengths": [(":status", "200"), ("content-length", "5"), ("content-length", "6")],
    "a length that is none": [(":status", "200"), ("content-length", "+5")],
    "status 600": [(":status", "600")],
    "101": [(":status", "101")],
    "a pseudo-header of requests": [(":status", "200"), (":path", "/")],
    "a pseudo-header behind others": [("x-a", "b"), (":status", "200")],
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_head_is_refused_and_its_neighbours_go_on(site, what):
    gate = threading.Event()

    def answer(pod, call):
        if call.get(":path") == "/good":
            threading.Thread(target=lambda: (gate.wait(20 * SLOW), echo(pod, call)), daemon=True).start()
            return
        call.conn.config.validate_outbound_headers = call.conn.config.normalize_outbound_headers = False
        with call.lock:
            call.conn.send_headers(call.stream, BROKEN[what])
            call._flush()
    proxy, pod = start(site, answer)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        good = pool.submit(proxy.get, "/good", HOST)
        wait_for(lambda: pod.calls, "the good request is at the pod")
        assert proxy.get("/bad", HOST).status == 502
        gate.set()
        assert good.result(20 * SLOW).status == 200
    assert pod.connections == 1
    assert proxy.metric("sluice_malformed_responses_total") >= 1


@pytest.mark.parametrize("length,body", [("3", b"hello"), ("9", b"hello")])
def test_a_length_that_the_body_contradicts(site, length, body):
    proxy, pod = start(site, lambda pod, call: call.head(("content-length", length)).data(body, end=True))
    with proxy.raw() as c:
        c.send(f"GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n")
        out = c.read_all()
    head, _, rest = out.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 502 ") or len(rest) < int(length)


def test_a_head_above_the_limit(site):
    proxy, pod = start(site, lambda pod, call: call.head(*[(f"x-{i}", "v" * 100) for i in range(int(call.get(":path")[1:]))]).data(b"", end=True))
    assert proxy.get("/30", HOST).status == 200
    assert proxy.get("/60", HOST).status == 502
    assert proxy.get("/300", HOST).status == 502
    assert pod.connections == 1


def test_a_silent_pod_times_out_and_its_connection_is_not_used_again(site):
    proxy, pod = start(site, lambda pod, call: echo(pod, call) if len(pod.calls) != 2 else None, annotations={**GRPC, "proxy-read-timeout": "1", "proxy-next-upstream-tries": "1"})
    assert proxy.get("/", HOST).status == 200
    assert proxy.get("/", HOST).status == 504
    wait_for(lambda: pod.calls[1].code == 8 or pod.calls[1].gone, "the stream was cancelled")
    assert proxy.get("/", HOST).status == 200
    assert pod.connections == 2


@pytest.mark.parametrize("name, status", [("proxy-read-timeout", 504), ("proxy-connect-timeout", 504), ("proxy-send-timeout", 200)])
def test_no_time_at_all(site, name, status):
    """As of HTTP/1 (test_upstream.py): 0 is none. What is sent at once is sent nevertheless, and an answer that is there at once is one."""
    never = lambda pod, call: None
    proxy, pod = start(site, never if name == "proxy-read-timeout" else echo, annotations={**GRPC, name: "0"})
    assert [proxy.get("/x", HOST, method="POST", body=b"x" * 1000).status for _ in range(2)] == [status] * 2


def test_a_client_that_leaves_cancels_its_stream_alone(site):
    proxy, pod = start(site, lambda pod, call: echo(pod, call) if call.get(":path") == "/good" else None)
    c = proxy.raw()
    c.send(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
    call = pod.wait_call()
    c.reset()
    wait_for(lambda: call.code == 8, "RST_STREAM with CANCEL")
    assert proxy.get("/good", HOST).status == 200
    assert pod.connections == 1


def test_a_slow_client_stalls_its_own_stream_alone(site):
    sent = []

    def answer(pod, call):
        if call.get(":path") == "/good":
            return echo(pod, call)
        call.head()

        def feed():
            block = b"z" * 16384
            while not call.gone:
                with call.lock:
                    room = min(call.conn.local_flow_control_window(call.stream), call.conn.max_outbound_frame_size)
                    if room > 0:
                        call.data(block[:room])
                        sent.append(room)
                        continue
                gone.wait(0.01)
        threading.Thread(target=feed, daemon=True).start()
    gone = threading.Event()
    proxy, pod = start(site, answer)
    with proxy.raw(rcvbuf=4096) as c:
        c.send(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
        pod.wait_call()
        at = [0, 0]

        def stalled():
            at[0], at[1] = at[1], sum(sent)
            return at[0] == at[1] > 0
        wait_for(stalled, "the pod's window is shut", 20, 0.3)
        for _ in range(5):
            assert proxy.get("/good", HOST).body == b"hello"
        assert pod.connections == 1 and sum(sent) < 8 << 20
    pod.calls[0].gone = True


def test_large_bodies_in_both_directions(site):
    body = body_of("up", 3 << 20)
    proxy, pod = start(site, lambda pod, call: large(call), annotations={**GRPC, "proxy-body-size": "0"})

    def large(call):
        def feed():
            rest = call.body
            call.head(("content-length", str(len(rest))))
            while rest:
                with call.lock:
                    room = min(call.conn.local_flow_control_window(call.stream), call.conn.max_outbound_frame_size, len(rest))
                    if room > 0:
                        call.data(rest[:room], end=room == len(rest))
                        rest = rest[room:]
                        continue
                threading.Event().wait(0.002)
        threading.Thread(target=feed, daemon=True).start()
    a = proxy.get("/", HOST, method="POST", body=body, timeout=60 * SLOW)
    assert a.status == 200 and a.body == body


@pytest.mark.parametrize("alpn", [["h2"], []])
def test_over_tls_with_and_without_alpn(site, alpn):
    cert, key = certificate("pod.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (site.tmp / "c.pem").write_text(cert + key)
    context.load_cert_chain(site.tmp / "c.pem")
    if alpn:
        context.set_alpn_protocols(alpn)
    chosen = []
    pod = site.add(H2Pod(lambda pod, call: (chosen.append((call.sock.selected_alpn_protocol(), call.get(":scheme"))), echo(pod, call)), context=context))
    site.app(HOST, pod.address, annotations={"backend-protocol": "GRPCS"})
    proxy = site.sluice()
    assert proxy.get("/", HOST).status == 200
    assert chosen == [("h2" if alpn else None, "https")]


def test_app_protocol_is_followed_as_it_changes(site):
    h2 = site.add(H2Pod(echo))
    path = site.app(HOST, h2.address)
    proxy = site.sluice(options={"proxy-next-upstream-tries": "1"})
    text = path.read_text()
    assert "protocol: TCP" in text
    proxy.changed(lambda: site.manifests.text(path.name, text.replace("    protocol: TCP\n", "    protocol: TCP\n    appProtocol: kubernetes.io/h2c\n", 1)))
    a = proxy.get("/", HOST)
    assert a.status == 200 and a.get("x-pod") == "h2"
    cluster = next(c for c in proxy.config()["clusters"] if c["service"] == "app")
    assert cluster["protocol"] == "GRPC"


def test_a_pod_that_leaves_ends_its_streams_and_then_the_connection(site):
    gate = threading.Event()

    def answer(pod, call):
        threading.Thread(target=lambda: (gate.wait(20 * SLOW), echo(pod, call)), daemon=True).start()
    proxy, pod = start(site, answer)
    other = site.add(H2Pod(echo))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        job = pool.submit(proxy.get, "/", HOST)
        pod.wait_call()
        proxy.changed(lambda: site.app(HOST, other.address, annotations=GRPC))
        assert proxy.get("/", HOST).status == 200 and other.connections == 1
        gate.set()
        assert job.result(20 * SLOW).status == 200
    wait_for(lambda: pod.calls[0].gone, "the connection of the pod that left is closed")


def test_nothing_listens(site):
    from harness import free_port
    site.app(HOST, f"127.0.0.1:{free_port()}", annotations=GRPC)
    proxy = site.sluice()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert [a.status for a in pool.map(lambda _: proxy.get("/", HOST), range(8))] == [502] * 8
    assert proxy.metric("sluice_upstream_connections") == 0


def test_upgrades_are_not_asked_of_http2(site):
    proxy, pod = start(site)
    with proxy.raw() as c:
        a = c.get("/", HOST, headers=["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="])
    assert a.status == 502 and not pod.calls
    with proxy.raw() as c:  # an offer that may be left unanswered
        for body in (None, b"body"):
            a = c.get("/", HOST, method="POST", body=body, headers=["Connection: Upgrade", "Upgrade: tcp"])
            assert (a.status, a.body) == (200, body or b"hello")


def test_idle_connections_are_closed(site):
    proxy, pod = start(site, options={"upstream-keepalive-timeout": "1"})
    assert proxy.get("/", HOST).status == 200
    wait_for(lambda: pod.calls[0].gone, "the pod's connection is closed")
    wait_for(lambda: proxy.metric("sluice_upstream_connections") == 0, "it is counted as gone")


def test_a_connection_ends_after_its_number_of_requests(site):
    proxy, pod = start(site, options={"upstream-keepalive-requests": "3"})
    for _ in range(7):
        assert proxy.get("/", HOST).status == 200
    assert pod.connections == 3
    wait_for(lambda: proxy.metric("sluice_upstream_connections") == 1, "the used ones are closed")


def test_nghttpd_is_a_pod(site):
    """A server that is not ours, over TLS and plain."""
    from harness import Process, free_port, wait_port
    (site.tmp / "www").mkdir()
    (site.tmp / "www/file").write_bytes(body_of("f", 300000))
    cert, key = certificate("pod.example")
    (site.tmp / "cert.pem").write_text(cert)
    (site.tmp / "key.pem").write_text(key)
    for tls in (False, True):
        port = free_port()
        files = [site.tmp / "key.pem", site.tmp / "cert.pem"] if tls else []
        pod = site.add(Process([need("nghttpd"), "-d", site.tmp / "www", "-a", "127.0.0.1", *([] if tls else ["--no-tls"]), port, *files]))
        wait_port(f"127.0.0.1:{port}", pod)
        site.app(f"{'s' if tls else 'p'}.example", f"127.0.0.1:{port}", annotations={"backend-protocol": "GRPCS" if tls else "GRPC"})
    proxy = site.sluice()
    for host in ("p.example", "s.example"):
        assert proxy.get("/file", host).body == body_of("f", 300000)
        assert proxy.get("/none", host).status == 404


def test_where_no_connection_is_kept_each_is_used_before_it_ends(site):
    proxy, pod = start(site, options={"upstream-keepalive-connections": "0"})
    for n in range(1, 4):
        a = proxy.get("/", HOST)
        assert (a.status, a.body, pod.connections) == (200, b"hello", n)
    wait_for(lambda: proxy.metric("sluice_upstream_connections") == 0, "none is kept")


def test_where_no_connection_is_kept_running_ones_are_shared(site):
    gate = threading.Event()

    def answer(pod, call):
        if call.get(":path") == "/wait":
            threading.Thread(target=lambda: (gate.wait(20 * SLOW), echo(pod, call)), daemon=True).start()
        else:
            echo(pod, call)
    proxy, pod = start(site, answer, options={"upstream-keepalive-connections": "0"})
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waits = pool.submit(proxy.get, "/wait", HOST)
        pod.wait_call()
        assert [proxy.get("/", HOST).status for _ in range(3)] == [200] * 3
        gate.set()
        assert waits.result(20 * SLOW).status == 200
    assert pod.connections == 1


def test_a_draining_proxy_makes_one_connection_for_a_call(site):
    proxy, pod = start(site, options={"shutdown-grace-period": "30"})
    proxy.proc.send_signal(signal.SIGTERM)
    wait_for(lambda: proxy.admin_get("/readyz").status == 503, "it drains")
    assert proxy.get("/", HOST).status == 200
    assert pod.connections == 1


@pytest.mark.parametrize("linger", [None, b"\1\0\0\0\0\0\0\0"], ids=["end", "reset"])
def test_a_pod_that_takes_connections_and_no_stream(site, linger):
    def accept(sock, number):
        if linger:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        sock.close()
    pod = site.scripted(accept)
    site.app(HOST, pod.address, annotations={**GRPC, "proxy-next-upstream-tries": "2"})
    proxy = site.sluice()
    assert proxy.get("/", HOST).status == 502
    assert proxy.metric("sluice_upstream_connects_total") <= 2 and pod.connections <= 2


def test_a_pod_that_allows_no_stream_is_not_asked_for_ever(site):
    """SETTINGS_MAX_CONCURRENT_STREAMS 0: they arrive with the end of the handshake."""
    def accept(sock, number):
        sock.sendall(bytes.fromhex("000006 04 00 00000000 0003 00000000".replace(" ", "")))
        while sock.recv(65536):
            pass
    pod = site.scripted(accept)
    site.app(HOST, pod.address, annotations={**GRPC, "proxy-next-upstream-tries": "1", "proxy-connect-timeout": "1", "proxy-read-timeout": "1"})
    proxy = site.sluice()
    for _ in range(3):
        assert proxy.get("/", HOST).status in (502, 504)
    assert proxy.metric("sluice_upstream_connects_total") <= 9


def test_an_upload_lasts_as_long_as_it_moves(site):
    """proxy-read-timeout is counted from the last piece of the request on, as in nginx."""
    proxy, pod = start(site, annotations={**GRPC, "proxy-read-timeout": "1", "proxy-next-upstream-tries": "1"})
    with proxy.raw() as c:
        c.send(f"POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 60\r\n\r\n")
        for _ in range(6):
            threading.Event().wait(0.5)  # the pace of the client
            c.send(b"z" * 10)
        a = c.answer("POST")
    assert (a.status, a.body) == (200, b"z" * 60)


def test_the_final_head_is_kept_behind_many_interim_ones(site):
    def answer(pod, call):
        for i in range(80):
            call.conn.send_headers(call.stream, [(":status", "103"), ("link", f"</{i}>")])
        call.head().data(b"done", end=True)
    proxy, pod = start(site, answer, options={"max-interim-responses": "100"})
    with proxy.raw() as c:
        a = c.get("/", HOST)
    assert (a.status, a.body) == (200, b"done")


def test_who_waits_for_a_stream_gets_that_of_a_client_who_left(site):
    """The pod takes one stream at once: it is free when our reset has been sent."""
    def answer(pod, call):
        if call.stream == 1:
            with call.lock:
                call.conn.update_settings({3: 1})
                call._flush()
        if call.get(":path") != "/hold":
            echo(pod, call)
    proxy, pod = start(site, answer, options={"upstream-max-connections": "1"}, annotations={**GRPC, "proxy-connect-timeout": "30"})
    assert proxy.get("/", HOST).status == 200
    with proxy.raw() as leaves, proxy.raw() as waits:
        leaves.send(f"GET /hold HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
        wait_for(lambda: len(pod.calls) == 2, "the first holds the stream")
        waits.send(f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
        wait_for(lambda: proxy.metric("sluice_requests_active") == 2, "the second waits")
        leaves.reset()
        assert waits.answer().status == 200
    assert pod.connections == 1


def test_who_begins_a_connection_is_not_one_too_many(site):
    proxy, pod = start(site, options={"upstream-max-pending": "0"})
    assert proxy.get("/", HOST).status == 200
