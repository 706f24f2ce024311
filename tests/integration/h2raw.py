"""HTTP/2 by hand. What a test writes goes out as it is, right or wrong; what comes back is read strictly: framing, stream states,
windows, field names, and what RFC 9113 forbids in a response. Nothing is validated on the way out."""
import select
import ssl
import struct
import time

import hpack

from harness import SLOW, connect, ready

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, HAS_PRIORITY = 1, 1, 4, 8, 32
(NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL,
 COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM, INADEQUATE_SECURITY, HTTP_1_1_REQUIRED) = range(14)
(HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE) = range(1, 7)
ENABLE_CONNECT_PROTOCOL = 8
CONNECTION_SPECIFIC = {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}


def to_bytes(text):
    return text if isinstance(text, bytes) else text.encode("latin-1")


def integer(value, prefix, first=0):
    """An HPACK integer (RFC 7541 5.1)."""
    limit = (1 << prefix) - 1
    if value < limit:
        return bytes([first | value])
    out, value = bytes([first | limit]), value - limit
    while value >= 128:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def text(value):
    value = to_bytes(value)
    return integer(len(value), 7) + value


def literal(name, value, first=0x00):
    """One field, spelled out; first=0x40 also puts it into the dynamic table."""
    return bytes([first]) + text(name) + text(value)


def indexed(index):
    return integer(index, 7, 0x80)


def block(fields):
    """A header block of literals: no table, no Huffman coding, any byte."""
    return b"".join(literal(n, v) for n, v in fields)


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(values=()):
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", k, v) for k, v in dict(values).items()))


def window_update(stream, increment):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def rst(stream, code=CANCEL):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def request_fields(path="/", host="app.example", method="GET", scheme="http", fields=()):
    return [(":method", method), (":scheme", scheme), (":authority", host), (":path", path), *fields]


class Stream:
    """What came back on one stream."""

    def __init__(self, number, method, window):
        self.number, self.method, self.window = number, method, window
        self.interim, self.headers, self.trailers = [], None, []
        self.body, self.ended, self.code = bytearray(), False, None

    @property
    def status(self):
        return int(dict(self.headers)[":status"]) if self.headers else None

    @property
    def done(self):
        return self.ended or self.code is not None

    def get(self, name):
        return next((v for n, v in self.headers or [] if n == name), None)

    def __repr__(self):
        return f"<stream {self.number}: {self.headers} {len(self.body)} bytes, ended={self.ended}, code={self.code}>"


