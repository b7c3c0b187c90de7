"""What the schema of an option says about its flag: what to write behind it, what can be chosen, an example."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["choices", "example", "formats", "is_flag", "metavar", "shown_default"]

Schema = Mapping[str, Any] | None

_CALLED = {"integer": "INT", "number": "NUMBER", "string": "TEXT", "boolean": "true|false", "object": "NAME=VALUE,…"}
_OF_FORMAT = {"path": "PATH", "artifact": "FOLDER", "token": "TOKEN", "corpus": "FILES"}
_EXAMPLES = {
    "integer": "5",
    "number": "0.5",
    "string": "text",
    "path": "folder",
    "artifact": "fitted/",
    "model": "gpt2",
}
_LONGEST_EXAMPLE = 40


def is_flag(schema: Schema) -> bool:
    """Whether it is a yes or no, which is written without a value."""
    return schema is not None and schema.get("type") == "boolean"


def metavar(schema: Schema) -> str:
    """What stands behind the flag in the help, such as "SITE,…" or "denoise|noise|both"."""
    return "|".join(dict.fromkeys(_words(schema or {})))


def _words(schema: Mapping[str, Any]) -> Iterator[str]:
    if "enum" in schema:
        yield from map(str, schema["enum"])
    elif "anyOf" in schema:
        members = [one for one in schema["anyOf"] if one.get("type") != "null"]
        listed = {metavar(one.get("items")) for one in members if one.get("type") == "array"}
        for one in members:
            # "SITE|SITE,…" says no more than "SITE,…".
            yield from (word for word in _words(one) if word not in listed)
    elif "prefixItems" in schema:
        yield ",".join(metavar(one) for one in schema["prefixItems"])
    elif "format" in schema:
        yield _OF_FORMAT.get(schema["format"], str(schema["format"]).upper())
    elif schema.get("type") == "array":
        yield f"{metavar(schema.get('items'))},…"
    else:
        yield _CALLED.get(str(schema.get("type")), "VALUE")


def choices(schema: Schema) -> list[str]:
    """The words that can be chosen from, where there are some."""
    if schema is None:
        return []
    if "enum" in schema:
        return [str(one) for one in schema["enum"]]
    if schema.get("type") == "null":
        return ["none"]
    found = [choices(one) for one in schema.get("anyOf", ())]
    return [word for words in found for word in words] if any(words != ["none"] for words in found if words) else []


def formats(schema: Schema) -> set[str]:
    """The kinds of text that a value may be, such as {"site"} or {"model"}."""
    if schema is None:
        return set()
    own = {str(schema["format"])} if "format" in schema else set()
    parts = [*schema.get("anyOf", ()), *schema.get("prefixItems", ()), *filter(None, [schema.get("items")])]
    return own.union(*(formats(one) for one in parts))


def example(schema: Schema) -> str:
    """A text that the option takes."""
    if schema is None:
        return "…"
    if "enum" in schema:
        return str(schema["enum"][0])
    if "prefixItems" in schema:
        return ",".join(example(one) for one in schema["prefixItems"])
    if schema.get("examples"):
        return str(min(schema["examples"], key=lambda one: len(str(one)) > _LONGEST_EXAMPLE))
    if "anyOf" in schema:
        return example(next(one for one in schema["anyOf"] if one.get("type") != "null"))
    if schema.get("type") == "array":
        return example(schema.get("items"))
    return _EXAMPLES.get(str(schema.get("format") or schema.get("type")), "text")


def shown_default(option: Mapping[str, Any]) -> str:
    """The default as it could be written behind the flag; empty where it is none, or there is none."""
    default = option.get("default")
    if option["required"] or default is None or is_flag(option["schema"]):
        return ""
    if isinstance(default, list) and all(isinstance(one, (int, float)) for one in default):
        return ", ".join(map(str, default))
    return default if isinstance(default, str) else json.dumps(default, ensure_ascii=False)
