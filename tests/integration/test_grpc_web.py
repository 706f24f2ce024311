"""gRPC-Web as browsers send it, translated for pods that speak gRPC."""
import base64
import struct

import pytest

from h2pod import H2Pod

HOST = "grpc.example"
ON = {"backend-protocol": "GRPC", "enable-grpc-web": "true"}


def frame(data, kind=0):
    return struct.pack(">BI", kind, len(data)) + data


def frames(body):
    out = []
    while body:
        kind, size = struct.unpack(">BI", body[:5])
        out.append((kind, body[5:5 + size]))
        body = body[5 + size:]
    return out


def answer(pod, call):
    call.head(("content-type", "application/grpc+proto"), ("x-first", "1"))
    for kind, message in frames(call.body):
        call.data(frame(message.upper()))
    call.end(("grpc-status", "0"), ("grpc-message", "fine"), ("x-last", "2"))


def start(site, annotations=None, reply=answer, **kw):
    pod = site.add(H2Pod(reply))
    site.app(HOST, pod.address, annotations=annotations or ON)
    return site.sluice(**kw), pod


def post(proxy, type, body, *headers, chunked=False):
    with proxy.raw() as c:
        if not chunked:
            return c.get("/pkg.Service/Method", HOST, "POST", [f"Content-Type: {type}", "X-Grpc-Web: 1", *headers], body)
        c.send("\r\n".join(["POST /pkg.Service/Method HTTP/1.1", f"Host: {HOST}", f"Content-Type: {type}", "Transfer-Encoding: chunked", *headers]) + "\r\n\r\n")
        for i in range(0, len(body), 3):
            piece = body[i:i + 3]
            c.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        c.send(b"0\r\n\r\n")
        return c.answer("POST")


def trailers_of(message):
    return dict(line.split(": ", 1) for line in message.decode().split("\r\n") if line)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("type,up,down", [("application/grpc-web", "application/grpc", "application/grpc-web+proto"),
                                          ("application/grpc-web+proto", "application/grpc+proto", "application/grpc-web+proto"),
                                          ("application/grpc-web-text", "application/grpc", "application/grpc-web-text+proto"),
                                          ("application/grpc-web-text+proto", "application/grpc+proto", "application/grpc-web-text+proto")])
def test_messages_and_trailers(site, type, up, down, chunked):
    proxy, pod = start(site, options={"log-format-upstream": "$status $grpc_status"})
    text = "text" in type
    messages = [b"one", b"", b"three" * 1000]
    body = b"".join(base64.b64encode(frame(m)) if text else frame(m) for m in messages)
    a = post(proxy, type, body, chunked=chunked)
    assert (a.status, a.get("content-type"), a.get("x-first"), a.trailers) == (200, down, "1", [])
    got = a.body
    if text:
        got = b"".join(base64.b64decode(part + b"=" * (-len(part) % 4)) for part in split_padded(got))
    *data, (kind, last) = frames(got)
    assert data == [(0, m.upper()) for m in messages] and kind == 0x80
    assert trailers_of(last) == {"grpc-status": "0", "grpc-message": "fine", "x-last": "2"}
    call = pod.calls[-1]
    assert (call.get("content-type"), call.get("te"), call.body) == (up, "trailers", b"".join(map(frame, messages)))
    proxy.wait_access(r"^200 0$")


def split_padded(text):
    """Base64 that may be padded between groups of four, as groups that end with padding."""
    groups, part = [], b""
    for i in range(0, len(text), 4):
        part += text[i:i + 4]
        if part.endswith(b"="):
            groups.append(part)
            part = b""
    return groups + [part]


def test_binary_metadata_that_fetch_joined_is_parted(site):
    proxy, pod = start(site)
    a = post(proxy, "application/grpc-web", frame(b"x"), "X-A-Bin: AQI=, AwQ=,BQ==", "X-Text: a, b", "X-B-Bin: AQ==")
    assert a.status == 200
    fields = [(n, v) for n, v in pod.calls[-1].headers if n in ("x-a-bin", "x-b-bin", "x-text")]
    assert sorted(fields) == [("x-a-bin", "AQI="), ("x-a-bin", "AwQ="), ("x-a-bin", "BQ=="), ("x-b-bin", "AQ=="), ("x-text", "a, b")]
    assert [v for n, v in fields if n == "x-a-bin"] == ["AQI=", "AwQ=", "BQ=="]


def test_accept_says_what_is_read(site):
    proxy, pod = start(site)
    a = post(proxy, "application/grpc-web+proto", frame(b"x"), "Accept: application/grpc-web-text+proto")
    assert a.get("content-type") == "application/grpc-web-text+proto"
    assert base64.b64decode(split_padded(a.body)[0]).startswith(frame(b"X")[:1])


def test_an_answer_of_trailers_alone_keeps_them_in_its_head(site):
    proxy, pod = start(site, reply=lambda pod, call: call.head(("content-type", "application/grpc"), ("grpc-status", "5"), end=True))
    a = post(proxy, "application/grpc-web", frame(b"x"))
    assert (a.status, a.get("grpc-status"), a.body, a.get("content-type")) == (200, "5", b"", "application/grpc-web+proto")


def test_our_own_answers(site):
    proxy, pod = start(site, reply=lambda pod, call: call.head(("content-type", "text/html"), status=404).data(b"no", end=True))
    a = post(proxy, "application/grpc-web-text", base64.b64encode(frame(b"x")))
    assert (a.status, a.get("grpc-status"), a.body, a.get("content-type")) == (200, "12", b"", "application/grpc-web-text+proto")
    a = post(proxy, "application/grpc-web-text", b"AAA$")
    assert (a.status, a.get("grpc-status")) == (200, "13")


@pytest.mark.parametrize("annotations", [{"backend-protocol": "GRPC"}, {"backend-protocol": "GRPC", "enable-grpc-web": "false"}])
def test_without_the_annotation_it_passes_as_it_is(site, annotations):
    proxy, pod = start(site, annotations, reply=lambda pod, call: call.head(("content-type", "application/grpc-web")).data(call.body, end=True))
    a = post(proxy, "application/grpc-web", frame(b"x"))
    assert (pod.calls[-1].get("content-type"), a.body) == ("application/grpc-web", frame(b"x"))


def test_other_requests_of_the_route_are_left_alone(site):
    proxy, pod = start(site, reply=lambda pod, call: call.head(("content-type", "text/plain")).data(call.body or b"get", end=True))
    assert post(proxy, "text/plain", b"hello").body == b"hello"
    with proxy.raw() as c:
        assert c.get("/", HOST, "OPTIONS", ["Origin: https://a.example", "Access-Control-Request-Method: POST"]).body == b"get"


def test_the_config_map_turns_it_on_for_all(site):
    proxy, pod = start(site, {"backend-protocol": "GRPC"}, options={"enable-grpc-web": "true"})
    a = post(proxy, "application/grpc-web", frame(b"x"))
    assert a.get("content-type") == "application/grpc-web+proto" and frames(a.body)[0] == (0, b"X")
