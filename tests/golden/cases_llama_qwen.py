"""Golden cases of the first families: Llama, Qwen3 and Qwen3-MoE."""

from __future__ import annotations

import torch
from transformers import LlamaConfig, Qwen3Config, Qwen3MoeConfig

from cases_phi_gemma3 import longrope
from golden_case import Case

BASE = dict(bos_token_id=1, eos_token_id=2, initializer_range=0.5)
LONG = (1, 2, 17, 33, 300)


def llama(**options) -> LlamaConfig:
    settings = dict(
        vocab_size=320, hidden_size=48, intermediate_size=80, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=512, rms_norm_eps=1e-5, tie_word_embeddings=False, **BASE,
    )
    return LlamaConfig(**{**settings, **options})


def qwen3(**options) -> Qwen3Config:
    settings = dict(
        vocab_size=320, hidden_size=48, intermediate_size=80, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, max_position_embeddings=512, tie_word_embeddings=False, **BASE,
    )
    return Qwen3Config(**{**settings, **options})


def qwen3_moe(**options) -> Qwen3MoeConfig:
    settings = dict(
        vocab_size=320, hidden_size=48, intermediate_size=80, moe_intermediate_size=24, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=16, num_experts=6, num_experts_per_tok=3,
        norm_topk_prob=True, max_position_embeddings=512, tie_word_embeddings=False, **BASE,
    )
    return Qwen3MoeConfig(**{**settings, **options})


def with_inv_freq(tensors: dict) -> dict:
    """Adds the rotary tables that old checkpoints carry; their values are wrong on purpose: nobody may use them."""
    for layer in range(2):
        tensors[f"model.layers.{layer}.self_attn.rotary_emb.inv_freq"] = torch.full((6,), 0.123)
    return tensors


def own_head(tensors: dict) -> dict:
    """A head beside the embedding of a model that says it is tied: the tensor wins."""
    table = tensors["model.embed_tokens.weight"]
    return {**tensors, "lm_head.weight": table.flip(1).contiguous()}


def same_head(tensors: dict) -> dict:
    """The embedding once more under the head's name, as some converters write it."""
    return {**tensors, "lm_head.weight": tensors["model.embed_tokens.weight"].clone()}


def without(*keys: str):
    def edit(config: dict) -> None:
        for key in keys:
            config.pop(key, None)

    return edit


def num_experts_key(config: dict) -> None:
    """Released files say num_experts; transformers 5 writes num_local_experts."""
    config["num_experts"] = config.pop("num_local_experts", config.get("num_experts"))


