"""Fitting lenses: translators begun by least squares, improved by gradient descent, kept while they are fitted."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from innerworks.decode.vocabulary.translators.moments import Moments
from innerworks.decode.vocabulary.translators.training import Optimiser, Reading, Recipe, Training
from innerworks.errors import FileError, InnerworksError
from innerworks.model.engine.progress import Progress, watched
from innerworks.results import Artifact
from innerworks.results import open as open_saved
from innerworks.results.progress_files import Progressing

if TYPE_CHECKING:
    from innerworks.data.corpus import Contexts, Corpus
    from innerworks.model.model import Model

__all__ = ["Fit", "FitInterrupted", "Start"]

Start = Literal["least_squares", "identity"]
_TOKENS_FOR_MOMENTS = 65536
_RIDGE = 0.1
_SAVE_EVERY = 60.0
"""Seconds."""


class FitInterrupted(InnerworksError, KeyboardInterrupt):
    """A fit was stopped; with out= the same call goes on with it."""


@dataclass(frozen=True)
class Fit:
    """One fit of a kind of lens, by the technique `name`: on which text, of what, how, and where it is kept."""

    name: str
    kind: str
    model: Model
    corpus: Corpus
    reading: Reading
    recipe: Recipe
    start: Start
    held_out: float
    out: Path | None
    progress: Progress

    def artifact(self) -> Artifact:
        """The lens, fitted from the beginning, from where an earlier call was stopped, or found done."""
        fitted, tested = self.corpus.contexts(self.model).split(self.held_out)
        question = {"model": self.model.fingerprint, "text": fitted.fingerprint, "start": self.start}
        question |= {**self.reading.said, **vars(self.recipe)}
        done = _done(self.out, question)
        if done is not None:
            return done
        folder = None if self.out is None else _unfinished(Path(self.out), self.name, question)
        before = None if folder is None else folder.opened()
        start = self.start if before is None else "identity"
        weight, bias = _beginning(self.model, fitted, self.reading, start)
        training = Training(self.model, fitted, self.reading, self.recipe, weight, bias)
        if before is not None:
            training.restore(*before)
        _run(training, folder, self.name, self.progress)
        text = {"fitted": fitted.fingerprint, "held_out": tested.fingerprint, "share": self.held_out}
        config = {**self.reading.said, "question": question, "text": text}
        tensors = {"weight": weight, "bias": bias, "losses": training.curve}
        lens = Artifact(self.kind, tensors, config, self.model.fingerprint)
        if self.out is not None and folder is not None:
            lens.save(self.out)
            shutil.rmtree(folder.folder, ignore_errors=True)
        return lens


def recipe(
    steps: int, contexts: int, positions: int | None, optimiser: Optimiser, rate: float | None, seed: int, width: int
) -> Recipe:
    """How to fit, checked; `width` is at how many positions of a context something can be read."""
    positions = width if positions is None else positions
    if width < 1 or min(contexts, positions) < 1 or steps < 0 or positions > width:
        raise InnerworksError(
            f"steps={steps}, contexts={contexts}, positions={positions}: 0 steps (least squares alone) or more, 1 or "
            f"more contexts, and at most the {width} positions of a context."
        )
    if rate is not None and not rate > 0:
        raise InnerworksError(f"rate={rate}: a step needs a rate above 0, such as 1e-4.")
    usual = 1e-4 if optimiser == "adam" else 0.1
    return Recipe(steps, contexts, positions, optimiser, usual if rate is None else rate, 1e-3, seed)


def _done(out: Path | None, question: dict[str, Any]) -> Artifact | None:
    """The lens in a folder, where an earlier call that asked the same has finished it."""
    if out is None or not Path(out).exists() or not any(Path(out).iterdir()):
        return None
    found = open_saved(out)
    if isinstance(found, Artifact) and found.config.get("question") == question:
        return found
    raise FileError(f"{out} already holds something else that was saved: choose another out=, or remove it.")


def _unfinished(out: Path, name: str, question: dict[str, Any]) -> Progressing:
    """Where a fit is kept until it is done: a folder beside the lens'."""
    return Progressing.at(out.with_name(f"{out.name}.unfinished"), name, question)


def _beginning(model: Model, contexts: Contexts, reading: Reading, start: Start) -> tuple[Tensor, Tensor]:
    """The first weights [place, d, n] and biases [place, d]: nothing, or what least squares say."""
    precise = torch.float64 if model.dtype == torch.float64 else torch.float32
    if start == "identity":
        n = reading.states(model, contexts, [0], [0]).places.shape[-1]
        weight = torch.zeros((len(reading.sites), model.d_model, n), dtype=precise, device=model.device)
        return weight, weight.new_zeros(weight.shape[:2])
    maps, offsets = _moments(model, contexts, reading).solved(_RIDGE, towards_same=reading.adds)
    if reading.adds:
        maps = maps - torch.eye(model.d_model, dtype=maps.dtype, device=maps.device)
    return maps.transpose(1, 2).contiguous().to(precise), offsets.to(precise)


def _moments(model: Model, contexts: Contexts, reading: Reading) -> Moments:
    """Sums over the text, as much of it as is plenty, without the first tokens of contexts: they are unlike others."""
    positions = list(range(1, contexts.width - reading.ahead))
    sums: Moments | None = None
    for rows in contexts.batches(2048):
        states = reading.states(model, contexts, rows, positions)
        sums = sums or Moments.none(len(reading.sites), states.places.shape[-1], model.d_model, model.device)
        sums.add(states.places, states.final)
        if sums.count >= _TOKENS_FOR_MOMENTS:
            break
    assert sums is not None
    return sums


def _run(training: Training, folder: Progressing | None, name: str, progress: Progress) -> None:
    steps, saved = training.recipe.steps, time.monotonic()
    with watched(progress, name, steps) as tell:
        tell(training.step)
        try:
            while training.step < steps:
                training.advance()
                tell(training.step)
                if folder is not None and time.monotonic() - saved >= _SAVE_EVERY:
                    folder.save(training.step, training.tensors())
                    saved = time.monotonic()
        except KeyboardInterrupt:
            where = "is lost: with out= it would be kept"
            if folder is not None:
                folder.save(training.step, training.tensors())
                where = f"is kept in {folder.folder}, and the same call goes on from there"
            raise FitInterrupted(f"stopped after {training.step} of {steps} steps; what was fitted {where}.") from None
