"""Other names of hosts: server-alias of every kind, from-to-www-redirect; by plain HTTP, TLS and `sluice explain`."""
import subprocess

from harness import SLUICE, certificate, ingress, names_of, service, slices, tls_secret


def explain(site, url, *more):
    return subprocess.run([SLUICE, "explain", site.manifests.root, "GET", url, *more], stdout=subprocess.PIPE, timeout=30, text=True).stdout


def statuses(sluice, *names, path="/"):
    with sluice.raw() as c:
        return [c.get(path, name).status for name in names]


def test_aliases_of_every_kind_lead_to_the_same_pods(site):
    pod = site.pod()
    site.app("main.example", pod.address, annotations={"server-alias": r"other.example,*.wild.example,shop.*,~^re\d+\.example$"})
    sluice = site.sluice()
    names = ("main.example", "Other.Example.", "other.example:8080", "a.b.wild.example", "shop.co.uk", "re12.example")
    assert statuses(sluice, *names) == [200] * len(names)
    assert pod.stats()["requests"] == len(names)
    assert statuses(sluice, "wild.example", "shop", "re.example", "nobody.example") == [404] * 4
    # By the name of the rule alone: clients choose the others.
    assert sluice.metric("nginx_ingress_controller_requests", host="main.example", status="200") == len(names)
    checked = subprocess.run([SLUICE, "check", site.manifests.root], stdout=subprocess.PIPE, timeout=30, text=True).stdout
    assert r"main.example  aliases: *.wild.example, other.example, shop.*, ~^re\d+\.example$" in checked
    told = explain(site, "http://x.wild.example/")
    assert "alias *.wild.example of host main.example: found" in told and "forwarded to" in told


def test_an_alias_comes_goes_and_gives_way_to_a_rule(site):
    a, b = site.pod(), site.pod()
    put = lambda alias: site.app("a.example", a.address, name="a", annotations={"server-alias": alias} if alias else None)
    put("b.example")
    sluice = site.sluice()
    assert statuses(sluice, "b.example") == [200] and a.stats()["requests"] == 1
    sluice.changed(lambda: site.app("b.example", b.address, name="b"))
    assert statuses(sluice, "b.example") == [200] and b.stats()["requests"] == 1
    sluice.changed(lambda: put("c.example"))
    assert statuses(sluice, "b.example", "c.example") == [200, 200] and a.stats()["requests"] == 2
    sluice.changed(lambda: put(None))
    assert statuses(sluice, "c.example") == [404]


def test_what_guards_a_host_guards_its_aliases(site):
    pod = site.pod()
    site.app("closed.example", pod.address, name="closed", annotations={"server-alias": "x.example,~^y", "auth-type": "basic", "auth-secret": "users"})
    site.app("some.example", pod.address, name="some", annotations={"server-alias": "z.example", "denylist-source-range": "127.0.0.0/8"})
    sluice = site.sluice()
    assert statuses(sluice, "closed.example", "x.example", "y.example", "some.example", "z.example") == [503, 503, 503, 403, 403]
    assert pod.stats()["requests"] == 0


def test_certificates_and_redirects_to_https_of_aliases(site):
    pod = site.pod()
    pairs = {"own": certificate("main.example", "covered.example", "www.main.example"), "more": certificate("other.example", "*.wild.example")}
    for name, (cert, key) in pairs.items():
        site.manifests.write(f"secret-{name}.yaml", tls_secret(name, cert, key))
    app = lambda **more: site.app("main.example", pod.address, name="app", tls=[(["main.example"], "own"), (["other.example"], "more"), (["*.wild.example"], "more")], **more)
    app(annotations={"server-alias": "covered.example,other.example,*.wild.example,bare.example,~^re"})
    sluice = site.sluice()
    own, more = ["main.example", "covered.example", "www.main.example"], ["other.example", "*.wild.example"]

    def shown(name):
        with sluice.tls(name) as c:
            assert c.get("/", name).status == 200
            return names_of(c)
    assert [shown(n) for n in ("main.example", "covered.example", "other.example", "a.wild.example")] == [own, own, more, more]
    assert all(shown(n) not in (own, more) for n in ("bare.example", "a.b.wild.example", "re1.example"))
    with sluice.raw() as c:
        assert c.get("/x", "other.example:80").get("location") == "https://other.example/x"
    sluice.changed(lambda: app(annotations={"server-alias": "covered.example", "from-to-www-redirect": "true"}))
    with sluice.tls("other.example") as c:
        assert names_of(c) not in (own, more) and c.get("/", "other.example").status == 404
    with sluice.tls("www.main.example") as c:
        assert names_of(c) == own
        answer = c.get("/x?y=1", "www.main.example")
        assert (answer.status, answer.get("strict-transport-security")) == (308, None)
        assert answer.get("location").startswith("https://main.example:") and answer.get("location").endswith("/x?y=1")


