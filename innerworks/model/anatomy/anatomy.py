"""`Anatomy`: a family's record laid over one live model, with sizes, modules, and which sites it has."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal

from innerworks.errors import AnatomyError, BackendError, SiteError
from innerworks.model.anatomy.missing import missing_in_layer, missing_kinds
from innerworks.model.anatomy.modules import has_module, module_tree, relocated
from innerworks.model.anatomy.record import Family, Fused, Setting
from innerworks.model.sites import KINDS, Site, pick
from innerworks.model.sites.kinds import kind_named
from innerworks.model.stored import features

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Anatomy"]


class Anatomy:
    """One model as it is: `anatomy.part(layer, "out")` is a module, `anatomy.n_heads` a size."""

    def __init__(self, module: nn.Module, family: Family) -> None:
        self.module: Any = module
        self.config: Any = _text_config(module)
        family.check(self.config)
        self.family = family = relocated(family.of(self.config), module)
        self.blocks: list[nn.Module] = list(self._find(module, family.blocks).children())
        self.n_layers = len(self.blocks)
        self._parts: dict[tuple[int, str], nn.Module] = {}
        self._records: dict[tuple[bool, ...], Family] = {}
        self.points: dict[tuple[str, int], Any] = {}
        """Where sites were found to be; filled by the taps."""
        self._read_sizes()

    def _read_sizes(self) -> None:
        config = self.config
        self.d_model: int = getattr(config, "hidden_size", None) or self.embedding.weight.shape[1]
        self.n_heads: int = self._head_count()
        said = self.family.setting("kv_heads", config)
        self.n_kv_heads: int = said or getattr(config, "num_key_value_heads", None) or self.n_heads
        self.d_head: int = self._head_size()
        self.d_value: int = self.d_head
        latent = self.family.latent
        if latent is not None:
            self.d_head = latent.key.of(config) + latent.rotary.of(config)
            self.d_value = latent.value.of(config)
        self.n_vocab: int = features(self.unembedding)[1]
        self.context_length: int | None = getattr(config, "max_position_embeddings", None)
        self.parallel: bool = bool(self.family.setting("parallel", config))
        self.residual_scale: float = float(self.family.setting("residual_scale", config))

    def _head_count(self) -> int:
        if not self.attention_layers:
            return 0
        count = getattr(self.config, "num_attention_heads", None)
        if count is None:
            raise AnatomyError(f"the config of {self.family.model_type!r} does not say how many heads attention has.")
        return int(count)

    def _head_size(self) -> int:
        if not self.attention_layers:
            return 0
        first = self.attention_layers[0]
        attn: Any = self.part(first, self.in_layer(first).attn)
        return int(getattr(attn, "head_dim", None) or self.d_model // self.n_heads)

    def in_layer(self, layer: int) -> Family:
        """What the record says of one layer."""
        cases = self.family.layers
        if not cases:
            return self.family
        are = tuple(has_module(self.blocks[layer], case.module) for case in cases)
        if are not in self._records:
            found = self.family
            for case, is_so in zip(cases, are, strict=True):
                found = replace(found, **case.changes) if is_so else found
            self._records[are] = found
        return self._records[are]

    @cached_property
    def attention_layers(self) -> list[int]:
        """The layers that have attention."""
        return [layer for layer in range(self.n_layers) if self.in_layer(layer).has_attention]

    @cached_property
    def mixer_layers(self) -> list[int]:
        """The layers that have a token mixer that is no attention."""
        return [layer for layer in range(self.n_layers) if self.in_layer(layer).mixer is not None]

    @cached_property
    def mlp_layers(self) -> list[int]:
        """The layers that have an MLP or a mixture of experts."""
        return [layer for layer in range(self.n_layers) if self.in_layer(layer).has_mlp]

    def scale_of(self, layer: int, which: Literal["attn", "mixer", "mlp"]) -> float:
        """What the output of one part of a layer is multiplied with on its way into the stream."""
        family = self.in_layer(layer)
        values = {"attn": family.attn_scale, "mlp": family.mlp_scale}
        value = values[which] if which != "mixer" or family.mixer is None else family.mixer.scale
        return self.residual_scale * float(value.of(self.config) if isinstance(value, Setting) else value)

    @property
    def embedding(self) -> Any:
        """The token embedding module."""
        return self.module.get_input_embeddings()

    @property
    def unembedding(self) -> Any:
        """The module that turns the normed stream into logits."""
        return self.module.get_output_embeddings()

    @property
    def final_norm(self) -> nn.Module | None:
        """The last norm, if there is one."""
        path = self.family.final_norm
        found = None if path is None else self._find(self.module, path)
        return found

    @property
    def d_mlp(self) -> int:
        """How many neurons a dense MLP has (where all are mixtures: one expert)."""
        down = self.in_layer(self.dense_layers[0]).down if self.dense_layers else None
        if down is not None:
            return int(self.input_size(self.part(self.dense_layers[0], down)))
        return self.d_expert

    @property
    def d_expert(self) -> int:
        """How many neurons one expert has."""
        experts: Any = self.part(self.mixture_layers[0], self._experts.experts)
        return int(experts.down_proj.shape[1 if self._experts.transposed else 2])

    @property
    def d_shared(self) -> int:
        """How many neurons the expert has that every token goes through."""
        shared = self._experts.shared
        return self.input_size(self.part(self.mixture_layers[0], f"{shared.path}.{shared.down}"))

    @cached_property
    def mixture_layers(self) -> list[int]:
        """The layers whose MLP is a mixture of experts."""
        record = self.family.experts
        if record is None:
            return []
        return [layer for layer, block in enumerate(self.blocks) if has_module(block, record.experts)]

    @cached_property
    def dense_layers(self) -> list[int]:
        """The layers whose MLP is no mixture."""
        return [layer for layer in self.mlp_layers if layer not in self.mixture_layers]

    @property
    def n_experts(self) -> int:
        """How many experts a mixture has; 0 for a dense model."""
        if not self.mixture_layers:
            return 0
        experts: Any = self.part(self.mixture_layers[0], self._experts.experts)
        return int(experts.num_experts)

    @property
    def routes(self) -> bool:
        """Whether the router itself chooses the experts, and does not only give the logits to do it by."""
        router = self.part(self.mixture_layers[0], self._experts.router) if self.mixture_layers else None
        return hasattr(router, "top_k")

    @property
    def top_k(self) -> int:
        """How many experts each token is sent to."""
        router: Any = self.part(self.mixture_layers[0], self._experts.router)
        return int(router.top_k)

    @property
    def _experts(self) -> Any:
        if self.family.experts is None:
            raise AnatomyError(f"{self.family.model_type} has no experts.")
        return self.family.experts

    def check_arithmetic(self) -> None:
        """An error where the model itself cannot run: the kernel for many experts at once takes no float64."""
        grouped = getattr(self.config, "_experts_implementation", None) == "grouped_mm"
        if (
            grouped
            and self.mixture_layers
            and not self._experts.everywhere
            and self.embedding.weight.dtype.itemsize == 8
        ):
            raise BackendError(
                "experts_implementation='grouped_mm' does not run in float64: load the model with "
                "experts_implementation='batched_mm' (or call module.set_experts_implementation('batched_mm'))."
            )

    @staticmethod
    def input_size(projection: Any) -> int:
        """How many features a linear module reads, whichever way its weight lies."""
        return features(projection)[0]

    def part(self, layer: int, path: str) -> nn.Module:
        """A module inside a block, by its path."""
        key = (layer, path)
        if key not in self._parts:
            self._parts[key] = self._find(self.blocks[layer], path)
        return self._parts[key]

    def rotates(self, layer: int) -> bool:
        """Whether this layer's queries and keys have rotary positions."""
        said = self.family.rotated_layer
        return self.family.rotary and (said is None or bool(said.of(self.part(layer, self.family.attn))))

    def qkv_clip(self, layer: int) -> float | None:
        """The bound that this layer's queries, keys and values are cut to, if it has one."""
        path = self.family.qkv_clip
        return None if path is None else attrgetter(path)(self.part(layer, self.family.attn))

    def sees_past(self, kind: str) -> bool:
        """Whether this kind of site holds all keys that a step sees, and not only its own tokens'."""
        return kind == "k_rot" or (kind == "v" and self.family.latent is not None)

    def clipped(self, layer: int) -> list[nn.Module]:
        """The modules whose outputs are cut to `qkv_clip`: the projections, unless the record names others."""
        qkv = self.family.qkv
        paths = (qkv.path,) if isinstance(qkv, Fused) else (qkv.q, qkv.k, qkv.v)
        return [self.part(layer, path) for path in self.family.clipped or paths]

    def is_written_over(self, module: Any) -> bool:
        """Whether the model changes this module's output in place after giving it."""
        pairs = ((block, path) for block in self.blocks for path in self.family.written_over)
        return any(has_module(block, path) and block.get_submodule(path) is module for block, path in pairs)

    def path_of(self, module: nn.Module) -> str:
        """A module's full path in the model."""
        for name, candidate in self.module.named_modules():
            if candidate is module:
                return str(name)
        raise AnatomyError(f"{type(module).__name__} is not part of this model.")

    def _find(self, start: nn.Module, path: str) -> nn.Module:
        try:
            return start.get_submodule(path)
        except AttributeError:
            raise AnatomyError(
                f"the record of {self.family.model_type!r} expects a module {path!r} in "
                f"{type(start).__name__}, which has none. Its modules are:\n{module_tree(start)}\n"
                "Pass a corrected record with load(..., family=dataclasses.replace(record, ...))."
            ) from None

    def size(self, dim: str, kind: str = "") -> int:
        """How long a dimension of a kind of site's tensor is."""
        if dim == "d_head" and kind in ("v", "z"):
            return int(self.d_value)
        if dim == "neuron" and kind in ("expert_neurons", "routed_neurons"):
            return int(self.d_expert)
        if dim == "neuron" and kind == "shared_neurons":
            return int(self.d_shared)
        known: dict[str, int] = {
            "layer": self.n_layers,
            "d": self.d_model,
            "head": self.n_heads,
            "kv_head": self.n_kv_heads,
            "d_head": self.d_head,
            "vocab": self.n_vocab,
        }
        if dim in known:
            return known[dim]
        return int({"neuron": lambda: self.d_mlp, "expert": lambda: self.n_experts, "slot": lambda: self.top_k}[dim]())

    @cached_property
    def missing(self) -> dict[str, str]:
        """The kinds of site this model does not have, each with the reason."""
        return missing_kinds(self)

    def block_of(self, site: Site) -> int:
        """The block a concrete site is in; -1 for what comes before the blocks, their number for what comes after."""
        if site.name == "embed":
            return 0
        if site.name in ("final_norm", "norm_scale.final", "logits"):
            return self.n_layers
        if site.name == "module":
            prefix = self.family.blocks + "."
            number = site.path.removeprefix(prefix).split(".")[0]
            return int(number) if site.path.startswith(prefix) and number.isdigit() else -1
        return site.layer if isinstance(site.layer, int) else -1

    def check(self, site: Site) -> Site:
        """The site itself if this model has it; otherwise an error that says why and lists what it has."""
        if site.name == "module":
            self._check_module(site.path)
            return site
        if site.name in self.missing:
            have = ", ".join(k for k in KINDS if k not in self.missing)
            raise SiteError(f"{self.family.model_type} has no {site.name}: {self.missing[site.name]}. It has: {have}.")
        for layer in pick(site.layer, self.n_layers, "layer") if site.layer is not None else ():
            self.check_layer(site.name, layer)
        if site.unit is not None and site.kind.unit is not None and site.basis is None:
            pick(site.unit, self.size(site.kind.unit, site.name), site.kind.unit)
        return site

    def check_layer(self, kind: str, layer: int) -> None:
        """Raise, with the reason, where one layer does not have a kind of site."""
        reason = missing_in_layer(self, kind, layer)
        if reason is not None:
            raise SiteError(f"layer {layer} of {self.family.model_type} has no {kind}: {reason}.")

    def layers_with(self, kind: str) -> list[int]:
        """The layers that have a kind of site."""
        if kind in self.missing or not kind_named(kind).layered:
            return []
        return [layer for layer in range(self.n_layers) if missing_in_layer(self, kind, layer) is None]

    def _check_module(self, path: str) -> None:
        names = [name for name, _ in self.module.named_modules()]
        if path in names:
            return
        near = get_close_matches(path, names, n=1)
        parent = path.rpartition(".")[0]
        inside = (
            [n.removeprefix(f"{parent}.") for n in names if n.startswith(f"{parent}.")] if parent in names else names
        )
        siblings = ", ".join(dict.fromkeys(n.partition(".")[0] for n in inside if n))
        meant = f" Did you mean {near[0]!r}?" if near else ""
        raise SiteError(f"this model has no module {path!r}.{meant} {parent or 'The model'} has: {siblings}.")

    def concrete(self, site: Site) -> list[Site]:
        """The site in each of the layers it names, numbered from 0."""
        self.check(site)
        if isinstance(site.unit, int) and site.unit < 0 and site.kind.unit is not None:
            site = replace(site, unit=site.unit % self.size(site.kind.unit, site.name))
        if not site.kind.layered:
            return [site]
        if site.layer is None:
            raise SiteError(f"at.{site.name} is in every layer: write at.{site.name}[5], or at.{site.name}[:] for all.")
        layers = pick(site.layer, self.n_layers, "layer")
        return [site.on(layer) for layer in layers]


def _text_config(module: Any) -> Any:
    return module.config.get_text_config(decoder=True)
