"""backend-protocol: FCGI, over strict pods of our own, php-fpm, and beside nginx with the same parameters."""
import hashlib
import json
import re
import threading

import pytest

from fastcgi_pod import STDERR, STDOUT, Conn, FastcgiPod, PhpFpm, end, out, record
from h2raw import Http2
from harness import Raw, config_map, ingress, need, service, slices, wait_for

FCGI = {"backend-protocol": "FCGI"}


def serve(site, app=Conn.show, annotations=None, params=None, host="app.example", pod=None, paths=None, sluice=True, **kw):
    """(proxy, pod): a FastCGI pod behind a host."""
    pod = pod or site.add(FastcgiPod(app))
    if params is not None:
        site.manifests.write("params.yaml", config_map(params, "params", "default"))
    notes = {**FCGI, **({"fastcgi-params-configmap": "params"} if params is not None else {}), **(annotations or {})}
    site.app(host, pod.address, annotations=notes, paths=paths)
    return site.sluice(**kw) if sluice else None, pod


def test_a_request_reaches_the_pod_as_nginx_would_send_it(site):
    sluice, pod = serve(site, annotations={"fastcgi-index": "index.php"}, params={"SCRIPT_FILENAME": "/srv/www$fastcgi_script_name"})
    got = sluice.get("/a%20b/./c/../?x=1&y=%20", "app.example", headers={"X-One": "1", "User-Agent": "me"}).json()["params"]
    port = sluice.http.rsplit(":", 1)[1]
    want = {"QUERY_STRING": "x=1&y=%20", "REQUEST_METHOD": "GET", "CONTENT_TYPE": "", "CONTENT_LENGTH": "", "SCRIPT_NAME": "/a b/index.php",
            "SCRIPT_FILENAME": "/srv/www/a b/index.php", "REQUEST_URI": "/a%20b/./c/../?x=1&y=%20", "DOCUMENT_URI": "/a b/",
            "DOCUMENT_ROOT": "/usr/local/nginx/html", "SERVER_PROTOCOL": "HTTP/1.1", "REQUEST_SCHEME": "http", "GATEWAY_INTERFACE": "CGI/1.1",
            "SERVER_SOFTWARE": "nginx/1.27.1", "REMOTE_ADDR": "127.0.0.1", "SERVER_ADDR": "127.0.0.1", "SERVER_PORT": port, "SERVER_NAME": "app.example",
            "REDIRECT_STATUS": "200", "HTTP_HOST": "app.example", "HTTP_X_ONE": "1", "HTTP_USER_AGENT": "me", "HTTP_X_REAL_IP": "127.0.0.1",
            "HTTP_X_FORWARDED_PROTO": "http"}
    assert {k: got.get(k) for k in want} == want
    assert "HTTPS" not in got and "PATH_INFO" not in got
    with sluice.tls("app.example") as c:
        got = c.get("/", "app.example").json()["params"]
    assert (got["HTTPS"], got["REQUEST_SCHEME"]) == ("on", "https")


def test_what_a_client_sends_becomes_no_parameter_of_ours(site):
    sluice, pod = serve(site, params={"SCRIPT_FILENAME": "/srv$fastcgi_script_name", "HTTP_X_TOLD": "by-us"})
    with sluice.raw() as c:
        got = c.get("/x.php/extra", "app.example", headers=[
            "Proxy: http://evil.example", "SCRIPT-FILENAME: /etc/passwd", "Script_Filename: /etc/passwd", "X-Told: by me", "X_Told: by me",
            "X_Forwarded_For: 8.8.8.8", "X-Forwarded-For: 8.8.8.8", "X-Two: a", "Cookie: a=1", "x-two: b", "Cookie: b=2", "Connection: X-Gone",
            "X-Gone: x", "Content-Type: a/b"]).json()["params"]
    assert got["SCRIPT_FILENAME"] == "/srv/x.php/extra" and got["HTTP_SCRIPT_FILENAME"] == "/etc/passwd"
    assert got["HTTP_X_TOLD"] == "by-us"
    assert got["HTTP_X_FORWARDED_FOR"] == "127.0.0.1"
    assert got["HTTP_X_TWO"] == "a, b" and got["HTTP_COOKIE"] == "a=1; b=2"
    assert got["CONTENT_TYPE"] == got["HTTP_CONTENT_TYPE"] == "a/b"
    for name in ("HTTP_PROXY", "HTTP_CONNECTION", "HTTP_X_GONE", "HTTP_TRANSFER_ENCODING"):
        assert name not in got


