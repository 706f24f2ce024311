"""The admin address."""
import json
import re
import socket
import subprocess

import pytest
from harness import Raw, certificate, http_get, need, tls_secret, wait_for


def test_health_and_readiness(site):
    sluice, _ = site.simple()
    assert sluice.admin_get("/healthz").status == 200
    assert sluice.admin_get("/readyz").status == 200
    assert http_get(sluice.admin, "/nothing").status == 404
    assert http_get(sluice.admin, "/healthz", "POST").status == 405


OPEN = {"/livez", "/healthz", "/readyz", "/metrics", "/nginx_status", "/is-dynamic-lb-initialized"}
CERTIFICATE = "/configuration/certs?hostname=_"  # without a name there is none to show
TRUSTED = {"/config", "/routes", "/configuration/backends", "/configuration/general", CERTIFICATE}
EVIL = "evil.example"
# What reaches the open pages alone: (fields; %s is the address that is ours), and the target in place of the path.
WEB = {
    "a foreign Host": ["Host: " + EVIL],
    "a foreign Host with a port": ["Host: " + EVIL + ":10254"],
    "a name that begins like ours": ["Host: 127.0.0.1." + EVIL],
    "a name that ends like ours": ["Host: evil.localhost"],
    "an empty Host": ["Host:"],
    "an IPv6 literal that is none": ["Host: [" + EVIL + "]"],
    "an Origin": ["Host: %s", "Origin: http://" + EVIL],
    "an Origin that looks like ours": ["Host: %s", "Origin: http://%s"],
    "an opaque Origin": ["Host: %s", "Origin: null"],
    "what fetch() sends without Origin": ["Host: %s", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"],
    "a form or a link": ["Host: %s", "Referer: http://" + EVIL + "/"],
}
PREFLIGHT = ["Host: %s", "Origin: http://" + EVIL, "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: authorization"]


def ask(address, path, method="GET", fields=("Host: %s",), body=b"", version="1.1"):
    """One request as it is written; the answer is read strictly."""
    lines = [f"{method} {path} HTTP/{version}", *(f.replace("%s", address) for f in fields), "Connection: close"]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    with Raw(address) as c:
        answer = c.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body).answer(method)
    assert answer.get("x-content-type-options") == "nosniff" and answer.get("cache-control") == "no-store", answer
    assert answer.get("cross-origin-resource-policy") == "same-origin", answer
    assert not [n for n, _ in answer.headers if n.lower().startswith("access-control-")], answer
    return answer


def pages(sluice):
    """All that the binary has, by its own list."""
    listed = [line.split()[0] for line in ask(sluice.admin, "/").body.decode().splitlines()]
    listed = [CERTIFICATE if page == "/configuration/certs" else page for page in listed]
    assert OPEN | TRUSTED | {"/log/level"} <= set(listed)
    return listed


