"""TLS that goes on to pods undecrypted, by the name in the ClientHello, beside hosts whose TLS ends here."""
import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

import proxy_header as ph
from harness import SLOW, SLUICE, Process, Raw, certificate, free_port, ingress, need, read_request, serial_of, service, slices, tls_secret, wait_for, wait_port

FLAG = "--enable-ssl-passthrough"


class TlsPod:
    """A pod with a certificate of its own. Answers with what it was asked for; `proxied`: a PROXY header comes first."""

    def __init__(self, site, name, proxied=False):
        self.cert, key = certificate(name, "*.pass.example", "pass.example")
        path = site.tmp / f"{name}.pem"
        path.write_text(self.cert + key)
        self.name, self.proxied, self.names, self.headers = name, proxied, [], []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(path)
        self.context.sni_callback = lambda _, sni, __: self.names.append(sni)
        self.pod = site.scripted(self.serve)
        self.address = self.pod.address

    def serve(self, sock, _):
        if self.proxied:
            self.headers.append(ph.read_header(sock))
        tls = self.context.wrap_socket(sock, server_side=True)
        while (request := read_request(tls)) is not None:
            head, body = request
            answer = self.name.encode() + b"|" + body
            tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))
        tls.unwrap()


def passing(site, host, addresses, *, name="pass", annotations=None, svc_annotations=None, created=None):
    svc = service(name, port=443, port_name="https")
    svc["metadata"]["annotations"] = svc_annotations or {}
    site.manifests.write(f"{name}.yaml",
                         ingress(name, {host: [("/", "Prefix", name, 443)]},
                                 annotations={"ssl-passthrough": "true", **(annotations or {})}, created=created),
                         svc, *slices(name, addresses, port_name="https"))


def both(site, *args, **kw):
    """pass.example goes to a TLS pod, app.example ends here."""
    pod = TlsPod(site, "one")
    passing(site, "pass.example", [pod.address])
    site.manifests.write("cert.yaml", tls_secret("cert", *certificate("app.example", serial=77)))
    site.app("app.example", site.pod().address, tls=[(["app.example"], "cert")])
    return site.sluice(FLAG, *args, **kw), pod


def test_beside_hosts_that_end_here(site):
    sluice, pod = both(site)
    for _ in range(3):
        with sluice.tls("pass.example", verify=pod.cert) as c:
            for body in (b"first", b"second"):
                a = c.get("/x", "pass.example", method="POST", body=body)
                assert a.status == 200 and a.body == b"one|" + body
    assert set(pod.names) == {"pass.example"}
    for sni, serial in (("app.example", 77), ("unknown.example", None), (None, None)):
        with sluice.tls(sni) as c:
            assert (serial_of(c) == 77) == (serial == 77)
            assert c.get("/", "app.example").status == 200
    assert sluice.metric("sluice_passthrough_connections_total") == 3
    assert sluice.metric("sluice_tls_handshakes_total") == 3
    wait_for(lambda: sluice.metric("sluice_passthrough_active") == 0, "none is open")
    # Plain http of that host is routed like any other: this pod does not speak it.
    assert sluice.get("/", "pass.example").status == 502


def test_aliases_go_where_their_host_goes(site):
    pod = TlsPod(site, "one")
    passing(site, "pass.example", [pod.address], annotations={"server-alias": "*.pass.example"})
    sluice = site.sluice(FLAG)
    with sluice.tls("a.pass.example", verify=pod.cert) as c:
        assert c.get("/x", "a.pass.example", method="POST", body=b"x").body == b"one|x"
    with sluice.tls("other.example") as c:
        assert c.get("/", "b.pass.example").status == 421
    assert pod.names == ["a.pass.example"]


@pytest.mark.parametrize("alpn", ["http/1.1", "h2"])
def test_its_name_inside_another_hosts_tls_is_misdirected(site, alpn):
    sluice, pod = both(site)
    if alpn == "http/1.1":
        with sluice.tls("app.example", alpn=[alpn]) as c:
            assert c.get("/", "app.example").status == 200
            assert c.get("/any/path", "pass.example").status == 421
            assert c.get("/", "app.example").status == 200
    else:
        port = sluice.https.rsplit(":", 1)[1]
        r = subprocess.run(["curl", "-sk", "--http2", "--resolve", f"app.example:{port}:127.0.0.1", "-H", "Host: pass.example", "-o", os.devnull,
                            "-w", "%{http_version} %{http_code}", f"https://app.example:{port}/"], stdout=subprocess.PIPE, timeout=30)
        assert r.stdout == b"2 421"
    assert not pod.names


