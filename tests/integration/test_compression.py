"""Compression of responses (docs/compression.md), with pods and clients over real sockets."""
import random
import struct
import threading
from urllib.parse import quote, unquote

import pytest

from codings import DECODERS, TOKENS, decoded
from h2pod import H2Pod
from h2raw import Http2
from harness import Raw, config_map, read_request, wait_for

HOST = "app.example"
ALL = {"use-gzip": "true", "enable-brotli": "true", "enable-zstd": "true"}
GZIP = {"use-gzip": "true"}
TEXT = ("A line that a browser has seen before, and a number: %d\n" * 400 % tuple(range(400))).encode()
ACCEPT = ["Accept-Encoding: gzip"]


def answering(*fields, body=TEXT, status="200 OK", framing="length", close=False, trailers=""):
    """A pod that answers every request with these fields, as bytes or as text."""
    def head(method):
        lines = [f"HTTP/1.1 {status}", *fields]
        if framing == "length":
            lines.append(f"Content-Length: {len(body)}")
        elif framing == "chunked":
            lines.append("Transfer-Encoding: chunked")
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"

    def pod(sock, _):
        while (r := read_request(sock)) is not None:
            method = r[0].split(" ", 1)[0]
            data = head(method)
            if method != "HEAD" and framing == "chunked":
                for at in range(0, len(body), 3000):
                    piece = body[at:at + 3000]
                    data += b"%x\r\n%s\r\n" % (len(piece), piece)
                data += b"0\r\n" + trailers.encode() + b"\r\n"
            elif method != "HEAD":
                data += body
            sock.sendall(data)
            if framing == "close":
                return
    return pod


HTML = "Content-Type: text/html"


def serve(site, pod, options=GZIP, **kw):
    site.app(HOST, site.scripted(pod).address)
    return site.sluice(options=options, **kw)


# ---- what is compressed, and what the head says of it --------------------------------------------------------------

@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
@pytest.mark.parametrize("coding", TOKENS)
def test_a_body_arrives_whole_and_the_connection_goes_on(site, coding, framing):
    sluice = serve(site, answering(HTML, framing=framing), ALL)
    with sluice.raw() as c:
        for _ in range(3):
            a = c.get("/", HOST, headers=[f"Accept-Encoding: {coding}"])
            assert a.status == 200 and a.get("content-encoding") == coding and a.get("transfer-encoding") == "chunked"
            assert a.get("content-length") is None and a.all("vary") == ["Accept-Encoding"]
            assert decoded(coding, a.body) == TEXT and len(a.body) < len(TEXT) / 4
        plain = c.get("/", HOST)
        assert plain.get("content-encoding") is None and plain.body == TEXT and plain.all("vary") == ["Accept-Encoding"]
    assert sluice.metric("sluice_compressed_responses_total", coding=coding) == 3
    assert sluice.metric("sluice_compression_bytes_total", side="in") == 3 * len(TEXT)
    assert 0 < sluice.metric("sluice_compression_bytes_total", side="out") < len(TEXT)
    assert sluice.metric("sluice_compression_memory_bytes") == 0


def test_nothing_is_compressed_by_default(site):
    sluice = serve(site, answering(HTML), {})
    with sluice.raw() as c:
        a = c.get("/", HOST, headers=["Accept-Encoding: gzip, br, zstd"])
        assert a.body == TEXT and not a.all("content-encoding") and not a.all("vary") and a.get("content-length") == str(len(TEXT))


def test_brotli_wins_where_it_is_accepted(site):
    sluice = serve(site, answering(HTML), ALL)
    with sluice.raw() as c:
        for accepted, coding in [("gzip, deflate, br, zstd", "br"), ("br;q=0.1, gzip", "br"), ("br;q=0, gzip", "gzip"), ("gzip, zstd", "zstd"), ("*", None),
                                 ("gzip;q=0", None), ("identity", None)]:
            a = c.get("/", HOST, headers=[f"Accept-Encoding: {accepted}"])
            assert a.get("content-encoding") == coding, accepted
            assert (decoded(coding, a.body) if coding else a.body) == TEXT


