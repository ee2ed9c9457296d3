#!/usr/bin/env python3
"""Draws the results of the benchmarks: how many times as much time or bytes a peer needs. `chart.py RESULTS [SVG]`."""

import json
import math
import sys
from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, LABEL, BAR, ROW, GAP, TOP = 860, 250, 14, 19, 30, 74
AHEAD, BEHIND, INK, FAINT, PAPER = "#2f7d4f", "#b8571c", "#24292f", "#8c959f", "#f6f8fa"
# A page may be light or dark: the picture has its own background.
FONT = "ui-sans-serif, system-ui, sans-serif"


def read(path):
    """The last result of each work and peer, by work. Units of cost other than time and bytes have no ratio."""
    works = {}
    for line in Path(path).read_text().splitlines():
        result = json.loads(line)
        if result.get("ratio") and result["unit"] in ("s", "bytes"):
            works.setdefault((result["case"], result["work"]), {})[result["peer"]] = result
    # The ratio of ferry to itself, or to a variant of it, says nothing about others.
    peers = {
        work: {peer: result for peer, result in by_peer.items() if not peer.startswith("ferry")}
        for work, by_peer in works.items()
    }
    return {work: by_peer for work, by_peer in peers.items() if by_peer}, works


def amount(result):
    if result["unit"] == "s":
        return f"{result['value']:.2f} s"
    return f"{result['value'] / 1e6:.2f} MB"


class Chart:
    def __init__(self, ratios):
        self.parts = []
        # Logarithmic, so that twice and half are equally long.
        self.low = min(-1, math.floor(math.log2(min(ratios))))
        self.high = max(1, math.ceil(math.log2(max(ratios))))

    def x(self, ratio):
        share = (math.log2(ratio) - self.low) / (self.high - self.low)
        return LABEL + share * (WIDTH - LABEL - 90)

    def text(self, x, y, words, size=12, anchor="start", fill=INK, weight="normal"):
        style = f'font-size="{size}" text-anchor="{anchor}" fill="{fill}" font-weight="{weight}"'
        # Painted over the lines of the grid.
        style += f' stroke="{PAPER}" stroke-width="4" paint-order="stroke"'
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(words)}</text>')

    def line(self, x, begin, end, colour, width):
        self.parts.append(f'<path d="M{x:.1f} {begin:.1f}V{end:.1f}" stroke="{colour}" stroke-width="{width}"/>')

    def bar(self, y, ratio):
        begin, end = sorted((self.x(1), self.x(ratio)))
        colour = AHEAD if ratio >= 1 else BEHIND
        size = f'width="{max(end - begin, 1):.1f}" height="{BAR}"'
        self.parts.append(f'<rect x="{begin:.1f}" y="{y:.1f}" {size} fill="{colour}"/>')

    def svg(self, height):
        size = f'width="{WIDTH}" height="{height:.0f}" viewBox="0 0 {WIDTH} {height:.0f}"'
        background = f'<rect width="100%" height="100%" rx="6" fill="{PAPER}" stroke="{FAINT}"/>'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{FONT}" role="img">'
        title = "<title>Time and bytes of other programs, divided by those of ferry</title>"
        return "\n".join([head, title, background, *self.parts, "</svg>"]) + "\n"


def draw(peers, works):
    chart = Chart([result["ratio"] for by_peer in peers.values() for result in by_peer.values()])
    rows = sum(len(by_peer) for by_peer in peers.values())
    height = TOP + len(peers) * GAP + rows * ROW + 20
    chart.text(16, 26, "Other programs beside ferry", 16, weight="bold")
    chart.text(16, 46, "Their time or bytes divided by those of ferry. Right of the line at 1: ferry needs less.")
    for power in range(chart.low, chart.high + 1):
        x = chart.x(2.0**power)
        chart.line(x, TOP - 4, height - 16, "#d0d7de", 1)
        chart.text(x, TOP - 8, f"{2.0**power:g}", 11, "middle", "#57606a")
    y = TOP
    for work, by_peer in peers.items():
        y += GAP
        ferry = next(iter(works[work].values()))
        chart.text(16, y - 8, f"{work[1]} (ferry: {amount(ferry)})", weight="bold")
        for peer, result in by_peer.items():
            chart.text(LABEL - 10, y + BAR - 3, peer, anchor="end")
            chart.bar(y, result["ratio"])
            beyond = max(chart.x(1), chart.x(result["ratio"])) + 6
            chart.text(beyond, y + BAR - 3, f"{result['ratio']:.2f}", 11, fill="#57606a")
            y += ROW
    chart.line(chart.x(1), TOP - 4, height - 16, INK, 2)
    return chart.svg(height)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    default = Path(__file__).resolve().parent.parent / "docs/benchmarks.svg"
    target = Path(sys.argv[2]) if len(sys.argv) == 3 else default
    peers, works = read(sys.argv[1])
    if not peers:
        sys.exit(f"{sys.argv[1]} has no result of a peer")
    target.write_text(draw(peers, works))
    print(target)


if __name__ == "__main__":
    main()
