"""Edits: frozen, composable, saveable descriptions of what to change where. Users write `edit.zero(at.z[9, 6])`."""

from innerworks.model.edits.make import (
    add,
    call,
    freeze,
    freeze_routing,
    knockout,
    mean,
    noise,
    project_out,
    resample,
    scale,
    set,
    swap,
    zero,
)
from innerworks.model.edits.store import from_parts, load, save, to_parts
from innerworks.model.edits.values import Context, Edit

__all__ = [
    "Context",
    "Edit",
    "add",
    "call",
    "freeze",
    "freeze_routing",
    "from_parts",
    "knockout",
    "load",
    "mean",
    "noise",
    "project_out",
    "resample",
    "save",
    "scale",
    "set",
    "swap",
    "to_parts",
    "zero",
]
