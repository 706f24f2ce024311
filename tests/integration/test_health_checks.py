"""Pods that are asked whether they are well, and pods that take longer than others (docs/resilience.md)."""
import base64
import collections
import re
import socket
import ssl
import subprocess
import threading
import time

import pytest

import proxy_header as ph
from harness import SLUICE, certificate, free_port, ingress, read_request, service, slices, wait_for

FAST = {"health-check-interval": "1s", "health-check-unhealthy-after": "1", "health-check-healthy-after": "1", "health-check-timeout": "1s"}
HTTP = {"health-check": "http", "health-check-path": "/healthz", **FAST}


class Pod:
    """Answers requests with 200, and those for /healthz with what `health` is: a status, 0 for closing, None for no answer. `checks` has their heads."""

    def __init__(self, site, name, health=200, wrap=None, read_first=None):
        self.name, self.health, self.requests, self.checks = name, health, 0, []
        self.wrap, self.read_first, self.headers = wrap, read_first, []
        self.silence = threading.Event()
        self.pod = site.scripted(self._serve)
        self.address = self.pod.address

    def _serve(self, sock, _):
        if self.read_first:
            self.headers.append(self.read_first(sock))
        if self.wrap:
            sock = self.wrap.wrap_socket(sock, server_side=True)
        while (request := read_request(sock)) is not None:
            status = 200
            if request[0].split()[1].startswith("/healthz"):
                self.checks.append(request[0])
                status = self.health
                if status is None:
                    self.silence.wait(30)
                if not status:
                    return
            else:
                self.requests += 1
            sock.sendall(f"HTTP/1.1 {status} Said\r\nX-Pod: {self.name}\r\nContent-Length: 2\r\n\r\nok".encode())


def start(site, healths, annotations=None, workers=1, **options):
    pods = [Pod(site, f"p{i}", health) for i, health in enumerate(healths)]
    site.app("app.example", [p.address for p in pods], annotations=HTTP if annotations is None else annotations)
    return site.sluice(options={k.replace("_", "-"): str(v) for k, v in options.items()}, workers=workers), pods


def ask(sluice, n, host="app.example"):
    with sluice.raw() as c:
        return collections.Counter((a.status, a.get("x-pod")) for a in (c.get("/", host) for _ in range(n)))


def unhealthy(sluice):
    return sluice.metric("sluice_endpoints_unhealthy")


def state_of(sluice, pod):
    """What /config says of the endpoint's health."""
    port = int(pod.address.rsplit(":", 1)[1])
    return [e.get("health", "") for c in sluice.config()["clusters"] for e in c["endpoints"] if e["port"] == port][0]


def test_who_fails_checks_gets_no_requests_until_he_is_well(site):
    sluice, pods = start(site, [200, 503, 200])
    assert ask(sluice, 30).keys() <= {(200, "p0"), (200, "p1"), (200, "p2")}, "a pod is well until it has failed"
    wait_for(lambda: unhealthy(sluice) == 1, "the check has failed")
    before = pods[1].requests
    assert ask(sluice, 40) == {(200, "p0"): 20, (200, "p2"): 20}
    assert pods[1].requests == before, "though it answers requests"
    assert state_of(sluice, pods[1]) == "unhealthy" and state_of(sluice, pods[0]) == ""
    sluice.wait_line(rf"pod {pods[1].address}.* of Service default/app:80 is unhealthy: 1 health checks in a row failed, the last one with: status 503", stream="err")
    assert sluice.metric("sluice_health_checks_total", result="status") >= 1
    wait_for(lambda: sluice.metric("sluice_health_checks_total", result="ok") >= 2, "the others were checked")
    shown = subprocess.run([SLUICE, "backends", "--admin", sluice.admin], capture_output=True, text=True, timeout=30).stdout
    assert shown.count('"health": "unhealthy"') == 1, shown
    assert sluice.metric("sluice_endpoints_ejected") == 0 and sluice.metric("sluice_endpoint_ejections_total") == 0
    pods[1].health = 204
    wait_for(lambda: unhealthy(sluice) == 0, "it is well again")
    assert ask(sluice, 30) == {(200, f"p{i}"): 10 for i in range(3)}
    sluice.wait_line(rf"pod {pods[1].address}.* is healthy again: 1 health checks in a row succeeded", stream="err")


