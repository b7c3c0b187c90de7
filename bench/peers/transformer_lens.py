"""TransformerLens, by its bridge: `python -m bench.peers.transformer_lens`.

HookedTransformer is gone since 4.0: TransformerBridge wraps the Hugging Face model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bench.field.child import main
from bench.field.tool import TOKEN, Call, Tool


class TransformerLens(Tool):
    """The bridge's cache and hooks; sweeps as batches whose rows are patched differently."""

    title = "TransformerLens"
    distribution = "transformer-lens"
    environment = "transformer_lens"
    module_name = "transformer_lens.model_bridge"
    notes = {
        "sdpa": "it runs eager attention all the same",
        "head_sweep": "batched hooks: its own patching helpers run one at a time, and start_at_layer saves nothing",
    }

    def __init__(self, module: Any, tokenizer: Any) -> None:
        from transformer_lens.model_bridge import TransformerBridge

        super().__init__(module, tokenizer)
        self.bridge = TransformerBridge.boot_transformers(
            tokenizer.name_or_path, hf_model=module, tokenizer=tokenizer, dtype=module.dtype
        )
        self.n_layers, self.n_heads = self.bridge.cfg.n_layers, self.bridge.cfg.n_heads

    def forward(self, ids: Any) -> Call:
        import torch

        def call() -> Any:
            with torch.no_grad():
                return self.bridge(ids, use_cache=False)

        return call

    def _cached(self, ids: Any, names: Sequence[str]) -> dict[str, list[Any]]:
        import torch

        wanted = [f"blocks.{layer}.{name}" for layer in range(self.n_layers) for name in names]
        with torch.no_grad():
            cache = self.bridge.run_with_cache(ids, names_filter=wanted, use_cache=False)[1]
        kinds = {name: name.rpartition("hook_")[2] for name in names}
        return {
            kind: [cache[f"blocks.{layer}.{name}"] for layer in range(self.n_layers)] for name, kind in kinds.items()
        }

    def cache_stream(self, ids: Any) -> Call:
        return lambda: self._cached(ids, ("hook_resid_post", "hook_attn_out", "hook_mlp_out"))

    def cache_all(self, ids: Any) -> Call:
        import torch

        def call() -> list[Any]:
            with torch.no_grad():
                cache = self.bridge.run_with_cache(ids, use_cache=False)[1]
            return list(cache.cache_dict.values())

        return call

    def attention(self, ids: Any) -> Call:
        return lambda: self._cached(ids, ("attn.hook_pattern", "attn.hook_z"))

    def _swept(self, ids: Any, rows: int, name: str, hook: Callable[..., Any]) -> Any:
        import torch

        with torch.no_grad():
            logits = self.bridge.run_with_hooks(ids.repeat(rows, 1), fwd_hooks=[(name, hook)], use_cache=False)
        return logits[:, -1, TOKEN]

    def head_sweep(self, clean: Any, corrupt: Any, layers: Sequence[int]) -> Call:
        import torch

        clean_z, heads = self._cached(clean, ("attn.hook_z",))["z"], self.n_heads

        def hook_for(layer: int) -> Callable[..., Any]:
            def hook(z: Any, hook: Any) -> Any:
                each = torch.arange(heads, device=z.device)
                z.unflatten(0, (heads, -1))[each, :, :, each] = clean_z[layer].permute(2, 0, 1, 3)
                return z

            return hook

        return lambda: torch.stack(
            [self._swept(corrupt, heads, f"blocks.{layer}.attn.hook_z", hook_for(layer)) for layer in layers]
        )

    def residual_sweep(self, clean: Any, corrupt: Any, layers: Sequence[int]) -> Call:
        import torch

        streams, length = self._cached(clean, ("hook_resid_post",))["resid_post"], clean.shape[1]

        def hook_for(layer: int) -> Callable[..., Any]:
            def hook(stream: Any, hook: Any) -> Any:
                each = torch.arange(length, device=stream.device)
                stream.unflatten(0, (length, -1))[each, :, each] = streams[layer].transpose(0, 1)
                return stream

            return hook

        return lambda: torch.stack(
            [self._swept(corrupt, length, f"blocks.{layer}.hook_resid_post", hook_for(layer)) for layer in layers]
        )

    def gradient_to_heads(self, ids: Any) -> Call:
        self.module.requires_grad_(False)
        names = [f"blocks.{layer}.attn.hook_z" for layer in range(self.n_layers)]

        def call() -> list[Any]:
            kept: dict[str, Any] = {}

            def keep(gradient: Any, hook: Any) -> None:
                kept[hook.name] = gradient

            def begin(embedded: Any, hook: Any) -> Any:
                return embedded.detach().requires_grad_()

            with self.bridge.hooks(
                fwd_hooks=[("blocks.0.hook_resid_pre", begin)], bwd_hooks=[(name, keep) for name in names]
            ):
                self.bridge(ids, use_cache=False, logits_to_keep=1)[0, -1, TOKEN].backward()
            return list(kept.values())[::-1]

        return call

    def attention_to_first(self, ids: Any) -> Call:
        import torch

        def call() -> list[Any]:
            kept: list[Any] = []

            def keep(pattern: Any, hook: Any) -> None:
                kept.append(pattern[..., 0].clone())

            hooks = [(f"blocks.{layer}.attn.hook_pattern", keep) for layer in range(self.n_layers)]
            with torch.no_grad():
                self.bridge.run_with_hooks(ids, fwd_hooks=hooks, use_cache=False, logits_to_keep=1)
            return kept

        return call

    def direct_effects(self, ids: Any) -> Call:
        """By the cache's own methods. Not folded, `logit_attrs` leaves the last norm's weight out (here all ones)."""
        import torch

        def call() -> Any:
            with torch.no_grad():
                cache = self.bridge.run_with_cache(ids, use_cache=False)[1]
                heads = cache.stack_head_results(layer=-1, pos_slice=-1)
                return cache.logit_attrs(heads, TOKEN, pos_slice=-1)[:, 0].reshape(self.n_layers, self.n_heads)

        return call

    def head_attribution(self, clean: Any, corrupt: Any) -> Call:
        import torch

        gradients = self.gradient_to_heads(clean)

        def call() -> Any:
            before, after = (self._cached(ids, ("attn.hook_z",))["z"] for ids in (clean, corrupt))
            steps = [(new - old) * g for new, old, g in zip(after, before, gradients(), strict=True)]
            return torch.stack([step.sum((0, 1, 3)) for step in steps])

        return call


if __name__ == "__main__":
    main(TransformerLens)
