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

ONLY = {"overload-close-idle": 0, "overload-reset-slow": 0, "overload-refuse-requests": 0, "overload-stop-accepting": 0}


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


@pytest.mark.parametrize("text, expected", [("many", "many"), ("12parsecs", "parsecs")])
def test_a_limit_that_is_none(site, text, expected):
    proxy = site.sluice("--memory-limit", text, wait=False)
    assert proxy.proc.wait(10) != 0
    wait_for(lambda: any("memory-limit" in x and expected in x for x in proxy.err + proxy.out), "what is wrong is named")


def test_which_limit_holds_is_said(site):
    proxy, _ = site.simple()
    assert proxy.wait_line(r"memory limit: (none|\d+ MiB) \((no cgroup|cgroup v[12] /\S*)\)$", stream="err")
