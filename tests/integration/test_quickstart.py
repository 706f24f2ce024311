"""The first hour: what `make run` starts, and the tools it stands on."""
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from harness import ROOT, SLUICE, Process, http_get, need


class Quickstart(Process):
    def __init__(self):
        # Who starts the tests in the background has SIGINT ignored, and a shell leaves it so.
        super().__init__(["env", "--default-signal=INT", ROOT / "config/quickstart/run.sh", Path(SLUICE).parent], start_new_session=True)

    def wait_ready(self):
        self.dir = self.wait_line(r"^sluice serves (\S+)", 60).group(1)
        self.http = self.wait_line(r"^ +http +(\S+)").group(1)
        self.https = self.wait_line(r"^ +https +(\S+)").group(1)
        self.admin = self.wait_line(r"^ +admin +(\S+)").group(1)
        self.wait_line("Ctrl-C ends everything")
        return self

    def children(self):
        """What runs out of its folder of logs."""
        here = str(Path(self.dir).parent)
        found = []
        for fd in Path("/proc").glob("[0-9]*/fd/1"):
            try:
                if os.readlink(fd).startswith(here + "/"):
                    found.append(fd.parts[2])
            except OSError:
                pass
        return found

    def ctrl_c(self):
        os.killpg(self.pid, signal.SIGINT)
        return self.proc.wait(30)


@pytest.fixture
def quickstart():
    need("openssl")
    started = []

    def start():
        started.append(Quickstart())
        return started[-1]
    yield start
    for one in started:
        if one.proc.poll() is None:
            os.killpg(one.pid, signal.SIGTERM)
            one.proc.wait(30)


def test_what_it_prints_can_be_asked(quickstart):
    q = quickstart().wait_ready()
    assert http_get(q.http, "/cart", host="shop.localhost").status == 200
    a = http_get(q.http, "/a", host="secure.localhost")
    assert a.status == 308 and a.get("location") == f"https://secure.localhost:{q.https.rpartition(':')[2]}/a"
    assert http_get(q.admin, "/readyz").status == 200


def test_twice_at_once_and_one_ctrl_c_each(quickstart):
    first = quickstart().wait_ready()
    second = quickstart().wait_ready()
    assert first.dir != second.dir and first.http != second.http
    for q in (first, second):
        assert len(q.children()) == 4
        assert http_get(q.http, "/cart", host="shop.localhost").status == 200
    assert second.ctrl_c() == 0 and second.children() == []
    assert http_get(first.http, "/cart", host="shop.localhost").status == 200
    assert first.ctrl_c() == 0 and first.children() == []
    again = quickstart().wait_ready()
    assert again.dir == first.dir
    assert again.ctrl_c() == 0


FAKES = {
    "dpkg-query": "exit 1",
    "sudo": 'exec "$@"',
    "apt-get": 'echo "apt-get $* policy=$(sh $DEPS_POLICY; echo $?)" >>"$RECORD"; touch "$DEPS_UNITS/there.service" "$DEPS_UNITS/new.service"',
    "systemctl": 'echo "systemctl $*" >>"$RECORD"',
}


def test_packages_of_tests_start_no_services(tmp_path):
    """tools/deps.sh with a package manager that brings a service: it is neither started nor enabled."""
    for folder in ("bin", "units"):
        (tmp_path / folder).mkdir()
    for name, what in FAKES.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{what}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "units/there.service").touch()
    record = tmp_path / "record"
    policy = tmp_path / "policy-rc.d"
    env = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "RECORD": str(record), "DEPS_POLICY": str(policy), "DEPS_UNITS": str(tmp_path / "units")}
    r = subprocess.run([ROOT / "tools/deps.sh", "image"], env=env, capture_output=True, text=True, timeout=60)
    assert r.returncode == 0, r.stderr
    said = record.read_text().splitlines()
    assert re.match(r"apt-get install .*buildah.* policy=101", said[0]) and said[1:] == ["systemctl --quiet disable new.service"]
    assert "not started: new.service" in r.stdout and not policy.exists()


def test_what_run_needs_is_in_packages():
    rows = [line.split(None, 2) for line in (ROOT / "packages.txt").read_text().splitlines() if line and line[0] != "#"]
    assert {"curl", "openssl"} <= {name for name, group, _ in rows if group == "run"}
    assert "build run" in (ROOT / "Makefile").read_text()
