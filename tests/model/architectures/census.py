"""Every causal architecture of transformers, opened: by a record, by a guess, or refused, and why."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Literal

import torch
from tiny import NOT_TINY, built

import innerworks as iw
from innerworks import at, edit
from innerworks.errors import InnerworksError
from innerworks.model.sites import KINDS, Site

How = Literal["record", "guessed", "refused", "not built"]
PROMPT = torch.randint(2, 83, (2, 9), generator=torch.Generator().manual_seed(3))
METRIC = iw.logit(5)


@dataclass(frozen=True)
class Outcome:
    """What came of opening one architecture."""

    model_type: str
    how: How
    why: str = ""
    wrong: tuple[str, ...] = ()
    """What does not hold on a model that was opened: nothing should be here."""
    lacks: tuple[str, ...] = ()
    """The kinds of site that are not offered, of those that most transformers have."""


def outcome(model_type: str) -> Outcome:
    """Build one architecture tiny, open it, and try everything that is promised of an opened model."""
    if model_type in NOT_TINY:
        return Outcome(model_type, "not built", NOT_TINY[model_type])
    try:
        module = built(model_type)
    except Exception as error:  # noqa: BLE001 - whatever transformers raises on a config made by shrinking another
        return Outcome(model_type, "not built", _first_line(error))
    log = logging.getLogger("innerworks")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        model = iw.load(module)
    except InnerworksError as error:
        return Outcome(model_type, "refused", _reason(error))
    finally:
        log.setLevel(level)
    how: How = "guessed" if model.family.guessed else "record"
    return Outcome(model_type, how, "", tuple(contradictions(model)), tuple(lacking(model)))


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return f"{type(error).__name__}: {' '.join(text.splitlines()[:2])}"[:160]


def _reason(error: InnerworksError) -> str:
    text = str(error).partition("\nKnown:")[0]
    return text.partition("could not be guessed: ")[2] or text.splitlines()[0]


_OF_INTEREST = ("z", "q", "pattern", "head_out", "attn_out", "mlp_out", "resid_mid", "neurons", "expert_neurons")

_OF_MIXTURES = ("expert_out", "shared_out")
"""What not every mixture has; a guess that could not confirm it says so."""


def lacking(model: iw.Model) -> list[str]:
    """The kinds of site that a transformer usually has and this opened model does not."""
    missing = [name for name in _OF_INTEREST if name in model.anatomy.missing]
    missing += [name for name in _OF_MIXTURES if name in model.family.absent]
    either = {"neurons", "expert_neurons"}
    return missing if either <= set(missing) else [name for name in missing if name not in either]


def places(model: iw.Model) -> list[Site]:
    """Every concrete site."""
    found = []
    for name, kind in KINDS.items():
        if name == "module" or name in model.anatomy.missing:
            continue
        found += [Site(name)[layer] for layer in model.layers_with(name)] if kind.layered else [Site(name)]
    return found


def plain(model: iw.Model, batch: Any) -> torch.Tensor:
    """The module's own logits."""
    arguments = {"input_ids": batch.ids, "attention_mask": batch.mask, "use_cache": False}
    if model.family.takes_positions:
        arguments["position_ids"] = batch.positions
    with torch.no_grad():
        return model.module(**arguments).logits


def contradictions(model: iw.Model) -> list[str]:
    """What speaks against an opened model; the contract, smaller."""
    sites, logits = places(model), plain(model, model.batch(PROMPT))
    noise = torch.Generator().manual_seed(7)
    scale = float(logits.abs().max())
    run = model.run(PROMPT, capture=sites)
    found = [] if torch.equal(run.logits, logits) else ["capturing moves the logits"]
    found += _sums(model, run)
    for site in sites:
        allowed = 2e-5 * scale if site.name in ("scores", "pattern") else 0.0
        back = model.run(PROMPT, edits=[edit.set(site, run[site])]).logits
        if (back - logits).abs().max() > allowed:
            found.append(f"writing back {site} moves the logits by {(back - logits).abs().max():.1e}")
        if site.name == "router_index" or site.name.startswith("norm_scale"):
            continue  # a norm that follows may take a scale out again
        changed = model.run(
            PROMPT, edits=[edit.set(site, run[site] + torch.randn(run[site].shape, generator=noise))]
        ).logits
        if (changed - logits).abs().max() <= 1e-4 * scale:
            found.append(f"writing {site} has no effect")
    return found + _alone(model, scale) + _swept(model, sites) + _written_on(model)


