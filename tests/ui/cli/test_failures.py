"""Every kind of failure is one message with what to do, and a code; a traceback comes with --debug alone."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

import innerworks.ui.cli.listing
from innerworks.errors import FileError, LoadError, OutOfMemoryError
from innerworks.ui.cli.failures import failure

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("problem", "code", "told"),
    [
        (LoadError("There is no folder x."), 2, "There is no folder x."),
        (FileError("kept already holds something"), 2, "already holds"),
        (OutOfMemoryError("x does not fit: less is more."), 1, "does not fit"),
        (MemoryError(), 1, "not enough memory: MemoryError. Use fewer or shorter prompts, --dtype bfloat16"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB\nmore"), 1, "Tried to allocate 20 GiB."),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes"),
            1,
            "there is not enough memory",
        ),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "kept"), 1, "kept: the disk is full. Free some space"),
        (PermissionError(errno.EACCES, os.strerror(errno.EACCES), "kept"), 1, "kept: there is no permission."),
        (OSError(errno.EIO, os.strerror(errno.EIO), "kept"), 1, "kept: Input/output error."),
        (LocalEntryNotFoundError("offline"), 1, "the Hugging Face hub did not answer"),
        (ZeroDivisionError("division by zero"), 1, "a mistake of innerworks itself, or of a library it uses: ZeroDiv"),
    ],
)
def test_a_failure_is_a_sentence_and_a_code(problem, code, told):
    message, ends = failure(problem)
    assert ends == code and told in message and "\n" not in message


def test_what_the_hub_raises_is_told_as_the_hub_s():
    assert issubclass(HfHubHTTPError, Exception)
    assert HfHubHTTPError.__module__.startswith("huggingface_hub")


def raising(problem):
    def broken(*given, **options):
        raise problem

    return broken


def test_a_mistake_of_ours_is_told_without_a_traceback(command, monkeypatch):
    monkeypatch.setattr(innerworks.ui.cli.app, "list_techniques", raising(ZeroDivisionError("no")))
    done = command("techniques")
    assert done.code == 1 and done.out == "" and done.err.startswith("error: this is a mistake of innerworks itself")
    assert "--debug" in done.err and "Traceback" not in done.err


def test_ctrl_c_ends_with_its_own_code(command, monkeypatch):
    monkeypatch.setattr(innerworks.ui.cli.app, "list_techniques", raising(KeyboardInterrupt()))
    done = command("techniques")
    assert (done.code, done.out) == (130, "") and "Traceback" not in done.err


@pytest.mark.parametrize("words", [["--debug", "techniques", "nope"], ["techniques", "nope", "--debug"]])
def test_the_traceback_comes_when_it_is_asked_for(words):
    done = subprocess.run(
        [sys.executable, "-m", "innerworks", *words], check=False, capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 1 and "Traceback" in done.stderr and "UnknownTechnique" in done.stderr


def test_what_stands_behind_two_dashes_is_no_flag(command):
    done = command("techniques", "--", "--debug")
    assert done.code == 2 and "there is no technique '--debug'" in done.err


def test_a_full_disk_leaves_nothing_half_written(command, tiny_folder, here, monkeypatch):
    def full(*given, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("innerworks.results.folders.os.fsync", full)
    done = command("run", "logit_lens", "When Mary", "-m", tiny_folder, "--save", "kept", "--html", "page.html")
    assert done.code == 2 and "the disk is full" in done.err
    assert "Logit lens" in done.out, "what was worked out is shown all the same"
    assert list(here.iterdir()) == []
