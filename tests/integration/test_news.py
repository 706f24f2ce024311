"""What an operator who follows the log learns, and by what replicas can be compared."""
import re

import harness
import pytest
from harness import config_map, ingress, service, slices, wait_for


def said(sluice, pattern, level="info|warning|error"):
    return [line for line in sluice.err if re.search(rf"^\S+ ({level}) +.*({pattern})", line)]


@pytest.fixture
def followed(site):
    site.manifests.app("app.example", "127.0.0.1:9", name="app", annotations={"hsts": "true"})
    site.manifests.app("bad.example", "127.0.0.1:9", name="bad", annotations={"permanent-redirect": "nonsense\\x01"})
    site.manifests.text("role.yaml", "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r}\n")
    return site.sluice()


def test_a_start_says_what_is_not_served_as_check_does(followed):
    followed.wait_line(r"serving \d Ingress\w*; \d errors?, \d warnings?, 1 ignored", stream="err")
    assert len(said(followed, r"Ingress default/app: warning UnknownAnnotation field=metadata.annotations\[hsts\]", "warning")) == 1
    followed.wait_line("not read by Sluice: 1 Role", stream="err")


def test_what_begins_and_what_ends_leaves_a_line(site, followed):
    site.manifests.write("new.yaml", ingress("new", {"new.example": "new"}), service("new"), *slices("new", ["127.0.0.1:9"]))
    followed.wait_line("info +Ingress default/new: served", stream="err")
    site.manifests.remove("new.yaml")
    followed.wait_line("info +Ingress default/new: no longer served", stream="err")
    site.manifests.text("broken.yaml", "kind: [")
    followed.wait_line("error +.*File broken.yaml: error InvalidYaml", stream="err")
    site.manifests.text("broken.yaml", "# mended\n")
    followed.wait_line("info +over: .*File broken.yaml: error InvalidYaml", stream="err")


def test_what_is_over_was_announced(site):
    """Also where it was there at the start, and is a kind that nobody has."""
    site.manifests.text("bad.yaml", "apiVersion: networking.k8s.io/v1\nkind: Ingres\nmetadata: {name: a}\n")
    sluice = site.sluice()
    sluice.wait_line(r"error +bad.yaml:1 Ingres default/a: error UnknownKind .*did you mean Ingress\?", stream="err")
    site.manifests.text("bad.yaml", "# mended\n")
    sluice.wait_line("info +over: bad.yaml:1 Ingres default/a: error UnknownKind", stream="err")


def test_a_problem_whose_line_moved_is_no_news(site, followed):
    file = site.manifests.root / "app.yaml"
    site.manifests.text("broken.yaml", "kind: [")
    followed.wait_line("File broken.yaml: error InvalidYaml", stream="err")
    before = len(followed.err)
    site.manifests.text("app.yaml", "# a comment\n# and another\n" + file.read_text())
    site.manifests.text("broken.yaml", "# a comment\n---\nkind: [")
    site.manifests.write("mark.yaml", ingress("mark", {"mark.example": "mark"}))
    followed.wait_line("Ingress default/mark: served", stream="err")
    # Both files were read by then, or are within the time that a file may look half-written.
    wait_for(lambda: any(p.get("file") == "app.yaml" and p["line"] > 2 for p in followed.config()["report"]), "the line moved")
    wait_for(lambda: any(p.get("file") == "broken.yaml" and p["line"] > 2 for p in followed.config()["report"]), "the other line moved")
    assert [line for line in followed.err[before:] if "hsts" in line or "broken.yaml" in line] == []


def test_a_problem_whose_place_in_its_object_moved_is_no_news(site):
    """A line of a snippet, a place in a list of rules; of options too."""
    allowed = {"allow-snippet-annotations": "true", "annotations-risk-level": "Critical"}

    def put(comment, *first):
        rules = {**{host: "app" for host in first}, "app.example": [("/a//b", "Prefix", "app", 80)]}
        site.manifests.write("app.yaml", ingress("app", rules, annotations={"configuration-snippet": comment + "more_foo x;"}), service("app"),
                             *slices("app", ["127.0.0.1:9"]))
        site.manifests.write("options.yaml", config_map({**allowed, "server-snippet": comment + "more_foo y;"}))
    put("")
    sluice = site.sluice()
    sluice.wait_line("RefusedSnippet|more_foo x", stream="err")
    before = len(sluice.err)
    put("# a comment\n", "new.example")
    report = lambda: [(p["field"], p["value"]) for p in sluice.config()["report"]]
    wait_for(lambda: any("rules[1]" in field for field, _ in report()), "the rule moved")
    wait_for(lambda: {"line 2: more_foo x", "line 2: more_foo"} <= {value for _, value in report()}, "the lines moved")
    site.manifests.write("mark.yaml", ingress("mark", {"mark.example": "app"}))
    sluice.wait_line("Ingress default/mark: served", stream="err")
    assert [line for line in sluice.err[before:] if "more_foo" in line or "/a//b" in line] == []


def test_what_is_wrong_with_a_certificate_is_said_too(site):
    from harness import certificate, tls_secret
    cert, _ = certificate("tls.example")
    _, key = certificate("other.example")
    site.manifests.app("tls.example", "127.0.0.1:9", tls=[(["tls.example"], "tls")])
    site.manifests.write("secret.yaml", tls_secret("tls", cert, key))
    sluice = site.sluice()
    sluice.wait_line("error +.*Secret default/tls: error Invalid", stream="err")


def hash_of(sluice):
    return sluice.metric("nginx_ingress_controller_config_hash")


def test_replicas_that_serve_the_same_have_the_same_hash(site, tmp_path):
    from harness import Manifests
    for i in range(3):
        site.manifests.app(f"h{i}.example", "127.0.0.1:9", name=f"h{i}")
    site.manifests.write("options.yaml", config_map({"keep-alive": "60"}))
    (tmp_path / "copy").mkdir()
    copy = Manifests(tmp_path / "copy")
    text = "# all in one, the other way round\n" + "\n---\n".join(f.read_text() for f in sorted(site.manifests.root.glob("*.yaml"), reverse=True))
    copy.text("all.yaml", text)
    first, second = site.sluice(), site.add(harness.Sluice(copy))
    assert hash_of(first) == hash_of(second) != 0
    before = hash_of(first)
    first.changed(lambda: site.manifests.app("more.example", ["127.0.0.1:9"]))
    assert hash_of(first) != before
    first.changed(lambda: site.manifests.remove("more.yaml"))
    assert hash_of(first) == before
    first.changed(lambda: site.manifests.write("options.yaml", config_map({"keep-alive": "61"})))
    assert hash_of(first) != before
