"""PROXY headers of load balancers: who the client is, and what happens without one."""
import signal
import ssl
import subprocess
import time

import pytest

import proxy_header as ph
from h2pod import H2Pod
from harness import Raw, certificate, config_map, free_port, ingress, need, read_request, service, slices, tls_secret, wait_for

ON = {"use-proxy-protocol": "true"}
LOG = ("$remote_addr $remote_port $proxy_protocol_addr $proxy_protocol_port $proxy_protocol_server_addr $proxy_protocol_server_port "
       "$realip_remote_addr $proxy_protocol_tlv_alpn $proxy_protocol_tlv_authority $proxy_protocol_tlv_unique_id "
       "$proxy_protocol_tlv_ssl_version $proxy_protocol_tlv_ssl_cn $proxy_protocol_tlv_ssl_cipher $proxy_protocol_tlv_ssl_verify")


def seen(pod):
    return dict(pod.last_headers()[1])


@pytest.mark.parametrize("header,client,port", [
    (ph.v1("1.2.3.4", 1111, "5.6.7.8", 80), "1.2.3.4", "80"),
    (ph.v1("2001:db8::1", 1111, "2001:db8::2", 8080), "2001:db8::1", "8080"),
    (ph.v2("1.2.3.4", 1111, "5.6.7.8", 1234), "1.2.3.4", "1234"),
    (ph.v2("2001:db8::1", 1111, "2001:db8::2", 80), "2001:db8::1", "80"),
    (ph.v2("1.2.3.4", 1111, "5.6.7.8", 80, ph.tlv(ph.NOOP, b"x" * 3000)), "1.2.3.4", "80"),
])
def test_the_client_is_the_one_of_the_header(site, header, client, port):
    sluice, pod = site.simple(options={**ON, "log-format-upstream": LOG})
    with sluice.raw() as c:
        c.send(header)
        for _ in range(2):  # it counts for every request of the connection
            assert c.get("/", "app.example", headers=["X-Forwarded-For: 7.7.7.7"]).status == 200
            fields = seen(pod)
            assert fields["X-Real-IP"] == fields["X-Forwarded-For"] == client
            assert fields["X-Forwarded-Port"] == port and fields["X-Forwarded-Proto"] == "http"
            assert fields["X-Original-Forwarded-For"] == "7.7.7.7"
        server = "5.6.7.8" if client == "1.2.3.4" else "2001:db8::2"
        sluice.wait_access(rf"^{client} 1111 {client} 1111 {server} {port} 127.0.0.1 - - - - - - -$")
    assert sluice.metric("sluice_proxy_protocol_headers_total") == 1
    assert sluice.metric("sluice_proxy_protocol_refused_total") == 0


def test_any_pieces(site):
    sluice, pod = site.simple(options=ON)
    for header in (ph.v1("1.2.3.4", 1, "5.6.7.8", 80), ph.v2("1.2.3.4", 1, "5.6.7.8", 80, ph.tlv(ph.AUTHORITY, b"a.example"))):
        with sluice.raw() as c:
            for byte in header + b"GET / HTTP/1.1\r\nHost: app.example\r\n\r\n":
                c.send(bytes([byte]))
            assert c.answer().status == 200
        assert seen(pod)["X-Real-IP"] == "1.2.3.4"
    with sluice.raw() as c:  # all at once, and the end right behind
        c.send(header + b"GET / HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\n\r\n").half_close()
        assert c.answer().status == 200


def test_port_443_means_that_the_load_balancer_ended_tls(site):
    sluice, pod = site.simple(options={**ON, "force-ssl-redirect": "true"})
    with sluice.raw() as c:
        c.send(ph.v1("1.2.3.4", 1, "5.6.7.8", 80))
        assert c.get("/", "app.example").status == 308
    with sluice.raw() as c:
        c.send(ph.v1("1.2.3.4", 1, "5.6.7.8", 443))
        a = c.get("/", "app.example")
        assert a.status == 200 and a.get("Strict-Transport-Security") is None
    fields = seen(pod)
    assert (fields["X-Forwarded-Proto"], fields["X-Forwarded-Port"], fields["X-Scheme"]) == ("https", "443", "https")


@pytest.mark.parametrize("header", [ph.LOCAL, b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN what ever\r\n",
                                    ph.SIGNATURE + b"\x21\x00\x00\x00", ph.SIGNATURE + b"\x21\x31\x00\xd8" + b"u" * 216,
                                    ph.v2("1.2.3.4", 1, "5.6.7.8", 80, b"\x01\xff\xff", command=0)])