def test_underscores_that_are_allowed_shadow_nothing(site):
    sluice, pod = serve(site, options={"enable-underscores-in-headers": "true"})
    with sluice.raw() as c:
        got = c.get("/", "app.example", headers=["X_Real_IP: 8.8.8.8", "X_User: a", "X-User: b"]).json()["params"]
    assert got["HTTP_X_REAL_IP"] == "127.0.0.1" and got["HTTP_X_USER"] == "a"


def test_rewritten_paths_name_the_script(site):
    sluice, pod = serve(site, annotations={"rewrite-target": "/app/$2", "use-regex": "true"}, params={"FIRST": "$1", "ALL": "$uri"},
                        paths=[("/(v[0-9])/(.*)", "ImplementationSpecific")])
    got = sluice.get("/v1/x%20y.php?q", "app.example").json()["params"]
    assert (got["SCRIPT_NAME"], got["ALL"], got["FIRST"], got["QUERY_STRING"]) == ("/app/x y.php", "/app/x y.php", "v1", "q")
    assert got["REQUEST_URI"] == "/v1/x%20y.php?q"


@pytest.mark.parametrize("size", [0, 1, 65528, 65529, 700_000])
def test_bodies_are_standard_input(site, size):
    sluice, pod = serve(site, lambda c: c.reply("X-Sum: " + hashlib.sha256(c.body()).hexdigest()))
    body = bytes(i * 7 % 251 for i in range(size))
    a = sluice.get("/", "app.example", method="POST", body=body)
    assert a.get("X-Sum") == hashlib.sha256(body).hexdigest()


def test_a_chunked_body_has_a_length_for_the_pod(site):
    sluice, pod = serve(site, annotations={"proxy-request-buffering": "off"})
    with sluice.raw() as c:
        c.send("POST / HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").send("6\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n")
        got = c.answer().json()
    assert got["body"] == "hello world" and got["params"]["CONTENT_LENGTH"] == "11"


