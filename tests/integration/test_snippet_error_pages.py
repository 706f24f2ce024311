"""error_page of snippets, and the locations that it leads to, beside nginx with the same text in the same places."""
import json
import subprocess

import pytest

from harness import SLUICE, Raw, free_port, read_request
from test_snippets import ALLOWED, Pod

# A redirect keeps its status, whatever stands in front of it: a browser follows no other.
REDIRECTS = [("", f"error_page 404{how} {to}; location {to} {{ return {status} /home; }} location = /gone {{ return 404; }}", ["/gone"])
             for status in (301, 302, 303, 307, 308) for how in ("", " =", " =200", " =503") for to in ("@nf", "/nf")]
# What a configuration-snippet says, what the server-snippet does, and what is asked for.
SAME = REDIRECTS + [
    ("", "error_page 403 /denied; location = /denied { return 302 https://login.example/; } location = /secret { deny all; }", ["/secret"]),
    ("error_page 503 @maint; if ($arg_x) { return 503; }", "location @maint { add_header A 1 always; return 503 maint; }", ["/?x=1", "/"]),
    ("error_page 404 = @fb; proxy_intercept_errors on; add_header B 1 always;", "location @fb { return 200 fb; }", ["/?status=404", "/", "/?status=500"]),
    ("", "location /a { error_page 418 = @o; return 418; } location @o { return 200 o; }", ["/a"]),
    ("auth_request /v; error_page 401 = @l;", "location = /v { internal; return 401; } location @l { return 302 https://login.example/?r=$request_uri; }", ["/z?y"]),
    ("error_page 404 /nf; if ($arg_x) { return 404; }", "location = /nf { internal; return 404 gone; }", ["/?x=1", "/nf"]),
    # The type and the headers are those of the location that answers.
    ("error_page 404 @e; add_header A 1 always; return 404;", "add_header B 1 always; location @e { default_type application/json; return 404 '{}'; }", ["/", "/x.txt"]),
    ("error_page 404 /e.json; add_header A 1 always; return 404;", "location = /e.json { add_header C 1 always; return 404 '{}'; }", ["/", "/x.txt"]),
    ("", "default_type text/css; error_page 404 @e; location @e { return 200 x; } location = /n { return 404; }", ["/n"]),
    # $status is the error's, or what stands in its place.
    ("error_page 404 @e; return 404;", "location @e { return 200 \"s=$status\"; }", ["/"]),
    ("error_page 404 =418 @e; return 404;", "location @e { return 200 \"s=$status\"; }", ["/"]),
    ("error_page 404 = @e; return 404;", "location @e { return 200 \"s=$status\"; }", ["/"]),
    ("error_page 404 @e; return 404;", "location @e { return 302 /x?s=$status; }", ["/"]),
    ("error_page 404 = @e; proxy_intercept_errors on;", "location @e { return 200 \"$status $upstream_status\"; }", ["/?status=404"]),
    ("error_page 404 =200 https://a.example/$status; return 404;", "", ["/"]),
    ("", "error_page 404 @e; location @e { return 302 /t; } error_page 403 = @n; location @n { return 204 t; } location = /n { return 403; }", ["/n"]),
    ("error_page 404 =307 https://a.example/; return 404;", "", ["/"]),
    # A `return` of an error without a text is an error of its own.
    ("error_page 404 =200 @e; return 404;", "location @e { return 403; }", ["/"]),
    ("error_page 404 @e; return 404;", "location @e { return 503 ''; }", ["/"]),
    ("error_page 404 =418 @e; return 404;", "location @e { return 404; }", ["/"]),
    # A path is an internal redirect to it; a name is none.
    ("error_page 404 /e; return 404;", "location = /e { return 200 \"$uri [$args]\"; }", ["/x?q=1"]),
    ("error_page 404 @e; return 404;", "location @e { return 200 \"$uri [$args]\"; }", ["/x?q=1"]),
]


def ask(address, request, host):
    with Raw(address) as c:
        a = c.get(request, host)
    own = not a.body.startswith(b"<html>")
    return a.status, a.get("location"), sorted((k, v) for k, v in a.headers if k in "ABC"), own and (a.body, a.get("content-type"))


