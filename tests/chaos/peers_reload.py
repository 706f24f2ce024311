#!/usr/bin/env python3
"""30 changes of configuration under the same raw keep-alive clients: Sluice beside nginx (reload) and HAProxy (master-worker reload with
passed sockets). A lost request is one that was sent on an open connection and not answered."""
import os
import signal
import subprocess
import time
from pathlib import Path

from common import harness, main


def nginx_conf(d, port, pod, n):
    return f"""
worker_processes 2; pid {d}/pid; error_log {d}/err;
events {{ worker_connections 4096; }}
http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {d}/b; proxy_temp_path {d}/p; fastcgi_temp_path {d}/f; uwsgi_temp_path {d}/u; scgi_temp_path {d}/s;
 upstream pod {{ server {pod}; keepalive 320; keepalive_requests 100000000; }}
 server {{ listen 127.0.0.1:{port} reuseport; location / {{ proxy_pass http://pod; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host; }}
  location = /change-{n} {{ return 204; }} }} }}"""


def haproxy_conf(d, port, pod, n):
    return f"""
global
  stats socket {d}/sock mode 600 level admin expose-fd listeners
  nbthread 2
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout http-keep-alive 60s
frontend f
  bind 127.0.0.1:{port}
  http-request return status 204 if {{ path /change-{n} }}
  default_backend b
backend b
  server s {pod}
"""


def body(run):
    reloads, seconds = run.pick(5, 30), run.pick(3, 11)
    site = run.site
    pod = site.pod("pod", "--forget-ids")
    table = {}

    def drive(name, address, change):
        load = site.tool("load", "--connect", address, "--host", "app.example", "-c", 8, "--rate", 1000, "-d", seconds + 1, "--size", "0:4000")
        load.wait_done(100)
        begin = time.monotonic()
        for i in range(reloads):
            change(i + 1)
            while time.monotonic() - begin < seconds * (i + 1) / reloads:
                time.sleep(0.005)
        r = load.result(120)
        table[name] = {"requests": r["ok"], "changes": reloads, "failed": r["failed"], "lost_in_flight": r["lost"], "closed_idle_unannounced": r["closed_unannounced"],
                       "closed_announced": r["closed_announced"], "details": r["details"], "p99_ms": r["p99_ms"]}
        return r

    d = site.tmp / "nginx"
    d.mkdir()
    port = harness.free_port()
    (d / "c").write_text(nginx_conf(d, port, pod.address, 0))
    nginx = site.add(harness.Process(["nginx", "-c", d / "c", "-p", d, "-g", "daemon off;"]))
    harness.wait_port(f"127.0.0.1:{port}", nginx)

    def nginx_change(n):
        (d / "c").write_text(nginx_conf(d, port, pod.address, n))
        nginx.proc.send_signal(signal.SIGHUP)
    drive("nginx 1.22 reload", f"127.0.0.1:{port}", nginx_change)
    nginx.stop()

    h = site.tmp / "haproxy"
    h.mkdir()
    port2 = harness.free_port()
    (h / "c").write_text(haproxy_conf(h, port2, pod.address, 0))
    haproxy = site.add(harness.Process(["haproxy", "-W", "-f", h / "c"]))
    harness.wait_port(f"127.0.0.1:{port2}", haproxy)

    def haproxy_change(n):
        (h / "c").write_text(haproxy_conf(h, port2, pod.address, n))
        haproxy.proc.send_signal(signal.SIGUSR2)
    drive("HAProxy 2.6 master-worker reload", f"127.0.0.1:{port2}", haproxy_change)
    haproxy.stop()

    site.app("app.example", pod.address)
    s = run.sluice(workers=2, options={"keep-alive-requests": 0})
    before = s.version()
    r = drive("Sluice", s.http, lambda n: site.app("app.example", pod.address, paths=[("/", "Prefix"), (f"/change-{n}", "Exact")]))
    run.load_result(r, label="Sluice")
    run.expect(s.version() - before >= reloads, f"{s.version() - before} versions for {reloads} changes")
    run.figure(table=table)
    for name, row in table.items():
        run.say(f"{name:34} {row['requests']:>7} requests, {row['changes']} changes: {row['failed']} failed, {row['closed_idle_unannounced']} idle connections closed unannounced")


if __name__ == "__main__":
    main("peers_reload", body)
