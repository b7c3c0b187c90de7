"""The six heads for models with rotary positions, which have no positions in the residual stream.

A position is then known to a head only as the distance i - j, through pairs of coordinates that turn by an
angle per step. Where the stream holds the constant ``one``, a query turned by s steps scores the mean over
pairs of cos ω (i - j + s): highest at i - j = -s. So s = -1 makes the previous-token head and s = 0 the
self-copying head. Words are matched on coordinates that turn so slowly, or not at all, that distance does not
matter.

Two heads need more than in a model with learned positions:

- The duplicate-token head must avoid its own position, and a negative score for distance 0 leaves others
  uneven. Its positional key is zero at ``<bos>``, so that the score of ``<bos>`` is the same at all
  distances.
- The self-copying head reads keys that may count twice (see ``stream.SQUARED_LENGTHS``). Its score is
  cos - 1 and not cos: zero at its own position, negative elsewhere, and doubling changes neither.

Keys and values of a layer are the same for both heads, so that they can share one key-value head.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from innerworks.lab.handbuilt.stream import (
    BOS,
    POSITIONS,
    PREDICTION,
    SELF_COPY,
    SUPPRESSION,
    VOCABULARY,
    HeadWeights,
    Stream,
    empty_head,
)

if TYPE_CHECKING:
    from torch import Tensor

WIDTHS = {"tok": VOCABULARY, "one": 1, "prev": VOCABULARY, "out": VOCABULARY}
SHARPNESS = 40.0
# Turning pairs: these tell positions apart for all keys, those for all keys but <bos>.
ALL_KEYS, WITHOUT_BOS = (0, 2, 4), (1, 3, 5)
WORDS, CONSTANT_TO_BOS, CONSTANT_TO_ALL = slice(0, VOCABULARY), VOCABULARY, VOCABULARY + 1
STILL_COORDINATES = VOCABULARY + 2


@dataclass(frozen=True)
class Rotary:
    """How a head's coordinates turn: pair p is (p, p + partner), turning ``frequency(p)`` radians per step.

    From ``still`` on, ``STILL_COORDINATES`` coordinates turn little enough to be taken for fixed.
    """

    head_dim: int
    partner: int
    still: int
    base: float

    def frequency(self, pair: int) -> float:
        """Radians per step of a pair."""
        return float(self.base ** (-pair / self.partner))

    def nearness(self, pairs: Sequence[int], distance: int) -> float:
        """The score of keys this far from where the query points: 1 at distance 0, less elsewhere."""
        return sum(math.cos(self.frequency(pair) * distance) for pair in pairs) / len(pairs)

    def nearness_range(self, pairs: Sequence[int]) -> tuple[float, float]:
        """The smallest and the largest nearness at any other distance."""
        elsewhere = [self.nearness(pairs, distance) for distance in range(1, POSITIONS)]
        return min(elsewhere), max(elsewhere)


@dataclass(frozen=True)
class RotaryHeads:
    """Writes the heads of each layer for one stream and one way of turning."""

    stream: Stream
    rotary: Rotary

    def layer(self, layer: int) -> tuple[HeadWeights, HeadWeights]:
        """The two heads with a role, which have the same key and value weights."""
        return (self._first, self._second, self._third)[layer]()

    def idle(self) -> HeadWeights:
        """A head that attends evenly and writes nothing."""
        return empty_head(self.stream.hidden_size, self.rotary.head_dim)

    def _first(self) -> tuple[HeadWeights, HeadWeights]:
        previous, duplicate = self.idle(), self.idle()
        for head in (previous, duplicate):
            self._key_words(head, self._tokens)
            self._still(head.key)[:, CONSTANT_TO_BOS] = self._tokens[:, BOS]
            head.key[:, list(ALL_KEYS)] = self._one
            head.key[:, list(WITHOUT_BOS)] = self._one - self._tokens[:, [BOS]]
        self._point(previous.query, ALL_KEYS, steps=-1, gain=SHARPNESS / self._gap(ALL_KEYS))
        previous.output[WORDS] = self.stream.write("prev")
        # Own position < 40 < <bos> < 40 < same token, and all other tokens at least 40 below <bos>.
        lowest, highest = self.rotary.nearness_range(WITHOUT_BOS)
        away = 2 * SHARPNESS / (1 - highest)
        match = away * (1 - lowest)
        self._point(duplicate.query, WITHOUT_BOS, steps=0, gain=-away)
        self._still(duplicate.query)[:, WORDS] = match * self._tokens
        self._still(duplicate.query)[:, [CONSTANT_TO_BOS]] = (match - away + SHARPNESS) * self._one
        return self._scaled(0, previous, duplicate)

    def _second(self) -> tuple[HeadWeights, HeadWeights]:
        induction, sink = self.idle(), self.idle()
        for head in (induction, sink):
            self._key_words(head, self.stream.read("prev") + self._tokens[:, [BOS]] / 2)
            self._still(head.key)[:, CONSTANT_TO_BOS] = self._tokens[:, BOS]
        self._still(induction.query)[:, WORDS] = SHARPNESS * self._tokens
        induction.output[WORDS] = self._copied(PREDICTION)
        self._still(sink.query)[:, [CONSTANT_TO_BOS]] = SHARPNESS * self._one
        return self._scaled(1, induction, sink)

    def _third(self) -> tuple[HeadWeights, HeadWeights]:
        suppression, copying = self.idle(), self.idle()
        for head in (suppression, copying):
            self._key_words(head, self._tokens)
            self._still(head.key)[:, CONSTANT_TO_BOS] = self._tokens[:, BOS] / 2
            self._still(head.key)[:, [CONSTANT_TO_ALL]] = self._one
            head.key[:, list(ALL_KEYS)] = self._one
        self._still(suppression.query)[:, WORDS] = SHARPNESS * self.stream.read("out")
        self._still(suppression.query)[:, [CONSTANT_TO_BOS]] = SHARPNESS * self._one
        suppression.output[WORDS] = self._copied(-SUPPRESSION)
        gain = SHARPNESS / self._gap(ALL_KEYS)
        self._point(copying.query, ALL_KEYS, steps=0, gain=gain)
        self._still(copying.query)[:, [CONSTANT_TO_ALL]] = -gain * self._one
        copying.output[WORDS] = SELF_COPY * self.stream.write("out")
        return self._scaled(2, suppression, copying)

    @property
    def _tokens(self) -> Tensor:
        return self.stream.read("tok")

    @property
    def _one(self) -> Tensor:
        return self.stream.read("one")

    def _still(self, weights: Tensor) -> Tensor:
        return weights[:, self.rotary.still : self.rotary.still + STILL_COORDINATES]

    def _gap(self, pairs: Sequence[int]) -> float:
        return 1 - self.rotary.nearness_range(pairs)[1]

    def _key_words(self, head: HeadWeights, words: Tensor) -> None:
        self._still(head.key)[:, WORDS] = words
        head.value[:, WORDS] = self._tokens

    def _copied(self, gain: float) -> Tensor:
        """Writes words to ``out``, except <bos>, which stands for having found no match."""
        rows = gain * self.stream.write("out")
        rows[BOS] = 0.0
        return rows

    def _point(self, query: Tensor, pairs: Sequence[int], *, steps: int, gain: float) -> None:
        """Turns and scales the query, so that its score is gain * nearness(i - j + steps)."""
        for pair in pairs:
            angle = self.rotary.frequency(pair) * steps
            query[:, [pair]] = gain / len(pairs) * math.cos(angle) * self._one
            query[:, [pair + self.rotary.partner]] = gain / len(pairs) * math.sin(angle) * self._one

    def _scaled(self, layer: int, *heads: HeadWeights) -> tuple[HeadWeights, HeadWeights]:
        """Undoes the norm in what the heads read, and the attention's division by √head_dim."""
        divisor, root = self.stream.divisor(layer), math.sqrt(self.rotary.head_dim)
        first, second = (
            HeadWeights(h.query * divisor * root, h.key * divisor, h.value * divisor, h.output) for h in heads
        )
        return first, second