def test_error_pages_are_those_of_nginx(site):
    theirs, ours, port = Pod(site), Pod(site), free_port()
    servers = ""
    for i, (inner, outer, _) in enumerate(SAME):
        default = "" if outer.startswith("default_type") else "default_type text/html; "
        servers += (f"}} server {{ listen 127.0.0.1:{port}; server_name s{i}.example; types {{ text/plain txt; application/json json; }} "
                    f"port_in_redirect off; {default}{outer} location / {{ proxy_http_version 1.1; {inner}\nproxy_pass http://{theirs.address}; }}\n")
        texts = {"configuration-snippet": inner, "server-snippet": outer}
        site.app(f"s{i}.example", ours.address, name=f"s{i}", ns=f"n{i}", annotations={k: v for k, v in texts.items() if v})
    nginx = site.nginx("server_name none; " + servers, port=port)
    sluice = site.sluice(options=ALLOWED)
    different = []
    for i, (inner, outer, requests) in enumerate(SAME):
        for request in requests:
            answers = [ask(address, request, f"s{i}.example") for address in (nginx.address, sluice.http)]
            if answers[0] != answers[1]:
                different.append(f"{inner}\n  {outer}\n  {request}\n    nginx  {answers[0]}\n    sluice {answers[1]}")
    assert not different, "\n" + "\n".join(different)


class Echo:
    """Answers with the status that the query names, and with what it was asked and told in the body."""

    def __init__(self, site):
        self.address = site.scripted(self._serve).address

    def _serve(self, sock, _):
        while (request := read_request(sock)) is not None:
            line, *fields = request[0].split("\r\n")
            fields = dict((k.lower(), v) for k, _, v in (f.partition(": ") for f in fields))
            line = line.rsplit(" ", 1)[0]
            body = f"{line} uri={fields.get('x-original-uri')} set={fields.get('x-set')} body={request[1].decode()}".encode()
            status = line.partition("status=")[2][:3] or "200"
            if status in ("204", "304"):
                sock.sendall(f"HTTP/1.1 {status} Said\r\nX-Pod: a\r\n\r\n".encode())
            else:
                sock.sendall(f"HTTP/1.1 {status} Said\r\nContent-Length: {len(body)}\r\nContent-Type: text/pod\r\nX-Pod: a\r\n\r\n".encode() + (b"" if line.startswith("HEAD") else body))


