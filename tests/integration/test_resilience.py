"""What helps while pods fail: endpoints that are left out, a budget of further tries (docs/resilience.md)."""
import collections
import subprocess

import pytest

from harness import SLUICE, free_port, ingress, read_request, wait_for


WEBSOCKET = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]


class Failing:
    """Answers with the status that `status` is at the moment, or closes where that is 0."""

    def __init__(self, site, name, status=200):
        self.name, self.status, self.asked = name, status, 0
        self.pod = site.scripted(self._serve)
        self.address = self.pod.address

    def _serve(self, sock, _):
        while read_request(sock) is not None:
            self.asked += 1
            if self.status == 0:
                return
            sock.sendall(f"HTTP/1.1 {self.status} Said\r\nX-Pod: {self.name}\r\nContent-Length: 0\r\n\r\n".encode())


def start(site, statuses, annotations=None, workers=1, **options):
    pods = [Failing(site, f"p{i}", status) for i, status in enumerate(statuses)]
    site.app("app.example", [p.address for p in pods], annotations=annotations)
    return site.sluice(options={k.replace("_", "-"): str(v) for k, v in options.items()}, workers=workers), pods


def ask(sluice, n, path="/"):
    with sluice.raw() as c:
        return collections.Counter((a.status, a.get("x-pod")) for a in (c.get(path, "app.example") for _ in range(n)))


@pytest.mark.parametrize("policy", [{}, {"load-balance": "ewma"}, {"load-balance": "least_request"}, {"upstream-hash-by": "$request_id"}])
def test_who_fails_in_a_row_is_left_out(site, policy):
    sluice, pods = start(site, [200, 503, 200], policy, outlier_consecutive_failures=5, outlier_ejection_time=3600)
    # By chance some policies ask it seldom.
    wait_for(lambda: ask(sluice, 50) and pods[1].asked >= 5, "it was asked five times")
    before = pods[1].asked
    assert ask(sluice, 100).keys() <= {(200, "p0"), (200, "p2")}
    assert pods[1].asked == before == 5
    assert sluice.metric("sluice_endpoint_ejections_total") == 1
    sluice.wait_line(rf"pod {pods[1].address} of Service default/app:80: it gets no requests for a while", stream="err")


def test_all_workers_and_routes_know_it(site):
    sluice, pods = start(site, [200, 502], workers=4, outlier_consecutive_failures=3, outlier_ejection_time=3600)
    sluice.changed(lambda: site.manifests.write("other.yaml", ingress("other", {"other.example": "app"})))
    wait_for(lambda: ask(sluice, 4) and pods[1].asked >= 3, "it has failed three times")
    before = pods[1].asked
    for _ in range(40):  # connections of their own, so that each worker has some
        assert sluice.get("/", "app.example").status == sluice.get("/", "other.example").status == 200
    assert pods[1].asked == before


def test_it_comes_back_and_goes_again_with_the_first_failure(site):
    sluice, pods = start(site, [200, 500], outlier_consecutive_failures=2, outlier_ejection_time=1)

    def ejections():
        return sluice.metric("sluice_endpoint_ejections_total")
    wait_for(lambda: ask(sluice, 2) and ejections() == 1, "it has failed twice")
    wait_for(lambda: ask(sluice, 2) and ejections() == 2, "it was asked again after a second")
    asked, pods[1].status = pods[1].asked, 200
    assert asked == 3, "one failure was enough"
    wait_for(lambda: ask(sluice, 2)[200, "p1"] == 1, "and once more after two, when it is well")
    assert ask(sluice, 20) == {(200, "p0"): 10, (200, "p1"): 10}
    assert ejections() == 2


def test_never_all(site):
    sluice, pods = start(site, [503, 503, 503], outlier_consecutive_failures=1, outlier_ejection_time=3600, outlier_max_ejected_percent=100)
    ask(sluice, 30)
    pods[0].status = pods[1].status = pods[2].status = 200
    assert {status for status, _ in ask(sluice, 10)} == {200}, "somebody is asked"
    one, left = start(site, [503], outlier_consecutive_failures=1)
    ask(one, 5)
    left[0].status = 200
    assert ask(one, 5) == {(200, "p0"): 5}


