"""auth-tls-*, ssl-ciphers of a host: who comes by which certificate, over HTTP/1.1 and HTTP/2, by TLS 1.2 and 1.3, and what changes while it runs."""
import base64
import datetime
import json
import ssl
import subprocess
from urllib.parse import unquote

import pytest

from harness import SLUICE, certificate, config_map, ingress, service, slices, tls_secret

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
HOST, OTHER = "m.example", "open.example"


class Authority:
    def __init__(self, name="ca"):
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import NameOID
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._sign(self.name, self.key, True)
        self.pem = self._pem(self.certificate)

    @staticmethod
    def _pem(thing):
        from cryptography.hazmat.primitives import serialization
        return thing.public_bytes(serialization.Encoding.PEM).decode()

    def _sign(self, subject, key, ca, days=10):
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        now = datetime.datetime.utcnow()
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key.public_key())
                .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=2))
                .not_valid_after(now + datetime.timedelta(days=days))
                .add_extension(x509.BasicConstraints(ca, None), True).sign(self.key, hashes.SHA256()))

    def client(self, cn="client", days=10):
        """(certificate PEM, key PEM) of a client."""
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import NameOID
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Ours")])
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return self._pem(self._sign(subject, key, False, days)), pem.decode()

    def revoked(self, *identities):
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        now = datetime.datetime.utcnow()
        crl = x509.CertificateRevocationListBuilder().issuer_name(self.name).last_update(now).next_update(now + datetime.timedelta(days=1))
        for cert, _ in identities:
            serial = x509.load_pem_x509_certificate(cert.encode()).serial_number
            crl = crl.add_revoked_certificate(x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build())
        return self._pem(crl.sign(self.key, hashes.SHA256()))


def secret(name, data, ns="default"):
    return json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": ns},
                       "data": {k: base64.b64encode(v.encode()).decode() for k, v in data.items()}})


@pytest.fixture
def guarded(site):
    """site.put(annotations): m.example behind client certificates of site.ca, and open.example beside it."""
    site.ca, site.pods = Authority(), site.pod()
    cert = site.cert = certificate(HOST, OTHER)
    site.manifests.write("tls.yaml", tls_secret("tls", *cert))
    site.manifests.text("ca.json", secret("ca", {"ca.crt": site.ca.pem}))
    site.app(OTHER, site.pods.address, name="open", tls=[([OTHER], "tls")])

    def put(annotations=None, **kw):
        site.app(HOST, site.pods.address, name="m", annotations={"auth-tls-secret": "default/ca"} | (annotations or {}), tls=[([HOST], "tls")], **kw)

    def authorities(*who, crl=None, **kw):
        site.manifests.text("ca.json", secret("ca", {"ca.crt": "".join(a.pem for a in who)} | ({"ca.crl": crl} if crl else {}), **kw))
    site.put, site.authorities = put, authorities
    put()
    return site


def ask(sluice, identity=None, *headers, sni=HOST, host=HOST, path="/", **kw):
    with sluice.tls(sni, identity=identity, **kw) as c:
        return c.get(path, host, headers=list(headers))


@pytest.mark.parametrize("version", [V12, V13])
def test_who_comes_and_what_pods_are_told(guarded, version):
    sluice = guarded.sluice()
    good, bad, old = guarded.ca.client(), Authority("stranger").client(), guarded.ca.client("old", days=-1)
    kw = {"minimum": version, "maximum": version}
    for identity, word in ((None, b"No required SSL certificate was sent"), (bad, b"The SSL certificate error"), (old, b"The SSL certificate error")):
        a = ask(sluice, identity, **kw)
        assert (a.status, a.get("connection")) == (400, "close") and word in a.body
    assert guarded.pods.stats()["requests"] == 0
    forged = ["ssl-client-verify: SUCCESS", "SSL-Client-Subject-DN: CN=admin", "ssl-client-issuer-dn: CN=root", "ssl-client-cert: forged"]
    assert ask(sluice, good, *forged, **kw).status == 200
    got = guarded.pods.last_headers()[1]
    seen = [(n, v) for n, v in got if n.lower().startswith("ssl-client")]
    assert seen == [("ssl-client-verify", "SUCCESS"), ("ssl-client-subject-dn", "O=Ours,CN=client"), ("ssl-client-issuer-dn", "CN=ca")]


