"""The pages that tell how it works name files, functions and types: each is still there under that name."""
import os
import re

PAGES = ("docs/architecture.md", "docs/life-of-a-request.md", "docs/life-of-a-change.md")
FILE = re.compile(r"[\w/]+\.(?:cpp|h)\b")
CALL = re.compile(r"\b(?:\w+::)*(\w+)\(\)")
QUOTED = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*")
# In quotes: whatever could be a name of the code; options are written with -.
NAME = re.compile(r"(?:\w+::)*([A-Za-z]\w+)")


def sources(root):
    """({path below src or include: text}, every word in them)"""
    texts = {}
    for top in ("src", "include"):
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in names:
                if name.endswith((".cpp", ".h")):
                    full = os.path.join(folder, name)
                    with open(full, errors="replace") as f:
                        texts[os.path.relpath(full, os.path.join(root, top))] = f.read()
    return texts, set(re.findall(r"\w+", "\n".join(texts.values())))


def breaches(root):
    """Yields (page, line, why)."""
    pages = [p for p in PAGES if os.path.exists(os.path.join(root, p))]
    if not pages:
        return
    texts, words = sources(root)
    for page in pages:
        found = 0
        with open(os.path.join(root, page)) as f:
            for number, line in enumerate(f, 1):
                for m in FILE.finditer(line):
                    found += 1
                    if not any(("/" + path).endswith("/" + m[0].removeprefix("src/")) for path in texts):
                        yield page, number, f"{m[0]}: no such file in src"
                quoted = (NAME.fullmatch(m[1] or m[2]) for m in QUOTED.finditer(line))
                for name in CALL.findall(line) + [m[1] for m in quoted if m]:
                    found += 1
                    if name not in words:
                        yield page, number, f"{name}: nothing in src has this name"
        if found == 0:
            yield page, 1, "it names no code"
