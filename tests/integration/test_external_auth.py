"""auth-url: a service is asked whether a request may come; what it says of the client, and what is kept of its answers."""
import base64
import json
import subprocess
import threading

import pytest

from balancer import Balancer
from harness import SLUICE, Raw, certificate, config_map, free_port, ingress, read_request, service, slices, tls_secret, wait_for
from h2raw import Http2

LOOPBACK = {"allow-destinations": "127.0.0.0/8"}


class Service:
    """A service that answers as `say(target, fields)` says: a status and lines of fields; b"" instead: it closes."""

    def __init__(self, site, say=None):
        self.asked = []
        self.say = say or (lambda target, fields: (200, []))
        self.lock = threading.Lock()
        self.pod = site.scripted(self._serve)
        self.address = self.pod.address
        self.url = f"http://{self.address}"

    def _serve(self, sock, _):
        while (request := read_request(sock)) is not None:
            line, *rest = request[0].split("\r\n")
            fields = [tuple(x.split(": ", 1)) if ": " in x else (x.rstrip(":"), "") for x in rest if x]
            with self.lock:
                self.asked.append((line, fields, request[1]))
            said = self.say(line.split(" ")[1], {k.lower(): v for k, v in fields})
            if said == b"":
                return
            status, lines, *body = said
            body = body[0] if body else b""
            head = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", *lines]
            sock.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)

    @property
    def fields(self):
        return {k.lower(): v for k, v in self.asked[-1][1]}


@pytest.fixture
def asked(site):
    """site.guard(annotations, say): (proxy, service, pod) of app.example, guarded by the service."""
    def guard(annotations=None, say=None, path="/ok", options=None, **kw):
        who = Service(site, say)
        pod = site.pod()
        site.app("app.example", pod.address, annotations={"auth-url": who.url + path} | (annotations or {}), **kw)
        return site.sluice(options=LOOPBACK | (options or {})), who, pod
    site.guard = guard
    return site


def of_pod(pod):
    return {k.lower(): v for k, v in pod.last_headers()[1]}


def ask(sluice, *headers, path="/", method="GET", host="app.example", body=None):
    with sluice.raw() as c:
        return c.get(path, host, method=method, headers=list(headers), body=body)


def test_the_service_is_asked_as_recorded(asked):
    sluice, who, pod = asked.guard()
    a = ask(sluice, "Authorization: Bearer abc", "Cookie: a=b", "X-Forwarded-Proto: https", "X-Original-URL: forged", "Expect: 100-continue",
            "Content-Type: text/plain", path="/x/..%2Fy?z=1", method="PUT", body=b"abc")
    assert a.status == 200
    line, fields, body = who.asked[-1]
    assert line == "GET /ok HTTP/1.1" and body == b""
    names = [k for k, _ in fields]
    assert names[:8] == ["X-Request-ID", "Host", "X-Original-URL", "X-Original-Method", "X-Sent-From", "X-Real-IP", "X-Forwarded-For",
                         "X-Auth-Request-Redirect"]
    got = dict(fields)
    assert got["Host"] == "127.0.0.1" and got["X-Original-URL"] == "http://app.example/x/..%2Fy?z=1"
    assert got["X-Original-Method"] == "PUT" and got["X-Auth-Request-Redirect"] == "/x/..%2Fy?z=1"
    assert got["Authorization"] == "Bearer abc" and got["Cookie"] == "a=b" and got["Content-Type"] == "text/plain"
    for gone in ("X-Forwarded-Proto", "Content-Length", "Expect", "Connection", "Transfer-Encoding"):
        assert gone not in got
    assert names.count("X-Original-URL") == 1
    assert of_pod(pod)["x-original-url"] == "forged" and "x-auth-request-redirect" not in of_pod(pod)


SAID = [(200, 200), (204, 200), (299, 200), (401, 401), (403, 403), (302, 500), (304, 500), (404, 500), (407, 500), (429, 500), (500, 500), (503, 500)]


def says(said):
    return lambda target, fields: (said, ['WWW-Authenticate: Bearer realm="x"', "X-Why: because", "Location: http://else/"])


def check_what_becomes_of(sluice, pod, said, status):
    """Of what somebody said, who was asked before each of three requests."""
    for method in ("GET", "HEAD", "POST"):
        a = ask(sluice, method=method)
        assert a.status == status
        assert a.get("x-why") is None and a.get("location") is None
        assert a.all("www-authenticate") == (['Bearer realm="x"'] if said == 401 else [])
    assert pod.stats()["requests"] == (3 if status == 200 else 0)
    assert sluice.metric("sluice_auth_requests_total", result={200: "allowed", 500: "failed"}.get(status, "refused")) == 3


@pytest.mark.parametrize("said,status", SAID)
def test_what_it_says(asked, said, status):
    sluice, _, pod = asked.guard(say=says(said))
    check_what_becomes_of(sluice, pod, said, status)


