"""check, explain, version and the refusals of the command line: what is printed and how it exits."""
import json
import re
import subprocess

import pytest

import harness
from harness import SLUICE, certificate, config_map, endpoint_slice, http_get, ingress, service, slices, tls_secret


def run(*args, **kw):
    r = subprocess.run([SLUICE, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30, text=True, **kw)
    return r.returncode, r.stdout, r.stderr


def good(site):
    site.manifests.app("app.example", "127.0.0.1:8080", paths=[("/", "Prefix"), ("/exact", "Exact")])


def test_check_clean(site):
    good(site)
    code, out, err = run("check", site.manifests.root)
    assert code == 0 and "app.example" in out, (code, out, err)


def test_check_warnings(site):
    good(site)
    site.manifests.app("warn.example", "127.0.0.1:8080", annotations={"no-such-annotation": "x"})
    code, out, _ = run("check", site.manifests.root)
    assert code == 0 and "no-such-annotation" in out and "warn.yaml:" in out
    assert run("check", site.manifests.root, "--strict")[0] == 1


def test_check_errors(site):
    good(site)
    site.manifests.text("broken.yaml", "kind: Ingress\n bad: [indent\n")
    code, out, _ = run("check", site.manifests.root)
    assert code == 2 and "broken.yaml" in out and "app.example" in out


def test_check_json(site):
    good(site)
    site.manifests.app("warn.example", [], annotations={"proxy-body-size": "many"})
    code, out, _ = run("check", site.manifests.root, "--json")
    report = json.loads(out)
    entry = next(e for e in report["report"] if "proxy-body-size" in json.dumps(e))
    text = json.dumps(entry)
    assert "warn" in text and "many" in text and "warn.yaml" in text
    assert report["summary"]["exit"] == code


def test_check_of_nothing():
    code, out, err = run("check", "/nonexistent-directory")
    assert code == 2 and "/nonexistent-directory" in out + err


def test_service_without_slices_is_named(site):
    site.manifests.write("app.yaml", ingress("app", {"app.example": "app"}), service("app"))
    _, out, _ = run("check", site.manifests.root)
    assert "503" in out or "EndpointSlice" in out
    assert "default/app" in out or "default-app" in out


def test_explain_the_winner_and_the_losers(site):
    good(site)
    code, out, _ = run("explain", site.manifests.root, "GET", "http://app.example/exact")
    assert code == 0 and "app.example" in out and "/exact" in out and "127.0.0.1:8080" in out
    code, out, _ = run("explain", site.manifests.root, "GET", "http://nobody.example/")
    assert "404" in out


def test_a_default_backend_is_told_by_its_own_namespace_and_status(site):
    """An Ingress of another namespace has a / that leads there, and requests that find nobody are 404, not 503."""
    site.app("app.example", "127.0.0.1:8080", paths=[("/only", "Prefix")])
    flag = ["--default-backend=sys/db"]
    for expected in ("-> sys/db", "no endpoints (404): Service sys/db does not exist"):
        _, out, _ = run("check", site.manifests.root, *flag)
        assert len(re.findall(re.escape(expected), out)) == 2 and "/db:" not in out and "default/db" not in out
    rows = [r for r in json.loads(run("check", site.manifests.root, *flag, "--json")[1])["served"] if r["service"] == "db"]
    assert [(r["serviceNamespace"], r["status"]) for r in rows] == [("sys", 404)] * 2
    for host in ("app.example", "nobody.example"):
        _, out, _ = run("explain", site.manifests.root, "GET", f"http://{host}/", *flag)
        assert "no endpoints (404): Service sys/db does not exist" in out and "503" not in out
        _, out, _ = run("explain", site.manifests.root, "GET", f"http://{host}/", "--json", *flag)
        assert json.loads(out)["route"]["serviceNamespace"] == "sys"


def explained(site, url="http://app.example/", *more):
    """Settings by name: what `explain` says of where each is from."""
    _, out, _ = run("explain", site.manifests.root, "GET", url, "--json", *more)
    return {row["name"]: row["from"] for row in json.loads(out)["settings"]}


def test_explain_names_the_annotation_that_asks(site):
    """Of an Ingress alone it is one of its own, be it not the one that the row is of."""
    site.app("app.example", "127.0.0.1:8080", annotations={"rewrite-target": "/$1", "enable-global-auth": "false"}, paths=[("/(.*)", "ImplementationSpecific")])
    auth = ["--set", "global-auth-url=http://auth.example/", "--set", "global-auth-signin=https://login.example/"]
    said = explained(site, "http://app.example/", *auth)
    assert said["use-regex"] == "annotation rewrite-target; without it false"
    assert said["enable-global-auth"] == "annotation enable-global-auth; without it true"
    assert said["auth-url"].startswith("annotation enable-global-auth; without it http://auth.example/")
    assert said["auth-signin"].startswith("annotation enable-global-auth; without it https://login.example/")
    # A service of its own stands in place of all that the options say of theirs.
    site.app("app.example", "127.0.0.1:8080", annotations={"auth-url": "http://own.example/"})
    said = explained(site, "http://app.example/", *auth)
    assert said["auth-url"].startswith("annotation auth-url;") and said["auth-signin"].startswith("annotation auth-url;")
    # A snippet may say what an annotation is for.
    site.app("app.example", "127.0.0.1:8080", annotations={"configuration-snippet": "proxy_read_timeout 7s;"})
    said = explained(site, "http://app.example/", "--set", "allow-snippet-annotations=true", "--set", "annotations-risk-level=Critical")
    assert said["proxy-read-timeout"] == "annotation configuration-snippet; without it 60s"


def test_explain_names_the_set_that_a_value_is_of(site):
    site.app("app.example", "127.0.0.1:8080")
    assert explained(site, "http://app.example/", "--set", "resilience=recommended")["load-balance"] == "resilience: recommended; the default is round_robin"
    own = ["--set", "resilience=recommended", "--set", "load-balance=least_request"]
    assert explained(site, "http://app.example/", *own)["load-balance"] == "ConfigMap key or --set load-balance; the default is round_robin"


def test_explain_says_what_bounds_requests_to_the_service_port(site):
    good(site)
    _, out, _ = run("explain", site.manifests.root, "GET", "http://app.example/")
    assert "what bounds requests" not in out, "by default nothing does that is no setting"
    flags = ["--set", "resilience=recommended", "--set", "adaptive-concurrency=true", "--set", "upstream-max-requests=7"]
    _, out, _ = run("explain", site.manifests.root, "GET", "http://app.example/", *flags)
    block = out[out.index("what bounds requests to the Service port\n"):]
    for row in ("outlier-consecutive-failures = 5  (resilience: recommended; the default is 0)", "retry-budget-percent = 20  (resilience: recommended; the default is 0)",
                "retry-backoff = 25ms  (resilience: recommended; the default is ", "upstream-tcp-user-timeout = 2s  (resilience: recommended; the default is ",
                "adaptive-concurrency = true  (ConfigMap key or --set adaptive-concurrency; the default is false)", "upstream-max-requests = 7  (ConfigMap key or --set upstream-max-requests; the default is 0)"):
        assert f"  {row}" in block, (row, block)
    told = json.loads(run("explain", site.manifests.root, "GET", "http://app.example/", "--json", *flags)[1])
    assert {"name": "upstream-max-requests", "value": "7", "from": "ConfigMap key or --set upstream-max-requests; the default is 0"} in told["bounds"]


def test_explain_says_that_the_last_pod_terminates(site):
    site.manifests.write("app.yaml", ingress("app", {"app.example": "app"}), service("app"), endpoint_slice("app", ["127.0.0.1:8080"], terminating=True))
    _, out, _ = run("explain", site.manifests.root, "GET", "http://app.example/")
    assert "127.0.0.1:8080 terminating; nobody else is left" in out, out


def test_explain_names_others_where_there_are_some(site):
    site.manifests.write("x.yaml", ingress("app", {"app.example": [("/a", "ImplementationSpecific", "app", 80)]}), service("app"))
    site.manifests.write("y.yaml", ingress("other", {"app.example": [("/b", "ImplementationSpecific", "app", 80)]}, annotations={"rewrite-target": "/x"}))
    site.manifests.write("z.yaml", ingress("far", {"far.example": [("/a", "ImplementationSpecific", "app", 80)]}))
    assert explained(site, "http://app.example/a")["use-regex"] == "not by this annotation of this Ingress, but as others at the host ask; without them false"
    assert "use-regex" not in explained(site, "http://far.example/a")


def test_check_tells_that_a_host_is_closed_for_want_of_authorities(site):
    """It answers 403 to everybody, which is no more served than a 503."""
    site.app("app.example", "127.0.0.1:8080", annotations={"auth-tls-secret": "default/none"})
    site.app("open.example", "127.0.0.1:8080")
    code, out, _ = run("check", site.manifests.root)
    assert code == 2 and "served: 1 hosts, 1 paths, 2 clusters; closed by what guards them: 1 paths" in out, out
    assert re.search(r"/ +Prefix +-> 403: the Secret of auth-tls-secret of Ingress default/app cannot be used", out), out
    _, out, _ = run("check", site.manifests.root, "--json")
    told = json.loads(out)
    row = next(r for r in told["served"] if r["host"] == "app.example")
    assert row["status"] == 403 and "auth-tls-secret" in row["because"]
    assert (told["summary"]["hosts"], told["summary"]["paths"], told["summary"]["closed"]) == (1, 1, 1)
    sluice = site.sluice()
    assert sluice.get("/", "app.example").status == 403
    assert sluice.metric("sluice_config_objects", kind="closed_routes") == 1
    told = sluice.admin_get("/routes").body.decode()
    assert '"status":403' in told.replace(" ", "") and "the Secret of auth-tls-secret" in told, told


def test_explain_a_redirect(site):
    site.manifests.app("app.example", "127.0.0.1:8080", annotations={"force-ssl-redirect": "true"})
    _, out, _ = run("explain", site.manifests.root, "GET", "http://app.example/x")
    assert "308" in out and "https://app.example/x" in out


@pytest.mark.parametrize("fields, location", [
    (["X-Site: b.example:1, c.example"], "https://b.example/x"), (["X-Site: a b"], "https://app.example/x"), (["X-Site: ,", "X-Site: b.example"], "https://b.example/x"),
    (["X-Forwarded-Host: b.example"], "https://app.example/x"), (["X-Forwarded-Proto: http"], "https://app.example/x"),
    (["X-Forwarded-Proto: https, http"], None), (["X-Forwarded-Proto: https", "X-Forwarded-Proto: http"], None), (["X-Forwarded-Proto: ftp"], None)])
def test_explain_believes_what_the_proxy_believes(site, fields, location):
    site.manifests.write("options.yaml", config_map({"use-forwarded-headers": "true", "forwarded-host-header": "X-Site"}))
    site.app("app.example", site.pod().address, annotations={"force-ssl-redirect": "true"})
    sluice = site.sluice()
    with sluice.raw() as c:
        assert c.get("/x", "app.example", headers=fields).get("location") == location
    _, out, _ = run("explain", site.manifests.root, "GET", "http://app.example/x", *sum([["-H", f] for f in fields], []))
    assert f"308 {location}: " in out if location else "308 http" not in out, out  # "308" may be in a port


def test_explain_says_what_the_proxy_does(site):
    """The same router: for each target the explanation names the pod that answers."""
    a, b = site.pod("a"), site.pod("b")
    site.manifests.write("x.yaml", ingress("x", {"app.example": [("/a", "Prefix", "a", 80), ("/a/b", "Exact", "b", 80)]}), service("a"), service("b"),
                         *slices("a", [a.address]), *slices("b", [b.address]))
    sluice = site.sluice()
    for target, pod in (("/a", a), ("/a/b", b), ("/a/b/c", a), ("/a/./b", b), ("/a%2Fb", b), ("/ab", None)):
        answer = sluice.get(target, "app.example")
        _, out, _ = run("explain", site.manifests.root, "GET", f"http://app.example{target}")
        if pod is None:
            assert answer.status == 404 and "404" in out
        else:
            assert answer.get("x-pod") == pod.argv[2] and pod.address in out, (target, answer, out)


@pytest.mark.parametrize("method,fields,status", [("TRACE", [], 405), ("CONNECT", [], 405), ("GET", ["Expect: more"], 417), ("GET", ["Content-Length: 1", "Content-Length: 2"], None),
                                                  ("GET", ["Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"], 400), ("GET", ["X: " + "y" * 9000], 431),
                                                  ("GET", ["Transfer-Encoding: gzip"], 501), ("GET", ["Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version: 12"], 426)])
def test_explain_knows_what_no_route_is_asked_about(site, method, fields, status):
    site.app("app.example", site.pod().address)
    _, out, _ = run("explain", site.manifests.root, method, "http://app.example/", *sum([["-H", f] for f in fields], []))
    assert re.search(rf"^ *{status}: ", out, re.M) if status else "forwarded" in out, out
    if status:
        with site.sluice().raw() as c:
            c.send("\r\n".join([f"{method} / HTTP/1.1", "Host: app.example", *fields]) + "\r\n\r\n")
            assert c.answer(method).status == status


def test_what_cannot_be_written_is_no_success(site):
    good(site)
    with open("/dev/full", "w") as full:
        assert subprocess.run([SLUICE, "check", site.manifests.root], stdout=full, stderr=subprocess.DEVNULL, timeout=30).returncode == 2


def test_health(site):
    site.app("app.example", "127.0.0.1:1")
    sluice = site.sluice(options={"shutdown-grace-period": "60"})
    assert run("health", "--admin", sluice.admin)[0] == 0
    assert run("health", env={"SLUICE_ADMIN": ":" + sluice.admin.rpartition(":")[2]})[0] == 0  # as the image has it
    sluice.proc.send_signal(harness.signal.SIGTERM)
    harness.wait_for(lambda: run("health", "--admin", sluice.admin)[0] == 1, "it to be told that it drains")
    code, out, err = run("health", "--admin", sluice.admin)
    assert (code, out, err) == (1, "draining\n", "")
    sluice.stop()
    code, out, err = run("health", "--admin", sluice.admin)
    assert (code, out, err) == (1, "", f"sluice: {sluice.admin}: Connection refused\n")
    assert run("health", "--admin", "nonsense")[0] == 2


def test_health_of_one_that_does_not_answer():
    with harness.socket.create_server(("127.0.0.1", 0)) as silent:
        code, out, err = run("health", "--admin", "127.0.0.1:%d" % silent.getsockname()[1])
    assert code == 1 and "no answer within 3 s" in err


@pytest.mark.parametrize("args,words", [
    (["chekc"], ["chekc: is not a command", "did you mean check?", "serve, check, explain"]),
    (["upgrade"], ["upgrade: is not a command", "serve, check"]),
    (["help", "chekc"], ["did you mean check?"]),
    (["CHECK"], ["CHECK: is not a command", "did you mean check?"]),
    (["helf"], ["helf: is not a command", "did you mean help?"]),
    (["HELP"], ["did you mean help?"]),
    *[([flag], [f"{flag}: is a flag of no command", "did you mean --version?"]) for flag in ("--verison", "--versin", "--Version")],
    (["serve", "/tmp"], ["not expected: /tmp; expected flags alone behind serve; did you mean --manifests /tmp?"]),
    (["serve", "./nope"], ["not expected: ./nope; expected flags alone behind serve; did you mean --manifests ./nope?"]),
    (["serve", "nope.yaml"], ["not expected: nope.yaml; expected flags alone behind serve"]),
    (["serve", "--manifests", "/tmp", "/nope"], ["not expected: /nope; expected flags alone behind serve\n"]),
    (["check", "/tmp", "/nope"], ["not expected: /nope; expected flags alone behind check WHERE"]),
    (["explain", "/tmp", "GET", "http://a/", "/nope"], ["expected flags alone behind explain WHERE METHOD URL"]),
    (["/nope"], ["/nope: is not a command", "did you mean sluice check /nope?"]),
    (["check", "/nope"], ["/nope: is not a directory or file", "expected a directory of manifests, a file, or -"]),
    (["explain", "/nope", "GET", "http://a/"], ["/nope: is not a directory or file"]),
    (["serve", "--manifests", "/nope"], ["/nope: is not a directory"]),
    (["serve", "--manifest", "/tmp"], ["--manifest", "did you mean --manifests?"]),
    (["serve", "--manifests", "/tmp", "--log-level", "loud"], ["--log-level", "loud: expected trace, debug, info, warn, error, critical or off"]),
    (["serve", "--manifests", "/tmp", "--log-level", "debgu"], ["did you mean debug?"]),
    (["serve", "--manifests", "/tmp", "--set", "proxy-body-sise=1m"], ["proxy-body-sise", "did you mean proxy-body-size?"]),
    (["docs", "metric"], ["did you mean metrics?"]),
    (["check"], ["WHERE, --kubernetes or --kubeconfig is missing"]),
    ([], ["subcommand"]),
    (["--log-level", "loud"], ["--log-level: expected a command in front of it that has this flag, one of serve; such as sluice serve --log-level"]),
    (["--ingress-class=x"], ["--ingress-class: expected a command", "one of serve, check, explain"]),
    (["--nope"], ["--nope: is a flag of no command; expected a command in front of flags, one of serve, check"]),
    (["--log-levle", "debug"], ["--log-levle: is a flag of no command", "did you mean --log-level?"]),
    (["-H", "a: b"], ["-H: expected a command", "one of explain"])])
def test_slips_of_the_pen_are_answered_with_what_was_meant(args, words):
    code, out, err = run(*args)
    assert code == 2 and [w for w in words if w not in err] == [], (code, out, err)


@pytest.mark.parametrize("args,words", [(["help"], ["serve", "check"]), (["help", "help"], ["serve", "check"]), (["help", "check"], ["--strict"]), (["--help"], ["serve"]), (["check", "--help"], ["--strict"]), (["--version"], ["sluice "])])
def test_questions_have_answers(args, words):
    code, out, err = run(*args)
    assert code == 0 and [w for w in words if w not in out] == [], (code, out, err)


def test_check_of_a_file_and_of_standard_input(site):
    good(site)
    site.manifests.app("other.example", "127.0.0.1:8080")
    file = site.manifests.root / "app.yaml"
    code, out, _ = run("check", file)
    assert code == 0 and "app.example" in out and "other.example" not in out and "app.yaml:" in out
    text = file.read_text()
    assert run("check", "-", input=text)[1].replace("stdin.yaml", "app.yaml") == out
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": [ingress("json", {"json.example": "app"})]})
    code, out, _ = run("check", "-", input=listed)
    assert code == 0 and "json.example" in out and "stdin.json:" in out
    code, out, _ = run("explain", "-", "GET", "http://app.example/", input=text)
    assert code == 0 and "forwarded to default/app:80" in out
    code, out, _ = run("check", "-", input="kind: [")
    assert code == 2 and "stdin.yaml" in out


def test_a_file_is_named_as_it_is_called(site, tmp_path):
    text = "apiVersion: networking.k8s.io/v1\nkind: Ingres\nmetadata: {name: a}\n"
    for name in ("t.txt", "objects", ".hidden.yaml", "t.json.bak", "t.yaml"):
        (tmp_path / name).write_text(text)
        code, out, _ = run("check", tmp_path / name)
        assert code == 2 and f"  {name}:1 Ingres default/a: error UnknownKind" in out, (name, out)
        assert json.loads(run("check", tmp_path / name, "--json")[1])["report"][0]["file"] == name


def test_a_kind_that_is_misspelt_is_shown(site):
    """Not summed up with the kinds of others, which are no faults."""
    good(site)
    site.manifests.text("bad.yaml", "apiVersion: networking.k8s.io/v1\nkind: Ingres\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Servcie\nmetadata: {name: b}\n---\n"
                        "apiVersion: v1\nkind: Secret\nmetadata: {name: c}\n---\napiVersion: core/v1\nkind: Secret\nmetadata: {name: d}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: e}\n")
    for flags in ([], ["--all"]):
        code, out, _ = run("check", site.manifests.root, *flags)
        assert code == 2 and "refused: 3" in out and "3 errors" in out, out
        for line in ("bad.yaml:1 Ingres default/a: error UnknownKind", "did you mean Ingress?", "bad.yaml:5 Servcie default/b: error UnknownKind", "did you mean Service?",
                     'bad.yaml:13 Secret default/d: error UnsupportedVersion field=apiVersion value="core/v1" expected v1'):
            assert line in out[out.index("refused:"):out.index("ignored:")], (line, out)
        assert ("not read by Sluice: 1 Deployment" in out) == (not flags)


def test_all_that_is_wrong_with_an_object_at_once(site):
    site.manifests.text("bad.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: t}\nspec: {ports: [{port: 0}, {port: x}, {name: 5, port: 80, targetPort: 99999}], externalName: {}}\n")
    code, out, _ = run("check", site.manifests.root)
    assert code == 2 and "refused: 4" in out and out.count("error BadShape") == 4 and out.count("NotAString") == 1, out
    for field in ("spec.externalName", "spec.ports[0].port", "spec.ports[1].port", "spec.ports[2].targetPort"):
        assert f"field={field} " in out, out


def test_one_namespace_may_be_watched(site):
    """As of a cluster: what lies in others is not there, but for what is asked for by name."""
    mine, other = site.pod("mine"), site.pod("other")
    for ns, pod in (("shop", mine), ("bank", other)):
        site.manifests.write(f"{ns}.yaml", ingress(ns, {f"{ns}.example": "app"}, ns=ns), service("app", ns=ns), *slices("app", [pod.address], ns=ns))
    site.manifests.text("bad.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: t, namespace: bank}\nspec: {ports: x}\n")
    site.manifests.write("options.yaml", config_map({"hsts-max-age": "7"}))
    code, out, _ = run("check", site.manifests.root, "--watch-namespace", "shop")
    assert code == 0 and "shop.example" in out and "bank" not in out, out
    assert run("check", site.manifests.root)[0] == 2
    explained = [run("explain", site.manifests.root, "GET", f"http://{ns}.example/", "--watch-namespace", "shop")[1] for ns in ("shop", "bank")]
    assert mine.address in explained[0] and "404" in explained[1], explained
    sluice = site.sluice("--watch-namespace", "shop")
    assert (sluice.get("/", "shop.example").status, sluice.get("/", "bank.example").status) == (200, 404)
    site.manifests.write("more.yaml", ingress("bank2", {"bank2.example": "app"}, ns="bank"), ingress("shop2", {"shop2.example": "app"}, ns="shop"))
    harness.wait_for(lambda: sluice.get("/", "shop2.example").status == 200, "what comes later is served")
    assert sluice.get("/", "bank2.example").status == 404


def test_a_namespace_without_objects_is_said(site):
    good(site)
    for command in (["check"], ["explain"]):
        more = ["GET", "http://app.example/"] if command == ["explain"] else []
        _, out, _ = run(*command, site.manifests.root, *more, "--watch-namespace", "nowhere")
        assert 'CommandLine --watch-namespace: warning EmptyNamespace field=--watch-namespace value="nowhere" expected a namespace that objects of the manifests lie in' in out, out
        assert "EmptyNamespace" not in run(*command, site.manifests.root, *more, "--watch-namespace", "default")[1]
    assert run("check", site.manifests.root, "--watch-namespace", "nowhere", "--strict")[0] == 1
    # What cannot be read lies there as well.
    site.manifests.text("bad.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: t, namespace: bank}\nspec: {ports: x}\n")
    assert "EmptyNamespace" not in run("check", site.manifests.root, "--watch-namespace", "bank")[1]


def test_flags_of_a_cluster_are_said_to_mean_nothing_beside_manifests(site):
    good(site)
    idle = {"--update-status": "true", "--update-status-on-shutdown": "true", "--publish-service": "a/b", "--publish-status-address": "192.0.2.1",
            "--report-node-internal-ip-address": None, "--status-annotation": None, "--disable-leader-election": None, "--election-id": "x"}
    sluice = site.sluice(*[word for flag, value in idle.items() for word in (flag, value) if word])
    for flag in idle:
        sluice.wait_line(f"{flag} has no effect: objects come from a directory", stream="err")
    assert sum("has no effect" in line for line in sluice.err) == len(idle)


def test_check_strict_takes_rendered_charts(site):
    """They hold no EndpointSlices; where there are some, a Service without is a fault."""
    site.manifests.write("chart.yaml", *[o for n in "abcd" for o in (ingress(n, {f"{n}.example": n}), service(n))])
    code, out, _ = run("check", site.manifests.root, "--strict")
    assert code == 0 and "0 warnings" in out and out.count("has no EndpointSlice") == 5  # a line of the table for each, and one for all
    assert "4 Services: ignored NoEndpoints" not in out and "4 Service: ignored NoEndpoints" in out
    site.manifests.write("tls.yaml", ingress("t", {"t.example": "a"}, tls=[(["t.example"], "made-by-cert-manager")]))
    code, out, _ = run("check", site.manifests.root, "--strict")
    assert code == 0 and "ignored MissingSecret" in out and "0 warnings" in out
    site.manifests.write("pair.yaml", tls_secret("other", *certificate("other.example")))
    code, out, _ = run("check", site.manifests.root, "--strict")
    assert code == 1 and "warning MissingSecret" in out
    site.manifests.remove("pair.yaml")
    site.manifests.write("slice.yaml", *slices("a", ["127.0.0.1:8080"]))
    code, out, _ = run("check", site.manifests.root, "--strict")
    assert code == 1 and "3 Service: warning NoEndpoints" in out


def test_check_strict_misses_no_cluster_address_in_a_chart(site):
    """An API server gives it; None is none."""
    site.manifests.write("chart.yaml", ingress("a", {"a.example": "a"}, annotations={"service-upstream": "true"}), service("a"))
    code, out, _ = run("check", site.manifests.root, "--strict")
    assert code == 0 and "ignored NoEffect field=spec.clusterIP" in out, out
    site.manifests.write("chart.yaml", ingress("a", {"a.example": "a"}, annotations={"service-upstream": "true"}), service("a", headless=True))
    code, out, _ = run("check", site.manifests.root, "--strict")
    assert code == 1 and "warning NoEffect field=spec.clusterIP" in out, out


def test_check_says_what_repeats_once(site):
    good(site)
    for i in range(7):
        site.manifests.app(f"h{i}.example", "127.0.0.1:8080", name=f"h{i}", annotations={"no-such-annotation": f"v{i}"})
    kinds = "".join(f"---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata: {{name: r{i}}}\n" for i in range(5) for kind in ("Role", "ClusterRole"))
    site.manifests.text("rbac.yaml", kinds)
    code, out, _ = run("check", site.manifests.root)
    problems = out[out.index("\nwarnings:"):]
    assert "warnings: 7" in problems and problems.count("no-such-annotation") == 1 and "h0.yaml:" in problems and "and 4 more" in problems
    assert "not read by Sluice: 5 ClusterRole, 5 Role" in problems and problems.count("rbac.yaml") == 0
    assert problems.endswith("0 errors, 7 warnings, 10 ignored\n")
    _, out, _ = run("check", site.manifests.root, "--all")
    assert out.count("no-such-annotation") == 7 and out.count("UnknownKind") == 10


def test_check_sums_up_the_kinds_of_one_stream(site):
    """As helm renders them, all in one: they are counted whatever their number, and hide nothing that is wrong."""
    kinds = {"Role": "rbac.authorization.k8s.io/v1", "RoleBinding": "rbac.authorization.k8s.io/v1", "ServiceAccount": "v1", "Deployment": "apps/v1"}
    text = "".join(f"---\napiVersion: {version}\nkind: {kind}\nmetadata: {{name: n{i}}}\n" for kind, version in kinds.items() for i in range(40))
    text += "---\napiVersion: networking.k8s.io/v1\nkind: Ingres\nmetadata: {name: a}\n"
    code, out, _ = run("check", "-", input=text)
    assert code == 2 and "did you mean Ingress?" in out, out
    assert "  not read by Sluice: 40 Deployment, 40 Role, 40 RoleBinding, 40 ServiceAccount\n" in out and "MoreProblems" not in out, out
    assert out.endswith("1 error, 0 warnings, 160 ignored\n"), out
    told = json.loads(run("check", "-", "--json", input=text)[1])
    assert sum(e["objects"] for e in told["report"]) == 161 and len(told["report"]) < 110


def test_objects_that_are_not_read_have_the_namespace_that_they_name(site):
    """A ClusterRole has none, and nobody here knows which kinds have."""
    head = "apiVersion: rbac.authorization.k8s.io/v1\nkind: "
    site.manifests.text("rbac.yaml", head + "ClusterRole\nmetadata: {name: reader}\n---\n" + head + "Role\nmetadata: {name: reader, namespace: shop}\n")
    report = json.loads(run("check", site.manifests.root, "--json")[1])["report"]
    assert [(e["object"], e["namespace"]) for e in report] == [("ClusterRole reader", ""), ("Role shop/reader", "shop")]


def test_a_host_whose_ingress_is_refused_is_not_served(site):
    """It answers 404, as any host that nobody asks for."""
    site.app("app.example", "127.0.0.1:8080", annotations={"server-snippet": "gzip on;"})
    code, out, _ = run("check", site.manifests.root)
    assert code == 2 and out.startswith("served: 0 hosts, 0 paths, "), out
    told = json.loads(run("check", site.manifests.root, "--json")[1])
    assert {k: told["summary"][k] for k in ("hosts", "paths", "closed")} == {"hosts": 0, "paths": 0, "closed": 0}
    assert [(r["status"], r["because"]) for r in told["served"]] == [(404, "no default backend")], told["served"]
    site.app("open.example", "127.0.0.1:8080")
    assert run("check", site.manifests.root)[1].startswith("served: 1 hosts, 1 paths, ")


def test_check_counts_objects_and_keeps_the_lines_of_one_apart(site):
    """Three lines of one snippet are no three Ingresses, and each names its directive; the same one at many is summed up."""
    snippet = "keepalive_timeout 5;\nclient_header_timeout 3;\nsendfile on;"
    allow = ("--set", "annotations-risk-level=Critical", "--set", "allow-snippet-annotations=true")
    site.manifests.app("one.example", "127.0.0.1:8080", name="one", annotations={"server-snippet": snippet})
    _, out, _ = run("check", site.manifests.root, *allow)
    assert all(f'default/one: ignored NoEffect field=metadata.annotations[server-snippet] value="line {n}: {word}"' in out
               for n, word in ((1, "keepalive_timeout"), (2, "client_header_timeout"), (3, "sendfile"))), out
    for i in range(3):
        site.manifests.app(f"h{i}.example", "127.0.0.1:8080", name=f"h{i}", annotations={"server-snippet": snippet})
    _, out, _ = run("check", site.manifests.root, *allow)
    ignored = out[out.index("\nignored:"):]
    assert ignored.count("4 Ingress: ignored NoEffect") == 3 and 'value="client_header_timeout"' in ignored and ignored.count("default/h0") == 3, out


def test_check_says_once_what_rules_refuse(site):
    """The same annotation at many Ingresses is one line that names what would allow it; other errors stay one by one."""
    for i in range(5):
        site.manifests.app(f"h{i}.example", "127.0.0.1:8080", name=f"h{i}", annotations={"configuration-snippet": f"return 20{i};", "auth-type": "digests"})
    code, out, _ = run("check", site.manifests.root)
    refused = out[out.index("\nrefused:"):]
    assert code == 2 and "refused: 10" in refused and refused.count("configuration-snippet]") == 1 and refused.count("field=metadata.annotations[auth-type]") == 5
    assert "annotations-risk-level" in refused and "allow-snippet-annotations true" in refused and "and 2 more" in refused
    assert run("check", site.manifests.root, "--all")[1].count("configuration-snippet]") == 5


def test_explain_says_that_the_address_decides_about_a_snippet(site):
    site.manifests.app("app.example", "127.0.0.1:8080", annotations={"configuration-snippet": "location /in { allow 10.0.0.0/8; deny all; }"})
    args = ("explain", site.manifests.root, "GET", "http://app.example/in", "--set", "allow-snippet-annotations=true", "--set", "annotations-risk-level=Critical")
    assert "--from ADDRESS" in run(*args)[1]
    assert "403" in run(*args, "--from", "192.0.2.1")[1]


@pytest.mark.parametrize("text,status", [("deny all;", 403), ("deny 192.0.2.1; deny all;", 403), ("allow all; deny 192.0.2.1;", None), ("allow 192.0.2.1; deny all;", None)])
def test_explain_needs_no_address_where_none_decides(site, text, status):
    site.manifests.app("app.example", "127.0.0.1:8080", annotations={"configuration-snippet": text})
    out = json.loads(run("explain", site.manifests.root, "GET", "http://app.example/", "--json", "--set", "allow-snippet-annotations=true", "--set", "annotations-risk-level=Critical")[1])
    assert out["answer"]["status"] == status, out
    assert any("--from ADDRESS" in step for step in out["steps"]) == text.startswith("allow 192"), out


RENDERED = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: app}
spec: {ingressClassName: nginx, rules: [{host: app.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: app, port: {number: 80}}}}]}}]}
---
apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: Service, metadata: {name: app, namespace: ""}, spec: {ports: [{port: 80}]}}
  - {apiVersion: v1, kind: Service, metadata: {name: other, namespace: team}, spec: {ports: [{port: 80}]}}
  - {apiVersion: v1, kind: Service, metadata: {name: bad}, spec: {ports: [{port: none}]}}
