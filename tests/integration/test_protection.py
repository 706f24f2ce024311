"""What protects never opens: what is not served of it answers 503, and what forbids nothing is served."""
import json
import subprocess

import pytest

from harness import SLUICE, certificate, config_map, ingress, service, slices, tls_secret, wait_for


@pytest.fixture
def pods(site):
    """Two apps: `site` has /, `admin` what a test gives it; hits() says who was reached."""
    open_, guarded = site.pod("site"), site.pod("admin")
    site.manifests.write("apps.yaml", service("site"), *slices("site", [open_.address]), service("admin"), *slices("admin", [guarded.address]))

    def put(rules, annotations=None, name="admin", svc=None, **kw):
        site.manifests.write(f"{name}.yaml", ingress(name, {h: [(p, t, svc or name, 80) for p, t in paths] for h, paths in rules.items()},
                                                     annotations=annotations, **kw))
    site.put = put
    site.put({"h.example": [("/", "Prefix")]}, name="site")
    site.hits = lambda: (open_.stats()["requests"], guarded.stats()["requests"])
    return site


def check(site, *args):
    r = subprocess.run([SLUICE, "check", site.manifests.root, *args], stdout=subprocess.PIPE, timeout=30, text=True)
    return r.returncode, r.stdout


def explain(site, url, *args):
    return subprocess.run([SLUICE, "explain", site.manifests.root, "GET", url, *args], stdout=subprocess.PIPE, timeout=30, text=True).stdout


@pytest.mark.parametrize("annotations", [{"auth-type": "digests", "use-regex": "true"}, {"enable-modsecurity": "true", "rewrite-target": "/$1"}])
def test_a_regular_expression_does_not_open_what_it_guards(pods, annotations):
    pods.put({"h.example": [("/admin/(.*)", "ImplementationSpecific")], "i.example": [("/admin", "Prefix")]}, annotations)
    pods.put({"i.example": [("/", "Prefix")]}, name="site-i", svc="site")
    pods.put({"j.example": [("/", "Prefix")]}, name="site-j", svc="site")
    sluice = pods.sluice()
    for target in ("/admin/users", "/ADMIN/users", "//admin/users", "/x/../admin/users", "/%61dmin/users"):
        for host in ("h.example", "i.example"):
            assert sluice.get(target, host).status == 503, (host, target)
    assert [sluice.get(t, "i.example").status for t in ("/admin", "/AdminX")] == [503] * 2
    assert pods.hits() == (0, 0)
    assert [sluice.get(t, "h.example").get("x-pod") for t in ("/admin", "/adminx", "/")] == ["site"] * 3
    assert sluice.get("/", "i.example").get("x-pod") == "site"
    assert sluice.get("/admin/users", "j.example").get("x-pod") == "site"


def test_without_regular_expressions_the_neighbour_is_open(pods):
    pods.put({"h.example": [("/admin", "Prefix")]}, {"auth-type": "digests", "auth-secret": "users"})
    sluice = pods.sluice()
    assert [sluice.get(t, "h.example").status for t in ("/admin", "/admin/x", "/x/../admin")] == [503] * 3
    assert [sluice.get(t, "h.example").get("x-pod") for t in ("/", "/ADMIN", "/administration")] == ["site"] * 3


def test_a_stranger_closes_nothing_of_the_owner(pods):
    pods.manifests.write("stranger.yaml", ingress("mtls", {"h.example": [("/theirs.*", "ImplementationSpecific", "x", 80)]}, ns="other", annotations={
        "auth-tls-secret": "other/ca", "use-regex": "true", "auth-type": "digests"}))
    sluice = pods.sluice()
    assert sluice.get("/anything", "h.example").get("x-pod") == "site"
    assert sluice.get("/theirs.*", "h.example").status == 503


def test_client_certificates_guard_the_whole_host(pods):
    """One that nobody can have: there is no Secret. In clear as by TLS."""
    pods.put({"h.example": [("/admin", "Prefix")]}, {"auth-tls-secret": "default/ca"})
    sluice = pods.sluice()
    assert [sluice.get(t, "h.example").status for t in ("/", "/admin", "/other")] == [403] * 3
    sluice.changed(lambda: pods.put({"h.example": [("/admin", "Prefix")]}, {"auth-tls-secret": "", "auth-tls-match-cn": ""}))
    assert sluice.get("/other", "h.example").get("x-pod") == "site"


@pytest.mark.parametrize("annotations", [{"whitelist-source-range": "0.0.0.0/0,::/0"}, {"allowlist-source-range": "::/0, 0.0.0.0/1, 128.0.0.0/1"},
                                         {"enable-modsecurity": "false"}, {"auth-type": "", "auth-url": "", "whitelist-source-range": "", "denylist-source-range": ""}])
