"""Snippets of nginx: what they do over the wire, beside what nginx itself does with the same text."""
import json
import re
import subprocess
import time

import pytest

from harness import SLUICE, service, slices, wait_for
from test_external_auth import LOOPBACK, Service, of_pod

ALLOWED = {"allow-snippet-annotations": "true", "annotations-risk-level": "Critical"}


@pytest.fixture
def with_snippet(site):
    """start(text, kind): (proxy, pod) of app.example with such a snippet."""
    def start(text, kind="configuration", annotations=None, **kw):
        site.pod_ = site.pod()
        site.app("app.example", site.pod_.address, annotations={f"{kind}-snippet": text} | (annotations or {}), **kw)
        return site.sluice(options=ALLOWED), site.pod_
    site.start = start
    return site


def explain(site, *args):
    out = subprocess.run([SLUICE, "explain", site.manifests.root, *args, "--set", "allow-snippet-annotations=true", "--set", "annotations-risk-level=Critical"],
                         stdout=subprocess.PIPE, timeout=30, text=True)
    return out.stdout


# nginx is asked the same questions, with the same text in the same place: what it answers and what its pod gets is what ours has to be.
SAME = [
    ("return 410;", ["/x"]),
    ("return 200 \"a b\";", ["/x", "/robots.txt", "/x.JSON", "/a.b/c"]),
    ("return 418;", ["/"]),
    ("return 204;", ["/"]),
    ("return 301 https://n.example$request_uri;", ["/x?y=1", "/a%20b", "//x//y"]),
    ("return 302 https://n.example/$arg_a;", ["/?a=b%20c&A=d"]),
    ("if ($http_x_block = \"1\") { return 403; }", ["/", ("/", "X-Block: 1"), ("/", "X-Block: 01")]),
    ("if ($http_a) { return 403; }", ["/", ("/", "A: 0"), ("/", "A: 00"), ("/", "A: x")]),
    ("if ($http_user_agent ~* (bot|spider)) { return 429 slow; }", ["/", ("/", "User-Agent: SomeBOT"), ("/", "User-Agent: Mozilla")]),
    ("if ($request_method !~ ^(GET|HEAD)$) { return 405; }", ["/", ("POST", "/"), ("HEAD", "/")]),
    ("if ($request_uri ~ \"^/old/(.*)$\") { return 301 https://n.example/$1; }", ["/old/x?y=1", "/x"]),
    ("if ($arg_a = $arg_b) { return 403; }", ["/?a=1&b=1", "/?a=1&b=2", "/"]),
    ("set $a x; if ($arg_a) { set $a $arg_a; } if ($arg_a ~ b) { set $a \"$a-b\"; } return 200 $a;", ["/", "/?a=abc", "/?a=1"]),
    ("if ($host ~ ^(a)pp) { set $a $1; } if ($arg_x ~ y) { set $b 1; } return 200 \"$a-$1\";", ["/"]),
    ("rewrite ^/old/(.*)$ /new/$1 break;", ["/old/x?y=1", "/other", "/old/a%20b%3Fc%25", "/old/%2e%2e/x", "/OLD/x"]),
    ("rewrite ^/a/(.*)$ /b?x=$1 break;", ["/a/1", "/a/1?y=2", "/a/a%26b%3Dc%2Be"]),
    ("rewrite ^/a/(.*)$ /b?x=$1? break;", ["/a/1?y=2"]),
    ("rewrite ^/a/(.*)$ /b/$1? break;", ["/a/1?y=2"]),
    ("rewrite ^/a$ /b; rewrite ^/b$ /c break;", ["/a", "/b", "/c"]),
    ("rewrite ^/old/(.*)$ /new/$1 permanent;", ["/old/x?y=1"]),
    ("rewrite ^(/app)$ $1/ redirect;", ["/app", "/app/"]),
    ("rewrite ^/old/(.*)$ https://n.example/$1? redirect;", ["/old/x?y=1"]),
    ("rewrite ^/old/(.*)$ https://n.example/$1 last;", ["/old/x?y=1"]),
    ("rewrite ^ https://n.example$request_uri? permanent;", ["/x?y=1"]),
    ("if ($arg_a) { rewrite ^ /a break; } rewrite ^ /b break;", ["/x", "/x?a=1"]),
    ("break; return 403;", ["/"]),
    ("deny all;", ["/"]),
    ("allow 127.0.0.0/8; deny all;", ["/"]),
    ("deny 192.0.2.1; allow 127.0.0.1; deny all;", ["/"]),
    ("add_header A 1; add_header B 2 always; add_header C $arg_c;", ["/", "/?c=3", "/?status=404", "/?status=301"]),
    ("add_header A 1; if ($arg_b) { add_header B 1; } if ($arg_c) { set $x 1; }", ["/", "/?b=1", "/?b=1&c=1", "/?c=1"]),
    ("expires epoch;", ["/", "/?status=404"]),
    ("expires max;", ["/"]),
    ("expires off;", ["/"]),
    ("add_header X-Up $upstream_http_x_pod;", ["/"]),
    ("proxy_hide_header X-Pod;", ["/"]),
    ("proxy_set_header A $arg_a; proxy_set_header B \"\"; proxy_set_header C \"x $request_method\";", ["/", ("/?a=1", "B: theirs", "c: theirs")]),
    ("if ($arg_a) { set $v yes; } proxy_set_header V $v;", ["/", "/?a=1"]),
    ("rewrite ^/old/(.*)$ /new/$1 break; proxy_set_header Rest $1;", ["/old/x"]),
    ("limit_except GET { deny all; }", ["/", ("HEAD", "/"), ("POST", "/")]),
    ("location ~ /sec(ret)$ { return 200 $1; }", ["/secret", "/secrets"]),
    ("location ~* \\.php$ { deny all; }", ["/x.PHP", "/x"]),
    ("location = /exact { return 200 x; }", ["/exact", "/exact/"]),
    ("location ^~ /first { return 200 first; } location ~ . { return 200 any; }", ["/first/x", "/second"]),
    ("location /long { return 200 short; } location /long/er { return 200 long; }", ["/long", "/long/er/x", "/lo"]),
    ("default_type text/css; return 200 x;", ["/x", "/x.txt"]),
    # Groups with a name: what such a one has set stays until it matches again, and is empty then where it takes no part.
    ("if ($request_uri ~ \"^/x/(?<n>[a-z]+)\") { set $q 1; } return 200 \"$n-$1\";", ["/x/abc", "/y", "/x/9"]),
    ("set $n before; if ($request_uri ~ \"^/x/(?<n>[a-z]+)?(9)?\") { set $q 1; } return 200 \"$n-$1-$2\";", ["/x/abc", "/y", "/x/9"]),
    ("if ($request_uri ~ \"^/x/(?<n>[a-z]*)\") { set $q 1; } if ($request_uri ~ \"^/(?<n>.)/zz\") { set $q 1; } return 200 \"$n-$1\";",
     ["/x/abc", "/x/zz", "/y/zz", "/q"]),
    ("if ($request_uri !~ \"^/x/(?<n>.*)\") { return 200 \"no-$n\"; } return 200 $n;", ["/x/q", "/z"]),
    ("if ($request_uri ~ \"^/(?<n>a)?b\") { set $q 1; } if ($request_uri ~ \"z\") { set $q 2; } return 200 \"$n-$1\";", ["/ab", "/b", "/abz"]),
    ("if ($request_uri ~ \"^/((((((((((?<n>x))))))))))\") { return 200 \"$n-$9\"; }", ["/x", "/y"]),
    ("if ($request_uri ~ \"^/(?J)(?:(?<n>a)|(?<n>b))\") { return 200 \"$n-$1-$2\"; }", ["/a", "/b", "/c"]),
    ("if ($request_uri ~ \"^/(?<Up>x)\\k<Up>(?<=xx)\") { return 200 \"$up\"; }", ["/xx", "/x"]),
    ("rewrite ^/u/(?<user>[^/]+)/(?P<rest>.*)$ /of/$user/$rest break; proxy_set_header A $user; add_header B $rest always;",
     ["/u/me/x%20y?z=1", "/other", "/u/me/"]),
    ("rewrite \"^/r/(?'n'[^/]+)/(.*)$\" /out/$n-$2 redirect;", ["/r/a/b", "/q"]),
    ("location ~ ^/t/(?<n>[a-z]+)/(?<m>.*)$ { return 200 \"$n-$m\"; } add_header A \"[$n]\";", ["/t/a/b", "/9"]),
    ("if ($request_uri ~ \"^/(?<n>b)\") { set $n \"x$n\"; } return 200 \"$n\";", ["/bb", "/c"]),
    # $1 to $9 in fields of the response, with nothing beside them.
    ("if ($arg_o ~* \"^(https://.*)$\") { add_header A \"$1\"; }", ["/?o=https://x.example", "/?o=x"]),
    ("if ($arg_o ~ (x)(y)?) { set $q 1; } add_header A $1 always; add_header B \"$2\"; add_header C \"attachment; filename=$1.pdf\";",
     ["/?o=x", "/?o=xy", "/?o=z"]),
    ("location ~* /files/(.*)\\.json$ { return 200 x; add_header A \"$1\"; }", ["/files/a/b.JSON", "/files/x.txt"]),
    ("return 410;", ["/"]),
    # What is known at any moment, and of the answer what is known when its head is made.
    ("if ($time_iso8601 ~ \"^20..-..-..T\") { return 402; }", ["/"]),
    ("set $t $time_local; if ($t ~ \"^../.../20..:\") { return 402; }", ["/"]),
    ("if ($request_time) { return 402; }", ["/"]),
    ("if ($msec) { return 402; }", ["/"]),
    ("if ($arg_a) { return 200 \"[$status] $request_length\"; } return 404 $status;", ["/?a=1", "/"]),
    ("return 307 /x?s=$status;", ["/"]),
    ("proxy_set_header A $request_length; add_header A \"$status $upstream_status\" always;", ["/", ("/?status=404", "B: theirs")]),
    # The query is the one part of a request that is set by its variable; pods get the path as it was read then.
    ("set $args \"a=1&$args\";", ["/x?b=2", "/x", "/a%20b?c=%20"]),
    ("if ($arg_v = \"\") { set $args $args&v=1; } add_header A $args; add_header B $arg_v;", ["/x?b=2", "/x?v=2"]),
    ("set $args \"\";", ["/x?b=2", "/a%2Fb?c", "/x"]),
    ("if ($args ~ '^(.*)utm=[^&]*&?(.*)$') { set $args $1$2; }", ["/q?a=1&utm=x&b=2", "/q?n=a&b=%20%2f+&utm=1", "/q?a=1"]),
    ("set $args x=1; rewrite ^/old/(.*)$ /new/$1 break;", ["/old/a?b=2", "/other?b=2"]),
    ("set $args x=1; rewrite ^/old/(.*)$ /new/$1?y=2 break;", ["/old/a?b=2"]),
    ("set $args x=1; return 301 https://n.example$uri$is_args$args;", ["/old?b=2"]),
    ("if ($request_uri ~ \"^/q/(.*)\") { set $args g=$1; }", ["/q/a%26b", "/z?y"]),
    ("proxy_cookie_path ~^/(.)(.*)$ /$2; proxy_redirect ~^http://in/(.*)$ /out/$1; proxy_pass_request_headers on;", ["/"]),
    # A length that is not the message's: 204 has none anyway.
    ("if ($request_method = OPTIONS) { add_header A 1; add_header Content-Length 0; return 204; }", [("OPTIONS", "/"), "/"]),
]
SHOWN = ("location", "content-type", "a", "b", "c", "expires", "cache-control", "x-up", "x-pod", "allow-nothing")