"""


@pytest.mark.parametrize("flag", [[], ["-n", "shop"], ["--namespace", "shop"]])
def test_the_namespace_of_objects_that_name_none(site, flag):
    """`helm template -n shop` writes metadata without a namespace; `kubectl apply -n shop` would put it there."""
    ns = flag[1] if flag else "default"
    site.manifests.text("chart.yaml", RENDERED)
    code, out, _ = run("check", site.manifests.root, *flag)
    assert code == 2 and f"Ingress {ns}/app" in out and f"Service {ns}/bad" in out and f"{ns}/app:80" in out, out
    r = subprocess.run([SLUICE, "check", "-", *flag], input=RENDERED, stdout=subprocess.PIPE, timeout=30, text=True)
    assert f"Ingress {ns}/app" in r.stdout and "team" not in r.stdout.replace("team/other", ""), r.stdout
    out = json.loads(run("explain", site.manifests.root, "GET", "http://app.example/", "--json", *flag)[1])
    assert out["route"]["namespace"] == ns, out


def test_serve_has_it_too(site):
    pod = site.pod()
    site.manifests.text("chart.yaml", RENDERED)
    sluice = site.sluice("-n", "shop", "--endpoint", f"shop/app:80={pod.address}")
    assert sluice.get("/", "app.example").status == 200
    site.manifests.text("more.yaml", RENDERED.replace("app", "more"))
    harness.wait_for(lambda: sluice.get("/", "more.example").status == 503, "what comes later lies there as well")
    assert {e["namespace"] for e in sluice.config()["report"] if e["name"] == "more"} <= {"shop"}


def test_all_problems_of_an_ingress_at_once(site):
    site.manifests.app("bad.example", "127.0.0.1:8080", annotations={"server-snippet": "return 200;", "auth-type": "digests", "proxy-body-size": "many"})
    _, out, _ = run("check", site.manifests.root)
    assert all(name in out[out.index("refused:"):] for name in ("server-snippet", "auth-type", "proxy-body-size")), out


def test_what_is_asked_for_and_matches_nothing(site):
    site.manifests.write("app.yaml", ingress("web", {"web.example": "web"}), service("web"), service("other"))
    unused = lambda *endpoints: [line for line in run("check", site.manifests.root, *sum([["--endpoint", e] for e in endpoints], []))[1].splitlines() if "UnusedEndpoint" in line]
    assert unused("default/web:80=127.0.0.1:9", "default/web:http=127.0.0.1:9") == []
    for endpoint in ("apps/web:80", "default/web:8080", "default/wep:80", "default/other:80"):
        lines = unused(endpoint + "=127.0.0.1:9")
        assert len(lines) == 1 and f"--endpoint {endpoint}" in lines[0] and "it is not used" in lines[0], lines
    assert "such as default/web:80" in unused("apps/web:80=127.0.0.1:9")[0]

    site.manifests.write("options.yaml", config_map({"keep-alive": "60", "proxy-body-size": "8m"}, name="options", ns="mine"))
    site.manifests.write("theirs.yaml", config_map({"keep-alive": "60", "a": "b", "c": "d"}, name="theirs", ns="mine"))
    _, out, _ = run("check", site.manifests.root)
    assert "ConfigMap mine/options: warning UnreadConfigMap" in out and "--configmap" in out and "theirs" not in out
    _, out, _ = run("check", site.manifests.root, "--configmap", "mine/options")
    assert "UnreadConfigMap" not in out and "MissingConfigMap" not in out
    _, out, _ = run("check", site.manifests.root, "--configmap", "mine/option")
    assert 'MissingConfigMap field=--configmap value="mine/option"' in out
    # Half of the keys are enough, and so are ports that lead to Services.
    site.manifests.write("half.yaml", config_map({"keep-alive": "60", "a": "b"}, name="half", ns="mine"))
    site.manifests.write("ports.yaml", config_map({"9000": "default/web:80"}, name="tcp-services", ns="default"), config_map({"9000": "default"}, name="numbers", ns="default"))
    _, out, _ = run("check", site.manifests.root)
    assert "ConfigMap mine/half: warning UnreadConfigMap" in out and "default/numbers" not in out, out
    assert "ConfigMap default/tcp-services: warning UnreadConfigMap" in out and "expected the ConfigMap that --tcp-services-configmap or --udp-services-configmap names" in out, out
    for flag in ("--tcp-services-configmap", "--udp-services-configmap"):
        assert "default/tcp-services: warning UnreadConfigMap" not in run("check", site.manifests.root, flag, "default/tcp-services")[1]
    # A certificate that a flag names is no cert-manager's.
    code, out, _ = run("check", site.manifests.root, "--default-ssl-certificate", "default/nope", "--strict")
    assert code == 1 and 'CommandLine --default-ssl-certificate: warning MissingSecret field=--default-ssl-certificate value="default/nope"' in out, out


def test_explain_says_what_is_wrong_with_flags(site):
    site.app("web.example", "127.0.0.1:8080", name="web")
    wrong = ["--endpoint", "apps/web:80=10.0.0.1:80", "--configmap", "a/b", "--default-ssl-certificate", "default/nope"]
    for asked in (["GET", "http://web.example/"], ["GET", "http://nobody.example/"], ["tcp", "9000"]):
        _, out, _ = run("explain", site.manifests.root, *asked, *wrong)
        for word in ("--endpoint apps/web:80", 'field=--configmap value="a/b"', 'field=--default-ssl-certificate value="default/nope"'):
            assert word in out, (asked, word, out)
        told = json.loads(run("explain", site.manifests.root, *asked, *wrong, "--json")[1])
        assert len(told["report" if asked[0] == "tcp" else "flags"]) == 3, told
    assert "wrong with flags" not in run("explain", site.manifests.root, "GET", "http://web.example/")[1]


def test_who_asks_for_json_gets_it_for_refusals_too(site):
    for args, word in ((["check", "/nope", "--json"], "/nope: is not a directory or file"), (["check", "/tmp", "--json", "--set", "nope=1"], "unknown option"),
                       (["check", "--json"], "WHERE, --kubernetes or --kubeconfig is missing"), (["explain", "/nope", "GET", "http://a/", "--json"], "/nope: is not a directory or file")):
        code, out, _ = run(*args)
        assert code == 2 and word in json.loads(out)["error"], (args, out)


# Flags of ingress-nginx that need no value and have no effect.
IDLE_FLAGS = re.findall(r'Idle\{"(--[a-z_-]+)", false', (harness.ROOT / "src/app/nginx_flags.cpp").read_text())


@pytest.mark.parametrize("flag", [*IDLE_FLAGS, "--update-status", "--admin-trust-loopback", "--log-json", "--kubernetes", "--enable-topology-aware-routing", "--disable-catch-all"])
def test_what_is_true_or_false_is_nothing_else(tmp_path, flag):
    assert len(IDLE_FLAGS) > 15
    config = tmp_path / "sluice.config"
    for value in ("maybe", "99999999999999999999"):
        code, _, err = run("serve", "--manifests", tmp_path, f"{flag}={value}")
        assert code == 2 and f"{flag}: {value}: expected true or false" in err, (code, err)
        config.write_text(f"{flag[2:]}: {value}\n")
        code, _, err = run("serve", "--manifests", tmp_path, "--config", config)
        assert code == 2 and f"{config}:1: {flag[2:]}: {flag}: {value}: expected true or false" in err, (code, err)
    config.write_text(f"{flag[2:]}: ''\nlog-level: loud\n")  # the second line ends it, if the first does not
    assert run("serve", "--manifests", tmp_path, "--config", config)[0] == 2


def test_explain_names_what_refused_and_invents_nothing(site):
    site.manifests.app("ui.example", "127.0.0.1:8080", name="ui", annotations={"auth-type": "digests"})
    _, out, _ = run("explain", site.manifests.root, "GET", "http://ui.example/")
    assert "503" in out and "auth-type" in out and "ssl-redirect" not in out and "(annotation " not in out, out
    site.manifests.app("snip.example", "127.0.0.1:8080", name="snip", annotations={"server-snippet": "return 200;"})
    _, out, _ = run("explain", site.manifests.root, "GET", "http://snip.example/")
    assert "refused of the Ingresses that ask for the host" in out and "annotations[server-snippet]" in out
    _, out, _ = run("explain", site.manifests.root, "GET", "http://snip.example/", "--json")
    assert "server-snippet" in json.loads(out)["refused"][0]
    # What another Ingress of the namespace asks for at the host is not said to be this one's.
    site.manifests.app("two.example", "127.0.0.1:8080", name="one", file="one.yaml", paths=[("/one", "Prefix")], annotations={"sluice.dev/ambiguous-paths": "refuse", "ambiguous-paths": "refuse"})
    site.manifests.app("two.example", "127.0.0.1:8080", name="two", file="two.yaml", paths=[("/two", "Prefix")])
    _, out, _ = run("explain", site.manifests.root, "GET", "http://two.example/two")
    assert "(annotation ambiguous-paths" not in out, out


def test_two_on_one_port_are_refused_unless_told(site):
    good(site)
    first = site.sluice()
    args = ["serve", "--manifests", site.manifests.root, "--http", first.http, "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--workers", "2"]
    code, out, err = run(*args)
    assert code == 2 and f"--http {first.http}" in err and "nobody listens on" in err and "--share-ports" in err
    assert "ready" not in out
    from harness import Process
    second = Process([SLUICE, *args, "--share-ports"])
    try:
        second.wait_line("^ready$", 30)
    finally:
        second.stop()
    assert run(*args[:-2], "--workers", "1")[0] == 2  # still the first's


def test_version():
    code, out, _ = run("version")
    assert code == 0 and out.startswith("sluice ")


def test_help_has_examples():
    code, out, _ = run("--help")
    assert code == 0 and "sluice serve" in out


@pytest.mark.parametrize("args,words", [
    (["--set", "proxy-body-size=many"], ["proxy-body-size", "many"]),
    (["--set", "nonsense"], ["nonsense", "KEY=VALUE"]),
    (["--http", "127.0.0.1:notaport"], ["notaport"]),
    (["--http", "300.1.1.1:80"], ["300.1.1.1"]),
    (["--endpoint", "nonsense"], ["nonsense"]),
    (["--namespace", "Team A"], ["--namespace Team A", "small letters, digits and '-'"]),
    (["-n", ""], ["--namespace ", "the name of a namespace"]),
    (["-n", "a/b"], ["--namespace a/b: expected"]),
    (["-n", "x" * 64], ["at most 63"]),
    (["--configmap", "options"], ["--configmap options", "NS/NAME of a ConfigMap"]),
    (["--default-backend", "nope"], ["--default-backend nope", "NS/SERVICE"]),
    (["--default-ssl-certificate", "a/b/c"], ["--default-ssl-certificate a/b/c", "NS/NAME of a Secret"]),
    (["--publish-service", "/front"], ["--publish-service /front", "NS/NAME of a Service"]),
    (["--publish-status-address", "192.0.2.1,lb.Example.net"], ["--publish-status-address lb.Example.net", "a DNS name in lower case"]),
    (["--publish-status-address", "::ffff:192.0.2.1"], ["--publish-status-address ::ffff:192.0.2.1", "expected the IPv4 address itself, 192.0.2.1"]),
    (["--publish-status-address", "192.000.002.001"], ["--publish-status-address 192.000.002.001", "without leading zeros"]),
    (["--admin-token-file", "/nonexistent/token"], ["--admin-token-file /nonexistent/token: cannot be read: No such file", "expected a file with a token"]),
    (["--admin-token-file", "/dev/null"], ["--admin-token-file /dev/null: is no regular file", "expected a file with a token"]),
    (["--admin-pages", "some"], ["--admin-pages", "some", "guarded"]),
    (["--admin-host", "ops.example:10254"], ["--admin-host ops.example:10254: expected a DNS name without port"]),
    (["--watch-namespace", "Team A"], ["--watch-namespace Team A: expected the name of a namespace", "small letters, digits and '-'"]),
    (["--context", "main"], ["--context main: expected --kubeconfig beside it"]),
    (["--watch-namespace-selector", "a=b"], ["--watch-namespace-selector a=b", "a directory has no Namespaces"]),
    (["--no-such-flag"], ["no-such-flag"])])
def test_bad_flags_are_refused_with_what_was_expected(site, args, words):
    code, out, err = run("serve", "--manifests", site.manifests.root, "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0", *args)
    assert code == 2
    for w in words:
        assert w in out + err, (out, err)


def test_address_in_use(site):
    import socket
    with socket.create_server(("127.0.0.1", 0)) as s:
        address = "127.0.0.1:%d" % s.getsockname()[1]
        code, out, err = run("serve", "--manifests", site.manifests.root, "--http", address, "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0")
        assert code != 0 and address in out + err


def test_environment_and_file_are_weaker_than_flags(site, tmp_path):
    good(site)
    import os
    from harness import Process
    config = tmp_path / "sluice.yaml"
    config.write_text('manifests: /from-the-file\nworkers: 3\n')
    env = {**os.environ, "SLUICE_MANIFESTS": "/from-the-environment"}
    code, out, err = run("serve", "--config", config, "--http", "127.0.0.1:0", env=env)
    assert code != 0 and "/from-the-environment" in err
    code, out, err = run("serve", "--config", config, "--manifests", "/from-the-flag", env=env)
    assert code != 0 and "/from-the-flag" in err
    code, out, err = run("serve", "--config", config)
    assert code != 0 and "/from-the-file" in err


@pytest.mark.parametrize("page", ["configmap", "annotations", "metrics"])
def test_generated_pages_are_up_to_date(page):
    """docs/PAGE.md is what the binary prints: `make docs` writes it anew."""
    said = subprocess.run([SLUICE, "docs", page], stdout=subprocess.PIPE, check=True, timeout=30).stdout.decode()
    assert said == (harness.ROOT / "docs" / f"{page}.md").read_text()


def test_every_flag_of_serve_is_in_the_example_and_the_completions():
    said = subprocess.run([SLUICE, "serve", "--help"], stdout=subprocess.PIPE, timeout=30).stdout.decode()
    # Those that are other names of ours, for arguments of ingress-nginx, are not shown to anybody who writes new ones.
    flags = set(re.findall(r"^  (--[a-z][a-z-]+)", said.split("Flags of ingress-nginx:")[0], re.M)) - {"--default-backend-service"}
    assert len(flags) > 30
    example = (harness.ROOT / "config/sluice.yaml").read_text()
    assert [f for f in sorted(flags - {"--config"}) if not re.search(rf"^#?{f[2:]}:", example, re.M)] == []
    for page in ("sluice.bash", "_sluice"):
        completion = (harness.ROOT / "config/completions" / page).read_text()
        assert [f for f in sorted(flags) if not re.search(rf"{f}(?![a-z-])", completion)] == [], page


def test_flags_in_the_documents_exist():
    """Each --flag of sluice that README and docs name is one that the binary has."""
    known = {"--set-json"}  # of helm
    for command in ("serve", "check", "explain", "health", "backends", "ingresses", "conf", "certs", "version", "docs"):
        known |= set(re.findall(r"--[a-z][a-z-]+", subprocess.run([SLUICE, command, "--help"], stdout=subprocess.PIPE, timeout=30).stdout.decode()))
    for page in [harness.ROOT / "README.md", *sorted((harness.ROOT / "docs").glob("*.md"))]:
        named = set(re.findall(r"`(--[a-z][a-z-]+)", page.read_text()))
        assert named <= known, (page, named - known)


def test_flags_of_ingress_nginx(site):
    """Under their own names: with a meaning here, or accepted and said."""
    site.app("app.example", site.pod().address)
    sluice = site.sluice("--sync-rate-limit=0.3", "--enable-metrics=false", "--profiling", "--metrics-per-host=false", "--v=3")
    assert sluice.get("/", "app.example").status == 200
    log = "\n".join(sluice.err)
    for flag in ("--sync-rate-limit", "--enable-metrics", "--profiling", "--metrics-per-host"):
        assert f"{flag} has no effect: " in log, log
    for flags, told in ((["--http-port=8080", "--http", ":80"], "--http-port and --http: expected one of them"), (["--shutdown-grace-period=-1"], "shutdown-grace-period"), (["--shutdown-grace-period=soon"], "shutdown-grace-period=soon: expected seconds from 0"), (["--http-port=70000"], "70000"), (["--v=3", "--log-level=warn"], "--v and --log-level")):
        code, out, err = run("serve", "--manifests", site.manifests.root, *flags)
        assert code == 2 and told in out + err, (flags, out, err)


@pytest.mark.parametrize("flag", ["--bucket-factor=1.1", "--max-buckets=100", "--add_dir_header", "--log_backtrace_at=:0", "--log_file_max_size=1800", "--one_output", "--skip_log_headers"])
def test_flags_of_ingress_nginx_without_a_meaning_are_said(site, flag):
    site.app("app.example", "127.0.0.1:1")
    assert f"{flag.split('=')[0]} has no effect: " in "\n".join(site.sluice(flag).err)


@pytest.mark.parametrize("args, words", [
    (["-v=x"], ["--v", "a number"]),
    (["--apiserver-host=ftp://x"], ["--apiserver-host", "ftp://x", "expected https://HOST"]),
    (["--apiserver-host=https://127.0.0.1:1", "--certificate-authority=/nonexistent/ca"], ["--certificate-authority", "/nonexistent/ca"]),
    (["--apiserver-host=https://127.0.0.1:1", "--manifests", "/tmp"], ["--manifests /tmp and --apiserver-host: expected one of them"]),
    (["--certificate-authority=/nonexistent/ca", "--manifests", "/tmp"], ["--certificate-authority /nonexistent/ca: expected --apiserver-host"])])
def test_flags_of_ingress_nginx_that_cannot_be_followed(args, words):
    code, out, err = run("serve", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0", *args)
    assert code != 0 and all(w in out + err for w in words), (out, err)


@pytest.mark.parametrize("flags", [["-v=4"], ["-v", "4"], ["--v=4"]])
def test_the_verbosity_as_go_reads_it(site, flags):
    site.app("app.example", "127.0.0.1:1")
    assert site.sluice(*flags).admin_get("/log/level").body.decode() == "debug\n"


def test_explain_names_the_stand_in(site):
    """default-backend, where the Service has no endpoints."""
    stand_in = site.pod("stand-in")
    site.app("app.example", [], annotations={"default-backend": "other"})
    site.manifests.write("other.yaml", service("other"), *slices("other", [stand_in.address]))
    assert site.sluice().get("/x", "app.example").get("x-pod") == "stand-in"
    args = ("explain", site.manifests.root, "GET", "http://app.example/x")
    out = run(*args)[1]
    assert "forwarded to default/other as GET /x" in out and stand_in.address in out, out
    assert re.search(r"^  Service default/\w+ [^:]+: default/other answers for it \(default-backend\), and is told X-Code: 503$", out, re.M), out
    told = json.loads(run(*args, "--json")[1])
    assert told["answer"]["forwarded"] and told["standIn"] == "default/other", told


@pytest.mark.parametrize("snippet, path, answer", [
    ("deny all; error_page 403 =302 https://login.example/;", "/", "302 https://login.example/"),
    ("location /nf { return 404; } error_page 404 https://x.example/nf;", "/nf", "302 https://x.example/nf"),
    ("location /a { return 404; } location = /nf { return 200 found; } error_page 404 =200 /nf;", "/a", "200"),
    ("location /own { return 404 mine; } error_page 404 =302 https://x.example/;", "/own", "404"),
    ("if ($arg_no) { return 403; } error_page 403 =201 /pages;", "/?no=1", "201"),
    ("if ($arg_no) { return 403; } error_page 403 /pages;", "/?no=1", "403")])
def test_explain_follows_error_page(site, snippet, path, answer):
    site.app("app.example", site.pod().address, annotations={"configuration-snippet": snippet})
    options = {"allow-snippet-annotations": "true", "annotations-risk-level": "Critical"}
    served = site.sluice(options=options).get(path, "app.example")
    out = run("explain", site.manifests.root, "GET", f"http://app.example{path}", *sum([["--set", f"{k}={v}"] for k, v in options.items()], []))[1]
    told = out.split("\nanswer\n")[1].split("\n")[0].strip()
    assert told.startswith(answer) and str(served.status) == answer.split(" ")[0], (told, served)
    assert served.get("location") is None or served.get("location") in told


@pytest.mark.parametrize("v, level", [(0, "info"), (2, "info"), (3, "debug"), (4, "debug"), (5, "trace"), (9, "trace")])
def test_levels_of_ingress_nginx(site, v, level):
    site.app("app.example", "127.0.0.1:1")
    assert site.sluice(f"--v={v}").admin_get("/log/level").body.decode() == level + "\n"


def test_ports_by_the_flags_of_ingress_nginx(site):
    site.app("app.example", site.pod().address)
    r = subprocess.Popen([SLUICE, "serve", "--manifests", site.manifests.root, "--http-port=0", "--https-port=0", "--healthz-port=0", "--healthz-host=127.0.0.1", "--access-log=off"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        told = [next(r.stdout).split() for _ in range(3)]
        at = {name: address for _, name, address in told}
        assert at["http"].startswith("[::]:") or at["http"].startswith("0.0.0.0:"), at
        harness.wait_for(lambda: http_get(at["admin"], "/healthz").status == 200, "it to serve")
        assert http_get("127.0.0.1:" + at["http"].rsplit(":", 1)[1], "/", headers={"Host": "app.example"}).status == 200
    finally:
        r.terminate()
        r.wait(30)


def test_what_flags_leave_out(site):
    site.manifests.write("all.yaml", ingress("all", default_backend="app"), ingress("host", {"app.example": "app"}), service("app"))
    site.manifests.write("out.yaml", ingress("out", {"out.example": "out"}), {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "out", "namespace": "default"}, "spec": {"type": "ExternalName", "externalName": "other.example", "ports": [{"port": 80}]}})
    _, out, _ = run("check", site.manifests.root)
    assert "CatchAllDisabled" not in out and "ExternalNameDisabled" not in out
    code, out, _ = run("check", site.manifests.root, "--disable-catch-all", "--disable-svc-external-name")
    assert code == 2 and "CatchAllDisabled" in out and "ExternalNameDisabled" in out, out
    _, out, _ = run("explain", site.manifests.root, "GET", "http://x.example/", "--disable-catch-all")
    assert "404" in out, out
    _, out, _ = run("explain", site.manifests.root, "GET", "http://out.example/", "--disable-svc-external-name")
    assert "503" in out, out
