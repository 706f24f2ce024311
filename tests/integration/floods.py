"""Floods: what a hostile HTTP/2 client sends a thousand times. Each kind is a function from a connection to an iterator of abusive
pieces; what one piece needs before it (an open stream) is sent with it."""
import struct
import sys

import h2raw
from harness import wait_for
from h2raw import (CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, NO_ERROR, PING, PRIORITY, Http2, block, frame,
                   indexed, integer, literal, request_fields, rst, settings, window_update)

PATH = "/?delay=2000&size=10"  # a pod that is slow: work piles up unless resets stop it


def fields(path=PATH, method="GET", more=()):
    return block(request_fields(path, "app.example", method, "http", more))


def rapid_reset(c):  # CVE-2023-44487
    while True:
        n = c.open()
        yield frame(HEADERS, END_HEADERS | END_STREAM, n, fields()) + rst(n)


def made_you_reset_zero_increment(c):  # CVE-2025-8671 and its kin: we are made to send the resets
    while True:
        n = c.open()
        yield frame(HEADERS, END_HEADERS | END_STREAM, n, fields()) + window_update(n, 0)


def made_you_reset_overflow(c):
    while True:
        n = c.open()
        yield frame(HEADERS, END_HEADERS | END_STREAM, n, fields()) + window_update(n, 0x7fffffff)


def made_you_reset_data_after_end(c):
    while True:
        n = c.open()
        yield frame(HEADERS, END_HEADERS | END_STREAM, n, fields()) + frame(DATA, END_STREAM, n, b"x")


def made_you_reset_priority_length(c):
    while True:
        n = c.open()
        yield frame(HEADERS, END_HEADERS | END_STREAM, n, fields()) + frame(PRIORITY, 0, n, b"\0\0\0\0")


def made_you_reset_own_dependency(c):
    while True:
        n = c.open()
        yield frame(HEADERS, END_HEADERS | END_STREAM, n, fields()) + frame(PRIORITY, 0, n, struct.pack(">IB", n, 16))


def made_you_reset_malformed(c):
    while True:
        yield frame(HEADERS, END_HEADERS | END_STREAM, c.open(), fields(more=[("connection", "close")]))


def made_you_reset_length(c):
    while True:
        n = c.open("POST")
        yield frame(HEADERS, END_HEADERS, n, fields(method="POST", more=[("content-length", "1")])) + frame(DATA, END_STREAM, n, b"xx")


STREAMS = 128  # that we allow at once


def refused_streams(c):
    """More streams than we allow, all left open (those that we allow are opened by prepare())."""
    while True:
        yield frame(HEADERS, END_HEADERS | END_STREAM, c.open(), fields("/?hold=1"))


def continuation_large(c):  # 2024
    n = c.open()
    yield frame(HEADERS, END_STREAM, n, fields())
    while True:
        yield frame(CONTINUATION, 0, n, (literal("x", "y" * 100) * 200)[:16384])


def continuation_tiny(c):
    n = c.open()
    yield frame(HEADERS, END_STREAM, n, fields())
    while True:
        yield frame(CONTINUATION, 0, n, literal("x", "y"))


def continuation_empty(c):
    n = c.open()
    yield frame(HEADERS, END_STREAM, n, fields())
    while True:
        yield frame(CONTINUATION, 0, n)


def ping(c):
    while True:
        yield frame(PING, 0, 0, b"floodcat")


def settings_(c):
    while True:
        yield settings({INITIAL_WINDOW_SIZE: 65535, MAX_FRAME_SIZE: 16384})


def settings_empty(c):
    while True:
        yield settings()


def priority(c):
    n = 1
    while True:
        n += 2
        yield frame(PRIORITY, 0, n % 2000 + 1 | 1, struct.pack(">IB", 0, 16))


def window_update_one(c):
    n = c.open()
    yield frame(HEADERS, END_HEADERS | END_STREAM, n, fields("/?hold=1"))
    while True:
        yield window_update(n, 1)


