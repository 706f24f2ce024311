"""The access log: its default line, JSON, own formats, and that it never makes a request wait."""
import base64
import json
import os
import re
import signal
import subprocess
import threading
import time

import pytest

from harness import SLUICE, Sluice, certificate, config_map, http_get, ingress, read_request, run_tool, service, slices, tls_secret, wait_for
from h2raw import Http2

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


def test_what_cannot_be_read_has_its_line_as_it_came(site):
    """And no name of an upstream, which nginx has not set by then."""
    sluice, _ = site.simple()
    for line, status in (("TRACE / HTTP/1.1", 405), ("GET /%zz HTTP/1.1", 400), ("GET / HTTP/3.0", 505), ('GET /"\x01 HTTP/1.1', 400)):
        with sluice.raw() as c:
            c.send(f"{line}\r\nHost: app.example\r\n\r\n")
            c.read_all()
        shown = line.replace('"', "\\x22").replace("\x01", "\\x01")
        sluice.wait_access(re.escape(f'"{shown}" {status} ') + r'\d+ "-" "-" \d+ \S+ \[\] \[\] ')
    with sluice.raw() as c:
        c.send("GET /" + "a" * 20000 + " HTTP/1.1\r\nHost: app.example\r\n\r\n")
        c.read_all()
    m = sluice.wait_access(r'"GET /(a+)" (?:414|431) ')
    assert len(m.group(1)) == 2048 - len("GET /")


def test_lengths_count_heads_and_framing(site):
    """As nginx counts: what came, and not what is left of it."""
    pod = site.scripted(answering(b"X-A: 1\r\n"))
    site.app("app.example", pod.address)
    sluice = site.sluice(options={"log-format-upstream": "L $request_length $upstream_bytes_received $upstream_response_length"})
    request = b"POST /x HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"

    def ask():
        with sluice.raw() as c:
            c.send(request)
            c.answer()
    _, sent, received, body = line_of(sluice, ask, "^L").split()
    assert int(sent) == len(request) and int(received) > int(body) + len("HTTP/1.1 200 OK\r\nX-A: 1\r\n")


def test_requests_and_streams_may_have_no_lines_each_for_itself(site):
    sluice, _ = site.simple(options={"disable-http-access-log": "true"}, access_log=str(site.tmp / "log"))
    sluice.get("/", "app.example")
    sluice.stop()
    assert (site.tmp / "log").read_text() == ""


def test_skip_urls(site):
    """As keys of a map of nginx: whole texts whatever their case, and regular expressions."""
    sluice, pod = site.simple(options={"skip-access-log-urls": "/Ping, ~^/health,~*\\.css$"})
    skipped = ("/ping", "/PING", "/healthz", "/a.CSS")
    for target in skipped:
        sluice.get(target, "app.example")
    for target in ("/Health", "/ping/", "/pong"):
        sluice.get(target, "app.example")
    sluice.wait_access("/pong")
    assert [line.split('"')[1].split()[1] for line in sluice.access_lines()] == ["/Health", "/ping/", "/pong"]


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


BESIDE = ("V user=$remote_user x=$http_x_thing ck=$cookie_b arg=$arg_q up=$upstream_http_x_id sent=$sent_http_x_id "
          "by=$sent_http_x_added ct=$sent_http_content_type host=$host uri=$uri args=$args$is_args end")


def values(line):
    m = re.match(r"V user=(.*) x=(.*) ck=(.*) arg=(.*) up=(.*) sent=(.*) by=(.*) ct=(.*) host=(.*) uri=(.*) args=(.*) end$", line)
    assert m, line
    return dict(zip(("user", "x", "ck", "arg", "up", "sent", "by", "ct", "host", "uri", "args"), m.groups()))


def answering(head, body=b"ok"):
    """A pod that answers each request of a connection with these lines of a head."""
    def handler(sock, number):
        while read_request(sock) is not None:
            sock.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    return handler


def line_of(sluice, request, pattern="^V "):
    """What the log says of the one request that `request` makes."""
    before = len(sluice.access_lines())
    request()
    return wait_for(lambda: next((x for x in sluice.access_lines()[before:] if re.search(pattern, x)), None), f"a line {pattern}")


