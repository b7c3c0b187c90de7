from __future__ import annotations

import errno
import json
import os

import numpy as np
import pytest
import torch

import innerworks.results as results
from innerworks.errors import FileError, InnerworksError
from innerworks.results import Artifact, Result, Table, View, labelled, open_artifact, open_result
from innerworks.results.result_files import RESULT_FILE

from .samples import full_result


def same_array(left, right):
    return left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()


def test_a_result_comes_back_whole(tmp_path):
    before = full_result()
    after = open_result(before.save(tmp_path / "r"))
    for name, array in before.data.items():
        found = after.data[name]
        assert found.identical(array), name
        assert found.dtype == array.dtype
        if array.dtype != object:
            assert same_array(np.asarray(found.values), np.asarray(array.values)), name
    assert after.checks[:2] == before.checks[:2]
    assert np.isnan(after.checks[2].measured)
    assert after.provenance == before.provenance
    assert after.tables["best"]["head"] == ["L9H6", None]
    assert same_array(after.tables["best"]["score"], before.tables["best"]["score"])
    assert repr(after.graphs) == repr(before.graphs)
    assert {n: v.to_json() for n, v in after.views.items()} == {n: v.to_json() for n, v in before.views.items()}
    assert after.text(300) == before.text(300)
    assert sorted(os.listdir(tmp_path / "r")) == ["arrays.safetensors", "result.json"]


def test_saved_json_is_strict_json(tmp_path):
    def refuse(constant):
        raise AssertionError(constant)

    path = full_result().save(tmp_path / "r")
    json.loads((path / RESULT_FILE).read_text(encoding="ascii"), parse_constant=refuse)


def test_open_tells_results_and_artifacts_apart(tmp_path):
    full_result().save(tmp_path / "r")
    Artifact("probe", {"w": np.ones(2)}).save(tmp_path / "a")
    assert isinstance(results.open(tmp_path / "r"), Result)
    assert isinstance(results.open(tmp_path / "a"), Artifact)
    assert isinstance(results.open(tmp_path / "r" / "result.json"), Result)


def test_bfloat16_and_friends_come_back_bit_for_bit(tmp_path):
    tensors = {
        "blocks.0/w": torch.randn(3, 4).to(torch.bfloat16),
        "t": torch.randn(4, 3).T,
        "scalar": torch.tensor(3, dtype=torch.int64),
        "f16": np.array([1.5, np.nan, -np.inf], dtype=np.float16),
        "zero-d": np.float64(2.5),
        "big-endian": np.arange(3, dtype=">i4"),
        "strided": np.arange(10, dtype=np.uint8)[::2],
        "none": np.zeros((0, 4), dtype=np.float32),
        "flag": np.array([True, False]),
    }
    artifact = Artifact("tuned-lens", tensors, {"layers": [1, 2], "lr": float("nan")}, "model@1")
    found = open_artifact(artifact.save(tmp_path / "a"))
    assert list(found.tensors) == list(tensors)
    for name in ("blocks.0/w", "t", "scalar"):
        assert found[name].dtype == tensors[name].dtype
        assert torch.equal(found[name], tensors[name])
    for name in ("f16", "zero-d", "strided", "none", "flag", "big-endian"):
        assert isinstance(found[name], np.ndarray)
        assert np.array_equal(found[name], tensors[name], equal_nan=name == "f16"), name
        assert found[name].shape == np.shape(tensors[name])
    assert found.kind == "tuned-lens"
    assert found.model == "model@1"
    assert np.isnan(found.config["lr"])
    assert found.provenance == artifact.provenance


def test_tensors_without_torch_among_them_come_back_as_numpy(tmp_path):
    path = Artifact("probe", {"w": np.ones(2, dtype=np.float32)}).save(tmp_path / "a")
    assert isinstance(open_artifact(path)["w"], np.ndarray)


def test_an_artifact_does_not_change_with_what_it_was_made_from():
    w, t = np.zeros(2), torch.zeros(2, requires_grad=True)
    artifact = Artifact("probe", {"w": w, "t": t})
    w[0] = 1
    with torch.no_grad():
        t[0] = 1
    assert artifact["w"].tolist() == [0, 0]
    assert artifact["t"].tolist() == [0, 0]
    assert not artifact["t"].requires_grad
    with pytest.raises(ValueError, match="read-only"):
        artifact["w"][0] = 1
    with pytest.raises(TypeError):
        artifact.tensors["w"] = w
    with pytest.raises(InnerworksError, match="no tensor 'x'; it has 'w', 't'"):
        artifact["x"]


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../b", "", "a\nb", "__metadata__", "a\\b", 3])
def test_names_that_look_like_ways_out_are_refused(name):
    with pytest.raises(InnerworksError, match="named"):
        Artifact("probe", {name: np.zeros(1)})


@pytest.mark.parametrize(
    "tensor",
    [
        np.array(["a"]),
        np.array([1j]),
        np.array([object()]),
        torch.eye(2).to_sparse(),
        torch.empty(2, device="meta"),
    ],
)
def test_tensors_that_cannot_be_kept_are_refused(tensor):
    with pytest.raises(InnerworksError, match="an artifact keeps"):
        Artifact("probe", {"x": tensor})


