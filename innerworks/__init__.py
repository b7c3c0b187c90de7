"""innerworks: see how a Transformer language model works inside.

Nothing heavy is imported here: torch, transformers and xarray load when first needed.
"""

from __future__ import annotations

import importlib

__version__ = "0.1.0"

_MODEL, _METRICS, _RESULTS = "innerworks.model", "innerworks.model.metrics", "innerworks.results"
_DATA = "innerworks.data"
_LENSES = "innerworks.decode.vocabulary.translators.checkpoint"
_METRIC_NAMES = (
    "accuracy",
    "custom",
    "kl",
    "log_prob",
    "log_prob_diff",
    "logit",
    "logit_diff",
    "nll",
    "normalised",
    "prob",
    "prob_diff",
    "rank",
)
_PUBLIC: dict[str, tuple[str, str | None]] = {
    "at": (f"{_MODEL}.sites", "at"),
    "edit": (f"{_MODEL}.edits", None),
    "reduce": (f"{_MODEL}.reduce", None),
    "metrics": (_METRICS, None),
    "errors": ("innerworks.errors", None),
    "load": (f"{_MODEL}.open", "load"),
    "explain": (f"{_MODEL}.explain", "explain_in"),
    "bundled": (f"{_MODEL}.load", "bundled"),
    "kept_models": (f"{_MODEL}.load", "kept_models"),
    "cache_dir": (f"{_MODEL}.load", "cache_dir"),
    "Model": (f"{_MODEL}.model", "Model"),
    "Run": (f"{_MODEL}.engine.run", "Run"),
    "Site": (f"{_MODEL}.sites", "Site"),
    "Family": (f"{_MODEL}.anatomy", "Family"),
    "Prompt": (f"{_MODEL}.tokens", "Prompt"),
    "Pair": (f"{_MODEL}.tokens", "Pair"),
    "first_token": (f"{_MODEL}.tokens", "first_token"),
    "whole": (f"{_MODEL}.tokens", "whole"),
    "direction": (f"{_MODEL}.sites", "direction"),
    "subspace": (f"{_MODEL}.sites", "subspace"),
    "rotation": (f"{_MODEL}.sites", "rotation"),
    "SweepInterrupted": (f"{_MODEL}.sweep", "SweepInterrupted"),
    "SweepResult": (f"{_MODEL}.sweep", "SweepResult"),
    "Estimate": (f"{_MODEL}.estimate", "Estimate"),
    "tasks": (f"{_DATA}.tasks", None),
    "Corpus": (f"{_DATA}.corpus", "Corpus"),
    "Contexts": (f"{_DATA}.corpus", "Contexts"),
    "read_tuned_lens": (_LENSES, "read_tuned_lens"),
    "write_tuned_lens": (_LENSES, "write_tuned_lens"),
    "Task": (f"{_DATA}.task", "Task"),
    "Examples": (f"{_DATA}.examples", "Examples"),
    "Interrupted": (f"{_DATA}.lifting.served", "Interrupted"),
    "unit_views": ("innerworks.decode.vocabulary.units.views", "unit_views"),
    "techniques": ("innerworks.registry", "techniques"),
    "InnerworksError": ("innerworks.errors", "InnerworksError"),
    "Result": (_RESULTS, "Result"),
    "Artifact": (_RESULTS, "Artifact"),
    "View": (_RESULTS, "View"),
    "Check": (_RESULTS, "Check"),
    "open": (_RESULTS, "open"),
    **{name: (_METRICS, name) for name in _METRIC_NAMES},
}


def __getattr__(name: str) -> object:
    public = _PUBLIC.get(name)
    try:
        module, attribute = public or (({} if name.startswith("_") else _techniques())[name], name)
    except KeyError:
        raise AttributeError(f"module 'innerworks' has no attribute {name!r}") from None
    found = importlib.import_module(module)
    value: object = found if attribute is None else getattr(found, attribute)
    globals()[name] = value
    return value


def _techniques() -> dict[str, str]:
    """The modules of the techniques, from the index; they are not imported."""
    from innerworks.registry.catalogue import built_in

    return {name: entry.module for name, entry in built_in().items()}


def __dir__() -> list[str]:
    return sorted({"__version__", *_PUBLIC, *_techniques()})