def test_connections_that_cannot_be_made_count_and_clients_that_leave_do_not(site):
    pod = Failing(site, "well")
    dead = f"127.0.0.1:{free_port()}"
    site.app("app.example", [dead, pod.address])
    slow, other = site.pod("slow"), site.pod("other")
    site.app("slow.example", [slow.address, other.address])
    sluice = site.sluice(options={"outlier-consecutive-failures": "2", "outlier-ejection-time": "3600"})
    assert ask(sluice, 20) == {(200, "well"): 20}
    assert sluice.metric("sluice_upstream_connect_failures_total") == 2 and sluice.metric("sluice_endpoint_ejections_total") == 1
    for n in range(8):
        with sluice.raw() as c:
            c.send(b"GET /?hold=1 HTTP/1.1\r\nHost: slow.example\r\n\r\n")
            wait_for(lambda: slow.stats()["requests"] + other.stats()["requests"] > n, "it is at a pod")
            c.reset()
    wait_for(lambda: sluice.metric("sluice_requests_active") == 0, "they are gone")
    assert sluice.metric("sluice_endpoint_ejections_total") == 1


def test_without_the_option_nobody_is_left_out(site):
    sluice, pods = start(site, [200, 503])
    assert ask(sluice, 40) == {(200, "p0"): 20, (503, "p1"): 20}


def test_further_tries_have_a_budget(site):
    retry = {"proxy-next-upstream": "http_503", "proxy-next-upstream-tries": "2"}
    sluice, pods = start(site, [503, 503], retry, retry_budget_percent=50, retry_budget_min_rate=0)
    assert {status for status, _ in ask(sluice, 100)} == {503}
    made = pods[0].asked + pods[1].asked
    assert 145 <= made <= 150, made
    assert sluice.metric("sluice_upstream_retries_over_budget_total") == 200 - made
    # Nothing of it is spent on what no pod has seen.
    pod = Failing(site, "well")
    sluice.changed(lambda: site.app("app.example", [f"127.0.0.1:{free_port()}", pod.address]))
    assert ask(sluice, 50) == {(200, "well"): 50}


def test_recommended_is_a_set_and_keys_are_stronger(site):
    sluice, pods = start(site, [200, 503], resilience="recommended", outlier_consecutive_failures=2)
    out = subprocess.run([SLUICE, "explain", site.manifests.root, "GET", "http://app.example/", "--set", "resilience=recommended"], capture_output=True, text=True, timeout=30).stdout
    assert "chosen by ewma" in out, out
    wait_for(lambda: ask(sluice, 10) and pods[1].asked >= 2, "it was asked twice")
    assert ask(sluice, 20) == {(200, "p0"): 20}


def test_who_waits_to_try_again_may_leave(site):
    pods = [Failing(site, f"p{i}", 0) for i in range(2)]
    site.app("app.example", [p.address for p in pods], annotations={"proxy-next-upstream": "error", "proxy-next-upstream-tries": "16"})
    sluice = site.sluice(options={"retry-backoff": "10000"})
    with sluice.raw() as c:
        c.send(b"GET / HTTP/1.1\r\nHost: app.example\r\n\r\n")
        wait_for(lambda: pods[0].asked + pods[1].asked >= 1, "the first try has failed")
    wait_for(lambda: sluice.metric("sluice_requests_active") == 0, "nobody waits any more", 5)


