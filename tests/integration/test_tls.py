"""TLS: certificates by name, swaps while running, resumption, versions; by Python's ssl, curl and openssl s_client."""
import re
import ssl
import subprocess

import pytest

from harness import certificate, ingress, names_of, need, need_python_tool, serial_of, service, slices, tls_secret, wait_for


def start(site, certs, hosts=None, options=None, workers=1, args=()):
    """certs: {secret: (cert, key)}; hosts: {host: secret}"""
    pod = site.pod_ = site.pod()
    for name, (cert, key) in certs.items():
        site.manifests.write(f"secret-{name}.yaml", tls_secret(name, cert, key))
    for i, (host, secret) in enumerate((hosts or {}).items()):
        site.app(host, pod.address, name=f"app{i}", tls=[([host], secret)])
    return site.sluice(*args, options=options, workers=workers)


def test_exact_and_wildcard(site):
    a, w = certificate("a.example.org"), certificate("*.example.org")
    sluice = start(site, {"a": a, "w": w}, {"a.example.org": "a", "*.example.org": "w"})
    for sni, names in (("a.example.org", ["a.example.org"]), ("A.Example.ORG", ["a.example.org"]), ("b.example.org", ["*.example.org"])):
        with sluice.tls(sni) as c:
            assert names_of(c) == names
            assert c.get("/", sni.lower()).status == 200
    with sluice.tls("x.y.example.org") as c:
        assert names_of(c) != ["*.example.org"]


def test_verified_by_a_client_that_checks(site):
    cert = certificate("a.example.org")
    sluice = start(site, {"a": cert}, {"a.example.org": "a"})
    with sluice.tls("a.example.org", verify=cert[0]) as c:
        assert c.get("/", "a.example.org").status == 200


def test_default_certificate_for_unknown_names(site):
    sluice = start(site, {"a": certificate("a.example.org")}, {"a.example.org": "a"})
    with sluice.tls("nobody.example") as c:
        assert names_of(c) != ["a.example.org"]
        assert c.get("/", "nobody.example").status == 404
    with sluice.tls(None) as c:
        assert names_of(c) != ["a.example.org"]


def test_given_default_certificate(site):
    sluice = start(site, {"d": certificate("default.example")}, {}, args=("--default-ssl-certificate", "default/d"))
    with sluice.tls("nobody.example") as c:
        assert names_of(c) == ["default.example"]


@pytest.mark.parametrize("what", ["missing", "mismatched", "garbage"])
def test_a_broken_pair_leaves_the_host_working(site, what):
    cert, key = certificate("a.example.org")
    pair = {"mismatched": (cert, certificate("b.example.org")[1]), "garbage": ("not a certificate", "not a key")}.get(what)
    sluice = start(site, {"a": pair} if pair else {}, {"a.example.org": "a"})
    with sluice.tls("a.example.org") as c:
        assert c.get("/", "a.example.org").status == 200
        assert names_of(c) != ["a.example.org"]
    report = str(sluice.config())
    assert "default/a" in report or '"a"' in report, report[:2000]


def test_rsa_and_ecdsa_for_one_host(site):
    rsa, ec = certificate("a.example.org", kind="rsa"), certificate("a.example.org", kind="ec")
    pod = site.pod()
    site.manifests.write("s.yaml", tls_secret("rsa", *rsa), tls_secret("ec", *ec))
    site.manifests.write("app.yaml", ingress("one", {"a.example.org": "app"}, tls=[(["a.example.org"], "rsa"), (["a.example.org"], "ec")]),
                         service("app"), *slices("app", [pod.address]))
    sluice = site.sluice()
    with sluice.tls("a.example.org", maximum=ssl.TLSVersion.TLSv1_2, ciphers="ECDHE-RSA-AES128-GCM-SHA256") as c:
        assert c.get("/", "a.example.org").status == 200
    with sluice.tls("a.example.org", maximum=ssl.TLSVersion.TLSv1_2, ciphers="ECDHE-ECDSA-AES128-GCM-SHA256") as c:
        assert c.get("/", "a.example.org").status == 200


def test_hot_swap(site):
    old, new = certificate("a.example.org", serial=1001), certificate("a.example.org", serial=1002)
    sluice = start(site, {"a": old}, {"a.example.org": "a"})
    with sluice.tls("a.example.org") as kept:
        assert serial_of(kept) == 1001
        sluice.changed(lambda: site.manifests.write("secret-a.yaml", tls_secret("a", *new)))
        with sluice.tls("a.example.org") as c:
            assert serial_of(c) == 1002
        assert kept.get("/", "a.example.org").status == 200  # the running connection goes on


