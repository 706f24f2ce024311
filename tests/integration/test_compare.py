"""config/migration/compare.sh: what it asks, what it calls alike, and how it ends. (tests/k8s/test_migration.py has it read a real API server.)"""
import os
import subprocess

import pytest

from harness import ROOT, SLUICE_ECHO, Process, free_port

SCRIPT = ROOT / "config/migration/compare.sh"


class Controller(Process):
    """A pod in its place, by http and https."""

    def __init__(self, directory, name):
        super().__init__([SLUICE_ECHO, "--listen", "127.0.0.1:0", "--tls-listen", "127.0.0.1:0", "--tls-cert", directory / "crt", "--tls-key", directory / "key", "--name", name])
        self.port = {kind: self.wait_line(rf"^listening {kind}\W+\S*:(\d+)")[1] for kind in ("http", "https")}
        self.place = f"127.0.0.1:{self.port['http']}:{self.port['https']}"


class Pair:
    def __init__(self, directory):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", directory / "key", "-out", directory / "crt",
                        "-days", "2", "-subj", "/CN=shop.example"], check=True, capture_output=True)
        self.directory, self.old, self.new = directory, Controller(directory, "old"), Controller(directory, "new")

    def run(self, *args, lines=("nginx\tshop.example\t/",), old=None, new=None):
        """Exit status, lines of standard output, standard error. `lines` are the paths that kubectl tells: class, host, path."""
        kubectl = self.directory / "kubectl"
        (self.directory / "paths").write_text("".join(f"{line}\n" for line in lines))
        kubectl.write_text(f'#!/bin/sh\necho "$@" >{self.directory}/asked\ncat {self.directory}/paths\n')
        kubectl.chmod(0o755)
        r = subprocess.run([SCRIPT, *args, old or self.old.place, new or self.new.place], capture_output=True, text=True, timeout=60, env={**os.environ, "KUBECTL": str(kubectl)})
        return r.returncode, r.stdout.splitlines(), r.stderr

    def urls(self, name, *args, text):
        (self.directory / name).write_text(text)
        return self.run("-u", str(self.directory / name), *args, lines=())


@pytest.fixture
def pair(tmp_path):
    made = Pair(tmp_path)
    yield made
    made.old.stop()
    made.new.stop()


def test_alike(pair):
    assert pair.run()[:2] == (0, ["2 URLs: 2 alike, 0 differ, 0 without an answer"])
    status, out, _ = pair.urls("urls", text="http://shop.example/a\n\n# not this\nhttp://shop.example/b?status=404\nhttp://shop.example/a\n")
    assert (status, out) == (0, ["2 URLs: 2 alike, 0 differ, 0 without an answer"])


def test_nobody_there(pair):
    """Two that both do not answer are not alike."""
    nobody, half = f"127.0.0.1:{free_port()}:{free_port()}", pair.new.place.rpartition(":")[0] + f":{free_port()}"
    status, out, _ = pair.run(old=nobody, new=nobody)
    assert (status, out[-1]) == (2, "2 URLs: 0 alike, 0 differ, 2 without an answer")
    status, out, _ = pair.run(new=half)
    assert (status, out) == (1, ["https://shop.example/", "    old  200 (certificate not trusted)", "    new  no answer (curl 7)", "2 URLs: 1 alike, 0 differ, 1 without an answer"])


def test_what_differs(pair):
    status, out, _ = pair.run("-H", "X-Echo-Name", "-H", "X-None")
    assert status == 1 and out[:3] == ["http://shop.example/", "    old  200 x-echo-name: old", "    new  200 x-echo-name: new"]
    status, out, _ = pair.urls("urls", "-H", "X-A", "-a", "X-Echo: status=302&header=Location:/there&header=X-A:1&header=X-A:2", "-H", "X-Echo-Name", text="http://shop.example/\n")
    assert out == ["http://shop.example/", "    old  302 -> /there x-a: 1, 2 x-echo-name: old", "    new  302 -> /there x-a: 1, 2 x-echo-name: new",
                   "1 URLs: 0 alike, 1 differ, 0 without an answer"]


@pytest.mark.parametrize("line,asked", [
    ("nginx\t*.shop.example\t/", "compare.shop.example/"), ("nginx\t-\t/x", "compare.invalid/x"), ("nginx\ta.example\t/api(/|$)(.*)", "a.example/api"),
    ("nginx\ta.example\t/v1/.*", "a.example/v1/"), ("nginx\ta.example\t^/robots.txt$", "a.example/robots.txt"), ("nginx\ta.example\t/item/[0-9]+", "a.example/item/"),
    ("nginx\ta.example\t(.*)", "a.example/"), ("nginx\ta.example\t/a b", "a.example/a%20b"), ("nginx\talias\twww.a.example,~^x(.*)$ b.example", "b.example/ www.a.example/")])
def test_what_is_asked(pair, line, asked):
    _, out, _ = pair.run("-H", "X-Echo-Name", lines=[line])
    assert [u.removeprefix("http://") for u in out if u.startswith("http://")] == asked.split()


def test_a_class(pair):
    lines = ["nginx\ta.example\t/", "other\tb.example\t/", "-\tc.example\t/"]
    for args, hosts in ((("-c", "nginx"), "a"), (("-c", "nginx", "-c", "-"), "ac"), ((), "abc")):
        _, out, _ = pair.run("-H", "X-Echo-Name", *args, lines=lines)
        assert "".join(u[7] for u in out if u.startswith("http://")) == hosts
    pair.run("-n", "shop")
    assert (pair.directory / "asked").read_text().startswith("get ingress -n shop ")


def test_an_answer_without_end(pair):
    """Its head counts, when the time is over."""
    status, out, _ = pair.urls("urls", "-t", "1", text="http://shop.example/?size=100000&chunks=2&pause=30000\n")
    assert (status, out) == (0, ["1 URLs: 1 alike, 0 differ, 0 without an answer"])


def test_it_says_what_it_expects(pair):
    for args, said in (((), "two addresses"), (("a",), "two addresses"), (("a:1", "b"), "a:1: expected ADDRESS or ADDRESS:HTTP:HTTPS"), (("-z", "a", "b"), "expected: compare.sh")):
        r = subprocess.run([SCRIPT, *args], capture_output=True, text=True, timeout=30)
        assert r.returncode == 2 and said in r.stderr, (args, r.stderr)
    assert pair.run(lines=())[0] == 2
    status, _, err = pair.run("-u", "/nowhere")
    assert status == 2 and "/nowhere: expected URLs" in err
