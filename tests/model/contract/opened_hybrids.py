"""The hybrids the contract runs over, opened, with every place of each layer that has it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from family_configs import HYBRIDS
from found_again import appearance, differences
from hybrid_tables import EXPERTS, PURE, TABLES, attention_layers, mixer_layers
from opened_models import model_of

from innerworks.model.model import Model
from innerworks.model.sites import KINDS, Site

CASES = [(family, backend) for family in HYBRIDS for backend in (("eager",) if family in PURE else ("eager", "sdpa"))]
STATEFUL = ("conv1d_state", "recurrent_states")
"""What RecurrentGemma itself keeps on its modules between the steps of writing on."""


def opened_as_found(family: str, backend: str) -> Iterator[Model]:
    """A model, compared after the test with what it was before."""
    model = model_of(family, backend)
    before = _lasting(model)
    yield model
    assert differences(before, _lasting(model)) == []


def _lasting(model: Model) -> dict[str, Any]:
    """What a model looks like, less what it writes down itself in every forward pass."""
    return {
        key: {name: of for name, of in value.items() if name not in STATEFUL} if key.endswith(": attributes") else value
        for key, value in appearance(model.module).items()
    }


@pytest.fixture(params=CASES, ids="-".join)
def hybrid(request: pytest.FixtureRequest) -> Iterator[Model]:
    """Every hybrid under every attention backend it has."""
    yield from opened_as_found(*request.param)


def family_of(model: Model) -> str:
    """The name that the tables have for a model."""
    return str(model.module.config.model_type)


def places(model: Model) -> list[Site]:
    """Every concrete site of the model."""
    found = []
    for name, kind in KINDS.items():
        if name == "module" or name in model.anatomy.missing:
            continue
        found += [Site(name)[layer] for layer in model.layers_with(name)] if kind.layered else [Site(name)]
    return found


def expected_layers(family: str) -> dict[str, list[int]]:
    """Which layers have what, from the hand-written tables alone."""
    layers = range(len(TABLES[family]))
    attention = attention_layers(family)
    routed = list(EXPERTS.get(family, ()))
    chosen = routed if model_of(family).anatomy.routes else []
    found = {
        "resid_post": list(layers),
        "pattern": attention,
        "scores": attention,
        "mixer_out": mixer_layers(family),
        "router": routed,
        "expert_out": chosen,
    }
    named = {name for table in TABLES[family] for name in table}
    return found | {name: [i for i in layers if name in TABLES[family][i]] for name in named}