def window_update_one_connection(c):
    while True:
        yield window_update(0, 1)


def empty_data(c):
    n = c.open("POST")
    yield frame(HEADERS, END_HEADERS, n, fields(method="POST"))
    while True:
        yield frame(DATA, 0, n)


def padded_empty_data(c):
    n = c.open("POST")
    yield frame(HEADERS, END_HEADERS, n, fields(method="POST"))
    while True:
        yield frame(DATA, h2raw.PADDED, n, b"\xff" + b"\0" * 255)


def hpack_bomb(c):
    """One large field in the dynamic table, named 16,000 times by each request: 64 MB of fields in 16 KB."""
    n = c.open()
    yield frame(HEADERS, END_HEADERS | END_STREAM, n, fields("/") + literal("x", "y" * 3900, 0x40))
    while True:
        yield frame(HEADERS, END_HEADERS | END_STREAM, c.open(), (fields("/") + indexed(62) * 16000)[:16384])


def hpack_table_size(c):
    """Changes of the table's size, over and over, in each block."""
    while True:
        yield frame(HEADERS, END_HEADERS | END_STREAM, c.open(), (integer(0, 5, 0x20) + integer(4096, 5, 0x20)) * 100 + fields("/"))


def unknown_frames(c):
    while True:
        yield frame(0xbb, 0, 0, b"whatever")


def closed_stream_frames(c):
    n = c.open()
    yield frame(HEADERS, END_HEADERS | END_STREAM, n, fields("/?size=1")) + rst(n)
    while True:
        yield rst(n)


FLOODS = {f.__name__.strip("_"): f for f in (
    rapid_reset, made_you_reset_zero_increment, made_you_reset_overflow, made_you_reset_data_after_end, made_you_reset_priority_length, made_you_reset_own_dependency,
    made_you_reset_malformed, made_you_reset_length, refused_streams, continuation_large, continuation_tiny, continuation_empty, ping, settings_, settings_empty, priority,
    window_update_one, window_update_one_connection, empty_data, padded_empty_data, hpack_bomb, hpack_table_size, unknown_frames, closed_stream_frames)}


def prepare(c, kind, pod):
    """What every client may do, and this attack does first: its cost is not the attack's."""
    if kind != "refused_streams":
        return
    before = pod.stats()["requests"]
    c.send(b"".join(frame(HEADERS, END_HEADERS | END_STREAM, c.open(), fields("/?hold=1")) for _ in range(STREAMS)))
    wait_for(lambda: pod.stats()["requests"] >= before + STREAMS, "the streams that are allowed are at the pod")


def attack(c, kind, frames=1000, burst=50):
    """Sends pieces of this kind until the peer ends the connection or has been sent `frames` of them; how many went out."""
    source, sent = FLOODS[kind](c), 0
    while sent < frames and not c.ended:
        if not c.try_send(b"".join(next(source) for _ in range(burst))):
            break
        sent += burst
    return sent


def measure(proxy, pod, kind, cpu_ms, growth_kb):
    """What a flood costs on a connection of its own, which the proxy ends. It varies with what else the machine does: the first of three
    that is within both bounds counts, or else the last."""
    for _ in range(3):
        with Http2(proxy.http) as c:
            prepare(c, kind, pod)
            cpu, rss = proxy.cpu_seconds(), proxy.rss_kb()
            sent = attack(c, kind)
            c.wait_end(5)
        code = c.goaway[1] if c.goaway else None
        assert code != NO_ERROR, f"{kind}: GOAWAY {c.goaway}"
        cost = {"sent": sent, "goaway": code, "cpu_ms": (proxy.cpu_seconds() - cpu) * 1000, "growth_kb": proxy.rss_kb() - rss}
        print(f"{kind}: {cost}", file=sys.stderr)
        if cost["cpu_ms"] <= cpu_ms and cost["growth_kb"] <= growth_kb:
            break
    return cost
