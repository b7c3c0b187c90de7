"""One tool, measured in its own environment: `python -m bench.peers.<tool> --out FILE` leaves its record there.

Each part is written as soon as it is there, so that a run that is cut short has lost only what it had not measured.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import logging
import os
import platform
import sys
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.field.settings import ROWS
from bench.field.tool import Tool

PARTS = ("timings", "numbers", "traps", "starts", "memory")


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    import torch

    return {
        "date": str(datetime.date.today()),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def versions(make: type[Tool]) -> dict[str, str]:
    """Of the tool, of torch and of transformers."""
    under = {name: importlib.metadata.version(name) for name in ("torch", "transformers")}
    return {make.distribution: make.version(), **under}


class Record:
    """What is known of one tool, in a file."""

    def __init__(self, path: Path, make: type[Tool]) -> None:
        self.path = path
        self.data: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        self.data |= {"title": make.title, "notes": make.notes, "versions": versions(make)}

    def put(self, part: str, value: Any) -> None:
        """Keep a part, and when and where it was measured."""
        self.data[part] = value
        self.data.setdefault("measured", {})[part] = machine()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(self.data, indent=1))


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=15.0, help="after which three pairs are enough")
    parser.add_argument(
        "--rows", nargs="+", choices=tuple(ROWS), default=tuple(ROWS), help="of the timings, only these"
    )
    parser.add_argument("--smollm2", type=Path, help="the folder of the bundled model")
    parser.add_argument("--suite", choices=("field", "gpu"), default="field")
    parser.add_argument("--first-answer", action="store_true")
    parser.add_argument("--peak", choices=("forward", "cache_all"))
    for name, default in (("shape", "tiny"), ("device", "cpu"), ("dtype", "float32"), ("attention", "eager")):
        parser.add_argument(f"--{name}", default=default)
    parser.add_argument("--length", type=int, default=16)
    parser.add_argument("--long", type=int, default=8192)
    return parser.parse_args(argv)


def main(make: type[Tool], argv: Sequence[str] | None = None) -> None:
    """What `python -m bench.peers.<tool>` does."""
    options = _arguments(argv)
    import transformers

    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    transformers.utils.logging.disable_progress_bar()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    from bench.field.processes import first_answer, peak
    from bench.field.settings import Setting

    if options.first_answer:
        first_answer(make)
    elif options.peak:
        where = Setting(options.shape, options.attention, (), options.length, options.dtype, options.device)
        print(json.dumps(peak(make, where, options.peak)))
    else:
        _measure(make, options)


def _measure(make: type[Tool], options: argparse.Namespace) -> None:
    from bench.field.numbers import differences
    from bench.field.processes import peaks, starts
    from bench.field.settings import MEMORY
    from bench.field.traps import tried

    record = Record(options.out, make)
    if options.suite == "gpu":
        from bench.gpu import measured

        return measured(make, record, options)
    if "starts" in options.parts:
        record.put("starts", starts(make))
    if "numbers" in options.parts:
        record.put("numbers", dict(differences(make)))
    if "traps" in options.parts:
        record.put("traps", tried(make))
    if "memory" in options.parts:
        record.put("memory", {setting.key: peaks(make, setting) for setting in MEMORY})
    if "timings" in options.parts:
        _time(make, record, options)
    return None


def _time(make: type[Tool], record: Record, options: argparse.Namespace) -> None:
    """Measure the rows that are asked for; of the others what is known stays."""
    from bench.field.settings import FIELD
    from bench.field.timings import timed

    known = {(entry["setting"], entry["row"]): entry for entry in record.data.get("timings", [])}
    for setting in FIELD:
        rows = tuple(row for row in setting.rows if row in options.rows)
        if not rows:
            continue
        for entry in timed(make, replace(setting, rows=rows), options.pairs, options.seconds, options.smollm2):
            known[entry["setting"], entry["row"]] = entry
            print(make.title, entry["setting"], entry["row"], entry.get("cpu", entry.get("unmeasured")))
            order = [(one.key, row) for one in FIELD for row in one.rows]
            record.put("timings", [known[place] for place in order if place in known])
