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

CONTEXT, AT_ONCE, TOKENS, UNITS = 256, 2048, 8192, 300
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
    """Maximally activating inputs of neurons in all layers, and of as many in the first third of them."""
    smollm = iw.load("smollm2-135m-instruct-q4")
    models = {name: iw.load(make(), tokenizer=smollm.tokenizer) for name, make in SHAPES.items()}
    corpus = iw.Corpus.of(_text(), context=CONTEXT, limit=TOKENS)
    for name, model in {"SmolLM2": smollm, **models}.items():
        plain = _plain(model, corpus)
        for where, layers in (("in all layers", model.n_layers), ("in the first third", model.n_layers // 3)):
            call = partial(iw.maximally_activating, model, corpus, _neurons(model, layers), at_once=AT_ONCE)
            found = ratio(partial(call, progress=False), plain, pairs=pairs, seconds=SPARING)
            what = f"maximally activating inputs of {UNITS} neurons {where}, {TOKENS} tokens"
            yield shown(what, f"{name}, {AT_ONCE // CONTEXT}x{CONTEXT} at once", found, "<= 1.15")


def measure(pairs: int) -> Iterator[Row]:
    """All of it, a row at a time."""
    yield from highest(max(3, pairs // 3))
