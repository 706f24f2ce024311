"""Redirects to https, HSTS and redirect annotations."""
import pytest

from harness import certificate, ingress, service, slices, tls_secret


@pytest.fixture
def secured(site):
    cert, key = certificate("app.example")
    site.pod_ = site.pod()
    site.manifests.write("secret.yaml", tls_secret("app-tls", cert, key))

    def start(annotations=None, options=None, paths=None):
        site.app("app.example", site.pod_.address, tls=[(["app.example"], "app-tls")], annotations=annotations, paths=paths)
        return site.sluice(options=options)
    return start


@pytest.mark.parametrize("target,location", [("/", "https://app.example"), ("/a/b?c=d", "https://app.example/a/b?c=d"), ("/a/", "https://app.example/a")])
def test_hosts_with_tls_redirect(secured, target, location):
    sluice = secured()
    a = sluice.get(target, "app.example:8080")
    assert a.status == 308 and a.get("location") == location
    assert not a.get("strict-transport-security")


def test_redirect_off(secured):
    assert secured({"ssl-redirect": "false"}).get("/", "app.example").status == 200


def test_redirect_off_by_option(secured):
    assert secured(options={"ssl-redirect": "false"}).get("/", "app.example").status == 200


def test_redirect_code(secured):
    assert secured(options={"http-redirect-code": "301"}).get("/", "app.example").status == 301


def test_port_of_the_listener_by_option(secured):
    sluice = secured(options={"use-port-in-redirects": "true"})
    a = sluice.get("/a", "app.example:8080")
    assert a.status == 308 and a.get("location") == f"https://app.example:{sluice.https.rpartition(':')[2]}/a"


def test_port_of_the_listener_by_annotation(secured):
    sluice = secured({"use-port-in-redirects": "true"}, paths=[("/", "Prefix"), ("/dir/", "Prefix")])
    https = sluice.https.rpartition(":")[2]
    assert sluice.get("/a", "app.example:8080").get("location") == f"https://app.example:{https}/a"
    with sluice.tls("app.example") as c:
        assert c.get("/dir?a", "app.example:99").get("location") == f"https://app.example:{https}/dir/?a"


def test_relative_redirects_are_for_a_missing_slash_too(site):
    pod = site.pod()
    site.app("app.example", pod.address, paths=[("/foo/", "Prefix")], annotations={"relative-redirects": "true"})
    site.app("abs.example", pod.address, name="abs", paths=[("/foo/", "Prefix")])
    sluice = site.sluice()
    assert sluice.get("/foo?x", "app.example").get("location") == "/foo/?x"
    assert sluice.get("/foo?x", "abs.example").get("location") == "http://abs.example/foo/?x"


@pytest.mark.parametrize("named", [False, True])
def test_port_in_a_redirect_to_a_path(site, named):
    sluice, _ = site.simple(annotations={"permanent-redirect": "/to", "use-port-in-redirects": "true" if named else "false"})
    port = sluice.http.rpartition(":")[2]
    assert sluice.get("/x", "app.example:99").get("location") == f"http://app.example{':' + port if named else ''}/to"


def test_app_root_is_asked_before_everything_but_whom_to_block(secured):
    sluice = secured({"app-root": "/home", "permanent-redirect": "https://to.example/"}, options={"block-user-agents": "bad"})
    for path in ("/", "/?a=b", "//", "/./", "/x/.."):
        a = sluice.get(path, "app.example:8080")
        assert (a.status, a.get("location")) == (302, "http://app.example:8080/home")
    assert sluice.get("/x", "app.example").status == 301
    with sluice.tls("app.example") as c:
        assert c.get("/", "app.example").get("location") == "https://app.example/home"
    assert sluice.get("/", "app.example", headers={"User-Agent": "bad"}).status == 403


def test_app_root_of_the_longest_path_counts_at_the_host(site):
    pod = site.pod()
    site.app("app.example", pod.address, name="root", annotations={"app-root": "/short"})
    site.app("app.example", pod.address, name="long", paths=[("/long", "Prefix")], annotations={"app-root": "/long", "server-alias": "alias.example"})
    site.app("regex.example", pod.address, name="regex", paths=[("/[a-z]*", "ImplementationSpecific")], annotations={"app-root": "/re", "use-regex": "true"})
    sluice = site.sluice()
    assert [sluice.get("/", h).get("location") for h in ("app.example", "alias.example", "regex.example")] == ["http://app.example/long", "http://alias.example/long", "http://regex.example/re"]
    assert [sluice.get("/x", h).status for h in ("app.example", "regex.example")] == [200, 200]


@pytest.mark.parametrize("value", ["home", "https://to.example/", "/$host", "/a b", "/a?b"])
def test_an_app_root_that_is_no_path_is_left_out(site, value):
    sluice, _ = site.simple(annotations={"app-root": value})
    assert sluice.get("/", "app.example").status == 200


