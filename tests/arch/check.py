#!/usr/bin/env python3
"""tests/arch/check.py ROOT: the house rules that a compiler does not check.

- Directions of include (docs/architecture.md): each module includes itself and those in ALLOWED only.
- Translators of objects do not know each other, and builders know none (docs/architecture.md).
- The tables of docs/conformance.md name code and tests that exist (conformance.py).
- The pages that tell how it works name code that exists (stories.py).
- No words for work that is left open in src and include, and no path of anybody's machine anywhere.
Prints each breach as file:line and exits 1.
"""
import os
import re
import subprocess
import sys

import conformance
import stories

PUBLIC = "sluice"  # include/sluice
ALLOWED = {
    "base": set(),
    "model": {"base"},
    "net": {"base"},
    "control": {"base", "model"},
    "data": {"base", "model", "net", PUBLIC},
    "ops": {"base", PUBLIC},
    "echo": {"base"},
    "app": {"base", "model", "net", "control", "data", "ops", PUBLIC},
    PUBLIC: {"base"},
}
# Each folder of TRANSLATORS is one; what else is in control knows them by their users alone.
KUBE = "control/kube"
TRANSLATORS = {f"{KUBE}/ingress": {f"src/{KUBE}/annotations/"}, f"{KUBE}/streams": set()}  # → folders that belong to it
KNOW_TRANSLATORS = {f"src/{KUBE}/store.cpp"}  # puts them together
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^">]+)[">]')
SYSTEM = {"net/if.h", "net/ethernet.h", "net/route.h"}  # the C library's
OPEN_WORK = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK"]) + r")\b")
MACHINE = re.compile(r"(?<![\w.$}/])/(" + "|".join(["wo" + "rk", "ro" + "ot", "ho" + "me/[a-z]", "farm", "tm" + "p/bash_jobs"]) + r")/")
TEXT = (".cpp", ".h", ".py", ".sh", ".md", ".txt", ".cmake", ".yaml", ".yml", ".json", ".lua", ".go", ".bash", "Makefile", "Dockerfile", "run")


def files(root):
    """Tracked and new files, build output left out; every file when ROOT is no work tree."""
    r = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True)
    if r.returncode == 0 and os.path.exists(os.path.join(root, ".git")):
        return sorted(set(r.stdout.splitlines()))
    return sorted(os.path.relpath(os.path.join(d, f), root) for d, _, names in os.walk(root) for f in names)


def module_of(path):
    parts = path.split("/")
    if parts[0] == "src" and len(parts) > 2:
        return parts[1]
    if parts[0] == "include" and len(parts) > 2:
        return parts[1]
    return None


def check_includes(path, lines):
    module = module_of(path)
    if module is None or not path.endswith((".cpp", ".h")):
        return
    if module not in ALLOWED:
        yield 1, f"module {module} is not in the table of tests/arch/check.py"
        return
    for number, line in lines:
        m = INCLUDE.match(line)
        if not m:
            continue
        target = m[1]
        if target.startswith("."):
            yield number, f'"{target}": includes are written from src/ or include/'
            continue
        other = target.split("/")[0]
        if other in ALLOWED and "/" in target and target not in SYSTEM and other != module and other not in ALLOWED[module]:
            yield number, f"{module} must not include {other} ({target}); it may include {', '.join(sorted(ALLOWED[module])) or 'nothing else'}"


def check_translators(path, lines):
    if not path.startswith("src/") or path in KNOW_TRANSLATORS:
        return
    for number, line in lines:
        m = INCLUDE.match(line)
        for translator, more in TRANSLATORS.items():
            own = path.startswith((f"src/{translator}/", *more))
            if m and m[1].startswith(translator + "/") and not own:
                yield number, f"{m[1]}: only {translator} and {', '.join(sorted(KNOW_TRANSLATORS))} may include it; what translators share is a builder of {KUBE}"


def check_words(path, lines):
    source = path.startswith(("src/", "include/"))
    for number, line in lines:
        if source and (m := OPEN_WORK.search(line)):
            yield number, f"{m[1]}: finish it, or say in an issue what is left"
        if m := MACHINE.search(line):
            yield number, f"{m[0]}: a path of one machine"


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else "."
    bad = seen = 0
    for path in files(root):
        full = os.path.join(root, path)
        if not path.endswith(TEXT) or not os.path.isfile(full) or path.startswith("tests/oracle/golden/"):
            continue
        seen += 1
        with open(full, errors="replace") as f:
            lines = list(enumerate(f, 1))
        for check in (check_includes, check_translators, check_words):
            for number, why in check(path, lines):
                print(f"{path}:{number}: {why}")
                bad += 1
    for number, why in conformance.breaches(root):
        print(f"{conformance.PAGE}:{number}: {why}")
        bad += 1
    for page, number, why in stories.breaches(root):
        print(f"{page}:{number}: {why}")
        bad += 1
    if seen == 0:
        print(f"{root}: no files to check")
        bad = 1
    print(f"{seen} files checked, {bad} breaches")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
