"""Which pod gets a request: load-balance, upstream-hash-by, affinity."""
import collections
import hashlib
import re
import socket
import subprocess

import pytest

from harness import SLUICE, ingress, service, slices, wait_for

COOKIE = re.compile(r"(\w+)=([^|;]+)\|([0-9a-f]{32})((?:; [^;]+)*)$")


def start(site, annotations, pods=3, options=None, **kw):
    site.pods = [site.pod(f"p{i}") for i in range(pods)]
    site.app("app.example", [p.address for p in site.pods], annotations=annotations, **kw)
    return site.sluice(options=options)


def pods_of(sluice, n, path="/", **kw):
    with sluice.raw() as c:
        return [c.get(path, "app.example", **kw).get("x-pod") for _ in range(n)]


def cookie_of(answer):
    """(name, key, id, attributes) of the one cookie that was set; None when there is none."""
    set_ = answer.all("set-cookie")
    assert len(set_) <= 1, set_
    return COOKIE.match(set_[0]).groups() if set_ else None


def sent(cookie, name="INGRESSCOOKIE"):
    return [("Cookie", f"other=1; {name}={cookie[1]}|{cookie[2]}")]


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


@pytest.mark.parametrize("by", ["annotation", "option"])
@pytest.mark.parametrize("policy", ["ewma", "least_request", "random", "prequal"])
def test_load_balance(site, policy, by):
    sluice = start(site, {"load-balance": policy} if by == "annotation" else None, options={"load-balance": policy} if by == "option" else None)
    assert set(pods_of(sluice, 60)) == {"p0", "p1", "p2"}
    assert sluice.get("/", "app.example").all("set-cookie") == []


def test_an_annotation_is_stronger_than_the_option(site):
    sluice = start(site, {"load-balance": "round_robin"}, options={"load-balance": "ewma"})
    assert collections.Counter(pods_of(sluice, 30)) == {"p0": 10, "p1": 10, "p2": 10}


def test_a_value_that_cannot_be_read_is_reported_and_the_default_counts(site):
    sluice = start(site, {"load-balance": "sticky_balanced"})
    assert collections.Counter(pods_of(sluice, 30)) == {"p0": 10, "p1": 10, "p2": 10}
    (entry,) = [e for e in sluice.config()["report"] if e["reason"] == "InvalidAnnotation"]
    assert "round_robin, ewma, least_request, random or prequal" in str(entry)


def test_least_request_goes_around_a_pod_that_is_busy(site):
    """One pod holds a request and does not answer it; all others go elsewhere."""
    held = []

    def hold(sock, number):
        held.append(sock)
        while sock.recv(65536):
            pass
    slow, quick = site.scripted(hold), site.pod("quick")
    site.app("app.example", [slow.address, quick.address], annotations={"load-balance": "least_request"})
    sluice = site.sluice()
    clients = []
    while not held:  # until one of them is at the slow pod
        c = sluice.raw()
        c.send("GET / HTTP/1.1\r\nHost: app.example\r\n\r\n")
        clients.append(c)
        wait_for(lambda: held or quick.stats()["requests"] >= len(clients), "it is at a pod")
    assert set(pods_of(sluice, 40)) == {"quick"}
    for c in clients:
        c.close()