def test_what_a_check_looks_like(site):
    sluice, pods = start(site, [200], {**HTTP, "health-check-path": "/healthz?full=1", "health-check-host": "check.example"})
    wait_for(lambda: pods[0].checks, "it was checked")
    lines = pods[0].checks[0].split("\r\n")
    assert lines[0] == "GET /healthz?full=1 HTTP/1.1"
    assert sorted(lines[1:]) == ["Accept: */*", "Connection: close", "Host: check.example", "User-Agent: sluice-health-check"]
    sluice.changed(lambda: site.app("app.example", pods[0].address, annotations=HTTP))
    wait_for(lambda: "Host: " + pods[0].address in pods[0].checks[-1], "without a name it is asked by its address")


@pytest.mark.parametrize("expect,good,bad", [(None, 301, 404), ("204", 204, 200), ("200-299, 404", 404, 302), ("503", 503, 200)])
def test_expected_statuses(site, expect, good, bad):
    sluice, pods = start(site, [good, bad], HTTP if expect is None else {**HTTP, "health-check-expect": expect})
    wait_for(lambda: state_of(sluice, pods[1]) == "unhealthy" and len(pods[0].checks) > 1, "both were checked")
    assert state_of(sluice, pods[0]) == ""


@pytest.mark.parametrize("answer,result", [
    (b"Content-Length: 10\r\n\r\nabc", "timeout"),
    (b"Content-Length: 10\r\nConnection: close\r\n\r\nabc", "broken"),
    (b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "broken"),
    (b"Content-Length: 100000\r\n\r\n" + b"x" * 70000, "ok"),
], ids=["hangs", "breaks off", "no chunk", "longer than what is read"])
def test_an_answer_counts_once_its_body_is_here(site, answer, result):
    hangs = threading.Event()

    def serve(sock, _):
        while read_request(sock) is not None:
            sock.sendall(b"HTTP/1.1 200 OK\r\n" + answer)
            if b"close" in answer:
                return
            hangs.wait(30)
    pod = site.scripted(serve)
    site.app("app.example", pod.address, annotations={**HTTP, "health-check-timeout": "300ms"})
    sluice = site.sluice()
    wait_for(lambda: sluice.metric("sluice_health_checks_total", result=result) >= 1, "it was checked")
    assert sluice.metric("sluice_health_checks_total", result="ok") == (1 if result == "ok" else 0)
    hangs.set()


@pytest.mark.parametrize("health,result,reason", [(None, "timeout", "no answer within 1 s"), (0, "broken", "closed")])
def test_no_answer_is_none(site, health, result, reason):
    sluice, pods = start(site, [200, health])
    wait_for(lambda: state_of(sluice, pods[1]) == "unhealthy", "the check has failed")
    assert sluice.metric("sluice_health_checks_total", result=result) >= 1
    sluice.wait_line(rf"pod {pods[1].address}.*the last one with: .*{reason}", stream="err")
    pods[1].silence.set()


def test_so_many_in_a_row(site):
    sluice, pods = start(site, [200, 503], {**HTTP, "health-check-unhealthy-after": "3", "health-check-healthy-after": "2"})
    wait_for(lambda: len(pods[1].checks) == 2, "it has failed twice")
    assert unhealthy(sluice) == 0
    wait_for(lambda: unhealthy(sluice) == 1, "and a third time")
    assert len(pods[1].checks) == 3
    pods[1].health = 200
    wait_for(lambda: len(pods[1].checks) == 4, "it is well once")
    assert unhealthy(sluice) == 1
    wait_for(lambda: unhealthy(sluice) == 0, "and twice")


