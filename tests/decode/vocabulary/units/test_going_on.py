"""A pass that was killed goes on where it was, and gives the same to the last bit."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import killed_pass
import pytest
import torch
from word_models import corpus, random_ids, tiny

import innerworks as iw
import innerworks.results.progress_files as progress_files
from innerworks import at
from innerworks.decode.vocabulary.units.maximally_activating import maximally_activating
from innerworks.errors import FileError

SCRIPT = Path(__file__).with_name("killed_pass.py")
PATHS = [str(SCRIPT.parent), str(SCRIPT.parents[3]), str(SCRIPT.parents[4])]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(PATHS)}


def same(one, other):
    assert one.data.keys() == other.data.keys()
    for name, array in one.data.items():
        assert array.dtype == other.data[name].dtype and array.equals(other.data[name]), name
    assert [str(check) for check in one.checks] == [str(check) for check in other.checks]


def done_in(folder):
    return json.loads((folder / "progress.json").read_text())["done"]


def test_a_killed_pass_goes_on_bit_for_bit(tmp_path):
    model, text, units, options = killed_pass.asked()
    folder = tmp_path / "kept"
    for until in (6, 30):
        killed = subprocess.run([sys.executable, str(SCRIPT), str(folder), str(until)], check=False, env=ENVIRONMENT)
        assert killed.returncode == -signal.SIGKILL
        assert done_in(folder) == until
    told = []
    resumed = maximally_activating(
        model, text, units, **options, out=folder, progress=lambda done, _: told.append(done)
    )
    assert told[0] == 32, "what was done is not done again"
    same(maximally_activating(model, text, units, **options), resumed)
    counted = model.metered()
    with counted as meter:
        same(resumed, maximally_activating(model, text, units, **options, out=folder))
    assert meter.forwards == 1, "a finished pass only sees what the sites are like"


def test_a_pass_that_is_killed_anywhere_leaves_a_whole_state(tmp_path):
    model, text, units, options = killed_pass.asked()
    folder, times = tmp_path / "kept", 0
    for wait in (0.0, 0.003, 0.011, 0.007):
        before = done_in(folder) if folder.exists() else -1
        running = subprocess.Popen([sys.executable, str(SCRIPT), str(folder)], env=ENVIRONMENT)
        while running.poll() is None and not ((folder / "progress.json").exists() and done_in(folder) > before):
            time.sleep(0.001)
        time.sleep(wait)
        running.kill()
        times += running.wait() == -signal.SIGKILL
    assert times >= 2
    same(
        maximally_activating(model, text, units, **options),
        maximally_activating(model, text, units, **options, out=folder),
    )
    left = sorted(entry.name for entry in folder.iterdir())
    assert left == ["progress-50", "progress.json"], "what a killed saving left behind is gone"


@pytest.mark.parametrize(
    "step", ["write_tensors", "write_file", "shutil.rmtree", "write_folder"], ids=["numbers", "record", "old", "folder"]
)
@pytest.mark.parametrize("nth", [1, 3])
def test_whatever_fails_while_saving_there_is_a_whole_state(step, nth, tmp_path, monkeypatch):
    """As if killed there: what was begun to be written stays behind."""
    model, text, units, options = killed_pass.asked()
    owner, _, name = f"innerworks.results.progress_files.{step}".rpartition(".")
    target, calls = (progress_files.shutil if "shutil" in owner else progress_files), []
    real = getattr(target, name)

    def failing(path, *args, **kwargs):
        calls.append(path)
        if len(calls) < nth:
            return real(path, *args, **kwargs)
        if name == "write_tensors":
            Path(path).with_name(".tmpX").write_bytes(b"half")
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(target, name, failing)
        maximally_activating(model, text, units, **options, out=tmp_path / "kept", save_every=0.0)
    resumed = maximally_activating(model, text, units, **options, out=tmp_path / "kept")
    same(maximally_activating(model, text, units, **options), resumed)
    assert sorted(entry.name for entry in (tmp_path / "kept").iterdir()) == ["progress-50", "progress.json"]


def test_what_a_killed_saving_left_is_no_stranger(tmp_path):
    model, text, units, options = killed_pass.asked()
    folder = tmp_path / "kept"
    half = folder / ".progress-2.0a1b2c3d.partial"
    half.mkdir(parents=True)
    (half / ".tmpX").write_bytes(b"half")
    (folder / ".progress.json.0a1b2c3d.partial").write_text("{")
    (folder / "progress-2").mkdir()
    (folder / "progress-2" / "numbers.safetensors").write_bytes(b"half")
    maximally_activating(model, text, units, **options, out=folder)
    assert sorted(entry.name for entry in folder.iterdir()) == ["progress-50", "progress.json"]


class Killed(BaseException):
    """Nothing catches it."""


def test_memory_does_not_grow_with_the_text(tmp_path):
    model, sizes = tiny("llama"), []
    for count in (40, 400):
        text = corpus(random_ids(8 * count), 8)
        maximally_activating(model, text, at.neurons[0, :5], sample=80, out=tmp_path / str(count))
        sizes.append((tmp_path / str(count) / f"progress-{count}" / "numbers.safetensors").stat().st_size)
    assert abs(sizes[1] - sizes[0]) < 100


def test_another_question_in_the_same_folder_is_refused(tmp_path):
    model, text = tiny("llama"), corpus(random_ids(160), 8)
    torch.manual_seed(0)
    one, other = (iw.direction("d", torch.randn(model.d_model)) for _ in range(2))
    site = at.resid_post[0].via(one)
    first = {"model": model, "corpus": text, "units": site, "window": 2, "out": tmp_path / "kept"}

    def called(model, corpus, units, **options):
        return maximally_activating(model, corpus, units, **options)

    result = called(**first)
    for changed, match in (
        ({"model": tiny("gpt2")}, "model was .*, and is"),
        ({"model": model.with_edits(iw.edit.zero(at.attn_out[0]))}, r"edits was \[\], and is \['zero\(attn_out.0\)'"),
        ({"corpus": corpus(random_ids(160, seed=1), 8)}, "corpus was"),
        ({"units": at.neurons[0, 1]}, r"units was \['resid_post.0\|d'\], and is \['neurons.0.1'\]"),
        ({"units": at.resid_post[0].via(other)}, "bases was"),
        ({"top": 3}, "top was 20, and is 3"),
        ({"window": 3, "seed": 5}, "window was 2, and is 3; seed was 0, and is 5"),
    ):
        with pytest.raises(FileError, match=match):
            called(**{**first, **changed})
    same(result, called(**first))


def test_a_folder_of_something_else_is_refused(tmp_path):
    model, text = tiny("llama"), corpus(random_ids(160), 8)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    (tmp_path / "file").write_text("dear")
    for name, match in (("full", r"already holds something else \(letter.txt\)"), ("file", "is a file, and a folder")):
        with pytest.raises(FileError, match=match):
            maximally_activating(model, text, at.neurons[0, 1], out=tmp_path / name)
    maximally_activating(model, text, at.neurons[0, 1], out=tmp_path / "kept")
    record = json.loads((tmp_path / "kept" / "progress.json").read_text())
    for change, match in (
        ({"schema": 9}, "newer innerworks"),
        ({"what": "another"}, "holds the progress of another"),
        ({"state": "../other"}, "would not have written"),
        ({"names": ["other"]}, "does not hold what"),
        ({"format": "x"}, "is not an innerworks progress"),
    ):
        (tmp_path / "kept" / "progress.json").write_text(json.dumps({**record, **change}))
        with pytest.raises(FileError, match=match):
            maximally_activating(model, text, at.neurons[0, 1], out=tmp_path / "kept")
    (tmp_path / "kept" / "progress.json").write_text(json.dumps(record))
    (tmp_path / "kept" / record["state"] / "numbers.safetensors").write_bytes(b"1234567890")
    with pytest.raises(FileError, match="truncated or not safetensors"):
        maximally_activating(model, text, at.neurons[0, 1], out=tmp_path / "kept")
