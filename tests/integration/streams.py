"""Ports that lead to Services: ConfigMaps, pods of TCP and UDP, and clients."""
import socket
import struct
import threading

from harness import SLOW, config_map, service, slices

AT = "127.0.0.1"
FLAGS = ("--stream-address", AT)


def backend(site, name, addresses, *, udp=False, ns="default", port=9000, annotations=None):
    svc = service(name, ns=ns, port=port, port_name="raw")
    svc["metadata"]["annotations"] = annotations or {}
    parts = slices(name, [addresses] if isinstance(addresses, str) else addresses, ns=ns, port_name="raw")
    if udp:
        for spec in (svc["spec"], *parts):
            for p in spec["ports"]:
                p["protocol"] = "UDP"
    site.manifests.write(f"{ns}-{name}.yaml", svc, *parts)


def ports(site, tcp=None, udp=None, **names):
    """The ConfigMaps: {port: value}."""
    text = lambda data: {str(k): v for k, v in (data or {}).items()}
    site.manifests.write("ports.yaml", config_map(text(tcp), names.get("tcp_name", "tcp-services")), config_map(text(udp), names.get("udp_name", "udp-services")))


def echo(site, name=b""):
    """A pod that says its name, then what it is told, and ends when its client has."""
    def serve(sock, _):
        sock.sendall(name)
        while piece := sock.recv(65536):
            sock.sendall(piece)
    return site.scripted(serve)


def dial(port, address=AT):
    s = socket.create_connection((address, port), timeout=15 * SLOW)
    return s


def refused(port):
    try:
        dial(port).close()
    except ConnectionRefusedError:
        return True
    return False


def exactly(sock, n):
    data = b""
    while len(data) < n:
        piece = sock.recv(n - len(data))
        assert piece, f"ended after {data!r}"
        data += piece
    return data


def rest(sock):
    data = b""
    while piece := sock.recv(65536):
        data += piece
    return data


def says(port, name):
    with dial(port) as s:
        return exactly(s, len(name)) == name


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def entries(sluice, port, kind="ConfigMap"):
    return [e for e in sluice.config()["report"] if e["kind"] == kind and e["field"] == f"data[{port}]"]


class UdpPod:
    """Answers each datagram with `answers` of its own: its name, a colon and what it got. `answers` 0: with nothing."""

    def __init__(self, name=b"", answers=1):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((AT, 0))
        self.address = f"{AT}:{self.sock.getsockname()[1]}"
        self.name, self.answers, self.got, self.peers = name, answers, [], []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                data, peer = self.sock.recvfrom(65536)
            except OSError:
                return
            if data == b"end":
                return
            self.got.append(data)
            self.peers.append(peer)
            for _ in range(self.answers):
                self.sock.sendto(self.name + b":" + data, peer)

    def stop(self, *_):
        """The kernel answers from here on that nobody is there."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"end", self.sock.getsockname())
        self.sock.close()


def udp_client(port, address=AT):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(10 * SLOW)
    s.connect((address, port))
    return s


def asks(sock, data):
    sock.send(data)
    return sock.recv(65536)