def told(line, fields):
    return line, sorted((k.lower(), v) for k, v in fields if k.lower() in ("a", "b", "c", "v", "rest"))


class Pod:
    """Answers with the status that the query names, and remembers what it was asked."""

    def __init__(self, site):
        self.asked = []
        self.pod = site.scripted(self._serve)
        self.address = self.pod.address

    def _serve(self, sock, _):
        from harness import read_request
        while (request := read_request(sock)) is not None:
            line, *rest = request[0].split("\r\n")
            self.asked.append(told(line.rsplit(" ", 1)[0], [x.split(": ", 1) if ": " in x else (x.rstrip(":"), "") for x in rest if x]))
            status = line.partition("status=")[2][:3] or "200"
            sock.sendall(f"HTTP/1.1 {status} Said\r\nContent-Length: 0\r\nX-Pod: mine\r\nCache-Control: theirs\r\n\r\n".encode())


def ask(c, request, host="app.example"):
    method, path, *headers = ("GET", request) if isinstance(request, str) else request if request[0].isalpha() else ("GET", *request)
    a = c.get(path, host, method=method, headers=headers)
    body = a.body if a.status == 200 else b""
    shown = [(k.lower(), v) for k, v in a.headers if k.lower() in SHOWN]
    # The built-in pages have no type of their own that counts, and a redirect's is one of them.
    shown = sorted((k, v) for k, v in shown if k != "content-type" or (a.status == 200 and body))
    return a.status, shown, body