def test_the_fields_that_speak_of_the_bytes(site):
    pod = answering(HTML, "Vary: Origin", "Vary: Accept-Encoding", 'ETag: "a"', "Accept-Ranges: bytes", "Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT",
                    "Cache-Control: no-transform", "Content-Encoding: ")
    sluice = serve(site, pod)
    with sluice.raw() as c:
        a = c.get("/", HOST, headers=[*ACCEPT, "Range: bytes=0-9", "Via: 1.1 x"])
        assert a.status == 200 and decoded("gzip", a.body) == TEXT
        assert a.all("content-encoding") == ["gzip"] and a.all("etag") == ['W/"a"'] and not a.all("accept-ranges")
        assert a.get("last-modified") and a.get("cache-control") == "no-transform"
        assert a.all("vary") == ["Accept-Encoding", "Origin", "Accept-Encoding"]
        names = [n.lower() for n, _ in a.headers]
        assert names.index("vary") < names.index("content-type")
        a = c.get("/", HOST)
        assert a.all("etag") == ['"a"'] and a.all("accept-ranges") == ["bytes"] and a.body == TEXT
        assert a.all("vary") == ["Accept-Encoding", "Origin", "Accept-Encoding"]


@pytest.mark.parametrize("tag,sent", [('W/"a"', ['W/"a"']), ("abc", []), ('w/"a"', [])])
def test_other_entity_tags(site, tag, sent):
    sluice = serve(site, answering(HTML, f"ETag: {tag}"))
    with sluice.raw() as c:
        assert c.get("/", HOST, headers=ACCEPT).all("etag") == sent
        assert c.get("/", HOST).all("etag") == [tag]


@pytest.mark.parametrize("status,compressed", [("200 OK", True), ("403 Forbidden", True), ("404 Not Found", True), ("201 Created", False), ("206 Partial Content", False),
                                               ("302 Found", False), ("401 Unauthorized", False), ("500 Internal Server Error", False), ("503 Service Unavailable", False)])
def test_statuses(site, status, compressed):
    sluice = serve(site, answering(HTML, status=status))
    with sluice.raw() as c:
        a = c.get("/", HOST, headers=ACCEPT)
        assert bool(a.all("content-encoding")) == bool(a.all("vary")) == compressed
        assert (decoded("gzip", a.body) if compressed else a.body) == TEXT


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_answers_without_a_body(site, status):
    sluice = serve(site, answering(HTML, 'ETag: "a"', status=status, body=b"", framing="none"))
    with sluice.raw() as c:
        for _ in range(2):
            a = c.get("/", HOST, headers=ACCEPT)
            assert a.status == int(status[:3]) and a.all("etag") == ['"a"'] and not a.all("content-encoding") and not a.all("vary")


@pytest.mark.parametrize("fields,compressed", [
    (["Content-Type: application/json; charset=utf-8"], True), (["Content-Type: application/json;profile=x"], False), (["Content-Type: image/png"], False), ([], False),
    ([HTML, "Content-Encoding: identity"], False), ([HTML, "Content-Encoding: br"], False), (["Content-Type: application/grpc"], False)])
def test_what_the_pod_says_of_it(site, fields, compressed):
    sluice = serve(site, answering(*fields))
    with sluice.raw() as c:
        a = c.get("/", HOST, headers=ACCEPT)
        assert (a.get("content-encoding") == "gzip") == bool(a.all("vary")) == compressed
        assert (decoded("gzip", a.body) if compressed else a.body) == TEXT


@pytest.mark.parametrize("size,compressed", [(0, False), (255, False), (256, True)])
def test_lengths(site, size, compressed):
    sluice = serve(site, answering(HTML, body=b"a" * size))
    with sluice.raw() as c:
        a = c.get("/", HOST, headers=ACCEPT)
        assert bool(a.all("content-encoding")) == bool(a.all("vary")) == compressed
        assert (decoded("gzip", a.body) if compressed else a.body) == b"a" * size


