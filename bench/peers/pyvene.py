"""pyvene, by the names it has: `python -m bench.peers.pyvene`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.field.child import main
from bench.field.places import PLACES
from bench.field.tool import TOKEN, Call, NotOffered, Tool

_NAMES = {
    "resid_post": "block_output",
    "attn_out": "attention_output",
    "mlp_out": "mlp_output",
    "z": "attention_value_output",
    "pattern": "attention_weight",
}


class Pyvene(Tool):
    """Collecting and interchange interventions: by its own names where it has them, else by module paths."""

    title = "pyvene"
    distribution = "pyvene"
    environment = "pyvene"
    module_name = "pyvene"
    notes = {"cache_all": "every component that it names for the model"}

    def __init__(self, module: Any, tokenizer: Any) -> None:
        from pyvene.models.intervenable_modelcard import type_to_module_mapping

        super().__init__(module, tokenizer)
        self.components = type_to_module_mapping.get(type(module), {})
        self.places = PLACES[module.config.model_type]
        by_path = self.places.multiplier and not self.components
        self.scale = getattr(module.config, self.places.multiplier) if by_path else 1.0
        self.n_layers, self.n_heads = module.config.num_hidden_layers, module.config.num_attention_heads

    def _component(self, name: str, layer: int) -> str:
        """Its own name for a place where it has one for this architecture; else the module's path, if one is known."""
        if name in self.components:
            return name
        paths = {
            "block_output": ".output",
            "attention_output": f".{self.places.attn_out}.output",
            "mlp_output": f".{self.places.mlp_out}.output",
            "attention_value_output": f".{self.places.heads}.input",
        }
        if self.components or name not in paths:
            raise NotOffered(f"no {name} for {type(self.module).__name__}")
        return f"{self.places.blocks}[{layer}]{paths[name]}"

    def forward(self, ids: Any) -> Call:
        import pyvene
        import torch

        wrapped = pyvene.IntervenableModel([], model=self.module)

        def call() -> Any:
            with torch.no_grad():
                return wrapped({"input_ids": ids, "use_cache": False})[0].logits

        return call

    def _collected(self, ids: Any, components: Sequence[str]) -> Call:
        import pyvene
        import torch

        # An instance: a class is only taken where it has names, and cuts what it keeps to a declared number of places.
        wanted = [
            {
                "layer": layer,
                "component": self._component(component, layer),
                "intervention": pyvene.CollectIntervention(),
            }
            for component in components
            for layer in range(self.n_layers)
        ]
        wrapped, everywhere = pyvene.IntervenableModel(wanted, model=self.module), list(range(ids.shape[1]))

        def call() -> list[Any]:
            with torch.no_grad():
                answer = wrapped({"input_ids": ids}, unit_locations={"base": everywhere}, use_cache=False)
            return list(answer[0][1])

        return call

    def _by_kind(self, ids: Any, kinds: Sequence[str]) -> Call:
        call = self._collected(ids, [_NAMES[kind] for kind in kinds])

        def stacked() -> dict[str, list[Any]]:
            found, n = call(), self.n_layers
            values = {kind: found[i * n : (i + 1) * n] for i, kind in enumerate(kinds)}
            for kind in {"attn_out", "mlp_out"} & {*values} if self.scale != 1.0 else ():
                values[kind] = [value * self.scale for value in values[kind]]
            return values

        return stacked

    def cache_stream(self, ids: Any) -> Call:
        return self._by_kind(ids, ("resid_post", "attn_out", "mlp_out"))

    def cache_all(self, ids: Any) -> Call:
        return self._collected(ids, [name for name in self.components if not name.startswith(("head_", "attention_w"))])

    def attention(self, ids: Any) -> Call:
        values = self._by_kind(ids, ("z",))

        def call() -> dict[str, list[Any]]:
            return {"z": [z.reshape(*ids.shape, self.n_heads, -1) for z in values()["z"]]}

        return call

    def _swept(self, corrupt: Any, layers: Sequence[int], component: str, unit: str, values: Sequence[Any]) -> Call:
        """One batch per layer, each row with another place, from values that were collected before."""
        import pyvene
        import torch

        wrapped = []
        for layer in layers:
            one = pyvene.IntervenableModel(
                {
                    "layer": layer,
                    "component": self._component(component, layer),
                    "unit": unit,
                    "intervention": pyvene.VanillaIntervention(),
                },
                model=self.module,
            )
            wrapped.append((one, {one.sorted_keys[0]: values[layer]}))
        count = len(values[layers[0]]) // len(corrupt)
        units = [[index] for index in range(count) for _ in corrupt]
        places, base = {"sources->base": ([units],) * 2}, {"input_ids": corrupt.repeat(count, 1)}

        def call() -> Any:
            rows = []
            with torch.no_grad():
                for one, source in wrapped:
                    answer = one(base, source_representations=dict(source), unit_locations=places, use_cache=False)
                    rows.append(answer[1].logits[:, -1, TOKEN])
            return torch.stack(rows)

        return call

    def head_sweep(self, clean: Any, corrupt: Any, layers: Sequence[int]) -> Call:
        z = self.attention(clean)()["z"]
        heads = [one.permute(2, 0, 1, 3).flatten(0, 1)[:, None] for one in z]
        return self._swept(corrupt, layers, "head_attention_value_output", "h", heads)

    def residual_sweep(self, clean: Any, corrupt: Any, layers: Sequence[int]) -> Call:
        collected = self._by_kind(clean, ("resid_post",))()["resid_post"]
        streams = [one.transpose(0, 1).flatten(0, 1)[:, None] for one in collected]
        return self._swept(corrupt, layers, "block_output", "pos", streams)

    def gradient_to_heads(self, ids: Any) -> Call:
        raise NotOffered("what it collects is a copy outside the graph")


if __name__ == "__main__":
    main(Pyvene)
