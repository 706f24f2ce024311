"""Endpoints, pools, retries and timeouts on the way to pods."""
import signal
import base64
import collections
import re
import socket
import threading
import time

import pytest

from h2pod import H2Pod
from harness import (SLOW, body_of, certificate, config_map, endpoint_slice, free_port, http_get, ingress, never_accepts, read_request, service, slices, wait_for)


def test_round_robin_over_ready_endpoints(site):
    pods = [site.pod(f"p{i}") for i in range(3)]
    site.app("app.example", [p.address for p in pods])
    sluice = site.sluice()
    with sluice.raw() as c:
        seen = collections.Counter(c.get("/", "app.example").get("x-pod") for _ in range(30))
    assert seen == {"p0": 10, "p1": 10, "p2": 10}


def test_not_ready_and_terminating_endpoints_get_nothing(site):
    good, bad, going = site.pod("good"), site.pod("bad"), site.pod("going")
    site.manifests.write("app.yaml", ingress("app", {"app.example": "app"}), service("app"), endpoint_slice("app", [good.address], name="a"),
                         endpoint_slice("app", [bad.address], name="b", ready=False), endpoint_slice("app", [going.address], name="c", terminating=True))
    sluice = site.sluice()
    assert {sluice.get("/", "app.example").get("x-pod") for _ in range(10)} == {"good"}


def test_duplicate_addresses_count_once(site):
    a, b = site.pod("a"), site.pod("b")
    site.manifests.write("app.yaml", ingress("app", {"app.example": "app"}), service("app"), endpoint_slice("app", [a.address], name="one"),
                         endpoint_slice("app", [a.address], name="two"), endpoint_slice("app", [b.address], name="three"))
    sluice = site.sluice()
    with sluice.raw() as c:
        seen = collections.Counter(c.get("/", "app.example").get("x-pod") for _ in range(20))
    assert seen == {"a": 10, "b": 10}


def test_named_ports(site):
    pod = site.pod()
    site.manifests.write("app.yaml", ingress("app", {"app.example": [("/", "Prefix", "app", "web")]}), service("app", port_name="web", port=8080, target="http"),
                         *slices("app", [pod.address], port_name="web"))
    assert site.sluice().get("/", "app.example").status == 200


def test_external_name(site):
    pod = site.pod()
    port = int(pod.address.rsplit(":", 1)[1])
    site.manifests.write("app.yaml", ingress("app", {"app.example": [("/", "Prefix", "app", port)]}), service("app", port=port, external="localhost"))
    sluice = site.sluice(options={"allow-destinations": "localhost"})
    wait_for(lambda: sluice.get("/", "app.example").status == 200, "the name resolves")


def test_external_name_that_does_not_resolve(site):
    site.manifests.write("app.yaml", ingress("app", {"app.example": "app"}), service("app", external="does-not-exist.invalid"))
    assert site.sluice().get("/", "app.example").status in (502, 503)


def test_endpoint_flag(site):
    pod = site.pod()
    site.manifests.write("app.yaml", ingress("app", {"app.example": "app"}), service("app"))
    sluice = site.sluice(endpoints=[f"default/app:80={pod.address}"])
    assert sluice.get("/", "app.example").status == 200


def test_no_endpoints_is_503(site):
    site.app("app.example", [])
    a = site.sluice().get("/", "app.example")
    assert a.status == 503 and a.get("retry-after") == "1"
    assert site.sluice(options={"compat": "exact"}).get("/", "app.example").get("retry-after") is None, "as ingress-nginx"


def test_missing_service_is_503(site):
    site.manifests.write("app.yaml", ingress("app", {"app.example": "nothing"}))
    assert site.sluice().get("/", "app.example").status == 503


def test_unknown_host_is_404(site):
    sluice, _ = site.simple()
    a = sluice.get("/", "nobody.example")
    assert a.status == 404


def test_a_load_balancer_probes_the_http_port(site):
    sluice, _ = site.simple(options={"shutdown-grace-period": 2})
    assert sluice.get("/healthz", "192.0.2.1").status == 200
    assert sluice.get("/healthz/x", "192.0.2.1").status == 404
    # A host that an Ingress names has its own /healthz.
    assert sluice.get("/healthz", "app.example").get("x-pod") == "pod"
    sluice.proc.send_signal(signal.SIGTERM)
    wait_for(lambda: sluice.get("/healthz", "192.0.2.1").status == 503, "not ready while it drains")


