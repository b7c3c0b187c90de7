"""Which packages there are, held against what innerworks says it needs."""

from __future__ import annotations

import platform
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import innerworks as iw
from innerworks.registry import techniques
from innerworks.ui.cli.doctor.finding import Finding

__all__ = ["fits", "installed"]

_NEEDED = re.compile(r"(?P<name>[\w.-]+)\s*(?P<bounds>[<>=!~][^;]*)?(;.*extra\s*==\s*['\"](?P<extra>[\w-]+)['\"].*)?")
_BOUND = re.compile(r"(>=|<=|==|<|>)\s*([\w.]+)")
_FOR_USERS = {
    "parquet": "corpora and tables in Parquet files",
    "quantised": "models in eight and four bits",
}
_PART = "installed"


def installed() -> Iterator[Finding]:
    """innerworks, Python, every package it needs, what is offered besides, and other packages' techniques."""
    yield Finding(_PART, "innerworks", "fine", f"{iw.__version__} in {Path(str(iw.__file__)).parent}")
    needs, python = _declared()
    found = ".".join(map(str, sys.version_info[:3]))
    if fits(found, python):
        yield Finding(_PART, "python", "fine", f"{found} ({python} needed), {platform.platform()}")
    else:
        yield Finding(
            _PART, "python", "broken", f"{found}, and {python} is needed", "install innerworks in a newer one"
        )
    for name, bounds in needs.get("", ()):
        yield _package(name, bounds)
    for extra, about in _FOR_USERS.items():
        if extra in needs:
            yield _extra(extra, about, needs[extra])
    for entry in techniques().values():
        if entry.problem:
            fix = f"repair or uninstall {entry.package}"
            yield Finding(_PART, f"technique {entry.name}", "broken", entry.problem, fix)


def _package(name: str, bounds: str) -> Finding:
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding(_PART, name, "broken", "it is not installed", f"pip install '{name}{bounds}'")
    if not fits(version, bounds):
        fix = f"pip install '{name}{bounds}'"
        return Finding(_PART, name, "broken", f"{version}, and {bounds} is supported", fix)
    return Finding(_PART, name, "fine", f"{version} ({bounds or 'any'} supported)")


def _extra(extra: str, about: str, needs: list[tuple[str, str]]) -> Finding:
    missing = [name for name, _ in needs if _version(name) is None]
    if not missing:
        return Finding(_PART, extra, "fine", about)
    fix = f"pip install 'innerworks[{extra}]'"
    return Finding(_PART, extra, "note", f"{about}: {', '.join(missing)} not installed", fix)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _declared() -> tuple[dict[str, list[tuple[str, str]]], str]:
    """What innerworks needs, by extra ("" for always), and which Python: from a checkout, or from its metadata."""
    said = _checkout(Path(str(iw.__file__)).parents[1] / "pyproject.toml")
    if said is not None:
        lines = {"": said["dependencies"], **said["optional-dependencies"]}
        needs = {extra: [_needed(line)[:2] for line in needed] for extra, needed in lines.items()}
        return needs, str(said["requires-python"])
    needs = {}
    for line in metadata.requires("innerworks") or ():
        name, bounds, extra = _needed(line)
        needs.setdefault(extra, []).append((name, bounds))
    return needs, str(metadata.metadata("innerworks")["Requires-Python"])


def _checkout(file: Path) -> dict[str, Any] | None:
    """What the project file beside the package says, where the package lies in a checkout of its own."""
    if not file.is_file():
        return None
    said: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8")).get("project", {})
    return said if said.get("name") == "innerworks" else None


def _needed(line: str) -> tuple[str, str, str]:
    found = _NEEDED.match(line)
    assert found is not None
    return found["name"], (found["bounds"] or "").strip(), found["extra"] or ""


def fits(version: str, bounds: str) -> bool:
    """Whether a version is within bounds such as ">=5.18,<6", compared by its numbers."""
    own = _numbers(version)
    compared = {
        ">=": lambda other: own >= other,
        "<=": lambda other: own <= other,
        "==": lambda other: own == other,
        "<": lambda other: own < other,
        ">": lambda other: own > other,
    }
    return all(compared[sign](_numbers(other)) for sign, other in _BOUND.findall(bounds))


def _numbers(version: str) -> tuple[int, ...]:
    """5.18.0 and 5.18 as the same; what follows the numbers (rc1, +cpu) does not count."""
    leading = re.match(r"\d+(\.\d+)*", version)
    numbers = [int(part) for part in leading.group().split(".")] if leading else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
