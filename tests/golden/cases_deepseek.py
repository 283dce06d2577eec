"""Golden cases of DeepSeek-V2 and V3: latent attention, limited groups, FP8 block scales."""

from __future__ import annotations

import json
import os
import shutil
import tempfile

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import DeepseekV2Config, DeepseekV3Config

from golden_case import AttentionLayer, Case
from golden_weights import normal

BASE = dict(
    vocab_size=320, hidden_size=48, intermediate_size=64, moe_intermediate_size=20, num_hidden_layers=3, num_attention_heads=4,
    kv_lora_rank=20, qk_nope_head_dim=12, qk_rope_head_dim=8, v_head_dim=10, n_shared_experts=2, n_routed_experts=8,
    num_experts_per_tok=3, first_k_dense_replace=1, max_position_embeddings=512, bos_token_id=1, eos_token_id=2, pad_token_id=0,
    tie_word_embeddings=False,
)


def v2(**options) -> DeepseekV2Config:
    settings = {**BASE, "q_lora_rank": None, **options}
    return DeepseekV2Config(num_key_value_heads=settings["num_attention_heads"], **settings)


def v3(**options) -> DeepseekV3Config:
    settings = dict(BASE, q_lora_rank=24, n_shared_experts=1, n_group=4, topk_group=2, routed_scaling_factor=2.5)
    settings.update(options)
    return DeepseekV3Config(num_key_value_heads=settings["num_attention_heads"], **settings)


def attention(config) -> list[AttentionLayer]:
    sizes = config.qk_nope_head_dim + config.qk_rope_head_dim + config.v_head_dim
    return [AttentionLayer(config.num_attention_heads, sizes)] * config.num_hidden_layers


def expansion_of_old_latents(config, length: int) -> int:
    """transformers caches latents and expands all of them again in every step; only the new one counts."""
    expanded = config.num_attention_heads * (config.qk_nope_head_dim + config.v_head_dim)
    return -2 * config.kv_lora_rank * expanded * length * config.num_hidden_layers


def yarn(**options) -> dict:
    return dict(rope_type="yarn", rope_theta=10000.0, factor=8.0, original_max_position_embeddings=64, **options)


FP8_KEPT = ("embed_tokens", "lm_head", "norm", "mlp.gate.")


