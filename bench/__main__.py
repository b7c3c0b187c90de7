"""`python -m bench [--pairs N] [--only PART] [--write]`: measure, print, and with --write fill in bench/RESULTS.md."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

from bench import components, engine, vocabulary
from bench.engine import Row
from bench.markers import put
from bench.timing import machine

_HEAD = "| what | on | figure (ratios: CPU, wall, range, pairs) | aim |\n|---|---|---|---|"


_PARTS: dict[str, Callable[[int], Iterator[Row]]] = {
    "engine": engine.measure,
    "components": components.measure,
    "vocabulary": vocabulary.measure,
}


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=9, help="how many pairs a ratio is the median of (at least 5)")
    parser.add_argument("--write", action="store_true", help="put the table into bench/RESULTS.md")
    parser.add_argument("--only", nargs="+", choices=_PARTS, default=list(_PARTS), help="these parts")
    options = parser.parse_args()
    for part in options.only:
        lines = [_HEAD]
        print(_HEAD)
        for row in _PARTS[part](max(5, options.pairs)):
            lines.append("| " + " | ".join(cell.replace(" | ", ", ") for cell in row) + " |")
            print(lines[-1], flush=True)
        if options.write:
            put("measured" if part == "engine" else part, "\n".join(lines) + f"\n\n{machine()}\n")


if __name__ == "__main__":
    main()