def test_it_does_what_nginx_does(site):
    """One nginx and one proxy, a server and a host each snippet."""
    theirs, ours = Pod(site), Pod(site)
    servers = ""
    for i, (text, _) in enumerate(SAME):
        servers += (f"}} server {{ listen 127.0.0.1:@PORT@; server_name s{i}.example; types {{ text/plain txt; application/json json; text/css css; }} "
                    f"default_type text/html; port_in_redirect off; location / {{ proxy_http_version 1.1; proxy_set_header Host $host; {text}\nproxy_pass http://{theirs.address}; }}\n")
        site.manifests.app(f"s{i}.example", ours.address, name=f"s{i}", file=f"s{i}.yaml", annotations={"configuration-snippet": text})
    from harness import free_port
    port = free_port()
    nginx = site.nginx("server_name none; " + servers.replace("@PORT@", str(port)), port=port)
    sluice = site.sluice(options=ALLOWED)
    different = []
    for i, (text, requests) in enumerate(SAME):
        for request in requests:
            answers = []
            for pod, connect in ((theirs, lambda: site.raw_to(nginx.address)), (ours, sluice.raw)):
                pod.asked.clear()
                with connect() as c:
                    answers.append((ask(c, request, f"s{i}.example"), list(pod.asked)))
            if answers[0] != answers[1]:
                different.append(f"{text}\n  {request}\n    nginx  {answers[0]}\n    sluice {answers[1]}")
    assert not different, "\n" + "\n".join(different)


@pytest.fixture(autouse=True)
def raw_to(site):
    from harness import Raw
    site.raw_to = lambda address: Raw(address)


def test_what_is_known_at_any_moment_and_what_once_a_pod_has_answered(with_snippet):
    """The other variables of SAME have a value that two servers do not share."""
    sluice, pod = with_snippet.start('add_header T "$time_local $time_iso8601 $request_time"; add_header P "$upstream_header_time $upstream_connect_time $upstream_addr"; '
                               'proxy_set_header V "$time_iso8601 $request_time"; location = /here { return 200 "$time_iso8601 $request_time"; }')
    iso = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d"
    a = sluice.get("/", "app.example")
    assert re.fullmatch(r"\d\d/[A-Z][a-z][a-z]/20\d\d:\d\d:\d\d:\d\d [+-]\d{4} " + iso + r" \d+\.\d{3}", a.get("t")), a.get("t")
    assert re.fullmatch(r"\d+\.\d{3} \d+\.\d{3} " + re.escape(str(pod.address)), a.get("p")), a.get("p")
    assert re.fullmatch(iso + r" \d+\.\d{3}", of_pod(pod)["v"])
    assert re.fullmatch(iso + r" \d+\.\d{3}", sluice.get("/here", "app.example").body.decode())


def test_a_header_is_put_beside_the_pods(with_snippet):
    sluice, _ = with_snippet.start('more_set_headers -a "X-A: 1" "X-A: 2"; more_set_headers "X-B: 1" "X-B: 2";')
    fields = [(k, v) for k, v in sluice.get("/", "app.example").headers if k.startswith("X-")]
    assert [v for k, v in fields if k == "X-A"] == ["1", "2"] and [v for k, v in fields if k == "X-B"] == ["2"], fields


@pytest.mark.parametrize("text, where", [
    ("if ($status = 200) { return 403; }", "$status"), ("set $s $status; add_header S $s;", "$status"), ("if ($upstream_status) { return 402; }", "$upstream_status"),
    ("proxy_set_header A $upstream_status;", "$upstream_status"), ("rewrite ^ /$status break;", "$status"), ("if ($bytes_sent) { return 402; }", "$bytes_sent"),
    ("if ($arg_a = $body_bytes_sent) { return 402; }", "$body_bytes_sent"), ("return 200 $bytes_sent;", "$bytes_sent"), ("return 200 $upstream_addr;", "$upstream_addr"),
    ("return 302 https://a.example/$upstream_http_x;", "$upstream_http_x"), ("add_header A $upstream_response_time;", "$upstream_header_time is known"),
])
def test_what_has_no_value_yet_is_refused_by_name(site, text, where):
    site.app("app.example", site.pod().address, annotations={"configuration-snippet": text})
    found = json.loads(subprocess.run([SLUICE, "check", "--json", site.manifests.root, "--set", "allow-snippet-annotations=true", "--set", "annotations-risk-level=Critical"],
                                      stdout=subprocess.PIPE, timeout=30, text=True).stdout)
    assert where in json.dumps(found), found
    assert site.sluice(options=ALLOWED).get("/", "app.example").status == 503


def test_444_ends_the_connection_without_a_byte(with_snippet):
    sluice, pod = with_snippet.start("if ($arg_no) { return 444; }")
    with sluice.raw() as c:
        c.send(b"GET /?no=1 HTTP/1.1\r\nHost: app.example\r\n\r\n")
        assert c.read_all() == b""
    with sluice.raw() as c:
        assert c.get("/", "app.example").status == 200
    assert pod.stats()["requests"] == 1


@pytest.mark.parametrize("text", ["return 444;", "limit_req zone=z; limit_req_status 444;", "limit_conn c 1; limit_conn_status 444;"])
def test_444_closes_the_connection_and_does_not_reset_it(with_snippet, text):
    pod = with_snippet.pod()
    with_snippet.app("app.example", pod.address, annotations={"configuration-snippet": f"if ($arg_ok) {{ break; }} {text}" if text.startswith("return") else text})
    zones = "limit_req_zone $http_x_key zone=z:1m rate=1r/m; limit_conn_zone $http_x_key zone=c:1m;"
    sluice = with_snippet.sluice(options=ALLOWED | {"http-snippet": zones})
    with sluice.raw() as held:
        held.send(b"GET /?hold=1&ok=1 HTTP/1.1\r\nHost: app.example\r\nX-Key: a\r\n\r\n")
        wait_for(lambda: pod.stats()["requests"] == 1, "one is at the pod")
        with sluice.raw() as c:
            c.send(b"GET / HTTP/1.1\r\nHost: app.example\r\nX-Key: a\r\n\r\n")
            assert c.sock.recv(100) == b"", "the end of the stream: a reset would have raised"
    assert pod.stats()["requests"] == 1


REWRITES = [  # of the path /api/(.*), with rewrite-target /z/$1
    "rewrite ^/api/v1/(.*)$ /api/two/$1;",
    "rewrite ^/api/v1/(.*)$ /elsewhere/API/$1;",
    "rewrite ^/api/v1/(.*)$ /one/$1 break;",
    "rewrite ^/api/v1/(.*)$ /other/$1;",
    "rewrite ^/api/v1/(.*)$ /other/$1 last;",
    "rewrite ^/api/v1/(.*)$ /api/$1; rewrite ^/api/(.*)$ /api/b/$1;",
    "rewrite ^/api/v1/(.*)$ /api/$1?k=1;",
    "break;",
    "set $a $uri; proxy_set_header A $a; proxy_set_header B $uri; add_header C $uri; proxy_set_header V $document_uri;",
    "proxy_set_header A $1; add_header B $1;",
    "if ($arg_q) { add_header A $1-$uri; }",
]


