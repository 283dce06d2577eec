"""Golden cases of Gemma 4's text model: shared caches, per-layer embeddings, K = V, experts beside a dense MLP."""

from __future__ import annotations

import torch
from transformers import Gemma4Config, Gemma4ForConditionalGeneration, Gemma4TextConfig

from golden_case import AttentionLayer, Case
from golden_weights import normal, uniform

SLIDING, FULL = "sliding_attention", "full_attention"

INIT = {
    "embed_tokens.weight": normal(0.07),
    "embed_tokens_per_layer.weight": normal(0.4),
    ".norm.weight": uniform(4.0, 8.0),
    "layer_scalar": uniform(0.6, 1.2),
    "per_expert_scale": uniform(0.4, 1.6),
    "router.scale": uniform(0.5, 1.5),
    "router.proj": normal(2.0),
}


def gemma4(**options) -> Gemma4TextConfig:
    settings = dict(
        vocab_size=320, vocab_size_per_layer_input=320, hidden_size=48, intermediate_size=40, num_hidden_layers=4,
        num_attention_heads=4, num_key_value_heads=2, head_dim=8, global_head_dim=16, sliding_window=8,
        hidden_size_per_layer_input=0, max_position_embeddings=512, layer_types=[SLIDING, FULL, SLIDING, FULL],
        bos_token_id=2, eos_token_id=1, pad_token_id=0,
    )
    return Gemma4TextConfig(**{**settings, **options})


def edge_size(**options) -> Gemma4TextConfig:
    """As the E-series: layers 4 to 6 read the caches of 3 (sliding) and 2 (full), per-layer embeddings, double width."""
    settings = dict(num_hidden_layers=7, layer_types=[SLIDING, SLIDING, FULL, SLIDING, FULL, SLIDING, FULL],
                    num_kv_shared_layers=3, use_double_wide_mlp=True, hidden_size_per_layer_input=16,
                    num_key_value_heads=1, final_logit_softcapping=12.0, intermediate_size=24, hidden_size=32)
    return gemma4(**{**settings, **options})


def mixture(**options) -> Gemma4TextConfig:
    settings = dict(enable_moe_block=True, num_experts=6, top_k_experts=2, moe_intermediate_size=20, attention_k_eq_v=True,
                    num_global_key_value_heads=1, num_hidden_layers=3, layer_types=[SLIDING, SLIDING, FULL],
                    final_logit_softcapping=15.0, vocab_size=256)
    return gemma4(**{**settings, **options})


def attention(config) -> list[AttentionLayer]:
    first_shared = config.num_hidden_layers - config.num_kv_shared_layers
    layers = []
    for index, kind in enumerate(config.layer_types):
        size = config.per_layer_config[index].head_dim
        window = config.sliding_window if kind == SLIDING else None
        layers.append(AttentionLayer(config.num_attention_heads, 2 * size, window, last_row_only=index >= first_shared))
    return layers


def unneeded_projections(config, length: int) -> int:
    """A last-row prefill needs the shared layers' embeddings of the last token only; transformers projects them all."""
    width = config.hidden_size_per_layer_input or 0
    return -2 * config.hidden_size * width * (length - 1) * config.num_kv_shared_layers


def published_keys(config: dict) -> None:
    """Sizes of full layers as the published files give them, not as per_layer_config."""
    text = config.get("text_config", config)
    text.pop("per_layer_config", None)
    text.update(global_head_dim=16)
    text["num_global_key_value_heads"] = 1 if text.get("attention_k_eq_v") else None


def multimodal() -> Gemma4Config:
    return Gemma4Config(text_config=edge_size(final_logit_softcapping=10.0).to_dict(), vision_config=None, audio_config=None,
                        tie_word_embeddings=True)


def with_other_towers(tensors: dict) -> dict:
    """What published files hold besides: vision and audio tensors, some 0-dimensional and infinite, some with names
    that look like the text model's, and keys and values of layers that share others'."""
    generator = torch.Generator().manual_seed(5)

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator).to(torch.bfloat16)

    for index in (4, 5, 6):
        size = 8 if index == 5 else 16
        prefix = f"model.language_model.layers.{index}.self_attn."
        tensors.update({prefix + "k_proj.weight": noise(size, 32), prefix + "v_proj.weight": noise(size, 32),
                        prefix + "k_norm.weight": noise(size)})
    tower = "model.audio_tower.layers.0.self_attn."
    for name in ("q_proj", "k_proj", "v_proj"):
        tensors[tower + name + ".linear.weight"] = noise(4, 4)
        tensors[tower + name + ".input_max"] = torch.tensor(float("inf"), dtype=torch.bfloat16)
        tensors[tower + name + ".input_min"] = torch.tensor(float("-inf"), dtype=torch.bfloat16)
    tensors["model.vision_tower.encoder.layers.0.self_attn.q_proj.linear.weight"] = noise(4, 4)
    tensors["model.vision_tower.patch_embedder.position_embedding_table"] = noise(2, 5, 4)
    tensors["model.embed_vision.embedding_projection.weight"] = noise(32, 4)
    tensors["model.embed_audio.embedding_projection.weight"] = noise(32, 4)
    return tensors