def test_fields_cookies_and_arguments_of_any_name(site):
    """Whatever log-format-upstream names, of the request, the pod's answer and what was sent, over both protocols."""
    pod = site.scripted(answering(b"X-Id: 1\r\nX-Id: 2\r\nContent-Type: text/x\r\n"))
    site.app("app.example", pod.address)
    sluice = site.sluice(options={"log-format-upstream": BESIDE})
    with sluice.raw() as c:
        line = line_of(sluice, lambda: c.get("/%61b/./c?q=%20x&z", "App.Example:80",
                                             headers=["X-Thing: 1", "x-THING: 2", "X_Thing: 3", "Cookie: a=1; b=2", "Authorization: Basic YW5uOnB3"]))
    assert values(line) == {"user": "ann", "x": "1, 2", "ck": "2", "arg": "%20x", "up": "1, 2", "sent": "1, 2", "by": "-", "ct": "text/x",
                            "host": "app.example", "uri": "/ab/c", "args": "q=%20x&z?"}
    with Http2(sluice.https, sni="app.example") as c:
        line = line_of(sluice, lambda: c.done(c.request("/x", fields=[("x-thing", "1"), ("cookie", "a=1"), ("cookie", "b=3")])))
    assert values(line) == {"user": "-", "x": "1", "ck": "3", "arg": "-", "up": "1, 2", "sent": "1, 2", "by": "-", "ct": "text/x",
                            "host": "app.example", "uri": "/x", "args": "-"}


def test_fields_of_our_own_answers(site):
    """A redirect, a page of an error and a head that nobody can read."""
    site.app("app.example", site.pod().address, annotations={"permanent-redirect": "https://there.example/x"})
    site.manifests.write("none.json", ingress("none", {"none.example": "nobody"}))
    sluice = site.sluice(options={"log-format-upstream": "V $status $sent_http_location|$sent_http_content_type|$sent_http_content_length|"
                                                         "$sent_http_connection|$upstream_http_content_type|$http_x_a"})
    assert line_of(sluice, lambda: sluice.get("/", "app.example", headers={"X-A": "1"})).startswith("V 301 https://there.example/x|text/html|")
    m = re.match(r"V 503 -\|text/html\|(\d+)\|(\S+)\|-\|1$", line_of(sluice, lambda: sluice.get("/", "none.example", headers={"X-A": "1"})))
    assert m and int(m.group(1)) > 50

    def unreadable():
        with sluice.raw() as c:
            c.send("GET / HTTP/1.1\r\nHost: a b\r\nX-A: 1\r\n\r\n")
            c.read_all()
    assert re.match(r"V 400 -\|text/html\|\d+\|close\|-\|-$", line_of(sluice, unreadable))


def test_the_answer_of_the_last_attempt_counts(site):
    """Of a pod that closes nothing is there, and of the next one what it says; an interim head is no answer."""
    def handler(sock, number):
        read_request(sock)
        if number > 1:
            sock.sendall(b"HTTP/1.1 103 Early\r\nX-Id: early\r\n\r\nHTTP/1.1 200 OK\r\nX-Id: second\r\nContent-Length: 0\r\n\r\n")
    site.app("app.example", site.scripted(handler).address)
    site.app("none.example", site.scripted(lambda sock, number: read_request(sock)).address)
    sluice = site.sluice(options={"log-format-upstream": "V $status [$upstream_http_x_id] [$upstream_status]"})
    assert line_of(sluice, lambda: sluice.raw().get("/", "app.example")) == "V 200 [second] [502, 200]"
    assert line_of(sluice, lambda: sluice.get("/", "none.example")) == "V 502 [-] [502, 502, 502]"


@pytest.mark.parametrize("escape, expected", [({}, r"V \x22b\x5C\x80 end"), ({"log-format-escape-json": "true"}, r'V \"b\\\u0080 end')], ids=["nginx", "json"])
def test_values_of_clients_forge_no_line(site, escape, expected):
    sluice, pod = site.simple(options={"log-format-upstream": "V $http_x end", **escape})
    with sluice.raw() as c:
        assert line_of(sluice, lambda: c.send(b'GET / HTTP/1.1\r\nHost: app.example\r\nX: "b\\\x80\r\n\r\n').answer()) == expected


