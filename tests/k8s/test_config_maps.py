"""ConfigMaps that Ingresses and options name: no watch delivers them, so they are asked for by name."""
import json
import subprocess

import ports
from cluster import Sluice, ingress, service
from harness import wait_for
from test_secrets import READS

GET = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}


def config_map(name, ns, data):
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": ns}, "data": data})


def said(cluster, s, host):
    """Status and fields of a response, by names in small letters."""
    r = subprocess.run(cluster.inside("curl", "-s", "-i", "-m", "10", "-H", f"Host: {host}", f"http://127.0.0.1:{s.port['http']}/"), capture_output=True, text=True, timeout=20)
    lines = r.stdout.partition("\n\n")[0].splitlines()
    return int(lines[0].split()[1]), {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines[1:])}


def named(ns):
    return {"nginx.ingress.kubernetes.io/custom-headers": f"{ns}/mine"}


def test_a_changed_one_is_live(cluster, ns, pods, tmp_path):
    host = f"{ns}.example.com"
    options = {"global-allowed-response-headers": "X-Mine", "add-headers": f"{ns}/all"}
    for name, data in (("options", options), ("mine", {"X-Mine": "one"}), ("all", {"X-All": "one"})):
        cluster.apply(config_map(name, ns, data))
    cluster.apply(service("app", [pods().port], ns) + "---\n" + ingress("app", host, ns=ns, annotations=named(ns)))
    account = cluster.account(ns, "reader", [*READS, GET], tmp_path / "kubeconfig")
    with Sluice(cluster, "--configmap", f"{ns}/options", "--update-status", "false", kubeconfig=account) as s:
        status, fields = said(cluster, s, host)
        assert (status, fields.get("x-mine"), fields.get("x-all")) == (200, "one", "one")  # at once: nothing was published before both were there
        for name, key in (("mine", "X-Mine"), ("all", "X-All")):
            cluster.apply(config_map(name, ns, {key: "two"}))
        wait_for(lambda: [said(cluster, s, host)[1].get(n) for n in ("x-mine", "x-all")] == ["two", "two"], "both to be asked for again", 30)
        cluster.apply(config_map("options", ns, {}))  # this one is watched
        wait_for(lambda: (r := said(cluster, s, host))[0] == 503 and "x-all" not in r[1], "the options without both")
        cluster.apply(config_map("options", ns, options))
        wait_for(lambda: said(cluster, s, host)[0] == 200, "the options with both")
        cluster.kubectl("delete", "configmap", "mine", "all", "-n", ns)
        wait_for(lambda: (r := said(cluster, s, host))[0] == 503 and "x-all" not in r[1], "that there are none", 30)


def test_without_the_right_it_says_so_and_denies(cluster, ns, pods, tmp_path):
    host = f"{ns}.example.com"
    cluster.apply(config_map("mine", ns, {}) + "\n---\n" + service("app", [pods().port], ns) + "---\n" + ingress("app", host, ns=ns, annotations=named(ns)))
    account = cluster.account(ns, "reader", READS, tmp_path / "kubeconfig")
    with Sluice(cluster, "--configmap", f"{ns}/options", "--update-status", "false", kubeconfig=account) as s:
        line = s.process.wait_line(rf"ConfigMap {ns}/mine.*Forbidden", stream="err").string
        assert ": 403 " in line and "the right to get this ConfigMap" in line
        assert said(cluster, s, host)[0] == 503


def test_ports_that_lead_to_services_come_change_and_go(cluster, ns, pods, tmp_path):
    one, two = pods("pod-one"), pods("pod-two")
    port = subprocess.run(cluster.inside("python3", ports.__file__), capture_output=True, text=True, check=True).stdout.strip()
    cluster.apply(service("one", [one.port], ns) + "---\n" + service("two", [two.port], ns))
    account = cluster.account(ns, "reader", [*READS, GET], tmp_path / "kubeconfig")

    def answers():
        """Whether somebody is there, and what the pod says: nobody reads what comes for the port, so curl may speak HTTP."""
        r = subprocess.run(cluster.inside("curl", "-s", "-m", "10", f"http://127.0.0.1:{port}/"), capture_output=True, text=True, timeout=20)
        return r.returncode, r.stdout

    with Sluice(cluster, "--configmap", f"{ns}/options", "--tcp-services-configmap", f"{ns}/tcp", "--update-status", "false", kubeconfig=account) as s:
        s.process.wait_line(rf"--tcp-services-configmap .*{ns}/tcp", stream="err")  # that it is missing is said
        cluster.apply(config_map("tcp", ns, {port: f"{ns}/one:http"}))
        wait_for(lambda: "pod-one" in answers()[1], "the port to be opened", 30)
        cluster.apply(config_map("tcp", ns, {port: f"{ns}/two:80"}))
        wait_for(lambda: "pod-two" in answers()[1], "the port to lead elsewhere", 30)
        cluster.kubectl("delete", "configmap", "tcp", "-n", ns)
        wait_for(lambda: answers()[0] == 7, "the port to be closed", 30)  # curl: nobody takes the connection
