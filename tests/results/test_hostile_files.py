"""Files made by hand to mislead: each is refused with a sentence, and nothing else happens."""

from __future__ import annotations

import json
import os
import pickle
import struct

import numpy as np
import pytest

import innerworks.results as results
from innerworks.errors import FileError
from innerworks.results import Artifact, open_artifact, open_result

from .samples import full_result


@pytest.fixture
def saved(tmp_path):
    return full_result().save(tmp_path / "r")


@pytest.fixture
def fitted(tmp_path):
    return Artifact("probe", {"w": np.ones((2, 3), dtype=np.float32)}).save(tmp_path / "a")


def edit(path, change):
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "not valid JSON"),
        ("hello", "not valid JSON"),
        ("[]", "is not an innerworks result"),
        ("null", "is not an innerworks result"),
        ('{"format": "innerworks artifact", "schema": 1}', "is not an innerworks result"),
        ('{"format": "innerworks result"}', "has no 'schema'"),
        ('{"format": "innerworks result", "schema": true}', "should be int and is bool"),
        ('{"format": "innerworks result", "schema": "1"}', "should be int and is str"),
        ('{"format": "innerworks result", "schema": 0}', "never existed"),
        (
            '{"format": "innerworks result", "schema": 3}',
            r"newer innerworks \(schema 3, this one reads up to 1\); upgrade",
        ),
        ('{"format": "innerworks result", "schema": 1, "schema": 1}', "'schema' appears twice"),
        ('{"format": NaN}', "NaN is not JSON"),
        ('{"x": {"$float": "pi"}}', "marks 'pi'"),
        ('{"x": {"$float": "NaN", "y": 1}}', "marks 'NaN'"),
        ('{"x": {"$float": []}}', r"marks \[\]"),
        ("[" * 100_000, "nested too deeply|not valid JSON"),
        ('{"a":' * 100_000, "nested too deeply|not valid JSON"),
        ("1" * 10_000, "not valid JSON"),
    ],
)
def test_json_that_is_not_ours(saved, text, sentence):
    (saved / "result.json").write_text(text, encoding="utf-8")
    with pytest.raises(FileError, match=sentence):
        open_result(saved)


def test_bytes_that_are_not_text(saved):
    (saved / "result.json").write_bytes(b"\xff\xfe\x80{}")
    with pytest.raises(FileError, match="not valid JSON"):
        open_result(saved)


def test_a_huge_json_is_not_read(saved, monkeypatch):
    monkeypatch.setattr("innerworks.results.strict_json.SIZE_LIMIT", 1000)
    with pytest.raises(FileError, match="more than the 1,000"):
        open_result(saved)


def set_in(*path, value):
    def change(record):
        for key in path[:-1]:
            record = record[key]
        record[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (set_in("data", value=[]), "'data' should be dict and is list"),
        (set_in("data", "score", "values", "tensor", value="../../etc/passwd"), "does not have"),
        (set_in("data", "score", "values", "shape", value=[3, 2]), "do not belong together"),
        (set_in("data", "score", "values", "shape", value=[-2, 3]), "not a list of sizes"),
        (set_in("data", "score", "values", "shape", value=[2**60, 3]), "impossible shape"),
        (set_in("data", "score", "values", "shape", value=[0] * 40), "impossible shape"),
        (set_in("data", "score", "values", "dtype", value="float32"), "do not belong together"),
        (set_in("data", "score", "values", "dtype", value="object_"), "unknown type"),
        (set_in("data", "score", "dims", value=["layer"]), "disagree"),
        (set_in("data", "score", "dims", value=["layer", ["x"]]), "disagree"),
        (set_in("data", "score", "coords", "layer", "dims", value=["nowhere"]), "disagree"),
        (set_in("data", "top", "values", "items", value=["a"]), "1 items for shape"),
        (set_in("data", "../x", value={}), "path out of the folder"),
        (set_in("checks", 0, "measured", value="small"), "should be int or float and is str"),
        (set_in("checks", 0, "compare", value="vaguely"), "compares by 'vaguely'"),
        (set_in("checks", value=[1]), "should be a JSON object"),
        (set_in("graphs", "circuit", "edges", 0, "target", value="z"), "names the node 'z'"),
        (set_in("tables", "best", "columns", 0, "list", value=["a"]), "equally long"),
        (set_in("tables", "best", "columns", 0, "name", value="score"), "two columns named"),
        (set_in("views", "heatmap", "kind", value="hologram"), "'hologram' view.*upgrade"),
        (set_in("views", "heatmap", "schema", value=2), "newer innerworks"),
        (set_in("views", "heatmap", "arrays", 1, "items", value=list("abcde")), "5 items for shape"),
        (set_in("views", "heatmap", "kind", value="series"), "needs the array 'x'"),
        (set_in("views", "card", "state", value={}), "state"),
        (set_in("provenance", "cost", value=None), "'cost' should be dict"),
        (set_in("title", value=None), "'title' should be str"),
    ],
)
def test_results_that_contradict_themselves(saved, change, sentence):
    edit(saved / "result.json", change)
    with pytest.raises(FileError, match=sentence):
        open_result(saved)


