"""Ports of TCP that lead to Services (tcp-services)."""
import json
import os
import signal
import socket
import subprocess
import threading

import pytest

import proxy_header as ph
from harness import SLUICE, config_map, never_accepts, service, wait_for
from ports import free_port, free_ports
from streams import AT, FLAGS, backend, dial, echo, entries, exactly, ports, refused, reset, rest, says


def one(site, *args, value="default/db:9000", **kw):
    """One port before one pod that says "one"."""
    pod = echo(site, b"one")
    backend(site, "db", pod.address)
    port = free_port()
    ports(site, {port: value})
    return site.sluice(*FLAGS, *args, **kw), port, pod


def test_bytes_go_through_both_ways_and_are_counted(site):
    sluice, port, pod = one(site, workers=2)
    body = os.urandom(3 << 20)
    with dial(port) as s:
        assert exactly(s, 3) == b"one"
        sender = threading.Thread(target=lambda: (s.sendall(body), s.shutdown(socket.SHUT_WR)))
        sender.start()
        assert rest(s) == body  # the end of ours was passed on, and the pod's came back
        sender.join()
    labels = {"transport": "tcp", "port": str(port), "namespace": "default", "service": "db", "service_port": "9000"}
    wait_for(lambda: sluice.metric("sluice_stream_connections_total", outcome="carried", **labels) == 1, "it is counted")
    assert sluice.metric("sluice_stream_received_bytes_total", **labels) == len(body)
    assert sluice.metric("sluice_stream_sent_bytes_total", **labels) == len(body) + 3
    assert sluice.metric("sluice_stream_active", **labels) == 0
    line = sluice.wait_access(r"\[127\.0\.0\.1\] \[.*\] TCP 200 \d+ \d+").group(0)
    assert line.split()[-2:] == [str(len(body) + 3), str(len(body))]
    sluice.stop()


def test_the_pod_may_end_first_and_the_client_goes_on(site):
    got = []

    def serve(sock, _):
        sock.sendall(b"all of it")
        sock.shutdown(socket.SHUT_WR)
        got.append(rest(sock))

    backend(site, "db", site.scripted(serve).address)
    port = free_port()
    ports(site, {port: "default/db:raw"})  # by the name of the port
    site.sluice(*FLAGS)
    with dial(port) as s:
        assert rest(s) == b"all of it"
        s.sendall(b"and more")
        s.shutdown(socket.SHUT_WR)
        wait_for(lambda: got == [b"and more"], "the pod has all")


def test_a_half_closed_client_waits_as_long_as_an_idle_one(site):
    """Ten seconds are for tunnels of HTTP: a client that has said all may wait for a long answer."""
    asked, answer = threading.Event(), threading.Event()

    def serve(sock, _):
        rest(sock)
        asked.set()
        answer.wait(60)
        sock.sendall(b"late")

    backend(site, "db", site.scripted(serve).address)
    port = free_port()
    ports(site, {port: "default/db:9000"})
    sluice = site.sluice(*FLAGS, options={"proxy-stream-timeout": "2"})
    with dial(port) as s:
        s.shutdown(socket.SHUT_WR)
        asked.wait(10)
        answer.set()
        assert rest(s) == b"late"
    answer.clear()
    with dial(port) as s:  # and no longer than that
        s.shutdown(socket.SHUT_WR)
        assert rest(s) == b""
    answer.set()
    assert not sluice.proc.poll()


def test_idle_connections_end(site):
    sluice, port, _ = one(site, options={"proxy-stream-timeout": "1s"})
    with dial(port) as s:
        assert rest(s) == b"one"
    wait_for(lambda: sluice.metric("sluice_stream_active") == 0, "none is open")