def test_nobody_is_let_in_where_it_cannot_be_asked(asked):
    pod = asked.pod()
    closes = Service(asked, lambda t, f: b"")
    for name, url in (("refused", f"http://127.0.0.1:{free_port()}/"), ("closes", closes.url), ("nowhere", "http://nowhere.invalid/"),
                      ("metadata", "http://169.254.169.254/")):
        asked.app(f"{name}.example", pod.address, name=name, annotations={"auth-url": url})
    sluice = asked.sluice(options=LOOPBACK)
    for name in ("refused", "closes", "nowhere", "metadata"):
        a = ask(sluice, host=f"{name}.example")
        assert a.status == 500, name
    assert pod.stats()["requests"] == 0
    assert [e["reason"] for e in sluice.config()["report"] if e["value"].startswith("169.254")] == ["DestinationRefused"]
    wait_for(lambda: [e for e in sluice.config()["report"] if e["reason"] == "UnresolvedName" and e["value"] == "nowhere.invalid"],
             "the name that does not resolve is reported")


@pytest.mark.parametrize("url,status,reason", [("not-a-url", 503, "InvalidAnnotation"), ("ftp://x/", 503, "InvalidAnnotation"),
                                               ("http://a..b/", 503, "InvalidAnnotation"), ("http://$arg_host/", 503, "InvalidAnnotation"),
                                               ("http://a:0/", 503, "InvalidAnnotation"), ("http://a/$nobody", 503, "InvalidAnnotation"),
                                               ("http://a/;x", 404, "InvalidAnnotation")])
def test_an_url_that_cannot_be_read_opens_nothing(asked, url, status, reason):
    pod = asked.pod()
    asked.app("app.example", pod.address, annotations={"auth-url": url})
    sluice = asked.sluice()
    assert ask(sluice).status == status and pod.stats()["requests"] == 0
    assert [e for e in sluice.config()["report"] if e["field"] == "metadata.annotations[auth-url]"][0]["reason"] == reason


def test_a_variable_ends_no_request_line(asked):
    """What of a value could not stand in a target is encoded: behind a # no server would read on."""
    sluice, who, pod = asked.guard(path="/ok?a=$http_x&b=$arg_b")
    assert ask(sluice, "X: a#b c\xe9", path="/?b=1").status == 200
    assert who.asked[-1][0] == "GET /ok?a=a%23b%20c%E9&b=1 HTTP/1.1"


def test_method_and_redirect(asked):
    sluice, who, _ = asked.guard({"auth-method": "POST", "auth-request-redirect": "https://back.example/here"})
    assert ask(sluice, path="/x?y").status == 200
    line, fields, body = who.asked[-1]
    got = dict(fields)
    assert line == "POST /ok HTTP/1.1" and body == b""
    assert got["X-Original-URI"] == "/x?y" and got["X-Scheme"] == "http" and got["X-Auth-Request-Redirect"] == "https://back.example/here"


@pytest.mark.parametrize("url,location", [
    ("https://login.example/start?rd=$escaped_request_uri", "https://login.example/start?rd=%2Fx%3Fa%3D1%26b%3D2"),
    ("https://login.example/start?a=b", "https://login.example/start?a=b&rd=http://app.example%2Fx%3Fa%3D1%26b%3D2"),
    ("https://login.example/start", "https://login.example/start?rd=http://app.example%2Fx%3Fa%3D1%26b%3D2"),
    ("http://$host/auth/start", "http://app.example/auth/start?rd=http://app.example%2Fx%3Fa%3D1%26b%3D2")])
def test_where_to_sign_in(asked, url, location):
    sluice, _, pod = asked.guard({"auth-signin": url}, say=lambda t, f: (401, ["Set-Cookie: csrf=1; Path=/", "Set-Cookie: other=2"]))
    a = ask(sluice, path="/x?a=1&b=2")
    assert a.status == 302 and a.get("location") == location
    assert a.all("set-cookie") == ["csrf=1; Path=/", "other=2"]
    who = Service(asked, lambda t, f: (403, []))
    sluice.changed(lambda: asked.app("app.example", pod.address, annotations={"auth-url": who.url, "auth-signin": url}))
    assert ask(sluice, path="/x?a=1&b=2").status == 403


def test_another_name_of_the_parameter(asked):
    sluice, _, _ = asked.guard({"auth-signin": "https://login.example/", "auth-signin-redirect-param": "back"}, say=lambda t, f: (401, []))
    assert ask(sluice, path="/x").get("location") == "https://login.example/?back=http://app.example%2Fx"


CALLS = [("GET", "/", []), ("GET", "/", ["X-Say: 401"]), ("HEAD", "/", ["X-Say: 401"]), ("GET", "/", ["X-Say: 403"]), ("GET", "/", ["X-Say: 500"]), ("GET", "/?s=401", []),
         ("GET", "/?s=403", [])]
