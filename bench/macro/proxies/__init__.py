"""The proxies that are measured. Each module has NAME, version(), command(work, binary, root) and CANNOT: kind → why it
has no row. A `command` writes what the proxy reads into lab.W and returns the command line that serves it."""
import os

from . import envoy, floor, h2o, haproxy, nginx, sluice


class Peer:
    def __init__(self, module, binary, root=""):
        self.module, self.binary, self.root = module, binary, root

    def command(self, work):
        return self.module.command(work, self.binary, self.root)

    def why_not(self, kind):
        """Nothing where it does such work, else the reason."""
        return self.module.cannot(kind, self.binary)

    def version(self):
        return self.module.version(self.binary, self.root)


def found():
    """Name → Peer of those that are installed. BASE_BIN adds another build of Sluice as `base`, or several ones by names that
    begin so (base-a=PATH,base-b=PATH); a Debian 13 tree made by debootstrap, with nginx-light and haproxy in it, named by
    TRIXIE, adds nginx126 and haproxy30."""
    peers = {"floor": Peer(floor, "floor"), "sluice": Peer(sluice, sluice.binary())}
    for named in filter(None, os.environ.get("BASE_BIN", "").split(",")):
        name, _, path = named.rpartition("=")
        peers[name or "base"] = Peer(sluice, path)
    for module in (nginx, haproxy, h2o, envoy):
        if binary := module.find():
            peers[module.NAME] = Peer(module, binary)
    if tree := os.environ.get("TRIXIE"):
        peers["nginx126"] = Peer(nginx, "/usr/sbin/nginx", tree)
        peers["haproxy30"] = Peer(haproxy, "/usr/sbin/haproxy", tree)
    return peers


PEERS = found()
