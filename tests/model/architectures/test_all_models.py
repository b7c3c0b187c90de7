"""Every causal architecture of transformers: opened and right, or refused for the reason that the page gives."""

from __future__ import annotations

import pytest
import transformers
from census import outcome
from page import PAGE, row, version
from tiny import MODEL_TYPES

transformers.logging.set_verbosity_error()
SPOT_CHECKS = ("bart", "deepseek_v4", "gemma3", "glm", "minimax", "musicgen")
"""A record inside a multimodal model, a guess, what is refused for three reasons, and what cannot be built."""


def rows():
    text = PAGE.read_text(encoding="utf-8")
    if version() not in text:
        pytest.skip(f"the page was made with another transformers than {transformers.__version__}")
    return [line for line in text.splitlines() if line.startswith("| `") and not line.startswith("| `model_type`")]


@pytest.mark.all_models
@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_an_architecture_is_opened_rightly_or_refused_as_the_page_says(model_type):
    found = outcome(model_type)
    assert found.wrong == ()
    assert row(found) in rows(), "run: python -m tests.model.architectures.page"


def test_the_page_has_every_architecture_of_this_transformers():
    listed = [line.split("`")[1] for line in rows()]
    assert listed == list(MODEL_TYPES), "run: python -m tests.model.architectures.page"


@pytest.mark.parametrize("model_type", SPOT_CHECKS)
def test_some_rows_of_the_page_are_so(model_type):
    found = outcome(model_type)
    assert found.wrong == ()
    assert row(found) in rows(), "run: python -m tests.model.architectures.page"