def test_a_catch_all_keeps_its_own_healthz(site):
    pod = site.pod("pod")
    site.app(None, pod.address, name="all")
    sluice = site.sluice()
    assert sluice.get("/", "nobody.example").get("x-pod") == "pod"
    answer = sluice.get("/healthz", "nobody.example")
    assert answer.status == 200 and answer.get("x-pod") is None
    site.app(None, pod.address, name="all", paths=[("/", "Prefix"), ("/healthz", "Exact")])
    wait_for(lambda: sluice.get("/healthz", "nobody.example").get("x-pod") == "pod", "the path of the catch-all")


def test_default_backend(site):
    pod, fallback = site.pod("app"), site.pod("fallback")
    site.app("app.example", pod.address)
    site.manifests.write("fallback.yaml", service("fallback"), *slices("fallback", [fallback.address]))
    sluice = site.sluice("--default-backend", "default/fallback:80")
    assert sluice.get("/", "nobody.example").get("x-pod") == "fallback"


@pytest.mark.parametrize("missing", ["endpoints", "service"])
def test_a_default_backend_without_endpoints_is_the_page_of_an_unknown_host(site, missing):
    """As in ingress-nginx, whose own default server answers then; an Ingress's path without endpoints is 503."""
    site.app("app.example", [])
    if missing == "endpoints":
        site.manifests.write("fallback.yaml", service("fallback"), *slices("fallback", []))
    sluice = site.sluice("--default-backend", "default/fallback:80")
    answer = sluice.get("/", "nobody.example")
    assert answer.status == 404 and answer.get("retry-after") is None
    assert sluice.get("/nope", "app.example").status == 503


def test_the_log_calls_the_default_backend_as_ingress_nginx_does(site):
    fallback = site.pod("fallback")
    site.manifests.write("fallback.yaml", service("fallback"), *slices("fallback", [fallback.address]))
    sluice = site.sluice("--default-backend", "default/fallback:80", options={"enable-access-log-for-default-backend": "true"})
    assert sluice.get("/x", "nobody.example").status == 200
    assert re.search(r"\[upstream-default-backend\] \[\] " + re.escape(fallback.address) + " ", sluice.wait_access(r"GET /x").string)


def test_connections_are_reused(site):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        for _ in range(50):
            assert c.get("/", "app.example").status == 200
    assert pod.stats()["connections"] <= 2


def test_a_pod_that_announces_close_is_not_reused(site):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        for _ in range(10):
            assert c.get("/?close=1", "app.example").status == 200
    assert pod.stats()["connections"] == 10


