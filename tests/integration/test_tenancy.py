"""Namespaces that share a host: what one of them does changes no byte, certificate, status or log line of its owner's."""
import re
import ssl
import subprocess

import pytest

from harness import certificate, config_map, ingress, serial_of, service, slices, tls_secret, wait_for

OLD, NEW = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
HOST = "v.example"
RSA_ONLY = {"maximum": ssl.TLSVersion.TLSv1_2, "ciphers": "ECDHE-RSA-AES128-GCM-SHA256"}
ECDSA_ONLY = {"maximum": ssl.TLSVersion.TLSv1_2, "ciphers": "ECDHE-ECDSA-AES128-GCM-SHA256"}


def equip(site, ns, address, cert=None):
    """The Service "svc" of a namespace, and the Secret "tls"."""
    secret = [tls_secret("tls", *cert, ns=ns)] if cert else []
    site.manifests.write(f"svc-{ns}.yaml", service("svc", ns=ns), *slices("svc", [address], ns=ns), *secret)


def paths(*list_, service="svc"):
    return [(p, "Prefix", service, 80) for p in list_]


def serial(cert):
    from cryptography import x509
    return x509.load_pem_x509_certificate(cert[0].encode()).serial_number


def shown(sluice, sni=HOST, **kw):
    """Serial number of the certificate; None when no handshake is possible."""
    try:
        with sluice.tls(sni, **kw) as c:
            return serial_of(c)
    except ssl.SSLError:
        return None


@pytest.mark.parametrize("mine,theirs", [("rsa", "ec"), ("ec", "rsa"), ("rsa", "rsa"), ("ec", "ec")])
def test_a_younger_strangers_certificate_is_never_shown(site, mine, theirs):
    owner, stranger = certificate(HOST, kind=mine), certificate(HOST, kind=theirs, cn="stranger")
    pod = site.pod("pod")
    equip(site, "victim", pod.address, owner)
    equip(site, "evil", pod.address, stranger)
    site.manifests.write("victim.yaml", ingress("i", {HOST: paths("/")}, ns="victim", tls=[([HOST], "tls")], created=OLD))
    sluice = site.sluice()
    clients = [{}, RSA_ONLY, ECDSA_ONLY]
    before = [shown(sluice, **c) for c in clients]
    assert before[0] == serial(owner)
    for name in ("a", "z"):  # before and behind it in any order of names
        there = ingress(name, {HOST: paths("/evil")}, ns="evil", tls=[([HOST], "tls"), ([], "tls")], created=NEW)
        sluice.changed(lambda: site.manifests.write(f"{name}.yaml", there))
        assert sluice.get("/evil", HOST).status == 308
        assert [shown(sluice, **c) for c in clients] == before
        wait_for(lambda: "HostOfOtherNamespace" in str(sluice.config()["report"]), "the stranger is told")
        sluice.changed(lambda: site.manifests.remove(f"{name}.yaml"))


# What the owner's clients, pods and operators see.
def seen(sluice, requests):
    out = []
    for path, method in requests:
        lines = len(sluice.access_lines())
        ask = {"method": method, "headers": ["X-Request-ID: the-same-each-time"], "body": b"x" * 2000 if method == "POST" else None}
        with sluice.tls(HOST) as secure, sluice.raw() as plain:
            out.append(serial_of(secure))
            for connection in (secure, plain):
                a = connection.get(path, HOST, **ask)
                body = re.sub(rb'"(seq|port)":\d+', b"", a.body)
                out.append((a.status, sorted((n, v) for n, v in a.headers if n.lower() not in ("date", "x-pod-seq")), body))
        wait_for(lambda: len(sluice.access_lines()) >= lines + 2, "both are logged")
        for line in sluice.access_lines()[lines:]:
            out.append(re.sub(r"\[\d\d/\w+/\d{4}:[\d:]+ \+0000\]| \d\.\d{3}\b", " -", line))  # without times
    return out


STRANGERS = [
    {"force-ssl-redirect": "true"},
    {"permanent-redirect": "https://to.example/"},
    {"permanent-redirect": "not a url"},
    {"backend-protocol": "HTTPS", "proxy-ssl-secret": "evil/tls", "proxy-ssl-verify": "on", "proxy-ssl-name": "pod.example"},
    {"backend-protocol": "GRPC"},
    {"backend-protocol": "FCGI", "fastcgi-index": "taken.php", "fastcgi-keep-conn": "true"},
    {"backend-protocol": "FCGI", "fastcgi-params-configmap": "victim/params"},
    {"ssl-passthrough": "true"},
    {"proxy-body-size": "1k", "proxy-read-timeout": "1", "enable-access-log": "false"},
    {"auth-type": "basic", "auth-secret": "evil/tls"},
    {"auth-tls-secret": "evil/tls"},
    {"use-regex": "true", "rewrite-target": "/taken"},
    {"whitelist-source-range": "192.0.2.1/32"},
    {"server-snippet": "return 418;", "configuration-snippet": "deny all;"},
    {"canary": "true", "canary-weight": "100"},
    {"server-alias": "other.example", "app-root": "/taken", "from-to-www-redirect": "true"},
]


