"""`Anatomy`: a family's record laid over one live model, with sizes, modules, and which sites it has."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from innerworks.errors import AnatomyError, SiteError
from innerworks.model.anatomy.record import Family, Fused, Split
from innerworks.model.sites import KINDS, Site, pick

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Anatomy", "module_tree"]


class Anatomy:
    """One model as it is: `anatomy.part(layer, "out")` is a module, `anatomy.n_heads` a size."""

    def __init__(self, module: nn.Module, family: Family) -> None:
        self.module: Any = module
        self.config: Any = _text_config(module)
        family.check(self.config)
        self.family = family = family.of(self.config)
        self.blocks: list[nn.Module] = list(self._find(module, family.blocks).children())
        self.n_layers = len(self.blocks)
        self._parts: dict[tuple[int, str], nn.Module] = {}
        self.points: dict[tuple[str, int], Any] = {}
        """Where sites were found to be; filled by the taps."""
        self._read_sizes()

    def _read_sizes(self) -> None:
        config = self.config
        self.d_model: int = getattr(config, "hidden_size", None) or self.embedding.weight.shape[1]
        self.n_heads: int = config.num_attention_heads
        said = self.family.setting("kv_heads", config)
        self.n_kv_heads: int = said or getattr(config, "num_key_value_heads", None) or self.n_heads
        attn: Any = self.part(0, self.family.attn)
        self.d_head: int = getattr(attn, "head_dim", None) or self.d_model // self.n_heads
        self.n_vocab: int = self.unembedding.weight.shape[0]
        self.context_length: int | None = getattr(config, "max_position_embeddings", None)
        self.parallel: bool = bool(self.family.setting("parallel", config))
        self.residual_scale: float = float(self.family.setting("residual_scale", config))

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
        """How many neurons an MLP (or one expert) has."""
        if self.family.down is not None:
            return int(self.input_size(self.part(0, self.family.down)))
        experts: Any = self.part(0, self._experts.experts)
        return int(experts.down_proj.shape[1 if self._experts.transposed else 2])

    @property
    def n_experts(self) -> int:
        """How many experts a mixture has; 0 for a dense model."""
        if self.family.experts is None:
            return 0
        return int(self.part(0, self.family.experts.experts).num_experts)  # type: ignore[arg-type]

    @property
    def top_k(self) -> int:
        """How many experts each token is sent to."""
        return int(self.part(0, self._experts.router).top_k)  # type: ignore[arg-type]

    @property
    def _experts(self) -> Any:
        if self.family.experts is None:
            raise AnatomyError(f"{self.family.model_type} has no experts.")
        return self.family.experts

    @staticmethod
    def input_size(projection: Any) -> int:
        """How many features a linear module reads, whichever way its weight lies."""
        weight = projection.weight
        return int(weight.shape[0] if type(projection).__name__ == "Conv1D" else weight.shape[1])

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

    def qkv_projections(self, layer: int) -> list[nn.Module]:
        """The modules that give queries, keys and values, or the one that gives all three."""
        qkv = self.family.qkv
        paths = [qkv.path] if isinstance(qkv, Fused) else [qkv.q, qkv.k, qkv.v]
        return [self.part(layer, path) for path in paths]

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

    def size(self, dim: str) -> int:
        """How long a dimension of a site's tensor is."""
        return {
            "layer": self.n_layers,
            "d": self.d_model,
            "head": self.n_heads,
            "kv_head": self.n_kv_heads,
            "d_head": self.d_head,
            "vocab": self.n_vocab,
        }.get(dim) or {
            "neuron": lambda: self.d_mlp,
            "expert": lambda: self.n_experts,
            "slot": lambda: self.top_k,
        }[dim]()

    @cached_property
    def missing(self) -> dict[str, str]:
        """The kinds of site this model does not have, each with the reason."""
        return dict(_missing(self))

    def check(self, site: Site) -> Site:
        """The site itself if this model has it; otherwise an error that says why and lists what it has."""
        if site.name == "module":
            if site.path:
                self._find(self.module, site.path)
            return site
        if site.name in self.missing:
            have = ", ".join(k for k in KINDS if k not in self.missing)
            raise SiteError(f"{self.family.model_type} has no {site.name}: {self.missing[site.name]}. It has: {have}.")
        if site.layer is not None:
            pick(site.layer, self.n_layers, "layer")
        if site.unit is not None and site.kind.unit is not None and site.basis is None:
            pick(site.unit, self.size(site.kind.unit), site.kind.unit)
        return site

    def concrete(self, site: Site) -> list[Site]:
        """The site in each of the layers it names, numbered from 0."""
        self.check(site)
        if isinstance(site.unit, int) and site.unit < 0 and site.kind.unit is not None:
            site = replace(site, unit=site.unit % self.size(site.kind.unit))
        if not site.kind.layered:
            return [site]
        if site.layer is None:
            raise SiteError(f"at.{site.name} is in every layer: write at.{site.name}[5], or at.{site.name}[:] for all.")
        layers = pick(site.layer, self.n_layers, "layer")
        return [site.on(layer) for layer in layers]


def _text_config(module: Any) -> Any:
    return module.config.get_text_config(decoder=True)


def _missing(anatomy: Anatomy) -> list[tuple[str, str]]:
    family, out = anatomy.family, []
    if family.pos_embed is None:
        out.append(("pos_embed", "it has no learned position embedding"))
    if anatomy.parallel:
        out.append(("resid_mid", "attention and MLP read the same stream in parallel"))
    if family.final_norm is None:
        out += [(kind, "it has no final norm") for kind in ("final_norm", "norm_scale.final")]
    if family.attn_norm is None:
        out.append(("norm_scale.attn", "attention reads the stream without a norm"))
    if family.mlp_norm is None:
        out.append(("norm_scale.mlp", "the MLP reads the stream without a norm"))
    if family.hides_rotated:
        out += [(f"{x}_rot", "its attention does not hand them to any function of its own") for x in "qk"]
    elif not family.rotary and family.qk_norm is None:
        out += [(f"{x}_rot", f"it has no rotary embedding, so it would equal at.{x}") for x in "qk"]
    if family.experts is None:
        kinds = ("router", "router_weights", "router_index", "expert_neurons", "expert_out")
        out += [(kind, "it is not a mixture of experts") for kind in kinds]
    else:
        out += [(k, "its neurons are in experts: see at.expert_neurons") for k in ("neuron_pre", "neurons", "gate")]
    if family.up is None and family.experts is None:
        out += [(kind, "its MLP's neurons are not known") for kind in ("neuron_pre", "neurons")]
    if family.gate is None and family.experts is None:
        out.append(("gate", "its MLP is not gated"))
    if isinstance(family.qkv, Split) and not family.qkv.q:
        out += [(kind, "its projections are not known") for kind in "qkv"]
    return out


def module_tree(module: nn.Module, depth: int = 3) -> str:
    """The modules inside `module`, indented, repeated children shown once."""
    lines: list[str] = []

    def walk(node: Any, name: str, level: int) -> None:
        children = list(node.named_children())
        lines.append("  " * level + f"{name}: {type(node).__name__}")
        if level >= depth:
            return
        numbered = [c for c in children if c[0].isdigit()]
        for child_name, child in children:
            if child_name.isdigit() and child_name != numbered[0][0]:
                continue
            label = f"0…{len(numbered) - 1}" if child_name.isdigit() and len(numbered) > 1 else child_name
            walk(child, label, level + 1)

    walk(module, "(model)", 0)
    return "\n".join(lines)
