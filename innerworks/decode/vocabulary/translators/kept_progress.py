"""What a fit under way leaves behind in a folder, so that a killed one goes on where it was."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from innerworks.errors import FileError, InnerworksError
from innerworks.results import Artifact
from innerworks.results import open as open_saved

__all__ = ["FitInterrupted", "Keeping"]

_KIND = "fit-in-progress"


class FitInterrupted(InnerworksError, KeyboardInterrupt):
    """A fit was stopped."""


@dataclass
class Keeping:
    """Saves a fit's state beside where its result will be, every so many seconds; nothing where there is no folder."""

    out: Path | None
    question: dict[str, Any]
    """What the fit was asked: another fit's state is not gone on with."""
    seconds: float = 60.0
    saved_at: float = field(default_factory=time.monotonic)

    @property
    def folder(self) -> Path | None:
        """Where the state is: a folder of its own, gone when the fit is done."""
        return None if self.out is None else self.out.with_name(f"{self.out.name}.unfinished")

    def found(self) -> Artifact | None:
        """The state of an earlier call that asked the same; an error where it asked something else."""
        if self.folder is None or not self.folder.exists():
            return None
        kept = open_saved(self.folder)
        if not isinstance(kept, Artifact) or kept.kind != _KIND:
            raise FileError(f"{self.folder} is in the way: it is where an unfinished fit is kept. Choose another out=.")
        asked = kept.config.get("question", {})
        if asked != self.question:
            other = [name for name in self.question if asked.get(name) != self.question[name]]
            raise FileError(
                f"{self.folder} is an unfinished fit with other {', '.join(other)}. To go on with it, ask the same "
                f"again; to begin anew, remove {self.folder} or choose another out=."
            )
        return kept

    def due(self) -> bool:
        """Whether it is time to save."""
        return self.folder is not None and time.monotonic() - self.saved_at >= self.seconds

    def keep(self, tensors: Mapping[str, Any], state: Mapping[str, Any]) -> None:
        """Save the state, whole or not at all."""
        if self.folder is None:
            return
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        Artifact(_KIND, dict(tensors), {"question": self.question, **state}).save(self.folder, overwrite=True)
        self.saved_at = time.monotonic()

    def finish(self, artifact: Artifact) -> None:
        """Save what was fitted, and then remove the state."""
        if self.out is None or self.folder is None:
            return
        self.out.parent.mkdir(parents=True, exist_ok=True)
        artifact.save(self.out, overwrite=True)
        if self.folder.exists():
            shutil.rmtree(self.folder)
