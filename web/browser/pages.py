"""`python web/browser/pages.py FOLDER`: HTML of every kind of view, and what it should say, for the browser's tests."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from innerworks.results import Check, Edge, Graph, Node, Provenance, Result, View
from innerworks.results.derived_views import graph_view

WORDS = ["When", "Mary", "and", "John", "went", "to", "the", "store", ",", "John", "gave", "a", "drink", "to"]
TOKENS = [WORDS[0], *(f" {word}" for word in WORDS[1:])]


def attention(tokens: int, heads: list[str], seed: int = 0, sharpness: float = 3.0, **options: Any) -> View:
    """Random causal softmax patterns, as sharp as attention usually is."""
    random = np.random.default_rng(seed)
    pattern = random.normal(scale=sharpness, size=(len(heads), tokens, tokens)).astype(np.float32)
    pattern[:, ~np.tri(tokens, dtype=bool)] = -np.inf
    pattern = np.exp(pattern - pattern.max(-1, keepdims=True))
    pattern /= pattern.sum(-1, keepdims=True)
    texts = [TOKENS[index % len(TOKENS)] for index in range(tokens)]
    return View.attention(pattern, heads, texts, title=f"Attention, {len(heads)} heads", **options)


def all_heads(layers: int = 12, heads: int = 12) -> list[str]:
    """The names of heads, layer by layer."""
    return [f"{layer}.{head}" for layer in range(layers) for head in range(heads)]


def graph() -> View:
    """A small circuit with a layer and a token for every node."""
    places = [(layer, token) for layer in range(5) for token in (0, 3, 5, 9)]
    nodes = [
        Node(f"{layer}.{token}", f"L{layer} {WORDS[token]}", {"layer": layer, "position": token})
        for layer, token in places
    ]
    random = np.random.default_rng(3)
    edges = [
        Edge(f"{one}.{token}", f"{two}.{later}", float(random.normal()))
        for one, token in places
        for two, later in places
        if one + 1 == two and token <= later
    ]
    return graph_view(Graph(nodes, edges, {"tokens": TOKENS}), "A circuit")


def heatmap() -> View:
    """Signed numbers over two prompts that differ in a token."""
    grid = np.random.default_rng(1).normal(size=(12, 14))
    grid[4, 5] = np.nan
    return View.heatmap(
        grid,
        range(12),
        TOKENS,
        row_title="layer",
        column_title="clean prompt",
        columns_other=[*TOKENS[:9], " Mary", *TOKENS[10:]],
        other_title="corrupt prompt",
        label="effect",
        title="Where the answer comes from",
    )


def lens() -> View:
    """Words with their five likeliest."""
    random = np.random.default_rng(2)
    words = random.choice(np.array(TOKENS, dtype=object), size=(8, 14, 5))
    shares = np.sort(random.dirichlet(np.ones(5), size=(8, 14)), axis=-1)[..., ::-1]
    return View.lens(
        shares[..., 0],
        words[..., 0],
        range(8),
        TOKENS,
        row_title="layer",
        label="probability",
        top_tokens=words,
        top_values=shares,
        title="What is said at each place",
    )


def series() -> View:
    """Three lines with bands."""
    layers = np.arange(24)
    noise = np.random.default_rng(4).normal(size=24) / 4
    lines = {"clean": np.sin(layers / 4), "corrupt": np.cos(layers / 5) - 0.3, "random": noise}
    low, high = ({name: y + shift for name, y in lines.items()} for shift in (-0.2, 0.2))
    return View.series(lines, layers, low=low, high=high, x_title="layer", y_title="logit difference", title="By layer")


def every_kind() -> dict[str, View]:
    """One view of each kind, and attention that is too much to be exact."""
    random = np.random.default_rng(5)
    values = random.normal(size=14).astype(np.float32)
    values[2] = np.nan
    heads = {"head": all_heads()[:120], "score": random.normal(size=120), "known": [True, False] * 60}
    facts = {"name": "tiny", "layers": 12, "norm": 0.1234567, "missing": None, "families": ["llama", "gpt2"]}
    items = ["with the name", "without it", "another name", "a long label that has to be cut somewhere"]
    changes = {"left_title": "clean", "right_title": "corrupt", "title": "Logit differences"}
    special = [True] + [False] * 13
    return {
        "tokens": View.tokens(
            TOKENS, values, special=special, print_values=True, label="change of the logit", title="What each word does"
        ),
        "heatmap": heatmap(),
        "lens": lens(),
        "attention": attention(
            14, all_heads(4, 6), scores=random.normal(size=24), value_norms=random.random((24, 14)) + 0.5
        ),
        "attention-quantised": attention(64, all_heads(), focus=30),
        "graph": graph(),
        "series": series(),
        "table": View.table(heads, title="Heads"),
        "card": View.card("The model", facts),
        "compare": View.compare(items, [3.2, -1.0, 0.4, 2.0], [1.1, -0.2, 2.5, 1.9], **changes),
    }


def awkward() -> dict[str, View]:
    """What must be drawn or said, and break nothing: markup in texts, no numbers, nothing at all."""
    attack = "</script><img src=x onerror=alert(1)>"
    texts = [attack, "\n", "", "\ud800", "\u202eabc", "東京"]
    nothing = np.full((2, 6), np.nan)
    empty = np.zeros((0, 0))
    return {
        "strip": View.tokens(texts, [np.inf, -np.inf, np.nan, 0.0, 1e-30, 1e30], print_values=True, title=attack),
        "gaps": View.heatmap(nothing, ["r", attack], texts, row_title=attack, title="no number"),
        "empty grid": View.heatmap(empty, [], [], title="no cell"),
        "lost lines": View.series({attack: [np.nan, np.nan]}, title="no point"),
        "one point": View.series({"a": [2.0]}, title="one point"),
        "columns": View.table({"token": ["a", None], "1": [1, 2], "__proto__": [True, False], "0": [1j, -2j]}),
        "no rows": View.table({"a": []}, title="no row"),
        "card": View.card(attack, {attack: attack, "n": {attack: [attack, float("nan")]}}),
        "no edges": graph_view(Graph([Node("a"), Node("b")], []), "no edge"),
        "loop": graph_view(Graph([Node("a"), Node("b")], [Edge("a", "b"), Edge("b", "a", float("nan"))]), "a loop"),
        "compare": View.compare([attack, "b"], [1.0, np.nan], [np.inf, 2.0]),
        "one head": View.attention(np.eye(3)[None], ["only"], ["a", "b", "c"], title="one head"),
        "cached": View.attention(np.ones((2, 2, 4)) / 4, ["x", "y"], texts[:2], texts[:4], title="earlier keys"),
    }


def truth(view: View) -> dict[str, str]:
    """Numbers that the page must say."""
    if view.kind == "heatmap":
        return {"cell": repr(float(view.arrays["values"][3, 7]))}
    if view.kind == "attention":
        return {"exact": str(view.arrays["pattern"][view.state["focus"], 9, 4])}
    if view.kind == "tokens":
        return {"value": str(view.arrays["values"][5])}
    return {}


def main(folder: Path) -> None:
    """Write a page of every kind, one of a later schema, and the facts."""
    folder.mkdir(parents=True, exist_ok=True)
    facts: dict[str, object] = {}
    checks = [Check("parts add up", 3e-6, 1e-4), Check("redundancy", 0.5, 0.1, note="seen too late")]
    for name, view in every_kind().items():
        result = Result(views={name: view}, checks=checks, provenance=Provenance("sample"), title=view.title)
        facts[name] = {"bytes": result.html(folder / f"{name}.html").stat().st_size, **truth(view)}
    Result(views=awkward(), title="Awkward").html(folder / "awkward.html")
    (folder / "heatmap.json").write_text(heatmap().to_json())
    page = (folder / "heatmap.html").read_text()
    (folder / "newer.html").write_text(page.replace('"schema": 1', '"schema": 7', 1))
    (folder / "facts.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