def test_a_pod_that_announces_how_long_it_waits_is_left_before(site):
    """`Keep-Alive: timeout=2`, as Node says it: from then on what comes on this connection is not read any more. A POST that does is lost."""
    served, over = [], threading.Semaphore(0)

    def pod(sock, number):
        while read_request(sock):
            served.append(number)
            sock.sendall(b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: timeout=2\r\nContent-Length: 0\r\n\r\n")
            if number != served[0] or len(served) == 3:  # the first one serves three
                sock.settimeout(2 * SLOW)
                try:
                    assert sock.recv(1) == b"", "a request, but the test sends none"
                except TimeoutError:
                    pass
                over.release()
                sock.settimeout(30 * SLOW)
                return sock.recv(1)
    site.app("app.example", site.scripted(pod).address)
    sluice = site.sluice()
    with sluice.raw(timeout=60) as c:
        for i in range(5):
            assert c.get("/", "app.example", method="POST", body=b"x").status == 200
            if i >= 2:
                assert over.acquire(timeout=30 * SLOW)
    assert len(set(served[:3])) == 1 and len(set(served)) == 3, served


@pytest.mark.parametrize("method,body", [("GET", None), ("POST", b""), ("POST", b"hello"), ("DELETE", None)])
def test_stale_reused_connections_cost_nothing(site, method, body):
    """The pod closes after each answer without saying so. Requests it never read are replayed on a fresh connection."""
    sluice, pod = site.simple()
    with sluice.raw() as c:
        for i in range(50):
            a = c.get(f"/?stale=1&id=s{method}{i}", "app.example", method=method, body=body)
            assert a.status == 200, (i, a)
            # A POST that the pod may have read is not sent again: the pod has closed before the next one is made.
            wait_for(lambda: pod.stats()["open"] == 0, "the pod has closed")
    counts = pod.ids()
    assert len(counts) == 50 and set(counts.values()) == {1}


def test_refused_endpoint_is_skipped(site):
    pod = site.pod("alive")
    dead = f"127.0.0.1:{free_port()}"
    site.app("app.example", [dead, pod.address])
    sluice = site.sluice()
    for i in range(20):
        a = sluice.get("/", "app.example", method="POST" if i % 2 else "GET", body=b"x" if i % 2 else None)
        assert a.status == 200 and a.get("x-pod") == "alive"


@pytest.mark.parametrize("body", [None, b"x"])
def test_refused_endpoint_is_skipped_by_upgrades(site, body):
    pod = site.pod("alive")
    site.app("app.example", [f"127.0.0.1:{free_port()}", pod.address])
    sluice = site.sluice()
    for _ in range(4):
        with sluice.raw() as c:
            a = c.get("/", "app.example", method="POST" if body else "GET", body=body, headers=["Connection: upgrade", "Upgrade: tcp"])
            assert a.status == 101 and c.send("ping").read_exactly(4) == b"ping"


def test_all_endpoints_refuse(site):
    site.app("app.example", [f"127.0.0.1:{free_port()}"])
    assert site.sluice().get("/", "app.example").status == 502


def test_idempotent_requests_go_to_another_endpoint_when_one_dies(site):
    killer = site.scripted(lambda sock, _: read_request(sock))  # takes the request and closes
    pod = site.pod("alive")
    site.app("app.example", [killer.address, pod.address])
    sluice = site.sluice()
    for i in range(10):
        assert sluice.get(f"/{i}", "app.example").get("x-pod") == "alive"


def test_post_is_never_sent_twice(site):
    taken = []

    def pod(sock, number):
        r = read_request(sock)
        if r:
            taken.append(r[0].split("\r\n")[0])
    pods = [site.scripted(pod) for _ in range(3)]
    site.app("app.example", [p.address for p in pods])
    sluice = site.sluice()
    for i in range(5):
        assert sluice.get(f"/{i}", "app.example", method="POST", body=b"pay").status == 502
    assert sorted(taken) == [f"POST /{i} HTTP/1.1" for i in range(5)]


def test_tries_are_bounded(site):
    taken = []

    def pod(sock, number):
        r = read_request(sock)
        if r:
            taken.append(1)
    pods = [site.scripted(pod) for _ in range(6)]
    site.app("app.example", [p.address for p in pods])
    assert site.sluice().get("/", "app.example").status == 502
    assert len(taken) <= 3


def test_read_timeout_is_504(site):
    sluice, pod = site.simple(annotations={"proxy-read-timeout": "1", "proxy-next-upstream-tries": "1"})
    with sluice.raw() as c:
        a = c.get("/?hold=1", "app.example")
        assert a.status == 504
    wait_for(lambda: pod.stats()["open"] == 0, "the upstream connection is closed")
    assert sluice.get("/", "app.example").status == 200


def test_read_timeout_between_bytes_cuts(site):
    sluice, pod = site.simple(annotations={"proxy-read-timeout": "1"})
    with sluice.raw() as c:
        c.send("GET /?size=100&chunk=10&gap=60000 HTTP/1.1\r\nHost: app.example\r\n\r\n")
        data = c.read_all()
    assert b"Content-Length: 100" in data and len(data.split(b"\r\n\r\n", 1)[1]) < 100


def test_slow_but_steady_is_fine(site):
    sluice, pod = site.simple(annotations={"proxy-read-timeout": "1"})
    with sluice.raw() as c:
        a = c.get("/?size=40&chunk=10&gap=500&id=s", "app.example")
        assert a.body == body_of("s", 40)


def test_connect_timeout_is_504(site):
    """A listener whose queue is full answers no SYN."""
    address, sockets = never_accepts()
    site.app("app.example", [address], annotations={"proxy-connect-timeout": "1", "proxy-next-upstream-tries": "1"})
    sluice = site.sluice()
    a = sluice.get("/", "app.example")
    assert a.status == 504
    for s in sockets:
        s.close()


# An annotation of 0, what is asked (a number: a body of so many bytes), of a pod that takes all, or one that reads nothing; the status, here and in nginx.
NO_TIME = [
    ("proxy-read-timeout", None, "takes", 504),
    ("proxy-read-timeout", 10, "takes", 504),
    ("proxy-connect-timeout", None, "takes", 504),
    ("proxy-send-timeout", None, "takes", 200),
    ("proxy-send-timeout", 10, "takes", 200),
    ("proxy-send-timeout", 32 << 20, "reads nothing", 504),
]


def test_no_time_at_all_is_as_in_nginx(site):
    over = threading.Event()

    def deaf(sock, number):
        over.wait(60 * SLOW)
    pods = {"takes": site.pod().address, "reads nothing": site.scripted(deaf).address}
    port, locations = free_port(), ""
    for i, (name, size, pod, _) in enumerate(NO_TIME):
        locations += f"location /{i} {{ {name.replace('-', '_')} 0; client_max_body_size 0; proxy_pass http://{pods[pod]}; }} "
        site.app(f"t{i}.example", pods[pod], name=f"t{i}", annotations={name: "0", "proxy-body-size": "0"})
    nginx, sluice = site.nginx(locations, port=port), site.sluice()
    seen = []
    for i, (name, size, pod, status) in enumerate(NO_TIME):
        body = None if size is None else bytes(size)
        path = f"/{i}?delay=200"  # an answer that is there at once would be one, sometimes
        seen.append((name, size, [http_get(nginx.address, path, method="POST" if body else "GET", body=body).status,
                                  sluice.get(path, f"t{i}.example", method="POST" if body else "GET", body=body).status]))
    over.set()
    assert seen == [(name, size, [status] * 2) for name, size, _, status in NO_TIME], seen
    said = {e["field"]: e["severity"] for e in sluice.config()["report"] if e["reason"] == "NoTime"}
    assert said == {f"metadata.annotations[{name}]": "warning" for name in ("proxy-read-timeout", "proxy-connect-timeout", "proxy-send-timeout")}, said


@pytest.mark.alone
def test_no_time_at_all_is_not_a_tick(site):
    """As recorded of ingress-nginx: each try is given up as soon as the pod has the request. Deadlines go by ticks of 100 ms, and a pod had as long to answer."""
    pod = site.pod()
    for name, more in (("one", {}), ("many", {"proxy-next-upstream-tries": "20"})):
        site.app(f"{name}.example", pod.address, name=name, annotations={"proxy-read-timeout": "0"} | more)
    sluice = site.sluice()
    assert sluice.get("/?delay=200", "one.example").status == 504
    wait_for(lambda: pod.stats()["requests"] == 3, "three tries, and the pod had each")
    begun = time.monotonic()
    assert sluice.get("/?delay=200", "many.example").status == 504
    assert time.monotonic() - begun < 1 * SLOW


def test_connect_timeout_goes_to_the_next(site):
    address, sockets = never_accepts()
    pod = site.pod("alive")
    site.app("app.example", [address, pod.address], annotations={"proxy-connect-timeout": "1"})
    sluice = site.sluice()
    for i in range(2):
        assert sluice.get("/", "app.example", method="POST", body=b"x").get("x-pod") == "alive"
    for s in sockets:
        s.close()


def test_upstream_tls(site):
    pod = site.nginx("location / { return 200 \"tls $ssl_protocol [$ssl_server_name]\"; }", tls=certificate("pod.example"))
    site.app("app.example", pod.address, annotations={"backend-protocol": "HTTPS"})
    sluice = site.sluice()
    with sluice.raw() as c:
        for _ in range(5):
            a = c.get("/", "app.example")
            assert a.status == 200 and a.body.startswith(b"tls TLSv1.") and a.body.endswith(b"[]"), a


def test_auto_http_speaks_as_the_client_came(site):
    plain = site.nginx("location / { return 200 plain; }")
    secure = site.nginx("location / { return 200 secure; }", tls=certificate("pod.example"))
    site.app("plain.example", plain.address, annotations={"backend-protocol": "AUTO_HTTP", "proxy-next-upstream-tries": "1"})
    site.app("secure.example", secure.address, annotations={"backend-protocol": "auto_http", "proxy-next-upstream-tries": "1"})
    sluice = site.sluice(options={"hsts": "false"})
    assert sluice.get("/", "plain.example").body == b"plain"
    assert sluice.get("/", "secure.example").status == 400
    with sluice.tls("secure.example") as c:
        assert c.get("/", "secure.example").body == b"secure"
    with sluice.tls("plain.example") as c:
        assert c.get("/", "plain.example").status == 502


def test_upstream_tls_verified_by_name_and_authority(site):
    """200 only with the right authority and the right name; SNI is sent where it is asked for."""
    cert, key = certificate("pod.example")
    other, _ = certificate("other.example")
    pod = site.nginx("location / { return 200 \"[$ssl_server_name]\"; }", tls=(cert, key))
    ca = lambda name, pem: {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "default"}, "type": "Opaque",
                            "data": {"ca.crt": base64.b64encode(pem.encode()).decode()}}
    site.manifests.write("ca.json", ca("right", cert), ca("wrong", other))
    tls = lambda secret, name: {"backend-protocol": "HTTPS", "proxy-ssl-secret": f"default/{secret}", "proxy-ssl-verify": "on", "proxy-ssl-name": name,
                                "proxy-ssl-server-name": "on", "proxy-next-upstream-tries": "1"}
    site.app("good.example", pod.address, annotations=tls("right", "pod.example"))
    site.app("authority.example", pod.address, annotations=tls("wrong", "pod.example"))
    site.app("name.example", pod.address, annotations=tls("right", "somebody.example"))
    sluice = site.sluice()
    good = sluice.get("/", "good.example")
    assert (good.status, good.body) == (200, b"[pod.example]")
    assert sluice.get("/", "authority.example").status == 502
    assert sluice.get("/", "name.example").status == 502
    sluice.wait_line(r"502 GET authority.example/: .*certificate verify failed", stream="err")
    sluice.wait_line(r"502 GET name.example/: .*(hostname mismatch|verify failed)", stream="err")


