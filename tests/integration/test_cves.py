"""One test for each published hole of ingress-nginx and its kin: what went wrong there, and what stands in its place here. The inputs are harmless
stand-ins of the same shape: words that a generated configuration would have obeyed, lengths and numbers just past a limit. docs/cves.md is the table."""
import base64
import json
import os
import re
import ssl
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from floods import attack
from h2raw import ENHANCE_YOUR_CALM, INITIAL_WINDOW_SIZE, Http2, block, indexed, literal, request_fields
from harness import ROOT, certificate, config_map, endpoint_slice, ingress, read_request, service, slices, tls_secret, wait_for
from middle import middle
from test_basic_auth import basic, secret
from test_client_certificates import Authority
from test_external_auth import LOOPBACK, Service
from test_framing import Keeps
from test_snippets import ALLOWED

MARKER = b"a file of the node that nobody may read"


@pytest.fixture
def node(site):
    """The site with a pod that remembers its requests, a neighbour that is to be served whatever happens, and a file that no answer may hold."""
    site.marker = site.tmp / "node"
    site.marker.mkdir()
    (site.marker / "index.html").write_bytes(MARKER)
    site.heads = []

    def serve(sock, _):
        while (request := read_request(sock)) is not None:
            site.heads.append(request[0])
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX-Pod: ours\r\n\r\npod")
    site.recorder = site.scripted(serve)
    site.app("neighbour.example", site.pod().address)
    site.manifests.write("app-pods.yaml", service("app"), *slices("app", [site.recorder.address]))
    return site


def put(site, annotations=None, *, path="/", path_type="Prefix", host="app.example", name="app", ns="default", **kw):
    site.manifests.write(f"{ns}-{name}-ingress.yaml", ingress(name, {host: [(path, path_type, "app", 80)]}, annotations=annotations, ns=ns, **kw))


def ask(sluice, path="/", *headers, host="app.example", method="GET", body=None):
    """What comes back, none of which may be the node's or have a line that a value of a manifest added."""
    with sluice.raw() as c:
        a = c.get(path, host, method=method, headers=list(headers), body=body)
    assert MARKER not in a.body and not any("injected" in n.lower() for n, _ in a.headers), a
    return a


def said(sluice, *words):
    """The Report's entries that hold all of these words."""
    return [e for e in sluice.config()["report"] if all(w in json.dumps(e) for w in words)]


def refused(site, annotations, name, statuses=(404,), **kw):
    """The Ingress does nothing of what its value says: the answer is one of `statuses`, no pod is asked, and the Report tells; others are served."""
    put(site, annotations, **kw)
    sluice = site.sluice(options=LOOPBACK)
    assert ask(sluice).status in statuses
    assert not site.heads
    assert said(sluice, f"metadata.annotations[{name}]", "error"), sluice.config()["report"]
    assert ask(sluice, host="neighbour.example").status == 200
    return sluice


def children(process):
    return [c for t in Path(f"/proc/{process.pid}/task").iterdir() for c in (t / "children").read_text().split()]


def files(process):
    """Regular files that it holds open; sockets, pipes and the kernel's own are none."""
    out = set()
    for fd in Path(f"/proc/{process.pid}/fd").iterdir():
        try:
            to = os.readlink(fd)
        except FileNotFoundError:
            continue
        if to.startswith("/") and not to.startswith(("/dev/", "/proc/", "/sys/")) and Path(to).is_file():
            out.add(to)
    return out


# ---- ingress-nginx: configuration made of others' text ---------------------------------------------------------------------------------

def test_cve_2020_8553_two_secrets_whose_names_join_alike(node):
    """ingress-nginx before 0.28 wrote password files whose names joined namespace and name by a hyphen, so that a/b-c and a-b/c shared one; here
    users are values in memory, of the object that names them."""
    pod = node.pod()
    for ns, name, user in (("a", "b-c", "anna"), ("a-b", "c", "bert")):
        node.manifests.text(f"{user}.json", secret({"auth": f"{user}:{{PLAIN}}pass\n"}, name, ns))
        node.app(f"{user}.example", pod.address, name=name, ns=ns, file=f"{user}.yaml", annotations={"auth-type": "basic", "auth-secret": name})
    sluice = node.sluice()
    for user, other in (("anna", "bert"), ("bert", "anna")):
        assert ask(sluice, "/", basic(user, "pass"), host=f"{user}.example").status == 200
        assert ask(sluice, "/", basic(user, "pass"), host=f"{other}.example").status == 401


READERS = ["root {dir};", "alias {dir}/;", "include {dir}/*.html;", "location /x {{ root {dir}; }}", "content_by_lua_block {{ ngx.exit(200) }}",
           "ssl_certificate_key {dir}/index.html;", "load_module {dir}/index.html;", "proxy_store {dir}/written;", "js_content f;"]
