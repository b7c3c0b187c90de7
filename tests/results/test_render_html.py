from __future__ import annotations

import re
import struct
import zlib
from html.parser import HTMLParser

import numpy as np
import pytest

from innerworks.results import Check, Edge, Graph, Node, Provenance, Result, View
from innerworks.results.derived_views import graph_view
from innerworks.results.render.axis_ticks import tick_text, ticks
from innerworks.results.render.heatmap import _pooled
from innerworks.results.render.html import view_html
from innerworks.results.render.markup import visible_token
from innerworks.results.render.page import page
from innerworks.results.render.png import heat_png
from innerworks.results.render.scale import INVERT_FROM, Scale
from innerworks.results.render.style import _DARK, _LIGHT
from innerworks.results.render.text import view_text
from innerworks.results.view_kinds import VIEW_KINDS

from .samples import every_view, full_result

VOID = {"meta", "br", "img", "link", "input", "hr"}
ATTACK = "</script></title></style>\"'><img src=x onerror=alert(1)><svg onload=alert(2)>"


class Balance(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.tags, self.attributes = [], set(), []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def parsed(html):
    balance = Balance()
    balance.feed(html)
    balance.close()
    assert balance.open == []
    return balance


def test_the_page_is_whole_and_needs_nothing():
    html = page(list(every_view().values()), "T", full_result().checks, full_result().provenance)
    found = parsed(html)
    assert '<html lang="en">' in html
    assert 'name="viewport"' in html
    assert "prefers-color-scheme:dark" in html
    assert not found.tags & {"script", "link", "iframe", "object", "canvas"}
    assert not re.search(r"(?:src|href)=\"(?!data:image/png)", html)
    assert "url(" not in html
    assert "http:" not in html
    assert "https:" not in html
    assert "\ud800" not in html


@pytest.mark.parametrize("kind", VIEW_KINDS)
def test_every_kind_draws(kind):
    found = parsed(view_html(every_view()[kind]))
    assert "section" in found.tags


@pytest.mark.parametrize("kind", ["attention", "graph", "compare"])
def test_kinds_without_a_picture_say_so(kind):
    assert "has no static picture yet" in view_html(every_view()[kind])


def test_a_lens_shows_its_words():
    words = np.array([[" Paris", "<b>", "the"], [" Rome", "\n", "abcdefghijklmnop"]], dtype=object)
    html = view_html(View.lens(np.eye(2, 3), words, ["0", "1"], ["a", "b", "c"], label="probability"))
    for shown in ("␣Paris", "&lt;b&gt;", "⏎", "abcdefgh"):
        assert shown in html, shown
    assert "Words of probability: 2 rows, 3 columns" in html
    many = View.lens(np.ones((50, 60)), np.full((50, 60), "word", dtype=object), range(50), range(60))
    assert "drawn as one picture" in view_html(many)
    lines = view_text(View.lens(np.eye(2, 3), words, ["0", "1"], ["a", "b", "c"]), 30).splitlines()
    assert [line.split()[-1] for line in lines[:3]] == ["c", "the", "abcdefghi…"] and "last 2 of 3" in lines[-1]


def hostile_result():
    attack = [ATTACK, "b"]
    grid = np.eye(2)
    node = np.array(attack, dtype=object)
    views = {
        "t": View.tokens(attack, [1.0, 2.0], label=ATTACK, print_values=True, title=ATTACK),
        "h": View.heatmap(grid, attack, attack, row_title=ATTACK, column_title=ATTACK, label=ATTACK),
        "h2": View.heatmap(np.ones((50, 50)), attack * 25, attack * 25, row_title=ATTACK, title=ATTACK),
        "s": View.series({ATTACK: [1, 2]}, attack, x_title=ATTACK, y_title=ATTACK, title=ATTACK),
        "tab": View.table({ATTACK: attack}, title=ATTACK),
        "c": View.card(ATTACK, {ATTACK: ATTACK, "n": {ATTACK: [ATTACK]}}),
        "l": View("lens", {"values": grid, "predictions": np.array([attack, attack], dtype=object),
                           "rows": node, "columns": node}),
        "g": graph_view(Graph([Node(ATTACK, ATTACK)], [Edge(ATTACK, ATTACK)]), ATTACK),
    }  # fmt: skip
    provenance = Provenance(ATTACK, {ATTACK: ATTACK}, ATTACK, ATTACK, 0, {ATTACK: ATTACK}, created=ATTACK)
    return Result(views=views, checks=[Check(ATTACK, 1.0, 2.0, note=ATTACK)], provenance=provenance, title=ATTACK)


@pytest.mark.parametrize(
    "render", [lambda r: page(list(r.views.values()), ATTACK, r.checks, r.provenance), Result._repr_html_]
)
def test_nothing_given_becomes_markup(render):
    html = render(hostile_result())
    found = parsed(html)
    assert not found.tags & {"script", "img"}
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert html.count("<style>") == html.count("</style>") == 1
    assert "onerror" in html


def test_hidden_characters_are_shown():
    assert visible_token(" a\n") == "␣a⏎"
    assert visible_token("  ") == "␣␣"
    assert visible_token("\t\r") == "⇥␍"
    assert visible_token("") == "∅"
    assert visible_token("a b ") == "a b␣"
    assert visible_token("\x00\x1b[31m") == "␀␛[31m"
    assert visible_token("\u202eabc\u200b") == "⟨U+202E⟩abc⟨U+200B⟩"
    assert visible_token("\ud83d") == "\ufffd"


def test_a_scale_has_zero_in_the_middle_when_signs_differ():
    signed = Scale.of(np.array([-1.0, 4.0, np.nan, np.inf]))
    assert (signed.limit, signed.signed) == (4.0, True)
    assert signed.strength(0) == 0
    assert signed.strength(-4) == -signed.strength(4) == -1
    assert signed.strength(float("inf")) == 1
    assert not Scale.of(np.array([0.0, 2.0])).signed
    assert Scale.of(np.zeros(3)).limit == 1.0
    assert Scale.of(np.array([np.nan])).limit == 1.0


def luminance(colour):
    parts = [part / 255 for part in colour]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [_LIGHT, _DARK], ids=["light", "dark"])
