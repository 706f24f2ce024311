"""docs/migrating.md, walked through: its commands in their order against a real API server, what they print as it says, and beside them clients
that never retry, sessions, and an account of each write of a status.

What a machine without a cloud lacks is stood in for: the controllers' pods are started by a Kubelet, ingress-nginx is Debian's nginx with its sessions and
its writing of statuses (Old), the load balancers are load_balancer.py, and old-controller/ is a chart with the names of ingress-nginx's."""
import base64
import http.client
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
import test_chart
from cluster import ADDRESS, HARNESS, SLUICE, Api, Cluster, Pod, ServiceAccount, Sluice, service
from harness import ROOT, SLOW, wait_for
from old_sessions import Ring, identity

NS = "ingress-nginx"
GUIDE = ROOT / "docs/migrating.md"
CLOUD = {"ingress-nginx-controller": "203.0.113.10", "sluice": "203.0.113.20"}
SHOP, PLAIN = "shop.example.com", "a.example.net"
ANNOTATION = "nginx.ingress.kubernetes.io/"


class Shell:
    """One shell for all blocks of the guide, in the cluster's network, with kubectl, helm, sluice and curl."""

    def __init__(self, cluster, directory):
        self.directory = directory
        (directory / "config").symlink_to(ROOT / "config")
        programs = directory / "bin"
        programs.mkdir()
        # A chart that is downloaded on a reader's machine is one of this directory here.
        chart = Path(__file__).with_name("old-controller")
        for name, script in {"kubectl": f'exec {HARNESS} kubectl "$@"', "sluice": f'exec {SLUICE} "$@"', "helm": f"""n=$#
for a; do
  [ "$a" != ingress-nginx/ingress-nginx ] || a={chart}
  set -- "$@" "$a"
done
shift "$n"
exec {test_chart.HELM} "$@" """}.items():
            (programs / name).write_text("#!/bin/sh\n" + script + "\n")
            (programs / name).chmod(0o755)
        self.process = subprocess.Popen(
            cluster.inside("env", f"PATH={programs}:/usr/sbin:/usr/bin:/sbin:/bin", f"KUBECONFIG={cluster.kubeconfig}", f"HOME={directory}", "sh"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=directory, start_new_session=True)

    def run(self, script, status=0):
        """What it printed. A command that fails ends it, unless the last one is to end with another status."""
        (self.directory / "block").write_text(script)
        self.process.stdin.write(f"set {'+' if status else '-'}e; . ./block </dev/null; echo __ended $?\n")
        self.process.stdin.flush()
        lines = []
        late = threading.Timer(60 * SLOW, self.kill)
        late.start()
        try:
            while not lines or not lines[-1].startswith("__ended "):
                line = self.process.stdout.readline()
                assert line, f"it failed, or did not end: {script}\n{''.join(lines)}"
                lines.append(line)
        finally:
            late.cancel()
        assert int(lines.pop().split()[1]) == status, f"{script}\n{''.join(lines)}"
        return "".join(lines)

    def kill(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)

    def stop(self):
        self.kill()
        self.process.wait()


class Guide:
    """The blocks of docs/migrating.md: `sh` is run, and `text` behind it is what is printed, line for line in this order, where … is anything."""

    def __init__(self, shell):
        self.shell, self.blocks = shell, []
        heading = ""
        for part in re.finditer(r"^#+ ([^\n]*)$|^```(\w+)\n(.*?)^```$", GUIDE.read_text(), re.M | re.S):
            if part[1]:
                heading = part[1]
            elif part[2] == "sh":
                self.blocks.append({"under": heading, "script": part[3], "shows": [], "run": 0})
            else:
                assert part[2] == "text" and self.blocks, part[0]
                self.blocks[-1]["shows"] = part[3].splitlines()

    def next(self, under, status=0):
        """The next block under this heading that was not run."""
        block = next(b for b in self.blocks if b["under"].startswith(under) and not b["run"])
        return self.run(block, status)

    def again(self, under):
        for block in [b for b in self.blocks if b["under"].startswith(under)]:
            self.run(block)

    def run(self, block, status=0):
        block["run"] += 1
        out = self.shell.run(block["script"], status)
        lines = iter(out.splitlines())
        for wanted in block["shows"]:
            pattern = re.compile("^" + ".*".join(re.escape(p) for p in wanted.split("…")) + r"\s*$")
            assert any(pattern.match(line) for line in lines), f"{wanted!r} is not what this shows, in this order:\n{block['script']}\n{out}"
        return out


class Old:
    """A pod of ingress-nginx: nginx with its sessions (old_sessions.py), and the writer of statuses as internal/ingress/status works."""

    def __init__(self, world, name, args, ip):
        self.world, self.name, self.ip, self.done = world, name, ip, threading.Event()
        self.writes = "--update-status=false" not in args
        directory = Path(tempfile.mkdtemp(dir=world.tmp))
        conf = directory / "nginx.conf"
        conf.write_text(world.nginx(directory, ip))
        self.sessions = world.cluster.popen(sys.executable, Path(__file__).with_name("old_sessions.py"), f"{ip}:9000", "shop-shop-80",
                                            *(f"{ADDRESS}:{pod.port}" for pod in world.pods))
        self.sessions.wait_line("listening")
        self.process = world.cluster.popen("nginx", "-c", conf, "-p", directory)
        self.thread = threading.Thread(target=self.follow)
        self.thread.start()

    def ready(self):
        try:
            self.world.cluster.connect(443, address=self.ip).close()
            return True
        except OSError:
            return False

    def set_status(self, addresses):
        api = self.world.api
        for i in api.good("GET", "/apis/networking.k8s.io/v1/ingresses")["items"]:
            if self.world.of_nginx(i) and (i["status"].get("loadBalancer", {}).get("ingress") or []) != addresses:
                i["status"]["loadBalancer"] = {"ingress": addresses} if addresses else {}
                # What changed since it was read is written next time.
                api.call("PUT", api.path("Ingress", i["metadata"]["namespace"], i["metadata"]["name"]) + "/status", i)

    def follow(self):
        while self.writes and not self.done.wait(0.2):
            if addresses := self.world.published("ingress-nginx-controller"):
                self.set_status(addresses)

    def end(self):
        """As /wait-shutdown does: the addresses go with the last pod, and requests are served until the Service has noticed."""
        self.done.set()
        self.thread.join()
        if self.writes and not [n for n, pod in self.world.running.items() if isinstance(pod, Old) and n != self.name]:
            self.set_status([])
        self.world.leaving.wait(1)
        self.process.proc.send_signal(signal.SIGQUIT)

    def gone(self):
        return self.process.proc.poll() is not None


class New:
    """A pod of Sluice: its container's arguments, as its service account. Grace is a tenth of what the chart says."""

    def __init__(self, world, name, args, ip):
        account = ServiceAccount(world.cluster, tempfile.mkdtemp(dir=world.tmp), NS, "sluice")
        account.project(account.token())
        own = ("--http=", "--https=", "--admin=", "--kubernetes", "--buffer-directory=")
        args = [a.replace("$(POD_NAMESPACE)", NS) for a in args[1:] if not a.startswith(own)]
        self.sluice = Sluice(world.cluster, *args, "--http", f"{ip}:8080", "--https", f"{ip}:8443", "--workers", "1", "--set", "shutdown-grace-period=1",
                             kubernetes=True, wait=False, env=account.pod(name))
        self.process = self.sluice.process

    def ready(self):
        return any(line.startswith("ready") for line in self.process.out)

    def end(self):
        self.process.proc.terminate()

    def gone(self):
        return self.process.proc.poll() is not None


class World:
    """What surrounds the API server: a kubelet for pods of the two controllers, and a cloud that gives Services of type LoadBalancer an address."""

    def __init__(self, cluster, tmp):
        self.cluster, self.tmp, self.api = cluster, tmp, Api(cluster)
        self.running, self.ending, self.addresses, self.failed, self.shell = {}, {}, 0, None, None
        self.leaving, self.done = threading.Event(), threading.Event()
        run = cluster.dir / "run"
        cluster.popen(HARNESS, "controller-manager", f"--kubeconfig={cluster.kubeconfig}", "--leader-elect=false", "--bind-address=127.0.0.1",
                      "--authentication-skip-lookup=true", "--endpointslice-updates-batch-period=0s", "--controllers=deployment-controller,"
                      "replicaset-controller,endpointslice-controller,serviceaccount-controller,garbage-collector-controller", cwd=run)
        cluster.apply("apiVersion: v1\nkind: Node\nmetadata: {name: node-0}\n")
        for address in CLOUD.values():
            subprocess.run(cluster.inside("ip", "address", "add", f"{address}/32", "dev", "lo"), check=True)
        for name, address in CLOUD.items():
            (tmp / name).write_text("")
            cluster.popen(sys.executable, Path(__file__).with_name("load_balancer.py"), address, tmp / name).wait_line("listening")
        self.threads = [threading.Thread(target=self.forever, args=[work]) for work in (self.kubelet, self.cloud)]

    def start(self):
        for thread in self.threads:
            thread.start()

    def forever(self, work):
        while not self.done.wait(0.1):
            try:
                work()
            except Exception as e:  # a test that waits for a pod would never learn why
                print(f"{work.__name__}: {e!r}")
                self.failed = e
                return self.shell and self.shell.kill()

    @staticmethod
    def of_nginx(i):
        return (i["spec"].get("ingressClassName") or i["metadata"].get("annotations", {}).get("kubernetes.io/ingress.class")) == "nginx"

    def published(self, name):
        status, found = self.api.call("GET", self.api.path("Service", NS, name))
        return found["status"]["loadBalancer"].get("ingress", []) if status == 200 else []

    def patch_pod(self, name, status):
        self.api.call("PATCH", f"/api/v1/namespaces/{NS}/pods/{name}/status", {"status": status}, "application/merge-patch+json")

    def kubelet(self):
        there = {p["metadata"]["name"]: p for p in self.api.good("GET", f"/api/v1/namespaces/{NS}/pods")["items"]}
        for name, pod in there.items():
            container = pod["spec"]["containers"][0]
            if pod["metadata"].get("deletionTimestamp"):
                if name in self.running and name not in self.ending:
                    self.patch_pod(name, {"conditions": [{"type": "Ready", "status": "False"}]})
                    self.ending[name] = threading.Thread(target=self.running[name].end)
                    self.ending[name].start()
                elif name not in self.running or self.running[name].gone():
                    self.running.pop(name, None)
                    self.api.call("DELETE", f"/api/v1/namespaces/{NS}/pods/{name}", {"gracePeriodSeconds": 0})
            elif name not in self.running:
                self.api.good("POST", f"/api/v1/namespaces/{NS}/pods/{name}/binding", {
                    "apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": {"kind": "Node", "name": "node-0"}})
                self.addresses += 1
                ip = f"10.244.1.{self.addresses}"
                subprocess.run(self.cluster.inside("ip", "address", "add", f"{ip}/32", "dev", "lo"), check=True)
                self.patch_pod(name, {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "conditions": [{"type": "Ready", "status": "False"}]})
                kind = Old if container["image"] == "ingress-nginx/controller" else New
                self.running[name] = kind(self, name, container["args"], ip)
            elif self.running[name].ready() and {c["type"]: c["status"] for c in pod["status"]["conditions"]}["Ready"] == "False":
                self.patch_pod(name, {"conditions": [{"type": "Ready", "status": "True"}]})

    def cloud(self):
        services = {s["metadata"]["name"]: s for s in self.api.good("GET", f"/api/v1/namespaces/{NS}/services")["items"]}
        slices = self.api.good("GET", f"/apis/discovery.k8s.io/v1/namespaces/{NS}/endpointslices")["items"]
        for name, address in CLOUD.items():
            if name in services and not services[name]["status"]["loadBalancer"].get("ingress"):
                self.api.merge("Service", name, {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}, NS, more="/status")
            numbers = {p["name"]: p["port"] for p in services.get(name, {}).get("spec", {}).get("ports", [])}
            lines = [f"{numbers[port['name']]} {endpoint['addresses'][0]}:{port['port']}\n" for s in slices if s["metadata"]["labels"]["kubernetes.io/service-name"] == name
                     for port in s["ports"] or [] if port["name"] in numbers for endpoint in s["endpoints"] or [] if endpoint["conditions"]["ready"]]
            new = self.tmp / f"{name}.new"
            new.write_text("".join(lines))
            new.rename(self.tmp / name)

    def nginx(self, directory, ip):
        """What ingress-nginx makes of the Ingresses below."""
        session = f"""location / {{ auth_request /session; auth_request_set $pod $upstream_http_x_pod; auth_request_set $new $upstream_http_x_cookie;
      proxy_pass http://$pod; add_header Set-Cookie $new always; }}
    location = /session {{ internal; proxy_pass http://{ip}:9000; proxy_pass_request_body off; proxy_set_header Content-Length ""; }}"""
        servers = "".join(f"  server {{ listen {ip}:80{more}; listen {ip}:443 ssl{more}; server_name {names}; ssl_certificate {self.tmp}/{cert}.crt; ssl_certificate_key {self.tmp}/{cert}.key;\n{body} }}\n"
                          for names, more, cert, body in (
                              ("_", " default_server", "fake", "return 404;"),
                              (f"{SHOP} www.{SHOP}", "", "shop", "if ($scheme = http) { return 308 https://$host$asked; } " + session),
                              ("api.example.com", "", "fake", 'location ~* "^/v1/(.*)" { rewrite "(?i)/v1/(.*)" /$1 break; proxy_pass http://shop; } location / { return 404; }'),
                              ("legacy.example.com", "", "fake", "location / { proxy_pass http://shop; }"),
                              ("*.example.net", "", "fake", "location / { proxy_pass http://shop; }")))
        pods = " ".join(f"server {ADDRESS}:{pod.port};" for pod in self.pods)
        temporary = " ".join(f"{kind}_temp_path {directory}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        return f"""
daemon off; worker_processes 1; user root; pid {directory}/pid; error_log stderr error;
events {{ worker_connections 1024; }}
http {{
  access_log off; {temporary}
  map $request_uri $asked {{ "~^(?<most>.*)/$" $most; default $request_uri; }}
  upstream shop {{ {pods} }}
{servers}}}
"""

    def stop(self):
        self.leaving.set()
        self.done.set()
        for thread in self.threads:
            if thread.is_alive():
                thread.join()
        if self.shell:
            self.shell.stop()
        for pod in self.running.values():
            if isinstance(pod, Old):
                pod.done.set()
            pod.process.stop()


class Browser:
    """Requests over a new connection each, to a load balancer, with the cookie that it was given."""

    def __init__(self, cluster, where="ingress-nginx-controller", host=SHOP, tls=True):
        self.cluster, self.where, self.host, self.tls, self.cookie, self.pods, self.given = cluster, where, host, tls, None, [], 0

    def get(self, path="/"):
        """Status and the pod that answered."""
        c = http.client.HTTPConnection(self.host, timeout=10)
        c.sock = self.cluster.connect(443 if self.tls else 80, address=CLOUD[self.where])
        if self.tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            c.sock = context.wrap_socket(c.sock, server_hostname=self.host)
        try:
            c.request("GET", path, headers={"Connection": "close"} | ({"Cookie": self.cookie} if self.cookie else {}))
            answer = c.getresponse()
            body = answer.read()
        finally:
            c.close()
        if set_ := answer.getheader("Set-Cookie"):
            self.cookie = set_.split(";")[0]
            self.given += 1
        pod = json.loads(body)["name"] if answer.status == 200 else None
        self.pods.append(pod)
        return answer.status, pod


class Users:
    """Asks without pause and never again after a failure, from a thread: nothing may fail."""

    def __init__(self, cluster):
        self.browser, self.asked, self.failed, self.done = Browser(cluster, host=PLAIN, tls=False), 0, [], threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.done.wait(0.005):
            self.asked += 1
            try:
                status, _ = self.browser.get()
                if status != 200:
                    self.failed.append((time.strftime("%T"), status))
            except (OSError, http.client.HTTPException) as e:
                self.failed.append((time.strftime("%T"), repr(e)))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, failed, *_):
        self.done.set()
        self.thread.join()
        print(f"{self.asked} requests of users, {len(self.failed)} failed")
        assert failed or (self.asked > 100 and not self.failed), self.failed[:10]


class Statuses:
    """Each address that an Ingress had in its status, from the API server's own watch: what external-dns would act upon."""

    def __init__(self, cluster):
        self.process = cluster.popen(HARNESS, "kubectl", "--kubeconfig", cluster.kubeconfig, "get", "ingress", "-n", "shop", "--watch", "-o",
                                     'jsonpath={.metadata.name} {.metadata.resourceVersion} {.status.loadBalancer.ingress[*].ip}{"\\n"}')

    def of(self, name):
        """The different ones, in their order."""
        said = [line.split(" ", 2)[2] for line in self.process.out if line.split(" ", 1)[0] == name]
        return [now for before, now in zip([None, *said], said) if now != before]

    def writes(self, name):
        """How often it was written, whatever for, since the watch began."""
        return len({line.split(" ")[1] for line in self.process.out if line.split(" ", 1)[0] == name}) - 1


def certificate(directory, name, host):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", directory / f"{name}.key", "-out",
                    directory / f"{name}.crt", "-days", "2", "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host},DNS:www.{host}"], check=True, capture_output=True)