WRITERS = ["access_log {dir}/written;", "error_log {dir}/written debug;", "client_body_temp_path {dir}/written;"]  # left out, and said to be


@pytest.mark.parametrize("text", READERS + WRITERS, ids=[t.split()[0] for t in READERS + WRITERS])
def test_cve_2021_25742_a_snippet_reads_no_file(node, text):
    """ingress-nginx 1.0.0 and before ran whatever a snippet said as the user who reads every Secret; here snippets are off, and where they are on a
    directive that is not one of the compiled ones closes the paths of its Ingress."""
    put(node, {"configuration-snippet": text.format(dir=node.marker)})
    sluice = node.sluice()
    assert ask(sluice).status == 404 and not node.heads, "off, its Ingress is not served"
    sluice.stop()
    sluice = node.sluice(options=ALLOWED)
    for path in ("/", "/index.html", "/x/index.html"):
        assert ask(sluice, path).status == (200 if text in WRITERS else 503)
    assert (text in WRITERS or not node.heads) and said(sluice, "configuration-snippet")
    assert [f.name for f in node.marker.iterdir()] == ["index.html"] and not children(sluice)
    assert ask(sluice, host="neighbour.example").status == 200


def words_in_paths(directory):
    return [f"/x;root {directory};", f"/x{{root {directory};}}", f"/x\";}} location /y {{ alias {directory}/;", f"/x alias {directory}/", "/x$document_root",
            f"/x'; alias {directory}/; '", f"/x\\\"; root {directory}; ", "/x,rewrite ^ /y"]


def path_is_data(node, path, path_type="ImplementationSpecific"):
    """A path is served as the text that it is, or refused by its name; it never reaches anything else."""
    put(node, path=path, path_type=path_type)
    sluice = node.sluice()
    told = said(sluice, "spec.rules[0].http.paths[0].path")
    literal_path = "".join(c if re.match(r"[A-Za-z0-9/._~-]", c) else "".join(f"%{b:02X}" for b in c.encode()) for c in path)
    a = ask(sluice, literal_path)
    assert a.status == (200 if a.get("x-pod") == "ours" else 404)
    assert a.status == 200 or told, "what is not served is said"
    for elsewhere in ("/x", "/y", "/y/index.html", "/index.html", "/x/index.html", "/"):
        assert ask(sluice, elsewhere).status == 404
    assert ask(sluice, host="neighbour.example").status == 200
    return a.status, told


@pytest.mark.parametrize("n", range(4))
def test_cve_2021_25745_a_path_is_no_directive(node, n):
    """ingress-nginx 1.1.3 and before wrote a rule's path into a location block, where it could name a token file by alias; here a path is a text
    that requests are compared with."""
    assert path_is_data(node, words_in_paths(node.marker)[n])[0] == 200


def names_of_annotations():
    return re.findall(r"(?m)^\| `([a-z0-9-]+)` \|", (ROOT / "docs" / "annotations.md").read_text())


def test_cve_2021_25746_no_annotation_is_a_directive(node):
    """ingress-nginx 1.1.3 and before copied annotations into its configuration; here each one is read into a value of its type, and what is not of
    that type is refused: of all annotations, none obeys a directive or adds a line to a head."""
    names = names_of_annotations()
    assert len(names) > 120
    shapes = [f"x; root {node.marker}; #", f"x\"; }} location / {{ root {node.marker}; }} #", "x\r\nX-Injected: 1", "x\nX-Injected: 1", "$host\nX-Injected: 1",
              "http://127.0.0.1:9/x\r\nX-Injected: 1"]
    objects, hosts = [], []
    for name in names:
        for n, value in enumerate(shapes):
            host = f"{name}-{n}.example"
            hosts.append(host)
            objects.append(ingress(f"{name}-{n}", {host: "app"}, annotations={name: value}))
    node.manifests.write("all.yaml", *objects)
    sluice = node.sluice(options={"hsts": "false"})
    for host in hosts:
        for path in ("/", "/index.html"):
            assert ask(sluice, path, host=host).status in (200, 301, 302, 308, 401, 403, 404, 500, 503), host
    assert not [h for h in node.heads if "injected" in h.lower()]
    assert not children(sluice) and ask(sluice, host="neighbour.example").status == 200


