"""What a shell may complete: models, tasks, folders of saved results. Nothing here imports torch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import innerworks as iw

__all__ = ["complete_kept", "complete_model", "complete_saved", "complete_task", "complete_technique", "hub_models"]


def complete_model(incomplete: str) -> list[str]:
    """Bundled models, those of the hub's cache, and folders and GGUF files."""
    names = [one.name for one in iw.bundled()] + hub_models()
    return [name for name in names if name.startswith(incomplete)] + list(_places(incomplete, _is_model))


def complete_kept(incomplete: str) -> list[str]:
    """The models of innerworks' own cache."""
    return [one.name for one in iw.kept_models() if one.name.startswith(incomplete)]


def complete_saved(incomplete: str) -> list[str]:
    """Folders that hold a saved result or artifact, and folders on the way to some."""
    return list(_places(incomplete, Path.is_dir))


def complete_technique(incomplete: str) -> list[str]:
    """The names of techniques."""
    return [name for name in iw.techniques() if name.startswith(incomplete)]


def complete_task(incomplete: str) -> list[str]:
    """Recipes of tasks, and files."""
    recipes = [name for name in task_names() if name.startswith(incomplete)]
    return recipes + list(_places(incomplete, lambda path: path.is_dir() or path.suffix in (".csv", ".json")))


def task_names() -> list[str]:
    """The recipes that make tasks."""
    made = (name for name in vars(iw.tasks)["__all__"] if not name.startswith("read_"))
    return sorted(name for name in made if "n" in getattr(iw.tasks, name).__annotations__)


def hub_models() -> list[str]:
    """The models in the Hugging Face hub's cache, by the names of its folders; nothing is opened."""
    home = os.environ.get("HF_HOME", str(Path.home() / ".cache" / "huggingface"))
    place = Path(os.environ.get("HF_HUB_CACHE", str(Path(home) / "hub"))).expanduser()
    if not place.is_dir():
        return []
    folders = (one.name for one in place.iterdir() if one.is_dir() and (one / "snapshots").is_dir())
    return sorted(name.removeprefix("models--").replace("--", "/") for name in folders if name.startswith("models--"))


def _is_model(path: Path) -> bool:
    return path.is_dir() or path.suffix == ".gguf"


def _places(incomplete: str, wanted: object) -> Iterator[str]:
    """Paths that begin like this; folders with a slash behind them."""
    assert callable(wanted)
    start, _, _ = incomplete.rpartition("/")
    folder = Path(start or ("/" if incomplete.startswith("/") else ".")).expanduser()
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        shown = f"{incomplete[: incomplete.rfind('/') + 1]}{path.name}"
        if shown.startswith(incomplete) and not path.name.startswith(".") and wanted(path):
            yield f"{shown}/" if path.is_dir() else shown