def test_real_servers_and_clients(site):
    """nginx and OpenSSL's own server behind it, curl and OpenSSL's own client before it."""
    curl, openssl = need("curl"), need("openssl")
    cert, key = certificate("pass.example", "nginx.example", "s.example")
    nginx = site.nginx("ssl_protocols TLSv1.2 TLSv1.3; location / { return 200 nginx; }", tls=(cert, key))
    for name, text in (("s.pem", cert), ("s.key", key)):
        (site.tmp / name).write_text(text)
    port = free_port()
    site.add(Process([openssl, "s_server", "-accept", f"127.0.0.1:{port}", "-cert", site.tmp / "s.pem", "-key", site.tmp / "s.key", "-www"]))
    wait_port(f"127.0.0.1:{port}")
    passing(site, "nginx.example", [nginx.address], name="nginx")
    passing(site, "s.example", [f"127.0.0.1:{port}"], name="s")
    sluice = site.sluice(FLAG)
    at = sluice.https.rsplit(":", 1)[1]
    for host, words in (("nginx.example", "nginx"), ("s.example", "Ciphers supported in s_server")):
        for version in ("--tlsv1.2 --tls-max 1.2", "--tlsv1.3"):
            r = subprocess.run([curl, "-sS", "--cacert", site.tmp / "s.pem", *version.split(), "--resolve", f"{host}:{at}:127.0.0.1",
                                f"https://{host}:{at}/"], capture_output=True, text=True, timeout=20)
            assert words in r.stdout, r
    r = subprocess.run([openssl, "s_client", "-connect", sluice.https, "-servername", "nginx.example", "-CAfile", site.tmp / "s.pem", "-brief",
                        "-ign_eof"],
                       input="GET / HTTP/1.0\r\n\r\n", capture_output=True, text=True, timeout=20)
    assert "Verification: OK" in r.stderr and r.stdout.rstrip().endswith("nginx"), r


def hello_of(name, context=None):
    """The bytes of a ClientHello."""
    context = context or ssl._create_unverified_context()
    outgoing = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def in_records(hello, each):
    message = hello[5:]
    pieces = [message[i:i + each] for i in range(0, len(message), each)]
    return b"".join(b"\x16\x03\x01" + len(p).to_bytes(2, "big") + p for p in pieces)


def raw_pod(site, received):
    """Keeps what it gets up to its end, then answers with as many bytes."""
    def serve(sock, _):
        data = b""
        while piece := sock.recv(65536):
            data += piece
        received.append(data)
        sock.sendall(b"r" * len(data))
    return site.scripted(serve)


@pytest.mark.parametrize("each,records", [(1, 0), (5, 0), (1, 100), (100000, 3), (3, 17)])
def test_hellos_in_pieces_arrive_as_they_were_sent(site, each, records):
    """Pieces of TCP, and records of a few bytes. The end of the client is passed on, and the answer comes back after it."""
    received = []
    passing(site, "pass.example", [raw_pod(site, received).address])
    sluice = site.sluice(FLAG)
    hello = hello_of("pass.example")
    data = in_records(hello, records) if records else hello
    with Raw(sluice.https) as c:
        for at in range(0, len(data), each):
            c.send(data[at:at + each])
        c.send(b"and more").half_close()
        assert c.read_all() == b"r" * (len(data) + 8)
    assert received == [data + b"and more"]


def test_wildcards_and_case(site):
    pod = TlsPod(site, "one")
    passing(site, "*.pass.example", [pod.address])
    sluice = site.sluice(FLAG)
    with sluice.tls("Deep.Pass.Example") as c:
        assert c.get("/", "deep.pass.example").body == b"one|"
    with sluice.tls("a.b.pass.example") as c:  # one label only
        assert c.get("/", "a.b.pass.example").status == 404


