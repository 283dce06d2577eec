"""Reference of the moe_alibi family: ALiBi positions, a dense first layer, then experts beside a shared expert.

Written for checking, not for speed; docs/moe-alibi-config.md says what the configuration means. It has the few
methods that make_models.py asks of a transformers model.
"""

from __future__ import annotations

import json
import math
import os
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn


class AlibiMoeConfig(SimpleNamespace):
    """The keys of config.json, with the family's defaults."""

    model_type = "moe_alibi"
    DEFAULTS = dict(rms_norm_eps=1e-5, first_k_dense_replace=1, norm_topk_prob=False, tie_word_embeddings=False)

    def __init__(self, **keys):
        super().__init__(**{**self.DEFAULTS, **keys})
        if getattr(self, "num_key_value_heads", None) is None:
            self.num_key_value_heads = self.num_attention_heads
        if getattr(self, "head_dim", None) is None:
            self.head_dim = self.hidden_size // self.num_attention_heads
        if getattr(self, "shared_expert_intermediate_size", None) is None:
            self.shared_expert_intermediate_size = 0


def alibi_slopes(heads: int) -> list[float]:
    """2^(-8 i / n) for n a power of two; else those of the power below, then every second one of the power above."""
    below = 2 ** int(math.log2(heads))
    slopes = [2.0 ** (-8.0 * (i + 1) / below) for i in range(below)]
    above = [2.0 ** (-8.0 * (i + 1) / (2 * below)) for i in range(2 * below)]
    return slopes + above[0::2][: heads - below]


