"""What can only be seen from a new process: the time until a tool answers, and how much memory it takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from bench.field.families import build, ids
from bench.field.settings import Setting, load, prompt
from bench.field.timings import kept_in
from bench.field.tool import NotOffered, Tool
from bench.field.words import words

ROOT = Path(__file__).parents[2]


def _seconds(command: list[str], times: int) -> float:
    runs = []
    for _ in range(times + 1):
        begun = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
        runs.append(time.perf_counter() - begun)
    return median(runs[1:])


def starts(make: type[Tool], times: int = 3) -> dict[str, float]:
    """Seconds of the import, and until a tiny GPT-2 has answered, each without the interpreter's own start."""
    bare = _seconds([sys.executable, "-c", "pass"], times)
    module = sys.modules[make.__module__].__spec__
    assert module is not None
    first = [sys.executable, "-m", module.name, "--first-answer"]
    return {
        "import": _seconds([sys.executable, "-c", f"import {make.module_name}"], times) - bare,
        "first answer": _seconds(first, times) - bare,
    }


def first_answer(make: type[Tool]) -> None:
    """A tiny model opened and asked for its logits."""
    make(build("GPT-2"), words()).forward(ids())()


def _resident(field: str) -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field))


def peak(make: type[Tool], setting: Setting, asked: str) -> dict[str, int]:
    """Bytes above what stood there before, at the peak of a call, and bytes of what it returned."""
    import torch

    tool = make(load(setting), words())
    ids = prompt(setting, tool.module.config.vocab_size)
    call = {"forward": tool.forward, "cache_all": tool.cache_all}[asked](ids)
    tool.forward(ids)()
    if setting.device.startswith("cuda"):
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        kept = kept_in(call())[1]
        return {"peak": torch.cuda.max_memory_allocated() - before, "kept": kept}
    if not os.access("/proc/self/clear_refs", os.W_OK):
        raise NotOffered("this system does not say what a process takes at its peak")
    before = _resident("VmRSS")
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    answer = call()
    return {"peak": _resident("VmHWM") - before, "kept": kept_in(answer)[1]}


def peaks(make: type[Tool], setting: Setting) -> dict[str, Any]:
    """`peak` of a plain call and of keeping everything, each in a process of its own."""
    module = sys.modules[make.__module__].__spec__
    assert module is not None
    found: dict[str, Any] = {}
    for asked in ("forward", "cache_all"):
        where = [f"--{name}={getattr(setting, name)}" for name in ("shape", "device", "dtype", "length", "attention")]
        command = [sys.executable, "-m", module.name, "--peak", asked, *where]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        if done.returncode:
            return {"unmeasured": (done.stderr.strip().splitlines() or ["no reason was given"])[-1]}
        found[asked] = json.loads(done.stdout.splitlines()[-1])
    return found
