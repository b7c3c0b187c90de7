"""What a pass kept, as the arrays, tables and checks of a result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from innerworks.decode.vocabulary.units.sampled import Drawn
from innerworks.decode.vocabulary.units.scan import Plan, Seen
from innerworks.decode.vocabulary.units.spread import BINS
from innerworks.decode.vocabulary.units.windows import context_keys
from innerworks.results import Check, Result, Table, labelled

if TYPE_CHECKING:
    from innerworks.data.corpus import Contexts
    from innerworks.decode.vocabulary.units.highest import Highest

__all__ = ["result_of"]


def result_of(
    seen: Seen, contexts: Contexts, labels: Sequence[str], plan: Plan, quantiles: Sequence[float], draws: int
) -> Result:
    """Everything that is known of the units after the contexts that were seen."""
    data = _spread(seen, contexts, plan)
    data |= _kept("highest", seen.highest, contexts, 1)
    if plan.lowest:
        data |= _kept("lowest", seen.lowest, contexts, -1)
    data |= _sampled(seen, contexts, plan, quantiles, draws)
    arrays = {name: _labelled(name, dims, values, labels, plan, quantiles) for name, (dims, values) in data.items()}
    tokens = np.unique(np.concatenate([values.ravel() for name, (_, values) in data.items() if name.endswith("_ids")]))
    texts = [contexts.tokenizer.decode([one]) for one in tokens.tolist() if one >= 0]
    tables = {"tokens": Table({"id": tokens[tokens >= 0], "text": texts})}
    seen_tokens = seen.done * (contexts.width - plan.skip)
    return Result(arrays, tables, checks=_checks(seen, contexts, labels, plan), title=_title(labels, seen_tokens))


def _title(labels: Sequence[str], tokens: int) -> str:
    what = labels[0] if len(labels) == 1 else f"{len(labels)} units"
    return f"What {what} {'is' if len(labels) == 1 else 'are'} most active on, of {tokens:,} tokens"


def _labelled(name: str, dims: Any, values: Any, labels: Sequence[str], plan: Plan, quantiles: Sequence[float]) -> Any:
    coords: dict[str, Any] = {
        "unit": list(labels),
        "offset": list(range(-plan.window, plan.window + 1)),
        "quantile": list(quantiles),
        "bin": list(range(-BINS // 2, BINS // 2)),
    }
    return labelled(values, ("unit", *dims), coords={dim: coords[dim] for dim in ("unit", *dims) if dim in coords})


def _spread(seen: Seen, contexts: Contexts, plan: Plan) -> dict[str, Any]:
    """Mean, deviation, ends, the share of tokens on which a unit is active, and how many tokens are in each bin."""
    tokens = seen.done * (contexts.width - plan.skip)
    spread = {name: one.cpu().numpy() for name, one in seen.spread.tensors().items()}
    mean = spread["total"] / tokens
    return {
        "mean": ((), mean),
        "deviation": ((), np.sqrt(np.maximum(spread["squares"] / tokens - mean**2, 0))),
        "min": ((), spread["low"]),
        "max": ((), spread["high"]),
        "active": ((), spread["active"] / tokens),
        "tokens_in_bin": (("bin",), spread["counts"]),
        "bin_width": ((), np.exp2(spread["exponent"].astype(np.float64))),
    }


def _kept(name: str, kept: Highest, contexts: Contexts, sign: int) -> dict[str, Any]:
    """The tokens with the highest activations (or the lowest, kept times -1), and the windows around them."""
    one = {part: value.cpu().numpy() for part, value in kept.tensors().items()}
    there = one["rows"] >= 0
    return {
        name: (("rank",), np.where(there, sign * one["values"], np.nan)),
        f"{name}_context": (("rank",), one["rows"]),
        f"{name}_position": (("rank",), one["positions"]),
        f"{name}_window": (("rank", "offset"), sign * one["windows"]),
        f"{name}_ids": (("rank", "offset"), _ids(contexts, one["rows"], one["positions"], one["windows"].shape[-1])),
    }


def _sampled(seen: Seen, contexts: Contexts, plan: Plan, quantiles: Sequence[float], draws: int) -> dict[str, Any]:
    """Tokens of the drawn contexts, by where in a unit's own range they are."""
    rows = seen.sample.rows.cpu().numpy()
    keys = context_keys(contexts.tensor(rows.tolist()), plan.window)
    every: list[Drawn] = [
        seen.sample.drawn(unit, quantiles, draws, keys, plan.skip) for unit in range(seen.sample.values.shape[0])
    ]
    drawn, positions = (np.stack([getattr(one, part) for one in every]) for part in ("rows", "positions"))
    there = drawn >= 0
    values = seen.sample.values.cpu().numpy()
    size = 2 * plan.window + 1
    around = positions[..., None] + np.arange(size) - plan.window
    inside = (around >= 0) & (around < contexts.width) & there[..., None]
    units = np.arange(len(values))[:, None, None]
    windows = values[units[..., None], drawn[..., None], around.clip(0, contexts.width - 1)]
    in_corpus = np.where(there, rows[drawn], -1)
    dims = ("quantile", "draw")
    return {
        "quantile_value": (("quantile",), np.stack([one.quantile for one in every])),
        "sample": (dims, np.where(there, values[units, drawn, positions], np.nan)),
        "sample_context": (dims, in_corpus),
        "sample_position": (dims, positions),
        "sample_window": ((*dims, "offset"), np.where(inside, windows, np.nan)),
        "sample_ids": ((*dims, "offset"), _ids(contexts, in_corpus, positions, size)),
    }


def _ids(contexts: Contexts, rows: Any, positions: Any, size: int) -> Any:
    """The tokens of windows; -1 beyond a context's ends, and where there is no window."""
    around = positions[..., None] + np.arange(size) - size // 2
    inside = (around >= 0) & (around < contexts.width) & (rows >= 0)[..., None]
    return np.where(inside, contexts.ids[rows[..., None], around.clip(0, contexts.width - 1)], -1)


def _checks(seen: Seen, contexts: Contexts, labels: Sequence[str], plan: Plan) -> list[Check]:
    silent = [label for label, count in zip(labels, seen.spread.active.tolist(), strict=True) if not count]
    named = ", ".join(silent[:5]) + (f" and {len(silent) - 5} more" if len(silent) > 5 else "")
    note = f"never above {plan.active_above:g} on this text: {named}" if silent else ""
    shown = (seen.sample.values[:1, :, -1]).isnan().logical_not().sum() * (contexts.width - plan.skip)
    return [
        Check("units that are never active", len(silent), 0.0, note=note),
        Check("tokens looked at", seen.done * (contexts.width - plan.skip), note=_left_out(contexts, plan)),
        Check("tokens that the quantiles are of", int(shown), note="of contexts drawn at random"),
    ]


def _left_out(contexts: Contexts, plan: Plan) -> str:
    return f"without the first {plan.skip} of each context, and {contexts.left_over} that fill none"