def test_by_a_connection_alone(site):
    pod = Pod(site, "well")
    dead = free_port()
    site.app("app.example", [pod.address, f"127.0.0.1:{dead}"], annotations={"health-check": "tcp", **FAST})
    sluice = site.sluice()
    wait_for(lambda: unhealthy(sluice) == 1, "nobody listens there")
    sluice.wait_line(rf"pod 127.0.0.1:{dead}.*the last one with: connect refused", stream="err")
    tries = sluice.metric("sluice_upstream_retries_total")
    assert ask(sluice, 20) == {(200, "well"): 20}
    assert sluice.metric("sluice_upstream_retries_total") == tries, "requests need not find out"
    late = socket.create_server(("127.0.0.1", dead))
    try:
        wait_for(lambda: unhealthy(sluice) == 0, "somebody listens")
    finally:
        late.close()


def test_never_all_and_the_ceiling(site):
    sluice, pods = start(site, [503, 503, 503, 503])
    wait_for(lambda: unhealthy(sluice) == 4, "all have failed")
    got = ask(sluice, 40)
    assert sum(got.values()) == 40 and {status for status, _ in got} == {200} and len(got) == 2, "half of them are left out at most"
    sluice.stop()
    sluice, pods = start(site, [503, 503, 200], outlier_max_ejected_percent=100)
    wait_for(lambda: unhealthy(sluice) == 2, "two have failed")
    assert ask(sluice, 20) == {(200, "p2"): 20}
    pods[2].health = 503
    wait_for(lambda: unhealthy(sluice) == 3, "all have failed")
    assert {status for status, _ in ask(sluice, 10)} == {200}, "somebody is asked"
    only, last = start(site, [503])
    wait_for(lambda: unhealthy(only) == 1, "it has failed")
    assert ask(only, 5) == {(200, "p0"): 5}, "never the last one"


def test_one_check_for_all_workers_routes_and_ports(site):
    sluice, pods = start(site, [200, 503], workers=4)
    sluice.changed(lambda: site.manifests.write("other.yaml", ingress("other", {"other.example": "app"}, annotations=HTTP)))
    wait_for(lambda: unhealthy(sluice) == 1, "the check has failed")
    asked = [len(p.checks) for p in pods]
    wait_for(lambda: len(pods[0].checks) >= asked[0] + 4, "four more intervals")
    for n, pod in zip(asked, pods):
        assert len(pod.checks) - n <= 6, "one an interval, whoever serves requests"
    before = pods[1].requests
    for _ in range(40):  # connections of their own, so that each worker has some
        assert sluice.get("/", "app.example").status == sluice.get("/", "other.example").status == 200
    assert pods[1].requests == before


def test_checks_end_with_their_ingress_and_nobody_is_out_for_them_then(site):
    sluice, pods = start(site, [200, 503])
    wait_for(lambda: unhealthy(sluice) == 1, "the check has failed")
    # Other things change: nothing of it is forgotten.
    sluice.changed(lambda: site.app("next.example", pods[0].address))
    assert unhealthy(sluice) == 1
    sluice.changed(lambda: site.app("app.example", [p.address for p in pods]))
    wait_for(lambda: unhealthy(sluice) == 0, "nobody checks it any more")
    assert ask(sluice, 20) == {(200, "p0"): 10, (200, "p1"): 10}
    made = sum(len(p.checks) for p in pods)
    sluice.changed(lambda: site.app("timer.example", pods[0].address, annotations={"health-check": "tcp", **FAST}))
    ok = sluice.metric("sluice_health_checks_total", result="ok")
    wait_for(lambda: sluice.metric("sluice_health_checks_total", result="ok") >= ok + 2, "two intervals of another one have passed")
    assert sum(len(p.checks) for p in pods) == made
    sluice.changed(lambda: site.manifests.remove("timer.yaml"))


def test_a_pod_that_comes_is_well_until_it_has_failed(site):
    sluice, pods = start(site, [200, 200])
    wait_for(lambda: pods[0].checks and pods[1].checks, "they are checked")
    new = Pod(site, "new", 503)
    sluice.changed(lambda: site.app("app.example", [pods[0].address, pods[1].address, new.address], annotations=HTTP))
    wait_for(lambda: unhealthy(sluice) == 1, "its check has failed")
    before = new.requests
    assert ask(sluice, 20) == {(200, "p0"): 10, (200, "p1"): 10} and new.requests == before


