"""The pages that tell how it works name files, functions and types: each is still there under that name.

NAME() is a function, and has to be declared as one. `NAME` is a type, a member, a constant, or in bold letters a folder,
too. Where several classes or namespaces have such a function, its page says once which one is meant (`data::serve()`);
SCOPE::NAME has to be declared there. What stands in comments and texts of the code, or is only used there, does not count.
"""
import os
import re

import declared

PAGES = ("docs/architecture.md", "docs/life-of-a-request.md", "docs/life-of-a-change.md")
FILE = re.compile(r"[\w/]+\.(?:cpp|h)\b")
CALL = re.compile(r"\b((?:\w+::)*\w+)\(\)")
QUOTED = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*")
# In quotes: whatever could be a name of the code; options are written with -.
NAME = re.compile(r"(?:\w+::)*[A-Za-z]\w+")


class Sources:
    """What src and include have: files by their path below it, folders, and what is declared there."""

    def __init__(self, root):
        self.files, self.folders, self.scopes, self.unread = set(), set(), {}, []
        for top in ("src", "include"):
            for folder, folders, names in os.walk(os.path.join(root, top)):
                self.folders.update(folders)
                for name in filter(lambda n: n.endswith((".cpp", ".h")), names):
                    path = os.path.relpath(os.path.join(folder, name), os.path.join(root, top))
                    self.files.add(path)
                    with open(os.path.join(folder, name), errors="replace") as f:
                        try:
                            for d in declared.declared_in(f.read()):
                                self.scopes.setdefault((d.name, d.is_function), set()).add(d.scope)
                        except ValueError as e:
                            self.unread.append(f"{top}/{path}: {e}")

    def has_file(self, name):
        return any(("/" + path).endswith("/" + name.removeprefix("src/")) for path in self.files)

    def where(self, name, is_function):
        """The scopes that declare it; of SCOPE::NAME those that end in SCOPE."""
        *within, last = name.split("::")
        scopes = self.scopes.get((last, is_function), set())
        return [s for s in scopes if not within or s[-len(within):] == tuple(within)]


def said_in_full(lines):
    """Names that a page gives with their scope: last part → the whole."""
    names = (n for line in lines for n in CALL.findall(line) if "::" in n)
    return {n.split("::")[-1]: n for n in names}


def why_no_function(name, sources, in_full):
    scopes = sources.where(name, True)
    if not scopes:
        return f"{name}(): no function in src has this name"
    if "::" in name or len(scopes) == 1:
        return None
    if whole := in_full.get(name):
        return None if sources.where(whole, True) else f"{name}(): {whole}() is gone"
    which = ", ".join(sorted("::".join(s) or "a macro" for s in scopes)[:4])
    return f"{name}(): several have one ({which}): say which is meant, as SCOPE::{name}()"


def why_no_name(name, sources, bold):
    if bold and name in sources.folders:
        return None
    # A member of the same name must not stand in for a function that is gone.
    a_function = sources.where(name, True) and (name[0].islower() or not sources.where(name, False))
    if a_function and not ("::" in name and sources.where(name, False)):
        return f"{name}: it is a function: write {name}(), or SCOPE::{name} where it is none"
    if sources.where(name, False):
        return None
    return f"{name}: nothing in src declares this name"


def breaches(root):
    """Yields (page, line, why)."""
    pages = [p for p in PAGES if os.path.exists(os.path.join(root, p))]
    if not pages:
        return
    sources = Sources(root)
    for why in sources.unread:
        yield "tests/arch/declared.py", 1, f"cannot read {why}"
    for page in pages:
        found = 0
        with open(os.path.join(root, page)) as f:
            lines = list(f)
        in_full = said_in_full(lines)
        for number, line in enumerate(lines, 1):
            whys = [None if sources.has_file(m[0]) else f"{m[0]}: no such file in src" for m in FILE.finditer(line)]
            whys += [why_no_function(name, sources, in_full) for name in CALL.findall(line)]
            whys += [why_no_name(m[1] or m[2], sources, m[2] is not None)
                     for m in QUOTED.finditer(line) if NAME.fullmatch(m[1] or m[2])]
            found += len(whys)
            for why in filter(None, whys):
                yield page, number, why
        if found == 0:
            yield page, 1, "it names no code"
