"""Header fields that ConfigMaps name: custom-headers of an Ingress, add-headers and proxy-set-headers of all."""
import json
import subprocess

import pytest

from h2pod import H2Pod
from h2raw import Http2
from harness import SLUICE, certificate, config_map, read_request, tls_secret
from test_framing import Keeps
from test_grpc_answers import H2C, HOST as GRPC_HOST, call, is_reply

ALLOWED = {"global-allowed-response-headers": "X-Ours, x-frame-options,Content-Type,Server,Strict-Transport-Security,Access-Control-Max-Age,Connection"}
MINE = {"custom-headers": "default/mine"}


def put(site, data, name="mine", ns="default"):
    site.manifests.write(f"{ns}-{name}.yaml", config_map(data, name, ns))


def ask(sluice, path="/", host="app.example", method="GET", headers=()):
    with sluice.raw() as c:
        return c.get(path, host, method=method, headers=list(headers))


def custom(site, data, annotations=None, options=None, **kw):
    put(site, data)
    return site.simple(annotations={**MINE, **(annotations or {})}, options={**ALLOWED, **(options or {})}, **kw)


def optioned(site, key, data, options=None, **kw):
    put(site, data)
    return site.simple(options={key: "default/mine", **(options or {})}, **kw)


def pod_with(*lines, status="200 OK", body=b"ok"):
    """A pod that answers all requests with these fields."""
    def answer(sock, _):
        while (request := read_request(sock)) is not None:
            sock.sendall("\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode() + (b"" if request[0].startswith("HEAD ") else body))
    return answer


def check(site):
    return subprocess.run([SLUICE, "check", site.manifests.root], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30, text=True).stdout


def secured(site, host="app.example"):
    cert, key = certificate(host)
    site.manifests.write("secret.yaml", tls_secret("app-tls", cert, key))
    return [([host], "app-tls")]


# ---- hide-headers

def test_what_is_hidden_is_the_pods_and_not_ours(site):
    """An option that hides what pods say leaves what we say: where to go, who may come, what a page is."""
    pod = site.scripted(pod_with("X-Secret: 1", "x-secret: 2", "X-Seen: 1", "Location: /pod", "Content-Type: text/x", "Content-Length: 2"))
    site.app("app.example", pod.address)
    site.app("away.example", pod.address, name="away", annotations={"permanent-redirect": "http://z.example/"})
    site.app("users.example", pod.address, name="users", annotations={"auth-type": "basic", "auth-secret": "users", "ssl-redirect": "false"},
             tls=secured(site, "users.example"))
    site.manifests.write("secret-users.yaml", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "users"}, "stringData": {"auth": "u:{PLAIN}p\n"}})
    site.app("empty.example", [], name="empty")
    sluice = site.sluice(options={"hide-headers": "x-secret,Location,WWW-Authenticate,Content-Type"})
    a = ask(sluice)
    assert [a.get(n) for n in ("x-secret", "x-seen", "location", "content-type")] == [None, "1", None, None]
    a = ask(sluice, host="away.example")
    assert (a.status, a.get("location")) == (301, "http://z.example/") and a.get("content-type")
    a = ask(sluice, host="users.example")
    assert a.status == 401 and a.get("www-authenticate").startswith("Basic") and a.get("content-type")
    assert ask(sluice, host="empty.example").get("content-type")
    with Http2(sluice.https, sni="users.example") as c:
        a = c.done(c.request("/", "users.example"))
        assert a.status == 401 and a.get("www-authenticate").startswith("Basic") and a.get("content-type")
        a = c.done(c.request("/", "users.example", fields=[("authorization", "Basic dTpw")]))
        assert [a.get(n) for n in ("x-secret", "x-seen", "location", "content-type")] == [None, "1", None, None]


# ---- custom-headers

