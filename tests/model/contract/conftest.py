"""Models for the contract: each is looked at before and after a test, and has to be found again as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from found_again import appearance, differences
from opened_models import CASES, EAGER, model_of

from innerworks.model.model import Model

torch.set_num_threads(1)  # on models this small, threads only wait for one another


def _given(family: str, backend: str) -> Iterator[Model]:
    model = model_of(family, backend)
    before = appearance(model.module)
    yield model
    assert differences(before, appearance(model.module)) == []


@pytest.fixture(params=CASES, ids="-".join)
def model(request: pytest.FixtureRequest) -> Iterator[Model]:
    """Every family under every backend it has."""
    yield from _given(*request.param)


@pytest.fixture(params=EAGER, ids=[family for family, _ in EAGER])
def eager(request: pytest.FixtureRequest) -> Iterator[Model]:
    """Every family, eager attention."""
    yield from _given(*request.param)
