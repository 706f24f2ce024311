"""The ladder of overload (docs/limits.md): what goes first when memory becomes short. --memory-limit stands for a cgroup's limit here;
with a real one the same is tests/chaos/memory.py."""
import time

import pytest

import h2raw
import slow_clients
from cgroup import MemoryCgroup, NoCgroup
from h2raw import Http2
from harness import SANITIZED, Raw, config_map, wait_for
from middle import middle
from overload import Healthy, Peak, actions, open_all

pytestmark = [pytest.mark.alone, pytest.mark.skipif(SANITIZED, reason="a sanitizer has an allocator of its own: the ladder of overload was NOT driven")]

ONLY = {"overload-close-idle": 0, "overload-reset-slow": 0, "overload-refuse-low": 0, "overload-refuse-requests": 0, "overload-stop-accepting": 0}


def alone(**on):
    """Options by which one rung alone can be reached."""
    return {**ONLY, **{k.replace("_", "-"): v for k, v in on.items()}}


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


# What a machine that is busy with other things lets come at once must fit between resets and refusals: of a small limit the five per
# cent of the defaults are less.
EARLY = {"overload-close-idle": 60, "overload-reset-slow": 70}
# Many times what fits: clients of each kind, and how many MB the process may take above what it starts with.
ATTACKS = {"slow_reader": (800, 12), "slow_chunked_reader": (800, 12), "slow_tls_reader": (400, 12), "unfinished_head": (4000, 12),
           "half_handshake": (800, 16), "slow_upload": (600, 44), "tunnel": (400, 12), "h2_one_shut_window": (1500, 44), "h2_unread": (60, 44),
           "h2_shut_windows": (60, 44), "h2_unfinished_head": (1500, 16)}


@pytest.mark.parametrize("kind", ATTACKS)
def test_clients_that_do_not_go_on_are_reset_and_the_others_are_served(site, base_kb, kind):
    slow_clients.raise_descriptors()
    clients, room_mb = ATTACKS[kind]
    limit_kb = base_kb + room_mb * 1024
    pod = site.pod("pod", "--forget-ids")
    proxy = middle(site, pod, h2=kind.startswith("h2"), access_log="off", options=EARLY, env={"SLUICE_MEMORY_LIMIT": f"{limit_kb}Ki"})
    healthy, peak = Healthy(proxy), Peak(lambda: slow_clients.anonymous_kb(proxy))
    attackers, lost = [], 0
    try:
        for _ in range(clients):
            try:
                attackers.append(slow_clients.opened(proxy, kind))
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
    proxy.wait_line(r"memory: .* MiB \(\d+\.\d %\): clients that hold memory and do not go on are reset", stream="err")


@pytest.fixture
def cgroup():
    try:
        group = MemoryCgroup("sluice-test-overload", 40 << 20)
    except NoCgroup as e:
        pytest.skip(f"{e}: a real cgroup was NOT filled")
    yield group
    group.remove()


def test_a_cgroup_that_slow_readers_fill(cgroup, site):
    """As the kernel counts it, sockets included: nobody is killed and nobody healthy is refused."""
    slow_clients.raise_descriptors()
    proxy = middle(site, site.pod("pod", "--forget-ids"), h2=False, access_log="off", options=EARLY, wrap=cgroup.wrap(), workers=2)
    assert proxy.wait_line(r"memory limit: 40 MiB \(cgroup v[12] ", stream="err")
    healthy, attackers = Healthy(proxy), []
    try:
        attackers = open_all(proxy, "slow_reader", 1600, threads=4)
        before = healthy.kept, healthy.new
        wait_for(lambda: healthy.kept > before[0] + 5 and healthy.new > before[1] + 5, "the healthy ones are served on")
        did = actions(proxy)
    finally:
        healthy.stop()
        for s in attackers:
            s.close()
    assert proxy.proc.poll() is None and cgroup.kills() == 0
    assert not healthy.failures, (healthy.failures[:5], len(healthy.failures), healthy.kept, healthy.new)
    assert did["slow_reset"] > 0 and did["request_refused"] == 0 and did["accept_paused"] == 0, did


def test_nothing_is_kept_alive_when_memory_begins_to_be_short(site):
    """The first rung: every answer is the last of its connection, what was idle for a third of its time goes, HTTP/2 says GOAWAY."""
    pod = site.pod("pod", "--forget-ids")
    # One per cent is reached at once, and no other rung is there.
    proxy = middle(site, pod, options={**alone(overload_close_idle=1), "keep-alive": 15}, env={"SLUICE_MEMORY_LIMIT": "100Mi"})
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
    assert proxy.metric("sluice_memory_limit_bytes") == 100 << 20
    assert 1 << 20 <= proxy.metric("sluice_memory_used_bytes") < 100 << 20
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


@pytest.mark.parametrize("text, expected", [("many", "many"), ("12parsecs", "parsecs"), ("10", "1Mi")])
def test_a_limit_that_is_none(site, text, expected):
    proxy = site.sluice("--memory-limit", text, wait=False)
    assert proxy.proc.wait(10) != 0
    wait_for(lambda: any("memory-limit" in x and expected in x for x in proxy.err + proxy.out), "what is wrong is named")