@pytest.mark.parametrize("coding", TOKENS)
@pytest.mark.parametrize("framing", ["chunked", "close"])
def test_a_body_that_is_empty(site, framing, coding):
    sluice = serve(site, answering(HTML, body=b"", framing=framing), ALL)
    with sluice.raw() as c:
        for _ in range(2):
            a = c.get("/", HOST, headers=[f"Accept-Encoding: {coding}"])
            assert a.get("content-encoding") == coding and decoded(coding, a.body) == b""


def test_any_type(site):
    sluice = serve(site, answering(), {"use-gzip": "true", "gzip-types": "*"})
    with sluice.raw() as c:
        assert decoded("gzip", c.get("/", HOST, headers=ACCEPT).body) == TEXT


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("coding", TOKENS)
def test_head_says_what_get_says(site, coding, framing):
    sluice = serve(site, answering(HTML, 'ETag: "a"', framing=framing), ALL)
    with sluice.raw() as c:
        head = c.get("/", HOST, method="HEAD", headers=[f"Accept-Encoding: {coding}"])
        get = c.get("/", HOST, headers=[f"Accept-Encoding: {coding}"])
    told = [{n.lower(): v for n, v in a.headers if n.lower() not in ("date", "transfer-encoding")} for a in (head, get)]
    assert told[0] == told[1] and told[0]["content-encoding"] == coding and "content-length" not in told[0]
    assert decoded(coding, get.body) == TEXT


def test_clients_of_http_10(site):
    sluice = serve(site, answering(HTML), ALL)
    for accepted, coding in [("gzip", None), ("gzip, br", "br")]:
        with sluice.raw() as c:
            c.send(f"GET / HTTP/1.0\r\nHost: {HOST}\r\nConnection: keep-alive\r\nAccept-Encoding: {accepted}\r\n\r\n")
            a = c.answer()
            assert a.get("content-encoding") == coding and a.all("vary") == ["Accept-Encoding"] and not a.all("transfer-encoding")
            assert (decoded(coding, a.body) if coding else a.body) == TEXT
            if coding:
                assert a.get("connection") == "close"


def test_user_agents_without_gzip(site):
    sluice = serve(site, answering(HTML), {"use-gzip": "true", "gzip-disable": "msie [4-6]\\."})
    with sluice.raw() as c:
        assert c.get("/", HOST, headers=[*ACCEPT, "User-Agent: MSIE 6.0"]).body == TEXT
        assert c.get("/", HOST, headers=[*ACCEPT, "User-Agent: other"]).get("content-encoding") == "gzip"


def test_trailers_follow(site):
    sluice = serve(site, answering(HTML, framing="chunked", trailers="X-Sum: 1\r\n"))
    with sluice.raw() as c:
        for _ in range(2):
            a = c.get("/", HOST, headers=[*ACCEPT, "TE: trailers"])
            assert decoded("gzip", a.body) == TEXT and a.trailers == [("X-Sum", "1")]


@pytest.mark.parametrize("trailers", ["", "X-Sum: 1\r\n"])
def test_what_came_with_the_head_is_more_than_is_compressed_at_once(site, trailers):
    """At brotli's highest level a piece is 4 KiB."""
    sluice = serve(site, answering(HTML, framing="chunked", trailers=trailers), {"enable-brotli": "true", "brotli-level": "11"})
    with sluice.raw() as c:
        for _ in range(3):
            a = c.get("/", HOST, headers=["Accept-Encoding: br"])
            assert decoded("br", a.body) == TEXT and a.trailers == ([("X-Sum", "1")] if trailers else [])


def test_answers_of_ours(site):
    sluice = serve(site, answering(HTML), {"use-gzip": "true", "gzip-min-length": "10"})
    with sluice.raw() as c:
        for _ in range(2):
            a = c.get("/", "nobody.example", headers=ACCEPT)
            assert a.status == 404 and a.get("content-encoding") == "gzip" and a.all("vary") == ["Accept-Encoding"]
            assert b"<h1>404 Not Found</h1>" in decoded("gzip", a.body)
            head = c.get("/", "nobody.example", method="HEAD", headers=ACCEPT)
            assert head.get("content-encoding") == "gzip" and not head.all("content-length")
            assert b"<h1>404 Not Found</h1>" in c.get("/", "nobody.example").body


