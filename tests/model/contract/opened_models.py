"""The models the contract runs over, opened; and the plain model beside them, called with no hook on."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from families import FAMILIES, NO_POSITION_IDS, SHIFTED_SCORES, backends, build, ids, module_of

from innerworks.model.anatomy import FAMILIES as RECORDS
from innerworks.model.anatomy import Anatomy
from innerworks.model.batch import Batch
from innerworks.model.model import Model
from innerworks.model.sites import KINDS, Site, at

CASES = [(family, backend) for family in FAMILIES for backend in backends(family)]
EAGER = [(family, "eager") for family in FAMILIES]
INTEGER_SITES = ("router_index",)
ATTENTION_INSIDE = ("scores", "pattern", "q_rot", "k_rot")


def opened(module: Any) -> Model:
    """A Model over a live module."""
    return Model(module, anatomy=Anatomy(module, RECORDS[module.config.model_type]))


@lru_cache(maxsize=128)
def model_of(family: str, backend: str = "eager", dtype: torch.dtype = torch.float32) -> Model:
    """A shared opened model."""
    return opened(module_of(family, backend, dtype))


def fresh(family: str, backend: str = "eager", dtype: torch.dtype = torch.float32, **changes: Any) -> Model:
    """A model that a test may spoil."""
    return opened(build(family, backend, dtype, **changes))


def names(model: Model) -> list[str]:
    """Every kind of site the model has, `module` excepted."""
    return [name for name in KINDS if name != "module" and name not in model.anatomy.missing]


def place(name: str, layer: int = 1) -> Site:
    """A kind of site in one layer, or as it is where it has none."""
    site = Site(name)
    return site[layer] if site.kind.layered else site


def everywhere(model: Model) -> list[Site]:
    """Every concrete site of the model."""
    return [one for name in names(model) for one in model.anatomy.concrete(_all_layers(name))]


def _all_layers(name: str) -> Site:
    site = Site(name)
    return site[:] if site.kind.layered else site


def plain(model: Model, prompt: Any) -> torch.Tensor:
    """The logits of the user's own module, called as innerworks calls it."""
    batch = prompt if isinstance(prompt, Batch) else model.batch(prompt)
    arguments = {"input_ids": batch.ids, "attention_mask": batch.mask, "use_cache": False}
    if model.module.config.model_type not in NO_POSITION_IDS:
        arguments["position_ids"] = batch.positions
    with torch.no_grad():
        return model.module(**arguments).logits


def comparable(model: Model, scores: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    """Scores where there are any; up to a shift of each row, for the families whose scores have no fixed zero."""
    kept = scores.where(seen, 0.0)
    if model.module.config.model_type not in SHIFTED_SCORES:
        return kept
    return (scores - scores.where(seen, -torch.inf).max(-1, keepdim=True).values).where(seen, 0.0)


def spread(logits: torch.Tensor) -> float:
    """The size of a model's logits, which rounding errors are measured against."""
    return float(logits.abs().max())


def prompt(rows: int = 2, length: int = 9, seed: int = 3) -> torch.Tensor:
    """Token ids of equal length, longer than the sliding windows of the families that have them."""
    return ids(rows, length, seed)


def random_like(values: torch.Tensor, seed: int = 11, scale: float = 1.0) -> torch.Tensor:
    """Reproducible noise of a tensor's shape."""
    noise = torch.randn(values.shape, generator=torch.Generator().manual_seed(seed))
    return (noise * scale).to(values)


__all__ = [
    "ATTENTION_INSIDE",
    "CASES",
    "EAGER",
    "INTEGER_SITES",
    "at",
    "comparable",
    "everywhere",
    "fresh",
    "model_of",
    "names",
    "opened",
    "place",
    "plain",
    "prompt",
    "random_like",
    "spread",
]
