#!/usr/bin/env bash
# Surprise: uvicorn with httptools, the parser that it takes by itself where that is installed (uvicorn[standard] brings it), gives an
#   application no body for a POST that offers an Upgrade to anything, as Java's java.net.http does in clear without being asked (h2c).
#   The application sees a request that is whole and empty, under a Content-Length of five; what became of the rest is a warning in the
#   log, "Unsupported upgrade request". The same with an offer of TLS/1.2 (RFC 2817), or of whatever else. uvicorn with h11, hypercorn,
#   gunicorn, aiohttp and Node read all of the body.
# Source: RFC 9110 section 7.8: Upgrade is an invitation that a server may ignore, and who ignores it answers the request as it is; the new
#   protocol would begin behind all of the request. uvicorn 0.54.0 with httptools 0.9.0 (its parser stops behind the head, and nobody tells
#   it to go on; issue 2722 there); h11 0.16.0, hypercorn 0.18.0, gunicorn 27.0.1, aiohttp 3.14.5, Node 20; OpenJDK 17 as client.
# Usual guess: an offer that nobody takes up changes nothing.
set -euo pipefail
T=$(mktemp -d)
. "$(dirname "$0")/lib/packages.sh"
from_pypi uvicorn==0.54.0 httptools==0.9.0 h11==0.16.0 hypercorn==0.18.0 gunicorn==27.0.1 aiohttp==3.14.5
echo "node $(node --version)"
java --version | head -1

cat >"$T/app.py" <<'P'
async def asgi(scope, receive, send):
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    headers = dict(scope["headers"])
    text = b'"%s", of %s' % (body, headers[b"content-length"])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(text)), (b"offered", headers[b"upgrade"])]})
    await send({"type": "http.response.body", "body": text})
def wsgi(environ, start):
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    text = b'"%s", of %s' % (body, environ["CONTENT_LENGTH"].encode())
    start("200 OK", [("Content-Length", str(len(text))), ("Offered", environ["HTTP_UPGRADE"])])
    return [text]
P
cat >"$T/aio.py" <<'P'
import sys
from aiohttp import web
async def post(r):
    return web.Response(text=f'"{await r.text()}", of {r.headers["Content-Length"]}', headers={"Offered": r.headers["Upgrade"]})
app = web.Application()
app.router.add_post("/", post)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
P
cat >"$T/server.mjs" <<'J'
import http from "node:http";
http.createServer(async (q, r) => {
  let body = "";
  for await (const part of q) body += part;
  r.setHeader("Offered", q.headers.upgrade).end(`"${body}", of ${q.headers["content-length"]}`);
}).listen(+process.argv[2], "127.0.0.1");
J
cat >"$T/Client.java" <<'J'
import java.net.URI;
import java.net.http.*;

public class Client {
  public static void main(String[] args) throws Exception {
    for (String arg : args) {
      String[] server = arg.split("=");
      URI url = URI.create("http://127.0.0.1:" + server[1] + "/");
      HttpRequest q = HttpRequest.newBuilder(url).POST(HttpRequest.BodyPublishers.ofString("hello")).build();
      HttpResponse<String> r = HttpClient.newHttpClient().send(q, HttpResponse.BodyHandlers.ofString());
      System.out.println(server[0] + " is offered " + r.headers().firstValue("Offered").get() + ": " + r.body());
    }
    System.exit(0);
  }
}
J
cat >"$T/client.py" <<'P'
# Any other offer is as good: whoever writes it himself.
import http.client, sys
for name, port in (arg.split("=") for arg in sys.argv[1:]):
    for offer in ("TLS/1.2", "example/2"):
        c = http.client.HTTPConnection("127.0.0.1", int(port), timeout=10)
        c.request("POST", "/", "hello", {"Connection": "Upgrade", "Upgrade": offer})
        r = c.getresponse()
        print(name, "is offered", r.headers["Offered"] + ":", r.read().decode())
P
cd "$T"
read -r -a ports <<<"$(python3 -c 'import socket
s = [socket.create_server(("127.0.0.1", 0)) for _ in range(6)]
print(*[x.getsockname()[1] for x in s])')"
py/bin/uvicorn --http httptools --lifespan off --port "${ports[0]}" app:asgi >httptools.log 2>&1 &
py/bin/uvicorn --http h11 --lifespan off --port "${ports[1]}" app:asgi >h11.log 2>&1 &
py/bin/hypercorn -b "127.0.0.1:${ports[2]}" app:asgi >hypercorn.log 2>&1 &
py/bin/gunicorn -b "127.0.0.1:${ports[3]}" app:wsgi >gunicorn.log 2>&1 &
py/bin/python aio.py "${ports[4]}" >aiohttp.log 2>&1 &
node server.mjs "${ports[5]}" &
for p in "${ports[@]}"; do for _ in $(seq 300); do (: >"/dev/tcp/127.0.0.1/$p") 2>/dev/null && break; sleep 0.1; done; done
java Client.java uvicorn="${ports[0]}" "uvicorn h11=${ports[1]}" hypercorn="${ports[2]}" gunicorn="${ports[3]}" aiohttp="${ports[4]}" node="${ports[5]}" >got
python3 client.py uvicorn="${ports[0]}" "uvicorn h11=${ports[1]}" >>got
grep -c "Unsupported upgrade request" httptools.log | sed 's/^/warnings of uvicorn: /' >>got
holds got <<'X' || exit 1
uvicorn is offered h2c: "", of 5
uvicorn h11 is offered h2c: "hello", of 5
hypercorn is offered h2c: "hello", of 5
gunicorn is offered h2c: "hello", of 5
aiohttp is offered h2c: "hello", of 5
node is offered h2c: "hello", of 5
uvicorn is offered TLS/1.2: "", of 5
uvicorn is offered example/2: "", of 5
uvicorn h11 is offered TLS/1.2: "hello", of 5
uvicorn h11 is offered example/2: "hello", of 5
warnings of uvicorn: 3
X
