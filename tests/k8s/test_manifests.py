"""The shipped manifests: accepted by the server, run with exactly their rights and flags, and no right too many."""
import base64
import json
import shutil
import subprocess

import pytest
from cluster import ROOT, Cluster, Pod, Sluice, ingress, service
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
HOST = "app.example.com"


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
        c.apply("""apiVersion: v1
kind: Pod
metadata: {name: sluice-0, namespace: sluice, labels: {app.kubernetes.io/name: sluice}}
spec: {nodeName: node-0, serviceAccountName: sluice, containers: [{name: c, image: none}]}
""")
        c.kubectl("patch", "pod", "sluice-0", "-n", "sluice", "--subresource=status", "--type=merge", "-p", '{"status": {"phase": "Running"}}')
        c.apply(service("app", [c.pod.port]) + "---\n" + ingress("app", HOST, class_name="sluice").replace(
            "  rules:", f"  tls: [{{hosts: [{HOST}], secretName: cert}}]\n  rules:"))
        c.kubectl("patch", "service", "sluice", "-n", "sluice", "--subresource=status", "--type=merge", "-p",
                  '{"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}}')
        yield c
    finally:
        c.stop()


def as_shipped(cluster, tmp_path, *more, wait=True):
    """The container of the Deployment as a process: its arguments, its account in a pod's place, on ports that the kernel chooses."""
    container = json.loads(cluster.kubectl("get", "deployment", "sluice", "-n", "sluice", "-o", "json"))["spec"]["template"]["spec"]["containers"][0]
    ports = ("--http=", "--https=", "--admin=", "--validating-webhook=", "--kubernetes")
    args = [a.replace("$(POD_NAMESPACE)", "sluice") for a in container["args"][1:] if not a.startswith(ports)]
    account = tmp_path / "account"
    account.mkdir(exist_ok=True)
    (account / "token").write_text(cluster.kubectl("create", "token", "sluice", "-n", "sluice").strip())
    config = json.loads(cluster.kubectl("config", "view", "--raw", "-o", "json"))
    shutil.copyfile(config["clusters"][0]["cluster"]["certificate-authority"], account / "ca.crt")
    (account / "namespace").write_text("sluice")
    host, _, port = config["clusters"][0]["cluster"]["server"].removeprefix("https://").rpartition(":")
    place = "/var/run/secrets/kubernetes.io/serviceaccount"
    script = f'mkdir -p /var/run/secrets && mount -t tmpfs none /var/run/secrets && mkdir -p {place} && mount --bind {account} {place} && exec "$@"'
    env = ["POD_NAME=sluice-0", "POD_NAMESPACE=sluice", f"KUBERNETES_SERVICE_HOST={host}", f"KUBERNETES_SERVICE_PORT={port}",
           "unshare", "-m", "sh", "-ec", script, "sh"]
    return Sluice(cluster, *args, "--set", "shutdown-grace-period=0", *more, kubernetes=True, wait=wait, env=env)


def status(cluster):
    return cluster.get("ingress", "app").get("status", {}).get("loadBalancer", {}).get("ingress")


@pytest.mark.parametrize("path", ["base", "overlays/daemonset", "overlays/secrets-by-name", "overlays/monitoring", "overlays/webhook"])
def test_the_server_accepts(installed, path):
    said = installed.kubectl("apply", "--dry-run=server", "-k", SHIPPED / path)
    assert "(server dry run)" in said and ("daemonset.apps/sluice" in said) == (path == "overlays/daemonset")


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
    assert not [line for line in s.process.err if "403" in line or "forbidden" in line]


RULES = [("clusterrole", i) for i in range(7)] + [("role", i) for i in range(4)]


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
        s = as_shipped(installed, tmp_path, wait=False)
        try:
            if resource == "events":
                s.process.wait_line("this replica writes", stream="err")
                installed.apply(ingress("thief", HOST, class_name="sluice", path=f"/{index}") + "---\n" + ingress("thief2", HOST, class_name="sluice", path=f"/{index}"))
            elif resource == "pods":
                s.process.wait_line("this replica writes", stream="err")
                wait_for(lambda: status(installed), "the status")
                s.process.stop()
            said = s.process.wait_line(rf"403.*{resource.replace('/', '.*')}", stream="err", seconds=15).string
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
            assert not [line for line in p.process.err if "403" in line or "forbidden" in line]
    finally:
        installed.kubectl("delete", "validatingwebhookconfiguration", "sluice")
        installed.kubectl("delete", "ingress", "thief", "--ignore-not-found")
