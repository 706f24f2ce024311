#!/usr/bin/python3
"""User-space instructions of one exchange, counted by callgrind: bare HTTP/1.1, TLS, HTTP/2, gRPC, and everything on.

usage: measure.py SLUICE [--only h1,tls,…] [--record "why they are what they are now"]

Starts SLUICE under callgrind, warms it up, and counts what a number of exchanges on one kept connection cost, each in turns
of the loop of its own. Fails when a case is more than 2 % above bench/results/instructions.json, or when a sub-request
(auth-url, nothing cached) adds more than 1.6 times a bare exchange. --record writes a new baseline there, and the reason of
what rose beside it. Counts repeat to a few tenths of a percent; time does not come into it.
"""
import argparse, json, os, pathlib, re, shutil, socket, ssl, subprocess, sys, tempfile, threading, time

import h2.config, h2.connection, h2.events, h2.settings

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench/macro"))
import lab
from proxies.sluice import secret, service

BASELINE = ROOT / "bench/results/instructions.json"
WARM, COUNTED, LIMIT = 300, 2000, 1.02
SUBREQUEST = 1.6  # of an exchange
HOST = lab.HOST
BODY = b"x" * 1024
MESSAGE = b"\0\0\0\0\x40" + b"m" * 64  # of gRPC: not compressed, 64 bytes
BROWSER = b"Host: app.example.com\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\nAccept-Encoding: gzip, br\r\n"
PLAIN = b"GET /items?page=2 HTTP/1.1\r\n" + BROWSER + b"Cookie: session=0123456789abcdef\r\n\r\n"

INGRESS = """apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: app, namespace: default, annotations: {annotations}}}
spec:
  ingressClassName: nginx
  tls: {tls}
  rules:
  - host: app.example.com
    http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: up, port: {{number: 80}}}}}}}}]}}
"""


def ingress(tls=False, **annotations):
    named = {f"nginx.ingress.kubernetes.io/{k.replace('_', '-')}": v for k, v in annotations.items()}
    return INGRESS.format(annotations=json.dumps(named), tls="[{hosts: [app.example.com], secretName: tls}]" if tls else "[]")


def serve(connection, pod):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        pod(connection)
    except OSError:
        pass  # the proxy is gone


def accept(listener, pod):
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=serve, args=(connection, pod), daemon=True).start()


def h1_pod(connection):
    answer = (b"HTTP/1.1 200 OK\r\nServer: pod\r\nDate: Tue, 24 Nov 2026 00:00:00 GMT\r\nContent-Type: text/plain\r\n"
              b"Content-Length: %d\r\n\r\n" % len(BODY)) + BODY
    have = b""
    while chunk := connection.recv(65536):
        have += chunk
        while b"\r\n\r\n" in have:
            have = have.split(b"\r\n\r\n", 1)[1]
            connection.sendall(answer)


def grpc_pod(connection):
    at = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="latin-1"))
    at.initiate_connection()
    connection.sendall(at.data_to_send())
    while data := connection.recv(65536):
        for event in at.receive_data(data):
            if isinstance(event, h2.events.DataReceived) and event.flow_controlled_length:
                at.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            if isinstance(event, h2.events.StreamEnded):
                at.send_headers(event.stream_id, [(":status", "200"), ("content-type", "application/grpc")])
                at.send_data(event.stream_id, MESSAGE)
                at.send_headers(event.stream_id, [("grpc-status", "0"), ("grpc-message", "")], end_stream=True)
        connection.sendall(at.data_to_send())


class H1Client:
    def __init__(self, stream, requests=(PLAIN,)):
        self.stream, self.requests, self.asked = stream, requests, 0

    def ask(self):
        self.stream.sendall(self.requests[self.asked % len(self.requests)])
        self.asked += 1
        have = b""
        while b"\r\n\r\n" not in have:
            have += self.more()
        head, body = have.split(b"\r\n\r\n", 1)
        assert head.startswith(b"HTTP/1.1 200 "), head
        while len(body) < len(BODY):
            body += self.more()
        assert body == BODY
        return head

    def more(self):
        got = self.stream.recv(65536)
        assert got, "the proxy closed"
        return got


