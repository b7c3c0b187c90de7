"""What is kept while values go by, some at a time, is what looking at all of them at once says."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from innerworks.decode.vocabulary.units.highest import Highest
from innerworks.decode.vocabulary.units.sampled import Sample
from innerworks.decode.vocabulary.units.spread import BINS, Spread
from innerworks.decode.vocabulary.units.windows import context_keys
from innerworks.errors import NonFiniteError

UNITS, ROWS, WIDTH, TOP, WINDOW, SKIP = 5, 40, 7, 6, 2, 1


def rows_with_ties(seed):
    """Contexts of few tokens that often read the same, and whole numbers that are often equal."""
    random = np.random.default_rng(seed)
    ids = random.integers(0, 3, (ROWS, WIDTH))
    values = random.integers(-4, 5, (UNITS, ROWS, WIDTH)).astype(np.float32)
    return torch.from_numpy(ids), torch.from_numpy(values)


def by_hand(values, ids):
    best = {}
    for row in range(ROWS):
        position = SKIP + int(values[row, SKIP:].argmax())
        key = tuple([-1] * max(0, WINDOW - position)) + tuple(
            ids[row, max(0, position - WINDOW) : position + 1].tolist()
        )
        found = (float(values[row, position]), row, position)
        if key not in best or found[0] > best[key][0]:
            best[key] = found
    return sorted(best.values(), key=lambda one: (-one[0], one[1]))[:TOP]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("size", [1, 3, 40])
def test_the_highest_are_the_highest_whatever_the_batches(seed, size):
    ids, values = rows_with_ties(seed)
    kept = Highest.none(UNITS, TOP, WINDOW, values)
    for first in range(0, ROWS, size):
        chosen = slice(first, first + size)
        kept = kept.after(values[:, chosen], context_keys(ids[chosen], WINDOW), first, SKIP)
    for unit in range(UNITS):
        expected = by_hand(values[unit], ids)
        found = zip(kept.values[unit].tolist(), kept.rows[unit].tolist(), kept.positions[unit].tolist(), strict=True)
        assert [one for one in found if one[1] >= 0] == expected
        for rank, (_, row, position) in enumerate(expected):
            around = [position + offset for offset in range(-WINDOW, WINDOW + 1)]
            window = [float(values[unit, row, at]) if 0 <= at < WIDTH else np.nan for at in around]
            assert np.array_equal(kept.windows[unit, rank].numpy(), window, equal_nan=True)


def test_keys_are_equal_just_where_the_same_is_read():
    random = np.random.default_rng(0)
    ids = torch.from_numpy(random.integers(0, 3, (60, 6)))
    for window in (0, 1, 3, 9):
        keys = context_keys(ids, window).flatten().tolist()
        read = []
        for row in range(60):
            for at in range(6):
                start = at - window
                read.append((min(start, 0), tuple(ids[row, max(0, start) : at + 1].tolist())))
        pairs = dict.fromkeys(zip(keys, read, strict=True))
        assert len(pairs) == len(set(keys)) == len(set(read)), window


@pytest.mark.parametrize("seed", range(4))
def test_a_histogram_does_not_depend_on_the_order(seed):
    random = np.random.default_rng(seed)
    values = random.normal(size=(3, 200)) * 10.0 ** random.integers(-6, 7, (3, 200))
    values[0] = np.ldexp(1.0, random.integers(-8, 9, 200)) * random.choice([-1, 1], 200)  # all on edges
    values[1, ::3] = 0
    found = []
    for order in (np.arange(200), random.permutation(200)):
        spread = Spread.none(3, torch.zeros(1, dtype=torch.float64))
        for part in np.array_split(order, 17):
            spread = spread.after(torch.from_numpy(values[:, part]), 0.5)
        found.append(spread)
    assert torch.equal(found[0].counts, found[1].counts) and torch.equal(found[0].exponent, found[1].exponent)
    for unit in range(3):
        width = 2.0 ** int(found[0].exponent[unit])
        edges = np.arange(-BINS // 2, BINS // 2 + 1) * width
        expected = [((values[unit] >= a) & (values[unit] < b)).sum() for a, b in pairwise(edges)]
        assert found[0].counts[unit].tolist() == expected and sum(expected) == 200
        assert np.abs(values[unit]).max() >= 32 * width, "no wider than needed"
    assert found[0].active.tolist() == (values > 0.5).sum(1).tolist()
    np.testing.assert_allclose(found[1].total.numpy(), values.sum(1))


def test_zeros_alone_are_in_the_bin_of_zero():
    spread = Spread.none(1, torch.zeros(1)).after(torch.zeros(1, 9), 0.0).after(torch.ones(1, 1), 0.0)
    assert spread.counts[0, BINS // 2] == 9 and spread.counts.sum() == 10


def test_an_infinite_activation_is_an_error():
    with pytest.raises(NonFiniteError, match="an activation is infinite"):
        Spread.none(1, torch.zeros(1)).after(torch.tensor([[1.0, -torch.inf]]), 0.0)


def test_equal_activations_are_drawn_from_all_over_the_sample():
    values = torch.zeros(1, 30, 20)
    sample = Sample.none(1, 30, 20, 600, 0, torch.zeros(1)).after(values, 0)
    keys = torch.arange(600).reshape(30, 20)
    drawn = sample.drawn(0, (0.5,), 8, keys, 1)
    assert len(set(drawn.rows[0].tolist())) > 5 and drawn.positions.min() >= 1
    same = sample.drawn(0, (0.5,), 8, torch.zeros_like(keys), 1)
    assert same.rows[0].tolist()[1:] == [-1] * 7, "all of them read the same"
