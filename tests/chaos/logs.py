#!/usr/bin/env python3
"""Disk full (a small tmpfs, or /dev/full where none can be mounted) and a blocked log pipe: no request waits, losses are counted."""
import os
import subprocess
from pathlib import Path

from common import harness, main


def body(run):
    requests = run.pick(20_000, 300_000)
    site = run.site
    pod = site.pod("pod", "--forget-ids")
    site.app("app.example", pod.address)
    mount = site.tmp / "small"
    mount.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(mount)], stderr=subprocess.DEVNULL).returncode == 0
    fifo = site.tmp / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    places = {"plain file": site.tmp / "plain.log", "disk full": mount / "access.log" if mounted else Path("/dev/full"), "pipe blocked": fifo}
    try:
        for label, path in places.items():
            s = run.sluice(access_log=str(path), workers=2) if label == "plain file" else site.sluice(access_log=str(path), workers=2)
            r = harness.run_tool("load", "--connect", s.http, "--host", "app.example", "-c", 16, "-n", requests, "--size", 100, "--per-connection", 900)
            run.load_result(r, requests, label=label)
            lost = s.metric("sluice_access_log_lost_lines_total")
            run.figure(**{label: {"requests": r["ok"], "failed": r["failed"], "p50_ms": r["p50_ms"], "p99_ms": r["p99_ms"], "max_ms": r["max_ms"], "lines_lost": lost, "rate": round(r["rate"])}})
            run.say(f"{label}: {run.figures[label]}")
            if label != "plain file":
                base = run.figures["plain file"]["p99_ms"]
                run.expect(r["p99_ms"] < base * 3 + 5, f"{label}: p99 {r['p99_ms']} ms beside {base} ms")
                run.expect(lost > 0, f"{label}: losses are not counted")
            run.expect(s.stop() == 0, f"{label}: clean end")
    finally:
        os.close(reader)
        if mounted:
            subprocess.run(["umount", str(mount)])


if __name__ == "__main__":
    main("logs", body)
