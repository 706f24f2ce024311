"""The shipped binary, pods and clients for tests. Nothing here sleeps for a fixed time: every wait names its condition."""
import base64
import functools
import http.client
import json
import os
import re
import select
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import yaml

from ports import free_port

ROOT = Path(__file__).resolve().parents[2]


def build_path(name, default):
    return os.environ.get(name) or str(ROOT / default)


SLUICE = build_path("SLUICE", "build/release/sluice")
SLUICE_ECHO = build_path("SLUICE_ECHO", "build/release/sluice-echo")
TOOLS = build_path("TOOLS", "build/release/tests/support")
SLOW = float(os.environ.get("SLOW", "1"))  # multiplies waits, for sanitizers
SANITIZED = any(name in SLUICE for name in ("asan", "tsan"))  # for what takes more memory, or more work, under one


def wait_for(condition, what, seconds=10.0, pause=0.01):
    """Polls until condition() is true and returns its value."""
    end = time.monotonic() + seconds * SLOW
    error = None
    while True:
        try:
            value = condition()
            if value:
                return value
            error = None
        except (OSError, http.client.HTTPException, ValueError, KeyError) as e:
            error = e
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds * SLOW:.0f} s: {what}" + (f" ({error!r})" if error else ""))
        time.sleep(pause)


class Process:
    """A child whose standard output and error are collected by threads."""

    def __init__(self, argv, env=None, **kwargs):
        self.argv = [str(a) for a in argv]
        self.out, self.err = [], []
        self.cond = threading.Condition()
        self.proc = subprocess.Popen(self.argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                     env={**os.environ, **(env or {})}, **kwargs)
        self.threads = [threading.Thread(target=self._read, args=(self.proc.stdout, self.out), daemon=True),
                        threading.Thread(target=self._read, args=(self.proc.stderr, self.err), daemon=True)]
        for t in self.threads:
            t.start()

    def _read(self, pipe, into):
        for line in pipe:
            with self.cond:
                into.append(line.decode("utf-8", "replace").rstrip("\n"))
                self.cond.notify_all()
        with self.cond:
            self.cond.notify_all()

    @property
    def pid(self):
        return self.proc.pid

    def wait_line(self, pattern, seconds=10.0, stream="out", start=0):
        """The first line, from index start, that matches; as a match object."""
        rx = re.compile(pattern)
        end = time.monotonic() + seconds * SLOW
        with self.cond:
            at = start
            lines = getattr(self, stream)
            while True:
                while at < len(lines):
                    m = rx.search(lines[at])
                    if m:
                        return m
                    at += 1
                left = end - time.monotonic()
                if left <= 0 or (self.proc.poll() is not None and not any(t.is_alive() for t in self.threads)):
                    raise AssertionError(f"{os.path.basename(self.argv[0])}: no line {pattern!r}; exit={self.proc.poll()}\n"
                                         f"stdout: {self.out[-20:]}\nstderr: {self.err[-30:]}")
                self.cond.wait(min(left, 0.2))

    def stop(self, sig=signal.SIGTERM, seconds=10.0):
        if self.proc.poll() is None:
            self.proc.send_signal(sig)
            try:
                self.proc.wait(seconds * SLOW)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
        for t in self.threads:
            t.join(2)
        return self.proc.returncode

    def rss_kb(self, peak=False):
        text = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(rf"{'VmHWM' if peak else 'VmRSS'}:\s+(\d+)", text).group(1))

    def expect_growth_below(self, kb, before, what, peak=False):
        """Of resident memory since `before`. A sanitizer keeps what was freed, 256 MB of it: nothing can be said under one."""
        grown = self.rss_kb(peak) - before
        assert SANITIZED or grown < kb, f"{what}: {grown} kB, not below {kb} kB"

    def fds(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cpu_seconds(self):
        """Of all its threads, to the nanosecond: what else the machine does is not in it."""
        return sum(int((t / "schedstat").read_text().split()[0]) for t in Path(f"/proc/{self.pid}/task").iterdir()) / 1e9


def http_get(address, path, method="GET", body=None, headers=None, timeout=10, host=None):
    c = http.client.HTTPConnection(address, timeout=timeout)
    try:
        h = dict(headers or {})
        if host:
            h["Host"] = host
        c.request(method, path, body=body, headers=h)
        r = c.getresponse()
        data = r.read()
        return Answer(r.status, r.getheaders(), data)
    finally:
        c.close()


class Answer:
    def __init__(self, status, headers, body, trailers=(), interim=(), version="HTTP/1.1", reason=""):
        self.status, self.headers, self.body = status, list(headers), body
        self.trailers, self.interim, self.version, self.reason = list(trailers), list(interim), version, reason

    def get(self, name, default=None):
        for n, v in self.headers:
            if n.lower() == name.lower():
                return v
        return default

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:200]!r}>"


