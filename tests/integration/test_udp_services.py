"""Ports of UDP that lead to Services (udp-services)."""
import signal
import socket

from harness import config_map, wait_for
from ports import free_port
from streams import AT, FLAGS, UdpPod, asks, backend, dial, echo, entries, exactly, ports, says, udp_client


def one(site, *args, answers=1, value="default/dns:9000", **kw):
    """One port before one pod that answers."""
    pod = site.add(UdpPod(b"one", answers))
    backend(site, "dns", pod.address, udp=True)
    port = free_port()
    ports(site, udp={port: value})
    return site.sluice(*FLAGS, *args, **kw), port, pod


def labels(port):
    return {"transport": "udp", "port": str(port), "namespace": "default", "service": "dns", "service_port": "9000"}


def test_datagrams_are_answered_and_counted(site):
    sluice, port, pod = one(site, workers=2)
    with udp_client(port) as c:
        assert asks(c, b"a") == b"one:a"
        assert asks(c, b"") == b"one:", "an empty datagram is one, too"
        big = b"x" * 60000
        assert asks(c, big) == b"one:" + big
    # Each had its answer, so each was a session of its own.
    wait_for(lambda: sluice.metric("sluice_stream_connections_total", outcome="carried", **labels(port)) == 3, "they are counted")
    assert sluice.metric("sluice_stream_received_bytes_total", **labels(port)) == 60001
    assert sluice.metric("sluice_stream_sent_bytes_total", **labels(port)) == 60001 + 3 * 4
    assert sluice.metric("sluice_stream_active", **labels(port)) == 0
    assert sluice.metric("sluice_stream_dropped_datagrams_total", **labels(port)) == 0
    sluice.wait_access(r"\[127\.0\.0\.1\] \[.*\] UDP 200 5 1 ")
    sluice.stop()


def test_the_same_number_of_tcp_and_udp_are_two_ports(site):
    pod = site.add(UdpPod(b"udp"))
    backend(site, "dns", pod.address, udp=True)
    backend(site, "db", echo(site, b"tcp").address)
    port = free_port()
    ports(site, {port: "default/db:9000"}, {port: "default/dns:9000"})
    site.sluice(*FLAGS)
    assert says(port, b"tcp")
    with udp_client(port) as c:
        assert asks(c, b"x") == b"udp:x"


def test_a_session_stays_with_its_pod_until_it_had_its_answers(site):
    pods = [site.add(UdpPod(name, 2)) for name in (b"one", b"two")]
    backend(site, "dns", [p.address for p in pods], udp=True)
    port = free_port()
    ports(site, udp={port: "default/dns:9000"})
    site.manifests.write("options.yaml", config_map({"proxy-stream-responses": "3"}))
    sluice = site.sluice(*FLAGS)
    with udp_client(port) as c:
        first = asks(c, b"a")  # two of three: the session is open
        assert c.recv(100) == first
        assert asks(c, b"b").replace(b"b", b"a") == first
    wait_for(lambda: sum(len(p.got) for p in pods) == 2, "both have arrived")
    assert sorted(len(p.got) for p in pods) == [0, 2]
    assert len({peer for p in pods for peer in p.peers}) == 1, "one socket"
    assert sluice.metric("sluice_stream_active", **labels(port)) == 1
    # With another number of answers new sessions go to either.
    sluice.changed(lambda: site.manifests.write("options.yaml", config_map({"proxy-stream-responses": "2"})))
    names = set()
    for _ in range(4):
        with udp_client(port) as c:
            names.add(asks(c, b"c"))
            c.recv(100)
    assert names == {b"one:c", b"two:c"}


def test_who_expects_no_answer_keeps_no_session(site):
    sluice, port, pod = one(site, answers=0, options={"proxy-stream-responses": "0"})
    with udp_client(port) as c:
        for i in range(3):
            c.send(b"%d" % i)
    wait_for(lambda: len(pod.got) == 3, "all arrived")
    wait_for(lambda: sluice.metric("sluice_stream_connections_total", outcome="carried", **labels(port)) == 3, "they are over")
    assert sluice.metric("sluice_stream_active", **labels(port)) == 0


def test_quiet_sessions_end(site):
    sluice, port, pod = one(site, answers=0, options={"proxy-stream-timeout": "1"})
    with udp_client(port) as c:
        c.send(b"a")
        wait_for(lambda: sluice.metric("sluice_stream_active", **labels(port)) == 1, "it is open")
        wait_for(lambda: sluice.metric("sluice_stream_active", **labels(port)) == 0, "it is over")
    sluice.wait_access(r" UDP 200 0 1 ")


