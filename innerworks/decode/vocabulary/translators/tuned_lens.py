"""Fitting a tuned lens: an affine translator for every layer, so that its stream reads as the last one."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from torch import Tensor

from innerworks.data.corpus import Contexts, Corpus
from innerworks.decode.vocabulary.translators.moments import Moments
from innerworks.decode.vocabulary.translators.text_states import text_states
from innerworks.decode.vocabulary.translators.training import Optimiser, Recipe, Training
from innerworks.errors import FileError, InnerworksError
from innerworks.model.engine.progress import Progress, watched
from innerworks.model.model import Model
from innerworks.registry import Cost, technique
from innerworks.results import Artifact
from innerworks.results import open as open_saved
from innerworks.results.progress_files import Progressing

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FitInterrupted", "fit_tuned_lens"]

Start = Literal["least_squares", "identity"]
_TOKENS_FOR_MOMENTS = 65536
_RIDGE = 0.1
_SAVE_EVERY = 60.0
"""Seconds."""


class FitInterrupted(InnerworksError, KeyboardInterrupt):
    """A fit was stopped; with out= the same call goes on with it."""


@technique(
    title="Fitting a tuned lens",
    section="4.3.1",
    question="How is each layer's stream read as the last one's?",
    references=("Belrose 2023, arXiv:2303.08112", "Din 2023, arXiv:2303.09435", "Primer 4.3.1"),
    cost=Cost(forwards="one of each step's tokens, with two unembeddings for every layer"),
)
def fit_tuned_lens(
    model: Model,
    corpus: Corpus,
    *,
    steps: Annotated[int, "how many steps of gradient descent"] = 250,
    contexts: Annotated[int, "how many contexts each step reads"] = 8,
    positions: Annotated[int | None, "at how many positions of each, drawn anew; all by default"] = None,
    start: Annotated[Start, "begin with least squares between the states, or with no translation"] = "least_squares",
    optimiser: Annotated[Optimiser, "adam, or sgd with Nesterov's momentum as in the paper"] = "adam",
    rate: Annotated[float | None, "of the first step, falling to 0; by default 1e-4 for adam, 0.1 for sgd"] = None,
    end: Annotated[int | None, "the layer whose stream is to be read; the last by default"] = None,
    held_out: Annotated[float, "which share of the text is kept to test the lens on"] = 0.1,
    seed: Annotated[int, "what tokens are drawn by"] = 0,
    out: Annotated[Path | None, "the folder of the lens; an unfinished fit is kept beside it and gone on with"] = None,
    progress: Progress = None,
) -> Artifact:
    """Translators that let each layer's stream be read as the last one's: logits = W_U norm(h + W h + b).

    For each depth (the stream before block 0, 1, …) W and b minimise KL(final ‖ lens) over the text, all depths in one
    pass. They begin with the least-squares map between the states, which is had from sums over the text alone, and are
    then improved by gradient descent. Belrose 2023, arXiv:2303.08112; Din 2023, arXiv:2303.09435.

    What misleads: a lens is fitted to predict, and can learn what the model only makes of the state later. It shows
    what can be had from a state by a linear map, on text like that it was fitted on.
    """
    recipe = _recipe(steps, contexts, positions, optimiser, rate, seed, corpus.context)
    last = model.n_layers if end is None else _end(model, end)
    fitted, tested = corpus.contexts(model).split(held_out)
    question = {"model": model.fingerprint, "text": fitted.fingerprint, "start": start, "end": last, **vars(recipe)}
    done = _done(out, question)
    if done is not None:
        return done
    folder = None if out is None else _unfinished(Path(out), question)
    before = None if folder is None else folder.opened()
    weight, bias = _beginning(model, fitted, last, start if before is None else "identity")
    training = Training(model, fitted, recipe, weight, bias, last)
    if before is not None:
        training.restore(*before)
    _run(training, folder, progress)
    text = {"fitted": fitted.fingerprint, "held_out": tested.fingerprint, "share": held_out}
    config = {"end": last, "question": question, "text": text}
    lens = Artifact("tuned-lens", {"weight": weight, "bias": bias, "losses": training.curve}, config, model.fingerprint)
    if out is not None and folder is not None:
        lens.save(out)
        shutil.rmtree(folder.folder, ignore_errors=True)
    return lens


def _done(out: Path | None, question: dict[str, Any]) -> Artifact | None:
    """The lens in a folder, where an earlier call that asked the same has finished it."""
    if out is None or not Path(out).exists() or not any(Path(out).iterdir()):
        return None
    found = open_saved(out)
    if isinstance(found, Artifact) and found.config.get("question") == question:
        return found
    raise FileError(f"{out} already holds something else that was saved: choose another out=, or remove it.")


def _unfinished(out: Path, question: dict[str, Any]) -> Progressing:
    """Where a fit is kept until it is done: a folder beside the lens'."""
    return Progressing.at(out.with_name(f"{out.name}.unfinished"), "fit_tuned_lens", question)


def _recipe(
    steps: int, contexts: int, positions: int | None, optimiser: Optimiser, rate: float | None, seed: int, width: int
) -> Recipe:
    positions = width if positions is None else positions
    if min(contexts, positions) < 1 or steps < 0 or positions > width:
        raise InnerworksError(
            f"steps={steps}, contexts={contexts}, positions={positions}: 0 steps (least squares alone) or more, 1 or "
            f"more contexts, and at most the {width} positions of a context."
        )
    if rate is not None and not rate > 0:
        raise InnerworksError(f"rate={rate}: a step needs a rate above 0, such as 1e-4.")
    usual = 1e-4 if optimiser == "adam" else 0.1
    return Recipe(steps, contexts, positions, optimiser, usual if rate is None else rate, 1e-3, seed)


def _end(model: Model, end: int) -> int:
    if not 0 <= end < model.n_layers:
        raise InnerworksError(f"end={end}: the stream behind a block, 0 to {model.n_layers - 1}.")
    return end + 1


def _beginning(model: Model, contexts: Contexts, end: int, start: Start) -> tuple[Tensor, Tensor]:
    """The first weights: nothing, or what least squares say."""
    precise = torch.float64 if model.dtype == torch.float64 else torch.float32
    if start == "identity":
        shape = (end, model.d_model, model.d_model)
        return (
            torch.zeros(shape, dtype=precise, device=model.device),
            torch.zeros(shape[:2], dtype=precise, device=model.device),
        )
    maps, offsets = _moments(model, contexts, end).solved(_RIDGE)
    eye = torch.eye(model.d_model, dtype=maps.dtype, device=maps.device)
    return (maps - eye).transpose(1, 2).contiguous().to(precise), offsets.to(precise)


def _moments(model: Model, contexts: Contexts, end: int) -> Moments:
    """Sums over the text, as much of it as is plenty, without the first tokens of contexts: they are unlike others."""
    sums = Moments.none(end, model.d_model, model.device)
    positions: Sequence[int] = range(1, contexts.width)
    for rows in contexts.batches(2048):
        states = text_states(model, contexts, rows, [*range(end), end], positions).depths
        sums.add(states[:-1], states[-1])
        if sums.count >= _TOKENS_FOR_MOMENTS:
            break
    return sums


def _run(training: Training, folder: Progressing | None, progress: Progress) -> None:
    steps, saved = training.recipe.steps, time.monotonic()
    with watched(progress, "fit_tuned_lens", steps) as tell:
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