@pytest.mark.parametrize("who", ["pod", "client"])
def test_a_reset_is_passed_on_as_one(site, who):
    ended = []

    def serve(sock, _):
        sock.sendall(b"half")
        if who == "pod":
            exactly(sock, 2)
            return reset(sock)
        try:
            rest(sock)
        except ConnectionResetError as e:
            ended.append(e)

    backend(site, "db", site.scripted(serve).address)
    port = free_port()
    ports(site, {port: "default/db:9000"})
    site.sluice(*FLAGS)
    s = dial(port)
    assert exactly(s, 4) == b"half"
    if who == "client":
        reset(s)
        wait_for(lambda: ended, "the pod saw a reset")
    else:
        s.sendall(b"go")
        with pytest.raises(ConnectionResetError):
            rest(s)
        s.close()


def test_another_service_takes_new_connections_and_old_ones_go_on(site):
    sluice, port, pod = one(site, workers=2)
    other = echo(site, b"two")
    backend(site, "other", other.address, ns="elsewhere")
    old = dial(port)
    assert exactly(old, 3) == b"one"
    sluice.changed(lambda: ports(site, {port: "elsewhere/other:9000"}))
    for _ in range(4):
        assert says(port, b"two")
    old.sendall(b"still here")
    assert exactly(old, 10) == b"still here"
    # Also when the Service of old is gone, and while a port comes and goes beside it.
    beside = free_port()
    site.manifests.remove("default-db.yaml")
    sluice.changed(lambda: ports(site, {port: "elsewhere/other:9000", beside: "elsewhere/other:9000"}))
    assert says(beside, b"two")
    sluice.changed(lambda: ports(site, {port: "elsewhere/other:9000"}))
    wait_for(lambda: refused(beside), "the port is closed")
    old.sendall(b"still")
    old.shutdown(socket.SHUT_WR)
    assert rest(old) == b"still"


def test_a_removed_port_is_closed_and_its_connections_go_on(site):
    sluice, port, _ = one(site, workers=2)
    old = dial(port)
    assert exactly(old, 3) == b"one"
    sluice.changed(lambda: ports(site, {}))
    wait_for(lambda: refused(port), "the port is closed")
    old.sendall(b"on")
    assert exactly(old, 2) == b"on"
    ports(site, {port: "default/db:9000"})
    wait_for(lambda: not refused(port), "it is open again")
    assert says(port, b"one")
    old.close()
    # A ConfigMap that goes closes its ports as well.
    site.manifests.remove("ports.yaml")
    wait_for(lambda: refused(port), "the port is closed")


def test_entries_that_cannot_be_served_take_nothing_else_down(site):
    sluice, port, pod = one(site)
    admin = sluice.admin.rsplit(":", 1)[1]
    http = sluice.http.rsplit(":", 1)[1]
    missing, no_port, empty, wrong, no_ns = free_ports(5)
    backend(site, "empty", [])
    site.app("app.example", site.pod().address)
    sluice.changed(lambda: ports(site, {
        port: "default/db:9000", "seventy": "default/db:9000", "70000": "default/db:9000", admin: "default/db:9000", http: "default/db:9000",
        missing: "default/nobody:9000", no_port: "default/db:9001", empty: "default/empty:9000", wrong: "default/db", no_ns: "db:9000"}))
    wait_for(lambda: sluice.get("/", "app.example").status == 200, "HTTP is served")
    assert says(port, b"one")
    said = {(e["severity"], e["reason"], e["field"], e["value"]) for e in sluice.config()["report"] if e["kind"] == "ConfigMap"}
    assert said == {
        ("error", "InvalidStream", "data[seventy]", "seventy"), ("error", "InvalidStream", "data[70000]", "70000"),
        ("error", "ReservedPort", f"data[{admin}]", admin), ("error", "ReservedPort", f"data[{http}]", http),
        ("warning", "MissingService", f"data[{missing}]", "default/nobody:9000"), ("warning", "NoEndpoints", f"data[{no_port}]", "default/db:9001"),
        ("warning", "NoEndpoints", f"data[{empty}]", "default/empty:9000"), ("error", "InvalidStream", f"data[{wrong}]", "default/db"),
        ("error", "InvalidStream", f"data[{no_ns}]", "db:9000")}
    (entry,) = entries(sluice, missing)
    assert entry["consequence"] == f"connections to port {missing} are closed: Service default/nobody does not exist" and entry["expected"] == "a Service that exists"
    # Ports whose Service has nobody are open, and take connections as soon as it has somebody.
    with dial(missing) as s:
        assert s.recv(10) == b""
    sluice.changed(lambda: backend(site, "nobody", pod.address))
    assert says(missing, b"one") and not entries(sluice, missing)
    assert sluice.metric("sluice_stream_connections_total", outcome="unreachable", port=str(missing)) == 1