def test_our_page_is_too_short_by_default(site):
    sluice = serve(site, answering(HTML))
    with sluice.raw() as c:
        a = c.get("/", "nobody.example", headers=ACCEPT)
        assert a.status == 404 and not a.all("content-encoding") and not a.all("vary")


def test_fields_of_config_maps_decide_too(site):
    pod = site.scripted(answering("Content-Type: image/png", 'ETag: "a"'))
    site.app(HOST, pod.address)
    site.manifests.write("headers.yaml", config_map({"Content-Type": "text/html", "Vary": "X-Own", "ETag": '"ours"'}, "headers", "default"))
    sluice = site.sluice(options={**GZIP, "add-headers": "default/headers"})
    with sluice.raw() as c:
        a = c.get("/", HOST, headers=ACCEPT)
        assert decoded("gzip", a.body) == TEXT and a.all("vary") == ["Accept-Encoding", "X-Own"] and a.all("etag") == ['W/"ours"']
        assert a.all("content-type") == ["text/html"]
    sluice.changed(lambda: site.manifests.write("headers.yaml", config_map({"Content-Type": "text/html", "Content-Encoding": "x-own"}, "headers", "default")))
    with sluice.raw() as c:
        a = c.get("/", HOST, headers=ACCEPT)
        assert a.body == TEXT and a.all("content-encoding") == ["x-own"]