def test_rewrite_target_is_the_last_rule_of_its_location(site):
    theirs, ours = Pod(site), Pod(site)
    from harness import free_port
    port, servers = free_port(), ""
    for i, text in enumerate(REWRITES):
        servers += (f"}} server {{ listen 127.0.0.1:{port}; server_name s{i}.example; location / {{ return 404; }} location ~* \"^/api/(.*)\" {{ proxy_http_version 1.1; "
                    f"proxy_set_header Host $host; {text}\nrewrite \"(?i)/api/(.*)\" /z/$1 break; proxy_pass http://{theirs.address}; }}\n")
        site.app(f"s{i}.example", ours.address, name=f"s{i}", paths=[("/api/(.*)", "ImplementationSpecific")],
                 annotations={"configuration-snippet": text, "rewrite-target": "/z/$1"})
    nginx = site.nginx("server_name none; " + servers, port=port)
    sluice = site.sluice(options=ALLOWED)
    different = []
    for i, text in enumerate(REWRITES):
        for path in ("/api/v1/x?q=1", "/api/o", "/api/v1/a%20b", "/none"):
            answers = []
            for pod, connect in ((theirs, lambda: site.raw_to(nginx.address)), (ours, sluice.raw)):
                pod.asked.clear()
                with connect() as c:
                    answers.append((ask(c, path, f"s{i}.example"), list(pod.asked)))
            if answers[0] != answers[1]:
                different.append(f"{text}\n  {path}\n    nginx  {answers[0]}\n    sluice {answers[1]}")
    assert not different, "\n" + "\n".join(different)


def test_uri_is_what_rewrite_target_has_made_of_it(site):
    """In proxy-set-headers and in the log, too; where the snippet answers in front of it, it is the path that came."""
    pod = site.pod()
    site.app("app.example", pod.address, paths=[("/api/(.*)", "ImplementationSpecific")], annotations={
        "rewrite-target": "/z/$1", "configuration-snippet": "if ($arg_early) { return 403; } add_header X-Uri $uri always;"})
    site.manifests.text("headers.json", '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "set"}, "data": {"X-Uri": "$uri"}}')
    log = site.tmp / "access.log"
    sluice = site.sluice(access_log=str(log), options=ALLOWED | {"proxy-set-headers": "default/set", "log-format-upstream": "$request_uri is $uri"})
    assert sluice.get("/api/a%20b", "app.example").get("x-uri") == "/z/a b"
    assert of_pod(pod)["x-uri"] == "/z/a b"
    assert sluice.get("/api/x?early=1", "app.example").get("x-uri") == "/api/x"
    wait_for(lambda: log.exists() and log.read_text().split("\n")[:2] == ["/api/a%20b is /z/a b", "/api/x?early=1 is /api/x"], "both lines are there")


def test_a_body_that_is_too_large_is_told_so_before_a_location_answers(site):
    pod = site.pod()
    site.app("app.example", pod.address, annotations={
        "server-snippet": "location /small { client_max_body_size 1; return 200 x; } location /large { return 200 x; } if ($arg_server) { return 200 y; }"})
    site.app("to.example", pod.address, name="to", annotations={"permanent-redirect": "https://n.example/"})
    sluice = site.sluice(options=ALLOWED)

    def post(host, path, size):
        with sluice.raw() as c:
            c.send(f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {size}\r\n\r\n".encode())
            a = c.answer()
            return a.status, a.get("connection")
    assert post("app.example", "/small", 2) == (413, "close")
    assert post("app.example", "/large", 2)[0] == 200 and post("app.example", "/small?server=1", 2)[0] == 200
    assert post("to.example", "/", 2_000_000) == (413, "close") and post("to.example", "/", 2)[0] == 301


def test_a_location_header_that_is_a_path_becomes_an_url(site):
    pod = site.pod()
    site.app("app.example", pod.address, annotations={"configuration-snippet": "more_set_headers 'Location: /zz' 'X-M: [$arg_m]';"})
    site.app("rel.example", pod.address, name="rel", annotations={"configuration-snippet": "absolute_redirect off; more_set_headers 'Location: /zz';"})
    sluice = site.sluice(options=ALLOWED)
    assert sluice.get("/", "app.example").get("location") == "http://app.example/zz"
    assert sluice.get("/", "rel.example").get("location") == "/zz"


def test_an_answer_without_a_text_has_a_type_where_it_is_no_error(with_snippet):
    sluice, _ = with_snippet.start("default_type text/css; if ($arg_a) { return 200; } if ($arg_b) { return 204; } if ($arg_c) { return 201 \"\"; } return 418;")
    got = [sluice.get(path, "app.example") for path in ("/?a=1", "/x.json?a=1", "/?b=1", "/?c=1", "/")]
    assert [(a.status, a.get("content-type"), a.body) for a in got] == [
        (200, "text/css", b""), (200, "application/json", b""), (204, None, b""), (201, "text/css", b""), (418, None, b"")]


def test_a_trailing_dot_is_none_of_a_name_of_a_map(site):
    pod = site.pod()
    site.app("app.example", pod.address, annotations={"configuration-snippet": "return 200 $which;"})
    maps = "map $http_x $which { hostnames; default none; a.b.example exact; *.c.example wild; .d.example all; e.* tail; }"
    sluice = site.sluice(options=ALLOWED | {"http-snippet": maps})
    want = {"a.b.example": "exact", "a.b.example.": "exact", "a.b.example..": "none", "x.c.example.": "wild", "d.example.": "all", "x.d.example": "all", "e.x": "tail",
            "e.x.": "tail", "e.": "none", "e": "none"}
    assert {x: sluice.get("/", "app.example", headers={"X": x}).body.decode() for x in want} == want


def test_a_snippet_of_the_configmap_that_cannot_be_read_says_where(site):
    site.app("app.example", site.pod().address)
    for key, text, value, expected in (
            ("http-snippet", "map $host $a { default 1; }\nproxy_cache_path /x;", "line 2: proxy_cache_path", "maps, limit_req_zone"),
            ("server-snippet", "add_header A 1;\n\nsub_filter a b;", "line 3: sub_filter", "bodies are not searched"),
            ("server-snippet", "deny 10.0.0.1;\nlocation /x { deny all; }", "line 2: location", "of which host"),
            ("location-snippet", "if ($nobody) { return 403; }", "line 1: $nobody", "docs/variables.md"),
            ("location-snippet", "add_header A 1;\nlimit_req zone=z;", "line 2: limit_req", "limit_req_zone"),
            ("server-snippet", "add_header A 1;\nsatisfy any;", "line 2: satisfy", "all hosts")):
        site.manifests.text("options.json", json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ingress-nginx-controller", "namespace": "ingress-nginx"},
                                                        "data": {key: text}}))
        sluice = site.sluice()
        assert sluice.get("/", "app.example").status == 503, text
        said, = [e for e in sluice.config()["report"] if e["reason"] == "RefusedSnippet"]
        assert said["value"] == value and said["severity"] == "error" and said["field"].endswith(f"[{key}]"), said
        assert expected in said["expected"] and f"--accept-unprotected {key}" in said["expected"], said
        sluice.stop()


