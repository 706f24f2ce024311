"""A real API server for tests: etcd, kube-apiserver and, on wish, the controllers, in a network namespace of their own."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from harness import ROOT, SLUICE, SLUICE_ECHO, Process, wait_for  # noqa: E402

HARNESS = os.environ.get("K8S_HARNESS") or str(ROOT / "build/k8s/bin/k8s-harness")
ADDRESS = "10.244.0.1"  # of the namespace; the API server refuses endpoints on loopback


class Cluster:
    def __init__(self, api_only=True, apiserver=""):
        self.dir = Path(tempfile.mkdtemp(prefix="sluice-k8s-"))
        self.netns = f"sluice-{os.getpid()}-{self.dir.name[-4:]}"
        self.kubeconfig = self.dir / "run/kubeconfig"
        self.up = Process([HARNESS, "up", "-dir", self.dir / "run", "-netns", self.netns, "-apiserver", apiserver] +
                          (["-api-only"] if api_only else []))
        try:
            self.up.wait_line("cluster ready", seconds=120)
        except AssertionError:
            self.stop()
            raise

    def inside(self, *argv):
        return [HARNESS, "exec", "-netns", self.netns, "--", *map(str, argv)]

    def popen(self, *argv, **kw):
        return Process(self.inside(*argv), **kw)

    def kubectl(self, *args, stdin=None, check=True, kubeconfig=None):
        r = subprocess.run(self.inside(HARNESS, "kubectl", "--kubeconfig", kubeconfig or self.kubeconfig, *args), input=stdin,
                           capture_output=True, text=True, timeout=60)
        if check and r.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(map(str, args))}: {r.stderr}")
        return r.stdout

    def apply(self, text):
        return self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)

    def get(self, kind, name, ns="default"):
        return json.loads(self.kubectl("get", kind, name, "-n", ns, "-o", "json"))

    def account(self, ns, name, rules, path, cluster_wide=True):
        """A kubeconfig of a service account that may do what `rules` (of a Role, as a list) say."""
        scope, place = ("Cluster", {}) if cluster_wide else ("", {"namespace": ns})
        self.apply("\n---\n".join(json.dumps(o) for o in (
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": ns}},
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": f"{scope}Role", "metadata": {"name": f"{ns}-{name}"} | place, "rules": rules},
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": f"{scope}RoleBinding", "metadata": {"name": f"{ns}-{name}"} | place,
             "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": f"{scope}Role", "name": f"{ns}-{name}"},
             "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": ns}]})))
        config = json.loads(self.kubectl("config", "view", "--raw", "-o", "json"))
        for user in config["users"]:
            user["user"] = {"token": self.kubectl("create", "token", name, "-n", ns).strip()}
        path.write_text(json.dumps(config))
        # The server learns of a Role a moment after it took it.
        wait_for(lambda: "403" not in self.kubectl("auth", "can-i", "--list", kubeconfig=path, check=False) and any(
            r["resources"][0] in self.kubectl("auth", "can-i", "--list", "-n", ns, kubeconfig=path, check=False) for r in rules), "the Role to count")
        return path

    def stop_api(self):
        """As a crash would: at once, no connection is ended in good order."""
        pid = int((self.dir / "run/apiserver.pid").read_text())
        self.up.proc.send_signal(signal.SIGUSR1)
        wait_for(lambda: not Path(f"/proc/{pid}").exists(), "the API server to be gone")

    def start_api(self):
        self.up.proc.send_signal(signal.SIGUSR2)
        wait_for(self.api_ready, "the API server to be back", 60)

    def api_ready(self):
        return self.kubectl("get", "--raw", "/readyz", check=False) == "ok"

    def request(self, port, path="/", host="app.example.com", method="GET"):
        """Status and body over a socket of the namespace."""
        r = subprocess.run(self.inside("curl", "-s", "-m", "10", "-X", method, "-H", f"Host: {host}", "-w", "\n%{http_code}",
                                       f"http://127.0.0.1:{port}{path}"), capture_output=True, text=True, timeout=20)
        body, _, status = r.stdout.rpartition("\n")
        return int(status or 0), body

    def stop(self):
        self.up.stop(seconds=20)
        shutil.rmtree(self.dir, ignore_errors=True)
        subprocess.run(["ip", "netns", "del", self.netns], stderr=subprocess.DEVNULL, check=False)


class Sluice:
    """The shipped binary inside the cluster's namespace."""

    def __init__(self, cluster, *args, kubeconfig=None, manifests=None, kubernetes=False, wait=True, env=()):
        self.cluster = cluster
        source = ["--kubernetes"] if kubernetes else ["--manifests", manifests] if manifests else ["--kubeconfig", kubeconfig or cluster.kubeconfig]
        self.process = cluster.popen("env", *env, SLUICE, "serve", *source, "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin",
                                     "127.0.0.1:0", "--access-log", "off", *args)
        self.port = {kind: int(self.process.wait_line(rf"^listening {kind} \S+:(\d+)")[1]) for kind in ("http", "https", "admin")}
        if wait:
            self.process.wait_line("^ready", 30)

    def ask(self, path="/", host="app.example.com"):
        return self.cluster.request(self.port["http"], path, host)

    def until(self, what, path="/", host="app.example.com", status=200, seconds=10):
        wait_for(lambda: self.ask(path, host)[0] == status, what, seconds)

    def __enter__(self):
        return self

    def __exit__(self, failed, *_):
        status = self.process.stop()
        assert failed or status == 0, f"exit {status}: {self.process.err[-30:]}"


class Pod:
    """An echo pod on the namespace's own address, with the EndpointSlice that names it."""

    def __init__(self, cluster, name="echo"):
        self.process = cluster.popen(SLUICE_ECHO, "--listen", f"{ADDRESS}:0", "--name", name)
        self.port = int(self.process.wait_line(r"^listening http \S+:(\d+)")[1])

    def stop(self):
        self.process.stop()


def service(name, ports, ns="default"):
    """A Service without a selector and its EndpointSlice: `ports` of pods on ADDRESS, one slice each."""
    slices = "".join(f"""---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-{i}, namespace: {ns}, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
ports: [{{name: http, port: {port}, protocol: TCP}}]
endpoints: [{{addresses: [{ADDRESS}], conditions: {{ready: true}}}}]
""" for i, port in enumerate(ports))
    return f"""apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {ns}}}
spec: {{ports: [{{name: http, port: 80}}]}}
{slices}"""


def ingress(name, host, service_name="app", ns="default", class_name="nginx", annotations=None, path="/"):
    return f"""apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: {name}, namespace: {ns}, annotations: {json.dumps(annotations or {})}}}
spec:
  ingressClassName: {class_name}
  rules:
  - host: {host}
    http: {{paths: [{{path: {path}, pathType: Prefix, backend: {{service: {{name: {service_name}, port: {{number: 80}}}}}}}}]}}
"""


CLASS = """apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: nginx}
spec: {controller: k8s.io/ingress-nginx}
"""
