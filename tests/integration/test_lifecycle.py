"""Start and end of the process."""
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from h2raw import Http2
from harness import SLOW, SLUICE, Raw, body_of, certificate, http_get, never_accepts, run_tool, tls_secret, wait_for
from middle import H2_OPTIONS


def test_ports_are_bound_and_printed(site):
    sluice, _ = site.simple(workers=2)
    for address in (sluice.http, sluice.https, sluice.admin):
        assert not address.endswith(":0")


def test_sigterm_when_idle(site):
    sluice, _ = site.simple()
    start = time.monotonic()
    assert sluice.stop() == 0
    assert time.monotonic() - start < 5


def test_sigint_ends_too(site):
    sluice, _ = site.simple()
    assert sluice.stop(signal.SIGINT) == 0


def test_readiness_goes_first_and_new_connections_are_still_taken(site):
    sluice, pod = site.simple(options={"shutdown-grace-period": 30})
    sluice.proc.send_signal(signal.SIGTERM)
    wait_for(lambda: sluice.admin_get("/readyz").status == 503, "not ready")
    assert sluice.admin_get("/livez").status == 200
    assert sluice.admin_get("/healthz").status == 500, "what ingress-nginx's manifests ask for both"
    for _ in range(5):
        assert sluice.get("/", "app.example").status == 200
    assert sluice.proc.poll() is None
    sluice.proc.send_signal(signal.SIGTERM)
    assert sluice.proc.wait(10) is not None


def test_running_requests_are_finished(site):
    sluice, pod = site.simple()
    with sluice.raw(timeout=20) as c:
        c.send("GET /?size=100&chunk=10&gap=100&id=end HTTP/1.1\r\nHost: app.example\r\n\r\n")
        c.read_until(b"\r\n\r\n")
        sluice.proc.send_signal(signal.SIGTERM)
        assert c.read_exactly(100) == body_of("end", 100)
        assert c.closed()
    assert sluice.proc.wait(10) == 0


def test_an_answer_that_starts_during_the_drain_says_close(site):
    sluice, pod = site.simple(options={"shutdown-grace-period": 1})
    with sluice.raw(timeout=20) as c:
        assert c.get("/", "app.example").get("connection") in (None, "keep-alive")
        c.send("GET /?delay=2000&size=5&id=late HTTP/1.1\r\nHost: app.example\r\n\r\n")
        wait_for(lambda: pod.stats()["requests"] == 2, "the pod has it")
        sluice.proc.send_signal(signal.SIGTERM)
        a = c.answer()
        assert a.status == 200 and a.get("connection") == "close" and a.body == body_of("late", 5)
        assert c.closed()
    assert sluice.proc.wait(10) == 0


def test_idle_connections_are_told_before_they_are_closed(site):
    """A request on a connection that was idle when the drain began is answered with Connection: close, or was never read."""
    sluice, pod = site.simple(options={"shutdown-grace-period": 2})
    idle = [sluice.raw() for _ in range(10)]
    for c in idle:
        assert c.get("/", "app.example").status == 200
    sluice.proc.send_signal(signal.SIGTERM)
    wait_for(lambda: sluice.admin_get("/readyz").status == 503, "draining")
    for c in idle:
        a = c.get("/", "app.example")
        assert a.status == 200 and a.get("connection") == "close"
        assert c.closed()
    assert sluice.proc.wait(15) == 0


def test_the_deadline_ends_what_hangs(site):
    sluice, pod = site.simple(options={"worker-shutdown-timeout": 1})
    with sluice.raw(timeout=20) as c:
        c.send("GET /?hold=1 HTTP/1.1\r\nHost: app.example\r\n\r\n")
        wait_for(lambda: pod.stats()["requests"] == 1, "the pod has it")
        start = time.monotonic()
        sluice.proc.send_signal(signal.SIGTERM)
        assert sluice.proc.wait(10) == 0
        assert 0.8 < time.monotonic() - start < 4


@pytest.mark.parametrize("meets", ["a pod that says nothing", "a body that does not come", "a connect"])
@pytest.mark.parametrize("version", ["h1", "h2"])
def test_what_the_deadline_ends_is_logged_as_such(site, version, meets):
    """Nothing was answered, and nobody else is to blame: 499 with the reason, wherever it meets the exchange."""
    address, sockets = never_accepts() if meets == "a connect" else (site.pod("pod").address, [])
    site.app("app.example", [address])
    sluice = site.sluice(options={**H2_OPTIONS, "worker-shutdown-timeout": 1, "proxy-connect-timeout": 60})
    post, path = meets == "a body that does not come", "/?hold=1"
    with sluice.raw(timeout=20) if version == "h1" else Http2(sluice.http, timeout=20) as c:
        if version == "h1":
            c.send(f"{'POST' if post else 'GET'} {path} HTTP/1.1\r\nHost: app.example\r\n" + ("Content-Length: 10\r\n\r\n12345" if post else "\r\n"))
        else:
            stream = c.request(path, method="POST" if post else "GET", end=not post)
            if post:
                c.body(stream, b"12345", end=False)
        wait_for(lambda: sluice.metric("sluice_requests_active") == 1, "it runs")
        sluice.proc.send_signal(signal.SIGTERM)
        assert sluice.proc.wait(10 * SLOW) == 0
    for s in sockets:
        s.close()
    line = sluice.wait_access(rf'"(?:GET|POST) {re.escape(path)} HTTP/[0-9.]+" (\d+) ')
    assert line[1] == "499", line[0]


