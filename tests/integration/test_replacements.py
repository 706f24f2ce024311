"""proxy-redirect-*, proxy-cookie-*: what pods say of their own place."""
import subprocess

import pytest

from h2raw import Http2
from harness import SLUICE, read_request, service, slices
from middle import H2_OPTIONS

FIELDS = (b"Location: http://inner.example/x?y\r\nRefresh: 5; url=http://inner.example/r\r\nContent-Location: http://inner.example/c\r\n"
          b"Set-Cookie: a=1; Path=/inner/x; Domain=.inner.example; HttpOnly\r\nSet-Cookie: b=2;  Path=/other\r\n")
ALL = {"proxy-redirect-from": "http://inner.example/", "proxy-redirect-to": "https://outer.example/app/",
       "proxy-cookie-path": "/inner /outer", "proxy-cookie-domain": "inner.example outer.example"}
REPLACED = {"location": ["https://outer.example/app/x?y"], "refresh": ["5; url=https://outer.example/app/r"], "content-location": ["http://inner.example/c"],
            "set-cookie": ["a=1; Path=/outer/x; Domain=.outer.example; HttpOnly", "b=2;  Path=/other"]}
UNTOUCHED = {"location": ["http://inner.example/x?y"], "refresh": ["5; url=http://inner.example/r"], "content-location": ["http://inner.example/c"],
             "set-cookie": ["a=1; Path=/inner/x; Domain=.inner.example; HttpOnly", "b=2;  Path=/other"]}


@pytest.fixture
def inner(site):
    def pod(sock, _):
        while r := read_request(sock):
            code = r[0].split(" ")[1].lstrip("/").encode() or b"302"
            sock.sendall(b"HTTP/1.1 " + code + b" Whatever\r\n" + FIELDS + (b"\r\n" if code == b"304" else b"Content-Length: 0\r\n\r\n"))

    def start(annotations=None, options=None):
        site.app("app.example", [site.scripted(pod).address], annotations=annotations)
        return site.sluice(options={**H2_OPTIONS, **(options or {})})
    return start


def fields(answer, names=UNTOUCHED):
    headers = [(n.lower(), v) for n, v in answer.headers]
    return {name: [v for n, v in headers if n == name] for name in names}


@pytest.mark.parametrize("where", ["annotations", "options"])
def test_all_of_them_in_both_places(inner, where):
    sluice = inner(**{where: ALL})
    for path in ("/302", "/200", "/404", "/304"):
        assert fields(sluice.get(path, "app.example")) == REPLACED
    with Http2(sluice.http, timeout=20) as c:
        assert fields(c.done(c.request("/302"))) == REPLACED


def test_an_annotation_says_off(inner):
    sluice = inner(annotations={"proxy-redirect-from": "off", "proxy-cookie-path": "off", "proxy-cookie-domain": "off"}, options=ALL)
    assert fields(sluice.get("/302", "app.example")) == UNTOUCHED


def test_expressions_and_variables_of_the_config_map(inner):
    sluice = inner(options={"proxy-redirect-from": "~^http://(\\w+)\\.example/(.*)$", "proxy-redirect-to": "https://$host/$1/$2", "proxy-cookie-path": "~*^/INNER /$arg_none.x"})
    got = fields(sluice.get("/302", "app.example"))
    assert got["location"] == ["https://app.example/inner/x?y"] and got["refresh"] == ["5; url=https://app.example/inner/r"]
    assert got["set-cookie"][0].startswith("a=1; Path=/.x;")


def test_a_path_is_completed(inner):
    sluice = inner(annotations={"proxy-redirect-from": "http://inner.example/", "proxy-redirect-to": "/app/"})
    got = fields(sluice.get("/302", "app.example"))
    assert got["location"] == ["http://app.example/app/x?y"] and got["refresh"] == ["5; url=/app/r"]


def test_headers_by_config_map_stand_in_place_of_them(site, inner):
    site.manifests.text("h.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: headers, namespace: default}\ndata: {Location: 'https://set.example/'}\n")
    sluice = inner(annotations=ALL, options={"add-headers": "default/headers"})
    assert fields(sluice.get("/302", "app.example"))["location"] == ["https://set.example/"]


@pytest.mark.parametrize("name,value", [("proxy-redirect-from", "http://a/ http://b/"), ("proxy-redirect-from", "~(x"), ("proxy-redirect-to", "https://$host/"),
                                        ("proxy-cookie-path", "/one"), ("proxy-cookie-path", "/a /b /c"), ("proxy-cookie-domain", "a.example,b.example c")])
