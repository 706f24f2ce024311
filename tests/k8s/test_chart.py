"""The Helm chart: it makes what the kustomizations make, and no value is ignored."""
import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from cluster import HARNESS, ROOT, SLUICE

CHART = ROOT / "config/helm/sluice"
HELM = Path(HARNESS).with_name("helm")
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
REFUSED = yaml.safe_load((CHART / "refused.yaml").read_text())
OF_HELM = {"app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "helm.sh/chart"}
# Values that make the chart as big as it gets: what `helm template` shows of a key depends on others.
ALL = {"controller.service.internal.enabled": True, "controller.admissionWebhooks.enabled": True, "controller.metrics.serviceMonitor.enabled": True,
       "controller.metrics.prometheusRule.enabled": True, "controller.metrics.dashboard.enabled": True, "rbac.scope": False}


def nested(flat):
    out = {}
    for path, value in flat.items():
        *above, last = path.split(".")
        node = out
        for key in above:
            node = node.setdefault(key, {})
        node[last] = value
    return out


def helm(values, release="sluice", check=True):
    """What `helm template` says and whether it failed; `values` by their paths with dots."""
    r = subprocess.run([HELM, "template", release, CHART, "-n", "sluice", "--kube-version", "1.36.3", "-f", "-"], input=json.dumps(nested(values)),
                       capture_output=True, text=True, timeout=60)
    assert not check or r.returncode == 0, r.stderr
    return r.stdout if r.returncode == 0 else r.stderr


def leaves(value, path=""):
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else key)
    else:
        yield path, value


def plain(value):
    """Without what only Helm says; rules of roles in any order."""
    if isinstance(value, dict):
        return {k: plain(sorted(v, key=str) if k == "rules" else v) for k, v in value.items() if k not in OF_HELM}
    return [plain(v) for v in value] if isinstance(value, list) else value


def objects(text):
    """By kind and name, without the Namespace, which Helm does not make."""
    return {(o["kind"], o["metadata"]["name"]): plain(o) for o in yaml.safe_load_all(text) if o and o["kind"] != "Namespace"}


SAME = {
    "base": {},
    "overlays/webhook": {"controller.admissionWebhooks.enabled": True},
    "overlays/daemonset": {"controller.kind": "DaemonSet", "controller.hostPort.enabled": True, "controller.service.enabled": False},
    "overlays/admin-token": {"controller.admin.tokenSecret": "sluice-admin"},
    "overlays/monitoring": {"controller.metrics.serviceMonitor.enabled": True, "controller.metrics.dashboard.enabled": True},
    "overlays/namespace-selector": {"controller.scope.namespaceSelector": "ingress=sluice"},
    "overlays/secrets-by-name": {"rbac.allSecrets": False},
}


@pytest.mark.parametrize("path", SAME)
def test_it_makes_what_the_kustomization_makes(path):
    shipped = objects(subprocess.run([HARNESS, "kubectl", "kustomize", ROOT / "config/kubernetes" / path], capture_output=True, text=True, check=True).stdout)
    made = objects(helm(SAME[path]))
    assert made.keys() == shipped.keys()
    for what, want in shipped.items():
        assert made[what] == want, what


def test_on_the_network_of_the_node_loopback_is_not_trusted():
    untrusted = "--admin-trust-loopback=false"
    node = {"controller.hostNetwork": True, "controller.containerPort": {"http": 8080, "https": 8443}}
    assert untrusted not in helm({})
    assert untrusted in helm(node)
    assert untrusted not in helm(node | {"controller.admin.trustLoopback": True})
    made = objects(helm({"controller.admin": {"tokenSecret": "t", "hosts": ["a.example", "b.example"], "pages": "off"}, "controller.extraVolumes": [{"name": "v", "emptyDir": {}}]}))
    pod = made["Deployment", "sluice"]["spec"]["template"]["spec"]
    assert [v["name"] for v in pod["volumes"]] == ["v", "buffer", "admin-token"]
    assert [a for a in pod["containers"][0]["args"] if a.startswith("--admin-")] == ["--admin-token-file=/etc/sluice/admin/token", "--admin-pages=off", "--admin-host=a.example", "--admin-host=b.example"]


