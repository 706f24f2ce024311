"""auth-type: basic: who comes with which htpasswd form, what is never opened, what waits and who is limited."""
import base64
import json
import signal
import socket
import subprocess

import pytest

from harness import SLUICE, certificate, config_map, service, slices, tls_secret, wait_for
from h2raw import Http2

BASIC = {"auth-type": "basic", "auth-secret": "users", "auth-realm": "My realm"}
SLOW_HASH = "$2b$10$abcdefghijklmnopqrstuuJSQfJ8t5HS1cbX0xVq0v5Fg3YCNwzyu"  # some hundred milliseconds, and nobody's password
SLOW_HASH_OF_BAR = "$2b$12$abcdefghijklmnopqrstuuR7ivg4hWtvwp.7v.ar.TrZbQYcdcDQe"


def openssl(*args):
    return subprocess.run(["openssl", "passwd", *args], capture_output=True, text=True, check=True, timeout=20).stdout.strip()


def secret(data, name="users", ns="default"):
    return json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": ns},
                       "data": {k: base64.b64encode(v.encode()).decode() for k, v in data.items()}})


def basic(user, password):
    return "Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def guarded(site):
    """site.put(data, annotations): an app behind the users of the Secret `data`; None: there is no Secret."""
    pod = site.pod()

    def put(data, annotations=None, ns="default"):
        site.manifests.app("app.example", pod.address, annotations=BASIC | (annotations or {}))
        if data is None:
            (site.manifests.root / "users.json").unlink(missing_ok=True)
        else:
            site.manifests.text("users.json", secret(data, ns=ns))
    site.put = put
    site.guarded_pod = pod
    return site


def ask(sluice, *headers, path="/", method="GET", host="app.example"):
    with sluice.raw() as c:
        return c.get(path, host, method=method, headers=list(headers))


def test_real_hashes_and_a_real_client(guarded):
    lines = {"apr1": openssl("-apr1", "bar"), "md5": openssl("-1", "bar"), "sha256": openssl("-5", "bar"), "sha512": openssl("-6", "bar"),
             "bcrypt": "$2y$05$abcdefghijklmnopqrstuuUq7qXkDOZJ5Q8HA9wCOH0FErWp6q0b6", "des": "ab9VHpu2/1Qrs", "plain": "{PLAIN}bar",
             "yescrypt": "$y$j9T$saltsalt$UERbnQYCaiICc/F8QiYnrto9OaHtqxunimwZRgjTt3.", "sha": "{SHA}Ys23Ag/5IOWqZCw9QGaVDdHwH00=",
             "ssha": "{SSHA}aTajYe2SJsRWrbKsIV9ZttXLp9RzYWx0"}
    guarded.put({"auth": "# users\r\n" + "".join(f"{u}:{h}:a comment\r\n" for u, h in lines.items())})
    sluice = guarded.sluice()
    port = sluice.http.rsplit(":", 1)[1]
    for user in lines:
        for password, status in (("bar", "200"), ("baz", "401")):
            r = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--resolve", f"app.example:{port}:127.0.0.1", "-u",
                                f"{user}:{password}", f"http://app.example:{port}/"], capture_output=True, text=True, timeout=20)
            assert r.stdout == status, (user, password)
    assert guarded.guarded_pod.stats()["requests"] == len(lines)


def test_the_401_is_as_recorded_and_the_pod_sees_no_password(guarded):
    guarded.put({"auth": "foo:{PLAIN}a:b\n"})
    sluice = guarded.sluice()
    for headers in ([], [basic("foo", "b")], [basic("nobody", "a")], ["Authorization: Bearer abc"], ["Authorization: Basic !!!"], ["Authorization: Basic Zm9v"],
                    ["Authorization: Basic"]):
        for method in ("GET", "HEAD", "OPTIONS", "POST"):
            a = ask(sluice, *headers, method=method)
            assert a.status == 401 and a.get("www-authenticate") == 'Basic realm="My realm"', (headers, method)
            if len(headers) and "bearer" not in headers[0].lower() and "!!!" not in headers[0]:
                break  # wrong ones are limited
    assert guarded.guarded_pod.stats()["requests"] == 0
    token = base64.b64encode(b"foo:a").decode()
    for value in (f"basic {token}", f"Basic   {token}", "Basic " + token.rstrip("="), f"Basic {token} x"):
        assert ask(sluice, "Authorization: " + value).status == 200, value
    assert "authorization" not in [n.lower() for n, _ in guarded.guarded_pod.last_headers()[1]]
    assert ask(sluice, basic("foo", "a"), basic("foo", "a")).status == 400


