"""HAProxy: conf/haproxy/common.cfg and KIND.cfg, read one after the other."""
import os, shutil

import lab
from .common import chrooted, conf, hosts, tool

NAME = "haproxy"


def find():
    return shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin")


def cannot(kind, _):
    return {"auth": "it asks other services by SPOE agents or Lua of one's own, and keeps no answers",
            "brotli": "it has no brotli"}.get(kind, "")


def version(binary, root):
    return lab.output(*tool(root, binary), "-v").split(" - ")[0].removeprefix("HAProxy version ")


def command(work, binary, root=""):
    values = lab.values(work)
    lab.write("haproxy/hosts.map", "".join(f"{h} up\n" for h in [*hosts(work.hosts), lab.HOST]))
    lab.write("haproxy/ranges.lst", "".join(f"{r}\n" for r in lab.RANGES))
    kind = "plain" if work.kind in ("upload", "websocket") else work.kind  # it passes both on as they come
    paths = [lab.write(f"haproxy/{name}.cfg", lab.render(conf(NAME, f"{name}.cfg"), **values)) for name in ("common", kind)]
    return chrooted(root, [binary, "-db", "-f", paths[0], "-f", paths[1]])
