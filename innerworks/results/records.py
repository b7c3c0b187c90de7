"""Checks, provenance, tables and graphs as JSON, and back with every field looked at."""

from __future__ import annotations

from typing import Any

from innerworks.errors import FileError
from innerworks.results.checks import Check
from innerworks.results.graphs import Edge, Graph, Node
from innerworks.results.packing import Pack, Unpack
from innerworks.results.provenance import Cost, Provenance
from innerworks.results.strict_json import field
from innerworks.results.tables import Table

__all__ = [
    "check_from",
    "check_header",
    "check_record",
    "graph_from",
    "graph_record",
    "provenance_from",
    "provenance_record",
    "table_from",
    "table_record",
]


def check_header(record: Any, format_name: str, newest: int, where: str) -> None:
    """Refuse what is not this format, or is of a schema from the future."""
    found = record.get("format") if isinstance(record, dict) else None
    if found != format_name:
        raise FileError(f"{where} is not an {format_name} (its format is {found!r}); nothing was opened")
    schema = field(record, "schema", int, where)
    if schema > newest:
        raise FileError(
            f"{where} was written by a newer innerworks (schema {schema}, this one reads up to {newest}); upgrade"
        )
    if schema < 1:
        raise FileError(f"{where} has the schema {schema}, which never existed; the file is broken")


def check_record(check: Check) -> dict[str, Any]:
    """A check as JSON; its verdict is written for other readers and not read back."""
    return {
        "name": check.name,
        "measured": check.measured,
        "tolerance": check.tolerance,
        "compare": check.compare,
        "note": check.note,
        "verdict": check.verdict,
    }


def check_from(record: Any, where: str) -> Check:
    """The reverse of `check_record`."""
    return Check(
        name=field(record, "name", str, where),
        measured=field(record, "measured", (int, float), where),
        tolerance=field(record, "tolerance", (int, float, type(None)), where),
        compare=field(record, "compare", str, where),
        note=field(record, "note", str, where),
    )


def provenance_record(provenance: Provenance) -> dict[str, Any]:
    """Provenance as JSON."""
    cost = provenance.cost
    return {
        "technique": provenance.technique,
        "options": provenance.options,
        "model": provenance.model,
        "prompt": provenance.prompt,
        "seed": provenance.seed,
        "versions": provenance.versions,
        "cost": {
            "forwards": cost.forwards,
            "backwards": cost.backwards,
            "seconds": cost.seconds,
            "peak_memory": cost.peak_memory,
        },
        "created": provenance.created,
    }


def provenance_from(record: Any, where: str) -> Provenance:
    """The reverse of `provenance_record`."""
    where = f"{where}, provenance"
    cost = field(record, "cost", dict, where)
    field(record, "prompt", object, where)
    return Provenance(
        technique=field(record, "technique", str, where),
        options=field(record, "options", dict, where),
        model=field(record, "model", str, where),
        prompt=record["prompt"],
        seed=field(record, "seed", (int, type(None)), where),
        versions=field(record, "versions", dict, where),
        cost=Cost(
            forwards=field(cost, "forwards", int, where),
            backwards=field(cost, "backwards", int, where),
            seconds=field(cost, "seconds", (int, float), where),
            peak_memory=field(cost, "peak_memory", (int, type(None)), where),
        ),
        created=field(record, "created", str, where),
    )


def table_record(table: Table, name: str, pack: Pack) -> dict[str, Any]:
    """A table as JSON: lists as they are, arrays packed."""
    columns = []
    for index, (column, values) in enumerate(table.columns.items()):
        is_list = isinstance(values, list)
        stored = {"list": values} if is_list else {"array": pack(f"table/{name}/{index}", values)}
        columns.append({"name": column, **stored})
    return {"columns": columns}


def table_from(record: Any, where: str, unpack: Unpack) -> Table:
    """The reverse of `table_record`."""
    columns: dict[str, Any] = {}
    for column in field(record, "columns", list, where):
        name = field(column, "name", str, where)
        if name in columns:
            raise FileError(f"{where} has two columns named {name!r}; the file is broken")
        if "list" in column:
            columns[name] = field(column, "list", list, where)
        else:
            columns[name] = unpack(field(column, "array", dict, where), f"{where}, column {name!r}")
    return Table(columns)


def graph_record(graph: Graph) -> dict[str, Any]:
    """A graph as JSON."""
    return {
        "nodes": [{"id": node.id, "label": node.label, "attributes": node.attributes} for node in graph.nodes],
        "edges": [
            {
                "source": edge.source,
                "target": edge.target,
                "weight": edge.weight,
                "attributes": edge.attributes,
            }
            for edge in graph.edges
        ],
        "attributes": graph.attributes,
    }


def graph_from(record: Any, where: str) -> Graph:
    """The reverse of `graph_record`."""
    nodes = [
        Node(
            field(node, "id", str, where),
            field(node, "label", str, where),
            field(node, "attributes", dict, where),
        )
        for node in field(record, "nodes", list, where)
    ]
    edges = [
        Edge(
            field(edge, "source", str, where),
            field(edge, "target", str, where),
            field(edge, "weight", (int, float), where),
            field(edge, "attributes", dict, where),
        )
        for edge in field(record, "edges", list, where)
    ]
    return Graph(nodes, edges, field(record, "attributes", dict, where))
