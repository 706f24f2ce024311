"""The shipped manifests: accepted by the server, run with exactly their rights and flags, and no right too many."""
import base64
import json
import re
import subprocess
import tempfile

import pytest
import test_chart
import yaml
from cluster import ROOT, Cluster, Pod, ServiceAccount, Sluice, ingress, service
from harness import wait_for

SHIPPED = ROOT / "config/kubernetes"
MONITOR = """apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: servicemonitors.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  names: {kind: ServiceMonitor, plural: servicemonitors, singular: servicemonitor}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
"""
MONITOR += "---\n" + MONITOR.replace("servicemonitor", "prometheusrule").replace("ServiceMonitor", "PrometheusRule")
HOST = "app.example.com"


def pod_of(cluster, name):
    """A pod of the Deployment, as its controller would make it, on a node."""
    template = json.loads(cluster.kubectl("get", "deployment", "sluice", "-n", "sluice", "-o", "json"))["spec"]["template"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "sluice", "labels": template["metadata"]["labels"]},
            "spec": template["spec"] | {"nodeName": "node-0", "serviceAccountName": "sluice"}}


@pytest.fixture(scope="module")
def installed():
    c = Cluster()
    try:
        c.apply(MONITOR)
        c.kubectl("apply", "-k", SHIPPED / "base")
        c.pod = Pod(c)
        key, crt = c.dir / "tls.key", c.dir / "tls.crt"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", crt,
                        "-days", "2", "-subj", "/CN=shipped", "-addext", f"subjectAltName=DNS:{HOST}"], check=True, capture_output=True)
        data = {"tls.key": base64.b64encode(key.read_bytes()).decode(), "tls.crt": base64.b64encode(crt.read_bytes()).decode()}
        c.apply(json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "cert"}, "type": "kubernetes.io/tls", "data": data}))
        c.apply(json.dumps({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "sluice"}}))
        c.apply(json.dumps(pod_of(c, "sluice-0")))
        c.kubectl("patch", "pod", "sluice-0", "-n", "sluice", "--subresource=status", "--type=merge", "-p", '{"status": {"phase": "Running"}}')
        c.apply(service("app", [c.pod.port]) + "---\n" + ingress("app", HOST, class_name="sluice").replace(
            "  rules:", f"  tls: [{{hosts: [{HOST}], secretName: cert}}]\n  rules:"))
        c.kubectl("patch", "service", "sluice", "-n", "sluice", "--subresource=status", "--type=merge", "-p",
                  '{"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}}')
        yield c
    finally:
        c.stop()


def forbidden(sluice):
    """What it said about rights that it lacks (`.403` may also be the milliseconds of a line)."""
    return [line for line in sluice.process.err if ": 403 " in line or "forbidden" in line]


def as_shipped(cluster, tmp_path, *more, wait=True, name="sluice", pod="sluice-0", grace=0):
    """The container of the Deployment as a process: its arguments, its account in a pod's place, on ports that the kernel chooses."""
    container = json.loads(cluster.kubectl("get", "deployment", name, "-n", "sluice", "-o", "json"))["spec"]["template"]["spec"]["containers"][0]
    ports = ("--http=", "--https=", "--admin=", "--validating-webhook=", "--kubernetes")
    args = [a.replace("$(POD_NAMESPACE)", "sluice") for a in container["args"][1:] if not a.startswith(ports)]
    account = ServiceAccount(cluster, tempfile.mkdtemp(dir=tmp_path), "sluice", name)
    account.project(account.token())
    return Sluice(cluster, *args, "--set", f"shutdown-grace-period={grace}", *more, kubernetes=True, wait=wait, env=account.pod(pod))


def status(cluster):
    return cluster.get("ingress", "app").get("status", {}).get("loadBalancer", {}).get("ingress")


@pytest.mark.parametrize("path", ["base", *(f"overlays/{p.name}" for p in sorted((SHIPPED / "overlays").iterdir()))])
def test_the_server_accepts(installed, path):
    said = installed.kubectl("apply", "--dry-run=server", "-k", SHIPPED / path)
    assert "(server dry run)" in said and ("daemonset.apps/sluice" in said) == (path == "overlays/daemonset")


