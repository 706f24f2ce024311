"""What reaches a pod in the head of a request, and whom we believe."""
import re

import pytest

from harness import certificate, config_map, http_get, read_request, tls_secret


def fields(pod):
    return pod.last_headers()[1]


def values(pod):
    out = {}
    for n, v in fields(pod):
        out.setdefault(n.lower(), []).append(v)
    return out


def test_fields_set_upstream(site):
    sluice, pod = site.simple()
    assert sluice.get("/a?b=c", "app.example:8080", headers={"User-Agent": "ua", "Accept": "*/*"}).status == 200
    v = values(pod)
    port = sluice.http.rsplit(":", 1)[1]
    assert v["host"] == ["app.example:8080"]
    assert v["x-real-ip"] == ["127.0.0.1"] and v["x-forwarded-for"] == ["127.0.0.1"]
    assert v["x-forwarded-host"] == ["app.example:8080"]
    assert v["x-forwarded-proto"] == ["http"] and v["x-forwarded-scheme"] == ["http"] and v["x-scheme"] == ["http"]
    assert v["x-forwarded-port"] == [port]
    assert re.fullmatch("[0-9a-f]{32}", v["x-request-id"][0])
    assert v["user-agent"] == ["ua"] and "connection" not in v and "via" not in v and "proxy" not in v
    assert all(len(x) == 1 for x in v.values()), v


