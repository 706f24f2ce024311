"""auth-type: digest: real clients, what is never opened, what counts once, and what is asked again."""
import base64
import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import requests
from requests.auth import HTTPDigestAuth

from harness import SLOW, SLUICE, config_map
from h2raw import Http2
from test_external_auth import Service

REALM = "My realm"


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


def ha1(user, password, realm=REALM):
    return md5(f"{user}:{realm}:{password}")


def secret(data):
    return json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "users", "namespace": "default"},
                       "data": {k: base64.b64encode(v.encode()).decode() for k, v in data.items()}})


@pytest.fixture
def guarded(site):
    """site.put(data, annotations): an app behind the users of the Secret `data`; None: there is no Secret."""
    pod = site.pod()

    def put(data, annotations=None):
        site.manifests.app("app.example", pod.address,
                           annotations={"auth-type": "digest", "auth-secret": "users", "auth-realm": REALM} | (annotations or {}))
        if data is not None:
            site.manifests.text("users.json", secret(data))
    site.put = put
    site.guarded_pod = pod
    site.put({"auth": f"foo:{REALM}:{ha1('foo', 'bar')}\n"})
    return site


def ask(sluice, value=None, path="/", method="GET"):
    with sluice.raw() as c:
        return c.get(path, "app.example", method=method, headers=[f"Authorization: {value}"] if value else [])


def nonce_of(answer):
    return re.search(r'nonce="([^"]+)"', answer.get("www-authenticate")).group(1)


def digest(nonce, count=1, *, user="foo", password="bar", path="/", method="GET", **changed):
    """What a client says; `changed`: parts of it as they are written instead, None: left out."""
    nc, cnonce = f"{count:08x}", "0a4f113b"
    parts = {"username": f'"{user}"', "realm": f'"{REALM}"', "nonce": f'"{nonce}"', "uri": f'"{path}"', "qop": "auth", "nc": nc, "cnonce": f'"{cnonce}"',
             "response": '"%s"' % md5(f"{ha1(user, password)}:{nonce}:{nc}:{cnonce}:auth:{md5(f'{method}:{path}')}")}
    parts.update(changed)
    return "Digest " + ", ".join(f"{k}={v}" for k, v in parts.items() if v is not None)


def test_the_401_is_as_recorded(guarded):
    sluice = guarded.sluice()
    a = ask(sluice)
    assert a.status == 401
    assert re.fullmatch(r'Digest algorithm="MD5", qop="auth", realm="My realm", nonce="[0-9a-f]+"', a.get("www-authenticate"))
    assert nonce_of(a) != nonce_of(ask(sluice))
    assert guarded.guarded_pod.stats()["requests"] == 0


@pytest.mark.parametrize("first,status", [("foo:{realm}:*", 401), ("foo:{realm}:", 401), ("foo:other:*", 200), ("foo", 200)])
def test_a_line_locks_its_user_out_though_nobody_can_log_in_by_it(guarded, first, status):
    """The first line of a name and realm counts, whatever is wrong with its hash."""
    guarded.put({"auth": first.format(realm=REALM) + f"\nfoo:{REALM}:{ha1('foo', 'bar')}\n"})
    sluice = guarded.sluice()
    assert ask(sluice, digest(nonce_of(ask(sluice)))).status == status


@pytest.mark.parametrize("method,body", [("GET", None), ("POST", "x" * 3000)])
def test_curl(guarded, method, body):
    sluice = guarded.sluice()
    port = sluice.http.rsplit(":", 1)[1]
    for password, status in (("bar", "200"), ("baz", "401")):
        r = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--digest", "--resolve", f"app.example:{port}:127.0.0.1", "-u", f"foo:{password}",
                            "-X", method, *(["-d", body] if body else []), f"http://app.example:{port}/a?b=c"], capture_output=True, text=True, timeout=20)
        assert r.stdout == status, password
    stats = guarded.guarded_pod.stats()
    assert stats["requests"] == 1
    assert "authorization" not in [n.lower() for n, _ in guarded.guarded_pod.last_headers()[1]]


def test_requests_keeps_its_nonce(guarded):
    """The library counts up on one nonce: it is asked once."""
    sluice = guarded.sluice()
    session = requests.Session()
    session.auth = HTTPDigestAuth("foo", "bar")
    statuses = [(r.status_code, len(r.history)) for r in (session.get(f"http://{sluice.http}/{i}", headers={"Host": "app.example"}, timeout=20) for i in range(5))]
    assert [s for s, _ in statuses] == [200] * 5 and sum(h for _, h in statuses) == 1
    assert sluice.metric("sluice_auth_passwords_total", result="right") == 5
    session.auth = HTTPDigestAuth("foo", "wrong")
    assert session.get(f"http://{sluice.http}/", headers={"Host": "app.example"}, timeout=20).status_code == 401


