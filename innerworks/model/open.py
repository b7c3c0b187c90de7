"""`load`: from whatever names a model to a `Model`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from innerworks.errors import AnatomyError
from innerworks.model.anatomy import FAMILIES, Anatomy, Family, family_named, module_tree
from innerworks.model.guess import guess, recognised
from innerworks.model.load import open_model
from innerworks.model.model import Model

__all__ = ["load"]


def load(
    source: Any,
    tokenizer: Any = None,
    *,
    revision: str | None = None,
    dtype: Any = None,
    device: Any = None,
    device_map: Any = None,
    attn_implementation: str | None = None,
    quantization_config: Any = None,
    trust_remote_code: bool = False,
    weights: bool = True,
    family: Family | None = None,
    options: Mapping[str, Any] | None = None,
) -> Model:
    """Open a model: a hub id, a folder, a GGUF file, a live transformers model, a bundled name, or a configuration.

    `"smollm2-135m-instruct-q4"` needs no hub. Weights come from safetensors or GGUF, never from pickles. `family`
    describes an architecture that is not known yet (see `innerworks.model.anatomy.Family`); without it the
    structure is guessed, checked against the model's own numbers, and refused where the guess does not hold.
    `weights=False` reads the configuration of a folder or hub id alone: its sizes, sites and costs, and nothing to run.
    `options` go to `from_pretrained` as they are.
    """
    opened = open_model(
        source,
        revision=revision,
        tokenizer=tokenizer,
        dtype=dtype,
        device=device,
        device_map=device_map,
        attn_implementation=attn_implementation,
        quantization_config=quantization_config,
        trust_remote_code=trust_remote_code,
        weights=weights,
        options=options,
    )
    return Model(
        opened.module,
        opened.tokenizer,
        name=opened.name,
        revision=opened.revision,
        fingerprint=opened.fingerprint,
        anatomy=_anatomy(opened.module, family),
    )


def _anatomy(module: Any, family: Family | None) -> Anatomy:
    if family is not None:
        return Anatomy(module, family)
    model_type = module.config.get_text_config(decoder=True).model_type
    known = family_named(model_type)
    if known is not None:
        return Anatomy(module, known)
    guessed, why = guess(module)
    if guessed is not None:
        logging.getLogger("innerworks").warning("%s", recognised(guessed))
        return guessed
    raise AnatomyError(
        f"{model_type!r} is not an architecture innerworks knows, and its structure could not be guessed: {why}\n"
        f"Known: {', '.join(FAMILIES)}.\nIts modules:\n{module_tree(module)}\n"
        "Write a record and pass it: load(source, family=Family(model_type=..., blocks='model.layers', "
        "final_norm='model.norm', attn='self_attn', ...)). Every field of innerworks.model.anatomy.Family has a "
        "default that fits a Llama; the docs page 'Add an architecture' goes through one."
    )
