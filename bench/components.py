"""What the techniques of component importance cost, as multiples of a plain forward (or forward and backward)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import innerworks as iw
from bench.engine import Row, plain_forward, shown
from bench.shapes import SHAPES
from bench.timing import ratio
from innerworks import at

LENGTH, EXAMPLES = 16, 32
METRIC = iw.logit_diff(5, 7)
SPARING = 60.0
"""Seconds after which three pairs are enough: a sweep over a task takes many."""


def _pairs(model: Any, count: int) -> list[Any]:
    """Pairs of random prompts that differ in two tokens."""
    import torch

    generator = torch.Generator().manual_seed(5)
    clean = torch.randint(0, 40000, (count, LENGTH), generator=generator)
    corrupt = clean.clone()
    corrupt[:, [2, 9]] = torch.randint(0, 40000, (count, 2), generator=generator)
    return [
        iw.Pair(model.prompt(one.tolist()), model.prompt(two.tolist())) for one, two in zip(clean, corrupt, strict=True)
    ]


def _forward_and_backward(model: Any, batch: Any) -> Callable[[], object]:
    """The user's own forward and the backward to the embeddings, weights frozen."""
    import torch

    from innerworks.model.engine.gradients import frozen

    def call() -> object:
        with frozen(model.module), torch.enable_grad():
            embedded = model.anatomy.embedding(batch.ids).detach().requires_grad_()
            logits = model.module(
                inputs_embeds=embedded, attention_mask=batch.mask, position_ids=batch.positions, use_cache=False
            ).logits
            return torch.autograd.grad(logits[:, -1, 5].sum(), embedded)

    return call


def direct_effects(pairs: int) -> Iterator[Row]:
    """All components, heads, neurons and source tokens, of one prompt and of a task's at once."""
    for name, make in SHAPES.items():
        model = iw.load(make())
        for count in (1, EXAMPLES):
            prompts = [pair.clean for pair in _pairs(model, count)]
            plain = plain_forward(model, model.batch(prompts))
            calls = {
                "direct effects: components, heads, neurons": {"sources": False},
                "direct effects: the same and source tokens": {},
            }
            for what, options in calls.items():
                call = partial(iw.direct_logit_attribution, model, prompts, target=5, foil=7, **options)
                found = ratio(call, plain, pairs=pairs, seconds=SPARING)
                yield shown(what, f"{name}, {count}x{LENGTH}", found, "<= 1.5")


def sweeps(pairs: int) -> Iterator[Row]:
    """The standard sweeps over a task, per patch of all its prompts."""
    for name, make in SHAPES.items():
        model = iw.load(make())
        given = _pairs(model, EXAMPLES)
        plain = plain_forward(model, model.batch([pair.clean for pair in given]))
        layers, heads = model.n_layers, model.n_heads
        kinds = {
            "resid_post": layers * LENGTH,
            "attn_out": layers * LENGTH,
            "mlp_out": layers * LENGTH,
            "z": layers * heads,
        }
        for kind, places in kinds.items():
            site = getattr(at, kind)[:]
            call = partial(iw.activation_patching, model, given, site, metric=METRIC, progress=False)
            found = ratio(call, plain, pairs=2, divide=places, warm=False)
            what = f"activation patching of {kind}, {places} places, per place"
            yield shown(what, f"{name}, {EXAMPLES}x{LENGTH}", found, "<= 0.22")


def approximations(pairs: int) -> Iterator[Row]:
    """Attribution patching of all heads and neurons, in forwards with backwards."""
    for name, make in SHAPES.items():
        model = iw.load(make())
        given = _pairs(model, EXAMPLES)
        plain = _forward_and_backward(model, model.batch([pair.clean for pair in given]))
        calls = {
            ("attribution patching of heads and neurons", "<= 4"): ([at.z[:], at.neurons[:]], {}),
            ("AtP* of queries, keys, values and heads", "<= 12"): (
                [at.q[:], at.k[:], at.v[:], at.z[:]],
                {"method": "star"},
            ),
        }
        for (what, goal), (sites, options) in calls.items():
            call = partial(
                iw.attribution_patching, model, given, sites, metric=METRIC, exact=0, progress=False, **options
            )
            found = ratio(call, plain, pairs=pairs, seconds=SPARING)
            yield shown(what, f"{name}, {EXAMPLES}x{LENGTH}, in forward + backward", found, goal)


def paths_and_traces(pairs: int) -> Iterator[Row]:
    """All heads into the logits; a causal trace."""
    for name, make in SHAPES.items():
        model = iw.load(make())
        [pair] = _pairs(model, 1)
        plain = plain_forward(model, model.batch([pair.clean]))
        call = partial(iw.path_patching, model, pair, metric=METRIC, progress=False)
        found = ratio(call, plain, pairs=pairs, seconds=SPARING)
        yield shown(
            f"path patching of {model.n_layers * model.n_heads} heads into the logits",
            f"{name}, 1x{LENGTH}",
            found,
            "-",
        )
        places = model.n_layers * (LENGTH - 3)
        call = partial(iw.causal_tracing, model, pair.clean, subject=[3, 4], samples=4, metric=METRIC, progress=False)
        found = ratio(call, plain, pairs=3, divide=places * 4, seconds=SPARING)
        what = f"causal tracing, {places} places x 4 draws, per place and draw"
        yield shown(what, f"{name}, 1x{LENGTH}", found, "<= 0.22")


def measure(pairs: int) -> Iterator[Row]:
    """All of it, a row at a time."""
    few = max(5, pairs // 2)
    yield from direct_effects(few)
    yield from approximations(few)
    yield from paths_and_traces(few)
    yield from sweeps(few)
