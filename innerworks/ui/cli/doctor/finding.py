"""One thing that was looked at."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["Finding", "State"]

State = Literal["fine", "note", "broken"]


@dataclass(frozen=True)
class Finding:
    """What was looked at, how it is, and where it is not well, what to do."""

    part: str
    name: str
    state: State
    said: str
    fix: str = ""

    def record(self) -> dict[str, Any]:
        """The finding as plain JSON."""
        return asdict(self)