def test_force_without_tls(site):
    sluice, _ = site.simple(annotations={"force-ssl-redirect": "true"})
    a = sluice.get("/x", "app.example")
    assert a.status == 308 and a.get("location") == "https://app.example/x"


def test_no_redirect_without_tls(site):
    sluice, _ = site.simple()
    assert sluice.get("/", "app.example").status == 200


def test_acme_challenges_are_never_redirected(site):
    """A solver's Ingress merges into the host and its path is served over http."""
    cert, key = certificate("app.example")
    app, solver = site.pod("app"), site.pod("solver")
    site.manifests.write("secret.yaml", tls_secret("app-tls", cert, key))
    site.app("app.example", app.address, tls=[(["app.example"], "app-tls")])
    site.app("app.example", solver.address, name="cm-acme-http-solver", file="solver.yaml", svc_port=8089,
             paths=[("/.well-known/acme-challenge/token", "ImplementationSpecific")])
    sluice = site.sluice()
    a = sluice.get("/.well-known/acme-challenge/token", "app.example")
    assert a.status == 200 and a.get("x-pod") == "solver"
    assert sluice.get("/", "app.example").status == 308


def test_hsts(secured):
    sluice = secured()
    with sluice.tls("app.example") as c:
        assert c.get("/", "app.example").get("strict-transport-security") == "max-age=31536000; includeSubDomains"


def test_hsts_replaces_the_pods(secured):
    sluice = secured()
    with sluice.tls("app.example") as c:
        a = c.get("/?h=Strict-Transport-Security%3A%20max-age=1", "app.example")
        assert a.all("strict-transport-security") == ["max-age=31536000; includeSubDomains"]


def test_hsts_options(secured):
    sluice = secured(options={"hsts-max-age": "600", "hsts-include-subdomains": "false", "hsts-preload": "true"})
    with sluice.tls("app.example") as c:
        assert c.get("/", "app.example").get("strict-transport-security") == "max-age=600; preload"


def test_hsts_off(secured):
    sluice = secured(options={"hsts": "false"})
    with sluice.tls("app.example") as c:
        assert not c.get("/", "app.example").get("strict-transport-security")


def test_no_hsts_on_the_default_certificate(site):
    sluice, _ = site.simple()
    with sluice.tls("app.example") as c:
        assert not c.get("/", "app.example").get("strict-transport-security")


def test_permanent_redirect(site):
    sluice, pod = site.simple(annotations={"permanent-redirect": "https://new.example/x"})
    a = sluice.get("/old", "app.example")
    assert a.status == 301 and a.get("location") == "https://new.example/x"
    assert pod.stats()["requests"] == 0


@pytest.mark.parametrize("status,body", [(300, b"https://new.example/x"), (304, b""), (305, b"https://new.example/x"), (306, b"https://new.example/x"), (307, None)])
def test_a_status_that_leads_nowhere_has_the_url_as_its_text(site, status, body):
    """As nginx has `return 300 URL`."""
    sluice, _ = site.simple(annotations={"permanent-redirect": "https://new.example/x", "permanent-redirect-code": str(status)})
    a = sluice.get("/old.json", "app.example")
    assert a.status == status
    if body is None:
        assert a.get("location") == "https://new.example/x" and a.get("content-type") == "text/html"
    else:
        assert a.get("location") is None and a.body == body and a.get("content-type") == "application/json"


def test_redirect_annotation_wins_over_https(secured):
    a = secured({"permanent-redirect": "https://new.example"}).get("/", "app.example")
    assert a.status == 301


def test_implicit_slash_redirect(site):
    pod = site.pod()
    site.app("app.example", pod.address, paths=[("/foo/", "Prefix")])
    sluice = site.sluice()
    a = sluice.get("/foo", "app.example")
    assert a.status == 301 and a.get("location").endswith("/foo/")
    assert sluice.get("/foo/x", "app.example").status == 200


def test_variables_in_redirect_annotations(site):
    """ingress-nginx refuses them unless its validation of annotations is off: so does Sluice unless it is told."""
    annotations = {"permanent-redirect": "https://$host/to$uri?x=$arg_q&h=$http_x"}
    sluice, _ = site.simple(annotations=annotations, options={"redirect-variables": "true"})
    a = sluice.get("/a/%0d%0aSet-Cookie:%20b?q=1%0a", "App.example:8080", headers={"X": "c d"})
    assert a.status == 301 and not a.get("set-cookie")
    assert a.get("location") == "https://app.example/to/a/%0D%0ASet-Cookie:%20b?x=1%0a&h=c%20d"


def test_variables_in_redirect_annotations_are_refused_by_default(site):
    sluice, _ = site.simple(annotations={"permanent-redirect": "https://to.example$request_uri"})
    assert sluice.get("/", "app.example").status == 404