def test_the_modes(guarded):
    good, bad = guarded.ca.client(), Authority("stranger").client()
    guarded.put({"auth-tls-verify-client": "optional", "auth-tls-pass-certificate-to-upstream": "true"})
    sluice = guarded.sluice()

    def told():
        return {n.lower(): v for n, v in guarded.pods.last_headers()[1] if n.lower().startswith("ssl-client")}
    assert ask(sluice, None, "ssl-client-cert: forged").status == 200 and told() == {"ssl-client-verify": "NONE"}
    assert ask(sluice, good).status == 200
    assert told()["ssl-client-verify"] == "SUCCESS" and unquote(told()["ssl-client-cert"]) == good[0]
    assert ask(sluice, bad).status == 400
    sluice.changed(lambda: guarded.put({"auth-tls-verify-client": "optional_no_ca"}))
    assert ask(sluice, bad).status == 200
    assert told() == {"ssl-client-verify": "FAILED:unable to verify the first certificate", "ssl-client-subject-dn": "O=Ours,CN=client",
                      "ssl-client-issuer-dn": "CN=stranger"}
    assert ask(sluice, guarded.ca.client("old", days=-1)).status == 400
    sluice.changed(lambda: guarded.put({"auth-tls-verify-client": "off"}))
    assert ask(sluice, good).status == 200 and told() == {"ssl-client-verify": "NONE"}


def test_http2_and_clients_that_are_real(guarded, tmp_path):
    good, bad = guarded.ca.client(), Authority("stranger").client()
    sluice = guarded.sluice()
    port = sluice.https.rsplit(":", 1)[1]
    for version in ("--http1.1", "--http2"):
        for name, identity, status in (("good", good, "200"), ("bad", bad, "400"), ("none", None, "400")):
            args = []
            if identity:
                (tmp_path / name).write_text(identity[0] + identity[1])
                args = ["--cert", str(tmp_path / name)]
            r = subprocess.run(["curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", version, "--resolve", f"{HOST}:{port}:127.0.0.1", *args,
                                f"https://{HOST}:{port}/"], capture_output=True, text=True, timeout=20)
            assert r.stdout == status, (version, name, r.stderr)


def test_match_cn_and_the_error_page(guarded):
    ours, theirs = guarded.ca.client("other.client"), guarded.ca.client("client")
    guarded.put({"auth-tls-match-cn": "CN=other\\..*", "auth-tls-error-page": "https://errors.example/cert"})
    sluice = guarded.sluice()
    assert ask(sluice, ours).status == 200
    a = ask(sluice, theirs)
    assert (a.status, a.body, a.get("connection")) == (403, b"client certificate unauthorized", "close")
    for identity in (None, Authority("stranger").client("other.client")):
        a = ask(sluice, identity)
        assert (a.status, a.get("location"), a.get("connection")) == (302, "https://errors.example/cert", "close")


def test_another_hosts_connection_does_not_do(guarded):
    good = guarded.ca.client()
    sluice = guarded.sluice()
    assert ask(sluice, good, sni=OTHER).status == 421
    assert ask(sluice, good, sni=OTHER, host=OTHER).status == 200
    # Who showed one may ask where none is needed, without being told of to the pod there.
    assert ask(sluice, good, host=OTHER).status == 200
    assert not [n for n, _ in guarded.pods.last_headers()[1] if n.lower().startswith("ssl-client")]
    for sni in (None, "nobody.example"):
        assert ask(sluice, good, sni=sni).status == 400, sni


