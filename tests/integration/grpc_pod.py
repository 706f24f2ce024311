"""A gRPC server and client of the gRPC project's own Python package, whose messages are bytes."""
import concurrent.futures
import hashlib
import threading
import time

import pytest

from harness import body_of

grpc = pytest.importorskip("grpc", reason="python3-grpcio is not installed: these tests did NOT run")

HOST = "grpc.example"
LIMIT = 64 << 20
SIZES = [("grpc.max_receive_message_length", LIMIT), ("grpc.max_send_message_length", LIMIT)]


class Service(grpc.GenericRpcHandler):
    """Methods of bytes; what the server saw of each call is kept."""

    def __init__(self):
        self.cancelled, self.metadata, self.remaining = [], {}, []
        self.holding = threading.Event()
        self.produced = 0

    def service(self, details):
        if details.method == "/grpc.health.v1.Health/Check":
            return grpc.unary_unary_rpc_method_handler(lambda request, context: b"\x08\x01")  # SERVING
        name = details.method.rsplit("/", 1)[1]
        kinds = {"unary": grpc.unary_unary_rpc_method_handler, "collect": grpc.stream_unary_rpc_method_handler, "spread": grpc.unary_stream_rpc_method_handler,
                 "chat": grpc.stream_stream_rpc_method_handler, "fail": grpc.unary_unary_rpc_method_handler, "fail_late": grpc.unary_stream_rpc_method_handler,
                 "hold": grpc.unary_stream_rpc_method_handler, "slow_reader": grpc.stream_unary_rpc_method_handler}
        if not details.method.startswith("/test.Echo/") or name not in kinds:
            return None
        return kinds[name](getattr(self, name))

    def see(self, context):
        self.metadata = dict(context.invocation_metadata())

    def unary(self, request, context):
        self.see(context)
        self.remaining.append(context.time_remaining())
        context.send_initial_metadata([("x-first", "1"), ("x-first-bin", b"\0\xff\1")])
        context.set_trailing_metadata([("x-last", "2"), ("x-last-bin", b"\xff\0")])
        return request

    def collect(self, requests, context):
        digest, n = hashlib.sha256(), 0
        for r in requests:
            digest.update(r)
            n += 1
        return f"{n} {digest.hexdigest()}".encode()

    def spread(self, request, context):
        count, size = map(int, request.split())
        for i in range(count):
            self.produced = i + 1
            yield body_of(f"m{i}", min(size, 1000)).ljust(size, b".")

    def chat(self, requests, context):
        for r in requests:
            yield r

    def fail(self, request, context):
        code, message = request.decode().split(" ", 1)
        context.set_trailing_metadata([("x-why", "because")])
        context.abort([c for c in grpc.StatusCode if c.value[0] == int(code)][0], message)

    def fail_late(self, request, context):
        yield b"one"
        yield b"two"
        self.fail(request, context)

    def hold(self, request, context):
        done = threading.Event()
        context.add_callback(lambda: (self.cancelled.append(request), done.set()))
        self.remaining.append(context.time_remaining())
        yield b"begun"
        self.holding.set()
        done.wait(60)

    def slow_reader(self, requests, context):
        n = 0
        for r in requests:
            if n == 0:
                time.sleep(0.3)
            n += len(r)
        return str(n).encode()


class GrpcPod:
    def __init__(self, credentials=None):
        self.service = Service()
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(64), handlers=(self.service,), options=SIZES)
        self.port = self.server.add_secure_port("127.0.0.1:0", credentials) if credentials else self.server.add_insecure_port("127.0.0.1:0")
        self.address = f"127.0.0.1:{self.port}"
        self.server.start()

    def stop(self):
        self.server.stop(0).wait()


class Client:
    def __init__(self, proxy, tls, host=HOST, more=()):
        options = [*SIZES, ("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0), *more]
        if tls:
            self.channel = grpc.secure_channel(proxy.https, grpc.ssl_channel_credentials(proxy.authority.encode()),
                                               [*options, ("grpc.ssl_target_name_override", host), ("grpc.default_authority", host)])
        else:
            self.channel = grpc.insecure_channel(proxy.http, [*options, ("grpc.default_authority", host)])

    def __getattr__(self, name):
        make = {"unary": "unary_unary", "fail": "unary_unary", "missing": "unary_unary", "collect": "stream_unary", "slow_reader": "stream_unary",
                "spread": "unary_stream", "hold": "unary_stream", "fail_late": "unary_stream", "chat": "stream_stream"}[name]
        return getattr(self.channel, make)("/test.Echo/" + name)
