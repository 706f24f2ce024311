"""Where requests may not be sent: loopback, link-local and the like by a name, and our own listeners by whatever leads there."""
import json
import re
import signal
import socket
import subprocess

import pytest

from balancer import Balancer
from harness import SLUICE, certificate, endpoint_slice, free_port, http_get, ingress, service, slices, wait_for
from nameserver import NameServer, asking


def port_of(address):
    return int(address.rsplit(":", 1)[1])


def leads(site, name, port, **kw):
    """An Ingress NAME.example whose Service is another name of `external` at a port."""
    site.manifests.write(f"{name}.yaml", ingress(name, {f"{name}.example": [("/", "Prefix", name, port)]}), service(name, port=port, **kw))


def refused(sluice, **want):
    """Entries of the Report that say so."""
    return [e for e in sluice.config()["report"] if e["reason"] == "DestinationRefused" and want.items() <= e.items()]


def because(sluice, service):
    return next(c.get("emptyBecause", "") for c in sluice.config()["clusters"] if c["service"] == service)


def own_address():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address beside loopback: this test did NOT run")
        return s.getsockname()[0]


@pytest.mark.parametrize("name", ["localhost", "localhost.", "LOCALHOST", "admin.localhost"])
def test_a_name_of_loopback_publishes_nothing(site, name):
    admin = free_port()
    leads(site, "tenant", admin, external=name)
    sluice = site.sluice(listen={"admin": f"127.0.0.1:{admin}"})
    for path in ("/config", "/metrics", "/routes", "/"):
        a = sluice.get(path, "tenant.example")
        assert a.status == 503 and b"routes" not in a.body
    a = http_get(sluice.http, "/log/level", "PUT", body="debug", host="tenant.example")
    assert a.status == 503 and http_get(sluice.admin, "/log/level").body == b"info\n"
    (entry,) = refused(sluice, object="Service default/tenant", field="spec.externalName")
    assert entry["severity"] == "error" and "loopback" in entry["expected"] and "allow-destinations" in entry["expected"]
    assert "loopback" in because(sluice, "tenant")
    assert sluice.metric("sluice_destinations_refused") == 1
    assert sluice.metric("sluice_config_problems", severity="error", reason="DestinationRefused") == 1


def test_what_is_listed_is_open_but_for_our_own(site):
    pod, admin = site.pod(), free_port()
    leads(site, "pod", port_of(pod.address), external="localhost")
    leads(site, "tenant", admin, external="localhost")
    sluice = site.sluice(listen={"admin": f"127.0.0.1:{admin}"}, options={"allow-destinations": "127.0.0.0/8"})
    wait_for(lambda: sluice.get("/", "pod.example").status == 200, "the name resolves")
    wait_for(lambda: refused(sluice, object="Service default/tenant"), "the other is refused")
    assert sluice.get("/config", "tenant.example").status == 503
    assert "where this process listens itself" in because(sluice, "tenant")


def test_the_option_follows_the_config_map(site):
    pod = site.pod()

    def allow(value):
        site.manifests.write("options.yaml", {"apiVersion": "v1", "kind": "ConfigMap", "data": {"allow-destinations": value},
                                              "metadata": {"name": "ingress-nginx-controller", "namespace": "ingress-nginx"}})
    allow("")
    leads(site, "pod", port_of(pod.address), external="localhost")
    sluice = site.sluice()
    assert sluice.get("/", "pod.example").status == 503
    allow("localhost")
    wait_for(lambda: sluice.get("/", "pod.example").status == 200, "the name is listed and resolves")
    allow("other.example")
    wait_for(lambda: sluice.get("/", "pod.example").status == 503, "it is not listed any more")
    assert sluice.metric("sluice_destinations_refused") == 1


