"""The table: every number a hand-built model promises, measured with plain Hugging Face calls."""

from __future__ import annotations

import functools
import math

import pytest
import torch
from handbuilt_measures import (
    compositions,
    copying_score,
    head_count,
    head_zeroed,
    losses,
    pattern_scores,
    run,
    target_logits,
)

from innerworks.lab import handbuilt

NAMES = ("gpt2", "llama", "gemma", "neox")
SEEDS = (0, 1, 2)
LENGTH = 25
# Attention outside the match is below 1e-8, which leaves the rounding of the softmax.
PATTERN_TOLERANCE = 1e-6
# float32 resolves logits of 50 to 4e-6; llama and gemma do norms and softmax in float32 even in float64.
TOLERANCE = {
    ("gpt2", torch.float64): 1e-6,
    ("neox", torch.float64): 1e-6,
    ("llama", torch.float64): 2e-5,
    ("gemma", torch.float64): 2e-5,
} | {(name, torch.float32): 1e-4 for name in NAMES}


@functools.cache
def build(name, dtype):
    return getattr(handbuilt, name)(dtype=dtype)


@pytest.fixture(params=[(n, d) for n in NAMES for d in (torch.float32, torch.float64)], ids=str)
def case(request):
    return build(*request.param), TOLERANCE[request.param]


@pytest.fixture(params=NAMES)
def built(request):
    return build(request.param, torch.float64)


@pytest.mark.parametrize("seed", SEEDS)
def test_pattern_scores(case, seed):
    built, _ = case
    attentions = run(built, built.sample(seed)).attentions
    assert set(built.expected.heads) == set(built.roles)
    assert len(built.roles) == 3 * head_count(built.model)
    for (layer, head), row in built.expected.heads.items():
        for name, score in pattern_scores(attentions[layer][0, head].double()).items():
            assert score == pytest.approx(getattr(row, name), abs=PATTERN_TOLERANCE), (layer, head, name)


def test_pattern_scores_are_the_ones_one_can_work_out_by_hand():
    rows = build("gpt2", torch.float32).expected.heads
    assert [rows[head].previous for head in sorted(rows)] == [1, 0.02, 0.02, 0.02, 0.02, 0]
    assert [rows[head].duplicate for head in sorted(rows)] == [0, 1, 0, 0, 0, 0]
    assert [rows[head].induction for head in sorted(rows)] == [0, 0, 1, 0, 0.96, 0]
    assert [rows[head].bos for head in sorted(rows)] == [0.02, 0.5, 0.5, 1, 0.5, 0]
    assert [round(rows[head].itself, 2) for head in sorted(rows)] == [0.02, 0.02, 0.02, 0.02, 0.02, 1]


def test_copying_scores(case):
    built, _ = case
    for (layer, head), row in built.expected.heads.items():
        score = copying_score(built.model, layer, head)
        if math.isnan(row.copying):
            assert math.isnan(score), (layer, head)
        else:
            assert score == pytest.approx(row.copying, abs=1e-6), (layer, head)


def test_copying_score_signs():
    rows = build("gpt2", torch.float32).expected.heads
    assert (rows[1, 0].copying, rows[2, 0].copying, rows[2, 1].copying) == (1, -1, 1)
    assert all(math.isnan(rows[head].copying) for head in ((0, 0), (0, 1), (1, 1)))


@pytest.mark.parametrize("seed", SEEDS)
def test_losses(case, seed):
    built, tolerance = case
    by_position = losses(built, built.sample(seed))
    assert by_position[:LENGTH].mean().item() == pytest.approx(built.expected.first_half_loss, abs=tolerance)
    assert by_position[LENGTH].item() == pytest.approx(built.expected.first_half_loss, abs=tolerance)
    second = by_position[LENGTH + 1 :].mean().item()
    assert second == pytest.approx(built.expected.second_half_loss, abs=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_zeroing_the_previous_token_head(case, seed):
    built, tolerance = case
    with head_zeroed(built.model, 0, 0):
        second = losses(built, built.sample(seed))[LENGTH + 1 :]
    assert second.mean().item() == pytest.approx(built.expected.ablated_loss, abs=tolerance)


@pytest.mark.parametrize("seed", SEEDS)
def test_target_logit_with_and_without_copy_suppression(case, seed):
    built, tolerance = case
    ids = built.sample(seed)
    with head_zeroed(built.model, 2, 0):
        without = target_logits(built, ids)
    expected = built.expected
    torch.testing.assert_close(
        target_logits(built, ids), torch.full_like(without, expected.target_logit), atol=tolerance, rtol=0
    )
    torch.testing.assert_close(
        without, torch.full_like(without, expected.target_logit_unsuppressed), atol=tolerance, rtol=0
    )


def test_the_figures_of_the_table_as_printed(built):
    expected = built.expected
    assert round(expected.first_half_loss, 1) == 13.2
    assert round(expected.second_half_loss, 4) == 0.0
    assert round(expected.ablated_loss, 1) == 19.1
    assert round(expected.target_logit, 1) == 29.1
    assert round(expected.target_logit_unsuppressed, 1) == 50.6
    assert round(expected.k_composition, 3) == 0.126


def test_only_two_pairs_of_heads_compose(built):
    scores = compositions(built.model)
    planted = {
        ("K", (0, 0), (1, 0)): built.expected.k_composition,
        ("Q", (1, 0), (2, 0)): built.expected.q_composition,
    }
    for pair, score in planted.items():
        assert scores.pop(pair) == pytest.approx(score, abs=1e-9)
    assert len(scores) >= 10
    assert set(scores.values()) == {0.0}


def test_heads_that_write_nothing_can_be_zeroed(built):
    ids = built.sample(3)
    before = run(built, ids).logits
    for (layer, head), role in built.roles.items():
        if role in ("duplicate token", "sink", "idle"):
            with head_zeroed(built.model, layer, head):
                assert torch.equal(run(built, ids).logits, before), role
