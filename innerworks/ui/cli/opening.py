"""`innerworks open`: what was saved, shown where one is."""

from __future__ import annotations

from pathlib import Path

import innerworks as iw
from innerworks.ui.cli.consoles import Notes
from innerworks.ui.cli.run.outcome import Outcome

__all__ = ["open_saved"]


def open_saved(path: Path, *, html: Path | None, as_json: bool, view: list[str], notes: Notes) -> None:
    """Show a saved result or artifact as pictures, as one page, or as JSON."""
    outcome = Outcome(html=html, json=as_json, view=tuple(view))
    outcome.check()
    outcome.give(iw.open(path), notes)