def test_java(guarded, tmp_path):
    java = shutil.which("java")
    if not java:
        pytest.skip("no java: NOT RUN")
    sluice = guarded.sluice()
    (tmp_path / "hosts").write_text("127.0.0.1 app.example\n")
    # It asks some twenty times with what was refused, which is taken for guessing.
    for password, statuses in (("bar", "200 200"), ("wrong", "401 429")):
        r = subprocess.run([java, f"-Djdk.net.hosts.file={tmp_path}/hosts", Path(__file__).parent / "DigestClient.java",
                            f"http://app.example:{sluice.http.rsplit(':', 1)[1]}", password], capture_output=True, text=True, timeout=120 * SLOW)
        assert r.stdout.strip() == statuses, r.stdout + r.stderr
    assert guarded.guarded_pod.stats()["requests"] == 2


def test_over_http2(guarded):
    sluice = guarded.sluice(options={"http2-prior-knowledge": "true"})
    nonce = nonce_of(ask(sluice))
    with Http2(sluice.http) as c:
        streams = [c.request(fields=[("authorization", digest(nonce, count))]) for count in (2, 1, 3, 3)]
        c.done(*streams)
        assert [s.status for s in streams] == [200, 200, 200, 401]


def test_a_count_counts_once_and_then_a_new_nonce_is_given(guarded):
    sluice = guarded.sluice()
    nonce = nonce_of(ask(sluice))
    assert ask(sluice, digest(nonce, 1)).status == 200
    again = ask(sluice, digest(nonce, 1))
    assert again.status == 401 and again.get("www-authenticate").endswith(", stale=true")
    assert ask(sluice, digest(nonce_of(again), 1)).status == 200
    # Out of order, but not below what the window reaches.
    assert [ask(sluice, digest(nonce, n)).status for n in (70, 69, 8, 6, 7, 70)] == [200, 200, 200, 401, 200, 401]
    assert ask(sluice, digest(nonce, 0)).status == 401
    assert sluice.metric("sluice_auth_passwords_total", result="stale") == 4
    assert sluice.metric("sluice_auth_passwords_total", result="wrong") == 0


def test_a_nonce_of_nobody_is_asked_again_where_the_password_is_right(guarded):
    """Another replica's, that of the process before, one that somebody made up."""
    sluice = guarded.sluice(workers=2)
    good = nonce_of(ask(sluice))
    for nonce in ("", "0", "0" * 64, good[:-1] + ("0" if good[-1] != "0" else "1"), "1" + good[1:], good.upper() if good.upper() != good else "x", good + "0"):
        right = ask(sluice, digest(nonce))
        assert right.status == 401 and "stale=true" in right.get("www-authenticate"), nonce
        wrong = ask(sluice, digest(nonce, password="no"))
        assert wrong.status == 401 and "stale" not in wrong.get("www-authenticate"), nonce
    assert ask(sluice, digest(good)).status == 200, "whichever worker gave it"


@pytest.mark.parametrize("changed", [
    {"username": '"bar"'}, {"realm": '"other"'}, {"uri": '"/other"'}, {"qop": "auth-int"}, {"qop": None}, {"nc": "1"}, {"nc": "0000000g"}, {"nc": None}, {"cnonce": None},
    {"cnonce": '""'}, {"response": '"' + "0" * 32 + '"'}, {"response": None}, {"response": '"x"'}, {"algorithm": "SHA-256"}, {"algorithm": "MD5-sess"},
    {"username": '"foo", username="foo"'}, {"username": '"foo'}, {"username": "=foo"}, {"opaque": '"' + "x" * 5000 + '"'}])
def test_what_is_not_right_opens_nothing(guarded, changed):
    sluice = guarded.sluice()
    nonce = nonce_of(ask(sluice))
    a = ask(sluice, digest(nonce, **changed))
    assert a.status == 401 and "stale" not in a.get("www-authenticate")
    assert guarded.guarded_pod.stats()["requests"] == 0
    assert ask(sluice, digest(nonce)).status == 200, "nobody had used it"


def test_forms_that_clients_have(guarded):
    sluice = guarded.sluice()
    nonce = nonce_of(ask(sluice))
    value = digest(nonce, qop='"auth"', algorithm='"MD5"', opaque='"x\\"y,z"')
    assert ask(sluice, value.replace("Digest ", "digest   ").replace(", ", " ,")).status == 200
    # Of another path or method it is another one.
    assert ask(sluice, digest(nonce, 2, path="/a?b=c,d"), path="/a?b=c,d").status == 200
    assert ask(sluice, digest(nonce, 3, path="/a"), path="/a?b").status == 401
    assert ask(sluice, digest(nonce, 3), method="DELETE").status == 401
    assert ask(sluice, digest(nonce, 3, method="DELETE"), method="DELETE").status == 200


def test_who_guesses_is_limited(guarded):
    sluice = guarded.sluice()
    nonce = nonce_of(ask(sluice))
    statuses = [ask(sluice, digest(nonce, password=str(i))).status for i in range(24)]
    assert statuses[:20] == [401] * 20 and 429 in statuses[20:]