def test_headers_are_config_maps_that_the_options_name():
    made = objects(helm({"controller.addHeaders": {"X-Frame-Options": "DENY", "X-Number": 5, "Access-Control-Max-Age": 1728000, "X-Half": 0.5, "X-Gone": ""},
                          "controller.proxySetHeaders": {"X-Mine": "$host", "X-Big": 12345678901, "X-Yes": True}}))
    assert made["ConfigMap", "sluice-custom-add-headers"]["data"] == {"X-Frame-Options": "DENY", "X-Number": "5", "Access-Control-Max-Age": "1728000", "X-Half": "0.5", "X-Gone": ""}
    assert made["ConfigMap", "sluice-custom-proxy-headers"]["data"] == {"X-Mine": "$host", "X-Big": "12345678901", "X-Yes": "true"}
    data = made["ConfigMap", "sluice"]["data"]
    assert (data["add-headers"], data["proxy-set-headers"]) == ("sluice/sluice-custom-add-headers", "sluice/sluice-custom-proxy-headers")
    made = objects(helm({"controller.addHeaders": {"X-A": "b"}, "controller.config": {"add-headers": "a/b"}, "controller.scope.enabled": True}))
    assert made["ConfigMap", "sluice"]["data"]["add-headers"] == "a/b"
    assert ["get"] in [r["verbs"] for r in made["Role", "sluice"]["rules"] if r["resources"] == ["configmaps"]], "the namespace that is watched may be another one"


def test_snippets_are_allowed_as_in_the_chart_of_ingress_nginx():
    def data(values):
        return objects(helm(values))["ConfigMap", "sluice"].get("data") or {}

    assert "allow-snippet-annotations" not in data({})
    assert data({"controller.allowSnippetAnnotations": True})["allow-snippet-annotations"] == "true"
    assert data({"controller.allowSnippetAnnotations": True, "controller.config": {"allow-snippet-annotations": "false"}})["allow-snippet-annotations"] == "false"


def test_options_may_be_empty():
    assert objects(helm({"controller.config": {}}))["ConfigMap", "sluice"]["data"] == {"shutdown-grace-period": "10", "worker-shutdown-timeout": "240s"}
    taken_away = {"controller.config": {"add-headers": None, "allow-snippet-annotations": None}, "controller.addHeaders": {"X-A": "b"}, "controller.allowSnippetAnnotations": True}
    data = objects(helm(taken_away))["ConfigMap", "sluice"]["data"]
    assert (data["add-headers"], data["allow-snippet-annotations"]) == ("sluice/sluice-custom-add-headers", "true")
    assert objects(helm({"controller.config": None}))["ConfigMap", "sluice"]["data"] is None


