"""What a shell completes, quickly: nothing of it imports torch. And how the command looks in terminals and pipes."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

import innerworks as iw
from innerworks.ui.cli.completion import task_names

ROOT = Path(__file__).parents[3]
_TELLS_WHAT_IT_LOADED = """
import atexit, sys
heavy = {"torch", "transformers", "numpy", "xarray", "pandas", "huggingface_hub"}
atexit.register(lambda: print("loaded:", sorted(heavy & set(sys.modules)), file=sys.stderr))
from innerworks.ui.cli import main
main()
"""


def process(*words, folder=ROOT, **more):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]), **more}
    return subprocess.run(
        [sys.executable, "-c", _TELLS_WHAT_IT_LOADED, *words],
        check=False,
        capture_output=True,
        text=True,
        env=env,
        cwd=folder,
    )


def completed(line, folder=ROOT, **more):
    """What bash is offered at the end of a line."""
    words = line.split(" ")
    done = process(
        _INNERWORKS_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(len(words) - 1), folder=folder, **more
    )
    assert done.stderr.rstrip().endswith("loaded: []"), done.stderr
    return done.stdout.split()


def test_techniques_their_options_and_choices():
    assert completed("innerworks run activation_p") == ["activation_patching"]
    assert set(completed("innerworks run ")) == set(iw.techniques())
    assert "--direction" in completed("innerworks run activation_patching --d")
    assert completed("innerworks run activation_patching --direction n") == ["noise"]
    assert completed("innerworks techniques logit_l") == ["logit_lens"]
    assert {"run", "open", "models", "doctor", "techniques"} <= set(completed("innerworks "))
    assert completed("innerworks run nothing_like_it --d") == []


def test_models_tasks_and_folders(tmp_path):
    hub = tmp_path / "hub" / "models--openai-community--gpt2" / "snapshots"
    hub.mkdir(parents=True)
    (tmp_path / "smol.gguf").touch()
    (tmp_path / "small").mkdir()
    (tmp_path / "smart.txt").touch()
    where = {"folder": tmp_path, "HF_HUB_CACHE": str(tmp_path / "hub"), "INNERWORKS_CACHE": str(tmp_path / "none")}
    found = completed("innerworks run logit_lens --model sm", **where)
    assert set(found) == {"smollm2-135m-instruct-q4", "smol.gguf", "small/"}
    assert completed("innerworks models show open", **where) == ["openai-community/gpt2"]
    assert "small/" in completed("innerworks open sma", **where)
    assert completed("innerworks run evaluate --task io", **where) == ["ioi"]
    assert {"ioi", "facts", "greater_than"} <= set(task_names())
    assert all(isinstance(iw.Task.parse(f"{name}(n=1)"), iw.Task) for name in task_names())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_of_a_shell_can_be_shown(shell, tmp_path):
    done = process(_INNERWORKS_COMPLETE=f"source_{shell}", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert done.returncode == 0 and "_INNERWORKS_COMPLETE" in done.stdout


@pytest.mark.parametrize(
    "words",
    [["--help"], ["techniques"], ["run", "--help"], ["run", "logit_lens", "--help"], ["models"], ["--version"],
     ["run", "logit_lens"], ["run", "nope"]],
)  # fmt: skip
def test_what_asks_no_model_imports_no_torch(words, tmp_path):
    done = process(*words, INNERWORKS_CACHE=str(tmp_path))
    assert done.stderr.rstrip().endswith("loaded: []"), done.stderr


# -- terminals and pipes ----------------------------------------------------------------------------------------------


def in_terminal(*words, stream="stdout", **more):
    """What a terminal is given on one stream, where the other leads nowhere."""
    leader, follower = pty.openpty()
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": "60", **more}
    env = {name: value for name, value in env.items() if value is not None}
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: follower}
    started = subprocess.Popen([sys.executable, "-m", "innerworks", *words], env=env, cwd=ROOT, **streams)
    os.close(follower)
    parts = []
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        parts.append(part)
    assert started.wait() == 0
    os.close(leader)
    return b"".join(parts).decode()


def test_a_terminal_sees_how_far_it_has_come_and_how_long_it_takes(tiny_folder):
    asked = ["run", "direct_logit_attribution", "--task", "facts:n=40", "--json", "-m", tiny_folder]
    told = in_terminal(*asked, stream="stderr", COLUMNS="100")
    assert "direct_logit_attribution" in told and "/40" in told and re.search(r"\d:\d\d:\d\d", told)
    assert in_terminal(*asked, "--quiet", stream="stderr") == ""


def test_a_terminal_has_colours_and_its_own_width():
    told = in_terminal("techniques", "--search", "patch", NO_COLOR=None)
    assert "\x1b[" in told
    plain = in_terminal("techniques", "--search", "patch", NO_COLOR="1")
    assert "\x1b[3" not in plain
    assert max(len(re.sub(r"\x1b\[\d*m", "", line)) for line in plain.splitlines()) <= 60


def test_a_result_in_a_terminal_is_as_wide_as_that(tmp_path):
    tokens = [f"token {number}" for number in range(6)]
    iw.Result(views={"strip": iw.View.tokens(tokens, range(6))}, title="Strip").save(tmp_path / "kept")
    assert "\x1b[" in in_terminal("open", str(tmp_path / "kept"), NO_COLOR=None)
    assert "\x1b[3" not in in_terminal("open", str(tmp_path / "kept"), NO_COLOR="1")
    done = process("open", str(tmp_path / "kept"))
    assert "\x1b" not in done.stdout


def test_the_module_is_the_script():
    by_module = subprocess.run(
        [sys.executable, "-m", "innerworks", "run", "--help"], check=False, capture_output=True, text=True, cwd=ROOT
    )
    assert by_module.stdout == process("run", "--help").stdout
    assert by_module.stdout.startswith("Usage: innerworks run TECHNIQUE")
