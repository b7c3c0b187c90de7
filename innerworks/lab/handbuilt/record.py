"""What a builder returns: the model, what its parts do, what must be measured on it, and inputs for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from innerworks.errors import PromptError
from innerworks.lab.handbuilt.stream import BOS, POSITIONS, VOCABULARY, Stream
from innerworks.lab.handbuilt.table import LENGTH, Expected
from innerworks.lab.handbuilt.words import word_tokenizer

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Handbuilt:
    """A model written by hand.

    ``roles`` and ``expected.heads`` are keyed by (layer, head). ``blocks`` maps each subspace of the residual
    stream (``tok``, ``pos`` or ``one``, ``prev``, ``out``) to its coordinates: one slice, or two where the
    stream is mirrored as [h, -h], the second holding the negative of the first.
    """

    model: Any
    roles: Mapping[tuple[int, int], str]
    expected: Expected
    stream: Stream

    @property
    def blocks(self) -> Mapping[str, tuple[slice, ...]]:
        """Each subspace's coordinates in the residual stream."""
        return {name: self.stream.slices(name) for name in self.stream.widths}

    def basis(self, block: str) -> Tensor:
        """An orthonormal basis [hidden, width] of one subspace, in float64."""
        return self.stream.basis(block)

    def sample(self, seed: int = 0, length: int = LENGTH) -> Tensor:
        """``<bos> r r`` with ``length`` distinct random tokens in r: ids of shape [1, 1 + 2 * length]."""
        import torch

        longest = (POSITIONS - 1) // 2
        if not 1 <= length <= longest:
            raise PromptError(f"length={length}: this model has {POSITIONS} positions; give 1 to {longest}.")
        shuffled = torch.randperm(VOCABULARY - 1, generator=torch.Generator().manual_seed(seed)) + 1
        once = shuffled[:length]
        ids = torch.cat([torch.tensor([BOS]), once, once])[None]
        return ids.to(self.model.device)

    def tokenizer(self) -> Any:
        """A word-level ``PreTrainedTokenizerFast``: text like ``"t3 t7 t3"``, with ``<bos>`` put in front."""
        return word_tokenizer()