def test_ports_that_lead_to_services():
    made = objects(helm(STREAMS | {"portNamePrefix": "x", "controller.tcp.annotations": {"a": "b"}, "controller.service.nodePorts": {"http": "", "https": "", "tcp": {"5432": 30000}, "udp": {}},
                                   "controller.hostPort.enabled": True}))
    assert made["ConfigMap", "sluice-tcp"]["data"] == {"5432": "default/db:5432"} and made["ConfigMap", "sluice-tcp"]["metadata"]["annotations"] == {"a": "b"}
    assert made["ConfigMap", "sluice-udp"]["data"] == {"53": "kube-system/kube-dns:53"}
    assert made["Service", "sluice"]["spec"]["ports"][2:] == [
        {"name": "x-5432-tcp", "port": 5432, "protocol": "TCP", "targetPort": "x-5432-tcp", "nodePort": 30000}, {"name": "x-53-udp", "port": 53, "protocol": "UDP", "targetPort": "x-53-udp"}]
    container = made["Deployment", "sluice"]["spec"]["template"]["spec"]["containers"][0]
    assert [p for p in container["ports"] if p["name"].startswith("x-")] == [
        {"name": "x-5432-tcp", "containerPort": 5432, "protocol": "TCP", "hostPort": 5432}, {"name": "x-53-udp", "containerPort": 53, "protocol": "UDP", "hostPort": 53}]
    assert {"--tcp-services-configmap=sluice/sluice-tcp", "--udp-services-configmap=sluice/sluice-udp"} <= set(container["args"])
    assert made["NetworkPolicy", "sluice"]["spec"]["ingress"][0]["ports"][2:] == [{"port": "x-5432-tcp", "protocol": "TCP"}, {"port": "x-53-udp", "protocol": "UDP"}]
    made = objects(helm(STREAMS | {"controller.tcp.configMapNamespace": "edge"}))
    assert "--tcp-services-configmap=edge/sluice-tcp" in made["Deployment", "sluice"]["spec"]["template"]["spec"]["containers"][0]["args"]
    # One namespace alone: the right to get both by name.
    rules = objects(helm(STREAMS | {"controller.scope.enabled": True}))["Role", "sluice"]["rules"]
    assert {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["sluice-tcp", "sluice-udp"], "verbs": ["get"]} in rules
    said = helm({"tcp": {"0": "a/b:1", "http": "a/b:1", "65536": "a/b:1", "8080": "a/b:1", "10254": "a/b:1", "9000": "a/b:1"}, "udp": {"8080": "a/b:1"}, "portNamePrefix": "too-long-a",
                 "controller.extraArgs": {"tcp-services-configmap": "a/b"}}, check=False)
    for line in ("tcp.0: expected a port from 1 to 65535", "tcp.http: expected a port", "tcp.65536: expected a port", "tcp.8080: the port is taken by controller.containerPort.http",
                 "tcp.10254: the port is taken by controller.metrics.port", "portNamePrefix: too-long-a-9000-tcp is longer", "controller.extraArgs.tcp-services-configmap: remove it: tcp makes the ConfigMap"):
        assert line in said, line
    assert "udp.8080" not in said


def test_lint():
    said = subprocess.run([HELM, "lint", "--strict", "--kube-version", "1.36.3", CHART], capture_output=True, text=True)
    assert said.returncode == 0, said.stdout


def test_another_release_has_names_of_its_own():
    made = objects(helm(ALL, release="edge"))
    assert {name for kind, name in made if kind != "IngressClass"} == {f"edge-sluice{part}" for part in ("", "-admin", "-dashboard", "-internal", "-webhook")}
    text = json.dumps(list(made.values()), default=str)
    for flag in ("--configmap=$(POD_NAMESPACE)/edge-sluice", "--publish-service=$(POD_NAMESPACE)/edge-sluice", "--election-id=edge-sluice-leader",
                 "--validating-webhook-service=edge-sluice-webhook", "--validating-webhook-configuration=edge-sluice"):
        assert f'"{flag}"' in text


