"""The cache keeps whole folders or none: interrupted, killed, raced and damaged ones included."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

import innerworks
from innerworks.errors import LoadError
from innerworks.model.load.cache import MANIFEST, cache_dir, folder_damage, kept

BUILDER = """
import sys, time
from pathlib import Path
from innerworks.model.load.cache import kept
target, log, pause = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
def build(part):
    with log.open("a") as file: file.write("built\\n")
    (part / "a.txt").write_text("half")
    time.sleep(pause)
    (part / "b.txt").write_text("whole")
    return {}
kept(target, build)
assert (target / "b.txt").read_text() == "whole"
"""


def start(target: Path, log: Path, pause: float) -> subprocess.Popen[bytes]:
    beside = {**os.environ, "PYTHONPATH": str(Path(innerworks.__file__).parents[1])}
    return subprocess.Popen([sys.executable, "-c", BUILDER, str(target), str(log), str(pause)], env=beside)


def start_building(place: Path, name: str, pause: float) -> subprocess.Popen[bytes]:
    """A process that is in the middle of building `place / name`."""
    log = place / f"{name}.log"
    process = start(place / name, log, pause)
    deadline = time.monotonic() + 30
    while not log.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return process


def build_weights(part: Path) -> dict[str, object]:
    save_file({"w": np.arange(1000.0)}, part / "model.safetensors")
    (part / "config.json").write_text("{}")
    return {"sha256": "abc"}


def never(part: Path) -> dict[str, object]:
    raise AssertionError("a whole folder was built again")


def test_builds_once_and_records_what_it_holds(tmp_path):
    folder = kept(tmp_path / "model", build_weights)
    assert kept(tmp_path / "model", never) == folder
    manifest = json.loads((folder / MANIFEST).read_text())
    assert manifest["origin"] == {"sha256": "abc"}
    assert set(manifest["files"]) == {"model.safetensors", "config.json"}
    assert len(manifest["files"]["config.json"]["sha256"]) == 64


@pytest.mark.parametrize("raised", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_build_leaves_nothing(tmp_path, raised):
    def build(part: Path) -> dict[str, object]:
        (part / "half").write_text("half")
        raise raised

    with pytest.raises(raised):
        kept(tmp_path / "model", build)
    assert [path for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == []
    kept(tmp_path / "model", build_weights)


def test_processes_that_race_build_once(tmp_path):
    log = tmp_path / "log"
    racers = [start(tmp_path / "model", log, 0.5) for _ in range(3)]
    assert [racer.wait(timeout=60) for racer in racers] == [0, 0, 0]
    assert log.read_text() == "built\n"


def test_what_killed_processes_left_is_swept(tmp_path):
    started = [start_building(tmp_path, name, 60) for name in ("model", "other")]
    for process in started:
        process.kill()
        process.wait()
    assert len(list(tmp_path.glob(".*.part"))) == 2
    kept(tmp_path / "model", build_weights)
    assert list(tmp_path.glob(".*.part")) == []


def test_a_living_process_keeps_its_unfinished_folder(tmp_path):
    living = start_building(tmp_path, "other", 1)
    kept(tmp_path / "model", build_weights)
    assert living.wait(timeout=60) == 0


def truncate(folder: Path) -> None:
    with (folder / "model.safetensors").open("r+b") as file:
        file.truncate(500)


def overwrite_header(folder: Path) -> None:
    with (folder / "model.safetensors").open("r+b") as file:
        file.write(b"\xff" * 8)


DAMAGES = {
    "truncated": (truncate, "has 500 bytes instead of"),
    "header": (overwrite_header, "does not start with a safetensors header"),
    "missing": (lambda folder: (folder / "config.json").unlink(), "config.json is missing"),
    "manifest": (lambda folder: (folder / MANIFEST).write_text("{"), "not readable"),
    "manifest gone": (lambda folder: (folder / MANIFEST).unlink(), "innerworks.json is missing"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_seen_said_and_repaired(tmp_path, caplog, name):
    damage, said = DAMAGES[name]
    folder = kept(tmp_path / "model", build_weights)
    damage(folder)
    assert said in (folder_damage(folder) or "")
    kept(folder, build_weights)
    assert "building it again" in caplog.text
    assert said in caplog.text
    assert folder_damage(folder) is None


def test_a_cache_that_cannot_be_written_says_what_to_do(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LoadError, match="INNERWORKS_CACHE"):
        kept(tmp_path / "file" / "model", build_weights)


def test_the_cache_is_where_the_variable_says(monkeypatch, tmp_path):
    monkeypatch.setenv("INNERWORKS_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.delenv("INNERWORKS_CACHE")
    assert cache_dir().name == "innerworks"