def test_a_map_of_users_and_no_realm(guarded):
    guarded.put({"foo": "$apr1$abcdefgh$bGLO42WqKpmLoPH9uGWTg1\n", "no": "secret"}, {"auth-secret-type": "auth-map", "auth-realm": ""})
    sluice = guarded.sluice()
    assert ask(sluice, basic("foo", "bar")).status == 200
    a = ask(sluice, basic("no", "secret"))
    assert a.status == 401 and a.get("www-authenticate") == 'Basic realm=""'


@pytest.mark.parametrize("data,annotations,words", [
    (None, {}, "MissingSecret"), ({"other": "foo:{PLAIN}a"}, {}, "the key auth"), ({"auth": "foo:{PLAIN}a"}, {"auth-secret": "other/users"}, "allow-cross-namespace"),
    ({"auth": "foo:{PLAIN}a"}, {"auth-secret": "a/b/c"}, "NAME of a Secret"), ({"auth": "foo:{PLAIN}a"}, {"auth-secret": ""}, "name of a Secret"),
    ({"auth": "foo:{PLAIN}a"}, {"auth-type": "digests"}, "accept-unprotected auth-type")])
def test_what_cannot_be_asked_for_opens_nothing(guarded, data, annotations, words):
    guarded.put(data, annotations)
    sluice = guarded.sluice()
    assert [ask(sluice, *h).status for h in ([], [basic("foo", "a")])] == [503, 503]
    said = subprocess.run([SLUICE, "check", guarded.manifests.root], capture_output=True, text=True, timeout=30).stdout
    assert words in said and "{PLAIN}" not in said, said


def test_what_is_served_is_not_left_out_by_who_accepted_earlier_that_it_was_not(guarded):
    guarded.put({"auth": "foo:{PLAIN}a"})
    sluice = guarded.sluice("--accept-unprotected", "auth-type")
    assert [ask(sluice, *h).status for h in ([], [basic("foo", "a")])] == [401, 200]
    sluice.changed(lambda: guarded.put({"auth": "foo:{PLAIN}a"}, {"auth-type": "digests"}))
    assert ask(sluice).status == 200


def test_a_changed_secret_counts_at_once_and_no_password_is_told(guarded):
    guarded.put({"auth": "foo:" + openssl("-apr1", "hunter1") + "\n"})
    sluice = guarded.sluice()
    assert [ask(sluice, basic("foo", "hunter1")).status for _ in range(2)] == [200, 200]  # the second one is remembered
    hashed = openssl("-5", "hunter2")
    sluice.changed(lambda: guarded.manifests.text("users.json", secret({"auth": f"foo:{hashed}\nplainpassword\n"})))
    assert ask(sluice, basic("foo", "hunter1")).status == 401 and ask(sluice, basic("foo", "hunter2")).status == 200
    sluice.changed(lambda: guarded.manifests.remove("users.json"))
    assert ask(sluice, basic("foo", "hunter2")).status == 503
    sluice.changed(lambda: guarded.manifests.text("users.json", secret({"auth": f"foo:{hashed}\nplainpassword\n"})))
    assert ask(sluice, basic("foo", "hunter2")).status == 200
    told = "".join(sluice.out) + "".join(sluice.err)
    for command in (["check"], ["explain"]):
        extra = ["GET", "http://app.example/", "-H", basic("foo", "hunter2")] if command == ["explain"] else []
        told += subprocess.run([SLUICE, *command, guarded.manifests.root, *extra], capture_output=True, text=True, timeout=30).stdout
    assert "line 2 of data[auth]" in told
    for word in ("hunter", hashed, hashed[-20:], "plainpassword"):
        assert word not in told, word


def test_explain_asks_only_with_what_it_is_given(guarded):
    guarded.put({"auth": "foo:" + openssl("-6", "bar") + "\n"})

    def explain(*args):
        return subprocess.run([SLUICE, "explain", guarded.manifests.root, "GET", "http://app.example/", *args], capture_output=True, text=True, timeout=30).stdout
    assert "401" in explain() and "[filter basic-auth]" in explain()
    assert "401" in explain("-H", basic("foo", "baz"))
    assert "forwarded to" in explain("-H", basic("foo", "bar")) and "auth-secret = default/users" in explain()


