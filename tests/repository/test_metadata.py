"""What the package says about itself agrees with what it is."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import innerworks

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

DISTRIBUTION_OF = {"huggingface_hub": "huggingface-hub"}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared() -> set[str]:
    return {normal(re.split(r"[<>=~!\[; ]", line)[0]) for line in PROJECT["dependencies"]}


def imported() -> set[str]:
    """Every third-party package that any module of innerworks imports, lazily or not."""
    found = set()
    for path in (ROOT / "innerworks").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                found.add(node.module.partition(".")[0])
    ours = {*sys.stdlib_module_names, "innerworks"}
    # IPython is asked only where it is already running.
    return {normal(DISTRIBUTION_OF.get(name, name)) for name in found - ours - {"IPython"}}


def test_the_version_is_stated_once() -> None:
    assert PROJECT["version"] == innerworks.__version__


def offered() -> set[str]:
    """What users may install besides, and are told to by name where it is missing."""
    return {normal(re.split(r"[<>=]", line)[0]) for line in PROJECT["optional-dependencies"]["parquet"]}


def test_every_import_is_a_declared_dependency() -> None:
    assert imported() <= declared() | offered()


def test_no_dependency_is_declared_for_nothing() -> None:
    assert offered() <= imported()
    # transformers needs accelerate for device_map, and imports it itself.
    assert declared() - imported() <= {"accelerate"}


def test_constraints_pin_every_dependency_to_one_version() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    extras = {
        normal(re.split(r"[<>=]", line)[0]) for group in PROJECT["optional-dependencies"].values() for line in group
    }
    assert {normal(line.partition("==")[0]) for line in lines} == declared() | extras


def test_every_public_name_exists() -> None:
    for name in innerworks._PUBLIC:
        assert getattr(innerworks, name) is not None, name