def test_in_clear_nothing_is_served(guarded):
    sluice = guarded.sluice(options={"ssl-redirect": "false"})
    assert sluice.get("/", HOST).status == 400
    assert guarded.pods.stats()["requests"] == 0
    # What proves to an authority whose host this is comes in clear and has no certificate.
    assert sluice.get("/.well-known/acme-challenge/x", HOST).status == 400
    sluice.changed(lambda: guarded.put(paths=[("/", "Prefix"), ("/.well-known/acme-challenge/x", "Exact")]))
    assert sluice.get("/.well-known/acme-challenge/x", HOST).status == 200
    assert sluice.get("/.well-known/acme-challenge/y", HOST).status == 400
    assert ask(sluice, path="/.well-known/acme-challenge/x").status == 400


@pytest.mark.parametrize("version", [V12, V13])
def test_sessions_carry_what_was_shown_and_end_with_the_authority(guarded, version):
    good = guarded.ca.client()
    sluice = guarded.sluice()

    def again(first, **kw):
        with sluice.tls(kw.pop("sni", HOST), session=first) as c:
            return c.sock.session_reused, c.get("/", kw.get("host", HOST)).status
    with sluice.tls(HOST, identity=good, minimum=version, maximum=version) as c:
        assert c.get("/", HOST).status == 200
        first = c.sock
        assert again(first) == (True, 200)
        assert dict(guarded.pods.last_headers()[1])["ssl-client-subject-dn"] == "O=Ours,CN=client"
        # Elsewhere it is none, in either direction.
        assert again(first, sni=OTHER, host=OTHER) == (False, 200)
        both = guarded.ca, Authority("next")
        sluice.changed(lambda: guarded.authorities(*both))
        assert again(first) == (False, 200)
        sluice.changed(lambda: guarded.authorities(both[1]))
        assert again(first) == (False, 400)
        sluice.changed(lambda: guarded.authorities(guarded.ca, crl=guarded.ca.revoked(good)))
        assert again(first) == (False, 400)
        sluice.changed(lambda: guarded.authorities(guarded.ca, crl=guarded.ca.revoked()))
        assert again(first) == (False, 200)
    with sluice.tls(OTHER, identity=good, minimum=version, maximum=version) as c:
        assert c.get("/", OTHER).status == 200
        assert again(c.sock) == (False, 200)


@pytest.mark.parametrize("tickets", ["false", "true"])
@pytest.mark.parametrize("version", [V12, V13])
def test_a_session_that_was_refused_is_not_resumed(guarded, version, tickets):
    """Who comes again comes with another certificate, for which he has to be asked again."""
    good = guarded.ca.client()
    sluice = guarded.sluice(options={"ssl-session-tickets": tickets})
    for identity in (None, Authority("stranger").client(), guarded.ca.client("old", days=-1)):
        with sluice.tls(HOST, identity=identity, minimum=version, maximum=version) as c:
            assert c.get("/", HOST).status == 400
            with sluice.tls(HOST, identity=good, session=c.sock) as again:
                assert (again.sock.session_reused, again.get("/", HOST).status) == (False, 200)
    with sluice.tls(HOST, identity=good, minimum=version, maximum=version) as c:
        assert c.get("/", HOST).status == 200
        with sluice.tls(HOST, session=c.sock) as again:
            assert (again.sock.session_reused, again.get("/", HOST).status) == (True, 200)


def test_where_nobody_is_asked_another_hosts_certificate_says_nothing(guarded):
    """auth-tls-verify-client: off beside a host whose authorities are its own: a certificate of theirs is none here."""
    guarded.put({"auth-tls-verify-client": "off", "auth-tls-match-cn": "CN=admin"}, paths=[("/", "Prefix")])
    theirs = Authority("theirs")
    guarded.manifests.text("theirs.json", secret("theirs", {"ca.crt": theirs.pem}))
    guarded.app(OTHER, guarded.pods.address, name="open", annotations={"auth-tls-secret": "default/theirs"}, tls=[([OTHER], "tls")])
    options = {"annotations-risk-level": "Critical", "proxy-set-headers": "default/more"}
    guarded.manifests.write("more.yaml", config_map({"X-Subject": "$ssl_client_s_dn"}, name="more"))
    sluice = guarded.sluice(options=options)
    admin = theirs.client("admin")
    with sluice.tls(OTHER, identity=admin) as c:
        assert c.get("/", OTHER).status == 200
        assert dict(guarded.pods.last_headers()[1])["ssl-client-subject-dn"] == "O=Ours,CN=admin"
        assert c.get("/", HOST).status == 403
    sluice.changed(lambda: guarded.put({"auth-tls-verify-client": "off"}))
    with sluice.tls(OTHER, identity=admin) as c:
        assert c.get("/", HOST).status == 200
        told = {k.lower(): v for k, v in guarded.pods.last_headers()[1]}
        assert told["ssl-client-verify"] == "NONE"
        assert not {"ssl-client-subject-dn", "ssl-client-issuer-dn", "ssl-client-cert", "x-subject"} & told.keys()


