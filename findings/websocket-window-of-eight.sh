#!/usr/bin/env bash
# Surprise: a server that answers an offer of permessage-deflate with client_max_window_bits=8, the least that the RFC allows,
#   loses two of Python's clients before the first message: websockets ends connect() with NegotiationError "Unsupported
#   extension" and aiohttp with WSServerHandshakeError "Invalid window size", though both had offered the parameter without a
#   value. Node's ws and undici talk to it. With 9 all four do.
# Source: RFC 7692 section 7.1.2.2: a decimal integer from 8 to 15, and a client that offers the parameter without a value says
#   that it takes any of them. The cause is that zlib has no raw deflate of 256 bytes (deflateInit2 refuses -8): both have 9 as
#   their least when they read the answer. ws asks zlib for 9, whose matches reach back 250 bytes at most and so keep the
#   promise. undici compresses nothing. websockets 17.4 (sync client), aiohttp 3.14.5, ws 8.23.0, undici 7.30.2.
# Usual guess: a client that offers client_max_window_bits takes each value that the RFC has, or declines the extension.
set -euo pipefail
T=$(mktemp -d)
. "$(dirname "$0")/lib/packages.sh"
from_pypi websockets==17.4 aiohttp==3.14.5
from_npm ws@8.23.0 undici@7.30.2

cat >"$T/server.py" <<'P'
"""One WebSocket a connection: agrees to permessage-deflate with the bits that the path names, and tells what the first frame was."""
import base64, hashlib, socket, struct, sys, threading, zlib

def talk(c, out):
    f = c.makefile("rb")
    bits = f.readline().split()[1].decode().strip("/")
    fields = {}
    while line := f.readline().strip():
        name, _, value = line.decode().partition(":")
        fields[name.lower()] = value.strip()
    offered = "client_max_window_bits" in fields.get("sec-websocket-extensions", "")
    key = fields["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
    c.sendall((f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n"
               f"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits={bits}\r\n\r\n").encode())
    head = f.read(2)
    if len(head) < 2 or head[0] & 15 != 1:
        told = "no message"
    else:
        n = head[1] & 127
        if n == 126: n = struct.unpack("!H", f.read(2))[0]
        mask, data = f.read(4), f.read(n)
        data = bytes(x ^ mask[i % 4] for i, x in enumerate(data))
        compressed = bool(head[0] & 0x40)
        if compressed:  # no match may reach further back than was agreed: one byte at a time nothing but the window is kept
            d = zlib.decompressobj(-int(bits))
            data = b"".join(d.decompress(bytes([x])) for x in data + b"\0\0\xff\xff")
        told = f"{len(data)} bytes, {'compressed' if compressed else 'plain'}"
    out.write(f"the server: offered {offered}, {told}\n"); out.flush()
    c.close()

s = socket.create_server(("127.0.0.1", 0))
out = open(sys.argv[2], "w")
open(sys.argv[1], "w").write(str(s.getsockname()[1]))
while True:
    threading.Thread(target=talk, args=(s.accept()[0], out), daemon=True).start()
P
cat >"$T/client.py" <<'P'
import asyncio, logging, random, sys
import aiohttp, websockets.sync.client
logging.disable()
random.seed(1)
text = "".join(chr(random.randrange(97, 123)) for _ in range(400)) * 3
which, url = sys.argv[1:]
async def one():
    async with aiohttp.ClientSession() as s, s.ws_connect(url, compress=15, timeout=aiohttp.ClientWSTimeout(ws_close=5)) as c:
        await c.send_str(text)
        await c.receive()
try:
    if which == "websockets":
        with websockets.sync.client.connect(url, open_timeout=5, close_timeout=5) as c:
            c.send(text)
            try: c.recv(timeout=5)
            except websockets.ConnectionClosed: pass
    else:
        asyncio.run(asyncio.wait_for(one(), 10))
    print(which, "no error")
except Exception as e:
    print(which, type(e).__name__, repr(getattr(e, "message", str(e))))
P
cat >"$T/client.mjs" <<'J'
import ws from "ws";
import { WebSocket as undici } from "undici";
const [which, url] = process.argv.slice(2);
let x = 1;
const text = Array.from({ length: 400 }, () => String.fromCharCode(97 + ((x = (x * 48271) % 2147483647) % 26))).join("").repeat(3);
const c = which === "ws" ? new ws(url, { perMessageDeflate: { threshold: 0 } }) : new undici(url);
let open = false;
c.onopen = () => { open = true; c.send(text); };
c.onerror = (e) => { if (!open) console.log(which, "failed", e.message ?? ""); };
c.onclose = () => { if (open) console.log(which, "no error"); process.exit(0); };
setTimeout(() => process.exit(1), 10000);
J
python3 "$T/server.py" "$T/port" "$T/seen" &
base=ws://127.0.0.1:$(port_in "$T/port")
seen() { for _ in $(seq 100); do [ "$(wc -l <"$T/seen")" -ge "$1" ] && { sed -n "$1p" "$T/seen"; return; }; sleep 0.1; done; }
n=0
for bits in 9 8; do
  for client in websockets aiohttp ws undici; do
    n=$((n + 1))
    echo "$bits bits:"
    case $client in
      ws | undici) (cp "$T/client.mjs" "$T/one.mjs" && cd "$T" && node one.mjs $client "$base/$bits") ;;
      *) "$T/py/bin/python" "$T/client.py" $client "$base/$bits" ;;
    esac
    seen $n
  done
done >"$T/got"
holds "$T/got" <<'X' || exit 1
9 bits:
websockets no error
the server: offered True, 1200 bytes, compressed
9 bits:
aiohttp no error
the server: offered True, 1200 bytes, compressed
9 bits:
ws no error
the server: offered True, 1200 bytes, compressed
9 bits:
undici no error
the server: offered True, 1200 bytes, plain
8 bits:
websockets NegotiationError "Unsupported extension: name = permessage-deflate, params = [('client_max_window_bits', '8')]"
the server: offered True, no message
8 bits:
aiohttp WSServerHandshakeError 'Invalid window size'
the server: offered True, no message
8 bits:
ws no error
the server: offered True, 1200 bytes, compressed
8 bits:
undici no error
the server: offered True, 1200 bytes, plain
X
