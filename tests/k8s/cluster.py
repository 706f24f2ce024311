"""A real API server for tests: etcd, kube-apiserver and, on wish, the controllers, in a network namespace of their own."""
import base64
import ctypes
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
from harness import ROOT, SLOW, SLUICE, SLUICE_ECHO, Process, wait_for  # noqa: E402

HARNESS = os.environ.get("K8S_HARNESS") or str(ROOT / "build/k8s/bin/k8s-harness")
BAR = float(os.environ.get("BAR", "1")) * SLOW  # multiplies times promised of optimised builds: run.sh sets it for others
ADDRESS = "10.244.0.1"  # of the namespace; the API server refuses endpoints on loopback
PATHS = {"Namespace": "/api/v1/namespaces", "IngressClass": "/apis/networking.k8s.io/v1/ingressclasses"} | {
    kind: f"/api{group}/v1/namespaces/%s/{kind.lower()}{'es' if kind.endswith('s') else 's'}" for group, kinds in {
        "": ("Service", "Secret", "ConfigMap", "Event"), "s/networking.k8s.io": ("Ingress",), "s/discovery.k8s.io": ("EndpointSlice",),
        "s/coordination.k8s.io": ("Lease",)}.items() for kind in kinds}


class Cluster:
    def __init__(self, api_only=True, apiserver=""):
        self.dir = Path(tempfile.mkdtemp(prefix="sluice-k8s-"))
        self.netns = f"sluice-{os.getpid()}-{self.dir.name[-4:]}"
        self.kubeconfig, self.children = self.dir / "run/kubeconfig", []
        self.away = False
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
        self.children.append(Process(self.inside(*argv), **kw))
        return self.children[-1]

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

    def client_config(self):
        """The admin's kubeconfig."""
        return json.loads(self.kubectl("config", "view", "--raw", "-o", "json"))

    def kubeconfig_of(self, who, path, ns="default"):
        """Written to `path`: the admin's, with another user and the namespace of the context."""
        config = self.client_config()
        for user in config["users"]:
            user["user"] = who
        for context in config["contexts"]:
            context["context"]["namespace"] = ns
        path.write_text(json.dumps(config))
        return path

    def account(self, ns, name, rules, path, cluster_wide=True):
        """A kubeconfig of a service account that may do what `rules` (of a Role, as a list) say."""
        scope, place = ("Cluster", {}) if cluster_wide else ("", {"namespace": ns})
        self.apply("\n---\n".join(json.dumps(o) for o in (
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": ns}},
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": f"{scope}Role", "metadata": {"name": f"{ns}-{name}"} | place, "rules": rules},
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": f"{scope}RoleBinding", "metadata": {"name": f"{ns}-{name}"} | place,
             "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": f"{scope}Role", "name": f"{ns}-{name}"},
             "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": ns}]})))
        self.kubeconfig_of({"token": self.kubectl("create", "token", name, "-n", ns).strip()}, path)
        # The server learns of a Role a moment after it took it.
        wait_for(lambda: "403" not in self.kubectl("auth", "can-i", "--list", kubeconfig=path, check=False) and any(
            r["resources"][0] in self.kubectl("auth", "can-i", "--list", "-n", ns, kubeconfig=path, check=False) for r in rules), "the Role to count")
        return path

    def stop_api(self):
        """As a crash would: at once, no connection is ended in good order."""
        pid = int((self.dir / "run/apiserver.pid").read_text())
        self.away = True
        self.up.proc.send_signal(signal.SIGUSR1)
        wait_for(lambda: not Path(f"/proc/{pid}").exists(), "the API server to be gone")

    def start_api(self):
        self.up.proc.send_signal(signal.SIGUSR2)
        wait_for(self.api_ready, "the API server to be back", 60)
        self.away = False

    def api_ready(self):
        return self.kubectl("get", "--raw", "/readyz", check=False) == "ok"

    def second_api(self, port=6444):
        """Another API server on the same etcd: the way in while the first is away. Returns (process, its Api)."""
        argv = (Path("/proc") / (self.dir / "run/apiserver.pid").read_text().strip() / "cmdline").read_text().split("\0")[1:-1]
        process = self.popen(HARNESS, *[f"--secure-port={port}" if a.startswith("--secure-port=") else a for a in argv])
        api = Api(self, port)
        wait_for(lambda: api.call("GET", "/readyz")[0] == 200, "the second API server", 60)
        return process, api

    def connect(self, port, timeout=10, address="127.0.0.1"):
        """A socket of the namespace: a thread enters it and makes one."""
        made = []

        def make():
            try:
                with open(f"/run/netns/{self.netns}") as place:
                    if ctypes.CDLL(None, use_errno=True).setns(place.fileno(), 0x40000000) != 0:
                        raise OSError(ctypes.get_errno(), "setns")
                made.append(socket.create_connection((address, port), timeout=timeout))
                made[0].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as e:
                made.append(e)

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        if isinstance(made[0], OSError):
            raise made[0]
        return made[0]

    def request(self, port, path="/", host="app.example.com", method="GET"):
        """Status and body over a socket of the namespace."""
        r = subprocess.run(self.inside("curl", "-s", "-m", "10", "-X", method, "-H", f"Host: {host}", "-w", "\n%{http_code}",
                                       f"http://127.0.0.1:{port}{path}"), capture_output=True, text=True, timeout=20)
        body, _, status = r.stdout.rpartition("\n")
        return int(status or 0), body

    def stop(self):
        for child in self.children:  # pods that no test ended, the second API server
            child.stop(signal.SIGKILL)
        self.up.stop(seconds=20)
        shutil.rmtree(self.dir, ignore_errors=True)
        subprocess.run(["ip", "netns", "del", self.netns], stderr=subprocess.DEVNULL, check=False)


