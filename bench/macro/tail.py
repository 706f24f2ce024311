#!/usr/bin/env python3
"""Latency at a constant rate: Sluice beside nginx, HAProxy and Envoy, those that are installed.

usage: tail.py SLUICE [--rate 4000] [--seconds 8] [--rounds 2] [--connections 64]

The client (openloop.cpp) sends at a fixed rate and counts a latency from the moment the request was due. One worker each
on core 0; client and pod on core 1. Three ways: at rest; with a configuration change each second (Sluice: a manifest is
written; nginx: HUP; HAProxy: USR2 to its master; Envoy has no file to change and is left out); with an access log to a
file (Sluice and nginx). Interleaved over the rounds; the table has the median round of each. Kept in bench/results.
"""
import argparse, http.client, json, os, pathlib, signal, statistics, subprocess as sp, sys, threading, time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("sluice")
    p.add_argument("--rate", type=int, default=4000)
    p.add_argument("--seconds", type=int, default=8)
    p.add_argument("--rounds", type=int, default=2)
    p.add_argument("--connections", type=int, default=64)
    return p.parse_args()


A = arguments()
os.environ["SLUICE_BIN"] = A.sluice
sys.path.insert(0, str(HERE))
import peers  # noqa: E402


class Proxy:
    def __init__(self, name, log):
        make, binary, root = peers.PEERS[name]
        self.name = name
        command = make(binary, root, 18999, 0)
        destination = f"{peers.W}/access.log"
        if name == "sluice" and log:
            command = [destination if c == "off" else c for c in command]
        if name == "nginx" and log:
            self.edit(command, lambda text: text.replace("access_log off;", f"access_log {destination};"))
        if name == "haproxy":
            command = ["-W" if c == "-db" else c for c in command]
        self.command = command
        self.process = sp.Popen(["taskset", "-c", "0", *command], stdout=sp.DEVNULL, stderr=sp.DEVNULL)
        if not peers.wait_port(peers.HTTP):
            sys.exit(f"{name} does not listen: {' '.join(command)}")

    @staticmethod
    def edit(command, change):
        conf = pathlib.Path(command[command.index("-c") + 1])
        conf.write_text(change(conf.read_text()))

    def change(self, n):
        if self.name == "sluice":
            d = pathlib.Path(peers.W) / "manifests"
            text = (d / "m.yaml").read_text().split("---\n")[3].replace("app.example.com", f"new{n}.example.com")
            (d / "changing.yaml.part").write_text(text.replace("name: app,", "name: changing,"))
            (d / "changing.yaml.part").rename(d / "changing.yaml")
        elif self.name == "nginx":
            self.edit(self.command, lambda text: f"# change {n}\n{text}")
            self.process.send_signal(signal.SIGHUP)
        elif self.name == "haproxy":
            self.process.send_signal(signal.SIGUSR2)

    def must_have_changed(self):
        """The last change is served: else the column would measure nothing."""
        self.change(10**6)
        until = time.monotonic() + 5
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", peers.HTTP, timeout=2)
            connection.request("GET", "/", headers={"Host": "new1000000.example.com"})
            if connection.getresponse().status == 200:
                return
            if time.monotonic() > until:
                sys.exit("sluice does not follow its manifests")
            time.sleep(0.02)


def measure(client, name, way):
    proxy = Proxy(name, log=way == "access log")
    done = threading.Event()
    try:
        run = lambda rate, seconds: sp.run(
            ["taskset", "-c", "1", client, "app.example.com", str(peers.HTTP), str(rate), str(seconds), str(A.connections), "1024"],
            stdout=sp.PIPE, text=True).stdout
        run(2000, 1)

        def keep_changing():
            n = 0
            while not done.wait(1):
                proxy.change(n := n + 1)

        if way == "change each second":
            threading.Thread(target=keep_changing, daemon=True).start()
        result = json.loads(run(A.rate, A.seconds))
        done.set()
        if way == "change each second" and name == "sluice":
            proxy.must_have_changed()
    finally:
        done.set()
        peers.stop(proxy.process)
    if result["client_cpu"] > 0.6:
        print(f"{name}: the client used {result['client_cpu']:.2f} of its core: the rate is too high to measure", file=sys.stderr)
    return result


def main():
    peers.build()
    client = f"{peers.BUILD}/openloop"
    sp.run(["g++", "-std=c++23", "-O2", "-o", client, str(HERE / "openloop.cpp")], check=True)
    names = [n for n in ("sluice", "nginx", "haproxy", "envoy") if n in peers.PEERS]
    cells = [(n, "at rest") for n in names] + [(n, "change each second") for n in names if n != "envoy"]
    cells += [(n, "access log") for n in names if n in ("sluice", "nginx")]
    pod = sp.Popen(["taskset", "-c", "1", f"{peers.BUILD}/backend", "18999", "1024"])
    results = {cell: [] for cell in cells}
    try:
        peers.wait_port(18999)
        for _ in range(A.rounds):
            for cell in cells:
                results[cell].append(measure(client, *cell))
    finally:
        pod.kill()
    commit = sp.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    lines = [f"# Latency at {A.rate} requests a second, {time.strftime('%F')}", "",
             f"Commit {commit}, {os.cpu_count()} cores. {A.connections} connections, 1 KiB, {A.seconds} s, median of {A.rounds} rounds; "
             "microseconds from the moment a request was due.", "",
             "| | | p50 | p99 | p99.9 | max | errors | ended connections | client's core |", "|---|---|---|---|---|---|---|---|---|"]
    for (name, way), rounds in results.items():
        m = lambda key: statistics.median(r[key] for r in rounds)
        us = lambda key: f"{m(key):.0f}" if m(key) < 1e8 else "failed"
        lines.append(f"| {way} | {name} | {us('p50_us')} | {us('p99_us')} | {us('p999_us')} | {us('max_us')} | "
                     f"{sum(r['errors'] for r in rounds)} | {sum(r['reconnects'] for r in rounds)} | {m('client_cpu') * 100:.0f} % |")
    out = ROOT / f"bench/results/{time.strftime('%F')}-tail.md"
    out.write_text("\n".join(lines) + "\n")
    print("\n".join(lines) + f"\nkept in {out.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