def told(sock, _):
    """A pod that answers as the query says: status, length of the body, framing, fields."""
    while (r := read_request(sock)) is not None:
        status, size, framing, *fields = map(unquote, r[0].split(" ")[1].partition("?")[2].split("&"))
        body = b"a" * int(size)
        fields.append(f"Content-Length: {size}" if framing == "length" else "Transfer-Encoding: chunked")
        if framing == "chunked":
            body = (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
        head = "\r\n".join([f"HTTP/1.1 {status} X", *fields])
        sock.sendall(head.encode() + b"\r\n\r\n" + (b"" if r[0].startswith("HEAD") else body))


WORDS = ["gzip", "GZIP", "x-gzip", "br", "*", ",", ", ", " ", ";", ";q=", "; q=", "q", "=", "0", "1", "0.5", "0.001", "1.001", "00.5", ".", "0.0", "Q=", "x"]
TYPE_WORDS = ["text/html", "TEXT/HTML", "text/plain", "application/json", "image/png", "application/problem+json", ";", "; ", " ", "charset=utf-8", "CHARSET=x", 'charset="u"',
              "v=1", "charset", ";;"]


@pytest.mark.parametrize("types,least", [("application/json text/plain", 256), ("*", 0)])
def test_nginx_decides_the_same(site, types, least):
    """The same requests, right and wrong ones, to the same pod through both."""
    pod = site.scripted(told)
    site.app(HOST, pod.address)
    sluice = site.sluice(options={**GZIP, "gzip-types": types, "gzip-min-length": least, "gzip-disable": "bad"})
    nginx = site.nginx(f"""gzip on; gzip_types {types}; gzip_min_length {least}; gzip_disable bad; gzip_proxied any; gzip_vary on;
        location / {{ proxy_pass http://{pod.address}; proxy_http_version 1.1; proxy_buffering off; proxy_set_header Connection ""; }}""")
    chance = random.Random(least)

    def some(words, usual):
        return "".join(chance.choices(words, k=chance.randrange(1, 6))).strip() if chance.random() < 0.6 else usual

    for _ in range(700):
        fields = [f"Content-Type: {some(TYPE_WORDS, 'text/html') or 'x'}"]
        for share, name, values in [(0.4, "ETag", ['"a"', 'W/"a"', "abc", 'w/"a"', '"', "W/"]), (0.2, "Content-Encoding", ["identity", "br", ""]), (0.3, "Accept-Ranges", ["bytes"]),
                                    (0.3, "Vary", ["Origin", "Accept-Encoding"])]:
            if chance.random() < share:
                fields.append(f"{name}: {chance.choice(values)}")
        query = "&".join(quote(str(x), "") for x in [chance.choice([200, 200, 200, 403, 404, 201, 206, 500]), chance.choice([0, 255, 256, 1000]), chance.choice(["length", "chunked"]), *fields])
        method, version = chance.choice(["GET", "GET", "HEAD"]), chance.choice(["1.1", "1.1", "1.0"])
        lines = [f"{method} /?{query} HTTP/{version}", f"Host: {HOST}", "Connection: close", f"Accept-Encoding: {some(WORDS, 'gzip')}"]
        if chance.random() < 0.1:
            lines.append("Accept-Encoding: gzip")
        if chance.random() < 0.1:
            lines.append("User-Agent: " + chance.choice(["BAD one", "good"]))
        seen = []
        for address in (sluice.http, nginx.address):
            with Raw(address) as c:
                c.send("\r\n".join(lines) + "\r\n\r\n")
                a = c.answer(method)
            coding = [v for v in a.all("content-encoding") if v]  # nginx leaves the pod's empty one beside its own
            seen.append((a.status, coding, *map(a.all, ("vary", "etag", "accept-ranges", "content-length")), decoded("gzip", a.body) if coding == ["gzip"] and a.body else a.body))
        assert seen[0] == seen[1], lines


# ---- HTTP/2 --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("coding", TOKENS)
def test_http2_on_both_sides(site, coding):
    def answer(pod, call):
        if call.get(":method") == "HEAD":
            call.head(("content-type", "text/html"), ("etag", '"a"'), ("content-length", str(len(TEXT))), end=True)
            return
        call.head(("content-type", "text/html"), ("etag", '"a"'))
        for at in range(0, len(TEXT), 10_000):
            call.data(TEXT[at:at + 10_000])
        call.end(("x-sum", "1"))
    pod = site.add(H2Pod(answer))
    site.app(HOST, pod.address, annotations={"backend-protocol": "GRPC"})
    sluice = site.sluice(options={**ALL, "http2-prior-knowledge": "true"})
    with Http2(sluice.http) as c:
        for method in ("GET", "HEAD", "GET"):
            s = c.request(method=method, host=HOST, fields=[("accept-encoding", coding)])
            c.done(s)
            assert (s.status, s.get("content-encoding"), s.get("vary"), s.get("etag"), s.get("content-length")) == (200, coding, "Accept-Encoding", 'W/"a"', None)
            assert (decoded(coding, bytes(s.body)) if method == "GET" else TEXT) == TEXT


ON = {"backend-protocol": "GRPC", "enable-grpc-web": "true"}


def test_calls_of_grpc_are_left_alone_and_those_of_grpc_web_are_not(site):
    """`*` lists both. A client of gRPC knows no coding of a body; a browser reads a body of gRPC-Web like any other."""
    def answer(pod, call):
        call.head(("content-type", "application/grpc+proto")).data(frame(b"message" * 500)).end(("grpc-status", "0"))
    pod = site.add(H2Pod(answer))
    site.app(HOST, pod.address, annotations=ON)
    sluice = site.sluice(options={"use-gzip": "true", "gzip-types": "*", "http2-prior-knowledge": "true"})
    with Http2(sluice.http) as c:
        s = c.request(method="POST", host=HOST, fields=[("content-type", "application/grpc+proto"), ("te", "trailers"), ("accept-encoding", "gzip")], body=frame(b"x"))
        c.done(s)
        assert s.get("content-encoding") is None and bytes(s.body) == frame(b"message" * 500) and ("grpc-status", "0") in s.trailers
    with sluice.raw() as c:
        a = c.get("/pkg.Service/Method", HOST, "POST", ["Content-Type: application/grpc-web+proto", *ACCEPT], frame(b"x"))
        assert a.get("content-encoding") == "gzip" and a.get("content-type") == "application/grpc-web+proto"
        assert decoded("gzip", a.body) == frame(b"message" * 500) + frame(b"grpc-status: 0\r\n", 0x80)


def frame(data, kind=0):
    return struct.pack(">BI", kind, len(data)) + data


def test_events_over_http2(site):
    def answer(pod, call):
        call.head(("content-type", "text/event-stream"))
    pod = site.add(H2Pod(answer))
    site.app(HOST, pod.address, annotations={"backend-protocol": "GRPC"})
    sluice = site.sluice(options={"use-gzip": "true", "gzip-types": "text/event-stream", "http2-prior-knowledge": "true"})
    with Http2(sluice.http) as c:
        s = c.request(host=HOST, fields=[("accept-encoding", "gzip")])
        call = pod.wait_call()
        decoder, out, at = DECODERS["gzip"](), b"", 0
        for i in range(3):
            event = b"data: %d\n\n" % i
            call.data(event)
            while not out.endswith(event):
                c.wait(lambda: len(s.body) > at, "a piece")
                out, at = out + decoder.decode(bytes(s.body[at:])), len(s.body)
        call.reset(2)  # INTERNAL_ERROR
        c.done(s)
        assert s.code is not None and not s.ended and not decoder.ended


# ---- pieces --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("coding", TOKENS)
def test_what_the_pod_sent_is_with_the_client_before_the_pod_goes_on(site, coding):
    seen = [threading.Event() for _ in range(4)]

    def pod(sock, _):
        read_request(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for i, event in enumerate(seen):
            data = b"data: %d\n\n" % i
            sock.sendall(b"%x\r\n%s\r\n" % (len(data), data))
            assert event.wait(20)
        sock.sendall(b"0\r\n\r\n")
    options = {**ALL, **{f"{k}-types": "text/event-stream" for k in ("gzip", "brotli", "zstd")}}
    sluice = serve(site, pod, options)
    with sluice.raw() as c:
        c.send(f"GET / HTTP/1.1\r\nHost: {HOST}\r\nAccept-Encoding: {coding}\r\n\r\n")
        _, status, _, headers = c.read_head()
        assert status == 200 and ("Content-Encoding", coding) in headers
        decoder, out = DECODERS[coding](), b""
        for i, event in enumerate(seen):
            while not out.endswith(b"data: %d\n\n" % i):
                out += decoder.decode(chunk(c))
            event.set()
        while not decoder.ended:
            out += decoder.decode(chunk(c))
        assert chunk(c) == b"" and out == b"".join(b"data: %d\n\n" % i for i in range(4))


def chunk(c):
    size = int(c.read_until(b"\r\n")[:-2], 16)
    data = c.read_exactly(size)
    assert c.read_exactly(2) == b"\r\n"
    return data


@pytest.mark.parametrize("coding", TOKENS)
def test_a_pod_that_breaks_inside_its_body_is_seen(site, coding):
    def pod(sock, _):
        read_request(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 100000\r\n\r\n" + TEXT)
    sluice = serve(site, pod, ALL)
    with sluice.raw() as c:
        c.send(f"GET / HTTP/1.1\r\nHost: {HOST}\r\nAccept-Encoding: {coding}\r\n\r\n")
        head, _, body = c.read_all().partition(b"\r\n\r\n")
        assert f"Content-Encoding: {coding}".encode() in head and not body.endswith(b"0\r\n\r\n")
    wait_for(lambda: sluice.metric("sluice_compression_memory_bytes") == 0, "the memory is given back")


def test_a_client_that_leaves_ends_it(site):
    gone = threading.Event()

    def pod(sock, _):
        read_request(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        try:
            gone.set() if not sock.recv(1) else None
        except OSError:
            gone.set()
    sluice = serve(site, pod)
    with sluice.raw() as c:
        c.send(f"GET / HTTP/1.1\r\nHost: {HOST}\r\nAccept-Encoding: gzip\r\n\r\n")
        c.read_head()
        assert chunk(c)
        wait_for(lambda: sluice.metric("sluice_compression_memory_bytes") > 0, "it is counted")
        c.reset()
    assert gone.wait(20)
    wait_for(lambda: sluice.metric("sluice_compression_memory_bytes") == 0, "the memory is given back")


# ---- bounds --------------------------------------------------------------------------------------------------------

def test_beyond_the_memory_responses_go_out_as_they_are(site):
    wait = threading.Event()

    def pod(sock, _):
        while (r := read_request(sock)) is not None:
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
            if " /wait " in r[0]:
                assert wait.wait(20)
            sock.sendall(b"0\r\n\r\n")
    sluice = serve(site, pod, {**GZIP, "compression-memory": "300k"})
    with sluice.raw() as first, sluice.raw() as second:
        first.send(f"GET /wait HTTP/1.1\r\nHost: {HOST}\r\nAccept-Encoding: gzip\r\n\r\n")
        _, _, _, headers = first.read_head()
        assert ("Content-Encoding", "gzip") in headers
        a = second.get("/", HOST, headers=ACCEPT)
        assert a.body == b"hello" and not a.all("content-encoding") and a.all("vary") == ["Accept-Encoding"]
        assert sluice.metric("sluice_uncompressed_responses_total", reason="limit") == 1
        wait.set()
        while chunk(first):
            pass
        wait_for(lambda: sluice.metric("sluice_compression_memory_bytes") == 0, "the first has ended")
        assert second.get("/", HOST, headers=ACCEPT).get("content-encoding") == "gzip"


ZEROS, NOISE = bytes(65536), random.Random(1).randbytes(65536)


@pytest.mark.parametrize("coding", TOKENS)
@pytest.mark.parametrize("piece", [ZEROS, NOISE], ids=["zeros", "noise"])
def test_a_huge_body_takes_no_memory(site, coding, piece):
    count = 500

    def pod(sock, _):
        read_request(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % (count * len(piece)))
        for _ in range(count):
            sock.sendall(piece)
    sluice = serve(site, pod, ALL)
    before = sluice.rss_kb()
    with sluice.raw(rcvbuf=4096) as c:
        c.send(f"GET / HTTP/1.1\r\nHost: {HOST}\r\nAccept-Encoding: {coding}\r\n\r\n")
        c.read_head()
        decoder, size = DECODERS[coding](), 0
        while data := chunk(c):
            size += len(decoder.decode(data))
        assert decoder.ended and size == count * len(piece)
    sluice.expect_growth_below(6000, before, "a body of 32 MB", peak=True)


def test_others_have_their_turn_meanwhile(site):
    """A pod that is always ahead of what compresses its body, and a client that takes all of it: nothing but a pause of its own lets the worker answer others."""
    stop = threading.Event()
    words = [random.Random(i).randbytes(4).hex().encode() for i in range(300)]
    text = b" ".join(random.Random(1).choices(words, k=120_000))

    def pod(sock, _):
        while (r := read_request(sock)) is not None:
            if " /big " not in r[0]:
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nsmall")
                continue
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n")
            piece = b"%x\r\n%s\r\n" % (len(text), text)
            while not stop.is_set():
                sock.sendall(piece)
            sock.sendall(b"0\r\n\r\n")
    sluice = serve(site, pod, {**GZIP, "gzip-level": "9"})
    with sluice.raw(timeout=30) as big, sluice.raw() as other:
        big.send(f"GET /big HTTP/1.1\r\nHost: {HOST}\r\nAccept-Encoding: gzip\r\n\r\n")
        big.read_head()
        whole = []
        reader = threading.Thread(target=lambda: whole.append(big.read_until(b"\r\n0\r\n\r\n")), daemon=True)
        reader.start()
        wait_for(lambda: sluice.metric("sluice_compression_bytes_total", side="in") > 3_000_000, "it is under way")
        try:
            for _ in range(5):
                assert other.get("/", HOST).body == b"small"
        finally:
            stop.set()
        reader.join(60)
        assert whole
