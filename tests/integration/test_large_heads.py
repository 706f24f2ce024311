"""Heads that are larger, or of more fields, than HTTP/2 carries: one request fails, and nothing else."""
import pytest

from h2pod import H2Pod
from h2raw import Http2
from harness import config_map

HOST = "app.example"
FIELD = 64 * 1024 - 1  # kMostOfField of net/h2/session.h, and of nghttp2's readers


def pod_with(*lines):
    def answer(sock, _):
        while b"\r\n\r\n" in sock.recv(65536):  # the head alone: the answer comes before the body
            sock.sendall("\r\n".join(["HTTP/1.1 200 OK", "Content-Length: 2", *lines, "", "ok"]).encode())
    return answer


def start(site, *lines, options=None):
    site.app(HOST, site.scripted(pod_with(*lines)).address, annotations={"proxy-buffer-size": "1m"})
    site.app("other.example", site.pod("other").address)
    return site.sluice(options=options)


@pytest.mark.parametrize("lines", [[f"X-Large: {'v' * (FIELD + 1)}"], [f"X-{i}: {'v' * 60000}" for i in range(3)]], ids=["field", "head"])
def test_a_head_that_does_not_fit_is_502_to_that_stream_alone(site, lines):
    sluice = start(site, *lines, options={"proxy-request-buffering": "off"})
    with sluice.raw() as c:
        assert c.get("/", HOST).status == 200, "HTTP/1 carries it"
    with Http2(sluice.https, sni=HOST) as c:
        beside = c.request("/", host="other.example", method="POST", end=False)
        failed = c.done(c.request("/", host=HOST, method="POST", end=False))
        assert failed.status == 502
        c.body(failed, b"more", end=False)  # of a stream that has been answered
        c.body(beside, b"mine")
        assert c.done(beside).status == 200
    assert sluice.wait_access(r" 502 ")


def test_a_large_head_that_fits(site):
    sluice = start(site, *(f"X-{i}: {'v' * 60000}" for i in range(2)))
    with Http2(sluice.https, sni=HOST) as c:
        a = c.done(c.request("/", host=HOST))
        assert a.status == 200 and len(a.get("x-1")) == 60000 and bytes(a.body) == b"ok"


def test_over_http1_too_an_answer_that_is_refused_during_the_upload_is_502(site):
    site.app(HOST, site.scripted(pod_with(f"X-Large: {'v' * 5000}")).address)
    sluice = site.sluice(options={"proxy-request-buffering": "off"})
    with sluice.raw() as c:
        assert c.send(f"POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 10\r\n\r\nhalf").answer().status == 502


def test_all_fields_arrive_however_many(site):
    site.manifests.write("mine.yaml", config_map({f"X-Ours-{i}": str(i) for i in range(64)}, "mine", "default"))
    sluice = start(site, *(f"X-Pod-{i}: {i}" for i in range(250)), options={"add-headers": "default/mine"})
    with Http2(sluice.https, sni=HOST) as c:
        names = {n for n, _ in c.done(c.request("/", host=HOST)).headers}
    assert names >= {f"x-ours-{i}" for i in range(64)} | {f"x-pod-{i}" for i in range(250)} | {"content-length", "date"}


def test_to_pods_it_is_431_once(site):
    site.manifests.write("mine.yaml", config_map({"X-Made": "$request_uri" * 20}, "mine", "default"))
    pod = site.add(H2Pod(lambda pod, call: call.head(end=True), True))
    site.app(HOST, pod.address, annotations={"backend-protocol": "GRPC"})
    sluice = site.sluice(options={"proxy-set-headers": "default/mine"})
    with sluice.raw() as c:
        assert c.get("/" + "a" * 7000, HOST).status == 431
    with sluice.raw() as c:
        a = c.get("/" + "a" * 1000, HOST)
        assert a.status == 200 and len(pod.calls[-1].get("x-made")) == 20 * 1001
    assert len(pod.calls) == 1 and sluice.metric("sluice_upstream_retries_total") == 0
