"""`innerworks models`: which there are, what one is inside, how to have one without a hub, how to be rid of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from rich.table import Table
from rich.text import Text

import innerworks as iw
from innerworks.errors import AnatomyError, InnerworksError
from innerworks.ui.cli.completion import hub_models
from innerworks.ui.cli.consoles import Notes, output, quieted
from innerworks.ui.cli.run.calling import opened
from innerworks.ui.cli.run.outcome import Outcome

__all__ = ["add_model", "kept_model", "list_models", "show_model"]


def list_models(*, as_json: bool) -> None:
    """Print what needs no hub, what was converted, and what the hub's cache holds."""
    rows = _rows()
    if as_json:
        print(json.dumps({"cache": str(iw.cache_dir()), "models": rows}, indent=1))
        return
    console = output()
    table = Table(box=None, show_header=True, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("model", "state", "on disk", "what it is"):
        table.add_column(title, overflow="fold", style="cyan" if title == "model" else None)
    for row in rows:
        size = "" if row["bytes"] is None else _megabytes(row["bytes"])
        table.add_row(Text(row["name"]), Text(row["state"]), Text(size), Text(row["about"]))
    console.print(table)
    console.print(Text(f"\ncache: {iw.cache_dir()}", style="dim"))


def _rows() -> list[dict[str, Any]]:
    kept = {one.name: one for one in iw.kept_models()}
    rows: list[dict[str, Any]] = []
    for model in iw.bundled():
        one = kept.pop(model.name, None)
        to_fetch = f"not here yet: `innerworks models add {model.name}` fetches {_megabytes(model.download_bytes)}"
        rows.append(_row(model.name, "bundled", one, f"{model.description}; {model.licence}", to_fetch))
    rows += [_row(name, one.kind, one, f"converted from {one.origin}", "") for name, one in kept.items()]
    rows += [_row(name, "hub", None, "in the hub's cache", "there") for name in hub_models()]
    return rows


def _row(name: str, kind: str, kept: Any, about: str, without: str) -> dict[str, Any]:
    damage = None if kept is None else kept.damage()
    state = without if kept is None else f"damaged: {damage}" if damage else "ready"
    size = None if kept is None else kept.bytes
    folder = None if kept is None else str(kept.folder)
    return {"name": name, "kind": kind, "state": state, "bytes": size, "folder": folder, "about": about}


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"


def show_model(name: str, given: Mapping[str, Any], notes: Notes) -> None:
    """Print what a model is inside. Its weights are read only where its structure has to be guessed from them."""
    outcome = Outcome(html=given.get("html"), json=bool(given["json"]))
    outcome.check()
    with quieted(notes.quiet):
        try:
            model = iw.load(
                name,
                weights=False,
                revision=given.get("revision"),
                trust_remote_code=bool(given.get("trust_remote_code")),
            )
        except AnatomyError as problem:
            if "meta device" not in str(problem):
                raise
            notes.say(f"{name} has an architecture without a record: its weights are read, to guess one.")
            model = opened({**given, "model": name}, notes)
        found = model.portrait()
    outcome.give(found, notes)


def add_model(name: str, notes: Notes) -> None:
    """Fetch a bundled model and prepare it, or say that it is there."""
    known = [one.name for one in iw.bundled()]
    if name not in known:
        near = get_close_matches(name, known, n=1, cutoff=0.4)
        meant = f" Did you mean {near[0]!r}?" if near else ""
        raise InnerworksError(
            f"{name!r} is no model that comes without a hub.{meant} There are: {', '.join(known)}. A hub id needs no "
            "adding: --model fetches it."
        )
    there = _kept(name)
    if there is None or there.damage() is not None:
        with quieted(notes.quiet):
            iw.load(name)
        there = _kept(name)
    assert there is not None
    output().print(Text(f"{name} is ready: {_megabytes(there.bytes)} in {there.folder}"))


def _kept(name: str) -> Any:
    return next((one for one in iw.kept_models() if name in (one.name, one.folder.name)), None)


def kept_model(name: str) -> Any:
    """The model of the cache that is meant; an error that says which there are."""
    found = _kept(name)
    if found is not None:
        return found
    names = [one.name for one in iw.kept_models()]
    near = get_close_matches(name, names, n=1)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    there = f"There are: {', '.join(names)}." if names else "It is empty."
    raise InnerworksError(f"{name!r} is not in the cache ({iw.cache_dir()}).{meant} {there}")