def test_checks_by_the_config_map_and_an_ingress_that_wants_none(site):
    pods = [Pod(site, "a", 503), Pod(site, "b"), Pod(site, "c", 503), Pod(site, "d")]
    site.app("app.example", [pods[0].address, pods[1].address])
    site.app("off.example", [pods[2].address, pods[3].address], annotations={"health-check": "off"})
    sluice = site.sluice(options=HTTP)
    wait_for(lambda: unhealthy(sluice) == 1, "one is checked")
    assert ask(sluice, 10) == {(200, "b"): 10}
    assert ask(sluice, 10, "off.example") == {(200, "c"): 5, (200, "d"): 5} and not pods[2].checks
    explained = subprocess.run([SLUICE, "explain", site.manifests.root, "GET", "http://app.example/", *sum([["--set", f"{k}={v}"] for k, v in HTTP.items()], [])],
                               capture_output=True, text=True, timeout=30).stdout
    assert "checked by http GET /healthz for 200-399 every 1s for 1s at most, unhealthy after 1, healthy after 1" in explained, explained


def test_sessions_of_a_port_go_to_who_is_well(site):
    """A port of TCP leads to the same Service: what an Ingress asks for counts there, too."""
    pods = [Pod(site, "a"), Pod(site, "b", 503)]
    site.app("app.example", [p.address for p in pods], annotations=HTTP)
    port = free_port()
    site.manifests.write("tcp.yaml", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "tcp-services", "namespace": "ingress-nginx"},
                                      "data": {str(port): "default/app:80"}})
    sluice = site.sluice("--stream-address", "127.0.0.1")
    wait_for(lambda: unhealthy(sluice) == 1, "the check has failed")
    before = pods[1].requests
    for _ in range(10):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as c:
            c.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert b"X-Pod: a" in c.recv(1000)
    assert pods[1].requests == before


@pytest.mark.parametrize("mode", ["balanced", "persistent"])
def test_sessions_stay_and_new_ones_begin_elsewhere(site, mode):
    sluice, pods = start(site, [200, 200, 200], {**HTTP, "affinity": "cookie", "affinity-mode": mode})

    def visit(cookie=None):
        with sluice.raw() as c:
            a = c.get("/", "app.example", headers=[f"Cookie: {cookie}"] if cookie else [])
            return a.get("x-pod"), (a.get("set-cookie") or "").split(";")[0]
    at, mine = visit()
    pod = pods[int(at[1])]
    pod.health = 503
    wait_for(lambda: unhealthy(sluice) == 1, "its check has failed")
    assert [visit(mine)[0] for _ in range(5)] == [at] * 5, "the session's data is there"
    begun = [visit() for _ in range(40)]
    assert at not in {where for where, _ in begun}
    for where, cookie in begun[:5]:
        assert visit(cookie)[0] == where, "the cookie names the pod that was asked"


def test_the_pods_of_a_canary_are_checked_as_those_of_its_main_ingress(site):
    pods = [Pod(site, "a"), Pod(site, "b"), Pod(site, "c", 503)]
    site.app("app.example", pods[0].address, annotations=HTTP)
    site.manifests.write("canary.yaml", ingress("canary", {"app.example": "next"}, annotations={"canary": "true", "canary-by-header": "X-Next"}),
                         service("next"), *slices("next", [pods[1].address, pods[2].address]))
    sluice = site.sluice()
    wait_for(lambda: state_of(sluice, pods[2]) == "unhealthy", "the canary's pods are checked")
    with sluice.raw() as c:
        assert {c.get("/", "app.example", headers=["X-Next: always"]).get("x-pod") for _ in range(6)} == {"b"}


def test_what_no_path_of_an_ingress_leads_to_is_not_checked(site):
    """Pods behind a port alone may speak anything, whatever the ConfigMap says of all."""
    alone, checked = site.scripted(lambda sock, _: sock.sendall(b"220 ready\r\n")), Pod(site, "p")
    site.app("app.example", checked.address)
    site.manifests.write("mail.yaml", service("mail"), *slices("mail", [alone.address]))
    site.manifests.write("tcp.yaml", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "tcp-services", "namespace": "ingress-nginx"},
                                      "data": {str(free_port()): "default/mail:80"}})
    sluice = site.sluice("--stream-address", "127.0.0.1", options=HTTP)
    wait_for(lambda: len(checked.checks) >= 3, "three intervals have passed")
    assert alone.connections == 0


