"""Anatomy: the one place that knows architectures."""

from innerworks.model.anatomy.anatomy import Anatomy
from innerworks.model.anatomy.families import FAMILIES, family_named
from innerworks.model.anatomy.modules import module_tree
from innerworks.model.anatomy.record import (
    Case,
    Experts,
    Family,
    Fused,
    Latent,
    LayerCase,
    Mixer,
    NormKind,
    Part,
    Refusal,
    Setting,
    Shared,
    Split,
)

__all__ = [
    "FAMILIES",
    "Anatomy",
    "Case",
    "Experts",
    "Family",
    "Fused",
    "Latent",
    "LayerCase",
    "Mixer",
    "NormKind",
    "Part",
    "Refusal",
    "Setting",
    "Shared",
    "Split",
    "family_named",
    "module_tree",
]
