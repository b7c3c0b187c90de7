"""Look at everything, print it, and end with the code that fits."""

from __future__ import annotations

import json
from collections.abc import Iterator

import typer
from rich.text import Text

from innerworks.ui.cli.consoles import Notes, output, quieted
from innerworks.ui.cli.doctor.finding import Finding
from innerworks.ui.cli.doctor.installed import installed
from innerworks.ui.cli.doctor.machine import accelerators, cache, devices
from innerworks.ui.cli.doctor.self_check import self_check
from innerworks.ui.cli.failures import BROKEN

__all__ = ["examine"]

_MARKS = {"fine": ("✓", "green"), "note": ("·", "yellow"), "broken": ("✗", "bold red")}


def examine(*, as_json: bool, notes: Notes) -> None:
    """Print what was found, as it is found, or all of it as JSON; what is broken ends with code 1."""
    found: list[Finding] = []
    for finding in _findings(notes):
        if not as_json:
            _print(finding, is_first=not found or found[-1].part != finding.part)
        found.append(finding)
    broken = [one for one in found if one.state == "broken"]
    if as_json:
        print(json.dumps({"broken": len(broken), "findings": [one.record() for one in found]}, indent=1))
    else:
        told = f"{len(broken)} broken: see fix" if broken else "all is well"
        output().print(Text(f"\n{told}", style="bold red" if broken else "bold green"))
    if broken:
        raise typer.Exit(BROKEN)


def _findings(notes: Notes) -> Iterator[Finding]:
    packages = list(installed())
    yield from packages
    if any(one.state == "broken" and one.name in ("torch", "transformers", "python") for one in packages):
        return
    yield from _quietly(notes, devices())
    yield from _quietly(notes, cache())
    for device in ["cpu", *accelerators()[:1]]:
        yield from _quietly(notes, self_check(device))


def _quietly(notes: Notes, findings: Iterator[Finding]) -> Iterator[Finding]:
    """The findings, with what libraries print kept away from them."""
    while True:
        with quieted(notes.quiet):
            one = next(findings, None)
        if one is None:
            return
        yield one


def _print(finding: Finding, *, is_first: bool) -> None:
    console = output()
    mark, style = _MARKS[finding.state]
    if is_first:
        console.print(Text(f"{finding.part}:", style="bold"))
    console.print(Text.assemble((f"  {mark} ", style), (finding.name, "cyan"), f": {finding.said}"))
    if finding.fix:
        console.print(Text(f"      fix: {finding.fix}", style=style))
