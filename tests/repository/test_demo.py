"""The experiment of `make demo` comes out as its page says."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

import innerworks as iw

EXAMPLE = Path(__file__).parents[2] / "examples" / "indirect_object.py"


@pytest.mark.weights
def test_the_demo_finds_where_the_name_is_noticed(tmp_path: Path) -> None:
    result = runpy.run_path(str(EXAMPLE))["indirect_object"](iw.load("smollm2-135m-instruct-q4"))

    assert result.failed == []
    assert {view.kind for view in result.pictures.values()} == {"table", "tokens", "heatmap", "series"}

    restored = result.data["restored"]
    exchanged, last = 9, restored.sizes["position"] - 1
    assert restored.coords["token"].values[exchanged] == " John"
    # Up to the exchanged name the two prompts are one, so nothing there can be restored.
    assert (restored.sel(position=slice(0, 8)) == 0).all()
    # Early on everything is at the name, in the end everything is at the last token.
    assert (restored.sel(layer=slice(0, 9), position=exchanged) > 0.9).all()
    assert (restored.sel(layer=slice(23, None), position=last) > 0.9).all()
    assert abs(float(restored.sel(layer=29, position=exchanged))) < 1e-3

    page = result.html(tmp_path / "report.html", interactive=False).read_text()
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