def test_pods_that_speak_tls_are_met_as_by_requests(site):
    cert, key = certificate("pod.example")
    other, _ = certificate("other.example")
    (site.tmp / "pod.pem").write_text(cert + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(site.tmp / "pod.pem")
    ca = lambda name, pem: {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "default"}, "type": "Opaque",
                            "data": {"ca.crt": base64.b64encode(pem.encode()).decode()}}
    site.manifests.write("ca.json", ca("right", cert), ca("wrong", other))
    tls = lambda secret: {**HTTP, "backend-protocol": "HTTPS", "proxy-ssl-secret": f"default/{secret}", "proxy-ssl-verify": "on", "proxy-ssl-name": "pod.example",
                          "proxy-ssl-server-name": "on"}
    good, bad, plain = Pod(site, "good", wrap=context), Pod(site, "bad", wrap=context), Pod(site, "plain")
    bad.pod.errors = good.pod.errors = plain.pod.errors = collections.deque(maxlen=0)  # handshakes that fail are part of it
    site.app("good.example", good.address, annotations=tls("right"))
    site.app("bad.example", bad.address, annotations=tls("wrong"))
    site.app("plain.example", plain.address, annotations={**FAST, "backend-protocol": "HTTPS", "health-check": "tcp"})
    sluice = site.sluice()
    wait_for(lambda: good.checks and unhealthy(sluice) == 2, "all were checked")
    assert (state_of(sluice, good), state_of(sluice, bad), state_of(sluice, plain)) == ("", "unhealthy", "unhealthy")
    sluice.wait_line(rf"pod {bad.address}.*the last one with: .*certificate verify failed", stream="err")
    assert not bad.checks
    # The Secret is mended: the next check goes by it.
    sluice.changed(lambda: site.manifests.write("ca.json", ca("right", cert), ca("wrong", cert)))
    wait_for(lambda: bad.checks and state_of(sluice, bad) == "", "it is well")


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_pods_that_want_a_proxy_header_get_one_of_nobody(site, version):
    seen = []

    def header(sock):
        start = sock.recv(1000, socket.MSG_PEEK)
        size = start.index(b"\r\n") + 2 if version == "v1" else 16 + int.from_bytes(start[14:16], "big")
        seen.append(sock.recv(size))
    pod = Pod(site, "p", read_first=header)
    svc = service("app")
    svc["metadata"]["annotations"] = {"sluice.dev/upstream-proxy-protocol": version}
    site.manifests.write("app.yaml", ingress("app", {"app.example": "app"}, annotations=HTTP), svc, *slices("app", [pod.address]))
    sluice = site.sluice()
    wait_for(lambda: pod.checks, "it was checked")
    assert seen[0] == (b"PROXY UNKNOWN\r\n" if version == "v1" else ph.LOCAL)
    assert unhealthy(sluice) == 0


def test_grpc_says_how_it_serves(site):
    from grpc_pod import GrpcPod, grpc
    pods = [site.add(GrpcPod()) for _ in range(2)]
    statuses, asked = {0: 1, 1: 2}, []

    def watch(i, pod):
        inner = pod.service.service

        def service_of(details):
            if details.method != "/grpc.health.v1.Health/Check":
                return inner(details)

            def check(request, context):
                asked.append((i, request, dict(context.invocation_metadata())))
                if statuses[i] is None:
                    context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
                return b"\x08" + bytes([statuses[i]])
            return grpc.unary_unary_rpc_method_handler(check)
        pod.service.service = service_of
    for i, pod in enumerate(pods):
        watch(i, pod)
    site.app("grpc.example", [p.address for p in pods], annotations={"backend-protocol": "GRPC", "health-check": "grpc", "health-check-service": "shop.Cart", **FAST})
    sluice = site.sluice()
    wait_for(lambda: unhealthy(sluice) == 1, "one does not serve")
    assert [state_of(sluice, p) for p in pods] == ["", "unhealthy"]
    assert all(request == b"\x0a\x09shop.Cart" for _, request, _ in asked)
    assert all(metadata["user-agent"].startswith("sluice-health-check") for _, _, metadata in asked)
    sluice.wait_line(rf"pod {pods[1].address}.*the last one with: it says NOT_SERVING", stream="err")
    assert sluice.metric("sluice_health_checks_total", result="not_serving") >= 1
    statuses[1] = 1
    wait_for(lambda: unhealthy(sluice) == 0, "it serves")
    statuses[0] = None
    wait_for(lambda: unhealthy(sluice) == 1, "the service is unknown")
    sluice.wait_line(rf"pod {pods[0].address}.*the last one with: grpc-status 5", stream="err")


