"""Text of others on its way to a terminal, a log or a page: names of files, fields of objects, words of the command line."""
import json
import os
import re
import subprocess

import pytest

from harness import SLUICE, http_get, wait_for

# What a terminal obeys or cannot show, as bytes: escapes, C1 in one byte and as UTF-8, line ends, text that turns around,
# text that cannot be seen, tags, and bytes that are no UTF-8.
NASTY = [b"\x1b[2J", b"\n", b"\r", b"\x7f", b"\xc2\x9b2J", b"\x9b2J", b"\xc2\x85", b"\xe2\x80\xa8", b"\xe2\x80\xae", b"\xe2\x81\xa6", b"\xe2\x81\xa9",
         b"\xe2\x80\x8b", b"\xef\xbb\xbf", b"\xf3\xa0\x81\x81", b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80", b"\xe2\x80"]
FORGED = "all good"


def check_safe(out, what):
    text = out.decode("utf-8")  # all of it is
    bad = re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]", text)
    assert not bad, (what, text[max(0, bad.start() - 80):bad.end() + 40])
    assert not any(line.startswith(FORGED) for line in text.splitlines()), (what, text)
    return text


def run(*args):
    r = subprocess.run([SLUICE, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30)
    return r.returncode, r.stdout, r.stderr


@pytest.fixture
def nasty(site):
    site.manifests.app("app.example", "127.0.0.1:8080")
    root = os.fsencode(str(site.manifests.root))
    for i, n in enumerate(NASTY):
        folder = root + b"/d%d" % i + n + FORGED.encode() + b"\x1b]0;x\x07"
        os.mkdir(folder)
        open(folder + b"/x" + n + b".yaml", "wb").write(b"kind: [\n")
        open(folder + b"/y" + n + b".json", "wb").write(b"[]")
        # In fields: YAML and JSON can say all of these; the bytes themselves where they are taken.
        path = "/p%d" % i + "".join("\\u%04x" % ord(c) for c in n.decode("utf-8", "ignore") if ord(c) < 0x10000) + FORGED
        open(folder + b"/i.yaml", "wb").write(
            b"apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i%d, annotations: {nginx.ingress.kubernetes.io/proxy-body-size: \"%s\", \"nginx.ingress.kubernetes.io/%s\": x}}\n"
            b"spec: {ingressClassName: nginx, rules: [{host: app.example, http: {paths: [{path: \"%s\", pathType: Prefix, backend: {service: {name: app, port: {number: 80}}}}]}},"
            b" {host: \"%s\"}]}\n" % (i, path.encode(), path[1:].encode(), path.encode(), path[1:].encode()))
        open(folder + b"/raw.yaml", "wb").write(b"kind: Raw%s\napiVersion: x%s\nmetadata: {name: \"%s\"}\n" % (n, n, n))
    return root


def test_check_and_explain(nasty):
    for command in (["check", nasty], ["explain", nasty, "GET", "http://app.example/"], ["check", nasty, "--json"],
                    ["explain", nasty, "GET", "http://app.example/", "--json"]):
        code, out, err = run(*command)
        text = check_safe(out, command)
        check_safe(err, command)
        if "--json" in command:
            json.loads(text)
    # JSON means what is there: its readers get the characters themselves.
    assert "\u202e" in json.dumps(json.loads(run("check", nasty, "--json")[1]), ensure_ascii=False)


def test_logs_and_pages(site, nasty):
    for extra in ((), ("--log-json",)):
        sluice = site.sluice("--log-level", "trace", *extra)
        for path in ("/config", "/routes"):
            json.loads(check_safe(sluice.admin_get(path).body, path))
        check_safe(sluice.admin_get("/metrics").body, "/metrics")
        sluice.raw().send(b"GET /\x9b HTTP/1.1\r\nHost: app.example\r\nUser-Agent: \xe2\x80\xae\xc2\x9b\x9b\r\n\r\n").try_send(b"")
        sluice.stop()
        # As it was written: the harness decodes with replacement characters, so bytes that are no UTF-8 would show as those.
        text = "\n".join(sluice.err)
        assert "\ufffd" not in text
        check_safe(text.encode(), "log")


@pytest.mark.parametrize("form", ["json", "text"])
def test_access_log(site, form):
    sluice, _ = site.simple(options={"access-log-format": "json"} if form == "json" else None)
    sent = [n for n in NASTY if not any(c in n for c in (b"\n", b"\r", b"\x1b", b"\x7f"))]  # the others are no field values
    for n in sent:
        with sluice.raw() as c:
            c.send(b"GET /a HTTP/1.1\r\nHost: app.example\r\nUser-Agent: " + n + b"\r\nConnection: close\r\n\r\n")
            c.read_all()
    lines = wait_for(lambda: (x := [line for line in sluice.access_lines() if "app.example" in line or "/a" in line]) and len(x) >= len(sent) and x, "the lines are there")
    for line in lines:
        assert "\ufffd" not in line
        check_safe(line.encode(), "access log")
        if form == "json":
            json.loads(line)


@pytest.mark.parametrize("n", NASTY)
def test_words_of_the_command_line(site, n, tmp_path):
    root = os.fsencode(str(site.manifests.root))
    word = n + FORGED.encode()
    config = os.fsencode(str(tmp_path)) + b"/c" + n + b".yaml"
    open(config, "wb").write(b"nonsense" + n + b": 1\n")
    for command in ([b"check", root + b"/" + word], [b"check", root, word], [b"check", root, b"--" + word], [b"check", root, b"--set", word],
                    [b"check", root, b"--set", b"proxy-body-size=" + word], [b"check", root, b"--set", word + b"=1"], [b"check", root, b"--endpoint", word],
                    [b"explain", root, b"GET", b"http://a/" + word], [b"explain", root, word, b"http://a/"], [b"explain", root, b"GET", b"http://a/", b"-H", word],
                    [b"explain", root, b"GET", word, b"--json"], [b"explain", root, b"GET", b"http://a/", b"-H", b"Host: " + word],
                    [b"serve", b"--manifests", root, b"--http", word], [b"serve", b"--manifests", root, b"--admin", word, b"--http", b"127.0.0.1:0", b"--https", b"127.0.0.1:0"],
                    [b"serve", b"--manifests", root, b"--config", config], [b"serve", b"--manifests", root, b"--config", config + word],
                    [b"serve", b"--kubeconfig", word], [b"serve", b"--manifests", root, b"--workers", word], [b"serve", b"--watch-namespace-selector", word],
                    [b"health", b"--admin", word], [b"docs", word], [word]):
        code, out, err = run(*command)
        assert code != 0, command
        check_safe(out, command)
        check_safe(err, command)


def test_health_shows_a_line_of_whoever_answers(site):
    def answer(sock, _):
        sock.recv(4096)
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\nok\n" + FORGED.encode() + b"\x1b[2J\xc2\x9b\n")

    other = site.scripted(answer)
    code, out, err = run("health", "--admin", other.address)
    assert code == 0 and check_safe(out, "health").startswith("ok")
