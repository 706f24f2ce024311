"""Locations that a server-snippet writes beside those that ingress-nginx writes for the paths of Ingresses."""
from harness import free_port, service, slices, wait_for
from test_snippets import ALLOWED, explain


def statuses(sluice, host, asked):
    return {path: sluice.get(path, host).status for path in asked}


# Path, its type, the snippet, and what is answered: ingress-nginx writes `= /admin` and `/admin/` for a Prefix /admin, and nginx takes no
# configuration with two locations of one path. What the snippet may forbid stays forbidden.
TWICE = [
    ("/admin", "Prefix", "location /admin/ { deny all; }", {"/admin/": 503, "/admin/x": 503, "/admin": 200, "/z": 404}),
    ("/admin", "ImplementationSpecific", "location ^~ /admin/ { deny all; }", {"/admin/x": 503, "/admin": 200}),
    ("/foo/", "Prefix", "location /foo/ { deny all; }", {"/foo/x": 503}),
    ("/foo/", "Prefix", "location = /foo/ { return 204; }", {"/foo/": 503, "/foo/x": 200}),
    ("/foo", "Prefix", "location = /foo { return 204; }", {"/foo": 503, "/foo/x": 200}),
    ("/foo", "Exact", "location = /foo { return 204; }", {"/foo": 503}),
    ("/", "Exact", "location = / { return 204; }", {"/": 503}),
]
# Those that nginx takes.
BESIDE = [
    ("/", "Prefix", "location = / { return 302 /app/; }", {"/": 302, "/z": 200}),
    ("/", "ImplementationSpecific", "location = / { return 302 /app/; }", {"/": 302, "/z": 200}),
    ("/foo", "Prefix", "location /foo { return 204; }", {"/foo": 200, "/foo/x": 200, "/foobar": 204}),
    ("/foo", "Exact", "location /foo { return 204; }", {"/foo": 200, "/foo/x": 204}),
    ("/foo", "Exact", "location /foo/ { return 204; }", {"/foo": 200, "/foo/x": 204}),
    ("/foo/", "Prefix", "location = /foo { return 204; }", {"/foo": 204, "/foo/x": 200}),
    ("/foo/", "Prefix", "location /foo { return 204; }", {"/foo": 204, "/foo/x": 200, "/foobar": 204}),
    ("/foo", "Exact", "location = /foo/ { return 204; }", {"/foo": 200, "/foo/": 204}),
    ("/foo.*", "ImplementationSpecific", "location /foo/ { return 204; } location = /foo { return 204; }", {"/foo": 204, "/foo/x": 200}),
]


def test_a_location_that_a_path_of_an_ingress_has_is_closed(site):
    pod = site.pod()
    for i, (path, kind, text, _) in enumerate(TWICE + BESIDE):
        annotations = {"server-snippet": text} | ({"use-regex": "true"} if "*" in path else {})
        site.app(f"s{i}.example", pod.address, name=f"s{i}", paths=[(path, kind)], annotations=annotations)
    sluice = site.sluice(options=ALLOWED)
    for i, (path, kind, text, answers) in enumerate(TWICE + BESIDE):
        assert statuses(sluice, f"s{i}.example", answers) == answers, (path, kind, text)
    said = {e["name"]: e for e in sluice.config()["report"] if e["reason"] == "RefusedSnippet"}
    assert sorted(said) == sorted(f"s{i}" for i in range(len(TWICE))), said
    assert said["s0"]["value"] == "location /admin/" and "Ingress default/s0" in said["s0"]["consequence"], said["s0"]
    assert said["s1"]["value"] == "location ^~ /admin/" and said["s0"]["severity"] == "error"
    assert "503" in explain(site, "GET", "http://s0.example/admin/x")


def test_a_path_that_comes_later_opens_nothing(site):
    """The snippet of one Ingress, and a second one of its namespace that has the path of its location."""
    pod = site.pod()
    site.app("app.example", pod.address, name="old", annotations={"server-snippet": "location /admin/ { deny all; }"})
    sluice = site.sluice(options=ALLOWED)
    assert statuses(sluice, "app.example", ["/admin/x", "/x"]) == {"/admin/x": 403, "/x": 200}
    site.app("app.example", pod.address, name="new", paths=[("/admin", "Prefix")])
    wait_for(lambda: sluice.get("/admin/x", "app.example").status == 503, "the location is closed, as nginx would take neither")
    assert statuses(sluice, "app.example", ["/admin", "/x"]) == {"/admin": 200, "/x": 200}
    said, = [e for e in sluice.config()["report"] if e["reason"] == "RefusedSnippet"]
    assert said["name"] == "old" and "Ingress default/new" in said["consequence"], said


