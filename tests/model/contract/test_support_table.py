"""The page on supported architectures says what is so."""

from __future__ import annotations

from support_table import NAMES, PAGE, cell, page


def test_the_committed_page_is_what_the_checks_say():
    made = page()
    assert PAGE.read_text(encoding="utf-8") == made, "run: python -m tests.model.contract.support_table"


def test_every_site_that_a_family_has_can_be_read_written_and_differentiated():
    for family in NAMES:
        for name in ("z", "scores", "resid_post", "norm_scale.final", "logits"):
            assert cell(family, name) == "rwg", (family, name)
