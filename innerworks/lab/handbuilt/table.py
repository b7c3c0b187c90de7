"""What a hand-built model must show, derived on paper from its gains and not measured on it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from innerworks.lab.handbuilt.stream import (
    PREDICTION,
    REFERENCE_EPSILON,
    REFERENCE_WIDTH,
    SELF_COPY,
    SQUARED_LENGTHS,
    SUPPRESSION,
    UNEMBEDDING,
    VOCABULARY,
)

LENGTH = 25

ROLES: Mapping[tuple[int, int], str] = MappingProxyType(
    {
        (0, 0): "previous token",
        (0, 1): "duplicate token",
        (1, 0): "induction",
        (1, 1): "sink",
        (2, 0): "copy suppression",
        (2, 1): "self copying",
    }
)
IDLE = "idle"


@dataclass(frozen=True)
class HeadScores:
    """One head's scores on ``<bos> r r``, with r of L = 25 distinct tokens; queries are counted from
    ``<bos>`` = 0.

    - ``previous``: mean attention from i to i-1, over i = 1 … 2L
    - ``duplicate``: mean attention from i to i-L, over the second half i = L+1 … 2L
    - ``induction``: mean attention from i to i-L+1, over the second half
    - ``bos``: mean attention from i to 0, over i = 1 … 2L
    - ``itself``: mean attention from i to i, over i = 0 … 2L (position 0 has nothing else to attend to)
    - ``copying``: Σ Re λ / Σ |λ| over the eigenvalues of W_E W_OV W_U; NaN where that product is zero
    """

    previous: float
    duplicate: float
    induction: float
    bos: float
    itself: float
    copying: float


@dataclass(frozen=True)
class Expected:
    """The numbers a hand-built model must give on ``sample(seed)`` for any seed, up to rounding.

    Losses are mean negative log-likelihoods in nats: the first half is the prediction of the first r, the
    second half that of the second r without its first token, which nothing foretells. ``ablated_loss`` is the
    loss on the second half with head 0.0's output set to zero. ``target_logit`` is the logit of the right
    next token there, and ``target_logit_unsuppressed`` the same with head 2.0's output set to zero.

    Compositions are ‖W_OV W_QKᵀ‖ / (‖W_OV‖ ‖W_QK‖) in Frobenius norms, for K (0.0 → 1.0) and, with W_QK, for
    Q (1.0 → 2.0: the suppressor looks for what induction predicts). All others of all pairs are exactly 0.
    """

    heads: Mapping[tuple[int, int], HeadScores]
    first_half_loss: float
    second_half_loss: float
    ablated_loss: float
    target_logit: float
    target_logit_unsuppressed: float
    k_composition: float
    q_composition: float


def expected(*, constant_width: int, idle: tuple[tuple[int, int], ...] = ()) -> Expected:
    """The table in closed form.

    ``constant_width`` is the number of coordinates that head 2.0 reads to have a query even where ``out`` is
    empty; ``idle`` names heads that a model has beside the six with a role.
    """
    embedded, with_previous, predicted = SQUARED_LENGTHS
    copied = _copied(predicted)
    copied_unpredicted = _copied(with_previous)
    # Head 2.0 reads the token it suppresses where the norm makes it count twice: 3 - 2 = 1 is left.
    left = PREDICTION - SUPPRESSION * copied_unpredicted / SELF_COPY
    length = with_previous + copied**2 + left**2
    target, own = _logit(left, length), _logit(copied, length)
    others = math.exp(own - target) + (VOCABULARY - 2) * math.exp(-target)
    return Expected(
        heads=_head_scores(idle),
        first_half_loss=_loss_of_self_copying(copied_unpredicted, with_previous),
        second_half_loss=math.log1p(others),
        ablated_loss=_loss_of_self_copying(_copied(embedded), embedded),
        target_logit=target,
        target_logit_unsuppressed=_logit(PREDICTION, predicted + copied**2),
        # W_QK has a 1 for each token's match, which the early head feeds, and a ½ for each way to <bos>.
        k_composition=1 / math.sqrt(VOCABULARY * 1.25),
        q_composition=1 / math.sqrt(VOCABULARY + constant_width / 4),
    )


def _divisor(squared_length: float) -> float:
    return math.sqrt(squared_length / REFERENCE_WIDTH + REFERENCE_EPSILON)


def _copied(squared_length: float) -> float:
    """What head 2.1 writes at a position whose vector has this squared length when layer 2 reads it."""
    return SELF_COPY * _divisor(SQUARED_LENGTHS[2]) / _divisor(squared_length)


def _logit(component: float, squared_length: float) -> float:
    return UNEMBEDDING * component / _divisor(squared_length)


def _loss_of_self_copying(copied: float, squared_length: float) -> float:
    """The loss where the model predicts the current token once more and the right token's logit is 0."""
    return math.log(math.exp(_logit(copied, squared_length + copied**2)) + VOCABULARY - 1)


def _head_scores(idle: tuple[tuple[int, int], ...]) -> Mapping[tuple[int, int], HeadScores]:
    nan = math.nan
    # What lies before position 1 is <bos>, and position 0 sees itself alone: one query in 2L, and in 2L + 1.
    one, from_1, from_0 = 1.0, 1 / (2 * LENGTH), 1 / (2 * LENGTH + 1)
    # From the last position, r's first token is seen at 1, where it counts twice, and at L + 1.
    suppressed = 1 - 1 / LENGTH
    named = {
        (0, 0): HeadScores(one, 0.0, 0.0, from_1, from_0, nan),
        (0, 1): HeadScores(from_1, one, 0.0, 0.5, from_0, nan),
        (1, 0): HeadScores(from_1, 0.0, one, 0.5, from_0, one),
        (1, 1): HeadScores(from_1, 0.0, 0.0, one, from_0, nan),
        (2, 0): HeadScores(from_1, 0.0, suppressed, 0.5, from_0, -one),
        (2, 1): HeadScores(0.0, 0.0, 0.0, 0.0, one, one),
    }
    return named | {head: _even_attention() for head in idle}


def _even_attention() -> HeadScores:
    shares = [1 / (query + 1) for query in range(2 * LENGTH + 1)]
    behind = sum(shares[1:]) / (2 * LENGTH)
    second = sum(shares[LENGTH + 1 :]) / LENGTH
    return HeadScores(behind, second, second, behind, sum(shares) / len(shares), math.nan)