def test_a_port_that_somebody_has_is_said_and_tried_again(site):
    pod = echo(site, b"one")
    backend(site, "db", pod.address)
    taken, free = socket.create_server((AT, 0)), free_port()
    port = taken.getsockname()[1]
    ports(site, {port: "default/db:9000", free: "default/db:9000"})
    sluice = site.sluice(*FLAGS)
    assert says(free, b"one")
    (entry,) = entries(sluice, port)
    assert (entry["severity"], entry["reason"], entry["value"]) == ("error", "PortNotOpened", "default/db:9000")
    assert "Address already in use" in entry["consequence"]
    sluice.wait_line(f"data\\[{port}\\].*PortNotOpened|PortNotOpened.*data\\[{port}\\]", stream="err")
    assert sluice.metric("sluice_config_problems", reason="PortNotOpened") == 1
    taken.close()
    wait_for(lambda: not entries(sluice, port), "it is open", 20)
    assert says(port, b"one")
    wait_for(lambda: sluice.metric("sluice_config_problems", reason="PortNotOpened") == 0, "nothing is wrong")


def test_proxy_headers_in_and_out(site):
    seen = []

    def serve(sock, _):
        seen.append(ph.read_header(sock))
        sock.sendall(b"got " + exactly(sock, 5))

    pod = site.scripted(serve)
    backend(site, "db", pod.address)
    backend(site, "v2", pod.address, annotations={"sluice.dev/upstream-proxy-protocol": "v2"})
    plain = echo(site, b"one")
    backend(site, "plain", plain.address)
    out, into, both, as_it_says = free_ports(4)
    ports(site, {out: "default/db:9000::PROXY", into: "default/plain:9000:PROXY", both: "default/db:9000:proxy:PROXY", as_it_says: "default/v2:9000"})
    sluice = site.sluice(*FLAGS, options={"proxy-protocol-header-timeout": "2"})

    def talk(port, header):
        with dial(port) as s:
            s.sendall(header + b"hello")
            assert rest_of(s) == b"got hello"
            return s.getsockname()[1]

    def rest_of(s):
        return exactly(s, 9)

    client = talk(out, b"")
    assert seen.pop() == ("v1", (AT, client, AT, out))
    talk(both, ph.v1("192.0.2.7", 4711, "198.51.100.1", 5432))
    assert seen.pop() == ("v1", ("192.0.2.7", 4711, "198.51.100.1", 5432))
    talk(both, ph.v2("2001:db8::1", 4711, "2001:db8::2", 5432))
    assert seen.pop() == ("v1", ("2001:db8::1", 4711, "2001:db8::2", 5432))
    client = talk(as_it_says, b"")
    assert seen.pop() == ("v2", (AT, client, AT, as_it_says))
    with dial(into) as s:
        s.sendall(ph.v1("192.0.2.9", 1, "198.51.100.1", 2) + b"x")
        assert exactly(s, 4) == b"onex"
    sluice.wait_access(r"\[192\.0\.2\.9\] .* TCP 200 4 1 ")
    # No header, or none in time: nothing reaches the pod, and nobody is answered with HTTP.
    before = plain.connections
    for first in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"", b"PROXY TCP4 192"):
        with dial(into) as s:
            s.sendall(first)
            try:
                assert s.recv(100) == b""
            except ConnectionResetError:
                pass
    assert plain.connections == before