def connect(address, timeout, rcvbuf=None):
    """A socket whose every read and write may take `timeout` seconds."""
    host, port = address.rsplit(":", 1)
    host = host.strip("[]")
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    if rcvbuf:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    sock.settimeout(timeout * SLOW)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.connect((host, int(port)))
    return sock


class Raw:
    """One connection over which bytes are sent as they are and answers are read strictly."""

    def __init__(self, address, timeout=10.0, tls=None, sni=None, rcvbuf=None, session=None):
        self.sock = connect(address, timeout, rcvbuf)
        if tls:
            self.sock = tls.wrap_socket(self.sock, server_hostname=sni, session=session)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def send(self, data):
        if isinstance(data, str):
            data = data.encode("latin-1")
        self.sock.sendall(data)
        return self

    def try_send(self, data):
        try:
            self.send(data)
            return True
        except OSError:
            return False

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)
        return self

    def fill(self):
        data = self.sock.recv(65536)
        self.buffer += data
        return len(data)

    def read_exactly(self, n):
        while len(self.buffer) < n:
            if not self.fill():
                raise EOFError(f"connection ended after {len(self.buffer)} of {n} bytes: {self.buffer[:200]!r}")
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def read_until(self, mark):
        while mark not in self.buffer:
            if not self.fill():
                raise EOFError(f"connection ended before {mark!r}: {self.buffer[:300]!r}")
        at = self.buffer.index(mark) + len(mark)
        data, self.buffer = self.buffer[:at], self.buffer[at:]
        return data

    def read_all(self):
        """Everything until the connection ends; a reset counts as the end."""
        try:
            while self.fill():
                pass
        except ConnectionError:
            pass
        data, self.buffer = self.buffer, b""
        return data

    def closed(self):
        """Waits for the end of the connection; True when nothing but the end came."""
        try:
            return self.buffer == b"" and self.fill() == 0
        except ConnectionError:
            return True

    def read_head(self):
        head = self.read_until(b"\r\n\r\n")[:-4].decode("latin-1").split("\r\n")
        version, status, *reason = head[0].split(" ", 2)
        assert re.fullmatch(r"HTTP/1\.[01]", version), head[0]
        headers = []
        for line in head[1:]:
            m = re.fullmatch(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*", line)
            assert m, f"bad field line {line!r}"
            headers.append((m.group(1), m.group(2)))
        return version, int(status), reason[0] if reason else "", headers

    def answer(self, method="GET"):
        """Reads one final response strictly, with the interim ones before it."""
        interim = []
        while True:
            version, status, reason, headers = self.read_head()
            if status >= 200 or status == 101:
                break
            interim.append(Answer(status, headers, b""))
        a = Answer(status, headers, b"", interim=interim, version=version, reason=reason)
        lengths, codings = a.all("content-length"), a.all("transfer-encoding")
        assert len(lengths) <= 1 and len(codings) <= 1 and not (lengths and codings), headers
        if method == "HEAD" or status in (204, 304) or status < 200:
            return a
        if codings:
            assert codings[0].lower() == "chunked", codings
            while True:
                size = int(self.read_until(b"\r\n")[:-2].split(b";")[0], 16)
                if size == 0:
                    break
                a.body += self.read_exactly(size)
                assert self.read_exactly(2) == b"\r\n"
            while True:
                line = self.read_until(b"\r\n")[:-2].decode("latin-1")
                if not line:
                    break
                n, v = line.split(":", 1)
                a.trailers.append((n, v.strip()))
        elif lengths:
            a.body = self.read_exactly(int(lengths[0]))
        else:
            a.body = self.read_all()
        return a

    def get(self, path, host, method="GET", headers=(), body=None):
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *headers]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b""))
        return self.answer(method)