def test_a_header_without_addresses_leaves_those_of_the_connection(site, header):
    sluice, pod = site.simple(options=ON)
    port = sluice.http.rsplit(":", 1)[1]
    with sluice.raw() as c:
        c.send(header)
        assert c.get("/", "app.example").status == 200
        fields = seen(pod)
        assert fields["X-Real-IP"] == "127.0.0.1" and fields["X-Forwarded-Port"] == port
        # The health check of a load balancer.
        assert c.get("/healthz", "nobody.example").status == 200


def test_without_a_header_or_with_a_broken_one_it_is_closed(site):
    sluice, pod = site.simple(options=ON)
    broken = [b"GET / HTTP/1.1\r\nHost: app.example\r\n\r\n", b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n", b"\x16\x03\x01\x02\x00\x01",
              b"PROXY UNKNOWN " + b"x" * 100, ph.SIGNATURE + b"\x31\x11\x00\x0c" + b"a" * 12, ph.SIGNATURE + b"\x21\x11\xff\xff",
              ph.v2("1.2.3.4", 1, "5.6.7.8", 80, ph.tlv(ph.CRC32C, b"bad!"))]
    for data in broken:
        with sluice.raw() as c:
            c.send(data)
            assert c.closed(), data
    with sluice.raw() as c:  # ends in the middle
        c.send(b"PROXY TCP4 1.2.").half_close()
        assert c.closed()
    assert sluice.metric("sluice_proxy_protocol_refused_total") == len(broken) + 1
    sluice.wait_line(r"connection from 127\.0\.0\.1:\d+: does not begin with a PROXY header", stream="err")
    # Who only looks whether somebody is there is no failure.
    with sluice.raw() as c:
        c.half_close()
        assert c.closed()
    assert sluice.metric("sluice_proxy_protocol_refused_total") == len(broken) + 1
    assert pod.stats()["requests"] == 0
    wait_for(lambda: sluice.metric("sluice_downstream_connections") == 0, "no connection is left")


def test_a_late_header(site):
    sluice, pod = site.simple(options={**ON, "proxy-protocol-header-timeout": "1"})
    start = time.monotonic()
    with sluice.raw() as c:
        c.send(b"PROXY TCP4 1.2.3.4 ")
        assert c.closed()
    assert 0.9 < time.monotonic() - start < 5
    assert sluice.metric("sluice_proxy_protocol_refused_total") == 1
    sluice.wait_line(r"connection from 127\.0\.0\.1:\d+: no whole PROXY header within proxy-protocol-header-timeout", stream="err")


def test_a_storm_of_bad_headers_is_a_few_log_lines(site):
    sluice, pod = site.simple(options=ON)
    for _ in range(300):
        with sluice.raw() as c:
            c.send(b"GET / HTTP/1.1\r\n\r\n")
            assert c.closed()
    assert sluice.metric("sluice_proxy_protocol_refused_total") == 300
    sluice.wait_line("does not begin with a PROXY header", stream="err")
    assert sum("PROXY header" in line for line in sluice.err) < 30


def test_tlvs_are_for_the_log(site):
    sluice, pod = site.simple(options={**ON, "log-format-upstream": LOG})
    tls = ph.tlv(ph.SSL, b"\x07\0\0\0\0" + ph.tlv(ph.SSL_VERSION, b"TLSv1.3") + ph.tlv(ph.SSL_CN, b"a\n\"client\xff") +
                 ph.tlv(ph.SSL_CIPHER, b"TLS_AES_128_GCM_SHA256"))
    with sluice.raw() as c:
        c.send(ph.v2("1.2.3.4", 5, "5.6.7.8", 80, ph.tlv(ph.ALPN, b"h2") + ph.tlv(ph.AUTHORITY, b"shop.example") +
                     ph.tlv(ph.UNIQUE_ID, b"\0\1id") + tls))
        assert c.get("/", "app.example").status == 200
        m = sluice.wait_access(r"^1\.2\.3\.4 5 .*$")
        assert m.group(0).endswith(r"127.0.0.1 h2 shop.example \x00\x01id TLSv1.3 a\x0A\x22client\xFF TLS_AES_128_GCM_SHA256 0")