@pytest.mark.parametrize("path", ["/x\n", "/x\ny", "/x\r\n/y", "/\n/x", "/x\x0by", "/x\x00y", "/x\u2028y", "/x\x7f"], ids=lambda p: repr(p))
def test_cve_2021_25748_a_path_with_a_line_end(node, path):
    """ingress-nginx 1.2.0 and before looked for forbidden words line by line, which a newline in a path got around; here a path with a control
    character is refused as a whole, as no request has one."""
    for path_type in ("Prefix", "Exact", "ImplementationSpecific"):
        put(node, path=path, path_type=path_type, host=f"{path_type}.example".lower(), name=path_type.lower())
    sluice = node.sluice()
    for path_type in ("prefix", "exact", "implementationspecific"):
        for asked in ("/x", "/y", "/x/y", "/x%0A", "/x%0Ay", "/"):
            status = ask(sluice, asked, host=f"{path_type}.example").status
            assert status == 404 or (path == "/x\u2028y" and status == 200), (path_type, asked, status)
    assert path == "/x\u2028y" or len(said(sluice, "spec.rules[0].http.paths[0].path", "error")) == 3
    assert ask(sluice, host="neighbour.example").status == 200


@pytest.mark.parametrize("n", range(4, 8))
def test_cve_2022_4886_words_that_no_filter_lists(node, n):
    """ingress-nginx before 1.8.0 kept a list of what paths must not say, and log_format was not on it; here there is no list because there is
    nothing that a path could say."""
    path_is_data(node, words_in_paths(node.marker)[n])
    proxy = node.children[-1]
    proxy.changed(lambda: node.manifests.write("options.yaml", config_map({"log-format-upstream": f"$request_uri\"; root {node.marker}; #"})))
    proxy.changed(lambda: put(node, path="/logged"))
    assert ask(proxy, "/logged").status == 200
    proxy.wait_access(re.escape(f"/logged\"; root {node.marker}; #"))


@pytest.mark.parametrize("text", ["} location /y { return 200 y; ", "return 200 x; } } server { listen 81; ", "return 200 \"x", "# } \n} location /y { return 200 y; }"])
def test_cve_2023_5043_a_snippet_ends_where_it_ends(node, text):
    """ingress-nginx before 1.9.0 pasted a configuration-snippet between braces that the snippet could close; here it is read by itself, and one
    whose braces do not match is refused."""
    put(node, {"configuration-snippet": text}, path="/app")
    sluice = node.sluice(options=ALLOWED)
    assert {ask(sluice, path).status for path in ("/app", "/y", "/")} == {503} and not node.heads
    assert said(sluice, "configuration-snippet", "error")
    assert ask(sluice, host="neighbour.example").status == 200


@pytest.mark.parametrize("value", ["https://x.example/;root /", "https://x.example/\"", "https://x.example/ y", "https://x.example/\nX-Injected: 1",
                                   "https://x.example/{y}", "x;}"])
def test_cve_2023_5044_a_redirect_is_a_url(node, value):
    """ingress-nginx before 1.9.0 wrote permanent-redirect into its configuration as it was; here it has to be a URL as a whole, or the Ingress is
    not served."""
    refused(node, {"permanent-redirect": value}, "permanent-redirect")


@pytest.mark.parametrize("value", ["https://x.example/\rreturn 200", "https://x.example\r", "https://x.example/a\rb\nc", "https://x.example/\u2028"], ids=repr)
def test_cve_2024_7646_a_carriage_return_in_a_value(node, value):
    """ingress-nginx before 1.11.2 judged a value by an expression that did not see a carriage return; here one reader judges all of a value, for
    the webhook, for `check` and for what is served alike."""
    put(node, {"permanent-redirect": value})
    sluice = node.sluice()
    a = ask(sluice)
    assert a.status in (301, 404) and not node.heads
    # A line end at the end of an annotation is an editor's, and left out as in ingress-nginx: nothing of it is sent.
    assert a.status == 404 or (a.get("location") == "https://x.example" and value.endswith("\r"))
    assert a.status == 301 or said(sluice, "permanent-redirect", "error")


@pytest.mark.parametrize("name", ["../marker", "default/../marker", "..", "default/..", "/etc/passwd", "users/auth/..", "users\n", "%2e%2e/users"], ids=repr)
def test_cve_2025_24513_no_file_is_named_after_a_secret(node, name):
    """ingress-nginx before 1.12.1 joined the name of an auth-secret to a directory, whose dots led out of it; here a name that no object can have is
    no name, and no file is written for any."""
    node.manifests.text("users.json", secret({"auth": "anna:{PLAIN}pass\n"}))
    put(node, {"auth-type": "basic", "auth-secret": name})
    sluice = node.sluice()
    a = ask(sluice, "/", basic("anna", "pass"))
    assert a.status in (404, 503) and ask(sluice).status == a.status and not node.heads and said(sluice, "auth-secret", "error")
    assert not [f for f in files(sluice) if "manifests" not in f] and [f.name for f in node.marker.iterdir()] == ["index.html"]


