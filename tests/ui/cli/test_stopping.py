"""Ctrl-C: what was finished is kept and shown, and the command ends with 130; no half-written files are left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import innerworks as iw

ROOT = Path(__file__).parents[3]
# A task is asked group by group; with the third the process tells so, and waits to be stopped.
_SLOW = """
import sys, time
import innerworks.data.lifting.served as served
made, part = [], served.Part
def slow(rows, result):
    if len(made) == 2:
        print("two groups are done", file=sys.stderr, flush=True)
        time.sleep(60)
    made.append(rows)
    return part(rows, result)
served.Part = slow
"""


def started(folder: Path, code: str, *words: str) -> subprocess.Popen[str]:
    script = (
        f"{code}\nimport sys\nsys.argv = ['innerworks', *{list(words)!r}]\nfrom innerworks.ui.cli import main\nmain()"
    )
    return subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])},
    )


def stopped(process: subprocess.Popen[str], when: str) -> tuple[int, str, str]:
    """Send Ctrl-C once stderr has said something, and wait for the end."""
    assert process.stderr is not None
    told = []
    for line in process.stderr:
        told.append(line)
        if when in line:
            break
    else:
        pytest.fail("".join(told))
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, "".join(told) + err


def test_what_was_finished_is_kept(tiny_folder, tmp_path):
    words = ["run", "direct_logit_attribution", "--task", "facts:n=40", "-m", tiny_folder, "--save", "kept", "--json"]
    code, out, err = stopped(started(tmp_path, _SLOW, *words), "two groups are done")
    assert code == 130 and "Traceback" not in err, err
    found, kept = json.loads(out), iw.open(tmp_path / "kept")
    done = kept.data["value"].sizes["example"]
    assert 0 < done < 40
    assert f"stopped after {done} of 40 examples" in err and f"stopped after {done} of 40 examples" in found["title"]
    assert found["data"]["value"]["shape"] == [done]
    whole = iw.direct_logit_attribution(iw.load(tiny_folder), iw.tasks.facts(n=40))
    assert set(kept.data["value"].values.tolist()) <= set(whole.data["value"].values.tolist())
    assert [one.name for one in tmp_path.iterdir()] == ["kept"]


_SLEEPS = """
import sys, time
from innerworks.registry import Technique
def slow(self, *given, **options):
    print("asking", file=sys.stderr, flush=True)
    time.sleep(60)
Technique.__call__ = slow
"""


def test_where_nothing_was_finished_nothing_is_written(tiny_folder, tmp_path):
    words = ["run", "logit_lens", "When Mary", "-m", tiny_folder, "--save", "kept", "--html", "page.html", "--json"]
    code, out, err = stopped(started(tmp_path, _SLEEPS, *words), "asking")
    assert (code, out) == (130, "") and "stopped: there is no result yet" in err and "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


_TWELVE_STEPS = """
import sys, time
import innerworks.decode.vocabulary.translators.training as training
advance = training.Training.advance
def slow(self):
    if self.step == 12:
        print("twelve steps are done", file=sys.stderr, flush=True)
        time.sleep(60)
    advance(self)
training.Training.advance = slow
"""


def test_a_fit_that_was_stopped_goes_on_in_its_folder(tiny_folder, tmp_path):
    (tmp_path / "text.txt").write_text("When Mary and John went to the store. Then Tom said a long argument. " * 60)
    words = ["run", "fit_tuned_lens", "--corpus", "text.txt, context=16", "--steps", "20", "--contexts", "2"]
    words += ["--positions", "4", "-m", tiny_folder, "--json", "--save"]
    code, out, err = stopped(started(tmp_path, _TWELVE_STEPS, *words, "lens"), "twelve steps are done")
    assert (code, out) == (130, "") and "stopped after 12 of 20 steps" in err and "is kept in" in err
    assert sorted(one.name for one in tmp_path.iterdir()) == ["lens.unfinished", "text.txt"]
    for folder in ("lens", "at once"):
        done = started(tmp_path, "", *words, folder)
        _, err = done.communicate(timeout=120)
        assert done.returncode == 0, err
    gone_on, at_once = iw.open(tmp_path / "lens"), iw.open(tmp_path / "at once")
    assert all((gone_on[name] == at_once[name]).all() for name in at_once.tensors)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["at once", "lens", "text.txt"]


def test_a_second_process_that_reads_no_more_is_no_error(tmp_path):
    command = f"{sys.executable} -m innerworks techniques --json | head -c 10"
    done = subprocess.run(
        command,
        shell=True,
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert len(done.stdout) == 10 and "Traceback" not in done.stderr and "Exception" not in done.stderr