def test_what_is_written_counts_though_another_ingress_has_all_paths(site):
    pod = site.pod()
    site.app("app.example", pod.address, name="a", paths=[("/", "Prefix")])
    sluice = site.sluice(options=ALLOWED)
    assert sluice.get("/secret", "app.example").status == 200
    site.app("app.example", pod.address, name="b", paths=[("/", "Prefix")], annotations={"server-snippet": "location /secret { deny all; }"})
    wait_for(lambda: sluice.get("/secret", "app.example").status == 403, "its snippet is the host's, though it has no path there")
    assert sluice.get("/x", "app.example").status == 200


PASS = "proxy_pass http://other.default.svc.cluster.local;"
SLASHES = [  # paths of the Ingress, the snippet
    (["/"], f"location /x/ {{ {PASS} }}"),
    (["/"], f"location ^~ /x/ {{ {PASS} }} location ~ ^/x$ {{ return 204; }}"),
    (["/"], f"location /x/ {{ {PASS} }} location = /x {{ return 204; }}"),
    (["/"], f"location /x/ {{ {PASS} }} location /x {{ return 204; }}"),
    (["/"], "location /x/ { return 204; }"),
    (["/"], f"location ~ ^/x/ {{ {PASS} }}"),
    (["/x"], f"location /x/y/ {{ {PASS} }}"),
    (["/x/"], "location /x { return 204; }"),
    (["/x/"], "location /x { return 204; } location ~ ^/x$ { return 205; }"),
]


def test_slashes_are_put_as_by_nginx(site):
    """A location with a proxy_pass that ends in a slash has the path without it, unless another location is that very path."""
    pod, other, port = site.pod(), site.pod("other"), free_port()
    site.manifests.write("other.yaml", service("other"), *slices("other", [other.address]))
    servers = ""
    for i, (paths, text) in enumerate(SLASHES):
        own = "" if "/" in paths else "location / { return 404; } "
        for path in paths:  # as ingress-nginx writes them
            own += f"location {path if path.endswith('/') else path + '/'} {{ proxy_pass http://{pod.address}; }} "
            own += f"location = {path} {{ proxy_pass http://{pod.address}; }} " if path != "/" else ""
        text_there = text.replace("http://other.default.svc.cluster.local", f"http://{other.address}")
        servers += f"}} server {{ listen 127.0.0.1:{port}; server_name s{i}.example; port_in_redirect off; {own} {text_there}\n"
        site.app(f"s{i}.example", pod.address, name=f"s{i}", paths=[(path, "Prefix") for path in paths], annotations={"server-snippet": text})
    nginx = site.nginx("server_name none; " + servers, port=port)
    sluice = site.sluice(options=ALLOWED)
    from harness import Raw
    different = []
    for i, case in enumerate(SLASHES):
        for path in ("/x", "/x?a=b", "/x/", "/x/y", "/x/y/", "/xy", "/"):
            got = []
            for connect in (lambda: Raw(nginx.address), sluice.raw):
                with connect() as c:
                    a = c.get(path, f"s{i}.example")
                    got.append((a.status, a.get("location")))
            if got[0] != got[1]:
                different.append((case, path, *got))
    assert not different, "\n".join(map(str, different))


PATHS_OF_PASS = ["/y", "/y/", "/y?k=v", "/y?k=", "/a%20b/", "/a%2fb/", "/y/?a=%3f&b=", "/$request_uri"]


def test_the_path_of_a_pass_goes_up_as_written_and_as_by_nginx(site):
    """A `?` and escapes of it are sent as they stand; what stands behind the location's own path is put behind."""
    pod, other, port = site.pod(), site.pod("other"), free_port()
    site.manifests.write("other.yaml", service("other"), *slices("other", [other.address]))
    servers = ""
    for i, path in enumerate(PATHS_OF_PASS):
        text = "location /x/ { proxy_pass http://other.default.svc.cluster.local" + path + "; }"
        servers += f"}} server {{ listen 127.0.0.1:{port}; server_name s{i}.example; {text.replace('other.default.svc.cluster.local', other.address)}\n"
        site.app(f"s{i}.example", pod.address, name=f"s{i}", annotations={"server-snippet": text})
    nginx = site.nginx("server_name none; " + servers, port=port)
    sluice = site.sluice(options=ALLOWED)
    from harness import Raw
    different = []
    for i, path in enumerate(PATHS_OF_PASS):
        for asked in ("/x/", "/x/z", "/x/z?q=1", "/x/%3f%20z"):
            got = []
            for connect in (lambda: Raw(nginx.address), sluice.raw):
                with connect() as c:
                    a = c.get(asked, f"s{i}.example")
                    got.append((a.status, other.last_headers()[0].rsplit(" ", 1)[0]))
            if got[0] != got[1]:
                different.append((path, asked, *got))
    assert not different, "\n".join(map(str, different))
