"""The states that are put into another prompt: of which layers, at which tokens of the source prompts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from innerworks.errors import PromptError, SiteError
from innerworks.model.sites import Edge, Role, Site, Span, at, pick

if TYPE_CHECKING:
    from innerworks.data.lifting import Prompts
    from innerworks.model.model import Model
    from innerworks.model.tokens import Prompt

__all__ = ["States", "read_states"]

_STREAM = ("resid_pre", "resid_mid", "resid_post")
_WRITES = ("attn_out", "mixer_out", "mlp_out", "head_out", "shared_out")
_READ = "state that is read"


@dataclass(frozen=True)
class States:
    """States [example, layer, place, d] of source prompts, and what the model predicts at each of their tokens."""

    site: Site
    layers: tuple[int, ...]
    positions: tuple[tuple[int, ...], ...]
    """For each prompt the tokens whose states these are."""
    places: tuple[int, ...] | None
    """Several tokens, as they were asked for; None of a single one."""
    values: Tensor
    predicted: Tensor
    """The model's own next token [example, place]."""
    last: int
    """The number of the model's last layer."""

    @property
    def lands(self) -> str:
        """The kind of place in the target prompt that they are put in: the stream."""
        return self.site.name if self.site.name in _STREAM else "resid_post"


def read_states(model: Model, prompts: Prompts, site: Site | str) -> States:
    """Run the source prompts, and keep the states that `site` names; without @, those of the last token."""
    place = _checked(model, at(site))
    layers = [one.layer for one in model.anatomy.concrete(replace(place, pos=None))]
    if len(set(layers)) < len(layers):
        raise SiteError(f"{place} names a layer twice: name each once.")
    positions = tuple(_positions(prompt, place.pos) for prompt in prompts)
    columns = sorted({column for row in positions for column in row})
    named = [prompt.with_span(_READ, row) for prompt, row in zip(prompts, positions, strict=True)]
    sites = {layer: replace(place, layer=layer, pos=Role(_READ)) for layer in layers}
    run = model.run(named, capture=list(sites.values()), logits=columns)
    values = torch.stack([run[one] for one in sites.values()], 1)
    order = torch.tensor([[sorted(row).index(one) for one in row] for row in positions], device=values.device)
    values = torch.stack([own[:, wanted] for own, wanted in zip(values, order, strict=True)])
    asked = torch.tensor([[columns.index(one) for one in row] for row in positions], device=run.logits.device)
    predicted = run.logits.argmax(-1).gather(1, asked)
    several = None if _is_one(place.pos) else _as_asked(place, prompts)
    return States(place, tuple(map(int, layers)), positions, several, values, predicted, model.n_layers - 1)  # type: ignore[arg-type]


def _checked(model: Model, site: Site) -> Site:
    if site.name == "embed":
        raise SiteError(f"{site}: what enters block 0 is at.resid_pre[0]; name that.")
    if site.name not in (*_STREAM, *_WRITES) or site.basis is not None:
        raise SiteError(
            f"{site} is no state of the stream's width: a patchscope reads {', '.join((*_STREAM, *_WRITES))}, as in "
            "at.resid_post[:] @ -1."
        )
    if site.layer is None:
        raise SiteError(f"{site} is in every layer: write at.{site.name}[:] for all of them, or at.{site.name}[5].")
    if site.kind.unit is not None and not isinstance(site.unit, int):
        raise SiteError(f"{site} is several {site.kind.unit}s: name one, as in at.{site.name}[5, 3].")
    return model.anatomy.check(site)


def _is_one(pos: Any) -> bool:
    return pos is None or isinstance(pos, (int, Role))


def _positions(prompt: Prompt, pos: Any) -> tuple[int, ...]:
    """The tokens of a prompt whose states are read; of a role its last one, where what it is about is gathered."""
    assert not isinstance(pos, Edge)
    if pos is None:
        return (len(prompt) - 1,)
    if isinstance(pos, Role):
        return prompt.positions(pos.name)[-1:]
    found = tuple(pick(pos, len(prompt), "position"))
    if len(set(found)) < len(found):
        raise PromptError(f"{pos} names a token of {str(prompt)!r} twice: name each once.")
    return found


def _as_asked(site: Site, prompts: Prompts) -> tuple[int, ...]:
    """The numbers of several tokens; a range has to mean the same tokens of all prompts of the call."""
    if not isinstance(site.pos, Span):
        return tuple(site.pos)  # type: ignore[arg-type]
    widths = {len(prompt) for prompt in prompts.everyone.rows}
    found = {tuple(pick(site.pos, width, "position")) for width in widths}
    if len(found) > 1:
        raise PromptError(
            f"{site} means other tokens in prompts of {min(widths)} and of {max(widths)} tokens: name positions "
            "by number, such as @ (2, 3) or @ (-2, -1)."
        )
    return found.pop()
