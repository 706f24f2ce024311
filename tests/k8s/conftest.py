import re
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from cluster import CLASS, Cluster, Pod  # noqa: E402
from alone import pytest_configure, room  # noqa: E402, F401, I001 (beside harness, where cluster looks)


@pytest.fixture(scope="session")
def cluster():
    """One API server for all tests; each uses a namespace of its own."""
    c = Cluster()
    try:
        c.apply(CLASS)
        yield c
    finally:
        c.stop()


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    """ca.crt, server.{crt,key} for 127.0.0.1, client.{crt,key}."""
    d = tmp_path_factory.mktemp("pki")

    def run(*args):
        subprocess.run(["openssl", *args], cwd=d, check=True, capture_output=True)

    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    run("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=authority")
    for name in ("server", "next", "client"):
        run("req", *new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (d / "ext").write_text("subjectAltName=IP:127.0.0.1\n")
        run("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-out", f"{name}.crt", "-days", "2", "-extfile", "ext")
    return d


@pytest.fixture
def ns(cluster, request):
    if cluster.away:  # the test before failed while it was
        cluster.start_api()
    name = "t-" + re.sub("[^a-z0-9]+", "-", request.node.name.lower())[:40].strip("-") + f"-{zlib.crc32(request.node.name.encode()):08x}"
    cluster.apply(f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n")
    return name


@pytest.fixture
def pods(cluster):
    """Starts echo pods, named by the test, and ends them."""
    made = []

    def start(name="echo"):
        made.append(Pod(cluster, name))
        return made[-1]

    yield start
    for pod in made:
        pod.stop()
