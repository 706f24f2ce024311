import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from cluster import CLASS, Cluster, Pod  # noqa: E402


@pytest.fixture(scope="session")
def cluster():
    """One API server for all tests; each uses a namespace of its own."""
    c = Cluster()
    try:
        c.apply(CLASS)
        yield c
    finally:
        c.stop()


@pytest.fixture
def ns(cluster, request):
    name = "t-" + re.sub("[^a-z0-9]+", "-", request.node.name.lower())[:40].strip("-")
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
