"""Every ```python block in the documentation runs, page by page, and prints what the page says it prints.

A block under `<!-- not run: why -->` is only compiled, one under `<!-- slow -->` runs with `make test-pages`. A ```text
block under `<!-- prints -->` is what the block before it prints, with … for anything. A ```sh block under
`<!-- runs -->` (or `<!-- runs, ends with 3 -->`) is run by a shell that has the command `innerworks`, in a folder of
the page's own.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pages import PAGES, ROOT, Block, blocks, pictures, shell_blocks

from innerworks.results import View

BUNDLED = "smollm2-135m"


def parameter(page: str) -> Any:
    marks = [pytest.mark.weights] if any(BUNDLED in block.code for block in blocks(page)) else []
    return pytest.param(page, id=page, marks=marks)


def compiled(page: str, block: Block) -> Any:
    # Empty lines in front, so that a traceback names the line of the page.
    return compile("\n" * (block.line - 1) + block.code, str(ROOT / page), "exec")


def printed_as_told(printed: str, told: str) -> bool:
    pattern = ".*?".join(re.escape(part) for part in told.rstrip().split("…"))
    return re.fullmatch(pattern, printed.rstrip(), re.DOTALL) is not None


@pytest.mark.parametrize("page", [parameter(page) for page in PAGES if blocks(page)])
def test_the_code_of_a_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(page, [block for block in blocks(page) if not block.slow])


@pytest.mark.pages
@pytest.mark.parametrize("page", [parameter(page) for page in PAGES if any(block.slow for block in blocks(page))])
def test_the_slow_code_of_a_page_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(page, blocks(page))


def run(page: str, wanted: list[Block]) -> None:
    names: dict[str, Any] = {"__name__": "page"}
    for block in wanted:
        code = compiled(page, block)
        if not block.runs:
            continue
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(code, names)
        if block.prints is not None:
            assert printed_as_told(out.getvalue(), block.prints), (
                f"{page}:{block.line} prints\n{out.getvalue()}\nand the page says\n{block.prints}"
            )
    for picture in pictures(page):
        assert isinstance(eval(picture.view, names), View), picture.view
        assert picture.path.read_bytes().startswith(b"\x89PNG"), f"{picture.path}: make it with `make pictures`"


@pytest.mark.weights
@pytest.mark.parametrize("page", [page for page in PAGES if shell_blocks(page)])
def test_the_commands_of_a_page_run(page: str, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "page").mkdir()
    for name, module in (("innerworks", "-m innerworks"), ("python", "")):
        program = tmp_path / "bin" / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
        program.chmod(0o755)
    path = os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]])
    env = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "100", "PYTHONIOENCODING": "utf-8"}
    for block in shell_blocks(page):
        done = subprocess.run(
            ["bash", "-c", block.script], cwd=tmp_path / "page", env=env, capture_output=True, text=True, check=False
        )
        where = f"{page}:{block.line}"
        assert done.returncode == block.ends_with, f"{where} ends with {done.returncode}\n{done.stderr}"
        if block.prints is not None:
            assert printed_as_told(done.stdout, block.prints), (
                f"{where} prints\n{done.stdout}\nand the page says\n{block.prints}"
            )


def test_a_page_that_is_wrong_would_be_seen() -> None:
    assert printed_as_told("a 12 b\n", "a … b\n")
    assert not printed_as_told("a 12 c\n", "a … b\n")
    assert not printed_as_told("", "a\n")


@pytest.mark.parametrize("page", PAGES)
def test_every_python_fence_is_found(page: str) -> None:
    assert (ROOT / page).read_text().count("```python") == len(blocks(page))


@pytest.mark.parametrize("page", PAGES)
def test_every_shell_block_that_is_said_to_run_is_found(page: str) -> None:
    assert (ROOT / page).read_text().count("<!-- runs") == len(shell_blocks(page))
