from __future__ import annotations

import io
import math
import re

import numpy as np
import pytest
from rich.console import Console

from innerworks.results import Result, View
from innerworks.results.numbers import bytes_in_words, check_number, exact_number, number_among, short_number
from innerworks.results.render.markup import cut, display_width, padded
from innerworks.results.render.terminal import print_result
from innerworks.results.render.text import view_text
from innerworks.results.view_kinds import VIEW_KINDS

from .samples import every_view


@pytest.mark.parametrize("kind", VIEW_KINDS)
@pytest.mark.parametrize("width", [40, 120])
def test_every_kind_prints_without_control_characters(kind, width):
    text = view_text(every_view()[kind], width)
    assert text
    assert not [char for char in text if not char.isprintable() and char != "\n"]


def test_a_small_grid_shows_tenths_of_its_largest():
    text = view_text(View.heatmap([[10.0, -5.0], [0.1, np.nan]], ["r0", "r1"], ["a", "b"]))
    rows = [line.split() for line in text.splitlines()]
    assert rows[1] == ["r0", "10", "-5"]
    assert rows[2] == ["r1", "·", "nan"]


def test_a_wide_grid_shows_its_strongest_cells_and_counts_the_rest():
    values = np.zeros((50, 60))
    values[7, 8] = -3
    text = view_text(View.heatmap(values, range(50), range(60)))
    assert text.splitlines()[1].split() == ["7", "8", "-3"]
    assert "strongest 12 of 3,000" in text


def test_long_strips_show_the_strongest_in_order():
    values = np.zeros(100)
    values[[3, 90]] = [1, -2]
    text = view_text(View.tokens([f"t{i}" for i in range(100)], values))
    assert text.index("t3 ") < text.index("t90 ")
    assert "(the strongest 40 of 100 tokens)" in text


def test_wide_characters_keep_columns_aligned():
    lines = view_text(View.table({"t": ["東京", "ab"], "n": [1, 2]})).splitlines()
    assert {display_width(line) for line in lines[1:]} == {7}
    assert cut("東京都", 4) == "東…"
    assert display_width(padded("東", 5, right=True)) == 5


def test_long_tables_count_what_they_leave_out():
    assert "(60 more rows)" in view_text(View.table({"a": np.arange(100)}))


def test_a_sparkline_rises():
    text = view_text(View.series({"up": [0, 1, 2, 3]}))
    assert "▁▃▆█" in text
    assert "0 … 3" in text


@pytest.mark.parametrize(
    ("value", "short"),
    [(0, "0"), (0.12345, "0.123"), (12.345, "12.3"), (1234.5, "1234"), (1e-5, "1e-05"), (2.5e7, "2.5e+07"),
     (-0.5, "-0.500"), (np.nan, "NaN"), (np.inf, "∞"), (True, "True"), (-999.96, "-1000")],
)  # fmt: skip
def test_short_numbers(value, short):
    assert short_number(value) == short


def test_numbers_for_other_purposes():
    assert exact_number(np.float32(0.1)) == "0.1"
    assert exact_number(0.1 + 0.2) == "0.30000000000000004"
    assert float(exact_number(np.float64(1e300))) == 1e300
    assert exact_number(np.float32("nan")) == "nan"
    assert [number_among(value, 13.8) for value in (13.8, -0.04, 5)] == ["13.8", "0.0", "5.0"]
    assert check_number(0.25) == "0.25"
    assert check_number(float("inf")) == "inf"
    assert bytes_in_words(812_000_000) == "812 MB"


def test_a_terminal_is_not_steered_by_what_it_is_shown():
    escape = "\x1b]0;owned\x07\x1b[2J"
    views = [
        View.tokens([escape], [1.0], title=escape),
        View.table({escape: [escape]}, title=escape),
        View.heatmap([[1.0]], [escape], [escape], label=escape),
        View.series({escape: [1, 2]}, [escape, "b"], x_title=escape),
        View.card(escape, {escape: escape, "n": [escape]}),
    ]
    for view in views:
        assert not {"\x1b", "\x07"} & set(view_text(view))


@pytest.mark.parametrize("width", [100, 60])
def test_a_coloured_grid_says_what_the_plain_one_says_with_a_colour_for_each_number(width):
    values = np.array([[1.0, -0.5, 0.0], [0.1, math.nan, -1.0]])
    grid = View.heatmap(values, rows=["a", "b"], columns=["x", "y", "z"], title="Grid")
    words = np.array([[" a", "b\x1b", "界"], ["", " d", "e"]], dtype=object)
    lens = View.lens(values, words, rows=["a", "b"], columns=["x", "y", "z"], title="Lens")
    wide = View.heatmap(np.zeros((2, 400)), rows=["a", "b"], columns=range(400), title="Wide")
    for view, coloured in ((grid, 4), (lens, 4), (wide, 0)):
        out = io.StringIO()
        console = Console(file=out, width=width, color_system="truecolor", force_terminal=True, soft_wrap=True)
        print_result(Result(views={"one": view}), console)
        shown = out.getvalue().partition("\n\n")[2]
        plain = re.sub(r"\x1b\[[\d;]*m", "", shown)
        assert [line.rstrip() for line in plain.splitlines()] == [
            line.rstrip() for line in view_text(view, width).splitlines()
        ]
        backgrounds = re.findall(r"48;2;(\d+;\d+;\d+)", shown)
        assert len(set(backgrounds)) == coloured