def test_in_place_of_what_the_pod_says(site):
    pod = site.scripted(pod_with("X-Ours: pod", "x-ours: pod too", "X-Frame-Options: ALLOWALL", "X-Pod: 1", "Content-Type: text/html", "Content-Length: 2"))
    put(site, {"X-Ours": "$host costs $5", "X-Frame-Options": "DENY", "Content-Type": "text/css"})
    site.app("app.example", pod.address, annotations=MINE)
    sluice = site.sluice(options=ALLOWED)
    for method in ("GET", "HEAD"):
        a = ask(sluice, method=method)
        assert a.status == 200 and a.all("X-Ours") == ["$host costs $5"] and a.all("X-Frame-Options") == ["DENY"]
        assert a.all("Content-Type") == ["text/css"] and a.get("X-Pod") == "1" and a.get("Content-Length") == "2"


@pytest.mark.parametrize("status,lines,body", [(204, [], b""), (304, ['ETag: "1"', "Content-Length: 9"], b""), (404, ["Content-Length: 2"], b"no"),
                                               (500, ["Transfer-Encoding: chunked"], b"1\r\nx\r\n0\r\n\r\n")])
def test_whatever_the_status(site, status, lines, body):
    pod = site.scripted(pod_with("X-Ours: pod", *lines, status=f"{status} Any", body=body))
    put(site, {"X-Ours": "ours"})
    site.app("app.example", pod.address, annotations=MINE)
    a = ask(site.sluice(options=ALLOWED))
    assert a.status == status and a.all("X-Ours") == ["ours"]
    assert a.get("Content-Length") == next((l.split(": ")[1] for l in lines if "Length" in l), None)


def test_what_is_answered_here_for_its_paths_and_not_for_others(site):
    put(site, {"X-Ours": "ours", "Content-Type": "text/css"})
    site.app("app.example", [], annotations=MINE, paths=[("/web", "Prefix")])
    site.app("to.example", [], annotations={**MINE, "permanent-redirect": "https://x.example/"})
    sluice = site.sluice(options=ALLOWED)
    a = ask(sluice, "/web")
    assert a.status == 503 and a.get("X-Ours") == "ours" and a.all("Content-Type") == ["text/css"]
    a = ask(sluice, host="to.example")
    assert a.status == 301 and a.get("X-Ours") == "ours" and a.get("Location") == "https://x.example/"
    a = ask(sluice, "/other")
    assert a.status == 404 and a.get("X-Ours") == "ours", "the / that a host has by itself is its oldest Ingress's, as in ingress-nginx"
    a = ask(sluice, host="nobody.example")
    assert a.status == 404 and a.get("X-Ours") is None, "the default backend is not the location's"


def test_with_a_switch_and_not_with_interim_responses(site):
    sluice, _ = custom(site, {"X-Ours": "ours"})
    with sluice.raw() as c:
        a = c.get("/?interim=103", "app.example")
        assert a.status == 200 and [i.status for i in a.interim] == [103] and a.interim[0].get("X-Ours") is None and a.get("X-Ours") == "ours"
        a = c.get("/", "app.example", headers=["Connection: upgrade", "Upgrade: tcp"])
        assert a.status == 101 and a.get("X-Ours") == "ours" and a.get("Upgrade") == "tcp" and a.all("Connection") == ["upgrade"]
        assert c.send("ping").read_exactly(4) == b"ping"


def test_over_h2_with_hsts_and_cors(site):
    put(site, {"X-Ours": "ours", "Strict-Transport-Security": "max-age=1", "Access-Control-Max-Age": "1"})
    site.app("app.example", site.pod().address, annotations={**MINE, "enable-cors": "true"}, tls=secured(site))
    site.app("plain.example", site.pod().address, annotations={**MINE, "ssl-redirect": "false"})
    sluice = site.sluice(options=ALLOWED)
    with Http2(sluice.https, sni="app.example") as c:
        a = c.done(c.request("/"))
        names = [n for n, _ in a.headers]
        assert a.status == 200 and a.get("x-ours") == "ours" and len(names) == len(set(names)) and all(n == n.lower() for n in names)
        assert a.get("strict-transport-security") == "max-age=1" and a.get("access-control-max-age") == "1728000"
        assert c.done(c.request("/", method="HEAD")).get("x-ours") == "ours"
    a = ask(sluice)
    assert a.status == 308 and a.get("X-Ours") == "ours", "the redirect to https is the location's"
    assert ask(sluice, host="plain.example").get("Access-Control-Max-Age") == "1"


