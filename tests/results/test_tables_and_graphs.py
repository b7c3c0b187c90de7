from __future__ import annotations

import numpy as np
import pytest
import torch

from innerworks.errors import InnerworksError
from innerworks.results import Edge, Graph, Node, Table, labelled
from innerworks.results.arrays import extremes


def test_unequal_columns_are_an_error_that_counts_them():
    with pytest.raises(InnerworksError, match="'a' has 2, 'b' has 3"):
        Table({"a": [1, 2], "b": np.arange(3)})


def test_a_table_keeps_its_order_and_a_copy():
    source = np.arange(2.0)
    table = Table({"z": ["x", "y"], "a": source, "t": torch.tensor([1.5, 2.5], dtype=torch.bfloat16)})
    source[0] = 99
    assert list(table.columns) == ["z", "a", "t"]
    assert list(table.rows()) == [("x", 0.0, 1.5), ("y", 1.0, 2.5)]
    assert table.to_dataframe().columns.tolist() == ["z", "a", "t"]
    assert len(Table({})) == 0
    with pytest.raises(InnerworksError, match="no column 'b'"):
        table["b"]
    with pytest.raises(InnerworksError, match="one dimension"):
        Table({"m": np.zeros((2, 2))})


def test_graphs_refuse_what_does_not_hang_together():
    with pytest.raises(InnerworksError, match="names the node 'c'"):
        Graph([Node("a"), Node("b")], [Edge("a", "c")])
    with pytest.raises(InnerworksError, match="more than one node with the id 'a'"):
        Graph([Node("a"), Node("a")])


def test_strongest_edges_put_nan_last():
    edges = [Edge("a", "a", 1), Edge("a", "a", float("nan")), Edge("a", "a", -3)]
    graph = Graph([Node("a")], edges)
    assert [edge.weight for edge in graph.strongest(2)] == [-3, 1]
    assert len(graph.strongest(9)) == 3


def test_an_edge_attribute_called_weight_does_not_hide_the_weight():
    graph = Graph([Node("a")], [Edge("a", "a", 2.0, {"weight": "w", "k": 1}), Edge("a", "a", 1.0)])
    table = graph.edge_table()
    assert table["weight"] == [2.0, 1.0]
    assert table["weight (attribute)"] == ["w", None]
    assert table["k"] == [1, None]


def test_repeated_tokens_are_told_apart_by_position():
    array = labelled([1.0, -3.0, 2.0], ("position",), tokens=[" a", " a", "\x00"])
    assert array.isel(position=1).item() == -3.0
    assert array.coords["token"].values.tolist() == [" a", " a", "\x00"]
    assert "token" not in array.indexes
    assert [str(extreme) for extreme in extremes(array, 2)] == [
        "position 1, token ' a'",
        "position 2, token '\\x00'",
    ]


def test_labels_that_do_not_fit_are_refused():
    with pytest.raises(InnerworksError, match="2 tokens for 3 places"):
        labelled(np.zeros(3), ("position",), tokens=["a", "b"])
    with pytest.raises(InnerworksError, match="have 1 dimensions; 2 named"):
        labelled(np.zeros(3), ("a", "b"))
    with pytest.raises(InnerworksError, match="do not fit"):
        labelled(np.zeros(3), ("a",), coords={"a": [1, 2]})
    with pytest.raises(InnerworksError, match="describe the dimension 'position'"):
        labelled(np.zeros(3), ("a",), tokens=["a", "b", "c"])


def test_extremes_agree_with_sorting_everything():
    values = np.random.default_rng(0).normal(size=(5, 7))
    values[2, 3] = np.nan
    found = [extreme.value for extreme in extremes(labelled(values, ("a", "b")), 10)]
    everything = sorted(values[~np.isnan(values)].tolist(), key=abs, reverse=True)
    assert found == everything[:10]


def test_bfloat16_tensors_are_widened_not_refused():
    assert labelled(torch.tensor([1.5], dtype=torch.bfloat16, requires_grad=True), ("x",)).dtype == np.float32
