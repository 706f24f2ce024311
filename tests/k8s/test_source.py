"""The API of a cluster as the source of objects: a real API server, the shipped binary, real requests."""
import base64
import json
import subprocess
import threading
import time

import pytest
from cluster import CLASS, Client, Cluster, Pod, Sluice, ingress, service
from harness import wait_for

INGRESSES = "/apis/networking.k8s.io/v1/ingresses"


def served_by(answer):
    return json.loads(answer[1])["name"]


def test_what_the_cluster_has_is_served_and_followed(cluster, ns, pods):
    host = f"{ns}.example.com"
    one, two = pods("one"), pods("two")
    cluster.apply(service("app", [one.port], ns) + "---\n" + ingress("app", host, ns=ns))
    with Sluice(cluster) as s:
        assert served_by(s.ask(host=host)) == "one"
        cluster.apply(service("app", [two.port], ns))
        wait_for(lambda: served_by(s.ask(host=host)) == "two", "the changed EndpointSlice to be served")
        cluster.kubectl("delete", "endpointslice", "app-0", "-n", ns)
        s.until("503 without endpoints", host=host, status=503)
        cluster.kubectl("delete", "ingress", "app", "-n", ns)
        s.until("404 without the Ingress", host=host, status=404)


def test_certificates_come_from_secrets(cluster, ns, pods, tmp_path):
    host = f"{ns}.example.com"
    pod = pods()

    def secret(cn):
        key, crt = tmp_path / "tls.key", tmp_path / "tls.crt"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key,
                        "-out", crt, "-days", "2", "-subj", f"/CN={cn}", "-addext", f"subjectAltName=DNS:{host}"], check=True,
                       capture_output=True)
        data = {f"tls.{k}": base64.b64encode(f.read_bytes()).decode() for k, f in (("key", key), ("crt", crt))}
        return json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "cert", "namespace": ns}, "type": "kubernetes.io/tls",
                           "data": data})

    def presented(s):
        r = subprocess.run(cluster.inside("openssl", "s_client", "-connect", f"127.0.0.1:{s.port['https']}", "-servername", host),
                           stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10)
        return [line for line in r.stdout.splitlines() if line.startswith("subject=")][0]

    with_tls = ingress("app", host, ns=ns).replace("  rules:", f"  tls: [{{hosts: [{host}], secretName: cert}}]\n  rules:")
    cluster.apply(service("app", [pod.port], ns) + "---\n" + with_tls)
    cluster.apply(secret("first"))
    with Sluice(cluster) as s:
        assert "CN = first" in presented(s)
        cluster.apply(secret("second"))
        wait_for(lambda: "CN = second" in presented(s), "the rotated certificate")


def test_a_refused_object_hurts_only_itself(cluster, ns, pods):
    host = f"{ns}.example.com"
    one, two = pods("one"), pods("two")
    cluster.apply(service("app", [one.port], ns) + "---\n" + service("thief", [two.port], ns) + "---\n" + ingress("good", host, ns=ns))
    with Sluice(cluster) as s:
        cluster.apply(ingress("thief", host, service_name="thief", ns=ns) + "---\n" + ingress("free", f"free.{host}", ns=ns))
        line = s.process.wait_line(rf"Ingress {ns}/(thief|good).*PathConflict", stream="err").string
        assert "error" in line and host in line
        s.until("the Ingress applied together with it", host=f"free.{host}")
        assert served_by(s.ask(host=host)) in ("one", "two")


def test_an_object_with_a_large_tree_hurts_only_itself(cluster, ns, pods):
    """Three bytes of JSON a rule, and much more in memory: nothing behind it may wait for it, now or after a start."""
    pod = pods("one")
    large = json.dumps({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "large", "namespace": ns},
                        "spec": {"ingressClassName": "nginx", "rules": [{}] * 40_000}}, separators=(",", ":"))
    cluster.apply(service("app", [pod.port], ns) + "---\n" + ingress("before", f"before.{ns}.example.com", ns=ns))
    with Sluice(cluster) as s:
        assert served_by(s.ask(host=f"before.{ns}.example.com")) == "one"
        cluster.apply(large)
        cluster.apply(ingress("behind", f"behind.{ns}.example.com", ns=ns))
        s.until("the Ingress behind the large one", host=f"behind.{ns}.example.com")
    with Sluice(cluster) as s:
        for name in ("before", "behind"):
            assert served_by(s.ask(host=f"{name}.{ns}.example.com")) == "one"


def test_the_api_server_may_be_away(cluster, ns, pods):
    host, later = f"{ns}.example.com", f"later.{ns}.example.com"
    pod = pods()
    cluster.apply(service("app", [pod.port], ns) + "---\n" + ingress("app", host, ns=ns))
    with Sluice(cluster) as s:
        statuses, done = [], threading.Event()
        client = Client(cluster, s.port["http"])  # a curl for each would measure how busy the machine is

        def keep_asking():
            while not done.is_set():
                statuses.append(client.get(host=host)[0])

        asking = threading.Thread(target=keep_asking)
        asking.start()
        try:
            cluster.stop_api()
            s.process.wait_line("Connection refused.*what is known is served", stream="err")
            asked = len(statuses)
            wait_for(lambda: len(statuses) > asked + 20, "requests while nobody answers at the API")
            wait_for(lambda: s.metric("sluice_api_followed", INGRESSES) == 0, "the metrics to show it")
            cluster.start_api()
            cluster.apply(ingress("later", later, ns=ns))
            s.until("the change after its return", host=later, seconds=2)
            wait_for(lambda: s.metric("sluice_api_followed", INGRESSES) == 1, "the metrics to show it")
        finally:
            done.set()
            asking.join()
        assert set(statuses) == {200}
        s.process.wait_line("goes on again", stream="err")


