"""innerworks opens decoder-only language models; anything else is refused here, by its name."""

from __future__ import annotations

from typing import Any

from innerworks.errors import LoadError

__all__ = ["check_decoder_only", "check_described", "check_has_causal_form", "check_has_head"]


def check_described(described: dict[str, Any], source: str, trust_remote_code: bool) -> None:
    """Refuse, from config.json alone, what transformers would ask about, run code for, or not know."""
    import transformers

    kind = described.get("model_type")
    known = kind in transformers.CONFIG_MAPPING
    if known or (described.get("auto_map") and trust_remote_code):
        return
    if described.get("auto_map"):
        raise LoadError(
            f"{source} (model type {kind!r}) brings its own Python code, which would run on this "
            "machine. If you have read it and trust it, pass trust_remote_code=True, and pin "
            "revision= for a model of the hub."
        )
    if kind is None:
        raise LoadError(f"The config.json of {source} names no 'model_type', so it is not a transformers model.")
    raise LoadError(
        f"The model type {kind!r} of {source} is unknown to transformers {transformers.__version__}. "
        "A newer transformers may know it: `pip install -U transformers`."
    )


def check_decoder_only(config: Any, source: str) -> None:
    """Refuse an encoder-decoder and an encoder."""
    kind = f"{source} (model type {config.model_type!r})"
    if getattr(config, "is_encoder_decoder", False):
        raise LoadError(f"{kind} is an encoder-decoder. innerworks opens decoder-only language models.")
    # Only the configs of encoders that can be turned into decoders have both of these.
    if getattr(config, "add_cross_attention", None) is not None and getattr(config, "is_decoder", True) is False:
        raise LoadError(f"{kind} is an encoder. innerworks opens decoder-only language models.")


def check_has_causal_form(config: Any, source: str) -> None:
    """Refuse a config for which transformers has no causal language model."""
    import transformers

    from_hub_code = "AutoModelForCausalLM" in (getattr(config, "auto_map", None) or {})
    if type(config) not in transformers.MODEL_FOR_CAUSAL_LM_MAPPING and not from_hub_code:
        raise LoadError(
            f"{source} (model type {config.model_type!r}) has no causal language-model form in transformers "
            f"{transformers.__version__}. innerworks opens decoder-only language models."
        )


def check_has_head(module: Any) -> None:
    """Refuse a live model that gives no logits over a vocabulary: a bare stack of blocks, or a classifier."""
    ours_to_judge = type(module).__module__.startswith("transformers.")
    if ours_to_judge and module.get_output_embeddings() is None:
        raise LoadError(
            f"{type(module).__name__} has no language-model head. Open the checkpoint with "
            "AutoModelForCausalLM, or give its name or folder to `load`."
        )
