"""Pods that are meant for our zone or node get the requests, and others what those are too few for (docs/topology.md)."""
import collections
import subprocess

import pytest

from harness import SLUICE, config_map, endpoint_slice, free_port, ingress, service


def hinted(addresses, *, zones=(), nodes=(), zone="", node="", ready=True, name="app"):
    """A slice of these addresses, all of one place and meant for the same zones and nodes."""
    (port,) = {a.rsplit(":", 1)[1] for a in addresses}
    out = endpoint_slice("app", addresses, name=f"{name}-{port}", ready=ready)
    for endpoint in out["endpoints"]:
        hints = {k: [{"name": n} for n in names] for k, names in (("forZones", zones), ("forNodes", nodes)) if names}
        endpoint.update({k: v for k, v in (("zone", zone), ("nodeName", node), ("hints", hints)) if v})
    return out


def write(site, *slices):
    site.manifests.write("app.yaml", ingress("app", {"app.example": "app"}), service("app"), *slices)


def shares(sluice, n=60):
    with sluice.raw() as c:
        return collections.Counter(c.get("/", "app.example").get("x-pod") for _ in range(n))


@pytest.fixture
def pods(site):
    return [site.pod(name) for name in "abcd"]


ON = {"topology-aware-routing": "true"}


def test_pods_that_are_meant_for_our_zone_get_the_requests(site, pods):
    a, b, c, d = pods
    write(site, *[hinted([p.address], zones=[z], zone=z) for p, z in ((a, "z1"), (b, "z1"), (c, "z2"), (d, "z2"))])
    sluice = site.sluice("--zone", "z1", options=ON)
    assert shares(sluice) == {"a": 30, "b": 30}


def test_without_the_option_every_pod_has_its_share(site, pods):
    a, b, *_ = pods
    write(site, hinted([a.address], zones=["z1"], zone="z1"), hinted([b.address], zones=["z2"], zone="z2"))
    assert shares(site.sluice("--zone", "z1")) == {"a": 30, "b": 30}


def test_the_flag_of_ingress_nginx_and_a_zone_that_the_slices_tell(site, pods):
    a, b, c, _ = pods
    write(site, hinted([a.address], zones=["z1"], zone="z1", node="n1"), hinted([b.address], zones=["z2"], zone="z2", node="n2"))
    sluice = site.sluice("--enable-topology-aware-routing", "--node-name", "n2")
    assert shares(sluice) == {"b": 60}
    # What was learned stays when the last pod of our node has gone.
    sluice.changed(lambda: write(site, hinted([a.address], zones=["z1"], zone="z1", node="n1"), hinted([c.address], zones=["z2"], zone="z2", node="n3")))
    assert shares(sluice) == {"c": 60}


def test_pods_for_our_node_come_before_those_for_our_zone(site, pods):
    a, b, c, _ = pods
    one, two, three = [dict(zones=["z1"], nodes=[n], zone="z1", node=n) for n in ("n1", "n2", "n3")]
    write(site, hinted([a.address], **one), hinted([b.address], **two), hinted([c.address], **three))
    sluice = site.sluice("--zone", "z1", "--node-name", "n2", options=ON)
    assert shares(sluice) == {"b": 60}
    sluice.changed(lambda: write(site, hinted([a.address], **one), hinted([c.address], **three)))
    assert shares(sluice) == {"a": 30, "c": 30}, "none of our node: those of our zone"


@pytest.mark.parametrize("other", [dict(zones=[], zone="z2"), dict(zones=["z2"], zone="z2")], ids=["one_without_hint", "none_for_us"])
def test_hints_count_when_every_ready_pod_has_one_and_one_is_for_us(site, pods, other):
    a, b, *_ = pods
    ours = "z1" if not other["zones"] else "z2"
    write(site, hinted([a.address], zones=[ours], zone=ours), hinted([b.address], **other))
    assert shares(site.sluice("--zone", "z1", options=ON)) == {"a": 30, "b": 30}


def test_a_zone_that_is_short_shares_with_others(site, pods):
    a, b, c, d = pods
    far = hinted([d.address], zones=["z2"], zone="z2")
    near = [hinted([p.address], zones=["z1"], zone="z1") for p in (a, b, c)]
    missing = [hinted([p.address], zone="z1", ready=False) for p in (a, b, c)]
    write(site, *near, far)
    sluice = site.sluice("--zone", "z1", options={**ON, "topology-overflow-percent": "100"})
    assert "d" not in shares(sluice)
    sluice.changed(lambda: write(site, *near[:2], missing[2], far))
    some = shares(sluice, 600)
    assert 140 <= some["d"] <= 260 and some["c"] == 0, some
    # By default 70 of 100 are enough: two of three nearly are.
    two = shares(site.sluice("--zone", "z1", options=ON), 600)
    assert 5 <= two["d"] <= 80, two
    sluice.changed(lambda: write(site, *missing, far))
    assert shares(sluice) == {"d": 60}, "nobody is left here"


def test_a_try_that_fails_here_goes_on_elsewhere(site, pods):
    d = pods[3]
    dead = f"127.0.0.1:{free_port()}"
    write(site, hinted([dead], zones=["z1"], zone="z1"), hinted([d.address], zones=["z2"], zone="z2"))
    sluice = site.sluice("--zone", "z1", options=ON)
    assert shares(sluice) == {"d": 60}


def test_keys_and_sessions_keep_their_pods_wherever_those_are(site, pods):
    a, b, *_ = pods
    site.manifests.write("app.yaml", ingress("app", {"app.example": "app"}, annotations={"upstream-hash-by": "$request_id"}), service("app"),
                         hinted([a.address], zones=["z1"], zone="z1"), hinted([b.address], zones=["z2"], zone="z2"))
    assert set(shares(site.sluice("--zone", "z1", options=ON), 100)) == {"a", "b"}


def test_explain_and_check_say_it(site, pods):
    a, b, *_ = pods
    write(site, hinted([a.address], zones=["z1"], zone="z1"), hinted([b.address], zones=["z2"], zone="z2"))
    site.manifests.write("options.yaml", config_map(ON))

    def run(*args):
        done = subprocess.run([SLUICE, args[0], site.manifests.root, *args[1:]], capture_output=True, text=True, timeout=30, env={})
        return done.stdout + done.stderr
    assert "1 of another zone or node: with 1 or more here they get none" in run("explain", "GET", "http://app.example/", "--zone", "z1")
    assert "another zone" not in run("explain", "GET", "http://app.example/")
    assert "topology-aware-routing" in run("check") and "--node-name" in run("check")
    assert "topology-aware-routing" not in run("check", "--zone", "z1")
    # Two of three are missing: one is here of the 2.1 that are 70 of 100.
    missing = [hinted([f"127.0.0.1:{free_port()}"], zone="z1", ready=False) for _ in range(2)]
    write(site, hinted([a.address], zones=["z1"], zone="z1"), *missing, hinted([b.address], zones=["z2"], zone="z2"))
    assert "1 of another zone or node: 1 here of 2.1 that would be enough, so that they get 52 of 100 requests" in run("explain", "GET", "http://app.example/", "--zone", "z1")
