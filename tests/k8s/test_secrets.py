"""Secrets that no watch delivers: asked for by name, because served Ingresses name them."""
import base64
import json
import subprocess

import pytest
from cluster import Client, Sluice, ingress, service
from harness import SLOW, wait_for
from test_faults import Unwell

READS = [
    {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses", "ingressclasses"], "verbs": ["list", "watch"]},
    {"apiGroups": [""], "resources": ["services", "configmaps"], "verbs": ["list", "watch"]},
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
]


def rule(*names):
    return {"apiGroups": [""], "resources": ["secrets"], "resourceNames": list(names), "verbs": ["get"]}


@pytest.fixture
def secret(cluster, ns, tmp_path):
    def make(name, cn, kind="kubernetes.io/tls"):
        key, crt = tmp_path / "tls.key", tmp_path / "tls.crt"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key,
                        "-out", crt, "-days", "2", "-subj", f"/CN={cn}", "-addext", f"subjectAltName=DNS:{ns}.example.com"], check=True,
                       capture_output=True)
        data = {f"tls.{k}": base64.b64encode(f.read_bytes()).decode() for k, f in (("key", key), ("crt", crt))}
        cluster.apply(json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": ns}, "type": kind, "data": data}))

    return make


def presented(cluster, s, host):
    r = subprocess.run(cluster.inside("openssl", "s_client", "-connect", f"127.0.0.1:{s.port['https']}", "-servername", host),
                       stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10)
    return [line for line in r.stdout.splitlines() if line.startswith("subject=")][0].split("CN = ")[1]


def tls(ns, name, secret_name):
    host = f"{ns}.example.com"
    return ingress(name, host, ns=ns).replace("  rules:", f"  tls: [{{hosts: [{host}], secretName: {secret_name}}}]\n  rules:")


def test_only_the_right_to_get_some(cluster, ns, pods, secret, tmp_path):
    host = f"{ns}.example.com"
    cluster.apply(service("app", [pods().port], ns) + "---\n" + tls(ns, "app", "one"))
    secret("one", "first")
    secret("two", "other")
    account = cluster.account(ns, "reader", [*READS, rule("one", "late")], tmp_path / "kubeconfig")
    with Sluice(cluster, kubeconfig=account) as s:
        assert any("asked for one by one" in line for line in s.process.err)
        assert presented(cluster, s, host) == "first"  # at once: nothing was published before it was there
        secret("one", "rotated")
        wait_for(lambda: presented(cluster, s, host) == "rotated", "the rotated Secret to be asked for again", 30)  # ten seconds, and what the server takes
        cluster.apply(tls(ns, "app", "late"))
        s.process.wait_line("MissingSecret.*late", stream="err")
        assert presented(cluster, s, host) == "rotated"  # what was shown before, until the new one is there
        secret("late", "late")
        wait_for(lambda: presented(cluster, s, host) == "late", "the Secret that came later", 30)
        cluster.apply(tls(ns, "app", "two"))
        said = s.process.wait_line(rf"Secret {ns}/two.*Forbidden", stream="err").string
        assert ": 403 " in said and "the right to get this Secret" in said


def test_a_failed_question_is_soon_asked_again(cluster, ns, pods, secret, tmp_path):
    host = f"{ns}.example.com"
    secret("one", "first", kind="Opaque")
    cluster.apply(service("app", [pods().port], ns) + "---\n" + tls(ns, "app", "one"))
    with Unwell(cluster, tmp_path) as unwell, Sluice(cluster, "--update-status", "false", kubeconfig=unwell.kubeconfig) as s:
        assert presented(cluster, s, host) == "first"
        unwell.mode("500")
        secret("one", "rotated", kind="Opaque")
        s.process.wait_line(r"secrets/one: 500 .*what is known is served", 30, stream="err")

        def refused():
            return [float(line.split()[1]) for line in unwell.process.out if line.endswith("/secrets/one")]

        wait_for(lambda: len(refused()) >= 3, "two more questions", 40)
        assert refused()[2] - refused()[0] < 13 * SLOW  # some six; fifteen and more if each waited for its turn
        assert presented(cluster, s, host) == "first"
        unwell.mode("ok")
        wait_for(lambda: presented(cluster, s, host) == "rotated", "the Secret once the server is well", 30)


def test_a_changed_name_never_shows_the_default_certificate(cluster, ns, pods, secret):
    host = f"{ns}.example.com"
    secret("opaque", "0", kind="Opaque")
    secret("listed", "1")
    cluster.apply(service("app", [pods().port], ns) + "---\n" + tls(ns, "app", "opaque"))
    with Sluice(cluster) as s:
        seen = {presented(cluster, s, host)}
        for n, name in enumerate(("listed", "opaque") * 5):
            cluster.apply(tls(ns, "app", name))
            wanted = "1" if n % 2 == 0 else "0"
            while (now := presented(cluster, s, host)) != wanted:
                seen.add(now)
        assert seen <= {"0", "1"}


def test_the_secret_of_an_annotation_has_any_type(cluster, ns, pods, secret):
    host = f"{ns}.example.com"
    secret("upstream", "pod", kind="Opaque")
    annotations = {"nginx.ingress.kubernetes.io/proxy-ssl-secret": f"{ns}/upstream"}
    cluster.apply(service("app", [pods().port], ns) + "---\n" + ingress("app", host, ns=ns, annotations=annotations))
    with Sluice(cluster) as s:
        assert s.ask(host=host)[0] == 200
        cluster.kubectl("delete", "secret", "upstream", "-n", ns)
        s.until("503 without the Secret", host=host, status=503, seconds=30)


def test_the_rights_of_one_namespace_suffice(cluster, ns, pods, secret, tmp_path):
    """A Role and nothing of the cluster: classes are known by name, Secrets are listed in the namespace."""
    host = f"{ns}.example.com"
    secret("cert", "mine")
    cluster.apply(service("app", [pods().port], ns) + "---\n" + tls(ns, "app", "cert"))
    rules = [{"apiGroups": ["networking.k8s.io"], "resources": ["ingresses"], "verbs": ["list", "watch"]}, *READS[1:],
             {"apiGroups": [""], "resources": ["secrets"], "verbs": ["list", "watch"]}]
    account = cluster.account(ns, "reader", rules, tmp_path / "kubeconfig", cluster_wide=False)
    with Sluice(cluster, "--watch-namespace", ns, "--configmap", f"{ns}/sluice", "--update-status", "false", kubeconfig=account) as s:
        assert presented(cluster, s, host) == "mine"
        assert any("ingressclasses" in line and "classes are known by their names alone" in line for line in s.process.err)


@pytest.mark.parametrize("rights", ["to get it", "to all"])
def test_users_whose_passwords_are_asked_for(cluster, ns, pods, tmp_path, rights):
    """A Secret of auth-secret: served once it is there, by what it says now."""
    host = f"{ns}.example.com"

    def users(line):
        cluster.apply(json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "users", "namespace": ns},
                                  "data": {"auth": base64.b64encode(line.encode()).decode()}}))

    basic = {"nginx.ingress.kubernetes.io/auth-type": "basic", "nginx.ingress.kubernetes.io/auth-secret": "users"}
    cluster.apply(service("app", [pods().port], ns) + "---\n" + ingress("app", host, ns=ns, annotations=basic))
    account = None if rights == "to all" else cluster.account(ns, "reader", [*READS, rule("users")], tmp_path / "kubeconfig")
    with Sluice(cluster, kubeconfig=account) as s:
        client = Client(cluster, s.port["http"])

        def status(user="", password=""):
            token = base64.b64encode(f"{user}:{password}".encode()).decode()
            return client.get(host=host, headers={"Authorization": f"Basic {token}"} if user else None)[0]

        s.process.wait_line(f"{ns}/app: error MissingSecret .*value=\"users\"", stream="err")
        assert status() == 503 and status("ann", "Pa55-first") == 503  # nobody can be let in
        users("ann:{PLAIN}Pa55-first")
        wait_for(lambda: status("ann", "Pa55-first") == 200, "the Secret that came to be", 30)
        assert status() == 401 and status("ann", "Pa55-second") == 401
        users("ann:{PLAIN}Pa55-second\nbob:{PLAIN}Pa55-third")
        wait_for(lambda: status("bob", "Pa55-third") == 200, "the Secret that was changed", 30)
        assert status("ann", "Pa55-second") == 200 and status("ann", "Pa55-first") == 401
        said = s.process.err + [json.dumps(s.config())]
    assert not [line for line in said if "Pa55" in line]
    assert not [line for line in said if base64.b64encode(b"ann:{PLAIN}Pa55-second").decode()[:16] in line]