def ingress(name, host, annotations, path="/", kind="Prefix", tls=False):
    made = {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name, "namespace": "shop", "annotations": annotations},
            "spec": {"rules": [{"host": host, "http": {"paths": [{"path": path, "pathType": kind, "backend": {"service": {"name": "shop", "port": {"number": 80}}}}]}}]}}
    if "kubernetes.io/ingress.class" not in annotations:
        made["spec"]["ingressClassName"] = "nginx"
    if tls:
        made["spec"]["tls"] = [{"hosts": [host], "secretName": "shop"}]
    return json.dumps(made)


@pytest.fixture
def world(tmp_path):
    """A cluster whose users are served by ingress-nginx."""
    cluster, w = Cluster(), None
    try:
        w = World(cluster, tmp_path)
        w.pods = [Pod(cluster, f"pod-{i}") for i in range(3)]
        certificate(tmp_path, "shop", SHOP)
        certificate(tmp_path, "fake", "fake.example")
        cluster.kubectl("create", "namespace", "shop")
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shop", "namespace": "shop"}, "type": "kubernetes.io/tls",
                  "data": {f"tls.{part}": base64.b64encode((tmp_path / f"shop.{part}").read_bytes()).decode() for part in ("crt", "key")}}
        cluster.apply("\n---\n".join([service("shop", [pod.port for pod in w.pods], "shop"), json.dumps(secret),
                                      ingress("shop", SHOP, {ANNOTATION + "affinity": "cookie", ANNOTATION + "server-alias": f"www.{SHOP}"}, tls=True),
                                      ingress("api", "api.example.com", {ANNOTATION + "use-regex": "true", ANNOTATION + "rewrite-target": "/$1"}, "/v1/(.*)", "ImplementationSpecific"),
                                      ingress("wild", "*.example.net", {}),
                                      ingress("legacy", "legacy.example.com", {
                                          "kubernetes.io/ingress.class": "nginx",
                                          ANNOTATION + "configuration-snippet": 'access_by_lua_block { if ngx.var.remote_addr == "198.51.100.9" then ngx.exit(403) end }\n'})]))
        w.start()
        w.shell = Shell(cluster, tmp_path)
        w.shell.run(f"helm install ingress-nginx ingress-nginx/ingress-nginx -n {NS} --create-namespace --set controller.admissionWebhooks.enabled=false "
                    "--set-string controller.config.annotations-risk-level=Critical,controller.config.allow-snippet-annotations=true,controller.config.enable-opentelemetry=true\n"
                    f"kubectl -n {NS} rollout status deployment/ingress-nginx-controller --timeout=60s")
        wait_for(lambda: "203.0.113.10" in cluster.kubectl("get", "ingress", "shop", "-n", "shop"), "the status that ingress-nginx writes")
        yield w
        assert w.failed is None, w.failed
    finally:
        if w:
            w.stop()
        cluster.stop()


