"""Timing in pairs: each measured call beside a plain forward of the same input, in turn, so that drift cancels."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Ratio:
    """How many plain forwards a call takes: median and range over the pairs, by CPU time and by wall time."""

    cpu: float
    wall: float
    low: float
    high: float
    pairs: int

    def __str__(self) -> str:
        return f"{self.cpu:.3f} | {self.wall:.3f} | {self.low:.3f}-{self.high:.3f} | {self.pairs}"


def _once(call: Callable[[], object], device: str) -> tuple[float, float]:
    import torch

    if device.startswith("cuda"):
        torch.cuda.synchronize()
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.process_time() - cpu, time.perf_counter() - wall


def ratio(
    call: Callable[[], object],
    plain: Callable[[], object],
    *,
    pairs: int = 9,
    divide: int = 1,
    device: str = "cpu",
    seconds: float = float("inf"),
    warm: bool = True,
) -> Ratio:
    """`call` over `plain`, in alternation, after one warm-up of each; `divide` for calls that answer many questions.

    Once `seconds` are over, three pairs are enough. A call that takes minutes needs no warm-up.
    """
    if warm:
        call()
    plain()
    cpu, wall = [], []
    begun = time.perf_counter()
    for done in range(pairs):
        if done >= 3 and time.perf_counter() - begun > seconds:
            break
        a, b, c = _once(plain, device), _once(call, device), _once(plain, device)
        cpu.append(b[0] / (a[0] + c[0]) * 2 / divide)
        wall.append(b[1] / (a[1] + c[1]) * 2 / divide)
    shown = wall if device.startswith("cuda") else cpu
    return Ratio(median(cpu), median(wall), min(shown), max(shown), len(shown))


def milliseconds(call: Callable[[], object], times: int, device: str = "cpu") -> float:
    """The median wall time of a call."""
    call()
    return median(_once(call, device)[1] for _ in range(times)) * 1e3


def machine() -> str:
    """On what, and with which versions, something was measured, in a line."""
    import torch

    import innerworks

    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("torch", "transformers"))
    versions = f"innerworks {innerworks.__version__}, {versions}"
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    load = os.getloadavg()[0]
    return (
        f"{datetime.date.today()}, Python {platform.python_version()}, {versions}, {platform.machine()}, "
        f"{os.cpu_count()} cores, {torch.get_num_threads()} threads, {device}, load {load:.1f} at the end."
    )