# ---- objects -------------------------------------------------------------------------------------------------------

def ingress(name, rules=None, *, ns="default", tls=None, annotations=None, cls="nginx", default_backend=None, created=None):
    """rules: {host: [(path, pathType, service, port)]} or {host: service} (port 80, Prefix /)."""
    spec = {}
    if cls:
        spec["ingressClassName"] = cls
    if default_backend:
        spec["defaultBackend"] = {"service": {"name": default_backend, "port": {"number": 80}}}
    out = []
    for host, paths in (rules or {}).items():
        if isinstance(paths, str):
            paths = [("/", "Prefix", paths, 80)]
        rule = {"http": {"paths": [{"path": p, "pathType": t, "backend": {"service": {
            "name": s, "port": {"name": port} if isinstance(port, str) else {"number": port}}}} for p, t, s, port in paths]}}
        if host:
            rule["host"] = host
        out.append(rule)
    if out:
        spec["rules"] = out
    if tls:
        spec["tls"] = [{"hosts": h, "secretName": s} if s else {"hosts": h} for h, s in tls]
    meta = {"name": name, "namespace": ns}
    if annotations:
        meta["annotations"] = {(k if "/" in k else "nginx.ingress.kubernetes.io/" + k): v for k, v in annotations.items()}
    if created:
        meta["creationTimestamp"] = created
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta, "spec": spec}


def service(name, *, ns="default", port=80, target=None, port_name="http", external=None, headless=False):
    spec = {"ports": [{"name": port_name, "port": port, "targetPort": target or port, "protocol": "TCP"}]}
    if external:
        spec.update(type="ExternalName", externalName=external)
    elif headless:
        spec["clusterIP"] = "None"
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": ns}, "spec": spec}


def endpoint_slice(svc, addresses, *, ns="default", name=None, port_name="http", ready=True, terminating=False, address_type=None):
    """addresses: ["127.0.0.1:1234"], all with the same port; one slice a port."""
    ports = sorted({a.rsplit(":", 1)[1] for a in addresses})
    assert len(ports) <= 1, "one port a slice"
    hosts = [a.rsplit(":", 1)[0].strip("[]") for a in addresses]
    kind = address_type or ("IPv6" if hosts and ":" in hosts[0] else "IPv4")
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": name or f"{svc}-1", "namespace": ns, "labels": {"kubernetes.io/service-name": svc}},
            "addressType": kind, "ports": [{"name": port_name, "port": int(ports[0]) if ports else 80, "protocol": "TCP"}],
            "endpoints": [{"addresses": [h], "conditions": {"ready": ready and not terminating, "serving": ready,
                                                            "terminating": terminating}} for h in hosts]}


def slices(svc, addresses, *, ns="default", **kw):
    """A slice for each port among the addresses."""
    by_port = {}
    for a in addresses:
        by_port.setdefault(a.rsplit(":", 1)[1], []).append(a)
    if not by_port:
        return [endpoint_slice(svc, [], ns=ns, **kw)]
    return [endpoint_slice(svc, a, ns=ns, name=f"{svc}-{i}", **kw) for i, (_, a) in enumerate(sorted(by_port.items()))]


