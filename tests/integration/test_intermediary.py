"""What RFC 9110 demands of whoever stands between client and server, where no other test has it (docs/conformance.md)."""
import base64
import hashlib
import re

import pytest

from h2pod import H2Pod
from h2raw import Http2
from harness import read_request
from test_h2_websocket import connect


def seen(pod):
    out = {}
    for n, v in pod.last_headers()[1]:
        out.setdefault(n.lower(), []).append(v)
    return out


@pytest.mark.parametrize("over", ["h1", "h2"])
@pytest.mark.parametrize("method, said, passed", [
    ("OPTIONS", "1", "0"), ("OPTIONS", "10", "9"), ("OPTIONS", "007", "6"), ("OPTIONS", "9223372036854775807", "9223372036854775806"),
    ("OPTIONS", "0", None), ("OPTIONS", "00", None), ("OPTIONS", "x", "x"), ("OPTIONS", "-1", "-1"), ("GET", "0", "0"), ("GET", "5", "5")])
def test_max_forwards_counts_down_for_options(site, over, method, said, passed):
    """RFC 9110 section 7.6.2; other methods may ignore it."""
    sluice, pod = site.simple(options={"http2-prior-knowledge": "true"})
    if over == "h2":
        with Http2(sluice.http) as c:
            status = c.done(c.request("/", method=method, fields=[("max-forwards", said)])).status
    else:
        with sluice.raw() as c:
            status = c.get("/", "app.example", method=method, headers=[f"Max-Forwards: {said}"]).status
    assert status == 200
    if passed is None:
        assert pod.stats()["requests"] == 0
    else:
        assert seen(pod)["max-forwards"] == [passed]


@pytest.mark.parametrize("version, name", [("HTTP/1.1", "1.1"), ("HTTP/1.0", "1.0"), ("HTTP/2", "2")])
def test_via_names_the_version_that_was_received_and_comes_last(site, version, name):
    """RFC 9110 section 7.6.3."""
    sluice, pod = site.simple(options={"via": "true", "http2-prior-knowledge": "true"})
    if version == "HTTP/2":
        with Http2(sluice.http) as c:
            a = c.done(c.request("/", fields=[("via", "1.1 front"), ("via", "1.0 middle")]))
            assert a.get("via") == "1.1 sluice"
    else:
        with sluice.raw() as c:
            a = c.send(f"GET / {version}\r\nHost: app.example\r\nVia: 1.1 front\r\nVia: 1.0 middle\r\n\r\n").answer()
            assert a.all("via") == ["1.1 sluice"]
    assert seen(pod)["via"] == ["1.1 front", "1.0 middle", f"{name} sluice"]


def test_via_of_a_response_names_the_version_of_the_pod(site):
    def old(sock, _):
        if read_request(sock):
            sock.sendall(b"HTTP/1.0 200 OK\r\nVia: 1.1 behind\r\nContent-Length: 0\r\n\r\n")
    site.app("app.example", site.scripted(old).address)
    sluice = site.sluice(options={"via": "true"})
    assert [v for n, v in sluice.get("/", "app.example").headers if n.lower() == "via"] == ["1.1 behind", "1.0 sluice"]


def test_via_of_a_response_from_a_pod_of_http2(site):
    pod = site.add(H2Pod(lambda _, call: call.head(end=True)))
    site.app("app.example", pod.address, annotations={"backend-protocol": "GRPC"})
    sluice = site.sluice(options={"via": "true"})
    assert sluice.get("/", "app.example").get("via") == "2 sluice"


def test_pods_of_http2_may_not_push(site):
    """RFC 9113 section 8.4: whoever wants none says so before a pod can begin."""
    said = []

    def answer(_, call):
        said.append(call.conn.remote_settings.enable_push)
        call.head(end=True)
    site.app("app.example", site.add(H2Pod(answer)).address, annotations={"backend-protocol": "GRPC"})
    assert site.sluice().get("/", "app.example").status == 200
    assert said == [0]


def test_options_of_the_server_by_its_url(site):
    """RFC 9112 section 3.2.4: an absolute URL without a path asks for the server, as * does."""
    sluice, pod = site.simple()
    with sluice.raw() as c:
        assert c.send("OPTIONS http://app.example HTTP/1.1\r\nHost: app.example\r\n\r\n").answer().status == 200
        assert pod.stats()["requests"] == 0
        assert c.send("OPTIONS http://app.example/ HTTP/1.1\r\nHost: app.example\r\n\r\n").answer().status == 200
        assert c.send("GET http://app.example HTTP/1.1\r\nHost: app.example\r\n\r\n").answer().status == 200
    assert pod.stats()["requests"] == 2 and pod.last_headers()[0] == "GET / HTTP/1.1"