def test_grpc_over_tls(site):
    from grpc_pod import GrpcPod, grpc
    cert, key = certificate("pod.example")
    pod = site.add(GrpcPod(grpc.ssl_server_credentials([(key.encode(), cert.encode())])))
    site.app("grpc.example", [pod.address, f"127.0.0.1:{free_port()}"], annotations={"backend-protocol": "GRPCS", "health-check": "grpc", **FAST})
    sluice = site.sluice()
    wait_for(lambda: unhealthy(sluice) == 1 and sluice.metric("sluice_health_checks_total", result="ok") >= 1, "both were checked")
    assert state_of(sluice, pod) == ""


def test_http_over_http2(site):
    from h2pod import H2Pod
    paths = []

    def answer(pod, call):
        paths.append(dict(call.headers).get(":path"))
        call.head(status=200 if len(paths) == 1 else 503, end=True)
    pod = site.add(H2Pod(answer))
    site.app("app.example", pod.address, annotations={**HTTP, "backend-protocol": "GRPC"})
    sluice = site.sluice()
    wait_for(lambda: unhealthy(sluice) == 1, "the second one says 503")
    assert set(paths) == {"/healthz"}
    assert sluice.metric("sluice_health_checks_total", result="ok") == 1


WRONG = {"health-check": ["yes", "HTTP", "http,tcp"], "health-check-path": ["healthz", "/a b", "/a#b", "/ä", "/" + "x" * 1024],
         "health-check-host": ["a b", "a/b", "a.example:0", "a.example:70000", "[::1", "a:b:c", "-a.example"],
         "health-check-service": ["a b", "a\\b", "x" * 256], "health-check-interval": ["0s", "999ms", "2h", "-1s", "1.5s", "1 s", "10x", "99999999999s"],
         "health-check-timeout": ["0", "99ms", "61s", "1h"], "health-check-unhealthy-after": ["0", "101", "-1", "x"], "health-check-healthy-after": ["0", "101"],
         "health-check-expect": ["199", "600", "2xx", "300-200", "200-", "-", ",", ",".join(["200"] * 17)]}


def test_values_that_cannot_be_used_are_said_and_the_default_counts(site):
    wrong = [(name, value) for name, values in WRONG.items() for value in values]
    for i, (name, value) in enumerate(wrong):
        beside = {} if name == "health-check" else {"health-check": "grpc" if name == "health-check-service" else "http"}
        site.app(f"h{i}.example", "127.0.0.1:1", annotations={**beside, name: value})
    out = subprocess.run([SLUICE, "check", site.manifests.root], capture_output=True, text=True, timeout=60).stdout
    told = collections.Counter()
    for line in out.splitlines():
        if m := re.search(r"^  (?:(\d+) Ingress|\S+ Ingress default/h\d+): warning InvalidAnnotation field=metadata.annotations\[([\w-]+)\].* expected .*; the default is used", line):
            told[m.group(2)] += int(m.group(1) or 1)
    assert told == {name: len(values) for name, values in WRONG.items()}, out


@pytest.mark.parametrize("annotations,why", [
    ({"health-check-path": "/x"}, "expected health-check: http, grpc or tcp beside them; no pod is checked"),
    ({"health-check": "tcp", "health-check-path": "/x"}, "they are ignored: a connection is all that is asked for"),
    ({"health-check": "http", "health-check-service": "x"}, "expected health-check: grpc beside it"),
    ({"health-check": "http", "backend-protocol": "FCGI"}, "expected health-check: tcp beside backend-protocol: FCGI")])