# Where another value of the same type says nothing, or only together with others.
INSTEAD = {
    "nameOverride": "other", "fullnameOverride": "other", "controller.image.tag": "1", "controller.kind": "DaemonSet",
    "controller.containerPort": {"http": 80}, "controller.ingressClassResource.aliases": ["b"], "controller.autoscaling.targetCPUUtilizationPercentage": 50,
    "controller.autoscaling.targetMemoryUtilizationPercentage": 50, "controller.maxUnavailable": 1, "controller.topologySpreadConstraints": [],
    "controller.service.allocateLoadBalancerNodePorts": False, "controller.service.internal.allocateLoadBalancerNodePorts": False,
    "controller.service.internal.ports": {"http": 81}, "controller.service.internal.targetPorts": {"http": 81}, "controller.updateStrategy": {"type": "Recreate"},
    "revisionHistoryLimit": 1, "controller.admissionWebhooks.failurePolicy": "Ignore", "controller.service.internal.type": "NodePort",
    "controller.service.type": "NodePort", "controller.extraArgs": {"log-level": "debug"}, "controller.config": {"keep-alive": 7}, "controller.ingressClass": "edge",
    "controller.admin.trustLoopback": False, "controller.admin.pages": "open", "controller.admin.hosts": ["other"],
    "controller.config.shutdown-grace-period": "5", "controller.config.worker-shutdown-timeout": "5", "controller.healthCheckHost": "localhost", "controller.publishService.pathOverride": "other/one",
    "tcp": {"5432": "default/db:5432"}, "udp": {"53": "kube-system/kube-dns:53"},
} | {f"controller.service.{of}nodePorts.{transport}": {port: 30000} for of in ("", "internal.") for transport, port in (("tcp", "5432"), ("udp", "53"))}
STREAMS = {"tcp": {"5432": "default/db:5432"}, "udp": {"53": "kube-system/kube-dns:53"}}
TOGETHER = {
    "controller.replicaCount": {"controller.autoscaling.enabled": False}, "controller.hostPort.ports": {"controller.hostPort.enabled": True},
    "controller.scope.namespace": {"controller.scope.enabled": True}, "rbac.scope": {"controller.scope.enabled": True, "controller.admissionWebhooks.enabled": False},
    "controller.hostNetwork": {"controller.containerPort": {"http": 8081, "https": 8444}, "controller.admissionWebhooks.port": 9443},
    "controller.service.external.enabled": {}, "serviceAccount.name": {},
    "portNamePrefix": STREAMS, "controller.tcp": STREAMS, "controller.udp": STREAMS, "controller.service.nodePorts.tcp": STREAMS, "controller.service.nodePorts.udp": STREAMS,
    "controller.service.internal.nodePorts.tcp": STREAMS | {"controller.service.internal.type": "NodePort"},
    "controller.service.internal.nodePorts.udp": STREAMS | {"controller.service.internal.type": "NodePort"},
}


def another(path, value):
    if path in INSTEAD:
        return INSTEAD[path]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str):
        return "other"
    if isinstance(value, list):
        return [{"name": "other", "image": "other"}]
    return {"other": "1"}


def test_no_value_is_without_effect():
    def ignored(leaf):
        path, value = leaf
        context = ALL | next((v for k, v in TOGETHER.items() if path == k or path.startswith(k + ".")), {})
        if path == "rbac.scope":
            context.pop(path)
        return helm({**context, path: another(path, value)}) == helm({k: v for k, v in context.items() if k != path})

    wanted = [(p, v) for p, v in leaves(VALUES) if p not in ALL and not p.endswith("kubernetes.io/os") and "Probe." not in p]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        assert [path for (path, _), useless in zip(wanted, pool.map(ignored, wanted)) if useless] == []
    assert len(wanted) > 150


def test_a_key_that_is_not_there_is_named():
    said = helm({"controller.replicas": 3}, check=False)
    assert "'/controller'" in said and "'replicas'" in said


def known(path):
    """Whether the chart has this key: itself, or below a map that takes any."""
    node = VALUES
    for key in path.split("."):
        if node in ({}, None):
            return True
        if not isinstance(node, dict) or key not in node:
            return False
        node = node[key]
    return True


def test_each_key_of_ingress_nginx_is_there_or_refused_with_a_reason():
    lines = (Path(__file__).with_name("ingress_nginx_values.txt")).read_text().splitlines()
    theirs = [line for line in lines if not line.startswith("#")]
    assert len(theirs) > 200
    lost = [k for k in theirs if not known(k) and not any(k == r or k.startswith(r + ".") for r in REFUSED)]
    assert lost == []
    assert [r for r in REFUSED if known(r)] == []
    said = helm({path: "x" for path in REFUSED}, check=False)
    for path, why in REFUSED.items():
        assert f"- {path}: remove it: {why}" in said