def test_www_is_redirected_both_ways_and_names_the_port(site):
    pod = site.pod()
    for host in ("bare.example", "www.front.example"):
        site.app(host, pod.address, annotations={"from-to-www-redirect": "true"})
    sluice = site.sluice(options={"use-forwarded-headers": "true", "proxy-real-ip-cidr": "127.0.0.0/8", "http-redirect-code": "301"})
    port = sluice.http.rsplit(":", 1)[1]
    with sluice.raw() as c:
        for name, to in (("www.bare.example", "bare.example"), ("front.example", "www.front.example")):
            for path, target in (("/", ""), ("/x/", "/x"), ("/x?a=/", "/x?a="), ("//a%2Fb", "//a%2Fb")):
                answer = c.get(path, name + ":99")
                assert (answer.status, answer.get("location")) == (301, f"http://{to}:{port}{target}")
        answer = c.get("/x", "www.bare.example", headers=["X-Forwarded-Proto: https", "X-Forwarded-Port: 8443"])
        assert answer.get("location") == "https://bare.example:8443/x"
        assert [c.get("/", n).status for n in ("bare.example", "www.front.example", "www.www.front.example")] == [200, 200, 404]
    assert pod.stats()["requests"] == 2
    checked = subprocess.run([SLUICE, "check", site.manifests.root], stdout=subprocess.PIPE, timeout=30, text=True).stdout
    assert "-> redirected to host bare.example" in checked
    assert "301 http://bare.example:80/x: from-to-www-redirect" in explain(site, "http://www.bare.example/x", "--set", "http-redirect-code=301")


def test_a_host_of_another_namespace_is_not_taken_by_an_alias(site):
    theirs, ours = site.pod(), site.pod()
    at = lambda ns, host, pod, created, **annotations: site.manifests.write(
        f"{ns}.yaml", ingress("app", {host: [("/", "Prefix", "app", 80)]}, ns=ns, created=created, annotations={k.replace("_", "-"): v for k, v in annotations.items()}),
        service("app", ns=ns), *slices("app", [pod.address], ns=ns))
    at("shop", "*.shop.example", ours, "2026-01-02T00:00:00Z")
    at("else", "else.example", theirs, "2026-01-01T00:00:00Z", server_alias=r"*.shop.example.evil,*.example,x.*,~.")
    sluice = site.sluice()
    assert statuses(sluice, "a.shop.example", "x.shop.example") == [200, 200]
    assert ours.stats()["requests"] == 2 and theirs.stats()["requests"] == 0
    assert statuses(sluice, "b.example", "x.com", "any") == [200, 200, 200] and theirs.stats()["requests"] == 3


def at(site, ns, hosts, pod, created, name="app", **annotations):
    return site.manifests.write(
        f"{ns}-{name}.yaml", ingress(name, {host: [("/", "Prefix", "app", 80)] for host in hosts}, ns=ns, created=created, annotations={k.replace("_", "-"): v for k, v in annotations.items()}),
        service("app", ns=ns), *slices("app", [pod.address], ns=ns))


def test_many_aliases_of_another_namespace_take_no_alias(site):
    theirs, ours = site.pod(), site.pod()
    at(site, "shop", ["v.example"], ours, "2021-01-01T00:00:00Z", server_alias=r"~^va\.example$")
    evil = lambda **notes: at(site, "evil", ["e.example"], theirs, "2020-01-01T00:00:00Z", **notes)
    evil()
    sluice = site.sluice()
    assert statuses(sluice, "va.example", "m1a.example") == [200, 404]
    sluice.changed(lambda: evil(server_alias=",".join(rf"~^m{i}a\.example$" for i in range(150))))
    assert statuses(sluice, "va.example", "m1a.example", "m99a.example") == [200, 200, 404]
    told = [e for e in sluice.config()["report"] if "in turns" in e["expected"]]
    assert len(told) == 51 and {e["object"] for e in told} == {"Ingress evil/app"}


def test_an_alias_for_any_name_takes_nothing_from_an_older_catch_all(site):
    theirs, ours = site.pod(), site.pod()
    at(site, "shop", [""], ours, "2020-01-01T00:00:00Z")
    at(site, "evil", ["e.example"], theirs, "2025-01-01T00:00:00Z", server_alias=r"~.,~^[^.]+$,~^named\.example$")
    sluice = site.sluice()
    for name, pod in (("nobody.example", ours), ("single", ours), ("127.0.0.1", ours), ("[::1]", ours), ("named.example", theirs), ("e.example", theirs)):
        before = pod.stats()["requests"]
        assert statuses(sluice, name) == [200] and pod.stats()["requests"] == before + 1, name
    told = [e["value"] for e in sluice.config()["report"] if e["object"] == "Ingress evil/app" and e["reason"] == "HostOfOtherNamespace"]
    assert told == ["~.", "~^[^.]+$"]
    assert "catch-all host: found" in explain(site, "http://nobody.example/")


def test_a_runaway_expression_of_another_namespace_takes_no_request(site):
    theirs, ours = site.pod(), site.pod()
    at(site, "shop", [""], ours, "2020-01-01T00:00:00Z", name="catch")
    at(site, "shop", ["v.example"], ours, "2025-06-01T00:00:00Z", server_alias=r"~^va.*\.example$")
    runaways = ",".join(f"~^([a-z.-]+)*[0-9]{{{9 + i}}}$" for i in range(20))
    at(site, "evil", ["e.example"], theirs, "2025-01-01T00:00:00Z", server_alias=runaways)
    sluice = site.sluice()
    assert statuses(sluice, "nobody-" + "a" * 40 + ".x", "va-" + "a" * 40 + ".example", "v.example") == [200, 200, 200]
    assert ours.stats()["requests"] == 3 and theirs.stats()["requests"] == 0
    assert sluice.metric("sluice_regex_gave_up_total") == 40
    told = explain(site, f"http://va-{'a' * 40}.example/")
    assert "passed over" in told and "forwarded to" in told


def test_a_runaway_expression_ends_its_request_alone(site):
    site.app("main.example", site.pod().address, annotations={"server-alias": "~^(a+)+$"})
    sluice = site.sluice()
    assert statuses(sluice, "aaa", "a" * 50 + "-", "main.example") == [200, 500, 200]
    assert sluice.metric("sluice_regex_gave_up_total") == 1
    assert "500" in explain(site, f"http://{'a' * 50}-/")