# Whoever writes manifests may lead to loopback, where pods of tests and quick starts run, but not to where we listen.
@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1", "0.0.0.0", "::", "64:ff9b::7f00:1"])
@pytest.mark.parametrize("what", ["http", "https", "admin"])
def test_no_slice_leads_to_our_listeners(site, address, what):
    ports = {w: free_port() for w in ("http", "https", "admin")}
    target = f"[{address}]:{ports[what]}" if ":" in address else f"{address}:{ports[what]}"
    site.app("tenant.example", [target])
    pod = site.pod()
    site.app("app.example", pod.address)
    sluice = site.sluice(listen={w: f"127.0.0.1:{p}" for w, p in ports.items()})
    assert sluice.get("/config", "tenant.example").status == 503
    assert sluice.get("/", "app.example").status == 200
    assert refused(sluice, object="EndpointSlice default/tenant-0", field="endpoints.addresses")
    assert sluice.metric("sluice_upstream_own_refused_total") == 0, "it was left out before"


def test_ports_that_the_kernel_chose_are_ours_too(site):
    pod = site.pod()
    site.app("app.example", pod.address)
    sluice = site.sluice()
    for name, address in (("http", sluice.http), ("https", sluice.https), ("admin", sluice.admin)):
        sluice.changed(lambda: site.app(f"{name}.example", [pod.address, address]))
        assert [sluice.get("/", f"{name}.example").get("x-pod") for _ in range(6)] == ["pod"] * 6
        assert refused(sluice, object=f"EndpointSlice default/{name}-0") or refused(sluice, object=f"EndpointSlice default/{name}-1")


def test_listeners_on_every_address_are_ours_on_every_address(site):
    mine, pod = own_address(), site.pod()
    site.app("app.example", pod.address)
    sluice = site.sluice("--http", "0.0.0.0:0", listen={"admin": "[::]:0"})
    ports = [port_of(m.group(1)) for m in (re.match(r"listening (?:http|admin) (\S+)", line) for line in sluice.out) if m]
    assert len(ports) == 3
    for i, port in enumerate(ports[1:]):
        for j, address in enumerate((f"{mine}:{port}", f"127.0.0.1:{port}", f"127.8.9.1:{port}", f"[::ffff:{mine}]:{port}")):
            sluice.changed(lambda: site.app(f"t{i}{j}.example", [address]))
            assert sluice.get("/config", f"t{i}{j}.example").status == 503, address
    assert sluice.get("/", "app.example").status == 200


def test_the_endpoint_flag_leads_to_loopback_but_not_to_us(site):
    pod, admin = site.pod(), free_port()
    for name in ("pod", "us"):
        site.manifests.write(f"{name}.yaml", ingress(name, {f"{name}.example": name}), service(name))
    sluice = site.sluice(listen={"admin": f"127.0.0.1:{admin}"}, endpoints=[f"default/pod:80={pod.address}", f"default/us:80=localhost:{admin}"])
    assert sluice.get("/", "pod.example").status == 200
    assert sluice.get("/config", "us.example").status == 503
    assert refused(sluice, object="CommandLine --endpoint", field="--endpoint")


def test_the_webhook_is_ours(site):
    cert, key = certificate("webhook.example")
    (site.tmp / "cert.pem").write_text(cert)
    (site.tmp / "key.pem").write_text(key)
    port = free_port()
    site.manifests.write("a.yaml", ingress("a", {"a.example": "a"}, annotations={"backend-protocol": "HTTPS"}), service("a"), *slices("a", [f"127.0.0.1:{port}"]))
    for address in (f"127.0.0.1:{port}", f"[::]:{port}"):
        sluice = site.sluice("--validating-webhook", address, "--validating-webhook-certificate", site.tmp / "cert.pem",
                             "--validating-webhook-key", site.tmp / "key.pem")
        assert sluice.wait_line(r"^listening webhook \S+:(\d+)$").group(1) == str(port)
        assert sluice.get("/networking/v1/ingresses", "a.example").status == 503
        assert "where this process listens itself" in because(sluice, "a")
        sluice.stop(signal.SIGTERM)