def test_a_sender_that_is_not_trusted_is_not_believed(site):
    sluice, pod = site.simple(options={**ON, "proxy-real-ip-cidr": "10.0.0.0/8", "log-format-upstream": LOG})
    with sluice.raw() as c:
        c.send(ph.v1("1.2.3.4", 1, "5.6.7.8", 443))
        assert c.get("/", "app.example").status == 200
        fields = seen(pod)
        assert fields["X-Real-IP"] == fields["X-Forwarded-For"] == "127.0.0.1"
        assert (fields["X-Forwarded-Proto"], fields["X-Forwarded-Port"]) == ("http", sluice.http.rsplit(":", 1)[1])
        sluice.wait_access(r"^127\.0\.0\.1 \d+ - - - - 127\.0\.0\.1 ")
    assert sluice.metric("sluice_proxy_protocol_untrusted_total") == 1
    sluice.wait_line(r"connection from 127\.0\.0\.1: a PROXY header from outside proxy-real-ip-cidr is not believed", stream="err")
    with sluice.raw() as c:  # but it must be there
        c.send(b"GET / HTTP/1.1\r\nHost: app.example\r\n\r\n")
        assert c.closed()


def test_forwarded_fields_are_believed_when_the_named_client_is_a_proxy_of_ours(site):
    options = {**ON, "use-forwarded-headers": "true", "proxy-real-ip-cidr": "127.0.0.0/8,10.0.0.0/8"}
    sluice, pod = site.simple(options=options)
    fields = ["X-Forwarded-For: 7.7.7.7", "X-Forwarded-Proto: https"]
    for source, client, scheme in (("10.1.1.1", "7.7.7.7", "https"), ("1.2.3.4", "1.2.3.4", "http")):
        with sluice.raw() as c:
            c.send(ph.v1(source, 1, "5.6.7.8", 80))
            assert c.get("/", "app.example", headers=fields).status == 200
        assert seen(pod)["X-Real-IP"] == client and seen(pod)["X-Forwarded-Proto"] == scheme


def test_everyone_trusted_is_reported(site):
    sluice, pod = site.simple(options=ON)
    assert any(e["reason"] == "TrustsEveryone" for e in sluice.config()["report"])


def test_limits_count_the_real_client(site):
    sluice, pod = site.simple(options={**ON, "max-connections-per-address": "1"})
    one, other = ph.v1("1.2.3.4", 1, "5.6.7.8", 80), ph.v2("1.2.3.5", 1, "5.6.7.8", 80)
    with sluice.raw() as first, sluice.raw() as third:
        assert first.send(one).get("/", "app.example").status == 200
        for body in (0, 1000, 1 << 20):  # what it sends on is read and thrown away, as a reset would destroy the answer
            with sluice.raw() as second:
                second.sock.sendall(one + b"POST / HTTP/1.1\r\nHost: app.example\r\nContent-Length: %d\r\n\r\n" % body)
                for at in range(0, body, 1000):
                    second.sock.sendall(b"x" * min(1000, body - at))
                assert second.answer().status == 503
        assert third.send(other).get("/", "app.example").status == 200
    assert sluice.metric("sluice_shed_connections_total") == 3
    wait_for(lambda: sluice.metric("sluice_downstream_connections") == 0, "no connection is left")
    with sluice.raw() as again:  # the count went down with the connection
        assert again.send(one).get("/", "app.example").status == 200


def test_by_listener(site):
    sluice, pod = site.simple(wait=False)
    sluice.stop()
    sluice = site.sluice("--http", "127.0.0.1:0,proxy-protocol", "--https", "127.0.0.1:0,proxy-protocol")
    http, https = ([x.split()[2] for x in sluice.out if x.startswith(f"listening {kind} ")] for kind in ("http", "https"))
    with Raw(http[0]) as c:
        assert c.get("/", "app.example").status == 200
    with Raw(http[1]) as c:
        assert c.send(ph.v1("1.2.3.4", 1, "5.6.7.8", 80)).get("/", "app.example").status == 200
    assert seen(pod)["X-Real-IP"] == "1.2.3.4"
    with Raw(http[1]) as c:
        c.send(b"GET / HTTP/1.1\r\nHost: app.example\r\n\r\n")
        assert c.closed()
    with Raw(https[1]) as c:
        c.send(ph.v1("1.2.3.6", 1, "5.6.7.8", 443))
        c.sock = client_context().wrap_socket(c.sock, server_hostname="app.example")
        assert c.get("/", "app.example").status == 200
    assert seen(pod)["X-Real-IP"] == "1.2.3.6"


