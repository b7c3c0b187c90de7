"""Patterns shown some queries at a time are the whole ones, and only as much of them exists as was to be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from families import NO_SDPA, module_of
from opened_models import at, model_of, plain, prompt, spread

from innerworks.errors import PromptError
from innerworks.model import edits as edit
from innerworks.model import metrics, reduce
from innerworks.model.sites import Edge
from innerworks.model.taps import pieces

FAMILIES = ("llama", "gpt2", "gpt_neox", "mistral", "qwen3", "olmo2", "gemma3_text", "mixtral", "cohere2", "phi3")
ROWS = [[5, 17, 33, 60, 8, 21, 9, 44, 71, 30, 31], [12, 3, 66, 20, 31, 7]]
PROMPTS = {"alone": (prompt(1, 11), "right"), "right": (ROWS, "right"), "left": (ROWS, "left")}
REDUCED = {
    at.pattern[:]: reduce.attention_to(0),
    at.pattern[0]: reduce.attention_to(-1),
    at.scores[1] @ (slice(1, 5), [0]): reduce.mean(3),
    at.pattern[1]: reduce.mean(2),
    at.pattern[2, 1]: reduce.mean(0, 1),
    at.pattern[2, [3, 0]]: reduce.mean(),
    at.pattern[2]: reduce.mean(0, 3),
    at.pattern[1, 2]: reduce.norm,
    at.pattern[1, [1, 2]]: reduce.top(3),
    at.pattern[0, 3] @ (None, 1): None,
    at.pattern[0, 3] @ (-1, None): None,
    at.pattern[0] @ ([4, 2], None): None,
    at.scores[0] @ (slice(1, 6), 1): reduce.norm,
    at.pattern[2, 0]: None,
    at.scores[2, 0] @ ([1, 2, 3, 4, 5], [0, 1]): None,
}


@pytest.fixture
def in_pieces(monkeypatch):
    """Pieces of a few queries, and the sizes of what the softmaxes that were watched were given."""
    sizes = []
    monkeypatch.setattr(pieces, "LARGE", 2 * 4 * 11 * 4 * 2)  # two queries of two rows, four heads and eleven keys
    original = pieces.Pieces.show

    def show(self, piece, place, raw):
        sizes.append(raw.shape[2])
        return original(self, piece, place, raw)

    monkeypatch.setattr(pieces.Pieces, "show", show)
    return sizes


@pytest.mark.each_family
@pytest.mark.parametrize("given", PROMPTS)
@pytest.mark.parametrize("family", FAMILIES)
def test_pieces_make_the_whole(family, given, in_pieces):
    assert family not in NO_SDPA
    model = model_of(family, "sdpa", torch.float64)
    rows, padding = PROMPTS[given]
    wanted = REDUCED
    if given != "alone":  # means over padding mean nothing
        wanted = {site: how for site, how in REDUCED.items() if not isinstance(how, reduce.mean)}
    for site, how in wanted.items():
        in_pieces.clear()
        found = model.run(rows, capture={site: how}, padding=padding, nan="allow")  # in float64 padding may be NaN
        named = isinstance(site.pos, Edge) and site.pos.query is not None  # these are shown at once, and nothing else
        assert in_pieces and max(in_pieces) <= (10 if named and given == "left" else 4), site
        assert torch.equal(found.logits, plain(model, model.batch(rows, padding=padding)))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pieces, "LARGE", 1 << 60)
            expected = model.run(rows, capture={site: how}, padding=padding, nan="allow")
        for one, other in zip(_tensors(found[site]), _tensors(expected[site]), strict=True):
            assert one.shape == other.shape, site
            keep = _real(model, rows, padding, site, one)
            # All is in float64 but the softmax, which models take in float32.
            assert (one - other)[keep].abs().max() <= 2**-23 * max(1.0, float(other[keep].abs().max())), site


def _tensors(found):
    if isinstance(found, list):
        return [tensor for one in found for tensor in _tensors(one)]
    return list(found) if isinstance(found, tuple) else [found]


def _real(model, rows, padding, site, values):
    """Which entries are of tokens: of the shorter row of a padded batch those whose query can be told, and is one."""
    batch = model.batch(rows, padding=padding)
    if not batch.padded:
        return torch.ones_like(values, dtype=torch.bool)
    if site.pos is not None or values.shape[-2:] == (batch.width, batch.width) or values.shape[-1] != batch.width:
        # Queries are not last: the longer row alone.
        return torch.tensor([True, False]).reshape(2, *[1] * (values.dim() - 1)).expand(values.shape)
    mask = batch.mask.bool()
    return (mask if isinstance(site.unit, int) else mask[:, None]).expand(values.shape)


def test_everything_at_once_in_pieces_stops_early_and_in_float32(in_pieces):
    model = model_of("llama", "sdpa")
    early = dict(list(REDUCED.items())[1:])  # one answer of a site and layer
    run = model.run(prompt(1, 11), capture=early, logits=None)
    assert in_pieces and not run.has_logits
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "LARGE", 1 << 60)
        whole = model.run(prompt(1, 11), capture=early)
    for site in early:
        for one, other in zip(_tensors(run[site]), _tensors(whole[site]), strict=True):
            assert (one - other).abs().max() <= 4e-6 * max(1.0, spread(other)), site


@pytest.mark.parametrize(
    "needs_whole",
    [
        {"capture": {at.pattern[1]: lambda pattern: pattern.amax()}},
        {"capture": [at.pattern[1]]},
        {"capture": {at.pattern[1]: reduce.attention_to(0)}, "edits": [edit.scale(at.pattern[1, 2], 0.5)]},
        {"capture": {at.pattern[1]: reduce.attention_to(0)}, "grad": True},
    ],
    ids=["a plain function", "a whole capture", "an edit of the pattern", "a graph"],
)
def test_what_needs_the_whole_pattern_gets_it(needs_whole, in_pieces):
    model = model_of("llama", "sdpa")
    run = model.run(prompt(1, 11), **needs_whole)
    assert in_pieces == [] and len(run) == 1


def test_edits_before_the_softmax_are_seen_in_pieces(in_pieces):
    model = model_of("llama", "sdpa", torch.float64)
    edits = [edit.scale(at.q_rot[1, 2], 1.5), edit.add(at.resid_pre[1] @ 3, torch.ones(model.d_model))]
    found = model.run(prompt(1, 11), capture={at.pattern[1]: reduce.attention_to(0)}, edits=edits)
    assert in_pieces
    model_whole = model.run(prompt(1, 11), capture=[at.pattern[1] @ (None, 0)], edits=edits)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "LARGE", 1 << 60)
        whole = model.run(prompt(1, 11), capture=[at.pattern[1]], edits=edits)
    assert (found[at.pattern[1]] - whole[at.pattern[1]][..., 0]).abs().max() <= 2**-23
    assert (model_whole[at.pattern[1] @ (None, 0)] - whole[at.pattern[1]][..., 0]).abs().max() <= 2**-23
    assert torch.equal(found.logits, whole.logits)


def test_a_reducer_of_ones_own_may_take_pieces(in_pieces):
    class Entropy:
        def __call__(self, pattern):
            return -(pattern * pattern.clamp(min=1e-30).log()).sum(-1)

        def joined(self, parts, dim):
            return torch.cat(parts, dim)

    model = model_of("gpt2", "sdpa", torch.float64)
    run = model.run(prompt(1, 11), capture={at.pattern[:]: Entropy()})
    assert max(in_pieces) <= 4
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "LARGE", 1 << 60)
        whole = model.run(prompt(1, 11), capture=[at.pattern[:]])[at.pattern[:]]
    assert (run[at.pattern[:]] - Entropy()(whole)).abs().max() <= 2**-23


def test_a_prompt_longer_than_the_context_is_refused_everywhere():
    model = model_of("llama", "sdpa")
    limit = module_of("llama", "sdpa").config.max_position_embeddings
    long = [3] * (limit + 1)
    for ask in (
        lambda: model.run(long),
        lambda: model.gradients(long, metrics.logit(5), [at.embed]),
        lambda: model.sweep(long, {}, metrics.logit(5)),
        lambda: model.generate(long),
    ):
        with pytest.raises(PromptError, match=rf"{limit + 1} tokens.*{limit}"):
            ask()


@pytest.mark.slow
def test_eight_thousand_tokens_in_bounded_memory():
    """A pattern of this layer would take 2.1 GB; all that looking adds stays within a few pieces of 64 MiB."""
    script = Path(__file__).with_name("long_prompt_memory.py")
    here = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    told = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True, env=here).stdout
    plain_peak, looking_peak = (int(line) for line in told.split())
    assert looking_peak - plain_peak < 6 * (64 << 20), (plain_peak, looking_peak)
