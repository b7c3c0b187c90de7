"""A technique as a command: its flags from the registry's index, its help in parts, an example that fits it."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Mapping
from typing import Annotated, Any

import typer
import typer.core
import typer.main

from innerworks.registry import Entry
from innerworks.ui.cli.consoles import widest
from innerworks.ui.cli.run.flags import LOADING, OUTCOME, Flag, inputs_for
from innerworks.ui.cli.run.values import choices, example, is_flag, metavar, shown_default

__all__ = ["examples", "flag_of", "technique_command"]

PREFIX = "its_"
"""Before the names of a technique's own options, so that none is mistaken for one that every technique has."""
ANSWERS = ("target", "foil")
"""Options that every technique has in one way or another: as one of its own, or by its metric."""

_ASKED_OF = {
    "Prompt": (["The Eiffel Tower is in the city of"], ["--task", "facts:n=8"]),
    "Pair": (
        ["--clean", "When Mary and John went to the store, John gave a drink to",
         "--corrupt", "When Mary and John went to the store, Mary gave a drink to"],
        ["--task", "ioi:n=8"],
    ),
    "Task": (["--task", "ioi:n=32"], ["--prompts", "mine.jsonl"]),
    "Corpus": (["text/*.txt"], ["--corpus", "text/*.txt, context=128, limit=100000"]),
}  # fmt: skip


class InParts(typer.core.TyperCommand):
    """A command whose help shows its flags in parts, each under the name of its panel."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Flags, and what stands in no flag."""
        words = [f"[{one.metavar}]" for one in self.get_params(ctx) if one.param_type_name == "argument"]
        return ["[OPTIONS]", *words]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """One list of definitions for each panel, in the order in which they first come."""
        parts: dict[str, list[tuple[str, str]]] = {}
        for one in self.get_params(ctx):
            words = one.metavar if one.param_type_name == "argument" else None
            record = one.get_help_record(ctx) if words is None else (words, str(getattr(one, "help", "")))
            if record is not None:
                parts.setdefault(getattr(one, "rich_help_panel", None) or "Help", []).append(record)
        for panel, records in parts.items():
            with formatter.section(panel):
                formatter.write_dl(records)


def technique_command(entry: Entry) -> Any:
    """The command of a technique. Nothing of the technique is imported before it is run."""
    if entry.problem:
        return entry.technique
    made = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    shown = examples(entry)
    made.command(
        entry.name,
        cls=InParts,
        help=f"{entry.question}\n\n{entry.meaning}",
        short_help=entry.question,
        epilog="Examples:\n\n\b\n" + "\n".join(f"  {one}" for one in shown),
        context_settings={"max_content_width": widest(), "help_option_names": ["--help", "-h"]},
    )(_function(entry))
    return typer.main.get_command(made)


def flag_of(name: str) -> str:
    """How an option is written: `batch_size` is --batch-size; one that every technique has is --its-…."""
    plain = name.replace("_", "-")
    return f"--its-{plain}" if plain in _TAKEN else f"--{plain}"


_TAKEN = frozenset(
    {flag.name.replace("_", "-") for flag in (*LOADING, *OUTCOME, *inputs_for(None, measured=False, own=frozenset()))}
    - set(ANSWERS)
    | {"help", "debug", "quiet"}
)


def _flags(entry: Entry) -> list[Flag]:
    names = frozenset(option["name"] for option in entry.options)
    measured = entry.eats == "Task" or ("metric" in names and "target" not in names)
    inputs = inputs_for(entry.eats, measured=measured, own=names & set(ANSWERS))
    own = [_own(entry, option) for option in sorted(entry.options, key=lambda one: not one["required"])]
    return [*inputs, *own, *LOADING, *OUTCOME]


def _own(entry: Entry, option: Mapping[str, Any]) -> Flag:
    """The flag of an option of the technique itself, read as text; the technique's own reader makes a value of it."""
    schema, flag, default = option["schema"], flag_of(option["name"]), shown_default(option)
    name = option["name"] if option["name"] in ANSWERS else f"{PREFIX}{option['name']}"
    panel = f"Options of {entry.name}"
    told = _told(option["help"], option, default)
    if is_flag(schema):
        switch = typer.Option(
            f"{flag}/--no-{flag.removeprefix('--')}", help=told, rich_help_panel=panel, show_default=False
        )
        if option["required"]:
            return Flag(name, Annotated[bool, switch], inspect.Parameter.empty)
        return Flag(name, Annotated[bool | None, switch])
    words = choices(schema)
    value = typer.Option(
        flag,
        metavar=metavar(schema),
        help=told,
        rich_help_panel=panel,
        show_default=False,
        autocompletion=(lambda: words) if words else None,
    )
    if option["required"]:
        return Flag(name, Annotated[list[str], value], inspect.Parameter.empty)
    return Flag(name, Annotated[list[str] | None, value])


def _told(help: str, option: Mapping[str, Any], default: str) -> str:
    if is_flag(option["schema"]) and not option["required"]:
        return f"{help}  [default: {'yes' if option['default'] else 'no'}]"
    return f"{help}  [default: {default}]" if default else help


def _function(entry: Entry) -> Any:
    """A function with a parameter for each flag, as typer reads commands."""
    flags = _flags(entry)

    def run(ctx: typer.Context, **given: Any) -> None:
        from innerworks.ui.cli.run.calling import run_technique

        run_technique(entry, given, ctx.obj)

    annotations: dict[str, Any] = {"ctx": typer.Context, **{flag.name: flag.annotation for flag in flags}}
    kind = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter("ctx", kind, annotation=typer.Context)]
    parameters += [inspect.Parameter(one.name, kind, default=one.default, annotation=one.annotation) for one in flags]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = annotations
    return run


def examples(entry: Entry) -> list[str]:
    """Commands that ask this technique something, with every option that it needs."""
    needed = [
        word
        for option in entry.options
        if option["required"]
        for word in (flag_of(option["name"]), example(option["schema"]))
    ]
    simple, more = _ASKED_OF.get(str(entry.eats), ([], []))
    answered = ["--target", " Mary", "--foil", " John"] if entry.eats == "Pair" else []
    start = ["innerworks", "run", entry.name]
    return [
        shlex.join([*start, *simple, *needed, *answered]),
        shlex.join([*start, *more, *needed, "--save", "kept", "--html", "page.html"]),
    ]