def test_what_is_there_is_not_overwritten_unasked(tmp_path):
    path = full_result().save(tmp_path / "r")
    before = (path / RESULT_FILE).read_bytes()
    with pytest.raises(FileError, match="overwrite=True"):
        Result(title="other").save(path)
    assert (path / RESULT_FILE).read_bytes() == before
    Result(title="other").save(path, overwrite=True)
    assert open_result(path).title == "other"
    assert sorted(os.listdir(tmp_path)) == ["r"]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("strangers", [["thesis.txt"], ["result.json", "notes.md"], ["artifact.json"]])
def test_a_strangers_folder_is_never_replaced(tmp_path, overwrite, strangers):
    for stranger in strangers:
        (tmp_path / stranger).write_text("precious")
    with pytest.raises(FileError, match="never overwritten"):
        full_result().save(tmp_path, overwrite=overwrite)
    assert sorted(os.listdir(tmp_path)) == sorted(strangers)


def test_a_file_in_the_way_is_kept(tmp_path):
    (tmp_path / "r").write_text("precious")
    with pytest.raises(FileError, match="is a file"):
        full_result().save(tmp_path / "r", overwrite=True)
    with pytest.raises(FileError, match="is a folder"):
        full_result().html(tmp_path)


def test_an_empty_folder_may_be_used(tmp_path):
    (tmp_path / "r").mkdir()
    assert open_result(full_result().save(tmp_path / "r")).title == "A result"


class Stopped(BaseException):
    pass


FAILURES = [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), Stopped(), MemoryError()]
STAGES = [
    "innerworks.results.result_files.write_tensors",
    "innerworks.results.result_files.write_record",
    "innerworks.results.folders._flush_to_disk",
    "innerworks.results.folders._swap_in",
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("exists", [False, True])
def test_an_interrupted_save_leaves_what_was_there(tmp_path, monkeypatch, failure, stage, exists):
    if exists:
        Result(title="old").save(tmp_path / "r")

    def fail(*_):
        raise failure

    monkeypatch.setattr(stage, fail)
    expected = FileError if isinstance(failure, OSError) else type(failure)
    with pytest.raises(expected) as caught:
        full_result().save(tmp_path / "r", overwrite=True)
    if isinstance(failure, OSError):
        assert "disk is full" in str(caught.value)
    monkeypatch.undo()
    assert os.listdir(tmp_path) == (["r"] if exists else [])
    if exists:
        assert open_result(tmp_path / "r").title == "old"


def test_if_the_new_one_cannot_take_its_place_the_old_one_returns(tmp_path, monkeypatch):
    path = Result(title="old").save(tmp_path / "r")
    rename = type(path).rename

    def failing(self, target):
        if (
            self.name.endswith(".partial")
            and (self / RESULT_FILE).exists()
            and "new" in (self / RESULT_FILE).read_text()
        ):
            raise OSError(errno.EACCES, "denied")
        return rename(self, target)

    monkeypatch.setattr(type(path), "rename", failing)
    with pytest.raises(FileError, match="no permission"):
        Result(title="new").save(path, overwrite=True)
    monkeypatch.undo()
    assert os.listdir(tmp_path) == ["r"]
    assert open_result(path).title == "old"


@pytest.mark.parametrize("failure", FAILURES[:2], ids=lambda failure: type(failure).__name__)
def test_an_interrupted_page_leaves_the_old_page(tmp_path, monkeypatch, failure):
    (tmp_path / "r.html").write_text("old")

    def fail(*_):
        raise failure

    monkeypatch.setattr("innerworks.results.folders._flush_to_disk", fail)
    with pytest.raises((FileError, KeyboardInterrupt)):
        full_result().html(tmp_path / "r.html")
    assert os.listdir(tmp_path) == ["r.html"]
    assert (tmp_path / "r.html").read_text() == "old"


def test_a_full_disk_inside_safetensors_is_a_sentence(tmp_path, monkeypatch):
    from safetensors import SafetensorError

    def fail(*_args, **_kwargs):
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("safetensors.numpy.save_file", fail)
    with pytest.raises(FileError, match="disk is full"):
        full_result().save(tmp_path / "r")
    assert os.listdir(tmp_path) == []


def test_what_cannot_be_saved_is_named_before_anything_is_written(tmp_path):
    dates = labelled(np.array(["2026-01-01"], dtype="datetime64[ns]"), ("day",))
    with pytest.raises(InnerworksError, match="data/when is of type datetime64"):
        Result(data={"when": dates}).save(tmp_path / "r")
    stacked = labelled(np.eye(2), ("a", "b"), coords={"a": [1, 2], "b": [1, 2]}).stack(both=("a", "b"))
    with pytest.raises(InnerworksError, match="reset_index"):
        Result(data={"x": stacked}).save(tmp_path / "r")
    assert os.listdir(tmp_path) == []


def test_a_record_too_large_to_read_back_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr("innerworks.results.artifact_files.SIZE_LIMIT", 1000)
    with pytest.raises(FileError, match="keep long tables"):
        Result(tables={"t": Table({"a": ["x" * 2000]})}).save(tmp_path / "r")
    assert os.listdir(tmp_path) == []


def test_names_cannot_collide_in_the_tensor_file(tmp_path):
    data = {"a": labelled([1.0], ("x",), coords={"x": [5]}), "a/0": labelled([2.0], ("x",))}
    with pytest.raises(InnerworksError, match="rename one"):
        Result(data=data).save(tmp_path / "r")
    views = {"v": View.tokens(["a"], [1.0])}
    assert open_result(Result(views=views).save(tmp_path / "r")).views["v"].arrays["values"][0] == 1.0