def test_a_try_has_its_time_where_another_may_follow(site):
    """proxy-next-upstream-try-timeout: the connect and the wait for a head; the last try has the usual time."""
    def never(sock, _):
        while read_request(sock) is not None:
            pass
    silent, pod = site.scripted(never), site.pod("pod")
    short = {"proxy-next-upstream-try-timeout": "600ms"}
    site.app("app.example", [silent.address, pod.address], annotations=short)
    site.app("alone.example", pod.address, annotations={**short, "proxy-next-upstream-tries": "1"})
    site.app("post.example", pod.address, annotations=short)
    sluice = site.sluice()
    with sluice.raw() as c:
        answers = [c.get("/", "app.example") for _ in range(4)]
        assert [a.status for a in answers] == [200] * 4
        # By turns, and a second try is the turn of the other: once the silent one had its turn each request begins there.
        tried = sluice.metric("sluice_upstream_retries_total")
        assert tried in (3, 4)
        sluice.wait_line(r"\b504, 200 ")
        assert c.get("/?delay=1500", "alone.example").status == 200, "it is the last try"
        # A pod may have seen the POST, so that there is no other try: it has its time.
        c.send(b"POST /?delay=1500 HTTP/1.1\r\nHost: post.example\r\nContent-Length: 2\r\n\r\nhi")
        assert c.answer("POST").status == 200
    assert sluice.metric("sluice_upstream_retries_total") == tried


def test_a_request_has_its_time_with_all_its_tries(site):
    """request-timeout: of a path and of the ConfigMap; the pod of an answer that is cut is told, and a tunnel is none."""
    pod = site.pod("pod")
    site.app("short.example", pod.address, annotations={"request-timeout": "500ms"})
    site.app("other.example", pod.address, annotations={"request-timeout": "0"})
    site.app("usual.example", pod.address)
    sluice = site.sluice(options={"request-timeout": "1500ms"})
    with sluice.raw() as c:
        for host, late in (("short.example", 1000), ("usual.example", 3000)):
            answer = c.get(f"/?delay={late}", host)
            assert answer.status == 504
            sluice.wait_access(r'" 504 ')
        assert c.get("/?delay=1000", "usual.example").status == 200
        assert c.get("/?delay=2000", "other.example").status == 200
    told = subprocess.run([SLUICE, "explain", site.manifests.root, "GET", "http://short.example/"], capture_output=True, text=True)
    assert "request-timeout = 500ms" in " ".join(told.stdout.split()), told.stdout
    with sluice.raw() as c:
        assert c.get("/ws", "short.example", headers=WEBSOCKET).status == 101
        c.sock.settimeout(1.2)
        with pytest.raises(TimeoutError):
            c.sock.recv(1)


@pytest.mark.parametrize("options", [{"resilience": "recommended"}, {"outlier-consecutive-failures": "2"}, {"outlier-latency-factor": "3"}])
@pytest.mark.parametrize("who", ["client", "pod"])
def test_a_tunnel_that_ends_is_judged_by_how_it_began(site, options, who):
    """Whoever ends it, however the options have changed meanwhile: its pod has answered, and goes on to be asked."""
    def switching(sock, _):
        while (request := read_request(sock)) is not None:
            if "upgrade: websocket" not in request[0].lower():
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                continue
            sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
            if who == "pod":
                return
    pod = site.scripted(switching)
    site.app("app.example", pod.address)
    sluice = site.sluice(options=options)
    with sluice.raw() as half:  # somebody else's request, which must not be cut
        half.send("GET /half HTTP/1.1\r\n")
        for change in (False, True):
            for n in range(3):
                with sluice.raw() as c:
                    assert c.get("/ws", "app.example", headers=WEBSOCKET).status == 101
                    if change and who == "client":
                        sluice.changed(lambda: site.app("app.example", pod.address, annotations={"proxy-read-timeout": str(40 + n)}))
                    if who == "pod":
                        assert c.sock.recv(1) == b""
            wait_for(lambda: sluice.metric("sluice_tunnels_active") == 0, "all tunnels have ended")
        half.send("Host: app.example\r\n\r\n")
        assert half.answer("GET").status == 200
    assert sluice.get("/", "app.example").status == 200 and sluice.metric("sluice_endpoints_ejected") == 0