def test_every_missing_field_is_a_sentence(saved):
    record = json.loads((saved / "result.json").read_text())
    for name in record:
        less = {key: value for key, value in record.items() if key != name}
        (saved / "result.json").write_text(json.dumps(less))
        with pytest.raises(FileError, match=name):
            open_result(saved)


@pytest.mark.parametrize("keep", [0, 4, 8, 20, 200, -1])
def test_truncated_tensors(saved, keep):
    path = saved / "arrays.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(FileError, match=r"truncated|not a whole"):
        open_result(saved)


def safetensors(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


@pytest.mark.parametrize(
    "content",
    [
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 10**9) + b"{}",
        safetensors({"w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 10**9]}}, b"\0" * 24),
        safetensors({"w": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 24]}}, b"\0" * 24),
        safetensors({"w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [8, 32]}}, b"\0" * 32),
        safetensors({"w": {"dtype": "X99", "shape": [2, 3], "data_offsets": [0, 24]}}, b"\0" * 24),
        safetensors(b"[" * 50),
        safetensors(b"\xff\xfe{}"),
        pickle.dumps({"w": 1}),
        b"PK\x03\x04" + b"\0" * 100,
    ],
)
def test_tensor_files_that_lie(fitted, content):
    (fitted / "tensors.safetensors").write_bytes(content)
    with pytest.raises(FileError, match=r"tensors\.safetensors"):
        open_artifact(fitted)


@pytest.mark.parametrize("content", [b"", b"\x01", struct.pack("<Q", 2**63) + b"{}", struct.pack("<Q", 99) + b"{}"])
def test_a_header_longer_than_the_file_is_called_truncated(fitted, content):
    (fitted / "tensors.safetensors").write_bytes(content)
    with pytest.raises(FileError, match=f"truncated.*the file has {len(content)}; copy or save it again"):
        open_artifact(fitted)


def test_tensors_that_disagree_with_the_json(fitted):
    for tensors, sentence in [
        ({"v": ("F32", [2, 3], 24)}, "has no tensor 'w'"),
        ({"w": ("F32", [3, 2], 24)}, r"is float32\[2, 3\], and .* has float32\[3, 2\]"),
        ({"w": ("I32", [2, 3], 24)}, "has int32"),
        ({}, "has no tensor 'w'"),
    ]:
        header = {n: {"dtype": d, "shape": s, "data_offsets": [0, size]} for n, (d, s, size) in tensors.items()}
        data = b"\0" * sum(size for _, _, size in tensors.values())
        (fitted / "tensors.safetensors").write_bytes(safetensors(header, data))
        with pytest.raises(FileError, match=sentence):
            open_artifact(fitted)


def test_an_unlisted_tensor_is_not_accepted(fitted):
    edit(fitted / "artifact.json", set_in("tensors", value={}))
    with pytest.raises(FileError, match="unlisted tensor 'w'"):
        open_artifact(fitted)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (set_in("schema", value=2), "newer innerworks"),
        (set_in("format", value="innerworks result"), "not an innerworks artifact"),
        (set_in("kind", value="../../x"), "path out"),
        (set_in("tensors", "../w", value={"library": "numpy", "dtype": "float32", "shape": [1]}), "path out"),
        (set_in("tensors", "w", "library", value=3), "should be str"),
        (set_in("tensors", "w", "shape", value="big"), "should be list"),
        (set_in("config", value=[1]), "should be dict"),
    ],
)
def test_artifacts_that_contradict_themselves(fitted, change, sentence):
    edit(fitted / "artifact.json", change)
    with pytest.raises(FileError, match=sentence):
        open_artifact(fitted)


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


@pytest.mark.parametrize("name", ["model.pt", "probe.pkl", "pytorch_model.bin", "x.CKPT", "a.npz"])
def test_pickles_are_refused_by_name_and_never_run(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / name).write_bytes(pickle.dumps(Bomb()))
    for path in (tmp_path / "folder" / name, tmp_path / "folder"):
        with pytest.raises(FileError, match=r"pickle.*safetensors"):
            results.open(path)
    assert not (tmp_path / "exploded").exists()


def test_things_that_are_not_there(tmp_path, saved, fitted):
    with pytest.raises(FileError, match="does not exist"):
        results.open(tmp_path / "nowhere")
    with pytest.raises(FileError, match="does not exist"):
        open_result(tmp_path / "nowhere")
    with pytest.raises(FileError, match=r"no artifact\.json"):
        open_artifact(saved)
    with pytest.raises(FileError, match=r"neither result\.json nor artifact\.json"):
        (tmp_path / "empty").mkdir()
        results.open(tmp_path / "empty")
    with pytest.raises(FileError, match="is a file"):
        results.open(saved / "arrays.safetensors")
    (saved / "arrays.safetensors").unlink()
    with pytest.raises(FileError, match="cannot be read"):
        open_result(saved)
    (fitted / "result.json").write_text("{}")
    with pytest.raises(FileError, match="holds both"):
        results.open(fitted)
