"""h2spec, all 146 cases in its strict mode, through the proxy to a pod whose bodies are longer than a kilobyte and may have trailers."""
import subprocess
import xml.etree.ElementTree as ET

import pytest

from harness import SLOW, need_conformance_tool
from middle import middle

CASES = 146


@pytest.mark.parametrize("answer", ["size=4000", "size=4000&chunked=1&trailers=1"], ids=["length", "trailers"])
@pytest.mark.parametrize("tls", [False, True], ids=["h2c", "tls"])
def test_h2spec_strict(site, tls, answer):
    h2spec = need_conformance_tool("h2spec")
    pod = site.pod()
    proxy = middle(site, pod, host="")
    host, port = (proxy.https if tls else proxy.http).rsplit(":", 1)
    report = site.tmp / "h2spec.xml"
    run = subprocess.run([h2spec, "--strict", "--host", host, "--port", port, "--path", "/?" + answer, "--timeout", str(int(2 * SLOW)), "--junit-report", report,
                          *(["--tls", "--insecure"] if tls else [])], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600 * SLOW)
    cases = list(ET.parse(report).getroot().iter("testcase"))
    bad = [(c.get("package"), c.get("classname")) for c in cases if c.find("failure") is not None or c.find("error") is not None or c.find("skipped") is not None]
    assert not bad, f"{len(bad)} of {len(cases)}: {bad}\n" + run.stdout[run.stdout.find("Failures:"):]
    assert len(cases) == CASES
    assert pod.stats()["requests"] > 50