@pytest.mark.parametrize("value", ["{url}/#;\n}}", "{url}/;root x", "{url}/ HTTP/1.0", "{url}/\"", "{url}/ x", "{url}/\r\nX-Injected: 1", "{url}/$(id)", "{url}#;"])
def test_cve_2025_24514_auth_url_is_a_url(node, value):
    """ingress-nginx before 1.12.1 wrote auth-url into its configuration as it was; here it has to be a URL as a whole, else the paths that it guards
    are closed."""
    who = Service(node)
    refused(node, {"auth-url": value.format(url=who.url)}, "auth-url", (404, 503))
    assert not who.asked


@pytest.mark.parametrize("value", ["CN=x#;\n}", "CN=x\"; return 200; #", "CN=(", "x", "CN=a\r\nb", "CN=" + "a{1000}" * 30])
def test_cve_2025_1097_a_pattern_of_subjects_is_a_pattern(node, value):
    """ingress-nginx before 1.12.1 wrote auth-tls-match-cn into an `if` of its configuration; here it is compiled as an expression, and one that is
    none, or matches nobody, lets nobody in."""
    ca = Authority()
    node.manifests.write("tls.yaml", tls_secret("tls", *certificate("app.example")))
    node.manifests.text("ca.json", json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "ca", "namespace": "default"},
                                               "data": {"ca.crt": base64.b64encode(ca.pem.encode()).decode()}}))
    put(node, {"auth-tls-secret": "default/ca", "auth-tls-match-cn": value}, tls=[(["app.example"], "tls")])
    sluice = node.sluice()
    with sluice.tls("app.example", identity=ca.client("x")) as c:
        a = c.get("/", "app.example")
    assert a.status in (403, 404, 503) and MARKER not in a.body and not node.heads
    assert ask(sluice, host="neighbour.example").status == 200


@pytest.mark.parametrize("value", ["{url}/;root x;", "{url}/\n}} location /y {{", "{url}/\"", "{url}/#", "{url}/ HTTP/1.0", "{url}/{{y}}"])
def test_cve_2025_1098_mirrors_and_uids(node, value):
    """ingress-nginx before 1.12.1 wrote mirror-target, and the uid of an Ingress, into its configuration; here a target is a URL or there is no
    mirror, and a uid is a text that nothing is made of."""
    who = Service(node)
    made = ingress("app", {"app.example": "app"}, annotations={"mirror-target": value.format(url=who.url), "limit-rps": "1000", "satisfy": "any"})
    made["metadata"]["uid"] = f"x;\n}} location /y {{ root {node.marker}; }} #"
    node.manifests.write("app.yaml", made)
    sluice = node.sluice(options=LOOPBACK)
    assert ask(sluice).status == 200 and ask(sluice, "/y/index.html").body == b"pod"
    assert said(sluice, "metadata.annotations[mirror-target]") and ask(sluice, host="neighbour.example").status == 200
    assert not who.asked


@pytest.fixture
def hook(node, tmp_path):
    """start(flags): a proxy that is asked by the API server; post(body): its answer."""
    cert, key = certificate("hook.example")
    ca = Authority()
    for name, text in (("hook.crt", cert), ("hook.key", key), ("ca.crt", ca.pem)):
        (tmp_path / name).write_text(text)
    node.callers, node.ca = tmp_path / "ca.crt", ca

    def start(*more):
        sluice = node.sluice("--validating-webhook", "127.0.0.1:0", "--validating-webhook-certificate", tmp_path / "hook.crt", "--validating-webhook-key",
                             tmp_path / "hook.key", *more)
        sluice.hook = sluice.wait_line(r"^listening webhook (\S+)").group(1)
        return sluice

    def post(sluice, body, identity=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if identity:
            pair = tmp_path / "client.pem"
            pair.write_text("".join(identity))
            context.load_cert_chain(pair)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(urllib.request.Request(f"https://{sluice.hook}/networking/v1/ingresses", data), timeout=20, context=context) as r:
                return r.status, json.loads(r.read())["response"]
        except urllib.error.HTTPError as e:
            return e.code, e.read()
    node.start, node.post = start, post
    return node


def review(of):
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "uid": "1", "operation": "CREATE", "kind": {"group": "networking.k8s.io", "version": "v1", "kind": "Ingress"}, "name": of["metadata"]["name"],
        "namespace": of["metadata"].get("namespace", "default"), "object": of}}


