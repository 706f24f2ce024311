#!/usr/bin/python3
"""What it costs to read a head of HTTP/1.1 with net/h1, and with Beast's basic_parser under the same checks.

usage: measure.py HEADS [--rounds 15] [--times 200000]

Prints tables: instructions of one head by callgrind, and its time in interleaved rounds, each reader in a process of its
own. `checked` is Beast under the checks of net/h1 (bench/beast/beast_heads.h), `bare` is Beast alone, which keeps nothing.
"""
import argparse, pathlib, re, shutil, statistics, subprocess, sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench/macro"))
import lab, ratios

READERS = ("ours", "checked", "bare")
HEADS = ("request", "browser", "response", "response-1k")
FEW, MANY = 2_000, 12_000  # heads; what a process costs before its first one is in both


def read(binary, reader, head, times):
    return subprocess.run([binary, reader, head, str(times)], check=True, capture_output=True, text=True).stdout


def instructions(binary, reader, head):
    def collected(times):
        done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", binary, reader, head, str(times)],
                              check=True, capture_output=True, text=True)
        return int(re.search(r"Collected : (\d+)", done.stderr)[1])
    return (collected(MANY) - collected(FEW)) / (MANY - FEW)


def main():
    args = argparse.ArgumentParser()
    args.add_argument("heads")
    args.add_argument("--rounds", type=int, default=15)
    args.add_argument("--times", type=int, default=200_000)
    args = args.parse_args()
    if not shutil.which("valgrind"):
        sys.exit("valgrind is not installed (Debian package valgrind)")
    machine = lab.machine()
    boost = re.search(r'BOOST_LIB_VERSION "([\d_]+)"', pathlib.Path("/usr/include/boost/version.hpp").read_text())[1].replace("_", ".")
    print(f"# Heads of HTTP/1.1 by net/h1 and by Beast, {machine['at']}\n\nCommit {machine['commit']}, {machine['cores']} cores of {machine['cpu']}, "
          f"Linux {machine['kernel']}, load before {machine['load']}. Boost {boost}, {lab.output('g++', '--version')}. "
          f"{args.rounds} interleaved rounds of {args.times} heads.\n\n"
          "ours: net/h1 finds the head and reads it. checked: Beast's basic_parser under the checks of net/h1. bare: Beast alone, which keeps nothing and checks nothing more.\n")
    print("| head | | ours | checked | to ours | bare | to ours |\n|---|---|---|---|---|---|---|")
    size, times = {}, {(h, r): [] for h in HEADS for r in READERS}
    for _ in range(args.rounds):
        for head in HEADS:
            for reader in READERS:
                said = read(args.heads, reader, head, args.times)
                size[head], ns = re.match(r"(.*): ([\d.]+) ns", said).groups()
                times[head, reader].append(float(ns))
    for head in HEADS:
        count = {r: instructions(args.heads, r, head) for r in READERS}
        print(f"| {head}, {size[head]} | instructions | {count['ours']:.0f} | {count['checked']:.0f} | {count['checked'] / count['ours']:.2f} | "
              f"{count['bare']:.0f} | {count['bare'] / count['ours']:.2f} |")
        ns = {r: statistics.median(times[head, r]) for r in READERS}
        least = {r: min(times[head, r]) for r in READERS}
        to = {r: ratios.Ratio(times[head, r], times[head, "ours"]) for r in READERS}
        print(f"| | ns, median (least) | {ns['ours']:.0f} ({least['ours']:.0f}) | {ns['checked']:.0f} ({least['checked']:.0f}) | {to['checked']} | "
              f"{ns['bare']:.0f} ({least['bare']:.0f}) | {to['bare']} |", flush=True)


if __name__ == "__main__":
    main()