@pytest.mark.parametrize("pole", ["pos", "neg"])
def test_text_on_every_colour_can_be_read(theme, pole):
    def colour(name):
        text = re.search(rf"--{name}:#([0-9a-f]+)", theme).group(1)
        text = "".join(2 * digit for digit in text) if len(text) == 3 else text
        return np.array([int(text[start : start + 2], 16) for start in (0, 2, 4)])

    for opacity in np.linspace(0, 1, 101):
        ground = luminance((1 - opacity) * colour("bg") + opacity * colour(pole))
        text = luminance(colour("on-hi" if opacity >= INVERT_FROM else "on"))
        contrast = (max(ground, text) + 0.05) / (min(ground, text) + 0.05)
        assert contrast >= 4.2, opacity


def test_heatmap_cells_carry_exact_values_twice():
    value = 0.1 + 0.2
    html = view_html(View.heatmap([[value, np.nan]], ["L9"], ["H6", "H7"], label="effect"))
    assert f"<title>L9 · H6: {value!r}</title>" in html
    assert f"<td>{value!r}</td>" in html
    assert "iw-lines" in html
    assert "not a number (1 cell)" in html
    assert 'role="img" aria-label="Heatmap of effect: 1 rows, 2 columns' in html
    single = view_html(View.heatmap(np.array([[0.1]], dtype=np.float32), ["r"], ["c"]))
    assert "<td>0.1</td>" in single


def decoded(png):
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        kind, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        assert struct.unpack(">I", png[at + 8 + size : at + 12 + size])[0] == zlib.crc32(kind + body)
        chunks[kind] = body
        at += 12 + size
    width, height, depth, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    assert (depth, colour) == (8, 3)
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    palette = np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3)
    assert len(palette) == len(chunks[b"tRNS"])
    opacity = np.frombuffer(chunks[b"tRNS"], np.uint8)
    return palette[rows[:, 1:]], opacity[rows[:, 1:]]


def test_the_png_says_what_the_numbers_say():
    strengths = np.array([[-1.0, -0.5, 0.0, 0.5, 1.0]])
    colours, opacity = decoded(heat_png(strengths))
    assert opacity.tolist() == [[255, 128, 0, 128, 255]]
    is_blue = colours[..., 2] > colours[..., 0]
    assert is_blue[0, [3, 4]].all()
    assert not is_blue[0, [0, 1]].any()