def test_which_limit_holds_is_said(site):
    proxy, _ = site.simple()
    assert proxy.wait_line(r"memory limit: (none|\d+ MiB) \((no cgroup|cgroup v[12] /\S*)\)$", stream="err")


def routes(site, pod, **kw):
    """A host of each priority in front of one pod; whoever asks for high is allowed to."""
    for name in ("low", "normal", "high"):
        site.app(f"{name}.example", pod.address, name=name, annotations={"priority": name} if name != "normal" else None)
    return site.sluice(**{**kw, "options": {"priority-namespaces": "default", "http2-prior-knowledge": "true", **kw.get("options", {})}})


def answers(proxy, path="/"):
    """By host: status and Retry-After."""
    out = {}
    for name in ("low", "normal", "high"):
        a = proxy.get(path, f"{name}.example")
        out[name] = a.status, a.get("Retry-After")
    return out


def held(proxy, source):
    return {r for r in ("close-idle", "reset-slow", "refuse-low", "refuse-requests", "stop-accepting")
            if proxy.metric("sluice_overload_rung_held", rung=r, source=source) == 1}


def test_requests_of_low_priority_are_refused_first(site):
    pod = site.pod("pod", "--forget-ids")
    proxy = routes(site, pod, options={**alone(overload_refuse_low=50), "overload-retry-after": 7}, env={"SLUICE_MEMORY_LIMIT": "1Mi"})
    assert answers(proxy) == {"low": (503, "7"), "normal": (200, None), "high": (200, None)}
    with Http2(proxy.http) as c:
        low, normal = c.request("/", host="low.example"), c.request("/", host="normal.example")
        assert c.done(normal).status == 200
        assert c.done(low).status == 503 and low.get("retry-after") == "7"
    # A call is told in its own form, and when it may be tried again.
    with Http2(proxy.http) as c:
        call = c.done(c.request("/svc/Method", host="low.example", method="POST", fields=[("content-type", "application/grpc"), ("te", "trailers")], body=b"\0\0\0\0\0"))
        assert call.status == 200 and call.get("grpc-status") == "14" and call.get("grpc-retry-pushback-ms") == "7000"
    with Raw(proxy.http) as c:
        assert c.get("/healthz", "any").status == 200, "the load balancer sees that it lives"
    wait_for(lambda: held(proxy, "memory") == {"refuse-low"}, "the metrics say so, which are made each second")
    assert proxy.metric("sluice_overload_rung") == 2, "as those who watch it know it: no request of theirs is refused"
    assert proxy.metric("sluice_overload_actions_total", action="low_priority_refused") == 3
    assert actions(proxy)["request_refused"] == 0
    assert proxy.metric("sluice_overload_pressure", source="memory") > 1
    proxy.wait_line(r"memory: .* new requests of low priority get 503$", stream="err")  # and no word of clients that are reset: that is off


def test_those_of_high_priority_are_served_until_nothing_is_accepted(site):
    pod = site.pod("pod", "--forget-ids")
    proxy = routes(site, pod, options=alone(overload_refuse_low=40, overload_refuse_requests=50), env={"SLUICE_MEMORY_LIMIT": "1Mi"})
    assert answers(proxy) == {"low": (503, "1"), "normal": (503, "1"), "high": (200, None)}
    assert actions(proxy)["request_refused"] == 2
    wait_for(lambda: proxy.metric("sluice_overload_rung") == 3, "the metrics say so, which are made each second")


def test_a_priority_that_nobody_allowed(site):
    """Served as all others are, and said where it was asked for."""
    site.manifests.write("options.yaml", config_map({"overload-close-idle": "0", "overload-reset-slow": "0", "overload-stop-accepting": "0", "overload-refuse-requests": "50"}))
    pod = site.pod("pod", "--forget-ids")
    site.app("high.example", pod.address, name="high", annotations={"priority": "high"})
    proxy = site.sluice(env={"SLUICE_MEMORY_LIMIT": "1Mi"})
    proxy.wait_line(r"priority.*normal or less in a namespace that priority-namespaces does not name", stream="err")
    assert proxy.get("/", "high.example").status == 503
    site.manifests.write("options.yaml", config_map({"overload-close-idle": "0", "overload-reset-slow": "0", "overload-stop-accepting": "0", "overload-refuse-requests": "50",
                                                     "priority-namespaces": "default"}))
    wait_for(lambda: proxy.get("/", "high.example").status == 200, "now it is allowed")


