"""What the proxy itself says to gRPC calls: status in the head of a 200, deadlines, and the log."""
import socket
import time

import h2.config
import h2.connection
import h2.events
import pytest

from h2pod import H2Pod
from harness import SLOW, free_port, wait_for

HOST = "grpc.example"
H2C = {"http2-prior-knowledge": "true"}


def call(address, *fields, host=HOST, type="application/grpc", body=b"\0\0\0\0\0", timeout=20):
    """One call over h2c: (code of a reset or 0, fields of the head, body, trailers)."""
    conn = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="latin-1"))
    conn.initiate_connection()
    name, port = address.rsplit(":", 1)
    with socket.create_connection((name, int(port)), timeout * SLOW) as s:
        conn.send_headers(1, [(":method", "POST"), (":scheme", "http"), (":authority", host), (":path", "/pkg.Service/Method"), ("te", "trailers"), ("content-type", type), *fields])
        left, code, head, got, trailers, ended = body, 0, {}, b"", {}, False
        while not ended:
            while left and not ended and (room := min(conn.local_flow_control_window(1), conn.max_outbound_frame_size, len(left))):
                conn.send_data(1, left[:room], end_stream=room == len(left))
                left = left[room:]
            s.sendall(conn.data_to_send())
            data = s.recv(65536)
            assert data, "the connection ended"
            for e in conn.receive_data(data):
                if isinstance(e, h2.events.ResponseReceived):
                    head = dict(e.headers)
                elif isinstance(e, h2.events.DataReceived):
                    got += e.data
                elif isinstance(e, h2.events.TrailersReceived):
                    trailers = dict(e.headers)
                elif isinstance(e, h2.events.StreamReset):
                    code, ended = e.error_code, True
                elif isinstance(e, h2.events.StreamEnded):
                    ended = True
    return code, head, got, trailers


def site_with(site, answer, whole=True, annotations=None, **kw):
    pod = site.add(H2Pod(answer, whole))
    site.app(HOST, pod.address, annotations={"backend-protocol": "GRPC", **(annotations or {})})
    return site.sluice(options={**H2C, **kw.pop("options", {})}, **kw), pod


def is_reply(answer, grpc_status):
    code, fields, body, trailers = answer
    assert (code, body, trailers) == (0, b"", {}), answer
    assert (fields[":status"], fields["content-type"], fields["grpc-status"]) == ("200", "application/grpc", str(grpc_status)), fields
    assert "content-length" not in fields
    return fields["grpc-message"]


def test_our_own_answers_are_trailers_only(site):
    site.app(HOST, [], annotations={"backend-protocol": "GRPC"})
    site.app("dead.example", f"127.0.0.1:{free_port()}", annotations={"backend-protocol": "GRPC"})
    site.app("redirect.example", "127.0.0.1:1", annotations={"permanent-redirect": "https://else.example/"})
    proxy = site.sluice(options={**H2C, "log-format-upstream": "$http_host $status $grpc_status"})
    assert is_reply(call(proxy.http), 14) == "503 Service Temporarily Unavailable"
    assert is_reply(call(proxy.http, host="dead.example"), 14).startswith("502 ")
    assert is_reply(call(proxy.http, host="none.example"), 12) == "404 Not Found"
    assert is_reply(call(proxy.http, host="redirect.example"), 2).startswith("301 ")
    proxy.wait_access(r"^grpc.example 200 14$")
    # gRPC-Web and others get pages.
    _, fields, _, _ = call(proxy.http, type="application/grpc-web")
    assert fields[":status"] == "503" and "grpc-status" not in fields


def test_over_http1_the_answer_has_a_length(site):
    site.app(HOST, [], annotations={"backend-protocol": "GRPC"})
    proxy = site.sluice()
    with proxy.raw() as c:
        a = c.get("/s/m", HOST, "POST", ["Content-Type: application/grpc"], b"")
    assert (a.status, a.get("grpc-status"), a.get("content-length")) == (200, "14", "0")


