"""The flags that every technique has: what to ask it of, which model, and where the answer goes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from innerworks.ui.cli.completion import complete_model, complete_task

__all__ = ["LOADING", "OUTCOME", "Flag", "inputs_for"]

ASKED, MODEL, OUT = "Asked of", "Model", "Outcome"


@dataclass(frozen=True)
class Flag:
    """One parameter of the command: its name in Python, and what typer makes of its annotation and default."""

    name: str
    annotation: Any
    default: Any = None


def _text(name: str, flags: str, metavar: str, help: str, panel: str, *, hidden: bool = False, **more: Any) -> Flag:
    option = typer.Option(
        *flags.split(), metavar=metavar, help=help, rich_help_panel=panel, hidden=hidden, show_default=False, **more
    )
    return Flag(name, Annotated[str | None, option])


def _texts(name: str, flags: str, metavar: str, help: str, panel: str, *, hidden: bool = False, **more: Any) -> Flag:
    option = typer.Option(
        *flags.split(), metavar=metavar, help=help, rich_help_panel=panel, hidden=hidden, show_default=False, **more
    )
    return Flag(name, Annotated[list[str] | None, option])


def _path(name: str, flag: str, metavar: str, help: str, *, hidden: bool = False, panel: str = OUT) -> Flag:
    option = typer.Option(flag, metavar=metavar, help=help, rich_help_panel=panel, hidden=hidden, show_default=False)
    return Flag(name, Annotated[Path | None, option])


def _switch(name: str, flag: str, help: str, panel: str) -> Flag:
    option = typer.Option(flag, help=help, rich_help_panel=panel, show_default=False)
    return Flag(name, Annotated[bool, option], False)


_WORDS = {
    "Prompt": ("PROMPT...", "What is asked of; each in quotes."),
    "Pair": ("CLEAN CORRUPT", "Two prompts, each in quotes, instead of --clean and --corrupt."),
    "Corpus": ("FILE...", "Text files, folders or patterns."),
}
_USED = {
    "Prompt": {"prompt", "prompts", "task"},
    "Pair": {"clean", "corrupt", "prompts", "task"},
    "Task": {"prompt", "clean", "corrupt", "prompts", "task"},
    "Corpus": {"corpus"},
}
_ANSWERED = ("Prompt", "Pair", "Task")


def inputs_for(eats: str | None, *, measured: bool, own: frozenset[str]) -> list[Flag]:
    """The flags that say what a technique is asked of; those that mean nothing to it are hidden, and refused by name.

    `measured` where --target and --foil can say what is measured; `own` are names of options of its own.
    """
    used = _USED.get(str(eats), set()) | ({"target", "foil"} if measured and eats in _ANSWERED else set())
    flags = []
    if eats in _WORDS:
        metavar, help = _WORDS[str(eats)]
        argument = typer.Argument(metavar=metavar, help=help, show_default=False, rich_help_panel=ASKED)
        flags.append(Flag("words", Annotated[list[str] | None, argument]))
    every = (
        _texts("prompt", "--prompt -p", "TEXT", "A prompt; may be given several times.", ASKED,
               hidden="prompt" not in used),
        _path("prompts", "--prompts", "FILE", "A file of prompts: lines, or JSON lines; - for stdin.",
              hidden="prompts" not in used, panel=ASKED),
        _texts("clean", "--clean", "TEXT", "A clean prompt; may be given several times, each with its --corrupt.",
               ASKED, hidden="clean" not in used),
        _texts("corrupt", "--corrupt", "TEXT", "The corrupt prompt that goes with it.", ASKED,
               hidden="corrupt" not in used),
        _texts("target", "--target", "TOKEN", "The answer, with its leading space: ' Mary'; one, or one for each.",
               ASKED, hidden="target" not in used),
        _texts("foil", "--foil", "TOKEN", "What the answer is compared with; one, or one for each.", ASKED,
               hidden="foil" not in used),
        _text("task", "--task", "NAME[:n=64,…]", "A task with its answers: ioi:n=32,seed=1; or a .csv or .json file.",
              ASKED, hidden="task" not in used, autocompletion=complete_task),
        _texts("corpus", "--corpus", "FILES", "Text to read: 'text/*.txt', or 'text/*.txt, context=128, limit=10000'.",
               ASKED, hidden="corpus" not in used),
    )  # fmt: skip
    return flags + [flag for flag in every if flag.name not in own]


LOADING = (
    _text("model", "--model -m", "MODEL", "A hub id, folder, .gguf file or bundled name; by default the bundled one.",
          MODEL, autocompletion=complete_model),
    _text("revision", "--revision", "NAME", "The branch, tag or commit of a hub id.", MODEL),
    _text("dtype", "--dtype", "NAME", "float32, bfloat16, …; by default as in the checkpoint.", MODEL,
          autocompletion=lambda: ["float32", "bfloat16", "float16", "float64", "auto"]),
    _text("device", "--device", "NAME", "cpu, cuda, cuda:1, mps, ….", MODEL),
    _text("device_map", "--device-map", "NAME", "auto: over the devices that there are.", MODEL),
    _text("attn", "--attn", "NAME", "The attention implementation: sdpa or eager.", MODEL,
          autocompletion=lambda: ["sdpa", "eager"]),
    _text("tokenizer", "--tokenizer", "PLACE", "A tokenizer's folder or hub id, where the model has none.", MODEL),
    _switch("trust_remote_code", "--trust-remote-code", "Run the code that a repository brings with it.", MODEL),
    _texts("edit", "--edit", "EDIT", "Ask it of the model under a standing edit: 'zero(z.9.6)'; may be repeated.",
           MODEL),
)  # fmt: skip

OUTCOME = (
    _path(
        "save", "--save", "FOLDER", "Keep the result (or what was fitted) in this folder; `innerworks open` shows it."
    ),
    _switch("overwrite", "--overwrite", "Replace what was saved in that folder.", OUT),
    _path("html", "--html", "FILE", "Write one page of all pictures, checks and provenance."),
    _switch("json", "--json", "Print JSON, and nothing else, on stdout.", OUT),
    _texts("view", "--view", "NAME", "Show this picture alone; may be repeated.", OUT),
    _switch("strict", "--strict", "End with code 3 where a check failed.", OUT),
)