def test_a_pod_that_is_not_there_is_said_and_the_next_one_asked(site):
    """ICMP tells that nobody listens there: the session ends, and what the client sends again begins another."""
    pod, gone = site.add(UdpPod(b"one")), f"{AT}:{free_port()}"
    backend(site, "dns", [gone, pod.address], udp=True)
    port = free_port()
    ports(site, udp={port: "default/dns:9000"})
    sluice = site.sluice(*FLAGS)
    sent = 0
    for _ in range(2):
        with udp_client(port) as c:
            before = sluice.metric("sluice_stream_connections_total", outcome="unreachable", **labels(port))
            c.send(b"a")
            sent += 1
            if wait_for(lambda: len(pod.got) == sent or sluice.metric("sluice_stream_connections_total", outcome="unreachable", **labels(port)) > before, "it went to one of both") \
                    and len(pod.got) < sent:
                c.send(b"a")  # as a resolver does
            assert c.recv(100) == b"one:a"
            sent = len(pod.got)
    assert sluice.metric("sluice_stream_connections_total", outcome="unreachable", **labels(port)) >= 1
    sluice.wait_line(rf"502 udp port {port}: the pod takes no datagrams there; Service default/dns:9000; pod {gone}", stream="err")


def test_ports_come_change_and_go(site):
    sluice, port, pod = one(site, workers=2)
    other = site.add(UdpPod(b"two"))
    backend(site, "other", other.address, udp=True)
    sluice.changed(lambda: ports(site, udp={port: "default/other:9000"}))
    with udp_client(port) as c:
        assert asks(c, b"a") == b"two:a"
    beside = free_port()
    sluice.changed(lambda: ports(site, udp={port: "default/other:9000", beside: "default/dns:raw"}))
    with udp_client(beside) as c:
        assert asks(c, b"b") == b"one:b"
    sluice.changed(lambda: ports(site, udp={port: "default/other:9000"}))

    def closed():
        with udp_client(beside) as c:
            try:
                c.send(b"c")
                c.settimeout(0.2)
                c.recv(10)
            except ConnectionRefusedError:
                return True
            except TimeoutError:
                pass
        return False
    wait_for(closed, "the port is closed")
    with udp_client(port) as c:
        assert asks(c, b"d") == b"two:d"


def test_a_client_that_goes_on_sending_leaves_a_pod_that_is_gone(site):
    """As those do that send logs: their session never ends by itself."""
    sluice, port, pod = one(site, answers=0)
    other = site.add(UdpPod(b"two", 0))
    with udp_client(port) as c:
        for i in range(3):
            c.send(b"%d" % i)
        wait_for(lambda: len(pod.got) == 3, "they have arrived")
        sluice.changed(lambda: backend(site, "dns", [pod.address, other.address], udp=True))
        c.send(b"stays")
        wait_for(lambda: pod.got[-1] == b"stays", "it has arrived")
        sluice.changed(lambda: backend(site, "dns", [other.address], udp=True))
        c.send(b"moves")
        wait_for(lambda: other.got == [b"moves"], "it has arrived")
    assert len(pod.got) == 4 and len({*pod.peers}) == 1


def test_a_client_that_goes_on_sending_goes_where_the_port_leads_now(site):
    sluice, port, pod = one(site, answers=0)
    other = site.add(UdpPod(b"two", 0))
    backend(site, "other", other.address, udp=True)
    with udp_client(port) as c:
        c.send(b"a")
        wait_for(lambda: pod.got, "it has arrived")
        # The Service of before has a port still, so that its pods go on to be known.
        sluice.changed(lambda: ports(site, udp={port: "default/other:9000", free_port(): "default/dns:9000"}))
        c.send(b"b")
        wait_for(lambda: other.got == [b"b"], "it has arrived")
    assert pod.got == [b"a"]


def test_nobody_elses_datagrams_are_answers(site):
    sluice, port, pod = one(site, answers=0)
    with udp_client(port) as c, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        c.send(b"a")
        wait_for(lambda: pod.peers, "the pod has it")
        stranger.sendto(b"forged", pod.peers[0])
        pod.sock.sendto(b"true", pod.peers[0])
        assert c.recv(100) == b"true"


def test_answers_leave_from_where_the_client_asked(site):
    pod = site.add(UdpPod(b"one"))
    backend(site, "dns", pod.address, udp=True)
    port = free_port()
    ports(site, udp={port: "default/dns:9000"})
    site.sluice()  # on every address
    for address in ("127.0.0.1", "127.0.0.2", "::1"):
        with udp_client(port, address) as c:  # a connected socket takes nothing from elsewhere
            assert asks(c, b"a") == b"one:a"


def test_sessions_have_a_limit_and_the_quietest_goes(site):
    """A quarter of the places of connections: whoever forges addresses takes none of the others'."""
    sluice, port, pod = one(site, answers=0, options={"max-connections": "100"})
    clients = [udp_client(port) for _ in range(40)]
    try:
        for i, c in enumerate(clients):
            c.send(b"%d" % i)
            wait_for(lambda: len(pod.got) == i + 1, "it has arrived")
        assert sluice.metric("sluice_stream_active", **labels(port)) == 25
        # The first ones are forgotten: what their pod says reaches nobody. The last one is not.
        pod.sock.sendto(b"late", pod.peers[0])
        pod.sock.sendto(b"on time", pod.peers[-1])
        assert clients[-1].recv(100) == b"on time"
        clients[0].setblocking(False)
        try:
            assert not clients[0].recv(100)
        except BlockingIOError:
            pass
        site.app("app.example", site.pod().address)
        wait_for(lambda: sluice.get("/", "app.example").status == 200, "HTTP has its places")
    finally:
        for c in clients:
            c.close()