def test_calls_of_grpc(site):
    put(site, {"X-Ours": "ours", "Content-Type": "text/plain"})
    pod = site.add(H2Pod(lambda pod, c: c.head(("content-type", "application/grpc"), ("x-ours", "pod"), ("grpc-status", "5"), end=True)))
    site.app(GRPC_HOST, pod.address, annotations={**MINE, "backend-protocol": "GRPC"})
    site.app("none.example", [], annotations={**MINE, "backend-protocol": "GRPC"})
    sluice = site.sluice(options={**ALLOWED, **H2C})
    _, head, body, trailers = call(sluice.http)
    assert (head["grpc-status"], head["x-ours"], body, trailers) == ("5", "ours", b"", {}) and head["content-type"] == "application/grpc"
    answer = call(sluice.http, host="none.example")
    is_reply(answer, 14)
    assert answer[1]["x-ours"] == "ours"


def test_who_names_what_is_not_allowed_is_denied(site):
    sluice, pod = custom(site, {"X-Ours": "ours", "X-Other": "1"})
    a = ask(sluice)
    assert a.status == 503 and a.get("X-Ours") is None and pod.stats()["requests"] == 0
    sluice.changed(lambda: put(site, {"X-Ours": "ours"}))
    assert ask(sluice).get("X-Ours") == "ours"
    sluice.changed(lambda: put(site, {"x-OURS": "again"}))
    assert ask(sluice).all("X-Ours") == ["again"]
    for data in ({"X-Ours": "a\r\nX-Other: b"}, {"X-Ours": ""}, {"X-Ours": "\u00e9"}, {"Connection": "close"}, {f"X-Ours{i}": "" for i in range(65)}):
        sluice.changed(lambda: put(site, data))
        assert ask(sluice).status == 503, data
        sluice.changed(lambda: put(site, {"X-Ours": "ours"}))
        assert ask(sluice).status == 200
    sluice.changed(lambda: site.manifests.remove("default-mine.yaml"))
    assert ask(sluice).status == 503
    sluice.changed(lambda: put(site, {"X-Ours": "back"}))
    assert ask(sluice).get("X-Ours") == "back"


def test_of_another_namespace(site):
    put(site, {"X-Ours": "theirs"}, ns="other")
    site.app("app.example", site.pod().address, annotations={"custom-headers": "other/mine"})
    sluice = site.sluice(options=ALLOWED)
    assert ask(sluice).status == 503
    assert "expected a ConfigMap of the Ingress's namespace, not of other, as allow-cross-namespace-resources is false" in check(site)
    sluice.stop()
    assert ask(site.sluice(options={**ALLOWED, "allow-cross-namespace-resources": "true"})).get("X-Ours") == "theirs"


# ---- add-headers

