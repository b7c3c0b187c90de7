"""A model's portrait: what it is, which places it has and why not others, and what is refused of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from innerworks.model.sites import KINDS
from innerworks.model.stored import stored_bytes
from innerworks.results import Provenance, Result, Table, View

if TYPE_CHECKING:
    from innerworks.model.described import DescribedModel

__all__ = ["portrait"]

_BACKENDS = {"eager": None, "sdpa": "_supports_sdpa", "flash": "_supports_flash_attn", "flex": "_supports_flex_attn"}
_SHOWS_PATTERNS = ("eager", "sdpa")


def portrait(model: DescribedModel) -> Result:
    """Sizes, places and refusals as a result; nothing is run, so that a model without weights will do."""
    facts, sites, refused = _facts(model), _sites(model), _refused(model)
    tables = {"sites": Table(sites)} | ({"refused": Table(refused)} if refused["what"] else {})
    views = {"model": View.card("Model", facts), **_site_views(sites)}
    if refused["what"]:
        views["refused"] = View.table(refused, title="What is refused, or means something else")
    named = " ".join(filter(None, (model.name, model.fingerprint)))
    return Result(tables=tables, views=views, provenance=Provenance("portrait", model=named), title=_title(model))


def _title(model: DescribedModel) -> str:
    return f"{model.name or type(model.module).__name__}: {model.family.model_type}"


def _facts(model: DescribedModel) -> dict[str, Any]:
    anatomy = model.anatomy
    count = sum(part.numel() for part in {id(one): one for one in model.module.parameters()}.values())
    without = model.device.type == "meta"
    facts: dict[str, Any] = {
        "architecture": f"{type(model.module).__name__} ({model.family.model_type})",
        "record": "guessed, and held against the model's own numbers" if model.family.guessed else "known",
        "layers": anatomy.n_layers,
        "heads": anatomy.n_heads,
        "key-value heads": anatomy.n_kv_heads,
        "width": anatomy.d_model,
        "width of a head": anatomy.d_head,
        "neurons": anatomy.d_mlp if anatomy.mlp_layers else 0,
        "experts": f"{anatomy.n_experts}, {anatomy.top_k} for each token" if _routes(model) else anatomy.n_experts,
        "vocabulary": anatomy.n_vocab,
        "context": anatomy.context_length if anatomy.context_length is not None else "not limited by its config",
        "blocks": "attention and MLP in parallel" if anatomy.parallel else "one half after the other",
        "layers with attention": _some(anatomy.attention_layers, anatomy.n_layers),
        "parameters": count,
        "dtype": str(model.dtype).removeprefix("torch."),
        "weights": f"{stored_bytes(model.module) / 2**20:,.0f} MiB" + (", not loaded" if without else ""),
        "device": "none: opened without weights" if without else str(model.device),
        "attention runs by": _attention(model),
        "attention can run by": ", ".join(_backends(model)),
        "tokenizer": type(model.tokenizer).__name__ if model.tokenizer is not None else "none: ids only",
    }
    return {name: value for name, value in facts.items() if value != 0 or name in ("layers", "heads")}


def _routes(model: DescribedModel) -> bool:
    return bool(model.anatomy.mixture_layers) and model.anatomy.routes


def _some(layers: list[int], count: int) -> str:
    return "all" if len(layers) == count else ", ".join(map(str, layers)) or "none"


def _attention(model: DescribedModel) -> str:
    return str(getattr(model.anatomy.config, "_attn_implementation", None) or "eager")


def _backends(model: DescribedModel) -> list[str]:
    """The attention implementations that transformers has for this model, as its class says."""
    return [name for name, flag in _BACKENDS.items() if flag is None or getattr(model.module, flag, False)]


def _sites(model: DescribedModel) -> dict[str, Any]:
    """Every kind of place: in which layers it is, or why there is none."""
    rows = [(kind, *_there(model, kind)) for kind in KINDS if kind != "module"]
    return {
        "place": [kind for kind, _, _ in rows],
        "there": [there for _, there, _ in rows],
        "what it is, or why not": [said for _, _, said in rows],
    }


def _there(model: DescribedModel, kind: str) -> tuple[str, str]:
    missing = model.anatomy.missing.get(kind)
    if missing is not None:
        return "no", missing
    if kind in ("scores", "pattern") and _attention(model) not in _SHOWS_PATTERNS:
        return "no", f"the attention backend {_attention(model)!r} never forms them: load with sdpa or eager"
    if not KINDS[kind].layered:
        return "yes", KINDS[kind].about
    layers = model.anatomy.layers_with(kind)
    return ("yes" if len(layers) == model.n_layers else f"layers {_some(layers, model.n_layers)}"), KINDS[kind].about


def _site_views(sites: dict[str, Any]) -> dict[str, View]:
    """The places that are there, one in a row; those that are not, together by the reason."""
    place, there, said = sites.values()
    has = [row for row, word in enumerate(there) if word != "no"]
    lacks: dict[str, list[str]] = {}
    for row, word in enumerate(there):
        if word == "no":
            lacks.setdefault(said[row], []).append(place[row])
    columns = {"place": [place[row] for row in has], "in": ["" if there[row] == "yes" else there[row] for row in has]}
    columns = {name: cells for name, cells in columns.items() if any(cells)}
    views = {"places": View.table({**columns, "what it is": [said[row] for row in has]}, title="Places")}
    if lacks:
        absent = {"place": [", ".join(names) for names in lacks.values()], "why not": list(lacks)}
        views["absent"] = View.table(absent, title="Places that it does not have")
    return views


def _refused(model: DescribedModel) -> dict[str, list[str]]:
    family = model.family
    said = {
        "settings": "; ".join(
            f"{one.setting}{' other than ' if one.other_than else '='}{one.value}: {one.why}" for one in family.refusals
        ),
        "contributions as a sum": family.no_sum,
        "OV and QK circuits": family.no_circuits,
        "padding on the left": family.left_padding,
    }
    there = {what: why for what, why in said.items() if why}
    return {"what": list(there), "why": [str(why) for why in there.values()]}