@pytest.mark.parametrize("version", [V12, V13])
def test_a_client_shows_at_most_32_kib(guarded, version):
    cert, key = guarded.ca.client()
    sluice = guarded.sluice()
    some = cert + guarded.ca.pem * 20
    assert ask(sluice, (some, key), minimum=version, maximum=version).status == 200
    with pytest.raises((ssl.SSLError, ConnectionError)):
        ask(sluice, (cert + guarded.ca.pem * 150, key), minimum=version, maximum=version)


def test_a_connection_goes_on_while_its_certificate_is_good(guarded):
    good, next_one = guarded.ca.client(), Authority("next")
    sluice = guarded.sluice()
    with sluice.tls(HOST, identity=good) as c, sluice.tls(HOST, identity=good) as other:
        assert c.get("/", HOST).status == 200
        assert other.get("/", HOST).status == 200
        sluice.changed(lambda: guarded.authorities(guarded.ca, next_one))
        assert [c.get("/", HOST).status for _ in range(3)] == [200] * 3
        sluice.changed(lambda: guarded.authorities(next_one))
        a = c.get("/", HOST)
        assert (a.status, a.get("connection")) == (421, "close")
        sluice.changed(lambda: guarded.manifests.remove("ca.json"))
        assert other.get("/", HOST).status == 403
        sluice.changed(lambda: guarded.authorities(guarded.ca))
        assert other.get("/", HOST).status == 200
    assert ask(sluice, good).status == 200


def test_what_guards_comes_to_a_connection_that_is_there(guarded):
    guarded.put({"auth-tls-secret": ""})
    sluice = guarded.sluice()
    with sluice.tls(HOST) as c:
        assert c.get("/", HOST).status == 200
        sluice.changed(guarded.put)
        a = c.get("/", HOST)
        assert (a.status, a.get("connection")) == (421, "close")


@pytest.mark.parametrize("what", ["missing", "without ca.crt", "garbage", "broken list", "of another namespace"])
def test_a_secret_that_cannot_be_used_closes_the_host(guarded, what):
    good = guarded.ca.client()
    sluice = guarded.sluice()
    assert ask(sluice, good).status == 200
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    change = {"missing": lambda: guarded.manifests.remove("ca.json"),
              "without ca.crt": lambda: guarded.manifests.text("ca.json", secret("ca", {"tls.crt": guarded.ca.pem})),
              "garbage": lambda: guarded.manifests.text("ca.json", secret("ca", {"ca.crt": broken})),
              "broken list": lambda: guarded.authorities(guarded.ca, crl=broken),
              "of another namespace": lambda: guarded.put({"auth-tls-secret": "other/ca"})}[what]
    if what == "of another namespace":
        guarded.manifests.text("other.json", secret("ca", {"ca.crt": guarded.ca.pem}, ns="other"))
    sluice.changed(change)
    for identity in (good, None):
        assert ask(sluice, identity).status == 403
    assert ask(sluice, sni=OTHER, host=OTHER).status == 200
    report = subprocess.run([SLUICE, "check", guarded.manifests.root], capture_output=True, text=True, timeout=30)
    assert report.returncode != 0 and "403" in report.stdout, report.stdout
    if what == "of another namespace":
        sluice.changed(lambda: guarded.manifests.write("options.yaml", config_map({"allow-cross-namespace-resources": "true"})))
        assert ask(sluice, good).status == 200


