"""Where models run and are kept: devices, threads, the cache, the bundled model."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import innerworks as iw
from innerworks.ui.cli.doctor.finding import Finding

__all__ = ["accelerators", "cache", "devices", "usable_bundled"]

_LITTLE = 2 * 10**9
"""Bytes of free disk below which the bundled model and a little more do not fit."""


def devices() -> Iterator[Finding]:
    """torch's devices and threads."""
    import torch

    part = "runs on"
    found = accelerators()
    named = ", ".join(f"{name} ({_memory(name)})" for name in found)
    if found:
        yield Finding(part, "devices", "fine", f"cpu, {named}")
    else:
        yield Finding(part, "devices", "note", "cpu alone: this torch sees no accelerator here")
    spins = os.environ.get("OMP_WAIT_POLICY", "").upper() != "PASSIVE"
    tip = "; on a busy machine OMP_WAIT_POLICY=PASSIVE keeps them from waiting for each other" if spins else ""
    cores = os.cpu_count() or 1
    yield Finding(part, "threads", "fine", f"{torch.get_num_threads()} of {cores} cores{tip}")


def accelerators() -> list[str]:
    """The devices beside the CPU."""
    import torch

    if not torch.accelerator.is_available():
        return []
    current = torch.accelerator.current_accelerator()
    kind = "cuda" if current is None else current.type
    return [f"{kind}:{number}" for number in range(torch.accelerator.device_count())]


def _memory(device: str) -> str:
    import torch

    if not device.startswith("cuda"):
        return device.partition(":")[0]
    free, total = torch.cuda.mem_get_info(device)
    return f"{torch.cuda.get_device_name(device)}, {free / 2**30:.0f} of {total / 2**30:.0f} GiB free"


def cache() -> Iterator[Finding]:
    """The cache, whether there is room, and every model in it, by the sha256 of its files."""
    part, place = "keeps models in", iw.cache_dir()
    there = next(one for one in (place, *place.parents) if one.exists())
    if not os.access(there, os.W_OK):
        fix = "set INNERWORKS_CACHE to a folder that can be written"
        yield Finding(part, "cache", "broken", f"{place} cannot be written", fix)
    free = shutil.disk_usage(there).free
    state: Any = "fine" if free >= _LITTLE else "note"
    fix = "" if free >= _LITTLE else "free some space, or set INNERWORKS_CACHE to another disk"
    yield Finding(part, "free disk", state, f"{free / 1e9:,.1f} GB where {place} is", fix)
    yield from _models(part)


def _models(part: str) -> Iterator[Finding]:
    kept = {one.name: one for one in iw.kept_models()}
    for name, one in kept.items():
        damage = one.damage(thorough=True)
        if damage is None:
            yield Finding(part, name, "fine", f"whole ({one.bytes / 1e6:,.0f} MB, sha256 checked)")
        else:
            again = f" && innerworks models add {name}" if one.kind == "bundled" else ", and load its file again"
            fix = f"innerworks models remove {one.folder.name} --yes{again}"
            yield Finding(part, name, "broken", f"damaged: {damage}", fix)
    for model in iw.bundled():
        if model.name not in kept:
            said = f"not here yet ({model.download_bytes / 1e6:,.0f} MB to fetch)"
            yield Finding(part, model.name, "note", said, f"innerworks models add {model.name}")


def usable_bundled() -> str | None:
    """The name of a bundled model that is here and whole."""
    names = {one.name for one in iw.bundled()}
    whole = (one.name for one in iw.kept_models() if one.name in names and one.damage() is None)
    return next(whole, None)
