"""Fitting a vocabulary lens: a map from one state straight into words, of the next token or of later ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from innerworks.data.corpus import Contexts, Corpus
from innerworks.decode.vocabulary.translators.descent import Optimiser, recipe
from innerworks.decode.vocabulary.translators.fitting import Fit, tokens_ahead
from innerworks.decode.vocabulary.translators.learned_prompt import chosen_layers
from innerworks.decode.vocabulary.translators.training import Reading
from innerworks.decode.vocabulary.translators.vocabulary_maps import VOCABULARY_LENS
from innerworks.decode.vocabulary.translators.vocabulary_training import VocabularyTraining
from innerworks.errors import InnerworksError
from innerworks.model.engine.progress import Progress
from innerworks.model.model import Model
from innerworks.model.sites import at
from innerworks.registry import Cost, technique
from innerworks.results import Artifact

__all__ = ["fit_vocabulary_lens"]


@technique(
    title="Fitting a vocabulary lens",
    section="4.3.1",
    question="What do a state's directions say of the next token, or of later ones, by a linear map into words?",
    references=("Pal 2023, arXiv:2311.04897", "Primer 4.3.1"),
    cost=Cost(forwards="one of each step's tokens, with two unembeddings for every layer"),
)
def fit_vocabulary_lens(
    model: Model,
    corpus: Corpus,
    *,
    layers: Annotated[tuple[int, ...] | None, "behind which blocks it reads; the middle one by default"] = None,
    ahead: Annotated[int, "how many tokens further on the predictions are that it leads to; 0: the next token's"] = 0,
    rank: Annotated[int | None, "through how many directions of the state; all by default"] = None,
    steps: Annotated[int, "how many steps of gradient descent; 0 for least squares alone"] = 100,
    contexts: Annotated[int, "how many contexts each step reads"] = 8,
    positions: Annotated[int | None, "at how many positions of each, drawn anew; all by default"] = None,
    optimiser: Annotated[Optimiser, "adam, or sgd with Nesterov's momentum"] = "adam",
    rate: Annotated[float | None, "of the first step, falling to 0; by default 1e-4 for adam, 0.1 for sgd"] = None,
    held_out: Annotated[float, "which share of the text is kept to test the lens on"] = 0.1,
    seed: Annotated[int, "what tokens are drawn by"] = 0,
    out: Annotated[Path | None, "the folder of the lens; an unfinished fit is kept beside it and gone on with"] = None,
    progress: Progress = None,
) -> Artifact:
    """Maps from a state straight into words: logits of token t+1+n = C (A h[l, t] + a) + c, past the model's own head.

    A [r x d] are coordinates of the state, C [|V| x r] and c one row for each word. They begin with least squares from
    the states to the model's own logits n tokens further on: since these are linear in the normed last state, the map
    between states and the unembedding give it in closed form, and of rank r the best there is (in logits). C and c are
    then improved on KL(final ‖ lens), which is convex in them; A stays. Pal 2023, their direct vocabulary prediction.

    A layer takes |V| x r numbers, and four times that while it is fitted: 113 MB and 450 MB in a model of 49,152 words
    and width 576 at full rank. `iw.logit_lens` and `iw.lens_quality` read through it with `lens=`.

    What misleads: it has a row of its own for every word, so that it learns what words are usual in the text it is
    fitted on, and on little text little else. A rare word's row has seen the word rarely.
    """
    chosen = chosen_layers(model, layers)
    width = tokens_ahead(ahead, corpus.context)
    full = min(model.d_model, model.n_vocab)
    if rank is not None and not 1 <= rank <= full:
        raise InnerworksError(f"rank={rank}: through 1 to {full} directions of a state of {model.d_model} numbers.")
    used = full if rank is None else rank
    reading = Reading(tuple(at.resid_post[layer] for layer in chosen), model.n_layers, ahead, adds=False)
    how = recipe(steps, contexts, positions, optimiser, rate, seed, width)

    def begin(text: Contexts, restored: bool) -> VocabularyTraining:
        return VocabularyTraining(model, text, reading, how, used, restored=restored)

    said = {**reading.said, "rank": used}
    return Fit(
        "fit_vocabulary_lens", VOCABULARY_LENS, model, corpus, said, vars(how), begin, held_out, out, progress
    ).artifact()