def test_limits_of_an_address_count(site):
    sluice, port, pod = one(site, answers=0, options={"max-connections-per-address": "2"})
    with udp_client(port) as a, udp_client(port) as b, udp_client(port) as c:
        for i, s in enumerate((a, b)):
            s.send(b"x")
            wait_for(lambda: len(pod.got) == i + 1, "it has arrived")
        c.send(b"y")
        wait_for(lambda: sluice.metric("sluice_stream_dropped_datagrams_total", **labels(port)) == 1, "the third is dropped")
        assert pod.got == [b"x", b"x"]


def test_nobody_behind_it_is_said(site):
    port = free_port()
    ports(site, udp={port: "default/nobody:53"})
    sluice = site.sluice(*FLAGS)
    (entry,) = entries(sluice, port)
    assert (entry["severity"], entry["reason"], entry["consequence"]) == ("warning", "MissingService", f"datagrams to port {port} are dropped: Service default/nobody does not exist")
    with udp_client(port) as c:
        c.send(b"a")
        wait_for(lambda: sluice.metric("sluice_stream_dropped_datagrams_total", port=str(port)) == 1, "it is counted")
    # A port of TCP is none of UDP.
    backend(site, "nobody", "127.0.0.1:1", port=53)
    wait_for(lambda: entries(sluice, port)[0]["reason"] == "NoEndpoints", "there is a Service, without such a port")


def test_a_port_that_somebody_has_is_tried_again(site):
    pod = site.add(UdpPod(b"one"))
    backend(site, "dns", pod.address, udp=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((AT, 0))
        port = taken.getsockname()[1]
        ports(site, udp={port: "default/dns:9000"})
        sluice = site.sluice(*FLAGS)
        (entry,) = entries(sluice, port)
        assert entry["reason"] == "PortNotOpened" and "Address already in use" in entry["consequence"]
    wait_for(lambda: not entries(sluice, port), "it is open", 20)
    with udp_client(port) as c:
        assert asks(c, b"a") == b"one:a"


def test_what_leads_back_to_us_is_refused(site):
    port, tcp = free_port(), free_port()
    backend(site, "loop", f"{AT}:{port}", udp=True)
    ports(site, {tcp: "default/dns:9000"}, {port: "default/loop:9000"})
    sluice = site.sluice(*FLAGS)
    (entry,) = entries(sluice, port)
    assert entry["reason"] == "NoEndpoints" and "where this process listens itself" in entry["consequence"]
    # A pod of UDP may have the number of a port of TCP of ours.
    pod = site.add(UdpPod(b"one"))
    sluice.changed(lambda: backend(site, "dns", pod.address, udp=True))
    number = pod.address.rsplit(":", 1)[1]
    sluice.changed(lambda: ports(site, {number: "default/dns:9000"}, {port: "default/dns:9000"}))
    wait_for(lambda: not entries(sluice, port), "it leads somewhere")
    with udp_client(port) as c:
        assert asks(c, b"a") == b"one:a"


def is_free(port):
    """Nobody else has it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.bind((AT, port))
        except OSError:
            return False
    return True


def test_a_drain_lets_go_of_ports_at_once(site):
    """A connection that goes on, here of TCP, keeps no port of UDP: the next process has it, or the datagrams would be nobody's."""
    pod = site.add(UdpPod(b"one"))
    backend(site, "dns", pod.address, udp=True)
    backend(site, "db", echo(site, b"tcp").address)
    port, tcp = free_port(), free_port()
    ports(site, {tcp: "default/db:9000"}, {port: "default/dns:9000"})
    sluice = site.sluice(*FLAGS, "--share-ports", workers=4, options={"worker-shutdown-timeout": "30"})
    with dial(tcp) as goes_on, udp_client(port) as c:
        assert exactly(goes_on, 3) == b"tcp"
        assert asks(c, b"a") == b"one:a"
        sluice.proc.send_signal(signal.SIGTERM)
        wait_for(lambda: is_free(port), "the port is let go of")
        goes_on.send(b"b")
        assert exactly(goes_on, 1) == b"b"
        second = site.sluice(*FLAGS, "--share-ports")
        assert not entries(second, port)
        for i in range(20):
            with udp_client(port) as fresh:
                assert asks(fresh, b"%d" % i) == b"one:%d" % i
    assert sluice.proc.wait(20) == 0


def test_a_drain_answers_whose_session_is_open(site):
    sluice, port, pod = one(site, answers=0, options={"worker-shutdown-timeout": "20"})
    with udp_client(port) as old:
        old.send(b"a")
        wait_for(lambda: pod.peers, "the pod has it")
        sluice.proc.send_signal(signal.SIGTERM)
        sluice.wait_line("draining", stream="err")
        pod.sock.sendto(b"an answer", pod.peers[0])
        assert old.recv(100) == b"an answer"
    assert sluice.proc.wait(20) == 0
