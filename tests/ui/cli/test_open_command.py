"""`innerworks open` shows what was saved: results, artifacts, single pictures, pages, JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

import innerworks as iw
from innerworks.results import Edge, Graph, Node, Table, labelled


@pytest.fixture
def saved(here):
    values = np.array([[1.0, math.nan], [-math.inf, 2.5]], dtype=np.float32)
    iw.Result(
        data={
            "score": labelled(values, ("layer", "head"), coords={"layer": [3, 5]}),
            "phase": labelled(np.array([1 + 2j]), ("head",)),
        },
        tables={"words": Table({"token": [" a", "\ud800"], "rank": np.array([1, 2])})},
        graphs={"circuit": Graph([Node("a", "embed"), Node("b", "z.5.3")], [Edge("a", "b", math.inf)])},
        checks=[iw.Check("far off", 2.0, 1.0), iw.Check("unknown", math.nan)],
        title="Kept",
    ).save("kept")
    return here


def test_a_result_is_shown_as_python_shows_it(saved, command):
    done = command("open", "kept")
    assert done.code == 0 and done.err == "" and "\x1b" not in done.out
    assert done.out.splitlines()[0] == "Kept" and "✗ far off: 2 (at most 1) fail" in done.out
    assert command("open", "kept/result.json").out == done.out


def test_json_is_strict_and_holds_every_number(saved, command):
    def refused(text):
        raise AssertionError(text)

    found = json.loads(command("open", "kept", "--json").out, parse_constant=refused)
    assert found["data"]["score"]["values"] == [[1.0, None], ["-Infinity", 2.5]]
    assert found["data"]["score"]["coords"]["layer"] == {"dims": ["layer"], "values": [3, 5]}
    assert found["data"]["phase"]["values"] == [[1.0, 2.0]]
    assert found["tables"]["words"] == {"token": [" a", "\ud800"], "rank": [1, 2]}
    assert found["graphs"]["circuit"]["edges"][0]["weight"] == "Infinity"
    assert [one["verdict"] for one in found["checks"]] == ["fail", "info"]
    assert found["checks"][1]["measured"] is None


def test_a_page_and_single_pictures(saved, command):
    assert command("open", "kept", "--html", "page.html").code == 0
    assert "Kept" in Path("page.html").read_text()
    assert "circuit" not in command("open", "kept", "--view", "score").out
    views = json.loads(command("open", "kept", "--view", "score", "--json").out)
    assert views[0]["kind"] == "heatmap" and views[0]["arrays"]["values"][1][0] == "-Infinity"
    wrong = command("open", "kept", "--view", "scores")
    assert wrong.code == 2 and "Did you mean 'score'?" in wrong.err


def test_an_artifact_is_shown_with_its_tensors(here, command):
    weight = np.zeros((3, 4), dtype=np.float32)
    iw.Artifact("probe", {"weight": weight}, {"layer": 9, "long": "x" * 500}, model="abc").save("probe")
    done = command("open", "probe")
    assert done.code == 0 and "3 × 4" in done.out and "float32" in done.out and "layer" in done.out
    found = json.loads(command("open", "probe", "--json").out)
    assert found["kind"] == "artifact" and found["tensors"] == {"weight": {"dtype": "float32", "shape": [3, 4]}}
    assert found["config"]["layer"] == 9 and found["model"] == "abc"
    assert command("open", "probe", "--html", "probe.html").code == 0 and Path("probe.html").exists()


@pytest.mark.parametrize(
    ("path", "told"), [("nowhere", "does not exist"), ("file.txt", "is a file"), ("empty", "neither result.json")]
)
def test_what_was_not_saved_is_refused(here, command, path, told):
    Path("file.txt").write_text("x")
    Path("empty").mkdir()
    done = command("open", path)
    assert done.code == 2 and told in done.err and done.out == ""


def test_a_broken_file_is_refused_and_nothing_is_run(saved, command):
    Path("kept/result.json").write_text('{"format": "innerworks result"')
    done = command("open", "kept")
    assert done.code == 2 and "is not valid JSON" in done.err
