"""innerworks: see how a Transformer language model works inside.

Nothing heavy is imported here: torch, transformers and xarray load when first needed.
"""

from __future__ import annotations

import importlib

__version__ = "0.1.0"

_PUBLIC: dict[str, tuple[str, str | None]] = {}


def __getattr__(name: str) -> object:
    try:
        module, attribute = _PUBLIC[name]
    except KeyError:
        raise AttributeError(f"module 'innerworks' has no attribute {name!r}") from None
    found = importlib.import_module(module)
    value: object = found if attribute is None else getattr(found, attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
