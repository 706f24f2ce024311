"""What stands between client and pod in the HTTP/2 tests: Sluice, or with MIDDLE=haproxy or nghttpx a peer, to see what a test says of it."""
import os
from pathlib import Path

from harness import Process, certificate, free_port, tls_secret, wait_port

H2_OPTIONS = {"http2-prior-knowledge": "true"}


def middle(site, pod, host="app.example", *, grpc=False, h2=True, annotations=None, options=None, **kw):
    """A proxy with .http (HTTP/2 by prior knowledge) and .https in front of one pod for one host; .authority is its certificate. The
    pod is an address, or has one; with grpc it speaks HTTP/2. h2=False: .http speaks HTTP/1.1 alone."""
    address = getattr(pod, "address", pod)
    cert, key = certificate(host or "any.example")
    peer = {"haproxy": HAProxy, "nghttpx": Nghttpx}.get(os.environ.get("MIDDLE"))
    if peer:
        proxy = site.add(peer(site.tmp, address, cert, key, grpc, h2))
        proxy.authority = cert
        return proxy
    secret = f"{host.split('.')[0] or 'any'}-tls"
    site.manifests.write(f"{secret}.yaml", tls_secret(secret, cert, key))
    if grpc:
        annotations = {"backend-protocol": "GRPC", **(annotations or {})}
    site.app(host, address, name=host.split(".")[0] or "any", tls=[([host], secret)] if host else None,
             annotations={"ssl-redirect": "false", **(annotations or {})})
    proxy = site.sluice(options={**(H2_OPTIONS if h2 else {}), **(options or {})}, **kw)
    proxy.authority = cert
    return proxy


class HAProxy(Process):
    def __init__(self, tmp, pod, cert, key, grpc, h2):
        ports = free_port(), free_port()
        self.http, self.https = (f"127.0.0.1:{p}" for p in ports)
        (Path(tmp) / "haproxy.pem").write_text(cert + key)
        conf = Path(tmp) / "haproxy.cfg"
        conf.write_text(f"""
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
frontend f
  bind {self.http} {"proto h2" if h2 else ""}
  bind {self.https} ssl crt {tmp}/haproxy.pem alpn h2,http/1.1
  default_backend b
backend b
  server s {pod} {"proto h2" if grpc else ""}
""")
        super().__init__(["haproxy", "-f", conf])
        wait_port(self.http, self)


class Nghttpx(Process):
    def __init__(self, tmp, pod, cert, key, grpc, h2):
        ports = free_port(), free_port()
        self.http, self.https = (f"127.0.0.1:{p}" for p in ports)
        for name, text in (("cert.pem", cert), ("key.pem", key)):
            (Path(tmp) / name).write_text(text)
        super().__init__(["nghttpx", "--conf=/dev/null", "-b", pod.replace(":", ",") + (";;proto=h2" if grpc else ""), "-f", f"127.0.0.1,{ports[0]};no-tls", "-f", f"127.0.0.1,{ports[1]}",
                          "--workers=1", f"{tmp}/key.pem", f"{tmp}/cert.pem"])
        wait_port(self.http, self)