@pytest.mark.parametrize("owner", ["plain", "secure"])
def test_what_a_stranger_asks_for_changes_nothing_of_the_owners(site, owner):
    """Every annotation is in tests/tenancy; here are some of each kind, with the bytes that go over the wire."""
    mine = certificate(HOST, kind="rsa")
    if owner == "plain":
        pod = site.pod("mine")
        annotations = {}
    else:
        pod = site.nginx("location / { return 200 mine; }", tls=certificate("pod.example"))
        annotations = {"backend-protocol": "HTTPS"}
    equip(site, "victim", pod.address, mine)
    equip(site, "evil", site.pod("theirs").address, certificate(HOST, kind="ec"))
    site.manifests.write("victim.yaml", ingress("i", {HOST: paths("/web", "/dir/") + [("/exact", "Exact", "svc", 80)]}, ns="victim",
                                                tls=[([HOST], "tls")], annotations={**annotations, "ssl-redirect": "false"}, created=OLD))
    sluice = site.sluice("--enable-ssl-passthrough")
    requests = [("/web", "GET"), ("/web/x", "GET"), ("/web/x", "POST"), ("/dir/", "GET"), ("/dir", "GET"), ("/exact", "GET")]
    alone = seen(sluice, requests)
    assert {answer[0] for answer in alone if isinstance(answer, tuple)} == {200, 301}, alone
    for annotations in STRANGERS:
        rule = [(p, t, "svc", 80) for p in ("/", "/web", "/web/", "/dir", "/dir/", "/exact", "/evil") for t in ("Prefix", "Exact")]
        there = ingress("i", {HOST: rule}, ns="evil", tls=[([HOST], "tls")], annotations=annotations, default_backend="svc", created=NEW)
        sluice.changed(lambda: site.manifests.write("evil.yaml", there))
        assert seen(sluice, requests) == alone, annotations
    sluice.changed(lambda: site.manifests.remove("evil.yaml"))
    assert seen(sluice, requests) == alone


def test_who_is_refused_keeps_the_host_and_who_is_gone_does_not(site):
    mine, theirs = certificate(HOST), certificate(HOST, cn="stranger")
    equip(site, "victim", site.pod("mine").address, mine)
    equip(site, "evil", site.pod("theirs").address, theirs)
    there = lambda **kw: ingress("i", {HOST: paths("/web")}, ns="victim", tls=[([HOST], "tls")], created=OLD, **kw)
    site.manifests.write("victim.yaml", there())
    site.manifests.write("evil.yaml", ingress("i", {HOST: paths("/web", "/")}, ns="evil", tls=[([HOST], "tls")], created=NEW),
                         ingress("wild", {"*.example": paths("/")}, ns="evil", created=NEW))
    sluice = site.sluice()

    def get(path):
        with sluice.tls(HOST) as c:
            return c.get(path, HOST)
    assert get("/web").get("x-pod") == "mine" and get("/other").get("x-pod") == "theirs"
    sluice.changed(lambda: site.manifests.write("victim.yaml", there(annotations={"temporal-redirect": "not a url"})))
    assert get("/web").status == 404, "nobody has the path, the stranger least of all"
    assert get("/other").get("x-pod") == "theirs"
    assert shown(sluice) not in (serial(mine), serial(theirs))
    sluice.changed(lambda: site.manifests.write("victim.yaml", there(cls="another")))
    assert get("/web").get("x-pod") == "theirs"
    assert shown(sluice) == serial(theirs)


def test_which_namespace_may_name_which_host(site):
    equip(site, "victim", site.pod("mine").address)
    equip(site, "evil", site.pod("theirs").address)
    site.manifests.write("evil.yaml", ingress("i", {HOST: paths("/"), "w.example": paths("/")}, ns="evil", created=OLD))
    site.manifests.write("victim.yaml", ingress("i", {HOST: paths("/web")}, ns="victim", created=NEW))
    sluice = site.sluice()
    whose = lambda path, host=HOST: sluice.get(path, host).get("x-pod")
    assert (whose("/web"), whose("/"), whose("/", "w.example")) == ("mine", "theirs", "theirs")
    options = lambda text: sluice.changed(lambda: site.manifests.write("cm.yaml", config_map(text)))
    options({"host-namespaces": f"{HOST}=victim\n*.other.example=evil\n"})
    assert (whose("/web"), sluice.get("/", HOST).status, whose("/", "w.example")) == ("mine", 404, "theirs")
    assert "HostNotAllowed" in str(sluice.config()["report"])
    options({"host-namespaces": f"{HOST} victim\n*=platform\n"})
    assert whose("/web") == "mine", "a list that cannot be read opens nothing"
    assert sluice.get("/", HOST).status == 404 and sluice.get("/", "w.example").status == 404
    options({"share-hosts": "false"})
    assert (sluice.get("/web", HOST).get("x-pod"), whose("/", "w.example")) == ("theirs", "theirs"), "the host is the older one's alone"


