"""Certificates by cert-manager's own controllers from the ACME server Pebble, by HTTP-01 through Sluice."""
import json
import re
import subprocess
import threading

import pytest
from cluster import ADDRESS, HARNESS, Api, Load, Path, Sluice, ingress, service, wait_for, webhook

BIN = Path(HARNESS).parent
CRDS = BIN.parent / "cert-manager-crds.yaml"
DNS = "127.0.0.1:8053"
CERTIFICATES = "/apis/cert-manager.io/v1/namespaces/%s/certificates/%s"


@pytest.fixture(scope="module")
def authority(cluster, pki, tmp_path_factory):
    """cert-manager and Pebble, for whom every name is the address of the namespace, where Sluice has port 80."""
    cluster.apply(CRDS.read_text())
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    config = tmp_path_factory.mktemp("pebble") / "pebble.json"
    config.write_text(json.dumps({"pebble": {
        "listenAddress": "127.0.0.1:14000", "managementListenAddress": "", "certificate": str(pki / "server.crt"), "privateKey": str(pki / "server.key"),
        "httpPort": 80, "tlsPort": 443, "keyAlgorithm": "ecdsa"}}))
    cluster.popen(BIN / "pebble-challtestsrv", "-defaultIPv4", ADDRESS, "-defaultIPv6", "", "-dnsserver", DNS, "-management", "127.0.0.1:8055",
                  "-http01", "", "-https01", "", "-doh", "", "-tlsalpn01", "").wait_line("DNS")
    # Each order has a challenge of its own; the authority asks at once.
    cluster.popen("env", "PEBBLE_AUTHZREUSE=0", "PEBBLE_VA_NOSLEEP=1", BIN / "pebble", "-config", config, "-dnsserver", DNS).wait_line("ACME directory")
    manager = cluster.popen(BIN / "cert-manager", "controller", "--kubeconfig", cluster.kubeconfig, "--acme-http01-solver-nameservers", DNS)
    manager.wait_line("^running", 30)
    return manager


class Solvers:
    """In place of a kubelet and the controllers of a cluster: runs the one program of each solver's pod and names its address."""

    def __init__(self, cluster, ns):
        self.cluster, self.ns, self.api = cluster, ns, Api(cluster)
        self.running, self.seen, self.annotations, self.failed = {}, 0, [], None
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def items(self, path):
        return self.api.good("GET", f"{path}?labelSelector=acme.cert-manager.io/http01-solver%3Dtrue")["items"]

    def look(self):
        pods = {p["metadata"]["name"]: p for p in self.items(f"/api/v1/namespaces/{self.ns}/pods")}
        services = self.items(f"/api/v1/namespaces/{self.ns}/services")
        for name, pod in pods.items():
            theirs = [s for s in services if s["spec"]["selector"].items() <= pod["metadata"]["labels"].items()]
            if name in self.running or not theirs:
                continue
            port = 8089 + self.seen
            self.seen += 1
            self.running[name] = self.cluster.popen(BIN / "cert-manager", "solver", *pod["spec"]["containers"][0]["args"], f"--listen-port={port}")
            self.api.apply({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
                            "metadata": {"name": name, "namespace": self.ns, "labels": {"kubernetes.io/service-name": theirs[0]["metadata"]["name"]}},
                            "ports": [{"name": theirs[0]["spec"]["ports"][0]["name"], "port": port, "protocol": "TCP"}],
                            "endpoints": [{"addresses": [ADDRESS], "conditions": {"ready": True}}]})
        for name in set(self.running) - set(pods):
            self.running.pop(name).stop()
            self.api.delete("EndpointSlice", name, self.ns)
        for i in self.items(self.api.path("Ingress", self.ns)):
            if i["metadata"]["annotations"] not in self.annotations:
                self.annotations.append(i["metadata"]["annotations"])

    def run(self):
        while not self.done.wait(0.1):
            try:
                self.look()
            except (AssertionError, OSError) as e:
                self.failed = e

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, failed, *_):
        self.done.set()
        self.thread.join()
        for process in self.running.values():
            process.stop()
        assert failed or self.failed is None, self.failed