def test_what_auth_url_says_is_a_variable(site):
    who = Service(site, lambda target, fields: (200 if fields.get("authorization") else 401, ["X-User: me", "X-User: too", "X-Mail: m"]))
    pod = site.pod()
    site.app("app.example", pod.address, annotations={
        "auth-url": who.url + "/ok", "auth-cache-key": "$http_authorization", "auth-snippet": "proxy_set_header X-Asked \"for $host\";",
        "configuration-snippet": "auth_request_set $user $upstream_http_x_user; auth_request_set $mail $upstream_http_x_mail;\n"
                                 "proxy_set_header X-Who $user; proxy_set_header X-Mail $mail; add_header X-Seen $mail;"})
    sluice = site.sluice(options=ALLOWED | LOOPBACK)
    with sluice.raw() as c:
        assert c.get("/", "app.example").status == 401
        for kept in (False, True):
            a = c.get("/", "app.example", headers=["Authorization: x", "X-Who: forged", "X-Mail: forged"])
            assert a.status == 200 and a.get("x-seen") == "m", kept
            assert of_pod(pod)["x-who"] == "me, too" and of_pod(pod)["x-mail"] == "m"
    assert who.fields["x-asked"] == "for app.example" and len(who.asked) == 2


def test_a_location_leads_to_another_service(with_snippet):
    other = with_snippet.pod("other")
    with_snippet.manifests.write("other.yaml", service("other"), *slices("other", [other.address]))
    sluice, pod = with_snippet.start("location /api/ { proxy_pass http://other.default.svc.cluster.local/store/; proxy_set_header Host api.example; }", "server")
    assert sluice.get("/api/x?y=1", "app.example").status == 200
    line, fields = other.last_headers()
    assert line == "GET /store/x?y=1 HTTP/1.1" and dict(fields)["Host"] == "api.example"
    assert sluice.get("/x", "app.example").status == 200 and pod.stats()["requests"] == 1


def test_what_is_edited_is_served_at_once(with_snippet):
    sluice, _ = with_snippet.start("return 410;")
    assert sluice.get("/", "app.example").status == 410
    for text, status in (("return 411;", 411), ("set $a 1;", 200), ("nobody knows;", 503), ("return 412;", 412)):
        with_snippet.app("app.example", with_snippet.pod_.address, annotations={"configuration-snippet": text})
        wait_for(lambda: sluice.get("/", "app.example").status == status, text)


def test_http2_and_tls_have_the_same(site):
    from harness import certificate, tls_secret
    cert, key = certificate("app.example")
    pod = site.pod()
    site.manifests.write("secret.yaml", tls_secret("app-tls", cert, key))
    site.app("app.example", pod.address, tls=[(["app.example"], "app-tls")],
             annotations={"configuration-snippet": "add_header A \"$scheme $server_protocol\"; if ($arg_to) { return 302 /to; }"})
    sluice = site.sluice(options=ALLOWED)
    with sluice.tls("app.example") as c:
        assert c.get("/", "app.example").get("a") == "https HTTP/1.1"
        assert c.get("/?to=1", "app.example").get("location").startswith("https://app.example")
    assert sluice.get("/?to=1", "app.example").get("location") == "http://app.example/to", "before the redirect to https"


def test_explain_shows_what_a_snippet_became(with_snippet):
    with_snippet.start("set $a \"x$arg_q\";\nrewrite ^/old/(.*)$ /new/$1 break;\nproxy_set_header X-A $a;\nproxy_cache off;")
    out = explain(with_snippet, "GET", "http://app.example/old/1?q=2")
    assert 'a snippet sets $a to "x2"' in out and "a snippet rewrites the path to /new/1?q=2" in out, out
    assert "as GET /new/1?q=2" in out and "with X-A: x2" in out
    assert "configuration-snippet = set $a x$arg_q; rewrite" in out, out
    r = subprocess.run([SLUICE, "check", with_snippet.manifests.root, "--set", "allow-snippet-annotations=true", "--set", "annotations-risk-level=Critical"],
                       stdout=subprocess.PIPE, timeout=30, text=True)
    assert "line 4: proxy_cache" in r.stdout, r.stdout
    with_snippet.app("app.example", with_snippet.pod_.address, annotations={"configuration-snippet": "set $a 1;\n\nsub_filter a b;"})
    out = explain(with_snippet, "GET", "http://app.example/", "--json")
    assert json.loads(out)["answer"]["status"] == 503
    r = subprocess.run([SLUICE, "check", with_snippet.manifests.root, "--set", "allow-snippet-annotations=true", "--set", "annotations-risk-level=Critical"],
                       stdout=subprocess.PIPE, timeout=30, text=True)
    assert "line 3: sub_filter" in r.stdout and "bodies are not searched" in r.stdout, r.stdout


@pytest.mark.parametrize("snippet", ["return 304 \"$args\";", "return 204 body;", "error_page 404 =304 /e; location /e { return 304 body; } return 404;"])
def test_a_status_without_a_body_has_none(with_snippet, snippet):
    """Bytes behind such a head would be taken for the next answer of the connection, which may be another namespace's."""
    sluice, pod = with_snippet.start(snippet)
    with sluice.raw() as c:
        for _ in range(3):
            a = c.get("/x?HTTP/1.1%20200", "app.example")
            assert a.status in (204, 304) and a.body == b"" and a.get("content-length") is None


CORS = """
if ($request_method = 'OPTIONS') {
  more_set_headers 'Access-Control-Allow-Origin: *';
  more_set_headers 'Access-Control-Allow-Methods GET, PUT';
  more_set_headers 'Content-Type: text/plain charset=UTF-8';
  more_set_headers 'Content-Length: 0' 'Connection: close';
  return 204;
}
add_header Content-Length 7 always;
"""


def test_a_header_of_the_framing_hides_nothing_else(with_snippet):
    """The snippet for CORS that people copy: nginx writes its Content-Length over the message's, which is told apart by nobody for a 204; here it
    is not written, and neither is one that would be wrong. A name without a colon is what its module takes, too (headers-more 0.34)."""
    sluice, pod = with_snippet.start(CORS)
    with sluice.raw() as c:
        for _ in range(2):
            a = c.get("/", "app.example", method="OPTIONS")
            assert a.status == 204 and a.body == b"" and a.get("content-length") is None and a.get("connection") is None
            assert a.get("access-control-allow-origin") == "*" and a.get("access-control-allow-methods") == "GET, PUT"
            a = c.get("/?size=20", "app.example")
            assert a.status == 200 and len(a.body) == 20 and [v for k, v in a.headers if k.lower() == "content-length"] == ["20"]
    said = [e for e in sluice.config()["report"] if e["reason"] == "NoEffect"]
    assert sorted((e["value"], e["severity"]) for e in said) == [("line 6: more_set_headers", "ignored")] * 2 + [("line 9: add_header", "ignored")], said
    assert any("Content-Length is written as it has to be" in e["expected"] for e in said), said


