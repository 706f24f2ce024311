"""The ladder of overload (docs/limits.md): what goes first when memory becomes short. --memory-limit stands for a cgroup's limit here;
with a real one the same is tests/chaos/memory.py."""
import threading
import time

import pytest

import h2raw
import slow_clients
from h2raw import Http2
from harness import SANITIZED, Raw, config_map, wait_for
from middle import middle

pytestmark = pytest.mark.skipif(SANITIZED, reason="a sanitizer has an allocator of its own: the ladder of overload was NOT driven")

ONLY = {"overload-close-idle": 0, "overload-reset-slow": 0, "overload-refuse-requests": 0, "overload-stop-accepting": 0}


def alone(**on):
    """Options by which one rung alone can be reached."""
    return {**ONLY, **{k.replace("_", "-"): v for k, v in on.items()}}


class Healthy:
    """Clients that behave, all through an attack: one that keeps its connection as long as it is let, and a new one for each request."""

    def __init__(self, proxy, host="app.example"):
        self.proxy, self.host = proxy, host
        self.kept = self.new = 0
        self.failures, self.slowest = [], 0.0
        self.over = threading.Event()
        self.threads = [threading.Thread(target=f) for f in (self._keep, self._renew)]
        for t in self.threads:
            t.start()

    def _ask(self, c):
        begun = time.monotonic()
        a = c.get("/?size=1000", self.host)
        self.slowest = max(self.slowest, time.monotonic() - begun)
        assert a.status == 200, a
        assert len(a.body) == 1000
        return (a.get("Connection") or "").lower() == "close"

    def _keep(self):
        c = None
        while not self.over.wait(0.02):
            try:
                c = c or Raw(self.proxy.http)
                if self._ask(c):
                    c.close()
                    c = None
                self.kept += 1
            except Exception as e:  # counted: the test says what it makes of it
                self.failures.append(f"kept: {e!r}")
                c = None
        if c:
            c.close()

    def _renew(self):
        while not self.over.wait(0.02):
            try:
                with Raw(self.proxy.http) as c:
                    self._ask(c)
                self.new += 1
            except Exception as e:
                self.failures.append(f"new: {e!r}")

    def stop(self):
        self.over.set()
        for t in self.threads:
            t.join()


class Peak:
    def __init__(self, proxy):
        self.proxy, self.kb, self.over = proxy, 0, threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()

    def _watch(self):
        while not self.over.wait(0.005):
            self.kb = max(self.kb, slow_clients.anonymous_kb(self.proxy))

    def stop(self):
        self.over.set()
        self.thread.join()
        return self.kb


def actions(proxy):
    return {a: proxy.metric("sluice_overload_actions_total", action=a) for a in ("idle_closed", "slow_reset", "request_refused", "accept_paused")}


@pytest.fixture(scope="module")
def base_kb(tmp_path_factory):
    """What the process takes before any client."""
    from conftest import Site
    site = Site(tmp_path_factory.mktemp("base"))
    pod = site.pod("pod", "--forget-ids")
    proxy = middle(site, pod, access_log="off")
    proxy.raw().get("/", "app.example")
    kb = slow_clients.settled_kb(proxy)
    site.stop()
    return kb


# Many times what fits: clients of each kind, and how many MB the process may take above what it starts with.
ATTACKS = {"slow_reader": (1500, 16), "slow_chunked_reader": (1500, 16), "slow_tls_reader": (800, 16), "unfinished_head": (4000, 12),
           "half_handshake": (800, 16), "slow_upload": (400, 16), "tunnel": (600, 12), "h2_one_shut_window": (800, 16), "h2_unread": (40, 16),
           "h2_shut_windows": (40, 16), "h2_unfinished_head": (1500, 16)}


@pytest.mark.parametrize("kind", ATTACKS)
def test_clients_that_do_not_go_on_are_reset_and_the_others_are_served(site, base_kb, kind):
    slow_clients.raise_descriptors()
    clients, room_mb = ATTACKS[kind]
    limit_kb = base_kb + room_mb * 1024
    pod = site.pod("pod", "--forget-ids")
    proxy = middle(site, pod, h2=kind.startswith("h2"), access_log="off", env={"SLUICE_MEMORY_LIMIT": f"{limit_kb}Ki"})
    healthy, peak = Healthy(proxy), Peak(proxy)
    attackers, lost = [], 0
    try:
        for _ in range(clients):
            try:
                attackers.append(slow_clients.KINDS[kind](proxy))
            except (OSError, AssertionError):  # reset while it was being made
                lost += 1
        before = healthy.kept, healthy.new
        wait_for(lambda: healthy.kept > before[0] + 5 and healthy.new > before[1] + 5, "the healthy ones are served on")
        did = actions(proxy)
    finally:
        healthy.stop()
        most = peak.stop()
        for s in attackers:
            s.close()
    assert proxy.proc.poll() is None
    assert not healthy.failures, (healthy.failures[:5], len(healthy.failures), healthy.kept, healthy.new)
    assert did["slow_reset"] > 0 and did["request_refused"] == 0 and did["accept_paused"] == 0, did
    assert most <= limit_kb, f"{most} KB of {limit_kb}"
    assert healthy.slowest < 5
    proxy.wait_line(r"memory: .* MiB \(\d+\.\d %\): clients that hold memory and do not go on are reset", stream="err")


