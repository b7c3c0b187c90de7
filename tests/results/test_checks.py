from __future__ import annotations

import numpy as np
import pytest

from innerworks.errors import InnerworksError
from innerworks.results import Check
from innerworks.results.checks import failed_first


@pytest.mark.parametrize(
    ("check", "verdict"),
    [
        (Check("error", 1e-4, 1e-4), "pass"),
        (Check("error", 1.01e-4, 1e-4), "fail"),
        (Check("kept", 0.9, 0.8, compare="at least"), "pass"),
        (Check("kept", 0.7, 0.8, compare="at least"), "fail"),
        (Check("offset", -5.0, 0.1), "pass"),
        (Check("offset", -5.0, 0.1, compare="within"), "fail"),
        (Check("offset", -0.1, 0.1, compare="within"), "pass"),
        (Check("seen", 3.0), "info"),
        (Check("error", float("inf"), 1e-4), "fail"),
    ],
)
def test_verdict(check, verdict):
    assert check.verdict == verdict


@pytest.mark.parametrize("compare", ["at most", "at least", "within"])
@pytest.mark.parametrize("tolerance", [0.0, float("inf"), -float("inf"), None])
def test_nan_never_passes(compare, tolerance):
    assert Check("x", float("nan"), tolerance, compare).verdict != "pass"


def test_reads_as_a_sentence():
    check = Check("components sum to the logit", np.float32(3e-6), 1e-4)
    assert str(check) == "components sum to the logit: 3e-06 (at most 1e-04) pass"
    assert str(Check("kept", 0.25, 0.5, "at least", "raise k")) == "kept: 0.25 (at least 0.5) fail — raise k"
    assert str(Check("delta", 12345.0)) == "delta: 1.234e+04"


@pytest.mark.parametrize("bad", [{"tolerance": float("nan")}, {"compare": "roughly"}, {"name": ""}])
def test_senseless_checks_are_refused(bad):
    with pytest.raises(InnerworksError):
        Check(**{"name": "x", "measured": 1.0, **bad})


def test_failed_first_keeps_the_order_within():
    checks = [Check("a", 0, 1), Check("b", 2, 1), Check("c", 0), Check("d", 2, 1)]
    assert [check.name for check in failed_first(checks)] == ["b", "d", "a", "c"]
