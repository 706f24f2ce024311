#!/usr/bin/env python3
"""tools/first_answer.py [--most SECONDS]: what a newcomer waits for.

Clones what is committed into a temporary folder, runs `make run` there without a compiler cache, asks for a page as soon as it says that
it serves, and ends it with one Ctrl-C. Prints the seconds from the command to the answer and the processor time of the build; fails when
the answer took longer than --most (300), on two cores that have nothing else to do. Packages that are installed already are not
installed again: on a bare machine they come on top.
"""
import argparse
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def answered(lines):
    """Asks for a page once the address is known and everything is said; the lines until then are printed."""
    address = None
    for line in lines:
        print(line, end="", flush=True)
        if m := re.match(r" +http +(\S+)$", line):
            address = m[1]
        if "Ctrl-C ends everything" in line:
            asked = urllib.request.Request(f"http://{address}/cart", headers={"Host": "shop.localhost"})
            with urllib.request.urlopen(asked, timeout=10) as a:
                return a.status == 200
    return False


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--most", type=float, default=300)
    most = p.parse_args().most
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "clone", "-q", ROOT, f"{folder}/sluice"], check=True)
        begun = time.monotonic()
        run = subprocess.Popen(["make", "run"], cwd=f"{folder}/sluice", env={**os.environ, "CCACHE_DISABLE": "1"}, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            ok = answered(run.stdout)
            seconds = time.monotonic() - begun
        finally:
            os.killpg(run.pid, signal.SIGINT)
            ended = run.wait(30)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"first answer after {seconds:.0f} s, {used.ru_utime + used.ru_stime:.0f} s of processor time on {os.cpu_count()} cores "
          f"(load before: {load:.1f})")
    if not ok:
        sys.exit("there was no answer")
    if ended not in (0, 130, -signal.SIGINT):
        sys.exit(f"Ctrl-C ended it with {ended}")
    if seconds > most:
        sys.exit(f"more than {most:.0f} s: see what dominates (docs/building.md), or measure on cores that are idle")


if __name__ == "__main__":
    main()
