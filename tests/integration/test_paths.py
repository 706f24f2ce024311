"""Paths that two readers read differently: what a pod gets of them in each mode of ambiguous-paths."""
import pytest

# (target, the path that Sluice matches, its one spelling)
SPELLINGS = [
    ("/public/..;/admin", "/public", "/public/..%3B/admin"), ("/public;x/../admin", "/admin", "/admin"), ("/public;x=1/y", "/public", "/public%3Bx=1/y"),
    ("/public%3Bx", "/public", "/public%3Bx"), ("/public\\..\\admin", "/public", "/public%5C..%5Cadmin"), ("/public%5c..%5cadmin", "/public", "/public%5C..%5Cadmin"),
    ("/public/%2e%2e/admin", "/admin", "/admin"), ("/public/.%2E/admin", "/admin", "/admin"), ("/public%2fx", "/public", "/public/x"),
    ("/public/..%2fadmin", "/admin", "/admin"), ("//public", "/public", "/public"), ("/public//x", "/public", "/public/x"),
    ("/public/../admin", "/admin", "/admin"), ("/./public", "/public", "/public"), ("/public/%252e%252e/admin", "/public", "/public/%252e%252e/admin"),
    ("/public%252fadmin", "/public", "/public%252fadmin"), ("/public/%c0%ae%c0%ae/admin", "/public", "/public/%C0%AE%C0%AE/admin"),
    ("/public/%c0%af", "/public", "/public/%C0%AF"), ("/public/%e0%80%af", "/public", "/public/%E0%80%AF"), ("/public/%ff", "/public", "/public/%FF"),
    ("/public/x%09", "/public", "/public/x%09"), ("/public/x%3fy", "/public", "/public/x%3Fy"), ("/public/x%23y", "/public", "/public/x%23y"),
    ("/public/x%20", "/public", "/public/x%20"), ("/public/x.", "/public", "/public/x."), ("/public/%ef%bc%8fx", "/public", "/public/%EF%BC%8Fx"),
    ("/public/x%ef%bb%bf", "/public", "/public/x%EF%BB%BF"), ("/public/x%e1%a0%8e", "/public", "/public/x%E1%A0%8E")]
PLAIN = ["/public", "/public/caf%C3%A9", "/public/a%20b", "/public/v1.2/x:verb?q=../;%2f\\"]


def site_of(site, **kw):
    pods = {name: site.pod(name) for name in ("public", "admin")}
    for name, pod in pods.items():
        site.app("app.example", pod.address, name=name, paths=[("/admin" if name == "admin" else "/", "Prefix")], annotations=kw.get("annotations"))
    return site.sluice(options=kw.get("options")), pods


def ask(sluice, target):
    with sluice.raw() as c:
        return c.get(target, "app.example")


def seen(pods, matched):
    return pods[matched[1:]].last()[-1].split(" ")[1]


def test_raw_is_the_default_and_changes_nothing(site):
    sluice, pods = site_of(site)
    for target, matched, _ in SPELLINGS:
        assert ask(sluice, target).status == 200, target
        assert seen(pods, matched) == target


@pytest.mark.parametrize("where", ["options", "annotations"])
def test_normalized_is_what_was_matched(site, where):
    sluice, pods = site_of(site, **{where: {"ambiguous-paths": "normalize"}})
    for target, matched, spelled in SPELLINGS:
        assert ask(sluice, target + "?q=/../%2f;").status == 200, target
        assert seen(pods, matched) == spelled + "?q=/../%2f;"
        assert ask(sluice, spelled).status == 200
        assert seen(pods, matched) == spelled, "its spelling is its own"


@pytest.mark.parametrize("where", ["options", "annotations"])
def test_what_is_ambiguous_is_refused(site, where):
    sluice, pods = site_of(site, **{where: {"ambiguous-paths": "refuse"}})
    for target, _, _ in SPELLINGS:
        assert ask(sluice, target).status == 400, target
    assert all(p.stats()["requests"] == 0 for p in pods.values())
    for target in PLAIN:
        assert ask(sluice, target).status == 200, target
        assert seen(pods, "/public") == target


def test_a_word_that_is_none_closes_the_ingress(site):
    """Whoever asks for protection does not get less by a slip."""
    sluice, pods = site_of(site, annotations={"ambiguous-paths": "refused"})
    assert ask(sluice, "/public").status == 503
