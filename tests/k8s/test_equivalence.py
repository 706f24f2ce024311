"""What the directory mode and the cluster mode make of the same objects is the same: every golden case, as far as the API
server takes its objects, is applied, exported again into a directory, and served from both."""
import json

import pytest
import yaml
from cluster import Cluster, Sluice
from harness import ROOT

CASES = sorted((ROOT / "tests/golden/cases").glob("*.yaml"))
VERSIONS = {"Ingress": "networking.k8s.io/v1", "IngressClass": "networking.k8s.io/v1", "Service": "v1",
            "EndpointSlice": "discovery.k8s.io/v1", "Secret": "v1", "ConfigMap": "v1"}
REFUSED = {"service-endpoint-flag-bad"}  # by the command line, before any object is read
CONTROLLER = ("ingress-nginx", "ingress-nginx-controller")


@pytest.fixture(scope="module")
def empty():
    c = Cluster()
    try:
        c.kubectl("create", "namespace", CONTROLLER[0])
        yield c
    finally:
        c.stop()


def objects_of(text):
    """The case's objects that an API server can be asked to take."""
    try:
        documents = list(yaml.safe_load_all(text))
    except yaml.YAMLError:
        return []
    out = []
    for d in documents:
        items = d.get("items") if isinstance(d, dict) and str(d.get("kind")).endswith("List") else [d]
        for o in items or []:
            if isinstance(o, dict) and VERSIONS.get(o.get("kind")) == o.get("apiVersion") and isinstance(o.get("metadata"), dict):
                out.append(o)
    return out


def flags_of(text):
    flags = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        if line.startswith("#: "):
            key, _, value = line[3:].strip().partition(" ")
            flags += [f"--{key}"] + ([value] if value not in ("", "yes") else [])
    return flags


@pytest.mark.parametrize("case", [c for c in CASES if c.stem not in REFUSED], ids=lambda c: c.stem)
def test_a_directory_and_a_cluster_mean_the_same(empty, case, tmp_path):
    text = case.read_text()
    objects = objects_of(text)
    for name in sorted({str(o["metadata"].get("namespace") or "default") for o in objects}):
        empty.kubectl("create", "namespace", name, check=False)
    given = "---\n".join(yaml.safe_dump(o) for o in objects)
    try:
        if objects:
            empty.kubectl("apply", "--server-side", "--validate=false", "-f", "-", stdin=given, check=False)
        # As the cluster mode is told: Secrets for TLS, and the ConfigMap of the controller.
        kinds = ",".join(k.lower() for k in VERSIONS)
        there = [o for o in json.loads(empty.kubectl("get", kinds, "-A", "-o", "json"))["items"]
                 if (o["kind"] != "Secret" or o.get("type") == "kubernetes.io/tls") and
                 (o["kind"] != "ConfigMap" or (o["metadata"]["namespace"], o["metadata"]["name"]) == CONTROLLER)]
        (tmp_path / "all.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": there}))
        flags = flags_of(text)
        with Sluice(empty, *flags) as cluster, Sluice(empty, *flags, manifests=tmp_path) as directory:
            assert cluster.config() == directory.config()
    finally:
        if objects:
            empty.kubectl("delete", "--ignore-not-found", "-f", "-", stdin=given, check=False)


def test_most_cases_reach_the_cluster():
    """Else the comparison above would compare nothing with nothing."""
    assert len([c for c in CASES if objects_of(c.read_text())]) > 0.9 * len(CASES) > 90