def test_a_long_chunked_body_lies_on_the_disk_first(site):
    sluice, pod = serve(site, lambda c: c.reply("X-Sum: " + hashlib.sha256(c.body()).hexdigest() + "\r\nX-Length: " + c.params["CONTENT_LENGTH"]), annotations={"proxy-body-size": "0"})
    piece, count = b"x" * 65536, 40
    with sluice.raw() as c:
        c.send("POST / HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(count):
            c.send(b"10000\r\n" + piece + b"\r\n")
        c.send(b"0\r\n\r\n")
        a = c.answer()
    assert (a.status, a.get("X-Length"), a.get("X-Sum")) == (200, str(count * len(piece)), hashlib.sha256(piece * count).hexdigest())


def test_trailers_are_not_passed_on_and_not_announced(site):
    sluice, pod = serve(site)
    with sluice.raw() as c:
        c.send("POST / HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n")
        got = json.loads(c.answer().body)
    assert got["body"] == "hello" and "HTTP_TRAILER" not in got["params"] and "HTTP_X_SUM" not in got["params"]


def test_over_http2_a_body_without_a_length_has_one_for_the_pod(site):
    sluice, pod = serve(site)
    with Http2(sluice.https, sni="app.example") as c:
        stream = c.request(method="POST", end=False)
        c.body(stream, b"hello", end=False)
        c.body(stream, b" world")
        c.done(stream)
        got = json.loads(bytes(stream.body))
    assert got["body"] == "hello world" and got["params"]["CONTENT_LENGTH"] == "11"
    assert got["params"]["SERVER_PROTOCOL"] == "HTTP/2.0" and got["params"]["HTTP_HOST"] == "app.example"


def test_an_upload_streams_with_back_pressure(site):
    reads, size = threading.Event(), 48 << 20

    def app(conn):
        assert reads.wait(60)
        conn.reply(f"X-Size: {sum(map(len, conn.stdin()))}")
    sluice, pod = serve(site, app, annotations={"proxy-body-size": "0"})
    with sluice.raw(timeout=60) as c:
        c.send(f"POST / HTTP/1.1\r\nHost: app.example\r\nContent-Length: {size}\r\n\r\n")
        before, sent, piece = sluice.rss_kb(), 0, b"x" * 65536
        c.sock.settimeout(1)
        try:  # nobody reads: the client is held
            while sent < size:
                sent += c.sock.send(piece[:size - sent])
        except TimeoutError:
            pass
        assert sent < size, "nothing held the client"
        sluice.expect_growth_below(4096, before, "an upload that its pod does not read")
        c.sock.settimeout(60)
        reads.set()
        while sent < size:
            sent += c.sock.send(piece[:size - sent])
        assert c.answer().get("X-Size") == str(size)


def test_a_download_streams_with_back_pressure(site):
    size, sent = 64 << 20, []

    def app(conn):
        conn.body()
        conn.send(out(b"Content-Type: a/b\n\n"))
        for _ in range(size >> 16):
            conn.send(record(STDOUT, b"y" * 65535, 7), record(STDOUT, b"y"))
            sent.append(65536)
        conn.send(record(STDOUT), end())
    sluice, pod = serve(site, app)
    with sluice.raw(timeout=60, rcvbuf=65536) as c:
        before = sluice.rss_kb()
        c.send("GET / HTTP/1.1\r\nHost: app.example\r\n\r\n")
        c.read_until(b"\r\n\r\n")
        held = [0]

        def stands_still():
            held.append(len(sent))
            return len(held) > 30 and held[-1] == held[-30]
        wait_for(stands_still, "the pod is held", 30, pause=0.02)
        assert sum(sent) < size
        sluice.expect_growth_below(4096, before, "a download that its client does not read")
        c.buffer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + c.buffer
        assert len(c.answer().body) == size


@pytest.mark.parametrize("head,status,fields", [
    ("Content-Type: text/plain", 200, {"Content-Type": "text/plain"}),
    ("Status: 404 Not Found\r\nX-A: b", 404, {"X-A": "b", "Status": None}),
    ("Location: https://to.example/x", 302, {"Location": "https://to.example/x"}),
    ("Status: 301\nLocation: /x", 301, {"Location": "/x"}),
    ("Set-Cookie: a=1\nSet-Cookie: b=2; Path=/", 200, {}),
    ("Transfer-Encoding: chunked\r\nConnection: close\r\nX-A: b", 200, {"X-A": "b"}),
])
def test_heads_are_those_of_cgi(site, head, status, fields):
    sluice, pod = serve(site, lambda c: (c.body(), c.reply(head, b"body")))
    with sluice.raw() as c:
        for _ in range(2):  # the client's connection goes on
            a = c.get("/", "app.example")
            assert a.status == status and a.body == b"body"
            assert {n: a.get(n) for n in fields} == fields
            if "Cookie" in head:
                assert a.all("Set-Cookie") == ["a=1", "b=2; Path=/"]


def test_head_and_bodiless_statuses_carry_no_body(site):
    def app(conn):
        conn.body()
        conn.reply(f"Status: {conn.params['QUERY_STRING']}\r\nContent-Length: 4", b"body")
    sluice, pod = serve(site, app)
    with sluice.raw() as c:
        assert c.get("/?200", "app.example", method="HEAD").get("Content-Length") == "4"
        for status in (204, 304, 200):
            a = c.get(f"/?{status}", "app.example")
            assert a.status == status and a.body == (b"body" if status == 200 else b"")


def test_connections_are_closed_behind_a_request_unless_they_are_to_be_kept(site):
    sluice, pod = serve(site)
    assert [sluice.get("/", "app.example").json()["connection"] for _ in range(3)] == [1, 2, 3]
    sluice.changed(lambda: serve(site, annotations={"fastcgi-keep-conn": "true"}, pod=pod, sluice=False))
    first = sluice.get("/", "app.example").json()["connection"]
    assert [sluice.get("/", "app.example", method="POST", body=b"x" * 70000).json()["connection"] for _ in range(3)] == [first] * 3


def test_an_answer_before_the_whole_request_is_passed_on(site):
    sluice, pod = serve(site, lambda c: (c.reply("Status: 403", b"no"), c.body()), annotations={"proxy-body-size": "0", "fastcgi-keep-conn": "true"})
    with sluice.raw() as c:
        c.send("POST / HTTP/1.1\r\nHost: app.example\r\nContent-Length: 90000000\r\n\r\nx")
        a = c.answer()
    assert (a.status, a.body) == (403, b"no")


BAD = {
    "another version": b"\2\6\0\1\0\1\0\0x",
    "HTTP": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "another request": b"\1\6\0\7\0\1\0\0x",
    "a type of servers": record(4, b"x"),
    "no head": record(STDOUT) + end(),
    "half a head": out(b"A: b\r\n") + end(),
    "closed at once": b"",
    "closed in a header": b"\1\6\0",
    "closed in a head": out(b"A: b\r\n"),
    "a head that is too large": out(b"A: " + b"x" * 5000 + b"\r\n\r\n") + end(),
    "a head without end": out(b"x" * 300000),
    "two lengths": out(b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nx") + end(),
    "a bare CR": out(b"A: b\rSet-Cookie: c=d\r\n\r\n") + end(),
    "NUL": out(b"A: b\0c\r\n\r\n") + end(),
    "no field": out(b"hello world\r\n\r\n") + end(),
    "a status of words": out(b"Status: fine\r\n\r\n") + end(),
    "an interim status": out(b"Status: 103\r\n\r\n") + end(),
    "a short end": out(b"A: b\r\n") + record(3, b"123"),
    "output behind its end": record(STDOUT) + out(b"A: b\r\n\r\n") + end(),
}


def test_pods_that_are_wrong_are_502_and_harm_nobody_else(site):
    def app(conn):
        conn.body()
        case = conn.params["HTTP_X_CASE"]
        conn.send(BAD[case])
        conn.keep = not case.startswith("closed")
    sluice, pod = serve(site, app, annotations={"fastcgi-keep-conn": "true"})
    other = site.add(FastcgiPod())
    site.app("other.example", other.address, annotations=FCGI)
    wait_for(lambda: sluice.get("/", "other.example").status == 200, "the other one is served")
    with sluice.raw() as c:
        for case in BAD:
            a = c.get("/", "app.example", headers=[f"X-Case: {case}"])
            assert a.status == 502, case
            assert sluice.get("/", "other.example").status == 200
    sluice.wait_line(r"502 GET app\.example/: FastCGI: a record whose version is not 1; Ingress default/app, app; pod 127", stream="err")


def test_a_response_that_breaks_off_is_not_completed(site):
    cases = [out(b"\nfirst"), out(b"\nfirst") + b"\2", out(b"Content-Length: 9\n\nfirst") + end(), out(b"\nfirst") + end(protocol=3)]

    def app(conn):
        conn.body()
        conn.send(cases[int(conn.params["QUERY_STRING"])])
    sluice, pod = serve(site, app)
    for n in range(len(cases)):
        with sluice.raw() as c:
            c.send(f"GET /?{n} HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\n\r\n")
            raw = c.read_all()
        assert raw.startswith(b"HTTP/1.1 502") or not raw.endswith(b"0\r\n\r\n"), (n, raw)
    assert sluice.proc.poll() is None


def test_a_client_that_leaves_closes_the_connection_to_the_pod(site):
    began, left = threading.Event(), threading.Event()

    def app(conn):
        conn.body()
        conn.send(out(b"\nfirst"))
        began.set()
        if conn.sock.recv(1) == b"":
            left.set()
    sluice, pod = serve(site, app)
    with sluice.raw() as c:
        c.send("GET / HTTP/1.1\r\nHost: app.example\r\n\r\n").read_until(b"first")
        assert began.wait(10)
        c.reset()
    assert left.wait(10)


def test_further_pods_are_asked_where_the_first_fails(site):
    def overloaded(conn):
        conn.body()
        conn.send(end(protocol=2))
    bad, good = site.add(FastcgiPod(overloaded)), site.add(FastcgiPod())
    site.app("app.example", [bad.address, good.address], annotations=FCGI)
    sluice = site.sluice()
    # It says that it processed nothing: a POST that is whole goes on, too.
    with sluice.raw() as c:
        assert [c.get("/", "app.example", method="POST", body=b"x").status for _ in range(6)] == [200] * 6
    assert bad.requests > 0


def test_what_is_not_idempotent_is_not_sent_twice(site):
    def dies(conn):
        conn.body()
    pods = [site.add(FastcgiPod(dies)), site.add(FastcgiPod(dies))]
    site.app("app.example", [p.address for p in pods], annotations=FCGI)
    sluice = site.sluice()
    assert sluice.get("/", "app.example", method="POST", body=b"x").status == 502
    assert sum(p.requests for p in pods) == 1
    assert sluice.get("/", "app.example").status == 502
    assert sum(p.requests for p in pods) == 4, "three attempts of a GET"


def test_a_pod_that_says_nothing_is_504(site):
    sluice, pod = serve(site, lambda c: (c.body(), c.sock.recv(1)), annotations={"proxy-read-timeout": "1", "proxy-next-upstream-tries": "1"})
    assert sluice.get("/", "app.example").status == 504


def test_standard_error_is_a_line_of_the_log(site):
    def app(conn):
        conn.body()
        conn.send(record(STDERR, b"PHP Warning: a\nline; and \x1b[31mcolours", 3), out(b"\nfine"), record(STDERR, b"e" * 60000), end())
    sluice, pod = serve(site, app)
    assert sluice.get("/", "app.example").body == b"fine"
    line = sluice.wait_line(r"wrote to standard error: PHP Warning: a", stream="err").string
    assert "Ingress default/app" in line and "bytes more" in line and len(line) < 2500 and "\x1b" not in line


def test_a_flood_of_standard_error_ends_and_keeps_nobody_waiting(site):
    def app(conn):
        conn.body()
        if conn.params["QUERY_STRING"]:
            conn.send(out(b"\nfirst"))
        while True:
            conn.send(record(STDERR, b"e" * 65535) * 8)
    sluice, pod = serve(site, app, annotations={"proxy-read-timeout": "1", "proxy-next-upstream-tries": "1"})
    other = site.add(FastcgiPod())
    sluice.changed(lambda: site.app("other.example", other.address, annotations=FCGI))
    for target, ends in (("/", b"HTTP/1.1 504"), ("/?x", b"first")):
        with sluice.raw() as c:
            before = sluice.rss_kb()
            c.send(f"GET {target} HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\n\r\n")
            assert all(sluice.get("/", "other.example").status == 200 for _ in range(20))
            got = c.read_all()
            assert ends in got and not got.endswith(b"0\r\n\r\n")
            sluice.expect_growth_below(4096, before, "standard error that is not kept")


def test_a_websocket_is_refused(site):
    sluice, pod = serve(site)
    with sluice.raw() as c:
        a = c.get("/", "app.example", headers=["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="])
    assert a.status == 502 and pod.requests == 0


def test_other_features_hold_for_fastcgi_pods(site):
    """Canaries, hashes, error pages, mirrors, redirects of pods and compression know no protocol."""
    def failing(conn):
        conn.body()
        conn.reply("Status: 503\r\nContent-Type: text/plain", b"pod's own")
    copies = []
    mirror = site.scripted(lambda sock, _: copies.append(sock.recv(65536)))
    canary, pages = site.add(FastcgiPod()), site.pod()
    site.manifests.write("canary.yaml", ingress("canary", {"app.example": [("/", "Prefix", "canary", 80)]}, annotations={"canary": "true", "canary-by-header": "X-Canary"}),
                         service("canary"), *slices("canary", [canary.address]))
    site.manifests.write("pages.yaml", service("pages"), *slices("pages", [pages.address]))
    site.app("bad.example", site.add(FastcgiPod(failing)).address, annotations={**FCGI, "custom-http-errors": "503", "default-backend": "pages"})
    sluice, pod = serve(site, annotations={"mirror-target": f"http://{mirror.address}$request_uri", "upstream-hash-by": "$request_uri"},
                        options={"allow-destinations": "127.0.0.0/8"})
    assert sluice.get("/", "app.example").json()["connection"] == 1 and pod.requests == 1
    assert sluice.get("/", "app.example", headers={"X-Canary": "always"}).status == 200
    assert canary.requests == 1, "a canary's pods speak what those of the main Ingress do"
    assert b"pod's own" not in sluice.get("/", "bad.example").body
    assert "X-Code: 503" in pages.last()[-1]
    wait_for(lambda: copies and copies[0].startswith(b"GET / HTTP/1.1"), "the mirror has its copy, in HTTP")


def test_an_external_name_leads_to_fastcgi(site):
    pod = site.add(FastcgiPod())
    port = int(pod.address.rsplit(":", 1)[1])
    site.manifests.write("app.yaml", ingress("app", {"app.example": [("/", "Prefix", "app", port)]}, annotations=FCGI),
                         service("app", port=port, external="localhost"))
    sluice = site.sluice(options={"allow-destinations": "127.0.0.0/8"})
    wait_for(lambda: sluice.get("/", "app.example").status == 200, "the name resolves")
    assert sluice.get("/x", "app.example").json()["params"]["SCRIPT_NAME"] == "/x"


def test_values_that_cannot_be_used_close_what_ingress_nginx_closes(site):
    sluice, pod = serve(site, params={"SCRIPT_FILENAME": "/srv$fastcgi_script_name"})
    assert sluice.get("/", "app.example").status == 200
    params = lambda data: sluice.changed(lambda: site.manifests.write("params.yaml", config_map(data, "params", "default")))
    params({"SCRIPT_FILENAME": "/srv$nobody"})
    assert sluice.get("/", "app.example").status == 503
    params({"SCRIPT_FILENAME": "/srv; return 200"})
    assert sluice.get("/", "app.example").status == 404, "the Ingress is not served"
    params({"SCRIPT_FILENAME": "/other$fastcgi_script_name"})
    assert sluice.get("/x", "app.example").json()["params"]["SCRIPT_FILENAME"] == "/other/x"
    sluice.changed(lambda: site.manifests.remove("params.yaml"))
    assert sluice.get("/", "app.example").status == 503


# ---- pods that are not ours ------------------------------------------------------------------------------------------

SCRIPTS = {
    "index.php": "<?php header('Content-Type: application/json'); echo json_encode(['server' => $_SERVER, 'get' => $_GET, 'cookie' => $_COOKIE, 'pid' => getmypid()]);",
    "post.php": "<?php $b = file_get_contents('php://input'); echo strlen($b), ' ', hash('sha256', $b), ' ', $_SERVER['CONTENT_LENGTH'];",
    "large.php": "<?php $s = str_repeat('y', 65536); for ($i = 0; $i < 512; $i++) { echo $s; flush(); }",
    "cookies.php": "<?php setcookie('a', '1'); setcookie('b', '2'); http_response_code(418); header('X-From: php');",
    "redirect.php": "<?php header('Location: /index.php');",
    "dies.php": "<?php ob_implicit_flush(true); shell_exec('kill -9 ' . getmypid());",
    "dies_late.php": "<?php header('Content-Length: 100000'); echo str_repeat('z', 50000); flush(); shell_exec('kill -9 ' . getmypid()); sleep(60);",
    "fails.php": "<?php ini_set('log_errors', '1'); ini_set('display_errors', '0'); nobody();",
    "sub/index.php": "<?php echo 'below';",
}


def php(site, **annotations):
    fpm = site.add(PhpFpm(site.tmp, SCRIPTS))
    sluice, _ = serve(site, pod=fpm, annotations={"fastcgi-index": "index.php", "proxy-body-size": "0", **annotations},
                      params={"SCRIPT_FILENAME": f"{fpm.root}$fastcgi_script_name"})
    return sluice, fpm


def test_php_serves_through_us(site):
    need("php-fpm8.2")
    sluice, fpm = php(site)
    a = sluice.get("/?a=b", "app.example", headers={"Cookie": "c=d", "Proxy": "evil", "X-One": "1"})
    got = a.json()
    assert a.status == 200 and a.get("Content-Type") == "application/json"
    assert got["get"] == {"a": "b"} and got["cookie"] == {"c": "d"}
    server = got["server"]
    assert server["SCRIPT_NAME"] == "/index.php" and server["REQUEST_URI"] == "/?a=b" and server["HTTP_X_ONE"] == "1" and "HTTP_PROXY" not in server
    assert sluice.get("/sub/", "app.example").body == b"below"
    with sluice.raw() as c:
        a = c.get("/cookies.php", "app.example")
        assert a.status == 418 and a.all("Set-Cookie") == ["a=1", "b=2"] and a.get("X-From") == "php"
        a = c.get("/redirect.php", "app.example")
        assert (a.status, a.get("Location")) == (302, "/index.php")
        assert c.get("/none.php", "app.example").status == 404
        assert c.get("/index.php", "app.example", method="HEAD").status == 200
    sluice.wait_line("Primary script unknown", stream="err")


@pytest.mark.parametrize("size", [0, 1, 100_000, 40 << 20])
def test_php_gets_whole_bodies(site, size):
    need("php-fpm8.2")
    sluice, fpm = php(site)
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    a = sluice.get("/post.php", "app.example", method="POST", body=body, timeout=60)
    assert a.body.decode().split(" ") == [str(size), hashlib.sha256(body).hexdigest(), str(size)]
    if 0 < size < 1 << 20:
        with sluice.raw() as c:
            c.send("POST /post.php HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: chunked\r\n\r\n" + f"{size:x}\r\n").send(body).send("\r\n0\r\n\r\n")
            assert c.answer().body == a.body


def test_php_sends_large_answers(site):
    need("php-fpm8.2")
    sluice, fpm = php(site)
    with sluice.raw(timeout=60) as c:
        for _ in range(2):
            assert len(c.get("/large.php", "app.example").body) == 512 * 65536


def test_php_keeps_connections_where_it_is_asked_to(site):
    need("php-fpm8.2")
    sluice, fpm = php(site, **{"fastcgi-keep-conn": "true"})
    before = sluice.metric("sluice_upstream_connects_total")
    assert len({sluice.get("/", "app.example").json()["pid"] for _ in range(10)}) == 1
    assert sluice.metric("sluice_upstream_connects_total") - before == 1


def test_php_that_dies_costs_its_own_request(site):
    need("php-fpm8.2")
    sluice, fpm = php(site, **{"proxy-next-upstream": "off"})
    with sluice.raw() as c:
        assert c.get("/dies.php", "app.example").status == 502
        a = c.get("/fails.php", "app.example")
        assert a.status == 500
    with sluice.raw() as c:
        c.send("GET /dies_late.php HTTP/1.1\r\nHost: app.example\r\n\r\n")
        raw = c.read_all()
        assert len(raw) < 100_000
    sluice.wait_line("Call to undefined function nobody", stream="err")
    wait_for(lambda: sluice.get("/", "app.example").status == 200, "another process serves")


# fastcgi_params as nginx ships it; Debian's says other things of HTTP_HOST.
NGINX_PARAMS = "".join(f"fastcgi_param {line};" for line in """QUERY_STRING $query_string
REQUEST_METHOD $request_method
CONTENT_TYPE $content_type
CONTENT_LENGTH $content_length
SCRIPT_NAME $fastcgi_script_name
REQUEST_URI $request_uri
DOCUMENT_URI $document_uri
DOCUMENT_ROOT $document_root
SERVER_PROTOCOL $server_protocol
REQUEST_SCHEME $scheme
HTTPS $https if_not_empty
GATEWAY_INTERFACE CGI/1.1
SERVER_SOFTWARE nginx/$nginx_version
REMOTE_ADDR $remote_addr
REMOTE_PORT $remote_port
SERVER_ADDR $server_addr
SERVER_PORT $server_port
SERVER_NAME $server_name
REDIRECT_STATUS 200""".splitlines())


def beside_nginx(site):
    """The same pod behind nginx and behind us: two functions that send a request and return its parameters."""
    need("nginx")
    params = {"SCRIPT_FILENAME": "/srv$fastcgi_script_name", "INFO": "$fastcgi_path_info", "ROOT": "$document_root", "WHO": "$remote_addr-$server_addr", "HTTP_X_SET": "$host"}
    sluice, pod = serve(site, annotations={"fastcgi-index": "index.php"}, params=params)
    lines = "".join(f'fastcgi_param {k} "{v}";' for k, v in params.items())
    nginx = site.nginx(f'server_name app.example; location / {{ {NGINX_PARAMS} fastcgi_index "index.php"; {lines} fastcgi_pass {pod.address}; }}')

    def ask(address, request):
        with Raw(address) as c:
            return c.send(request).answer().json()
    return lambda request: (ask(sluice.http, request), ask(nginx.address, request))


# What differs, and why docs/differences.md says so.
OURS = re.compile(r"HTTP_(X_(REQUEST_ID|REAL_IP|FORWARDED_.*|SCHEME|ORIGINAL_.*))$")
OF_THE_MACHINE = {"REMOTE_PORT", "SERVER_PORT", "DOCUMENT_ROOT", "ROOT", "SERVER_SOFTWARE"}


@pytest.mark.parametrize("request_text", [
    "GET / HTTP/1.1\r\nHost: app.example\r\n\r\n",
    "GET /a/b.php/c?x=1&y HTTP/1.1\r\nHost: app.example\r\nCookie: a=1\r\nAccept: */*\r\nX-Set: client\r\n\r\n",
    "GET /a%20b//c/../d%2Fe/?%20 HTTP/1.1\r\nHost: APP.example\r\nX_Under: 1\r\n\r\n",
    "POST /p HTTP/1.1\r\nHost: app.example\r\nContent-Type: a/b\r\nContent-Length: 5\r\n\r\nhello",
    "POST /p HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "DELETE /p?a=%2e HTTP/1.1\r\nHost: app.example:80\r\nAuthorization: Basic eDp5\r\nX-Empty:\r\n\r\n",
])
def test_parameters_are_nginx_s(site, request_text):
    ours, theirs = beside_nginx(site)(request_text)
    assert ours["body"] == theirs["body"]
    mine = {k: v for k, v in ours["params"].items() if not OURS.match(k) and k not in OF_THE_MACHINE}
    nginx = {k: v for k, v in theirs["params"].items() if k not in OF_THE_MACHINE}
    if "chunked" in request_text:  # the framing of the client's connection is not passed on; the length is
        assert nginx.pop("HTTP_TRANSFER_ENCODING") == "chunked" and mine.pop("HTTP_CONTENT_LENGTH") == "5"
    assert mine == nginx


@pytest.mark.parametrize("path", ["/", "/cookies.php", "/redirect.php", "/none.php", "/fails.php", "/sub/", "/sub", "/large.php"])
def test_answers_of_php_are_nginx_s(site, path):
    need("nginx")
    sluice, fpm = php(site)
    nginx = site.nginx(f'location / {{ {NGINX_PARAMS} fastcgi_index index.php; fastcgi_param SCRIPT_FILENAME "{fpm.root}$fastcgi_script_name"; fastcgi_pass {fpm.address}; }}')

    def ask(address):
        with Raw(address, timeout=60) as c:
            a = c.get(path, "app.example")
        fields = sorted((n.lower(), v) for n, v in a.headers if n.lower() not in ("server", "date", "connection", "transfer-encoding", "content-length"))
        return a.status, fields, b"" if path == "/" else a.body
    assert ask(sluice.http) == ask(nginx.address)
