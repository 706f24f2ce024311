"""An API server that is not well: HTTP in front of the real one. Usage: api_proxy.py KUBECONFIG MODE_FILE; prints its port, and when it
refuses what.

The file says what happens to each request: ok; 429 (four of five, Retry-After: 1); 500; slow (a second before the head and a second
before each piece of the body); hang (takes the request, says nothing); cut (ends each answer in the middle); gone (in place of the
next event of each watch that is under way: 410, and its end)."""
import http.client
import itertools
import json
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

config = json.loads(Path(sys.argv[1]).read_text())
mode_file = Path(sys.argv[2])
server = config["clusters"][0]["cluster"]
host = server["server"].removeprefix("https://")
context = ssl.create_default_context(cafile=server["certificate-authority"])
user = config["users"][0]["user"]
if "client-certificate" in user:
    context.load_cert_chain(user["client-certificate"], user["client-key"])
count = itertools.count()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def refuse(self, status, **fields):
        print("refused", time.monotonic(), self.path, flush=True)
        body = json.dumps({"kind": "Status", "message": f"not well: {status}"}).encode()
        self.send_response(status)
        for k, v in fields.items():
            self.send_header(k.replace("_", "-"), v)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def any(self):
        mode = mode_file.read_text().strip()
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if mode == "429" and next(count) % 5:
            return self.refuse(429, Retry_After="1")
        if mode == "500":
            return self.refuse(500)
        if mode == "hang":
            threading.Event().wait(600)
        upstream = http.client.HTTPSConnection(host, context=context)
        fields = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "accept-encoding", "connection")}
        if "token" in user:
            fields["Authorization"] = "Bearer " + user["token"]
        upstream.request(self.command, self.path, body or None, fields)
        answer = upstream.getresponse()
        if mode == "slow":
            time.sleep(1)
        self.send_response(answer.status)
        for k, v in answer.getheaders():
            if k.lower() not in ("transfer-encoding", "content-length", "connection"):
                self.send_header(k, v)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        watching = "watch=1" in self.path and "sendInitialEvents" not in self.path
        while piece := answer.read1(65536):
            if mode == "slow":
                time.sleep(1)
            if watching and mode_file.read_text().strip() == "gone":
                error = {"type": "ERROR", "object": {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410, "reason": "Expired",
                                                     "message": "too old resource version: 1 (2)"}}
                line = json.dumps(error).encode() + b"\n"
                self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(line), line))
                return
            watching = watching or ("watch=1" in self.path and b"k8s.io/initial-events-end" in piece)
            if mode == "cut":
                self.wfile.write(b"%x\r\n%s" % (len(piece), piece[:len(piece) // 2]))
                self.close_connection = True
                return
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = any


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


proxy = Server(("127.0.0.1", 0), Handler)
print("proxy", proxy.server_address[1], flush=True)
proxy.serve_forever()
