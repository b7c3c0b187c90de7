"""Techniques in a terminal: a table by section, one of them whole, or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from innerworks.errors import InnerworksError
from innerworks.registry import Catalogue, Entry, techniques
from innerworks.registry.primer import section_title
from innerworks.ui.cli.consoles import output
from innerworks.ui.cli.run.command import examples

__all__ = ["list_techniques"]


def list_techniques(
    name: str | None, *, as_json: bool, section: str | None, eats: str | None, search: str | None
) -> None:
    """Print one technique, or those that were asked for."""
    if name is not None:
        if section or eats or search:
            raise InnerworksError("give a name, or --section, --eats and --search to choose by; not both.")
        _one(techniques()[name], as_json)
        return
    chosen = techniques()
    if section is not None or eats is not None:
        chosen = chosen.where(section=section, eats=eats)
    if search is not None:
        chosen = chosen.search(search)
    if as_json:
        print(chosen.to_json())
    elif not chosen:
        print("No technique is like that. `innerworks techniques` lists them all.")
    else:
        _all(chosen)


def _all(chosen: Catalogue) -> None:
    console = output()
    for section, entries in chosen.sections().items():
        usable = [entry for entry in entries if not entry.problem]
        if not usable:
            continue
        console.print(Text(section_title(section), style="bold"))
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True, style="cyan", overflow="fold")
        table.add_column(no_wrap=True, style="dim")
        table.add_column()
        for entry in usable:
            table.add_row(entry.name, entry.eats or "", Text(_question(entry)))
        console.print(Padding(table, (0, 0, 1, 2)))
    for entry in chosen.values():
        if entry.problem:
            console.print(Text(f"! {entry.problem}", style="red"))


def _question(entry: Entry) -> str:
    return entry.question if entry.package == "innerworks" else f"{entry.question} [{entry.package}]"


def _one(entry: Entry, as_json: bool) -> None:
    if entry.problem:
        raise InnerworksError(entry.problem)
    if as_json:
        print(json.dumps(entry.record(), indent=1, ensure_ascii=False))
        return
    console = output()
    console.print(Text(f"{entry.name}: {entry.title}", style="bold"))
    console.print(Text(entry.question, style="italic"))
    console.print(Text(f"\n{entry.meaning}\n"))
    facts = {
        "section": section_title(entry.section),
        "eats": entry.eats or "nothing but the model",
        "cost": ", ".join(f"{what}: {much}" for what, much in entry.cost.items() if much),
        "references": "; ".join(entry.references),
        "package": entry.package,
    }
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for what, said in facts.items():
        if said:
            table.add_row(Text(what, style="dim"), Text(said))
    console.print(table)
    if entry.options:
        console.print(Text("\noptions", style="dim"))
        console.print(Padding(_options(entry), (0, 0, 0, 2)))
    console.print(Text(f"\nIn Python: {_called(entry)}"))
    console.print(Text(f"In a shell: {examples(entry)[0]}"))


def _options(entry: Entry) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="cyan")
    for option in entry.options:
        default = "required" if option["required"] else f"= {json.dumps(option['default'], ensure_ascii=False)}"
        table.add_row(option["name"], Text(_kind(option["schema"])), Text(default), Text(option["help"]))
    return table


def _called(entry: Entry) -> str:
    name = f"iw.{entry.name}" if entry.package == "innerworks" else f'iw.techniques()["{entry.name}"]'
    return f"{name}(model{f', {entry.eats.lower()}' if entry.eats else ''}, …)"


def _kind(schema: Mapping[str, Any] | None) -> str:
    """A schema in a few words."""
    if schema is None:
        return "in Python"
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " | ".join("none" if one.get("type") == "null" else _kind(one) for one in schema["anyOf"])
    if "examples" in schema:
        return f"such as {schema['examples'][0]!r}"
    if schema.get("type") == "array":
        return f"several: {_kind(schema.get('items'))}"
    return str(schema.get("description", schema.get("type", "")))