def _written_on(model: iw.Model) -> list[str]:
    """Whether writing on with a cache, under an edit, is what the full pass over what was written says."""
    if not _writes_on_by_itself(model.module):
        return []
    generator = torch.Generator().manual_seed(9)
    edits = [edit.add(at.resid_post[0] @ slice(3, None), torch.randn(model.d_model, generator=generator))]
    streams = [at.resid_post[layer] for layer in range(model.n_layers)]
    written = model.generate(PROMPT[:1], max_new_tokens=4, edits=edits, capture=streams, stop_at_eos=False)
    full = model.run([[*PROMPT[0].tolist(), *written.new_ids[0]][:-1]], edits=edits, capture=streams)
    off = max(float((written[s] - full[s]).abs().max() / full[s].abs().max()) for s in streams)
    return [] if off <= 2e-4 else [f"writing on with a cache is off by {off:.1e} from the full pass"]


def _writes_on_by_itself(module: Any) -> bool:
    """Whether transformers' own generation runs here, and says with its cache what it says without."""
    options = {"max_new_tokens": 5, "do_sample": False, "pad_token_id": 0, "min_new_tokens": 5}
    options |= {"output_logits": True, "return_dict_in_generate": True}
    try:
        cached, full = (module.generate(input_ids=PROMPT[:1], use_cache=use, **options) for use in (True, False))
    except (RuntimeError, ValueError, TypeError, AttributeError, IndexError):
        return False
    off = (torch.stack(cached.logits) - torch.stack(full.logits)).abs().max()
    return bool(off <= 1e-3 * torch.stack(full.logits).abs().max())


def _sums(model: iw.Model, run: Any) -> list[str]:
    total, found = run[at.embed], []
    for layer in range(model.n_layers) if model.family.no_sum is None else ():
        for name in ("attn_out", "mixer_out", "mlp_out"):
            if layer in model.layers_with(name):
                total = total + run[Site(name)[layer]]
        stream = run[at.resid_post[layer]]
        if (total - stream).abs().max() > 1e-5 * float(stream.abs().max()):
            found.append(f"contributions do not sum to the stream after layer {layer}")
    return found


def _alone(model: iw.Model, scale: float) -> list[str]:
    """Whether a row that is padded is what it is alone."""
    rows = [PROMPT[0].tolist(), PROMPT[1, :5].tolist()]
    both = model.run(rows)
    off = (both.logits[1, :5] - model.run([rows[1]]).logits[0]).abs().max()
    return [] if off <= 5e-5 * scale else [f"a padded row differs from the row alone by {off:.1e}"]


def _swept(model: iw.Model, sites: list[Site]) -> list[str]:
    """Whether a sweep gives what one at a time gives, packed or batched as the plan has it."""
    kinds = ("resid_pre", "z", "mlp_out", "mixer_out", "pattern")
    chosen = [site for site in sites if site.name in kinds]
    variants: dict[Any, Any] = {(site, "all"): [edit.scale(site, 0.5)] for site in chosen}
    late = {(site, p): [edit.zero(site @ p)] for site in chosen if site.name != "pattern" for p in (6, 7)}
    found = []
    for todo in (variants, late):
        swept = model.sweep(PROMPT[:1], todo, METRIC)
        for key, edits in todo.items():
            off = (swept[key] - model.measure(PROMPT[:1], METRIC, edits=edits)).abs().max()
            if off > 1e-4 * max(1.0, float(swept.baseline.abs().max())):
                found.append(f"a sweep ({swept.plans}) of {key} is off by {off:.1e}")
    return found[:3]
