"""`Family`: the declarative record of one architecture, the only thing innerworks needs to know about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from innerworks.errors import AnatomyError

__all__ = [
    "Case",
    "Experts",
    "Family",
    "Fused",
    "Latent",
    "LayerCase",
    "Mixer",
    "NormKind",
    "Part",
    "Refusal",
    "Setting",
    "Shared",
    "Split",
]

NormKind = Literal["layer", "layer_plus_one", "rms", "rms_plus_one"]
FusedLayout = Literal["blocks", "per_head", "per_group", "shards_of_qvk"]


@dataclass(frozen=True, slots=True)
class Setting:
    """A value read from the model's config, such as `Setting("residual_multiplier", 1.0)`."""

    name: str
    default: Any = None
    inverse: bool = False

    def of(self, config: Any) -> Any:
        """The value in this config, inverted if the config states a divisor."""
        value = getattr(config, self.name, None)
        value = self.default if value is None else value
        return 1.0 / value if self.inverse and value is not None else value


@dataclass(frozen=True, slots=True)
class Split:
    """Queries, keys and values come from three projections, by their paths inside a block.

    `gated` where the first gives a gate behind each head's query: what the head mixes is multiplied with it.
    """

    q: str = "self_attn.q_proj"
    k: str = "self_attn.k_proj"
    v: str = "self_attn.v_proj"
    gated: bool = False


