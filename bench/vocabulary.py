"""What decoding in vocabulary space costs, as multiples of plain forwards over the same tokens."""

from __future__ import annotations

import sysconfig
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import innerworks as iw
from bench.engine import Row, plain_forward, shown
from bench.lens_step import with_unembeddings
from bench.memory import peak
from bench.shapes import SHAPES
from bench.timing import ratio
from bench.weights import weights
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


def lenses(pairs: int) -> Iterator[Row]:
    """The logit lens on a long prompt and at one position."""
    model = iw.load("smollm2-135m-instruct-q4")
    contexts = iw.Corpus.of(_text(), context=512, limit=8192).contexts(model)
    long, short = contexts.tensor([0]), contexts.tensor([0])[:, :14]
    sites = at.resid_post[:]
    plain = with_unembeddings(model.module, long, 1)
    found = ratio(partial(iw.logit_lens, model, long, sites), plain, pairs=pairs, seconds=SPARING)
    yield shown("logit lens, everything, against the forward + 30 unembeddings", "SmolLM2, 1x512", found, "<= 1.15")
    call = partial(iw.logit_lens, model, long, sites, target=5, top=0, spread=False)
    found = ratio(call, plain, pairs=pairs, seconds=SPARING)
    yield shown("logit lens, a target alone, against the same", "SmolLM2, 1x512", found, "< the row above")
    load = 'model = iw.load("smollm2-135m-instruct-q4"); ids = torch.arange(1000, 1512)[None]'
    warm = f"{load}; iw.logit_lens(model, ids[:, :14], at.resid_post[:] @ -1)"
    above, _ = peak(warm, "iw.logit_lens(model, ids, at.resid_post[:])")
    what = "logit lens, everything, peak memory above the model's"
    yield (what, "SmolLM2, 1x512", f"{above / 2**20:.0f} MiB", "<= 300 MB")
    call, plain = partial(iw.logit_lens, model, short, sites @ -1), plain_forward(model, model.batch(short))
    found = ratio(call, plain, pairs=pairs)
    yield shown("logit lens at the last position, against the forward", "SmolLM2, 1x14", found, "<= 1.2")


def measure(pairs: int) -> Iterator[Row]:
    """All of it, a row at a time."""
    yield from highest(max(3, pairs // 3))
    yield from lenses(max(3, pairs // 3))
    yield from weights(max(3, pairs // 3))