def test_all_responses_have_them(site):
    sluice, _ = optioned(site, "add-headers", {"X-Added": "$host $request_method $arg_a $uri", "X-Frame-Options": "DENY"})
    a = ask(sluice, "/x?a=1")
    assert a.get("X-Added") == "app.example GET 1 /x" and a.get("X-Frame-Options") == "DENY"
    a = ask(sluice, "/none?a=2", host="Nobody.example")
    assert a.status == 404 and a.get("X-Added") == "nobody.example GET 2 /none"
    with sluice.raw() as c:
        a = c.send(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").answer()
        assert a.status == 400 and a.get("X-Frame-Options") == "DENY"
    # Nothing of the client's ends a field.
    a = ask(sluice, "/%0d%0aX-Evil:1?a=%0d%0aX-Evil:1")
    assert a.get("X-Evil") is None and a.get("X-Added") == "app.example GET %0d%0aX-Evil:1 /%0D%0AX-Evil:1"


def test_a_head_that_cannot_be_read_has_a_connection_all_the_same(site):
    put(site, {"X-Peer": "$remote_addr $pass_port $server_port $pass_access_scheme $scheme", "X-Request": "<$request>", "X-Host": "<$best_http_host>"})
    site.app("app.example", site.pod().address, tls=secured(site))
    sluice = site.sluice(options={"add-headers": "default/mine"})
    http, https = (address.rsplit(":")[1] for address in (sluice.http, sluice.https))
    for tls, port, scheme, said in ((None, http, "http", http), ("app.example", https, "https", 443)):
        for head, status in ((b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400), (b"?\r\n\r\n", 400), (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", 431)):
            with (sluice.tls(tls) if tls else sluice.raw()) as c:
                a = c.send(head).answer()
            assert a.status == status and a.get("X-Peer") == f"127.0.0.1 {said} {port} {scheme} {scheme}", a.headers
            if status == 400 and head.startswith(b"?"):
                assert a.get("X-Request") == "<>"


def test_routes_and_cors_come_before_them_and_hsts_behind(site):
    put(site, {"X-Ours": "route"})
    put(site, {"x-ours": "all", "Access-Control-Allow-Origin": "null", "Strict-Transport-Security": "max-age=1", "Server": "mine"}, name="all")
    site.app("app.example", site.pod().address, annotations={**MINE, "enable-cors": "true"}, tls=secured(site))
    site.app("plain.example", site.pod().address)
    sluice = site.sluice(options={**ALLOWED, "add-headers": "default/all", "server-tokens": "true"})
    with Http2(sluice.https, sni="app.example") as c:
        h = dict(a := c.done(c.request("/")).headers)
        assert len(h) == len(a)
        assert (h["x-ours"], h["access-control-allow-origin"], h["strict-transport-security"], h["server"]) == ("route", "*", "max-age=1", "mine")
    a = ask(sluice, host="plain.example")
    assert (a.all("X-Ours"), a.all("Access-Control-Allow-Origin"), a.all("Server")) == (["all"], ["null"], ["mine"])


def test_they_read_what_the_pod_sent_and_what_is_sent(site):
    site.app("app.example", site.scripted(pod_with("Content-Type: text/csv", "Content-Length: 2")).address)
    put(site, {"X-Copy": "$upstream_http_content_type", "X-Sent": "$status $sent_http_location$sent_http_x_copy"})
    sluice = site.sluice(options={"add-headers": "default/mine"})
    a = ask(sluice)
    assert a.get("X-Copy") == "text/csv" and a.get("X-Sent") == "200 text/csv"
    with Http2(sluice.https, sni="app.example") as c:
        assert c.done(c.request("/")).get("x-copy") == "text/csv"
    a = ask(sluice, "/none", host="nobody.example")
    assert a.status == 404 and a.get("X-Copy") is None and a.get("X-Sent") == "404"


def test_an_empty_one_removes(site):
    put(site, {"X-Pod": "", "Strict-Transport-Security": "", "X-Arg": "$arg_a"})
    site.app("app.example", site.pod().address, tls=secured(site))
    sluice = site.sluice(options={"add-headers": "default/mine"})
    with Http2(sluice.https, sni="app.example") as c:
        h = dict(c.done(c.request("/")).headers)
        assert not {"x-pod", "strict-transport-security", "x-arg"} & set(h)
        assert c.done(c.request("/?a=1")).get("x-arg") == "1"


@pytest.mark.parametrize("value,sent", [("", []), ("$http_x_none", []), ("mine", ["mine"])])
def test_what_is_written_here_gives_way(site, value, sent):
    put(site, {"Server": value, "Via": value})
    site.app("app.example", site.pod().address, tls=secured(site))
    sluice = site.sluice(options={"add-headers": "default/mine", "server-tokens": "true", "via": "true", "ssl-redirect": "false"})
    for path, host, status in (("/", "app.example", 200), ("/none", "nobody.example", 404)):
        a = ask(sluice, path, host=host)
        assert a.status == status and a.all("Server") == sent and a.all("Via") == sent
    with Http2(sluice.https, sni="app.example") as c:
        h = c.done(c.request("/")).headers
        assert [v for n, v in h if n == "server"] == [v for n, v in h if n == "via"] == sent


def test_no_blank_begins_or_ends_a_value(site):
    """HTTP/2 takes such a message for malformed."""
    put(site, {"X-Uri": "$uri", "X-Pair": "$remote_addr $http_x_in", "X-Blank": "$http_x_in $http_x_in", "X-Pod": "$http_x_in $http_x_in"})
    put(site, {"X-Uri": "$uri", "X-Pair": "$remote_addr $http_x_in", "X-Client": "$http_x_in $http_x_in"}, name="pods")
    pod = site.add(H2Pod(lambda pod, c: c.head(("x-pod", "h2")).data(b"ok", end=True)))
    site.app("app.example", pod.address, annotations={"backend-protocol": "GRPC"}, tls=secured(site))
    sluice = site.sluice(options={"add-headers": "default/mine", "proxy-set-headers": "default/pods"})
    with Http2(sluice.https, sni="app.example") as c:
        a = c.done(c.request("/x%20", fields=[("x-client", "theirs")]))
    assert a.status == 200 and a.get("x-uri") == "/x" and a.get("x-pair") == "127.0.0.1" and not {"x-blank", "x-pod"} & set(dict(a.headers))
    got = pod.calls[-1]
    assert got.get("x-uri") == "/x" and got.get("x-pair") == "127.0.0.1" and got.get("x-client") is None


def test_what_is_not_set_is_said_and_the_rest_is(site):
    data = {"X-Good": "1", "Content-Length": "5", "Transfer-Encoding": "chunked", "X-Bad": "a\r\nX-Evil: 1", "X-Unknown": "$nobody", "Grpc-Status": "0"}
    sluice, _ = optioned(site, "add-headers", data)
    a = ask(sluice)
    assert a.get("X-Good") == "1" and not {"X-Evil", "X-Bad", "X-Unknown", "Grpc-Status"} & {n for n, _ in a.headers} and len(a.body) == 16
    site.manifests.write("options.yaml", config_map({"add-headers": "default/mine"}))
    said = check(site)
    for line in ("ConfigMap default/mine: warning InvalidHeader field=data[X-Unknown] value=\"$nobody\" expected variables of docs/variables.md, which $nobody is not; it is not set",
                 "field=data[Content-Length] value=\"5\" expected a header that is not of the connection or of the framing of its messages; it is not set",
                 "field=data[X-Bad] value=\"a??X-Evil: 1\" expected a value without control characters; it is not set"):
        assert line in said, said
    site.manifests.remove("default-mine.yaml")
    assert 'MissingConfigMap field=data[add-headers] value="default/mine" expected a ConfigMap that exists; no header is set by it' in check(site)


@pytest.mark.parametrize("by_map", [True, False], ids=["option of the ConfigMap", "flag"])
def test_live_at_once(site, by_map):
    """Both ConfigMaps: the one of the options, and the one that it names."""
    if by_map:
        site.manifests.write("options.yaml", config_map({"add-headers": "default/mine", "proxy-set-headers": "default/mine"}))
    sluice, pod = site.simple(options={} if by_map else {"add-headers": "default/mine", "proxy-set-headers": "default/mine"})
    assert ask(sluice).get("X-Added") is None
    for value in ("one", "two", None, "three"):
        sluice.changed(lambda: put(site, {"X-Added": value} if value else {}))
        a = ask(sluice)
        assert a.get("X-Added") == value and dict(pod.last_headers()[1]).get("X-Added") == value
    sluice.changed(lambda: site.manifests.remove("default-mine.yaml"))
    assert ask(sluice).get("X-Added") is None
    if by_map:
        sluice.changed(lambda: put(site, {"X-Added": "four"}))
        assert ask(sluice).get("X-Added") == "four"
        sluice.changed(lambda: site.manifests.write("options.yaml", config_map({})))
        assert ask(sluice).get("X-Added") is None and "X-Added" not in dict(pod.last_headers()[1])


# ---- proxy-set-headers

def values(pod):
    out = {}
    for name, value in pod.last_headers()[1]:
        out.setdefault(name.lower(), []).append(value)
    return out


def test_pods_get_them_in_place_of_the_clients_and_ours(site):
    data = {"X-Mine": "$request_method $http_x_client", "Host": "inner.$host", "X-Real-IP": "192.0.2.1", "accept-encoding": "", "X-Scheme": "", "X-Client": "ours",
            "X-Forwarded-For": "$http_x_forwarded_for, $remote_addr"}
    sluice, pod = optioned(site, "proxy-set-headers", data)
    a = ask(sluice, headers=["Accept-Encoding: gzip", "x-client: theirs", "X-Client: too", "X-Other: 1", "X-Forwarded-For: 198.51.100.1"])
    v = values(pod)
    assert a.status == 200 and a.get("X-Mine") is None
    assert v["x-mine"] == ["GET theirs, too"] and v["host"] == ["inner.app.example"] and v["x-real-ip"] == ["192.0.2.1"] and v["x-client"] == ["ours"]
    assert v["x-forwarded-for"] == ["198.51.100.1, 127.0.0.1"] and v["x-other"] == ["1"] and not {"accept-encoding", "x-scheme"} & set(v)
    # Nothing of the client's ends a field; nothing that is no host becomes one.
    ask(sluice, headers=["X-Client: a\x0bb"])
    assert ask(sluice, host="[::1]:80").status == 404


def test_a_host_that_is_none_is_400(site):
    sluice, pod = optioned(site, "proxy-set-headers", {"Host": "$arg_name"})
    assert ask(sluice, "/?name=inner.example").status == 200 and values(pod)["host"] == ["inner.example"]
    assert ask(sluice, "/?name=a%2Fb").status == ask(sluice, "/?name=a@b/").status == ask(sluice).status == 400


def test_annotations_of_the_same_names_give_way(site):
    put(site, {"Host": "all.example", "X-Forwarded-Prefix": "/all"})
    pod = site.pod()
    site.app("app.example", pod.address, annotations={"upstream-vhost": "one.example", "rewrite-target": "/$1", "x-forwarded-prefix": "/one", "use-regex": "true"}, paths=[("/a/(.*)", "ImplementationSpecific")])
    sluice = site.sluice(options={"proxy-set-headers": "default/mine"})
    assert ask(sluice, "/a/b").status == 200
    assert pod.last_headers()[0].split(" ")[1] == "/b" and values(pod)["host"] == ["all.example"] and values(pod)["x-forwarded-prefix"] == ["/all"]


def test_pods_of_http2_get_them_and_their_framing_stays(site):
    data = {"X-Mine": "$host", "Host": "inner.example", "TE": "gzip", "Connection": "close", "Content-Length": "0", "Transfer-Encoding": "chunked", "Expect": "100-continue",
            "Proxy": "x", "CDN-Loop": "x", **{f"X-{i}": str(i) for i in range(60)}}
    put(site, data)
    pod = site.add(H2Pod(lambda pod, c: c.head(("x-pod", "h2")).data(c.body, end=True)))
    site.app("app.example", pod.address, annotations={"backend-protocol": "GRPC"})
    sluice = site.sluice(options={"proxy-set-headers": "default/mine"})
    with sluice.raw() as c:
        a = c.get("/", "app.example", "POST", ["TE: trailers"], b"body")
    got = pod.calls[-1]
    assert a.body == b"body" and got.get(":authority") == "inner.example" and got.get("x-mine") == "app.example" and got.get("x-59") == "59"
    assert got.get("te") == "trailers" and got.get("content-length") == "4"
    assert not {"host", "connection", "transfer-encoding", "expect", "proxy"} & {n for n, _ in got.headers} and "x" not in (got.get("cdn-loop") or "").split(", ")


def test_what_cannot_be_set_takes_the_clients_away(site):
    """A mistake in what protects a pod must not open it."""
    sluice, pod = optioned(site, "proxy-set-headers", {"X-User": "$nope", "X-Role": "a\tb", "X-Big": "x" * 17000, "X-Good": "1", "Connection": "$nope"})
    assert ask(sluice, headers=["X-User: admin", "X-Role: admin", "x-big: 1", "X-Good: 2", "X-Free: 3"]).status == 200
    v = values(pod)
    assert not {"x-user", "x-role", "x-big"} & set(v) and v["x-good"] == ["1"] and v["x-free"] == ["3"]
    site.manifests.write("options.yaml", config_map({"proxy-set-headers": "default/mine"}))
    said = check(site)
    assert "field=data[X-User] value=\"$nope\" expected variables of docs/variables.md, which $nope is not; it is not set, and the client's is taken away" in said, said


def test_the_handshake_of_a_websocket_is_not_theirs(site):
    """Whatever a ConfigMap says of it: the key and its answer are agreed on by both ends."""
    names = ("Key", "Accept", "Extensions", "Version", "Protocol")
    for value, name in (("", "none"), ("x", "all")):
        put(site, {f"Sec-WebSocket-{n}": value for n in names}, name=name)
    got = []

    def pod(sock, _):
        got.append(dict(line.split(": ", 1) for line in read_request(sock)[0].split("\r\n")[1:] if line))
        sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: yes\r\nSec-WebSocket-Protocol: chat\r\n\r\n")
    site.app("app.example", site.scripted(pod).address)
    for name in ("none", "all"):
        sluice = site.sluice(options={"add-headers": f"default/{name}", "proxy-set-headers": f"default/{name}"})
        with sluice.raw() as c:
            a = c.get("/", "app.example", headers=["Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: chat"])
        assert a.status == 101 and a.all("Sec-WebSocket-Accept") == ["yes"] and a.all("Sec-WebSocket-Protocol") == ["chat"] and a.get("Sec-WebSocket-Key") is None
        assert {n: v for n, v in got[-1].items() if n.startswith("Sec-")} == {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Protocol": "chat"}
        sluice.stop()


TRAILERS = {"x-user": "evil", "x_user": "evil", "x-gone": "evil", "x-free": "yes"}


@pytest.mark.parametrize("buffering", ["on", "off"])
def test_trailers_do_not_go_round_them(site, buffering):
    pod = Keeps(site)
    put(site, {"X-User": "ours", "X-Gone": ""})
    site.app("app.example", pod.address, annotations={"proxy-request-buffering": buffering}, tls=secured(site))
    sluice = site.sluice(options={"proxy-set-headers": "default/mine", "ssl-redirect": "false"})
    with sluice.raw() as c:
        c.send("POST / HTTP/1.1\r\nHost: app.example\r\nTransfer-Encoding: chunked\r\nTrailer: x-user\r\n\r\n2\r\nab\r\n0\r\n"
               + "".join(f"{n}: {v}\r\n" for n, v in TRAILERS.items()) + "\r\n")
        assert c.answer().status == 200
    with Http2(sluice.https, sni="app.example") as c:
        assert c.done(c.request("/", method="POST", body=b"ab", fields=[("trailer", "x-user")], trailers=list(TRAILERS.items()))).status == 200
    assert len(pod.got) == 2
    for head, rest, _ in pod.got:
        assert "\r\nX-User: ours\r\n" in head and b"evil" not in rest and rest.lower().endswith(b"0\r\nx-free: yes\r\n\r\n"), rest


def test_trailers_do_not_go_round_them_to_pods_of_http2(site):
    put(site, {"X-User": "ours", "X-Gone": ""})
    pod = site.add(H2Pod(lambda pod, c: c.head(end=True)))
    site.app("app.example", pod.address, annotations={"backend-protocol": "GRPC"}, tls=secured(site))
    sluice = site.sluice(options={"proxy-set-headers": "default/mine"})
    with Http2(sluice.https, sni="app.example") as c:
        assert c.done(c.request("/", method="POST", body=b"ab", trailers=list(TRAILERS.items()))).status == 200
    assert dict(pod.calls[-1].trailers) == {"x-free": "yes"} and pod.calls[-1].get("x-user") == "ours"


def test_with_an_upgrade(site):
    sluice, pod = optioned(site, "proxy-set-headers", {"X-Mine": "1", "Upgrade": "h2c", "Connection": "keep-alive"})
    with sluice.raw() as c:
        a = c.get("/", "app.example", headers=["Connection: upgrade", "Upgrade: tcp"])
        assert a.status == 101 and c.send("ping").read_exactly(4) == b"ping"
    v = values(pod)
    assert v["x-mine"] == ["1"] and v["upgrade"] == ["tcp"] and v["connection"] == ["upgrade"]


def test_explain_tells_what_is_removed_and_what_others_get(site):
    put(site, {"X-All": "$host", "X-Gone": "", "Server": "$arg_none"}, name="all")
    put(site, {"Accept": "", "X-Wrong": "$nope"}, name="pods")
    site.app("app.example", site.pod().address)
    site.manifests.write("options.yaml", config_map({"add-headers": "default/all", "proxy-set-headers": "default/pods"}))

    def explain(url, *args):
        return subprocess.run([SLUICE, "explain", site.manifests.root, "GET", url, *args], stdout=subprocess.PIPE, timeout=30, text=True).stdout
    said = explain("http://app.example/")
    for text in ("  with X-All: app.example\n", "  without X-Gone\n", "  without Server\n", "    without Accept\n", "    without X-Wrong\n"):
        assert text in said, said
    for url in ("http://nobody.example/", "http://app.example/../.."):
        fields = json.loads(explain(url, "--json"))["answer"]["fields"]
        assert f"X-All: {url.split('/')[2]}" in fields and "X-Gone: " in fields, fields


def test_explain_tells_all_of_them(site):
    put(site, {"X-Ours": "costs $5"})
    put(site, {"X-All": "$host"}, name="all")
    put(site, {"X-Pods": "$arg_a", "Accept": ""}, name="pods")
    site.app("app.example", site.pod().address, annotations=MINE)
    site.manifests.write("options.yaml", config_map({**ALLOWED, "add-headers": "default/all", "proxy-set-headers": "default/pods"}))
    r = subprocess.run([SLUICE, "explain", site.manifests.root, "GET", "http://app.example/?a=1"], stdout=subprocess.PIPE, timeout=30, text=True)
    for text in ("X-Ours: costs $5", "X-All: app.example", "X-Pods: 1", "default/mine", "default/pods"):
        assert text in r.stdout, r.stdout
    r = subprocess.run([SLUICE, "explain", site.manifests.root, "GET", "http://app.example/?a=1", "--json"], stdout=subprocess.PIPE, timeout=30, text=True)
    assert {"X-Ours: costs $5", "X-All: app.example"} <= set(json.loads(r.stdout)["answer"]["fields"])
