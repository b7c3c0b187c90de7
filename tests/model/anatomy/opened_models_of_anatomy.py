"""Models under their records, to hold guesses against."""

from __future__ import annotations

from typing import Any

from innerworks.model.anatomy import FAMILIES, Anatomy
from innerworks.model.model import Model


def recorded(module: Any) -> Model:
    """A model as its record opens it."""
    return Model(module, anatomy=Anatomy(module, FAMILIES[module.config.model_type]))
