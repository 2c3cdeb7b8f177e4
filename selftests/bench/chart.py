# SPDX-License-Identifier: GPL-2.0-only
"""The ratios of `make bench` as bars, an SVG: KVM is the full width, the aim a line across."""

from xml.sax.saxutils import escape

LEFT, WIDTH, RIGHT = 170, 480, 60       # names, a ratio of 1, figures
BAR, GAP, GROUP = 9, 2, 12              # of one kernel, between kernels, between measures
TOP = 46
COLOURS = ("#7b9cc4", "#24517f")
STYLE = ("text{font:12px sans-serif;fill:#222}.n{font-size:10px}"
         "@media(prefers-color-scheme:dark){svg{background:#fff}}")


def draw(kernels):
    """kernels: (title, [(measure, ratio, aim)...]) of each, with the same measures."""
    step = len(kernels) * (BAR + GAP) + GROUP
    height = TOP + step * len(kernels[0][1]) + 24
    width = LEFT + WIDTH + RIGHT
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
           f'viewBox="0 0 {width} {height}">', f"<style>{STYLE}</style>",
           f'<rect width="{width}" height="{height}" fill="#fff"/>',
           f'<text x="{LEFT}" y="16">sevm\'s share of KVM\'s instructions (or bytes, or #NPFs): less is better</text>']
    for i, (title, _) in enumerate(kernels):
        x = LEFT + i * 120
        out += [f'<rect x="{x}" y="25" width="10" height="10" fill="{COLOURS[i]}"/>',
                f'<text x="{x + 15}" y="34">{escape(title)}</text>']
    x = LEFT + len(kernels) * 120
    out += [f'<path d="M{x + 5} 24v12" stroke="#c33" stroke-width="2"/>', f'<text x="{x + 15}" y="34">aim</text>',
            f'<path d="M{LEFT} {TOP - 4}V{height - 20}M{LEFT + WIDTH} {TOP - 4}V{height - 20}" stroke="#999"/>',
            f'<text x="{LEFT}" y="{height - 6}" text-anchor="middle" class="n">0</text>',
            f'<text x="{LEFT + WIDTH}" y="{height - 6}" text-anchor="middle" class="n">KVM</text>']
    for row, (name, _, aim) in enumerate(kernels[0][1]):
        y = TOP + row * step
        out.append(f'<text x="{LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(name)}</text>')
        for i, (_, bars) in enumerate(kernels):
            ratio, at = bars[row][1], y + i * (BAR + GAP)
            length = max(1, round(min(ratio, 1.04) * WIDTH))      # what is longer is cut; its figure says so
            out += [f'<rect x="{LEFT}" y="{at}" width="{length}" height="{BAR}" fill="{COLOURS[i]}"/>',
                    f'<text x="{LEFT + length + 5}" y="{at + 9}" class="n">{ratio:.2f}</text>']
        x = LEFT + round(aim * WIDTH)
        out.append(f'<path d="M{x} {y - 2}v{len(kernels) * (BAR + GAP) + 2}" stroke="#c33" stroke-width="2"/>')
    return "\n".join(out) + "\n</svg>\n"
