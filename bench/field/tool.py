"""What a tool is asked to do: one small class for each peer, in `bench/peers`, in the way its own documents show."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Sequence
from typing import Any

Call = Callable[[], Any]

TOKEN = 5
"""Whose logit at the last position sweeps and gradients are about."""


class NotOffered(Exception):
    """The tool has no way to do this. The message says why, in a few words."""


class Tool:
    """A tool around one Hugging Face model. Each method prepares, and returns the call that is timed or compared.

    What is needed of a clean prompt is taken while preparing. A method that is not overridden is not offered.
    """

    title = ""
    distribution = ""
    environment = ""
    """Whose environment it runs in: the name of a file of versions in bench/peers, or nothing for innerworks' own."""
    module_name = ""
    """What a user imports."""
    notes: dict[str, str] = {}
    """What a row's figure needs said beside it."""

    def __init__(self, module: Any, tokenizer: Any) -> None:
        self.module = module
        self.tokenizer = tokenizer

    @classmethod
    def version(cls) -> str:
        """Of the tool that is installed here."""
        return importlib.metadata.version(cls.distribution)

    def forward(self, ids: Any) -> Call:
        """The logits, with nothing else asked for."""
        raise NotOffered("no forward of its own")

    def cache_stream(self, ids: Any) -> Call:
        """`resid_post`, `attn_out` and `mlp_out` of every layer: a dict of lists."""
        raise NotOffered("no such names")

    def cache_all(self, ids: Any) -> Call:
        """Everything that the tool can keep, in its own way of asking for it."""
        raise NotOffered("no such call")

    def attention(self, ids: Any) -> Call:
        """`pattern` (batch, head, query, key) and `z` (batch, position, head, d_head): a dict of lists."""
        raise NotOffered("no such names")

    def head_sweep(self, clean: Any, corrupt: Any, layers: Sequence[int]) -> Call:
        """Per layer, head and prompt the last logit of TOKEN: the head's z replaced by that of the clean prompt.

        The first dimension is the layers'; of one prompt the second is the heads'.
        """
        raise NotOffered("no way to replace one head")

    def residual_sweep(self, clean: Any, corrupt: Any, layers: Sequence[int]) -> Call:
        """Likewise per layer, position and prompt: the stream there replaced by the clean run's."""
        raise NotOffered("no way to replace the stream")

    def gradient_to_heads(self, ids: Any) -> Call:
        """The gradient of TOKEN's last logit to every layer's z, weights frozen: a list."""
        raise NotOffered("no gradients")

    def attention_to_first(self, ids: Any) -> Call:
        """The attention that each query pays to the first token, for every layer, without keeping the patterns."""
        raise NotOffered("no patterns")

    def direct_effects(self, ids: Any) -> Call:
        """What each head adds directly to the last logit of TOKEN, through the final norm: layers by heads."""
        raise NotOffered("no such call")

    def head_attribution(self, clean: Any, corrupt: Any) -> Call:
        """Each head's change of z, corrupt less clean, times the gradient of the clean last logit: layers by heads."""
        raise NotOffered("no such call")
