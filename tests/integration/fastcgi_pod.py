"""FastCGI pods: a strict one whose answers are the test's, and php-fpm."""
import getpass
import json
import os
import tempfile
from pathlib import Path

import harness
from harness import ScriptedPod, need

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR = range(1, 8)


def record(kind, content=b"", padding=0):
    return bytes([1, kind, 0, 1]) + len(content).to_bytes(2, "big") + bytes([padding, 0]) + content + b"p" * padding


def out(content, padding=0):
    return b"".join(record(STDOUT, content[i:i + 65535], padding) for i in range(0, len(content), 65535))


def end(app=0, protocol=0):
    return record(END, app.to_bytes(4, "big") + bytes([protocol, 0, 0, 0]))


class Conn:
    """One request on a connection, read as strictly as the specification allows."""

    def __init__(self, sock, number):
        self.sock, self.number = sock, number
        self.params, self.keep = None, False

    def _exactly(self, n):
        data = b""
        while len(data) < n:
            piece = self.sock.recv(n - len(data))
            if not piece:
                return None
            data += piece
        return data

    def _record(self):
        head = self._exactly(8)
        if head is None:
            return None
        assert head[0] == 1 and head[2:4] == b"\0\1" and head[7] == 0, f"a bad header {head!r}"
        size, padding = int.from_bytes(head[4:6], "big"), head[6]
        body = self._exactly(size + padding)
        return None if body is None else (head[1], body[:size])

    def begin(self):
        """Reads up to the end of the parameters; False: the connection ended instead."""
        r = self._record()
        if r is None:
            return False
        assert r[0] == BEGIN and len(r[1]) == 8 and r[1][:2] == b"\0\1" and r[1][2] in (0, 1), r
        self.keep, data = r[1][2] == 1, b""
        while True:
            r = self._record()
            if r is None:
                return False
            assert r[0] == PARAMS, r
            if not r[1]:
                break
            data += r[1]
        pairs, at = [], 0

        def length():
            nonlocal at
            if data[at] < 128:
                at += 1
                return data[at - 1]
            at += 4
            return int.from_bytes(data[at - 4:at], "big") & 0x7FFFFFFF
        while at < len(data):
            sizes = length(), length()
            assert at + sum(sizes) <= len(data), "half a parameter"
            pairs.append((data[at:at + sizes[0]].decode("latin-1"), data[at + sizes[0]:at + sum(sizes)].decode("latin-1")))
            at += sum(sizes)
        self.params = dict(pairs)
        assert len(self.params) == len(pairs), f"a parameter twice: {[n for n, _ in pairs]}"
        assert all(self.params) and "HTTP_PROXY" not in self.params, self.params
        return True

    def stdin(self):
        """Its pieces, up to the end of the stream."""
        taken = 0
        while True:
            r = self._record()
            if r is None:
                return
            assert r[0] == STDIN, r
            if not r[1]:
                said = self.params.get("CONTENT_LENGTH", "")
                assert taken == int(said or 0), f"{taken} bytes of {said!r}"
                return
            taken += len(r[1])
            yield r[1]

    def body(self):
        return b"".join(self.stdin())

    def send(self, *parts):
        self.sock.sendall(b"".join(parts))

    def reply(self, head, body=b""):
        self.send(out(head.encode("latin-1") + b"\r\n\r\n" + body), record(STDOUT), end())

    def show(self):
        """What came, as JSON."""
        body = self.body()
        self.reply("Content-Type: application/json", json.dumps({"params": self.params, "body": body.decode("latin-1"), "connection": self.number}).encode())


class FastcgiPod(ScriptedPod):
    """app(conn) answers each request; the default shows it. A connection ends behind its request unless it is to be kept."""

    def __init__(self, app=Conn.show):
        self.requests = 0

        def handler(sock, number):
            while True:
                conn = Conn(sock, number)
                if not conn.begin():
                    return
                self.requests += 1
                app(conn)
                if not conn.keep:
                    return
        super().__init__(handler)


class PhpFpm(harness.Process):
    """php-fpm over a folder of scripts: {name: text}."""

    def __init__(self, tmp, scripts, children=2):
        self.dir = Path(tempfile.mkdtemp(dir=tmp))
        self.root = self.dir / "app"
        self.root.mkdir()
        for name, text in scripts.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text)
        self.address = f"127.0.0.1:{harness.free_port()}"
        me = getpass.getuser()
        (self.dir / "fpm.conf").write_text(f"""
[global]
error_log = {self.dir}/fpm.log
daemonize = no
[www]
user = {me}
listen = {self.address}
pm = static
pm.max_children = {children}
catch_workers_output = yes
php_admin_value[post_max_size] = 64M
php_admin_flag[enable_post_data_reading] = 0
php_admin_value[upload_tmp_dir] = {self.dir}
""")
        root = ["-R"] if os.geteuid() == 0 else []
        super().__init__([need("php-fpm8.2"), "-F", "-n", *root, "-y", self.dir / "fpm.conf"])
        harness.wait_port(self.address, self)
