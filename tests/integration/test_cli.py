"""check, explain, version and the refusals of the command line: what is printed and how it exits."""
import json
import re
import subprocess

import pytest

import harness
from harness import SLUICE, config_map, endpoint_slice, ingress, service, slices


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
    assert f"308 {location}: " in out if location else "308" not in out, out


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
    (["--configmap", "options"], ["--configmap options", "NS/NAME of a ConfigMap"]),
    (["--default-ssl-certificate", "a/b/c"], ["--default-ssl-certificate a/b/c", "NS/NAME of a Secret"]),
    (["--publish-service", "/front"], ["--publish-service /front", "NS/NAME of a Service"]),
    (["--publish-status-address", "192.0.2.1,lb.Example.net"], ["--publish-status-address lb.Example.net", "a DNS name in lower case"]),
    (["--admin-token-file", "/nonexistent/token"], ["--admin-token-file /nonexistent/token: cannot be read: No such file", "expected a file with a token"]),
    (["--admin-token-file", "/dev/null"], ["--admin-token-file /dev/null: is no regular file", "expected a file with a token"]),
    (["--admin-pages", "some"], ["--admin-pages", "some", "guarded"]),
    (["--admin-host", "ops.example:10254"], ["--admin-host ops.example:10254: expected a DNS name without port"]),
    (["--no-such-flag"], ["no-such-flag"])])
def test_bad_flags_are_refused_with_what_was_expected(site, args, words):
    code, out, err = run("serve", "--manifests", site.manifests.root, "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0", *args)
    assert code != 0
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


@pytest.mark.parametrize("page", ["configuration", "annotations", "metrics"])
def test_generated_pages_are_up_to_date(page):
    """docs/PAGE.md is what the binary prints: `make docs` writes it anew."""
    said = subprocess.run([SLUICE, "docs", page], stdout=subprocess.PIPE, check=True, timeout=30).stdout.decode()
    assert said == (harness.ROOT / "docs" / f"{page}.md").read_text()


def test_every_flag_of_serve_is_in_the_example_and_the_completions():
    said = subprocess.run([SLUICE, "serve", "--help"], stdout=subprocess.PIPE, timeout=30).stdout.decode()
    flags = set(re.findall(r"^  (--[a-z][a-z-]+)", said, re.M)) - {"--default-backend-service"}  # another name of --default-backend
    assert len(flags) > 30
    example = (harness.ROOT / "config/sluice.yaml").read_text()
    assert [f for f in sorted(flags - {"--config"}) if not re.search(rf"^#?{f[2:]}:", example, re.M)] == []
    for page in ("sluice.bash", "_sluice"):
        completion = (harness.ROOT / "config/completions" / page).read_text()
        assert [f for f in sorted(flags) if not re.search(rf"{f}(?![a-z-])", completion)] == [], page


def test_flags_in_the_documents_exist():
    """Each --flag of sluice that README and docs name is one that the binary has."""
    known = set()
    for command in ("serve", "check", "explain", "health", "version", "docs"):
        known |= set(re.findall(r"--[a-z][a-z-]+", subprocess.run([SLUICE, command, "--help"], stdout=subprocess.PIPE, timeout=30).stdout.decode()))
    for page in [harness.ROOT / "README.md", *sorted((harness.ROOT / "docs").glob("*.md"))]:
        named = set(re.findall(r"`(--[a-z][a-z-]+)", page.read_text()))
        assert named <= known, (page, named - known)
