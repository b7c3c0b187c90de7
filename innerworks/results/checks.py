"""Checks: what a result should satisfy, how far off it was, and whether that is good enough."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from innerworks.errors import InnerworksError
from innerworks.results.numbers import check_number

__all__ = ["Check", "Comparison", "Verdict", "failed_first"]

Comparison = Literal["at most", "at least", "within"]
Verdict = Literal["pass", "fail", "info"]


@dataclass(frozen=True)
class Check:
    """One measured property of a result, with the tolerance it is held to.

    `compare` says how: "at most" and "at least" compare the number itself, "within" its magnitude.
    Without a tolerance the check only informs. A measurement that is NaN never passes.
    """

    name: str
    measured: float
    tolerance: float | None = None
    compare: Comparison = "at most"
    note: str = ""

    def __post_init__(self) -> None:
        if not self.name:
            raise InnerworksError("a check needs a name that says what it compares")
        if self.compare not in ("at most", "at least", "within"):
            raise InnerworksError(
                f"check {self.name!r} compares by {self.compare!r}; use 'at most', 'at least' or 'within'"
            )
        object.__setattr__(self, "measured", float(self.measured))
        if self.tolerance is not None:
            object.__setattr__(self, "tolerance", float(self.tolerance))
            if math.isnan(float(self.tolerance)):
                raise InnerworksError(f"check {self.name!r} has NaN as its tolerance; give a number or None")

    @property
    def verdict(self) -> Verdict:
        """ "pass", "fail", or "info" where there is no tolerance to hold it to."""
        if self.tolerance is None:
            return "info"
        if self.compare == "at least":
            return "pass" if self.measured >= self.tolerance else "fail"
        measured = abs(self.measured) if self.compare == "within" else self.measured
        return "pass" if measured <= self.tolerance else "fail"

    @property
    def measurement(self) -> str:
        """The number and its bound in words, such as "3e-06 (at most 1e-04)"."""
        number = check_number(self.measured)
        if self.tolerance is None:
            return number
        bound = "within ±" if self.compare == "within" else f"{self.compare} "
        return f"{number} ({bound}{check_number(self.tolerance)})"

    def __str__(self) -> str:
        verdict = "" if self.verdict == "info" else f" {self.verdict}"
        note = f" — {self.note}" if self.note else ""
        return f"{self.name}: {self.measurement}{verdict}{note}"


def failed_first(checks: Sequence[Check]) -> list[Check]:
    """The same checks, failed ones in front, otherwise in their own order."""
    return sorted(checks, key=lambda check: check.verdict != "fail")
