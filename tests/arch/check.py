#!/usr/bin/env python3
"""tests/arch/check.py ROOT: the house rules that a compiler does not check.

- Directions of include (docs/architecture.md): each module includes itself and those in ALLOWED only, and inside of
  some modules each folder those in FLOORS.
- docs/architecture.md has the floors of data as they are.
- Translators of objects do not know each other, and builders know none (docs/architecture.md).
- The tables of docs/conformance.md name code and tests that exist, those of docs/timeouts.md tests (conformance.py).
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
# Inside of modules: each folder, with what lies below it, includes itself and those named here, which stand above it in
# the table: so there is no cycle. "": files that lie in the module itself; without it there are none.
FLOORS = {
    "data": {
        "balance": set(),
        "coding": set(),
        "routing": set(),
        "exchange": {"routing"},
        "snapshot": {"routing"},
        "runtime": {"balance", "exchange", "routing", "snapshot"},
        "plan": {"balance", "exchange", "runtime"},
        "upstream": {"exchange", "runtime"},
        "proxy": {"exchange", "plan", "routing", "runtime", "snapshot", "upstream"},
        "filter": {"coding", "exchange", "plan", "proxy", "runtime", "upstream"},
        "compiler": {"balance", "filter", "plan", "proxy", "routing", "snapshot"},
        "server": {"coding", "exchange", "plan", "proxy", "routing", "runtime", "snapshot", "upstream"},
    },
    "ops": {
        "access_log": set(),
        "failure_log": set(),
        "metrics": set(),
        "admin": {"metrics"},
        "": {"access_log", "failure_log", "metrics"},
    },
}
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


def floor_of(path, module):
    """The folder of a file, or of what is included, inside of its module; "": it lies in the module itself."""
    parts = path.split("/")
    below = parts[parts.index(module) + 1:]
    return below[0] if len(below) > 1 else ""


def check_includes(path, lines):
    module = module_of(path)
    if module is None or not path.endswith((".cpp", ".h")):
        return
    if module not in ALLOWED:
        yield 1, f"module {module} is not in the table of tests/arch/check.py"
        return
    floors = FLOORS.get(module)
    floor = floor_of(path, module) if floors else None
    if floor is not None and floor not in floors:
        yield 1, f"{module}/{floor}: a folder that is not in the table of tests/arch/check.py"
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
        if floor is None or other != module:
            continue
        below = floor_of(target, module)
        if below != floor and below not in floors[floor]:
            may = ", ".join(sorted(floors[floor])) or "no other folder of it"
            yield number, f"{module}/{floor} must not include {module}/{below} ({target}); it may include {may}"


def check_table(table):
    """Each floor may include those that stand above it in the table, and none that is not in it."""
    for module, floors in table.items():
        known = set()
        for floor, may in floors.items():
            if may - known:
                yield f"tests/arch/check.py: FLOORS[{module}][{floor}] names {', '.join(sorted(may - known))}, which is not above it"
            known.add(floor)


FLOOR_ROW = re.compile(r"\| \d+ \| (\*\*.+?) \| (.+?) \|")


def check_page(root):
    """docs/architecture.md has the floors of data as they are."""
    page = "docs/architecture.md"
    if not os.path.exists(os.path.join(root, page)):
        return
    said = {}
    with open(os.path.join(root, page)) as f:
        for m in filter(None, map(FLOOR_ROW.match, f)):
            for folder in re.findall(r"\*\*(\w+)\*\*", m[1]):
                said[folder] = set() if m[2] == "none of them" else set(m[2].split(", "))
    for folder in sorted(said.keys() | FLOORS["data"].keys()):
        if said.get(folder) != FLOORS["data"].get(folder):
            yield f"{page}: the row of {folder} is not what FLOORS of tests/arch/check.py says"


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
    for why in [*check_table(FLOORS), *check_page(root)]:
        print(why)
        bad += 1
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
    for number, why in conformance.timeouts(root):
        print(f"{conformance.TIMEOUTS}:{number}: {why}")
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