@pytest.mark.parametrize("policy", ["ewma", "prequal"])
def test_who_goes_by_time_goes_around_a_pod_that_refuses(site, policy):
    """A pod that refuses at once would be the quickest."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        dead = "127.0.0.1:%d" % s.getsockname()[1]
        pods = [site.pod("a"), site.pod("b")]
        site.app("app.example", [dead] + [p.address for p in pods], annotations={"load-balance": policy})
        sluice = site.sluice()
        assert set(pods_of(sluice, 100)) == {"a", "b"}
    assert sluice.metric("sluice_upstream_connect_failures_total") < 10


def test_hash_by_keeps_a_key_at_its_pod(site):
    sluice = start(site, {"upstream-hash-by": "$http_x_user", "load-balance": "ewma"}, pods=4)
    at = {user: set(pods_of(sluice, 8, headers=[f"X-User: {user}"])) for user in map(str, range(40))}
    assert all(len(pods) == 1 for pods in at.values())
    assert set.union(*at.values()) == {"p0", "p1", "p2", "p3"}
    # Without a key all have their turns.
    assert collections.Counter(pods_of(sluice, 40)) == {f"p{i}": 10 for i in range(4)}
    # One leaves: its keys alone move.
    sluice.changed(lambda: site.app("app.example", [p.address for p in site.pods[:3]], annotations={"upstream-hash-by": "$http_x_user"}))
    for user, (pod,) in at.items():
        now = set(pods_of(sluice, 3, headers=[f"X-User: {user}"]))
        assert now == {pod} if pod != "p3" else now < {"p0", "p1", "p2"}


def test_hash_by_goes_on_to_another_pod_when_the_first_fails(site):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        dead = "127.0.0.1:%d" % s.getsockname()[1]
        pods = [site.pod("a"), site.pod("b")]
        site.app("app.example", [dead] + [p.address for p in pods], annotations={"upstream-hash-by": "$arg_k"})
        sluice = site.sluice()
        for k in range(30):
            seen = {sluice.get(f"/?k={k}", "app.example").get("x-pod") for _ in range(3)}
            assert len(seen) == 1 and seen < {"a", "b"}


def test_maglev_keeps_a_key_at_its_pod(site):
    maglev = {"upstream-hash-by": "$arg_k", "upstream-hash-by-policy": "maglev"}
    sluice = start(site, maglev, pods=4)
    at = {k: set(pods_of(sluice, 4, path=f"/?k={k}")) for k in range(60)}
    assert all(len(pods) == 1 for pods in at.values())
    assert set.union(*at.values()) == {"p0", "p1", "p2", "p3"}
    assert collections.Counter(pods_of(sluice, 40)) == {f"p{i}": 10 for i in range(4)}
    # It is another way than the ring, and an operator sees which one.
    done = subprocess.run([SLUICE, "explain", site.manifests.root, "GET", "http://app.example/?k=7"], capture_output=True, text=True, timeout=30)
    assert 'chosen by maglev by $arg_k, here "7" (as Ingress default/app says)' in done.stdout
    # One leaves: its keys move, and of the others hardly any.
    sluice.changed(lambda: site.app("app.example", [p.address for p in site.pods[:3]], annotations=maglev))
    moved = 0
    for k, (pod,) in at.items():
        (now,) = set(pods_of(sluice, 3, path=f"/?k={k}"))
        assert now != "p3"
        moved += pod not in ("p3", now)
    assert moved <= 3


@pytest.mark.parametrize("policy", ["ring", "maglev"])
def test_a_bound_sends_a_key_on_when_its_pod_is_busy(site, policy):
    """Each pod holds its first request and answers all others; with the bound a hot key finds one that is idle."""
    held = []

    def hold(name):
        def serve(sock, number):
            head = b""
            while b"\r\n\r\n" not in head:
                head += sock.recv(65536)
            if b"/hold" in head:
                held.append(name)
                while sock.recv(65536):
                    pass
            sock.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Pod: {name}\r\nConnection: close\r\n\r\n".encode())
        return serve
    pods = [site.scripted(hold(f"p{i}")) for i in range(3)]
    bounded = {"upstream-hash-by": "$arg_k", "upstream-hash-by-policy": policy, "upstream-hash-by-balance-factor": "150"}
    site.app("app.example", [p.address for p in pods], annotations=bounded)
    sluice = site.sluice()
    (home,) = set(pods_of(sluice, 10, path="/?k=hot"))
    c = sluice.raw()
    c.send("GET /hold?k=hot HTTP/1.1\r\nHost: app.example\r\n\r\n")
    wait_for(lambda: held == [home], "it is at the key's pod")
    (other,) = set(pods_of(sluice, 10, path="/?k=hot"))
    assert other != home
    # An operator sees it, and without the bound the key's pod has all of them.
    done = subprocess.run([SLUICE, "explain", site.manifests.root, "GET", "http://app.example/?k=hot"], capture_output=True, text=True, timeout=30)
    assert 'here "hot", or another one where it has 150 % of the mean in flight' in done.stdout
    sluice.changed(lambda: site.app("app.example", [p.address for p in pods], annotations={**bounded, "upstream-hash-by-balance-factor": "0"}))
    assert set(pods_of(sluice, 10, path="/?k=hot")) == {home}
    c.close()


def test_hash_to_a_subset(site):
    sluice = start(site, {"upstream-hash-by": "$arg_k", "upstream-hash-by-subset": "true", "upstream-hash-by-subset-size": "2"}, pods=5)
    seen = [frozenset(pods_of(sluice, 30, path=f"/?k={k}")) for k in range(30)]
    assert all(len(s) == 2 for s in seen) and len(set(seen)) == 3


def test_addresses_as_keys(site):
    sluice = start(site, {"upstream-hash-by": "$binary_remote_addr"})
    assert len(set(pods_of(sluice, 10))) == 1


@pytest.mark.parametrize("mode", ["balanced", "persistent"])
def test_a_session_stays_at_its_pod(site, mode):
    sluice = start(site, {"affinity": "cookie", "affinity-mode": mode})
    keys = set()
    for _ in range(10):
        first = sluice.get("/", "app.example")
        cookie = cookie_of(first)
        assert cookie[0] == "INGRESSCOOKIE" and cookie[3] == "; Path=/; HttpOnly"
        keys.add(cookie[1])
        for _ in range(5):
            again = sluice.get("/", "app.example", headers=sent(cookie))
            assert again.get("x-pod") == first.get("x-pod") and cookie_of(again) is None
    assert len(keys) == 10 if mode == "balanced" else len(keys) <= 3
    assert sluice.metric("sluice_affinity_sessions_total", result="begun") == 10
    assert sluice.metric("sluice_affinity_sessions_total", result="moved") == 0


def test_persistent_sessions_end_with_their_pod(site):
    sluice = start(site, {"affinity": "cookie", "affinity-mode": "persistent"})
    first = sluice.get("/", "app.example")
    cookie, gone = cookie_of(first), first.get("x-pod")
    rest = [p.address for i, p in enumerate(site.pods) if f"p{i}" != gone] + [site.pod("new").address]
    sluice.changed(lambda: site.app("app.example", rest, annotations={"affinity": "cookie", "affinity-mode": "persistent"}))
    answer = sluice.get("/", "app.example", headers=sent(cookie))
    moved = cookie_of(answer)
    assert moved and moved[1] != cookie[1]
    assert sluice.metric("sluice_affinity_sessions_total", result="moved") == 1
    again = sluice.get("/", "app.example", headers=sent(moved))
    assert again.get("x-pod") == answer.get("x-pod") and cookie_of(again) is None


def test_attributes(site):
    sluice = start(site, {"affinity": "cookie", "session-cookie-name": "route", "session-cookie-path": "/p", "session-cookie-expires": "172800",
                          "session-cookie-max-age": "3600", "session-cookie-samesite": "strict", "session-cookie-secure": "true", "session-cookie-domain": "app.example"})
    name, _, _, attributes = cookie_of(sluice.get("/", "app.example"))
    assert name == "route"
    assert re.fullmatch(r"; Expires=\w{3}, \d\d-\w{3}-\d\d \d\d:\d\d:\d\d GMT; Max-Age=3600; Domain=app\.example; Path=/p; Secure; HttpOnly; SameSite=Strict", attributes)


def test_same_site_none_where_it_is_understood(site):
    sluice = start(site, {"affinity": "cookie", "session-cookie-samesite": "None", "session-cookie-conditional-samesite-none": "true"})
    old = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_14_6) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/12.1.2 Safari/605.1.15"
    new = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/80.0.3987.149 Safari/537.36"
    assert cookie_of(sluice.get("/", "app.example", headers=[("User-Agent", new)]))[3].endswith("; SameSite=None")
    assert "SameSite" not in cookie_of(sluice.get("/", "app.example", headers=[("User-Agent", old)]))[3]


def test_the_pods_own_cookies_stay(site):
    def pod(sock, number):
        while sock.recv(65536):
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n")
    site.app("app.example", site.scripted(pod).address, annotations={"affinity": "cookie"})
    cookies = site.sluice().get("/", "app.example").all("set-cookie")
    assert cookies[:2] == ["a=1", "b=2"] and cookies[2].startswith("INGRESSCOOKIE=") and len(cookies) == 3


def test_paths_that_did_not_ask_go_by_the_cookie_and_set_none(site):
    pods = [site.pod(f"p{i}") for i in range(3)]
    site.manifests.write("app.yaml", ingress("a", {"app.example": [("/a", "Prefix", "app", 80)]}, annotations={"affinity": "cookie", "affinity-mode": "persistent"}),
                         ingress("b", {"app.example": [("/b", "Prefix", "app", 80)]}), service("app"), *slices("app", [p.address for p in pods]))
    sluice = site.sluice()
    first = sluice.get("/a", "app.example")
    cookie = cookie_of(first)
    assert cookie[3] == "; Path=/a; HttpOnly"
    assert {sluice.get("/b", "app.example", headers=sent(cookie)).get("x-pod") for _ in range(12)} == {first.get("x-pod")}
    assert all(cookie_of(sluice.get("/b", "app.example")) is None for _ in range(6))


def test_of_several_cookies_the_one_for_this_service_counts(site):
    """One with another ID would lead to another pod."""
    sluice = start(site, {"affinity": "cookie", "affinity-mode": "persistent"})
    seen = {}
    while len(seen) < 2:
        answer = sluice.get("/", "app.example")
        seen[answer.get("x-pod")] = cookie_of(answer)
    (_, stranger), (pod, mine) = seen.items()
    both = [("Cookie", f"INGRESSCOOKIE={stranger[1]}|{'0' * 32}; INGRESSCOOKIE={mine[1]}|{mine[2]}")]
    assert sluice.get("/", "app.example", headers=both).get("x-pod") == pod


@pytest.mark.parametrize("change", ["true", "false"])
def test_failure_of_the_sessions_pod(site, change):
    """A pod that ends connections: asked again, or left with its session."""
    def pod(sock, number):
        sock.recv(65536)
    failing, good = site.scripted(pod), site.pod("good")
    site.app("app.example", [failing.address, good.address],
             annotations={"affinity": "cookie", "affinity-mode": "persistent", "session-cookie-change-on-failure": change})
    sluice = site.sluice()
    upstream = "default-app-80"
    bound = ["", md5(upstream + failing.address), md5(md5(upstream) + upstream)]
    answer = sluice.get("/", "app.example", headers=sent(bound))
    if change == "true":
        assert answer.status == 200 and answer.get("x-pod") == "good"
        assert cookie_of(answer)[1] == md5(upstream + good.address)
    else:
        assert answer.status == 502 and cookie_of(answer) is None


def test_the_oldest_ingress_decides_about_a_service(site):
    pods = [site.pod(f"p{i}") for i in range(3)]
    site.manifests.write("app.yaml", ingress("old", {"old.example": "app"}, created="2026-01-01T00:00:00Z"),
                         ingress("new", {"app.example": "app"}, annotations={"upstream-hash-by": "$arg_k"}, created="2026-02-01T00:00:00Z"),
                         service("app"), *slices("app", [p.address for p in pods]))
    sluice = site.sluice()
    assert collections.Counter(pods_of(sluice, 30, path="/?k=1")) == {"p0": 10, "p1": 10, "p2": 10}
    assert "Ingress default/old, which is older and leads to default/app:80 as well" in str(sluice.config()["report"])
    site.manifests.write("app.yaml", ingress("old", {"old.example": "app"}, created="2026-03-01T00:00:00Z"),
                         ingress("new", {"app.example": "app"}, annotations={"upstream-hash-by": "$arg_k"}, created="2026-02-01T00:00:00Z"),
                         service("app"), *slices("app", [p.address for p in pods]))
    wait_for(lambda: len(set(pods_of(sluice, 9, path="/?k=1"))) == 1, "the other one is older now")


def test_explain_names_the_policy_and_the_key(site):
    site.app("app.example", ["127.0.0.1:9"], annotations={"upstream-hash-by": "$arg_k-x"})
    done = subprocess.run([SLUICE, "explain", site.manifests.root, "GET", "http://app.example/?k=7"], capture_output=True, text=True, timeout=30)
    assert 'chosen by chash by $arg_k-x, here "7-x" (as Ingress default/app says)' in done.stdout


# ---- service-upstream ------------------------------------------------------------------------------------------------

def test_the_address_of_the_service_is_the_one_endpoint(site):
    """And its port is the Service's, not the pods'."""
    pod, behind = site.pod("pod"), site.pod("behind")
    host, port = behind.address.rsplit(":", 1)

    def put(annotations=None, cluster_ip=host):
        s = service("app", port=int(port), target=int(pod.address.rsplit(":", 1)[1]))
        s["spec"]["clusterIP"] = cluster_ip
        site.manifests.write("app.yaml", ingress("app", {"app.example": [("/", "Prefix", "app", "http")]}, annotations=annotations), s, *slices("app", [pod.address]))
    put()
    sluice = site.sluice()
    assert pods_of(sluice, 2) == ["pod"] * 2
    sluice.changed(lambda: put({"service-upstream": "true"}))
    assert pods_of(sluice, 2) == ["behind"] * 2
    sluice.changed(lambda: put({"service-upstream": "true"}, "None"))
    assert pods_of(sluice, 2) == ["pod"] * 2
    assert any(e["reason"] == "NoEffect" and e["field"] == "spec.clusterIP" for e in sluice.config()["report"])
    sluice.changed(lambda: put({"service-upstream": "true"}, "169.254.169.254"))
    assert sluice.get("/", "app.example").status == 503


def test_the_address_of_the_service_by_the_option(site):
    pod, behind = site.pod("pod"), site.pod("behind")
    host, port = behind.address.rsplit(":", 1)
    s = service("app", port=int(port), target=int(pod.address.rsplit(":", 1)[1]))
    s["spec"]["clusterIP"] = host
    site.manifests.write("app.yaml", ingress("app", {"app.example": [("/", "Prefix", "app", "http")]}), s, *slices("app", [pod.address]))
    sluice = site.sluice(options={"service-upstream": "true"})
    assert pods_of(sluice, 2) == ["behind"] * 2