class H2Client:
    def __init__(self, stream, fields, message, wants):
        self.stream, self.fields, self.message, self.wants = stream, fields, message, wants
        self.at = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="latin-1"))
        self.at.initiate_connection()
        self.stream.sendall(self.at.data_to_send())

    def ask(self):
        number = self.at.get_next_available_stream_id()
        self.at.send_headers(number, self.fields, end_stream=not self.message)
        if self.message:
            self.at.send_data(number, self.message, end_stream=True)
        self.stream.sendall(self.at.data_to_send())
        body, fields, over = b"", {}, False
        while not over:
            got = self.stream.recv(65536)
            assert got, "the proxy closed"
            for event in self.at.receive_data(got):
                if isinstance(event, (h2.events.ResponseReceived, h2.events.TrailersReceived)):
                    fields.update(event.headers)
                elif isinstance(event, h2.events.DataReceived):
                    body += event.data
                    self.at.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                over = over or isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset))
            if out := self.at.data_to_send():
                self.stream.sendall(out)
        assert fields.get(":status") == "200" and fields.get("grpc-status", "0") == "0" and body == self.wants, (fields, body)


def connect(port, alpn=None):
    stream = socket.create_connection(("127.0.0.1", port))
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if alpn is None:
        return stream
    context = ssl.create_default_context(cafile=lab.certificate()[1])
    context.set_alpn_protocols([alpn])
    stream = context.wrap_socket(stream, server_hostname=HOST)
    assert stream.selected_alpn_protocol() == alpn
    return stream


def fields_of_h2(method, path, more):
    return [(":method", method), (":scheme", "https"), (":authority", HOST), (":path", path), *more]


def shop(http, _):
    """Three sessions, and one request in four of somebody new, of whom one in ten goes to the canary."""
    start = lambda more=b"": (b"GET /shop/api/users/1?page=2 HTTP/1.1\r\n" + BROWSER + b"Origin: https://app.example.com\r\n" + more + b"\r\n")
    newcomer, cookies = H1Client(connect(http), (start(),)), set()
    while len(cookies) < 3:
        if cookie := re.search(rb"Set-Cookie: (route=[^;]+)", newcomer.ask()):
            cookies.add(cookie[1])
    return H1Client(connect(http), [start(b"Cookie: " + c + b"\r\n") for c in sorted(cookies)] + [start()])


class Case:
    def __init__(self, manifests, client, pod=h1_pod, log=False):
        self.manifests, self.client, self.pod, self.log = manifests, client, pod, log


def everything(port):
    text = (ROOT / "bench/macro/conf/sluice/all-on.yaml").read_text()
    return secret() + service("up", port, 3) + service("next", port) + lab.render(text, RANGES=",".join(lab.RANGES), RPS=1_000_000)


CASES = {
    "h1": Case(lambda p: service("up", p) + ingress(), lambda http, _: H1Client(connect(http))),
    "tls": Case(lambda p: secret() + service("up", p) + ingress(tls=True), lambda _, https: H1Client(connect(https, "http/1.1"))),
    "h2": Case(lambda p: secret() + service("up", p) + ingress(tls=True), lambda _, https: H2Client(
        connect(https, "h2"), fields_of_h2("GET", "/items?page=2", [("user-agent", "curl/8.5.0"), ("accept", "*/*"), ("accept-encoding", "gzip, br"),
                                                                   ("cookie", "session=0123456789abcdef")]), b"", BODY)),
    "grpc": Case(lambda p: secret() + service("up", p) + ingress(tls=True, backend_protocol="GRPC"), lambda _, https: H2Client(
        connect(https, "h2"), fields_of_h2("POST", "/bench.Echo/Unary", [("content-type", "application/grpc"), ("te", "trailers"),
                                                                        ("user-agent", "grpc-c++/1.51")]), MESSAGE, MESSAGE), grpc_pod),
    "all-on": Case(everything, shop, log=True),
    "sub-request": Case(lambda p: service("up", p) + ingress(auth_url=f"http://127.0.0.1:{p}/check"), lambda http, _: H1Client(connect(http))),
}