ASKS = "auth_request /_auth; auth_request_set $auth_cookie $upstream_http_set_cookie; error_page 401 = @signin;"
PASSWORD = 'auth_basic ""; auth_basic_user_file USERS;'
SIGN_IN = [  # what the Ingress says beside auth-url and auth-signin, and what ingress-nginx writes of it: server, location
    ({}, "", ASKS),
    ({"auth-type": "basic", "auth-secret": "users"}, "", ASKS + PASSWORD),
    ({"auth-type": "basic", "auth-secret": "users", "satisfy": "any"}, "", ASKS + PASSWORD + "satisfy any;"),
    ({"custom-http-errors": "404", "default-backend": "errs"}, "", ASKS + "proxy_intercept_errors on;"),
    ({"custom-http-errors": "401", "default-backend": "errs"}, "", ASKS + "proxy_intercept_errors on; error_page 401 = @errs;"),
    ({"custom-http-errors": "404", "default-backend": "errs", "disable-proxy-intercept-errors": "true"}, "", ASKS),
    ({"configuration-snippet": "proxy_intercept_errors on;"}, "", ASKS + "proxy_intercept_errors on;"),
    ({"configuration-snippet": "error_page 401 https://else.example/;"}, "", ASKS + "error_page 401 https://else.example/;"),
    ({"configuration-snippet": "return 401;"}, "", ASKS + "return 401;"),
    ({"configuration-snippet": "return 401 text;"}, "", ASKS + "return 401 text;"),
    ({"configuration-snippet": "expires 1h; add_header X-A a always;"}, "", ASKS + "expires 1h; add_header X-A a always;"),
    ({"server-snippet": "if ($arg_s = 403) { return 401; }"}, "if ($arg_s = 403) { return 401; }", ASKS),
]


def test_every_401_leads_to_sign_in_as_in_nginx(asked):
    """auth-signin is nginx's error_page of 401: whoever says 401, the client is sent there, and the challenges go with it."""
    who = Service(asked, lambda t, f: (int(f.get("x-say", 200)), ["WWW-Authenticate: Bearer", "Set-Cookie: csrf=1"]))
    pod = Service(asked, lambda t, f: (int(t.rsplit("=", 1)[-1]) if "?s=" in t else 200, ['WWW-Authenticate: Basic realm="pod"', "X-Pod: 1"]))
    errs = Service(asked, lambda t, f: (200, ["X-Page: 1"]))
    asked.manifests.write("errs.yaml", service("errs"), *slices("errs", [errs.address]))
    asked.manifests.text("users.json", secret({"auth": "foo:{PLAIN}bar\n"}))
    (asked.tmp / "users").write_text("foo:{PLAIN}bar\n")
    port, servers = free_port(), ""
    for i, (annotations, server, location) in enumerate(SIGN_IN):
        asked.manifests.app(f"s{i}.example", pod.address, name=f"s{i}", file=f"s{i}.yaml",
                            annotations=annotations | {"auth-url": who.url + "/", "auth-signin": "http://login.example/?rd=$escaped_request_uri"})
        servers += (f"}} server {{ listen 127.0.0.1:{port}; server_name s{i}.example; default_type text/html; {server}\n"
                    f"location = /_auth {{ internal; proxy_pass http://{who.address}/; }} location @errs {{ proxy_pass http://{errs.address}; }}\n"
                    f"location @signin {{ internal; add_header Set-Cookie $auth_cookie; return 302 http://login.example/?rd=$request_uri; }}\n"
                    f"location / {{ {location.replace('USERS', str(asked.tmp / 'users'))} add_header Set-Cookie $auth_cookie; proxy_pass http://{pod.address}; }}\n")
    nginx = asked.nginx("server_name none; " + servers, port=port)
    sluice = asked.sluice(options=LOOPBACK | {"allow-snippet-annotations": "true", "annotations-risk-level": "Critical"})
    different = []
    for i, case in enumerate(SIGN_IN):
        for method, path, fields in [(m, p, [*f, *g]) for m, p, f in CALLS for g in ([], [GOOD])]:
            got = []
            for connect in (lambda: Raw(nginx.address), sluice.raw):
                with connect() as c:
                    a = c.get(path, f"s{i}.example", method=method, headers=fields)
                got.append((a.status, (a.get("location") or "").split("?")[0], sorted(a.all("www-authenticate")), a.all("set-cookie"), a.get("x-pod"), a.get("x-page"),
                            a.get("x-a"), a.get("cache-control")))
            if got[0] != got[1]:
                different.append(f"{case} {method} {path} {fields}\n    nginx  {got[0]}\n    sluice {got[1]}")
    assert not different, "\n" + "\n".join(different)


@pytest.mark.parametrize("compat", ["safe", "exact"])
def test_a_call_of_grpc_is_sent_nowhere(asked, compat):
    """A page of another status would tell it less than UNAUTHENTICATED does."""
    sluice, _, pod = asked.guard({"auth-signin": "https://login.example/", "backend-protocol": "GRPC"}, lambda t, f: (401, []),
                                 options={"http2-prior-knowledge": "true", "compat": compat})
    with Http2(sluice.http) as h2:
        call = h2.done(h2.request(method="POST", fields=[("content-type", "application/grpc"), ("te", "trailers")]))
        assert (call.status, call.get("grpc-status")) == ((200, "16") if compat == "safe" else (302, None)), call
    assert pod.stats()["requests"] == 0