def test_a_host_that_is_passed_through_is_judged_too(site):
    https = free_port()
    site.manifests.write("pass.yaml", ingress("pass", {"pass.example": [("/", "Prefix", "pass", 443)]}, annotations={"ssl-passthrough": "true"}),
                         service("pass", port=443, port_name="https"), *slices("pass", [f"127.0.0.1:{https}"], port_name="https"))
    sluice = site.sluice("--enable-ssl-passthrough", listen={"https": f"127.0.0.1:{https}"})
    with pytest.raises(OSError):
        sluice.tls("pass.example")
    assert sluice.metric("sluice_passthrough_connections_total") == 1
    sluice.wait_line(r"Service default/pass leads to|DestinationRefused", stream="err")


def test_each_ingress_is_told_of_where_its_questions_may_not_go(site):
    """Namespaces that name one address know nothing of each other."""
    def write(ns):
        site.manifests.write(f"{ns}.yaml", service("svc", ns=ns),
                             ingress("i", {f"{ns}.example": [("/", "Prefix", "svc", 80)], f"{ns}2.example": [("/", "Prefix", "svc", 80)]}, ns=ns, annotations={"auth-url": "http://127.0.0.1:9/x"}),
                             ingress("m", {f"m{ns}.example": [("/", "Prefix", "svc", 80)]}, ns=ns, annotations={"mirror-target": "http://127.0.0.1:9/x"}),
                             ingress("n", {f"n{ns}.example": [("/", "Prefix", "svc", 80)]}, ns=ns, annotations={"auth-url": "http://localhost:9/x"}))

    def told(sluice):
        return sorted((e["object"], e["field"], e["consequence"]) for e in refused(sluice))

    def wanted(*namespaces):
        return sorted(row for ns in namespaces for row in ((f"Ingress {ns}/i", "auth-url", "requests answer 500"), (f"Ingress {ns}/m", "mirror-target", "no copies are made"), (f"Ingress {ns}/n", "auth-url", "requests answer 500")))
    for ns in "abc":
        write(ns)
    sluice = site.sluice()
    assert told(sluice) == wanted(*"abc")
    write("d")
    wait_for(lambda: told(sluice) == wanted(*"abcd"), "who comes later is told as well")
    (site.manifests.root / "a.yaml").unlink()
    wait_for(lambda: told(sluice) == wanted(*"bcd"), "who has gone is not named any more")


BAD = ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::", "169.254.169.254", "fe80::1", "100.100.100.200", "fd00:ec2::254",
       "fd00:a9fe:a9fe::1", "fd00:c1::a9fe:a9fe", "fd00:100::100:200", "224.0.0.1", "ff02::1", "255.255.255.255", "64:ff9b::7f00:1", "2002:7f00:1::"]


def test_names_that_resolve_to_where_nothing_goes(site):
    server = NameServer(**{f"b{i}.evil.example": [a] for i, a in enumerate(BAD)}, chain_evil_example=["second.evil.example"],
                        **{"second.evil.example": ["localhost.evil.example"], "localhost.evil.example": ["127.0.0.1"]})
    pod = site.pod()
    for i in range(len(BAD)):
        leads(site, f"b{i}", port_of(pod.address), external=f"b{i}.evil.example")
    leads(site, "chain", port_of(pod.address), external="Chain.Evil.Example.")
    sluice = site.sluice(wrap=asking(site, server))
    wait_for(lambda: sluice.metric("sluice_destinations_refused") == len(BAD) + 1, "every name was answered and refused")
    for i, address in enumerate(BAD):
        assert sluice.get("/", f"b{i}.example").status == 503, address
        (entry,) = refused(sluice, object=f"Service default/b{i}")
        assert f"b{i}.evil.example at" in entry["value"] and entry["severity"] == "error"
    assert sluice.get("/", "chain.example").status == 503
    assert "chain.evil.example leads to 127.0.0.1:" in because(sluice, "chain")
    assert pod.stats()["requests"] == 0


