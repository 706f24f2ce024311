#!/usr/bin/env python3
"""User-space instructions of one plain HTTP/1.1 exchange, counted by callgrind.

usage: measure.py SLUICE [--record]

Starts SLUICE under callgrind over one Ingress, warms it up, and counts what a number of requests on one kept connection
cost, each in a turn of the loop of its own. Fails when that is more than 5 % above bench/results/instructions.json, or
when a sub-request (auth-url, nothing cached) adds more than 1.6 times as much; --record writes a new baseline there.
Counts repeat to a few tenths of a percent; time does not come into it.
"""
import json, os, pathlib, re, shutil, signal, socket, subprocess, sys, tempfile, threading, time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BASELINE = ROOT / "bench/results/instructions.json"
WARM, COUNTED, LIMIT = 300, 2000, 1.05
SUBREQUEST = 1.6  # of an exchange
BODY = b"x" * 1024
REQUEST = (b"GET /items?page=2 HTTP/1.1\r\nHost: app.example.com\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n"
           b"Accept-Encoding: gzip, br\r\nCookie: session=0123456789abcdef\r\n\r\n")
MANIFEST = """apiVersion: v1
kind: Service
metadata: {{name: app, namespace: default}}
spec: {{ports: [{{port: 80, targetPort: {port}}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: app-1, namespace: default, labels: {{kubernetes.io/service-name: app}}}}
addressType: IPv4
ports: [{{port: {port}}}]
endpoints: [{{addresses: [127.0.0.1]}}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: app, namespace: default, annotations: {annotations}}}
spec:
  ingressClassName: nginx
  rules:
  - host: app.example.com
    http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: app, port: {{number: 80}}}}}}}}]}}
"""


def pod(listener):
    answer = (b"HTTP/1.1 200 OK\r\nServer: pod\r\nDate: Tue, 24 Nov 2026 00:00:00 GMT\r\nContent-Type: text/plain\r\n"
              b"Content-Length: %d\r\n\r\n" % len(BODY)) + BODY

    def serve(connection):
        have = b""
        while chunk := connection.recv(65536):
            have += chunk
            while b"\r\n\r\n" in have:
                have = have.split(b"\r\n\r\n", 1)[1]
                connection.sendall(answer)

    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


def ask(client, times):
    for _ in range(times):
        client.sendall(REQUEST)
        have = b""
        while b"\r\n\r\n" not in have:
            have += client.recv(65536)
        head, body = have.split(b"\r\n\r\n", 1)
        assert head.startswith(b"HTTP/1.1 200 "), head
        while len(body) < len(BODY):
            body += client.recv(65536)
        assert body == BODY


def count(sluice, asks=None):
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    annotations = {f"nginx.ingress.kubernetes.io/{asks}": f"http://127.0.0.1:{port}/check"} if asks else {}
    threading.Thread(target=pod, args=(listener,), daemon=True).start()
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        (work / "manifests").mkdir()
        (work / "manifests/all.yaml").write_text(MANIFEST.format(port=port, annotations=json.dumps(annotations)))
        out = work / "callgrind.out"
        proxy = subprocess.Popen(
            ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}", sluice, "serve",
             "--manifests", str(work / "manifests"), "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin",
             "127.0.0.1:0", "--workers", "1", "--access-log", "off", "--set", "keep-alive-requests=0",
             "--set", "allow-destinations=127.0.0.0/8"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            port = 0
            for line in proxy.stdout:
                if m := re.match(r"listening http \S+:(\d+)", line):
                    port = int(m[1])
                if line.startswith("ready"):
                    break
            threading.Thread(target=proxy.stdout.read, daemon=True).start()
            client = socket.create_connection(("127.0.0.1", port))
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            control = lambda *a: subprocess.run(["callgrind_control", *a, str(proxy.pid)], check=True,
                                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            ask(client, WARM)
            control("-i", "on")
            ask(client, WARM)
            control("-z")
            ask(client, COUNTED)
            control("-d")
            dumps = [p for p in work.glob("callgrind.out*") if re.search(r"^(totals|summary): [1-9]", p.read_text(), re.M)]
            assert dumps, "callgrind wrote no counts"
            return int(re.search(r"^(?:totals|summary): (\d+)", dumps[0].read_text(), re.M)[1]) / COUNTED
        finally:
            proxy.kill()
            proxy.wait()
            listener.close()


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for tool in ("valgrind", "callgrind_control"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is not installed (Debian package valgrind)")
    figure = round(count(sys.argv[1]))
    if "--record" in sys.argv:
        commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
        BASELINE.write_text(json.dumps({"what": "user-space instructions of one h1 exchange, 1 KiB", "instructions": figure,
                                        "commit": commit.stdout.strip(), "date": time.strftime("%F")}, indent=1) + "\n")
        print(f"{figure} instructions an exchange: recorded in {BASELINE.relative_to(ROOT)}")
        return
    baseline = json.loads(BASELINE.read_text())
    rise = figure / baseline["instructions"]
    print(f"{figure} instructions an exchange; {baseline['instructions']} at {baseline['commit']} ({(rise - 1) * 100:+.1f} %)")
    asked = count(sys.argv[1], "auth-url") - figure
    print(f"{asked:.0f} instructions a sub-request: {asked / figure:.2f} of an exchange")
    if rise > LIMIT:
        sys.exit("more than 5 % above the baseline: find the cause, or record a new baseline with --record and say why")
    if asked > SUBREQUEST * figure:
        sys.exit(f"a sub-request costs more than {SUBREQUEST} exchanges")


if __name__ == "__main__":
    main()
