"""Pages that can be explored: what is in them, how small attention gets, and that it is as exact as it says."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from innerworks.errors import InnerworksError
from innerworks.results import Edge, Graph, Node, Result, View
from innerworks.results.derived_views import graph_view
from innerworks.results.render.page import page
from innerworks.results.render.page_arrays import page_record
from innerworks.results.render.style import _DARK, _LIGHT
from innerworks.results.view_kinds import VIEW_KINDS

from .samples import every_view, full_result

BUILT = Path(__file__).parents[2] / "innerworks/results/render/built"
ATTACK = "</script><script>alert(1)</script><!-- <img src=x onerror=alert(1)>"


class Scripts(HTMLParser):
    """The scripts of a page, with their attributes, and every attribute that could fetch something."""

    def __init__(self, html):
        super().__init__()
        self.found, self.sources, self.tags, self._inside = [], [], set(), False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href") and not value.startswith("data:")]
        if tag == "script":
            self.found.append([dict(attrs), ""])
            self._inside = True

    def handle_endtag(self, tag):
        self._inside = self._inside and tag != "script"

    def handle_data(self, data):
        if self._inside:
            self.found[-1][1] += data


def softmaxes(heads, tokens, seed=0):
    scores = np.random.default_rng(seed).normal(scale=3, size=(heads, tokens, tokens)).astype(np.float32)
    scores[:, ~np.tri(tokens, dtype=bool)] = -np.inf
    raised = np.exp(scores - scores.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


def unpacked(note, dtype):
    return np.frombuffer(zlib.decompress(base64.b64decode(note["deflate"])), dtype=dtype)


def decoded(note):
    """All heads as a reader of the page gets them: exact ones as they are, the others from their eight bits."""
    heads, queries, keys = note["shape"]
    packed, exact = note["quantised"], note["exact"]
    side = packed["bin"]
    rows, columns = -(-queries // side), -(-keys // side)
    mask = np.tri(rows, columns, columns - rows, dtype=bool) if packed["triangle"] else np.ones((rows, columns), bool)
    codes = unpacked(packed, np.uint8).reshape(heads, -1).astype(float)
    shares = (codes - 127) / 127 if packed["signed"] else codes / 254
    shares[codes == 255] = np.nan
    coarse = np.zeros((heads, rows, columns))
    coarse[:, mask] = shares * np.array(packed["limits"])[:, None]
    found = coarse.repeat(side, 1).repeat(side, 2)[:, :queries, :keys]
    whole = np.tri(queries, keys, keys - queries, dtype=bool) if exact["triangle"] else np.ones((queries, keys), bool)
    values = unpacked(exact, note["dtype"]).reshape(len(exact["heads"]), -1)
    for head, row in zip(exact["heads"], values, strict=True):
        found[head] = 0
        found[head][whole] = row
    return found


def pattern_note(view):
    return next(note for note in page_record(view)["arrays"] if note["name"] == "pattern")


def test_one_script_runs_and_nothing_is_fetched(tmp_path):
    html = full_result().html(tmp_path / "r.html").read_text()
    found = Scripts(html)
    running = [text for attributes, text in found.found if attributes.get("type") != "application/json"]
    digest = base64.b64encode(hashlib.sha256(running[0].encode()).digest()).decode()
    assert len(running) == 1
    assert f"default-src 'none'; script-src 'sha256-{digest}'" in html
    assert len(found.found) == 1 + len(VIEW_KINDS)
    assert found.sources == []
    assert not found.tags & {"link", "iframe", "object", "img"}
    assert "<svg" in html[: html.index("iw-data")], "the static twin is there"


def test_without_script_there_is_none(tmp_path):
    html = full_result().html(tmp_path / "r.html", interactive=False).read_text()
    assert "<script" not in html
    assert "http" not in html.replace("http-equiv", "")
    assert "<script" not in page([], "nothing to draw", interactive=True)


def test_no_text_ends_its_data_block():
    views = [View.tokens([ATTACK], title=ATTACK), View.card(ATTACK, {ATTACK: ATTACK})]
    found = Scripts(page(views, ATTACK, interactive=True))
    blocks = [json.loads(text) for attributes, text in found.found if attributes]
    assert [block["title"] for block in blocks] == [ATTACK, ATTACK]
    assert len(found.found) == 3
    assert "img" not in found.tags


@pytest.mark.parametrize("kind", VIEW_KINDS)
def test_a_view_writes_its_own_page(kind, tmp_path):
    view = every_view()[kind]
    html = view.html(tmp_path / "v.html").read_text()
    assert html.count("iw-data") == 1 + html.count("script.iw-data")
    assert '<div class="iw">' in view._repr_html_()


def test_the_built_files_can_stand_inside_a_page():
    for name in ("page.js", "widget.js"):
        text = (BUILT / name).read_text()
        assert "</script" not in text.lower() and "<script" not in text.lower()
        assert not re.search(r"\b(?:fetch|XMLHttpRequest|WebSocket|EventSource|sendBeacon|importScripts)\b\(", text)
        known = ("http://www.w3.org/", "https://svelte.dev/e/")
        assert all(address.startswith(known) for address in re.findall(r"https?://[^\"'`]+", text))


def test_script_and_page_have_the_same_colours():
    css = (BUILT / "views.css").read_text()
    for theme, mark in ((_LIGHT, "light"), (_DARK, "dark")):
        block = re.search(rf"\.iw\[data-theme=\"?{mark}\"?\][^{{]*{{([^}}]*)}}", css)[1]
        found = dict(re.findall(r"--([\w-]+): *([^;}]+)", block))
        wanted = dict(re.findall(r"--([\w-]+):([^;]+)", theme))
        assert {name: found.get(name) for name in wanted} == wanted


def test_few_heads_are_exact():
    pattern = softmaxes(4, 14)
    note = pattern_note(View.attention(pattern, range(4), ["a"] * 14))
    assert "quantised" not in note
    assert unpacked(note, np.float32).tobytes() == pattern.tobytes()


@pytest.mark.parametrize("signed", [False, True])
def test_many_heads_are_within_the_bound_and_the_one_in_focus_exact(signed):
    pattern = softmaxes(144, 64)
    if signed:
        pattern = pattern - softmaxes(144, 64, seed=1)
    scores = np.arange(144.0)
    view = View.attention(pattern, range(144), ["a"] * 64, focus=30, scores=scores)
    note = pattern_note(view)
    found = decoded(note)
    assert note["exact"]["heads"][:3] == [30, 143, 142]
    assert np.array_equal(found[note["exact"]["heads"]], pattern[note["exact"]["heads"]].astype(float))
    bounds = np.array(note["quantised"]["limits"]) / (127 if signed else 254) / 2
    assert (np.abs(found - pattern).max(axis=(1, 2)) <= bounds * (1 + 1e-6)).all()
    assert note["quantised"]["bin"] == 1


def test_64_tokens_of_144_heads_stay_below_a_megabyte(tmp_path):
    view = View.attention(softmaxes(144, 64), range(144), ["a"] * 64)
    assert view.html(tmp_path / "v.html").stat().st_size < 1_000_000


@pytest.mark.slow
def test_512_tokens_of_144_heads_stay_below_eight(tmp_path):
    view = View.attention(softmaxes(144, 512), range(144), ["a"] * 512)
    assert view.html(tmp_path / "v.html").stat().st_size < 8_000_000


def test_too_many_tokens_share_values_and_none_is_lost(monkeypatch):
    monkeypatch.setattr("innerworks.results.render.page_arrays._QUANTISED_BYTES", 15_000)
    monkeypatch.setattr("innerworks.results.render.page_arrays._EXACT_BYTES", 10_000)
    pattern = softmaxes(12, 90)
    note = pattern_note(View.attention(pattern, range(12), ["a"] * 90))
    side = note["quantised"]["bin"]
    assert side > 1
    found = decoded(note)
    assert np.array_equal(found[0], pattern[0].astype(float))
    bound = np.array(note["quantised"]["limits"]) / 254 / 2
    for head in range(1, 12):
        for row, column in ((0, 0), (88 // side, 3), (5, 1)):
            block = pattern[head, row * side : (row + 1) * side, column * side : (column + 1) * side]
            assert abs(found[head, row * side, column * side] - block.max()) <= bound[head] * (1 + 1e-6)


def test_patterns_that_look_ahead_and_gaps_survive():
    pattern = np.random.default_rng(0).normal(size=(30, 40, 70))
    pattern[29, 3, 60], pattern[29, 4, 4] = np.nan, np.inf
    note = pattern_note(View.attention(pattern, range(30), ["q"] * 40, ["k"] * 70))
    assert not note["quantised"]["triangle"]
    found = decoded(note)
    assert np.isnan(found[29, 3, 60]) and np.isnan(found[29, 4, 4])
    rest = np.isfinite(pattern[29]) & np.isfinite(found[29])
    assert np.abs(found[29] - pattern[29])[rest].max() <= note["quantised"]["limits"][29] / 127 / 2 * (1 + 1e-9)


def test_optional_arrays_are_held_against_the_others():
    with pytest.raises(InnerworksError, match="'scores' has 3 along head"):
        View.attention(softmaxes(2, 4), range(2), list("abcd"), scores=[1, 2, 3])
    with pytest.raises(InnerworksError, match="'columns_other' has 1 along column"):
        View.heatmap(np.zeros((1, 2)), ["r"], ["a", "b"], columns_other=["a"])
    with pytest.raises(InnerworksError, match="'top_tokens' has dimensions"):
        View.lens(np.zeros((1, 1)), np.array([["a"]], dtype=object), ["r"], ["c"], top_tokens=[["a"]])


def test_graphs_bring_their_layers_and_tokens():
    nodes = [Node("a", attributes={"layer": 1, "position": 0}), Node("b", attributes={"layer": 4, "position": 1})]
    view = graph_view(Graph(nodes, [Edge("a", "b")], {"tokens": ["x", "y\x00"]}))
    assert view.arrays["layers"].tolist() == [1, 4]
    assert view.arrays["tokens"].tolist() == ["x", "y\x00"]
    assert "layers" not in graph_view(Graph([*nodes, Node("c")], [])).arrays


def test_a_result_of_nothing_is_a_page_too(tmp_path):
    assert "<script" not in Result(title="nothing").html(tmp_path / "r.html").read_text()
