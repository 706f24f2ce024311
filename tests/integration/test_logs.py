"""The access log: its default line, JSON, own formats, and that it never makes a request wait."""
import base64
import json
import os
import re
import signal
import subprocess
import time

import pytest

from harness import SLUICE, Sluice, certificate, http_get, ingress, run_tool, tls_secret, wait_for

LINE = re.compile(r'^(?P<addr>\S+) - (?P<user>\S+) \[(?P<time>\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] "(?P<request>[^"]*)" (?P<status>\d{3}) (?P<bytes>\d+) '
                  r'"(?P<referer>[^"]*)" "(?P<agent>[^"]*)" (?P<length>\d+) (?P<rt>\d+\.\d{3}) \[(?P<upstream>[^\]]*)\] \[(?P<alt>[^\]]*)\] (?P<uaddr>\S+) '
                  r'(?P<ulen>\S+) (?P<utime>\S+) (?P<ustatus>\S+) (?P<id>\S+)$')


def test_default_line(site):
    sluice, pod = site.simple()
    sluice.get("/x?size=77", "app.example", headers={"User-Agent": "ua/1", "Referer": "http://r/"})
    sluice.wait_access(r"GET /x\?size=77")
    line = next(x for x in sluice.access_lines() if "/x?size=77" in x)
    m = LINE.match(line)
    assert m, line
    assert m["addr"] == "127.0.0.1" and m["user"] == "-" and m["request"] == "GET /x?size=77 HTTP/1.1" and m["status"] == "200" and m["bytes"] == "77"
    assert m["referer"] == "http://r/" and m["agent"] == "ua/1" and int(m["length"]) > 50
    assert m["upstream"] == "default-app-80" and m["alt"] == "" and m["uaddr"] == pod.address and m["ulen"] == "77" and m["ustatus"] == "200"
    assert re.fullmatch("[0-9a-f]{32}", m["id"])


def test_json_lines(site):
    sluice, pod = site.simple(options={"access-log-format": "json"})
    sluice.get('/j?a="b"'.replace('"', "%22"), "app.example", headers={"User-Agent": 'quo"te\\'})
    sluice.wait_access(r"/j\?a=")
    entry = json.loads(next(x for x in sluice.access_lines() if "/j?a=" in x))
    text = json.dumps(entry)
    assert entry and "200" in text and 'quo\\"te' in text


def test_own_format(site):
    sluice, pod = site.simple(options={"log-format-upstream": "F $remote_addr $request_method $uri $status $namespace/$ingress_name $service_name $http_x_thing"})
    sluice.get("/own", "app.example", headers={"X-Thing": "y"})
    m = sluice.wait_access(r"^F 127.0.0.1 GET (\S+) 200 default/app app (\S+)$")
    assert m.group(1) == "/own"


def test_no_injection_into_the_log(site):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        c.send(b'GET /inj HTTP/1.1\r\nHost: app.example\r\nUser-Agent: a"b\x80\xffc\r\n\r\n')
        c.answer()
    sluice.wait_access("GET /inj")
    line = next(x for x in sluice.access_lines() if "/inj" in x)
    assert 'a\\x22b\\x80\\xFFc' in line


def test_off(site):
    pod = site.pod()
    site.app("app.example", pod.address)
    sluice = site.sluice(access_log="off")
    sluice.get("/quiet", "app.example")
    sluice.stop()
    assert not [x for x in sluice.out if "/quiet" in x]


def test_to_a_file_and_all_lines_are_there(site):
    path = site.tmp / "access.log"
    pod = site.pod()
    site.app("app.example", pod.address)
    sluice = site.sluice(access_log=str(path), workers=2)
    r = run_tool("load", "--connect", sluice.http, "--host", "app.example", "-c", 8, "-n", 3000)
    assert r["ok"] == 3000 and r["failed"] == 0
    sluice.stop()
    assert len(path.read_text().splitlines()) == 3000


def test_refused_requests_are_logged(site):
    sluice, pod = site.simple(options={"enable-access-log-for-default-backend": "true"})
    with sluice.raw() as c:
        c.send("GET /bad HTTP/9.9\r\n\r\n")
        c.read_all()
    sluice.wait_access(r'" (400|505) ')
    sluice.get("/nobody", "nobody.example")
    sluice.wait_access(r'GET /nobody HTTP/1.1" 404')


def test_skip_urls(site):
    sluice, pod = site.simple(options={"skip-access-log-urls": "/ping"})
    sluice.get("/ping", "app.example")
    sluice.get("/pong", "app.example")
    sluice.wait_access("/pong")
    assert not [x for x in sluice.access_lines() if "/ping" in x]


