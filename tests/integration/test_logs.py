"""The access log: its default line, JSON, own formats, and that it never makes a request wait."""
import json
import os
import re
import signal
import subprocess
import time

import pytest

from harness import Sluice, http_get, run_tool, wait_for

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