@pytest.mark.parametrize("method, sent", [("GET", 2), ("PUT", 2), ("DELETE", 2), ("POST", 1), ("PATCH", 1), ("LOCK", 1), ("PROPFIND", 1), ("PURGE", 1)])
def test_only_what_is_known_to_be_idempotent_is_sent_again(site, method, sent):
    """RFC 9110 section 9.2.2: a proxy must not automatically retry others."""
    seen_by_pods = []

    def dies(sock, _):
        if read_request(sock):
            seen_by_pods.append(1)
    site.app("app.example", [site.scripted(dies).address, site.scripted(dies).address])
    sluice = site.sluice(options={"proxy-next-upstream-tries": 2})
    with sluice.raw() as c:
        assert c.get("/", "app.example", method=method).status == 502
    assert len(seen_by_pods) == sent


ACCEPT = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@pytest.mark.parametrize("answer, status", [("right", 200), ("wrong", 502), ("none", 502), ("short", 502), ("of another key", 502)])
def test_a_pods_answer_to_our_websocket_key_is_checked(site, answer, status):
    """RFC 6455 section 4.1: over HTTP/2 the client has no key of its own; ours is the pod's to answer."""
    def pod(sock, _):
        request = read_request(sock)
        if not request:
            return
        key = re.search(r"(?im)^sec-websocket-key: *(\S+)", request[0]).group(1)
        right = base64.b64encode(hashlib.sha1((key + ACCEPT).encode()).digest()).decode()
        other = base64.b64encode(hashlib.sha1(("dGhlIHNhbXBsZSBub25jZQ==" + ACCEPT).encode()).digest()).decode()
        value = {"right": right, "wrong": right[::-1], "short": right[:-4], "of another key": other, "none": None}[answer]
        sock.sendall(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
                      (f"Sec-WebSocket-Accept: {value}\r\n" if value else "") + "\r\n").encode())
        sock.recv(1)
    site.app("app.example", site.scripted(pod).address)
    sluice = site.sluice(options={"http2-prior-knowledge": "true"})
    with Http2(sluice.http) as c:
        stream = connect(c)
        c.wait(lambda: stream.headers or stream.done, "the answer")
        assert stream.status == status
        if status == 502:
            sluice.wait_line("101 without the Sec-WebSocket-Accept that fits the key", stream="err")


@pytest.mark.parametrize("over", ["h1", "h2"])
def test_fields_of_the_same_name_keep_their_order(site, over):
    """RFC 9110 section 5.3."""
    sluice, pod = site.simple(options={"http2-prior-knowledge": "true"})
    fields = [("x-a", "1"), ("x-b", "2"), ("x-a", "3"), ("x-a", "4")]
    if over == "h2":
        with Http2(sluice.http) as c:
            c.done(c.request("/", fields=fields))
    else:
        with sluice.raw() as c:
            c.get("/", "app.example", headers=[f"{n}: {v}" for n, v in fields])
    assert seen(pod)["x-a"] == ["1", "3", "4"]


def test_authentication_and_unknown_fields_pass_unchanged(site):
    """RFC 9110 sections 5.1, 11.6.1 and 11.6.2."""
    sluice, pod = site.simple()
    with sluice.raw() as c:
        a = c.get("/?status=401&h=WWW-Authenticate:%20Basic%20realm=%22a,%20b%22,%20Foo%20x=y%0D%0AX-New:%20%20z", "app.example",
                  headers=["Authorization: Foo  a=b , c", "X-Unknown: v", "Cache-Control: no-transform"])
    v = seen(pod)
    assert v["authorization"] == ["Foo  a=b , c"] and v["x-unknown"] == ["v"] and v["cache-control"] == ["no-transform"]
    assert a.status == 401 and a.get("www-authenticate") == 'Basic realm="a, b", Foo x=y' and a.get("x-new") == "z"


def test_a_response_without_a_date_gets_one_and_another_keeps_its_own(site):
    """RFC 9110 section 6.6.1."""
    def pod(sock, _):
        for date in ("", "Date: Mon, 01 Jan 2024 00:00:00 GMT\r\n"):
            if not read_request(sock):
                return
            sock.sendall(f"HTTP/1.1 200 OK\r\n{date}Content-Length: 0\r\n\r\n".encode())
    site.app("app.example", site.scripted(pod).address)
    sluice = site.sluice()
    with sluice.raw() as c:
        assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT", c.get("/", "app.example").get("date"))
        assert c.get("/", "app.example").all("date") == ["Mon, 01 Jan 2024 00:00:00 GMT"]