INTERCEPT = "proxy_intercept_errors on; "
DENIES = "if ($arg_no) { return 403; } "
# error_page that asks for a path of the host.
PATHS = [
    (INTERCEPT + "error_page 404 /page;", "", ["/x?status=404", ("POST", "/x?status=404"), "/x?status=503", "/page", ("HEAD", "/x?status=404")]),
    (INTERCEPT + "error_page 404 = /page;", "", ["/x?status=404"]),
    (INTERCEPT + "error_page 404 =200 /page;", "", ["/x?status=404"]),
    (INTERCEPT + "error_page 404 =410 /page?a=b&status=201;", "", ["/x?status=404"]),
    (INTERCEPT + "error_page 404 = /page?status=202;", "", ["/x?status=404"]),
    (INTERCEPT + "error_page 404 /page?status=302;", "", ["/x?status=404"]),
    (INTERCEPT + "error_page 404 = /page?status=302;", "", ["/x?status=404"]),
    (INTERCEPT + "error_page 404 =204 /page;", "", ["/x?status=404"]),
    (INTERCEPT + "error_page 404 /page?status=204;", "", ["/x?status=404"]),
    (INTERCEPT + "error_page 404 = /page?status=204;", "", ["/x?status=404"]),
    (DENIES + "error_page 403 /page;", "", ["/x?no=1", ("POST", "/x?no=1"), "/x"]),
    (DENIES + "error_page 403 =200 /page%20a/ü;", "", ["/x?no=1"]),
    (DENIES + "error_page 403 /again?no=1;", "", ["/x?no=1"]),
    (DENIES + "error_page 403 =200 /login?rd=$request_uri&s=$status&v=$arg_v;", "", ["/x?no=1&v=2", ("HEAD", "/x?no=1")]),
    (DENIES + "error_page 403 /page?;", "", ["/x?no=1"]),
    (DENIES + "error_page 403 /inside;", 'location = /inside { internal; set $a "$arg_no"; return 200 "$a s=$status"; }', ["/x?no=1"]),
    (DENIES + "error_page 403 =200 /inside;", "location = /inside { set $a b; return 403 own; }", ["/x?no=1"]),
    ("deny all; error_page 403 /page;", "", ["/x"]),
    ("set $kept $arg_v; proxy_set_header X-Set $kept; " + DENIES + "error_page 403 =200 /page;", "", ["/x?no=1&v=7"]),
    (DENIES + "error_page 403 /inside;", 'location = /inside { internal; set $a "$uri $request_uri $request_method"; return 200 "$a"; }', ["/x?no=1", "/inside"]),
    (DENIES + "error_page 403 =503 /inside?x=y;", 'location = /inside { internal; return 200 "[$args]"; }', ["/x?no=1"]),
    (DENIES + "error_page 403 =200 /inside;", "location = /inside { set $a b; return 302 /elsewhere; }", ["/x?no=1"]),
    (DENIES + "error_page 403 /inside;", "location = /inside { set $a b; return 204; }", ["/x?no=1"]),
    (DENIES + "error_page 403 /inside; error_page 404 /page;", "location = /inside { set $a b; return 404; }", ["/x?no=1"]),
    (DENIES + "error_page 403 /inside;", "location = /inside { rewrite ^ /page?r=1 last; }", ["/x?no=1"]),
    (DENIES + "add_header A outer always; error_page 403 /inside;", "location = /inside { add_header A inner always; set $a b; return 200 x; }", ["/x?no=1"]),
]


def test_an_error_page_asks_for_a_path_as_nginx_does(site):
    theirs, ours, port = Echo(site), Echo(site), free_port()
    servers = ""
    for i, (inner, outer, _) in enumerate(PATHS):
        servers += (f"}} server {{ listen 127.0.0.1:{port}; server_name s{i}.example; default_type text/html; port_in_redirect off; {outer} "
                    f"location / {{ proxy_http_version 1.1; proxy_set_header X-Original-URI $request_uri; {inner}\nproxy_pass http://{theirs.address}; }}\n")
        texts = {"configuration-snippet": inner, "server-snippet": outer}
        site.app(f"s{i}.example", ours.address, name=f"s{i}", ns=f"n{i}", annotations={k: v for k, v in texts.items() if v})
    nginx = site.nginx("server_name none; " + servers, port=port)
    sluice = site.sluice(options={**ALLOWED, "proxy-add-original-uri-header": "true"})
    different = []
    for i, (inner, outer, requests) in enumerate(PATHS):
        for request in requests:
            method, target = ("GET", request) if isinstance(request, str) else request
            answers = []
            for address in (nginx.address, sluice.http):
                with Raw(address) as c:
                    a = c.get(target, f"s{i}.example", method=method, body=b"sent" if method == "POST" else b"")
                    # nginx asks by GET with the body that the client has sent for something else.
                    own = a.body.partition(b" body=")[0] if not a.body.startswith(b"<html>") else b"a page"
                    if method == "HEAD":
                        own = a.get("content-length")
                    answers.append((a.status, a.get("location"), a.get("x-pod"), a.get("a"), own, own != b"a page" and own and a.get("content-type")))
                    c.get("/page", f"s{i}.example")  # the connection goes on
            if answers[0] != answers[1]:
                different.append(f"{inner}\n  {outer}\n  {request}\n    nginx  {answers[0]}\n    sluice {answers[1]}")
    assert not different, "\n" + "\n".join(different)


def test_a_location_that_closes_the_connection_closes_it(site):
    """444, whatever status the page should have."""
    site.app("app.example", site.pod().address, annotations={"configuration-snippet": "error_page 404 @e; error_page 403 =200 @e; if ($arg_x) { return 403; } return 404;",
                                                             "server-snippet": "location @e { return 444; }"})
    sluice = site.sluice(options=ALLOWED)
    for target in ("/", "/?x=1"):
        with sluice.raw() as c:
            c.send(f"GET {target} HTTP/1.1\r\nHost: app.example\r\n\r\n")
            assert c.read_all() == b""


