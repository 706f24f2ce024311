#!/usr/bin/env python3
"""check.py GOLDEN OUT DIFFERENCES NAME…: every request of the named groups and cases is answered as recorded, or
DIFFERENCES names it with a reason.

A line of DIFFERENCES is `case request[,request…] reason`; `*` stands for every request of the case. It is a fault when
a request differs and is not named, when a named one is alike after all, and when a reason is missing.
"""
import glob
import json
import os
import sys

import compare


def differences(path):
    """case → {request: reason}, and what is wrong with the file itself."""
    out, faults = {}, []
    with open(path) as f:
        for number, line in enumerate(f, 1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            parts = line.split(None, 2)
            if len(parts) < 3 or len(parts[2].split()) < 3:
                faults.append(f"{path}:{number}: expected `case requests reason`, with a reason of some words")
                continue
            for request in parts[1].split(","):
                out.setdefault(parts[0], {})[request] = parts[2]
    return out, faults


def main():
    golden, other, listed, names = sys.argv[1], sys.argv[2], sys.argv[3], set(sys.argv[4:])
    named, faults = differences(listed)
    alike = differing = 0
    seen = set()
    for path in sorted(glob.glob(golden + "/*.json")):
        with open(path) as f:
            g = json.load(f)
        if g["name"] not in names and g["group"] not in names:
            continue
        seen |= {g["name"], g["group"]}
        if g["sync"].get("synced") is False:  # nginx could not load its configuration: nothing to be like
            continue
        try:
            with open(os.path.join(other, g["name"] + ".json")) as f:
                o = json.load(f)
        except FileNotFoundError:
            faults.append(f"{g['name']}: was not replayed")
            continue
        found = {what.split(" ", 1)[0]: (what, lines) for what, lines in compare.compare_case(g, o, False)}
        reasons = named.pop(g["name"], {})
        for r in g["results"]:
            id_ = r["id"]
            if id_ in found and (id_ in reasons or "*" in reasons):
                differing += 1
            elif id_ in found:
                what, lines = found[id_]
                faults.append(f"{g['name']} {what} differs and is not named:\n    " + "\n    ".join(lines))
            else:
                alike += 1
                if id_ in reasons:
                    faults.append(f"{g['name']} {id_}: is named in {os.path.basename(listed)} but is alike; take it out")
        for id_ in set(reasons) - {r["id"] for r in g["results"]} - {"*"}:
            faults.append(f"{g['name']} {id_}: there is no such request")
        if "*" in reasons and not found:
            faults.append(f"{g['name']} *: is named in {os.path.basename(listed)} but is alike; take it out")
    faults += [f"{name}: is named in {os.path.basename(listed)} but was not replayed" for name in named]
    faults += [f"{name}: no such group or case" for name in names - seen]
    for fault in faults:
        print(fault)
    print(f"oracle: {alike} requests alike, {differing} differ for a stated reason, {len(faults)} faults")
    sys.exit(1 if faults or alike == 0 else 0)


if __name__ == "__main__":
    main()
