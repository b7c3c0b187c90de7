from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from innerworks.errors import InnerworksError
from innerworks.results import Check, Result, Table, labelled
from innerworks.results.render.terminal import print_result

from .samples import TOKENS, full_result


def test_parts_of_the_wrong_kind_are_refused():
    with pytest.raises(InnerworksError, match=r"data\['x'\] is a ndarray"):
        Result(data={"x": np.zeros(3)})
    with pytest.raises(InnerworksError, match=r"tables\['x'\] is a dict"):
        Result(tables={"x": {}})
    with pytest.raises(InnerworksError, match="path out of the folder"):
        Result(tables={"../x": Table({})})


def test_one_part_needs_no_name_and_several_list_theirs():
    only = Result(data={"score": labelled(np.eye(2), ("layer", "head"), coords={"layer": [5, 7]})})
    frame = only.to_dataframe()
    assert frame.columns.tolist() == ["layer", "head", "score"]
    assert frame.query("layer == 7 and head == 1").score.item() == 1.0
    with pytest.raises(InnerworksError, match=r"'score', 'effect'.*'best', 'circuit'; name one"):
        full_result().to_dataframe()
    with pytest.raises(InnerworksError, match="no 'other'"):
        full_result().to_dataframe("other")
    with pytest.raises(InnerworksError, match="no arrays"):
        Result().to_dataframe()


def test_dataframes_of_every_part():
    result = full_result()
    effect = result.to_dataframe("effect")
    whole = ["\ufffd" if token == "\ud800" else token for token in TOKENS]  # half a surrogate pair is no text
    assert effect.token.tolist() == whole
    assert effect.columns.tolist() == ["position", "token", "effect"]
    assert result.to_dataframe("circuit").channel.isna().tolist() == [False, True]
    assert result.to_dataframe("best").shape == (2, 3)
    assert result.to_dataframe("total").total.item() == 1.5
    clash = Result(data={"token": labelled([1.0], ("position",), tokens=["a"])})
    assert clash.to_dataframe().columns.tolist() == ["position", "token", "value"]


def test_text_shows_failures_first_and_the_strongest_values_with_labels():
    text = full_result().text()
    lines = text.splitlines()
    assert lines[0] == "A result"
    first, second = text.index("✗ completeness: 0.5 (at most 0.1) fail"), text.index("✓ components")
    assert first < second
    assert any("+3  layer 9, head 2" in line for line in lines)
    assert "1 NaN" in text
    assert "\x00" not in text
    assert "\ud800" not in text


@pytest.mark.parametrize("width", [30, 80, 200])
def test_text_keeps_to_its_width(width):
    assert max(map(len, full_result().text(width).splitlines())) <= width


def test_an_empty_result_still_shows():
    result = Result(title="nothing")
    assert result.text().startswith("nothing")
    assert "nothing" in result._repr_html_()
    assert str(result) == result.text()


def test_pictures_are_derived_where_none_were_given():
    full = full_result()
    bare = Result(data=full.data, tables=full.tables, graphs=full.graphs)
    kinds = {name: view.kind for name, view in bare.pictures.items()}
    assert kinds == {
        "score": "heatmap",
        "effect": "tokens",
        "eigen": "table",
        "top": "table",
        "hit": "series",
        "total": "card",
        "empty": "table",
        "best": "table",
        "circuit": "graph",
    }
    assert full.pictures == full.views
    cube = Result(data={"z": labelled(np.arange(1000.0).reshape(10, 10, 10), ("a", "b", "c"))})
    assert cube.pictures["z"].title == "z: strongest 50 of 1,000 values"
    assert cube.pictures["z"].arrays["z"][0] == 999


@pytest.mark.parametrize("colour", [None, "truecolor"])
def test_a_terminal_gets_everything(colour):
    out = io.StringIO()
    console = Console(file=out, width=100, color_system=colour, force_terminal=colour is not None)
    print_result(full_result(), console)
    assert "completeness" in out.getvalue()
    assert ("\x1b[" in out.getvalue()) == (colour is not None)
    assert "\x00" not in out.getvalue()


def test_html_goes_to_the_file(tmp_path):
    path = full_result().html(tmp_path / "deep" / "r.html", title="Mine")
    assert "<title>Mine</title>" in path.read_text(encoding="utf-8")
    assert [entry.name for entry in path.parent.iterdir()] == ["r.html"]


def test_repr_says_what_is_inside_and_how_many_failed():
    assert "checks=3 (1 failed)" in repr(full_result())
    assert repr(Result(checks=[Check("a", 1)], title="t")) == "Result('t', checks=1 (0 failed))"
