"""What looking at weights costs: copying scores of all heads, and predictions with matrices cut to a low rank."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import innerworks as iw
from bench.engine import Row, plain_forward, shown
from bench.field.environments import ROOT, python_of
from bench.timing import milliseconds, ratio

TOKENS, LAYERS, SHARES = 14, (10, 20, 29), (0.05, 0.3)


def by_hand(model: Any, layer: int) -> Callable[[], object]:
    """Copying scores of a layer's heads, each for itself, through d_head x d_head and never V x V."""
    import torch

    embed, unembed = model.weights.embed, model.weights.unembed

    def call() -> object:
        found = []
        with torch.no_grad():
            for head in range(model.n_heads):
                read, written = embed @ model.weights.v(layer, head), model.weights.o(layer, head) @ unembed
                eigenvalues = torch.linalg.eigvals(written @ read)
                found.append(eigenvalues.real.sum() / eigenvalues.abs().sum())
        return found

    return call


def _of_transformer_lens(heads: int) -> str:
    """Seconds for so many heads by its FactoredMatrix, in its own environment and with as many threads."""
    import torch

    python = python_of("transformer_lens")
    if not python.exists():
        return "not installed: make bench-field makes its environment"
    command = [str(python), "-m", "bench.peers.copying_scores"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(torch.get_num_threads())}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    seconds, measured = map(float, done.stdout.split()[-2:])
    return f"{seconds / measured * heads:.1f} s, from {measured:.0f} of the heads"


def weights(pairs: int) -> Iterator[Row]:
    """Copying scores beside a forward, beside doing it by hand and beside TransformerLens; the low-rank sweep."""
    model = iw.load("smollm2-135m-instruct-q4")
    heads = model.n_layers * model.n_heads
    ids = list(range(100, 100 + TOKENS))
    scores, plain = partial(iw.copying_scores, model), plain_forward(model, model.batch([ids]))
    what = f"copying scores of {heads} heads"
    yield shown(f"{what}, against a forward", f"SmolLM2, 1x{TOKENS}", ratio(scores, plain, pairs=pairs), "-")
    yield (what, "SmolLM2", f"{milliseconds(scores, 3) / 1e3:.2f} s", "-")
    found = ratio(scores, by_hand(model, 10), pairs=3, divide=model.n_layers)
    yield shown(f"{what}, against the same head by head through d_head x d_head", "SmolLM2", found, "< 1")
    yield (f"{what}: TransformerLens' FactoredMatrix", "SmolLM2's shape", _of_transformer_lens(heads), "-")
    cuts = len(LAYERS) * len(SHARES) * 7
    call = partial(iw.low_rank_truncation, model, ids, layers=LAYERS, shares=SHARES, progress=False)
    found = ratio(call, plain, pairs=3, divide=cuts)
    what = f"low-rank truncation of all matrices of {len(LAYERS)} layers, {cuts} cuts, per cut"
    yield shown(what, f"SmolLM2, 1x{TOKENS}", found, "-")
