"""One pass over a corpus for its bands and dark signals, a few contexts at a time, with what was done in a folder."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from innerworks.data.corpus import Contexts
from innerworks.data.corpus.passes import asked_of
from innerworks.decode.vocabulary.spectroscopy.bands import TREATMENTS, Bands
from innerworks.decode.vocabulary.spectroscopy.running import RunningMean, RunningPair
from innerworks.decode.vocabulary.spectroscopy.signals import signals_of
from innerworks.errors import NonFiniteError
from innerworks.model.metrics.made import nll
from innerworks.results.progress_files import Progressing

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.model import Model
    from innerworks.model.sites import Site

__all__ = ["Plan", "Seen", "kept_in", "scanned"]


@dataclass(frozen=True)
class Plan:
    """What is asked of the text, and how it is gone through."""

    bands: int
    sites: tuple[str, ...]
    spare: int
    dark: float
    table: str
    at_once: int


@dataclass(frozen=True)
class Seen:
    """All that is kept of the first `done` contexts. A new one is made for every step, so that it is always whole."""

    done: int
    clean: RunningMean
    """The loss, a number for each context."""
    effect: RunningMean
    """[treatment, site, band]: what it is more than that."""
    energy: RunningMean
    """[layer, band]"""
    signals: RunningPair
    """[layer, position]: dark, and received."""
    dark: RunningMean
    """[layer, position]: also of the last token, which no other can attend to."""

    @classmethod
    def none(cls, plan: Plan, layers: int, width: int) -> Seen:
        """Nothing seen yet."""
        return cls(
            0,
            RunningMean.none(),
            RunningMean.none(len(TREATMENTS), len(plan.sites), plan.bands),
            RunningMean.none(layers, plan.bands),
            RunningPair.none(layers, width),
            RunningMean.none(layers, width),
        )

    def tensors(self) -> dict[str, Tensor]:
        """All of it, by name."""
        return {f"{part}.{name}": one for part in _PARTS for name, one in getattr(self, part).tensors().items()}

    @classmethod
    def restored(cls, done: int, tensors: Mapping[str, Tensor]) -> Seen:
        """The state that `tensors` were of."""

        def mean(part: str) -> RunningMean:
            return RunningMean(*(tensors[f"{part}.{name}"] for name in ("count", "mean", "squares")))

        pair = RunningPair(mean("signals.one"), mean("signals.other"), tensors["signals.together"])
        return cls(done, mean("clean"), mean("effect"), mean("energy"), pair, mean("dark"))

    def after(self, losses: tuple[Tensor, Tensor], seen: Any) -> Seen:
        """What is kept when losses [row] and effects [row, treatment, site, band] and signals were seen besides."""
        clean, effect = losses
        return replace(
            self,
            done=self.done + len(clean),
            clean=self.clean.after(clean),
            effect=self.effect.after(effect),
            energy=self.energy.after(seen.energy.transpose(1, 2).flatten(0, 1)),
            signals=self.signals.after(seen.dark, seen.received),
            dark=self.dark.after(seen.dark),
        )


_PARTS = ("clean", "effect", "energy", "signals", "dark")


def kept_in(folder: Path, model: Model, contexts: Contexts, plan: Plan) -> Progressing:
    """The folder of this very pass; one that holds another is refused."""
    return Progressing.at(folder, "corpus_spectroscopy", asked_of(model, contexts) | vars(plan))


def scanned(
    model: Model,
    contexts: Contexts,
    cut: Bands,
    places: Sequence[Site],
    plan: Plan,
    folder: Progressing | None,
    save_every: float,
) -> Generator[Seen]:
    """What is kept, after each step; the first is what the folder holds, or nothing seen yet."""
    before = None if folder is None else folder.opened()
    seen = Seen.none(plan, model.n_layers, contexts.width) if before is None else Seen.restored(*before)
    yield seen
    variants = {
        (way, place, band): cut.edits([place], way, band)
        for way in TREATMENTS
        for place in places
        for band in range(plan.bands)
    }
    shape = (len(TREATMENTS), len(places), plan.bands)
    saved, last_save = seen.done, time.monotonic()
    try:
        for rows in contexts.batches(plan.at_once):
            if rows[0] < seen.done:
                continue
            ids = contexts.tensor(rows)
            swept = model.sweep(ids, variants, nll(), progress=False)
            effect = torch.stack([swept.effect(key) for key in variants], 1).reshape(len(rows), *shape)
            if not bool(effect.isfinite().all()):
                raise NonFiniteError(
                    f"a loss in contexts {rows[0]} to {rows[-1]} is NaN or infinite: run the model in float32 or "
                    "bfloat16 (load(dtype=...)), or leave out that text."
                )
            seen = seen.after((swept.baseline, effect), signals_of(model, ids, cut, plan.dark))
            if folder is not None and time.monotonic() - last_save >= save_every:
                folder.save(seen.done, seen.tensors())
                saved, last_save = seen.done, time.monotonic()
            yield seen
    finally:
        if folder is not None and saved != seen.done:
            folder.save(seen.done, seen.tensors())