def test_a_solver_is_reached_by_plain_http_beside_a_host_with_tls(pods, annotations):
    """As cert-manager writes it for each HTTP-01 challenge."""
    cert, key = certificate("h.example")
    pods.manifests.write("secret.yaml", tls_secret("site-tls", cert, key))
    pods.put({"h.example": [("/", "Prefix")]}, name="site", tls=[(["h.example"], "site-tls")])
    pods.put({"h.example": [("/.well-known/acme-challenge/token", "Exact")]}, annotations)
    sluice = pods.sluice()
    a = sluice.get("/.well-known/acme-challenge/token", "h.example")
    assert a.status == 200 and a.get("x-pod") == "admin"
    assert sluice.get("/", "h.example").status == 308


def test_an_option_that_guards_closes_every_host_while_it_is_there(pods):
    """Edited while the process runs, and at its start: the same answers, and it lives."""
    pods.put({"h.example": [("/.well-known/acme-challenge/token", "Exact")]}, {"whitelist-source-range": "0.0.0.0/0,::/0"})
    options = lambda **data: pods.manifests.write("options.yaml", config_map({k.replace("_", "-"): v for k, v in data.items()}))
    sluice = pods.sluice()
    assert sluice.get("/", "h.example").status == 200
    sluice.changed(lambda: options(global_auth_url="ldap://auth.example/"))
    assert sluice.get("/", "h.example").status == 503
    assert sluice.get("/.well-known/acme-challenge/token", "h.example").get("x-pod") == "admin"
    assert sluice.get("/healthz", "nobody.example").status == 200
    sluice.wait_line(r"(?i)error.*global-auth-url.*--accept-unprotected global-auth-url", stream="err")
    assert sluice.metric("sluice_config_problems", severity="error", reason="UnsupportedOption") == 1
    assert sluice.metric("sluice_config_objects", kind="closed_routes") == 1
    assert any("global-auth-url" in r.get("because", "") for r in sluice.config()["routes"])
    again = pods.sluice()
    assert again.get("/", "h.example").status == 503
    assert pods.sluice("--accept-unprotected", "global-auth-url").get("/", "h.example").status == 200
    sluice.changed(lambda: options(global_auth_url="", whitelist_source_range="0.0.0.0/0,::/0", enable_modsecurity="false"))
    assert sluice.get("/", "h.example").status == 200
    assert sluice.metric("sluice_config_objects", kind="closed_routes") == 0


HEAD = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ingress-nginx-controller, namespace: ingress-nginx}\n"
UNREADABLE = {
    "another key is a list": HEAD + "data: {whitelist-source-range: 10.0.0.0/8, hide-headers: [Server, Via]}\n",
    "an undefined alias": HEAD + "data: {whitelist-source-range: 10.0.0.0/8, a: *nope}\n",
    "a tab": HEAD + "data:\n  whitelist-source-range: 10.0.0.0/8\n\tssl-redirect: 'false'\n",
    "data is a text": HEAD + "data: |\n  whitelist-source-range: 10.0.0.0/8\n",
    "too large": HEAD + "data: {whitelist-source-range: 10.0.0.0/8, x: '" + "y" * 1_100_000 + "'}\n",
    "another version": HEAD.replace("v1", "v1beta1") + "data: {whitelist-source-range: 10.0.0.0/8}\n",
    "in a list": "apiVersion: v1\nkind: List\nitems:\n- " + HEAD.replace("\n", "\n  ") + "data: {whitelist-source-range: 10.0.0.0/8, a: *nope}\n",
    "JSON that ends too soon": '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"labels":{"name":"x"},"name":"ingress-nginx-controller","namespace":"ingress-nginx"},"data":{"whitelist-source-range":"10.0.0.0/8"',
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_config_map_that_cannot_be_read_opens_nothing(pods, kind):
    """While the process runs the one from before stays; at a start nobody knows what it protects, and all is closed."""
    text = UNREADABLE[kind]
    path = pods.manifests.root / ("options.json" if kind.startswith("JSON") else "options.yaml")
    path.write_text(HEAD + "data: {whitelist-source-range: 10.0.0.0/8}\n" if path.suffix == ".yaml" else
                    json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ingress-nginx-controller", "namespace": "ingress-nginx"},
                                "data": {"whitelist-source-range": "10.0.0.0/8"}}))
    sluice = pods.sluice()
    assert sluice.get("/", "h.example").status == 403
    path.write_text(text)
    sluice.wait_line("(?i)error.*options", stream="err")
    assert sluice.get("/", "h.example").status == 403
    again = pods.sluice()
    assert again.get("/", "h.example").status == 503 and again.get("/", "nobody.example").status == 404
    assert again.get("/healthz", "nobody.example").status == 200
    again.wait_line("(?i)error.*ingress-nginx-controller.*--accept-unprotected configmap", stream="err")
    assert pods.sluice("--accept-unprotected", "configmap").get("/", "h.example").status == 200
    again.changed(lambda: (path.unlink(), pods.manifests.write("options.yaml", config_map({"whitelist-source-range": "127.0.0.0/8"}))))
    assert again.get("/", "h.example").status == 200