def test_cve_2025_1974_the_webhook_parses_and_does_nothing_else(hook):
    """ingress-nginx before 1.12.1 let anybody in the pod network have a configuration of his own words tested by `nginx -t`, which loads files; here
    the webhook reads an object into values, starts no program, keeps nothing, and takes the API server's certificate alone where it is told to."""
    sluice = hook.start()
    opened = files(sluice)
    for annotations in ({"auth-url": f"http://x/#;\n}} }} ssl_engine {hook.marker}/index.html;"}, {"mirror-target": "http://x/;\n}"},
                        {"auth-tls-match-cn": "CN=x#(\n){}}}\nload_module x;"}, {"permanent-redirect": "x;}"}):
        status, answer = hook.post(sluice, review(ingress("app", {"app.example": "app"}, annotations=annotations)))
        assert status == 200 and (not answer["allowed"] or answer["warnings"]), annotations
        assert MARKER.decode() not in json.dumps(answer)
    assert not children(sluice) and files(sluice) == opened
    assert hook.post(sluice, review(ingress("app", {"app.example": "app"})))[1]["allowed"]
    assert ask(sluice).status == 404 and not hook.heads, "asking about an Ingress serves nothing of it"
    sluice.stop()
    sluice = hook.start("--validating-webhook-client-ca", hook.callers)
    with pytest.raises(OSError):
        hook.post(sluice, review(ingress("app", {"app.example": "app"})))
    with pytest.raises(OSError):
        hook.post(sluice, review(ingress("app", {"app.example": "app"})), Authority("stranger").client())
    assert hook.post(sluice, review(ingress("app", {"app.example": "app"})), hook.ca.client())[1]["allowed"]


@pytest.mark.parametrize("key,value", [("X-A 1;}", "x"), ("X-A: 1\nX-Injected", "x"), ("X-A", "x\r\nX-Injected: 1"), ("X-A", "$nobody"), ("X-A", "x\n}")])
def test_cve_2025_15566_keys_of_a_config_map_are_names(node, key, value):
    """ingress-nginx before 1.12.5 judged annotations and not the ConfigMap that auth-proxy-set-headers names, whose keys went into its configuration;
    here keys are names of headers and values are values, or the paths are closed."""
    who = Service(node)
    node.manifests.write("more.yaml", config_map({key: value, "X-Good": "1"}, "more", "default"))
    put(node, {"auth-url": who.url, "auth-proxy-set-headers": "default/more"})
    sluice = node.sluice(options=LOOPBACK)
    a = ask(sluice)
    assert a.status == 503 and not node.heads and not who.asked, a
    assert said(sluice, "more")
    sluice.changed(lambda: node.manifests.write("more.yaml", config_map({"X-Good": "1"}, "more", "default")))
    assert ask(sluice).status == 200 and who.fields["x-good"] == "1"


@pytest.mark.parametrize("value", ["GET;}", "GET x", "xGET /", "POST\nX-Injected: 1", "GETPOST{", "GET\" x", "get", "TRACE"])
def test_cve_2026_1580_a_method_is_a_whole_word(node, value):
    """ingress-nginx before 1.13.7 looked for a method anywhere in auth-method; here all of the value is one, or the paths that it guards are closed."""
    who = Service(node)
    refused(node, {"auth-url": who.url, "auth-method": value}, "auth-method", (503,))
    assert not who.asked


@pytest.mark.parametrize("path_type", ["Prefix", "Exact", "ImplementationSpecific"])
def test_cve_2026_24512_paths_again(node, path_type):
    """ingress-nginx before 1.13.7 let a rule's path into its configuration once more, five years later, by the path types that were not judged;
    here the type says how a path is compared, and of none of them anything is made."""
    for n, path in enumerate(words_in_paths(node.marker)):
        put(node, path=path, path_type=path_type, host=f"h{n}.example", name=f"h{n}")
    sluice = node.sluice()
    for n, path in enumerate(words_in_paths(node.marker)):
        for asked in ("/", "/y", "/y/index.html", "/x", "/index.html"):
            assert ask(sluice, asked, host=f"h{n}.example").status == 404
    assert not node.heads and ask(sluice, host="neighbour.example").status == 200