def check(site):
    out = subprocess.run([SLUICE, "check", "--json", site.manifests.root, "--set", "allow-snippet-annotations=true", "--set", "annotations-risk-level=Critical"],
                         stdout=subprocess.PIPE, timeout=30, text=True)
    return json.loads(out.stdout)


@pytest.mark.parametrize("inner, outer, why", [
    ("error_page 503 @maint;", "", "named location"),
    ("error_page 503 @maint;", "location /maint { return 503 x; }", "named location"),
    ("error_page 503 /maint$status; location /b { return 200 x; }", "", "named location"),
    ("error_page 503 @maint;", "location @maint { proxy_pass http://10.0.0.1; }", "a location that does nothing but `return`"),
    ("location /b { error_page 503 @maint; return 503; }", "", "named location"),
])
def test_one_that_leads_nowhere_closes_its_ingress(site, inner, outer, why):
    texts = {"configuration-snippet": inner, "server-snippet": outer}
    site.app("app.example", site.pod().address, annotations={k: v for k, v in texts.items() if v})
    found = check(site)
    assert why in json.dumps(found), found
    sluice = site.sluice(options=ALLOWED)
    assert sluice.get("/", "app.example").status == 503
    assert sluice.get("/b", "app.example").status == 503


def test_a_path_is_one_of_the_same_namespace(site):
    """And is guarded as it is for any other request."""
    pod = Echo(site).address
    asks = {"configuration-snippet": "if ($arg_no) { return 403; } error_page 403 /pages;"}
    site.app("app.example", pod, name="a", ns="one", annotations=asks)
    site.app("app.example", pod, name="b", ns="two", paths=[("/pages", "Prefix"), ("/b", "Prefix")], annotations=asks)
    site.app("other.example", pod, name="c", ns="two", paths=[("/c", "Prefix")], annotations=asks)
    site.app("guarded.example", pod, name="d", ns="two", annotations=asks)
    site.app("guarded.example", pod, name="e", ns="two", paths=[("/pages", "Prefix")], annotations={"denylist-source-range": "127.0.0.0/8"})
    sluice = site.sluice(options={**ALLOWED, "proxy-add-original-uri-header": "true"})
    assert sluice.get("/a?no=1", "app.example").body.startswith(b"GET /pages uri=/a?no=1"), "another namespace's Ingress has that path at the host: this one's own / does"
    assert sluice.get("/b?no=1", "app.example").body.startswith(b"GET /pages uri=/b?no=1")
    for answer in (sluice.get("/c?no=1", "other.example"), sluice.get("/d?no=1", "guarded.example")):  # no such path; not for this client
        assert answer.status == 403 and answer.body.startswith(b"<html>")
    said = [e for e in check(site)["report"] if e["reason"] == "NobodyToAsk"]
    assert [(e["object"], e["value"]) for e in said] == [("Ingress two/c", "line 1: error_page /pages")], said


def test_a_sibling_may_have_the_location(site):
    """As nginx has it: all locations are of the server, whoever wrote them; but no other namespace's are."""
    pod = site.pod().address
    site.app("app.example", pod, name="a", annotations={"server-snippet": "location @maint { return 503 maint; } location @nobody { return 200 x; }"})
    site.app("app.example", pod, name="b", paths=[("/b", "Prefix")], annotations={"configuration-snippet": "error_page 503 @maint; return 503;"})
    site.app("app.example", pod, name="c", paths=[("/c", "Prefix")], ns="other", annotations={"configuration-snippet": "error_page 503 @maint; return 503;"})
    sluice = site.sluice(options=ALLOWED)
    assert (sluice.get("/b", "app.example").status, sluice.get("/b", "app.example").body) == (503, b"maint")
    assert b"maint" not in sluice.get("/c", "app.example").body
    said = [e for e in check(site)["report"] if e["reason"] == "NoEffect"]
    assert [e["value"] for e in said] == ["line 1: location @nobody"], said