def test_who_refuses_a_connection_is_passed_over(site):
    pod = echo(site, b"one")
    gone = [f"{AT}:{p}" for p in free_ports(2)]
    backend(site, "db", [gone[0], pod.address, gone[1]])
    backend(site, "nobody", gone)
    port, dead = free_ports(2)
    ports(site, {port: "default/db:9000", dead: "default/nobody:9000"})
    sluice = site.sluice(*FLAGS)
    for _ in range(6):
        assert says(port, b"one")
    with dial(dead) as s:
        assert s.recv(1) == b""
    line = sluice.wait_access(r" TCP 502 0 0 ").group(0)
    assert line
    sluice.wait_line(rf"502 tcp port {dead}: .*; Service default/nobody:9000; pod .*, attempt 2", stream="err")
    sluice.changed(lambda: site.manifests.write("options.yaml", config_map({"proxy-stream-next-upstream": "false"})))
    outcomes = []
    for _ in range(6):
        with dial(port) as s:
            outcomes.append(s.recv(3))
    assert set(outcomes) == {b"", b"one"}, "one try each"


def test_who_does_not_answer_is_left_after_the_connect_timeout(site):
    silent, held = never_accepts()
    pod = echo(site, b"one")
    backend(site, "db", [silent, pod.address])
    port = free_port()
    ports(site, {port: "default/db:9000"})
    site.sluice(*FLAGS, options={"proxy-connect-timeout": "1"})
    for _ in range(2):
        assert says(port, b"one")
    for s in held:
        s.close()


def test_who_takes_no_connection_again_and_again_is_left_out(site):
    silent, held = never_accepts()
    pod = echo(site, b"one")
    backend(site, "db", [silent, pod.address])
    port = free_port()
    ports(site, {port: "default/db:9000"})
    sluice = site.sluice(*FLAGS, options={"proxy-connect-timeout": "1", "outlier-consecutive-failures": "2", "outlier-ejection-time": "3600"})
    for _ in range(4):
        assert says(port, b"one")
    sluice.wait_line(rf"pod {silent} of Service default/db:9000: it gets no requests for a while", stream="err")
    assert sluice.metric("sluice_endpoint_ejections_total") == 1
    before = sluice.metric("sluice_upstream_connects_total")
    for _ in range(10):
        assert says(port, b"one")
    assert sluice.metric("sluice_upstream_connects_total") == before + 10, "nobody waits for it"
    for s in held:
        s.close()


def test_a_drain_lets_connections_go_on_until_the_deadline(site):
    sluice, port, _ = one(site, workers=2, options={"worker-shutdown-timeout": "3"})
    lives, ends = dial(port), dial(port)
    assert exactly(lives, 3) == exactly(ends, 3) == b"one"
    sluice.proc.send_signal(signal.SIGTERM)
    wait_for(lambda: refused(port), "new ones are refused")
    ends.sendall(b"last words")
    ends.shutdown(socket.SHUT_WR)
    assert rest(ends) == b"last words"
    lives.sendall(b"x")
    assert exactly(lives, 1) == b"x"
    try:
        assert lives.recv(1) == b""  # at the deadline
    except ConnectionResetError:
        pass
    assert sluice.proc.wait(20) == 0


def test_what_leads_back_to_us_is_refused(site):
    port = free_port()
    backend(site, "loop", f"{AT}:{port}")
    ports(site, {port: "default/loop:9000"})
    sluice = site.sluice(*FLAGS)
    with dial(port) as s:
        assert s.recv(1) == b""
    assert sluice.metric("sluice_upstream_connects_total") == 0
    (entry,) = entries(sluice, port)
    assert entry["reason"] == "NoEndpoints"


def test_limits_of_connections_count(site):
    sluice, port, _ = one(site, options={"max-connections-per-address": "2"})
    with dial(port) as a, dial(port) as b:
        assert exactly(a, 3) == exactly(b, 3) == b"one"
        with dial(port) as c:
            assert c.recv(100) == b"", "closed without a word of HTTP"
    wait_for(lambda: sluice.metric("sluice_stream_active") == 0, "they are over")
    assert says(port, b"one")


