"""Other people's HTTP/2 clients: curl, Go, Node, Java, httpx, h2load."""
import fcntl
import re
import struct
import subprocess
import termios
from pathlib import Path

import pytest

from harness import SANITIZED, SLOW, body_of, need, wait_for
from middle import middle
from test_clients import curl, go_build  # noqa: F401  (a fixture)

HERE = Path(__file__).parent


@pytest.fixture
def both(site):
    pod = site.pod()
    return middle(site, pod, annotations={"proxy-body-size": "0"}), pod


def run(*argv, seconds=120):
    r = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds * SLOW)
    assert r.returncode == 0, r.stdout[-4000:]
    return r.stdout


def parallel(common, base, tmp_path):
    r = curl(*common, "-Z", "--parallel-max", "50", *sum([[f"{base}/?size={i}&id=z", "-o", str(tmp_path / f"z{i}")] for i in range(1000, 1080)], []), "-w", "%{http_code}\n")
    assert r.returncode == 0 and r.stdout == b"200\n" * 80, (r.stdout, r.stderr)
    assert all((tmp_path / f"z{i}").read_bytes() == body_of("z", i) for i in range(1000, 1080))


@pytest.mark.parametrize("tls", [False, True], ids=["h2c", "tls"])
def test_curl(both, tmp_path, tls):
    proxy, pod = both
    if "HTTP2" not in run("curl", "--version"):
        pytest.skip("this curl has no HTTP/2: this test did NOT run")
    host, port = (proxy.https if tls else proxy.http).rsplit(":", 1)
    base = f"{'https' if tls else 'http'}://app.example:{port}"
    (tmp_path / "ca.pem").write_text(proxy.authority)
    common = ["--resolve", f"app.example:{port}:{host}", "--http2" if tls else "--http2-prior-knowledge", "--cacert", tmp_path / "ca.pem"]
    r = curl(*common, f"{base}/?size=50000&id=c")
    assert r.returncode == 0 and r.stdout == body_of("c", 50000), r.stderr
    assert curl(*common, f"{base}/", "-o", "/dev/null", "-w", "%{http_version}").stdout == b"2"
    (tmp_path / "up").write_bytes(body_of("up", 1_000_000))
    r = curl(*common, "-i", "-T", tmp_path / "up", f"{base}/?size=1")
    assert b"x-req-length: 1000000" in r.stdout, r.stdout
    r = curl(*common, "-i", "-d", "a=b", f"{base}/?size=1")
    assert b"x-req-length: 3" in r.stdout
    r = curl(*common, "-I", f"{base}/?size=50000")
    assert r.stdout.startswith(b"HTTP/2 200") and b"content-length: 50000" in r.stdout
    r = curl(*common, "--raw", "-i", "-H", "TE: trailers", f"{base}/?size=2000&chunked=1&trailers=1&id=t")
    assert r.returncode == 0 and body_of("t", 2000) in r.stdout
    if tls:  # curl 7.88 confuses parallel connections of prior knowledge
        parallel(common, base, tmp_path)
    r = curl(*common, f"{base}/?size=100000&abort=50000")
    assert r.returncode in (18, 92), (r.returncode, r.stderr)  # a stream that was reset is an error
    r = curl(*common, f"{base}/?size=100000&abort=50000&chunked=1")
    assert r.returncode in (18, 92), (r.returncode, r.stderr)


def test_curl_that_asks_to_upgrade(site):
    """--http2 on a plain port: Upgrade: h2c is not granted, not forwarded, and costs nothing."""
    pod = site.pod()
    proxy = middle(site, pod, h2=False)
    r = curl("--http2", "-i", "-H", "Host: app.example", f"http://{proxy.http}/?size=5000&id=u")
    assert r.stdout.startswith(b"HTTP/1.1 200") and r.stdout.endswith(body_of("u", 5000)), (r.stdout[:200], r.stderr)
    assert not [n for n, _ in pod.last_headers()[1] if n.lower() in ("upgrade", "http2-settings")]


