"""auth_request of snippets: a path of the same host says whether a request may come, beside what nginx does with the same text."""
import threading

import pytest

from h2raw import Http2
from harness import Raw, free_port, ingress, service, slices, wait_for
from test_external_auth import LOOPBACK, SAID, Service, ask, check_what_becomes_of, of_pod, says
from test_snippets import ALLOWED, explain

PASS = "proxy_pass http://auth.default.svc.cluster.local"
# As people write it.
AUTH = (f"location = /auth {{ internal; {PASS}; proxy_pass_request_body off; proxy_set_header Content-Length \"\"; "
        "proxy_set_header X-Original-URI $request_uri; proxy_set_header X-Method $request_method; }")
TRUSTED = "auth_request /auth; auth_request_set $user $upstream_http_x_user; proxy_set_header X-User $user; add_header X-Seen $user;"


def said_by(fields):
    """What the client wants to be told: X-Say: 401 and so on."""
    return int(fields.get("x-say", "200"))


@pytest.fixture
def guarded(site):
    """start(configuration, server): (proxy, who is asked, pod) of app.example."""
    def start(configuration="auth_request /auth;", server=AUTH, say=None, annotations=None, options=None, **kw):
        site.who = Service(site, say or (lambda target, fields: (said_by(fields), ["X-User: me", 'WWW-Authenticate: Bearer realm="x"'])))
        site.pod_ = site.pod()
        site.manifests.write("auth.yaml", service("auth"), *slices("auth", [site.who.address]))
        texts = {"configuration-snippet": configuration, "server-snippet": server}
        site.app("app.example", site.pod_.address, annotations={k: v for k, v in texts.items() if v} | (annotations or {}), **kw)
        return site.sluice(options=ALLOWED | LOOPBACK | (options or {})), site.who, site.pod_
    site.start = start
    return site


@pytest.mark.parametrize("said,status", SAID)
def test_what_is_said(guarded, said, status):
    sluice, who, pod = guarded.start(say=says(said))
    check_what_becomes_of(sluice, pod, said, status)
    assert [line for line, _, _ in who.asked] == ["GET /auth HTTP/1.1"] * 3


@pytest.mark.parametrize("chunked", [False, True])
def test_the_question_has_the_clients_head_and_no_body(guarded, chunked):
    sluice, who, _ = guarded.start(TRUSTED)
    app = Service(guarded)
    sluice.changed(lambda: guarded.app("app.example", app.address, annotations={"configuration-snippet": TRUSTED, "server-snippet": AUTH}))
    body = b"x" * 20000
    with sluice.raw() as c:
        sent = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
        c.send(f"PUT /x/..%2Fy?z=1 HTTP/1.1\r\nHost: app.example\r\nCookie: a=b\r\nAuthorization: Bearer q\r\nX-User: forged\r\nX_User: forged\r\n"
               f"{framing}\r\n\r\n".encode() + sent)
        a = c.answer()
    assert a.status == 200 and a.get("x-seen") == "me"
    line, fields, asked_body = who.asked[-1]
    got = {k.lower(): v for k, v in fields}
    assert line == "GET /auth HTTP/1.1" and asked_body == b""
    assert got["x-original-uri"] == "/x/..%2Fy?z=1" and got["x-method"] == "PUT"
    assert got["cookie"] == "a=b" and got["authorization"] == "Bearer q" and got["host"] == "auth.default.svc.cluster.local"
    assert not {"content-length", "transfer-encoding", "expect"} & set(got)
    assert app.fields["x-user"] == "me" and [k for k, _ in app.asked[-1][1] if "user" in k.lower()] == ["X-User"]
    assert app.asked[-1][2].count(b"x") == len(body)