def test_a_tunnel_keeps_its_values(site):
    """The head's memory is another request's while a WebSocket runs."""
    def handler(sock, number):
        head, _ = read_request(sock)
        if "upgrade" not in head.lower():
            return sock.sendall(b"HTTP/1.1 200 OK\r\nX-Id: plain\r\nContent-Length: 0\r\n\r\n")
        sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\nX-Id: tunnel\r\n\r\n")
        sock.sendall(sock.recv(100))
    site.app("app.example", site.scripted(handler).address)
    sluice = site.sluice(options={"log-format-upstream": "V $status $http_x_a $upstream_http_x_id $sent_http_upgrade $remote_user"})
    with sluice.raw() as c:
        assert c.get("/t", "app.example", headers=["Connection: Upgrade", "Upgrade: echo", "X-A: of-the-tunnel", "Authorization: Basic YW5uOnB3"]).status == 101
        assert line_of(sluice, lambda: sluice.get("/p", "app.example", headers={"X-A": "of-another-request"})) == "V 200 of-another-request plain - -"
        assert c.send("ping").read_exactly(4) == b"ping"
    assert sluice.wait_access("^V 101.*").group(0) == "V 101 of-the-tunnel tunnel echo ann"


def test_what_is_no_variable_is_named(site):
    sluice, pod = site.simple(options={"log-format-upstream": "V $nobody $http_x", "log-format-stream": "$status $http_x"})
    sluice.wait_line(r"log-format-upstream: variable \$nobody is not known", stream="err")
    sluice.wait_line(r"log-format-stream: variable \$http_x is not known of a connection", stream="err")
    assert line_of(sluice, lambda: sluice.get("/", "app.example")) == "V - -"


def test_a_change_of_the_format_mixes_no_lines(site):
    """Requests run while the format changes: each line is of one format, with the values of its own request, and none is missing."""
    formats = {"A": "A $http_x_n $arg_n $sent_http_content_length", "B": "B $arg_n $http_x_n $cookie_none", "C": "C $request_uri"}
    pod = site.pod("pod", "--forget-ids")
    site.app("app.example", pod.address)
    put = lambda name: site.manifests.write("options.yaml", config_map({"log-format-upstream": formats[name]}))
    put("A")
    sluice = site.sluice(workers=2, options={"keep-alive-requests": "10000000"})
    stop, sent, wrong = threading.Event(), [0, 0], []

    def ask(which):
        try:
            with sluice.raw() as c:
                while not stop.is_set():
                    n = f"{which}-{sent[which]}"
                    assert c.get(f"/?size=3&n={n}", "app.example", headers=[f"X-N: {n}"]).status == 200
                    sent[which] += 1
        except Exception as e:
            wrong.append(e)
    threads = [threading.Thread(target=ask, args=(i,)) for i in range(2)]
    for t in threads:
        t.start()
    for name in "BCABCA":
        before = sum(sent)
        sluice.changed(lambda: put(name))
        wait_for(lambda: wrong or sum(sent) > before + 20, "requests with this format")
    stop.set()
    for t in threads:
        t.join()
    assert not wrong, wrong
    wait_for(lambda: len(sluice.access_lines()) >= sum(sent), "a line for each request")
    lines = sluice.access_lines()
    assert len(lines) == sum(sent)
    seen = set()
    for line in lines:
        m = re.fullmatch(r"A (\S+) (\S+) 3|B (\S+) (\S+) -|C /\?size=3&n=(\S+)", line)
        assert m, line
        numbers = {g for g in m.groups() if g}
        assert len(numbers) == 1, line
        seen |= numbers
    assert seen == {f"{i}-{n}" for i in range(2) for n in range(sent[i])} and {x[0] for x in lines} == set("ABC")


BYTES = re.compile(rb'^127\.0\.0\.1 - (\S+) \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "([^"]*)" (\d{3}) (\d+) "([^"]*)" "([^"]*)" (\d+) \d+\.\d{3} \[([^\]]*)\] \[([^\]]*)\] '
                   rb'(-|\S+:\d+(?:, \S+:\d+)*) (-|\d+(?:, \d+)*) (-|\d+\.\d{3}(?:, \d+\.\d{3})*) (-|\d+(?:, (?:\d+|-))*) ([0-9a-f]{32})$')


