#!/usr/bin/python3
"""Sluice over its own loop and over Asio's reactor, in one run: CPU time a request, instructions, system calls.

usage: measure.py OWN ASIO [--scenarios h1-1k,tls-1k] [--rounds 10] [--json FILE] [--parts peers,instructions,calls]

OWN and ASIO are binaries of one commit, ASIO with SLUICE_ASIO_LOOP=ON; `make asio` builds both. The rows base-wait,
base-attempt and base-edges are ASIO with each way of waiting that bench/asio/loop_asio.cpp has.
"""
import argparse, os, pathlib, re, subprocess as sp, sys, tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
WAYS = ("wait", "attempt", "edges")


def wrappers(asio, folder):
    """Row → a command that is ASIO waiting in that way."""
    found = {}
    for way in WAYS:
        path = pathlib.Path(folder) / way
        path.write_text(f'#!/bin/sh\nSLUICE_ASIO={way} exec {asio} "$@"\n')
        path.chmod(0o755)
        found[f"base-{way}"] = str(path)
    return found


def compare(a, rows):
    command = [sys.executable, str(ROOT / "bench/macro/peers.py"), a.scenarios, "--only", ",".join(["sluice", *rows, "floor"]), "--rounds", str(a.rounds)]
    sp.run(command + (["--json", a.json] if a.json else []), check=True)


def instructions(own, asio):
    print("\n## Instructions of one exchange, one connection (callgrind, user space)\n\n| | h1 | to ours | tls | to ours |\n|---|---|---|---|---|", flush=True)
    first = {}
    for name, binary, way in (("sluice", own, ""), *((f"base-{way}", asio, way) for way in WAYS)):
        # A baseline that is exceeded is not what is asked here.
        said = sp.run([sys.executable, str(ROOT / "bench/instructions/measure.py"), binary, "--only", "h1,tls"],
                      env={**os.environ, "SLUICE_ASIO": way or "wait"}, capture_output=True, text=True)
        count = {kind: int(n) for kind, n in re.findall(r"^(\w+): (\d+) instructions", said.stdout, re.M)}
        if len(count) != 2:
            sys.exit(f"{name}: {said.stdout}{said.stderr}")
        first = first or count
        print(f"| {name} | " + " | ".join(f"{count[k]} | {count[k] / first[k]:.2f}" for k in ("h1", "tls")) + " |", flush=True)


def calls(rows):
    """System calls a request under the load of the scenario, and of one connection, which finds the loop asleep each time."""
    sys.path.insert(0, str(ROOT / "bench/macro"))
    import clients, lab, scale
    from proxies import PEERS
    from work import Work
    lab.build(("backend", "floor"))
    print("\n## System calls a request, h1 1 KiB (strace -c -f)\n\n| | connections | in all | of them |\n|---|---|---|---|")
    with lab.Pods(["1k"]):
        for connections in (64, 1):
            for name in ("sluice", *rows):
                proxy = lab.start(PEERS[name].command(Work(pod="1k")), f"{lab.W}/{name}.out")
                try:
                    lab.wait_port(lab.HTTP)
                    load = lambda seconds: clients.wrk(seconds, connections, "http").good
                    load(1)
                    requests, made = scale.counted(lab.tree(proxy.pid)[-1], lambda: load(3))
                finally:
                    lab.stop(proxy)
                parts = [f"{k} {n / requests:.2f}" + (f" ({e / requests:.2f} in vain)" if e > requests / 100 else "")
                         for k, (n, e) in sorted(made.items(), key=lambda c: -c[1][0]) if n > requests / 100]
                print(f"| {name} | {connections} | {sum(n for n, _ in made.values()) / requests:.2f} | {', '.join(parts)} |", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("own")
    p.add_argument("asio")
    p.add_argument("--scenarios", default="h1-1k,tls-1k")
    p.add_argument("--rounds", type=int, default=10)
    p.add_argument("--json")
    p.add_argument("--parts", default="peers,instructions,calls")
    a = p.parse_args()
    own, asio = (os.path.abspath(b) for b in (a.own, a.asio))
    with tempfile.TemporaryDirectory() as folder:
        rows = wrappers(asio, folder)
        os.environ["SLUICE_BIN"] = own
        os.environ["BASE_BIN"] = ",".join(f"{name}={path}" for name, path in rows.items())
        for part in a.parts.split(","):
            {"peers": lambda: compare(a, rows), "instructions": lambda: instructions(own, asio), "calls": lambda: calls(rows)}[part]()


if __name__ == "__main__":
    main()
