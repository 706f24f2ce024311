"""Sluice over manifests: conf/sluice/KIND.yaml, with the Secret, Services and EndpointSlices that it names."""
import os, pathlib, shutil

import lab
from .common import conf, hosts

NAME = "sluice"
# What differs from the shipped defaults, everywhere.
SWITCHES = "--workers 1 --set keep-alive-requests=0"


def binary():
    return os.environ.get("SLUICE_BIN", str(lab.ROOT / "build/release/sluice"))


def cannot(kind, _):
    return ""


def version(path, _):
    return lab.output(path, "--version")


def service(name, port, pods=1):
    addresses = ", ".join(f"{{addresses: [127.0.0.{i + 1}], conditions: {{ready: true}}}}" for i in range(pods))
    return f"""apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: default}}
spec: {{ports: [{{name: http, port: 80, targetPort: {port}}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-1, namespace: default, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
ports: [{{name: http, port: {port}, protocol: TCP}}]
endpoints: [{addresses}]
---
"""


def secret():
    key, crt, _ = lab.certificate()
    return f"""apiVersion: v1
kind: Secret
metadata: {{name: tls, namespace: default}}
type: kubernetes.io/tls
data: {{tls.crt: {lab.base64_of(crt)}, tls.key: {lab.base64_of(key)}}}
---
"""


def ingress(name, host):
    paths = "".join(f"      - {{path: {p}, pathType: Prefix, backend: {{service: {{name: up, port: {{number: 80}}}}}}}}\n" for p in ("/", "/api/", "/static/"))
    return f"""apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: {name}, namespace: default, annotations: {{nginx.ingress.kubernetes.io/ssl-redirect: "false"}}}}
spec:
  ingressClassName: nginx
  tls: [{{hosts: [{host}], secretName: tls}}]
  rules:
  - host: {host}
    http:
      paths:
{paths}---
"""


def command(work, path, _=""):
    directory = pathlib.Path(lab.W) / "manifests"
    shutil.rmtree(directory, ignore_errors=True)
    pods = 3 if work.kind == "all-on" else 1
    text = secret() + service("up", lab.port_of(work.pod), pods) + service("next", lab.port_of("next"))
    if work.kind == "plain":
        text += ingress("app", lab.HOST) + "".join(ingress(h.replace(".", "-"), h) for h in hosts(work.hosts))
    else:
        text += lab.render(conf(NAME, f"{work.kind}.yaml"), RANGES=",".join(lab.RANGES), **lab.values(work))
    lab.write("manifests/m.yaml", text)
    log = lab.LOG if work.kind == "all-on" else "off"
    return [path, "serve", "--manifests", str(directory), "--http", f"127.0.0.1:{lab.HTTP}", "--https", f"127.0.0.1:{lab.TLS}",
            "--admin", "127.0.0.1:0", "--access-log", log, *SWITCHES.split()]