def test_requests_of_a_service_port_have_a_limit(site):
    held, other = site.pod("held"), site.pod("other")
    site.app("held.example", held.address)
    site.app("other.example", other.address)
    sluice = site.sluice(options={"upstream-max-requests": "2"})
    clients = [sluice.raw() for _ in range(2)]
    for c in clients:
        c.send(b"GET /?hold=1 HTTP/1.1\r\nHost: held.example\r\n\r\n")
    wait_for(lambda: held.stats()["requests"] == 2, "both are at the pod")
    assert sluice.get("/", "held.example").status == 503
    assert sluice.get("/", "other.example").status == 200, "another port has its own"
    assert held.stats()["requests"] == 2 and sluice.metric("sluice_shed_requests_total") == 1
    for c in clients:
        c.reset()
    wait_for(lambda: sluice.get("/", "held.example").status == 200, "there is room again")


def test_a_pod_that_has_come_begins_with_less(site):
    pods = [site.pod(f"p{i}") for i in range(2)]
    site.app("app.example", pods[0].address, annotations={"slow-start": "3600"})
    sluice = site.sluice()
    assert ask(sluice, 10) == {(200, "p0"): 10}
    sluice.changed(lambda: site.app("app.example", [p.address for p in pods], annotations={"slow-start": "3600"}))
    got = ask(sluice, 1000)
    assert 40 <= got[200, "p1"] <= 140, got  # 91 and five deviations


def test_a_limit_that_is_found_counts_who_waits_for_an_answer(site):
    """adaptive-concurrency begins with 64 a worker, and the head of an answer ends the wait: slow clients fill nothing."""
    pod = site.pod("pod")
    site.app("app.example", pod.address)
    sluice = site.sluice(options={"adaptive-concurrency": "true"})
    readers = [sluice.raw() for _ in range(80)]
    for c in readers:
        c.send(b"GET /?size=10000000 HTTP/1.1\r\nHost: app.example\r\n\r\n")
        c.read_head()
    waiting = [sluice.raw() for _ in range(64)]
    for c in waiting:
        c.send(b"GET /?hold=1 HTTP/1.1\r\nHost: app.example\r\n\r\n")
    wait_for(lambda: pod.stats()["requests"] == 80 + 64, "all are at the pod")
    assert sluice.get("/", "app.example").status == 503
    assert sluice.metric("sluice_shed_requests_total") == 1
    waiting[0].reset()
    wait_for(lambda: sluice.get("/", "app.example").status == 200, "there is room again")
    for c in (*readers, *waiting[1:]):
        c.reset()


def health_of(sluice):
    return sorted(e.get("health", "") for c in sluice.config()["clusters"] for e in c["endpoints"])


def test_all_fail_and_then_all_are_well(site):
    """What ails all of them is no reason to leave some out once one of them answers."""
    sluice, pods = start(site, [503] * 4, outlier_consecutive_failures=1, outlier_ejection_time=3600)
    ask(sluice, 20)
    assert sluice.metric("sluice_endpoints_ejected") == 4
    assert health_of(sluice) == ["ejected"] * 2 + ["ejected, but asked"] * 2
    sluice.wait_line(r"it has failed too often in a row, and gets requests as too many are left out already", stream="err")
    for pod in pods:
        pod.status = 200
    ask(sluice, 8)
    assert ask(sluice, 40) == {(200, f"p{i}"): 10 for i in range(4)}
    assert sluice.metric("sluice_endpoints_ejected") == 0 and health_of(sluice) == [""] * 4


def test_who_is_out_alone_stays_out_while_others_come_and_go(site):
    """Of three that fail one is asked all the same. While it fails nobody is called back; the one that is well says nothing of them."""
    sluice, pods = start(site, [503, 503, 503, 200], outlier_consecutive_failures=1, outlier_ejection_time=3600)
    ask(sluice, 20)
    before = [p.asked for p in pods]
    ask(sluice, 40)
    assert sum(p.asked == n for p, n in zip(pods, before)) == 2, "two are left out"


def test_the_last_one_is_said_to_be_asked(site):
    sluice, pods = start(site, [500], outlier_consecutive_failures=1)
    ask(sluice, 3)
    assert pods[0].asked == 3 and health_of(sluice) == ["ejected, but asked"]
    sluice.wait_line(rf"{pods[0].address}.*gets requests as too many are left out already", stream="err")
