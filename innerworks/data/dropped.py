"""What was left out and why, counted, with one case of each reason spelled out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["Dropped"]


@dataclass
class Dropped:
    """Counts by (what was dropped, why), and the first case of each."""

    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    cases: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, what: str, why: str, case: str, times: int = 1) -> None:
        """Count one more of `what`, and keep the first case."""
        key = (what, why)
        self.counts[key] = self.counts.get(key, 0) + times
        self.cases.setdefault(key, case)

    def __add__(self, other: Dropped) -> Dropped:
        both = Dropped(dict(self.counts), dict(self.cases))
        for (what, why), times in other.counts.items():
            both.add(what, why, other.cases[what, why], times)
        return both

    def __bool__(self) -> bool:
        return bool(self.counts)

    def rows(self) -> Iterator[tuple[str, str, int, str]]:
        """What, why, how often, and the first case; the most frequent first."""
        for (what, why), times in sorted(self.counts.items(), key=lambda item: (-item[1], item[0])):
            yield what, why, times, self.cases[what, why]

    def __str__(self) -> str:
        if not self:
            return "nothing was left out"
        return "\n".join(
            f"left out: {times} {what}{'s' if times != 1 else ''}: {why} (first: {case})"
            for what, why, times, case in self.rows()
        )
