"""Which commit of a hub repository is meant, and which files it has: asked once, kept by the hub library."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from innerworks.errors import LoadError
from innerworks.model.load.hub_failure import first_lines, hub_failure

__all__ = ["commit_of", "has_any_file"]

_SNAPSHOT = re.compile(r"[/\\]snapshots[/\\]([0-9a-f]{40})[/\\]")


def commit_of(source: str, place: Mapping[str, Any]) -> str | None:
    """The commit that a branch or tag means now, so that every file is taken from the same one."""
    from transformers.utils import cached_file

    try:
        config = cached_file(source, "config.json", **place)
    except OSError as error:
        raise hub_failure(error, source, place.get("revision")) from error
    if config is None:
        raise LoadError(f"The hub repository {source!r} has no config.json, so it is not a transformers model.")
    snapshot = _SNAPSHOT.search(str(config))
    return snapshot.group(1) if snapshot else None


def has_any_file(source: str, names: Sequence[str], place: Mapping[str, Any]) -> bool:
    """Whether a repository has one of these files; not knowing is an error, and never a no."""
    return any(_has_file(source, name, place) for name in names)


def _has_file(source: str, name: str, place: Mapping[str, Any]) -> bool:
    import huggingface_hub as hub
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    where = {key: place[key] for key in ("cache_dir", "revision") if key in place}
    kept = hub.try_to_load_from_cache(source, name, **where)
    if kept is not None:
        # A path, or the mark that the hub library leaves for a file that the commit does not have.
        return isinstance(kept, str)
    reach = {key: place[key] for key in ("token", "local_files_only") if key in place}
    try:
        hub.hf_hub_download(source, name, **where, **reach)
    except LocalEntryNotFoundError as error:
        raise LoadError(
            f"Whether {source!r} has a tokenizer could not be found out: {first_lines(error, 1)} Pass one as "
            "tokenizer=, or tokenizer=False to use ids only."
        ) from error
    except EntryNotFoundError:
        return False
    return True
