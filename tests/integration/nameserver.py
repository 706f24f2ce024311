"""A name server whose answers a test chooses and changes, and a Sluice that asks it."""
import shutil
import socket
import struct
import subprocess
import threading

import pytest

A, CNAME, AAAA = 1, 5, 28
SERVFAIL = 2
DATAGRAM = 512  # what is longer is asked for once more by TCP


class NameServer:
    """names: {name: [address or name it is another name of]}; every answer may be asked for again after a second."""

    def __init__(self, **names):
        self.names = {k.replace("_", "."): v for k, v in names.items()}
        self.asked = []
        self.away = None  # "silent": nothing is answered; "failing": that it cannot tell now
        self.sock, self.listener = self._bound()
        self.port = self.sock.getsockname()[1]
        for serve in (self._datagrams, self._connections):
            threading.Thread(target=serve, daemon=True).start()

    @staticmethod
    def _bound():
        """One port, for both."""
        while True:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.bind(("127.0.0.1", 0))
            try:
                return sock, socket.create_server(sock.getsockname())
            except OSError:  # somebody has it for TCP
                sock.close()

    def _datagrams(self):
        while True:
            try:
                query, peer = self.sock.recvfrom(4096)
                answer = self._answer(query, DATAGRAM)
                if self.away != "silent":
                    self.sock.sendto(answer, peer)
            except OSError:
                return

    def _connections(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connection, args=(client,), daemon=True).start()

    def _connection(self, client):
        with client, client.makefile("rwb") as stream:
            while len(size := stream.read(2)) == 2:
                answer = self._answer(stream.read(struct.unpack(">H", size)[0]), 65535)
                stream.write(struct.pack(">H", len(answer)) + answer)
                stream.flush()

    def _answer(self, query, most):
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        kind = struct.unpack(">H", query[at + 1:at + 3])[0]
        name = ".".join(labels).lower()
        self.asked.append(name)
        records, seen = [], set()
        known = name in self.names
        while name in self.names and name not in seen:
            seen.add(name)
            owner, name = name, None
            for value in self.names[owner]:
                family = socket.AF_INET6 if ":" in value else socket.AF_INET
                try:
                    data, of = socket.inet_pton(family, value), AAAA if ":" in value else A
                except OSError:
                    data, of, name = self._wire(value), CNAME, value
                if of in (kind, CNAME):
                    records.append(self._wire(owner) + struct.pack(">HHIH", of, 1, 1, len(data)) + data)
        if self.away:
            return query[:2] + struct.pack(">HHHHH", 0x8180 | SERVFAIL, 1, 0, 0, 0) + query[12:at + 5]
        flags = 0x8180 if known else 0x8183
        if at + 5 + sum(map(len, records)) > most:
            flags, records = flags | 0x200, []
        return query[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0) + query[12:at + 5] + b"".join(records)

    @staticmethod
    def _wire(name):
        return b"".join(bytes([len(x)]) + x.encode() for x in name.split(".")) + b"\0"

    def stop(self, *_):
        self.sock.close()
        self.listener.close()


def asking(site, server):
    """What a Sluice is wrapped in so that it asks this server and no file of hosts: a mount namespace of its own."""
    if not shutil.which("unshare") or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("no mount namespace can be made here: this test did NOT run")
    site.add(server)
    path = site.tmp / "resolv.conf"
    path.write_text(f"nameserver 127.0.0.1:{server.port}\n")
    return ("unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', str(path))
