"""Every registered technique as a command: its flags, their texts, its help and its examples."""

from __future__ import annotations

import inspect
import json
import shlex
from typing import Annotated

import pytest
import typer

import innerworks as iw
from innerworks.registry import Entry, Option, techniques
from innerworks.registry.catalogue import built_in
from innerworks.registry.entry import record_of
from innerworks.registry.technique import Technique
from innerworks.ui.cli.run.command import ANSWERS, PREFIX, examples, flag_of, technique_command
from innerworks.ui.cli.run.inputs import Inputs, task_of
from innerworks.ui.cli.run.options import check_options
from innerworks.ui.cli.run.values import choices, example, is_flag, metavar, shown_default

ALL = sorted(built_in())


def parsed(name, *words):
    """What the command is given when it is called with these words; nothing is run."""
    command = technique_command(techniques()[name])
    return command.make_context(name, list(words)).params


def required(name):
    """The least that has to be written for a technique's own options."""
    return [
        word
        for option in techniques()[name].options
        if option["required"]
        for word in (flag_of(option["name"]), example(option["schema"]))
    ]


@pytest.mark.parametrize("name", ALL)
def test_every_option_has_a_flag_that_says_what_it_takes(name, command):
    told = command("run", name, "--help")
    assert told.code == 0 and told.err == ""
    words = " ".join(told.out.split())
    for option in techniques()[name].options:
        assert f" {flag_of(option['name'])} " in words, option["name"]
        assert " ".join(option["help"].split()[:3]) in words
        if not is_flag(option["schema"]):
            assert f"{flag_of(option['name'])} {metavar(option['schema'])}" in words
        for word in choices(option["schema"]):
            assert word in words
        default = shown_default(option)
        assert not default or f"[default: {' '.join(default.split())}]" in words
    assert words.count("[required]") == sum(option["required"] for option in techniques()[name].options)
    assert " ".join(techniques()[name].question.split()) in words
    assert "Examples:" in words


@pytest.mark.parametrize("name", ALL)
def test_what_the_help_calls_the_default_is_the_default(name):
    for option in techniques()[name].technique.options:
        if option.is_written and not option.required and option.default is not None:
            written = shown_default(
                {"schema": option.schema(), "required": False, "default": option.render(option.default)}
            )
            if not is_flag(option.schema()):
                again = option.parse(written)
                assert option.render(again) == option.render(option.default), option.name
                assert again == option.default or str(again) == str(option.default)


@pytest.mark.parametrize("name", ALL)
def test_nothing_that_was_not_written_is_given(name):
    given = parsed(name, *required(name))
    for option in techniques()[name].options:
        key = option["name"] if option["name"] in ANSWERS else f"{PREFIX}{option['name']}"
        assert (given[key] in (None, ())) != option["required"]


@pytest.mark.parametrize("name", ALL)
def test_flags_that_are_switches_are_said_both_ways(name):
    for option in techniques()[name].options:
        if is_flag(option["schema"]):
            flag = flag_of(option["name"])
            key = f"{PREFIX}{option['name']}"
            assert parsed(name, *required(name), flag)[key] is True
            assert parsed(name, *required(name), f"--no-{flag.removeprefix('--')}")[key] is False


@pytest.mark.parametrize("name", ALL)
def test_the_examples_of_the_help_can_be_asked(name):
    entry = techniques()[name]
    assert len(examples(entry)) >= 2
    for line in examples(entry):
        program, run, called, *words = shlex.split(line)
        assert (program, run, called) == ("innerworks", "run", name)
        given = parsed(name, *words)
        Inputs.of(given).check(name, entry.eats)
        check_options(entry, given)
        if given.get("task"):
            assert isinstance(task_of(given["task"]), iw.Task)


def test_help_imports_no_model_and_no_technique():
    import subprocess
    import sys

    code = (
        "import sys; sys.argv = ['innerworks', 'run', 'activation_patching', '--help']\n"
        "import atexit; atexit.register(lambda: print(sorted({'torch', 'transformers', 'numpy', 'innerworks.model', "
        "'innerworks.localize'} & set(sys.modules))))\n"
        "from innerworks.ui.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


# -- options that are called like the command's own -----------------------------------------------------------------


def crowded(
    model: iw.Model,
    *,
    model_: Annotated[int, "not a name of the command"] = 1,
    json: Annotated[bool, "a name of the command"] = False,
    save: Annotated[str, "another"] = "x",
    debug: Annotated[int, "a name of all commands"] = 0,
    dtype: Annotated[str, "another"] = "y",
) -> iw.Result:
    """What it is."""
    return iw.Result(title=f"{json} {save} {debug} {dtype}")


def test_an_option_that_is_called_like_one_of_the_command_has_a_flag_of_its_own(tiny_folder, capsys):
    made = Technique("crowded", "t", "2", "What?", (), iw.registry.Cost(), crowded)
    entry = Entry.of_record(record_of(made))
    entry = Entry(**{**vars(entry), "load": lambda: made})
    run = technique_command(entry)
    words = ["--its-json", "--its-save", "kept", "--its-debug", "3", "--its-dtype", "z", "--json", "-m", tiny_folder]
    from innerworks.ui.cli.consoles import Notes

    with run.make_context("crowded", words, obj=Notes(True)) as context:
        run.invoke(context)
    assert json.loads(capsys.readouterr().out)["title"] == "True kept 3 z"


# -- what schemas say -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("annotation", "said", "chosen"),
    [
        (int, "INT", []),
        (float | None, "NUMBER", []),
        (tuple[int, int], "INT,INT", []),
        (tuple[str, ...] | None, "TEXT,…", []),
        (dict[str, float], "NAME=VALUE,…", []),
        (iw.Site | tuple[iw.Site, ...], "SITE,…", []),
        (iw.Artifact | None, "FOLDER", []),
        (iw.Task | None, "TASK", []),
    ],
)
def test_what_stands_behind_a_flag(annotation, said, chosen):
    schema = Option("x", annotation).schema()
    assert (metavar(schema), choices(schema)) == (said, chosen)


def test_choices_are_listed_with_none_where_that_is_one():
    from typing import Literal

    schema = Option("x", Literal["a", "b"] | None).schema()
    assert choices(schema) == ["a", "b", "none"]
    assert Option("x", Literal["a", "b"] | None).parse("none") is None


def test_commands_are_made_of_what_typer_offers_to_all():
    signature = inspect.signature(typer.Option)
    assert {"metavar", "rich_help_panel", "autocompletion", "hidden"} <= signature.parameters.keys()