def test_who_asks_a_path_that_signs_in_gets_its_401(site):
    """auth_request of a snippet judges what is said: a redirect would be an error to it."""
    pod = Service(site, lambda t, f: (401, ["WWW-Authenticate: Bearer"]) if t.startswith("/auth") else (200, []))
    site.app("app.example", pod.address, name="app", paths=[("/x", "Prefix")], annotations={"configuration-snippet": "auth_request /auth;"})
    site.app("app.example", pod.address, name="auth", file="auth.yaml", paths=[("/auth", "Prefix")],
             annotations={"auth-url": pod.url + "/ok", "auth-signin": "https://login.example/", "custom-http-errors": "404", "default-backend": "auth"})
    sluice = site.sluice(options=LOOPBACK | {"allow-snippet-annotations": "true", "annotations-risk-level": "Critical"})
    a = ask(sluice, path="/x/y")
    assert (a.status, a.get("www-authenticate"), a.get("location")) == (401, "Bearer", None)
    assert ask(sluice, path="/auth").status == 302


def test_what_it_says_of_the_client_stands_in_place_of_what_clients_say(asked):
    sluice, _, pod = asked.guard({"auth-response-headers": "X-User, x-groups,X-None"},
                                 say=lambda t, f: (200, ["X-User: alice", "X-Groups: a", "X-Groups: b", "X-Secret: no"]))
    assert ask(sluice, "X-User: root", "X-None: forged", "X-Other: mine").status == 200
    got = of_pod(pod)
    assert got["x-user"] == "alice" and got["x-groups"] == "a, b" and got["x-other"] == "mine"
    assert "x-none" not in got and "x-secret" not in got


def test_cookies_of_the_service_reach_the_client(asked):
    state = {"status": 200}
    sluice, who, pod = asked.guard({"custom-headers": "default/more"}, say=lambda t, f: (200, ["Set-Cookie: session=1; HttpOnly", "Set-Cookie: b=2"]),
                                   options={"global-allowed-response-headers": "X-More"})
    assert ask(sluice).status == 503  # the ConfigMap is not there yet
    sluice.changed(lambda: asked.manifests.write("more.yaml", config_map({"X-More": "1"}, "more", "default")))
    a = ask(sluice)
    assert a.status == 200 and a.all("set-cookie") == ["session=1; HttpOnly", "b=2"] and a.get("x-more") == "1"


def test_cookies_with_errors_only_where_they_are_wanted(asked):
    pod = asked.pod()
    who = Service(asked, lambda t, f: (401 if t == "/no" else 200, ["Set-Cookie: a=1"]))
    for name, path, always in (("plain", "/no", "false"), ("always", "/no", "true")):
        asked.app(f"{name}.example", pod.address, name=name, annotations={"auth-url": who.url + path, "auth-always-set-cookie": always})
    sluice = asked.sluice(options=LOOPBACK)
    assert ask(sluice, host="plain.example").all("set-cookie") == []
    assert ask(sluice, host="always.example").all("set-cookie") == ["a=1"]


def test_headers_by_a_config_map(asked):
    asked.manifests.write("more.yaml", config_map({"X-To-Auth": "of $remote_addr", "Host": "inner.example"}, "more", "default"))
    sluice, who, pod = asked.guard({"auth-proxy-set-headers": "default/more"})
    assert ask(sluice).status == 200
    assert who.fields["x-to-auth"] == "of 127.0.0.1" and who.fields["host"] == "inner.example"
    assert [k for k, _ in who.asked[-1][1]].count("Host") == 1
    sluice.changed(lambda: asked.manifests.remove("more.yaml"))
    assert ask(sluice).status == 503
    sluice.changed(lambda: asked.manifests.write("more.yaml", config_map({"X-To-Auth": "back"}, "more", "default")))
    assert ask(sluice).status == 200 and who.fields["x-to-auth"] == "back"


def test_where_it_is_not_asked_clients_say_nothing_of_themselves(asked):
    """satisfy: any: the address or the password suffices, and what the service would say is said by nobody."""
    asked.manifests.text("users.json", secret({"auth": "foo:{PLAIN}bar\n"}))
    who, pod = Service(asked, lambda t, f: (401, [])), asked.pod()
    told = {"auth-url": who.url, "auth-response-headers": "X-User", "satisfy": "any"}
    asked.app("from.example", pod.address, name="from", annotations=told | {"whitelist-source-range": "127.0.0.0/8"})
    asked.app("password.example", pod.address, name="password", annotations=told | BASIC)
    sluice = asked.sluice(options=LOOPBACK)
    for host, *headers in (("from.example",), ("password.example", GOOD)):
        assert ask(sluice, "X-User: admin", "X_User: admin", "X-Mine: 1", *headers, host=host).status == 200
        got = of_pod(pod)
        assert got["x-mine"] == "1" and "x-user" not in got and "x_user" not in got
    assert who.asked == []


def test_its_connection_is_kept_and_a_long_body_ends_it(asked):
    sluice, who, _ = asked.guard(say=lambda t, f: (200, [], b"x" * 1000))
    for _ in range(5):
        assert ask(sluice).status == 200
    assert who.pod.connections == 1
    who.say = lambda t, f: (200, [], b"x" * (1 << 20))
    for _ in range(2):
        assert ask(sluice).status == 200


