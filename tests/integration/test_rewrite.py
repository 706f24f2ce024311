"""Paths that are regular expressions, and what becomes of them on their way to pods."""
import json
import subprocess
import time

import pytest

from harness import SLUICE, ingress, service, slices


@pytest.fixture
def pods(site):
    a, b = site.pod("a"), site.pod("b")
    site.manifests.write("apps.yaml", service("a"), *slices("a", [a.address]), service("b"), *slices("b", [b.address]))

    def put(name, host, paths, annotations=None, **kw):
        site.manifests.write(f"{name}.yaml", ingress(name, {host: [(p, t, s, 80) for p, t, s in paths]}, annotations=annotations, **kw))
    site.put, site.a = put, a
    return site


def explain(site, url, *args):
    return subprocess.run([SLUICE, "explain", site.manifests.root, "GET", url, *args], stdout=subprocess.PIPE, timeout=30, text=True).stdout


def test_a_pattern_that_runs_away_is_500_of_that_request_and_no_other(pods):
    pods.put("app", "h.example", [("/(x+x+)+[yz]", "ImplementationSpecific", "a"), ("/", "Prefix", "b")], {"use-regex": "true"})
    sluice = pods.sluice()
    runaway = "/" + "x" * 60
    begun = time.monotonic()
    for _ in range(100):  # interpreted, then as machine code
        assert sluice.get(runaway, "h.example").status == 500
    assert time.monotonic() - begun < 10
    assert sluice.get("/xxy", "h.example").get("x-pod") == "a"
    assert sluice.get("/z", "h.example").get("x-pod") == "b"
    assert sluice.metric("sluice_regex_gave_up_total") == 100
    assert "500: a pattern of the host takes too many steps" in explain(pods, f"http://h.example{runaway}")


@pytest.mark.parametrize("owner", [{}, {"use-regex": "true"}])
def test_a_pattern_of_another_namespace_that_runs_away_takes_no_request(pods, owner):
    pods.put("app", "h.example", [("/", "Prefix", "a")], owner, created="2020-01-01T00:00:00Z")
    sluice = pods.sluice()
    runaway = "/w" + "a" * 60
    assert sluice.get(runaway, "h.example").status == 200
    theirs = pods.pod("theirs")
    sluice.changed(lambda: pods.manifests.write(
        "theirs.yaml", service("x", ns="evil"), *slices("x", [theirs.address], ns="evil"),
        ingress("evil", {"h.example": [("/w([a-z]+)*[0-9]$", "ImplementationSpecific", "x", 80), ("/wa([a-z]+)*[0-9]{9}$", "ImplementationSpecific", "x", 80)]},
                ns="evil", created="2025-01-01T00:00:00Z", annotations={"use-regex": "true"})))
    assert sluice.get("/wab7", "h.example").get("x-pod") == "theirs"
    answer = sluice.get(runaway, "h.example")
    assert answer.status == 200 and answer.get("x-pod") == "a"
    assert sluice.metric("sluice_regex_gave_up_total") == 2
    told = explain(pods, f"http://h.example{runaway}")
    assert "takes no request from a namespace before its own" in told and "forwarded to" in told


def test_a_rewrite_that_leads_nowhere_is_500(pods):
    pods.put("app", "h.example", [("/app(/.*)?", "ImplementationSpecific", "a")], {"rewrite-target": "$1"})
    sluice = pods.sluice()
    assert sluice.get("/app/x", "h.example").status == 200
    assert sluice.get("/app", "h.example").status == 500
    assert "rewrite-target makes a path that begins with no slash" in explain(pods, "http://h.example/app")


def test_variables_in_a_rewrite(pods):
    pods.put("app", "h.example", [("/app(/.*)?", "ImplementationSpecific", "a")], {"rewrite-target": "/$host/$http_x_user$1"})
    sluice = pods.sluice()
    assert sluice.get("/app/y?z=1", "H.Example:80", headers={"X-User": "a b?c"}).status == 200
    assert pods.a.last_headers()[0] == "GET /h.example/a%20b%3Fc/y?z=1 HTTP/1.1"
    assert "as GET /h.example/u/y" in explain(pods, "http://h.example/app/y", "--header", "X-User: u")


