#!/usr/bin/env python3
"""Draws what peers.py kept: plot.py RESULT.json > RESULT.svg

For each scenario one group of bars, the CPU time of each proxy as a share of the best peer's median (100 %; shorter is
better). The thin line is the spread of the rounds. What Sluice's interval does not show to be a difference is said so.
"""
import json, statistics, sys
from xml.sax.saxutils import escape

COLOURS = {"sluice": "#0b6e8f", "bare": "#6fb0c6", "nginx": "#7a9a5c", "haproxy": "#c08a3e", "h2o": "#8c6bb1", "envoy": "#b5546a", "floor": "#b8bec4"}
BAR, GAP, GROUP, LEFT, WIDTH, MOST = 15, 3, 26, 190, 520, 2.2
NOT_PEERS = {"sluice", "base", "bare", "floor"}


def groups(kept):
    """Name, unit, rows with their costs, and the ratio to each."""
    for name, s in kept["scenarios"].items():
        rows = {row: [r["cpu_us"] for r in rounds] for row, rounds in s["rows"].items() if rounds and row not in s["broken"]}
        told = {r["to"]: r for r in s["ratios"]}
        best = next((r["to"] for r in s["ratios"] if r["best"]), None)
        if "sluice" in rows and best:
            yield name, s["unit"], rows, told, statistics.median(rows[best])


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    kept = json.load(open(sys.argv[1]))
    y, body = 44, []
    for name, unit, rows, told, best in groups(kept):
        body.append(f'<text x="{LEFT - 12}" y="{y + 12}" text-anchor="end" font-weight="600">{escape(name)}</text>')
        body.append(f'<text x="{LEFT - 12}" y="{y + 28}" text-anchor="end" fill="#666" font-size="10">{escape("a " + unit)}</text>')
        for row, costs in rows.items():
            at = lambda us: LEFT + min(us / best, MOST) / MOST * WIDTH
            us = statistics.median(costs)
            note = f"{us:,.1f} µs  {us / best * 100:.0f} %" if us < 10000 else f"{us / 1000:,.1f} ms  {us / best * 100:.0f} %"
            if row in told:
                note += "  (no difference shown)" if told[row]["word"] == "no difference shown" else f"  (Sluice {told[row]['value']:.2f})"
            body.append(f'<rect x="{LEFT}" y="{y}" width="{at(us) - LEFT:.1f}" height="{BAR}" fill="{COLOURS.get(row, "#999")}"/>')
            body.append(f'<line x1="{at(min(costs)):.1f}" x2="{at(max(costs)):.1f}" y1="{y + BAR / 2}" y2="{y + BAR / 2}" stroke="#222"/>')
            body.append(f'<text x="{max(at(us), at(max(costs))) + 6:.1f}" y="{y + 12}">{escape(row)}  {note}</text>')
            y += BAR + GAP
        y += GROUP
    if not body:
        sys.exit(f"{sys.argv[1]}: no scenario with rows of sluice and of a peer")
    full = LEFT + WIDTH + 330
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {full} {y}" font-family="sans-serif" font-size="12">')
    print(f'<rect width="{full}" height="{y}" fill="white"/>')
    print('<text x="12" y="24" font-size="14" font-weight="600">CPU time, best peer = 100 % (shorter is better; the line is the spread of the rounds)</text>')
    print("\n".join(body))
    print("</svg>")


if __name__ == "__main__":
    main()
