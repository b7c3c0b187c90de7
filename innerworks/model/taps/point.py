"""`Point`: a tensor that the model works on, and how a site's tensor is made of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from innerworks.model.taps import codecs as c

if TYPE_CHECKING:
    from innerworks.model.anatomy import Anatomy

__all__ = ["Builder", "Need", "Place", "Point"]

Place = Literal[
    "input",
    "output",
    "in_place",
    "q_rot",
    "k_rot",
    "scores",
    "pattern",
    "router",
    "chosen",
    "gate",
    "gate_everywhere",
    "model",
]


@dataclass(frozen=True)
class Need:
    """What a codec needs beside the tensor it reads: a module's input or output, an experts module's routes and
    neurons, or a router's choice."""

    module: Any
    what: Literal["input", "output", "routes", "choice"] = "input"


@dataclass(frozen=True)
class Point:
    """A tensor the model works on: a module, which of its tensors, and how the site's tensor is made of it.

    `needs` lists what else has to be at hand to read it (a post-norm's input, the output projection's).
    """

    module: Any
    place: Place
    codec: c.Codec
    dims: tuple[str, ...]
    element: int = 0
    needs: tuple[Need, ...] = ()
    written_over: bool = False
    """Whether the model goes on to change this very tensor in place."""

    @property
    def key(self) -> tuple[int, Place, int]:
        """Points with equal keys are one tensor."""
        return (id(self.module), self.place, self.element)


Builder = Callable[["Anatomy", int, tuple[str, ...]], Point]
