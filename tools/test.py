#!/usr/bin/env python3
"""tools/test.py BUILD_DIR STEP… [--filter NAME] [--sum FILE]

Runs the steps (arch, format, unit, integration, conformance, k8s, oracle) and prints what failed and a last line "N passed, N failed".
Output of what passes is kept in BUILD_DIR/test-output/ and not shown. --sum: writes the two numbers to a file.
"""
import argparse
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=0:abort_on_error=0:disable_coredump=0",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1:disable_coredump=0",
}


class Outcome:
    def __init__(self, name, passed, failed, log=None):
        self.name, self.passed, self.failed, self.log = name, passed, failed, log


def run(name, command, out, extra_env=None, timeout=3600, cwd=ROOT):
    """Exit status and the file that holds the output."""
    path = os.path.join(out, name + ".log")
    env = {**SANITIZERS, **os.environ, **(extra_env or {})}
    with open(path, "w") as log:
        try:
            status = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=env, cwd=cwd, timeout=timeout).returncode
        except subprocess.TimeoutExpired:
            log.write(f"\nended by force after {timeout} s\n")
            status = 124
    return status, path


def plain(name, command, out):
    status, log = run(name, command, out)
    return Outcome(name, int(status == 0), int(status != 0), log)


def arch(build, out, _):
    return [plain("arch-check", ["tests/arch/check.py", "."], out), plain("arch-self-test", ["tests/arch/self_test.py"], out)]


def format_check(build, out, _):
    return [plain("format", ["make", "-s", "fmt-check"], out)]


def one_unit(test, build, out):
    report = os.path.join(out, test["name"] + ".json")
    if os.path.exists(report):
        os.remove(report)
    status, log = run(test["name"], test["command"], out, {"GTEST_OUTPUT": "json:" + report}, timeout=1200, cwd=build)
    if not os.path.exists(report):  # not GoogleTest, or it died before the end
        return Outcome(test["name"], int(status == 0), int(status != 0), log)
    with open(report) as f:
        seen = json.load(f)
    failed = seen["failures"] + seen.get("errors", 0)
    if status != 0 and failed == 0:  # a sanitizer's report after the last test
        failed = 1
    return Outcome(test["name"], seen["tests"] - seen["failures"] - seen.get("disabled", 0), failed, log)


def unit(build, out, filter_):
    shown = subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1"], capture_output=True, text=True)
    tests = [t for t in json.loads(shown.stdout)["tests"] if "command" in t and (not filter_ or filter_ in t["name"])]
    if not tests:
        return [Outcome("unit: no tests were found in " + build, 0, 1)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda t: one_unit(t, build, out), tests))


def integration(build, out, filter_):
    return pytest("integration", build, out, filter_)


def conformance(build, out, filter_):
    """Other projects' suites; install them first (tools/conformance.sh)."""
    return pytest("conformance", build, out, filter_)


def k8s(build, out, filter_):
    """A real API server; build it first (tests/k8s/build.sh)."""
    return pytest("k8s", build, out, filter_)


def pytest(name, build, out, filter_):
    report = os.path.join(out, name + ".xml")
    if os.path.exists(report):
        os.remove(report)
    command = [f"tests/{name}/run.sh", build, "--junitxml=" + report] + (["-k", filter_] if filter_ else [])
    status, log = run(name, command, out)
    if not os.path.exists(report):
        return [Outcome(name, 0, 1, log)]
    suite = ET.parse(report).getroot().find("testsuite")
    total, bad = int(suite.get("tests")), int(suite.get("failures")) + int(suite.get("errors"))
    skipped = int(suite.get("skipped", 0))
    if status != 0 and bad == 0:
        bad = 1
    if skipped:
        print(f"  {name}: {skipped} not run, see {os.path.relpath(log, ROOT)}")
    return [Outcome(name, total - bad - skipped, bad, log)]


def oracle(build, out, _):
    """Recorded answers of ingress-nginx; needs a network namespace, so a container without the right to make one is told."""
    probe = subprocess.run(["unshare", "--net", "true"], capture_output=True)
    if probe.returncode != 0:
        print("  oracle: not run, this user may not make a network namespace (make test-oracle as root does)")
        return []
    status, log = run("oracle", ["tests/oracle/run.sh"], out, {"SLUICE": os.path.join(build, "sluice")})
    with open(log, errors="replace") as f:
        last = f.read().strip().splitlines()[-1:] or [""]
    m = re.match(r"oracle: (\d+) requests alike, (\d+) differ for a stated reason, (\d+) faults", last[0])
    if not m:
        return [Outcome("oracle", 0, 1, log)]
    return [Outcome("oracle", int(m[1]) + int(m[2]), max(int(m[3]), int(status != 0)), log)]


STEPS = {"arch": arch, "format": format_check, "unit": unit, "integration": integration, "conformance": conformance, "k8s": k8s, "oracle": oracle}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("build")
    p.add_argument("steps", nargs="+", choices=STEPS)
    p.add_argument("--filter")
    p.add_argument("--sum")
    a = p.parse_args()
    build = os.path.abspath(a.build)
    out = os.path.join(build, "test-output")
    os.makedirs(out, exist_ok=True)
    passed = failed = 0
    for step in a.steps:
        begin = time.monotonic()
        outcomes = STEPS[step](build, out, a.filter)
        good, bad = sum(o.passed for o in outcomes), sum(o.failed for o in outcomes)
        print(f"{step}: {good} passed, {bad} failed ({time.monotonic() - begin:.0f} s)", flush=True)
        for o in outcomes:
            if o.failed:
                print(f"--- {o.name} failed" + (f", all of it in {os.path.relpath(o.log, ROOT)}" if o.log else ""))
                if o.log:
                    with open(o.log, errors="replace") as f:
                        sys.stdout.write("".join(f.readlines()[-200:]))
        passed, failed = passed + good, failed + bad
    if a.sum:
        with open(a.sum, "w") as f:
            f.write(f"{passed} {failed}\n")
    print(f"{passed} passed, {failed} failed", flush=True)
    sys.exit(1 if failed or passed == 0 else 0)


if __name__ == "__main__":
    main()