def test_an_answer_that_turns_bad(site):
    """Rebinding: good, then good and bad, then bad, then good again. What is good of an answer is used."""
    mine = own_address()
    good = site.nginx("return 200 good;")
    port = good.port
    site.add(Balancer(good.address, listen=(mine, port)))
    server = NameServer(**{"db.evil.example": [mine]})
    leads(site, "db", port, external="db.evil.example")
    sluice = site.sluice(wrap=asking(site, server))
    wait_for(lambda: sluice.get("/", "db.example").status == 200, "the good answer is used")
    assert not refused(sluice)

    server.names["db.evil.example"] = [mine, "127.0.0.1", "169.254.169.254"]
    wait_for(lambda: len(refused(sluice)) == 2, "the bad ones of the answer are told", 20)
    endpoints = next(c["endpoints"] for c in sluice.config()["clusters"] if c["service"] == "db")
    assert [e["address"] for e in endpoints] == [mine]
    assert all(e["consequence"] == "its other addresses are used" for e in refused(sluice))
    assert {sluice.get("/", "db.example").status for _ in range(10)} == {200}

    server.names["db.evil.example"] = ["127.0.0.1"]
    wait_for(lambda: sluice.get("/", "db.example").status == 503, "nothing good is left", 20)
    server.names["db.evil.example"] = [mine]
    wait_for(lambda: sluice.get("/", "db.example").status == 200, "and back", 20)
    wait_for(lambda: not refused(sluice), "nothing is refused any more")


@pytest.mark.parametrize("away", ["silent", "failing"])
def test_a_start_while_the_name_server_is_away(site, away):
    """Nobody waits for it: what needs no name is served at once, and the rest as soon as its name has an answer."""
    pod = site.pod()
    server = NameServer(**{"db.away.example": ["127.0.0.1"]})
    server.away = away
    leads(site, "db", port_of(pod.address), external="db.away.example")
    site.app("app.example", pod.address)
    sluice = site.sluice(options={"allow-destinations": "db.away.example"}, wrap=asking(site, server))
    assert sluice.get("/", "app.example").status == 200
    assert sluice.get("/", "db.example").status == 503
    assert "db.away.example" in because(sluice, "db")
    # After two tries of 2 s and 4 s, where nothing comes back.
    sluice.wait_line("warning +cannot resolve db.away.example: .", 20, stream="err")
    wait_for(lambda: any(e["reason"] == "UnresolvedName" and e["object"] == "Service default/db" for e in sluice.config()["report"]), "the Report has it")
    assert re.match("db.away.example: .", because(sluice, "db"))
    assert sluice.get("/", "db.example").status == 503 and sluice.get("/", "app.example").status == 200
    assert sluice.admin_get("/readyz").status == 200
    server.away = None
    # Asked again after 1 s, which doubles, beside what is under way still.
    wait_for(lambda: sluice.get("/", "db.example").status == 200, "the name has an answer", 20)
    assert not any(e["reason"] == "UnresolvedName" for e in sluice.config()["report"])


def test_check_tells_before(site):
    leads(site, "tenant", 10254, external="LOCALHOST")
    r = subprocess.run([SLUICE, "check", "--json", str(site.manifests.root)], capture_output=True, text=True)
    assert r.returncode == 2
    (entry,) = [e for e in json.loads(r.stdout)["report"] if e["reason"] == "DestinationRefused"]
    assert entry["value"] == "LOCALHOST"
    r = subprocess.run([SLUICE, "check", "--set", "allow-destinations=localhost", str(site.manifests.root)], capture_output=True, text=True)
    assert r.returncode == 0, r.stdout
    r = subprocess.run([SLUICE, "check", "--set", "allow-destinations=10.0.0.0/33 localhost", str(site.manifests.root)], capture_output=True, text=True)
    assert r.returncode == 2 and "allow-destinations" in r.stderr and "127.0.0.0/8" in r.stderr
