"""What each proxy must show before it is measured: that it does the work of its scenario. A check raises Undone with what
was seen and what was expected, or returns what the load needs to know (and the table tells)."""
import base64, collections, hashlib, http.client, json, os, socket, subprocess as sp, time, zlib

import lab

ORIGIN = "https://app.example.com"


class Undone(Exception):
    pass


def must(true, text):
    if not true:
        raise Undone(text)


class Answer:
    def __init__(self, response):
        self.status, self.body = response.status, response.read()
        self.fields = response.getheaders()

    def __getitem__(self, name):
        """The first field of that name, or nothing."""
        return next((v for k, v in self.fields if k.lower() == name.lower()), None)

    def seen(self):
        """Of an answer to X-Show-Request: which pod it was, the request line, and the fields that it saw."""
        lines = self.body.decode("latin1").split("\r\n")
        pod, _, request = lines[0].partition("\n")
        must(pod.startswith("pod "), f"{self.status} is no pod's answer: {self.body[:100]!r}")
        return pod.removeprefix("pod "), request, {k.lower(): v for k, _, v in (line.partition(": ") for line in lines[1:])}


SHOW = {"X-Show-Request": "1"}


def ask(path, headers=None, method="GET", body=None, source="127.0.0.1", port=lab.HTTP, chunked=False):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10, source_address=(source, 0))
    try:
        connection.request(method, path, body=body, headers={"Host": lab.HOST, "User-Agent": "check", **(headers or {})}, encode_chunked=chunked)
        return Answer(connection.getresponse())
    finally:
        connection.close()


def plain(work, scheme="http"):
    """200, with the length of the pod's body, from the first host and the last."""
    port = lab.HTTP if scheme == "http" else lab.TLS
    size = int(lab.PODS[work.pod][1][0])
    for host in [lab.HOST] + [f"h{work.hosts - 1}.example.com"] * (work.hosts > 0):
        got = sp.run(["curl", "-sk", "-m", "10", "--connect-to", f"::127.0.0.1:{port}", "-o", "/dev/null", "-w", "%{http_code} %{size_download}", f"{scheme}://{host}/api/users/1"],
                     capture_output=True, text=True).stdout
        must(got == f"200 {size}", f"{host} answers {got!r}, wanted 200 with {size} bytes")
    return {}


PATH = "/shop/api/users/1?page=2"


def all_on(work):
    """Each feature by what it does; returns the cookies of nine sessions."""
    a = ask(PATH, {**SHOW, "Origin": ORIGIN})
    must(a.status == 200, f"{PATH} answers {a.status}")
    _, request, seen = a.seen()
    must(request == "GET /v2/api/users/1?page=2 HTTP/1.1", f"rewrite: the pod sees {request!r}")
    must(seen.get("x-request-id"), f"the pod sees no X-Request-ID in {sorted(seen)}")
    must(seen.get("x-forwarded-for"), "the pod sees no X-Forwarded-For")  # of a client on loopback Envoy says the machine's address
    must(a["Access-Control-Allow-Origin"] == ORIGIN and a["Access-Control-Allow-Credentials"] == "true", f"CORS: {a.fields}")
    must(ask(PATH, {"Origin": "https://evil.example"})["Access-Control-Allow-Origin"] is None, "CORS allows an origin that is not in its list")
    preflight = ask(PATH, {"Origin": ORIGIN, "Access-Control-Request-Method": "PUT"}, "OPTIONS")
    must(preflight.status in (200, 204) and "PUT" in (preflight["Access-Control-Allow-Methods"] or ""), f"preflight: {preflight.status} {preflight.fields}")
    must(a["X-Frame-Options"] == "DENY" and a["X-Served-By"] == "edge", f"headers of one's own: {a.fields}")
    must(ask(PATH, source="127.0.0.2").status == 403, "allowlist: an address that is not in it is served")

    pods, cookies = collections.Counter(), {}
    for _ in range(400):
        a = ask(PATH, SHOW)
        pod = a.seen()[0]
        pods[pod] += 1
        if pod.endswith(f":{lab.port_of('next')}"):
            continue
        must(a["Set-Cookie"] and a["Set-Cookie"].startswith("route="), f"affinity: no cookie in {a.fields}")
        cookies[a["Set-Cookie"].split(";")[0]] = pod
    share = sum(n for pod, n in pods.items() if pod.endswith(f":{lab.port_of('next')}")) / 400
    must(0.04 < share < 0.17, f"canary: {share:.3f} of the requests, wanted 0.10 ({dict(pods)})")
    must(len(pods) == 4, f"not all of the three pods and the canary are asked: {dict(pods)}")
    for cookie, pod in list(cookies.items())[:9]:
        for _ in range(5):
            again = ask(PATH, {**SHOW, "Cookie": cookie}).seen()[0]
            must(again == pod, f"affinity: {cookie} was at {pod} and is at {again}")

    line = last_line(lambda one: one.get("status") == 200 or one.get("status") == "200")
    text = json.dumps(line)
    must("/shop/api/users/1" in text and "check" in text and str(lab.port_of("1k")) in text or str(lab.port_of("next")) in text,
         f"access log: target, User-Agent or pod is missing in {text}")
    return {"cookies": [*cookies][:9], "note": f"a line of the log has {len(text)} bytes"}


def last_line(fits):
    """The last whole line of the access log that fits, as JSON; every line has to be JSON."""
    end = time.monotonic() + 12
    while time.monotonic() < end:
        with open(lab.LOG, "rb") as f:
            f.seek(max(0, os.path.getsize(lab.LOG) - 20000))
            lines = f.read().split(b"\n")[1:-1]
        try:
            found = [line for line in map(json.loads, lines) if fits(line)]
        except ValueError as e:
            raise Undone(f"access log: a line is no JSON: {e} in {lines[-1][:300]!r}")
        if found:
            return found[-1]
        time.sleep(0.05)
    raise Undone("access log: no line of a request in it")