def test_what_cannot_be_read_changes_nothing_and_is_said(inner, name, value):
    sluice = inner(annotations={**ALL, name: value})
    got = fields(sluice.get("/302", "app.example"))
    if "redirect" in name:
        assert got["location"] == UNTOUCHED["location"] and got["refresh"] == UNTOUCHED["refresh"]
    else:
        attribute = {"proxy-cookie-path": "Path=/inner/x", "proxy-cookie-domain": "Domain=.inner.example"}[name]
        assert attribute in got["set-cookie"][0]
    said = [p for p in sluice.config()["report"] if name in p["field"] and p["reason"] == "InvalidAnnotation"]
    assert len(said) == 1 and said[0]["value"], said


@pytest.mark.parametrize("given,lacks", [("proxy-redirect-from", "proxy-redirect-to"), ("proxy-redirect-to", "proxy-redirect-from")])
def test_one_without_the_other_is_said(site, inner, given, lacks):
    sluice = inner(annotations={given: ALL[given]})
    assert fields(sluice.get("/302", "app.example")) == UNTOUCHED
    said = [p for p in sluice.config()["report"] if p["reason"] == "NoEffect"]
    assert len(said) == 1 and given in said[0]["field"] and lacks in said[0]["expected"], said


def test_explain_names_them(site, inner):
    inner(annotations=ALL)
    r = subprocess.run([SLUICE, "explain", site.manifests.root, "GET", "http://app.example/"], capture_output=True, text=True)
    for name, value in ALL.items():
        assert name in r.stdout and value in r.stdout, r


LONG = "a" * 60 + "b"
RUNAWAY = {"proxy-redirect-from": "~^(a+)+$", "proxy-redirect-to": "/z", "proxy-cookie-path": "~^(a+)+$ /z", "proxy-cookie-domain": "~^(a+)+$ z.example"}


@pytest.mark.parametrize("compressed", ["false", "true"])
@pytest.mark.parametrize("field", [f"Location: {LONG}", f"Refresh: 5; url={LONG}", f"Set-Cookie: c=1; Path={LONG}", f"Set-Cookie: c=1; Domain={LONG}"])
def test_a_pattern_that_takes_too_many_steps_is_a_500(site, field, compressed):
    """What the pattern was to hide does not pass: nobody knows whether it would have matched."""
    site.app("app.example", [site.scripted(saying(field)).address])
    sluice = site.sluice(options={**H2_OPTIONS, **RUNAWAY, "use-gzip": compressed, "gzip-min-length": "1"})
    a = sluice.get("/bad", "app.example", headers={"Accept-Encoding": "gzip"})
    assert a.status == 500 and LONG not in str(a.headers) and b"secret" not in a.body
    assert sluice.metric("sluice_regex_gave_up_total") == 1
    with Http2(sluice.http, timeout=20) as c:
        assert c.done(c.request("/bad")).status == 500
    assert sluice.metric("sluice_regex_gave_up_total") == 2
    sluice.wait_access(r'GET /bad HTTP/1.1" 500')
    # It costs that answer alone.
    a = sluice.get("/good", "app.example")
    assert a.status == 200 and a.body == b"secret"


def test_a_page_that_no_pattern_can_be_asked_about_is_none(site):
    """Of a Service of error pages likewise: the error is answered without it."""
    site.app("app.example", [site.scripted(saying("X: y")).address], annotations={"custom-http-errors": "404", "default-backend": "errs"})
    site.manifests.write("errs.yaml", service("errs"), *slices("errs", [site.scripted(saying(f"Location: {LONG}")).address]))
    sluice = site.sluice(options=RUNAWAY)
    a = sluice.get("/404", "app.example")
    assert a.status == 404 and a.get("location") is None and b"secret" not in a.body
    assert sluice.metric("sluice_regex_gave_up_total") == 1


def saying(field):
    def pod(sock, _):
        while r := read_request(sock):
            path = r[0].split(" ")[1]
            code = "404" if path == "/404" else "200"
            more = "" if path == "/good" else field + "\r\n"
            sock.sendall(f"HTTP/1.1 {code} OK\r\nContent-Type: text/html\r\n{more}Content-Length: 6\r\n\r\nsecret".encode())
    return pod