SATISFY = [  # of the server, of the location
    ("satisfy any;", "allow 127.0.0.1; deny all;"),
    ("satisfy any;", "allow 192.0.2.1; deny all;"),
    ("satisfy any;", "deny 127.0.0.1; allow 127.0.0.0/8; deny all;"),
    ("satisfy any;", ""),
    ("satisfy any; allow 127.0.0.1; deny all;", ""),
    ("satisfy any; allow 192.0.2.1; deny all;", ""),
    ("satisfy any; allow 192.0.2.1; deny all;", "allow 127.0.0.1; deny all;"),
    ("satisfy any;", "satisfy all; allow 127.0.0.1; deny all;"),
    ("satisfy all;", "satisfy any; allow 127.0.0.1; deny all;"),
    ("satisfy all;", "allow 127.0.0.1; deny all;"),
    ("allow 127.0.0.1; deny all;", "satisfy any;"),
]


def test_satisfy_of_a_server_is_inherited_as_in_nginx(site):
    """The location asks for a password and may have a list; what the server says of both counts where the location says nothing."""
    from harness import free_port
    pod, port = site.pod(), free_port()
    site.manifests.text("users.json", '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "users"}, "data": {"auth": "Zm9vOntQTEFJTn1iYXIK"}}')
    (site.tmp / "users").write_text("foo:{PLAIN}bar\n")
    servers = ""
    for i, (server, location) in enumerate(SATISFY):
        servers += (f"}} server {{ listen 127.0.0.1:{port}; server_name s{i}.example; {server} location / {{ {location} auth_basic x; "
                    f"auth_basic_user_file {site.tmp}/users; proxy_pass http://{pod.address}; }}\n")
        annotations = {"server-snippet": server, "configuration-snippet": location, "auth-type": "basic", "auth-secret": "users"}
        site.manifests.app(f"s{i}.example", pod.address, name=f"s{i}", file=f"s{i}.yaml", annotations={k: v for k, v in annotations.items() if v})
    nginx = site.nginx("server_name none; " + servers, port=port)
    sluice = site.sluice(options=ALLOWED)
    different = []
    for i, texts in enumerate(SATISFY):
        got = []
        for connect in (lambda: site.raw_to(nginx.address), sluice.raw):
            with connect() as c:
                got.append([c.get("/", f"s{i}.example", headers=h).status for h in ([], ["Authorization: Basic Zm9vOmJhcg=="])])
        if got[0] != got[1]:
            different.append((texts, *got))
    assert not different, different
    # A neighbour at the same host, and an Ingress of the same namespace that says nothing itself.
    site.manifests.text("users-b.json", '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "users", "namespace": "b"}, "data": {"auth": "Zm9vOntQTEFJTn1iYXIK"}}')
    guarded = {"auth-type": "basic", "auth-secret": "users", "allowlist-source-range": "127.0.0.1/32"}
    site.app("s1.example", pod.address, name="stranger", ns="b", paths=[("/b", "Prefix")], annotations=guarded)
    site.app("s1.example", pod.address, name="sibling", paths=[("/a", "Prefix")], annotations=guarded)
    wait_for(lambda: sluice.get("/a", "s1.example").status == 200, "the server says any, and the address may come")
    wait_for(lambda: sluice.get("/b", "s1.example").status == 401, "both are asked for: it is no server of that namespace")
    # What the annotation says counts more, and a list whose order means something else under `any` closes.
    for annotations, text, status in (({"satisfy": "all"}, "satisfy any; allow 127.0.0.1; deny all;", 401), ({"satisfy": "any"}, "satisfy all; allow 127.0.0.1; deny all;", 200),
                                      ({"satisfy": "none"}, "satisfy any; allow 127.0.0.1; deny all;", 200),
                                      ({}, "satisfy any; allow 127.0.0.1; deny 127.0.0.2; deny all;", 503)):
        site.app("s0.example", pod.address, name="s0", file="s0.yaml", annotations=annotations | {"server-snippet": text, "auth-type": "basic", "auth-secret": "users"})
        wait_for(lambda: sluice.get("/", "s0.example").status == status, (annotations, text))
    said, = [e for e in sluice.config()["report"] if e["reason"] == "RefusedSnippet"]
    assert said["value"] == "satisfy any" and "Ingress default/s0 at host s0.example answer 503" in said["consequence"], said


OF_THE_CONFIG_MAP = [  # server-snippet and location-snippet of the ConfigMap, what the Ingress says itself
    ("allow 127.0.0.1; deny all;", "", {}),
    ("allow 192.0.2.1; deny all;", "", {}),
    ("deny 127.0.0.1; allow 127.0.0.0/8; deny all;", "", {}),
    ("allow 127.0.0.1; deny all;", "", {"configuration-snippet": "allow 192.0.2.1; deny all;"}),
    ("allow 192.0.2.1; deny all;", "", {"configuration-snippet": "allow 127.0.0.1; deny all;"}),
    ("allow 192.0.2.1; deny all;", "", {"allowlist-source-range": "127.0.0.1/32"}),
    ("allow 127.0.0.1; deny all;", "", {"allowlist-source-range": "192.0.2.1/32"}),
    ("allow 127.0.0.1; deny all;", "", {"server-snippet": "satisfy any;"}),
    ("", "allow 127.0.0.1; deny all;", {}),
    ("", "allow 192.0.2.1; deny all;", {}),
    ("allow 192.0.2.1; deny all;", "allow 127.0.0.1; deny all;", {}),
]


