"""Where the command prints: results on stdout, everything about how it goes on stderr."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console
from rich.text import Text

__all__ = ["Notes", "output", "quieted", "widest"]

_WIDEST = 110
"""Text that is wider than this is hard to read, and what is piped is given this much."""


def output(*, spread: bool = False) -> Console:
    """The console for results. In a terminal it is as wide as that (text, at most 110); a pipe is given 110 or more."""
    console = Console(highlight=False, soft_wrap=spread)
    if not sys.stdout.isatty():
        return Console(highlight=False, soft_wrap=spread, width=max(console.width, _WIDEST))
    return console if spread else Console(highlight=False, width=min(console.width, _WIDEST))


def widest() -> int:
    """How wide help may be."""
    return _WIDEST


@dataclass(frozen=True)
class Notes:
    """Sentences about how it goes, on stderr, so that a pipe is given results alone."""

    quiet: bool = False

    def say(self, text: str) -> None:
        """One sentence, unless the command is to be quiet."""
        if not self.quiet:
            Console(stderr=True, highlight=False, soft_wrap=True).print(Text(text, style="dim"))

    def warn(self, text: str) -> None:
        """One sentence that is told in any case."""
        Console(stderr=True, highlight=False, soft_wrap=True).print(Text(text, style="yellow"))


class _NoTerminal(io.TextIOBase):
    """A stream that passes everything on and is no terminal, so that nobody draws a bar on it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return False


@contextmanager
def quieted(quiet: bool) -> Iterator[None]:
    """Without bars and without notes of libraries, where that was asked for; stdout is for results alone."""
    held, log = (sys.stdout, sys.stderr), logging.getLogger("innerworks")
    level = log.level
    if quiet:
        sys.stderr = _NoTerminal(held[1])
        log.setLevel(logging.ERROR)
    # What a library prints must not land between the results.
    sys.stdout = sys.stderr
    try:
        yield
    finally:
        sys.stdout, sys.stderr = held
        log.setLevel(level)