def outside(address):
    """The same port at an address of this machine that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback: this test did NOT run")
        return f"{s.getsockname()[0]}:{address.rpartition(':')[2]}"


def level(sluice):
    return ask(sluice.admin, "/log/level").body.decode().strip()


def test_every_page_refuses_web_pages_and_names_that_are_not_ours(site):
    sluice, _ = site.simple()
    for path in [*pages(sluice), "/", "/nothing"]:
        for name, fields in WEB.items():
            for method in ("GET", "HEAD"):
                answer = ask(sluice.admin, path, method, fields)
                assert answer.status == (200 if path in OPEN else 403), (path, name, method, answer)
            for method in ("PUT", "POST"):  # a simple request of a form, and what a preflight would come before
                answer = ask(sluice.admin, path, method, [*fields, "Content-Type: text/plain"], b"trace")
                assert answer.status == 403 and (b"a program such as curl" in answer.body or b"--admin-host" in answer.body), (path, name, answer)
        assert ask(sluice.admin, path, "OPTIONS", PREFLIGHT).status == 403
        # The name in an absolute form stands above Host (RFC 9112 section 3.2.2).
        for target, host in ((f"http://{EVIL}{path}", "%s"), (f"http://%s{path}".replace("%s", sluice.admin), EVIL)):
            assert ask(sluice.admin, target, fields=["Host: " + host]).status == (200 if path in OPEN else 403), (path, target, host)
        # RFC 9112 section 3.2: exactly one Host; HTTP/1.0 has none, and a probe of it is answered.
        assert ask(sluice.admin, path, fields=[]).status == 400
        assert ask(sluice.admin, path, fields=["Host: %s", "Host: " + EVIL]).status == 400
        assert ask(sluice.admin, path, fields=[], version="1.0").status == (200 if path in OPEN else 403)
    assert level(sluice) == "info"
    assert sluice.admin_get("/healthz").status == 200


def test_addresses_and_localhost_with_any_port_are_ours(site):
    sluice, _ = site.simple()
    for path in pages(sluice):
        for host in ("%s", "127.0.0.1", "localhost", "LOCALHOST:9", "localhost.", "[::1]", "[fd00::1]:10254", "10.1.2.3:10254"):
            assert ask(sluice.admin, path, fields=["Host: " + host]).status == 200, (path, host)
        assert ask(sluice.admin, f"http://localhost:1{path}", fields=["Host: localhost:1"]).status == 200
        assert ask(sluice.admin, path, fields=["Host: localhost:1", "Sec-Fetch-Site: none"]).status == 200
        assert ask(sluice.admin, path, fields=["Host: localhost:1", "Sec-Fetch-Site: same-origin", "Referer: http://localhost:1/"]).status == 200


def test_a_method_counts_where_it_stands(site):
    sluice, _ = site.simple()
    for field in ("X-HTTP-Method-Override: PUT", "X-HTTP-Method: PUT", "X-Method-Override: PUT"):
        assert ask(sluice.admin, "/log/level?_method=PUT", fields=["Host: %s", field], body=b"trace").status == 200
    assert ask(sluice.admin, "/log/level", "put", body=b"trace").status == 405
    assert level(sluice) == "info"


def test_from_elsewhere_only_a_token_changes_something_or_shows_tenants(site, tmp_path):
    token = tmp_path / "token"
    token.write_text("Zm9vYmFy+/=\n")
    site.app("app.example", site.pod().address)
    plain = site.sluice(admin="0.0.0.0:0")
    guarded = site.sluice("--admin-token-file", token, admin="0.0.0.0:0")
    for sluice, refused in ((plain, 403), (guarded, 401)):
        sluice.admin = sluice.admin.replace("0.0.0.0", "127.0.0.1")
        far = outside(sluice.admin)
        for path in pages(sluice):
            answer = ask(far, path)
            assert answer.status == (refused if path in TRUSTED else 200), (path, answer)
            for method in ("PUT", "POST"):
                answer = ask(far, path, method, body=b"debug")
                assert answer.status == (refused if path == "/log/level" else 405), (path, answer)
            if answer.status == 401:
                assert answer.get("www-authenticate").startswith("Bearer")
        answer = ask(far, "/log/level", "PUT", body=b"debug")
        assert b"changes something here: expected a loopback address or" in answer.body and b"--admin-token-file" in answer.body
        assert ask(sluice.admin, "/log/level", "PUT", body=b"warn").status == 200  # from loopback
        # A proxy on this machine speaks for somebody else.
        for field in ("X-Forwarded-For: 127.0.0.1", "Via: 1.1 sluice", "Forwarded: for=127.0.0.1", "X-Real-IP: 127.0.0.1"):
            assert ask(sluice.admin, "/log/level", "PUT", ["Host: %s", field], b"debug").status == refused, field
            assert ask(sluice.admin, "/config", fields=["Host: %s", field]).status == refused, field
        assert level(sluice) == "warn"
    bearer = ["Host: %s", "Authorization: Bearer Zm9vYmFy+/="]
    far = outside(guarded.admin)
    assert ask(far, "/config", fields=bearer).status == 200
    assert ask(far, "/log/level", "PUT", bearer, b"debug").status == 200
    assert level(guarded) == "debug"
    # The token does not make a web page of somebody else's, or another name, ours.
    assert ask(far, "/config", fields=[*bearer, "Origin: http://" + EVIL]).status == 403
    assert ask(far, "/config", fields=["Host: sluice-admin.sluice.svc", *bearer[1:]]).status == 403
    assert ask(outside(plain.admin), "/config", fields=bearer).status == 403
    line = guarded.wait_line(r"admin address: (GET|PUT) /\S+ from \S+ is refused with 401: .*--admin-token-file", stream="err")
    assert "Zm9vYmFy" not in "".join(guarded.err), line
    guarded.wait_line(r"log level changed from warn to debug through the admin address, by " + re.escape(far.split(":")[0]), stream="err")


def test_the_token_is_the_one_that_the_file_has_now(site, tmp_path):
    """As Kubernetes changes a Secret that is mounted: a link to another directory."""
    for name, text in (("one", "first"), ("two", "secnd"), ("none", "\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "token").write_text(text)
    (tmp_path / "now").symlink_to("one")
    site.app("app.example", site.pod().address)
    sluice = site.sluice("--admin-token-file", tmp_path / "now/token", "--admin-trust-loopback=false")

    def put(token):
        return ask(sluice.admin, "/log/level", "PUT", ["Host: %s", f"Authorization: Bearer {token}"], b"info").status

    def become(name):
        (tmp_path / "next").symlink_to(name)
        (tmp_path / "next").rename(tmp_path / "now")

    assert (put("first"), put("secnd")) == (200, 401)
    become("two")
    assert (put("first"), put("secnd")) == (401, 200)
    become("none")
    assert (put("secnd"), put("")) == (403, 403)
    sluice.wait_line(r"--admin-token-file .*/now/token: is empty; expected a token.*; no token is taken until it is one", stream="err")
    (tmp_path / "now").unlink()
    assert put("secnd") == 403
    become("one")
    assert put("first") == 200
    assert ask(sluice.admin, "/config").status == 401 and ask(sluice.admin, "/readyz").status == 200


def test_pages_of_all_tenants_are_opened_or_taken_away_apart(site):
    site.app("app.example", site.pod().address)
    opened = site.sluice("--admin-pages", "open", admin="0.0.0.0:0")
    opened.admin = opened.admin.replace("0.0.0.0", "127.0.0.1")
    for path in TRUSTED:
        assert ask(outside(opened.admin), path).status == 200
        assert ask(outside(opened.admin), path, fields=["Host: " + EVIL]).status == 403
    assert ask(outside(opened.admin), "/log/level", "PUT", body=b"debug").status == 403
    shut = site.sluice("--admin-pages", "off")
    for path in TRUSTED:
        answer = ask(shut.admin, path)
        assert answer.status == 404 and path.encode() not in answer.body
        assert b"app.example" not in answer.body
    assert ask(shut.admin, "/log/level", "PUT", body=b"debug").status == 200


def test_a_name_of_our_own_is_configured(site):
    site.app("app.example", site.pod().address)
    sluice = site.sluice("--admin-host", "sluice-admin.sluice.svc", "--admin-host", "Ops.example")
    for host, status in (("sluice-admin.sluice.svc:10254", 200), ("OPS.EXAMPLE.", 200), ("x.ops.example", 403), ("sluice-admin.sluice.svc.evil.example", 403)):
        assert ask(sluice.admin, "/config", fields=["Host: " + host]).status == status, host


def test_metrics_pass_promtool(site):
    need("promtool")
    sluice, _ = site.simple()
    sluice.get("/", "app.example")
    text = sluice.admin_get("/metrics").body
    r = subprocess.run(["promtool", "check", "metrics"], input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30)
    said = [line for line in r.stdout.decode().splitlines() if not re.fullmatch(r'nginx_ingress_controller_(requests|success|errors) counter metrics should have "_total" suffix', line)]
    assert said == []  # of ingress-nginx's own names it says that, here and there


def test_request_metrics(site):
    sluice, pod = site.simple()
    for i in range(7):
        sluice.get("/x", "app.example")
    sluice.get("/?status=500", "app.example", method="POST", body=b"abc")
    labels = dict(method="GET", path="/", namespace="default", ingress="app", service="app", host="app.example")
    wait_for(lambda: sluice.metric("nginx_ingress_controller_requests", status="200", **labels) == 7, "seven GETs counted")
    assert sluice.metric("nginx_ingress_controller_requests", status="500", method="POST") == 1
    for family in ("request_duration_seconds", "response_duration_seconds", "request_size", "response_size"):
        assert sluice.metric(f"nginx_ingress_controller_{family}_count", **{k: labels[k] for k in ("host", "ingress")}) == 8, family
    les = sorted((dict(l)["le"] for (n, l) in sluice.metrics() if n == "nginx_ingress_controller_request_duration_seconds_bucket" and dict(l)["status"] == "200"),
                 key=float)
    assert les == ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"]
    one = next(dict(l) for (n, l) in sluice.metrics() if n == "nginx_ingress_controller_requests")
    assert {"status", "method", "path", "namespace", "ingress", "service", "canary", "host"} <= set(one)


def test_label_values_are_bounded(site):
    sluice, pod = site.simple()
    for i in range(30):
        with sluice.raw() as c:
            c.get("/", "app.example", method=f"WEIRD{i}")
        sluice.get("/", f"nobody{i}.example")
    wait_for(lambda: sluice.metric("nginx_ingress_controller_requests", host="app.example") == 30, "counted")
    methods = {dict(l)["method"] for (n, l) in sluice.metrics() if n == "nginx_ingress_controller_requests"}
    hosts = {dict(l)["host"] for (n, l) in sluice.metrics() if n == "nginx_ingress_controller_requests"}
    assert len(methods) <= 2 and not [h for h in hosts if h.startswith("nobody")], (methods, hosts)


def test_config_shows_everything_but_keys(site):
    cert, key = certificate("app.example")
    pod = site.pod()
    site.manifests.write("s.yaml", tls_secret("app-tls", cert, key))
    site.app("app.example", pod.address, tls=[(["app.example"], "app-tls")])
    site.manifests.write("bad.yaml", {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "broken"},
                                      "spec": {"ingressClassName": "nginx", "rules": [{"host": "bad host!", "http": {"paths": []}}]}})
    sluice = site.sluice()
    text = sluice.admin_get("/config").body.decode()
    assert "app.example" in text and "broken" in text
    assert "PRIVATE KEY" not in text
    body = "".join(key.splitlines()[1:-1])
    assert body[:40] not in text
    assert isinstance(sluice.version(), int) and sluice.version() >= 1


def test_routes(site):
    sluice, _ = site.simple()
    text = sluice.admin_get("/routes").body.decode()
    assert "app.example" in text


def test_connection_metrics(site):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        c.get("/", "app.example")
        names = {n for (n, _) in sluice.metrics()}
        assert any("downstream_connections" in n or n.endswith("_connections") for n in names), sorted(names)
        assert any("upstream" in n for n in names)
        assert any("snapshot" in n or "config" in n for n in names)


def test_admin_answers_while_busy(site):
    sluice, pod = site.simple()
    load = site.tool("load", "--connect", sluice.http, "--host", "app.example", "-c", 32, "-d", 60)
    load.wait_done(100)
    for _ in range(20):
        assert http_get(sluice.admin, "/healthz", timeout=2).status == 200
    r = load.result(stop=True)
    assert r["failed"] == 0, r


@pytest.mark.parametrize("path", ["/log/level", "/nope", "/config"])
def test_a_body_that_is_too_long_is_told_so(site, path):
    """The rest of it is read and thrown away: a reset would destroy the answer for who sends all before it reads."""
    sluice, _ = site.simple()
    for size in (100_000, 20 << 20):
        with Raw(sluice.admin) as c:
            c.sock.sendall(f"PUT {path} HTTP/1.1\r\nHost: {sluice.admin}\r\nContent-Length: {size}\r\n\r\n".encode())
            c.sock.sendall(b"x" * size)
            answer = c.answer("PUT")
            assert answer.status == 413 and answer.get("connection") == "close" and c.closed()


def test_who_sends_too_much_keeps_nobody_out(site):
    """More of them than there are connections: the oldest gives way, as any does that waits."""
    sluice, _ = site.simple()
    many = [Raw(sluice.admin) for _ in range(70)]
    try:
        for c in many:
            c.send(f"PUT /log/level HTTP/1.1\r\nHost: {sluice.admin}\r\nContent-Length: 20000000\r\n\r\n")
        for c in many[10:]:
            assert c.answer("PUT").status == 413
        assert http_get(sluice.admin, "/healthz", timeout=2).status == 200
    finally:
        for c in many:
            c.close()
