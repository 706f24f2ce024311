"""What the chaos scripts share. Each runs the shipped binary (SLUICE) with shipped defaults, prints every switch that differs
from them to standard error, and one JSON object with its figures to standard output; exit 0 when what it promises held.

  --short    the form that `make test` runs
  --record   also writes bench/results/chaos-NAME.json
"""
import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
import harness  # noqa: E402
from conftest import Site  # noqa: E402


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


class Run:
    def __init__(self, name, **extra):
        parser = argparse.ArgumentParser(prog=name)
        parser.add_argument("--short", action="store_true")
        parser.add_argument("--record", action="store_true")
        for flag, default in extra.items():
            parser.add_argument("--" + flag.replace("_", "-"), type=type(default) if default is not None else str, default=default)
        self.args = parser.parse_args()
        self.name, self.short = name, self.args.short
        self.directory = tempfile.TemporaryDirectory(prefix=f"chaos-{name}-")
        self.site = Site(self.directory.name)
        self.figures, self.failures = {}, []
        self.begin = time.monotonic()

    def pick(self, short, long):
        return short if self.short else long

    def say(self, text):
        print(f"{self.name}: {text}", file=sys.stderr, flush=True)

    def sluice(self, *args, **kw):
        differs = [f"--set {k}={v}" for k, v in (kw.get("options") or {}).items()] + [str(a) for a in args]
        if "workers" in kw:
            differs.append(f"--workers {kw['workers']}")
        kw.setdefault("access_log", str(Path(self.directory.name) / "access.log"))
        differs.append(f"--access-log {kw['access_log']}")
        if kw.get("wrap"):
            differs.append("started by " + " ".join(kw["wrap"]))
        self.say("switches that differ from the defaults: addresses with port 0; " + "; ".join(differs))
        self.figures.setdefault("switches", differs)
        return self.site.sluice(*args, **kw)

    def expect(self, good, what):
        if not good:
            self.failures.append(what)
            self.say("NOT HELD: " + what)

    def figure(self, **kw):
        self.figures.update(kw)
        self.say(", ".join(f"{k}={v}" for k, v in kw.items() if not isinstance(v, (dict, list))))

    def load_result(self, r, requests=None, unannounced=True, label="load"):
        """Asserts what every load run asserts: status, length and bytes are the tool's; here that nothing failed."""
        self.expect(r["failed"] == 0, f"{label}: {r['failed']} requests failed: { {k: r[k] for k in ('wrong_status', 'wrong_length', 'wrong_body', 'wrong_id', 'malformed', 'lost', 'timeouts', 'connect_failures', 'tls_failures', 'details')} }")
        if unannounced:
            self.expect(r["closed_unannounced"] == 0, f"{label}: {r['closed_unannounced']} idle connections closed by us unannounced")
        if requests is not None:
            self.expect(r["ok"] == requests, f"{label}: {r['ok']} of {requests} answered")

    def end(self):
        pods = [c for c in self.site.children if isinstance(c, harness.StrictPod) and c.proc.poll() is None]
        violations = {p.argv[2]: p.stats()["violation_samples"] for p in pods if p.stats()["violations"]}
        self.expect(not violations, f"bytes that a strict reader refuses reached a pod: {violations}")
        try:
            self.site.stop()
        except AssertionError as e:
            self.expect(False, f"clean end: {e}")
        out = {"name": self.name, "form": "short" if self.short else "long", "good": not self.failures, "failures": self.failures, **self.figures,
               "seconds": round(time.monotonic() - self.begin, 1)}
        print(json.dumps(out, indent=1))
        if self.args.record:
            commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=harness.ROOT, stdout=subprocess.PIPE, text=True).stdout.strip()
            out = {"date": datetime.datetime.utcnow().strftime("%Y-%m-%dT%H:%MZ"), "commit": commit, "machine": processor(), "cores": os.cpu_count(), "kernel": platform.release(), **out}
            path = harness.ROOT / "bench" / "results" / f"chaos-{self.name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(out, indent=1) + "\n")
        self.directory.cleanup()
        sys.exit(1 if self.failures else 0)


def main(name, body, **extra):
    run = Run(name, **extra)
    try:
        body(run)
    except AssertionError as e:
        run.expect(False, str(e)[:4000])
    except Exception:  # the children must end all the same
        run.expect(False, traceback.format_exc()[-4000:])
    run.end()
