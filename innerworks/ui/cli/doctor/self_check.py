"""A model proves here, on this machine, that what is read inside it is what it computes."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import innerworks as iw
from innerworks.registry import techniques
from innerworks.ui.cli.doctor.finding import Finding
from innerworks.ui.cli.doctor.machine import usable_bundled

__all__ = ["self_check"]

_REPORT = "please report this, with what `innerworks doctor --json` prints"


def self_check(device: str) -> Iterator[Finding]:
    """Each proof on one device, on the bundled model where it is here, else on a small random one."""
    part = f"self-check on {device}"
    try:
        model, ids = _opened(device)
    except Exception as problem:  # noqa: BLE001  # whatever keeps a model from opening is what is looked for
        yield Finding(part, "opening a model", "broken", _told(problem), _REPORT)
        return
    yield Finding(part, "opening a model", "fine", f"{model}, attention by {_attention(model)}")
    for name, prove in _PROOFS.items():
        try:
            wrong = prove(model, ids)
        except Exception as problem:  # noqa: BLE001  # an error of any kind is a proof that failed
            wrong = _told(problem)
        if wrong is None:
            yield Finding(part, name, "fine", "holds")
        else:
            yield Finding(part, name, "broken", wrong, _REPORT)


def _attention(model: Any) -> str:
    return str(model.module.config._attn_implementation)


def _told(problem: Exception) -> str:
    return f"{type(problem).__name__}: {problem}"


def _opened(device: str) -> tuple[Any, list[int]]:
    name = usable_bundled()
    if name is not None:
        model = iw.load(name, device=device)
        return model, list(model.prompt("The Eiffel Tower is in the city of").ids)
    import torch
    import transformers

    config = transformers.LlamaConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = transformers.LlamaForCausalLM(config).eval().to(device)
    return iw.load(module), [3, 1, 4, 1, 5, 9, 2, 6]


def _plain(model: Any, ids: list[int], **more: Any) -> Any:
    """What the model gives without innerworks."""
    import torch

    with torch.no_grad():
        return model.module(torch.tensor([ids], device=model.device), use_cache=False, **more)


def _logits(model: Any, ids: list[int]) -> str | None:
    import torch

    seen = model.run(ids, capture=[iw.at.resid_post[:], iw.at.pattern[:], iw.at.z[:], iw.at.neurons[:]])
    plain = _plain(model, ids).logits
    if torch.equal(seen.logits, plain):
        return None
    return f"reading changed the logits by up to {float((seen.logits - plain).abs().max()):.3g}"


def _capture(model: Any, ids: list[int]) -> str | None:
    import torch

    layers = range(model.n_layers - 1)  # transformers norms the last of its hidden states
    states = _plain(model, ids, output_hidden_states=True).hidden_states
    run = model.run(ids, capture=[iw.at.resid_post[:]])
    wrong = [layer for layer in layers if not torch.equal(run[iw.at.resid_post[layer]], states[layer + 1])]
    return f"the stream after blocks {wrong} is not what the model says it is" if wrong else None


def _edit(model: Any, ids: list[int]) -> str | None:
    import torch

    layer = model.n_layers // 2
    edited = model.run(ids, edits=[iw.edit.zero(iw.at.mlp_out[layer])]).logits
    hook = model.module.model.layers[layer].mlp.register_forward_hook(lambda _, __, out: torch.zeros_like(out))
    try:
        by_hand = _plain(model, ids).logits
    finally:
        hook.remove()
    if torch.equal(edited, _plain(model, ids).logits):
        return f"taking away what the MLP of layer {layer} writes changed nothing"
    return None if torch.equal(edited, by_hand) else "an edit is not what a hook written by hand does"


def _attribution(model: Any, ids: list[int]) -> str | None:
    found = techniques()["direct_logit_attribution"](model, [ids], target=ids[0])
    return f"the parts do not add up to the logit: {found.failed[0]}" if found.failed else None


def _saved(model: Any, ids: list[int]) -> str | None:
    found = techniques()["logit_lens"](model, [ids])
    with tempfile.TemporaryDirectory() as folder:
        again = iw.open(found.save(Path(folder) / "kept"))
    same = isinstance(again, iw.Result) and all(again.data[name].equals(found.data[name]) for name in found.data)
    return None if same else "a saved result is not what was saved"


_PROOFS: dict[str, Callable[[Any, list[int]], str | None]] = {
    "logits are bit for bit the plain model's": _logits,
    "what is captured is what the model says": _capture,
    "an edit does what a hook by hand does": _edit,
    "parts add up to the logit": _attribution,
    "results are saved and opened": _saved,
}