def tls_secret(name, cert, key, ns="default"):
    b = lambda s: base64.b64encode(s if isinstance(s, bytes) else s.encode()).decode()
    return {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"name": name, "namespace": ns},
            "data": {"tls.crt": b(cert), "tls.key": b(key)}}


def config_map(data, name="ingress-nginx-controller", ns="ingress-nginx"):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": ns}, "data": data}


INGRESS_CLASS = {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "nginx"},
                 "spec": {"controller": "k8s.io/ingress-nginx"}}


class Manifests:
    def __init__(self, root):
        self.root = Path(root)
        self.root.mkdir(parents=True, exist_ok=True)
        self.write("class.yaml", INGRESS_CLASS)

    def write(self, name, *objects):
        """Replaces a file in one step, as kubectl's and editors' renames do."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".json"):
            text = json.dumps(objects[0] if len(objects) == 1 else {"apiVersion": "v1", "kind": "List", "items": list(objects)})
        else:
            text = "---\n".join(yaml.safe_dump(o, sort_keys=False) for o in objects)
        temporary = path.with_name("." + path.name + ".tmp")
        temporary.write_text(text)
        os.replace(temporary, path)
        return path

    def text(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name("." + path.name + ".tmp")
        temporary.write_bytes(text if isinstance(text, bytes) else text.encode())
        os.replace(temporary, path)
        return path

    def remove(self, name):
        (self.root / name).unlink()

    def app(self, host, addresses, *, name=None, annotations=None, tls=None, paths=None, ns="default", file=None, svc_port=80):
        """An Ingress, its Service and its slices in one file."""
        name = name or host.replace("*", "any").split(".")[0]
        addresses = [addresses] if isinstance(addresses, str) else list(addresses)
        rules = {host: [(p, t, name, svc_port) for p, t in (paths or [("/", "Prefix")])]}
        return self.write(file or f"{name}.yaml", ingress(name, rules, ns=ns, annotations=annotations, tls=tls),
                          service(name, ns=ns, port=svc_port), *slices(name, addresses, ns=ns))


# ---- pods ----------------------------------------------------------------------------------------------------------

class StrictPod(Process):
    def __init__(self, name="pod", listeners=1, *args):
        super().__init__([f"{TOOLS}/strict-pod", "--name", name, *sum([["--listen", "127.0.0.1:0"]] * listeners, []), *args])
        self.control = self.wait_line(r"^listening control (\S+)").group(1)
        self.addresses = [re.match(r"listening pod (\S+)", x).group(1) for x in self.out if x.startswith("listening pod")]
        self.address = self.addresses[0]

    def stats(self):
        return http_get(self.control, "/stats").json()

    def reset(self):
        http_get(self.control, "/reset", "POST")

    def last(self):
        """Heads of the last requests, as text."""
        return [bytes.fromhex(h).decode("latin-1") for h in http_get(self.control, "/last").json()]

    def last_headers(self):
        lines = self.last()[-1].split("\r\n")
        return lines[0], [tuple(x.split(": ", 1)) if ": " in x else (x.rstrip(":"), "") for x in lines[1:] if x]

    def ids(self):
        text = http_get(self.control, "/ids", timeout=60).body.decode("latin-1")
        return {k: int(v) for k, v in (line.rsplit(" ", 1) for line in text.splitlines())}


class Echo(Process):
    def __init__(self, *args):
        super().__init__([SLUICE_ECHO, "--listen", "127.0.0.1:0", *args])
        self.address = self.wait_line(r"listening http(?:://| )(\S+)").group(1)


class NginxPod(Process):
    """nginx with the given server block; tls: (certificate, key)."""

    def __init__(self, tmp, server, http_extra="", port=None, tls=None):
        self.dir = Path(tempfile.mkdtemp(dir=tmp))
        if tls:
            for name, text in zip(("cert.pem", "key.pem"), tls):
                (self.dir / name).write_text(text)
            http_extra += f"ssl_certificate {self.dir}/cert.pem; ssl_certificate_key {self.dir}/key.pem;"
        self.port = port or free_port()
        self.address = f"127.0.0.1:{self.port}"
        (self.dir / "html").mkdir()
        conf = self.dir / "nginx.conf"
        conf.write_text(f"""