class Http2:
    """One connection. grow=False keeps the windows as they are, for tests of flow control."""

    def __init__(self, address, *, sni=None, settings=(), timeout=10.0, grow=True, rcvbuf=None, preface=True, alpn=("h2",)):
        self.sock = connect(address, timeout, rcvbuf)
        self.scheme = "http"
        if sni is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.set_alpn_protocols(list(alpn))
            self.sock = context.wrap_socket(self.sock, server_hostname=sni or None)
            assert self.sock.selected_alpn_protocol() == "h2", self.sock.selected_alpn_protocol()
            self.scheme = "https"
        self.timeout, self.grow = timeout * SLOW, grow
        self.in_ = b""
        self.ended = False          # the peer closed or reset the connection
        self.goaway = None          # (last stream, code, text), the last one
        self.settings = None        # the peer's
        self.acks = self.pongs = 0  # of our SETTINGS and PINGs
        self.streams, self.next = {}, 1
        self.decoder = hpack.Decoder()
        self.decoder.max_header_list_size = 1 << 20
        self.initial_window = dict(settings).get(INITIAL_WINDOW_SIZE, 65535)
        self.max_frame = dict(settings).get(MAX_FRAME_SIZE, 16384)
        self.window = 65535         # what the peer may still send on the connection
        self.send_window = 65535    # what we may, as the peer says; kept for those who ask
        self.send_windows = {}      # of streams
        self.reset_by_us = set()
        self.partial = None         # stream, flags and block of a HEADERS without END_HEADERS
        if preface:
            self.send(PREFACE + globals()["settings"](settings))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    # ---- out -------------------------------------------------------------------------------------------------------

    def send(self, data):
        self.sock.sendall(data)
        return self

    def try_send(self, data):
        """False when the peer is gone. What it says meanwhile is read, so that neither side waits for the other."""
        view, end = memoryview(data), time.monotonic() + self.timeout
        while view and not self.ended:
            assert time.monotonic() < end, "the peer reads nothing"
            poll = select.poll()
            poll.register(self.sock, select.POLLIN | select.POLLOUT)
            able = dict(poll.poll(1000)).get(self.sock.fileno(), 0)
            if able & ~select.POLLOUT:
                self._receive()
            if able & select.POLLOUT:
                try:
                    view = view[self.sock.send(view[:65536]):]
                except OSError:
                    self.ended = True
        return not view

    def open(self, method="GET"):
        """The number of a new stream, whose answer will be kept."""
        number, self.next = self.next, self.next + 2
        self.streams[number] = Stream(number, method, self.initial_window)
        return number

    def head(self, path="/", host="app.example", method="GET", fields=(), end=True, number=None):
        """The bytes of a request's HEADERS, and its stream."""
        number = number or self.open(method)
        payload = block(request_fields(path, host, method, self.scheme, fields))
        return self.headers(number, payload, end), self.streams[number]

    @staticmethod
    def headers(number, payload, end=True, size=16384):
        """HEADERS and as many CONTINUATIONs as the block needs."""
        pieces = [payload[i:i + size] for i in range(0, len(payload), size)] or [b""]
        out = b""
        for i, piece in enumerate(pieces):
            flags = (END_STREAM if end and i == 0 else 0) | (END_HEADERS if i == len(pieces) - 1 else 0)
            out += frame(CONTINUATION if i else HEADERS, flags, number, piece)
        return out

    def request(self, path="/", host="app.example", method="GET", fields=(), body=None, trailers=None, end=True):
        """Sends a request, its body as the peer's windows allow, and returns its stream."""
        data, stream = self.head(path, host, method, fields, end=end and body is None and trailers is None)
        self.send(data)
        if body is not None:
            self.body(stream, body, end=end and trailers is None)
        if trailers is not None:
            self.send(self.headers(stream.number, block(trailers), end))
        return stream

    def body(self, stream, data, end=True, size=16384):
        number, at = stream.number, 0
        while at < len(data) or (end and not data):
            room = min(self.send_window, self.peer_window(number), size)
            if room <= 0 and data:
                self.wait(lambda: min(self.send_window, self.peer_window(number)) > 0 or stream.done, "room to send")
                if stream.done:
                    return
                continue
            piece = data[at:at + room]
            at += len(piece)
            self.spend(number, len(piece))
            self.send(frame(DATA, END_STREAM if end and at == len(data) else 0, number, piece))
            if not data:
                return

    def peer_window(self, number):
        if number not in self.send_windows:
            self.wait(lambda: self.settings is not None, "SETTINGS")
            self.send_windows[number] = self.settings.get(INITIAL_WINDOW_SIZE, 65535)
        return self.send_windows[number]

    def spend(self, number, size):
        self.send_windows[number] = self.peer_window(number) - size
        self.send_window -= size

    def reset(self, stream, code=CANCEL):
        self.reset_by_us.add(stream.number)
        self.send(rst(stream.number, code))
        stream.code = stream.code if stream.code is not None else -1

    # ---- in --------------------------------------------------------------------------------------------------------

    def _receive(self):
        try:
            data = self.sock.recv(262144)
        except ssl.SSLWantReadError:
            return
        except (ConnectionError, ssl.SSLError):
            data = b""
        if not data:
            self.ended = True
            return
        self.in_ += data
        at = 0
        while len(self.in_) - at >= 9:
            size = int.from_bytes(self.in_[at:at + 3], "big")
            if len(self.in_) - at < 9 + size:
                break
            kind, flags, stream = struct.unpack(">BBI", self.in_[at + 3:at + 9])
            payload = self.in_[at + 9:at + 9 + size]
            at += 9 + size
            assert size <= self.max_frame, f"frame of {size} bytes"
            self._frame(kind, flags, stream & 0x7fffffff, payload)
        self.in_ = self.in_[at:]

    def wait(self, condition, what="the condition", seconds=None):
        """Reads until condition() holds; an AssertionError after seconds, or when the connection ends before."""
        end = time.monotonic() + (self.timeout if seconds is None else seconds * SLOW)
        while not condition():
            assert not self.ended, f"the connection ended before {what}; GOAWAY {self.goaway}"
            left = end - time.monotonic()
            assert left > 0, f"not in time: {what}"
            pending = getattr(self.sock, "pending", lambda: 0)()
            if pending or ready(self.sock, left):
                self._receive()
        return self

    def done(self, *streams, seconds=None):
        self.wait(lambda: all(s.done for s in streams), f"the end of {[s.number for s in streams if not s.done][:8]}", seconds)
        return streams[0] if len(streams) == 1 else streams

    def wait_end(self, seconds=None):
        """Until the peer ends the connection."""
        end = time.monotonic() + (self.timeout if seconds is None else seconds * SLOW)
        while not self.ended:
            left = end - time.monotonic()
            assert left > 0, f"the connection is still open; GOAWAY {self.goaway}"
            if ready(self.sock, left):
                self._receive()
        return self

    def ping(self):
        """A round trip: what was sent before has been read by the peer."""
        before = self.pongs
        self.send(frame(PING, 0, 0, b"roundtri"))
        return self.wait(lambda: self.pongs > before, "the answer to a PING")

    def _frame(self, kind, flags, number, payload):
        assert (self.partial is None) == (kind != CONTINUATION), "a frame inside a header block"
        if self.settings is None:
            assert kind == SETTINGS and not flags & ACK, f"the first frame is of type {kind}"
        if kind in (DATA, HEADERS, RST_STREAM):
            assert number & 1 and number < self.next, f"a frame of type {kind} for stream {number}, which was never opened"
        if kind == SETTINGS:
            assert number == 0 and len(payload) % 6 == 0
            if flags & ACK:
                assert not payload
                self.acks += 1
            else:
                new = dict(struct.unpack(">HI", payload[i:i + 6]) for i in range(0, len(payload), 6))
                change = new.get(INITIAL_WINDOW_SIZE, 65535) - (self.settings or {}).get(INITIAL_WINDOW_SIZE, 65535)
                for n in self.send_windows:
                    self.send_windows[n] += change
                self.settings = {**(self.settings or {}), **new}
                self._reply(frame(SETTINGS, ACK))
        elif kind == PING:
            assert number == 0 and len(payload) == 8
            if flags & ACK:
                self.pongs += 1
            else:
                self._reply(frame(PING, ACK, 0, payload))
        elif kind == GOAWAY:
            last, code = struct.unpack(">II", payload[:8])
            assert self.goaway is None or last & 0x7fffffff <= self.goaway[0], "GOAWAY raised its last stream"
            self.goaway = last & 0x7fffffff, code, payload[8:]
        elif kind == WINDOW_UPDATE:
            (increment,) = struct.unpack(">I", payload)
            assert 0 < increment < 1 << 31
            if number == 0:
                self.send_window += increment
            elif number in self.send_windows or self.settings is not None:
                self.send_windows[number] = self.peer_window(number) + increment
        elif kind == RST_STREAM:
            (code,) = struct.unpack(">I", payload)
            stream = self.streams[number]
            if stream.code is None:  # a second one answers frames that crossed the first
                stream.code = code
        elif kind == DATA:
            self._data(self.streams[number], flags, payload)
        elif kind in (HEADERS, CONTINUATION):
            if kind == HEADERS:
                if flags & PADDED:
                    payload = payload[1:len(payload) - payload[0]]
                if flags & HAS_PRIORITY:
                    payload = payload[5:]
                self.partial = (number, flags & END_STREAM, payload)
            else:
                assert number == self.partial[0]
                self.partial = (number, self.partial[1], self.partial[2] + payload)
            if flags & END_HEADERS:
                (number, end, payload), self.partial = self.partial, None
                fields = self.decoder.decode(payload, raw=True)
                if number not in self.reset_by_us:
                    self._fields(self.streams[number], fields, end)
        else:
            assert kind not in (PUSH_PROMISE, PRIORITY), f"a frame of type {kind} from a server"

    def _reply(self, data):
        try:
            self.sock.sendall(data)
        except OSError:
            pass

    def _data(self, stream, flags, payload):
        size = len(payload)
        self.window -= size
        stream.window -= size
        assert self.window >= 0 and stream.window >= 0, f"stream {stream.number} was sent more than its window"
        if flags & PADDED:
            payload = payload[1:size - payload[0]]
        if stream.number not in self.reset_by_us:
            assert stream.headers and not stream.done, f"DATA out of place on {stream}"
            stream.body += payload
            stream.ended = bool(flags & END_STREAM)
        if self.grow and size:
            self.give(stream, size)

    def give(self, stream, size):
        """Lets the peer send so much more, on the stream and the connection."""
        self.window += size
        data = window_update(0, size)
        if not stream.done:
            stream.window += size
            data += window_update(stream.number, size)
        self._reply(data)

    def _fields(self, stream, fields, end):
        assert not stream.done, f"HEADERS after the end of {stream}"
        names = [n for n, _ in fields]
        for name, value in fields:
            assert name == name.lower() and name not in CONNECTION_SPECIFIC, f"field {name!r} in an HTTP/2 response"
            assert not set(name[1:]) & set(b"\0\r\n\t :") and not set(value) & set(b"\0\r\n"), (name, value)
            assert value == value.strip(b" \t"), (name, value)
        decoded = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in fields]
        if stream.headers is None:
            assert names[0] == b":status" and not any(n.startswith(b":") for n in names[1:]), names
            status = int(decoded[0][1])
            assert status != 101, "101 in HTTP/2"
            if status < 200:
                assert not end, "an interim response that ends the stream"
                stream.interim.append(decoded)
                return
            stream.headers = decoded
        else:
            assert end and not any(n.startswith(b":") for n in names), f"trailers {names}"
            stream.trailers = decoded
        stream.ended = bool(end)
