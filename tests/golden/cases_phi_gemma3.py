"""Golden cases of Phi-3/4 and Gemma 3."""

from __future__ import annotations

import torch
from transformers import Gemma3Config, Gemma3ForConditionalGeneration, Gemma3TextConfig, Phi3Config

from golden_case import Case
from golden_weights import normal, uniform

BASE = dict(bos_token_id=1, eos_token_id=2, pad_token_id=0, initializer_range=0.5)


def phi3(**options) -> Phi3Config:
    settings = dict(
        vocab_size=320, hidden_size=64, intermediate_size=72, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=512, tie_word_embeddings=False, **BASE,
    )
    return Phi3Config(**{**settings, **options})


def longrope(pairs: int, **options) -> dict:
    """Short factors near one, long factors that grow as the released ones do."""
    return dict(
        rope_type="longrope", rope_theta=10000.0,
        short_factor=[1.0 + 0.05 * i for i in range(pairs)],
        long_factor=[1.0 + 0.6 * i * i for i in range(pairs)], **options,
    )


def rope_scaling(changes: dict):
    def edit(config: dict) -> None:
        config["rope_scaling"].update(changes)

    return edit


def legacy_longrope(config: dict) -> None:
    """As the first Phi-3 files wrote it: `type: su` beside the factor lists, and keys nobody reads."""
    scaling = config["rope_scaling"]
    scaling.pop("rope_type")
    scaling["type"] = "su"
    scaling["original_max_position_embeddings"] = 7
    config.update(full_attn_mod=1, interpolate_factor=1, lm_head_bias=False, mlp_bias=False, auto_map={})


def drop_original(config: dict) -> None:
    config.pop("original_max_position_embeddings", None)
    config["rope_scaling"]["original_max_position_embeddings"] = 16


def phi_cases() -> list[Case]:
    return [
        Case("phi3-f32", phi3(), "F32", prompts=(1, 2, 17, 33, 127), greedy=(0, 2, 4), note="fused qkv and gate_up"),
        Case("phi3-partial-odd", phi3(hidden_size=80, rope_parameters=dict(rope_type="default", rope_theta=10000.0,
             partial_rotary_factor=0.75)), prompts=(1, 2, 17, 64), greedy=(2, 3),
             note="partial rotary: 0.75 of 20 is 15, an odd number, so 16 components turn"),
        Case("phi3-partial-tied-f16-v4", phi3(tie_word_embeddings=True, rope_parameters=dict(rope_type="default",
             rope_theta=250000.0, partial_rotary_factor=0.4)), "F16", v4_keys=True, note="partial rotary from v4 keys, tied"),
        Case("phi3-longrope-v4", phi3(tie_word_embeddings=True, max_position_embeddings=1024,
             original_max_position_embeddings=32, rope_parameters=longrope(6, partial_rotary_factor=0.75)), v4_keys=True,
             prompts=(1, 17, 31, 32, 33, 100), greedy=(1, 2, 3, 4),
             note="LongRoPE with its switch at 32: prompts below, at and above, decoding across it"),
        Case("phi3-longrope-f32", phi3(max_position_embeddings=256, original_max_position_embeddings=48,
             rope_parameters=longrope(8)), "F32", prompts=(2, 47, 48, 49, 300), greedy=(0, 1, 2, 3),
             note="LongRoPE over whole heads, switch at 48"),
        Case("phi3-longrope-attention-factor", phi3(max_position_embeddings=256, original_max_position_embeddings=64,
             rope_parameters=longrope(8, attention_factor=1.3, factor=4.0)), prompts=(17, 65), greedy=(0, 1),
             note="attention_factor given"),
        Case("phi3-longrope-su-v4", phi3(max_position_embeddings=512, original_max_position_embeddings=40,
             rope_parameters=longrope(8)), v4_keys=True, edit_config=legacy_longrope, prompts=(17, 64), greedy=(0, 1),
             note="the old name su, an original length inside the dictionary that is not used, keys to ignore"),
        Case("phi3-longrope-default-original", phi3(max_position_embeddings=8192, rope_parameters=longrope(8)), v4_keys=True,
             edit_config=drop_original, prompts=(17, 64), greedy=(0,),
             note="no top-level original length: the class's 4096 holds, not the dictionary's 16"),
        Case("phi3-window", phi3(sliding_window=12, num_key_value_heads=4), prompts=(1, 11, 12, 13, 64), greedy=(0, 2, 4),
             note="a window on every layer"),
    ]