def test_a_strangers_wish_closes_its_own_paths_alone(guarded):
    guarded.put({"auth-tls-secret": ""}, paths=[("/", "Prefix")])
    sluice = guarded.sluice()
    sluice.changed(lambda: guarded.manifests.write(
        "stranger.yaml", ingress("x", {HOST: [("/theirs", "Prefix", "x", 80)]}, ns="other", annotations={"auth-tls-secret": "other/ca"}),
        service("x", ns="other"), *slices("x", [guarded.pods.address], ns="other")))
    assert ask(sluice).status == 200
    assert ask(sluice, path="/theirs").status == 503
    assert ask(sluice, guarded.ca.client(), path="/theirs").status == 503


def test_explain_and_logs_tell_what_holds(guarded):
    guarded.put({"auth-tls-match-cn": "CN=client"})
    sluice = guarded.sluice(options={"log-format-upstream": "mark $ssl_client_verify $ssl_client_s_dn|$ssl_client_i_dn|$ssl_client_serial|$ssl_client_fingerprint"
                                                            "|$ssl_client_v_remain|$ssl_protocol"})
    said = subprocess.run([SLUICE, "explain", guarded.manifests.root, "GET", f"https://{HOST}/"], capture_output=True, text=True, timeout=30).stdout
    assert "Secret default/ca decides whether it may come" in said and "auth-tls-match-cn = CN=client" in said, said
    good = guarded.ca.client(days=10.5)
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    cert = x509.load_pem_x509_certificate(good[0].encode())
    serial = f"{cert.serial_number:X}"
    serial = serial if len(serial) % 2 == 0 else "0" + serial
    assert ask(sluice, good).status == 200
    sluice.wait_access(f"mark SUCCESS O=Ours,CN=client\\|CN=ca\\|{serial}\\|{cert.fingerprint(hashes.SHA1()).hex()}\\|10\\|TLSv1.3")
    assert ask(sluice).status == 400
    sluice.wait_access(r"mark NONE -?\|-?\|-?\|-?\|-?\|TLSv1.3")


def test_ciphers_of_a_host(guarded):
    guarded.manifests.write("tls.yaml", tls_secret("tls", *certificate(HOST, OTHER, kind="rsa")))
    guarded.put({"auth-tls-secret": "", "ssl-ciphers": "ECDHE-RSA-AES256-GCM-SHA384"})
    sluice = guarded.sluice()

    def with_cipher(sni, cipher):
        with sluice.tls(sni, maximum=V12, ciphers=cipher) as c:
            return c.get("/", sni).status
    assert with_cipher(HOST, "ECDHE-RSA-AES256-GCM-SHA384") == 200
    with pytest.raises(ssl.SSLError):
        with_cipher(HOST, "ECDHE-RSA-AES128-GCM-SHA256")
    assert with_cipher(OTHER, "ECDHE-RSA-AES128-GCM-SHA256") == 200
    # A connection with another's ciphers is none of this host.
    assert ask(sluice, sni=OTHER).status == 421
    sluice.changed(lambda: guarded.put({"auth-tls-secret": "", "ssl-ciphers": "NO-SUCH-CIPHER"}))
    assert with_cipher(HOST, "ECDHE-RSA-AES128-GCM-SHA256") == 200
    report = subprocess.run([SLUICE, "check", guarded.manifests.root], capture_output=True, text=True, timeout=30).stdout
    assert "NO-SUCH-CIPHER" in report and "ssl-ciphers" in report, report


def test_drop_of_what_ingress_nginx_drops(guarded):
    for annotations in ({"auth-tls-match-cn": "O=x"}, {"auth-tls-match-cn": "CN=("}, {"auth-tls-error-page": "ftp://x/"},
                        {"auth-tls-pass-certificate-to-upstream": "perhaps"}, {"ssl-ciphers": "HIGH;"}):
        guarded.put(annotations)
        r = subprocess.run([SLUICE, "explain", guarded.manifests.root, "GET", f"https://{HOST}/"], capture_output=True, text=True, timeout=30).stdout
        assert " 404: " in r, (annotations, r)
