"""The commands of `innerworks models`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from innerworks.ui.cli.completion import complete_kept, complete_model

__all__ = ["models"]

models = typer.Typer(
    name="models",
    help="Which models there are, what one is inside, and how to have one without a hub.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")]

_EXAMPLES = """Examples:\n\n\b
  innerworks models
  innerworks models show Qwen/Qwen3-8B
  innerworks models add smollm2-135m-instruct-q4
  innerworks models remove smollm2-135m-instruct-q4
"""


@models.callback(invoke_without_command=True, epilog=_EXAMPLES)
def _models(ctx: typer.Context, json: Json = False) -> None:
    """Which models there are, what one is inside, and how to have one without a hub; alone, it lists them."""
    if ctx.invoked_subcommand is None:
        _list(json)


@models.command("list", epilog="Examples:\n\n\b\n  innerworks models list\n  innerworks models list --json\n")
def list_them(json: Json = False) -> None:
    """Models that need no hub, converted ones, and those in the hub's cache."""
    _list(json)


def _list(json: bool) -> None:
    from innerworks.ui.cli.models import list_models

    list_models(as_json=json)


@models.command("show", epilog="Examples:\n\n\b\n  innerworks models show smollm2-135m-instruct-q4\n")
def show(
    ctx: typer.Context,
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A hub id, folder, .gguf file or bundled name.", autocompletion=complete_model
        ),
    ],
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write it as a page.")] = None,
    json: Json = False,
    revision: Annotated[str | None, typer.Option("--revision", metavar="NAME", help="A branch, tag or commit.")] = None,
    trust_remote_code: Annotated[
        bool, typer.Option("--trust-remote-code", help="Run the code that a repository brings with it.")
    ] = False,
) -> None:
    """What a model is: its sizes, the places it has and why not others, what is refused.

    Of an architecture that has a record no weights are read.
    """
    from innerworks.ui.cli.models import show_model

    given = {"html": html, "json": json, "revision": revision, "trust_remote_code": trust_remote_code}
    show_model(model, given, ctx.obj)


@models.command("add", epilog="Examples:\n\n\b\n  innerworks models add smollm2-135m-instruct-q4\n")
def add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A bundled name.", autocompletion=complete_model)],
) -> None:
    """Fetch and prepare a model that needs no hub, so that later loads take seconds."""
    from innerworks.ui.cli.models import add_model

    add_model(name, ctx.obj)


@models.command("remove", epilog="Examples:\n\n\b\n  innerworks models remove smollm2-135m-instruct-q4 --yes\n")
def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name of the list.", autocompletion=complete_kept)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete what was prepared of a model from the cache."""
    from innerworks.ui.cli.models import kept_model

    found = kept_model(name)
    if not yes:
        typer.confirm(f"Delete {found.folder} ({found.bytes / 1e6:,.0f} MB)?", abort=True, err=True)
    typer.echo(f"removed {found.name}: {found.remove() / 1e6:,.0f} MB are free again")
