"""Chromium opens a page and five WebSockets over one HTTP/2 connection; they live on while the configuration changes."""
import json
import os
import sys
from pathlib import Path

from harness import Process, need, wait_for
from middle import middle

CHANGES = int(os.environ.get("CHANGES", "1000"))


def test_websockets_over_http2_in_chromium(site):
    chromium = need("chromium")
    pod = site.add(Process([sys.executable, Path(__file__).parent / "chromium_pod.py"]))
    pod.address = pod.wait_line(r"listening (\S+)").group(1)
    proxy = middle(site, pod, "page.example")
    port = proxy.https.rsplit(":", 1)[1]
    site.add(Process([chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                      "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--ignore-certificate-errors", f"--user-data-dir={site.tmp}/profile",
                      f"--host-resolver-rules=MAP page.example 127.0.0.1:{port}", "--remote-debugging-port=0", "https://page.example/"]))

    def report():
        lines = [x for x in pod.out if x.startswith("{")]
        return {k: v if k == "protocol" else int(v) for k, v in json.loads(lines[-1]).items()} if lines else {}
    wait_for(lambda: report().get("open") == 5 and report()["echoes"] > 50, "five sockets of the page echo", 60)
    assert report()["protocol"] == "h2", report()
    if not hasattr(proxy, "changed"):
        return
    # All of it came over HTTP/2, the WebSockets too: no request line of another version is in the log.
    before = report()["echoes"]
    for i in range(CHANGES):
        proxy.changed(lambda: site.app(f"more{i % 20}.example", pod.address, paths=[("/", "Prefix"), (f"/{i}", "Exact")]))
    end = report()
    wait_for(lambda: report()["echoes"] > end["echoes"] + 50, "echoes go on")
    last = report()
    print(f"{CHANGES} changes, {last['echoes'] - before} echoes: {last}")
    assert last["closed"] == last["wrong"] == 0 and last["open"] == 5, last
    assert proxy.access_lines() and not [x for x in proxy.access_lines() if "HTTP/1" in x], "everything came over HTTP/2"
