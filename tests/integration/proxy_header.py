"""PROXY headers as bytes, and HAProxy as the load balancer that sends them."""
import ipaddress
import struct

from harness import Process, free_port, need, wait_port

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
ALPN, AUTHORITY, CRC32C, NOOP, UNIQUE_ID, SSL = 1, 2, 3, 4, 5, 0x20
SSL_VERSION, SSL_CN, SSL_CIPHER = 0x21, 0x22, 0x23


def v1(source, source_port, destination, destination_port):
    family = "TCP6" if ":" in source else "TCP4"
    return f"PROXY {family} {source} {destination} {source_port} {destination_port}\r\n".encode()


def tlv(kind, value):
    return struct.pack("!BH", kind, len(value)) + value


def v2(source, source_port, destination, destination_port, tlvs=b"", command=1):
    a, b = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    block = a.packed + b.packed + struct.pack("!HH", source_port, destination_port) + tlvs
    return SIGNATURE + bytes([0x20 | command, 0x11 if a.version == 4 else 0x21]) + struct.pack("!H", len(block)) + block


LOCAL = SIGNATURE + b"\x20\x00\x00\x00"


def read_header(sock):
    """Reads one PROXY header, byte-exact, from a socket: ("v1" | "v2", (source, port, destination, port) or None)."""
    def exactly(n):
        data = b""
        while len(data) < n:
            piece = sock.recv(n - len(data))
            if not piece:
                raise EOFError(f"ended after {data!r}")
            data += piece
        return data
    first = exactly(1)
    if first == b"P":
        line = first
        while not line.endswith(b"\r\n"):
            line += exactly(1)
        word, family, source, destination, sport, dport = line[:-2].decode().split(" ")
        assert word == "PROXY" and family in ("TCP4", "TCP6"), line
        return "v1", (source, int(sport), destination, int(dport))
    fixed = first + exactly(15)
    assert fixed[:12] == SIGNATURE, fixed
    rest = exactly(struct.unpack("!H", fixed[14:])[0])
    if fixed[12] == 0x20:
        return "v2", None
    size = {0x11: 4, 0x21: 16}[fixed[13]]
    sport, dport = struct.unpack("!HH", rest[2 * size:2 * size + 4])
    return "v2", (str(ipaddress.ip_address(rest[:size])), sport, str(ipaddress.ip_address(rest[size:2 * size])), dport)


class HAProxy(Process):
    """HAProxy in TCP mode with one server: `server` are the words behind its address, `bind` those behind the port."""

    def __init__(self, tmp, target, server, bind="", mode="tcp"):
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        config = tmp / f"haproxy-{self.port}.cfg"
        config.write_text(f"""
global
  maxconn 1000
defaults
  mode {mode}
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend in
  bind 127.0.0.1:{self.port} {bind}
  default_backend out
backend out
  server one {target} {server}
""")
        super().__init__([need("haproxy"), "-db", "-f", str(config)])
        wait_port(self.address, self)