def test_satisfy(guarded):
    users = {"auth": "foo:{PLAIN}a\n"}
    near, far = {"allowlist-source-range": "127.0.0.0/8"}, {"allowlist-source-range": "192.0.2.0/24"}
    guarded.put(users, far)
    sluice = guarded.sluice()

    def statuses(annotations):
        sluice.changed(lambda: guarded.put(users, annotations))
        return [ask(sluice, *h).status for h in ([], [basic("foo", "a")])]
    assert [ask(sluice, *h).status for h in ([], [basic("foo", "a")])] == [403, 403]
    assert statuses(near) == [401, 200]
    assert statuses(far | {"satisfy": "any"}) == [401, 200]
    assert statuses(near | {"satisfy": "any"}) == [200, 200]
    assert statuses({"denylist-source-range": "127.0.0.0/8", "satisfy": "any"}) == [401, 200]
    assert statuses({"denylist-source-range": "192.0.2.0/24", "satisfy": "any"}) == [401, 200]
    assert statuses(near | {"denylist-source-range": "127.0.0.1", "satisfy": "any"}) == [401, 200]


def test_who_matches_a_list_of_everybody_needs_no_password(guarded):
    everybody = "0.0.0.0/0,::/0"
    guarded.put({"auth": "foo:{PLAIN}a\n"}, {"allowlist-source-range": everybody, "satisfy": "any"})
    guarded.manifests.app("all.example", guarded.guarded_pod.address, annotations=BASIC | {"satisfy": "any"})
    sluice = guarded.sluice(options={"whitelist-source-range": everybody})
    assert [ask(sluice, host=h).status for h in ("app.example", "all.example")] == [200, 200]
    sluice.changed(lambda: guarded.put({"auth": "foo:{PLAIN}a\n"}, {"allowlist-source-range": everybody}))
    assert [ask(sluice, *h).status for h in ([], [basic("foo", "a")])] == [401, 200]


@pytest.mark.parametrize("lock", ["*", "", "{SHA}", "{SHA}xx", "$2y$31$abcdefghijklmnopqrstuuJSQfJ8t5HS1cbX0xVq0v5Fg3YCNwzyu"])
def test_a_line_locks_its_user_out_though_nobody_can_log_in_by_it(guarded, lock):
    """The first line of a name counts, whatever is wrong with its hash; a line that names nobody is none."""
    guarded.put({"auth": f"u:{lock}\nv\nu:{{PLAIN}}p\nv:{{PLAIN}}p\n"})
    sluice = guarded.sluice()
    assert [ask(sluice, basic(u, "p")).status for u in "uv"] == [401, 200]


def test_preflights_and_no_auth_locations_need_none(guarded):
    guarded.put({"auth": "foo:{PLAIN}a\n"}, {"enable-cors": "true"})
    guarded.manifests.app("acme.example", guarded.guarded_pod.address, paths=[("/.well-known/acme-challenge", "Prefix"), ("/", "Prefix")], annotations=BASIC)
    sluice = guarded.sluice()
    assert ask(sluice, "Origin: https://a.example", "Access-Control-Request-Method: GET", method="OPTIONS").status == 204
    a = ask(sluice, "Origin: https://a.example")
    assert a.status == 401 and a.get("access-control-allow-origin") == "*"
    assert ask(sluice, path="/.well-known/acme-challenge/x", host="acme.example").status == 200
    assert ask(sluice, path="/", host="acme.example").status == 401


def test_a_secret_of_another_namespace_if_that_is_allowed(guarded):
    guarded.put({"auth": "foo:{PLAIN}a\n"}, {"auth-secret": "other/users"}, ns="other")
    sluice = guarded.sluice()
    assert ask(sluice, basic("foo", "a")).status == 503
    sluice.changed(lambda: guarded.manifests.write("options.yaml", config_map({"allow-cross-namespace-resources": "true"})))
    assert [ask(sluice).status, ask(sluice, basic("foo", "a")).status] == [401, 200]


def passwords(sluice, result):
    return sluice.metric("sluice_auth_passwords_total", result=result)