def test_the_old_controller_keeps_sessions_as_recorded():
    """Each cookie that ingress-nginx was recorded to set, and the pod that it went to."""
    seen = 0
    for case in ("affinity-cookie-default", "affinity-cookie-attributes", "affinity-cookie-samesite-none"):
        recorded = json.loads((ROOT / f"tests/oracle/golden/{case}.json").read_text())
        pods = [f"{e['addresses'][0]}:8080" for o in recorded["manifests"] if o["kind"] == "EndpointSlice" and o["metadata"]["name"] == "multi-1" for e in o["endpoints"]]
        for result in recorded["results"]:
            for name, value in (result.get("response") or {}).get("headers", []):
                if name.lower() == "set-cookie":
                    key, mark = re.match(r"\w+=([^|]+)\|(\w+)", value).groups()
                    assert mark == identity("oracle-multi-80")
                    assert pods.index(Ring(pods).pod(key)) == int(result["upstream"][0]["backend"].removeprefix("multi-")) - 1, key
                    seen += 1
    assert seen == 8


def test_the_guide_is_walked_through(world):
    cluster, guide = world.cluster, Guide(world.shell)
    statuses = Statuses(cluster)
    with Users(cluster):
        sessions = [Browser(cluster) for _ in range(12)]

        def go_on(where="ingress-nginx-controller"):
            for s in sessions:
                s.where = where
                assert s.get()[0] == 200
                assert len(set(s.pods)) == 1 and s.given == 1, (s.where, s.pods, s.cookie, s.given)

        def served_by():
            """Who answers behind ingress-nginx's load balancer: Sluice does not name itself."""
            found = set()
            for _ in range(8):
                out = subprocess.run(cluster.inside("curl", "-sk", "-D-", "-o", "/dev/null", "--resolve", f"{SHOP}:443:203.0.113.10", f"https://{SHOP}/"),
                                     capture_output=True, text=True, timeout=20).stdout
                found.add("nginx" if "server: nginx" in out.lower() else "sluice")
            return found

        go_on()
        assert len({s.pods[0] for s in sessions}) == 3 and served_by() == {"nginx"}
        guide.next("1.", status=2)
        guide.next("1.", status=2)
        guide.next("1.")
        before = statuses.of("shop")
        guide.next("2.")
        guide.next("2.")
        assert statuses.of("shop") == before == ["203.0.113.10"] and served_by() == {"nginx"}
        own = {"shutdown-grace-period": "10", "worker-shutdown-timeout": "240s", "compat": "exact"}
        assert cluster.get("configmap", "sluice", NS)["data"] == cluster.get("configmap", "ingress-nginx-controller", NS)["data"] | own
        guide.next("3.")
        guide.next("3.", status=1)
        guide.next("3.")
        go_on("sluice")
        go_on()

        guide.next("4a.")
        guide.next("4a.")
        sessions += [Browser(cluster, "sluice") for _ in range(12)]
        go_on("sluice")
        guide.next("4b.")
        wait_for(lambda: served_by() == {"nginx", "sluice"}, "both to serve")
        go_on()
        go_on()
        guide.next("4b.")
        wait_for(lambda: served_by() == {"sluice"}, "Sluice to serve alone")
        go_on()
        assert statuses.of("shop") == ["203.0.113.10"]
        guide.next("4c.")
        go_on("sluice")

        guide.next("5.")
        guide.next("5.")
        wait_for(lambda: served_by() == {"nginx"}, "ingress-nginx to serve alone")
        go_on()
        guide.next("5.")
        guide.next("5.")
        go_on()
        there_and_back = ["203.0.113.10", "203.0.113.20", "203.0.113.10"]
        for name in ("shop", "api", "wild", "legacy"):
            wait_for(lambda: statuses.of(name) == there_and_back, f"the statuses of {name}: {statuses.of(name)}")

        # Forward again, and for good. No pod of the stand-in answers the webhook that ingress-nginx has; nothing here writes an Ingress until step 6.
        world.shell.run(f"helm upgrade ingress-nginx ingress-nginx/ingress-nginx -n {NS} --reuse-values --set controller.admissionWebhooks.enabled=true")
        guide.again("2.")
        guide.again("4a.")
        guide.again("4b.")
        wait_for(lambda: served_by() == {"sluice"}, "Sluice to serve alone")
        go_on()
        # Nobody answers its webhook: what the guide warns of, and its first line.
        solver = json.loads(ingress("cm-acme-http-solver", SHOP, {}, "/.well-known/acme-challenge/token", "Exact"))
        refused = world.shell.run(f"kubectl apply -f - <<'EOF'\n{json.dumps(solver)}\nEOF\n", status=1)
        assert 'failed calling webhook "validate.nginx.ingress.kubernetes.io"' in refused
        guide.next("6.")
        cluster.apply(json.dumps(solver))
        guide.next("6.")
        assert cluster.get("configmap", "sluice", NS)["data"]["compat"] == "safe"
        go_on()
        assert served_by() == {"sluice"}
    for name in ("shop", "api", "wild", "legacy"):
        # The address came and went back; the two annotations of legacy are the guide's.
        assert (statuses.of(name), statuses.writes(name)) == (there_and_back, 4 if name == "legacy" else 2), name
    assert [b["script"] for b in guide.blocks if not b["run"]] == []
