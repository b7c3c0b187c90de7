"""Fitting a learned prompt: a few embeddings before a state, which make the model say what the state will lead to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from innerworks.data.corpus import Contexts, Corpus
from innerworks.decode.vocabulary.translators.carriers import LEARNED_PROMPT
from innerworks.decode.vocabulary.translators.descent import Optimiser, recipe
from innerworks.decode.vocabulary.translators.fitting import Fit, tokens_ahead
from innerworks.decode.vocabulary.translators.prompt_training import PromptTraining
from innerworks.errors import InnerworksError
from innerworks.model.engine.progress import Progress
from innerworks.model.model import Model
from innerworks.model.sites import each_once
from innerworks.registry import Cost, technique
from innerworks.results import Artifact

__all__ = ["chosen_layers", "fit_learned_prompt"]

_RATE = 0.03


@technique(
    title="Fitting a learned prompt",
    section="4.3.1",
    question="Which prompt makes the model say what one state will lead to?",
    references=("Pal 2023, arXiv:2311.04897", "Primer 4.3.1"),
    cost=Cost(
        forwards="one of each step's tokens, and for each layer the prompt behind each of them",
        backwards="those of the prompts",
    ),
)
def fit_learned_prompt(
    model: Model,
    corpus: Corpus,
    *,
    layers: Annotated[tuple[int, ...] | None, "whose states it reads; the middle one by default"] = None,
    ahead: Annotated[int, "how many tokens behind the next one are learned as well"] = 1,
    length: Annotated[int, "how many embeddings the prompt has"] = 10,
    steps: Annotated[int, "how many steps of gradient descent"] = 250,
    contexts: Annotated[int, "how many contexts each step reads"] = 8,
    positions: Annotated[int | None, "at how many positions of each, drawn anew; all by default"] = 4,
    optimiser: Annotated[Optimiser, "adam, or sgd with Nesterov's momentum"] = "adam",
    rate: Annotated[
        float | None, "of the first step, falling to 0, in units of the embeddings' spread; 0.03 for adam, 0.1 for sgd"
    ] = None,
    held_out: Annotated[float, "which share of the text is kept to test the prompt on"] = 0.1,
    seed: Annotated[int, "what tokens are drawn by"] = 0,
    out: Annotated[
        Path | None, "the folder of the prompt; an unfinished fit is kept beside it and gone on with"
    ] = None,
    progress: Progress = None,
) -> Artifact:
    """A prompt of k embeddings that, with a state h[l, t] in its last token's place, goes on as h's own context does.

    The model is frozen. e_1 … e_k stand for the embeddings of k tokens, and the stream of layer l at the k-th is set to
    h[l, t]; behind it stand the text's own tokens t+1, t+2, …. e minimises the mean over n = 0 … `ahead` of
    KL(p(· | x_1 … x_t+n) ‖ p(· | e, h[l, t], x_t+1 … x_t+n)), a prompt for each layer. It begins as the embeddings of
    tokens drawn from the text. Pal 2023, their learned prompt.

    `iw.future_lens` reads with it, and `iw.future_quality` says how well beside other ways.

    What misleads: the layers behind l work on. What is said was not all in the state: the model makes of it, and of the
    tokens t+1 … that it is given or wrote, what it can.
    """
    chosen = chosen_layers(model, layers)
    if length < 1:
        raise InnerworksError(f"length={length}: the last embedding is where the state goes, so there is at least one.")
    how = recipe(steps, contexts, positions, optimiser, rate, seed, tokens_ahead(ahead, corpus.context), _RATE)

    def begin(text: Contexts, restored: bool) -> PromptTraining:
        return PromptTraining(model, text, chosen, ahead, length, how)

    said = {"layers": list(chosen), "ahead": ahead, "length": length}
    return Fit(
        "fit_learned_prompt", LEARNED_PROMPT, model, corpus, said, vars(how), begin, held_out, out, progress
    ).artifact()


def chosen_layers(model: Model, layers: tuple[int, ...] | None) -> tuple[int, ...]:
    """Layers counted from 0, each once; the middle one where none is named."""
    if layers is None:
        return (model.n_layers // 2,)
    return tuple(each_once(layers, model.n_layers, "layer"))