def test_a_client_that_waits_for_100_is_judged_first(guarded):
    sluice, who, pod = guarded.start()
    with sluice.raw() as c:
        c.send(b"POST / HTTP/1.1\r\nHost: app.example\r\nX-Say: 403\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert c.answer().status == 403
    assert "expect" not in who.fields and pod.stats()["requests"] == 0


def test_a_body_above_the_limit_is_asked_about_by_nobody(guarded):
    sluice, who, pod = guarded.start("auth_request /auth; client_max_body_size 1k;")
    assert ask(sluice, method="POST", body=b"x" * 2000).status == 413 and who.asked == []


SORRY = "location = /sorry { return 200 sorry; } "


@pytest.mark.parametrize("server,say", [
    (AUTH, lambda t, f: b""),                                                    # it closes
    (AUTH, lambda t, f: (200, [f"X-{i}: {'x' * 1000}" for i in range(9)])),      # its head is too large
    ("location = /auth { proxy_pass http://dead.default.svc.cluster.local; }", None),
    ("location = /auth { proxy_pass http://empty.default.svc.cluster.local; }", None),
    ("location = /auth { proxy_pass http://none.default.svc.cluster.local; }", None),
    ("location /aut { return 204; }", None),                                     # another path: the pod's own is asked, which says 404
    # A page whose status is another one is none for a question.
    (SORRY + f"error_page 502 =200 /sorry; location = /auth {{ {PASS}; }}", lambda t, f: b""),
    (SORRY + f"error_page 404 =200 /sorry; location = /auth {{ proxy_intercept_errors on; {PASS}; }}", lambda t, f: (404, [])),
])
def test_who_says_nothing_opens_nothing(guarded, server, say):
    closed = f"127.0.0.1:{free_port()}"
    guarded.manifests.write("dead.yaml", service("dead"), *slices("dead", [closed]), service("empty"), *slices("empty", []))
    uri = "/nowhere" if "/aut {" in server else "/auth"
    sluice, who, pod = guarded.start(f"auth_request {uri};", server, say=say, paths=[("/x", "Prefix")])
    for _ in range(2):
        assert ask(sluice, path="/x").status == 500
    assert pod.stats()["requests"] == 0 and sluice.metric("sluice_auth_requests_total", result="failed") == 2


def test_a_page_for_the_client_lets_nobody_in(guarded):
    sluice, who, pod = guarded.start(server=AUTH + SORRY + "error_page 500 =200 /sorry;")
    a = ask(sluice, "X-Say: 404")
    assert a.status == 200 and a.body == b"sorry" and pod.stats()["requests"] == 0


def test_a_path_that_nobody_has_is_told(guarded):
    sluice, _, pod = guarded.start("auth_request /auth;", "", paths=[("/app", "Prefix")])
    assert ask(sluice, path="/app").status == 500 and pod.stats()["requests"] == 0
    said, = [e for e in sluice.config()["report"] if e["reason"] == "NobodyToAsk"]
    assert said["value"] == "auth_request /auth" and said["severity"] == "error" and "answer 500" in said["consequence"], said
    assert "500" in explain(guarded, "GET", "http://app.example/app")
    # A path of an Ingress of the namespace will do, and what guards that one is not asked.
    guarded.app("app.example", guarded.who.address, name="who", paths=[("/auth", "Exact")], annotations={"whitelist-source-range": "192.0.2.1/32"})
    wait_for(lambda: ask(sluice, path="/app").status == 200, "it answers")
    assert ask(sluice, path="/auth").status == 403
    out = explain(guarded, "GET", "http://app.example/app")
    assert "it is asked whether it may come: /auth of this host (auth_request)" in out and "that is exact /auth of Ingress default/who, Service who" in out, out


def test_a_server_that_asks_and_a_location_that_does_not(guarded):
    sluice, who, pod = guarded.start("", "auth_request /auth; auth_request_set $user $upstream_http_x_user; location /open { auth_request off; return 200 open; } "
                                     "location /api { proxy_set_header X-User $user; proxy_pass http://app.default.svc.cluster.local; } " + AUTH)
    guarded.app("app.example", pod.address, name="public", paths=[("/public", "Prefix")], annotations={"configuration-snippet": "auth_request off;"})
    wait_for(lambda: ask(sluice, "X-Say: 403", path="/public").status == 200, "it is not asked about")
    assert ask(sluice, "X-Say: 403").status == 403 and ask(sluice, "X-Say: 401", path="/api").status == 401
    assert ask(sluice, "X-Say: 403", path="/open").body == b"open"
    assert ask(sluice, "X-User: forged", path="/api").status == 200 and of_pod(pod)["x-user"] == "me"
    assert ask(sluice, path="/auth").status == 404, "nobody reaches it from outside"
    # An Ingress that asks a service of its own has that one.
    other = Service(guarded, lambda t, f: (401, ["WWW-Authenticate: Other"]))
    guarded.app("app.example", pod.address, name="own", paths=[("/own", "Prefix")], annotations={"auth-url": other.url})
    wait_for(lambda: ask(sluice, path="/own").get("www-authenticate") == "Other", "its own is the nearer one")


def test_it_goes_one_deep(guarded):
    """A location that is asked and would ask: nginx asks nobody about a question, nor does it look who may come."""
    sluice, who, pod = guarded.start("auth_request /first;", f"location = /first {{ internal; auth_request /never; deny all; {PASS}; }} location = /never {{ return 403; }}")
    assert ask(sluice).status == 200 and len(who.asked) == 1 and pod.stats()["requests"] == 1
    sluice.changed(lambda: guarded.app("app.example", pod.address, annotations={"configuration-snippet": "auth_request /;"}))
    assert ask(sluice).status == 200 and pod.stats()["requests"] == 3, "a path that asks itself is asked once"


@pytest.mark.parametrize("server,status", [("location = /a { return 204; }", 200), ("location = /a { return 200 ok; }", 200), ("location = /a { return 401; }", 401),
                                           ("location = /a { return 403 no; }", 403), ("location = /a { return 302 /login; }", 500), ("location = /a { return 444; }", 500),
                                           ("location = /a { if ($http_x_key = k) { return 204; } return 401; }", 401),
                                           ("location /a { rewrite ^ /b last; } location = /b { internal; return 204; }", 200),
                                           ("location = /a { add_header X-A 1 always; return 404; } error_page 404 =200 /p; location = /p { return 200 x; }", 500)])
def test_a_location_that_answers_itself(guarded, server, status):
    sluice, _, pod = guarded.start("auth_request /a;", server)
    a = ask(sluice)
    assert a.status == status and a.get("x-a") is None and pod.stats()["requests"] == (1 if status == 200 else 0)
    if "x_key" in server:
        assert ask(sluice, "X-Key: k").status == 200


def test_a_call_of_grpc_is_refused_as_any_request(guarded):
    sluice, _, pod = guarded.start("auth_request /a;", "location = /a { return 401; }", options={"http2-prior-knowledge": "true"})
    with Http2(sluice.http) as h2:
        call = h2.request(method="POST", fields=[("content-type", "application/grpc"), ("te", "trailers")])
        h2.done(call)
        assert call.get("grpc-status") == "16", call
    assert pod.stats()["requests"] == 0


SATISFY = [  # what the location says, who may come with which answer
    "satisfy any; allow 127.0.0.1; deny all; auth_request /auth;",
    "satisfy any; allow 192.0.2.1; deny all; auth_request /auth;",
    "satisfy all; allow 127.0.0.1; deny all; auth_request /auth;",
    "deny all; auth_request /auth;",
]
# Server, configuration and what is asked: the same in nginx.
SAME = [(AUTH, text) for text in SATISFY] + [
    (AUTH, "auth_request /auth;"),
    (AUTH, TRUSTED),
    (AUTH, "auth_request /auth; auth_request_set $s $upstream_status; auth_request_set $t $status; add_header A \"$s-$t\" always;"),
    (AUTH, "auth_request /auth; auth_request_set $s \"<$upstream_http_x_user|$request_uri|$args|$arg_q>\"; add_header A $s always;"),
    (AUTH, "auth_request /auth; return 200 unasked;"),
    (AUTH, "if ($http_x_say = 403) { return 402; } auth_request /auth;"),
    (AUTH, "rewrite ^/a/(.*)$ /b/$1 break; auth_request /auth;"),
    (f"location = /auth {{ internal; {PASS}/check?uri=$request_uri; proxy_set_header Content-Length \"\"; proxy_pass_request_body off; }}", "auth_request /auth;"),
    (f"location = /auth {{ internal; {PASS}/v/; proxy_set_header Content-Length \"\"; proxy_pass_request_body off; }}", "auth_request /auth;"),
    (f"location /auth {{ internal; {PASS}$request_uri; proxy_set_header Content-Length \"\"; proxy_pass_request_body off; }}", "auth_request /auth/deep;"),
    (f"location /auth {{ {PASS}; proxy_set_header Content-Length \"\"; proxy_pass_request_body off; rewrite ^/auth/(.*)$ /to/$1 break; }}", "auth_request /auth/deep;"),
    (f"location /auth {{ {PASS}; proxy_set_header X-Args \"$args|$uri|$arg_q\"; proxy_set_header Content-Length \"\"; proxy_pass_request_body off; }}", "auth_request /auth;"),
    (f"location ~ ^/(au)th$ {{ internal; {PASS}; proxy_set_header X-Args $1; proxy_set_header Content-Length \"\"; proxy_pass_request_body off; }}", "auth_request /auth;"),
    ("location = /auth { return 401; }", "auth_request /auth;"),
    ("location = /auth { return 204; }", "auth_request /auth;"),
    ("location = /auth { return 403 text; }", "auth_request /auth;"),
    ("location = /auth { return 302 /x; }", "auth_request /auth;"),
    ("location = /auth { internal; deny all; return 204; }", "auth_request /auth;"),
    ("location = /auth { internal; if ($request_method = POST) { return 401; } return 204; }", "auth_request /auth;"),
    ("location = /auth { internal; set $in yes; return 204; }", "set $in no; auth_request /auth; auth_request_set $v $in; add_header A $v;"),
    ("set $who \"$arg_q\"; location = /auth { internal; if ($who = x) { return 401; } return 204; }", "auth_request /auth;"),
    ("error_page 401 = @login; location @login { return 302 https://login.example/?rd=$request_uri; } " + AUTH, "auth_request /auth;"),
    ("auth_request /auth; location /p { auth_request off; return 200 p; } " + AUTH, ""),
    ("auth_request /auth; location /p { return 200 p; } " + AUTH, ""),
    ("auth_request /auth; location = /auth2 { return 403; } " + AUTH, "auth_request /auth2;"),
    ("auth_request /auth; " + AUTH, "auth_request off;"),
]
ASKED = [("GET", "/a/x?q=1", []), ("POST", "/p?q=x", []), ("GET", "/", ["X-Say: 401"]), ("GET", "/p", ["X-Say: 403", "X-User: forged"]), ("GET", "/", ["X-Say: 404"]),
         ("GET", "/auth", []), ("HEAD", "/", ["X-Say: 401"])]


def test_it_does_what_nginx_does(site):
    """One nginx and one proxy, a server and a host each pair of texts."""
    port, servers, pods = free_port(), "", {}
    for whose in ("theirs", "ours"):
        pods[whose] = (Service(site, lambda t, f: (said_by(f), ["X-User: me", "WWW-Authenticate: Bearer"])), Service(site, lambda t, f: (200, ["X-Pod: 1"])))
    who, pod = pods["ours"]
    site.manifests.write("auth.yaml", service("auth"), *slices("auth", [who.address]))
    for i, (server, location) in enumerate(SAME):
        there = server.replace("http://auth.default.svc.cluster.local", f"http://{pods['theirs'][0].address}")
        servers += (f"}} server {{ listen 127.0.0.1:{port}; server_name s{i}.example; port_in_redirect off; default_type text/html; {there} "
                    f"location / {{ {location} proxy_pass http://{pods['theirs'][1].address}; }}\n")
        texts = {"server-snippet": server, "configuration-snippet": location}
        site.manifests.app(f"s{i}.example", pod.address, name=f"s{i}", file=f"s{i}.yaml", annotations={k: v for k, v in texts.items() if v})
    nginx = site.nginx("server_name none; " + servers, port=port)
    sluice = site.sluice(options=ALLOWED | LOOPBACK)
    different = []

    def shown(asked, names):
        return [(line.rsplit(" ", 1)[0], sorted((k.lower(), v) for k, v in fields if k.lower() in names), body) for line, fields, body in asked]

    for i, pair in enumerate(SAME):
        for method, path, fields in ASKED:
            got = []
            for whose, connect in (("theirs", lambda: Raw(nginx.address)), ("ours", sluice.raw)):
                for s in pods[whose]:
                    s.asked.clear()
                with connect() as c:
                    a = c.get(path, f"s{i}.example", method=method, headers=fields, body=b"body" if method == "POST" else None)
                got.append((a.status, a.all("www-authenticate"), a.get("a"), a.get("x-seen"), a.get("location"), a.body if a.status == 200 else b"",
                            shown(pods[whose][0].asked, ("x-original-uri", "x-method", "x-args", "content-length", "x-say")),
                            shown(pods[whose][1].asked, ("x-user", "content-length"))))
            if got[0] != got[1]:
                different.append(f"{pair[0]} | {pair[1]}\n  {method} {path} {fields}\n    nginx  {got[0]}\n    sluice {got[1]}")
    assert not different, "\n" + "\n".join(different)


def test_a_password_or_the_path(guarded):
    guarded.manifests.text("users.json", '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "users"}, "data": {"auth": "Zm9vOntQTEFJTn1iYXIK"}}')
    right = "Authorization: Basic Zm9vOmJhcg=="
    sluice, who, pod = guarded.start(annotations={"auth-type": "basic", "auth-secret": "users", "satisfy": "any"})
    assert ask(sluice, right, "X-Say: 403").status == 200 and who.asked == []
    assert ask(sluice).status == 200 and len(who.asked) == 1
    a = ask(sluice, "X-Say: 401")
    assert a.status == 401 and sorted(x.split()[0] for x in a.all("www-authenticate")) == ["Basic", "Bearer"]
    assert ask(sluice, "X-Say: 403").all("www-authenticate")[0].startswith("Basic")
    a = ask(sluice, "X-Say: 404")
    assert a.status == 500 and a.get("www-authenticate").startswith("Basic")
    # Without satisfy both are asked for, the password first.
    sluice.changed(lambda: guarded.app("app.example", pod.address, annotations={
        "auth-type": "basic", "auth-secret": "users", "configuration-snippet": "auth_request /auth;", "server-snippet": AUTH}))
    who.asked.clear()
    assert ask(sluice).status == 401 and who.asked == []
    assert ask(sluice, right).status == 200 and ask(sluice, right, "X-Say: 403").status == 403


def test_a_rewrite_that_leads_to_a_path_without_a_snippet(guarded):
    """What counts is the location that a request ends in: of the first nothing is asked, and nothing is left out."""
    sluice, who, pod = guarded.start("auth_request /auth; proxy_pass_request_body off; rewrite ^ /plain last;", "", paths=[("/a", "Prefix")])
    app = Service(guarded)
    sluice.changed(lambda: guarded.app("app.example", app.address, name="plain", paths=[("/plain", "Prefix")]))
    assert ask(sluice, path="/a", method="POST", body=b"body").status == 200
    assert app.asked[0][0].startswith("POST /plain") and app.asked[0][2] == b"body" and who.asked == []


@pytest.mark.parametrize("whole", [True, False])
def test_a_location_that_passes_no_body(guarded, whole):
    """proxy_pass_request_body off, of requests that come by themselves."""
    sluice, who, _ = guarded.start("", AUTH.replace("internal;", ""))
    with sluice.raw() as c:
        c.send(b"POST /auth HTTP/1.1\r\nHost: app.example\r\nContent-Length: 4\r\n\r\n" + (b"body" if whole else b""))
        assert c.answer().status == 200
        if whole:
            assert c.get("/auth", "app.example").status == 200, "the connection goes on"
        else:
            assert c.closed()
    line, fields, body = who.asked[0]
    assert line == "POST /auth HTTP/1.1" and body == b"" and not {"content-length", "transfer-encoding"} & {k.lower() for k, _ in fields}


def test_over_tls_and_http2(site, guarded):
    from harness import certificate, tls_secret
    cert, key = certificate("app.example")
    guarded.manifests.write("secret.yaml", tls_secret("app-tls", cert, key))
    sluice, who, pod = guarded.start("auth_request /auth; auth_request_set $p \"$ssl_protocol $scheme\"; add_header A $p;", tls=[(["app.example"], "app-tls")])
    with Http2(sluice.https, sni="app.example") as h2:
        taken, refused = h2.request(method="POST", body=b"x" * 1000), h2.request(fields=[("x-say", "401")])
        h2.done(taken, refused)
        assert (taken.status, refused.status) == (200, 401) and taken.get("a") == "TLSv1.3 https"
    assert who.asked[0][2] == b"" and pod.stats()["requests"] == 1


def test_over_http2(guarded):
    sluice, who, pod = guarded.start(TRUSTED, options={"http2-prior-knowledge": "true"})
    with Http2(sluice.http) as h2:
        streams = [h2.request(fields=[("x-say", said)]) for said in ("200", "401", "403", "404")]
        h2.done(*streams)
        assert [s.status for s in streams] == [200, 401, 403, 500]
    assert who.fields["x-original-uri"] == "/" and of_pod(pod)["x-user"] == "me"


def test_who_leaves_takes_the_question_along(guarded):
    come, gone = threading.Event(), threading.Event()

    def serve(sock, _):
        sock.recv(65536)
        come.set()
        while sock.recv(1024):
            pass
        gone.set()

    asked = guarded.scripted(serve)
    guarded.manifests.write("slow.yaml", service("slow"), *slices("slow", [asked.address]))
    sluice, _, pod = guarded.start("auth_request /a;", "location = /a { proxy_pass http://slow.default.svc.cluster.local; }")
    with sluice.raw() as c:
        c.send(b"GET / HTTP/1.1\r\nHost: app.example\r\n\r\n")
        assert come.wait(10)
    assert gone.wait(10), "nobody waits for the answer any more"
    wait_for(lambda: any(" 499 " in line for line in sluice.access_lines()), "the log says so")
    assert pod.stats()["requests"] == 0


def test_a_stranger_answers_nothing(site):
    """Another namespace has the path of the location at the same host, before or after; and asks for one of the owner's."""
    yes, no = Service(site, lambda t, f: (200, ["X-User: evil"])), Service(site, lambda t, f: (said_by(f), ["X-User: me"]))
    pod = site.pod()
    site.manifests.write("auth.yaml", service("auth"), *slices("auth", [no.address]))
    texts = {"server-snippet": AUTH, "configuration-snippet": TRUSTED}
    site.manifests.write("app.yaml", ingress("app", {"app.example": [("/", "Prefix", "app", 80)]}, annotations=texts, created="2020-01-01T00:00:00Z"),
                         service("app"), *slices("app", [pod.address]))
    sluice = site.sluice(options=ALLOWED | LOOPBACK)
    assert ask(sluice, "X-Say: 403").status == 403
    for kind in ("Exact", "Prefix"):
        site.manifests.write("evil.yaml", ingress("evil", {"app.example": [("/auth", kind, "evil", 80)]}, ns="evil", created="2021-01-01T00:00:00Z"),
                             service("evil", ns="evil"), *slices("evil", [yes.address], ns="evil"))
        wait_for(lambda: ask(sluice, path="/auth").status == 200, "the path is the stranger's")
        asked = len(yes.asked)
        assert ask(sluice, "X-Say: 403").status == 403 and ask(sluice, "X-Say: 401").status == 401
        assert ask(sluice).status == 200 and of_pod(pod)["x-user"] == "me"
        assert len(yes.asked) == asked, "the stranger was asked nothing"
    # The stranger's own snippet: the owner's locations and paths are none of its.
    theirs = site.pod()
    for uri in ("/auth", "/"):
        site.manifests.write("evil.yaml", ingress("evil", {"app.example": [("/evil", "Prefix", "evil", 80)]}, ns="evil", created="2021-01-01T00:00:00Z",
                                                  annotations={"configuration-snippet": f"auth_request {uri};"}),
                             service("evil", ns="evil"), *slices("evil", [theirs.address], ns="evil"))
        wait_for(lambda: ask(sluice, path="/evil").status == 500, uri)
        wait_for(lambda: [e for e in sluice.config()["report"] if e["reason"] == "NobodyToAsk" and e["namespace"] == "evil" and e["value"].endswith(uri)], "it is told")
    assert theirs.stats()["requests"] == 0 and ask(sluice, "X-Say: 403").status == 403


@pytest.mark.parametrize("text,annotations,why", [
    ("auth_request /auth;", {"auth-url": "http://127.0.0.1:9/"}, "the annotation auth-url is one"),
    ("auth_request /auth; auth_request /b;", {}, "once in a block"),
    ("auth_request auth;", {}, "the path of a location"),
    ("auth_request /auth?x=1;", {}, "without variables, a query"),
    ("auth_request $a;", {}, "the path of a location"),
    ("auth_request /a//b;", {}, "without //"),
    ("auth_request_set $a $upstream_http_b;", {}, "nobody is asked"),
    ("auth_request /auth; auth_request_set $a $upstream_response_time;", {}, "no $upstream_response_time"),
    ("auth_request /auth; auth_request_set $a $1;", {}, "no $1"),
    ("auth_request /auth; auth_request_set $a $nobody;", {}, "a variable"),
    ("if ($arg_a) { auth_request /auth; }", {}, "alone"),
])
def test_what_cannot_be_kept_closes(guarded, text, annotations, why):
    sluice, who, pod = guarded.start("auth_request /auth;")
    assert ask(sluice).status == 200
    guarded.app("app.example", pod.address, annotations={"configuration-snippet": text} | annotations)
    wait_for(lambda: ask(sluice).status == 503, text)
    said, = [e for e in sluice.config()["report"] if e["reason"] == "RefusedSnippet"]
    assert why in said["expected"], said


def test_global_auth_and_a_snippet(guarded):
    other = Service(guarded, lambda t, f: (403, []))
    sluice, who, pod = guarded.start(options={"global-auth-url": other.url})
    assert ask(sluice).status == 503
    said, = [e for e in sluice.config()["report"] if e["reason"] == "RefusedSnippet"]
    assert "global-auth-url" in said["expected"] and "line 1" in said["value"]
    guarded.app("app.example", pod.address, annotations={"configuration-snippet": "auth_request /auth;", "server-snippet": AUTH, "enable-global-auth": "false"})
    wait_for(lambda: ask(sluice).status == 200, "the snippet alone is asked")
    assert other.asked == []


def test_too_much_text_lets_nobody_in(guarded):
    sluice, who, pod = guarded.start("auth_request /auth; auth_request_set $a \"" + "$upstream_http_x_long" * 40 + "\"; proxy_set_header X-A $a;",
                                     say=lambda t, f: (200, ["X-Long: " + "x" * 3000]))
    assert ask(sluice).status == 500 and pod.stats()["requests"] == 0