def test_the_default_line_byte_for_byte(site):
    """ingress-nginx's: single blanks, brackets, lists of attempts, and a dash for what is not there."""
    pod = site.pod()
    site.app("app.example", pod.address)
    site.manifests.write("none.json", ingress("none", {"none.example": "nobody"}))
    dead = site.scripted(lambda sock, number: read_request(sock)).address
    site.app("dead.example", dead)
    sluice = site.sluice()

    def told(request):
        m = BYTES.match(line_of(sluice, request, "^127").encode())
        assert m, sluice.access_lines()[-1]
        return [g.decode() for g in m.groups()][:-1]

    ua = {"User-Agent": "u/1", "Referer": "http://r/", "Authorization": "Basic YW5uOnB3"}
    user, request, status, body, referer, agent, length, upstream, canary, addr, size, _, code = told(lambda: sluice.get("/x?size=77", "app.example", headers=ua))
    assert (user, request, status, body, referer, agent, upstream, canary, addr, size, code) == \
        ("ann", "GET /x?size=77 HTTP/1.1", "200", "77", "http://r/", "u/1", "default-app-80", "", pod.address, "77", "200") and int(length) > 90
    with sluice.raw() as c:
        user, request, status, _, referer, agent, *_, upstream, canary, addr, size, seconds, code = told(lambda: c.get("/", "none.example"))
    assert (user, request, status, referer, agent) == ("-", "GET / HTTP/1.1", "503", "-", "-") and upstream == "default-nobody-80" and canary == ""
    *_, addr, size, seconds, code = told(lambda: sluice.get("/", "dead.example"))
    assert addr == ", ".join([dead] * 3) and size == "0, 0, 0" and code == "502, 502, 502" and len(seconds.split(", ")) == 3


CONNECTION = "V $connection $connection_requests $connection_time $pipe [$http2] [$ssl_session_reused] [$ssl_alpn_protocol] [$request_completion] $realip_remote_port " \
             "$tcpinfo_rtt $tcpinfo_rttvar $tcpinfo_snd_cwnd $tcpinfo_rcv_space"


def test_variables_of_the_connection(site):
    sluice, pod = site.simple(options={"log-format-upstream": CONNECTION, "http2-prior-knowledge": "true"})

    def told(request):
        return line_of(sluice, request).split()[1:]

    with sluice.raw() as c:
        port = str(c.sock.getsockname()[1])
        first = told(lambda: c.get("/", "app.example"))
        second = told(lambda: c.get("/", "app.example"))
    with sluice.raw() as c:
        third = told(lambda: c.get("/", "app.example"))
    assert first[0] == second[0] != third[0] and (first[1], second[1], third[1]) == ("1", "2", "1")
    assert re.fullmatch(r"\d+\.\d{3}", second[2]) and float(second[2]) >= float(first[2])
    assert first[3:9] == [".", "[]", "[-]", "[-]", "[OK]", port] and all(x.isdigit() for x in first[9:]), first
    session = None
    for reused in (".", "r"):
        with sluice.tls("app.example", alpn=["http/1.1"], session=session) as c:
            line = told(lambda: c.get("/", "app.example"))
            c.session, c.context = c.sock.session, c.sock.context
            session = c
        assert line[4:7] == ["[]", f"[{reused}]", "[http/1.1]"], line
    with Http2(sluice.https, sni="app.example") as c:
        assert told(lambda: c.done(c.request("/")))[1] == "1"
        line = told(lambda: c.done(c.request("/")))
    assert line[1] == "2" and line[4] == "[h2]" and line[6] == "[h2]"