@pytest.mark.parametrize("by", ["annotation", "option"])
def test_the_routes_limit_of_heads_is_its_own(asked, by):
    """proxy-buffer-size counts for the service as for pods, as in ingress-nginx."""
    said = {"proxy-buffer-size": "16k"}
    sluice, who, pod = asked.guard(said if by == "annotation" else None, lambda t, f: (200, ["X-Long: " + "x" * int(t[1:])]), path="/5000",
                                   options=said if by == "option" else None)
    assert ask(sluice).status == 200
    sluice.changed(lambda: asked.app("app.example", pod.address, annotations={"auth-url": who.url + "/1500", "proxy-buffer-size": "1k"}))
    assert ask(sluice).status == 500


def test_it_is_asked_in_the_version_of_pods(asked):
    sluice, who, pod = asked.guard({"proxy-http-version": "1.0"})
    assert [ask(sluice).status for _ in range(2)] == [200, 200]
    assert who.asked[-1][0] == "GET /ok HTTP/1.0" and who.pod.connections == 2
    # ingress-nginx keeps connections by HTTP/1.1 alone.
    sluice.changed(lambda: asked.app("app.example", pod.address, annotations={"auth-url": who.url, "proxy-http-version": "1.0", "auth-keepalive": "2"}))
    assert ask(sluice).status == 200 and who.asked[-1][0] == "GET / HTTP/1.1"


def test_a_stale_connection_is_replaced(asked):
    count = [0]

    def say(target, fields):
        count[0] += 1
        return b"" if count[0] == 2 else (200, [])
    sluice, who, _ = asked.guard(say=say)
    assert [ask(sluice).status for _ in range(3)] == [200, 200, 200]


def test_who_leaves_meanwhile_takes_the_question_along(asked):
    asked_it, gone = threading.Event(), threading.Event()

    def serve(sock, _):
        read_request(sock)
        asked_it.set()
        sock.recv(1)  # nothing more comes but the end
        gone.set()
    who = asked.scripted(serve)
    pod = asked.pod()
    asked.app("app.example", pod.address, annotations={"auth-url": f"http://{who.address}/"})
    sluice = asked.sluice(options=LOOPBACK)
    c = sluice.raw()
    c.send("GET / HTTP/1.1\r\nHost: app.example\r\n\r\n")
    assert asked_it.wait(10)
    c.reset()
    assert gone.wait(10)
    sluice.wait_access(r'" 499 ')
    assert pod.stats()["requests"] == 0


def test_who_leaves_while_the_services_body_comes_reaches_no_pod(asked):
    """The service has let him in already, but for the end of a body that nobody reads."""
    asked_it, gone = threading.Event(), threading.Event()

    def serve(sock, _):
        read_request(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        asked_it.set()
        sock.recv(1)
        gone.set()
    who, pod = asked.scripted(serve), asked.pod()
    asked.app("app.example", pod.address, annotations={"auth-url": f"http://{who.address}/"})
    sluice = asked.sluice(options=LOOPBACK)
    c = sluice.raw()
    c.send("GET / HTTP/1.1\r\nHost: app.example\r\n\r\n")
    assert asked_it.wait(10)
    c.reset()
    assert gone.wait(10)
    sluice.wait_access(r'" 499 ')
    assert pod.stats()["requests"] == 0


def test_no_auth_locations_and_paths_of_others(asked):
    sluice, who, pod = asked.guard(say=lambda t, f: (403, []), paths=[("/", "Prefix"), ("/.well-known/acme-challenge/x", "Exact")])
    assert ask(sluice).status == 403
    assert ask(sluice, path="/.well-known/acme-challenge/x").status == 200
    assert len(who.asked) == 1


def test_before_and_behind(asked):
    """The order of nginx: addresses before it, redirects and what is too large never ask."""
    who = Service(asked, lambda t, f: (401, []))
    pod = asked.pod()
    for name, more in (("list", {"whitelist-source-range": "10.0.0.0/8"}), ("redirect", {"permanent-redirect": "https://to.example/"}),
                       ("size", {"proxy-body-size": "10"}), ("cors", {"enable-cors": "true"})):
        asked.app(f"{name}.example", pod.address, name=name, annotations={"auth-url": who.url} | more)
    sluice = asked.sluice(options=LOOPBACK)
    assert ask(sluice, host="list.example").status == 403
    assert ask(sluice, host="redirect.example").status == 301
    assert ask(sluice, host="size.example", method="POST", body=b"x" * 100).status == 413
    assert ask(sluice, "Origin: http://o.example", "Access-Control-Request-Method: GET", host="cors.example", method="OPTIONS").status == 204
    assert who.asked == []
    a = ask(sluice, "Origin: http://o.example", host="cors.example")
    assert a.status == 401 and a.get("access-control-allow-origin") == "*"


def test_the_question_is_about_the_path_that_came(asked):
    who, pod = Service(asked), asked.pod()
    asked.app("app.example", pod.address, paths=[("/api/(.*)", "ImplementationSpecific")],
              annotations={"rewrite-target": "/$1", "auth-url": who.url + "/ask?u=$uri", "auth-cache-key": "$uri"})
    sluice = asked.sluice(options=LOOPBACK)
    for path in ("/api/x", "/api/y"):
        assert ask(sluice, path=path).status == 200
    assert [line for line, _, _ in who.asked] == [f"GET /ask?u=/api/{x} HTTP/1.1" for x in "xy"] and of_pod(pod) and pod.last_headers()[0] == "GET /y HTTP/1.1"


def secret(data, name="users"):
    return json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "default"},
                       "data": {k: base64.b64encode(v.encode()).decode() for k, v in data.items()}})


