"""Fits on text that are kept while they go on: begun, gone on with where a call was stopped, or found done."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from innerworks.data.corpus.passes import asked_of
from innerworks.errors import FileError, InnerworksError, NonFiniteError
from innerworks.model.engine.progress import Progress, watched
from innerworks.results import Artifact
from innerworks.results import open as open_saved
from innerworks.results.progress_files import Progressing

if TYPE_CHECKING:
    from innerworks.data.corpus import Contexts, Corpus
    from innerworks.model.model import Model

__all__ = ["SEEN", "Fit", "FitInterrupted", "Stepwise", "tokens_ahead"]

SEEN = "text_windows"
"""The tensor of an artifact by which text is told that it was fitted on."""

_SAVE_EVERY = 60.0
"""Seconds."""


class FitInterrupted(InnerworksError, KeyboardInterrupt):
    """A fit was stopped; with out= the same call goes on with it."""


class Stepwise(Protocol):
    """Something that is fitted step by step, and can go on from what it kept."""

    step: int

    @property
    def steps(self) -> int:
        """How many there are in all."""
        ...

    def advance(self) -> None:
        """One step."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a later step depends on."""
        ...

    def restore(self, step: int, tensors: Mapping[str, Any]) -> None:
        """Go on from what `tensors` gave after that step."""
        ...

    def fitted(self, held_out: Contexts) -> dict[str, Tensor]:
        """What was fitted, as the artifact keeps it; what was left out of the text is there to test it on."""
        ...


@dataclass(frozen=True)
class Fit:
    """One fit by the technique `name`: on which text, of what, how, and where it is kept."""

    name: str
    kind: str
    model: Model
    corpus: Corpus
    said: dict[str, Any]
    """What the artifact says of itself."""
    how: dict[str, Any]
    """What else the outcome depends on."""
    begin: Callable[[Contexts, bool], Stepwise]
    """The fit at its beginning, on a text; True: it is about to be restored."""
    held_out: float
    out: Path | None
    progress: Progress

    def artifact(self) -> Artifact:
        """What was fitted, from the beginning, from where an earlier call was stopped, or found done."""
        fitted, tested = self.corpus.contexts(self.model).split(self.held_out)
        question = {**asked_of(self.model, fitted), **self.how, **self.said}
        done = _done(self.out, question)
        if done is not None:
            return done
        folder = None if self.out is None else _unfinished(Path(self.out), self.name, question)
        before = None if folder is None else folder.opened()
        under_way = self.begin(fitted, before is not None)
        if before is not None:
            under_way.restore(*before)
        _run(under_way, folder, self.name, self.progress)
        windows, size = fitted.windows()
        text = {"fitted": fitted.fingerprint, "held_out": tested.fingerprint, "share": self.held_out, "window": size}
        config = {**self.said, "question": question, "text": text}
        tensors = under_way.fitted(tested) | {SEEN: torch.from_numpy(windows)}
        _refuse_no_numbers(self.name, tensors)
        found = Artifact(self.kind, tensors, config, self.model.fingerprint)
        if self.out is not None and folder is not None:
            found.save(self.out)
            shutil.rmtree(folder.folder, ignore_errors=True)
        return found


def tokens_ahead(ahead: int, context: int) -> int:
    """How many tokens further on, checked; the width of what can be read of a context."""
    if ahead < 0:
        raise InnerworksError(f"ahead={ahead}: 0 for the same token, 1 or more for later ones.")
    if ahead > context - 2:
        raise InnerworksError(
            f"ahead={ahead}: contexts of {context} tokens have no {ahead} tokens behind their second; take fewer, or "
            "a corpus of longer contexts, iw.Corpus(…, context=…)."
        )
    return context - ahead


def _refuse_no_numbers(name: str, tensors: Mapping[str, Tensor]) -> None:
    lost = [key for key, value in tensors.items() if value.is_floating_point() and not value.isfinite().all()]
    if lost:
        raise NonFiniteError(
            f"{name} came to NaN or infinity ({', '.join(lost)}), so there is nothing to keep. Take a smaller rate=, "
            "or steps=0 for least squares alone; and see that the model itself gives numbers on this text."
        )


def _done(out: Path | None, question: dict[str, Any]) -> Artifact | None:
    """The lens in a folder, where an earlier call that asked the same has finished it."""
    if out is not None and Path(out).is_file():
        raise FileError(f"{out} is a file, and a folder is to be kept there: choose another out=.")
    if out is None or not Path(out).exists() or not any(Path(out).iterdir()):
        return None
    found = open_saved(out)
    if isinstance(found, Artifact) and found.config.get("question") == question:
        return found
    raise FileError(f"{out} already holds something else that was saved: choose another out=, or remove it.")


def _unfinished(out: Path, name: str, question: dict[str, Any]) -> Progressing:
    """Where a fit is kept until it is done: a folder beside the lens'."""
    return Progressing.at(out.with_name(f"{out.name}.unfinished"), name, question)


def _run(under_way: Stepwise, folder: Progressing | None, name: str, progress: Progress) -> None:
    steps, saved = under_way.steps, time.monotonic()
    with watched(progress, name, steps) as tell:
        tell(under_way.step)
        try:
            while under_way.step < steps:
                under_way.advance()
                tell(under_way.step)
                if folder is not None and time.monotonic() - saved >= _SAVE_EVERY:
                    folder.save(under_way.step, under_way.tensors())
                    saved = time.monotonic()
        except KeyboardInterrupt:
            where = "is lost: with out= it would be kept"
            if folder is not None:
                folder.save(under_way.step, under_way.tensors())
                where = f"is kept in {folder.folder}, and the same call goes on from there"
            raise FitInterrupted(f"stopped after {under_way.step} of {steps} steps; what was fitted {where}.") from None