CHARTS = {
    "defaults": {},
    "all parts": test_chart.ALL,
    "nodes": test_chart.SAME["overlays/daemonset"] | {"controller.hostNetwork": True, "controller.reportNodeInternalIp": True, "controller.dnsPolicy": "ClusterFirstWithHostNet",
                                                      "controller.containerSecurityContext.allowPrivilegeEscalation": True},
    "one namespace": {"controller.scope.enabled": True, "rbac.scope": True, "controller.ingressClassResource.enabled": False},
    "in place of ingress-nginx": {
        "controller.ingressClassResource": {"name": "nginx", "default": True, "controllerValue": "k8s.io/ingress-nginx", "aliases": ["public"]},
        "controller.replicaCount": 3, "controller.autoscaling.enabled": False, "controller.updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
        "controller.service": {"annotations": {"a.example/b": "c"}, "loadBalancerSourceRanges": ["198.51.100.0/24"], "ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4"],
                               "appProtocol": True, "nodePorts": {"http": 30080}, "sessionAffinity": "ClientIP"},
        "controller.extraArgs": {"update-status": False, "default-ssl-certificate": "$(POD_NAMESPACE)/cert", "endpoint": ["a/b:1=127.0.0.1:1", "a/b:2=127.0.0.1:2"]},
        "controller.config": {"proxy-body-size": "8m", "keep-alive": 1000000, "hsts": False}, "controller.extraEnvs": [{"name": "TZ", "value": "UTC"}],
        "controller.tolerations": [{"key": "edge", "operator": "Exists"}], "controller.priorityClassName": "system-cluster-critical", "controller.sysctls": {"net.core.somaxconn": 8192},
        "controller.affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "edge", "operator": "Exists"}]}]}}},
        "controller.lifecycle": {"preStop": {"sleep": {"seconds": 5}}}, "controller.resizePolicy": [{"resourceName": "memory", "restartPolicy": "RestartContainer"}],
        "controller.hostAliases": [{"ip": "127.0.0.1", "hostnames": ["a.example"]}], "controller.dnsConfig": {"options": [{"name": "ndots", "value": "1"}]},
        "controller.extraVolumes": [{"name": "v", "emptyDir": {}}], "controller.extraVolumeMounts": [{"name": "v", "mountPath": "/v"}], "controller.minReadySeconds": 5,
        "controller.admin": {"tokenSecret": "sluice-admin", "trustLoopback": False, "hosts": ["sluice-admin.sluice.svc"]},
        "controller.extraContainers": [{"name": "other", "image": "other"}], "controller.extraInitContainers": [{"name": "first", "image": "other"}],
        "controller.progressDeadlineSeconds": 700, "controller.unhealthyPodEvictionPolicy": "AlwaysAllow", "controller.maxUnavailable": "50%", "commonLabels": {"team": "edge"},
        "imagePullSecrets": [{"name": "registry"}], "revisionHistoryLimit": 3, "controller.image.registry": "registry.example", "controller.image.digest": "sha256:" + "0" * 64},
}


@pytest.mark.parametrize("values", CHARTS)
def test_the_server_accepts_the_chart(installed, values):
    made = test_chart.helm(CHARTS[values], release="edge")
    said = installed.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=made)
    assert said.count("(server dry run)") == len([o for o in yaml.safe_load_all(made) if o])


def test_helm_installs_upgrades_and_takes_away(installed):
    def helm(*args):
        r = subprocess.run(installed.inside(test_chart.HELM, *args, "-n", "helm", "--kubeconfig", installed.kubeconfig), capture_output=True, text=True, timeout=60)
        assert r.returncode == 0, r.stderr
        return r.stdout

    def there():
        return set(installed.kubectl("get", "deployment,daemonset,service,hpa,configmap,role", "-n", "helm", "-o", "name", "-l", "app.kubernetes.io/instance=own").split())

    own = ["own", test_chart.CHART, "--set", "controller.ingressClassResource.name=own"]
    assert "kubectl -n helm rollout status deployment/own-sluice" in helm("install", *own, "--create-namespace")
    assert "deployment.apps/own-sluice" in there()
    helm("upgrade", *own, "--set", "controller.kind=DaemonSet,controller.admissionWebhooks.enabled=true,controller.config.keep-alive=30")
    assert {"daemonset.apps/own-sluice", "service/own-sluice-webhook"} <= there() and "deployment.apps/own-sluice" not in there()
    assert json.loads(installed.kubectl("get", "configmap", "own-sluice", "-n", "helm", "-o", "json"))["data"] == {
        "keep-alive": "30", "shutdown-grace-period": "10", "worker-shutdown-timeout": "240s"}
    helm("uninstall", "own")
    assert there() == set()
    assert "/own" not in installed.kubectl("get", "ingressclass,clusterrole,clusterrolebinding,validatingwebhookconfiguration", "-o", "name")