def test_broken_swap_keeps_the_previous_pair(site):
    good, other = certificate("a.example.org", serial=1001), certificate("a.example.org", serial=1003)
    sluice = start(site, {"a": good}, {"a.example.org": "a"})
    sluice.changed(lambda: site.manifests.write("secret-a.yaml", tls_secret("a", other[0], good[1])))
    with sluice.tls("a.example.org") as c:
        assert serial_of(c) == 1001
    assert "default/a" in str(sluice.config()) or "Secret" in str(sluice.config())


def test_secret_that_arrives_later(site):
    sluice = start(site, {}, {"a.example.org": "a"})
    sluice.changed(lambda: site.manifests.write("secret-a.yaml", tls_secret("a", *certificate("a.example.org"))))
    with sluice.tls("a.example.org") as c:
        assert names_of(c) == ["a.example.org"]


def test_secret_that_goes(site):
    sluice = start(site, {"a": certificate("a.example.org")}, {"a.example.org": "a"})
    sluice.changed(lambda: site.manifests.remove("secret-a.yaml"))
    with sluice.tls("a.example.org") as c:
        assert c.get("/", "a.example.org").status == 200


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_old_versions_are_refused(site, version):
    need("openssl")
    sluice = start(site, {"a": certificate("a.example.org")}, {"a.example.org": "a"})
    r = subprocess.run(["openssl", "s_client", "-connect", sluice.https, "-servername", "a.example.org", version, "-cipher", "ALL:@SECLEVEL=0"],
                       input=b"", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20)
    assert b"Cipher is (NONE)" in r.stdout or b"alert" in r.stdout, r.stdout[-600:]
    assert b"BEGIN CERTIFICATE" not in r.stdout


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_new_versions_are_served(site, version):
    sluice = start(site, {"a": certificate("a.example.org")}, {"a.example.org": "a"})
    with sluice.tls("a.example.org", minimum=version, maximum=version) as c:
        assert c.get("/", "a.example.org").status == 200
        assert c.sock.version() == {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}[version]


def test_weak_ciphers_are_refused(site):
    sluice = start(site, {"a": certificate("a.example.org", kind="rsa")}, {"a.example.org": "a"})
    with pytest.raises(ssl.SSLError):
        sluice.tls("a.example.org", maximum=ssl.TLSVersion.TLSv1_2, ciphers="AES128-SHA:AES256-SHA:@SECLEVEL=0")


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_resumption_across_workers(site, version):
    """A session of one worker is taken by the others, whichever the kernel picks."""
    sluice = start(site, {"a": certificate("a.example.org")}, {"a.example.org": "a"}, workers=4)
    import socket
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname, ctx.verify_mode = False, ssl.CERT_NONE
    ctx.maximum_version = ssl.TLSVersion.TLSv1_2 if version == "TLSv1.2" else ssl.TLSVersion.TLSv1_3
    host, port = sluice.https.rsplit(":", 1)

    def connect(session):
        with socket.create_connection((host, int(port)), 10) as s, ctx.wrap_socket(s, server_hostname="a.example.org", session=session) as t:
            t.sendall(b"GET / HTTP/1.1\r\nHost: a.example.org\r\nConnection: close\r\n\r\n")
            assert b" 200 " in t.recv(65536)
            return t.session, t.session_reused
    session, _ = connect(None)
    reused = sum(connect(session)[1] for _ in range(20))
    assert reused == 20


