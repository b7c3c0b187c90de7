"""The documentation as data: its pages, their code blocks, and what each block is said to print."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PAGES", "ROOT", "Block", "Picture", "ShellBlock", "blocks", "pictures", "shell_blocks", "text"]

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md")))

_FENCE = re.compile(
    r"(?P<note><!--\s*(?:not run|slow)[^>]*-->\n)?"
    r"^```python\n(?P<code>.*?)^```$"
    r"(?:\n+<!--\s*prints\s*-->\n```text\n(?P<prints>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """One ```python block; `line` is where its code starts in the page."""

    code: str
    line: int
    runs: bool
    prints: str | None
    slow: bool = False
    """Whether it takes minutes, so that only `make test-pages` runs it."""


_PICTURE = re.compile(
    r"^!\[[^\]]*\]\((?P<path>images/[^)]+\.png)\)\n<!-- picture: (?P<view>.*?) -->$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Picture:
    """An image of a page, and the expression for the view that it shows, in the names of the page's code."""

    path: Path
    view: str


def pictures(page: str) -> list[Picture]:
    """The images of a page that are made from its code."""
    folder = (ROOT / page).parent
    return [Picture(folder / m["path"], m["view"]) for m in _PICTURE.finditer(text(page))]


def text(page: str) -> str:
    """A page's markdown."""
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[Block]:
    """A page's python blocks, in order."""
    whole = text(page)
    return [
        Block(
            m["code"],
            whole.count("\n", 0, m.start("code")) + 1,
            "not run" not in (m["note"] or ""),
            m["prints"],
            "slow" in (m["note"] or ""),
        )
        for m in _FENCE.finditer(whole)
    ]


_SHELL = re.compile(
    r"^<!-- runs(?:, ends with (?P<code>\d+))? -->\n"
    r"^```sh\n(?P<script>.*?)^```$"
    r"(?:\n+<!-- prints -->\n```text\n(?P<prints>.*?)^```$)?",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class ShellBlock:
    """One ```sh block under `<!-- runs -->`, the code it ends with, and what it prints on stdout."""

    script: str
    line: int
    ends_with: int
    prints: str | None


def shell_blocks(page: str) -> list[ShellBlock]:
    """A page's shell blocks that are run, in order."""
    whole = text(page)
    return [
        ShellBlock(m["script"], whole.count("\n", 0, m.start("script")) + 1, int(m["code"] or 0), m["prints"])
        for m in _SHELL.finditer(whole)
    ]