def test_the_flags_that_the_chart_knows_are_those_of_the_binary():
    help_text = subprocess.run([SLUICE, "serve", "--help"], capture_output=True, text=True, timeout=30).stdout
    # Those of ingress-nginx without an effect are taken, and in no help.
    silent = set(re.findall(r'Idle\{"--([a-z_-]+)"', (ROOT / "src/app/nginx_flags.cpp").read_text()))
    assert len(silent) > 40
    assert set(re.findall(r"^  (?:-[a-z],)?--([a-z][a-z-]*)", help_text, re.M)) - {"help"} | silent == set(yaml.safe_load((CHART / "flags.yaml").read_text()))


# Flags of ingress-nginx that need no value and have no effect.
IDLE_FLAGS = re.findall(r'Idle\{"--([a-z_-]+)", false', (ROOT / "src/app/nginx_flags.cpp").read_text())

# Of each flag whose values the chart judges: some that the binary takes, some that it refuses at its start.
VALUES_OF_FLAGS = {
    "log-level": (["trace", "off", "Info"], ["loud", ""]), "workers": ([4, "0", "1024"], ["abc", 1025, -1, 1728000, "4 "]),
    "memory-limit": (["512Mi", "1gb", "0", "2 GiB", 1073741824, 1048576, "1024k", "1025 KiB"], ["abc", "512MM", "1Ki", "1023k", 1048575, "5b"]),
    "buffer-limit": (["1Gi", "10k"], ["abc", "1Z"]), "v": ([2, "5"], ["x", "2x"]),
    "publish-status-address": (["192.0.2.1", "lb.example.net", "2001:db8::1", "192.0.2.1,lb.example.net", "1a.example", "localhost", "::1", "::ffff:0:1:2", "1::ffff:102:304", "0:ffff::1"],
                               ["01.2.3.4", "1.2.3", "256.1.1.1", "lb.Example.net", "192.0.2.1,x_y", "::ffff:1.2.3.4", "0:0:0:0:0:ffff:102:304", "0:0::FFFF:1:2", "0:0:0:0:0:ffff::",
                                "192.0.2.1,::ffff:1.2.3.4"]),
    "stream-address": (["127.0.0.1", "::1", "[::1]"], ["nowhere", "127.0.0.1:80", "1.2.3", ""]),
    "accept-unprotected": (["auth-type", "auth-type,configmap", "server-snippet"], ["nope", "auth-type,nope", ""]),
    "admin": (["", "127.0.0.1", "localhost", "::1", "[::1]"], ["nope", "1.2.3", "a/b"]), "admin-host": (["ops.example", "sluice-admin.sluice.svc."], ["a:80", ".a", "a b"]),
    "election-id": (["main", "a.b"], ["a/b"]), "publish-service": (["a/b", "$(POD_NAMESPACE)/b"], ["x", "a/b/c"]), "watch-namespace": (["team-a", "0"], ["Team A", "a/b", "-a", "x" * 64]),
    "watch-namespace-selector": (["team=a", "team=a,tier in (x,y)", "!a", "a , b!=c", "a=", "example.com/a==b", "a>1", "a notin ( )"],
                                 ["a=b=c", "a in x", "=a", "a,", "a>b", "Example.com/a", "!a=b", "a b"]),
    **{flag: (["a/b", "$(POD_NAMESPACE)/b"], ["nope", "a/b/c", "/b", "a/"]) for flag in ("default-ssl-certificate", "tcp-services-configmap", "udp-services-configmap")},
    **{flag: (["a/b", "a/b:80"], ["nope", "/b", "a/"]) for flag in ("default-backend", "default-backend-service")},
    "endpoint": (["a/b:80=10.0.0.1:80", "a/b:http=[2001:db8::1]:1", "a/b:80=localhost:8080"], ["nope", "a/b=10.0.0.1:80", "a/b:80=host:80", "a/b:80=10.0.0.1",
                                                                                                      "a/b:80=10.0.0.1:99999", "a/b:80=10.0.0.1:0", "a/b:80=10.0.0:80"]),
    "set": (["keep-alive=7"], ["nope", "=x"]),
    **{flag: (["true", False, "on", "No"], ["maybe"]) for flag in ("update-status", "update-status-on-shutdown")},
    **{flag: (["true", False, "Yes", "", None], ["maybe", "2"]) for flag in (
        *IDLE_FLAGS, "core-dumps", "disable-catch-all", "disable-svc-external-name", "enable-ssl-passthrough", "enable-topology-aware-routing", "log-json", "share-ports", "status-annotation")},
    "http": ([":8081,proxy-protocol", "127.0.0.1:8081", "[::1]:8081"], [":x", "8081,proxy", ":99999", "host:8081"]), "https": ([":8444"], [":x"]),
}
# Flags that the chart gives itself: the values that they are of.
VALUES_FOR_FLAGS = {"admin": "controller.healthCheckHost", "admin-host": "controller.admin.hosts", "election-id": "controller.electionID", "publish-service": "controller.publishService.pathOverride",
                    "watch-namespace": "controller.scope.namespace", "watch-namespace-selector": "controller.scope.namespaceSelector"}


