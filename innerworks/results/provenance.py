"""Where a result came from: enough to run it again and to know what it cost."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from innerworks.results.numbers import bytes_in_words, short_number
from innerworks.results.strict_json import jsonable

__all__ = ["Cost", "Provenance", "library_versions"]


@dataclass(frozen=True)
class Cost:
    """What a computation took. Costs add up; the peak of a sum is the larger peak."""

    forwards: int = 0
    backwards: int = 0
    seconds: float = 0.0
    peak_memory: int | None = None

    def __add__(self, other: Cost) -> Cost:
        peaks = [peak for peak in (self.peak_memory, other.peak_memory) if peak is not None]
        return Cost(
            self.forwards + other.forwards,
            self.backwards + other.backwards,
            self.seconds + other.seconds,
            max(peaks, default=None),
        )

    def __str__(self) -> str:
        parts = []
        if self.forwards:
            parts.append(f"{self.forwards} forward{'s' if self.forwards != 1 else ''}")
        if self.backwards:
            parts.append(f"{self.backwards} backward{'s' if self.backwards != 1 else ''}")
        parts.append(f"{short_number(self.seconds)} s")
        if self.peak_memory is not None:
            parts.append(f"peak {bytes_in_words(self.peak_memory)}")
        return ", ".join(parts)


def library_versions() -> dict[str, str]:
    """Versions of what a number depends on, read from package metadata so that nothing is imported."""
    versions = {"python": ".".join(map(str, sys.version_info[:3]))}
    for package in ("innerworks", "torch", "transformers", "numpy"):
        version = _installed(package) or getattr(sys.modules.get(package), "__version__", None)
        if version is not None:
            versions[package] = str(version)
    return versions


@cache
def _installed(package: str) -> str | None:
    """The version in a package's metadata; reading it takes a millisecond, and every result asks."""
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _now() -> str:
    from datetime import UTC, datetime

    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Provenance:
    """Technique, options, model, prompt, seed, versions, cost and time of one result or artifact.

    `options` and `prompt` are normalised to plain JSON values; what JSON cannot hold is refused by name.
    """

    technique: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    model: str = ""
    prompt: Any = None
    seed: int | None = None
    versions: dict[str, str] = field(default_factory=library_versions)
    cost: Cost = field(default_factory=Cost)
    created: str = field(default_factory=_now)

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", jsonable(self.options, "options"))
        object.__setattr__(self, "prompt", jsonable(self.prompt, "prompt"))
        object.__setattr__(self, "versions", jsonable(self.versions, "versions"))

    def __str__(self) -> str:
        parts = [self.technique, self.model]
        if self.seed is not None:
            parts.append(f"seed {self.seed}")
        if self.cost != Cost():
            parts.append(str(self.cost))
        if "innerworks" in self.versions:
            parts.append(f"innerworks {self.versions['innerworks']}")
        parts.append(self.created)
        return " · ".join(part for part in parts if part)
