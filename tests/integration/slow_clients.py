"""Clients that hold memory and give nothing for it: slow readers, heads and bodies that do not end, idle connections. Each kind of
KINDS opens one such client and returns its socket; what the proxy spends on a client is measured, not believed."""
import os
import re
import resource
import socket
import ssl
import struct
from pathlib import Path

import h2raw
from harness import SLOW, ready, wait_for

HUGE = "/?size=10000000"
SMALL_WINDOW = 4096  # of the client's socket, so that what is sent stays with the sender


def raise_descriptors():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def plain(address, timeout=30):
    host, port = address.rsplit(":", 1)
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_WINDOW)
    s.settimeout(timeout * SLOW)
    s.connect((host, int(port)))
    return s


def tls(proxy, alpn=("http/1.1",), host="app.example"):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(list(alpn))
    return context.wrap_socket(plain(proxy.https), server_hostname=host)


def get(path, host="app.example", more=""):
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n".encode()


def slow_reader(proxy, host="app.example"):
    s = plain(proxy.http)
    s.sendall(get(HUGE, host))
    return s


def slow_chunked_reader(proxy):
    s = plain(proxy.http)
    s.sendall(get(HUGE + "&chunked=1"))
    return s


COMPRESSED = {"use-gzip": "true", "enable-brotli": "true", "enable-zstd": "true", **{f"{k}-types": "*" for k in ("gzip", "brotli", "zstd")}}


def slow_gzip_reader(proxy, coding="gzip"):
    s = plain(proxy.http)
    s.sendall(get(HUGE, more=f"Accept-Encoding: {coding}\r\n"))
    return s


def slow_brotli_reader(proxy):
    return slow_gzip_reader(proxy, "br")


def slow_zstd_reader(proxy):
    return slow_gzip_reader(proxy, "zstd")


def slow_tls_reader(proxy):
    s = tls(proxy)
    s.sendall(get(HUGE))
    return s


def unfinished_head(proxy):
    s = plain(proxy.http)
    s.sendall(b"GET / HTTP/1.1\r\nHost: app.exa")
    return s


def unfinished_tls_head(proxy):
    s = tls(proxy)
    s.sendall(b"GET / HTTP/1.1\r\nHost: app.exa")
    return s


def idle(proxy):
    s = plain(proxy.http)
    s.sendall(get("/?size=10"))
    assert s.recv(4096)
    return s


def idle_tls(proxy):
    s = tls(proxy)
    s.sendall(get("/?size=10"))
    assert s.recv(4096)
    return s


