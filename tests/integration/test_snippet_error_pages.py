"""error_page of snippets, and the locations that it leads to, beside nginx with the same text in the same places."""
import json
import subprocess

import pytest

from harness import SLUICE, Raw, free_port
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
    ("error_page 503 @maint;", "", "a location of a server-snippet with that name or path"),
    ("error_page 503 @maint;", "location /maint { return 503 x; }", "a location of a server-snippet with that name or path"),
    ("error_page 503 /maint; location /b { return 200 x; }", "", "a location of a server-snippet with that name or path"),
    ("error_page 503 @maint;", "location @maint { proxy_pass http://10.0.0.1; }", "a location that does nothing but `return`"),
    ("location /b { error_page 503 @maint; return 503; }", "", "a location of a server-snippet with that name or path"),
])
def test_one_that_leads_nowhere_closes_its_ingress(site, inner, outer, why):
    texts = {"configuration-snippet": inner, "server-snippet": outer}
    site.app("app.example", site.pod().address, annotations={k: v for k, v in texts.items() if v})
    found = check(site)
    assert why in json.dumps(found), found
    sluice = site.sluice(options=ALLOWED)
    assert sluice.get("/", "app.example").status == 503
    assert sluice.get("/b", "app.example").status == 503


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
