"""`python -m bench.views [--times N] [--write]`: how large exported attention is, and how long it takes to draw.

It needs Node and Chromium, and `make test-web` once before, which installs what drives the browser.
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.markers import put
from bench.timing import machine
from innerworks.results import View
from innerworks.results.render import interactive

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "web" / "browser"))

from pages import all_heads, attention  # noqa: E402

_HEAD = "| what | HTML | main thread, CPU | of it script | DOM nodes | aim |\n|---|---|---|---|---|---|"


def cases() -> dict[str, tuple[View, str]]:
    """What is drawn, and the aim."""
    import numpy as np

    grid = np.random.default_rng(0).normal(size=(512, 512))
    return {
        "attention, 64 tokens x 144 heads": (attention(64, all_heads()), "1 MB, 0.2 s"),
        "the same, flatter patterns": (attention(64, all_heads(), sharpness=1.0), "1 MB, 0.2 s"),
        "attention, 512 tokens x 144 heads": (attention(512, all_heads()), "8 MB"),
        "the same, flatter patterns ": (attention(512, all_heads(), sharpness=1.0), "8 MB"),
        "heatmap, 512 x 512 exact doubles": (View.heatmap(grid, range(512), range(512)), ""),
    }


def rows(times: int) -> list[str]:
    """A line of the table for each case."""
    found = cases()
    with tempfile.TemporaryDirectory() as folder:
        paths = [view.html(Path(folder) / f"{index}.html") for index, (view, _) in enumerate(found.values())]
        sizes = [path.stat().st_size for path in paths]
        command = ["node", str(ROOT / "web/browser/measure.mjs"), str(times), *map(str, paths)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    lines = []
    for (name, (_, aim)), size, measured in zip(found.items(), sizes, json.loads(done.stdout), strict=True):
        time = f"{measured['task']:.2f} s ({measured['least']:.2f} to {measured['most']:.2f})"
        script = f"{measured['script']:.2f} s"
        lines.append(f"| {name.strip()} | {size / 1e6:.2f} MB | {time} | {script} | {measured['nodes']:,} | {aim} |")
    return lines


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=5, help="openings that a time is the median of")
    parser.add_argument("--write", action="store_true", help="put the table into bench/RESULTS.md")
    options = parser.parse_args()
    library = len(gzip.compress(interactive.script().encode(), 9)) + len(gzip.compress(interactive.style().encode(), 9))
    note = f"The library in each file takes {library / 1e3:.0f} kB gzipped (aim: at most 150)."
    table = "\n".join([_HEAD, *rows(options.times)])
    print(f"{table}\n\n{note}")
    if options.write:
        put("views", f"{table}\n\n{note}\n\n{machine()}\n")


if __name__ == "__main__":
    main()