def test_connections_that_ask_nothing_give_way(site):
    """Below max-connections: those that were there for longest without asking, and not those in use."""
    proxy, pod = site.simple(options={"max-connections": 40, "keep-alive": 60})
    with Raw(proxy.http) as used:
        def asks():
            a = used.get("/", "app.example")
            return a.status == 200 and a.get("Connection") != "close"
        assert asks()
        idle = [Raw(proxy.http) for _ in range(37) if asks()]
        half = Raw(proxy.http)
        half.send("GET / HTTP/1.1\r\n")
        wait_for(lambda: asks() and actions(proxy)["idle_closed"] > 0, "some are closed")
        # 39 of 40; what is aimed at is 87 %.
        wait_for(lambda: asks() and proxy.metric("sluice_overload_pressure", source="connections") < 0.9, "not too many of them")
        assert asks()
        with Raw(proxy.http) as new:
            assert new.get("/", "app.example").status == 200
        assert {"close-idle", "reset-slow"} <= held(proxy, "connections") and not held(proxy, "memory") and not held(proxy, "lag")
        assert actions(proxy)["slow_reset"] == 0, "there were enough idle ones"
        assert proxy.metric("sluice_shed_connections_total") == 0
        for c in (*idle, half):
            c.close()
    proxy.wait_line(r"connections: 3\d of 40 \(9\d\.\d %\): .*clients that do not go on are reset", stream="err")
    proxy.wait_line(r"connections: \d+ of 40 .*nobody is ended for it", stream="err", seconds=20)


def test_clients_that_do_not_go_on_give_way_where_nobody_is_idle(site):
    """Slowloris: it holds connections, and next to no memory."""
    proxy, pod = site.simple(options={"max-connections": 40})
    slow = []
    with Raw(proxy.http) as used:
        for _ in range(38):
            assert used.get("/", "app.example").status == 200
            slow.append(Raw(proxy.http))
            slow[-1].send("GET / HTTP/1.1\r\nHost: app.example\r\n")
        wait_for(lambda: used.get("/", "app.example").status == 200 and actions(proxy)["slow_reset"] > 0, "some are reset")
        with Raw(proxy.http) as new:
            assert new.get("/", "app.example").status == 200
    for c in slow:
        c.close()


def test_descriptors_are_left_for_pods(site):
    """Clients come until few are left; those who ask are served all the while, each by a new connection to the pod."""
    pod = site.pod("pod", "--forget-ids", "--close-after", "1")
    site.app("app.example", pod.address)
    proxy = site.sluice(wrap=("prlimit", "--nofile=160:160"), options={"max-connections": 100000, "keep-alive-requests": 0})
    used = [proxy.raw() for _ in range(3)]
    idle, served = [], 0
    for c in used:
        assert c.get("/", "app.example").status == 200
    for _ in range(400):
        idle.append(proxy.raw(timeout=30))
        idle[-1].sock.setblocking(False)
    end = time.monotonic() + 3
    while time.monotonic() < end:
        for c in used:
            a = c.get("/", "app.example")
            assert a.status == 200 and a.get("Connection") != "close", a
            served += 1
    assert actions(proxy)["idle_closed"] > 50
    assert proxy.metric("sluice_overload_pressure", source="descriptors") < 1
    proxy.wait_line(r"descriptors: \d+ of 140 \(\d+\.\d %\): ", stream="err")
    assert not any("out of descriptors" in line for line in proxy.err), "no pod was out of reach"
    for c in (*used, *idle):
        c.close()


def test_a_worker_that_is_behind_refuses_requests_of_low_priority(site):
    """By a limit that any load exceeds."""
    pod = site.pod("pod", "--forget-ids")
    options = {"overload-loop-lag": "1ms", "overload-refuse-requests": 0, "overload-stop-accepting": 0}
    proxy = routes(site, pod, options=options, workers=1)
    assert answers(proxy)["low"][0] == 200
    load = site.tool("load", "--connect", proxy.http, "--host", "high.example", "-c", 512, "-d", 8, "--size", "0:2000")
    load.wait_connected(512)
    wait_for(lambda: proxy.metric("sluice_overload_actions_total", action="low_priority_refused") > 0 or proxy.get("/", "low.example").status == 503, "it is refused")
    with proxy.raw() as again:
        wait_for(lambda: again.get("/", "low.example").status == 503, "it is refused on a connection that goes on")
        took = []
        for _ in range(3):
            begun = time.monotonic()
            assert again.get("/", "low.example").status == 503
            took.append(time.monotonic() - begun)
        assert took[0] >= 0.2 and took[1] >= 0.45 and took[2] >= 0.9, f"who asks again at once waits for longer each time: {took}"
    assert proxy.metric("sluice_event_loop_lag_seconds", worker="0") > 0
    wait_for(lambda: proxy.metric("sluice_overload_pressure", source="lag") > 0, "the metrics say so, which are made each second")
    r = load.result(60)
    assert r["failed"] == 0, r["details"]
    assert r["closed_announced"] == 0, "connections are worth more than ever"
    proxy.wait_line(r"event loop: worker 0 is behind by \d+ ms, and overload-loop-lag is 1 ms: ", stream="err")
    wait_for(lambda: not held(proxy, "lag"), "it has caught up", 20)
    assert answers(proxy)["low"][0] == 200
    proxy.wait_line(r"event loop: .* nobody is ended for it", stream="err")
