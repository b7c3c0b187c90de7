"""Every recipe with every corruption, for the tests that hold for all of them."""

from __future__ import annotations

import innerworks as iw
from innerworks.data.recipes import RECIPES

__all__ = ["CORRUPTIONS", "changed_roles", "made"]


def changed_roles(name: str, corruption: str) -> tuple[str, ...]:
    return dict(kind_of(name).corruptions)[corruption]


def kind_of(name: str):
    return RECIPES[name](1).source.kind


CORRUPTIONS = [(name, corruption) for name in RECIPES for corruption in kind_of(name).corruptions]


def made(name: str, corruption: str, n: int = 24, seed: int = 0) -> iw.Task:
    # A pair of the same class has the same answer often enough only in some relations.
    options = {"relation": ["animal_class", "continent"]} if corruption == "same_answer" else {}
    return RECIPES[name](n, seed, corruption=corruption, **options)