class Api:
    """The API without kubectl: JSON over a kept connection for each thread, as the admin. Objects are dicts."""

    def __init__(self, cluster, port=6443):
        config = cluster.client_config()
        user = config["users"][0]["user"]
        self.cluster, self.port, self.local = cluster, port, threading.local()
        self.context = ssl.create_default_context(cafile=config["clusters"][0]["cluster"]["certificate-authority"])
        self.fields = {"Authorization": "Bearer " + user["token"]} if "token" in user else {}
        if "client-certificate" in user:
            self.context.load_cert_chain(user["client-certificate"], user["client-key"])

    def call(self, method, path, body=None, kind="application/json"):
        """Status and parsed answer; OSError when there is none."""
        for fresh in (False, True):
            c = getattr(self.local, "c", None)
            if c is None or fresh:
                c = self.local.c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
                c.sock = self.context.wrap_socket(self.cluster.connect(self.port, 30), server_hostname="localhost")
            try:
                c.request(method, path, None if body is None else json.dumps(body), self.fields | {"Content-Type": kind})
                answer = c.getresponse()
                text = answer.read()
                return answer.status, json.loads(text) if text.startswith(b"{") else text.decode()
            except (OSError, http.client.HTTPException) as e:
                self.local.c = None
                if fresh or isinstance(e, TimeoutError):
                    raise ConnectionError(str(e)) from e

    def path(self, kind, ns="default", name=""):
        return (PATHS[kind] % ns if "%s" in PATHS[kind] else PATHS[kind]) + (f"/{name}" if name else "")

    def good(self, method, path, body=None, kind="application/json"):
        status, answer = self.call(method, path, body, kind)
        assert status // 100 == 2, f"{method} {path}: {status} {answer}"
        return answer

    def create(self, o):
        return self.good("POST", self.path(o["kind"], o["metadata"].get("namespace", "default")), o)

    def apply(self, o):
        where = self.path(o["kind"], o["metadata"].get("namespace", "default"), o["metadata"]["name"])
        return self.good("PATCH", where + "?fieldManager=test&force=true", o, "application/apply-patch+yaml")

    def merge(self, kind, name, patch, ns="default", more=""):
        return self.good("PATCH", self.path(kind, ns, name) + more, patch, "application/merge-patch+json")

    def get(self, kind, name="", ns="default"):
        return self.good("GET", self.path(kind, ns, name))

    def delete(self, kind, name, ns="default"):
        return self.call("DELETE", self.path(kind, ns, name))[0]


class Client:
    """A kept connection to a port of the namespace."""

    def __init__(self, cluster, port):
        self.cluster, self.port, self.c = cluster, port, None

    def get(self, path="/", host="app.example.com", headers=None):
        """Status and body."""
        if self.c is None:
            self.c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            self.c.sock = self.cluster.connect(self.port)
        try:
            self.c.request("GET", path, headers={"Host": host} | (headers or {}))
            answer = self.c.getresponse()
            body = answer.read().decode()
            if answer.will_close:
                self.c = None
            return answer.status, body
        except (OSError, http.client.HTTPException):
            self.c = None
            raise


