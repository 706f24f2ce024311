"""mirror-target: somebody else gets a copy of each request, and nothing of it reaches the request."""
import socket
import subprocess
import threading

import pytest

from harness import SLUICE, free_port, never_accepts, read_request, wait_for

LOOPBACK = {"allow-destinations": "127.0.0.0/8"}


class Mirror:
    def __init__(self, site, answer=b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", hold=None):
        self.copies, self.hold, self.answer = [], hold, answer
        self.pod = site.scripted(self._serve)
        self.url = f"http://{self.pod.address}"

    def _serve(self, sock, _):
        while (request := read_request(sock)) is not None:
            line, *rest = request[0].split("\r\n")
            self.copies.append((line, [tuple(x.split(": ", 1)) if ": " in x else (x.rstrip(":"), "") for x in rest if x], request[1]))
            if self.hold is not None:
                self.hold.wait(30)
            sock.sendall(self.answer)

    def wait(self, n):
        wait_for(lambda: len(self.copies) >= n, f"{n} copies")
        return self.copies[-1]


@pytest.fixture
def mirrored(site):
    def put(annotations=None, target="$request_uri", mirror=None, options=None, host="app.example"):
        mirror = mirror or Mirror(site)
        pod = site.pod()
        site.app(host, pod.address, annotations={"mirror-target": mirror.url + target} | (annotations or {}))
        return site.sluice(options=LOOPBACK | (options or {})), mirror, pod
    site.mirrored = put
    return site


def ask(sluice, path="/", method="GET", headers=(), body=None, host="app.example"):
    with sluice.raw() as c:
        return c.get(path, host, method=method, headers=list(headers), body=body)


def test_a_copy_has_what_the_client_sent(mirrored):
    sluice, mirror, pod = mirrored.mirrored()
    assert ask(sluice, "/x/..%2Fy?z=1", "POST", ["X-Mine: 1", "Connection: X-Hop", "X-Hop: 2", "Cookie: a=b"], b"hello").status == 200
    line, fields, body = mirror.wait(1)
    assert line == "POST /x/..%2Fy?z=1 HTTP/1.1" and body == b"hello"
    got = {k.lower(): v for k, v in fields}
    assert got["host"] == "127.0.0.1" and got["x-mine"] == "1" and got["cookie"] == "a=b" and got["content-length"] == "5"
    assert "x-hop" not in got and "x-forwarded-for" not in got and "connection" not in got
    assert pod.last_headers()[0] == "POST /x/..%2Fy?z=1 HTTP/1.1"
    wait_for(lambda: sluice.metric("sluice_mirrored_requests_total", result="answered") == 1, "it is counted")


@pytest.mark.parametrize("target,path", [("", "/a?b=c"), ("/m", "/m"), ("/m$request_uri", "/m/a?b=c"), ("/m?host=$host", "/m?host=app.example")])
def test_where_a_copy_goes(mirrored, target, path):
    sluice, mirror, _ = mirrored.mirrored(target=target)
    assert ask(sluice, "/a?b=c").status == 200
    assert mirror.wait(1)[0] == f"GET {path} HTTP/1.1"


def test_another_host_and_no_body(mirrored):
    sluice, mirror, pod = mirrored.mirrored({"mirror-host": "m.example", "mirror-request-body": "off"})
    assert ask(sluice, "/", "POST", body=b"hello").status == 200
    line, fields, body = mirror.wait(1)
    got = {k.lower(): v for k, v in fields}
    assert got["host"] == "m.example" and body == b"" and "content-length" not in got


def test_bodies_of_all_kinds(mirrored):
    sluice, mirror, pod = mirrored.mirrored(options={"proxy-body-size": "0"})
    with sluice.raw() as c:
        c.send("POST / HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3\r\n, y\r\n0\r\n\r\n")
        assert c.answer().status == 200
    assert mirror.wait(1)[2] == b"hello, y"
    long = bytes(range(256)) * 2000
    assert ask(sluice, "/", "PUT", body=long).status == 200
    assert mirror.wait(2)[2] == long
    # Above 1 MiB it is not copied, and arrives all the same.
    assert ask(sluice, "/", "PUT", body=b"x" * (1 << 20) + b"y").status == 200
    wait_for(lambda: sluice.metric("sluice_mirrored_requests_total", result="dropped") == 1, "it is counted")
    assert len(mirror.copies) == 2


@pytest.mark.parametrize("dead", ["refused", "silent", "closes"])
def test_a_mirror_that_is_dead_is_nothing_to_the_request(mirrored, dead):
    kept = []
    if dead == "refused":
        url = f"http://127.0.0.1:{free_port()}"
    elif dead == "silent":
        address, kept = never_accepts()
        url = f"http://{address}"
    else:
        url = f"http://{mirrored.scripted(lambda sock, n: sock.recv(1)).address}"
    pod = mirrored.pod()
    mirrored.app("app.example", pod.address, annotations={"mirror-target": url})
    sluice = mirrored.sluice(options=LOOPBACK)
    with sluice.raw() as c:
        for _ in range(5):
            assert c.get("/", "app.example").status == 200
    assert pod.stats()["requests"] == 5
    if dead != "silent":
        wait_for(lambda: sluice.metric("sluice_mirrored_requests_total", result="failed") == 5, "they are counted")


def test_a_slow_mirror_holds_nothing_up_and_is_bounded(mirrored):
    hold = threading.Event()
    sluice, mirror, pod = mirrored.mirrored(mirror=Mirror(mirrored, hold=hold))
    with sluice.raw() as c:
        for _ in range(300):
            assert c.get("/", "app.example").status == 200
    assert sluice.metric("sluice_mirrored_requests_total", result="dropped") == 300 - 256
    hold.set()
    wait_for(lambda: sluice.metric("sluice_mirrored_requests_total", result="answered") == 256, "the others are answered")


def test_a_variable_ends_no_request_line(mirrored):
    sluice, mirror, pod = mirrored.mirrored(target="/to?a=$http_x")
    assert ask(sluice, headers=["X: a#b c\xe9"]).status == 200
    assert mirror.wait(1)[0] == "GET /to?a=a%23b%20c%E9 HTTP/1.1"


def test_what_is_refused_is_not_copied(mirrored):
    sluice, mirror, pod = mirrored.mirrored({"denylist-source-range": "127.0.0.2/32", "proxy-body-size": "10"})
    assert ask(sluice, "/", "POST", body=b"x" * 11).status == 413
    sluice.changed(lambda: mirrored.app("app.example", pod.address, annotations={"mirror-target": mirror.url, "denylist-source-range": "127.0.0.0/8"}))
    assert ask(sluice).status == 403
    sluice.changed(lambda: mirrored.app("app.example", pod.address, annotations={"mirror-target": mirror.url, "permanent-redirect": "https://to.example/"}))
    assert ask(sluice).status == 301
    sluice.changed(lambda: mirrored.app("app.example", f"127.0.0.1:{free_port()}", annotations={"mirror-target": mirror.url}))
    assert ask(sluice).status == 502  # the pod is dead: nginx copies, too
    assert mirror.wait(1)[0] == "GET / HTTP/1.1"
    assert len(mirror.copies) == 1


def test_passwords_stay_here(mirrored):
    mirrored.manifests.text("users.json", '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "users"}, "data": {"auth": "Zm9vOntQTEFJTn1iYXIK"}}')
    sluice, mirror, pod = mirrored.mirrored({"auth-type": "basic", "auth-secret": "users"})
    assert ask(sluice, headers=["Authorization: Basic Zm9vOmJhcg=="]).status == 200
    assert "authorization" not in {k.lower() for k, _ in mirror.wait(1)[1]}


def test_where_nothing_may_be_sent_no_copy_is(mirrored):
    pod = mirrored.pod()
    mirrored.app("app.example", pod.address, annotations={"mirror-target": "http://169.254.169.254/"})
    sluice = mirrored.sluice()
    assert ask(sluice).status == 200
    assert [e["reason"] for e in sluice.config()["report"] if e["value"].startswith("169.254")] == ["DestinationRefused"]


@pytest.mark.parametrize("target", ["nowhere", "ftp://x/", "https://$host/", "http://x/$nobody"])
def test_a_wrong_target_is_reported_and_the_rest_served(mirrored, target):
    pod = mirrored.pod()
    mirrored.app("app.example", pod.address, annotations={"mirror-target": target})
    sluice = mirrored.sluice()
    assert ask(sluice).status == 200
    assert [e["reason"] for e in sluice.config()["report"] if e["field"] == "metadata.annotations[mirror-target]"] == ["InvalidAnnotation"]


def test_draining_does_not_wait_for_copies_for_ever(mirrored):
    hold = threading.Event()
    sluice, mirror, pod = mirrored.mirrored(mirror=Mirror(mirrored, hold=hold), options={"worker-shutdown-timeout": "1"})
    assert ask(sluice).status == 200
    mirror.wait(1)
    assert sluice.stop() == 0
    hold.set()


def test_a_mirror_of_itself_ends(mirrored):
    """A copy that comes back to the route is found out; nothing multiplies."""
    pod, port = mirrored.pod(), free_port()
    mirrored.app("app.example", pod.address, annotations={"mirror-target": f"http://127.0.0.1:{port}", "mirror-host": "app.example"})
    sluice = mirrored.sluice(options=LOOPBACK, listen={"http": f"127.0.0.1:{port}"})
    assert ask(sluice).status == 200
    wait_for(lambda: sum(v for (n, _), v in sluice.metrics().items() if n == "sluice_mirrored_requests_total") >= 1
             or any(e["reason"] == "DestinationRefused" for e in sluice.config()["report"]), "the copy has ended")
    assert pod.stats()["requests"] == 1


def test_mirrors_that_lead_to_each_other_end(mirrored):
    """Each copy is a request of the other route, which is copied in turn, until the first one comes back."""
    pod, port = mirrored.pod(), free_port()

    def relay(sock, _):
        with socket.create_connection(("127.0.0.1", port)) as other:
            back = threading.Thread(target=pump, args=(other, sock))
            back.start()
            pump(sock, other)
            back.join()

    def pump(source, to):
        while data := source.recv(4096):
            to.sendall(data)
        to.shutdown(socket.SHUT_WR)
    balancer = mirrored.scripted(relay)
    for host, other in (("app.example", "b.example"), ("b.example", "app.example")):
        mirrored.app(host, pod.address, name=host[0], annotations={"mirror-target": f"http://{balancer.address}", "mirror-host": other})
    sluice = mirrored.sluice(options=LOOPBACK, listen={"http": f"127.0.0.1:{port}"})
    wait_for(lambda: ask(sluice).status == 200 and sluice.metric("sluice_mirrored_requests_total", result="answered") >= 1, "copies are made")
    wait_for(lambda: sluice.metric("sluice_loops_total") >= 1, "a copy that came back is known")
    before = pod.stats()["requests"]
    assert ask(sluice).status == 200
    wait_for(lambda: sluice.metric("sluice_mirrored_requests_total", result="answered") >= 4, "they have ended")
    assert pod.stats()["requests"] - before <= 3


def test_a_copy_says_nothing_of_who_the_client_is(mirrored):
    """What pods believe of an authentication comes to them from us alone; a mirror is the next version of the pods."""
    who = mirrored.scripted(lambda sock, _: [sock.sendall(b"HTTP/1.1 200 OK\r\nX-User: alice\r\nContent-Length: 0\r\n\r\n")
                                             for _ in iter(lambda: read_request(sock), None)])
    sluice, mirror, pod = mirrored.mirrored({"auth-url": f"http://{who.address}", "auth-response-headers": "X-User"})
    assert ask(sluice, headers=["X-User: admin", "X_User: admin", "X-Mine: 1"]).status == 200
    got = {k.lower(): v for k, v in mirror.wait(1)[1]}
    assert got["x-mine"] == "1" and "x-user" not in got and "x_user" not in got
    assert {k.lower(): v for k, v in pod.last_headers()[1]}["x-user"] == "alice"


def test_explain_says_where_a_copy_goes(mirrored):
    mirrored.app("app.example", "127.0.0.1:1", annotations={"mirror-target": "http://mirror.example$request_uri"})
    r = subprocess.run([SLUICE, "explain", mirrored.manifests.root, "GET", "http://app.example/x"], capture_output=True, text=True, timeout=20)
    assert "a copy of it goes to http://mirror.example:80/x" in r.stdout
