"""A small decoder with everyday names whose inside can be made to differ from what the names say."""

from __future__ import annotations

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput


class PlantedConfig(PretrainedConfig):
    model_type = "planted"

    def __init__(self, lie="", vocab_size=83, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, **rest):
        self.lie = lie
        self.vocab_size, self.hidden_size = vocab_size, hidden_size
        self.num_hidden_layers, self.num_attention_heads = num_hidden_layers, num_attention_heads
        self.intermediate_size = 48
        super().__init__(**rest)


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        width = config.hidden_size
        self.lie, self.heads = config.lie, config.num_attention_heads
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (nn.Linear(width, width, bias=False) for _ in range(4))

    def forward(self, hidden_states):
        split = (*hidden_states.shape[:2], self.heads, -1)
        q, k, v = (p(hidden_states).view(split).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj))
        if self.lie == "keys and values swapped":
            k, v = v, k
        if self.lie == "queries squared":
            q = q * q
        length = hidden_states.shape[1]
        later = torch.ones(length, length, dtype=torch.bool).triu(2 if self.lie == "sees one ahead" else 1)
        pattern = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).masked_fill(later, float("-inf")).softmax(-1)
        mixed = (pattern @ v).transpose(1, 2)
        if self.lie == "heads in another order":
            mixed = mixed.flip(2)
        if self.lie == "heads gated":
            mixed = mixed * torch.sigmoid(mixed.sum(-1, keepdim=True))
        return self.o_proj(mixed.flatten(2))


class MLP(nn.Module):
    def __init__(self, config):
        super().__init__()
        width, wide = config.hidden_size, config.intermediate_size
        self.lie, self.act_fn = config.lie, nn.SiLU()
        self.gate_proj, self.up_proj = nn.Linear(width, wide, bias=False), nn.Linear(width, wide, bias=False)
        self.down_proj = nn.Linear(wide, width, bias=False)

    def forward(self, hidden_states):
        gate, up = self.gate_proj(hidden_states), self.up_proj(hidden_states)
        if self.lie == "gate and up swapped":
            gate, up = up, gate
        neurons = self.act_fn(gate) * up
        if self.lie == "neurons cubed":
            neurons = neurons**3
        written = self.down_proj(neurons)
        return written * 2 if self.lie == "written twice over" else written


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.lie = config.lie
        self.self_attn, self.mlp = Attention(config), MLP(config)
        self.input_layernorm = nn.LayerNorm(config.hidden_size)
        self.post_attention_layernorm = nn.LayerNorm(config.hidden_size)

    def forward(self, hidden_states):
        hidden_states = hidden_states + self.self_attn(self.input_layernorm(hidden_states))
        if self.lie == "stream bent between":
            hidden_states = hidden_states + 0.01 * hidden_states**2
        hidden_states = hidden_states + self.mlp(self.post_attention_layernorm(hidden_states))
        if self.lie == "stream normed after":
            hidden_states = torch.nn.functional.layer_norm(hidden_states, hidden_states.shape[-1:])
        return hidden_states.tanh() if self.lie == "stream bent at the end" else hidden_states


class Planted(PreTrainedModel):
    config_class = PlantedConfig

    def __init__(self, config):
        super().__init__(config)
        width = config.hidden_size
        self.embed_tokens = nn.Embedding(config.vocab_size, width)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.num_hidden_layers))
        self.norm, self.lm_head = nn.LayerNorm(width), nn.Linear(width, config.vocab_size, bias=False)
        self.post_init()

    def get_input_embeddings(self):
        return self.embed_tokens

    def get_output_embeddings(self):
        return self.lm_head

    def forward(self, input_ids, attention_mask=None, position_ids=None, use_cache=False):
        stream, lie = self.embed_tokens(input_ids), self.config.lie
        if lie == "embeddings scaled in place":
            stream *= 3.0
        if lie == "embeddings bent":
            stream = stream.tanh() + stream
        if lie == "last norm used twice":
            stream = self.norm(stream)
        for layer in self.layers:
            stream = layer(stream)
        logits = self.lm_head(self.norm(stream))
        return CausalLMOutput(logits=logits**3 if lie == "logits bent" else logits)


def planted(lie: str = "") -> Planted:
    """The model, telling one lie."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Planted(PlantedConfig(lie=lie)).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * (0.3 if parameter.dim() > 1 else 0.1))
    return model