@pytest.mark.parametrize("status,grpc_status", [(400, 13), (401, 16), (403, 7), (404, 12), (429, 14), (500, 2), (502, 14), (503, 14), (504, 14), (302, 2)])
def test_a_pod_that_answers_in_plain_http(site, status, grpc_status):
    proxy, pod = site_with(site, lambda pod, call: call.head(("content-type", "text/html"), status=status).data(b"<html>", end=True))
    assert is_reply(call(proxy.http), grpc_status).startswith(str(status))
    proxy.wait_line("the pod answered a gRPC call with an error of HTTP", stream="err")


def test_a_pods_own_status_is_passed_on(site):
    proxy, pod = site_with(site, lambda pod, call: call.head(("content-type", "application/grpc"), ("grpc-status", "5"), ("grpc-message", "no%20such"), end=True),
                           options={"log-format-upstream": "$status $grpc_status"})
    _, fields, _, _ = call(proxy.http)
    assert (fields["grpc-status"], fields["grpc-message"]) == ("5", "no%20such")
    proxy.wait_access(r"^200 5$")


def test_a_status_in_trailers_is_logged(site):
    proxy, pod = site_with(site, lambda pod, call: call.head(("content-type", "application/grpc")).data(b"\0\0\0\0\0").end(("grpc-status", "9")),
                           options={"log-format-upstream": "$status $grpc_status"})
    call(proxy.http)
    proxy.wait_access(r"^200 9$")


@pytest.mark.parametrize("size", [1025, 100000])  # the smaller one arrives whole with its head
def test_a_body_above_the_limit(site, size):
    proxy, pod = site_with(site, lambda pod, call: None, annotations={"proxy-body-size": "1k"})
    assert is_reply(call(proxy.http, body=b"z" * size), 8).startswith("413 ")
    assert size > 65535 or not pod.calls


@pytest.mark.parametrize("timeout,seconds", [("300m", 0.3), ("1S", 1), ("500000u", 0.5)])
def test_the_calls_deadline_is_kept(site, timeout, seconds):
    proxy, pod = site_with(site, lambda pod, call: None)
    begun = time.monotonic()
    assert is_reply(call(proxy.http, ("grpc-timeout", timeout)), 4) == "deadline exceeded"
    assert seconds <= time.monotonic() - begun < seconds + 5 * SLOW
    wait_for(lambda: pod.calls[-1].code == 8, "the pod is told by RST_STREAM with CANCEL")
    assert pod.calls[-1].get("grpc-timeout") == timeout
    assert proxy.metric("sluice_upstream_retries_total") == 0


def test_a_deadline_inside_an_answer_resets_it(site):
    proxy, pod = site_with(site, lambda pod, call: call.head(("content-type", "application/grpc")).data(b"\0\0\0\0\0"))
    code, fields, body, _ = call(proxy.http, ("grpc-timeout", "300m"))
    assert (code, fields[":status"], body) == (8, "200", b"\0\0\0\0\0")
    wait_for(lambda: pod.calls[-1].code == 8, "the pod is told")


def test_timeouts_that_are_none_are_not_ours_to_judge(site):
    proxy, pod = site_with(site, lambda pod, call: call.head(("content-type", "application/grpc"), ("grpc-status", "0"), end=True))
    for value in ("0x1S", "123456789S", "1", "-1S", "1s"):
        assert call(proxy.http, ("grpc-timeout", value))[1]["grpc-status"] == "0"


def test_a_call_that_a_leaving_pod_did_not_take_goes_elsewhere(site):
    """Its body came in pieces and was kept: the second pod gets all of it."""
    def answer(pod, call):
        if call.connection == 1:
            return call.goaway(last=0)
        call.head(("content-type", "application/grpc")).data(call.body).end(("grpc-status", "0"))
    proxy, pod = site_with(site, answer, annotations={"proxy-next-upstream-tries": "1"})
    body = b"\0\0\0\x10\0" + b"m" * 4096
    _, fields, got, trailers = call(proxy.http, body=body)
    assert (fields[":status"], got, trailers) == ("200", body, {"grpc-status": "0"})
    assert [c.get("content-length") for c in pod.calls] == [None, None]
    assert [c.connection for c in pod.calls] == [1, 2]