def test_wrong_ones_are_limited_and_right_ones_are_not(guarded):
    guarded.put({"auth": "foo:{PLAIN}a\n"})
    sluice = guarded.sluice()
    assert ask(sluice, basic("foo", "a")).status == 200
    seen = [ask(sluice, basic("foo", f"x{i}")).status for i in range(60)]
    assert seen[:20] == [401] * 20 and 429 in seen
    a = ask(sluice, basic("foo", "xx"))
    assert a.status != 429 or a.get("retry-after") == "1"
    assert ask(sluice, basic("foo", "a")).status == 200, "what was right before is not looked at again"
    assert ask(sluice).status == 401
    assert passwords(sluice, "wrong") >= 20 and passwords(sluice, "limited") >= 1 and passwords(sluice, "right") == 1 and passwords(sluice, "cached") == 1


def test_a_client_that_leaves_while_its_password_is_checked(guarded):
    guarded.put({"auth": "foo:" + SLOW_HASH.replace("$10$", "$12$") + "\n"})
    sluice = guarded.sluice()
    s = socket.create_connection(("127.0.0.1", int(sluice.http.rsplit(":", 1)[1])))
    s.sendall(f"GET / HTTP/1.1\r\nHost: app.example\r\n{basic('foo', 'bar')}\r\n\r\n".encode())
    wait_for(lambda: sluice.metric("sluice_requests_active") == 1, "the request")
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    s.close()
    sluice.wait_access(r'" 499 ', 20)
    assert ask(sluice, basic("foo", "bar")).status == 401
    assert guarded.guarded_pod.stats()["requests"] == 0


def test_whoever_leaves_before_the_answer_has_tried_as_well(guarded):
    guarded.put({"auth": f"foo:{SLOW_HASH_OF_BAR}\n"})
    sluice = guarded.sluice()
    assert ask(sluice, basic("foo", "bar")).status == 200
    for n in range(1, 26):
        with sluice.raw() as c:
            c.send(f"GET / HTTP/1.1\r\nHost: app.example\r\n{basic('foo', f'x{n}')}\r\n\r\n")
            wait_for(lambda: sluice.metric("sluice_requests_total") == n + 1, "the request")
            c.reset()
        wait_for(lambda: sluice.metric("sluice_requests_active") == 0, "it is over")
    assert ask(sluice, basic("foo", "baz")).status == 429
    assert passwords(sluice, "limited") >= 1
    assert ask(sluice, basic("foo", "bar")).status == 200, "what was right before is not looked at again"


@pytest.mark.parametrize("change", ["drain", "secret", "ingress"])
def test_who_waits_for_a_password_is_answered_by_what_counted_when_the_request_came(guarded, change):
    guarded.put({"auth": f"foo:{SLOW_HASH_OF_BAR}\n"})
    sluice = guarded.sluice()
    with sluice.raw() as c:
        c.send(f"GET / HTTP/1.1\r\nHost: app.example\r\n{basic('foo', 'bar')}\r\n\r\n")
        wait_for(lambda: sluice.metric("sluice_requests_active") == 1, "the request")
        if change == "drain":
            sluice.proc.send_signal(signal.SIGTERM)
        elif change == "secret":
            guarded.put({"auth": "other:{PLAIN}bar\n"})
        else:
            # The pod is listed still: to one that is not, nothing is sent.
            guarded.manifests.write("app.yaml", service("app"), *slices("app", [guarded.guarded_pod.address]))
        assert c.answer().status == 200
    if change == "drain":
        assert sluice.proc.wait(20) == 0
    else:
        wait_for(lambda: ask(sluice, basic("foo", "bar")).status == (401 if change == "secret" else 404), "the change")


def test_others_are_served_while_a_password_is_checked_and_over_h2(guarded):
    cert, key = certificate("app.example")
    guarded.put({"auth": f"foo:{SLOW_HASH}\nbar:{openssl('-6', 'b')}\n"})
    guarded.manifests.write("tls.yaml", tls_secret("app-tls", cert, key))
    guarded.manifests.app("app.example", guarded.guarded_pod.address, annotations=BASIC | {"ssl-redirect": "false"}, tls=[(["app.example"], "app-tls")])
    guarded.manifests.app("open.example", guarded.guarded_pod.address, name="open")
    sluice = guarded.sluice()
    with Http2(sluice.https, sni="app.example") as c:
        token = basic("foo", "no").split(": ")[1]
        slow = c.request("/", fields=[("authorization", token)])
        assert ask(sluice, host="open.example").status == 200
        assert c.done(slow).status == 401
        assert c.done(c.request("/", fields=[("authorization", basic("bar", "b").split(": ")[1])])).status == 200
        assert c.done(c.request("/")).status == 401
