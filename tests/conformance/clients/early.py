"""early.py CLIENT length|chunked URL BYTES TIMES: posts a body that is refused, and prints the statuses that the client shows, or its errors."""
import asyncio
import http.client
import ssl
import sys
import urllib.parse
import warnings

import aiohttp
import httpx
import requests
import urllib3

client, framing, url, size, times = sys.argv[1:]
chunked, size = framing == "chunked", int(size)
warnings.simplefilter("ignore")
TIMEOUT = 60


def body():
    if not chunked:
        return b"x" * size
    return (b"x" * min(65536, size - at) for at in range(0, size, 65536))


def of_http_client():
    c = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=TIMEOUT)
    c.request("POST", "/", body=body(), headers={}, encode_chunked=chunked)
    return c.getresponse().status


def of_requests():
    return requests.post(url, data=body(), timeout=TIMEOUT).status_code


def of_urllib3():
    return urllib3.PoolManager(retries=False, timeout=TIMEOUT).request("POST", url, body=body()).status


def of_httpx():
    with httpx.Client(http1=True, http2=url.startswith("https"), verify=False, timeout=TIMEOUT) as c:
        return c.post(url, content=body()).status_code


def of_aiohttp():
    async def pieces():
        for piece in body():
            yield piece

    async def post():
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(TIMEOUT)) as c:
            async with c.post(url, data=pieces() if chunked else body()) as r:
                return r.status
    return asyncio.run(post())


seen = []
for _ in range(int(times)):
    try:
        seen.append(str({"http.client": of_http_client, "requests": of_requests, "urllib3": of_urllib3, "httpx": of_httpx, "aiohttp": of_aiohttp}[client]()))
    except Exception as e:  # whatever the client calls it
        seen.append(type(e).__name__)
print(*seen)