BASIC = {"auth-type": "basic", "auth-secret": "users"}
GOOD = "Authorization: Basic " + base64.b64encode(b"foo:bar").decode()


def test_password_and_service(asked):
    """Both where all must agree; one of them, the password first, where any suffices."""
    asked.manifests.text("users.json", secret({"auth": "foo:{PLAIN}bar\n"}))
    pod = asked.pod()
    who = Service(asked, lambda t, f: ({"/no": 401, "/never": 403, "/broken": 500}.get(t) or (200 if f.get("x-token") == "good" else 401),
                                       ["WWW-Authenticate: Bearer"]))
    for name, path, more in (("all", "/", {}), ("any", "/", {"satisfy": "any"}), ("never", "/never", {"satisfy": "any"}),
                             ("broken", "/broken", {"satisfy": "any"}),
                             ("from", "/no", {"satisfy": "any", "whitelist-source-range": "127.0.0.0/8"}),
                             ("far", "/never", {"satisfy": "any", "whitelist-source-range": "10.0.0.0/8"})):
        asked.app(f"{name}.example", pod.address, name=name, annotations=BASIC | {"auth-url": who.url + path} | more)
    sluice = asked.sluice(options=LOOPBACK)

    def of(host, *headers):
        a = ask(sluice, *headers, host=f"{host}.example")
        return a.status, sorted(a.all("www-authenticate"))
    assert of("all", "X-Token: good") == (401, ['Basic realm=""']) and who.asked == []
    assert of("all", GOOD) == (401, ["Bearer"])
    assert of("all", GOOD, "X-Token: good") == (200, [])
    before = len(who.asked)
    assert of("any", GOOD) == (200, []) and len(who.asked) == before
    assert of("any", "X-Token: good") == (200, [])
    assert of("any") == (401, ['Basic realm=""', "Bearer"])
    assert of("never") == (401, ['Basic realm=""'])
    assert of("broken") == (500, ['Basic realm=""']) and of("broken", GOOD)[0] == 200
    before = len(who.asked)
    assert of("from") == (200, []) and len(who.asked) == before
    assert of("far")[0] == 401 and of("far", GOOD)[0] == 200


def test_addresses_or_the_service(asked):
    who = Service(asked, lambda t, f: (403, []))
    pod = asked.pod()
    for name, more in (("from", {"whitelist-source-range": "127.0.0.0/8"}), ("far", {"whitelist-source-range": "10.0.0.0/8"}), ("nobody", {})):
        asked.app(f"{name}.example", pod.address, name=name, annotations={"auth-url": who.url, "satisfy": "any"} | more)
    sluice = asked.sluice(options=LOOPBACK)
    assert [ask(sluice, host=f"{h}.example").status for h in ("from", "far", "nobody")] == [200, 403, 403]


# ---- for all Ingresses ---------------------------------------------------------------------------------------------

def test_the_service_of_all_ingresses(asked):
    who, own = Service(asked, lambda t, f: (401, [])), Service(asked)
    pod = asked.pod()
    asked.app("plain.example", pod.address, name="plain")
    asked.app("own.example", pod.address, name="own", annotations={"auth-url": own.url})
    asked.app("out.example", pod.address, name="out", annotations={"enable-global-auth": "false"})
    asked.app("password.example", pod.address, name="password", annotations=BASIC)
    asked.manifests.text("users.json", secret({"auth": "foo:{PLAIN}bar\n"}))
    asked.manifests.write("options.yaml", config_map({"global-auth-url": who.url + "/g", "global-auth-signin": "https://login.example/g",
                                                      "global-auth-response-headers": "X-User", "allow-destinations": "127.0.0.0/8"}))
    sluice = asked.sluice()
    a = ask(sluice, host="password.example")
    assert a.status == 302 and a.get("location").startswith("https://login.example/g?") and a.get("www-authenticate") == 'Basic realm=""'
    a = ask(sluice, host="plain.example", path="/x?a=b")
    assert a.status == 302 and a.get("location") == "https://login.example/g?rd=http://plain.example%2Fx%3Fa%3Db"
    assert ask(sluice, host="own.example").status == 200 and ask(sluice, host="out.example").status == 200
    assert ask(sluice, host="none.example").status == 404
    assert len(who.asked) == 1 and who.asked[0][0] == "GET /g HTTP/1.1"
    # One that cannot be read closes what it would guard.
    sluice.changed(lambda: asked.manifests.write("options.yaml", config_map({"global-auth-url": "ldap://x", "allow-destinations": "127.0.0.0/8"})))
    assert [ask(sluice, host=f"{h}.example").status for h in ("plain", "own", "out")] == [503, 200, 200]
    sluice.changed(lambda: asked.manifests.write("options.yaml", config_map({"allow-destinations": "127.0.0.0/8"})))
    assert ask(sluice, host="plain.example").status == 200


