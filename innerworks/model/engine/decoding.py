"""How a continuation is chosen, and what of the answer is new."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from innerworks.errors import PromptError

if TYPE_CHECKING:
    from torch import Tensor

    from innerworks.model.batch import Batch

__all__ = ["decoding_config", "seeded", "split_new", "without_stop"]


def decoding_config(
    module: Any,
    batch: Batch,
    *,
    max_new_tokens: int,
    sample: bool,
    temperature: float | None,
    top_p: float | None,
    top_k: int | None,
    use_cache: bool,
    stop_at_eos: bool,
) -> Any:
    """What the caller asked for; whatever it leaves open (a repetition penalty, say) the checkpoint still decides."""
    from transformers import GenerationConfig

    if max_new_tokens < 1:
        raise PromptError(f"max_new_tokens={max_new_tokens}: generate at least one token.")
    if not sample and not (temperature is None and top_p is None and top_k is None):
        raise PromptError("temperature, top_p and top_k only act with sample=True.")
    limit = getattr(module.config.get_text_config(decoder=True), "max_position_embeddings", None)
    longest = max(batch.lengths) + max_new_tokens
    if limit is not None and longest > limit:
        raise PromptError(
            f"prompt and continuation would be {longest} tokens, and the model's context is {limit}: "
            f"shorten the prompt or ask for at most {limit - max(batch.lengths)} new tokens."
        )
    own = module.generation_config
    eos = own.eos_token_id if stop_at_eos else None
    first_eos = eos[0] if isinstance(eos, list) else eos
    pad = own.pad_token_id if own.pad_token_id is not None else first_eos
    sampling = {k: v for k, v in {"temperature": temperature, "top_p": top_p, "top_k": top_k}.items() if v is not None}
    return GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=sample,
        use_cache=use_cache,
        eos_token_id=eos if stop_at_eos else [],  # None would be filled in with the checkpoint's own
        pad_token_id=pad if pad is not None else 0,
        bos_token_id=own.bos_token_id,
        disable_compile=True,  # a static cache would have the model compiled without what is put on it
        **sampling,
    )


@contextmanager
def seeded(seed: int | None, device: Any) -> Iterator[None]:
    """Draws decided by a seed, the global generators as they were afterwards."""
    if seed is None:
        yield
        return
    import torch

    devices = [device] if getattr(device, "type", "cpu") == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield


def split_new(ids: Tensor, batch: Batch, config: Any) -> list[list[int]]:
    """Each row's new tokens, up to and including its stop token."""
    stops = _stops(config)
    out = []
    for row in ids[:, batch.width :].tolist():
        end = next((i + 1 for i, token in enumerate(row) if token in stops), len(row))
        out.append(row[:end])
    return out


def without_stop(new: list[list[int]], config: Any) -> list[list[int]]:
    """The tokens that are text: all but a stop token at the end."""
    stops = _stops(config)
    return [row[:-1] if row and row[-1] in stops else row for row in new]


def _stops(config: Any) -> set[int]:
    stops = config.eos_token_id
    return set() if stops is None else set(stops) if isinstance(stops, list) else {stops}