def test_a_variable_that_there_is_not_closes_the_paths_of_its_ingress(pods):
    pods.put("app", "h.example", [("/app", "Prefix", "a")], {"rewrite-target": "/$nobody/x"})
    pods.put("other", "h.example", [("/other", "Prefix", "b")])
    sluice = pods.sluice()
    assert sluice.get("/app", "h.example").status == 503
    assert sluice.get("/other", "h.example").get("x-pod") == "b"


def test_a_url_is_a_redirect_that_no_request_can_bend(pods):
    pods.put("app", "h.example", [("/go/(.*)", "ImplementationSpecific", "a")], {"rewrite-target": "https://to.example/in/$1"})
    sluice = pods.sluice()
    def location(path):
        answer = sluice.get(path, "h.example")
        assert answer.status == 302
        return answer.get("location")
    assert location("/go/a/b?x=1") == "https://to.example/in/a/b?x=1"
    assert location("/go/a%3Fb%23c%0D%0Ad") == "https://to.example/in/a%3Fb%23c%0D"  # `.` matches no line feed
    assert "302 https://to.example/in/x: rewrite-target is a URL" in explain(pods, "http://h.example/go/x")


def test_explain_says_what_the_pod_gets(pods):
    pods.put("app", "h.example", [("/app(/|$)(.*)", "ImplementationSpecific", "a")], {"rewrite-target": "/$2"})
    text = explain(pods, "http://h.example/APP/a%20b?q=1")
    assert "as GET /a%20b?q=1" in text and "pattern /app(/|$)(.*) of Ingress default/app: chosen" in text
    assert json.loads(explain(pods, "http://h.example/app/x", "--json"))["answer"]["target"] == "/x"


def test_a_broken_pattern_is_left_out_alone(pods):
    pods.put("app", "h.example", [("/a(b", "ImplementationSpecific", "a"), ("/ok", "ImplementationSpecific", "a")], {"use-regex": "true"})
    sluice = pods.sluice()
    assert sluice.get("/ok", "h.example").get("x-pod") == "a"
    assert sluice.get("/ab", "h.example").status == 404
    r = subprocess.run([SLUICE, "check", pods.manifests.root], stdout=subprocess.PIPE, timeout=30, text=True)
    assert "InvalidPattern" in r.stdout and "missing closing parenthesis at 4" in r.stdout


def test_a_broken_pattern_that_is_guarded_closes_the_host(pods):
    pods.put("app", "h.example", [("/a(b", "ImplementationSpecific", "a")], {"use-regex": "true", "auth-type": "digests"})
    pods.put("site", "h.example", [("/", "Prefix", "b")])
    sluice = pods.sluice()
    assert sluice.get("/", "h.example").status == 503


def test_ambiguous_paths_normalize_counts_for_what_is_rewritten(pods):
    pods.put("app", "h.example", [("/app/(.*)", "ImplementationSpecific", "a")], {"rewrite-target": "/$1", "ambiguous-paths": "normalize"})
    assert "as GET /a%3Bb" in explain(pods, "http://h.example/app/a;b")


def test_use_regex_is_taken_back_while_it_runs(pods):
    pods.put("app", "h.example", [("/foo", "Prefix", "a")], {"use-regex": "true"})
    sluice = pods.sluice()
    assert sluice.get("/FOObar", "h.example").status == 200
    sluice.changed(lambda: pods.put("app", "h.example", [("/foo", "Prefix", "a")]))
    assert sluice.get("/FOObar", "h.example").status == 404
    assert sluice.get("/foo/x", "h.example").status == 200


def test_another_namespace_makes_only_its_own_paths_patterns(pods):
    pods.put("site", "h.example", [("/", "Prefix", "a"), ("/shop", "Prefix", "a")])
    pods.manifests.write("stranger.yaml", ingress("z", {"h.example": [("/api/v[0-9]+(/|$)(.*)", "ImplementationSpecific", "x", 80), ("/shop.*", "ImplementationSpecific", "x", 80)]}, ns="other",
                                                  annotations={"rewrite-target": "/$2"}))
    sluice = pods.sluice()
    assert sluice.get("/api/v1/x", "h.example").status == 503  # theirs: no Service there
    assert sluice.get("/api/x", "h.example").get("x-pod") == "a"
    assert sluice.get("/shop/x", "h.example").get("x-pod") == "a"
    assert sluice.get("/SHOP/x", "h.example").status == 503  # the owner's path is not his in capitals