@pytest.fixture
def hosts(site):
    """Hosts of two namespaces, with certificates of their own and copies of one."""
    a, b, both, wild = certificate("a.example"), certificate("b.example"), certificate("c.example", "d.example"), certificate("*.wild.example")
    pods = {ns: site.pod(ns) for ns in ("one", "two")}
    for ns, pod in pods.items():
        equip(site, ns, pod.address)
    secrets = [("one", "a", a), ("two", "b", b), ("one", "both", both), ("two", "both", both), ("one", "wild", wild), ("two", "sub", certificate("x.wild.example"))]
    for ns, name, pair in secrets:
        site.manifests.write(f"secret-{ns}-{name}.yaml", tls_secret(name, *pair, ns=ns))
    served = [("one", "a.example", "a"), ("one", "a2.example", None), ("two", "b.example", "b"), ("one", "c.example", "both"), ("two", "d.example", "both"),
              ("one", "plain.example", None), ("two", "bare.example", None), ("one", "*.wild.example", "wild"), ("two", "x.wild.example", "sub"),
              ("two", "y.wild.example", None)]
    site.manifests.write("ingresses.yaml", *(ingress(host.replace("*", "any"), {host: paths("/")}, ns=ns, tls=[([host], secret)] if secret else None)
                                             for ns, host, secret in served),
                         ingress("any", {"": paths("/catch")}, ns="two"))
    return site.sluice()


MISDIRECTED = [
    ("a.example", "a.example", 200), ("a.example", "b.example", 421), ("b.example", "a.example", 421),
    ("a.example", "a2.example", 200),  # of one namespace
    ("c.example", "d.example", 200), ("d.example", "c.example", 200),  # copies of one certificate
    ("plain.example", "bare.example", 200),  # the default certificate for both
    ("a.example", "bare.example", 421),
    ("nobody.test", "a.example", 200), (None, "b.example", 200),  # CDNs send another name or none
    ("z.wild.example", "x.wild.example", 421), ("x.wild.example", "z.wild.example", 421),
    ("z.wild.example", "y.wild.example", 200),  # that has no certificate of its own and is shown the wildcard's
    ("q.wild.example", "z.wild.example", 200),
    ("a.example", "nobody.test", 421),  # the catch-all belongs to the other one
    ("b.example", "nobody.test", 200), ("nobody.test", "nobody.test", 200),
]


@pytest.mark.parametrize("alpn", ["http/1.1", "h2"])
def test_a_host_of_another_namespace_on_the_same_connection_is_misdirected(hosts, alpn):
    port = hosts.https.rsplit(":", 1)[1]
    for sni, host, status in MISDIRECTED:
        if alpn == "http/1.1":
            with hosts.tls(sni, alpn=[alpn]) as c:
                assert c.get("/catch", host).status == status, (sni, host)
                if sni and status == 421:
                    assert c.get("/catch", sni).status == 200, "the connection goes on"
        else:
            target = f"https://{sni}:{port}/catch" if sni else f"https://127.0.0.1:{port}/catch"
            r = subprocess.run(["curl", "-sk", "--http2", "--resolve", f"{sni}:{port}:127.0.0.1", "-H", f"Host: {host}", "-o", "/dev/null",
                                "-w", "%{http_version} %{http_code}", target], stdout=subprocess.PIPE, timeout=30)
            assert r.stdout.decode() == f"2 {status}", (sni, host)
    assert hosts.get("/", "b.example").status == 308, "plain http knows no such thing"


def test_a_changed_certificate_is_what_counts(hosts, site):
    """The copies are renewed one after the other: until both are, the hosts are two owners'."""
    renewed = certificate("c.example", "d.example", cn="renewed")

    def get():
        with hosts.tls("c.example") as c:
            return c.get("/", "d.example").status

    def renew(ns):
        hosts.changed(lambda: site.manifests.write(f"secret-{ns}-both.yaml", tls_secret("both", *renewed, ns=ns)))
    assert get() == 200
    renew("one")
    assert get() == 421
    renew("two")
    assert get() == 200

