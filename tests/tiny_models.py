"""The six kinds of architecture on which techniques are tried: tiny, random, far from the linear regime."""

from __future__ import annotations

import families
import torch

import innerworks as iw

KINDS = ("gpt2", "llama", "gpt_neox", "gemma2", "olmo2", "mixtral")
"""Learned positions and LayerNorm, shared keys, parallel blocks, soft caps and post-norms, post-norms, experts."""
TARGET, FOIL = 7, 11


def tiny(family: str, dtype: torch.dtype = torch.float64) -> iw.Model:
    """The family's model; shared, so leave it as it is."""
    return iw.load(families.module_of(family, dtype=dtype))
