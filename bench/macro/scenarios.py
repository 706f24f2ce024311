"""What is measured: the work, the check before it, the load, and what the figure is held to."""
import dataclasses, functools
from typing import Callable

import checks, clients
from work import Work


@dataclasses.dataclass(frozen=True)
class Bar:
    against: str  # best: the best peer of the run; bare: our own row of h1-1k; or a peer's name
    most: float   # of its CPU time


@dataclasses.dataclass(frozen=True)
class Scenario:
    work: Work
    load: Callable          # (seconds, connections, what the check returned) → clients.Load
    check: Callable         # Work → what the load and the table need
    unit: str = "request"
    scheme: str = "http"    # which listener has to be there
    conns: int = 64
    bars: tuple = ()
    bare: bool = False      # measure h1-1k of Sluice in the same rounds
    proof: tuple = ()       # (Work, check): a configuration beside it that shows what no load reaches
    logs: bool = False      # each answer has a line in lab.LOG
    without: tuple = ()     # (peer, check, why): peers that do the work otherwise, which their row says; never the best
    about: str = ""


def h1(pod, hosts=0):
    script = clients.hosts_at_random(hosts) if hosts else ""
    return Scenario(Work(pod=pod, hosts=hosts), lambda s, c, _: clients.wrk(s, c, script=script), checks.plain)


def tls(pod, load):
    return Scenario(Work(pod=pod), load, functools.partial(checks.plain, scheme="https"), scheme="https")


def shop(found):
    """Nine requests of ten have the cookie of a session, one is of somebody new."""
    request = lambda cookie: (f"GET {checks.PATH} HTTP/1.1\r\nHost: app.example.com\r\nOrigin: {checks.ORIGIN}\r\nUser-Agent: bench/1.0\r\n"
                              f"Accept: application/json\r\n{cookie}\r\n")
    return [request(f"Cookie: {c}\r\n") for c in found["cookies"]] + [request("")]


def with_token(token):
    return f"GET /api/users/1 HTTP/1.1\r\nHost: app.example.com\r\nAuthorization: {token}\r\n\r\n"


def compressed(kind, coding, **more):
    return Scenario(Work(kind, pod="json"), lambda s, c, _: clients.wrk(s, c, headers=[f"Accept-Encoding: {coding}"], path="/list"),
                    functools.partial(checks.compressed, coding=coding), about=f"64 KiB of JSON, {kind}", **more)


def grpc(method, messages, unit):
    return Scenario(Work("grpc", pod="grpc"), lambda s, c, _: clients.of_json(clients.calls(s, c, f"/bench.Echo/{method}", messages)), checks.grpc,
                    unit=unit, scheme="https", about="HTTP/2 over TLS in, without TLS to the pod; 8 connections of 8 calls")


SCENARIOS = {
    "h1-1k": h1("1k"), "h1-64k": h1("64k"), "h1-1m": h1("1m"),
    "h1-1k-1-host": h1("1k", 1), "h1-1k-100-hosts": h1("1k", 100), "h1-1k-10k-hosts": h1("1k", 10000),
    "tls-1k": tls("1k", lambda s, c, _: clients.wrk(s, c, "https")), "tls-64k": tls("64k", lambda s, c, _: clients.wrk(s, c, "https")),
    "tls-handshake": tls("1k", lambda s, c, _: clients.wrk(s, c, "https", headers=["Connection: close"])),
    "tls-full-handshake": tls("1k", lambda s, c, _: clients.newclients(s, c)),
    "h2-1k": tls("1k", lambda s, c, _: clients.h2load(s, c)), "h2-64k": tls("64k", lambda s, c, _: clients.h2load(s, c)),
    "all-on": Scenario(
        Work("all-on"), lambda s, c, found: clients.wrk(s, c, script=clients.in_turn(shop(found))), checks.all_on,
        bars=(Bar("best", 0.60), Bar("bare", 1.25)), bare=True, proof=(Work("all-on", rps=5), checks.limited), logs=True,
        about="rewrite with captures, CORS, 50 ranges, limit of requests, canary of 10 %, session cookie, headers, JSON log"),
    "auth-cached": Scenario(
        Work("auth"), lambda s, c, _: clients.wrk(s, c, script=clients.in_turn(map(with_token, checks.TOKENS))), checks.auth,
        bars=(Bar("nginx", 0.50),), without=(("envoy", functools.partial(checks.auth, cached=False), "asks each time"),),
        about="an authentication service whose answers are kept, 16 tokens"),
    "grpc-unary": grpc("Unary", 1, "call"),
    "grpc-stream": grpc("Stream", 1000, "stream of 1,000 messages"),
    "ws-message": Scenario(Work("websocket", pod="echo"), lambda s, c, _: clients.of_json(clients.messages(s, c)), checks.websocket,
                           unit="message there and back", about="128 bytes through a tunnel"),
    "upload": Scenario(Work("upload", pod="upload"), lambda s, c, _: clients.wrk(s, c, script=clients.upload(False), path="/files"), checks.upload,
                       conns=8, about="1 MiB with Content-Length, passed on as it comes"),
    "upload-chunked": Scenario(Work("upload", pod="upload"), lambda s, c, _: clients.wrk(s, c, script=clients.upload(True), path="/files"),
                               functools.partial(checks.upload, chunked=True), conns=8, about="1 MiB in 64 chunks, passed on as it comes"),
    # Few connections where an answer takes long: what is under way at the end is paid for and not counted.
    "gzip": compressed("gzip", "gzip", conns=8),
    "brotli": compressed("brotli", "br", conns=8),
}
# Names for several at once.
GROUPS = {"all": [*SCENARIOS],
          "everything-on": ["all-on", "auth-cached", "grpc-unary", "grpc-stream", "ws-message", "upload", "upload-chunked", "gzip", "brotli"]}


def chosen(words):
    names = [name for word in words.split(",") for name in GROUPS.get(word, [word])]
    for name in names:
        if name not in SCENARIOS:
            raise SystemExit(f"{name} is no scenario; there are {', '.join([*SCENARIOS, *GROUPS])}")
    return names
