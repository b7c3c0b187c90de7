"""Edits as frozen values: what to do with the tensor found at a site.

Each edit sees only what its site selects, shaped (rows, positions…, units…, features), and returns what should
stand there instead. Values broadcast to that shape by torch's rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from innerworks.errors import EditError
from innerworks.model.edits.origin import Origin, Stretch
from innerworks.model.sites import Site

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "Add",
    "Call",
    "Context",
    "Edit",
    "Freeze",
    "Knockout",
    "Mean",
    "Scale",
    "Set",
    "Valued",
    "Zero",
    "fit",
]


@dataclass(frozen=True)
class Context:
    """Where the values an edit is given stand: prompt row and position of each, and the layer."""

    layer: int | None
    place: int
    """A number for the kind of site, its layer and unit, so that draws differ between places."""
    rows: tuple[int, ...]
    positions: Callable[[], list[list[int]]]
    stretches: Callable[[], list[Stretch]] = list
    """The dimensions of positions that are given whole: where they begin."""


@dataclass(frozen=True, eq=False, repr=False)
class Edit:
    """An edit of one site (in one layer or several). Subclasses say what happens to the values."""

    site: Site
    op: ClassVar[str] = ""
    replaces: ClassVar[bool] = False
    """Whether the old values are forgotten, so that two such edits of one place contradict each other."""
    cuts_attention: ClassVar[bool] = False
    """Whether it may leave a query without a key."""

    def apply(self, x: Tensor, context: Context) -> Tensor:
        """The values that should stand where x stood."""
        raise NotImplementedError

    def tensors(self) -> Mapping[str, Tensor]:
        """The tensors a file needs to make this edit again."""
        return {}

    def options(self) -> Mapping[str, Any]:
        """Everything else a file needs, as JSON."""
        return {}

    def on(self, site: Site, index: int) -> Edit:
        """This edit on the index-th of the concrete sites its own site names."""
        return replace(self, site=site)

    def for_row(self, row: int, axes: tuple[str, ...]) -> Edit | None:
        """The part of this edit for one of its rows, where rows select different numbers of positions.

        `axes` are the dimensions of what it is given; None if its values would have to differ between positions.
        """
        return self

    def same_as(self, x: Tensor) -> bool:
        """Whether the edit would leave x exactly as it is, so that running it can be skipped."""
        return False

    @classmethod
    def parse(cls, text: str, model: Any = None) -> Edit:
        """The edit that a text such as "scale(z.9.6, 2)" describes, or the one in a file."""
        from innerworks.model.edits.edit_text import edit_from_text

        return edit_from_text(text, model)

    @classmethod
    def parse_several(cls, text: str, model: Any = None) -> list[Edit]:
        """The edits in a text with commas between them, and all those of the files it names."""
        from innerworks.model.edits.edit_text import edits_from_text

        return edits_from_text(text, model)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """JSON schema of an edit's text."""
        from innerworks.model.edits.edit_text import EXAMPLES

        return {
            "type": "string",
            "format": "edit",
            "description": "a change to the model, or a file of saved ones",
            "examples": EXAMPLES,
        }

    def __str__(self) -> str:
        said = "".join(f", {part}" for part in self._said())
        return f"{self.op}({self.site}{said})"

    def _said(self) -> list[str]:
        """What a text says besides the site, so that it can be read again."""
        return []

    def __repr__(self) -> str:
        held = [f"{name}: {' x '.join(map(str, t.shape)) or 'a number'}" for name, t in self.tensors().items()]
        said = [f"{k}={v!r}" for k, v in self.options().items() if k not in ("layered", "origin")]
        return f"{self.op}({', '.join([str(self.site), *held, *said])})"


def fit(value: Tensor, x: Tensor, edit: Edit) -> Tensor:
    """The value on the device, in the type and in the shape of x; an error where it does not broadcast."""
    import torch

    value = value.to(device=x.device, dtype=x.dtype)
    try:
        return torch.broadcast_to(value, x.shape)
    except RuntimeError:
        raise EditError(
            f"{edit} has values of shape {tuple(value.shape)}, which do not broadcast to what the site selects: "
            f"{tuple(x.shape)} (rows first). Give one value per selected entry, or fewer dimensions to share it."
        ) from None


def _row_of(value: Tensor, row: int, axes: tuple[str, ...]) -> Tensor | None:
    """One row of values that broadcast over these axes; None if they differ between positions."""
    own = axes[len(axes) - value.dim() :] if value.dim() <= len(axes) else axes
    varies = {axis for axis, size in zip(own, value.shape, strict=False) if size > 1}
    if varies & {"pos", "query", "key"}:
        return None
    return value[row : row + 1] if "batch" in varies else value


@dataclass(frozen=True, eq=False, repr=False)
class Zero(Edit):
    """Set to zero."""

    op: ClassVar[str] = "zero"
    replaces: ClassVar[bool] = True

    def apply(self, x: Tensor, context: Context) -> Tensor:
        """Zeros."""
        return x.new_zeros(()).expand(x.shape)

    def same_as(self, x: Tensor) -> bool:
        """Nothing to do where all is zero already."""
        return not bool(x.any())