def test_values_of_flags_are_judged_as_the_binary_does(tmp_path):
    """Each line of flag-values.yaml: what it lets through the binary takes, what it refuses would end a pod at its start."""
    assert set(VALUES_OF_FLAGS) == set(yaml.safe_load((CHART / "flag-values.yaml").read_text()))

    def binary(flag, value):
        """Whether it takes the flag: then the last complaint is about a file of ours."""
        shown = str(value).lower() if isinstance(value, bool) else f"{value}:0" if flag == "admin" else value
        given = [f"--{flag}"] if value in (None, "") and flag != "admin" else [f"--{flag}={shown}"]
        source = ["--apiserver-host", "https://127.0.0.1:1"] if flag == "watch-namespace-selector" else ["--manifests", tmp_path]
        ours = [w for f in ("http", "https", "admin") if f != flag for w in (f"--{f}", "127.0.0.1:0")]
        r = subprocess.run([SLUICE, "serve", *source, *given, *ours, *(["--share-ports"] if flag in ("http", "https") else []),  # several are tried at once
                            "--validating-webhook=127.0.0.1:0", "--validating-webhook-certificate=/nonexistent", "--validating-webhook-key=/nonexistent"],
                           capture_output=True, text=True, timeout=30)
        assert r.returncode != 0
        return "--validating-webhook-certificate /nonexistent" in r.stderr

    def wrong(case):
        flag, value, good = case
        path = VALUES_FOR_FLAGS.get(flag, f"controller.extraArgs.{flag}")
        scope = {"controller.scope.enabled": True} if flag == "watch-namespace" else {}
        said = helm({path: [value] if flag == "admin-host" else value} | scope, check=False)
        taken = f"- {path}: " not in said
        return [] if taken == good and (binary(flag, value) == good or "POD_NAMESPACE" in str(value)) else [(case, said[-300:])]

    cases = [(flag, v, good) for flag, both in VALUES_OF_FLAGS.items() for good, values in zip((True, False), both) for v in values]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        assert [w for ws in pool.map(wrong, cases) for w in ws] == []
    # All that the binary has an answer for, and each of a list.
    r = subprocess.run([SLUICE, "serve", "--manifests", tmp_path, "--accept-unprotected", "nope"], capture_output=True, text=True, timeout=30)
    known = r.stderr.strip().split("expected one of ")[1].split(", ")
    assert known == yaml.safe_load((CHART / "flag-values.yaml").read_text())["accept-unprotected"]["pattern"].split("|")
    assert "controller.extraArgs.endpoint: nope: expected" in helm({"controller.extraArgs.endpoint": ["a/b:80=10.0.0.1:80", "nope"]}, check=False)


@pytest.mark.parametrize("image,taken", [
    ("acme/sluice", True), ("registry.cn-hongkong.aliyuncs.com/acme/sluice", True), ("ghcr.io/acme/nginx-successor/sluice", True), ("localhost:5000/sluice-ingress-controller", True),
    ("kong/edge", True), ("acme/hongkong-edge", True), ("apache/apisix-ingress-controller", False), ("caddy/ingress", False), ("ingress-nginx/controller", False), ("traefik", False),
    ("localhost:5000/nginx/nginx-ingress", False), ("haproxytech/kubernetes-ingress", False), ("kong/kubernetes-ingress-controller", False), ("projectcontour/contour", False)])
