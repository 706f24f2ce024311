"""The container image, built by buildah on a Debian that debootstrap made, and run from its unpacked root. Root; no daemon.

Buildah keeps the Debian and the layer with the compiler: a second run costs two builds of Sluice."""
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration"))
from harness import Process, wait_for  # noqa: E402

PLACE = ROOT / "build/image"
NAME, USER, HOST = "localhost/sluice:test", "10001", "app.example"
# Needs neither a daemon nor the right to make containers.
BUILDAH = {**os.environ, "BUILDAH_ISOLATION": "chroot", "SOURCE_DATE_EPOCH": "1700000000"}


def buildah(*args):
    r = subprocess.run(["buildah", *map(str, args)], env=BUILDAH, capture_output=True, text=True)
    assert r.returncode == 0, r.stderr[-3000:]
    return r.stdout.strip()


def sources():
    """APT's sources of this machine, one a line, as the Dockerfile's argument wants them."""
    lines = []
    for stanza in (s for f in Path("/etc/apt/sources.list.d").glob("*.sources") for s in f.read_text().split("\n\n")):
        field = dict(re.findall(r"^(\w[\w-]*): *(.+)$", stanza, re.M))
        if "main" in field.get("Components", ""):
            lines += [f"deb [check-valid-until=no] {uri} {suite} main" for uri in field["URIs"].split() for suite in field["Suites"].split()]
    lines += re.findall(r"^deb .+$", Path("/etc/apt/sources.list").read_text(), re.M) if Path("/etc/apt/sources.list").exists() else []
    return "\n".join(lines)


@pytest.fixture(scope="session")
def base():
    """A stand-in for debian:12-slim, of which no registry is asked."""
    name, made = "localhost/debian:12-stand-in", PLACE / "base"
    if buildah("images", "--quiet", "--filter", f"reference={name}"):
        return name
    shutil.rmtree(made, ignore_errors=True)
    PLACE.mkdir(parents=True, exist_ok=True)
    subprocess.run(["debootstrap", "--variant=minbase", "bookworm", made], check=True, stdout=subprocess.DEVNULL)
    container = buildah("from", "scratch")
    buildah("copy", "--quiet", container, made, "/")
    buildah("commit", "--quiet", "--rm", container, name)
    shutil.rmtree(made)
    return name


def build(base, context):
    env = {**BUILDAH, "BASE": base, "APT_SOURCES": sources(), "COMMIT": "0123456789ab", "BUILDER": "buildah"}
    PLACE.mkdir(parents=True, exist_ok=True)
    log = PLACE / "build.log"
    with open(log, "w") as out:
        status = subprocess.run([context / "tools/image.sh", NAME, "--layers"], env=env, stdout=out, stderr=subprocess.STDOUT).returncode
    assert status == 0, f"{log}:\n" + log.read_text()[-3000:]
    return json.loads(buildah("inspect", "--type", "image", NAME))


@pytest.fixture(scope="session")
def image(base):
    return build(base, ROOT)


@pytest.fixture(scope="session")
def root(image):
    container = buildah("from", NAME)
    yield Path(buildah("mount", container))
    buildah("rm", container)


def config(image):
    return image["Docker"]["config"]


def test_it_says_how_it_is_run(image):
    c = config(image)
    assert c["User"] == f"{USER}:{USER}" and c["Entrypoint"] == ["/usr/local/bin/sluice"] and c["Healthcheck"]["Test"] == ["CMD", "/usr/local/bin/sluice", "health"]
    assert set(c["ExposedPorts"]) == {"80/tcp", "443/tcp", "10254/tcp"} and image["Docker"]["created"].startswith("2023-11-14T22:13:20")


def test_nothing_is_in_it_but_what_it_needs(root):
    programs = [p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file() and not p.is_symlink() and os.access(p, os.X_OK) and ".so" not in p.name]
    assert sorted(programs) == ["usr/local/bin/sluice", "usr/local/bin/sluice-echo"]
    assert not [p for p in root.rglob("*") if not p.is_symlink() and p.stat().st_mode & 0o6000]
    assert [p for p in root.rglob("*") if not p.is_symlink() and p.stat().st_mode & 0o002] == [root / "tmp"]
    size = sum(p.lstat().st_size for p in root.rglob("*") if p.is_file() and not p.is_symlink())
    print(f"\nsize of the image's files: {size / 1e6:.1f} MB")
    assert size < 40e6
    said = {p.name: p.read_text() for p in (root / "var/lib/dpkg/status.d").iterdir()}
    assert {"libc6", "libssl3", "libstdc++6", "ca-certificates", "libboost-json1.81.0"} <= said.keys()
    for name, text in said.items():
        assert "\nVersion: " in text and (root / "usr/share/doc" / name / "copyright").stat().st_size > 0


class Container:
    """A network of its own, the root read-only, the manifests in their place: as a runtime would start it."""

    def __init__(self, root, tmp):
        self.netns, self.at = f"sluice-image-{os.getpid()}", tmp / "root"
        subprocess.run(["ip", "netns", "add", self.netns], check=True)
        subprocess.run(["ip", "-n", self.netns, "link", "set", "lo", "up"], check=True)
        self.at.mkdir()
        self.mounts = f"mount --bind {root} {self.at} && mount -o remount,bind,ro {self.at} && mount --bind {tmp / 'manifests'} {self.at}/etc/sluice/manifests && exec \"$@\""

    def command(self, *argv, locked=False):
        return ["ip", "netns", "exec", self.netns, "unshare", "--mount", "sh", "-ec", self.mounts, "sh", sys.executable, Path(__file__).with_name("enter.py"),
                *["--no-new-privileges"] * locked, self.at, USER, *argv]

    def run(self, *argv):
        return subprocess.run(list(map(str, self.command(*argv))), capture_output=True, text=True, timeout=30)

    def curl(self, *args):
        return subprocess.run(["ip", "netns", "exec", self.netns, "curl", "-s", "-m", "10", *args], capture_output=True, text=True).stdout

    def stop(self):
        subprocess.run(["ip", "netns", "del", self.netns], check=False)


