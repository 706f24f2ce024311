"""The tables of docs/conformance.md: each row names code that exists and a test that exists, or says that it is not met, and why.
Those of docs/timeouts.md: each row names a test that exists."""
import os
import re

PAGE = "docs/conformance.md"
TIMEOUTS = "docs/timeouts.md"
STANDARDS = ("RFC 9110, section 7", "RFC 9110, the rest", "RFC 9112", "RFC 9113", "RFC 7301")
CITED = re.compile(r"`([\w.]+\.(?:py|cpp))::([\w.]+)`")
NOT_MET = re.compile(r"not met: \S.{20,}")


def find_tests(root):
    """{file name: [text of each file of that name below tests/]}"""
    out = {}
    for folder, _, names in os.walk(os.path.join(root, "tests")):
        for name in names:
            if name.endswith((".py", ".cpp")):
                with open(os.path.join(folder, name), errors="replace") as f:
                    out.setdefault(name, []).append(f.read())
    return out


def defines(text, file, name):
    if file.endswith(".py"):
        return re.search(rf"^\s*(?:async )?def {re.escape(name)}\(", text, re.M)
    suite, _, test = name.partition(".")
    return re.search(rf"^TEST(?:_F|_P)?\({re.escape(suite)}, {re.escape(test)}\)", text, re.M)


def breaches(root):
    """Yields (line, why)."""
    path = os.path.join(root, PAGE)
    if not os.path.exists(path):
        return
    with open(path) as f:
        lines = f.read().split("\n")
    tests, rows, standard = find_tests(root), {s: 0 for s in STANDARDS}, None
    for number, line in enumerate(lines, 1):
        if line.startswith("## "):
            standard = next((s for s in STANDARDS if line[3:].startswith(s)), None)
            if standard is None:
                yield number, f"{line[3:]}: a heading that tests/arch/conformance.py does not know"
        if not line.startswith("|") or line.startswith(("| section |", "|---")):
            continue
        cells = [c.strip() for c in line.strip("|").split("|")]
        if standard:
            rows[standard] += 1
        if len(cells) != 4 or not cells[0] or not cells[1]:
            yield number, "a row has a section, a rule, where it is kept, and a test"
            continue
        _, _, where, test = cells
        for source in filter(None, where.split(", ")):
            if not os.path.isfile(os.path.join(root, "src", source)):
                yield number, f"src/{source} does not exist"
        cited = CITED.findall(test)
        if test.startswith("not met"):
            if not NOT_MET.match(test):
                yield number, "not met: and no word why"
        elif not cited or CITED.sub("", test).strip(", "):
            yield number, f"{test or 'nothing'}: expected `FILE::NAME` of tests, or \"not met: why\""
        elif not where:
            yield number, "it is met, but nowhere"
        for file, name in cited:
            if not any(defines(text, file, name) for text in tests.get(file, [])):
                yield number, f"{file}::{name}: no such test"
    for name, count in rows.items():
        if count == 0:
            yield 1, f"{name}: no row"


def timeouts(root):
    """Yields (line, why)."""
    path = os.path.join(root, TIMEOUTS)
    if not os.path.exists(path):
        return
    with open(path) as f:
        lines = f.read().split("\n")
    tests, heading = find_tests(root), True
    for number, line in enumerate(lines, 1):
        if not line.startswith("|"):
            heading = True
            continue
        if heading or line.startswith("|---"):
            heading = False
            continue
        cited = CITED.findall(line.strip("|").split("|")[-1])
        if not cited:
            yield number, "a row names the test that shows it, `FILE::NAME`"
        for file, name in cited:
            if not any(defines(text, file, name) for text in tests.get(file, [])):
                yield number, f"{file}::{name}: no such test"