def test_upstream_that_speaks_no_tls(site):
    pod = site.scripted(lambda sock, _: (sock.recv(1000), sock.sendall(b"HTTP/1.1 400 Bad\r\n\r\n")))
    site.app("app.example", pod.address, annotations={"backend-protocol": "HTTPS"})
    assert site.sluice().get("/", "app.example").status == 502


def test_recycled_addresses_do_not_inherit_connections(site):
    """Two Services swap their pods: what was pooled for one is never used for the other."""
    a, b = site.pod("a"), site.pod("b")
    site.app("a.example", a.address)
    site.app("b.example", b.address)
    sluice = site.sluice()
    for _ in range(5):
        assert sluice.get("/", "a.example").get("x-pod") == "a"
        assert sluice.get("/", "b.example").get("x-pod") == "b"

    def swap():
        site.app("a.example", b.address)
        site.app("b.example", a.address)
    swap()
    wait_for(lambda: sluice.get("/", "a.example").get("x-pod") == "b" and sluice.get("/", "b.example").get("x-pod") == "a", "swapped")
    for _ in range(20):
        assert sluice.get("/", "a.example").get("x-pod") == "b"


def test_all_gone_and_back(site):
    sluice, pod = site.simple()
    assert sluice.get("/", "app.example").status == 200
    sluice.changed(lambda: site.app("app.example", []))
    assert sluice.get("/", "app.example").status == 503
    sluice.changed(lambda: site.app("app.example", pod.address))
    assert sluice.get("/", "app.example").status == 200


