"""`python -m bench.gpu`: an 8B shape with random weights on a GPU, innerworks beside its peers.

Without a CUDA device every row says so. `--device cpu --shape tiny --dtype float32 --long 32` runs the same script on
any machine.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.field import report
from bench.field.__main__ import measure
from bench.field.child import Record
from bench.field.environments import ROOT
from bench.field.processes import peaks
from bench.field.settings import CONFIGS, ROWS, Setting
from bench.field.timings import timed
from bench.field.tool import Tool
from bench.markers import RESULTS, put

SHORT = tuple(row for row in ROWS if row not in ("stream_of_two_layers", "attention_to_first"))
NO_DEVICE = "not measured: no CUDA device"


def settings(options: argparse.Namespace) -> tuple[Setting, ...]:
    """What is asked at a short length, and what at a long one."""

    def at(attention: str, rows: tuple[str, ...], length: int) -> Setting:
        return Setting(options.shape, attention, rows, length, options.dtype, options.device)

    return (
        at("sdpa", SHORT, options.length),
        at("eager", ("attention_to_first",), options.long),
        at("sdpa", ("attention_to_first",), options.long),
    )


def measured(make: type[Tool], record: Record, options: argparse.Namespace) -> None:
    """What one tool's process does."""
    short, *_ = asked = settings(options)
    if "memory" in options.parts:
        record.put("memory", {short.key: peaks(make, short)})
    if "timings" not in options.parts:
        return
    entries: list[dict[str, Any]] = []
    for setting in asked:
        for entry in timed(make, setting, options.pairs, options.seconds, None):
            entries.append(entry)
            record.put("timings", entries)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--shape", choices=tuple(CONFIGS), default="Llama-3-8B shape")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--length", type=int, default=16)
    parser.add_argument("--long", type=int, default=8192, help="tokens of the row that keeps no pattern")
    parser.add_argument("--pairs", type=int, default=11)
    parser.add_argument("--seconds", type=float, default=30.0, help="after which three pairs are enough")
    parser.add_argument("--parts", nargs="+", choices=("timings", "memory"), default=("timings", "memory"))
    only = "these tools; without it all, each peer in an environment that is made first (minutes, once)"
    parser.add_argument("--only", nargs="+", choices=report.ORDER, default=report.ORDER, help=only)
    parser.add_argument("--page", type=Path, default=RESULTS)
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "out" / "gpu")
    return parser.parse_args(argv)


def _without_device(options: argparse.Namespace) -> str:
    rows = [[setting.key, ROWS[row], NO_DEVICE] for setting in settings(options) for row in setting.rows]
    short = settings(options)[0].key
    rows += [[short, "peak while caching everything", NO_DEVICE]]
    return report.table(("on", "what", "figure"), rows)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure what can be measured here, and write it."""
    import torch

    options = _arguments(argv)
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        put("gpu", _without_device(options), options.page)
        print(_without_device(options))
        return
    command = ["--suite", "gpu", "--parts", *options.parts]
    for name in ("device", "shape", "dtype", "length", "long", "pairs", "seconds"):
        command += [f"--{name}", str(getattr(options, name))]
    failed = measure(list(options.only), command, options.out)
    found = report.records(options.out)
    missing = "\n".join(f"- {name}: not measured: {reason}." for name, reason in failed.items())
    parts = (report.timings(found), report.processes(found), missing, report.conditions(found, "timings"))
    put("gpu", "\n\n".join(filter(None, parts)), options.page)


if __name__ == "__main__":
    main()
