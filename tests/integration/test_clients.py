"""Other people's clients and other people's pods."""
import asyncio
import hashlib
import http.client
import http.server
import json
import os
import re
import subprocess
import threading
from pathlib import Path

import pytest

from harness import Process, body_of, certificate, http_get, need, tls_secret, wait_for, wait_port

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def go_build(tmp_path_factory):
    go = need("go")
    out = tmp_path_factory.mktemp("go")
    env = {**os.environ, "GOFLAGS": "-mod=mod", "CGO_ENABLED": "0", "GOPROXY": "off", "GOTOOLCHAIN": "local",
           "GOCACHE": os.environ.get("GOCACHE") or str(Path.home() / ".cache/go-build")}
    for name in ("goclient", "gopod"):
        subprocess.run([go, "build", "-o", str(out / name), "."], cwd=HERE / name, env=env, check=True, timeout=300)
    return out


def test_go_client(site, go_build):
    sluice, pod = site.simple(annotations={"proxy-body-size": "0"})
    r = subprocess.run([str(go_build / "goclient"), f"http://{sluice.http}", "app.example"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
    assert r.returncode == 0 and r.stdout.strip() == b"ok", r.stdout
    assert pod.stats()["requests"] == 807


def test_go_pod(site, go_build):
    pod = site.add(Process([go_build / "gopod"]))
    address = pod.wait_line(r"listening (\S+)").group(1)
    site.app("app.example", address, annotations={"proxy-body-size": "0"})
    sluice = site.sluice()
    body = body_of("go", 5_000_000)
    with sluice.raw(timeout=30) as c:
        a = c.get("/up", "app.example", method="POST", body=body)
        assert a.get("x-sha256") == hashlib.sha256(body).hexdigest()
        assert len(c.get("/down?size=1000000", "app.example").body) == 1_000_000
        a = c.get("/down?size=100000&flush=1&trailer=1", "app.example", headers=["TE: trailers", "Connection: TE"])
        assert len(a.body) == 100_000 and a.trailers == [("X-End", "yes")]
        assert c.get("/down?size=100", "app.example", method="HEAD").status == 200
        assert c.get("/down?size=10", "app.example").status == 200


def curl(*args, timeout=60):
    need("curl")
    return subprocess.run(["curl", "-sS", *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout)


def test_curl(site, tmp_path):
    sluice, pod = site.simple(annotations={"proxy-body-size": "0"})
    base = f"http://{sluice.http}"
    host = ["-H", "Host: app.example"]
    r = curl(*host, f"{base}/?size=50000&id=c")
    assert r.stdout == body_of("c", 50000)
    r = curl(*host, "-I", f"{base}/?size=50000")
    assert b"Content-Length: 50000" in r.stdout
    (tmp_path / "up").write_bytes(body_of("up", 3_000_000))
    r = curl(*host, "-i", "-T", tmp_path / "up", f"{base}/?size=1")  # Expect: 100-continue
    assert b"X-Req-Length: 3000000" in r.stdout and b" 100 " in r.stdout
    r = curl(*host, "-i", "-H", "Transfer-Encoding: chunked", "-T", tmp_path / "up", f"{base}/?size=1")
    assert b"X-Req-Length: 3000000" in r.stdout
    r = curl(*host, "-0", f"{base}/?size=500&id=o")
    assert r.stdout == body_of("o", 500)
    r = curl(*host, *[f"{base}/?size={i}&id=k" for i in range(20)], "-w", "%{num_connects}", "-o", "/dev/null")
    r = curl("-x", base, "http://app.example/?size=9&id=x")  # absolute-form
    assert r.stdout == body_of("x", 9)
    r = curl(*host, "-X", "OPTIONS", "--request-target", "*", "-i", base)
    assert b"HTTP/1.1 20" in r.stdout


def test_curl_sees_a_cut_body(site):
    sluice, pod = site.simple()
    r = curl("-H", "Host: app.example", f"http://{sluice.http}/?size=100000&abort=50000")
    assert r.returncode in (18, 56), (r.returncode, r.stderr)  # ended or reset: an error either way
    r = curl("-H", "Host: app.example", f"http://{sluice.http}/?size=100000&abort=50000&chunked=1")
    assert r.returncode in (18, 56), (r.returncode, r.stderr)


def test_http_client_and_requests_and_httpx(site):
    import httpx
    import requests
    sluice, pod = site.simple()
    c = http.client.HTTPConnection(sluice.http, timeout=10)
    for i in range(20):
        c.request("POST", f"/?size={i}&id=h{i}", body=b"x" * i, headers={"Host": "app.example"})
        r = c.getresponse()
        assert r.status == 200 and r.read() == body_of(f"h{i}", i)
    c.request("POST", "/", body=(x for x in [b"a", b"bb", b"ccc"]), headers={"Host": "app.example"}, encode_chunked=True)
    assert c.getresponse().getheader("X-Req-Length") == "6"
    with requests.Session() as s:
        for i in range(20):
            r = s.get(f"http://{sluice.http}/?size=1000&id=r{i}&chunked=1", headers={"Host": "app.example"}, timeout=10)
            assert r.content == body_of(f"r{i}", 1000)
        r = s.post(f"http://{sluice.http}/", data=(x for x in [b"stream"] * 10), headers={"Host": "app.example"}, timeout=10)
        assert r.headers["X-Req-Length"] == "60"
    with httpx.Client(timeout=10) as s:
        r = s.put(f"http://{sluice.http}/?size=5&id=q", content=b"12345", headers={"Host": "app.example"})
        assert r.content == body_of("q", 5)


def test_wrk(site):
    need("wrk")
    pod = site.pod("pod", "--forget-ids")
    site.app("app.example", pod.address)
    sluice = site.sluice()
    r = subprocess.run(["wrk", "-t1", "-c32", "-d2s", "-H", "Host: app.example", f"http://{sluice.http}/?size=100"], stdout=subprocess.PIPE, timeout=60, text=True)
    assert "requests in" in r.stdout and "Non-2xx" not in r.stdout and "Socket errors" not in r.stdout, r.stdout
    n = int(re.search(r"(\d+) requests in", r.stdout).group(1))
    assert n <= pod.stats()["requests"] <= n + 32 and n > 100


def test_websockets(site):
    """The websockets package on both ends."""
    import websockets
    done = threading.Event()
    address = {}

    async def echo(ws):
        async for message in ws:
            await ws.send(message)

    def serve():
        async def main():
            async with websockets.serve(echo, "127.0.0.1", 0, max_size=None) as s:
                address["it"] = "127.0.0.1:%d" % s.sockets[0].getsockname()[1]
                while not done.is_set():
                    await asyncio.sleep(0.02)
        asyncio.run(main())
    t = threading.Thread(target=serve, daemon=True)
    t.start()
    wait_for(lambda: "it" in address, "the pod listens")
    cert, key = certificate("ws.example")
    site.manifests.write("s.yaml", tls_secret("ws-tls", cert, key))
    site.app("ws.example", address["it"], tls=[(["ws.example"], "ws-tls")], annotations={"ssl-redirect": "false"})
    sluice = site.sluice()

    async def client(url, **kw):
        host, port = url.split("//")[1].split("/")[0].rsplit(":", 1)
        async with websockets.connect(re.sub(r"//[^/]+", "//ws.example", url), host=host, port=int(port), max_size=None, **kw) as ws:
            for message in ["text", b"\0binary", "x" * 100_000, b"y" * 1_000_000]:
                await ws.send(message)
                assert await ws.recv() == message
            pong = await ws.ping()
            await asyncio.wait_for(pong, 10)
    asyncio.run(client(f"ws://{sluice.http}/"))
    import ssl
    ctx = ssl.create_default_context(cadata=cert)
    asyncio.run(client(f"wss://{sluice.https}/", ssl=ctx, server_hostname="ws.example"))
    done.set()
    t.join(5)


def test_nginx_pod(site):
    pod = site.nginx("keepalive_requests 7; location /r { return 302 http://app.example/there; } client_body_buffer_size 1m; "
                     "location /up { dav_methods PUT; create_full_put_path on; }")
    (pod.dir / "html" / "f.bin").write_bytes(body_of("nginx", 2_000_000))
    site.app("app.example", pod.address, annotations={"proxy-body-size": "0"})
    sluice = site.sluice()
    with sluice.raw(timeout=30) as c:
        for i in range(30):  # nginx announces a close after seven
            assert c.get("/f.bin", "app.example").body == body_of("nginx", 2_000_000)
        a = c.get("/f.bin", "app.example", headers=["Range: bytes=100-199"])
        assert a.status == 206 and a.body == body_of("nginx", 200)[100:]
        etag = c.get("/f.bin", "app.example").get("etag")
        assert c.get("/f.bin", "app.example", headers=[f"If-None-Match: {etag}"]).status == 304
        assert c.get("/r", "app.example").get("location") == "http://app.example/there"
        assert c.get("/nothing", "app.example").status == 404
        assert c.get("/f.bin", "app.example", method="HEAD").get("content-length") == "2000000"


def test_python_pod(site):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            data = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self):
            self.send_response(200)
            self.end_headers()  # HTTP/1.1 without a length: until the end of the connection
            self.wfile.write(b"z" * 5000)
            self.close_connection = True

        def log_message(self, *_):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    site.app("app.example", "127.0.0.1:%d" % server.server_port)
    sluice = site.sluice()
    with sluice.raw() as c:
        for i in range(10):
            assert c.get("/", "app.example", method="POST", body=body_of("py", i * 1000)).body == body_of("py", i * 1000)
            a = c.get("/", "app.example")
            assert a.body == b"z" * 5000 and a.get("transfer-encoding") == "chunked"
        c.send("POST / HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        assert c.answer().body == b"hello"  # a pod that knows no chunks gets a length
    server.shutdown()


def test_echo_pod(site):
    pod = site.echo()
    site.app("app.example", pod.address)
    sluice = site.sluice()
    a = sluice.get("/some/path?x=y", "app.example", headers={"X-Test": "1"})
    seen = a.json()
    text = json.dumps(seen)
    assert a.status == 200 and "/some/path?x=y" in text and "X-Forwarded-For" in text and "X-Test" in text
    assert sluice.get("/?status=418", "app.example").status == 418
    assert len(sluice.get("/?size=10000&chunks=5", "app.example").body) == 10000