def test_pod_cut_midway_is_not_retried(site):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        c.send("GET /?size=100000&abort=5000&id=cut HTTP/1.1\r\nHost: app.example\r\n\r\n")
        data = c.read_all()
    assert len(data) < 100000
    assert pod.ids() == {"cut": 1}


def test_upstream_queue_and_limit(site):
    """upstream-max-connections bounds what one endpoint gets; the rest waits its turn."""
    sluice, pod = site.simple(options={"upstream-max-connections": 2})
    threads, answers = [], []
    for i in range(8):
        t = threading.Thread(target=lambda i=i: answers.append(sluice.get(f"/?delay=100&id=q{i}", "app.example").status))
        t.start()
        threads.append(t)
    for t in threads:
        t.join()
    assert answers == [200] * 8
    assert pod.stats()["connections"] <= 4


def test_those_who_wait_are_bounded_at_all_pods_together(site):
    """upstream-max-pending is of a Service port. Whom the queue of one refuses was tried at none, so that the next pod is no further try."""
    pods = [Held(site, f"p{i}") for i in range(3)]
    site.app("app.example", [p.address for p in pods])
    sluice = site.sluice(options={"upstream-max-connections": "1", "upstream-max-pending": "2", "proxy-connect-timeout": "60"})
    got, threads = asks(sluice, 9)
    wait_for(lambda: len(got) == 4 and sum(len(p.asked) for p in pods) == 3, "three are asked, and two wait")
    assert {status for _, status, _ in got} == {503}
    assert sluice.metric("sluice_shed_requests_total") == 4 and sluice.metric("sluice_upstream_retries_total") == 0
    for p in pods:
        p.go.set()
    for t in threads:
        t.join()
    assert collections.Counter(status for _, status, _ in got) == {200: 5, 503: 4}


def test_an_upload_lasts_as_long_as_it_moves(site):
    """proxy-read-timeout is counted from the last piece of the request on, as in nginx."""
    site.app("app.example", site.pod().address, annotations={"proxy-read-timeout": "1", "proxy-next-upstream-tries": "1"})
    sluice = site.sluice()
    with sluice.raw() as c:
        c.send("POST / HTTP/1.1\r\nHost: app.example\r\nContent-Length: 60\r\n\r\n")
        for _ in range(6):
            threading.Event().wait(0.5)  # the pace of the client
            c.send(b"z" * 10)
        assert c.answer("POST").status == 200


