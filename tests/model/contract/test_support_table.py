"""The page on supported architectures says what is so."""

from __future__ import annotations

import pytest
from families import FAMILIES, FIRST, FIRST_HYBRIDS
from opened_models import model_of
from support_table import EVERY, NAMES, PAGE, cell, page, row


@pytest.mark.families
def test_the_committed_page_is_what_the_checks_say():
    made = page()
    assert PAGE.read_text(encoding="utf-8") == made, "run: python -m tests.model.contract.support_table"


@pytest.mark.parametrize("family", (*FIRST, *FIRST_HYBRIDS))
def test_a_row_of_the_committed_page_is_what_the_checks_say(family):
    if "router" not in model_of(family).anatomy.missing and not model_of(family).anatomy.routes:
        pytest.skip("in this transformers its router gives logits alone")
    rows = PAGE.read_text(encoding="utf-8").splitlines()
    assert row(family) in rows, "run: python -m tests.model.contract.support_table"


def test_the_committed_page_has_every_family():
    text = PAGE.read_text(encoding="utf-8")
    assert NAMES.keys() == set(EVERY)
    assert [name for name in NAMES.values() if f"| {name} |" not in text] == []
    assert "?" not in text


@pytest.mark.parametrize("family", FAMILIES)
def test_every_site_that_a_family_has_can_be_read_written_and_differentiated(family):
    for name in ("z", "scores", "resid_post", "norm_scale.final", "logits"):
        assert cell(family, name) == "rwg", name
