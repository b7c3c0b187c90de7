"""The tables of RESULTS.md, made of the records that are there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bench.field.numbers import QUANTITIES
from bench.field.settings import ROWS
from bench.field.traps import QUESTIONS

Record = dict[str, Any]
ORDER = ("innerworks", "plain_hooks", "transformer_lens", "nnsight", "pyvene")


def records(folder: Path) -> dict[str, Record]:
    """Every tool's record that is there, innerworks first."""
    return {name: json.loads(path.read_text()) for name in ORDER if (path := folder / f"{name}.json").exists()}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in line) + " |" for line in lines)


def named(record: Record) -> str:
    """A tool and its version."""
    version = next(iter(record["versions"].values()))
    return f"{record['title']} {version}"


def _ratio(entry: Record | None) -> str:
    if entry is None:
        return "not measured"
    if "unmeasured" in entry:
        return str(entry["unmeasured"])
    spread = f"({entry['low']:.2f}-{entry['high']:.2f})"
    if entry["device"] != "cpu":
        return f"{entry['wall']:.2f} {spread}"
    return f"{entry['cpu']:.2f} {spread}, wall {entry['wall']:.2f}"


def timings(found: dict[str, Record]) -> str:
    """Per setting one table: a row for each thing asked, a column for each tool."""
    by: dict[str, dict[str, dict[str, Record]]] = {}
    plain: dict[str, list[float]] = {}
    for name, record in found.items():
        for entry in record.get("timings", []):
            by.setdefault(entry["setting"], {}).setdefault(entry["row"], {})[name] = entry
            plain.setdefault(entry["setting"], []).extend([entry["plain_ms"]] if "plain_ms" in entry else [])
    head = ["", *(named(record) for record in found.values())]
    parts = []
    for setting, rows in by.items():
        cells = [[ROWS[row], *(_ratio(rows[row].get(name)) for name in found)] for row in ROWS if row in rows]
        if "cache_all" in rows:
            kept = [rows["cache_all"].get(name, {}) for name in found]
            sizes = [f"{one['tensors']}, {one['bytes'] / 2**20:.0f} MiB" if "tensors" in one else "" for one in kept]
            cells.append(["(tensors kept when everything is asked)", *sizes])
        took = ", ".join(f"{ms:.0f}" for ms in sorted({round(ms) for ms in plain[setting]}))
        parts.append(f"**{setting}** (a plain forward in the tools' processes: {took} ms)\n\n{table(head, cells)}")
    return "\n\n".join(parts)


def processes(found: dict[str, Record]) -> str:
    """Import, first answer and peak memory."""
    head = ["", *(named(record) for record in found.values())]

    def seconds(record: Record, what: str) -> str:
        return f"{record['starts'][what]:.2f} s" if "starts" in record else "not measured"

    rows = [
        ["import, new process", *(seconds(record, "import") for record in found.values())],
        ["import, a tiny GPT-2, its logits", *(seconds(record, "first answer") for record in found.values())],
    ]
    rows = rows if any("starts" in record for record in found.values()) else []
    settings = dict.fromkeys(key for record in found.values() for key in record.get("memory", {}))
    for key in settings:
        cells = []
        for record in found.values():
            peaks = record.get("memory", {}).get(key, {"unmeasured": "not measured"})
            if "unmeasured" in peaks:
                cells.append(str(peaks["unmeasured"]))
                continue
            peak, kept = (peaks["cache_all"][what] / 2**20 for what in ("peak", "kept"))
            cells.append(f"{peak:.0f} MiB for {kept:.0f} kept")
        rows.append([f"peak while caching everything, {key}", *cells])
    return table(head, rows)


def numbers(found: dict[str, Record]) -> str:
    """Per tool one table: a row for each family, a column for each quantity."""
    parts = []
    for record in found.values():
        families = record.get("numbers", {})
        if not families:
            continue
        rows = []
        for family, row in families.items():
            cells = (row.get(quantity, "") for quantity in QUANTITIES)
            rows.append(
                [family, *(cell if isinstance(cell, str) else f"{cell:.0e}" if cell else "0" for cell in cells)]
            )
        parts.append(f"**{named(record)}**\n\n{table(['', *QUANTITIES], rows)}")
    return "\n\n".join(parts)


def traps(found: dict[str, Record]) -> str:
    """One table: a row for each silent failure, a column for each tool."""
    rows = []
    for name, question in QUESTIONS.items():
        cells = []
        for record in found.values():
            verdict, text = record.get("traps", {}).get(name, ("not measured", ""))
            cells.append(f"**{verdict}**: {text}" if verdict == "wrong" else f"{verdict}: {text}".removesuffix(": "))
        rows.append([question, *cells])
    return table(["", *(named(record) for record in found.values())], rows)


def conditions(found: dict[str, Record], part: str) -> str:
    """Machine, versions and dates of a part, a line for each tool."""
    lines = []
    for record in found.values():
        seen = record.get("measured", {}).get(part)
        if seen is None:
            continue
        versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
        gpu = seen["gpu"] or "no GPU"
        lines.append(
            f"- {record['title']}: {seen['date']}, {versions}, Python {seen['python']}, {seen['machine']}, "
            f"{seen['cores']} cores, {seen['threads']} threads, {gpu}, load {seen['load']} at the end."
        )
    return "\n".join(lines)


def remarks(found: dict[str, Record]) -> str:
    """What a tool's figures need said beside them."""
    lines = [
        f"- {record['title']}, {ROWS.get(row, row)}: {text}."
        for record in found.values()
        for row, text in record["notes"].items()
    ]
    return "\n".join(lines)
