"""`innerworks run`: open the model, ask the technique, give what it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

import innerworks as iw
from innerworks.errors import InnerworksError
from innerworks.registry import Entry
from innerworks.ui.cli.consoles import Notes, quieted
from innerworks.ui.cli.failures import CHECK_FAILED, STOPPED
from innerworks.ui.cli.run.command import PREFIX
from innerworks.ui.cli.run.inputs import Inputs
from innerworks.ui.cli.run.options import answers, check_options, read_options
from innerworks.ui.cli.run.outcome import Outcome, free_folder

__all__ = ["opened", "run_technique"]

_AS_GIVEN = ("revision", "dtype", "device", "device_map", "tokenizer")


def run_technique(entry: Entry, given: Mapping[str, Any], notes: Notes) -> None:
    """Run a technique as the flags say, and end with the code that fits what came of it."""
    inputs, outcome = Inputs.of(given), Outcome.of(given)
    inputs.check(entry.name, entry.eats)
    with quieted(notes.quiet):
        if entry.technique.gives == "Artifact" and outcome.save is None:
            outcome = replace(outcome, save=_folder(entry, given))
            notes.say(f"what is fitted is kept in {outcome.save} (--save takes another folder)")
        outcome.check(resumable=_keeps_itself(entry, outcome))
        check_options(entry, given)
        asked = inputs.read(entry.eats, *answers(given)) if entry.eats is not None else None
        model = opened(given, notes)
        options = read_options(entry, given, model)
        options |= _steering(entry, outcome, options, notes)
        try:
            found = entry.technique(model, *([] if asked is None else [asked(model)]), **options)
        except KeyboardInterrupt as stopped:
            found, why = None, stopped
    if found is None:
        _give_partial(why, outcome, notes)
        raise typer.Exit(STOPPED)
    outcome.give(found, notes)
    failed = found.failed if isinstance(found, iw.Result) else []
    if failed and given.get("strict"):
        notes.warn(f"{len(failed)} of {len(found.checks)} checks failed (--strict).")
        raise typer.Exit(CHECK_FAILED)


def opened(given: Mapping[str, Any], notes: Notes) -> Any:
    """The model that the flags name, or the bundled one, under the edits that they name."""
    source = _source(given)
    if given.get("model") is None:
        notes.say(f"model: {source} (the bundled one; --model takes another)")
    options = {name: given[name] for name in _AS_GIVEN if given.get(name) is not None}
    if given.get("attn") is not None:
        options["attn_implementation"] = given["attn"]
    model = iw.load(source, trust_remote_code=bool(given.get("trust_remote_code")), **options)
    edits = [one for text in given.get("edit") or () for one in iw.edit.Edit.parse_several(text, model)]
    return model.with_edits(*edits) if edits else model


def _source(given: Mapping[str, Any]) -> str:
    return str(given.get("model") or iw.bundled()[0].name)


def _folder(entry: Entry, given: Mapping[str, Any]) -> Path:
    """Where what is fitted is kept if --save does not say: the technique's own folder, or one that is free."""
    own = given.get(f"{PREFIX}out")
    return Path(own[0]) if own else free_folder(entry.name, _source(given))


def _steering(entry: Entry, outcome: Outcome, options: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    """What a technique is given besides: no bar for the quiet, the folder of what it fits to go on from."""
    technique = entry.technique
    names = {option.name for option in technique.options}
    steering: dict[str, Any] = {"progress": False} if notes.quiet and "progress" in names else {}
    if _keeps_itself(entry, outcome):
        assert outcome.save is not None
        if options.get("out") is not None and Path(options["out"]).resolve() != outcome.save.resolve():
            raise InnerworksError("--out and --save name two folders for what is fitted: give one of them.")
        steering["out"] = outcome.save
    return steering


def _keeps_itself(entry: Entry, outcome: Outcome) -> bool:
    """Whether the technique is to fit in the folder of --save itself, so that it can be gone on with there."""
    fits = entry.technique.gives == "Artifact" and any(option["name"] == "out" for option in entry.options)
    return fits and outcome.save is not None and not outcome.overwrite


def _give_partial(stopped: KeyboardInterrupt, outcome: Outcome, notes: Notes) -> None:
    """What was done before Ctrl-C is given like a whole result; where there is nothing, what to do is said."""
    partial = getattr(stopped, "partial", None)
    if not isinstance(partial, iw.Result):
        told = str(stopped).partition(" Nothing is lost")[0] if isinstance(stopped, InnerworksError) else ""
        notes.warn(told or "stopped: there is no result yet.")
        return
    done = str(stopped).partition(".")[0] or "stopped"
    notes.warn(f"{done}; what follows is of these alone.")
    outcome.give(replace(partial, title=f"{partial.heading} ({done})"), notes)