@pytest.mark.parametrize("values,allowed", [({}, True), (test_chart.SAME["overlays/daemonset"], False)], ids=["deployment", "host ports"])
def test_pods_are_restricted(installed, values, allowed):
    """The namespace's pod security admission takes a pod of the Deployment, and would not take one with ports of a node."""
    workload = next(o for o in yaml.safe_load_all(test_chart.helm(values)) if o and o["kind"] in ("Deployment", "DaemonSet"))
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "sluice-x", "namespace": "sluice"}, "spec": workload["spec"]["template"]["spec"]}
    if allowed:
        assert "dry run" in installed.kubectl("apply", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))
    else:
        with pytest.raises(AssertionError, match='violates PodSecurity "restricted:latest": hostPort'):
            installed.kubectl("apply", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))


def test_the_example_role_is_accepted(installed):
    assert "dry run" in installed.kubectl("apply", "--dry-run=server", "-f", SHIPPED / "overlays/secrets-by-name/example-role.yaml")


def test_with_exactly_the_shipped_rights(installed, tmp_path):
    with as_shipped(installed, tmp_path) as s:
        assert s.ask(host=HOST)[0] == 308
        r = subprocess.run(installed.inside("openssl", "s_client", "-connect", f"127.0.0.1:{s.port['https']}", "-servername", HOST),
                           stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10)
        assert "CN = shipped" in r.stdout
        wait_for(lambda: status(installed) == [{"ip": "203.0.113.7", "ipMode": "VIP"}] or status(installed) == [{"ip": "203.0.113.7"}], "the status")
        installed.apply(ingress("thief", HOST, class_name="sluice"))
        wait_for(lambda: "PathConflict" in installed.kubectl("get", "events"), "an Event")
        installed.apply(json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "sluice", "namespace": "sluice"},
                                    "data": {"shutdown-grace-period": "0", "hsts-max-age": "77"}}))
        wait_for(lambda: any("hsts" in line for line in s.process.err) or "max-age=77" in subprocess.run(installed.inside(
            "curl", "-skI", "-m", "5", "--resolve", f"{HOST}:{s.port['https']}:127.0.0.1", f"https://{HOST}:{s.port['https']}/"), capture_output=True, text=True).stdout,
            "the option of the ConfigMap")
        installed.kubectl("delete", "ingress", "thief")
    assert status(installed) is None  # no other pod of ours runs
    assert not forbidden(s)


def test_the_chart_for_one_namespace_with_exactly_its_rights(installed, tmp_path):
    """controller.scope with rbac.scope: no right outside the two namespaces, and the class is known by its name."""
    installed.kubectl("create", "namespace", "shop")
    installed.apply(test_chart.helm({"controller.scope": {"enabled": True, "namespace": "shop"}, "rbac.scope": True, "controller.ingressClassResource.enabled": False},
                                    release="edge"))
    assert "edge" not in installed.kubectl("get", "clusterroles,clusterrolebindings")
    installed.apply(service("app", [installed.pod.port], ns="shop") + "---\n" + ingress("one", "one.example.com", ns="shop", class_name="sluice"))
    installed.kubectl("patch", "service", "edge-sluice", "-n", "sluice", "--subresource=status", "--type=merge", "-p",
                      '{"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.9"}]}}}')
    with as_shipped(installed, tmp_path, name="edge-sluice") as s:
        s.until("the Ingress of the one namespace", host="one.example.com")
        assert s.ask(host=HOST)[0] == 404
        wait_for(lambda: "203.0.113.9" in installed.kubectl("get", "ingress", "one", "-n", "shop"), "its status")
    assert {re.search(r'cannot \w+ resource "(\w+)"', line)[1] for line in forbidden(s)} <= {"ingressclasses"}, s.process.err


def test_namespaces_by_their_labels_with_exactly_the_rights_of_the_overlay(installed, tmp_path):
    installed.kubectl("apply", "-k", SHIPPED / "overlays/namespace-selector")
    try:
        with as_shipped(installed, tmp_path) as s:
            assert s.ask(host=HOST)[0] == 404
            installed.kubectl("label", "namespace", "default", "ingress=sluice")
            s.until("the namespace that is labelled now", host=HOST, status=308)
        assert not forbidden(s)
    finally:
        installed.kubectl("label", "namespace", "default", "ingress-")
        installed.kubectl("apply", "-k", SHIPPED / "base")


RULES = [("clusterrole", i) for i in range(8)] + [("role", i) for i in range(4)]


