"""docs/support.md: which sites each family has, and that each can be read, written and differentiated, by trying it.

Run from the root of the repository, `python -m tests.model.contract.support_table` writes the file.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2])]

import torch
from families import FAMILIES, VARIANTS, backends
from family_configs import HYBRIDS
from opened_models import model_of, place, plain, prompt, random_like, spread

from innerworks.model import edits as edit
from innerworks.model import metrics
from innerworks.model.anatomy import FAMILIES as RECORDS
from innerworks.model.engine.gradients import frozen
from innerworks.model.model import Model
from innerworks.model.sites import KINDS, Site

PAGE = Path(__file__).parents[3] / "docs" / "support.md"
NAMES = {
    "gpt2": "GPT-2",
    "gpt_neox": "GPT-NeoX, Pythia",
    "gpt_neox_sequential": "GPT-NeoX, sequential",
    "llama": "Llama",
    "qwen3": "Qwen3",
    "gemma2": "Gemma 2",
    "olmo2": "OLMo 2",
    "bloom": "BLOOM",
    "gptj": "GPT-J",
    "opt": "OPT",
    "mixtral": "Mixtral",
    "gpt_oss": "gpt-oss",
    "granite": "Granite",
    "mistral": "Mistral",
    "ministral": "Ministral",
    "qwen2": "Qwen2, Qwen2.5",
    "gemma": "Gemma",
    "gemma3_text": "Gemma 3",
    "olmo3": "OLMo 3",
    "exaone4": "EXAONE 4",
    "smollm3": "SmolLM3",
    "seed_oss": "Seed-OSS",
    "arcee": "Arcee",
    "helium": "Helium",
    "ernie4_5": "ERNIE 4.5",
    "hunyuan_v1_dense": "HunYuan dense",
    "glm4": "GLM-4",
    "phi3": "Phi-3",
    "phi": "Phi",
    "stablelm": "StableLM",
    "starcoder2": "StarCoder2",
    "cohere": "Cohere",
    "cohere2": "Cohere 2",
    "nemotron": "Nemotron",
    "olmo": "OLMo",
    "stablelm_parallel": "StableLM, parallel",
    "qwen2_moe": "Qwen2 MoE",
    "qwen3_moe": "Qwen3 MoE",
    "olmoe": "OLMoE",
    "granitemoe": "Granite MoE",
    "deepseek_v2": "DeepSeek-V2",
    "deepseek_v3": "DeepSeek-V3, R1",
    "llama4_text": "Llama 4",
    "dbrx": "DBRX",
    "mamba": "Mamba",
    "falcon_mamba": "Falcon Mamba",
    "mamba2": "Mamba-2",
    "jamba": "Jamba",
    "minimax": "MiniMax",
    "bamba": "Bamba",
    "falcon_h1": "Falcon-H1",
    "granitemoehybrid": "Granite 4 hybrid",
    "nemotron_h": "Nemotron-H",
    "lfm2": "LFM2",
    "lfm2_moe": "LFM2 MoE",
    "recurrent_gemma": "RecurrentGemma",
    "qwen3_next": "Qwen3-Next",
    "qwen3_5_text": "Qwen3.5",
    "qwen3_5_moe_text": "Qwen3.5 MoE",
    "olmo_hybrid": "OLMo hybrid",
    "kimi_linear": "Kimi Linear",
    "zamba": "Zamba",
    "zamba2": "Zamba2",
    "gpt_bigcode": "GPT-BigCode, StarCoder",
    "gpt_neo": "GPT-Neo",
    "codegen": "CodeGen",
    "xglm": "XGLM",
    "biogpt": "BioGPT",
    "persimmon": "Persimmon",
    "mpt": "MPT",
    "falcon": "Falcon 7B",
    "gpt_bigcode_multi_head": "GPT-BigCode, multi-head",
    "falcon_grouped": "Falcon 40B",
    "falcon_sequential": "Falcon RW, ALiBi",
}
EVERY = (*FAMILIES, *HYBRIDS)
_METRIC = metrics.custom(lambda logits: logits.square().sum((1, 2)), every=True)


def reads(model: Model, site: Site) -> bool:
    """Whether reading gives a tensor of the table's shape and leaves the logits bit-identical."""
    run = model.run(prompt(), capture=[site])
    sizes = {"batch": 2, "pos": 9, "query": 9, "key": 9}
    shape = tuple(sizes.get(dim) or model.anatomy.size(dim, site.name) for dim in site.kind.dims)
    return tuple(run[site].shape) == shape and torch.equal(run.logits, plain(model, prompt()))