@pytest.mark.parametrize("data,annotations,words", [
    (None, {"auth-secret": "nobody"}, "MissingSecret"), ({"other": "x"}, {}, "the key auth"), ({"auth": "x"}, {"auth-secret": "other/users"}, "allow-cross-namespace")])
def test_without_a_secret_nothing_opens(guarded, data, annotations, words):
    guarded.put(data, annotations)
    sluice = guarded.sluice()
    assert ask(sluice).status == 503
    said = subprocess.run([SLUICE, "check", guarded.manifests.root], capture_output=True, text=True, timeout=30).stdout
    assert words in said


def test_lines_that_let_nobody_in_are_said_by_their_number(guarded):
    hidden = ha1("foo", "bar")
    guarded.put({"auth": f"# users\nfoo:other:{hidden}\nbar:{REALM}:{hidden.upper()}\nbaz:{hidden}\n"})
    sluice = guarded.sluice()
    assert ask(sluice, digest(nonce_of(ask(sluice)))).status == 401
    said = subprocess.run([SLUICE, "check", guarded.manifests.root], capture_output=True, text=True, timeout=30).stdout
    assert "line 2 of data[auth]" in said and "line 3" in said and "line 4" in said and hidden not in said.lower(), said


def test_a_map_and_a_secret_that_changes(guarded):
    guarded.put({"foo": f"{REALM}:{ha1('foo', 'bar')}"}, {"auth-secret-type": "auth-map"})
    sluice = guarded.sluice()
    nonce = nonce_of(ask(sluice))
    assert ask(sluice, digest(nonce)).status == 200
    sluice.changed(lambda: guarded.put({"foo": f"{REALM}:{ha1('foo', 'new')}"}, {"auth-secret-type": "auth-map"}))
    assert ask(sluice, digest(nonce, 2)).status == 401
    assert ask(sluice, digest(nonce, 3, password="new")).status == 200


def test_no_auth_locations_and_satisfy(guarded):
    guarded.manifests.write("options.yaml", config_map({"no-auth-locations": "/open"}))
    guarded.manifests.app("app.example", guarded.guarded_pod.address, annotations={"auth-type": "digest", "auth-secret": "users", "auth-realm": REALM},
                          paths=[("/", "Prefix"), ("/open", "Prefix")])
    sluice = guarded.sluice()
    assert [ask(sluice, path=p).status for p in ("/", "/open")] == [401, 200]
    sluice.changed(lambda: guarded.put(None, {"satisfy": "any", "allowlist-source-range": "127.0.0.1/32"}))
    assert ask(sluice).status == 200
    sluice.changed(lambda: guarded.put(None, {"satisfy": "any", "allowlist-source-range": "192.0.2.1/32"}))
    assert ask(sluice).status == 401
    assert ask(sluice, digest(nonce_of(ask(sluice)))).status == 200


def test_a_service_may_agree_instead(guarded):
    """satisfy: any with auth-url: a right digest is enough, and who has none learns of both ways."""
    who = Service(guarded, lambda target, fields: (401, ["WWW-Authenticate: Bearer"]))
    guarded.put(None, {"satisfy": "any", "auth-url": who.url + "/ok"})
    sluice = guarded.sluice(options={"allow-destinations": "127.0.0.0/8"})
    a = ask(sluice)
    assert a.status == 401 and a.all("www-authenticate")[0] == "Bearer" and len(a.all("www-authenticate")) == 2
    nonce = re.search(r'nonce="([^"]+)"', a.all("www-authenticate")[1]).group(1)
    assert ask(sluice, digest(nonce)).status == 200 and len(who.asked) == 1


def test_auth_signin_takes_who_has_no_digest(guarded):
    who = Service(guarded, lambda target, fields: (200, []))
    guarded.put(None, {"auth-url": who.url + "/ok", "auth-signin": "https://login.example/"})
    sluice = guarded.sluice(options={"allow-destinations": "127.0.0.0/8"})
    a = ask(sluice)
    assert a.status == 302 and a.get("location").startswith("https://login.example/?rd=") and who.asked == []
    assert ask(sluice, digest(nonce_of(a))).status == 200, "the challenge goes with it"


def test_explain_tells_and_counts_nothing(guarded):
    sluice = guarded.sluice()
    nonce = nonce_of(ask(sluice))
    for value, status in ((None, "401"), (digest(nonce, password="no"), "401"), (digest(nonce), "the request goes on")):
        out = subprocess.run([SLUICE, "explain", guarded.manifests.root, "GET", "http://app.example/", *(["-H", f"Authorization: {value}"] if value else [])],
                             capture_output=True, text=True, timeout=30).stdout
        assert bool(re.search(r"^ +401\b", out, re.M)) == (status == "401"), out  # a port may have these digits, too
    assert ask(sluice, digest(nonce)).status == 200
