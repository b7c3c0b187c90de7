"""The table of places inside a decoder: what each kind of site is called, and the shape it has."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from innerworks.errors import SiteError

__all__ = ["KINDS", "Kind", "UnknownSite", "kind_named"]


class UnknownSite(SiteError, AttributeError):
    """A kind of site that no architecture has."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the table: a name, the dimensions of its tensor, and which of them the second index picks."""

    name: str
    dims: tuple[str, ...]
    about: str
    layered: bool = True
    unit: str | None = None

    @property
    def positional(self) -> tuple[str, ...]:
        """The dimensions that `@` selects along: one of tokens, or a query and a key."""
        return tuple(d for d in self.dims if d in ("pos", "query", "key"))


_STREAM = ("batch", "pos", "d")
_HEADS = ("batch", "pos", "head", "d_head")
_KV = ("batch", "pos", "kv_head", "d_head")
_EDGES = ("batch", "head", "query", "key")
_NEURONS = ("batch", "pos", "neuron")
_EXPERTS = ("batch", "pos", "expert")
_SLOTS = ("batch", "pos", "slot")
_SCALE = ("batch", "pos")

_ROWS = (
    Kind("token_embed", _STREAM, "the embedding module's output for each token", layered=False),
    Kind("pos_embed", _STREAM, "the learned position embedding", layered=False),
    Kind("embed", _STREAM, "what enters block 0, positions and scaling included", layered=False),
    Kind("resid_pre", _STREAM, "the stream as it enters a block"),
    Kind("resid_mid", _STREAM, "the stream between attention and MLP (sequential blocks only)"),
    Kind("resid_post", _STREAM, "the stream as it leaves a block"),
    Kind("attn_in", _STREAM, "what the attention module reads, after its norm"),
    Kind("mlp_in", _STREAM, "what the MLP reads, after its norm"),
    Kind("final_norm", _STREAM, "the output of the last norm, what the unembedding reads", layered=False),
    Kind("norm_scale.attn", _SCALE, "the denominator of the norm before attention (or another token mixer)"),
    Kind("norm_scale.mlp", _SCALE, "the denominator of the norm before the MLP"),
    Kind("norm_scale.final", _SCALE, "the denominator of the last norm", layered=False),
    Kind("q", _HEADS, "queries as projected, before rotary and QK-norm", unit="head"),
    Kind("k", _KV, "keys as projected, before rotary and QK-norm", unit="kv_head"),
    Kind("v", _KV, "values as projected", unit="kv_head"),
    Kind("q_rot", _HEADS, "queries as attention uses them, after QK-norm and rotary", unit="head"),
    Kind("k_rot", _KV, "keys as attention uses them, after QK-norm and rotary", unit="kv_head"),
    Kind("scores", _EDGES, "the input of the attention softmax: scaled, soft-capped, masked", unit="head"),
    Kind("pattern", _EDGES, "the attention pattern, the softmax's output", unit="head"),
    Kind("z", _HEADS, "each head's mixed values, before the output projection", unit="head"),
    Kind("head_out", ("batch", "pos", "head", "d"), "what each head writes to the stream", unit="head"),
    Kind("attn_out", _STREAM, "what attention adds to the stream"),
    Kind("mixer_out", _STREAM, "what a token mixer that is no attention (Mamba, …) adds to the stream"),
    Kind("mlp_out", _STREAM, "what the MLP adds to the stream"),
    Kind("neuron_pre", _NEURONS, "neurons before the non-linearity (gated: the linear branch)", unit="neuron"),
    Kind("gate", _NEURONS, "the gate branch before its non-linearity (gated MLPs)", unit="neuron"),
    Kind("neurons", _NEURONS, "neurons as the down projection reads them", unit="neuron"),
    Kind("router", _EXPERTS, "the router's logits (mixture of experts)", unit="expert"),
    Kind("router_weights", _SLOTS, "the weights of the chosen experts", unit="slot"),
    Kind("router_index", _SLOTS, "which experts were chosen", unit="slot"),
    Kind("expert_neurons", (*_EXPERTS, "neuron"), "each expert's neurons; 0 where it did not run", unit="expert"),
    Kind("expert_out", (*_EXPERTS, "d"), "what each expert adds to the stream; 0 where it did not run", unit="expert"),
    Kind("routed_neurons", (*_SLOTS, "neuron"), "the neurons of each chosen expert", unit="slot"),
    Kind("routed_out", (*_SLOTS, "d"), "what each chosen expert adds to the stream", unit="slot"),
    Kind("shared_neurons", _NEURONS, "the neurons of the expert that every token goes through", unit="neuron"),
    Kind("shared_out", _STREAM, "what the expert that every token goes through adds to the stream"),
    Kind("logits", ("batch", "pos", "vocab"), "the model's output", layered=False),
    Kind("module", (), "any module's input or output, by its path", layered=False),
)

KINDS: dict[str, Kind] = {row.name: row for row in _ROWS}


def kind_named(name: str) -> Kind:
    """The row of the table called `name`, or an error that lists the table."""
    try:
        return KINDS[name]
    except KeyError:
        near = get_close_matches(name, KINDS, n=1)
        meant = f" Did you mean {near[0]}?" if near else ""
        raise UnknownSite(f"there is no site called {name!r}.{meant} The sites are: {', '.join(KINDS)}.") from None