def test_order_of_fields(site):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        c.get("/", "app.example", headers=["User-Agent: ua", "X-B: 1", "X-A: 2", "Accept: */*"])
    names = [n for n, _ in fields(pod)]
    assert names[0] == "Host"
    ours = ["X-Request-ID", "X-Real-IP", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto", "X-Forwarded-Scheme", "X-Scheme"]
    assert [n for n in names if n in ours] == ours
    assert [n for n in names if n in ("User-Agent", "X-B", "X-A", "Accept")] == ["User-Agent", "X-B", "X-A", "Accept"]


def test_request_id_of_the_client_is_kept(site):
    sluice, pod = site.simple()
    sluice.get("/", "app.example", headers={"X-Request-ID": "mine-1"})
    assert values(pod)["x-request-id"] == ["mine-1"]


def test_request_id_off(site):
    sluice, pod = site.simple(options={"generate-request-id": "false"})
    sluice.get("/", "app.example")
    assert "x-request-id" not in values(pod) or values(pod)["x-request-id"] == [""]


def test_over_tls(site):
    cert, key = certificate("app.example")
    pod = site.pod()
    site.manifests.write("secret.yaml", tls_secret("app-tls", cert, key))
    site.app("app.example", pod.address, tls=[(["app.example"], "app-tls")])
    sluice = site.sluice()
    with sluice.tls("app.example") as c:
        assert c.get("/", "app.example").status == 200
    v = values(pod)
    assert v["x-forwarded-proto"] == ["https"] and v["x-scheme"] == ["https"] and v["x-forwarded-scheme"] == ["https"]
    assert v["x-forwarded-port"] == ["443"]


def test_incoming_forwarding_fields_are_replaced_and_kept_as_original(site):
    sluice, pod = site.simple()
    sluice.get("/", "app.example", headers={"X-Forwarded-For": "9.9.9.9, 8.8.8.8", "X-Forwarded-Host": "other", "X-Forwarded-Proto": "https", "Forwarded": "for=6.6.6.6"})
    v = values(pod)
    assert v["x-forwarded-for"] == ["127.0.0.1"] and v["x-forwarded-proto"] == ["http"] and v["x-forwarded-host"] == ["app.example"]
    assert v["x-original-forwarded-for"] == ["9.9.9.9, 8.8.8.8"]


def test_trusted_proxy(site):
    sluice, pod = site.simple(options={"use-forwarded-headers": "true", "proxy-real-ip-cidr": "127.0.0.0/8"})
    sluice.get("/", "app.example", headers={"X-Forwarded-For": "9.9.9.9", "X-Forwarded-Host": "public.example", "X-Forwarded-Proto": "https", "X-Forwarded-Port": "444"})
    v = values(pod)
    assert v["x-real-ip"] == ["9.9.9.9"] and v["x-forwarded-for"] == ["9.9.9.9"]
    assert v["x-forwarded-proto"] == ["https"] and v["x-forwarded-host"] == ["public.example"]
    assert v["x-forwarded-port"] == ["444"]


def test_real_ip_walks_over_trusted_hops(site):
    sluice, pod = site.simple(options={"use-forwarded-headers": "true", "proxy-real-ip-cidr": "127.0.0.0/8,10.0.0.0/8"})
    sluice.get("/", "app.example", headers={"X-Forwarded-For": "6.6.6.6, 9.9.9.9, 10.1.2.3"})
    assert values(pod)["x-real-ip"] == ["9.9.9.9"]


def test_untrusted_proxy(site):
    sluice, pod = site.simple(options={"use-forwarded-headers": "true", "proxy-real-ip-cidr": "10.0.0.0/8"})
    sluice.get("/", "app.example", headers={"X-Forwarded-For": "9.9.9.9"})
    assert values(pod)["x-real-ip"] == ["127.0.0.1"]


def test_full_forwarded_for(site):
    sluice, pod = site.simple(options={"use-forwarded-headers": "true", "compute-full-forwarded-for": "true", "proxy-real-ip-cidr": "127.0.0.0/8"})
    sluice.get("/", "app.example", headers={"X-Forwarded-For": "9.9.9.9"})
    got = [x.strip() for x in values(pod)["x-forwarded-for"][0].split(",")]
    assert got[0] == "9.9.9.9" and len(got) == 2, got


def test_real_ip_appears_in_the_access_log(site):
    sluice, pod = site.simple(options={"use-forwarded-headers": "true", "proxy-real-ip-cidr": "127.0.0.0/8"})
    sluice.get("/who", "app.example", headers={"X-Forwarded-For": "9.9.9.9"})
    sluice.wait_access(r"^9\.9\.9\.9 - - \[.*GET /who")


def test_underscores_when_allowed(site):
    sluice, pod = site.simple(options={"enable-underscores-in-headers": "true"})
    sluice.get("/", "app.example", headers={"X_A": "1"})
    assert values(pod)["x_a"] == ["1"]


def test_via(site):
    sluice, pod = site.simple(options={"via": "true"})
    a = sluice.get("/", "app.example")
    assert values(pod)["via"] == ["1.1 sluice"] and a.get("via") == "1.1 sluice"


def test_original_uri(site):
    sluice, pod = site.simple(options={"proxy-add-original-uri-header": "true"})
    sluice.get("/a?b=c", "app.example")
    assert values(pod)["x-original-uri"] == ["/a?b=c"]


def test_cookies_and_repeated_fields_pass(site):
    sluice, pod = site.simple()
    with sluice.raw() as c:
        c.get("/", "app.example", headers=["Cookie: a=b", "X-R: 1", "X-R: 2", "Cookie: c=d", "Accept-Encoding: gzip"])
    v = values(pod)
    assert v["x-r"] == ["1", "2"] and v["accept-encoding"] == ["gzip"]
    assert "; ".join(v["cookie"]) == "a=b; c=d"


def test_response_fields_pass_as_they_are(site):
    sluice, pod = site.simple()
    a = sluice.get("/?h=Set-Cookie%3A%20a=b%3B%20Path=/", "app.example")
    assert a.get("set-cookie") == "a=b; Path=/"
    assert a.get("x-pod") == "pod"


TRUSTED = {"use-forwarded-headers": "true", "proxy-real-ip-cidr": "127.0.0.0/8"}


@pytest.mark.parametrize("value, host", [
    ("public.example", "public.example"), ("public.example:8443", "public.example:8443"), ("one.example, two.example", "one.example"),
    (", two.example", "two.example"), ("[::1]:8080", "[::1]:8080"),
    ("a b", None), ("a@b.example", None), ("a.example/x", None), ("a.example#f", None), ("[::1", None), ("a.example:port", None),
    ("a\tb", None), ("\xe4.example", None), ("x" * 300, None), (",", None)])
def test_a_forwarded_host_is_a_host_or_is_not_used(site, value, host):
    sluice, pod = site.simple(options=TRUSTED)
    with sluice.raw() as c:
        assert c.get("/", "app.example", headers=[f"X-Forwarded-Host: {value}"]).status == 200
    v = values(pod)
    assert v["host"] == [host or "app.example"] and v["x-forwarded-host"] == [host or "app.example"]


@pytest.mark.parametrize("value, port", [("444", "444"), ("444, 80", "444"), ("0", None), ("0443", None), ("65536", None), ("a b", None), ("4" * 300, None)])
def test_a_forwarded_port_is_a_port_or_is_not_used(site, value, port):
    sluice, pod = site.simple(options=TRUSTED)
    with sluice.raw() as c:
        assert c.get("/", "app.example", headers=[f"X-Forwarded-Port: {value}"]).status == 200
    assert values(pod)["x-forwarded-port"] == [port or sluice.http.rsplit(":", 1)[1]]


@pytest.mark.parametrize("fields, status, scheme", [
    (["http"], 308, None), (["https"], 200, "https"), (["https, http"], 200, "https"), (["https,http"], 200, "https"), (["http,https"], 200, "http"),
    (["http", "https"], 200, "http"), (["https", "http"], 200, "https"), (["HTTP"], 200, "http"), (["wss"], 200, "https"), (["ws"], 200, "http"),
    (["ftp"], 200, "http"), (["a b"], 200, "http"), (["x" * 300], 200, "http"), ([], 308, None)])
def test_no_forwarded_scheme_makes_a_redirect_loop(site, fields, status, scheme):
    """Only "http" and nothing else leads to https, as in ingress-nginx; a pod hears of http or https."""
    sluice, pod = site.simple(options=TRUSTED, annotations={"force-ssl-redirect": "true"})
    with sluice.raw() as c:
        a = c.get("/x", "app.example", headers=[f"X-Forwarded-Proto: {f}" for f in fields])
    assert a.status == status
    if scheme:
        v = values(pod)
        assert v["x-forwarded-proto"] == v["x-scheme"] == v["x-forwarded-scheme"] == [scheme]
    else:
        assert a.get("location") == "https://app.example/x"


@pytest.mark.parametrize("host, location", [("b.example:8443", "https://b.example/x"), ("[::1]", "https://[::1]/x"), ("[::1]:80", "https://[::1]/x"),
                                            ("a b", "https://app.example/x"), ("evil.example/", "https://app.example/x")])
def test_a_redirect_leads_to_a_forwarded_host_only_if_it_is_one(site, host, location):
    sluice, _ = site.simple(options=TRUSTED, annotations={"force-ssl-redirect": "true"})
    with sluice.raw() as c:
        assert c.get("/x", "app.example", headers=[f"X-Forwarded-Host: {host}"]).get("location") == location


def test_a_redirect_keeps_an_address_in_brackets(site):
    site.app("", site.pod().address, name="any", annotations={"force-ssl-redirect": "true"})
    sluice = site.sluice()
    with sluice.raw() as c:
        assert c.get("/x", "[::1]:8080").get("location") == "https://[::1]/x"


@pytest.mark.parametrize("ranges", ["10.0.0.0/8,\n192.168.0.0/16\n", "10.0.0.0/8,bogus", "bogus", ""])
def test_whoever_is_not_in_the_list_of_proxies_is_not_believed(site, ranges):
    """However the list is written, and whatever of it cannot be read."""
    pod = site.pod()
    site.app("app.example", pod.address)
    site.manifests.write("options.yaml", config_map({"use-forwarded-headers": "true", "proxy-real-ip-cidr": ranges}))
    sluice = site.sluice()
    with sluice.raw() as c:
        assert c.get("/", "app.example", headers=["X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil.example"]).status == 200
    v = values(pod)
    assert v["x-real-ip"] == ["127.0.0.1"] and v["x-forwarded-proto"] == ["http"] and v["host"] == ["app.example"]


def test_lists_in_several_fields_are_one_list(site):
    sluice, pod = site.simple(options={**TRUSTED, "forwarded-for-header": "X-Client"})
    with sluice.raw() as c:
        assert c.get("/", "app.example", headers=["X-Client: 203.0.113.9", "X-Client: 127.0.0.1"]).status == 200
    assert values(pod)["x-real-ip"] == ["203.0.113.9"]


def test_lists_of_traces_reach_pods_in_one_line(site):
    """Of several lines some programs read the first alone (findings/tracestate-in-two-lines.sh)."""
    sluice, pod = site.simple(options={"log-format-upstream": "trace=$http_tracestate"})
    with sluice.raw() as c:
        assert c.get("/", "app.example", headers=["tracestate: ", "Tracestate: a=1", "X-Between: x", "tracestate: b=2,c=3", "baggage: k=v", "baggage: l=w"]).status == 200
        v = values(pod)
        assert (v["tracestate"], v["baggage"], v["x-between"]) == (["a=1, b=2,c=3"], ["k=v, l=w"], ["x"])
        assert c.get("/", "app.example", headers=["tracestate: a=1"]).status == 200
        v = values(pod)
        assert v["tracestate"] == ["a=1"] and "baggage" not in v
    assert sluice.wait_access("trace=").string.strip() == "trace=a=1, b=2,c=3", "variables name it once, too"


def test_upstream_vhost(site):
    """Host is another one for pods; X-Forwarded-Host stays the client's."""
    sluice, pod = site.simple(annotations={"upstream-vhost": "$service_name.${namespace}.svc:81"})
    assert sluice.get("/", "app.example", headers={"X-Forwarded-Host": "evil.example"}).status == 200
    v = values(pod)
    assert v["host"] == ["app.default.svc:81"] and v["x-forwarded-host"] == ["app.example"]


@pytest.mark.parametrize("value", ["", "a b", "a/b", "a%0d%0aX:y"])
def test_a_host_that_is_none_is_not_sent(site, value):
    sluice, pod = site.simple(annotations={"upstream-vhost": "$arg_to"})
    answer = sluice.get("/?to=" + value.replace(" ", "%20"), "app.example")
    assert answer.status == 400 and pod.last() == []
    assert sluice.get("/?to=in.example", "app.example").status == 200
    assert values(pod)["host"] == ["in.example"]


def test_forwarded_prefix(site):
    pod = site.pod()
    site.app("app.example", pod.address, annotations={"x-forwarded-prefix": "/$1", "rewrite-target": "/$2"}, paths=[("/(app)(/.*)?", "ImplementationSpecific")])
    sluice = site.sluice()
    assert sluice.get("/app/x", "app.example", headers={"X-Forwarded-Prefix": "/fake", "X-Other": "1"}).status == 200
    line, sent = pod.last_headers()
    assert line.startswith("GET //x ") and values(pod)["x-forwarded-prefix"] == ["/app"]
    names = [n for n, _ in sent]
    assert names.index("X-Forwarded-Prefix") == names.index("X-Scheme") + 1


def test_forwarded_prefix_does_nothing_without_a_rewrite(site):
    sluice, pod = site.simple(annotations={"x-forwarded-prefix": "/outer"})
    sluice.get("/app/x", "app.example", headers={"X-Forwarded-Prefix": "/fake"})
    assert values(pod)["x-forwarded-prefix"] == ["/fake"]


def test_what_comes_out_of_groups_is_one_line(site):
    pod = site.pod()
    site.app("app.example", pod.address, annotations={"x-forwarded-prefix": "$1", "rewrite-target": "/x"}, paths=[("/([^/]*)", "ImplementationSpecific")])
    sluice = site.sluice()
    assert sluice.get("/a%0d%0aX-Evil:%201", "app.example").status == 200
    v = values(pod)
    assert v["x-forwarded-prefix"] == ["a%0D%0AX-Evil: 1"] and "x-evil" not in v


@pytest.mark.parametrize("value,connections", [("close", 6), ("keep-alive", 1)])
def test_what_pods_get_as_connection(site, value, connections):
    sluice, pod = site.simple(annotations={"connection-proxy-header": value})
    for _ in range(3):
        with sluice.raw() as c:
            a = c.get("/", "app.example", headers=["Upgrade: websocket", "Connection: upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"])
            assert a.status == 200, "it is no upgrade for the pod"
            assert c.get("/", "app.example").status == 200, "the client's connection is not the pod's"
        v = values(pod)
        assert v["connection"] == [value] and "upgrade" not in v
    assert sluice.metric("sluice_upstream_connects_total") == connections


def test_http_1_0_to_pods(site):
    requests = []

    def old(sock, _):
        requests.append(read_request(sock))
        sock.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end")
    pod = site.scripted(old)
    site.app("app.example", pod.address, annotations={"proxy-http-version": "1.0"})
    sluice = site.sluice()
    with sluice.raw() as c:
        assert c.get("/", "app.example", headers=["Upgrade: h2c", "Connection: upgrade"]).body == b"until the end"
        assert c.get("/", "app.example").body == b"until the end"
    assert all(head.startswith("GET / HTTP/1.0\r\n") and "connection" not in head.lower() and "upgrade" not in head.lower() for head, _ in requests)


def test_http_1_0_by_the_option(site):
    sluice, pod = site.simple(options={"proxy-http-version": "1.0"})
    assert sluice.get("/", "app.example").status == 200
    with sluice.raw() as c:
        assert c.get("/", "app.example").status == 200
    assert sluice.metric("sluice_upstream_connects_total") == 2