def test_nan_is_hatched_in_the_png():
    _, opacity = decoded(heat_png(np.array([[np.nan, 0.0]])))
    assert opacity.shape == (4, 8)
    assert np.count_nonzero(opacity[:, :4]) == 4
    assert not opacity[:, 4:].any()


def test_dense_grids_stay_small_and_say_what_they_hide():
    values = np.random.default_rng(0).normal(size=(512, 512)) * np.tri(512)
    html = view_html(View.heatmap(values, range(512), range(512)))
    assert len(html) < 500_000
    assert html.count("<rect") < 100
    assert "262,144 cells, drawn as one picture" in html
    assert f"{512 * 512 - 200:,} are hidden" in html
    flat = np.abs(values).ravel().argmax()
    assert f"<td>{flat // 512}</td><td>{flat % 512}</td><td>{values.ravel()[flat].item()!r}</td>" in html


def test_crowded_labels_are_thinned_by_a_round_number():
    html = view_html(View.heatmap(np.ones((160, 160)), range(160), [f"key {i}" for i in range(160)]))
    columns = re.findall(r'class="iw-up"[^>]*>key (\d+)<', html)
    assert columns == [str(place) for place in range(0, 160, 5)]
    rows = [int(text) for text in re.findall(r'class="iw-row"[^>]*>(\d+)<', html)]
    assert rows == list(range(0, 160, 5))


def test_pooling_keeps_the_strongest_with_its_sign():
    values = np.zeros((3, 5000))
    values[1, 1234], values[2, 4999] = -7.0, 3.0
    values[0, :] = np.nan
    pooled = _pooled(values)
    assert pooled.shape == (3, 1667)
    assert pooled[1].min() == -7.0
    assert pooled[2].max() == 3.0
    assert np.isnan(pooled[0]).all()
    html = view_html(View.heatmap(values, range(3), range(5000)))
    assert "strongest of up to 1×3 cells" in html


def test_lines_break_at_gaps_and_say_so():
    html = view_html(View.series({"a": [1.0, np.nan, 3.0, 4.0, np.inf]}))
    (line,) = re.findall(r'class="iw-line" d="(M[^"]*\d)">', html)
    assert line.count("M") == 2
    assert "2 points are not finite" in html
    nothing = view_html(View.series({"a": [np.nan, np.nan]}))
    assert "no finite point" in nothing


def test_lines_differ_by_dash_as_well_as_colour():
    html = view_html(View.series({str(line): [line, line + 1] for line in range(8)}))
    legend = html[html.index("iw-legend") :]
    assert len(set(re.findall(r'<path class="iw-line"([^>]*?) d="M0 4H30"', legend))) == 8


def test_long_lines_keep_their_peaks():
    y = np.zeros(100_000)
    y[77_777] = 5.0
    html = view_html(View.series({"a": y}))
    assert len(html) < 100_000
    assert "the lowest and the highest of every 100 are drawn" in html
    assert "99,800 are hidden" in html
    (line,) = re.findall(r'class="iw-line" d="(M[^"]{100,})"', html)
    heights = [float(pair.split()[1]) for pair in re.findall(r"[ML]([\d.]+ [\d.]+)", line)]
    assert min(heights) == pytest.approx(12.0)


@pytest.mark.parametrize("span", [(0, 1), (-3.5, 1.3), (0, 24), (1e-7, 3e-7), (1e9, 5e9), (2, 2), (0, 0), (-5, -4.9)])
def test_ticks_are_few_round_and_cover(span):
    found = ticks(*span, 5)
    assert 2 <= len(found) <= 9
    assert found[0] <= span[0] <= span[1] <= found[-1]
    steps = np.diff(found)
    assert np.allclose(steps, steps[0], rtol=1e-6)
    texts = [tick_text(tick, float(steps[0])) for tick in found]
    assert len(set(texts)) == len(texts)


def test_failed_checks_come_first_and_are_marked():
    html = page([], "T", [Check("fine", 0, 1), Check("broken", 2, 1, note="because")])
    assert html.index("broken") < html.index("fine")
    assert "✗ fail" in html
    assert "because" in html


def test_long_tables_and_strips_say_what_they_hide():
    assert "300 are hidden" in view_html(View.table({"a": np.arange(500)}))
    assert "1 more are hidden" in view_html(View.tokens(["a"] * 5001))
