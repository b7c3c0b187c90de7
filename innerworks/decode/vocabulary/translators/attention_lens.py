"""Fitting an attention lens: a map from what attention gives, in a layer or a head, to the last state."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from innerworks.data.corpus import Contexts, Corpus
from innerworks.decode.vocabulary.translators.descent import Optimiser, recipe
from innerworks.decode.vocabulary.translators.fitting import Fit
from innerworks.decode.vocabulary.translators.training import Reading, Training
from innerworks.model.engine.progress import Progress
from innerworks.model.model import Model
from innerworks.model.sites import Site, at, each_once
from innerworks.registry import Cost, technique
from innerworks.results import Artifact

__all__ = ["fit_attention_lens"]


@technique(
    title="Fitting an attention lens",
    section="4.3.1",
    question="What of the prediction can be read from what one layer's attention, or one head, gives?",
    references=("Sakarvadia 2023, arXiv:2310.16270", "Primer 4.3.1"),
    cost=Cost(forwards="one of each step's tokens, with two unembeddings for every layer or head"),
)
def fit_attention_lens(
    model: Model,
    corpus: Corpus,
    *,
    of: Annotated[Literal["layers", "heads"], "all heads of a layer together, or each by itself"] = "layers",
    layers: Annotated[tuple[int, ...] | None, "which layers; all that have attention by default"] = None,
    steps: Annotated[int, "how many steps of gradient descent; 0 for least squares alone"] = 250,
    contexts: Annotated[int, "how many contexts each step reads"] = 8,
    positions: Annotated[int | None, "at how many positions of each, drawn anew; all by default"] = None,
    optimiser: Annotated[Optimiser, "adam, or sgd with Nesterov's momentum"] = "adam",
    rate: Annotated[float | None, "of the first step, falling to 0; by default 1e-4 for adam, 0.1 for sgd"] = None,
    held_out: Annotated[float, "which share of the text is kept to test the lens on"] = 0.1,
    seed: Annotated[int, "what tokens are drawn by"] = 0,
    out: Annotated[Path | None, "the folder of the lens; an unfinished fit is kept beside it and gone on with"] = None,
    progress: Progress = None,
) -> Artifact:
    """Maps that read the prediction from what attention alone gives: logits = W_U norm(W a + b).

    a is what a layer's attention writes, or what one head mixes (`of="heads"`). W and b begin with least squares
    towards the last state and are then improved on KL(final ‖ lens), as a tuned lens' are. Unlike there the state
    itself is not added: what is read must be in a. Sakarvadia 2023, who fit a map of each layer's attention straight
    into the vocabulary; here it goes through the model's own norm and unembedding, d x d numbers and not d x |V|.

    What misleads: b alone says what usually comes, and W a what goes with it in this text. That an answer can be read
    from attention does not say that the model reads it there.
    """
    kind = "z" if of == "heads" else "attn_out"
    chosen = model.layers_with(kind) if layers is None else each_once(layers, model.n_layers, "layer")
    if not chosen:
        model.anatomy.check(getattr(at, kind)[0])
    for layer in chosen:
        model.anatomy.check_layer(kind, layer)
    sites: list[Site] = [at.attn_out[layer] for layer in chosen]
    if of == "heads":
        sites = [replace(at.z[layer], unit=head) for layer in chosen for head in range(model.n_heads)]
    reading = Reading(tuple(sites), model.n_layers, 0, adds=False)
    how = recipe(steps, contexts, positions, optimiser, rate, seed, corpus.context)

    def begin(text: Contexts, restored: bool) -> Training:
        return Training.begun(model, text, reading, how, "least_squares", restored=restored)

    question = {"start": "least_squares", **vars(how)}
    return Fit(
        "fit_attention_lens", "attention-lens", model, corpus, reading.said, question, begin, held_out, out, progress
    ).artifact()
