"""Ports for programs that cannot bind to 0 and for addresses where nobody may answer: `python3 ports.py [N]` prints N of them, one a line.

The kernel hands those of ip_local_port_range to every connection and to every bind to 0, so a port from there that was free a moment
ago may be somebody's by the time its owner starts. These are taken below that range. A process claims them by the block, through a name
that ends with it, so that no two test processes of a network namespace are given the same; and it comes back to a port last."""
import itertools
import socket
import sys
from pathlib import Path

FIRST, BLOCK = 5000, 128
_blocks, _claims = {}, []


def _below():
    return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])


def _claim():
    """The ports of one more block, or those of all this process has, once again."""
    for first in range(FIRST, _below() - BLOCK + 1, BLOCK):
        if first in _blocks:
            continue
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0sluice-tests-ports-{first}")
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        _blocks[first] = range(first, first + BLOCK)
        return _blocks[first]
    assert _blocks, f"every port from {FIRST} to {_below()} is claimed by other test processes"
    return itertools.chain.from_iterable(_blocks.values())


def _free(port):
    """Nobody has it, on any address, over TCP or UDP."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET6, kind) as s:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            try:
                s.bind(("::", port))
            except OSError:
                return False
    return True


def _endless():
    while True:
        yield from _claim()


_next = _endless()


def free_ports(n):
    """n different ones, free for TCP and UDP, on every address."""
    out = {}
    for port in itertools.islice(_next, 65536):
        if port not in out and _free(port):
            out[port] = None
            if len(out) == n:
                return list(out)
    raise AssertionError(f"{len(out)} of {n} ports are free")


def free_port():
    return free_ports(1)[0]


if __name__ == "__main__":
    print(*free_ports(int(sys.argv[1]) if len(sys.argv) > 1 else 1), sep="\n")