def test_an_unknown_word_of_a_listener(site):
    from harness import SLUICE
    r = subprocess.run([SLUICE, "serve", "--manifests", site.manifests.root, "--http", ":0,proxy"], capture_output=True, text=True)
    assert r.returncode == 2 and "--http :0,proxy: proxy: expected proxy-protocol behind the comma" in r.stderr


def client_context(*cert):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def test_tls_behind_it(site):
    curl = need("curl")
    site.manifests.write("cert.yaml", tls_secret("cert", *certificate("app.example")))
    pod = site.pod()
    site.app("app.example", pod.address, tls=[(["app.example"], "cert")])
    sluice = site.sluice(options=ON)
    port = sluice.https.rsplit(":", 1)[1]
    r = subprocess.run([curl, "-sk", "--haproxy-protocol", "--resolve", f"app.example:{port}:127.0.0.1", "-w", "%{http_code}",
                        "-o", "/dev/null", f"https://app.example:{port}/"], capture_output=True, text=True, timeout=20)
    assert r.stdout == "200", r
    assert seen(pod)["X-Real-IP"] == "127.0.0.1" and seen(pod)["X-Forwarded-Port"] == port
    for pieces in (1, 7, 4096):  # the handshake begins right behind the header, in the same packet or not
        with Raw(sluice.https) as c:
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = client_context().wrap_bio(incoming, outgoing, server_hostname="app.example")
            with pytest.raises(ssl.SSLWantReadError):
                tls.do_handshake()
            data = ph.v2("1.2.3.4", 1, "5.6.7.8", 443) + outgoing.read()
            for at in range(0, len(data), pieces):
                c.send(data[at:at + pieces])
            while True:
                incoming.write(c.sock.recv(65536))
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    continue
            tls.write(b"GET / HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\n\r\n")
            c.send(outgoing.read())
            incoming.write(c.read_all())
            assert tls.read(4096).startswith(b"HTTP/1.1 200")
        assert seen(pod)["X-Real-IP"] == "1.2.3.4" and seen(pod)["X-Forwarded-Port"] == "443"