def test_a_list_of_the_config_map_is_one_of_the_ways_in(site):
    """satisfy: any of an Ingress beside allow and deny of the ConfigMap's snippets: nginx asks for either, as it does for a list that stands in the
    location itself; the nearest list counts alone."""
    from harness import free_port
    pod = site.pod()
    site.manifests.text("users.json", '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "users"}, "data": {"auth": "Zm9vOntQTEFJTn1iYXIK"}}')
    (site.tmp / "users").write_text("foo:{PLAIN}bar\n")
    guarded = {"auth-type": "basic", "auth-secret": "users"}
    ways = (("any", "satisfy any;"), ("all", ""))
    port, servers = free_port(), ""
    for i, (server, location, own) in enumerate(OF_THE_CONFIG_MAP):
        nearest = own.get("configuration-snippet", "") or (f"allow {own['allowlist-source-range']}; deny all;" if "allowlist-source-range" in own else "")
        for name, satisfy in ways:
            servers += (f"}} server {{ listen 127.0.0.1:{port}; server_name {name}{i}.example; {server} {own.get('server-snippet', '')} location / {{ {location} {satisfy} {nearest} "
                        f"auth_basic x; auth_basic_user_file {site.tmp}/users; proxy_pass http://{pod.address}; }}\n")
    nginx = site.nginx("server_name none; " + servers, port=port)
    different, seen = [], set()
    for i, (server, location, own) in enumerate(OF_THE_CONFIG_MAP):
        for name, satisfy in ways:
            site.manifests.app(f"{name}{i}.example", pod.address, name=name, file=f"{name}.yaml",
                               annotations=guarded | own | ({"satisfy": "any"} if satisfy else {}))
        wanted = {"server-snippet": server, "location-snippet": location}
        sluice = site.sluice(options=ALLOWED | {k: v for k, v in wanted.items() if v})
        for name, _ in ways:
            got = []
            for connect in (lambda: site.raw_to(nginx.address), sluice.raw):
                with connect() as c:
                    got.append([c.get("/", f"{name}{i}.example", headers=h).status for h in ([], ["Authorization: Basic Zm9vOmJhcg=="])])
            seen.add(tuple(got[0]))
            if got[0] != got[1]:
                different.append((server, location, own, name, *got))
        sluice.stop()
    assert not different, different
    assert seen == {(200, 200), (401, 200), (403, 403)}, seen


def test_a_list_of_the_config_map_whose_order_is_another_closes(site):
    pod = site.pod()
    site.manifests.text("users.json", '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "users"}, "data": {"auth": "Zm9vOntQTEFJTn1iYXIK"}}')
    guarded = {"auth-type": "basic", "auth-secret": "users"}
    site.app("any.example", pod.address, name="any", annotations=guarded | {"satisfy": "any"})
    site.app("all.example", pod.address, name="all", annotations=guarded)
    site.app("open.example", pod.address, name="open", annotations={"satisfy": "any"})
    sluice = site.sluice(options=ALLOWED | {"server-snippet": "allow 127.0.0.1; deny 127.0.0.2; deny all;"})
    assert [sluice.get("/", f"{name}.example").status for name in ("any", "all", "open")] == [503, 401, 200]
    said, = [e for e in sluice.config()["report"] if e["reason"] == "RefusedSnippet"]
    assert said["object"].startswith("Ingress default/any") if isinstance(said["object"], str) else said["object"]["name"] == "any", said
    assert said["field"] == "metadata.annotations[satisfy]" and "of the snippets of the ConfigMap" in said["expected"], said


def test_a_location_of_a_server_inherits_its_satisfy(site):
    who = Service(site, lambda target, fields: (200 if fields.get("authorization") else 401, []))
    pod = site.pod()
    site.app("other.example", pod.address, name="other")
    to = "proxy_pass http://other.default.svc.cluster.local;"
    site.app("app.example", pod.address, annotations={
        "server-snippet": f"satisfy any; location /in {{ allow 127.0.0.1; deny all; {to} }} location /out {{ allow 192.0.2.1; deny all; {to} }} "
                          f"location /all {{ satisfy all; allow 127.0.0.1; deny all; {to} }}"})
    sluice = site.sluice(options=ALLOWED | LOOPBACK | {"global-auth-url": who.url + "/ok"})

    def statuses(path):
        return [sluice.get(path, "app.example", headers=h).status for h in ({}, {"Authorization": "x"})]
    assert [statuses(path) for path in ("/", "/in", "/out", "/all")] == [[401, 200], [200, 200], [401, 200], [401, 200]]


def test_a_limit_of_bytes(site):
    """limit_rate of a snippet is no multiple of 1024, and the annotation beside its proxy_buffering is not said to have no effect."""
    site.app("app.example", site.pod().address, annotations={"configuration-snippet": "proxy_buffering on; limit_rate 1500; limit_rate_after 2k;"})
    site.app("both.example", site.pod().address, annotations={"limit-rate": "3", "configuration-snippet": "proxy_buffering on;"})
    site.app("off.example", site.pod().address, annotations={"limit-rate": "3", "proxy-buffering": "on", "configuration-snippet": "proxy_buffering off;"})
    out = explain(site, "GET", "http://app.example/")
    assert "limit-rate = 1500 bytes" in out and "limit-rate-after = 2 " in out.replace("\n", " "), out
    sluice = site.sluice(options=ALLOWED)
    assert [(e["name"], e["value"]) for e in sluice.config()["report"] if e["reason"] == "NoEffect"] == [("off", "3")]
    began = time.monotonic()
    with sluice.raw() as c:  # 2048 bytes at once, then 1500 each second that begins
        assert len(c.get("/?size=4000", "app.example").body) == 4000
    assert time.monotonic() - began >= 0.5


# ---- limits and compression ----

# Requests a minute: nobody's turn comes while a test runs, so that both count the same however long it takes.
ZONES = """
limit_req_zone $arg_k zone=slow:1m rate=1r/m;
limit_req_zone $binary_remote_addr zone=all:1m rate=2r/m;
limit_req_zone $http_x_big$arg_k zone=many:1m rate=60000r/m;
limit_req_zone $host zone=own:1m rate=1r/m;
"""
LIMITS = [
    ("limit_req zone=slow;", ["/?k=1"] * 3 + ["/?k=2", "/", "/", "/?k=1"]),
    ("limit_req zone=slow burst=2 nodelay;", ["/?k=3"] * 5),
    ("limit_req zone=slow burst=2 nodelay; limit_req_status 429;", ["/?k=4"] * 4),
    ("limit_req zone=slow burst=3 delay=3;", ["/?k=5"] * 6),
    ("limit_req zone=many burst=1 nodelay; limit_req zone=slow burst=1 nodelay;", ["/?k=6"] * 4),
    ("limit_req zone=all burst=4 nodelay;", ["/"] * 7),
    ("limit_req zone=all burst=9 nodelay; limit_req zone=slow;", ["/?k=7"] * 3),
    # The last one refuses, and charges none in front of it.
    ("limit_req zone=own burst=2 nodelay; limit_req zone=slow;", ["/?k=9"] * 4 + ["/"] * 4),
    ("limit_req zone=own burst=3 nodelay; limit_req zone=slow; limit_req zone=many burst=9 nodelay;", ["/?k=10"] * 4 + ["/"] * 5),
    ("limit_req zone=slow; limit_req zone=own burst=1 nodelay;", ["/?k=11", "/?k=12", "/?k=13", "/?k=13"]),
    ("limit_req zone=slow; if ($arg_no) { return 403; }", ["/?k=8&no=1", "/?k=8&no=1", "/?k=8", "/?k=8"]),
]


