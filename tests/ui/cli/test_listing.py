"""The command `innerworks`, as a process: what it prints where, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import innerworks as iw
import innerworks.registry

ROOT = Path(__file__).parents[3]


def innerworks(*words: str, columns: int = 80) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "innerworks", *words],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": str(columns), "PYTHONIOENCODING": "utf-8"},
    )


def test_the_version_is_the_package_s():
    done = innerworks("--version")
    assert (done.returncode, done.stdout) == (0, f"{iw.__version__}\n")


def test_the_script_is_the_command():
    script = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["innerworks"]
    code = f"from {script.partition(':')[0]} import {script.partition(':')[2]} as main; main()"
    done = subprocess.run([sys.executable, "-c", code, "--version"], check=False, capture_output=True, text=True)
    assert done.stdout == f"{iw.__version__}\n"


def test_the_table_is_by_section_and_chosen_from():
    done = innerworks("techniques", "--section", "2", "--eats", "task", "--search", "can model")
    assert done.returncode == 0
    heading, row = (line.strip() for line in done.stdout.splitlines()[:2])
    assert heading == "2 The components of a Transformer language model"
    assert row.split(maxsplit=2) == ["evaluate", "Task", "Can the model do the task at all?"]
    assert "like that" in innerworks("techniques", "--search", "nothing has these words").stdout


def test_one_technique_is_told_whole():
    done = innerworks("techniques", "evaluate")
    entry = iw.techniques()["evaluate"]
    words = " ".join(done.stdout.split())
    for said in (entry.title, entry.question, entry.meaning, *entry.references, "iw.evaluate(model, task, …)"):
        assert said in words
    assert all(option["name"] in words and option["default"] is not ... for option in entry.options)
    assert "progress" not in words


def test_json_is_json_and_nothing_else(monkeypatch):
    # What other tests have registered in this process is not in the other.
    monkeypatch.setattr(sys.modules["innerworks.registry.technique"], "_registered", {})
    everything = innerworks("techniques", "--json", columns=20)
    assert everything.stdout.rstrip() == iw.techniques().to_json() and everything.stderr == ""
    assert json.loads(innerworks("techniques", "evaluate", "--json").stdout) == iw.techniques()["evaluate"].record()
    assert json.loads(innerworks("techniques", "--json", "--eats", "nothing").stdout) == []


@pytest.mark.parametrize("columns", [40, 80, 300])
def test_a_pipe_is_given_plain_text_that_is_not_cut(columns):
    done = innerworks("techniques", columns=columns)
    assert "\x1b" not in done.stdout and "…" not in done.stdout
    assert "Can the model do the task at all?" in done.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("techniques", "evalute"), "error: there is no technique 'evalute'. Did you mean 'evaluate'?"),
        (("techniques", "--section", "9.9"), "error: the survey (arXiv:2405.00208) has no section '9.9'."),
        (("techniques", "evaluate", "--eats", "Task"), "error: give a name, or --section"),
        (("techniques", "--nope"), "No such option: --nope"),
        (("nothing",), "No such command 'nothing'"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(words, told):
    done = innerworks(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr and "Traceback" not in done.stderr


def test_help_has_examples_that_work():
    told = innerworks("techniques", "--help").stdout
    examples = [line.split("|")[0].split()[1:] for line in told.splitlines() if line.strip().startswith("innerworks ")]
    assert len(examples) >= 4
    for words in examples:
        assert innerworks(*words).returncode == 0, words


def test_listing_imports_no_model():
    code = "import sys; sys.argv = ['innerworks', 'techniques']\n"
    code += (
        "import atexit; atexit.register(lambda: print(sorted({'torch', 'transformers', 'numpy'} & set(sys.modules))))\n"
    )
    code += "from innerworks.ui.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"