def log_lines():
    with open(lab.LOG, "rb") as f:
        return sum(block.count(b"\n") for block in iter(lambda: f.read(1 << 20), b""))


def limited(work):
    """With a limit of 5 a second some of 60 requests at once are refused."""
    statuses = collections.Counter(ask(PATH).status for _ in range(60))
    must(statuses[200] >= 5 and statuses[503] + statuses[429] >= 10, f"limit-rps: {dict(statuses)} of 60 requests with a limit of {work.rps} a second")
    return {}


TOKENS = [f"Bearer token-{i}" for i in range(16)]


def asked():
    """How many questions the authentication service has answered."""
    return int(ask("/", {"X-Count": "1"}, port=lab.port_of("auth")).body)


def auth(work, cached=True):
    must(ask("/api/users/1").status == 401, "a request without Authorization is not refused")
    before = asked()
    for _ in range(50):
        a = ask("/api/users/1", {**SHOW, "Authorization": TOKENS[0]})
        must(a.status == 200, f"a good token is answered {a.status}")
        must(a.seen()[2].get("x-auth-user") == "alice", f"the pod does not see who it is: {a.seen()[2]}")
    questions = asked() - before
    must(questions <= 1 if cached else questions == 50, f"{questions} questions for 50 requests of one token")
    forged = ask("/api/users/1", {**SHOW, "Authorization": TOKENS[0], "X-Auth-User": "mallory"})
    must("mallory" not in forged.body.decode(), "the pod sees X-Auth-User of the client")
    return {"note": "answers are kept" if cached else "the service is asked each time"}


def grpc(work):
    """A call of each kind by a gRPC client that is not ours."""
    import grpc as library
    with open(f"{lab.W}/tls.crt", "rb") as f:
        credentials = library.ssl_channel_credentials(f.read())
    with library.secure_channel(f"127.0.0.1:{lab.TLS}", credentials, options=[("grpc.ssl_target_name_override", lab.HOST), ("grpc.default_authority", lab.HOST)]) as channel:
        message = os.urandom(64)
        try:
            got = channel.unary_unary("/bench.Echo/Unary")(message, timeout=10)
            many = list(channel.unary_stream("/bench.Echo/Stream")(message, timeout=10))
        except library.RpcError as e:
            raise Undone(f"gRPC: {e.code()} {e.details()}")
        must(got == message, "gRPC: the message comes back as another one")
        must(many == [message] * 1000, f"gRPC: {len(many)} messages of a stream of 1000")
        try:
            channel.unary_unary("/bench.Echo/Missing")(message, timeout=10)
            raise Undone("gRPC: a method that is not there answers")
        except library.RpcError as e:
            must(e.code() == library.StatusCode.UNIMPLEMENTED, f"gRPC: {e.code()} of a method that is not there")
    return {}


def websocket(work):
    key = base64.b64encode(os.urandom(16)).decode()
    with socket.create_connection(("127.0.0.1", lab.HTTP), 10) as s:
        s.sendall(f"GET /chat HTTP/1.1\r\nHost: {lab.HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
        f = s.makefile("rb")
        head = [f.readline()]
        while head[-1] not in (b"\r\n", b""):
            head.append(f.readline())
        must(head[0].startswith(b"HTTP/1.1 101 "), f"WebSocket: {head[0]!r}")
        wanted = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        must(any(line.lower().startswith(b"sec-websocket-accept:") and wanted in line for line in head), f"WebSocket: {head}")
        message, mask = os.urandom(100), os.urandom(4)
        for _ in range(3):
            s.sendall(bytes([0x82, 0x80 | 100]) + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(message)))
            must(f.read(102) == bytes([0x82, 100]) + message, "WebSocket: the message comes back as another one")
    return {}


def upload(work, chunked=False):
    body = b"u" * 1048576
    pieces = lambda b: (b[i:i + 16384] for i in range(0, len(b), 16384))
    send = lambda b, more=(): ask("/files", dict(more) | ({"Transfer-Encoding": "chunked"} if chunked else {}), "POST", pieces(b) if chunked else b, chunked=chunked)
    a = send(body)
    must(a.status == 200 and a.body == b"xx", f"upload: {a.status}")
    must(send(body[:-1]).status == 400, "upload: the pod does not see what is sent")
    seen = send(body, SHOW).seen()[2]
    return {"note": "the pod gets it " + ("in chunks" if "chunked" in seen.get("transfer-encoding", "") else "with its length")}


def compressed(work, coding):
    whole = ask("/list", port=lab.port_of(work.pod)).body
    must(len(whole) == 65536, f"the pod's list has {len(whole)} bytes")
    same = ask("/list")
    must(same.body == whole and same["Content-Encoding"] is None, "who accepts no coding does not get the pod's body")
    a = ask("/list", {"Accept-Encoding": coding})
    must(a.status == 200 and a["Content-Encoding"] == coding, f"{coding}: {a.status} {a.fields}")
    if coding == "gzip":
        decoded = zlib.decompressobj(31).decompress(a.body)
    else:
        decoded = sp.run(["curl", "-s", "--compressed", "-H", f"Host: {lab.HOST}", "-H", f"Accept-Encoding: {coding}", f"http://127.0.0.1:{lab.HTTP}/list"], capture_output=True).stdout
    must(decoded == whole, f"{coding}: what is decoded is not the pod's body")
    return {"note": f"{len(a.body)} bytes"}