def test_nothing_is_kept_alive_when_memory_begins_to_be_short(site):
    """The first rung: every answer is the last of its connection, what was idle for a third of its time goes, HTTP/2 says GOAWAY."""
    pod = site.pod("pod", "--forget-ids")
    # One per cent of little is reached; what is the limit of the others is not.
    proxy = middle(site, pod, options={**alone(overload_close_idle=1), "keep-alive": 15}, env={"SLUICE_MEMORY_LIMIT": "1Gi"})
    with Raw(proxy.http) as c:
        a = c.get("/?size=10", "app.example")
        assert a.status == 200 and a.get("Connection") == "close"
        assert c.closed()
    with Http2(proxy.http) as c:
        assert c.done(c.request("/?size=10")).status == 200
        c.wait_end(10)
        assert c.goaway is not None and c.goaway[1] == h2raw.NO_ERROR
    begun = time.monotonic()
    with Raw(proxy.http, timeout=30) as c:
        assert c.closed()
    assert time.monotonic() - begun < 12, "an idle connection had its whole time"
    assert actions(proxy)["idle_closed"] >= 1
    assert proxy.metric("sluice_overload_rung") == 1
    assert proxy.metric("sluice_memory_limit_bytes") == 1 << 30
    assert 0 < proxy.metric("sluice_memory_used_bytes") < 1 << 30
    proxy.wait_line(r"memory: .* connections are not kept alive", stream="err")


def test_new_requests_are_refused(site):
    pod = site.pod("pod", "--forget-ids")
    proxy = middle(site, pod, options=alone(overload_refuse_requests=50), env={"SLUICE_MEMORY_LIMIT": "1Mi"})
    with Raw(proxy.http) as c:
        a = c.get("/", "app.example")
        assert a.status == 503 and a.get("Connection") == "close"
        assert c.closed()
    with Http2(proxy.http) as c:
        assert c.done(c.request("/")).status == 503
    with Raw(proxy.http) as c:
        assert c.get("/healthz", "any").status == 200, "the load balancer sees that it lives"
    assert actions(proxy)["request_refused"] == 2
    assert proxy.metric("sluice_shed_requests_total") == 2
    assert pod.stats()["requests"] == 0
    proxy.wait_line(r"memory: .* new requests get 503", stream="err")


def test_nothing_is_accepted_until_there_is_memory_again(site):
    pod = site.pod("pod", "--forget-ids")
    options = {**alone(overload_stop_accepting=50)}
    del options["overload-stop-accepting"]
    site.manifests.write("options.yaml", config_map({"overload-stop-accepting": "50"}))
    proxy = middle(site, pod, options=options, env={"SLUICE_MEMORY_LIMIT": "1Mi"})
    with Raw(proxy.http) as c:
        c.send("GET /?size=10 HTTP/1.1\r\nHost: app.example\r\n\r\n")
        wait_for(lambda: actions(proxy)["accept_paused"] > 3, "accepting pauses")
        assert proxy.metric("sluice_downstream_accepted_total") == 0
        site.manifests.write("options.yaml", config_map({"overload-stop-accepting": "0"}))
        assert c.answer().status == 200
    proxy.wait_line(r"memory: .* no connection is accepted", stream="err")
    proxy.wait_line(r"memory: .* nobody is ended for it", stream="err")


@pytest.mark.parametrize("text, expected", [("many", "many"), ("12parsecs", "parsecs")])
def test_a_limit_that_is_none(site, text, expected):
    proxy = site.sluice("--memory-limit", text, wait=False)
    assert proxy.proc.wait(10) != 0
    wait_for(lambda: any("memory-limit" in x and expected in x for x in proxy.err + proxy.out), "what is wrong is named")


def test_which_limit_holds_is_said(site):
    proxy, _ = site.simple()
    assert proxy.wait_line(r"memory limit: (none|\d+ MiB) \((no cgroup|cgroup v[12] /\S*)\)$", stream="err")