@dataclass(frozen=True, slots=True)
class Fused:
    """One projection gives all three, in an order that `layout` names.

    "blocks": all queries, all keys, all values; "per_head": (q, k, v) inside every head; "per_group": the queries that
    share a key, that key, its value; "shards_of_qvk": four shards, each with its heads' q, v and k.
    """

    path: str
    layout: FusedLayout

    def slots(self, which: str, heads: int, kv_heads: int) -> list[int]:
        """Where each head's q, k or v lies, counted in heads from the start of the projection's output."""
        at, group = "qkv".index(which), heads // kv_heads
        if self.layout == "blocks":
            first = (0, heads, heads + kv_heads)[at]
            return list(range(first, first + (heads if which == "q" else kv_heads)))
        if self.layout == "per_head":
            return [3 * head + at for head in range(heads)]
        if self.layout == "per_group":
            if which == "q":
                return [head // group * (group + 2) + head % group for head in range(heads)]
            return [g * (group + 2) + group + at - 1 for g in range(kv_heads)]
        shard = heads // 4
        return [head // shard * 3 * shard + "qvk".index(which) * shard + head % shard for head in range(heads)]


@dataclass(frozen=True, slots=True)
class Latent:
    """Keys and values that one projection, by its path, expands from a latent vector; keys have a rotary part too."""

    path: str = "self_attn.kv_b_proj"
    key: Setting = Setting("qk_nope_head_dim")
    rotary: Setting = Setting("qk_rope_head_dim")
    value: Setting = Setting("v_head_dim")


@dataclass(frozen=True, slots=True)
class Part:
    """One of two halves of a projection's output, such as the gate and the linear branch of a fused MLP."""

    path: str
    half: Literal[0, 1]


@dataclass(frozen=True, slots=True)
class Shared:
    """The expert of a mixture that every token goes through: its path inside a block, and its gate's if it has one.

    `up`, `branch` (its gate branch, None where its MLP is not gated) and `down` are paths inside of it.
    """

    path: str
    gate: str | None = None
    down: str = "down_proj"
    up: str | Part = "up_proj"
    branch: str | Part | None = "gate_proj"


@dataclass(frozen=True, slots=True)
class Experts:
    """A mixture of experts: where its router and its experts are, and how one expert's gate and up rows lie.

    `everywhere` is for experts that all run on every token, on inputs that the router has scaled.
    """

    router: str
    experts: str
    interleaved: bool = False
    transposed: bool = False
    shared: Shared | None = None
    everywhere: bool = False


@dataclass(frozen=True, slots=True)
class Mixer:
    """A token mixer that is no attention: where it is, what it is called, and what of it reaches the stream.

    `writes` names the module whose output is added to the stream, where it is not the mixer's own; `scale` is what
    that is multiplied with besides the residual multiplier.
    """

    path: str
    called: str
    writes: str = ""
    scale: float | Setting = 1.0


@dataclass(frozen=True, slots=True)
class LayerCase:
    """What else a record says of the layers whose block has a certain module, by its path."""

    module: str
    changes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A setting under which the family's stream is not a plain sum, so that opening it would be wrong."""

    setting: str
    value: Any
    why: str
    other_than: bool = False
    """Refuse every value but the one that the setting called `value` has."""

    def applies(self, config: Any) -> bool:
        """Whether this configuration is refused."""
        found = getattr(config, self.setting, None)
        return bool(found != getattr(config, self.value) if self.other_than else found == self.value)


@dataclass(frozen=True, slots=True)
class Case:
    """What else a record says where a setting has a certain value (or, with `other_than`, has not)."""

    setting: str
    value: Any
    changes: Mapping[str, Any]
    other_than: bool = False

    def applies(self, config: Any) -> bool:
        """Whether this configuration is the case."""
        return bool((getattr(config, self.setting, None) == self.value) != self.other_than)


@dataclass(frozen=True, kw_only=True)
class Family:
    """Where things are in one architecture, and what each sub-layer adds to the stream.

    Paths from `blocks` to `final_norm` start at the model, all others at a block; an empty path is the block.
    `attn_writes` and `mlp_writes` name the module whose output is the true contribution to the stream (before
    `residual_scale`): a post-norm where there is one, the projection where the module's own output already
    contains the residual. `inner_attention` names a method that is given rotated queries and keys, for families that
    bypass transformers' attention interface; where there is none, `hides_rotated`. `other_eager` is a setting under
    which a family's eager attention is not its module's `eager_attention_forward`. `kv_heads` is how many keys and
    values a token has, where the config does not call it num_key_value_heads. `masks_by_column` is for attention that
    masks by the place of tokens in the tensor, whatever mask it is given. `written_over` names modules whose output is
    later changed in place. `alibi_table` names the stack's method that gives the ALiBi slopes. `score_scale` is read
    from the attention module, other settings from the config. `norm_eps` is for norms that hold no epsilon;
    `rotated_layer` is an attribute of the attention module that says whether this layer has rotary positions, where not
    all have.
    `qkv_clip` is where the attention module finds the bound that it cuts queries, keys and values to, as
    they leave their projections or the modules in `clipped`, and `unclipped` what stands there when nothing is to be
    cut. `cases` are
    applied in their order, to the whole record; `layers` to what it says of single layers: there, `mixer` is a token
    mixer besides or instead of attention, and `has_attention` and `has_mlp` say which halves a block has. `absent`
    gives, kind by kind, why a site cannot be offered in a layer that has its half. `attn_scale` and `mlp_scale` are
    what a half's output is multiplied with besides the residual multiplier. `no_sum` says why contributions do not add
    up to the stream, where they do not. `mlp_adds` names a module beside the MLP, run before it,
    whose output is added to the MLP's on its way to the stream. `left_padding` says why tokens before a prompt would
    reach into it, where no mask keeps them out; `no_circuits` why matrices alone do not say what goes from stream to
    stream. Every field has a default that fits a Llama.
    """

    model_type: str
    blocks: str = "model.layers"
    pos_embed: str | None = None
    embed_norm: str | None = None
    final_norm: str | None = "model.norm"
    attn: str = "self_attn"
    mlp: str = "mlp"
    attn_norm: str | None = "input_layernorm"
    mlp_norm: str | None = "post_attention_layernorm"
    attn_post: str | None = None
    mlp_post: str | None = None
    qkv: Split | Fused = Split()
    latent: Latent | None = None
    out: str = "self_attn.o_proj"
    up: str | Part | None = "mlp.up_proj"
    gate: str | Part | None = "mlp.gate_proj"
    down: str | None = "mlp.down_proj"
    attn_writes: str = ""
    mlp_writes: str = ""
    mlp_adds: str | None = None
    written_over: tuple[str, ...] = ()
    parallel: bool | Setting = False
    norm: NormKind = "rms"
    norm_eps: float | None = None
    qk_norm: tuple[str, str] | None = None
    qk_norm_after_rotary: bool = False
    qkv_clip: str | None = None
    clipped: tuple[str, ...] = ()
    unclipped: float | None = None
    rotary: bool = True
    rotary_pairs: Literal["halves", "neighbours"] = "halves"
    rotated_layer: Setting | None = None
    alibi: bool = False
    alibi_table: str | None = None
    kv_heads: int | Setting | None = None
    masks_by_column: bool = False
    hides_rotated: bool = False
    residual_scale: float | Setting = 1.0
    embed_scale: float | Setting = 1.0
    logit_scale: float | Setting = 1.0
    logit_softcap: Setting | None = None
    score_scale: Setting = Setting("scaling")
    score_softcap: Setting | None = None
    sinks: str | None = None
    sliding: Setting | None = None
    experts: Experts | None = None
    has_attention: bool = True
    has_mlp: bool = True
    mixer: Mixer | None = None
    absent: Mapping[str, str] = field(default_factory=dict)
    attn_scale: float | Setting = 1.0
    mlp_scale: float | Setting = 1.0
    no_sum: str | None = None
    left_padding: str | None = None
    no_circuits: str | None = None
    layers: tuple[LayerCase, ...] = ()
    takes_positions: bool = True
    inner_attention: str | None = None
    other_eager: Setting | None = None
    tuple_blocks: bool = False
    cases: tuple[Case, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    guessed: bool = False

    @property
    def attn_contribution(self) -> str:
        """The module whose output attention adds to the stream."""
        return self.attn_writes or self.attn_post or self.attn

    @property
    def mlp_contribution(self) -> str:
        """The module whose output the MLP adds to the stream."""
        return self.mlp_writes or self.mlp_post or self.mlp

    def setting(self, name: str, config: Any) -> Any:
        """A field's value, looked up in the config where the record says so."""
        value = getattr(self, name)
        return value.of(config) if isinstance(value, Setting) else value

    def of(self, config: Any) -> Family:
        """The record with the changes of every case that this configuration is."""
        found = self
        for case in self.cases:
            if case.applies(config):
                found = replace(found, **case.changes)
        return found

    def check(self, config: Any) -> None:
        """Refuse, by name, a configuration on which the record would be wrong."""
        for refusal in self.refusals:
            if refusal.applies(config):
                raise AnatomyError(
                    f"{self.model_type} with {refusal.setting}={getattr(config, refusal.setting)!r} is not supported: "
                    f"{refusal.why}."
                )
