// node h2node.js http|https ADDRESS HOST: Node's http2 as the client of a strict pod. Prints "ok", or says what was wrong.
const assert = require('assert'), http2 = require('http2'), net = require('net'), tls = require('tls');
const [, , scheme, address, host] = process.argv;
const [ip, port] = [address.slice(0, address.lastIndexOf(':')), Number(address.slice(address.lastIndexOf(':') + 1))];
const client = http2.connect(`${scheme}://${host}`, {
  createConnection: () => scheme === 'https' ? tls.connect({host: ip, port, servername: host, ALPNProtocols: ['h2'], rejectUnauthorized: false}) : net.connect(port, ip)});
client.on('error', e => { console.log(e); process.exit(1); });

function ask(fields, body) {
  return new Promise((resolve, reject) => {
    const stream = client.request({':authority': host, ...fields}, {endStream: body === undefined});
    let head, trailers = {}, size = 0;
    stream.on('response', h => head = h).on('trailers', t => trailers = t).on('data', d => size += d.length);
    stream.on('end', () => resolve({head, trailers, size})).on('error', reject);
    if (body !== undefined) stream.end(body);
  });
}

(async () => {
  const many = await Promise.all([...Array(100).keys()].map(i => ask({':path': `/?size=${i * 97}`})));
  many.forEach((a, i) => assert(a.head[':status'] === 200 && a.size === i * 97, `GET ${i}`));
  let a = await ask({':method': 'POST', ':path': '/p'}, Buffer.alloc(1 << 20, 'n'));
  assert.strictEqual(a.head['x-req-length'], String(1 << 20));
  a = await ask({':path': '/t?size=3000&chunked=1&trailers=1'});
  assert(a.size === 3000 && a.trailers['x-sum'] === '3000', JSON.stringify(a));
  a = await ask({':path': '/big?size=20000000'});
  assert.strictEqual(a.size, 20000000);
  a = await ask({':path': '/?interim=103&size=5'});
  assert.strictEqual(a.size, 5);
  const cancelled = client.request({':authority': host, ':path': '/?size=10&delay=5000'});
  cancelled.on('error', () => {});
  await new Promise(r => { cancelled.on('close', r); setImmediate(() => cancelled.close(http2.constants.NGHTTP2_CANCEL)); });
  a = await ask({':method': 'HEAD', ':path': '/?size=77'});
  assert(a.head['content-length'] === '77' && a.size === 0);
  client.close(() => console.log('ok'));
})().catch(e => { console.log(e); process.exit(1); });
