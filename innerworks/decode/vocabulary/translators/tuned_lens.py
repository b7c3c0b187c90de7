"""Fitting a tuned lens: an affine translator for every layer, so that its stream reads as the last one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from innerworks.data.corpus import Contexts, Corpus
from innerworks.decode.vocabulary.translators.descent import Optimiser, recipe
from innerworks.decode.vocabulary.translators.fitting import Fit, tokens_ahead
from innerworks.decode.vocabulary.translators.text_states import stream_sites
from innerworks.decode.vocabulary.translators.training import Reading, Start, Training
from innerworks.errors import InnerworksError
from innerworks.model.engine.progress import Progress
from innerworks.model.model import Model
from innerworks.registry import Cost, technique
from innerworks.results import Artifact

__all__ = ["fit_tuned_lens"]


@technique(
    title="Fitting a tuned lens",
    section="4.3.1",
    question="How is each layer's stream read as the last one's?",
    references=(
        "Belrose 2023, arXiv:2303.08112",
        "Din 2023, arXiv:2303.09435",
        "Pal 2023, arXiv:2311.04897",
        "Primer 4.3.1",
    ),
    cost=Cost(forwards="one of each step's tokens, with two unembeddings for every layer"),
)
def fit_tuned_lens(
    model: Model,
    corpus: Corpus,
    *,
    ahead: Annotated[int, "how many tokens further on the states are that it leads to (Future Lens); 0: the same"] = 0,
    end: Annotated[int | None, "the layer whose stream is to be read; the last by default"] = None,
    steps: Annotated[int, "how many steps of gradient descent; 0 for least squares alone"] = 250,
    contexts: Annotated[int, "how many contexts each step reads"] = 8,
    positions: Annotated[int | None, "at how many positions of each, drawn anew; all by default"] = None,
    start: Annotated[Start, "begin with least squares between the states, or with no translation"] = "least_squares",
    optimiser: Annotated[Optimiser, "adam, or sgd with Nesterov's momentum as in the paper"] = "adam",
    rate: Annotated[float | None, "of the first step, falling to 0; by default 1e-4 for adam, 0.1 for sgd"] = None,
    held_out: Annotated[float, "which share of the text is kept to test the lens on"] = 0.1,
    seed: Annotated[int, "what tokens are drawn by"] = 0,
    out: Annotated[Path | None, "the folder of the lens; an unfinished fit is kept beside it and gone on with"] = None,
    progress: Progress = None,
) -> Artifact:
    """Translators that let each layer's stream be read as the last one's: logits = W_U norm(h + W h + b).

    For each depth (the stream before block 0, 1, …) W and b minimise KL(final ‖ lens) over the text, all depths in one
    pass. They begin with the least-squares map between the states, which is had from sums over the text alone, and are
    then improved by gradient descent. With `ahead` n the states they lead to are those n tokens further on: what does
    one state hold of the tokens to come? Belrose 2023; Din 2023; Pal 2023 for `ahead`.

    What misleads: a lens is fitted to predict, and can learn what the model only makes of the state later. It shows
    what can be had from a state by a linear map, on text like that it was fitted on. What it says of later tokens holds
    what usually comes there in such text.
    """
    width = tokens_ahead(ahead, corpus.context)
    last = model.n_layers if end is None else _end(model, end)
    depths = range(last if ahead == 0 else last + 1)
    reading = Reading(tuple(stream_sites(depths)), last, ahead, adds=True)
    how = recipe(steps, contexts, positions, optimiser, rate, seed, width)

    def begin(text: Contexts, restored: bool) -> Training:
        return Training.begun(model, text, reading, how, start, restored=restored)

    question = {"start": start, **vars(how)}
    return Fit(
        "fit_tuned_lens", "tuned-lens", model, corpus, reading.said, question, begin, held_out, out, progress
    ).artifact()


def _end(model: Model, end: int) -> int:
    if not 0 <= end < model.n_layers:
        raise InnerworksError(f"end={end}: the stream behind a block, 0 to {model.n_layers - 1}.")
    return end + 1