GEMMA3_INIT = {
    "embed_tokens.weight": normal(0.07),
    ".norm.weight": uniform(4.0, 8.0),
    "norm": uniform(-0.4, 0.6),
}


def gemma3(**options) -> Gemma3TextConfig:
    settings = dict(
        vocab_size=320, hidden_size=48, intermediate_size=80, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, query_pre_attn_scalar=20, sliding_window=8, max_position_embeddings=512,
        layer_types=["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"],
        **{**BASE, "eos_token_id": 1, "bos_token_id": 2},
    )
    return Gemma3TextConfig(**{**settings, **options})


def gemma3_v4(config: dict) -> None:
    """Keys of the released text files: pattern instead of layer types, two thetas, scaling for full layers."""
    config.pop("layer_types")
    config.pop("_sliding_window_pattern", None)
    config.pop("rope_parameters")
    config.update(sliding_window_pattern=3, rope_theta=500000.0, rope_local_base_freq=5000.0,
                  rope_scaling=dict(rope_type="linear", factor=8.0), torch_dtype=config.pop("dtype"))


def gemma3_multimodal() -> Gemma3Config:
    vision = dict(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2, image_size=8, patch_size=4)
    return Gemma3Config(text_config=gemma3(num_hidden_layers=3, layer_types=["sliding_attention", "full_attention",
                        "sliding_attention"]).to_dict(), vision_config=vision, mm_tokens_per_image=4)


def sparse_text_config(config: dict) -> None:
    """Published multimodal files list in text_config only what differs from the class."""
    text = config["text_config"]
    default = Gemma3TextConfig().to_dict()
    config["text_config"] = {key: value for key, value in text.items()
                             if value != default.get(key) or key in ("model_type",)}
    config["text_config"].pop("dtype", None)
    config["text_config"].pop("rope_parameters", None)
    config["text_config"]["rope_scaling"] = dict(rope_type="linear", factor=8.0)
    config["torch_dtype"] = config.pop("dtype")


def runtime_names(tensors: dict) -> dict:
    """The names that transformers 5 uses while running."""
    renamed = {}
    for name, tensor in tensors.items():
        name = name.replace("language_model.model.", "model.language_model.").replace("language_model.lm_head", "lm_head")
        for part in ("vision_tower.", "multi_modal_projector."):
            if name.startswith(part):
                name = "model." + name
        renamed[name] = tensor
    return renamed


def gemma3_cases() -> list[Case]:
    multimodal = dict(model_class=Gemma3ForConditionalGeneration, init=GEMMA3_INIT)
    return [
        Case("gemma3_text-f32", gemma3(), "F32", prompts=(1, 2, 7, 8, 9, 33, 300), greedy=(0, 3, 5), init=GEMMA3_INIT,
             note="sliding and full layers, window 8 with prompts at its edge, scale of its own, last layer slides"),
        Case("gemma3_text-v4-bf16", gemma3(num_hidden_layers=6, layer_types=None, sliding_window=12), v4_keys=False,
             edit_config=gemma3_v4, prompts=(1, 2, 17, 64), greedy=(2, 3), init=GEMMA3_INIT,
             note="v4 keys: sliding_window_pattern 3, two thetas, linear scaling on full layers only"),
        Case("gemma3_text-softcap-f16", gemma3(final_logit_softcapping=9.0, attn_logit_softcapping=2.0, num_hidden_layers=3,
             layer_types=["full_attention", "sliding_attention", "full_attention"]), "F16", init=GEMMA3_INIT,
             prompts=(1, 17, 33), greedy=(1,), note="soft cap on the logits that bites; the one on scores is not applied"),
        Case("gemma3_text-untied-biases", gemma3(tie_word_embeddings=False, attention_bias=True, num_key_value_heads=1,
             hidden_size=44, head_dim=24), init={**GEMMA3_INIT, "lm_head": normal(0.08)}, note="own head, biases, head_dim 24, hidden 44"),
        Case("gemma3-multimodal", gemma3_multimodal(), edit_config=sparse_text_config, prompts=(1, 2, 17, 33), greedy=(2, 3),
             note="text part of a multimodal file: names, tensors to skip, text_config that lists differences only", **multimodal),
        Case("gemma3-multimodal-runtime-names", gemma3_multimodal(), edit_tensors=runtime_names, prompts=(2, 17), greedy=(1,),
             note="the same under transformers 5's run-time names", **multimodal),
    ]


def cases() -> list[Case]:
    return phi_cases() + gemma3_cases()