def cases() -> list[Case]:
    common = dict(init=INIT, attention=attention)
    # Seven layers magnify rounding: gentler q/k norms and a wider gate keep the reference's own error small.
    calm = {"q_norm": uniform(0.3, 0.8), "k_norm": uniform(0.3, 0.8), **INIT, "embed_tokens.weight": normal(0.12)}
    shared = dict(last_row_correction=unneeded_projections, attention=attention, init=calm)
    return [
        Case("gemma4_text-shared-f32", edge_size(), "F32", prompts=(1, 2, 7, 8, 9, 33, 300), greedy=(0, 3, 5),
             note="caches shared by both layer types, per-layer embeddings, double-wide MLP, window 8 and prompts at its edge",
             **shared),
        Case("gemma4_text-shared-bf16", edge_size(num_kv_shared_layers=2, use_double_wide_mlp=False, num_key_value_heads=2,
             sliding_window=12, layer_types=[SLIDING, FULL, SLIDING, FULL, SLIDING, SLIDING, FULL], vocab_size_per_layer_input=320),
             edit_config=published_keys, prompts=(1, 2, 11, 12, 13, 64), greedy=(0, 5),
             note="two shared layers, published key style", **shared),
        Case("gemma4_text-plain", gemma4(), prompts=(1, 2, 17, 64), greedy=(2, 3), note="no sharing, no per-layer embeddings", **common),
        Case("gemma4_text-layer-inputs", gemma4(hidden_size_per_layer_input=10, num_hidden_layers=3, layer_types=[SLIDING, FULL,
             SLIDING], final_logit_softcapping=9.0), "F16", prompts=(1, 2, 17, 33), greedy=(2,),
             note="per-layer embeddings without sharing; the last layer's type is forced to full", **common),
        Case("gemma4_text-k-eq-v", gemma4(attention_k_eq_v=True, num_global_key_value_heads=1, hidden_size=44, vocab_size=503),
             edit_config=published_keys, prompts=(1, 2, 17, 127), greedy=(2, 3),
             note="full layers take their values from the raw keys and have fewer kv heads", **common),
        Case("gemma4_text-biases-untied", gemma4(attention_bias=True, tie_word_embeddings=False, rope_parameters={
             SLIDING: dict(rope_type="default", rope_theta=5000.0),
             FULL: dict(rope_type="proportional", rope_theta=100000.0, partial_rotary_factor=0.5, factor=2.0)}),
             prompts=(1, 2, 17, 33), greedy=(2,), init={**INIT, "lm_head": normal(0.08)}, attention=attention,
             note="biases, own head, proportional RoPE over half the head with a factor"),
        Case("gemma4_text-moe-f32", mixture(), "F32", prompts=(1, 2, 7, 8, 9, 33), greedy=(0, 3, 5),
             note="experts beside the dense MLP, K = V", **common),
        Case("gemma4_text-moe-bf16", mixture(num_experts=12, top_k_experts=4, moe_intermediate_size=12, sliding_window=16,
             attention_k_eq_v=False), edit_config=published_keys, prompts=(1, 2, 17, 64), greedy=(2, 3), note="12 experts, 4 chosen",
             **common),
        Case("gemma4_text-moe-one-all", mixture(num_experts=3, top_k_experts=3, num_hidden_layers=2, layer_types=[SLIDING, FULL]),
             "F16", prompts=(1, 17), greedy=(1,), note="every expert chosen", **common),
        Case("gemma4-multimodal", multimodal(), edit_config=published_keys, edit_tensors=with_other_towers,
             prompts=(1, 2, 17, 33), greedy=(2, 3), model_class=Gemma4ForConditionalGeneration,
             note="text part of a multimodal file: other towers' tensors, unused keys and values of shared layers", **shared),
    ]