BROKEN_PAGES = {"says 200": b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nwelcome", "says 204": b"HTTP/1.1 204 No Content\r\n\r\n",
                "says 302": b"HTTP/1.1 302 Found\r\nLocation: /in\r\nContent-Length: 0\r\n\r\n", "closes": b"", "is no HTTP": b"welcome\r\n\r\n",
                "ends early": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nwel"}


@pytest.mark.parametrize("page", BROKEN_PAGES)
def test_cve_2026_24513_an_error_page_decides_nothing(node, page):
    """ingress-nginx before 1.13.7 let a request in whose 401 or 403 was to be shown by a default backend that did not know X-Code; here who may come
    is decided before, and a page stands in place of a body, never of the verdict."""
    def pages(sock, _):
        while read_request(sock) is not None:
            if BROKEN_PAGES[page]:
                sock.sendall(BROKEN_PAGES[page])
            if page in ("closes", "is no HTTP", "ends early"):
                return
    node.manifests.write("pages.yaml", service("pages"), *slices("pages", [node.scripted(pages).address]))
    node.manifests.text("users.json", secret({"auth": "anna:{PLAIN}pass\n"}))
    shown = {"custom-http-errors": "401,403", "default-backend": "pages"}
    guards = {"password": ({"auth-type": "basic", "auth-secret": "users"}, 401), "list": ({"whitelist-source-range": "192.0.2.0/24"}, 403),
              "none": ({"auth-url": Service(node, lambda t, f: (401, [])).url}, 401), "never": ({"auth-url": Service(node, lambda t, f: (403, [])).url}, 403)}
    for name, (guard, _) in guards.items():
        put(node, guard | shown, host=f"{name}.example", name=name)
    sluice = node.sluice(options=LOOPBACK)
    for name, (_, status) in guards.items():
        for method in ("GET", "POST"):
            with sluice.raw() as c:
                c.send(f"{method} / HTTP/1.1\r\nHost: {name}.example\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                told = c.read_all()
            assert re.match(rb"HTTP/1.1 %d " % status, told) and b"X-Pod" not in told, (name, told)
    assert not node.heads


def test_cve_2026_24514_what_a_review_may_cost(hook):
    """ingress-nginx before 1.13.7 read a review of any size into memory, so that a few callers ended the controller; here it is refused from its
    length on, its depth is bounded, and what was read is given back."""
    sluice = hook.start()
    assert hook.post(sluice, review(ingress("app", {"app.example": "app"})))[1]["allowed"]
    before = sluice.rss_kb()
    for _ in range(5):
        status, text = hook.post(sluice, b" " * (4 * 1024 * 1024 + 1))
        assert status == 413 and b"4 MiB" in text
        assert hook.post(sluice, b"[" * 65 + b"]" * 65)[0] == 400
    sluice.expect_growth_below(24 * 1024, before, "what refused reviews leave")
    assert hook.post(sluice, review(ingress("app", {"app.example": "app"})))[1]["allowed"]


@pytest.mark.parametrize("value", ["/x\";}", "/x;root /", "/x\n}", "/x{y}", "/x#;", "/$1;", "/$(id)", "/x y"])
def test_cve_2026_3288_a_rewrite_is_a_template(node, value):
    """ingress-nginx before 1.14.4 wrote rewrite-target into its configuration between quotes that it could end; here it is cut into texts and
    groups once, and what comes out is a path, percent-encoded."""
    put(node, {"rewrite-target": value}, path="/app/(.*)", path_type="ImplementationSpecific")
    sluice = node.sluice()
    a = ask(sluice, "/app/z")
    assert a.status in (200, 404, 503)
    for head in node.heads:
        assert re.fullmatch(r"GET /[!$&'()*+,;=:@A-Za-z0-9._~%/?-]* HTTP/1\.1", head.split("\r\n")[0]), head
    assert a.status == 200 or said(sluice, "rewrite-target")
    assert ask(sluice, "/y").status == 404 and ask(sluice, host="neighbour.example").status == 200


@pytest.mark.parametrize("path", ["/x#\n root {dir};", "/x # root {dir};", "/#;\r\nroot {dir};", "/x*/ root {dir}; /*"])
def test_cve_2026_4342_a_path_in_a_comment(node, path):
    """ingress-nginx before 1.13.9 wrote a path into a comment of its configuration, which a line end left; here there is no such text, and a path
    that no request can have is said to be none."""
    path = path.format(dir=node.marker)
    put(node, path=path, path_type="ImplementationSpecific")
    sluice = node.sluice()
    assert said(sluice, "spec.rules[0].http.paths[0].path") or path.startswith("/x*/")
    for asked in ("/x", "/", "/x/index.html", "/index.html", "/%20root"):
        assert ask(sluice, asked).status == 404
    assert not node.heads and ask(sluice, host="neighbour.example").status == 200


@pytest.mark.parametrize("how", ["annotation", "snippet"])
@pytest.mark.parametrize("unit", ["a", "+", "%20", "%25", "%26", "%3F", "%C3%A9", "a%20+%26b%3D"])
def test_cve_2026_42945_a_rewrite_is_as_long_as_it_is(node, how, unit):
    """nginx 0.6.27 to 1.30.0 measured a rewritten target by one pass and wrote it by another that escaped more, past the end of its buffer; here it
    is appended to a text that grows, so that n times as much in is n times as much out."""
    if how == "annotation":
        put(node, {"rewrite-target": "/t/$1/q/$1"}, path="/r/(.*)", path_type="ImplementationSpecific")
    else:
        put(node, {"configuration-snippet": "rewrite ^/r/(.*)$ /t/$1/q/$1 break;"})
    sluice = node.sluice(options=ALLOWED)

    def target(times):
        assert ask(sluice, "/r/" + unit * times).status == 200
        return re.fullmatch(r"GET /t/(.*)/q/(.*) HTTP/1\.1", node.heads[-1].split("\r\n")[0]).groups()
    first, second = target(1)
    for times in (2, 63, 64, 65, 255, 256, 257, 500):
        assert target(times) == (first * times, second * times)


def test_cve_2026_9256_groups_that_overlap(node):
    """nginx before 1.30.2 counted text that two groups share once and wrote it twice; here each group is appended by itself."""
    put(node, {"rewrite-target": "/t/$1$2/$3"}, path="/r/((.*)/(.*))", path_type="ImplementationSpecific")
    sluice = node.sluice()
    for times in (1, 63, 64, 65, 255, 256, 257, 500):
        assert ask(sluice, "/r/" + "a" * times + "/" + "%C3%A9" * times).status == 200
        assert node.heads[-1].split("\r\n")[0] == f"GET /t/{'a' * times}/{'%C3%A9' * times}{'a' * times}/{'%C3%A9' * times} HTTP/1.1"


# ---- what any proxy of HTTP may get wrong ------------------------------------------------------------------------------------------------

@pytest.fixture
def h2(site):
    pod = site.pod("pod", "--forget-ids")
    return middle(site, pod, options={"keep-alive-requests": 1_000_000}), pod


def test_cve_2023_44487_streams_that_end_as_they_begin(h2):
    """nginx before 1.25.3, Go, Envoy and others took each stream that was begun and reset for free ("rapid reset"); here a connection has a budget
    of resets from its first one on, and what is begun and broken in one piece of bytes is nobody's work."""
    sluice, pod = h2
    with Http2(sluice.http) as friend:
        assert friend.done(friend.request("/?size=10")).status == 200
        with Http2(sluice.http) as c:
            assert attack(c, "rapid_reset", frames=1000) <= 1000
            c.wait_end(5)
            assert c.goaway[1] == ENHANCE_YOUR_CALM
        assert friend.done(friend.request("/?size=10")).status == 200
    assert pod.stats()["requests"] <= 60


def tiny(c, fields):
    """A request of so many fields that are one byte each on the wire: one that the table has, named again and again."""
    number = c.open()
    return c.headers(number, block(request_fields("/?size=1000", "app.example", "GET", "http")) + literal("x", "", 0x40) + indexed(62) * (fields - 1)), c.streams[number]


def test_cve_2026_49975_fields_of_one_byte_and_a_window_that_stays_shut(h2):
    """nginx, Apache, IIS, Envoy and Pingora of spring 2026 counted bytes of fields and not fields, and kept them for as long as a client held its
    window ("HTTP/2 bomb"); here a request has 100 fields at most, and what streams with shut windows hold is bounded."""
    sluice, pod = h2
    with Http2(sluice.http, settings={INITIAL_WINDOW_SIZE: 0}, grow=False) as c:
        data, first = tiny(c, 100)
        c.send(data)
        c.wait(lambda: first.headers, "a head")
        assert first.status == 200 and not first.body
        data, more = tiny(c, 101)
        c.send(data)
        c.wait(lambda: more.headers, "a head")
        assert more.status == 431
        before, streams = sluice.rss_kb(), []
        for _ in range(100):
            data, stream = tiny(c, 100)
            c.send(data)
            streams.append(stream)
        c.wait(lambda: all(s.headers for s in streams), "all heads")
        assert {s.status for s in streams} == {200} and not any(s.body for s in streams)
        sluice.expect_growth_below(100 * 64, before, "what a hundred of them hold")
    with Http2(sluice.http) as friend:
        assert friend.done(friend.request("/?size=10")).status == 200


def test_cve_2026_47774_crumbs_of_a_cookie_are_one_field(h2):
    """Envoy's answer to the HTTP/2 bomb counted each crumb of a cookie as a field and refused browsers with many cookies; here crumbs are one field,
    as a pod gets them, and their bytes are counted."""
    sluice, pod = h2
    with Http2(sluice.http) as c:
        assert c.done(c.request("/", fields=[("cookie", f"c{i}={i}") for i in range(300)])).status == 200
        assert dict(pod.last_headers()[1])["cookie"] == "; ".join(f"c{i}={i}" for i in range(300))
        assert c.done(c.request("/", fields=[("cookie", "c=" + "x" * 1000) for i in range(33)])).status == 431
        assert c.done(c.request("/")).status == 200


UNDERSCORES = ["X_Auth_User", "x_auth_user", "X_Auth-User", "X-Auth_User"]


@pytest.mark.parametrize("allowed", ["false", "true"])
def test_traefik_3_7_6_underscores_do_not_get_past_an_authentication(node, allowed):
    """Traefik before 3.7.6 took X-Auth-User from clients and let X_Auth_User through, which many pods read as the same; here a name that differs from
    one of ours by `_` for `-` alone goes wherever ours goes, even where underscores are allowed."""
    who = Service(node, lambda t, f: (200, ["X-Auth-User: anna"]))
    put(node, {"auth-url": who.url, "auth-response-headers": "X-Auth-User"})
    sluice = node.sluice(options=LOOPBACK | {"enable-underscores-in-headers": allowed})
    forged = [f"{n}: root" for n in UNDERSCORES] + ["X_Forwarded_For: 192.0.2.1", "X_Real_IP: 192.0.2.1", "x_forwarded_proto: https"]
    assert ask(sluice, "/", *forged, "X_Mine: 1").status == 200
    names = [line.split(":")[0].lower() for line in node.heads[-1].split("\r\n")[1:]]
    assert [n for n in names if n.replace("_", "-") == "x-auth-user"] == ["x-auth-user"] and "X-Auth-User: anna" in node.heads[-1]
    assert ("x_mine" in names) == (allowed == "true")
    assert not [n for n in names if n.startswith(("x_real", "x_forwarded"))], names


def test_caddy_ghsa_7r4p_vjf4_gxv4_who_the_client_is_says_the_service_alone(node):
    """Caddy's forward_auth copied the identity headers that the service sent and left those that a client had sent; here every name that the
    service may set is taken from the client first, whether the service says it or not."""
    who = Service(node, lambda t, f: (200, ["X-User: anna"]))
    put(node, {"auth-url": who.url, "auth-response-headers": "X-User, X-Groups"})
    sluice = node.sluice(options=LOOPBACK)
    assert ask(sluice, "/", "X-User: root", "X-Groups: admin", "x-groups: more", "X-Mine: 1").status == 200
    lines = node.heads[-1].split("\r\n")
    assert [x for x in lines if x.lower().startswith(("x-user", "x-groups"))] == ["X-User: anna"] and "X-Mine: 1" in lines


@pytest.mark.parametrize("version", [1, 2])
def test_caddy_ghsa_7r4p_vjf4_gxv4_and_traefik_3_7_6_in_trailers(site, version):
    """The same holds behind a body, of clients of HTTP/1 and of HTTP/2: neither the names that a service may set nor any with an underscore goes on."""
    pod = Keeps(site)
    who = Service(site, lambda t, f: (200, []))
    sluice = middle(site, pod, h2=version == 2, annotations={"auth-url": who.url, "auth-response-headers": "X-Groups"},
                    options=LOOPBACK | {"enable-underscores-in-headers": "true"})
    trailers = {"x-groups": "admin", "x_groups": "admin", "x_real_ip": "admin", "x_mine": "admin", "x-mine": "mine"}
    if version == 2:
        with Http2(sluice.http) as c:
            assert c.done(c.request("/", method="POST", body=b"a", trailers=list(trailers.items()))).status == 200
    else:
        with sluice.raw() as c:
            c.send("POST / HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n")
            c.send("".join(f"{n}: {v}\r\n" for n, v in trailers.items()) + "\r\n")
            assert c.answer().status == 200
    _, body, _ = pod.got[0]
    assert body.split(b"0\r\n", 1)[1].lower() == b"x-mine: mine\r\n\r\n", body


def test_caddy_2_11_5_fields_of_a_connection_do_not_cross_a_101(site):
    """Caddy before 2.11.5 sent all fields of an upgrade on in both directions; here the Connection and Upgrade of each side are our own, and what they
    name ends here."""
    heads = []

    def serve(sock, _):
        request = read_request(sock)
        heads.append(request[0])
        sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade, X-Hop\r\nUpgrade: my-protocol\r\nX-Hop: pod\r\nKeep-Alive: timeout=5\r\n"
                     b"Proxy-Connection: keep-alive\r\nX-Kept: 1\r\n\r\nhello")
    site.app("app.example", site.scripted(serve).address)
    sluice = site.sluice()
    with sluice.raw() as c:
        a = c.get("/", "app.example", headers=["Connection: Upgrade, X-Hop, Keep-Alive", "Upgrade: my-protocol", "X-Hop: client", "Keep-Alive: timeout=5",
                                               "Proxy-Connection: keep-alive", "Proxy-Authorization: Basic eA==", "X-Kept: 1"])
        assert a.status == 101 and c.read_exactly(5) == b"hello"
    assert [v.lower() for v in a.all("connection")] == ["upgrade"] and a.all("upgrade") == ["my-protocol"] and a.get("x-kept") == "1"
    for name in ("x-hop", "keep-alive", "proxy-connection"):
        assert a.get(name) is None
    lines = [x.lower() for x in heads[0].split("\r\n")[1:]]
    assert "connection: upgrade" in lines and "x-kept: 1" in lines
    assert not [x for x in lines if x.startswith(("x-hop", "keep-alive", "proxy-"))]
