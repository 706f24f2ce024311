// node early.mjs CLIENT length|chunked URL BYTES TIMES: as early.py.
import http from "node:http";
import http2 from "node:http2";
import { Readable } from "node:stream";
import { createRequire } from "node:module";

process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
process.removeAllListeners("warning");
const [client, framing, url, bytes, times] = process.argv.slice(2);
const chunked = framing === "chunked", size = Number(bytes);

function* pieces() {
  for (let at = 0; at < size; at += 65536) yield Buffer.alloc(Math.min(65536, size - at), "x");
}
const length = chunked ? {} : { "content-length": size };

// Writes all of it, waiting where it is told to, and answers with what comes first.
const send = (stream, event, status) => new Promise((done, failed) => {
  stream.on(event, (...a) => done(status(...a)));
  stream.on("error", failed);
  Readable.from(pieces()).pipe(stream);
});

const clients = {
  http: () => send(http.request(url, { method: "POST", headers: length }), "response", (r) => (r.resume(), r.statusCode)),
  fetch: async () => (await fetch(url, { method: "POST", duplex: "half", body: chunked ? Readable.toWeb(Readable.from(pieces())) : Buffer.alloc(size, "x") })).status,
  undici: async () => {
    const { Agent, request } = createRequire(process.env.NODE_CLIENTS + "/")("undici");
    const dispatcher = new Agent({ allowH2: true, connect: { rejectUnauthorized: false } });
    const body = chunked ? Readable.from(pieces()) : Buffer.alloc(size, "x");
    try {
      const answer = await request(url, { method: "POST", body, dispatcher });
      await answer.body.dump();
      return answer.statusCode;
    } finally {
      dispatcher.destroy();
    }
  },
  http2: async () => {
    const session = http2.connect(url, { rejectUnauthorized: false });
    session.on("error", () => {});
    try {
      return await send(session.request({ ":method": "POST", ":path": "/", ...length }), "response", (h) => h[":status"]);
    } finally {
      session.destroy();
    }
  },
};

const seen = [];
for (let i = 0; i < Number(times); ++i) {
  try {
    seen.push(await clients[client]());
  } catch (e) {
    seen.push(e.code ?? e.cause?.code ?? e.name);
  }
}
console.log(seen.join(" "));
process.exit(0);