def test_a_blocked_pipe_makes_no_request_wait(site):
    """Nobody reads standard output: requests go on, lines are lost and counted."""
    pod = site.pod("pod", "--forget-ids")
    site.app("app.example", pod.address)
    fifo = site.tmp / "log.fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    sluice = site.sluice(access_log=str(fifo))
    r = run_tool("load", "--connect", sluice.http, "--host", "app.example", "-c", 8, "-n", 40000, "--size", 10)
    assert r["ok"] == 40000 and r["failed"] == 0, r
    assert r["p99_ms"] < 100, r
    lost = [(n, v) for (n, _), v in sluice.metrics().items() if "log" in n and ("lost" in n or "drop" in n)]
    assert lost and sum(v for _, v in lost) > 0, lost
    os.close(reader)


def test_standard_output_closed(site):
    """`>&-`: no line has a place to go; requests are served."""
    pod = site.pod()
    site.app("app.example", pod.address)
    admin_port = None
    from harness import SLUICE, free_port, wait_port, Process
    http, admin = free_port(), free_port()
    p = site.add(Process(["sh", "-c", f"exec {SLUICE} serve --manifests {site.manifests.root} --http 127.0.0.1:{http} --https 127.0.0.1:0 "
                                      f"--admin 127.0.0.1:{admin} --workers 1 >&-"]))
    wait_port(f"127.0.0.1:{http}", p)
    wait_for(lambda: http_get(f"127.0.0.1:{admin}", "/readyz").status == 200, "ready")
    for _ in range(20):
        assert http_get(f"127.0.0.1:{http}", "/", host="app.example").status == 200


def test_failed_requests_say_why_in_the_program_log(site):
    """A pod that resets, a Service without endpoints, a pod whose certificate does not verify: reason, Ingress, pod and request id."""
    cert, key = certificate("pod.example")
    other, _ = certificate("other.example")
    pod, nginx = site.pod("pod"), site.nginx("location / { return 200 ok; }", tls=(cert, key))
    site.app("app.example", pod.address, annotations={"proxy-next-upstream-tries": "1"})
    site.manifests.write("none.json", ingress("none", {"none.example": "nobody"}))
    site.manifests.write("ca.json", {**tls_secret("ca", other, key), "type": "Opaque", "data": {"ca.crt": base64.b64encode(other.encode()).decode()}})
    site.app("tls.example", nginx.address, annotations={"backend-protocol": "HTTPS", "proxy-ssl-secret": "default/ca", "proxy-ssl-verify": "on",
                                                        "proxy-ssl-name": "pod.example", "proxy-next-upstream-tries": "1"})
    sluice = site.sluice(options={"access-log-format": "json"})

    answer = sluice.get("/?abort=head", "app.example")
    assert answer.status == 502
    line = sluice.wait_line(r"502 GET app.example/\?abort=head: ([^;]*); Ingress default/app, app; pod (\S+); request (\w+)", stream="err")
    assert line.group(2) == pod.address and line.group(3) in answer.body.decode()
    assert sluice.get("/x", "none.example").status == 503
    sluice.wait_line(r"503 GET none.example/x: [^;]+; Ingress default/none, nobody", stream="err")
    assert sluice.get("/t", "tls.example").status == 502
    sluice.wait_line(r"502 GET tls.example/t: TLS handshake failed \(.*certificate verify failed.*\); Ingress default/tls", stream="err")

    assert sluice.get("/?size=3", "app.example").status == 200
    entries = wait_for(lambda: len(sluice.access_lines()) >= 4 and [json.loads(x) for x in sluice.access_lines()], "four lines")
    assert [e["failure_reason"] for e in entries if e["http_host"] == "app.example"] == [line.group(1), ""]


def test_a_blocked_program_log_makes_no_request_wait(site):
    """Standard error that nobody reads: failures go on being answered."""
    site.manifests.write("none.json", ingress("none", {"none.example": "nobody"}))
    read, write = os.pipe()
    os.set_blocking(write, False)
    try:
        while True:
            os.write(write, b"x" * 4096)
    except BlockingIOError:
        pass
    os.set_blocking(write, True)
    argv = [SLUICE, "serve", "--manifests", str(site.manifests.root), "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--access-log", "off"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=write, text=True)
    try:
        address = next(x.split()[2] for x in process.stdout if x.startswith("listening http "))
        for i in range(2000):
            assert http_get(address, f"/{i}", host="none.example", timeout=2).status in (404, 503)
    finally:
        process.kill()
        process.wait()
        os.close(read)
        os.close(write)