@pytest.fixture
def container(root, tmp_path):
    (tmp_path / "manifests").mkdir()
    os.chmod(tmp_path, 0o755)
    for above in tmp_path.parents:  # the user must come in
        if above != Path("/") and above.stat().st_uid == os.getuid() and above.is_relative_to("/tmp") and above != Path("/tmp"):
            os.chmod(above, 0o755)
    c = Container(root, tmp_path)
    yield c
    c.stop()


def test_its_binary_serves_from_the_read_only_root(image, container, tmp_path):
    c = config(image)
    os.environ |= dict(e.split("=", 1) for e in c["Env"] if e.startswith("SLUICE_"))
    pod = Process(container.command("/usr/local/bin/sluice-echo", "--listen", "127.0.0.1:0", "--name", "pod"))
    try:
        port = pod.wait_line(r"^listening http \S+:(\d+)", 20)[1]
        (tmp_path / "manifests/all.yaml").write_text(f"""apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: app, namespace: default}}
spec: {{ingressClassName: nginx, rules: [{{host: {HOST}, http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: app, port: {{number: 80}}}}}}}}]}}}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: app, namespace: default}}
spec: {{ports: [{{name: http, port: 80}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: app-1, namespace: default, labels: {{kubernetes.io/service-name: app}}}}
addressType: IPv4
ports: [{{name: http, port: {port}}}]
endpoints: [{{addresses: [127.0.0.1], conditions: {{ready: true}}}}]
""")
        assert container.run("/usr/local/bin/sluice", "version").stdout == "sluice 0.1.0 (0123456789ab)\n"
        assert container.run(*c["Healthcheck"]["Test"][1:]).returncode == 1
        # Ports 80 and 443, by the one capability: of the user's own there is none.
        with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as f:
            assert int(f.read()) > 443
        sluice = Process(container.command(*c["Entrypoint"], *c["Cmd"]))
        try:
            sluice.wait_line("^ready", 30)
            status = Path(f"/proc/{sluice.proc.pid}/status").read_text()
            assert re.search(r"^Uid:\s+10001\s+10001\s+10001\s+10001$", status, re.M), status
            held = {name: int(re.search(rf"^Cap{name}:\s+(\w+)", status, re.M)[1], 16) for name in ("Prm", "Eff", "Bnd")}
            assert held == {"Prm": 1 << 10, "Eff": 1 << 10, "Bnd": 1 << 10}
            assert "pod" in container.curl("-H", f"Host: {HOST}", "http://127.0.0.1/hello")
            assert container.curl("-k", "-o", "/dev/null", "-w", "%{http_code}", "--resolve", f"{HOST}:443:127.0.0.1", f"https://{HOST}/") == "200"
            assert container.run(*c["Healthcheck"]["Test"][1:]).returncode == 0
            mounts = Path(f"/proc/{sluice.proc.pid}/mountinfo").read_text()
            assert re.search(r"^\S+ \S+ \S+ \S+ / ro[, ]", mounts, re.M), mounts
        finally:
            assert sluice.stop() == 0, sluice.err[-20:]
        wait_for(lambda: container.run(*c["Healthcheck"]["Test"][1:]).returncode == 1, "the health check to fail")
    finally:
        pod.stop()


def test_without_privilege_escalation_as_in_the_manifests(container):
    """The binary's capability does not count then: high ports are served, and low ones refused with the reason."""
    serve = ["/usr/local/bin/sluice", "serve", "--manifests", "/etc/sluice/manifests", "--admin", "127.0.0.1:0", "--https", "127.0.0.1:0", "--http"]
    sluice = Process(container.command(*serve, "127.0.0.1:8080", locked=True))
    try:
        sluice.wait_line("^ready", 30)
        status = Path(f"/proc/{sluice.proc.pid}/status").read_text()
        assert re.search(r"^NoNewPrivs:\s+1$", status, re.M) and re.search(r"^CapEff:\s+0+$", status, re.M), status
        assert container.curl("-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:8080/") == "404"
    finally:
        assert sluice.stop() == 0, sluice.err[-20:]
    low = Process(container.command(*serve, "127.0.0.1:80", locked=True))
    assert low.proc.wait(30) != 0
    wait_for(lambda: any("127.0.0.1:80" in line and "Permission denied" in line for line in low.err), "the reason")


def test_a_second_build_is_the_same(base, image, tmp_path):
    """Compiled anew, in another directory and at another time: the layer has the same digest."""
    context = tmp_path / "elsewhere"
    shutil.copytree(ROOT, context, symlinks=True, ignore=lambda at, names: ["build", ".git", "tests", "bench"] if Path(at) == ROOT else [])
    (context / "README.md").write_text("another file in the context, so that nothing is taken from the cache of the first build\n")
    again = build(base, context)
    assert again["Docker"]["rootfs"] == image["Docker"]["rootfs"] and len(again["Docker"]["rootfs"]["diff_ids"]) == 1