def test_what_has_no_effect_is_said(site, annotations, why):
    site.app("app.example", "127.0.0.1:1", annotations=annotations)
    out = subprocess.run([SLUICE, "check", site.manifests.root], capture_output=True, text=True, timeout=60).stdout
    assert why in out, out


def test_a_strangers_checks_say_nothing_of_an_owners_pods(site):
    """Two namespaces lead to one address: each asks for itself, and what one finds is nothing to the other."""
    pods = [Pod(site, "a", 503), Pod(site, "b")]
    addresses = [p.address for p in pods]
    site.app("owner.example", addresses, ns="owner")
    site.app("stranger.example", addresses, ns="stranger", annotations=HTTP)
    sluice = site.sluice(options={"outlier-consecutive-failures": "3"})
    wait_for(lambda: unhealthy(sluice) == 1, "the stranger's check has failed")
    assert ask(sluice, 10, "stranger.example") == {(200, "b"): 10}
    assert ask(sluice, 10, "owner.example") == {(200, "a"): 5, (200, "b"): 5}


def test_of_two_ingresses_the_older_decides(site):
    pods = [Pod(site, "a", 503), Pod(site, "b")]
    old, new = ({"created": f"2026-0{n}-01T00:00:00Z"} for n in (1, 2))
    site.manifests.write("app.yaml", ingress("old", {"old.example": "app"}, **old), ingress("new", {"new.example": "app"}, annotations=HTTP, **new),
                         service("app"), *slices("app", [p.address for p in pods]))
    out = subprocess.run([SLUICE, "check", site.manifests.root], capture_output=True, text=True, timeout=60).stdout
    assert re.search(r"default/new.*NoEffect.*health-check.*which is older", out), out


def test_many_pods_of_one_namespace_do_not_keep_anothers_from_being_checked(site):
    """All of the first wait for their time out; the other's checks are as punctual as ever."""
    pod = Pod(site, "other")
    site.app("other.example", pod.address, ns="other", annotations=HTTP)
    holders = [Pod(site, f"s{i}", None) for i in range(40)]
    site.app("silent.example", [p.address for p in holders], ns="silent", annotations={**HTTP, "health-check-timeout": "60s"})
    sluice = site.sluice()
    wait_for(lambda: sum(len(p.checks) for p in holders) == 16, "as many as one namespace may have are under way")
    asked = len(pod.checks)
    begun = time.monotonic()
    wait_for(lambda: len(pod.checks) >= asked + 4, "the other one is checked")
    assert time.monotonic() - begun < 8
    assert sum(len(p.checks) for p in holders) == 16
    assert sluice.metric("sluice_health_checks_waiting") > 0
    for p in holders:
        p.silence.set()


def test_who_takes_much_longer_than_the_others_is_left_out(site):
    class Slow(Pod):
        delay = 0

        def _serve(self, sock, number):
            while read_request(sock) is not None:
                self.requests += 1
                if self.delay:
                    threading.Event().wait(self.delay)
                sock.sendall(f"HTTP/1.1 200 OK\r\nX-Pod: {self.name}\r\nContent-Length: 0\r\n\r\n".encode())
    pods = [Slow(site, f"p{i}") for i in range(3)]
    pods[1].delay = 0.06
    site.app("app.example", [p.address for p in pods])
    sluice = site.sluice(options={"outlier-latency-factor": "5", "outlier-latency-floor": "30", "outlier-ejection-time": "3600"})
    wait_for(lambda: ask(sluice, 30) and sluice.metric("sluice_endpoint_ejections_total", reason="latency") == 1, "it was found", 30)
    before = pods[1].requests
    assert before >= 32
    assert ask(sluice, 20) == {(200, "p0"): 10, (200, "p2"): 10} and pods[1].requests == before
    sluice.wait_line(rf"{pods[1].address}.*it takes much longer than the others", stream="err")
    assert state_of(sluice, pods[1]) == "ejected" and sluice.metric("sluice_endpoints_ejected") == 1