def test_what_was_deleted_meanwhile_is_gone_afterwards(cluster, ns, pods):
    host, other = f"{ns}.example.com", f"other.{ns}.example.com"
    pod = pods()
    cluster.apply(service("app", [pod.port], ns) + "---\n" + ingress("app", host, ns=ns) + "---\n" + ingress("other", other, ns=ns))
    with Sluice(cluster) as s:
        assert s.ask(host=other)[0] == 200
        # Frozen, it misses the deletion; the server it comes back to is another process without those events.
        s.process.proc.send_signal(19)
        cluster.kubectl("delete", "ingress", "other", "-n", ns)
        cluster.stop_api()
        cluster.start_api()
        s.process.proc.send_signal(18)
        s.until("404 for what was deleted", host=other, status=404)
        assert s.ask(host=host)[0] == 200


def test_without_the_right_to_list_it_says_so_and_waits(cluster, ns, pods, tmp_path):
    cluster.kubectl("create", "serviceaccount", "nobody", "-n", ns)
    token = cluster.kubectl("create", "token", "nobody", "-n", ns).strip()
    s = Sluice(cluster, kubeconfig=cluster.kubeconfig_of({"token": token}, tmp_path / "kubeconfig"), wait=False)
    try:
        said = s.process.wait_line(r": 403 .*cannot (list|watch) resource \\?\"ingresses", stream="err").string
        assert f"system:serviceaccount:{ns}:nobody" in said and "nothing is served before it succeeds" in said
        wait_for(lambda: s.metric("sluice_api_failures_total", INGRESSES), "the metrics to show it")
        assert s.metric("sluice_api_followed", INGRESSES) == 0 and s.metric("sluice_ready") == 0
        assert s.metric("sluice_api_followed", "/api/v1/secrets") is None  # there is another way
        cluster.kubectl("create", "clusterrolebinding", ns, "--clusterrole=cluster-admin", f"--serviceaccount={ns}:nobody")
        s.process.wait_line("^ready", 20)
        wait_for(lambda: s.metric("sluice_api_followed", INGRESSES) == 1, "the metrics to show it")
    finally:
        s.process.stop()
        cluster.kubectl("delete", "clusterrolebinding", ns)


def test_a_wrong_certificate_authority_is_named(cluster, tmp_path):
    config = cluster.client_config()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", tmp_path / "k",
                    "-out", tmp_path / "other.crt", "-days", "2", "-subj", "/CN=other"], check=True, capture_output=True)
    for c in config["clusters"]:
        c["cluster"].pop("certificate-authority-data", None)
        c["cluster"]["certificate-authority"] = "other.crt"  # beside the kubeconfig
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    s = Sluice(cluster, kubeconfig=path, wait=False)
    try:
        s.process.wait_line("TLS with 127.0.0.1.*certificate.*nothing is served", stream="err")
    finally:
        s.process.stop()


def test_ready_means_everything(cluster, ns, pods):
    """A replica that is started takes requests at once: not one of its hosts may be missing."""
    hosts = [f"h{i}.{ns}.example.com" for i in range(300)]
    cluster.apply(service("app", [pods().port], ns) + "---\n" + "---\n".join(ingress(f"i{i}", h, ns=ns) for i, h in enumerate(hosts)))
    for _ in range(15):
        with Sluice(cluster, "--watch-namespace", ns, "--update-status", "false") as s:
            client = Client(cluster, s.port["http"])
            assert [h for h in reversed(hosts) if client.get(host=h)[0] != 200] == []


def test_only_the_watched_namespace(cluster, ns, pods):
    pod = pods()
    cluster.apply(f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {ns}-other}}\n")
    for where in (ns, ns + "-other"):
        cluster.apply(service("app", [pod.port], where) + "---\n" + ingress("app", f"{where}.example.com", ns=where))
    with Sluice(cluster, "--watch-namespace", ns) as s:
        assert s.ask(host=f"{ns}.example.com")[0] == 200
        assert s.ask(host=f"{ns}-other.example.com")[0] == 404


@pytest.mark.parametrize("apiserver", ["", "--feature-gates=WatchList=false"], ids=["streamed", "paged"])
def test_1200_ingresses(apiserver):
    """More than two pages; with streaming lists, and with a server that has none."""
    c = Cluster(apiserver=apiserver)
    try:
        pod = Pod(c)
        c.apply(CLASS + "---\n" + service("app", [pod.port]))
        c.apply("---\n".join(ingress(f"i{i}", f"h{i}.example.com") for i in range(1200)))
        begun = time.monotonic()
        with Sluice(c, "--log-level", "debug") as s:
            assert time.monotonic() - begun < 5
            assert {s.ask(host=f"h{i}.example.com")[0] for i in (0, 499, 500, 1199)} == {200}
            assert any("no streaming lists" in line for line in s.process.err) == bool(apiserver)
            c.kubectl("delete", "ingress", "i1199")
            s.until("the deletion to be seen", host="h1199.example.com", status=404)
    finally:
        c.stop()