daemon off; master_process off; pid {self.dir}/pid; error_log stderr error;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {self.dir}/b; proxy_temp_path {self.dir}/p; fastcgi_temp_path {self.dir}/f;
  uwsgi_temp_path {self.dir}/u; scgi_temp_path {self.dir}/s; client_max_body_size 0;
  {http_extra}
  server {{ listen 127.0.0.1:{self.port}{" ssl" if tls else ""}; root {self.dir}/html; {server} }}
}}""")
        super().__init__(["nginx", "-c", str(conf), "-p", str(self.dir)])
        wait_port(self.address, self)


def wait_port(address, process=None, seconds=10):
    host, port = address.rsplit(":", 1)

    def up():
        if process is not None and process.proc.poll() is not None:
            raise AssertionError(f"{process.argv}: exit {process.proc.returncode} {process.err[-10:]}")
        with socket.create_connection((host, int(port)), 1):
            return True
    wait_for(up, f"{address} accepts", seconds)


def ready(sock, seconds, write=False):
    """Whether it can be read, or written, within that time; whatever number it has, which select() does not take above 1,023."""
    poll = select.poll()
    poll.register(sock, select.POLLOUT if write else select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def never_accepts():
    """Sockets that keep an address from taking any connection: its backlog is full."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    waiting = []
    while not waiting or ready(waiting[-1], 0.2, write=True):
        waiting.append(socket.socket())
        waiting[-1].setblocking(False)
        waiting[-1].connect_ex(listener.getsockname())
    return "127.0.0.1:%d" % listener.getsockname()[1], [listener, *waiting]


class ScriptedPod:
    """A pod whose connections are handled by a Python function: handler(sock, connection_number)."""

    def __init__(self, handler):
        self.handler = handler
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.connections = 0
        self.errors = []
        self.alive = True
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while self.alive:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.settimeout(30 * SLOW)
            self.connections += 1
            threading.Thread(target=self._one, args=(sock, self.connections), daemon=True).start()

    def _one(self, sock, number):
        try:
            self.handler(sock, number)
        except OSError:
            pass
        except Exception as e:  # shown by stop()
            self.errors.append(e)
        finally:
            sock.close()

    def stop(self, *_):
        self.alive = False
        self.listener.close()
        assert not self.errors, self.errors