@pytest.mark.parametrize("kind,index", RULES, ids=lambda v: str(v))
def test_without_one_rule_it_fails_loudly(installed, tmp_path, kind, index):
    where = ["-n", "sluice"] if kind == "role" else []
    role = json.loads(installed.kubectl("get", kind, "sluice", *where, "-o", "json"))
    assert len(role["rules"]) == len([r for r in RULES if r[0] == kind])
    rule = role["rules"][index]
    resource = rule["resources"][0]
    installed.kubectl("patch", kind, "sluice", *where, "--type=json", "-p", json.dumps([{"op": "remove", "path": f"/rules/{index}"}]))
    try:
        if "create" in rule["verbs"] and resource == "leases":
            installed.kubectl("delete", "lease", "sluice-leader", "-n", "sluice", "--ignore-not-found")
        if kind == "clusterrole" and resource == "configmaps":
            installed.apply(ingress("thief", HOST, class_name="sluice", path="/named", annotations={"nginx.ingress.kubernetes.io/custom-headers": "default/named"}))
        s = as_shipped(installed, tmp_path, wait=False)
        try:
            if resource == "events":
                s.process.wait_line("this replica writes", stream="err")
                installed.apply(ingress("thief", HOST, class_name="sluice", path=f"/{index}") + "---\n" + ingress("thief2", HOST, class_name="sluice", path=f"/{index}"))
            elif resource == "pods":
                s.process.wait_line("this replica writes", stream="err")
                wait_for(lambda: status(installed), "the status")
                s.process.stop()
            said = s.process.wait_line(rf": 403 .*{resource.replace('/', '.*')}", stream="err", seconds=15).string
            assert "forbidden" in said
        finally:
            s.process.stop()
            installed.kubectl("delete", "ingress", "thief", "thief2", "--ignore-not-found")
    finally:
        installed.kubectl("patch", kind, "sluice", *where, "--type=json", "-p", json.dumps([{"op": "add", "path": f"/rules/{index}", "value": rule}]))


def test_the_webhook_makes_its_certificate_and_makes_it_anew(installed, tmp_path):
    installed.kubectl("apply", "-k", SHIPPED / "overlays/webhook")
    address = json.loads(installed.kubectl("get", "service", "sluice-webhook", "-n", "sluice", "-o", "json"))["spec"]["clusterIP"]
    subprocess.run(["ip", "-n", installed.netns, "addr", "add", f"{address}/32", "dev", "lo"], check=True)  # in place of kube-proxy

    def bundle():
        hooks = json.loads(installed.kubectl("get", "validatingwebhookconfiguration", "sluice", "-o", "json"))["webhooks"]
        return base64.b64decode(hooks[0]["clientConfig"].get("caBundle", "")).decode()

    def kept():
        return base64.b64decode(json.loads(installed.kubectl("get", "secret", "sluice-webhook", "-n", "sluice", "-o", "json"))["data"]["tls.crt"]).decode()

    def refused():
        try:
            installed.apply(ingress("thief", HOST, class_name="sluice"))
        except AssertionError as e:
            assert "already defined in ingress default/app" in str(e) or "failed calling webhook" in str(e)
            return "already defined" in str(e)
        return False

    try:
        with as_shipped(installed, tmp_path, "--validating-webhook", f"{address}:443") as s:
            wait_for(refused, "a refusal over a certificate that nobody gave", 20)
            first = kept()
            assert bundle() == first
        old = tmp_path / "old"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{old}.key", "-out",
                        f"{old}.crt", "-days", "30", "-subj", "/CN=old", "-addext", "subjectAltName=DNS:sluice-webhook.sluice.svc"], check=True, capture_output=True)
        data = {f"tls.{k}": base64.b64encode((tmp_path / f"old.{k}").read_bytes()).decode() for k in ("crt", "key")}
        installed.kubectl("patch", "secret", "sluice-webhook", "-n", "sluice", "--type=merge", "-p", json.dumps({"data": data}))
        with as_shipped(installed, tmp_path, "--validating-webhook", f"{address}:443") as again:
            again.process.wait_line("a new certificate is in Secret sluice/sluice-webhook", stream="err", seconds=20)
            wait_for(refused, "a refusal over the new certificate", 20)
            assert kept() not in (first, (tmp_path / "old.crt").read_text())
            assert bundle() == kept() + (tmp_path / "old.crt").read_text()  # replicas that have not seen the new one are trusted
        for p in (s, again):
            assert not forbidden(p)
    finally:
        installed.kubectl("delete", "validatingwebhookconfiguration", "sluice")
        installed.kubectl("delete", "ingress", "thief", "--ignore-not-found")