def to_fp8(block: tuple[int, int]):
    """Stores the projections as F8_E4M3 with one fp32 factor a block, edges included, as the native files do."""

    def edit(tensors: dict) -> dict:
        out = {}
        for name, tensor in tensors.items():
            if tensor.dim() != 2 or any(part in name for part in FP8_KEPT):
                out[name] = tensor
                continue
            rows, columns = tensor.shape
            factors = torch.empty(-(-rows // block[0]), -(-columns // block[1]))
            stored = torch.empty(rows, columns, dtype=torch.float8_e4m3fn)
            for i in range(factors.shape[0]):
                for j in range(factors.shape[1]):
                    part = (slice(i * block[0], (i + 1) * block[0]), slice(j * block[1], (j + 1) * block[1]))
                    factors[i, j] = tensor[part].float().abs().max() / 448.0
                    stored[part] = (tensor[part].float() / factors[i, j]).to(torch.float8_e4m3fn)
            out[name] = stored
            out[name + "_scale_inv"] = factors
        return out

    return edit


def fp8_config(block: tuple[int, int]):
    def edit(config: dict) -> None:
        config["quantization_config"] = dict(activation_scheme="dynamic", fmt="e4m3", quant_method="fp8", weight_block_size=list(block))

    return edit


def from_dequantised(block: tuple[int, int]):
    """The reference for FP8 files: transformers on the same numbers, written out in fp32."""

    def reference(case: Case, directory: str):
        tensors = load_file(os.path.join(directory, "model.safetensors"))
        plain = {}
        for name, tensor in tensors.items():
            if name.endswith("_scale_inv"):
                continue
            factors = tensors.get(name + "_scale_inv")
            value = tensor.float()
            if factors is not None:
                grown = factors.repeat_interleave(block[0], 0).repeat_interleave(block[1], 1)
                value = value * grown[: value.shape[0], : value.shape[1]]
            plain[name] = value.contiguous()
        scratch = tempfile.mkdtemp()
        try:
            save_file(plain, os.path.join(scratch, "model.safetensors"), metadata={"format": "pt"})
            with open(os.path.join(directory, "config.json")) as file:
                config = json.load(file)
            config.pop("quantization_config")
            with open(os.path.join(scratch, "config.json"), "w") as file:
                json.dump(config, file)
            return transformers.AutoModelForCausalLM.from_pretrained(
                scratch, dtype=torch.float32, attn_implementation="eager", experts_implementation="eager"
            ).eval()
        finally:
            shutil.rmtree(scratch)

    return reference


def fp32_bias_and_prediction_layer(tensors: dict) -> dict:
    """The correction bias stays fp32 in published files, and a layer behind the last one predicts further tokens."""
    generator = torch.Generator().manual_seed(3)
    for name in list(tensors):
        if name.endswith("e_score_correction_bias"):
            tensors[name] = tensors[name].float() + torch.randn(tensors[name].shape, generator=generator) * 1e-3
    tensors["model.layers.3.eh_proj.weight"] = torch.zeros(4, 8, dtype=torch.bfloat16)
    tensors["model.layers.3.self_attn.o_proj.weight"] = torch.zeros(4, 4, dtype=torch.bfloat16)
    tensors["model.layers.3.mlp.gate.weight"] = torch.zeros(2, 4, dtype=torch.bfloat16)
    return tensors


def cases() -> list[Case]:
    v3_init = {"correction_bias": normal(0.4)}
    common = dict(attention=attention, decode_correction=expansion_of_old_latents)
    third = dict(init=v3_init, **common)
    return [
        Case("deepseek_v2-f32", v2(), "F32", prompts=(1, 2, 17, 33, 300), greedy=(0, 2, 4),
             note="no query latent, greedy routing with raw weights, two shared experts, first layer dense", **common),
        Case("deepseek_v2-groups-bf16", v2(q_lora_rank=24, topk_method="group_limited_greedy", n_group=4, topk_group=2,
             n_routed_experts=12, routed_scaling_factor=1.7, norm_topk_prob=True), prompts=(1, 2, 17, 64), greedy=(2, 3),
             note="query latent, limited groups, scaled weights; norm_topk_prob is not read", **common),
        Case("deepseek_v2-yarn-v4", v2(rope_parameters=yarn(mscale=0.707, mscale_all_dim=0.707), first_k_dense_replace=2),
             v4_keys=True, prompts=(1, 2, 17, 127), greedy=(2, 3), note="YaRN with mscale in the scale of scores, two dense layers",
             **common),
        Case("deepseek_v2-biases-f16", v2(q_lora_rank=16, attention_bias=True, rope_parameters=yarn(mscale=1.0, mscale_all_dim=0.5),
             num_attention_heads=3, v_head_dim=14), "F16", prompts=(1, 2, 17, 33), greedy=(2,),
             note="biases of q_a, kv_a and o; mscale and mscale_all_dim differ", **common),
        Case("deepseek_v2-packed-one", v2(num_experts_per_tok=1, n_shared_experts=1, vocab_size=503), packed_experts=True,
             prompts=(2, 33), greedy=(1,), note="packed experts, one a token", **common),
        Case("deepseek_v3-f32", v3(), "F32", prompts=(1, 2, 17, 33, 300), greedy=(0, 2, 4),
             note="sigmoid scores, correction bias for the choice only, groups by their two best", **third),
        Case("deepseek_v3-bf16-v4", v3(n_routed_experts=12, n_group=3, topk_group=1, num_experts_per_tok=2, norm_topk_prob=False,
             rope_parameters=yarn(mscale=1.0, mscale_all_dim=1.0)), v4_keys=True, edit_tensors=fp32_bias_and_prediction_layer,
             prompts=(1, 2, 17, 127), greedy=(2, 3), note="fp32 bias, raw weights, YaRN, tensors of a prediction layer", **third),
        Case("deepseek_v3-half-split", v3(rope_interleave=False, q_lora_rank=None, n_group=1, topk_group=1), "F16",
             prompts=(1, 2, 17, 33), greedy=(2,), note="rope_interleave false, no query latent, one group", **third),
        Case("deepseek_v3-yarn-all-dim-only", v3(rope_parameters=yarn(mscale_all_dim=1.0), first_k_dense_replace=0, num_hidden_layers=2),
             prompts=(2, 64), greedy=(1,), note="mscale_all_dim alone: both factors apply; no dense layer", **third),
        Case("deepseek_v3-fp8", v3(hidden_size=136, vocab_size=200, num_hidden_layers=2, intermediate_size=132),
             edit_config=fp8_config((128, 128)), edit_tensors=to_fp8((128, 128)), reference=from_dequantised((128, 128)),
             prompts=(2, 17), greedy=(1,), note="F8_E4M3 projections with a factor per block of 128 x 128, cut at the edges", **third),
    ]