def test_as_many_connections_are_kept_as_it_is_asked_for(asked):
    """auth-keepalive: of three questions at once three connections, of which one stays; and that for so many requests."""
    gate = threading.Barrier(3)

    def together(target, _):
        if target == "/three":
            gate.wait(20)
        return 200, []
    sluice, who, pod = asked.guard({"auth-keepalive": "1", "auth-keepalive-requests": "2"}, together, path="/three")
    open_ones = [sluice.raw() for _ in range(3)]
    for c in open_ones:
        c.send(b"GET / HTTP/1.1\r\nHost: app.example\r\n\r\n")
    assert [c.answer().status for c in open_ones] == [200] * 3
    assert who.pod.connections == 3
    sluice.changed(lambda: asked.app("app.example", pod.address, annotations={"auth-url": who.url + "/one", "auth-keepalive": "1", "auth-keepalive-requests": "2"}))
    before = who.pod.connections
    assert [open_ones[0].get("/", "app.example").status for _ in range(6)] == [200] * 6
    assert who.pod.connections - before == 3, "one on the connection that was kept, two on each that follows"


# ---- what is kept --------------------------------------------------------------------------------------------------

KEPT = {"auth-cache-key": "$http_authorization"}


def asked_for(sluice, who, *requests):
    before = len(who.asked)
    statuses = [ask(sluice, *([f"Authorization: {token}"] if token else []), path=path).status for token, path in requests]
    return statuses, len(who.asked) - before


def test_answers_are_kept_by_their_key(asked):
    def say(target, fields):
        token = fields.get("authorization", "")
        return (200 if token == "good" else 401, [f"X-User: {token}", "WWW-Authenticate: Bearer"])
    sluice, who, pod = asked.guard(KEPT | {"auth-response-headers": "X-User"}, say=say, paths=[("/", "Prefix"), ("/b", "Prefix")])
    assert asked_for(sluice, who, ("good", "/"), ("good", "/else"), ("bad", "/"), ("bad", "/"), (None, "/")) == ([200, 200, 401, 401, 401], 3)
    assert of_pod(pod)["x-user"] == "good"
    assert ask(sluice, "Authorization: bad").get("www-authenticate") == "Bearer"
    # Another path has other answers, and so has another wish.
    assert asked_for(sluice, who, ("good", "/b"), ("good", "/b")) == ([200, 200], 1)
    sluice.changed(lambda: asked.app("app.example", pod.address, annotations={"auth-url": who.url + "/other"} | KEPT))
    assert asked_for(sluice, who, ("good", "/"), ("good", "/")) == ([200, 200], 1)
    assert sluice.metric("sluice_auth_requests_total", result="kept") == 5


@pytest.mark.parametrize("status,fields,kept", [
    (200, [], True), (202, [], True), (401, [], True), (204, [], False), (403, [], False), (500, ["Cache-Control: max-age=60"], False),
    (200, ["Cache-Control: no-store"], False), (200, ["Cache-Control: private"], False), (200, ["Cache-Control: max-age=0"], False),
    (200, ["Set-Cookie: a=b"], False), (200, ["X-Accel-Expires: 60", "Set-Cookie: a=b"], False),
    (200, ["X-Accel-Expires: 60", "Vary: Cookie"], False), (200, ["X-Accel-Expires: 60", "Cache-Control: no-store"], True), (200, ["Vary: Cookie"], False), (200, ["X-Accel-Expires: 0"], False), (200, ["Cache-Control: max-age=60"], True),
    # nginx looks for these texts wherever they stand, and for what is said to shared caches first.
    (200, ['Cache-Control: private="x-user"'], False), (200, ['Cache-Control: no-cache="set-cookie"'], False), (200, ["Cache-Control: max-age="], False),
    (200, ["Cache-Control: max-age=6x"], False), (200, ["Cache-Control: s-maxage=0, max-age=3600"], False), (200, ["Cache-Control: max-age=3600, s-maxage=0"], False),
    (200, ["Cache-Control: max-age=0, S-MaxAge=60"], True), (200, ["Cache-Control: public; max-age=60 x"], True), (200, ["Cache-Control: max-age=60", "Cache-Control: private"], False)])
def test_which_answers_are_kept(asked, status, fields, kept):
    sluice, who, _ = asked.guard(KEPT, say=lambda t, f: (status, fields))
    assert asked_for(sluice, who, ("a", "/"), ("a", "/"))[1] == (1 if kept else 2)


def test_times_by_status(asked):
    sluice, who, _ = asked.guard(KEPT | {"auth-cache-duration": "403 1h, 200 0s"}, say=lambda t, f: (int(t[1:]), []), path="/403")
    assert asked_for(sluice, who, ("a", "/"), ("a", "/"))[1] == 1
    sluice, who, _ = asked.guard(KEPT | {"auth-cache-duration": "403 1h, 200 0s"}, say=lambda t, f: (int(t[1:]), []), path="/200")
    assert asked_for(sluice, who, ("a", "/"), ("a", "/"))[1] == 2