@dataclass(frozen=True, eq=False, repr=False)
class Valued(Edit):
    """An edit that carries a tensor of values, one per layer when `layered`."""

    value: Tensor = field(kw_only=True)
    layered: bool = field(default=False, kw_only=True)
    origin: Origin | None = field(default=None, kw_only=True)
    """Where the rows stood of the run that had these values at every position."""

    def tensors(self) -> Mapping[str, Tensor]:
        """The values."""
        return {"value": self.value}

    def options(self) -> Mapping[str, Any]:
        """Whether the first dimension is the layer, and whose positions the values are."""
        return {"layered": self.layered} | ({} if self.origin is None else {"origin": self.origin.options()})

    def values_for(self, x: Tensor, context: Context, fill: Tensor) -> Tensor:
        """The values in the shape of x; where they are a run's, its positions' own, and `fill` where it had none."""
        value = self.value.to(device=x.device, dtype=x.dtype)
        if self.origin is None:
            return fit(value, x, self)
        value, known = self.origin.placed(value, x, context.stretches(), self)
        return fit(value, x, self) if known is None else fit(value, x, self).where(known, fill)

    def on(self, site: Site, index: int) -> Edit:
        """The edit with the values of that layer."""
        if not self.layered:
            return replace(self, site=site)
        if index >= self.value.shape[0]:
            raise EditError(f"{self} has values for {self.value.shape[0]} layers, and its site names more.")
        return replace(self, site=site, value=self.value[index], layered=False)

    def for_row(self, row: int, axes: tuple[str, ...]) -> Edit | None:
        """The edit with the values of that row."""
        value = _row_of(self.value, row, axes)
        if value is None:
            return None
        return replace(self, value=value, origin=None if self.origin is None else self.origin.drawn([row]))


@dataclass(frozen=True, eq=False, repr=False)
class Set(Valued):
    """Put given values there: patching, when they come from another run."""

    op: ClassVar[str] = "set"
    replaces: ClassVar[bool] = True

    def apply(self, x: Tensor, context: Context) -> Tensor:
        """The given values."""
        return self.values_for(x, context, x)

    def same_as(self, x: Tensor) -> bool:
        """Nothing to do where the values are there already."""
        import torch

        return not self.value.requires_grad and torch.equal(fit(self.value, x, self), x)


@dataclass(frozen=True, eq=False, repr=False)
class Freeze(Set):
    """Hold a place at the values another run had there, whatever is edited before it."""

    op: ClassVar[str] = "freeze"

    def same_as(self, x: Tensor) -> bool:
        """A freeze matters beside other edits even where it changes nothing alone."""
        return False


@dataclass(frozen=True, eq=False, repr=False)
class Mean(Set):
    """Put a mean there: mean ablation."""

    op: ClassVar[str] = "mean"


@dataclass(frozen=True, eq=False, repr=False)
class Add(Valued):
    """Add a multiple of given values: steering."""

    factor: float = field(default=1.0, kw_only=True)
    op: ClassVar[str] = "add"

    def apply(self, x: Tensor, context: Context) -> Tensor:
        """X plus factor times the values."""
        value = self.values_for(x, context, x.new_zeros(()))
        return x + (value if self.factor == 1.0 else value * self.factor)

    def options(self) -> Mapping[str, Any]:
        """Layering, positions and factor."""
        return {**super().options(), "factor": self.factor}

    def same_as(self, x: Tensor) -> bool:
        """Nothing to add."""
        return not self.value.requires_grad and (self.factor == 0 or not bool(self.value.any()))


@dataclass(frozen=True, eq=False, repr=False)
class Scale(Edit):
    """Multiply by a number or by given factors."""

    factor: float | Tensor = field(kw_only=True)
    op: ClassVar[str] = "scale"

    def apply(self, x: Tensor, context: Context) -> Tensor:
        """X times the factor."""
        return x * (self.factor if isinstance(self.factor, (int, float)) else fit(self.factor, x, self))

    def for_row(self, row: int, axes: tuple[str, ...]) -> Edit | None:
        """The edit with the factors of that row."""
        if isinstance(self.factor, (int, float)):
            return self
        factor = _row_of(self.factor, row, axes)
        return None if factor is None else replace(self, factor=factor)

    def tensors(self) -> Mapping[str, Tensor]:
        """The factors, if they are a tensor."""
        return {} if isinstance(self.factor, (int, float)) else {"factor": self.factor}

    def options(self) -> Mapping[str, Any]:
        """The factor, if it is a number."""
        return {"factor": self.factor} if isinstance(self.factor, (int, float)) else {}

    def _said(self) -> list[str]:
        return [repr(self.factor)] if isinstance(self.factor, (int, float)) else []

    def same_as(self, x: Tensor) -> bool:
        """Times one."""
        return isinstance(self.factor, (int, float)) and self.factor == 1


@dataclass(frozen=True, eq=False, repr=False)
class Knockout(Edit):
    """Cut attention edges: their scores become the lowest number there is, so the rest of the row takes their share."""

    op: ClassVar[str] = "knockout"
    cuts_attention: ClassVar[bool] = True

    def apply(self, x: Tensor, context: Context) -> Tensor:
        """Scores that the softmax turns into zero."""
        import torch

        return torch.full_like(x, torch.finfo(x.dtype).min)


def _takes_context(function: Callable[..., Any]) -> bool:
    """Whether a second argument is wanted: one that has no default, or one called `context`."""
    import inspect

    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError:  # builtins such as torch.relu do not say
        return False
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(positional) > 1 and (positional[1].default is positional[1].empty or positional[1].name == "context")


@dataclass(frozen=True, eq=False, repr=False)
class Call(Edit):
    """Any function of the values (and, if it takes two arguments, their context). The one edit that cannot be saved."""

    function: Callable[..., Tensor] = field(kw_only=True)
    op: ClassVar[str] = "call"

    def apply(self, x: Tensor, context: Context) -> Tensor:
        """What the function returns, which must have the shape it was given."""
        own = x.clone()  # a function that writes into what it is given must not write into the model
        out = self.function(own, context) if _takes_context(self.function) else self.function(own)
        if getattr(out, "shape", None) != x.shape:
            raise EditError(
                f"{self}: the function was given {tuple(x.shape)} and returned {getattr(out, 'shape', out)!r}."
            )
        return out