def test_second_sigterm_ends_at_once(site):
    sluice, pod = site.simple()
    with sluice.raw(timeout=20) as c:
        c.send("GET /?hold=1 HTTP/1.1\r\nHost: app.example\r\n\r\n")
        wait_for(lambda: pod.stats()["requests"] == 1, "the pod has it")
        sluice.proc.send_signal(signal.SIGTERM)
        wait_for(lambda: sluice.admin_get("/readyz").status == 503, "draining")
        start = time.monotonic()
        sluice.proc.send_signal(signal.SIGTERM)
        sluice.proc.wait(5)
        assert time.monotonic() - start < 2


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGQUIT"])
def test_what_asks_for_the_end_drains(site, name):
    """SIGQUIT is nginx's graceful end and the STOPSIGNAL of its images."""
    sluice, pod = site.simple()
    with sluice.raw(timeout=20) as c:
        c.send("GET /?delay=500&size=5&id=e HTTP/1.1\r\nHost: app.example\r\n\r\n")
        wait_for(lambda: pod.stats()["requests"] == 1, "the pod has it")
        sluice.proc.send_signal(getattr(signal, name))
        a = c.answer()
        assert a.status == 200 and a.body == body_of("e", 5)
    assert sluice.proc.wait(10) == 0


@pytest.mark.parametrize("name", ["SIGUSR2", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGIO", "SIGPWR", "SIGSTKFLT", "SIGRTMIN", "SIGRTMAX"])
def test_a_signal_that_means_nothing_is_not_death(site, name):
    sluice, _ = site.simple()
    sluice.proc.send_signal(getattr(signal, name))
    sluice.wait_line(r"SIG\w+ is ignored" if "RT" not in name else r"signal \d+ is ignored|SIGRT\w+ is ignored", stream="err")
    assert sluice.get("/", "app.example").status == 200


@pytest.mark.parametrize("name", ["SIGPIPE", "SIGXFSZ", "SIGWINCH", "SIGHUP", "SIGUSR1"])
def test_a_signal_that_is_no_end_leaves_it_serving(site, name):
    sluice, _ = site.simple()
    sluice.proc.send_signal(getattr(signal, name))
    assert sluice.get("/", "app.example").status == 200 and sluice.proc.poll() is None


@pytest.mark.parametrize("flag", [False, True])
def test_core_dumps_are_made_only_when_asked_for(site, flag):
    site.app("app.example", site.pod().address)
    sluice = site.sluice(*(["--core-dumps"] if flag else []), wrap=["prlimit", "--core=1000000:1000000"])
    limits = Path(f"/proc/{sluice.pid}/limits").read_text()
    assert re.search(r"Max core file size +(\d+)", limits).group(1) == ("1000000" if flag else "0")
    if not flag:
        sluice.proc.send_signal(signal.SIGABRT)
        assert os.waitid(os.P_PID, sluice.pid, os.WEXITED | os.WNOWAIT).si_code == os.CLD_KILLED  # not CLD_DUMPED
        sluice.proc.wait()


@pytest.mark.parametrize("command", [["check", "-"], ["explain", "-", "GET", "http://app.example/"]], ids=lambda c: c[0])
def test_nobody_else_dumps_core_either(command):
    """They read Secrets, too."""
    with subprocess.Popen(["prlimit", "--core=1000000:1000000", SLUICE, *command], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as p:
        wait_for(lambda: Path(f"/proc/{p.pid}/exe").resolve() == Path(SLUICE).resolve() and "Max core file size        0 " in Path(f"/proc/{p.pid}/limits").read_text(), "no dumps")
        p.send_signal(signal.SIGABRT)
        assert os.waitid(os.P_PID, p.pid, os.WEXITED | os.WNOWAIT).si_code == os.CLD_KILLED  # not CLD_DUMPED


def test_tunnels_end_at_the_deadline(site):
    sluice, pod = site.simple(options={"worker-shutdown-timeout": 1})
    with sluice.raw(timeout=20) as c:
        a = c.get("/ws", "app.example", headers=["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="])
        assert a.status == 101
        sluice.proc.send_signal(signal.SIGTERM)
        assert c.send("x").read_exactly(1) == b"x"
        c.read_all()
    assert sluice.proc.wait(10) == 0


def test_sigterm_under_load(site):
    """The short form of tests/chaos/sigterm.py: with the wait, a client that heeds Connection: close loses nothing."""
    pod = site.pod("pod", "--forget-ids")
    site.app("app.example", pod.address)
    sluice = site.sluice(options={"shutdown-grace-period": 1})
    load = site.tool("load", "--connect", sluice.http, "--host", "app.example", "-c", 16, "-d", 60)
    load.wait_done(200)
    sluice.proc.send_signal(signal.SIGTERM)
    wait_for(lambda: sluice.admin_get("/readyz").status == 503, "not ready")
    r = load.result(stop=True)
    assert r["failed"] == 0 and r["closed_unannounced"] == 0, r
    assert sluice.proc.wait(15) == 0


def test_descriptors_and_memory_return_to_the_baseline(site):
    sluice, pod = site.simple()
    sluice.get("/", "app.example")

    def ask():
        r = run_tool("load", "--connect", sluice.http, "--host", "app.example", "-c", 200, "-n", 4000)
        assert r["failed"] == 0, r
        wait_for(lambda: sluice.metric("sluice_downstream_connections") <= 1, "no connection left", 10)

    def descriptors():
        """Without those of the pool: how many it keeps depends on how many requests were under way at once."""
        return sluice.fds() - int(sluice.metric("sluice_upstream_connections"))
    ask()
    descriptors_before, memory_before = descriptors(), sluice.rss_kb()
    for _ in range(3):
        ask()
    wait_for(lambda: descriptors() <= descriptors_before, "descriptors are back", 10)
    assert sluice.metric("sluice_upstream_idle") <= 200
    # 12,000 exchanges: some hundred bytes that each left behind would be seen.
    sluice.expect_growth_below(6000, memory_before, "after 12,000 exchanges")
