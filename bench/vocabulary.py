"""What decoding in vocabulary space costs, as multiples of plain forwards over the same tokens."""

from __future__ import annotations

import sysconfig
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import innerworks as iw
from bench.engine import Row, plain_forward, shown
from bench.shapes import SHAPES
from bench.timing import ratio
from innerworks import at

CONTEXT, AT_ONCE, TOKENS, UNITS = 256, 2048, 4096, 300
SPARING = 60.0


def _text() -> list[str]:
    """Python's own source, which every machine has."""
    files = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))
    return [path.read_text(encoding="utf-8") for path in files[:40]]


def _plain(model: Any, corpus: iw.Corpus) -> Callable[[], object]:
    """The user's own forwards over the same tokens, as many at once."""
    contexts = corpus.contexts(model)
    calls = [plain_forward(model, model.batch(contexts.tensor(rows))) for rows in contexts.batches(AT_ONCE)]

    def call() -> object:
        for one in calls:
            one()
        return None

    return call


def _neurons(model: Any, layers: int) -> Any:
    """As many neurons of each of the first layers as make up all units."""
    return at.neurons[:layers, : UNITS // layers]


def highest(pairs: int) -> Iterator[Row]:
    """Maximally activating inputs of neurons in all layers; in SmolLM2 also of as many in the first third of them."""
    smollm = iw.load("smollm2-135m-instruct-q4")
    asked = [("SmolLM2", smollm, 1), ("SmolLM2", smollm, 3)]
    asked += [(name, iw.load(make(), tokenizer=smollm.tokenizer), 1) for name, make in SHAPES.items()]
    corpus = iw.Corpus.of(_text(), context=CONTEXT, limit=TOKENS)
    for name, model, part in asked:
        units = _neurons(model, model.n_layers // part)
        call = partial(iw.maximally_activating, model, corpus, units, at_once=AT_ONCE, progress=False)
        found = ratio(call, _plain(model, corpus), pairs=pairs, seconds=SPARING)
        where = "in all layers" if part == 1 else "in the first third of the layers"
        what = f"maximally activating inputs of {UNITS} neurons {where}, {TOKENS} tokens"
        yield shown(what, f"{name}, {AT_ONCE // CONTEXT}x{CONTEXT} at once", found, "<= 1.15")


def _with_unembeddings(model: Any, ids: Any, times: int) -> Callable[[], object]:
    """The user's own forward, and every layer's stream through its norm and unembedding so many times."""
    import torch

    def call() -> object:
        with torch.no_grad():
            found = model.module(ids, use_cache=False, output_hidden_states=True, logits_to_keep=1)
            for state in found.hidden_states[: model.n_layers]:
                for _ in range(times):
                    model.module.lm_head(model.module.model.norm(state))
        return None

    return call


def lenses(pairs: int) -> Iterator[Row]:
    """The logit lens on a long prompt and at one position; a step of fitting a tuned lens; copying scores."""
    import torch

    from innerworks.decode.vocabulary.translators.descent import Recipe
    from innerworks.decode.vocabulary.translators.text_states import stream_sites
    from innerworks.decode.vocabulary.translators.training import Reading, Training

    model = iw.load("smollm2-135m-instruct-q4")
    contexts = iw.Corpus.of(_text(), context=512, limit=8192).contexts(model)
    long, short = contexts.tensor([0]), contexts.tensor([0])[:, :14]
    sites = at.resid_post[:]
    plain = _with_unembeddings(model, long, 1)
    found = ratio(partial(iw.logit_lens, model, long, sites), plain, pairs=pairs, seconds=SPARING)
    yield shown("logit lens, everything, against the forward + 30 unembeddings", "SmolLM2, 1x512", found, "<= 1.15")
    call = partial(iw.logit_lens, model, long, sites, target=5, top=0, spread=False)
    found = ratio(call, plain, pairs=pairs, seconds=SPARING)
    yield shown("logit lens, a target alone, against the same", "SmolLM2, 1x512", found, "< the row above")
    call, plain = partial(iw.logit_lens, model, short, sites @ -1), plain_forward(model, model.batch(short))
    found = ratio(call, plain, pairs=pairs)
    yield shown("logit lens at the last position, against the forward", "SmolLM2, 1x14", found, "<= 1.2")
    reading = Reading(tuple(stream_sites(range(model.n_layers))), model.n_layers, 0, adds=True)
    weight = torch.zeros(model.n_layers, model.d_model, model.d_model)
    recipe = Recipe(1000, 1, 512, "adam", 1e-4, 1e-3, 0)
    training = Training(model, contexts, reading, recipe, weight, weight.new_zeros(weight.shape[:2]))
    found = ratio(training.advance, _with_unembeddings(model, long, 2), pairs=pairs, seconds=SPARING)
    what = "a step of a tuned lens, against the forward + 60 unembeddings"
    yield shown(what, "SmolLM2, 1x512", found, "-")
    found = ratio(partial(iw.copying_scores, model), plain, pairs=pairs)
    yield shown("copying scores of 270 heads, against a forward", "SmolLM2, 1x14", found, "-")


def measure(pairs: int) -> Iterator[Row]:
    """All of it, a row at a time."""
    yield from highest(max(3, pairs // 3))
    yield from lenses(max(3, pairs // 3))
