"""Tiny models opened in float64, and one run of each with everything captured that weights are held against."""

from __future__ import annotations

from functools import lru_cache

import families
import torch

from innerworks.model.anatomy import FAMILIES, Anatomy
from innerworks.model.model import Model
from innerworks.model.sites import KINDS, at

torch.set_num_threads(1)  # on models this small, threads only wait for one another

LAYERS, HEADS, POSITIONS = 3, 4, 9
POST_NORM = families.POST_NORM


def opened(module):
    if hasattr(module.config, "num_experts_per_tok"):
        # The grouped products that experts use by default do not take float64.
        module.config._experts_implementation = "batched_mm"
    return Model(module, anatomy=Anatomy(module, FAMILIES[module.config.model_type]))


@lru_cache(maxsize=32)
def model_of(family):
    return opened(families.build(family, dtype=torch.float64))


def captured(model):
    missing = model.anatomy.missing
    kinds = [k for k in KINDS if k not in missing and k != "module"]
    sites = [at(k)[:] if KINDS[k].layered else at(k) for k in kinds]
    return model.run(families.ids(1, POSITIONS), capture=sites)


@lru_cache(maxsize=32)
def run_of(family):
    return captured(model_of(family))


def close(actual, expected, tolerance=1e-10):
    """Equal up to `tolerance` of the largest expected value."""
    size = expected.double().abs().max().item()
    torch.testing.assert_close(actual.double(), expected.double(), atol=tolerance * max(size, 1e-30), rtol=0)