class Load:
    """Requests one after the other over a kept connection, from a thread, until the block ends: nothing may fail."""

    def __init__(self, cluster, port, *hosts, ok=lambda status, body: status == 200):
        self.client, self.hosts, self.ok = Client(cluster, port), hosts, ok
        self.asked, self.failed, self.done = 0, [], threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.done.is_set():
            host = self.hosts[self.asked % len(self.hosts)]
            try:
                status, body = self.client.get(host=host)
                if not self.ok(status, body):
                    self.failed.append((time.strftime("%T"), host, status, body[:100]))
            except (OSError, http.client.HTTPException) as e:
                self.failed.append((time.strftime("%T"), host, repr(e)))
            self.asked += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, failed, *_):
        self.done.set()
        self.thread.join()
        assert failed or (self.asked and not self.failed), f"{len(self.failed)} of {self.asked} failed: {self.failed[:5]}"

    def more(self, n=20):
        """Waits for further requests."""
        before = self.asked
        wait_for(lambda: self.asked >= before + n, "requests meanwhile")


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

    def config(self):
        """What is served and what was refused, without where it was read."""
        status, body = Client(self.cluster, self.port["admin"]).get("/config", "localhost")
        assert status == 200
        config = json.loads(body)
        for route in config["routes"]:
            route.pop("origin", None)
        for problem in config["report"]:
            problem.pop("file"), problem.pop("line")
        return {k: sorted(config[k], key=json.dumps) for k in ("routes", "clusters", "report")}

    def metric(self, name, label=""):
        """The first of this name, or of those with a label of this value; None when there is none."""
        text = Client(self.cluster, self.port["admin"]).get("/metrics", "localhost")[1]
        found = re.search(rf"^{name}{{.*=\"{re.escape(label)}\".*}} (\S+)" if label else rf"^{name}(?:{{.*}})? (\S+)", text, re.M)
        return float(found[1]) if found else None

    def until(self, what, path="/", host="app.example.com", status=200, seconds=10):
        wait_for(lambda: self.ask(path, host)[0] == status, what, seconds)

    def __enter__(self):
        return self

    def __exit__(self, failed, *_):
        status = self.process.stop()
        if failed:
            print("sluice said:", *self.process.err[-30:], sep="\n")
        assert failed or status == 0, f"exit {status}: {self.process.err[-30:]}"


class ServiceAccount:
    """What a kubelet projects into a pod: a directory whose files are replaced all at once, as a volume does it."""

    def __init__(self, cluster, directory, ns, name):
        self.cluster, self.directory, self.ns, self.name, self.versions = cluster, Path(directory), ns, name, 0
        self.directory.mkdir(exist_ok=True)
        self.server = cluster.client_config()["clusters"][0]["cluster"]
        self.ca = Path(self.server["certificate-authority"]).read_text()

    def token(self, *more):
        return self.cluster.kubectl("create", "token", self.name, "-n", self.ns, *more).strip()

    def project(self, token, ca=None):
        self.versions += 1
        new = self.directory / f"..{self.versions}"
        new.mkdir()
        for name, text in (("token", token), ("ca.crt", ca or self.ca), ("namespace", self.ns)):
            (new / name).write_text(text)
            if not (self.directory / name).is_symlink():
                (self.directory / name).symlink_to(f"..data/{name}")
        (self.directory / "..next").symlink_to(new.name)
        (self.directory / "..next").rename(self.directory / "..data")

    def pod(self, name="sluice-0"):
        """Environment and command that put a process into the pod's place, for Sluice(env=…, kubernetes=True)."""
        host, _, port = self.server["server"].removeprefix("https://").rpartition(":")
        place = "/var/run/secrets/kubernetes.io/serviceaccount"
        script = f'mkdir -p /var/run/secrets && mount -t tmpfs none /var/run/secrets && mkdir -p {place} && mount --bind {self.directory} {place} && exec "$@"'
        return [f"POD_NAME={name}", f"POD_NAMESPACE={self.ns}", f"KUBERNETES_SERVICE_HOST={host}", f"KUBERNETES_SERVICE_PORT={port}",
                "unshare", "-m", "sh", "-ec", script, "sh"]


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


def webhook(ns, url, authority):
    """The ValidatingWebhookConfiguration for the Ingresses of one namespace."""
    return json.dumps({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": ns},
        "webhooks": [{"name": "validate.nginx.ingress.kubernetes.io", "matchPolicy": "Equivalent", "failurePolicy": "Fail", "sideEffects": "None",
                      "admissionReviewVersions": ["v1"], "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": ns}},
                      "rules": [{"apiGroups": ["networking.k8s.io"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["ingresses"]}],
                      "clientConfig": {"url": url, "caBundle": base64.b64encode(authority.read_bytes()).decode()}}]})


CLASS = """apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: nginx}
spec: {controller: k8s.io/ingress-nginx}
"""