def writes(model: Model, site: Site) -> bool:
    """Whether writing back changes nothing, and writing something else does.

    Scores and patterns exist in eager attention only: written to under SDPA, a layer runs eager, which is as far
    from SDPA as the two are from each other.
    """
    expected = plain(model, prompt())
    value = model.run(prompt(), capture=[site])[site]
    back = model.run(prompt(), edits=[edit.set(site, value)]).logits
    rounding = site.name in ("scores", "pattern") and model.module.config._attn_implementation == "sdpa"
    kept = (back - expected).abs().max() <= (2e-5 * spread(expected) if rounding else 0.0)
    other = (value + 1) % model.anatomy.n_experts if site.name == "router_index" else value + random_like(value)
    changed = model.run(prompt(), edits=[edit.set(site, other)]).logits
    return bool(kept and (changed - expected).abs().max() > 1e-3 * spread(expected))


def differentiates(model: Model, site: Site) -> bool:
    """Whether a finite gradient that is not all zero comes out of a pass with the plain model's logits."""
    if site.name == "router_index":
        return False
    found = model.gradients(prompt(), _METRIC, [site])
    gradient = found[site]
    with frozen(model.module):  # as gradients are taken: a Mamba's last bits differ under weights that are not
        same = torch.equal(found.run.logits, plain(model, prompt()))
    return bool(gradient.isfinite().all() and gradient.any() and same)


_CHECKS = (("r", reads), ("w", writes), ("g", differentiates))


def cell(family: str, name: str) -> str:
    """What can be done at a kind of site: the letters that hold on every backend; – where the family has none."""
    if name in model_of(family).anatomy.missing:
        return "–"
    models = [model_of(family, backend) for backend in backends(family)]
    layers = models[0].layers_with(name)
    site = place(name, 1 if 1 in layers or not layers else layers[0])
    return "".join(letter for letter, holds in _CHECKS if all(holds(model, site) for model in models)) or "?"


def reasons() -> list[str]:
    """Why a family does not have a site, for those that some have."""
    found: dict[tuple[str, str], list[str]] = {}
    for family in EVERY:
        for name, why in model_of(family).anatomy.missing.items():
            found.setdefault((name, why), []).append(NAMES[family])
    order = list(KINDS)
    rows = sorted(found.items(), key=lambda item: (order.index(item[0][0]), EVERY.index(_family(item[1][0]))))
    return [f"- `{name}`: {why} ({_listed(families)})." for (name, why), families in rows]


def _listed(families: list[str]) -> str:
    return "; ".join(families) if len(families) <= 20 else f"{len(families)} of the {len(EVERY)}"


def _family(name: str) -> str:
    return next(family for family, called in NAMES.items() if called == name)


KIND_NAMES = [name for name in KINDS if name != "module"]


def row(family: str) -> str:
    """A family's row of the page."""
    cells = " | ".join(cell(family, name) for name in KIND_NAMES)
    model_type = VARIANTS.get(family, (family,))[0]
    return f"| {NAMES[family]} | `{model_type}` | {', '.join(backends(family))} | {cells} |"


def page() -> str:
    """The whole page."""
    lines = [
        "# Supported architectures",
        "",
        "This page is made by running the checks that it reports; a test compares it with what they say today.",
        "",
        "`r`: reading leaves the logits bit-identical. `w`: writing back what was read does too (`scores`, `pattern`",
        "under SDPA: within 2e-5 of the largest logit), and something else has an effect. `g`: gradients, with the",
        "logits of the plain model bit for bit. –: the architecture has no such place. Each letter holds on every",
        "attention backend that is named, in a layer that has the place. An architecture that is not here is guessed",
        "(see [Every architecture of transformers](architectures.md)).",
        "",
        "| family | `model_type` | attention | " + " | ".join(f"`{name}`" for name in KIND_NAMES) + " |",
        "|---" * (len(KIND_NAMES) + 3) + "|",
    ]
    lines += [row(family) for family in EVERY]
    lines += ["", "## Why a place is missing", "", *reasons(), ""]
    lines += ["## Refused whole", "", *refused(), ""]
    return "\n".join(lines)


def refused() -> list[str]:
    """The settings, and whole architectures, under which a record refuses to be used."""
    return [
        f"- `{record.model_type}` with `{r.setting}` {'other than' if r.other_than else '='} `{r.value}`: {r.why}."
        for record in RECORDS.values()
        for r in record.refusals
    ]


if __name__ == "__main__":
    torch.set_num_threads(1)
    PAGE.write_text(page(), encoding="utf-8")
