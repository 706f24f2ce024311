#!/usr/bin/env python3
"""Draws a result of run.sh: plot.py RESULT.md > RESULT.svg

For each scenario one group of bars, the CPU time a request of each proxy as a share of the best peer's (its bar is at
100 %; shorter is better). The figures in µs stand on the bars.
"""
import re, sys
from xml.sax.saxutils import escape

COLOURS = {"sluice": "#0b6e8f", "nginx": "#7a9a5c", "haproxy": "#c08a3e", "h2o": "#8c6bb1", "envoy": "#b5546a", "floor": "#b8bec4"}
BAR, GAP, GROUP, LEFT, WIDTH = 15, 3, 26, 190, 520


def read(path):
    scenarios, title = [], ""
    for line in open(path):
        if line.startswith("# "):
            title = line[2:].strip()
        if m := re.match(r"## (\S+)", line):
            scenarios.append((m[1], []))
        m = re.match(r"\| (\w+) \| ([\d.]+) \|", line)
        if m and scenarios:
            scenarios[-1][1].append((m[1], float(m[2])))
    return title, [s for s in scenarios if any(n == "sluice" for n, _ in s[1])]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    title, scenarios = read(sys.argv[1])
    if not scenarios:
        sys.exit(f"{sys.argv[1]}: no table with a row of sluice")
    y, body = 44, []
    for name, rows in scenarios:
        best = min(us for proxy, us in rows if proxy not in ("sluice", "floor"))
        body.append(f'<text x="{LEFT - 12}" y="{y + 12}" text-anchor="end" font-weight="600">{escape(name)}</text>')
        for proxy, us in rows:
            share = us / best
            width = min(share, 2.2) / 2.2 * WIDTH
            note = f"{us:.1f} µs" + (f"  {share * 100:.0f} %" if proxy != "floor" else "  (kernel alone)")
            body.append(f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" fill="{COLOURS.get(proxy, "#999")}"/>')
            body.append(f'<text x="{LEFT + width + 6:.1f}" y="{y + 12}">{escape(proxy)}  {note}</text>')
            y += BAR + GAP
        y += GROUP
    full = LEFT + WIDTH + 220
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {full} {y}" font-family="sans-serif" font-size="12">')
    print(f'<rect width="{full}" height="{y}" fill="white"/>')
    print(f'<text x="12" y="24" font-size="14" font-weight="600">CPU time a request, best peer = 100 % (shorter is better)</text>')
    print("\n".join(body))
    print("</svg>")


if __name__ == "__main__":
    main()
