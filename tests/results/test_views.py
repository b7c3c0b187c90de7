from __future__ import annotations

import json

import numpy as np
import pytest

from innerworks.errors import FileError, InnerworksError
from innerworks.results import Table, View
from innerworks.results.view_kinds import VIEW_KINDS

from .samples import every_view


@pytest.mark.parametrize("kind", VIEW_KINDS)
def test_views_come_back_from_json(kind):
    before = every_view()[kind]
    text = before.to_json()
    after = View.from_json(text)
    assert after.kind == kind
    assert after.to_json() == text
    assert list(after.arrays) == list(before.arrays)
    for name, array in before.arrays.items():
        found = after.arrays[name]
        assert found.dtype == array.dtype
        assert found.shape == array.shape
        same = found.tolist() == array.tolist() if array.dtype == object else found.tobytes() == array.tobytes()
        assert same, name


def test_numbers_are_little_endian_base64_for_other_languages():
    import base64

    record = json.loads(View.tokens(["a"], np.array([1.5], dtype=">f4")).to_json())
    note = next(array for array in record["arrays"] if array["name"] == "values")
    assert note["dtype"] == "float32"
    assert np.frombuffer(base64.b64decode(note["base64"]), "<f4").tolist() == [1.5]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: View.tokens(["a", "b"], [1.0]), "1 along position.*has 2"),
        (lambda: View.tokens(["a"], ["x"]), "must be real numbers"),
        (lambda: View.tokens(["a"], [1j]), "magnitude or the real part"),
        (lambda: View.heatmap(np.zeros((2, 3)), range(3), range(2)), "along row"),
        (lambda: View.heatmap(np.zeros(3), range(3), range(1)), "given shape"),
        (lambda: View.series({"a": [1, 2], "b": [1]}), "one common length"),
        (lambda: View.series({}), "one common length"),
        (lambda: View.series({"a": [1, 2]}, [1, 2, 3]), "along point"),
        (lambda: View.series({"a": [1, 2]}, low={"a": [0, 1]}), "give both or neither"),
        (lambda: View.series({"a": [1, 2]}, low={}, high={"a": [0, 1]}), "no bounds for the line 'a'"),
        (lambda: View.table({"a": [1], "b": [1, 2]}), "equally long"),
        (lambda: View("hologram"), "no view kind 'hologram'"),
        (lambda: View("card", {"x": np.zeros(1)}, {"fields": {}}), "has no arrays"),
        (lambda: View("card"), "needs state"),
        (lambda: View.card("x", {"a": object()}), r"state\.fields\.a is a object"),
        (lambda: View.tokens(["a"]).__class__("tokens", {"tokens": ["a"]}, schema=2), "schema 1"),
        (lambda: View("graph", {"nodes": [["a"]]}), "given shape"),
        (
            lambda: View(
                "graph",
                {"nodes": ["a"], "labels": ["a"], "sources": ["a"], "targets": ["b"], "weights": [1.0]},
            ),
            "unknown node 'b'",
        ),
        (
            lambda: View("table", {"t": np.array(["2026-01-01"], dtype="datetime64[D]")}),
            "use numbers or texts",
        ),
    ],
)
def test_arrays_that_do_not_fit_the_kind(make, sentence):
    with pytest.raises(InnerworksError, match=sentence):
        make()


def test_views_do_not_change_with_what_they_were_made_from():
    values = np.zeros((1, 2))
    view = View.heatmap(values, ["r"], ["a", "b"])
    values[0, 0] = 5
    assert view.arrays["values"][0, 0] == 0
    with pytest.raises(ValueError, match="read-only"):
        view.arrays["values"][0, 0] = 1


def test_a_token_may_end_in_nul():
    assert View.from_json(View.tokens(["a\x00", "\x00"]).to_json()).arrays["tokens"].tolist() == [
        "a\x00",
        "\x00",
    ]


def test_labels_may_be_numbers_and_tables_may_be_tables():
    assert View.heatmap([[1]], [np.int64(3)], [2.5]).arrays["rows"].tolist() == ["3"]
    view = View.table(Table({"a": [1, 2], "b": ["x", [1, 2]]}))
    assert view.arrays["a"].dtype.kind == "i"
    assert view.arrays["b"].tolist() == ["x", "[1, 2]"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"kind": "hologram"}, "upgrade"),
        ({"schema": 7}, r"newer innerworks \(schema 7"),
        ({"format": "vega"}, "not an innerworks view"),
        (
            {"arrays": [{"name": "tokens", "dtype": "float32", "shape": [1], "base64": "!!"}]},
            "not valid base64",
        ),
        (
            {"arrays": [{"name": "tokens", "dtype": "float32", "shape": [2], "base64": "AAAA"}]},
            "do not make shape",
        ),
        ({"arrays": [{"name": "tokens", "dtype": "text", "shape": [1], "items": [3]}]}, "texts only"),
        ({"arrays": [{"dtype": "text"}]}, "has no 'name'"),
    ],
)
def test_broken_views_are_refused_politely(change, sentence):
    record = {**json.loads(View.tokens(["a"]).to_json()), **change}
    with pytest.raises(FileError, match=sentence):
        View.from_json(json.dumps(record))
