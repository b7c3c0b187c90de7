"""Fitting a tuned lens: an affine translator for every layer, so that its stream reads as the last one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from torch import Tensor

from innerworks.data.corpus import Contexts, Corpus
from innerworks.decode.vocabulary.translators.kept_progress import FitInterrupted, Keeping
from innerworks.decode.vocabulary.translators.moments import Moments
from innerworks.decode.vocabulary.translators.text_states import text_states
from innerworks.decode.vocabulary.translators.training import Optimiser, Recipe, Training
from innerworks.errors import InnerworksError
from innerworks.model.engine.progress import Progress, watched
from innerworks.model.model import Model
from innerworks.results import Artifact, Provenance

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["fit_tuned_lens"]

Start = Literal["least_squares", "identity"]
_TOKENS_FOR_MOMENTS = 65536
_RIDGE = 0.1


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
    keeping = Keeping(None if out is None else Path(out), question)
    kept = keeping.found()
    weight, bias = _beginning(model, fitted, last, start if kept is None else "identity")
    training = Training(model, fitted, recipe, weight, bias, last)
    if kept is not None:
        training.restore(kept.tensors, int(kept.config["step"]), kept.config["losses"])
    _run(training, keeping, progress)
    lens = Artifact(
        "tuned-lens",
        {"weight": weight, "bias": bias},
        {
            "end": last,
            "depths": last,
            "losses": training.losses,
            "text": {"fitted": fitted.fingerprint, "held_out": tested.fingerprint, "share": held_out},
            "recipe": vars(recipe) | {"start": start},
        },
        model.fingerprint,
        Provenance("fit_tuned_lens", {"corpus": corpus.written(), **question}, model.name, seed=seed),
    )
    keeping.finish(lens)
    return lens


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


def _run(training: Training, keeping: Keeping, progress: Progress) -> None:
    steps = training.recipe.steps
    with watched(progress, "fit_tuned_lens", steps) as tell:
        tell(training.step)
        try:
            while training.step < steps:
                training.advance()
                tell(training.step)
                if keeping.due():
                    _keep(training, keeping)
        except KeyboardInterrupt:
            _keep(training, keeping)
            kept = f"is kept in {keeping.folder}, and the same call goes on from there"
            where = kept if keeping.folder else "is lost: with out= it would be kept"
            raise FitInterrupted(f"stopped after {training.step} of {steps} steps; what was fitted {where}.") from None


def _keep(training: Training, keeping: Keeping) -> None:
    state: dict[str, Any] = {"step": training.step, "losses": training.losses}
    keeping.keep(training.tensors(), state)