def read_request(sock):
    """One request of a test's own client side: head text and body. None when the connection ended."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        if not piece:
            return None
        data += piece
    head, body = data.split(b"\r\n\r\n", 1)
    text = head.decode("latin-1")
    m = re.search(r"(?im)^content-length:\s*(\d+)", text)
    if m:
        while len(body) < int(m.group(1)):
            piece = sock.recv(65536)
            if not piece:
                return None
            body += piece
    elif re.search(r"(?im)^transfer-encoding:\s*chunked", text):
        while not re.search(rb"(?:^|\r\n)0\r\n(?:[^\r\n]+\r\n)*\r\n$", body):
            piece = sock.recv(65536)
            if not piece:
                return None
            body += piece
    return text, body


# ---- the proxy -----------------------------------------------------------------------------------------------------

class Sluice(Process):
    def __init__(self, manifests, *args, workers=1, options=None, wait=True, wrap=(), env=None, access_log="-", endpoints=(), admin="127.0.0.1:0",
                 listen=None):
        """listen: {"http" | "https" | "admin": address} where it is not to be a port of the kernel's choice on loopback."""
        self.manifests = manifests
        at = {"http": "127.0.0.1:0", "https": "127.0.0.1:0", "admin": admin, **(listen or {})}
        argv = [*wrap, SLUICE, "serve", "--manifests", manifests.root, *sum([[f"--{k}", v] for k, v in at.items()], []),
                "--workers", workers, "--access-log", access_log]
        for key, value in (options or {}).items():
            argv += ["--set", f"{key}={value}"]
        for e in endpoints:
            argv += ["--endpoint", e]
        super().__init__(argv + list(args), env=env)
        if wait:
            try:
                self.wait_ready()
            except BaseException:
                self.proc.kill()
                raise

    def wait_ready(self):
        self.http = self.wait_line(r"^listening http (\S+)", 30).group(1)
        self.https = self.wait_line(r"^listening https (\S+)").group(1)
        self.admin = self.wait_line(r"^listening admin (\S+)").group(1)
        self.wait_line(r"^ready$", 30)
        wait_for(lambda: self.admin_get("/readyz").status == 200, "/readyz is 200")

    def admin_get(self, path):
        return http_get(self.admin, path, timeout=30)

    def config(self):
        return self.admin_get("/config").json()

    def version(self):
        """The version of the Snapshot that every worker serves and all metrics are of."""
        return min(int(v) for (n, _), v in self.metrics().items() if n in ("sluice_worker_config_version", "sluice_config_version"))

    def changed(self, change, seconds=10):
        """Makes a change and waits until a newer Snapshot is live."""
        before = wait_for(self.version, "every worker serves a Snapshot", seconds)
        result = change()
        wait_for(lambda: self.version() > before, "a newer Snapshot is live", seconds)
        return result

    def metrics(self):
        """{(name, ((label, value), …)): number}"""
        out = {}
        for line in self.admin_get("/metrics").body.decode().splitlines():
            if line.startswith("#") or not line.strip():
                continue
            m = re.fullmatch(r'([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: \d+)?', line)
            assert m, line
            labels = tuple(sorted(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', m.group(2) or "")))
            out[m.group(1), labels] = float(m.group(3))
        return out

    def metric(self, name, **labels):
        """Sum over the series of `name` that carry these labels."""
        want = set(labels.items())
        return sum(v for (n, l), v in self.metrics().items() if n == name and want <= set(l))

    def access_lines(self):
        return [x for x in self.out if not re.match(r"^(listening |ready$)", x)]

    def wait_access(self, pattern, seconds=10):
        return self.wait_line(pattern, seconds)

    def raw(self, **kw):
        return Raw(self.http, **kw)

    def get(self, path, host, **kw):
        return http_get(self.http, path, host=host, **kw)

    def tls(self, sni, *, verify=None, maximum=None, minimum=None, alpn=None, ciphers=None, identity=None, session=None):
        """`identity`: (certificate, key) of the client; `session`: of an earlier connection, to be resumed."""
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        ctx.check_hostname = False
        ctx.verify_mode = ssl.CERT_NONE
        if verify:
            ctx.load_verify_locations(cadata=verify)
            ctx.verify_mode = ssl.CERT_REQUIRED
            ctx.check_hostname = True
        if maximum:
            ctx.maximum_version = maximum
        if minimum:
            ctx.minimum_version = minimum
        if alpn:
            ctx.set_alpn_protocols(alpn)
        if ciphers:
            ctx.set_ciphers(ciphers)
        if session:
            ctx = session.context
        if identity:
            with tempfile.NamedTemporaryFile("w") as f:
                f.write(identity[0] + identity[1])
                f.flush()
                ctx.load_cert_chain(f.name)
        return Raw(self.https, tls=ctx, sni=sni, session=session and session.session)

    def check_clean(self):
        for line in self.err + self.out:
            assert not re.search(r"(Address|Leak|Thread|UndefinedBehavior)Sanitizer|runtime error:|terminate called|Assertion .* failed", line), \
                "\n".join(self.err[-60:])

    def stop(self, sig=signal.SIGTERM, seconds=10.0):
        code = super().stop(sig, seconds)
        self.check_clean()
        return code


def run_tool(name, *args, timeout=600, check=False):
    """Runs a tool of tests/support and returns its JSON."""
    r = subprocess.run([f"{TOOLS}/{name}", *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout * SLOW)
    assert r.stdout, (name, args, r.returncode, r.stderr[-2000:])
    out = json.loads(r.stdout)
    if check:
        assert r.returncode == 0, out
    return out


class Tool(Process):
    """A tool that runs beside the test."""

    def __init__(self, name, *args):
        super().__init__([f"{TOOLS}/{name}", *args])

    def wait_connected(self, n, seconds=30):
        def there():
            for line in reversed(self.err):
                m = re.match(r"connected (\d+) done (\d+)", line)
                if m:
                    return int(m.group(1)) >= n
        wait_for(there, f"{n} connections", seconds)

    def wait_done(self, n, seconds=60):
        def there():
            for line in reversed(self.err):
                m = re.match(r"connected (\d+) done (\d+)", line)
                if m:
                    return int(m.group(2)) >= n
        wait_for(there, f"{n} requests done", seconds)

    def result(self, seconds=120, stop=False):
        if stop and self.proc.poll() is None:
            self.proc.send_signal(signal.SIGTERM)
        self.proc.wait(seconds * SLOW)
        for t in self.threads:
            t.join(5)
        return json.loads(self.out[-1])


def need_python_tool(name):
    """A tool of tests/requirements.txt, or the same from elsewhere."""
    path = ROOT / "build" / "venv" / "bin" / name
    return str(path) if path.exists() else need(name)


def need_conformance_tool(name):
    """A tool that tools/conformance.sh installs."""
    import pytest
    path = ROOT / "build" / "tools" / "bin" / name
    if not path.exists():
        pytest.skip(f"{name} is not there (tools/conformance.sh installs it): this test did NOT run")
    return str(path)


def need(program):
    import pytest
    path = shutil.which(program)
    if not path:
        pytest.skip(f"{program} is not installed: this test did NOT run")
    return path


# ---- certificates --------------------------------------------------------------------------------------------------

@functools.lru_cache(maxsize=None)
def certificate(*names, kind="ec", days=30, serial=None, cn=None):
    """(certificate PEM, key PEM), self-signed."""
    import datetime
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.x509.oid import NameOID
    key = ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn or names[0])])
    now = datetime.datetime.utcnow()
    start = now - datetime.timedelta(days=60 if days < 0 else 1)
    cert = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
            .serial_number(serial or x509.random_serial_number()).not_valid_before(start)
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False)
            .add_extension(x509.BasicConstraints(True, None), True).sign(key, hashes.SHA256()))
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return cert.public_bytes(serialization.Encoding.PEM).decode(), pem.decode()