def test_an_image_of_another_controller_is_known_by_its_own_name(image, taken):
    said = helm({"controller.image": {"registry": "", "image": image}}, check=False)
    assert ("is the image of another controller" not in said) == taken, said
    assert taken or f", as {image.rsplit('/', 1)[-1]}, the last part of its path, says" in said


def test_a_drain_that_fits_is_taken():
    fits = {"controller.config": {"worker-shutdown-timeout": "1m", "shutdown-grace-period": 5}, "controller.terminationGracePeriodSeconds": 65}
    assert "terminationGracePeriodSeconds: 65" in helm(fits)
    assert "terminationGracePeriodSeconds: 0" in helm({"controller.config": {"worker-shutdown-timeout": 0, "shutdown-grace-period": 0}, "controller.terminationGracePeriodSeconds": 0})
    assert "--log-level=debug" in helm({"controller.extraArgs": {"log-level": "debug", "endpoint": ["a/b:80=10.0.0.1:80"]}})


def test_values_that_cannot_work_are_refused():
    for values, expected in (
        ({"rbac.scope": True}, "rbac.scope: expected controller.scope.enabled"),
        ({"controller.admissionWebhooks.enabled": True, "controller.admissionWebhooks.port": 8443}, "8443 is taken by"),
        ({"controller.hostNetwork": True}, "controller.hostNetwork: port 80 of a node"),
        ({"controller.hostNetwork": True, "controller.hostPort.enabled": True, "controller.containerPort.http": 8080}, "controller.hostPort.ports.http"),
        ({"controller.lifecycle": {"preStop": {"exec": {"command": ["/wait-shutdown"]}}}}, "controller.lifecycle.preStop: remove it"),
        ({"controller.scope": {"enabled": True, "namespaceSelector": "a=b"}}, "controller.scope.namespaceSelector: expected controller.scope.enabled=false"),
        ({"controller.kind": "Both"}, "/controller/kind"),
        ({"controller.extraArgs": {"enable-ssl-passthrough": True, "publish-status-adress": "192.0.2.1"}}, "controller.extraArgs.publish-status-adress: expected a flag of `sluice serve`"),
        ({"controller.extraArgs": {"configmap": "a/b"}}, "controller.extraArgs.configmap: remove it: controller.config makes the ConfigMap"),
        ({"controller.image.registry": "registry.k8s.io", "controller.image.image": "ingress-nginx/controller", "controller.image.tag": "v1.15.1"},
         "controller.image: registry.k8s.io/ingress-nginx/controller:v1.15.1 is the image of another controller"),
        ({"controller.terminationGracePeriodSeconds": 60}, "controller.terminationGracePeriodSeconds: 60 is less than the drain takes: expected 250 at least"),
        ({"controller.config": {"worker-shutdown-timeout": "5m"}}, "controller.terminationGracePeriodSeconds: 300 is less than the drain takes: expected 310 at least"),
        ({"controller.extraArgs": {"set": ["keep-alive=7", "worker-shutdown-timeout=1000s"]}}, "controller.terminationGracePeriodSeconds: 300 is less than the drain takes: expected 1010 at least"),
        *[({"controller.config": {"worker-shutdown-timeout": time}, "controller.terminationGracePeriodSeconds": 20}, f"controller.config.worker-shutdown-timeout: {time}: expected seconds, or a number")
          for time in ("4m59s", "1w", "1M", "1m30s", "4m 30s", "-1", "many")],
        ({"controller.extraArgs": {"set": "worker-shutdown-timeout=1w"}}, "controller.extraArgs.set: worker-shutdown-timeout: 1w: expected seconds"),
        ({"controller.extraArgs": {"set": "shutdown-grace-period=2m"}}, "controller.terminationGracePeriodSeconds: 300 is less than the drain takes: expected 360 at least"),
    ):
        assert expected in helm(values, check=False)