def test_what_broke_off_is_not_complete(site):
    def handler(sock, number):
        read_request(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    site.app("app.example", site.scripted(handler).address)
    site.manifests.write("none.json", ingress("none", {"none.example": "nobody"}))
    sluice = site.sluice(options={"log-format-upstream": "V $status [$request_completion]"})

    def visit():
        with sluice.raw() as c:
            c.send("GET / HTTP/1.1\r\nHost: app.example\r\n\r\n")
            c.read_all()
    assert line_of(sluice, visit) == "V 200 []"
    assert line_of(sluice, lambda: sluice.get("/", "none.example")) == "V 503 [OK]", "a page of ours is whole"


STATUSES = "S $request_uri $status us=$upstream_status ua=$upstream_addr"


def test_what_a_client_failed_at_is_no_status_of_a_pod(site):
    """As in nginx: `-`, be it a body that is too large, broken or that does not come."""
    pod = site.pod()
    site.app("app.example", pod.address, annotations={"proxy-body-size": "1m"})
    sluice = site.sluice(options={"client-body-timeout": "1", "proxy-request-buffering": "off", "log-format-upstream": STATUSES})
    piece = b"%x\r\n" % 600_000 + b"x" * 600_000 + b"\r\n"
    chunked = b"Transfer-Encoding: chunked\r\n\r\n"
    for path, first, rest, status in (("/large", chunked + piece, piece, 413), ("/broken", chunked + piece, b"zz\r\n", 400), ("/slow", b"Content-Length: 9000\r\n\r\n", b"hello", 408)):
        before = sluice.metric("sluice_upstream_connects_total")
        with sluice.raw() as c:
            c.send(b"POST " + path.encode() + b" HTTP/1.1\r\nHost: app.example\r\n" + first)
            wait_for(lambda: sluice.metric("sluice_upstream_connects_total") > before, "a pod is asked")
            c.try_send(rest)
            c.read_all()
        sluice.wait_access(rf"^S {path} {status} us=- ua={pod.address}$")


def test_the_page_of_an_error_is_an_attempt_of_its_own(site):
    """As nginx writes a second round: behind ` : `. What is measured is the pod that failed."""
    def busy(sock, _):
        while read_request(sock):
            threading.Event().wait(0.3)
            sock.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
    pod, pages = site.scripted(busy), site.pod("pages")
    site.app("app.example", pod.address, annotations={"custom-http-errors": "503", "default-backend": "pages"})
    site.manifests.write("pages.yaml", service("pages"), *slices("pages", pages.address.split(",")))
    sluice = site.sluice(options={"log-format-upstream": STATUSES})
    sluice.get("/x", "app.example")
    sluice.wait_access(rf"^S /x 200 us=503 : 200 ua={pod.address} : {pages.address}$")
    assert sluice.metric("nginx_ingress_controller_header_duration_seconds_sum", status="200") > 0.25


def test_times_of_an_attempt_begin_with_it(site):
    """As in nginx: $upstream_header_time and $upstream_response_time count the connect, and with us the wait for a turn."""
    go = threading.Event()

    def serve(sock, _):
        while read_request(sock):
            go.wait(20)
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    site.app("app.example", site.scripted(serve).address)
    site.app("none.example", "127.0.0.1:1")
    sluice = site.sluice(options={"upstream-max-connections": "1", "log-format-upstream": "T $request_uri $status $upstream_connect_time $upstream_header_time $upstream_response_time"})
    with sluice.raw() as first, sluice.raw() as second:
        for i, c in enumerate((first, second)):
            c.send(f"GET /{i} HTTP/1.1\r\nHost: app.example\r\n\r\n")
            wait_for(lambda i=i: sluice.metric("sluice_requests_active") == i + 1, "it is under way")
        threading.Event().wait(0.5)
        go.set()
        first.answer()
        second.answer()
    header, response = map(float, sluice.wait_access(r"^T /1 200 0\.000 (\S+) (\S+)$").groups())
    assert 0.45 < header <= response < 5
    sluice.get("/none", "none.example")
    sluice.wait_access(r"^T /none 502 -(?:, -)* -(?:, -)* 0\.\d+(?:, 0\.\d+)*$")


def test_a_variable_without_a_value_is_said_with_its_reason(site):
    sluice, _ = site.simple(options={"log-format-upstream": "V $gzip_ratio $upstream_cache_status $geoip2_city"})
    for name, why in (("gzip_ratio", "sluice_compression_bytes_total"), ("upstream_cache_status", "nothing is cached"), ("geoip2_city", "no database")):
        sluice.wait_line(rf"log-format-upstream: variable \${name} has never a value here \(.*{why}", stream="err")
    assert line_of(sluice, lambda: sluice.get("/", "app.example")) == "V - - -"
