"""nnsight, with the module paths of the hand-written table: `python -m bench.peers.nnsight`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.field.child import main
from bench.field.places import PLACES, first
from bench.field.tool import TOKEN, Call, NotOffered, Tool


class Nnsight(Tool):
    """Traces. nnsight names no places of its own: it is given those of `bench/field/places.py`."""

    title = "nnsight"
    distribution = "nnsight"
    environment = "nnsight"
    module_name = "nnsight"
    notes = {
        "cache_all": "tracer.cache() with inputs",
        "head_sweep": "one batch per layer, earlier blocks skipped; one invoke per patch takes longer",
    }

    def __init__(self, module: Any, tokenizer: Any) -> None:
        from nnsight import TransformersModel

        super().__init__(module, tokenizer)
        self.model = TransformersModel(module, tokenizer=tokenizer)
        self.places = PLACES[module.config.model_type]
        self.blocks = self._at(self.model, self.places.blocks)
        self.n_layers, self.n_heads = len(self.blocks), module.config.num_attention_heads
        self.scale = getattr(module.config, self.places.multiplier) if self.places.multiplier else 1.0
        self.tuples = module.config.model_type in ("bloom", "gptj", "gpt_neo")

    @staticmethod
    def _at(envoy: Any, path: str) -> Any:
        for name in path.split("."):
            envoy = getattr(envoy, name)
        return envoy

    def _parts(self, kind: str) -> list[Any]:
        return [self._at(block, getattr(self.places, kind)) for block in self.blocks]

    def forward(self, ids: Any) -> Call:
        import torch

        model = self.model

        def call() -> Any:
            with torch.no_grad(), model.trace(ids, use_cache=False):
                logits = model.output.logits.save()
            return logits

        return call

    def cache_stream(self, ids: Any) -> Call:
        import nnsight
        import torch

        model, scale, shape = self.model, self.scale, tuple(ids.shape)
        places = list(zip(self._parts("attn_out"), self._parts("mlp_out"), self.blocks, strict=True))

        def call() -> dict[str, list[Any]]:
            with torch.no_grad(), model.trace(ids, use_cache=False):
                attn_out, mlp_out, resid_post = nnsight.save([]), nnsight.save([]), nnsight.save([])
                for attention, mlp, block in places:
                    attn_out.append(first(attention.output) * scale if scale != 1.0 else first(attention.output))
                    mlp_out.append(first(mlp.output) * scale if scale != 1.0 else first(mlp.output))
                    resid_post.append(first(block.output))
            kept = {"resid_post": resid_post, "attn_out": attn_out, "mlp_out": mlp_out}
            return {kind: [value.reshape(*shape, -1) for value in values] for kind, values in kept.items()}

        return call

    def cache_all(self, ids: Any) -> Call:
        import torch

        model, device = self.model, ids.device

        def call() -> list[Any]:
            with torch.no_grad(), model.trace(ids, use_cache=False) as tracer:
                cache = tracer.cache(include_inputs=True, device=device).save()
            entries = [cache[name] for name in cache.keys()]  # noqa: SIM118 - it counts its places when iterated
            return [first(value) for entry in entries for value in (entry.output, entry.input)]

        return call

    def attention(self, ids: Any) -> Call:
        import nnsight
        import torch

        if self.module.config._attn_implementation != "eager":
            raise NotOffered("SDPA forms no pattern")
        model, heads, shape = self.model, self.n_heads, tuple(ids.shape)
        places = list(zip(self._parts("heads"), self._parts("attention"), strict=True))

        def call() -> dict[str, list[Any]]:
            with torch.no_grad(), model.trace(ids, use_cache=False):
                pattern, z = nnsight.save([]), nnsight.save([])
                for projection, attention in places:
                    z.append(projection.input)
                    pattern.append(attention.output[-1])
            return {"pattern": pattern, "z": [value.reshape(*shape, heads, -1) for value in z]}

        return call

    def _streams(self, ids: Any, layers: Sequence[int]) -> list[Any]:
        import nnsight
        import torch

        model, blocks = self.model, self.blocks
        with torch.no_grad(), model.trace(ids, use_cache=False):
            streams = nnsight.save([])
            for layer in layers:
                streams.append(first(blocks[layer].output))
        return streams

    def head_sweep(self, clean: Any, corrupt: Any, layers: Sequence[int]) -> Call:
        import torch

        clean_z, heads, model, blocks = self._heads(clean), self.n_heads, self.model, self.blocks
        parts, tuples, rows = self._parts("heads"), self.tuples, corrupt.repeat(self.n_heads, 1)
        each = torch.arange(heads, device=corrupt.device)

        def call() -> Any:
            entering = dict(zip(layers, self._streams(corrupt, [max(layer - 1, 0) for layer in layers]), strict=True))
            answers = []
            for layer in layers:
                stream = entering[layer].repeat(heads, 1, 1)
                with torch.no_grad(), model.trace(rows, use_cache=False, logits_to_keep=1):
                    for earlier in range(layer):
                        blocks[earlier].skip((stream, None) if tuples else stream)
                    flat = parts[layer].input
                    z = flat.reshape(heads, *clean_z[layer].shape).clone()
                    z[each, :, :, each] = clean_z[layer].permute(2, 0, 1, 3)
                    parts[layer].input = z.reshape(flat.shape)
                    logits = model.output.logits[:, -1, TOKEN].save()
                answers.append(logits)
            return torch.stack(answers)

        return call

    def _heads(self, ids: Any) -> list[Any]:
        import nnsight
        import torch

        model, parts = self.model, self._parts("heads")
        with torch.no_grad(), model.trace(ids, use_cache=False):
            z = nnsight.save([])
            for part in parts:
                z.append(part.input)
        return [value.reshape(*ids.shape, self.n_heads, -1) for value in z]

    def residual_sweep(self, clean: Any, corrupt: Any, layers: Sequence[int]) -> Call:
        import torch

        kept = dict(zip(layers, self._streams(clean, layers), strict=True))
        model, blocks, tuples, length = self.model, self.blocks, self.tuples, clean.shape[1]
        rows, each = corrupt.repeat(length, 1), torch.arange(length, device=corrupt.device)

        def call() -> Any:
            answers = []
            for layer, stream in zip(layers, self._streams(corrupt, layers), strict=True):
                changed = stream.repeat(length, 1, 1)
                changed.unflatten(0, (length, -1))[each, :, each] = kept[layer].transpose(0, 1)
                with torch.no_grad(), model.trace(rows, use_cache=False, logits_to_keep=1):
                    for earlier in range(layer + 1):
                        blocks[earlier].skip((changed, None) if tuples else changed)
                    logits = model.output.logits[:, -1, TOKEN].save()
                answers.append(logits)
            return torch.stack(answers)

        return call

    def gradient_to_heads(self, ids: Any) -> Call:
        import nnsight

        self.module.requires_grad_(False)
        model, parts = self.model, self._parts("heads")

        def call() -> list[Any]:
            with model.trace(ids, use_cache=False, logits_to_keep=1):
                kept, gradients = [], nnsight.save([])
                for part in parts:
                    z = part.input
                    if not z.requires_grad:
                        z.requires_grad_()
                    kept.append(z)
                metric = model.output.logits[0, -1, TOKEN]
                with metric.backward():
                    for z in reversed(kept):
                        gradients.append(z.grad)
            return list(gradients)[::-1]

        return call

    def attention_to_first(self, ids: Any) -> Call:
        import nnsight
        import torch

        if self.module.config._attn_implementation != "eager":
            raise NotOffered("SDPA forms no pattern")
        model, places = self.model, self._parts("attention")

        def call() -> list[Any]:
            with torch.no_grad(), model.trace(ids, use_cache=False, logits_to_keep=1):
                kept = nnsight.save([])
                for place in places:
                    kept.append(place.output[-1][..., 0].clone())
            return kept

        return call


if __name__ == "__main__":
    main(Nnsight)