def loopback(sluice):
    """Pods are on this machine, which has to be allowed, but for a version that had no such option yet."""
    known = subprocess.run([sluice, "docs", "configmap"], capture_output=True, text=True).stdout
    return ["--set", "allow-destinations=127.0.0.0/8"] if "allow-destinations" in known else []


def count(sluice, case):
    listener = socket.create_server(("0.0.0.0", 0))
    port = listener.getsockname()[1]
    threading.Thread(target=accept, args=(listener, case.pod), daemon=True).start()
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        (work / "manifests").mkdir()
        (work / "manifests/all.yaml").write_text(case.manifests(port))
        out = work / "callgrind.out"
        proxy = subprocess.Popen(
            ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}", sluice, "serve",
             "--manifests", str(work / "manifests"), "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin",
             "127.0.0.1:0", "--workers", "1", "--access-log", str(work / "access.log") if case.log else "off", "--set", "keep-alive-requests=0", *loopback(sluice)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            ports = {}
            for line in proxy.stdout:
                if m := re.match(r"listening (https?) \S+:(\d+)", line):
                    ports[m[1]] = int(m[2])
                if line.startswith("ready"):
                    break
            threading.Thread(target=proxy.stdout.read, daemon=True).start()
            client = case.client(ports["http"], ports["https"])
            control = lambda *a: subprocess.run(["callgrind_control", *a, str(proxy.pid)], check=True,
                                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            ask = lambda times: [client.ask() for _ in range(times)]
            ask(WARM)
            control("-i", "on")
            ask(WARM)
            control("-z")
            ask(COUNTED)
            control("-d")
            dumps = [p for p in work.glob("callgrind.out*") if re.search(r"^(totals|summary): [1-9]", p.read_text(), re.M)]
            assert dumps, "callgrind wrote no counts"
            if keep := os.environ.get("KEEP"):
                shutil.copy(dumps[0], keep)
            return round(int(re.search(r"^(?:totals|summary): (\d+)", dumps[0].read_text(), re.M)[1]) / COUNTED)
        finally:
            proxy.kill()
            proxy.wait()
            listener.close()


def commit():
    return subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()


def main():
    args = argparse.ArgumentParser()
    args.add_argument("sluice")
    args.add_argument("--only", default="")
    args.add_argument("--record", metavar="REASON")
    args = args.parse_args()
    for tool in ("valgrind", "callgrind_control"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is not installed (Debian package valgrind)")
    names = args.only.split(",") if args.only else list(CASES)
    if unknown := [n for n in names if n not in CASES]:
        sys.exit(f"there is no case {', '.join(unknown)}; there are {', '.join(CASES)}")
    before = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    found, bad = {}, []
    for name in names:
        found[name] = figure = count(args.sluice, CASES[name])
        if other := os.environ.get("SLUICE_BEFORE"):
            counted = count(other, CASES[name])
            print(f"{name}: {figure / counted:.3f} times the {counted} of {other}", flush=True)
        was = before.get(name)
        rise = figure / was["instructions"] if was else 1
        print(f"{name}: {figure} instructions" + (f"; {was['instructions']} at {was['commit']} ({(rise - 1) * 100:+.1f} %)" if was else ""), flush=True)
        if rise > LIMIT and args.record is None:
            bad.append(f"{name}: more than {(LIMIT - 1) * 100:.0f} % above the baseline")
        if args.record is not None and figure != (was or {}).get("instructions"):
            before[name] = {"instructions": figure, "commit": commit(), "date": time.strftime("%F")}
            if rise > LIMIT or not was:
                before[name]["because"] = args.record
    if "h1" in found and "sub-request" in found:
        added = found["sub-request"] - found["h1"]
        print(f"a sub-request adds {added / found['h1']:.2f} of an exchange")
        if added > SUBREQUEST * found["h1"]:
            bad.append(f"a sub-request costs more than {SUBREQUEST} exchanges")
    if args.record is not None:
        BASELINE.write_text(json.dumps(before, indent=1) + "\n")
        print(f"recorded in {BASELINE.relative_to(ROOT)}")
    if bad:
        sys.exit("\n".join(bad + ["find the cause, or record a new baseline with the reason: make instructions REASON='…'"]))


if __name__ == "__main__":
    main()