class RmsNorm(nn.Module):
    def __init__(self, size: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


class SwiGlu(nn.Module):
    def __init__(self, hidden: int, width: int):
        super().__init__()
        self.gate_proj = nn.Linear(hidden, width, bias=False)
        self.up_proj = nn.Linear(hidden, width, bias=False)
        self.down_proj = nn.Linear(width, hidden, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class SparseMlp(nn.Module):
    """Softmax over all experts, the best k with their raw weights (or renormalised), plus the shared expert."""

    def __init__(self, config: AlibiMoeConfig):
        super().__init__()
        self.top_k, self.renormalise = config.num_experts_per_tok, config.norm_topk_prob
        self.gate = nn.Linear(config.hidden_size, config.num_experts, bias=False)
        self.experts = nn.ModuleList(
            SwiGlu(config.hidden_size, config.moe_intermediate_size) for _ in range(config.num_experts)
        )
        width = config.shared_expert_intermediate_size
        self.shared_expert = SwiGlu(config.hidden_size, width) if width else None

    def forward(self, x):
        tokens = x.flatten(0, 1)
        weights, chosen = torch.topk(torch.softmax(self.gate(tokens), dim=-1), self.top_k, dim=-1)
        if self.renormalise:
            weights = weights / weights.sum(-1, keepdim=True)
        out = torch.zeros_like(tokens)
        for index, expert in enumerate(self.experts):
            rows, slots = torch.where(chosen == index)
            if rows.numel():
                out[rows] += weights[rows, slots, None] * expert(tokens[rows])
        if self.shared_expert is not None:
            out = out + self.shared_expert(tokens)
        return out.view_as(x)


class Attention(nn.Module):
    def __init__(self, config: AlibiMoeConfig):
        super().__init__()
        self.heads, self.kv_heads, self.size = config.num_attention_heads, config.num_key_value_heads, config.head_dim
        self.q_proj = nn.Linear(config.hidden_size, self.heads * self.size, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, self.kv_heads * self.size, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, self.kv_heads * self.size, bias=False)
        self.o_proj = nn.Linear(self.heads * self.size, config.hidden_size, bias=False)
        self.register_buffer("slopes", torch.tensor(alibi_slopes(self.heads)), persistent=False)

    def forward(self, x, past):
        batch, length, _ = x.shape
        split = lambda y, heads: y.view(batch, length, heads, self.size).transpose(1, 2)
        q = split(self.q_proj(x), self.heads)
        k, v = split(self.k_proj(x), self.kv_heads), split(self.v_proj(x), self.kv_heads)
        if past is not None:
            k, v = torch.cat([past[0], k], 2), torch.cat([past[1], v], 2)
        kept = (k, v)
        group = self.heads // self.kv_heads
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        total = k.shape[2]
        distance = torch.arange(total)[None, :] - torch.arange(total - length, total)[:, None]  # t - q
        scores = q @ k.transpose(2, 3) * self.size**-0.5 + self.slopes[:, None, None].float() * distance
        scores = scores.masked_fill(distance > 0, float("-inf"))
        out = torch.softmax(scores, dim=-1) @ v
        return self.o_proj(out.transpose(1, 2).reshape(batch, length, -1)), kept


class Layer(nn.Module):
    def __init__(self, config: AlibiMoeConfig, index: int):
        super().__init__()
        self.input_layernorm = RmsNorm(config.hidden_size, config.rms_norm_eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = RmsNorm(config.hidden_size, config.rms_norm_eps)
        dense = index < config.first_k_dense_replace
        self.mlp = SwiGlu(config.hidden_size, config.intermediate_size) if dense else SparseMlp(config)

    def forward(self, x, past):
        attended, kept = self.self_attn(self.input_layernorm(x), past)
        x = x + attended
        return x + self.mlp(self.post_attention_layernorm(x)), kept


class Decoder(nn.Module):
    def __init__(self, config: AlibiMoeConfig):
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config, index) for index in range(config.num_hidden_layers))
        self.norm = RmsNorm(config.hidden_size, config.rms_norm_eps)


class AlibiMoeForCausalLM(nn.Module):
    def __init__(self, config: AlibiMoeConfig):
        super().__init__()
        self.config = config
        self.model = Decoder(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        if config.tie_word_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight

    def forward(self, input_ids, past_key_values=None, use_cache=False, logits_to_keep=0):
        x = self.model.embed_tokens(input_ids)
        kept = []
        for index, layer in enumerate(self.model.layers):
            x, cache = layer(x, past_key_values[index] if past_key_values else None)
            kept.append(cache)
        logits = self.lm_head(self.model.norm(x[:, -logits_to_keep:] if logits_to_keep else x))
        return SimpleNamespace(logits=logits, past_key_values=kept)

    def generate(self, ids, max_new_tokens: int, **_):
        """Greedy only: what make_models.py asks for."""
        logits, past, step = [], None, ids
        for _ in range(max_new_tokens):
            out = self.forward(step, past_key_values=past)
            past = out.past_key_values
            logits.append(out.logits[:, -1])
            step = logits[-1].argmax(-1, keepdim=True)
            ids = torch.cat([ids, step], dim=1)
        return SimpleNamespace(sequences=ids, logits=logits)

    def save_pretrained(self, directory: str, **_) -> None:
        config = {"model_type": AlibiMoeConfig.model_type, "architectures": [type(self).__name__], **vars(self.config)}
        config["dtype"] = str(config["dtype"]).removeprefix("torch.")
        with open(os.path.join(directory, "config.json"), "w") as file:
            json.dump(config, file)
        tensors = self.state_dict()
        if self.config.tie_word_embeddings:
            tensors.pop("lm_head.weight")
        save_file({name: t.contiguous() for name, t in tensors.items()}, os.path.join(directory, "model.safetensors"),
                  metadata={"format": "pt"})

    @classmethod
    def from_directory(cls, directory: str) -> "AlibiMoeForCausalLM":
        with open(os.path.join(directory, "config.json")) as file:
            model = cls(AlibiMoeConfig(**json.load(file)))
        tensors = {name: t.float() for name, t in load_file(os.path.join(directory, "model.safetensors")).items()}
        if model.config.tie_word_embeddings:
            tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"]
        model.load_state_dict(tensors)
        return model.eval()
