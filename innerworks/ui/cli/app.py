"""The command `innerworks` and what it can be asked."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

import innerworks
from innerworks.ui.cli.completion import complete_saved, complete_technique
from innerworks.ui.cli.consoles import Notes, widest
from innerworks.ui.cli.failures import STOPPED, failure
from innerworks.ui.cli.listing import list_techniques
from innerworks.ui.cli.model_commands import models
from innerworks.ui.cli.run import TechniqueGroup

__all__ = ["app", "main"]

_OF_ALL = ("--debug", "--quiet")
_SETTINGS = {"help_option_names": ["--help", "-h"], "max_content_width": widest()}

app = typer.Typer(
    name="innerworks",
    help="See how a Transformer language model works inside.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=_SETTINGS,
)

_EXAMPLES = """Examples:\n\n\b
  innerworks techniques --search patch
  innerworks run logit_lens "The Eiffel Tower is in the city of"
  innerworks run activation_patching --help
  innerworks models show smollm2-135m-instruct-q4
  innerworks doctor

Exit codes: 0 done, 1 something is broken or full, 2 what was given does not fit, 3 a check failed (--strict),
130 stopped.
"""
_LISTING_EXAMPLES = """Examples:\n\n\b
  innerworks techniques
  innerworks techniques --section 3.2 --eats Pair
  innerworks techniques --search patch
  innerworks techniques evaluate
  innerworks techniques --json | jq '.[].name'
"""
_RUN_EXAMPLES = """Examples:\n\n\b
  innerworks run logit_lens "The Eiffel Tower is in the city of"
  innerworks run direct_logit_attribution --prompt "The Eiffel Tower is in the city of" --target " Paris"
  innerworks run activation_patching --task ioi:n=8 --sites attn_out.: --save patched --html patched.html
  innerworks run activation_patching --help
"""
_OPEN_EXAMPLES = """Examples:\n\n\b
  innerworks open patched
  innerworks open patched --view score
  innerworks open patched --html patched.html
  innerworks open patched --json | jq .checks
"""
_DOCTOR_EXAMPLES = """Examples:\n\n\b
  innerworks doctor
  innerworks doctor --json | jq .broken
"""


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(innerworks.__version__)
        raise typer.Exit


@app.callback(epilog=_EXAMPLES)
def innerworks_command(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No bars and no notes on stderr; errors are told.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """See how a Transformer language model works inside."""
    ctx.obj = Notes(quiet)


@app.command("techniques", short_help="List what can be asked of a model.", epilog=_LISTING_EXAMPLES)
def techniques(
    name: Annotated[
        str | None,
        typer.Argument(help="Say everything about this one.", show_default=False, autocompletion=complete_technique),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")] = False,
    section: Annotated[
        str | None, typer.Option("--section", "-s", help="Those of a section of the survey and its parts: 3.2.")
    ] = None,
    eats: Annotated[str | None, typer.Option("--eats", help="Those that take a Prompt, a Pair, a Task, ….")] = None,
    search: Annotated[str | None, typer.Option("--search", help="Those that have these words somewhere.")] = None,
) -> None:
    """List what can be asked of a model, or say everything about one technique."""
    list_techniques(name, as_json=json, section=section, eats=eats, search=search)


@app.command("open", epilog=_OPEN_EXAMPLES)
def open_(
    ctx: typer.Context,
    path: Annotated[
        Path, typer.Argument(metavar="RESULT", help="The folder it was saved in.", autocompletion=complete_saved)
    ],
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write it as a page.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")] = False,
    view: Annotated[
        list[str] | None, typer.Option("--view", metavar="NAME", help="Show this picture alone; may be repeated.")
    ] = None,
) -> None:
    """Show a result, or what was fitted, that was saved."""
    from innerworks.ui.cli.opening import open_saved

    open_saved(path, html=html, as_json=json, view=view or [], notes=ctx.obj)


@app.command("doctor", short_help="Look at the installation, and prove that it works.", epilog=_DOCTOR_EXAMPLES)
def doctor(
    ctx: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")] = False,
) -> None:
    """Look at the installation, and let a model prove that what is read inside it is what it computes."""
    from innerworks.ui.cli.doctor import examine

    examine(as_json=json, notes=ctx.obj)


app.add_typer(models, short_help="Which models there are, and what one is inside.", context_settings=_SETTINGS)
app.add_typer(
    typer.Typer(
        name="run",
        cls=TechniqueGroup,
        short_help="Ask a technique something.",
        help="Ask a technique something: `innerworks run TECHNIQUE --help` says what it takes.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        epilog=_RUN_EXAMPLES,
        context_settings=_SETTINGS,
    )
)


def _in_front(arguments: Sequence[str]) -> list[str]:
    """The arguments with flags of the whole command in front, wherever they stand before a `--`."""
    end = list(arguments).index("--") if "--" in arguments else len(arguments)
    general = [one for one in arguments[:end] if one in _OF_ALL]
    return general + [one for one in arguments[:end] if one not in _OF_ALL] + list(arguments[end:])


def main() -> None:
    """Run the command; what goes wrong is one message on stderr and an exit code, with --debug a traceback too."""
    arguments = _in_front(sys.argv[1:])
    try:
        app(arguments, prog_name="innerworks")
    except KeyboardInterrupt:
        sys.exit(STOPPED)
    except Exception as problem:
        if "--debug" in arguments[: len(_OF_ALL)]:
            raise
        message, code = failure(problem)
        print(f"error: {message}", file=sys.stderr)
        sys.exit(code)
