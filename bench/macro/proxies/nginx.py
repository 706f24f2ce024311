"""nginx: conf/nginx/KIND.conf, which include common.conf."""
import os, shutil

import lab
from .common import chrooted, conf, hosts, tool

NAME = "nginx"
BROTLI = "/usr/lib/nginx/modules/ngx_http_brotli_filter_module.so"


def find():
    return shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")


def cannot(kind, _):
    if kind == "brotli" and not os.path.exists(BROTLI):
        return "its module libnginx-mod-http-brotli-filter is not installed"
    return ""


def version(binary, root):
    return lab.output(*tool(root, binary), "-v").removeprefix("nginx version: ")


def plain(work):
    headers = "".join(f"proxy_set_header {h}; " for h in ('Connection ""', "Host $host", "X-Real-IP $remote_addr", "X-Forwarded-For $remote_addr", "X-Forwarded-Proto $scheme"))
    locations = "".join(f"location {p} {{ proxy_pass http://up; proxy_http_version 1.1; {headers}}}\n" for p in ("/", "/api/", "/static/"))
    listen = f"listen 127.0.0.1:{lab.HTTP}{{0}}; listen 127.0.0.1:{lab.TLS} ssl http2{{0}};"
    servers = f"server {{ {listen.format(' backlog=4096')} server_name {lab.HOST}; {locations} }}\n"
    return servers + "".join(f"server {{ {listen.format('')} server_name {h}; {locations} }}\n" for h in hosts(work.hosts))


def command(work, binary, root=""):
    values = lab.values(work)
    # http2_max_requests is gone since 1.25, where keepalive_requests counts.
    old = "http2_max_requests 100000000;" if "1.22" in version(binary, root) else ""
    lab.write("nginx/common.conf", lab.render(conf(NAME, "common.conf"), OLD=old, **values))
    lab.write("nginx/ranges.geo", "".join(f"{r} 1;\n" for r in lab.RANGES))
    for d in ("temporary", "cache"):
        os.makedirs(f"{lab.W}/nginx/{d}", exist_ok=True)
    servers = plain(work) if work.kind == "plain" else ""
    path = lab.write(f"nginx/{work.kind}.conf", lab.render(conf(NAME, f"{work.kind}.conf"), SERVERS=servers, MODULE=BROTLI, **values))
    return chrooted(root, [binary, "-c", path])
