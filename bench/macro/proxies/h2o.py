"""h2o: conf/h2o/KIND.conf; the plain one has a host for each name."""
import shutil

import lab
from .common import conf, hosts

NAME = "h2o"


def find():
    return shutil.which("h2o")


def cannot(kind, _):
    return {"all-on": "it has no limit of rates, weights or sessions without mruby of one's own",
            "auth": "it asks other services by mruby of one's own alone",
            "grpc": "this version speaks no HTTP/2 to pods and passes no trailers on"}.get(kind, "")


def version(binary, _):
    return lab.output(binary, "--version").removeprefix("h2o version ")


def command(work, binary, _=""):
    kind = "plain" if work.kind == "upload" else work.kind  # it passes bodies on as they come
    values = lab.values(work)
    names = [f"{lab.HOST}:{lab.HTTP}", f"{lab.HOST}:{lab.TLS}", *hosts(work.hosts)]
    host = lab.render(conf(NAME, f"{kind}.conf"), **values)
    text = lab.render(conf(NAME, "common.conf"), **values) + "hosts:\n" + "".join(host.replace("%HOST%", name) for name in names)
    return [binary, "-c", lab.write("h2o.conf", text)]