def shop(ns, host):
    """What a user has: a site with TLS, an issuer, and one annotation that asks for the certificate."""
    return f"""apiVersion: v1
kind: ServiceAccount
metadata: {{name: default, namespace: {ns}}}
---
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: {{name: pebble, namespace: {ns}}}
spec:
  acme:
    server: https://127.0.0.1:14000/dir
    skipTLSVerify: true
    privateKeySecretRef: {{name: account}}
    solvers: [{{http01: {{ingress: {{ingressClassName: nginx}}}}}}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: shop, namespace: {ns}, annotations: {{cert-manager.io/issuer: pebble}}}}
spec:
  ingressClassName: nginx
  tls: [{{hosts: [{host}], secretName: shop-tls}}]
  rules:
  - host: {host}
    http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: app, port: {{number: 80}}}}}}}}]}}
"""


def shown(cluster, host):
    """Issuer and serial number of the certificate that a client of `host` sees."""
    r = subprocess.run(cluster.inside("openssl", "s_client", "-connect", f"{ADDRESS}:443", "-servername", host), stdin=subprocess.DEVNULL,
                       capture_output=True, text=True, timeout=10)
    pem = re.search("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", r.stdout, re.S)
    said = subprocess.run(["openssl", "x509", "-noout", "-issuer", "-serial"], input=pem[0] if pem else "", capture_output=True, text=True, timeout=10).stdout
    return said.splitlines() if "Pebble" in said else None


def renew(api, ns):
    """As `cmctl renew` does."""
    path = CERTIFICATES % (ns, "shop-tls")
    certificate = api.good("GET", path)
    certificate["status"]["conditions"].append({"type": "Issuing", "status": "True", "reason": "ManuallyTriggered", "message": "asked for",
                                                "lastTransitionTime": certificate["metadata"]["creationTimestamp"]})
    api.good("PUT", path + "/status", certificate)


def refused(cluster, ns):
    """Is an Ingress refused that the webhook refuses?"""
    r = cluster.kubectl("apply", "--dry-run=server", "-f", "-", check=False, stdin=ingress("probe", "probe.example.com", ns=ns, annotations={
        "nginx.ingress.kubernetes.io/permanent-redirect": "not a redirect"}))
    return "probe" not in r


@pytest.mark.parametrize("asked", [False, True], ids=["without-webhook", "with-webhook"])
def test_issue_and_renew(cluster, ns, pods, pki, authority, asked):
    """The host redirects to https all the while; the webhook, where there is one, takes the solver's Ingress."""
    host, api = f"{ns}.example.com", Api(cluster)
    hook = ["--validating-webhook", "127.0.0.1:0", "--validating-webhook-certificate", pki / "server.crt", "--validating-webhook-key", pki / "server.key"]
    cluster.apply(service("app", [pods().port], ns))
    with Sluice(cluster, "--update-status", "false", "--http", f"{ADDRESS}:80", "--https", f"{ADDRESS}:443", *hook) as s, Solvers(cluster, ns) as solvers:
        port = int(s.process.wait_line(r"^listening webhook \S+:(\d+)")[1])
        if asked:
            cluster.apply(webhook(ns, f"https://127.0.0.1:{port}/networking/v1/ingresses", pki / "ca.crt"))
        try:
            if asked:
                wait_for(lambda: refused(cluster, ns), "the API server to ask")
            cluster.apply(shop(ns, host))
            wait_for(lambda: shown(cluster, host), "the certificate to be issued and served", 60)
            first = shown(cluster, host)
            assert s.ask("/", host)[0] == 308
            solved = solvers.seen
            assert solved >= 1 and {"nginx.ingress.kubernetes.io/whitelist-source-range": "0.0.0.0/0,::/0"}.items() <= solvers.annotations[0].items()
            wait_for(lambda: not solvers.running, "the solver to be taken away", 30)
            with Load(cluster, s.port["http"], host, ok=lambda status, body: status == 308):
                renew(api, ns)
                wait_for(lambda: shown(cluster, host) not in (None, first), "the renewed certificate to be served", 60)
            assert solvers.seen > solved, "the renewal had a challenge of its own"
            ready = {c["type"]: c["status"] for c in api.good("GET", CERTIFICATES % (ns, "shop-tls"))["status"]["conditions"]}
            assert ready["Ready"] == "True"
            assert (s.metric("sluice_webhook_reviews_total", "allowed") >= 3) == asked
            # A second solver for the same challenge, when cert-manager has not seen its first one yet, is rightly refused.
            assert [line for line in s.process.err if "is refused" in line and "/probe" not in line and "already defined" not in line] == []
        finally:
            if asked:
                cluster.kubectl("delete", "validatingwebhookconfiguration", ns)
