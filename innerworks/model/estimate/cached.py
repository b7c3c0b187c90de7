"""What a model keeps between the steps of a generation, keys and states, from dry passes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from innerworks.model.estimate.dry import Dry, sizes

if TYPE_CHECKING:
    from innerworks.model.batch import Batch

__all__ = ["blank", "cache_bytes", "cached", "shows_cache", "step_flops"]

_KEPT = ("keys", "values", "conv_states", "recurrent_states")


def blank(batch: Batch, width: int) -> Batch:
    """As many rows, all of this width, without values."""
    import torch

    ids = torch.zeros(len(batch), width, dtype=torch.long, device="meta")
    rows = len(batch)
    return replace(batch, ids=ids, mask=ids, positions=ids, starts=(0,) * rows, lengths=(width,) * rows, _made={})


def shows_cache(dry: Dry, batch: Batch) -> bool:
    """Whether the model makes and shows a cache of its own, as those that keep a state do; others are given one."""
    import torch

    if not dry.anatomy.mixer_layers:
        return False
    with torch.no_grad():
        return bool(cached(dry, batch, 1, own=True))


def cached(dry: Dry, batch: Batch, width: int, own: bool) -> dict[str, Any]:
    """The cache behind a pass over so many tokens, under the name by which the model takes it."""
    from transformers import DynamicCache

    found: dict[str, Any] = {} if own else {"past_key_values": DynamicCache(config=dry.anatomy.module.config)}

    def see(_: Any, args: Any, output: Any) -> None:
        for name in ("past_key_values", "cache_params"):
            if getattr(output, name, None) is not None:
                found[name] = getattr(output, name)

    whole = blank(batch, width)
    dry.forward(
        dry.session(whole, {})[0],
        whole,
        columns=[[width - 1]] * len(batch),
        arguments={**found, "use_cache": True},
        prepare=[lambda patches: patches.post_hook(dry.anatomy.module, see)],
    )
    return found


def step_flops(dry: Dry, batch: Batch, cache: dict[str, Any]) -> int:
    """What one more token takes behind what is cached."""
    import torch

    one = blank(batch, 1)
    arguments = {**cache, "use_cache": True, "attention_mask": _step_mask(dry, batch, next(iter(cache.values())))}
    with torch.no_grad(), dry.tracking() as tracked:
        dry.forward(dry.session(one, {})[0], one, arguments=arguments)
    return int(tracked.flops)


def _step_mask(dry: Dry, batch: Batch, cache: Any) -> Any:
    """A mask over the keys that each kind of layer has at hand."""
    import torch

    if not dry.anatomy.attention_layers:
        return None
    if dry.anatomy.family.alibi:
        return torch.zeros(len(batch), cache.get_seq_length() + 1, device="meta", dtype=torch.long)
    empty = torch.zeros(1, 1, 1, 1, device="meta", dtype=dry.anatomy.embedding.weight.dtype)
    kinds = getattr(dry.anatomy.config, "layer_types", None) or [""] * dry.anatomy.n_layers
    masks = {
        kinds[layer]: empty.expand(len(batch), 1, 1, cache.get_mask_sizes(1, layer)[0])
        for layer in dry.anatomy.attention_layers
    }
    return masks if len(masks) > 1 else next(iter(masks.values()))


def cache_bytes(kept: dict[str, Any]) -> int:
    """The bytes of keys, values and states."""
    (cache,) = kept.values()
    beside = [held for name, held in vars(cache).items() if name != "layers"]
    return sizes(beside) + sum(sizes([getattr(layer, name, None) for name in _KEPT]) for layer in cache.layers)
