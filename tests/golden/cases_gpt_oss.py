"""Golden cases of gpt-oss: sinks, biases, clamped SwiGLU, MXFP4 experts, YaRN that does not truncate."""

from __future__ import annotations

import torch
from transformers import GptOssConfig

from golden_case import Case
from golden_weights import normal

MXFP4_VALUES = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0])
YARN = dict(rope_type="yarn", rope_theta=150000.0, factor=8.0, beta_fast=32.0, beta_slow=1.0, truncate=False,
            original_max_position_embeddings=64)


def gpt_oss(**options) -> GptOssConfig:
    settings = dict(
        vocab_size=320, hidden_size=48, intermediate_size=24, num_hidden_layers=3, head_dim=16, num_attention_heads=4,
        num_key_value_heads=2, num_local_experts=6, num_experts_per_tok=3, sliding_window=8, max_position_embeddings=512,
        rope_parameters=YARN, bos_token_id=1, eos_token_id=2, pad_token_id=0, tie_word_embeddings=False,
    )
    return GptOssConfig(**{**settings, **options})


def to_mxfp4(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """[E, inputs, outputs] -> blocks u8 [E, outputs, inputs / 32, 16] and scales u8 [E, outputs, inputs / 32]."""
    grouped = weight.float().transpose(1, 2).unflatten(-1, (-1, 32))
    exponent = torch.ceil(torch.log2(grouped.abs().amax(-1).clamp_min(1e-30) / 6.0))
    scaled = grouped / torch.exp2(exponent)[..., None]
    code = (scaled.abs()[..., None] - MXFP4_VALUES).abs().argmin(-1)
    code = (code + 8 * (scaled < 0)).to(torch.uint8)
    return code[..., 0::2] | (code[..., 1::2] << 4), (exponent + 127).to(torch.uint8)


def mxfp4_tensors(tensors: dict) -> dict:
    out = {}
    for name, tensor in tensors.items():
        if name.endswith(("experts.gate_up_proj", "experts.down_proj")):
            out[name + "_blocks"], out[name + "_scales"] = to_mxfp4(tensor)
        else:
            out[name] = tensor
    return out


def mxfp4_config(config: dict) -> None:
    config["quantization_config"] = dict(
        quant_method="mxfp4",
        modules_to_not_convert=["model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"],
    )


def without_layer_types(config: dict) -> None:
    for key in ("layer_types", "rope_scaling", "rope_theta", "swiglu_limit", "swiglu_alpha", "attention_bias", "rms_norm_eps"):
        config.pop(key, None)


def cases() -> list[Case]:
    # Gates that reach the clamps of +-7 and of the small limit.
    init = {"gate_up_proj_bias": normal(1.0)}
    strong = {**init, "experts.gate_up_proj": normal(0.6)}
    return [
        Case("gpt_oss-f32", gpt_oss(), "F32", prompts=(1, 2, 7, 8, 9, 33, 300), greedy=(0, 3, 5), init=init,
             note="sinks, biases, windows on even layers, YaRN without truncation"),
        Case("gpt_oss-bf16-v4", gpt_oss(rope_parameters=None, sliding_window=16), v4_keys=True, edit_config=without_layer_types,
             prompts=(1, 2, 17, 127), greedy=(2, 3), init=strong, note="class defaults: alternating windows, YaRN, limit 7"),
        Case("gpt_oss-small-limit", gpt_oss(swiglu_limit=0.9, swiglu_alpha=1.3, layer_types=["full_attention", "full_attention",
             "sliding_attention"]), "F16", prompts=(1, 2, 17, 33), greedy=(2,), init=strong,
             note="limit 0.9 (one-sided clamp of the gate shows), alpha 1.3, layer_types given"),
        Case("gpt_oss-no-attention-bias", gpt_oss(attention_bias=False, hidden_size=48, intermediate_size=48, num_experts_per_tok=6,
             vocab_size=503, num_hidden_layers=2), prompts=(2, 33), greedy=(1,), init=init,
             note="no attention biases, k = E, experts as wide as the model: orientation cannot be read from the shape"),
        Case("gpt_oss-mxfp4", gpt_oss(hidden_size=64, intermediate_size=32, num_local_experts=4, num_experts_per_tok=2),
             edit_config=mxfp4_config, edit_tensors=mxfp4_tensors, prompts=(1, 2, 17, 33), greedy=(2, 3), init=init,
             note="MXFP4 experts"),
        Case("gpt_oss-mxfp4-square-one", gpt_oss(hidden_size=64, intermediate_size=64, num_local_experts=3, num_experts_per_tok=1,
             num_hidden_layers=2), edit_config=mxfp4_config, edit_tensors=mxfp4_tensors, prompts=(2, 17), greedy=(1,), init=strong,
             note="MXFP4, hidden = expert width as released, one expert a token"),
    ]