def serial_of(connection):
    """Serial number of the certificate that a TLS connection was shown."""
    from cryptography import x509
    return x509.load_der_x509_certificate(connection.sock.getpeercert(True)).serial_number


def names_of(connection):
    from cryptography import x509
    cert = x509.load_der_x509_certificate(connection.sock.getpeercert(True))
    try:
        return cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        return []


# ---- bodies that both ends compute (tests/support/body.h) -----------------------------------------------------------

def fnv1a(data, h=0xcbf29ce484222325):
    for c in data:
        h = ((h ^ c) * 0x100000001b3) & 0xffffffffffffffff
    return h


def body_of(ident, size):
    mask = 0xffffffffffffffff
    seed = fnv1a(ident.encode())
    out = bytearray()
    for i in range((size + 7) // 8):
        z = (seed + (i + 1) * 0x9e3779b97f4a7c15) & mask
        z = ((z ^ (z >> 30)) * 0xbf58476d1ce4e5b9) & mask
        z = ((z ^ (z >> 27)) * 0x94d049bb133111eb) & mask
        z ^= z >> 31
        if ident.startswith("t0-"):
            z &= 0x7f7f7f7f7f7f7f7f
        if ident.startswith("t1-"):
            z |= 0x8080808080808080
        out += z.to_bytes(8, "little")
    return bytes(out[:size])