# ---- the host of the request, other protocols, and the way back to us ----------------------------------------------

def test_the_host_of_the_request_through_a_balancer_back_to_us(asked):
    """https://$host/oauth2/auth, which leads to this proxy itself: asked once, and no loop."""
    cert, key = certificate("localhost")
    guard, pod = asked.pod("guard"), asked.pod("app")
    balancer = Balancer()
    port = balancer.port
    asked.manifests.write("app.yaml", ingress("app", {"localhost": [("/", "Prefix", "app", 80)]}, tls=[(["localhost"], "tls")],
                                              annotations={"auth-url": f"https://$host:{port}/oauth2/auth"}),
                          ingress("oauth2", {"localhost": [("/oauth2", "Prefix", "guard", 80)]}), tls_secret("tls", cert, key),
                          service("app"), service("guard"), *slices("app", [pod.address]), *slices("guard", [guard.address]))
    sluice = asked.sluice(options={"allow-destinations": "localhost"})
    balancer.targets.append(sluice.https)
    wait_for(lambda: any(c["endpoints"] for c in sluice.config()["clusters"] if c["service"] == "localhost"), "localhost resolves")
    with sluice.tls("localhost") as c:
        assert c.get("/x", "localhost").status == 200
    assert pod.stats()["requests"] == 1 and guard.stats()["requests"] == 1
    assert guard.last_headers()[0] == "GET /oauth2/auth HTTP/1.1"
    # A service that is guarded by itself asks itself in circles: found out.
    sluice.changed(lambda: asked.manifests.write(
        "app.yaml", ingress("app", {"localhost": [("/", "Prefix", "app", 80)]}, tls=[(["localhost"], "tls")],
                            annotations={"auth-url": f"https://$host:{port}/again"}),
        tls_secret("tls", cert, key), service("app"), *slices("app", [pod.address])))
    with sluice.tls("localhost") as c:
        assert c.get("/x", "localhost").status == 500
    assert pod.stats()["requests"] == 1


def test_a_host_of_many_names_closes(asked):
    pod = asked.pod()
    asked.app("*.example", pod.address, name="wild", annotations={"auth-url": "https://$host/oauth2/auth"})
    sluice = asked.sluice()
    assert ask(sluice, host="a.example").status == 503 and pod.stats()["requests"] == 0
    assert [e for e in sluice.config()["report"] if e["reason"] == "UnsupportedAuthUrl"]


def test_a_service_that_speaks_tls(asked):
    nginx = asked.nginx('location / { return 204; }', tls=certificate("localhost"))
    pod = asked.pod()
    port = nginx.address.rsplit(":", 1)[1]
    asked.app("app.example", pod.address, annotations={"auth-url": f"https://127.0.0.1:{port}/"})
    sluice = asked.sluice(options=LOOPBACK)
    assert ask(sluice).status == 200


def test_over_http2(asked):
    sluice, who, pod = asked.guard(say=lambda t, f: (200 if f.get("x-token") else 401, []), options={"http2-prior-knowledge": "true"})
    with Http2(sluice.http) as h2:
        refused, taken = h2.request(), h2.request(fields=[("x-token", "1")])
        h2.done(refused, taken)
        assert (refused.status, taken.status) == (401, 200)
    assert who.fields["x-original-url"] == "http://app.example/"


def test_a_websocket_is_asked_about_once(asked):
    who = Service(asked, lambda t, f: (401, []))
    pod = asked.pod()
    asked.app("app.example", pod.address, annotations={"auth-url": who.url})
    sluice = asked.sluice(options=LOOPBACK)
    a = ask(sluice, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==")
    assert a.status == 401 and pod.stats()["requests"] == 0
    assert "upgrade" not in who.fields and len(who.asked) == 1


def test_explain_says_whom_it_would_ask(asked):
    who = Service(asked)
    asked.app("app.example", "127.0.0.1:1", annotations={"auth-url": who.url + "/ok?u=$request_uri"})
    r = subprocess.run([SLUICE, "explain", asked.manifests.root, "GET", "http://app.example/x"], capture_output=True, text=True, timeout=20)
    assert f"it is asked whether it may come: {who.url}/ok?u=/x" in r.stdout
    assert who.asked == []


def test_explain_says_where_to_sign_in(asked):
    asked.manifests.text("users.json", secret({"auth": "foo:{PLAIN}bar\n"}))
    asked.app("app.example", "127.0.0.1:1", annotations=BASIC | {"auth-url": "http://127.0.0.1:1/", "auth-signin": "https://login.example/"})
    r = subprocess.run([SLUICE, "explain", asked.manifests.root, "GET", "http://app.example/x"], capture_output=True, text=True, timeout=20)
    assert "auth-signin says where to sign in, in place of 401" in r.stdout and "302 https://login.example/?rd=http://app.example%2Fx" in r.stdout