@pytest.mark.parametrize("tickets", ["true", "false"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_resumed_for_the_name_it_was_made_for_alone(site, version, tickets):
    """RFC 6066 section 3, be it of the same certificate or not."""
    sluice = start(site, {"a": certificate("*.example.org"), "b": certificate("b.example.net")},
                   {"a.example.org": "a", "c.example.org": "a", "b.example.net": "b"}, {"ssl-session-tickets": tickets})

    def again(first, name):
        with sluice.tls(name, session=first) as c:
            return c.sock.session_reused, c.get("/", name).status

    for name in ("c.example.org", "b.example.net"):
        with sluice.tls("a.example.org", minimum=version, maximum=version) as c:
            assert c.get("/", "a.example.org").status == 200
            assert again(c.sock, name) == (False, 200)
    with sluice.tls("a.example.org", minimum=version, maximum=version) as c:
        assert c.get("/", "a.example.org").status == 200
        assert again(c.sock, "A.example.org") == (True, 200)


def test_alpn(site):
    sluice = start(site, {"a": certificate("a.example.org")}, {"a.example.org": "a"})
    with sluice.tls("a.example.org", alpn=["http/1.1"]) as c:
        assert c.sock.selected_alpn_protocol() == "http/1.1"
        assert c.get("/", "a.example.org").status == 200
    with sluice.tls("a.example.org", alpn=["http/1.1", "h2"]) as c:
        assert c.sock.selected_alpn_protocol() == "h2"


def test_use_http2_false(site):
    sluice = start(site, {"a": certificate("a.example.org")}, {"a.example.org": "a"}, {"use-http2": "false"})
    with sluice.tls("a.example.org", alpn=["h2", "http/1.1"]) as c:
        assert c.sock.selected_alpn_protocol() == "http/1.1"
        assert c.get("/", "a.example.org").status == 200


def test_curl_and_s_client(site, tmp_path):
    need("curl")
    cert = certificate("a.example.org")
    sluice = start(site, {"a": cert}, {"a.example.org": "a"})
    ca = tmp_path / "ca.pem"
    ca.write_text(cert[0])
    port = sluice.https.rsplit(":", 1)[1]
    r = subprocess.run(["curl", "-sS", "--fail", "--cacert", str(ca), "--resolve", f"a.example.org:{port}:127.0.0.1", f"https://a.example.org:{port}/?size=10"],
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20)
    assert r.returncode == 0 and len(r.stdout) == 10, r.stderr
    r = subprocess.run(["openssl", "s_client", "-connect", sluice.https, "-servername", "a.example.org", "-CAfile", str(ca), "-verify_return_error", "-brief"],
                       input=b"Q\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20)
    assert b"Verification: OK" in r.stdout, r.stdout


def test_plain_http_on_the_tls_port(site):
    sluice = start(site, {}, {})
    from harness import Raw
    with Raw(sluice.https) as c:
        c.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        data = c.read_all()
        assert data.startswith(b"HTTP/1.1 400 Bad Request\r\n") and b"\r\nConnection: close\r\n" in data
        assert b"<p>The plain HTTP request was sent to HTTPS port</p>" in data, "as nginx puts it"
    assert sluice.admin_get("/healthz").status == 200


def test_handshake_deadline(site):
    from harness import Raw
    sluice = start(site, {}, {}, options={"ssl-handshake-timeout": 1})
    with Raw(sluice.https) as c:
        c.send(b"\x16\x03\x01")
        c.read_all()


def test_large_bodies_over_tls(site):
    from harness import body_of, run_tool
    sluice = start(site, {"a": certificate("a.example.org")}, {"a.example.org": "a"})
    r = run_tool("load", "--connect", sluice.https, "--tls", "--host", "a.example.org", "--connections", 8, "--requests", 400, "--size", "0:200000")
    assert r["ok"] == 400 and r["failed"] == 0 and r["closed_unannounced"] == 0, r
    r = run_tool("load", "--connect", sluice.https, "--tls", "--host", "a.example.org", "--connections", 4, "--requests", 100, "--mode", "post", "--body", 300000,
                 "--size", 5000)
    assert r["ok"] == 100 and r["failed"] == 0, r
    assert site.pod_.stats()["bad_bodies"] == 0


def test_certificate_expiry_is_a_metric(site):
    sluice = start(site, {"a": certificate("a.example.org", days=10)}, {"a.example.org": "a"})
    series = [n for (n, l) in sluice.metrics() if "ssl_expire_time_seconds" in n or "certificate_expir" in n]
    assert series


def test_mozilla_intermediate_profile(site):
    """sslyze's verdict over the shipped defaults. A test's certificate cannot chain to a public root: that, and nothing else, may be found."""
    sslyze = need_python_tool("sslyze")
    pod = site.pod()
    cert, key = certificate("app.example", days=90)
    site.manifests.write("s.yaml", tls_secret("app-tls", cert, key))
    site.app("app.example", pod.address, tls=[(["app.example"], "app-tls")])
    sluice = site.sluice()
    r = subprocess.run([sslyze, "--mozilla_config=intermediate", "--sni", "app.example", sluice.https], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    said = r.stdout.decode()
    verdict = said[said.index("COMPLIANCE AGAINST TLS CONFIGURATION"):]
    findings = re.findall(r"^\s+\* (\S+?):", verdict, re.M)
    assert findings == ["certificate_path_validation"], said


def test_mozilla_profile_notices_laxness(site):
    """The same check finds a cipher that the profile does not have."""
    sslyze = need_python_tool("sslyze")
    sluice, _ = site.simple(options={"ssl-ciphers": "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256"})
    r = subprocess.run([sslyze, "--mozilla_config=intermediate", sluice.https], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    findings = re.findall(r"^\s+\* (\S+?):", r.stdout.decode().split("COMPLIANCE AGAINST TLS CONFIGURATION")[1], re.M)
    assert set(findings) - {"certificate_path_validation"}, r.stdout.decode()