def test_an_upload_that_does_not_move_is_its_clients_fault(site):
    """It ends by client-body-timeout; no answer of the pod is due before it has all of the request, whatever proxy-read-timeout says."""
    site.app("app.example", site.pod().address, annotations={"proxy-read-timeout": "1", "proxy-next-upstream-tries": "1"})
    sluice = site.sluice(options={"client-body-timeout": "2", "outlier-consecutive-failures": "1"})
    with sluice.raw() as c:
        c.send("POST / HTTP/1.1\r\nHost: app.example\r\nContent-Length: 60\r\n\r\nzzz")
        assert c.answer("POST").status == 408
    assert sluice.get("/", "app.example").status == 200 and sluice.metric("sluice_endpoints_ejected") == 0


class Held:
    """A pod that answers when it is let go, with its name."""

    def __init__(self, site, name):
        self.asked, self.go, self.name = [], threading.Event(), name
        self.address = site.scripted(self.serve).address

    def serve(self, sock, _):
        while r := read_request(sock):
            self.asked.append(r[0].split(" ", 2)[1])
            self.go.wait(20)
            sock.sendall(b"HTTP/1.1 200 OK\r\nX-Pod: %s\r\nContent-Length: 0\r\n\r\n" % self.name.encode())


def serve_from(site, *slices_of, annotations=None):
    site.manifests.write("app.yaml", ingress("app", {"app.example": "app"}, annotations=annotations), service("app"), *slices_of)


