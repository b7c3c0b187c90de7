"""What each row costs a tool, as a multiple of a plain Hugging Face forward in the same process."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.field.numbers import said
from bench.field.places import Reader
from bench.field.settings import Setting, load, prompt, swept_layers
from bench.field.tool import Call, Tool
from bench.field.words import words
from bench.timing import milliseconds, ratio

Entry = dict[str, Any]


def _prepared(tool: Tool, row: str, setting: Setting) -> tuple[Call, int]:
    """The call of a row, and how many answers it gives."""
    config = tool.module.config
    ids, other = (prompt(setting, config.vocab_size, seed) for seed in (1, 2))
    if row == "head_sweep":
        layers = swept_layers(config.num_hidden_layers)
        return tool.head_sweep(other, ids, layers), len(layers) * config.num_attention_heads
    if row in ("residual_sweep", "stream_of_two_layers"):
        every = row == "residual_sweep"
        layers = list(range(config.num_hidden_layers)) if every else swept_layers(config.num_hidden_layers)
        return tool.residual_sweep(other, ids, layers), len(layers) * setting.length
    if row == "head_attribution":
        return tool.head_attribution(ids, other), 1
    calls: dict[str, Callable[[Any], Call]] = {
        "forward": tool.forward,
        "cache_stream": tool.cache_stream,
        "cache_all": tool.cache_all,
        "gradient_to_heads": tool.gradient_to_heads,
        "attention_to_first": tool.attention_to_first,
        "direct_effects": tool.direct_effects,
    }
    return calls[row](ids), 1


def tensors_in(value: Any) -> Iterator[Any]:
    """Every tensor of nested dicts and lists."""
    import torch

    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from tensors_in(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from tensors_in(one)


def kept_in(value: Any) -> tuple[int, int]:
    """How many tensors, and how many bytes of memory they stand for."""
    found = list(tensors_in(value))
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in found}
    return len(found), sum(storages.values())


def timed(make: type[Tool], setting: Setting, pairs: int, seconds: float, smollm2: Path | None) -> Iterator[Entry]:
    """One entry for each row of a setting."""
    head = {"setting": setting.key, "shape": setting.shape, "device": setting.device}
    try:
        tool = make(load(setting, smollm2), words())
    except Exception as error:  # noqa: BLE001 - whatever another tool raises is what the table shows
        yield from ({**head, "row": row, "unmeasured": said(error)} for row in setting.rows)
        return
    reader = Reader(load(setting, smollm2))
    ids = prompt(setting, tool.module.config.vocab_size)

    plain_ms = milliseconds(lambda: reader.forward(ids), 5, setting.device)
    for row in setting.rows:
        # Of a long prompt nobody wants every logit: there the plain forward gives the last ones only, as the tools do.
        extra = {"logits_to_keep": 1} if row == "attention_to_first" else {}

        def plain(extra: dict[str, int] = extra) -> Any:
            return reader.forward(ids, **extra)

        entry: Entry = {**head, "row": row, "plain_ms": plain_ms}
        try:
            call, divide = _prepared(tool, row, setting)
            count, size = kept_in(call())
            found = ratio(call, plain, pairs=pairs, divide=divide, device=setting.device, seconds=seconds)
            entry |= {**asdict(found), "divide": divide, "tensors": count, "bytes": size}
        except Exception as error:  # noqa: BLE001 - the same
            entry["unmeasured"] = said(error)
        call = None
        gc.collect()
        yield entry