def half_handshake(proxy):
    """A ClientHello whose answer nobody reads."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        context.wrap_bio(incoming, outgoing, server_hostname="app.example").do_handshake()
    except ssl.SSLWantReadError:
        pass
    s = plain(proxy.https)
    s.sendall(outgoing.read())
    return s


UPLOADED = 100_000


def slow_upload(proxy):
    """A chunked body that is collected for its length and never ends."""
    s = plain(proxy.http)
    s.sendall(b"POST / HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % UPLOADED + b"x" * UPLOADED + b"\r\n")
    return s


def h2(proxy, settings=(), secure=False):
    s = tls(proxy, ("h2",)) if secure else plain(proxy.http)
    s.sendall(h2raw.PREFACE + h2raw.settings(settings))
    return s


def h2_requests(streams, path="/?size=300000", first=1, host="app.example", scheme="http", end=True):
    return b"".join(h2raw.Http2.headers(number, h2raw.block(h2raw.request_fields(path, host, scheme=scheme)), end)
                    for number in range(first, first + 2 * streams, 2))


def h2_shut_windows(proxy, streams=100):
    """Streams whose windows never open."""
    s = h2(proxy, {h2raw.INITIAL_WINDOW_SIZE: 0})
    s.sendall(h2_requests(streams))
    return s


def h2_one_shut_window(proxy):
    return h2_shut_windows(proxy, 1)


def h2_shut_windows_tls(proxy, streams=100):
    s = h2(proxy, {h2raw.INITIAL_WINDOW_SIZE: 0}, secure=True)
    s.sendall(h2_requests(streams, scheme="https"))
    return s


def h2_unread(proxy, streams=100):
    """Windows as large as can be, and a socket that nobody reads."""
    s = h2(proxy, {h2raw.INITIAL_WINDOW_SIZE: (1 << 31) - 1})
    s.sendall(h2raw.window_update(0, (1 << 31) - 1 - 65535))
    s.sendall(h2_requests(streams))
    return s


def h2_idle(proxy):
    return h2(proxy)


def h2_unfinished_head(proxy):
    """HEADERS without END_HEADERS: no CONTINUATION comes."""
    s = h2(proxy)
    payload = h2raw.block(h2raw.request_fields("/", "app.example"))
    s.sendall(h2raw.frame(h2raw.HEADERS, h2raw.END_STREAM, 1, payload))
    return s


def tunnel(proxy):
    """A WebSocket whose pod echoes what its client sends and does not read."""
    s = plain(proxy.http)
    s.sendall(b"GET /ws HTTP/1.1\r\nHost: app.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
              b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
    assert b" 101 " in s.recv(4096)
    s.setblocking(False)
    sent = 0
    while sent < 8_000_000:
        try:
            sent += s.send(b"x" * 65536)
        except BlockingIOError:
            if not ready(s, 0.5 * SLOW, write=True):
                break  # all on the way is full
    return s


KINDS = {f.__name__: f for f in (idle, idle_tls, unfinished_head, unfinished_tls_head, half_handshake, slow_reader, slow_chunked_reader,
                                 slow_gzip_reader, slow_brotli_reader, slow_zstd_reader,
                                 slow_tls_reader, slow_upload, tunnel, h2_idle, h2_unfinished_head, h2_one_shut_window,
                                 h2_shut_windows, h2_shut_windows_tls, h2_unread)}


# Of the proxy, for those that need some.
OPTIONS = dict.fromkeys(("slow_gzip_reader", "slow_brotli_reader", "slow_zstd_reader"), COMPRESSED)

# Of those that a pod answers: how much of the answer shows that it does. Who asks faster than pods answer is another attack.
ANSWERED = {"slow_reader": 12, "slow_chunked_reader": 12, "slow_gzip_reader": 12, "slow_brotli_reader": 12, "slow_zstd_reader": 12, "slow_tls_reader": 1, "h2_one_shut_window": 120, "h2_shut_windows": 120, "h2_unread": 120}


def opened(proxy, kind):
    """One of this kind, once it is what it is. OSError or AssertionError: the proxy has ended it before."""
    s = KINDS[kind](proxy)
    size = ANSWERED.get(kind, 0)
    got = s.recv(1) if isinstance(s, ssl.SSLSocket) and size else s.recv(size, socket.MSG_PEEK | socket.MSG_WAITALL) if size else b""
    if len(got) < min(size, 1):
        s.close()
        raise OSError("closed")
    return s


def anonymous_kb(proxy):
    return int(re.search(r"RssAnon:\s+(\d+)", Path(f"/proc/{proxy.pid}/status").read_text()).group(1))


def settled_kb(proxy, seconds=20):
    """Its anonymous memory once that does not change any more."""
    last = []

    def same():
        last.append(anonymous_kb(proxy))
        del last[:-12]
        return len(last) == 12 and max(last) - min(last) <= 64
    wait_for(same, "memory is at rest", seconds, pause=0.1)
    return last[-1]


def kb_a_client(proxy, kind, clients):
    """What a client of this kind costs, in KB, with the clients still open; they are closed when this returns."""
    warm = [KINDS[kind](proxy) for _ in range(8)]
    for s in warm:
        s.close()
    before = settled_kb(proxy)
    open_ = [KINDS[kind](proxy) for _ in range(clients)]
    try:
        return (settled_kb(proxy) - before) / clients
    finally:
        for s in open_:
            s.close()


if __name__ == "__main__":  # a table, for a look: SLUICE=… slow_clients.py [KIND…]
    import sys
    import tempfile
    from conftest import Site
    from middle import middle
    raise_descriptors()
    for name in sys.argv[1:] or KINDS:
        with tempfile.TemporaryDirectory() as directory:
            site = Site(directory)
            try:
                pod = site.pod("pod", "--forget-ids")
                proxy = middle(site, pod, access_log="off", h2=name.startswith("h2"), options=OPTIONS.get(name))
                count = int(os.environ.get("CLIENTS", 0)) or (20 if name in ("h2_shut_windows", "h2_shut_windows_tls", "h2_unread") else 300)
                print(f"{name:22} {kb_a_client(proxy, name, count):8.1f} KB each of {count}", flush=True)
            finally:
                site.stop()