def test_they_are_listed(site):
    sluice, port, pod = one(site, value="default/db:9000:PROXY:")
    udp = free_port()
    svc = service("dns", port=53, port_name="dns")
    svc["spec"]["ports"][0]["protocol"] = "UDP"
    site.manifests.write("dns.yaml", svc)
    ports(site, {port: "default/db:9000:PROXY:"}, {udp: "default/dns:53"})
    listed = wait_for(lambda: (s := sluice.config()["streams"]) and len(s) == 2 and s, "both are listed")
    assert listed[0] == {"transport": "tcp", "port": port, "namespace": "default", "service": "db", "servicePort": "9000", "proxyFromClients": True,
                         "proxyToPods": False, "configMap": "ingress-nginx/tcp-services", "endpoints": 1, "usableEndpoints": 1}
    assert listed[1]["transport"] == "udp" and listed[1]["because"] == "Service default/dns has no EndpointSlice"
    run = lambda *a: subprocess.run([SLUICE, *map(str, a)], capture_output=True, text=True, timeout=60).stdout
    said = run("check", site.manifests.root)
    assert ", 2 ports" in said and f"tcp {port} to default/db:9000, PROXY from clients  1 endpoint  [ConfigMap ingress-nginx/tcp-services]" in said
    assert [p["port"] for p in json.loads(run("check", site.manifests.root, "--json"))["ports"]] == [port, udp]
    said = run("explain", site.manifests.root, "tcp", port)
    assert said.startswith(f"tcp {port} to default/db:9000, PROXY from clients\n  by ConfigMap ingress-nginx/tcp-services, data[{port}]") and f"  {pod.address} ready" in said
    assert "nothing listens there" in run("explain", site.manifests.root, "tcp", udp)
    assert "datagrams are dropped: Service default/dns has no EndpointSlice" in run("explain", site.manifests.root, "udp", f":{udp}")
    assert json.loads(run("explain", site.manifests.root, "TCP", port, "--json"))["endpoints"][0]["address"] == pod.address
    assert "expected a port" in run("explain", site.manifests.root, "udp", "https")


def test_other_names_by_flags_and_a_config_map_that_is_not_there(site):
    pod = echo(site, b"one")
    backend(site, "db", pod.address)
    port = free_port()
    site.manifests.write("ports.yaml", config_map({str(port): "default/db:9000"}, "mine", "edge"))
    sluice = site.sluice(*FLAGS, "--tcp-services-configmap", "edge/mine", "--udp-services-configmap", "edge/nothing")
    assert says(port, b"one")
    said = [e for e in sluice.config()["report"] if e["kind"] == "CommandLine"]
    assert [(e["reason"], e["field"], e["value"]) for e in said] == [("MissingConfigMap", "--udp-services-configmap", "edge/nothing")]
    bad = subprocess.run([SLUICE, "serve", "--manifests", site.manifests.root, "--tcp-services-configmap", "mine"], capture_output=True, text=True, timeout=30)
    assert bad.returncode == 2 and "--tcp-services-configmap mine: expected NS/NAME of a ConfigMap" in bad.stderr
    bad = subprocess.run([SLUICE, "serve", "--manifests", site.manifests.root, "--stream-address", "eth0"], capture_output=True, text=True, timeout=30)
    assert bad.returncode == 2 and "--stream-address" in bad.stderr


def test_every_address_takes_them_by_default(site):
    pod = echo(site, b"one")
    backend(site, "db", pod.address)
    port = free_port()
    ports(site, {port: "default/db:9000"})
    site.sluice()
    for address in ("127.0.0.1", "127.0.0.2", "::1"):
        with dial(port, address) as s:
            assert exactly(s, 3) == b"one"