def test_a_config_map_of_somebody_else_closes_nothing(pods):
    (pods.manifests.root / "other.yaml").write_text(HEAD.replace("name: ingress-nginx-controller", "name: theirs") + "data: {a: *nope}\n")
    assert pods.sluice().get("/", "h.example").status == 200


@pytest.mark.parametrize("given", ["flag", "environment", "file"])
def test_the_way_out_is_taken_wherever_flags_are(pods, given, tmp_path):
    pods.put({"h.example": [("/admin", "Prefix")], "i.example": [("/", "Prefix")]}, {"auth-type": "digests", "server-snippet": "deny all;"})
    names = ["auth-type", "server-snippet"]
    (tmp_path / "sluice.yaml").write_text(f"accept-unprotected: [{', '.join(names)}]\n")
    sluice = {"flag": lambda: pods.sluice("--accept-unprotected", names[0], "--accept-unprotected", names[1]),
              "environment": lambda: pods.sluice(env={"SLUICE_ACCEPT_UNPROTECTED": ",".join(names)}),
              "file": lambda: pods.sluice("--config", tmp_path / "sluice.yaml")}[given]()
    assert sluice.get("/admin", "h.example").get("x-pod") == "admin"
    assert sluice.metric("sluice_config_problems", severity="warning", reason="Unprotected") == 2


@pytest.mark.parametrize("args,words", [(["--accept-unprotected", "limit-rps"], ["limit-rps", "expected one of", "auth-type", "global-auth-url"]),
                                        (["--set", "global-auth-url=ldap://auth/"], ["global-auth-url", "not served"])])
def test_what_cannot_be_accepted_is_refused(site, args, words):
    r = subprocess.run([SLUICE, "check", site.manifests.root, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30, text=True)
    assert r.returncode == 2 and [w for w in words if w not in r.stderr] == [], r.stderr


def test_an_ingress_with_a_snippet_is_as_if_it_were_not_there(pods):
    pods.put({"i.example": [("/", "Prefix")]}, {"server-snippet": "location ~ ^/(?:config|data)/ { deny all; }"})
    sluice = pods.sluice()
    assert sluice.get("/config/config.php", "i.example").status == 404
    code, out = check(pods)
    assert code == 2 and "server-snippet" in out and "annotations-risk-level" in out and "--accept-unprotected server-snippet" in out
    pods.manifests.write("options.yaml", config_map({"annotations-risk-level": "Critical", "allow-snippet-annotations": "true"}))
    wait_for(lambda: sluice.get("/config/config.php", "i.example").status == 403, "the snippet is served")
    assert sluice.get("/x", "i.example").get("x-pod") == "admin"
    pods.put({"i.example": [("/", "Prefix")]}, {"server-snippet": "access_by_lua_block { }"})
    wait_for(lambda: sluice.get("/config/config.php", "i.example").status == 503, "what cannot be compiled is closed")


def test_explain_and_check_say_why(pods):
    pods.put({"i.example": [("/", "Prefix")]}, {"auth-type": "digests", "auth-secret": "users"}, tls=[(["i.example"], None)])
    out = explain(pods, "http://i.example/")
    assert "503: Ingress default/admin is protected by auth-type" in out, out
    assert "no backend" not in out and "annotation ssl-redirect" not in out and "settings" not in out
    answer = json.loads(explain(pods, "https://i.example/x", "--json"))["answer"]
    assert answer["status"] == 503 and "auth-type" in answer["because"]
    code, out = check(pods)
    assert code == 2 and "see the report" not in out
    assert out.startswith("served: 1 hosts, 1 paths, 1 clusters; closed by what guards them: 1 paths"), out
    report = json.loads(check(pods, "--json")[1])
    row = next(r for r in report["served"] if r["host"] == "i.example")
    assert row["status"] == 503 and "auth-type" in row["because"]
    assert report["summary"]["hosts"] == 1 and report["summary"]["closed"] == 1
