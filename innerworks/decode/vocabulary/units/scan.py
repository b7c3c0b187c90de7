"""One pass over a corpus: every unit on every token, a few contexts at a time, with what was done kept in a folder."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from innerworks.data.corpus import Contexts
from innerworks.data.corpus.passes import asked_of
from innerworks.decode.vocabulary.units.highest import Highest
from innerworks.decode.vocabulary.units.places import Units
from innerworks.decode.vocabulary.units.sampled import Sample
from innerworks.decode.vocabulary.units.spread import Spread
from innerworks.decode.vocabulary.units.windows import context_keys
from innerworks.results.progress_files import Progressing

if TYPE_CHECKING:
    from innerworks.model.model import Model

__all__ = ["Plan", "Seen", "kept_in", "scanned"]


@dataclass(frozen=True)
class Plan:
    """What is kept of each unit, and how the corpus is gone through."""

    top: int
    lowest: int
    window: int
    sample: int
    skip: int
    active_above: float
    seed: int
    at_once: int


@dataclass(frozen=True)
class Seen:
    """All that is kept of the first `done` contexts. A new one is made for every step, so that it is always whole."""

    done: int
    spread: Spread
    highest: Highest
    lowest: Highest
    """Of the activations times -1."""
    sample: Sample

    @classmethod
    def none(cls, plan: Plan, units: int, contexts: Contexts, like: Tensor) -> Seen:
        """Nothing seen yet; `like` has the type and the device of activations."""
        return cls(
            0,
            Spread.none(units, like),
            Highest.none(units, plan.top, plan.window, like),
            Highest.none(units, plan.lowest, plan.window, like),
            Sample.none(units, len(contexts), contexts.width, plan.sample, plan.seed, like),
        )

    def after(self, plan: Plan, values: Tensor, ids: Tensor) -> Seen:
        """What is kept when values [unit, row, position] on the next contexts were seen."""
        keys = context_keys(ids.to(values.device), plan.window)
        return Seen(
            self.done + len(ids),
            self.spread.after(values[:, :, plan.skip :].flatten(1), plan.active_above),
            self.highest.after(values, keys, self.done, plan.skip),
            self.lowest.after(-values, keys, self.done, plan.skip) if plan.lowest else self.lowest,
            self.sample.after(values, self.done),
        )

    def tensors(self) -> dict[str, Tensor]:
        """All of it, by name."""
        return {f"{part}.{name}": one for part in _PARTS for name, one in getattr(self, part).tensors().items()}

    def restored(self, done: int, tensors: Mapping[str, Tensor]) -> Seen:
        """The state that `tensors` were of."""
        parts = {
            part: replace(
                getattr(self, part),
                **{
                    name: tensors[f"{part}.{name}"].to(one.device)
                    for name, one in getattr(self, part).tensors().items()
                },
            )
            for part in _PARTS
        }
        return replace(self, done=done, **parts)


_PARTS = ("spread", "highest", "lowest", "sample")


def kept_in(folder: Path, model: Model, contexts: Contexts, units: Units, plan: Plan) -> Progressing:
    """The folder of this very pass; one that holds another is refused."""
    question = {
        **asked_of(model, contexts),
        "units": list(units.labels),
        "bases": units.bases,
    }
    return Progressing.at(folder, "maximally_activating", question | vars(plan))


def scanned(
    model: Model, contexts: Contexts, units: Units, plan: Plan, folder: Progressing | None, save_every: float
) -> Generator[Seen]:
    """What is kept, after each step; the first is what the folder holds, or nothing seen yet."""
    seen = Seen.none(plan, len(units), contexts, units.like)
    before = None if folder is None else folder.opened()
    if before is not None:
        seen = seen.restored(*before)
    yield seen
    saved, last_save = seen.done, time.monotonic()
    try:
        for rows in contexts.batches(plan.at_once):
            if rows[0] < seen.done:
                continue
            ids = contexts.tensor(rows)
            seen = seen.after(plan, units.read(model, ids), ids)
            if folder is not None and time.monotonic() - last_save >= save_every:
                folder.save(seen.done, seen.tensors())
                saved, last_save = seen.done, time.monotonic()
            yield seen
    finally:
        if folder is not None and saved != seen.done:
            folder.save(seen.done, seen.tensors())