def test_who_waits_to_be_accepted_when_the_port_goes_is_served(site):
    sluice, port, _ = one(site)
    sluice.proc.send_signal(signal.SIGSTOP)
    waiting = [dial(port) for _ in range(20)]  # the kernel has taken them
    ports(site, {})
    sluice.proc.send_signal(signal.SIGCONT)
    for s in waiting:
        assert exactly(s, 3) == b"one"
        s.close()
    wait_for(lambda: refused(port), "the port is closed")


def test_another_process_may_take_over_its_ports(site):
    first, port, _ = one(site, "--share-ports")
    alone = site.sluice(*FLAGS)  # not without that flag
    assert entries(alone, port)[0]["reason"] == "PortNotOpened"
    alone.stop()
    second = site.sluice(*FLAGS, "--share-ports")
    assert not entries(second, port)
    old = []
    while first.metric("sluice_stream_active") == 0:  # the kernel deals them to both
        old.append(dial(port))
        assert exactly(old[-1], 3) == b"one"
    first.proc.send_signal(signal.SIGTERM)
    first.wait_line("draining", stream="err")
    # The kernel resets who comes between the last look at the queue and the close, unless net.ipv4.tcp_migrate_req is 1.
    reset = 0
    for _ in range(20):
        try:
            assert says(port, b"one")
        except ConnectionResetError:
            reset += 1
    assert reset <= 1
    for s in old:
        s.sendall(b"x")
        assert exactly(s, 1) == b"x"
        s.close()
    assert first.proc.wait(20) == 0
    assert says(port, b"one")


@pytest.mark.alone
def test_a_thousand_ports_come_change_and_go_and_nobody_else_notices(site):
    one_pod, two_pod = echo(site, b"one"), echo(site, b"two")
    backend(site, "db", one_pod.address)
    backend(site, "other", two_pod.address)
    steady, *many = free_ports(1001)
    ports(site, {steady: "default/db:9000"})
    sluice = site.sluice(*FLAGS, workers=2)
    cut, done, rounds = [], threading.Event(), [0] * 20

    def lives(i):
        """A connection that must never be cut, used all the time."""
        with dial(steady) as s:
            exactly(s, 3)
            while not done.is_set():
                data = b"%08d" % rounds[i]
                try:
                    s.sendall(data)
                    if exactly(s, 8) != data:
                        cut.append("other bytes")
                except (OSError, AssertionError) as e:
                    cut.append(e)
                    return
                rounds[i] += 1

    def comes_and_goes():
        """Connections that are made all the time: the port that stays takes each of them."""
        while not done.is_set():
            try:
                if not says(steady, b"one"):
                    cut.append("another pod")
            except (OSError, AssertionError) as e:
                cut.append(e)

    threads = [threading.Thread(target=lives, args=(i,)) for i in range(len(rounds))] + [threading.Thread(target=comes_and_goes)]
    for t in threads:
        t.start()
    try:
        stays = {steady: "default/db:9000"}
        sluice.changed(lambda: ports(site, stays | {p: "default/db:9000" for p in many}), 60)
        old = {p: dial(p) for p in many[::10]}
        for s in old.values():
            assert exactly(s, 3) == b"one"
        assert not [e for e in sluice.config()["report"] if e["kind"] == "ConfigMap"]
        sluice.changed(lambda: ports(site, stays | {p: "default/other:9000" for p in many}), 60)
        for p in many[::7]:
            assert says(p, b"two")
        for p, s in old.items():
            s.sendall(b"%05d" % p)
        sluice.changed(lambda: ports(site, stays), 60)
        for p in many[::7]:
            wait_for(lambda p=p: refused(p), f"{p} is closed")
        for p, s in old.items():
            assert exactly(s, 5) == b"%05d" % p
            s.sendall(b"more")
            assert exactly(s, 4) == b"more"
            s.close()
        seen = list(rounds)
        wait_for(lambda: all(now > then for now, then in zip(rounds, seen)), "all of them go on")
    finally:
        done.set()
        for t in threads:
            t.join()
    assert cut == []