def test_what_is_no_hello_is_openssls_to_refuse(site):
    sluice, pod = both(site, options={"ssl-handshake-timeout": "1"})
    for data in (b"GET / HTTP/1.1\r\nHost: pass.example\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 100, b"\x16\x03\x01\x00\x05\x01\xff\xff\xffx", os.urandom(300)):
        with Raw(sluice.https) as c:
            c.try_send(data)
            assert b"HTTP/1.1 200" not in c.read_all()
    start = time.monotonic()
    with Raw(sluice.https) as c:  # late
        c.send(hello_of("pass.example")[:100])
        assert c.closed()
    assert 0.9 < time.monotonic() - start < 5
    with Raw(sluice.https) as c:  # left
        c.send(hello_of("pass.example")[:100]).half_close()
        assert c.closed()
    assert sluice.metric("sluice_passthrough_connections_total") == 0
    assert sluice.metric("sluice_tls_handshake_failures_total") >= 6
    with sluice.tls("pass.example") as c:
        assert c.get("/", "pass.example").status == 200


def test_pods_take_turns_and_a_dead_one_is_passed_over(site):
    one, two = TlsPod(site, "one"), TlsPod(site, "two")
    dead = f"127.0.0.1:{free_port()}"
    passing(site, "pass.example", [one.address, two.address, dead])
    sluice = site.sluice(FLAG, options={"log-format-stream": "$status $ssl_preread_server_name $upstream_addr $proxy_upstream_name"})
    answers = []
    for _ in range(6):
        with sluice.tls("pass.example") as c:
            answers.append(c.get("/", "pass.example").body)
    assert set(answers) == {b"one|", b"two|"}
    sluice.wait_access(rf"^200 pass\.example {dead}, 127\.0\.0\.1:\d+ default-pass-443$")
    assert sluice.metric("sluice_passthrough_failures_total") == 0


def test_no_pod(site):
    dead = f"127.0.0.1:{free_port()}"
    passing(site, "pass.example", [dead])
    passing(site, "none.example", [], name="none")
    sluice = site.sluice(FLAG, options={"log-format-stream": "$status $ssl_preread_server_name $upstream_addr $failure_reason"})
    for host in ("pass.example", "none.example"):
        with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
            sluice.tls(host)
    sluice.wait_access(rf"^502 pass\.example {dead}, {dead}, {dead} connect refused$")
    sluice.wait_access(r"^503 none\.example - no endpoint takes connections$")
    assert sluice.metric("sluice_passthrough_failures_total") == 2
    sluice.wait_line(r"502 passthrough pass\.example: connect refused; Ingress default/pass, pass; pod", stream="err")


def test_its_line_in_the_access_log(site):
    sluice, pod = both(site)
    with sluice.tls("pass.example") as c:
        assert c.get("/", "pass.example").status == 200
    sluice.wait_access(r"^\[127\.0\.0\.1\] \[[^]]+\] TCP 200 \d+ \d+ 0\.\d{3}$")
    assert sluice.metric("nginx_ingress_controller_requests") == 0  # it is no request


def test_its_line_in_json(site):
    sluice, pod = both(site, options={"access-log-format": "json"})
    with sluice.tls("pass.example") as c:
        assert c.get("/", "pass.example").status == 200
        mine = c.sock.getsockname()[1]
    line = json.loads(sluice.wait_access(r'^\{.*"protocol":.*\}$').group(0))
    assert line["ssl_preread_server_name"] == "pass.example" and line["remote_port"] == mine and line["status"] == 200
    assert line["bytes_sent"] > 500 and line["bytes_received"] > 300 and line["upstream_addr"] == pod.address
    assert (line["namespace"], line["ingress_name"], line["service_name"]) == ("default", "pass", "pass")


class TlsMirror(TlsPod):
    """Sends every byte back as it comes."""

    def serve(self, sock, _):
        tls = self.context.wrap_socket(sock, server_side=True)
        while data := tls.recv(65536):
            tls.sendall(data)


def test_much_data_both_ways_at_once(site):
    pod = TlsMirror(site, "mirror")
    passing(site, "pass.example", [pod.address])
    sluice = site.sluice(FLAG)
    host, port = sluice.https.rsplit(":", 1)
    body = os.urandom(8 << 20)
    before = sluice.rss_kb()

    async def talk():
        context = ssl.create_default_context(cadata=pod.cert)
        reader, writer = await asyncio.open_connection(host, int(port), ssl=context, server_hostname="pass.example")
        writer.write(body)
        back = await asyncio.wait_for(reader.readexactly(len(body)), 60 * SLOW)
        writer.close()
        return back

    assert asyncio.run(talk()) == body
    sluice.expect_growth_below(2048, before, "what one tunnel held at any time", peak=True)


def test_idle_ones_end(site):
    sluice, pod = both(site, options={"tunnel-idle-timeout": "1"})
    with sluice.tls("pass.example") as c:
        assert c.get("/", "pass.example").status == 200
        start = time.monotonic()
        assert c.closed()
        assert 0.8 < time.monotonic() - start < 5
    wait_for(lambda: sluice.metric("sluice_passthrough_active") == 0, "none is open")


def test_it_outlives_the_drain_as_tunnels_do(site):
    sluice, pod = both(site, options={"worker-shutdown-timeout": "60"})
    with sluice.tls("pass.example") as c:
        assert c.get("/", "pass.example").status == 200
        sluice.proc.send_signal(signal.SIGTERM)
        host, port = sluice.https.rsplit(":", 1)

        def refused():
            try:
                socket.create_connection((host, int(port)), 1).close()
                return False
            except ConnectionRefusedError:
                return True
        wait_for(refused, "nobody is accepted any more")
        wait_for(lambda: c.get("/", "pass.example").status == 200, "it goes on")
    assert sluice.proc.wait(20) == 0


def test_the_deadline_of_the_drain_ends_it(site):
    sluice, pod = both(site, options={"worker-shutdown-timeout": "1"})
    with sluice.tls("pass.example") as c:
        assert c.get("/", "pass.example").status == 200
        assert sluice.stop(signal.SIGTERM, 20) == 0
        try:
            assert c.closed()
        except ssl.SSLError:
            pass


def test_behind_a_load_balancer_and_told_on_to_the_pod(site):
    pod = TlsPod(site, "one", proxied=True)
    passing(site, "pass.example", [pod.address], svc_annotations={"sluice.dev/upstream-proxy-protocol": "v2"})
    sluice = site.sluice(FLAG, options={"use-proxy-protocol": "true", "log-format-stream": "$remote_addr $ssl_preread_server_name"})
    with Raw(sluice.https) as c:
        c.send(ph.v1("1.2.3.4", 5, "6.7.8.9", 443))
        c.sock = ssl._create_unverified_context().wrap_socket(c.sock, server_hostname="pass.example")
        assert c.get("/", "pass.example").body == b"one|"
    assert pod.headers == [("v2", ("1.2.3.4", 5, "6.7.8.9", 443))]
    sluice.wait_access(r"^1\.2\.3\.4 pass\.example$")


def test_changes_concern_new_connections(site):
    sluice, pod = both(site)
    other = TlsPod(site, "two")
    with sluice.tls("pass.example") as c:
        assert c.get("/", "pass.example").body == b"one|"
        sluice.changed(lambda: passing(site, "pass.example", [other.address]))
        assert c.get("/", "pass.example").body == b"one|"
        with sluice.tls("pass.example") as d:
            assert d.get("/", "pass.example").body == b"two|"
        sluice.changed(lambda: passing(site, "pass.example", [other.address], annotations={"ssl-passthrough": "false"}))
        with sluice.tls("pass.example") as d:
            assert serial_of(d) != 77 and d.get("/", "pass.example").status == 502
        assert c.get("/", "pass.example").body == b"one|"


def test_without_the_flag_it_is_reported(site):
    pod = TlsPod(site, "one")
    passing(site, "pass.example", [pod.address])
    sluice = site.sluice()
    entry = next(e for e in sluice.config()["report"] if e["field"] == "metadata.annotations[ssl-passthrough]")
    assert entry["expected"] == "--enable-ssl-passthrough on the command line"
    with sluice.tls("pass.example") as c:
        assert c.get("/", "pass.example").status == 502


def test_explain_tells(site):
    passing(site, "pass.example", ["127.0.0.1:1"])
    for flags, words in (([FLAG], "the pod's own: TLS is passed through (ssl-passthrough)"), ([], "the default certificate")):
        r = subprocess.run([SLUICE, "explain", site.manifests.root, "GET", "https://pass.example/x", *flags], capture_output=True, text=True)
        assert words in r.stdout and "default-pass-443" in r.stdout, r


def test_many_at_once(site):
    sluice, pod = both(site)
    failures = []

    def client(n):
        try:
            for i in range(5):
                with sluice.tls("pass.example" if n % 2 else "app.example") as c:
                    a = c.get("/", "pass.example" if n % 2 else "app.example")
                    assert a.status == 200 and (a.body == b"one|") == bool(n % 2)
        except Exception as e:
            failures.append(e)
    threads = [threading.Thread(target=client, args=(n,)) for n in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures, failures[:3]
    wait_for(lambda: sluice.metric("sluice_passthrough_active") == 0 and sluice.metric("sluice_upstream_connections") <= 20, "all are over")