def test_limits_count_as_those_of_nginx(site):
    theirs, ours = Pod(site), Pod(site)
    from harness import free_port
    port, servers = free_port(), ""
    for i, (text, _) in enumerate(LIMITS):
        servers += (f"}} server {{ listen 127.0.0.1:{port}; server_name s{i}.example; location / {{ {text}\nproxy_pass http://{theirs.address}; }}\n")
        site.manifests.app(f"s{i}.example", ours.address, name=f"s{i}", file=f"s{i}.yaml", annotations={"configuration-snippet": text})
    nginx = site.nginx("server_name none; " + servers, port=port, http_extra=ZONES)
    sluice = site.sluice(options=ALLOWED | {"http-snippet": ZONES}, workers=2)
    for i, (text, requests) in enumerate(LIMITS):
        got = []
        for connect in (lambda: site.raw_to(nginx.address), sluice.raw):
            answers = []
            for request in requests:
                with connect() as c:
                    answers.append(c.get(request, f"s{i}.example").status)
            got.append(answers)
        assert got[0] == got[1], text
        assert any(status >= 400 for status in got[0]), text


def test_who_comes_too_early_waits(site):
    pod = site.pod()
    site.app("app.example", pod.address, annotations={"configuration-snippet": "limit_req zone=z burst=2;"})
    sluice = site.sluice(options=ALLOWED | {"http-snippet": "limit_req_zone $http_x_key zone=z:1m rate=4r/s;"})
    began = time.monotonic()
    with sluice.raw() as c:
        assert [c.get("/", "app.example", headers=["X-Key: a"]).status for _ in range(3)] == [200] * 3
    assert time.monotonic() - began >= 0.45, "the second and the third waited a quarter of a second each"
    with sluice.raw() as gone:  # who leaves while he waits asks no pod
        gone.send(b"GET / HTTP/1.1\r\nHost: app.example\r\nX-Key: b\r\n\r\n" * 2)
        gone.answer()
    wait_for(lambda: sluice.metric("nginx_ingress_controller_requests", status="499") == 1, "it is noticed")
    assert pod.stats()["requests"] == 4


def test_a_zone_counts_for_all_ingresses_and_its_key_may_be_a_map(site):
    pod = site.pod()
    for name in ("one", "two"):
        site.app(f"{name}.example", pod.address, annotations={"configuration-snippet": "limit_req zone=z; limit_req_status 429;"})
    maps = "map $http_x_plan $counted { default $http_x_user; gold \"\"; }\nlimit_req_zone $counted zone=z:1m rate=1r/m;"
    sluice = site.sluice(options=ALLOWED | {"http-snippet": maps})

    def get(host, **headers):
        return sluice.get("/", host, headers={f"X-{name}": value for name, value in headers.items()}).status
    assert get("one.example", User="a") == 200 and get("two.example", User="a") == 429 and get("two.example", User="b") == 200
    assert [get("one.example", User="a", Plan="gold") for _ in range(3)] == [200] * 3
    out = explain(site, "GET", "http://one.example/", "--set", f"http-snippet={maps}")
    assert "each key may ask 0.016 a second of zone z (1 at once)" in out, out


def test_requests_in_flight_of_a_zone(site):
    from test_client_limits import at_once
    pod = site.pod()
    site.app("app.example", pod.address, annotations={"configuration-snippet": "limit_conn z 2; limit_conn_status 429;"})
    sluice = site.sluice(options=ALLOWED | {"http-snippet": "limit_conn_zone $binary_remote_addr zone=z:1m;"})
    held = at_once(sluice, 2, path="/?hold=1")
    wait_for(lambda: pod.stats()["requests"] == 2, "both are at the pod")
    assert sluice.get("/", "app.example").status == 429
    for c in held:
        c.close()
    wait_for(lambda: sluice.get("/", "app.example").status == 200, "their places are free again")


@pytest.mark.parametrize("zones,text,why", [
    ("", "limit_req zone=z;", "limit_req_zone of the http-snippet"),
    ("limit_conn_zone $host zone=z:1m;", "limit_req zone=z;", "limit_req_zone of the http-snippet"),
    ("limit_req_zone $host zone=z:1m rate=1r/s;", "limit_req zone=z zone=other;", "limit_req_zone of the http-snippet"),
    ("limit_req_zone $host zone=z:1m rate=1r/s;", "limit_req zone=z; limit_req zone=z;", "each zone once"),
    ("limit_req_zone $host zone=z:1m rate=1r/s;", "limit_req zone=z burst=0;", "burst=N"),
    ("limit_req_zone $host zone=z:1m rate=1r/s;", "limit_req zone=z; limit_req_status 200;", "400 to 599"),
    ("limit_req_zone $host zone=z:1m rate=1r/s;", "limit_req zone=z; limit_req_dry_run on;", "off"),
])
def test_a_limit_that_nobody_can_keep_refuses_its_ingress_alone(site, zones, text, why):
    pod = site.pod()
    site.app("app.example", pod.address, annotations={"configuration-snippet": text})
    site.app("other.example", pod.address)
    sluice = site.sluice(options=ALLOWED | {"http-snippet": zones})
    assert sluice.get("/", "app.example").status == 503 and sluice.get("/", "other.example").status == 200
    said, = [e for e in sluice.config()["report"] if e["reason"] == "RefusedSnippet"]
    assert why in said["expected"], said


def test_a_location_is_compressed_by_what_its_snippet_says(site):
    pod = site.pod()
    for name, text in (("plain", ""), ("zip", "gzip on; gzip_types text/plain; gzip_min_length 10;"), ("long", "gzip on; gzip_types *; gzip_min_length 1m;"),
                       ("silent", "gzip on; gzip_types *; gzip_vary off;"), ("br", "brotli on; brotli_types *; brotli_min_length 1;"), ("never", "gzip off;")):
        site.app(f"{name}.example", pod.address, annotations={"configuration-snippet": text} if text else None)

    def coded(sluice, name, accepted="gzip, br"):
        a = sluice.get("/?size=2000&h=Content-Type%3Atext/plain", f"{name}.example", headers={"Accept-Encoding": accepted})
        return a.get("content-encoding"), a.get("vary")
    sluice = site.sluice(options=ALLOWED)
    assert [coded(sluice, name) for name in ("plain", "zip", "long", "silent", "br", "never")] == [
        (None, None), ("gzip", "Accept-Encoding"), (None, None), ("gzip", None), ("br", "Accept-Encoding"), (None, None)]
    assert coded(sluice, "zip", "br") == (None, "Accept-Encoding")
    on = site.sluice(options=ALLOWED | {"use-gzip": "true", "gzip-types": "*"})
    assert coded(on, "plain")[0] == "gzip" and coded(on, "never") == (None, None) and coded(on, "zip")[0] == "gzip"