def test_alpn_chooses(both):
    """h2 when the client offers it, HTTP/1.1 when not."""
    proxy, pod = both
    if not hasattr(proxy, "tls"):
        pytest.skip("only for the proxy itself")
    for offered, chosen in ((["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1"), (["http/1.1", "h2"], "h2"), (None, None)):
        with proxy.tls("app.example", alpn=offered) as c:
            assert c.sock.selected_alpn_protocol() == chosen, offered
            if chosen != "h2":
                assert c.get("/", "app.example").status == 200


def test_use_http2_off(site):
    pod = site.pod()
    proxy = middle(site, pod, h2=False, options={"use-http2": "false"})
    if not hasattr(proxy, "tls"):
        pytest.skip("only for the proxy itself")
    with proxy.tls("app.example", alpn=["h2", "http/1.1"]) as c:
        assert c.sock.selected_alpn_protocol() == "http/1.1"
        assert c.get("/", "app.example").status == 200


def test_prior_knowledge_is_off_by_default(site):
    pod = site.pod()
    proxy = middle(site, pod, h2=False)
    if not hasattr(proxy, "raw"):
        pytest.skip("only for the proxy itself")
    with proxy.raw() as c:
        c.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert c.answer().status in (400, 505)
    assert pod.stats()["requests"] == 0


def test_go(both, go_build):  # noqa: F811
    proxy, pod = both
    assert run(go_build / "goclient", "https://app.example", "app.example", proxy.https).strip() == "ok"
    assert pod.stats()["requests"] == 807


@pytest.mark.parametrize("tls", [False, True], ids=["h2c", "tls"])
def test_node(both, tls):
    proxy, pod = both
    assert run(need("node"), HERE / "h2node.js", "https" if tls else "http", proxy.https if tls else proxy.http, "app.example").strip() == "ok"


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_java(site, tls):
    java = need("java")
    pod = site.pod()
    proxy = middle(site, pod, host="", h2=tls, annotations={"proxy-body-size": "0"})
    base = f"https://{proxy.https}" if tls else f"http://{proxy.http}"
    out = run(java, "-Djdk.internal.httpclient.disableHostnameVerification=true", HERE / "H2Client.java", base, str(tls).lower())
    assert out.strip().endswith("ok"), out


def test_httpx(both):
    httpx = pytest.importorskip("httpx")
    pytest.importorskip("h2")
    proxy, pod = both
    extensions = {"sni_hostname": "app.example"}
    with httpx.Client(http2=True, verify=False, timeout=20 * SLOW) as s:
        for i in range(50):
            r = s.get(f"https://{proxy.https}/?size={i * 100}&id=x{i}", headers={"Host": "app.example"}, extensions=extensions)
            assert r.http_version == "HTTP/2" and r.content == body_of(f"x{i}", i * 100)
        r = s.post(f"https://{proxy.https}/p", content=body_of("up", 1_000_000), headers={"Host": "app.example"}, extensions=extensions)
        assert r.headers["x-req-length"] == "1000000"
        r = s.post(f"https://{proxy.https}/p", content=(x for x in [b"stream"] * 100), headers={"Host": "app.example"}, extensions=extensions)
        assert r.headers["x-req-length"] == "600"


@pytest.mark.parametrize("tls", [False, True], ids=["h2c", "tls"])
def test_h2load(site, tls):
    h2load = need("h2load")
    pod = site.pod("pod", "--forget-ids")
    proxy = middle(site, pod)
    n = 3000 if SANITIZED else 20000
    address = proxy.https if tls else proxy.http
    out = run(h2load, "-n", n, "-c", "20", "-m", "20", "-H", ":authority: app.example", f"{'https' if tls else 'http'}://{address}/?size=1000")
    assert re.search(rf"requests: {n} total, {n} started, {n} done, {n} succeeded, 0 failed, 0 errored, 0 timeout", out), out
    assert pod.stats()["completed"] == n


@pytest.mark.parametrize("method", ["GET", "POST", "PROPFIND"])
def test_http1_byte_by_byte_where_h2c_is_allowed(site, method):
    """Some of the first bytes may be the preface's, too."""
    pod = site.pod()
    site.app("app.example", pod.address)
    sluice = site.sluice(options={"http2-prior-knowledge": "true"})
    with sluice.raw() as c:
        for byte in f"{method} /?size=3 HTTP/1.1\r\nHost: app.example\r\nContent-Length: 0\r\n\r\n".encode():
            c.send(bytes([byte]))
            wait_for(lambda: unread(c.sock) == 0, "it has been sent")
        assert c.answer(method).status == 200


def unread(sock):
    """Bytes of ours that the peer's kernel has not acknowledged (SIOCOUTQ)."""
    return struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0\0\0\0"))[0]
