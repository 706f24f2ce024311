"""What the directory mode and the cluster mode make of the same objects is the same: every golden case, as far as the API
server takes its objects, is applied, exported again into a directory, and served from both."""
import json
from urllib.parse import quote

import pytest
import yaml
from cluster import PATHS, Api, Cluster, Sluice
from harness import ROOT

# Whose a host is goes by age, and the API server writes its own creationTimestamp: where several namespaces want one host
# a cluster filled within a second means something else than the file. tests/tenancy has these.
CASES = sorted(c for c in (ROOT / "tests/golden/cases").glob("*.yaml") if not c.name.startswith("tenant-"))
VERSIONS = {"Ingress": "networking.k8s.io/v1", "IngressClass": "networking.k8s.io/v1", "Service": "v1",
            "EndpointSlice": "discovery.k8s.io/v1", "Secret": "v1", "ConfigMap": "v1"}
# By the command line, before any object is read; the other has what no command line says: where the process listens.
REFUSED = {"service-endpoint-flag-bad", "stream-ports"}
NAMING = ("/auth-secret", "/auth-tls-secret", "/proxy-ssl-secret", "/custom-headers", "/auth-proxy-set-headers", "/fastcgi-params-configmap")
CONTROLLER = ("ingress-nginx", "ingress-nginx-controller")
asked = {}  # objects by the first digit of the server's answer


@pytest.fixture(scope="module")
def empty():
    c = Cluster()
    try:
        c.kubectl("create", "namespace", CONTROLLER[0])
        c.api = Api(c)
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
    api = empty.api
    for name in sorted({str(o["metadata"].get("namespace") or "default") for o in objects}):
        api.call("POST", PATHS["Namespace"], {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    where = [api.path(o["kind"], quote(str(o["metadata"].get("namespace") or "default"), ""), quote(str(o["metadata"].get("name")), "")) for o in objects]
    try:
        for at, o in zip(where, objects):
            status, _ = api.call("PATCH", at + "?fieldManager=test&force=true&fieldValidation=Ignore", json.loads(json.dumps(o, default=str)), "application/apply-patch+yaml")
            asked[status // 100] = asked.get(status // 100, 0) + 1
        # As the cluster mode is told: Secrets for TLS, the ConfigMap of the controller, and what annotations and its options name.
        named = {value if "/" in value else f"{o['metadata'].get('namespace') or 'default'}/{value}" for o in objects
                 for key, value in (o["metadata"].get("annotations") or {}).items() if key.endswith(NAMING)}
        named |= {value for o in objects if o["kind"] == "ConfigMap" for key, value in (o.get("data") or {}).items() if key in ("add-headers", "proxy-set-headers")}
        there = [{"apiVersion": version, "kind": kind, **o} for kind, version in VERSIONS.items()
                 for o in api.good("GET", PATHS[kind].replace("namespaces/%s/", ""))["items"]
                 if kind not in ("Secret", "ConfigMap") or f"{o['metadata']['namespace']}/{o['metadata']['name']}" in named or
                 (o.get("type") == "kubernetes.io/tls" if kind == "Secret" else (o["metadata"]["namespace"], o["metadata"]["name"]) == CONTROLLER)]
        (tmp_path / "all.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": there}))
        flags = flags_of(text)
        with Sluice(empty, *flags) as cluster, Sluice(empty, *flags, manifests=tmp_path) as directory:
            assert cluster.config() == directory.config()
    finally:
        for at in where:
            api.call("DELETE", at)


def test_most_cases_reach_the_cluster():
    """Else the comparison above would compare nothing with nothing."""
    assert not asked or asked[2] > 0.8 * sum(asked.values()), asked
    assert len([c for c in CASES if objects_of(c.read_text())]) > 0.9 * len(CASES) > 90