def cases() -> list[Case]:
    llama3 = dict(rope_type="llama3", rope_theta=500000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                  original_max_position_embeddings=64)
    yarn = dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=64)
    dynamic = dict(rope_type="dynamic", rope_theta=10000.0, factor=2.0)
    return [
        Case("llama-f32", llama(), "F32", prompts=LONG, greedy=(0, 2, 4), note="plain Llama in fp32"),
        Case("llama-tied-f16", llama(tie_word_embeddings=True, num_key_value_heads=4), "F16",
             prompts=(1, 2, 17, 33, 127), greedy=(2, 4), note="tied head, as many kv heads as heads"),
        Case("llama-tied-own-head", llama(tie_word_embeddings=True), prompts=(1, 2, 17, 33), greedy=(2, 3), edit_tensors=own_head,
             note="tied by its config, but the file stores another lm_head.weight"),
        Case("llama-tied-same-head", llama(tie_word_embeddings=True, vocab_size=129), prompts=(2, 17), greedy=(1,),
             edit_tensors=same_head, note="tied, and the embedding stands in the file a second time as lm_head.weight"),
        Case("llama-odd-sizes", llama(vocab_size=1003, hidden_size=42, intermediate_size=74, head_dim=24,
                                      num_attention_heads=3, num_key_value_heads=1, num_hidden_layers=3),
             prompts=(1, 2, 17, 33, 64), greedy=(1, 3),
             note="head_dim 24, heads x head_dim 72 != hidden 42, one kv head, vocabulary 1003"),
        Case("llama-biases-v4", llama(attention_bias=True, mlp_bias=True), v4_keys=True, note="attention_bias and mlp_bias, v4 keys"),
        Case("llama-rope-llama3-v4", llama(rope_parameters=llama3), prompts=LONG, greedy=(2, 4), v4_keys=True,
             note="llama3 RoPE from v4 keys"),
        Case("llama-rope-linear", llama(rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=3.0)),
             prompts=(1, 17, 127), greedy=(1,), note="linear RoPE from v5 keys"),
        Case("llama-rope-longrope", llama(rope_parameters=dict(longrope(6), original_max_position_embeddings=48),
             max_position_embeddings=256), "F32", prompts=(17, 47, 48, 49, 127), greedy=(0, 1, 2, 3),
             note="LongRoPE outside Phi: decoding across its switch at 48 keeps the keys of the short factors"),
        Case("llama-rope-dynamic", llama(rope_parameters=dynamic, max_position_embeddings=48), "F32",
             prompts=(1, 17, 33, 127), greedy=(1, 2, 3),
             note="dynamic NTK RoPE; prompts below and above max_position_embeddings 48, decoding crosses it; keys keep "
                  "the rotation of the step that made them"),
        Case("llama-rope-yarn-v4", llama(rope_parameters=yarn, max_position_embeddings=256), prompts=LONG, greedy=(2, 4),
             v4_keys=True, note="YaRN with default betas and its own attention factor"),
        Case("llama-sharded", llama(rms_norm_eps=1e-6), shard_bytes=40_000,
             note="several files and an index"),
        Case("llama-old-rotary-tables", llama(), "F16", edit_tensors=with_inv_freq, v4_keys=True,
             note="rotary_emb.inv_freq tensors of old files, to be ignored"),
        Case("llama-minimal-config", llama(hidden_size=64, num_key_value_heads=4, rms_norm_eps=1e-6), v4_keys=True,
             edit_config=without("num_key_value_heads", "rms_norm_eps", "head_dim", "rope_theta", "rope_scaling",
                                 "attention_bias", "mlp_bias", "tie_word_embeddings", "hidden_act"),
             note="class defaults: kv heads, epsilon, theta, untied"),
        Case("qwen3-f32", qwen3(), "F32", prompts=LONG, greedy=(0, 2, 4), note="q/k norms per head"),
        Case("qwen3-tied-bf16", qwen3(tie_word_embeddings=True, vocab_size=503, num_hidden_layers=2),
             prompts=(1, 2, 17, 33, 127), greedy=(2, 4), note="tied head"),
        Case("qwen3-odd-f16", qwen3(hidden_size=40, head_dim=24, num_attention_heads=3, num_key_value_heads=3,
                                    vocab_size=1003, intermediate_size=50, attention_bias=True, num_hidden_layers=2), "F16",
             prompts=(1, 2, 17, 33, 64), greedy=(2,), note="odd sizes, attention_bias on q, k, v and o"),
        Case("qwen3-window-v4", qwen3(use_sliding_window=True, sliding_window=16, max_window_layers=1), v4_keys=True,
             prompts=(1, 15, 16, 17, 64, 127), greedy=(0, 2, 4), edit_config=without("layer_types"),
             note="layers from max_window_layers on see 16 tokens; prompts at the window's edge"),
        Case("qwen3-window-layer-types", qwen3(use_sliding_window=True, sliding_window=9, max_window_layers=3,
             layer_types=["sliding_attention", "full_attention", "sliding_attention"]),
             prompts=(1, 8, 9, 10, 33), greedy=(0, 4), note="layer_types decide, against max_window_layers"),
        Case("qwen3-window-off", qwen3(use_sliding_window=False, sliding_window=4, num_hidden_layers=2), v4_keys=True,
             edit_config=lambda config: config.update(sliding_window=4), prompts=(17,), greedy=(0,),
             note="sliding_window is void without its flag"),
        Case("qwen3-yarn", qwen3(num_hidden_layers=2, rope_parameters=dict(rope_type="yarn", rope_theta=1000000.0, factor=4.0,
             original_max_position_embeddings=32)), prompts=(17, 127), greedy=(0, 1), note="YaRN as users switch it on"),
        Case("qwen3_moe-f32", qwen3_moe(), "F32", prompts=LONG, greedy=(0, 2, 4), note="6 experts, 3 chosen, renormalised"),
        Case("qwen3_moe-raw-weights-v4", qwen3_moe(norm_topk_prob=False, num_experts=8, num_experts_per_tok=2), v4_keys=True,
             edit_config=num_experts_key, prompts=(1, 2, 17, 33, 127), greedy=(2, 4),
             note="per-expert tensors, num_experts key, weights not renormalised"),
        Case("qwen3_moe-packed", qwen3_moe(vocab_size=503, moe_intermediate_size=20), packed_experts=True,
             prompts=(1, 2, 17, 64), greedy=(2, 3), note="packed experts as transformers 5 holds them"),
        Case("qwen3_moe-packed-square", qwen3_moe(moe_intermediate_size=24, num_experts=4, num_experts_per_tok=2), "F16",
             packed_experts=True, note="packed experts with 2 x width = hidden: orientation cannot be read from the shape"),
        Case("qwen3_moe-one-of-six", qwen3_moe(num_experts_per_tok=1, norm_topk_prob=False), note="k = 1, raw weight"),
        Case("qwen3_moe-all-experts", qwen3_moe(num_experts=5, num_experts_per_tok=5, norm_topk_prob=False),
             note="k = E"),
        Case("qwen3_moe-sparse-step", qwen3_moe(num_hidden_layers=4, decoder_sparse_step=2, mlp_only_layers=[3], attention_bias=True),
             prompts=(1, 2, 17, 33), note="every second layer sparse, one of them made dense again"),
        Case("qwen3_moe-odd-sharded-f16", qwen3_moe(hidden_size=40, head_dim=24, num_attention_heads=3, num_key_value_heads=1,
             vocab_size=1003, moe_intermediate_size=18, tie_word_embeddings=True, num_experts=12, num_experts_per_tok=3), "F16",
             shard_bytes=60_000, prompts=(1, 2, 17, 33, 64), note="odd sizes, tied, sharded, 12 experts"),
        Case("qwen3_moe-window-v4", qwen3_moe(use_sliding_window=True, sliding_window=12), v4_keys=True,
             prompts=(1, 11, 12, 13, 64), greedy=(0, 2, 4), edit_config=without("layer_types", "max_window_layers"),
             note="every layer slides"),
        Case("qwen3_moe-many-experts", qwen3_moe(num_experts=64, num_experts_per_tok=8, moe_intermediate_size=8, num_hidden_layers=2),
             note="64 experts of width 8, 8 chosen"),
    ]
