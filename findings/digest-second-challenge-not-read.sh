#!/usr/bin/env bash
# Surprise: a 401 may bring several challenges, and the HTTP clients of Python, told to log in by digest, differ in which of them they see. Digest
#   behind Basic or Negotiate: aiohttp gives up with the 401, httpx too if both stand in one line, urllib gives up or raises. Digest with SHA-512-256
#   before Digest with MD5, both in RFC 7616: httpx raises a KeyError, aiohttp and urllib errors of their own, and nobody tries MD5; with
#   SHA-256 first urllib raises as well. requests logs in each time (it takes what it likes of all challenges together), and so does libcurl.
# Source: RFC 9110 section 11.6.1 (several challenges, in one line or in several), RFC 7616 section 3.7 (a server may send several, in the
#   order of its preference, and a client should use the first that it supports). httpx 0.28.1, aiohttp 3.14.5 (DigestAuthMiddleware),
#   urllib of Python 3.11, requests 2.34.2, libcurl as pycurl 7.45.7 brings it.
# Usual guess: a server that offers something better beside what a client has always done breaks no client.
set -euo pipefail
T=$(mktemp -d)
. "$(dirname "$0")/lib/packages.sh"
from_pypi httpx==0.28.1 aiohttp==3.14.5 requests==2.34.2 pycurl==7.45.7
"$T/py/bin/python" -c 'import pycurl; print(pycurl.version.split()[1])'

cat >"$T/ask.py" <<'P'
import asyncio, http.server, io, threading, urllib.error, urllib.request
import aiohttp, httpx, pycurl, requests
def digest(algorithm): return f'Digest realm="r", nonce="n", qop="auth", algorithm={algorithm}'
CASES = {
    "digest": [digest("MD5")],
    "basic, digest": ['Basic realm="r"', digest("MD5")],
    "basic, digest in one line": ['Basic realm="r", ' + digest("MD5")],
    "negotiate, digest": ["Negotiate", digest("MD5")],
    "digest of SHA-256, of MD5": [digest("SHA-256"), digest("MD5")],
    "digest of SHA-512-256, of MD5": [digest("SHA-512-256"), digest("MD5")],
}
challenges = []
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):  # whoever shows that he has understood is in
        given = self.headers.get("Authorization", "")
        self.send_response(200 if given.startswith("Digest ") else 401)
        if not given:
            for c in challenges: self.send_header("WWW-Authenticate", c)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/"

def of_requests(): return requests.get(url, auth=requests.auth.HTTPDigestAuth("anna", "secret"), timeout=10).status_code
def of_httpx(): return httpx.get(url, auth=httpx.DigestAuth("anna", "secret"), timeout=10).status_code
def of_aiohttp():
    async def get():
        async with aiohttp.ClientSession(middlewares=(aiohttp.DigestAuthMiddleware("anna", "secret"),)) as c, c.get(url) as r: return r.status
    return asyncio.run(asyncio.wait_for(get(), 10))
def of_urllib():
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, url, "anna", "secret")
    try: return urllib.request.build_opener(urllib.request.HTTPDigestAuthHandler(passwords)).open(url, timeout=10).status
    except urllib.error.HTTPError as e: return e.code
def of_libcurl():
    c = pycurl.Curl()
    for option, value in ((c.URL, url), (c.HTTPAUTH, c.HTTPAUTH_DIGEST), (c.USERPWD, "anna:secret"), (c.TIMEOUT, 10), (c.WRITEDATA, io.BytesIO())): c.setopt(option, value)
    c.perform()
    return c.getinfo(c.RESPONSE_CODE)
for case, challenges in CASES.items():
    said = []
    for ask in (of_requests, of_httpx, of_aiohttp, of_urllib, of_libcurl):
        try: said.append(f"{ask.__name__[3:]} {ask()}")
        except Exception as e: said.append(f"{ask.__name__[3:]} {type(e).__name__}")
    print(case + ":", ", ".join(said))
P
"$T/py/bin/python" -W ignore "$T/ask.py" >"$T/got"
holds "$T/got" <<'X' || exit 1
digest: requests 200, httpx 200, aiohttp 200, urllib 200, libcurl 200
basic, digest: requests 200, httpx 200, aiohttp 401, urllib 401, libcurl 200
basic, digest in one line: requests 200, httpx 401, aiohttp 401, urllib 401, libcurl 200
negotiate, digest: requests 200, httpx 200, aiohttp 401, urllib ValueError, libcurl 200
digest of SHA-256, of MD5: requests 200, httpx 200, aiohttp 200, urllib ValueError, libcurl 200
digest of SHA-512-256, of MD5: requests 200, httpx KeyError, aiohttp ClientError, urllib ValueError, libcurl 200
X
