"""The records of the architectures we know. This folder is the only place that knows any."""

from __future__ import annotations

from innerworks.model.anatomy.families import gpt_kin, hybrids, llama_kin, mixtures
from innerworks.model.anatomy.record import Family

__all__ = ["FAMILIES", "family_named"]

FAMILIES: dict[str, Family] = {
    family.model_type: family
    for family in (*gpt_kin.FAMILIES, *llama_kin.FAMILIES, *mixtures.FAMILIES, *hybrids.FAMILIES)
}


def family_named(model_type: str) -> Family | None:
    """The record of an architecture, by its config's `model_type`."""
    return FAMILIES.get(model_type)