def asks(sluice, n, method="GET"):
    """`n` requests at once; what each got, once it has: (path, status, pod)."""
    got = []

    def one(i):
        with sluice.raw(timeout=20) as c:
            a = c.get(f"/{i}", "app.example", method=method, body=b"x" if method == "POST" else None)
            got.append((f"/{i}", a.status, a.get("x-pod")))
    threads = [threading.Thread(target=one, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    return got, threads


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("how", ["gone", "terminating"])
def test_who_waits_for_a_pod_that_goes_is_asked_of_another(site, method, how):
    """upstream-max-connections: 1. Nothing of those that wait was sent, so that they are free to go, whatever the method."""
    a, b = Held(site, "a"), Held(site, "b")
    serve_from(site, endpoint_slice("app", [a.address], name="app-a"))
    sluice = site.sluice(options={"upstream-max-connections": "1", "proxy-next-upstream": "off", "log-format-upstream": "L $request_uri $upstream_status"})
    got, threads = asks(sluice, 4, method)
    wait_for(lambda: len(a.asked) == 1 and sluice.metric("sluice_requests_active") == 4, "three that wait")
    b.go.set()
    left = [endpoint_slice("app", [a.address], name="app-a", terminating=True)] if how == "terminating" else []
    serve_from(site, *left, endpoint_slice("app", [b.address], name="app-b"))
    wait_for(lambda: len(got) == 3, "the three are answered")
    assert {(status, pod) for _, status, pod in got} == {(200, "b")} and len(a.asked) == 1
    a.go.set()
    for t in threads:
        t.join()
    assert sorted(got)[int(a.asked[0][1:])] == (a.asked[0], 200, "a")
    assert sluice.metric("sluice_upstream_retries_total") == 0 and sluice.metric("sluice_shed_requests_total") == 0
    wait_for(lambda: sorted(sluice.access_lines()) == [f"L /{i} 200" for i in range(4)], "no attempt that was none")


def test_who_waits_stays_at_a_pod_that_terminates_where_nobody_else_is(site):
    """And is answered at once when it is gone: its address may be another's."""
    a = Held(site, "a")
    serve_from(site, endpoint_slice("app", [a.address], name="app-a"))
    sluice = site.sluice(options={"upstream-max-connections": "1", "proxy-connect-timeout": "60"})
    got, threads = asks(sluice, 3, "POST")
    wait_for(lambda: len(a.asked) == 1 and sluice.metric("sluice_requests_active") == 3, "two that wait")
    sluice.changed(lambda: serve_from(site, endpoint_slice("app", [a.address], name="app-a", terminating=True)))
    assert not got
    serve_from(site, endpoint_slice("app", [], name="app-a"))
    wait_for(lambda: len(got) == 2, "the two are answered")
    assert {(status, pod) for _, status, pod in got} == {(503, None)}
    assert sluice.get("/", "app.example").get("retry-after") == "1"
    a.go.set()
    for t in threads:
        t.join()
    assert len(a.asked) == 1 and len(got) == 3 and got[-1][1:] == (200, "a"), "what was written goes on"


class Address:
    """One that takes no connection until `serve()`; from then on `got` has all that comes."""

    def __init__(self):
        self.address, (self.listener, *self.full) = never_accepts()
        self.got = []

    def serve(self):
        def answer(sock):
            if data := sock.recv(65536):
                self.got.append(data)
                sock.sendall(b"HTTP/1.1 200 OK\r\nX-Pod: of another tenant\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            sock.close()

        def accept():
            for sock in self.full:
                sock.close()
            while True:
                try:
                    answer(self.listener.accept()[0])
                except ConnectionError:
                    pass
                except OSError:
                    return
        threading.Thread(target=accept, daemon=True).start()


@pytest.mark.parametrize("how", ["scaled to zero", "deleted"])
@pytest.mark.parametrize("protocol", ["HTTP", "GRPC", "FCGI", "TCP"])
def test_nothing_is_sent_to_another_tenant_that_has_the_address(site, protocol, how):
    """The only pod of one namespace takes no connection, and requests wait for it. It goes, and a pod of another namespace gets its address."""
    at, port = Address(), free_port()

    def write_a(named):
        said = {} if protocol == "TCP" else {"backend-protocol": protocol}
        site.manifests.write("a.yaml", ingress("a", {"a.example": "a"}, ns="ta", annotations={"proxy-connect-timeout": "60", **said}), service("a", ns="ta"),
                             endpoint_slice("a", [at.address] if named else [], ns="ta"))
    write_a(True)
    if protocol == "TCP":
        site.manifests.write("ports.yaml", config_map({str(port): "ta/a:80"}, name="tcp-services"))
    sluice = site.sluice("--tcp-services-configmap", "ingress-nginx/tcp-services", options={"proxy-connect-timeout": "60"})
    answers, threads = [], []

    def ask(method):
        if protocol == "TCP":
            with socket.create_connection(("127.0.0.1", port), timeout=20) as s:
                s.sendall(b"the password of a user of a")
                try:
                    answers.append(s.recv(100))
                except ConnectionResetError:
                    answers.append(b"")
            return
        with sluice.raw(timeout=20) as c:
            a = c.get("/secret", "a.example", method=method, body=b"the password of a user of a" if method == "POST" else None)
            answers.append((a.status, a.get("retry-after")))
    for method in ("GET", "POST"):
        threads.append(threading.Thread(target=ask, args=(method,)))
        threads[-1].start()
    wait_for(lambda: sluice.metric("sluice_upstream_connects_total") >= (1 if protocol == "GRPC" else 2), "they wait for a connection")
    site.manifests.write("b.yaml", ingress("b", {"b.example": "b"}, ns="tb"), service("b", ns="tb"), endpoint_slice("b", [at.address], ns="tb"))
    if how == "deleted":
        site.manifests.remove("a.yaml")
    else:
        write_a(False)
    for t in threads:
        t.join(20)
    assert answers == [b"" if protocol == "TCP" else (503, "1")] * 2
    at.serve()
    wait_for(lambda: sluice.get("/of-b", "b.example").get("x-pod") == "of another tenant", "the other tenant is served")
    assert at.got and all(data.startswith(b"GET /of-b ") for data in at.got), at.got


def test_a_backend_is_replaced_while_requests_are_on_their_way(site):
    """One that has matched its path and waits for a connection goes where that led, as long as it is named."""
    a, b = Held(site, "a"), Held(site, "b")
    b.go.set()
    site.manifests.write("services.yaml", service("a"), service("b"), endpoint_slice("a", [a.address]), endpoint_slice("b", [b.address]))
    site.manifests.write("app.yaml", ingress("app", {"app.example": "a"}))
    sluice = site.sluice(options={"upstream-max-connections": "1", "proxy-connect-timeout": "60"})
    got, threads = asks(sluice, 3, "POST")
    wait_for(lambda: len(a.asked) == 1 and sluice.metric("sluice_requests_active") == 3, "two that wait")
    sluice.changed(lambda: site.manifests.write("app.yaml", ingress("app", {"app.example": "b"})))
    assert sluice.get("/", "app.example").get("x-pod") == "b"
    assert not got
    a.go.set()
    for t in threads:
        t.join()
    assert {answer[1:] for answer in got} == {(200, "a")}


def test_who_connects_to_a_pod_that_goes_is_asked_of_another(site):
    hole, sockets = never_accepts()
    b = Held(site, "b")
    b.go.set()
    serve_from(site, endpoint_slice("app", [hole], name="app-a"), annotations={"proxy-connect-timeout": "60"})
    sluice = site.sluice()
    got, threads = asks(sluice, 2, "POST")
    wait_for(lambda: sluice.metric("sluice_upstream_connects_total") == 2, "two that connect")
    serve_from(site, endpoint_slice("app", [b.address], name="app-b"), annotations={"proxy-connect-timeout": "60"})
    for t in threads:
        t.join(10)
    assert sorted(got) == [("/0", 200, "b"), ("/1", 200, "b")]
    assert sluice.metric("sluice_upstream_connect_failures_total") == 0
    del sockets


def test_streams_that_have_not_begun_are_asked_of_another(site):
    """A pod of HTTP/2 that carries one stream at a time."""
    first = site.add(H2Pod(lambda pod, call: None, streams=1))
    second = site.add(H2Pod(lambda pod, call: call.head(("content-length", "0"), end=True)))
    serve_from(site, endpoint_slice("app", [first.address], name="app-a"), annotations={"backend-protocol": "GRPC"})
    sluice = site.sluice(options={"upstream-max-connections": "1", "proxy-connect-timeout": "60"})
    _, waits = asks(sluice, 1, "POST")
    first.wait_call()
    got, threads = asks(sluice, 2, "POST")
    wait_for(lambda: sluice.metric("sluice_requests_active") == 3, "two that wait")
    serve_from(site, endpoint_slice("app", [second.address], name="app-b"), annotations={"backend-protocol": "GRPC"})
    for t in threads:
        t.join(10)
    assert [status for _, status, _ in got] == [200, 200] and len(first.calls) == 1 and len(second.calls) == 2
    first.calls[0].head(("content-length", "0"), end=True)
    waits[0].join()


def test_what_stays_out_of_the_table_of_the_compression(site):
    """What a client could guess by it (RFC 7541 section 7.1), and ids: they never come again, and would fill it."""
    pod = site.add(H2Pod(lambda pod, call: call.head(("content-length", "0"), end=True)))
    serve_from(site, endpoint_slice("app", [pod.address]), annotations={"backend-protocol": "GRPC"})
    sluice = site.sluice()
    for _ in range(2):
        assert sluice.get("/", "app.example", headers={"Authorization": "Basic eDp5", "Cookie": "a=b", "X-Colour": "red"}).status == 200
    first, again = ({name: field.indexable for field in call.headers for name in field[:1]} for call in pod.calls)
    assert first == again
    assert {name for name, indexable in first.items() if not indexable} == {"authorization", "cookie", "x-request-id"}
    assert first["x-colour"] and first["x-forwarded-for"]


def test_a_pod_that_is_full_is_passed_over(site):
    """upstream-max-connections is nginx's max_conns where another pod has a place: nobody waits."""
    a, b = Held(site, "a"), Held(site, "b")
    b.go.set()
    site.app("app.example", [a.address, b.address])
    sluice = site.sluice(options={"upstream-max-connections": "1"})
    held, threads = asks(sluice, 1)
    while not a.asked:  # whoever got the first one
        wait_for(lambda: held or a.asked, "an answer, or the pod that holds it")
        if not a.asked:
            held, threads = asks(sluice, 1)
    for i in range(6):
        begun = time.monotonic()
        assert sluice.get(f"/next{i}", "app.example").get("x-pod") == "b" and time.monotonic() - begun < 2
    a.go.set()
    threads[0].join()
    assert sluice.metric("sluice_shed_requests_total") == 0


def test_a_request_waits_once_for_its_turn(site):
    """proxy-connect-timeout bounds it, however often its pod may be asked; who is refused is counted once."""
    a = Held(site, "a")
    site.app("app.example", a.address, annotations={"proxy-connect-timeout": "1"})
    sluice = site.sluice(options={"upstream-max-connections": "1", "log-format-upstream": "L $request_uri $status $upstream_status $upstream_response_time"})
    held, threads = asks(sluice, 1)
    wait_for(lambda: a.asked, "the pod is busy")
    begun = time.monotonic()
    assert sluice.get("/late", "app.example").status == 503
    assert 0.9 < time.monotonic() - begun < 1.9
    a.go.set()
    threads[0].join()
    assert sluice.metric("sluice_shed_requests_total") == 1
    assert 0.9 < float(sluice.wait_access(r"^L /late 503 - (\S+)$").group(1)) < 1.9
    del held
