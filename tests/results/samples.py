"""One result and one set of views that hold every awkward thing at once."""

from __future__ import annotations

import numpy as np

from innerworks.results import Check, Cost, Edge, Graph, Node, Provenance, Result, Table, View, labelled

TOKENS = ["<|bos|>", " the", " the", "\n", "\x00", "\ud800", "</script><img src=x onerror=alert(1)>", "東京"]


def values() -> np.ndarray:
    found = np.array([0.5, -2.0, np.nan, np.inf, -np.inf, 0.0, 3.25, 1e-9])
    return found.astype(np.float32)


def every_view() -> dict[str, View]:
    grid = np.linspace(-3, 5, 24).reshape(4, 6)
    grid[1, 2] = np.nan
    text = np.array(["x", "y", "z"], dtype=object)
    return {
        "tokens": View.tokens(TOKENS, values(), special=[True] + [False] * 7, print_values=True, title="strip"),
        "heatmap": View.heatmap(grid, range(4), list("abcdef"), row_title="layer", column_title="head"),
        "series": View.series({"a": [1, 2, np.nan, 4], "b": [4, 3, 2, 1]}, x_title="layer", title="lines"),
        "table": View.table({"name": ["x", None], "value": [1.5, np.nan], "whole": [1, 2]}, title="rows"),
        "card": View.card("facts", {"a": 1, "b": [1, None, "<b>"], "c": {"d": float("nan")}}),
        "attention": View("attention", {"pattern": np.eye(3)[None], "heads": text[:1], "queries": text, "keys": text}),
        "lens": View(
            "lens",
            {
                "values": np.ones((2, 3)),
                "predictions": np.array([["a", "b", "c"], ["d", "e", "f"]], dtype=object),
                "rows": text[:2],
                "columns": text,
            },
        ),
        "graph": View(
            "graph",
            {
                "nodes": text,
                "labels": text,
                "sources": text[:2],
                "targets": text[1:],
                "weights": np.array([1.0, -2]),
            },
        ),
        "compare": View("compare", {"labels": text, "left": np.arange(3), "right": np.arange(3) * 2}),
    }


def full_result() -> Result:
    score = np.arange(6, dtype=np.float64).reshape(2, 3) - 2
    score[0, 1] = np.nan
    return Result(
        data={
            "score": labelled(score, ("layer", "head"), coords={"layer": [4, 9]}, attrs={"unit": "logit"}),
            "effect": labelled(values(), ("position",), tokens=TOKENS),
            "eigen": labelled(np.array([1 + 2j, -3j]), ("rank",)),
            "top": labelled(np.array([["a", ""], ["東", "b"]], dtype=object), ("layer", "position")),
            "hit": labelled(np.array([True, False]), ("row",)),
            "total": labelled(np.float16(1.5), ()),
            "empty": labelled(np.zeros((0, 3), dtype=np.int64), ("row", "head")),
        },
        tables={"best": Table({"head": ["L9H6", None], "score": np.array([1.5, np.nan]), "rank": [1, 2]})},
        graphs={
            "circuit": Graph(
                [Node("a", "A", {"layer": 1}), Node("b")],
                [Edge("a", "b", float("nan"), {"channel": "q"}), Edge("a", "b", -2.0)],
                {"threshold": 0.1},
            )
        },
        checks=[
            Check("components sum to the logit", 3e-6, 1e-4),
            Check("completeness", 0.5, 0.1, note="too few steps"),
            Check("redundancy", float("nan")),
        ],
        provenance=Provenance(
            "patching",
            {"site": "z.5.3@-1", "k": 3, "eps": float("inf")},
            "tiny@abc",
            ["a", " b"],
            7,
            {"innerworks": "0.1.0"},
            Cost(3, 1, 0.5, 1000),
            "2026-01-01T00:00:00+00:00",
        ),
        views=every_view(),
        title="A result",
    )