@pytest.mark.parametrize("words", ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id,authority"])
def test_haproxy_in_front(site, words):
    pod = site.pod()
    site.app("app.example", pod.address)
    sluice = site.sluice(options={**ON, "log-format-upstream": LOG})
    front = site.add(ph.HAProxy(site.tmp, sluice.http, words + " check inter 100 fastinter 100"))
    for _ in range(20):
        with Raw(front.address) as c:
            port = c.sock.getsockname()[1]
            for _ in range(3):
                assert c.get("/", "app.example").status == 200
            sluice.wait_access(rf"^127\.0\.0\.1 {port} 127\.0\.0\.1 {port} 127\.0\.0\.1 {front.port} ")
            assert seen(pod)["X-Forwarded-Port"] == str(front.port)
    # Its health checks were connections, too: LOCAL of version 2, its own addresses in version 1.
    wait_for(lambda: sluice.metric("sluice_proxy_protocol_headers_total") > 22, "health checks came")
    assert sluice.metric("sluice_proxy_protocol_refused_total") == 0


def test_haproxy_that_ends_tls_tells_of_the_client_certificate(site):
    pod = site.pod()
    site.app("app.example", pod.address)
    sluice = site.sluice(options={**ON, "log-format-upstream": LOG})
    cert, key = certificate("lb.example")
    client_cert, client_key = certificate("client.example", cn="client one")
    for name, text in (("lb.pem", cert + key), ("ca.pem", client_cert), ("client.pem", client_cert + client_key)):
        (site.tmp / name).write_text(text)
    front = site.add(ph.HAProxy(site.tmp, sluice.http, "send-proxy-v2-ssl-cn proxy-v2-options ssl,cert-cn,ssl-cipher,authority",
                                bind=f"ssl crt {site.tmp}/lb.pem ca-file {site.tmp}/ca.pem verify optional alpn http/1.1"))
    context = client_context()
    context.load_cert_chain(site.tmp / "client.pem")
    with Raw(front.address, tls=context, sni="shop.example") as c:
        version, cipher = c.sock.version(), c.sock.cipher()[0]
        assert c.get("/", "app.example").status == 200
    sluice.wait_access(rf"127\.0\.0\.1 \S+ shop\.example - {version} client one {cipher} 0$")


def test_the_option_takes_effect_while_running(site):
    sluice, pod = site.simple()
    with sluice.raw() as before:
        assert before.get("/", "app.example").status == 200
        sluice.changed(lambda: site.manifests.write("options.yaml", config_map(ON)))
        assert before.get("/", "app.example").status == 200  # a connection that is open goes on
        with sluice.raw() as c:
            assert c.send(ph.v1("1.2.3.4", 1, "5.6.7.8", 80)).get("/", "app.example").status == 200
        sluice.changed(lambda: site.manifests.remove("options.yaml"))
        with sluice.raw() as c:
            assert c.get("/", "app.example").status == 200


def test_who_has_not_sent_its_header_does_not_hold_up_the_end(site):
    sluice, pod = site.simple(options={**ON, "proxy-protocol-header-timeout": "60"})
    with sluice.raw() as c:
        c.send(b"PROXY ")
        wait_for(lambda: sluice.metric("sluice_downstream_connections") == 1, "it is connected")
        start = time.monotonic()
        assert sluice.stop(signal.SIGTERM, 20) == 0
        assert time.monotonic() - start < 5
        assert c.closed()


# ---- towards pods --------------------------------------------------------------------------------------------------

class ProxiedPod:
    """A pod that wants a PROXY header in front of each connection, then HTTP/1.1 by keep-alive, by TLS if `tls`."""

    def __init__(self, site, tls=None):
        self.headers, self.requests = [], []
        self.tls = tls
        self.pod = site.scripted(self.serve)
        self.address = self.pod.address

    def serve(self, sock, number):
        self.headers.append(ph.read_header(sock))
        if self.tls:
            sock = self.tls.wrap_socket(sock, server_side=True)
        while (request := read_request(sock)) is not None:
            self.requests.append((number, request[0]))
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def wanting(site, host, address, version, annotations=None):
    svc = service("app")
    svc["metadata"]["annotations"] = {"sluice.dev/upstream-proxy-protocol": version} if version else {}
    site.manifests.write("app.yaml", ingress("app", {host: "app"}, annotations=annotations), svc, *slices("app", [address]))


def ends_of(connection, sluice):
    return "127.0.0.1", connection.sock.getsockname()[1], "127.0.0.1", int(sluice.http.rsplit(":", 1)[1])


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_pods_that_ask_for_it_are_told_the_client(site, version):
    pod = ProxiedPod(site)
    wanting(site, "app.example", pod.address, version)
    sluice = site.sluice()
    with sluice.raw() as one, sluice.raw() as other:
        for _ in range(3):
            for c in (one, other):
                assert c.get("/", "app.example").status == 200
        # A connection for each client, kept for it alone.
        assert pod.headers == [(version, ends_of(one, sluice)), (version, ends_of(other, sluice))]
        assert [number for number, _ in pod.requests] == [1, 2] * 3
    with sluice.raw() as third:
        assert third.get("/", "app.example").status == 200
        assert pod.headers[2] == (version, ends_of(third, sluice))


def test_it_comes_before_tls_to_the_pod(site):
    cert, key = certificate("pod.example")
    (site.tmp / "pod.pem").write_text(cert + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(site.tmp / "pod.pem")
    pod = ProxiedPod(site, tls=context)
    wanting(site, "app.example", pod.address, "v2", annotations={"backend-protocol": "HTTPS"})
    sluice = site.sluice()
    with sluice.raw() as c:
        assert c.get("/", "app.example").status == 200
        assert c.get("/", "app.example").status == 200
        assert pod.headers == [("v2", ends_of(c, sluice))]


def test_the_load_balancers_header_is_told_on(site):
    pod = ProxiedPod(site)
    wanting(site, "app.example", pod.address, "v1")
    sluice = site.sluice(options=ON)
    for header, ends in ((ph.v2("1.2.3.4", 5, "6.7.8.9", 443), ("1.2.3.4", 5, "6.7.8.9", 443)),
                         (ph.v1("2001:db8::1", 5, "2001:db8::2", 80), ("2001:db8::1", 5, "2001:db8::2", 80))):
        with sluice.raw() as c:
            assert c.send(header).get("/", "app.example").status == 200
        assert pod.headers[-1] == ("v1", ends)
    with sluice.raw() as c:
        assert c.send(ph.LOCAL).get("/", "app.example").status == 200
        assert pod.headers[-1] == ("v1", ends_of(c, sluice))


def test_idle_connections_from_before_are_not_used(site):
    plain = site.pod()
    wanting(site, "app.example", plain.address, "")
    sluice = site.sluice()
    with sluice.raw() as c:
        assert c.get("/", "app.example").status == 200
        pod = ProxiedPod(site)
        sluice.changed(lambda: wanting(site, "app.example", pod.address, "v2"))
        assert c.get("/", "app.example").status == 200
        assert pod.headers == [("v2", ends_of(c, sluice))]


def test_a_version_that_does_not_exist_is_reported(site):
    pod = site.pod()
    wanting(site, "app.example", pod.address, "v3")
    sluice = site.sluice()
    assert sluice.get("/", "app.example").status == 200
    entry = next(e for e in sluice.config()["report"] if e["reason"] == "InvalidAnnotation")
    assert entry["object"].startswith("Service") and entry["value"] == "v3" and entry["expected"] == "v1 or v2"


def test_pods_of_http2_too(site):
    """A connection that carries many streams carries those of one client."""
    port = free_port()
    nginx = site.nginx(f'listen 127.0.0.1:{port} http2 proxy_protocol; '
                       'location / { return 200 "$proxy_protocol_addr $proxy_protocol_port $connection $server_protocol"; }')
    wanting(site, "app.example", f"127.0.0.1:{port}", "v2", annotations={"backend-protocol": "GRPC"})
    sluice = site.sluice()
    used = set()
    for _ in range(3):
        with sluice.raw() as c:
            answers = {c.get("/", "app.example").body.decode() for _ in range(4)}
            assert len(answers) == 1, answers
            address, source, connection, version = answers.pop().split()
            assert (address, int(source), version) == ("127.0.0.1", c.sock.getsockname()[1], "HTTP/2.0")
            used.add(connection)
    assert len(used) == 3 and nginx.proc.poll() is None


def test_http2_behind_it(site):
    curl = need("curl")
    site.manifests.write("cert.yaml", tls_secret("cert", *certificate("app.example")))
    pod = site.pod()
    site.app("app.example", pod.address, tls=[(["app.example"], "cert")])
    sluice = site.sluice(options={**ON, "http2-prior-knowledge": "true"})
    tls, plain = (a.rsplit(":", 1)[1] for a in (sluice.https, sluice.http))
    with sluice.raw() as lb:  # what comes first is the header, before the preface too
        lb.send(ph.v1("1.2.3.4", 1, "5.6.7.8", 443) + b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0")
        assert lb.read_exactly(9)[3] == 4  # SETTINGS
    for flags, url, port in (("--http2", f"https://app.example:{tls}/", tls), ("--http2-prior-knowledge", f"http://app.example:{plain}/", plain)):
        r = subprocess.run([curl, "-sSk", flags, "--haproxy-protocol", "--resolve", f"app.example:{port}:127.0.0.1", "-o", "/dev/null",
                            "-w", "%{http_code} %{http_version}", url], capture_output=True, text=True, timeout=20)
        assert r.stdout in ("200 2", "308 2"), r
    assert sluice.metric("sluice_proxy_protocol_headers_total") == 3
    assert seen(pod)["X-Real-IP"] == "127.0.0.1"


class ProxiedH2Pod(H2Pod):
    def _serve(self, sock, number):
        ph.read_header(sock)
        super()._serve(sock, number)


@pytest.mark.parametrize("protocol", ["HTTP", "GRPC"])
def test_idle_connections_of_other_clients_do_not_hold_all_places(site, protocol):
    if protocol == "GRPC":
        address = site.add(ProxiedH2Pod(lambda pod, call: call.head().data(b"ok", end=True))).address
    else:
        address = ProxiedPod(site).address
    wanting(site, "app.example", address, "v1", annotations={"backend-protocol": protocol})
    sluice = site.sluice(options={"upstream-max-connections": 2})
    clients = [sluice.raw() for _ in range(5)]
    for c in clients * 2:
        assert c.get("/", "app.example").status == 200
    assert sluice.metric("sluice_upstream_connections") <= 2
    assert sluice.metric("sluice_upstream_retries_total") == 0
    for c in clients:
        c.close()
