"""Fifteen clients that post what is refused: each shows the 413, in the versions of HTTP that it speaks."""
import shutil
import subprocess
from pathlib import Path

import pytest

from harness import SLOW, need, need_conformance_tool
from middle import middle

HERE = Path(__file__).parent / "clients"
TOOLS = Path(__file__).parents[2] / "build" / "tools"
TIMES = 3


def there(path):
    if not path.exists():
        pytest.skip(f"{path.name} is not there (tools/conformance.sh installs it): this test did NOT run")
    return path


def python(name):
    return lambda: ([there(TOOLS / "clients-py" / "bin" / "python"), HERE / "early.py", name], {})


def node(name):
    return lambda: ([need("node"), HERE / "early.mjs", name], {"NODE_CLIENTS": there(TOOLS / "clients-node" / "node_modules" / "undici").parents[1]})


def java(name):
    return lambda: ([need("java"), "-Djdk.internal.httpclient.disableHostnameVerification=true", "-Xmx512m",
                     "-cp", f"{there(TOOLS / 'clients-java' / 'classes')}:{TOOLS / 'clients-java' / 'jars'}/*", "Early", name], {})


CLIENTS = {  # name: its program, the versions of HTTP that it speaks
    "http.client": (python("http.client"), "1"), "requests": (python("requests"), "1"), "urllib3": (python("urllib3"), "1"),
    "httpx": (python("httpx"), "12"), "aiohttp": (python("aiohttp"), "1"),
    "node-http": (node("http"), "1"), "node-fetch": (node("fetch"), "1"), "undici": (node("undici"), "12"), "node-http2": (node("http2"), "2"),
    "go": (lambda: ([need_conformance_tool("early-go")], {}), "12"),
    "HttpURLConnection": (java("HttpURLConnection"), "1"), "java.net.http": (java("java.net.http"), "12"),
    # Its asynchronous client, which speaks HTTP/2, never ends a call whose answer of 400 or above comes before the end of its request, not through nginx either.
    "Apache": (java("Apache"), "1"),
    "OkHttp": (java("OkHttp"), "12"), "curl": (None, "12"),
}


def curl(framing, url, body):
    seen = []
    for _ in range(TIMES):
        r = subprocess.run([need("curl"), "-sk", "--http2" if url.startswith("https") else "--http1.1", "-m", "60", "-o", "/dev/null", "-w", "%{http_code}", url,
                            *(["--data-binary", f"@{body}"] if framing == "length" else ["-X", "POST", "-H", "Transfer-Encoding: chunked", "-T", body])],
                           capture_output=True, text=True, timeout=90 * SLOW)
        seen.append(r.stdout if r.returncode == 0 else f"{r.stdout}:exit-{r.returncode}")
    return seen


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("client, version", [(c, v) for c, (_, versions) in CLIENTS.items() for v in versions])
def test_the_413_of_a_large_upload_is_shown(site, tmp_path, client, version, framing):
    sluice = middle(site, site.pod(), host="")
    url = f"http://{sluice.http}/" if version == "1" else f"https://{sluice.https}/"
    size = 50 << 20 if version == "1" else 8 << 20  # httpx copies all that is left for each frame
    if client == "curl":
        body = tmp_path / "body"
        with body.open("wb") as f:
            f.truncate(size)
        seen = curl(framing, url, body)
    else:
        program, env = CLIENTS[client][0]()
        r = subprocess.run([*map(str, program), framing, url, str(size), str(TIMES)], capture_output=True, text=True, timeout=200 * SLOW,
                           env={"PATH": shutil.os.environ["PATH"], **{k: str(v) for k, v in env.items()}})
        seen = r.stdout.split() or [r.stderr[-2000:]]
    assert seen == ["413"] * TIMES, seen
