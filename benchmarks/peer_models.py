#!/usr/bin/env python3
"""Writes GGUF files of random weights at a model's real shapes, for timing llama.cpp and its kin.

    pip install gguf numpy
    peer_models.py CONFIG.json OUT.gguf --type bf16|q8_0|q4_0 [--layers N]

Knows qwen3, qwen3_moe, phi3 and gemma4 configurations. As llama-quantize does, q4_0 keeps the head (or the embedding it
shares) in q6_k, and routers stay in f32. Blocks are random bits with sane scales: for timing, not for text.
"""
import argparse
import json

import gguf
import numpy as np

Q = gguf.GGMLQuantizationType
TYPES = {"bf16": Q.BF16, "q8_0": Q.Q8_0, "q4_0": Q.Q4_0}
RNG = np.random.default_rng(1)
POOL = 1 << 22  # random numbers or blocks that tensors repeat


def bf16_pool():
    return ((RNG.standard_normal(POOL) * 0.02).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)


def block_pool(kind: Q) -> np.ndarray:
    """Random blocks, each with a half-precision scale that makes numbers of deviation near 0.02."""
    size, scale_at, scale = {Q.Q8_0: (34, 0, 3e-4), Q.Q4_0: (18, 0, 4e-3), Q.Q6_K: (210, 208, 2e-5)}[kind]
    blocks = RNG.integers(0, 256, (POOL // 32, size), dtype=np.uint8)
    blocks[:, scale_at:scale_at + 2] = np.full((len(blocks), 1), scale, np.float16).view(np.uint8)
    return blocks.reshape(-1)


class Writer:
    def __init__(self, path: str, arch: str, kind: str):
        self.out = gguf.GGUFWriter(path, arch)
        self.kind = TYPES[kind]
        self.pools = {}

    def matrix(self, name: str, *shape: int, kind: Q | None = None):
        kind = self.kind if kind is None else kind
        if kind == Q.F32:
            self.out.add_tensor(name, (RNG.standard_normal(shape) * 0.02).astype(np.float32))
            return
        if kind not in self.pools:
            self.pools[kind] = bf16_pool() if kind == Q.BF16 else block_pool(kind)
        block, size = gguf.GGML_QUANT_SIZES[kind]
        row = shape[-1] // block * size
        data = np.resize(self.pools[kind], (*shape[:-1], row))
        self.out.add_tensor(name, data, raw_dtype=kind)

    def head_matrix(self, name: str, rows: int, cols: int):
        self.matrix(name, rows, cols, kind=Q.Q6_K if self.kind == Q.Q4_0 else None)

    def vector(self, name: str, size: int, value: float | None = None):
        data = 1 + 0.1 * RNG.standard_normal(size) if value is None else np.full(size, value)
        self.out.add_tensor(name, data.astype(np.float32))

    def router(self, name: str, experts: int, hidden: int):
        """Rows of different lengths, so that some experts are more popular than others, as in moe-bench."""
        lengths = 0.75 + 0.5 * ((0.618034 * np.arange(experts)) % 1.0)
        self.out.add_tensor(name, (RNG.standard_normal((experts, hidden)) * 0.02 * lengths[:, None]).astype(np.float32))


def common(w: Writer, c: dict, layers: int, ff):
    o = w.out
    o.add_block_count(layers)
    o.add_context_length(c["max_position_embeddings"])
    o.add_embedding_length(c["hidden_size"])
    o.add_feed_forward_length(ff)
    o.add_head_count(c["num_attention_heads"])
    o.add_layer_norm_rms_eps(c["rms_norm_eps"])
    o.add_vocab_size(c["vocab_size"])
    o.add_tokenizer_model("no_vocab")
    w.head_matrix("token_embd.weight", c["vocab_size"], c["hidden_size"]) if c.get("tie_word_embeddings") else w.matrix(
        "token_embd.weight", c["vocab_size"], c["hidden_size"])
    if not c.get("tie_word_embeddings"):
        w.head_matrix("output.weight", c["vocab_size"], c["hidden_size"])
    w.vector("output_norm.weight", c["hidden_size"])


def attention(w: Writer, p: str, hidden: int, heads: int, kv: int, dim: int, value: bool = True, norms: bool = True):
    w.matrix(p + "attn_q.weight", heads * dim, hidden)
    w.matrix(p + "attn_k.weight", kv * dim, hidden)
    if value:
        w.matrix(p + "attn_v.weight", kv * dim, hidden)
    w.matrix(p + "attn_output.weight", hidden, heads * dim)
    if norms:
        w.vector(p + "attn_q_norm.weight", dim)
        w.vector(p + "attn_k_norm.weight", dim)


def gated(w: Writer, p: str, hidden: int, ff: int):
    w.matrix(p + "ffn_gate.weight", ff, hidden)
    w.matrix(p + "ffn_up.weight", ff, hidden)
    w.matrix(p + "ffn_down.weight", hidden, ff)


def qwen3(w: Writer, c: dict, layers: int):
    hidden, dim = c["hidden_size"], c["head_dim"]
    moe = c["model_type"] == "qwen3_moe"
    common(w, c, layers, c["intermediate_size"])
    w.out.add_head_count_kv(c["num_key_value_heads"])
    w.out.add_key_length(dim)
    w.out.add_value_length(dim)
    w.out.add_rope_freq_base(c["rope_theta"])
    if moe:
        experts, ff = c["num_experts"], c["moe_intermediate_size"]
        w.out.add_expert_count(experts)
        w.out.add_expert_used_count(c["num_experts_per_tok"])
        w.out.add_expert_feed_forward_length(ff)
    for i in range(layers):
        p = f"blk.{i}."
        w.vector(p + "attn_norm.weight", hidden)
        attention(w, p, hidden, c["num_attention_heads"], c["num_key_value_heads"], dim)
        w.vector(p + "ffn_norm.weight", hidden)
        if not moe:
            gated(w, p, hidden, c["intermediate_size"])
            continue
        w.router(p + "ffn_gate_inp.weight", experts, hidden)
        w.matrix(p + "ffn_gate_exps.weight", experts, ff, hidden)
        w.matrix(p + "ffn_up_exps.weight", experts, ff, hidden)
        w.matrix(p + "ffn_down_exps.weight", experts, hidden, ff)


def phi3(w: Writer, c: dict, layers: int):
    hidden, heads, kv, ff = c["hidden_size"], c["num_attention_heads"], c["num_key_value_heads"], c["intermediate_size"]
    dim = hidden // heads
    rotary = int(c.get("partial_rotary_factor", 1) * dim)
    common(w, c, layers, ff)
    w.out.add_head_count_kv(kv)
    w.out.add_rope_dimension_count(rotary)
    w.out.add_rope_freq_base(c["rope_theta"])
    w.out.add_rope_scaling_orig_ctx_len(c["original_max_position_embeddings"])
    w.out.add_rope_scaling_attn_factors(1.19)
    w.out.add_sliding_window(c.get("sliding_window") or 0)
    for kind in ("long", "short"):
        w.vector(f"rope_factors_{kind}.weight", rotary // 2, 1.0)
    for i in range(layers):
        p = f"blk.{i}."
        w.vector(p + "attn_norm.weight", hidden)
        w.matrix(p + "attn_qkv.weight", (heads + 2 * kv) * dim, hidden)
        w.matrix(p + "attn_output.weight", hidden, heads * dim)
        w.vector(p + "ffn_norm.weight", hidden)
        w.matrix(p + "ffn_up.weight", 2 * ff, hidden)
        w.matrix(p + "ffn_down.weight", hidden, ff)


def gemma4(w: Writer, c: dict, layers: int):
    hidden, heads, ff = c["hidden_size"], c["num_attention_heads"], c["intermediate_size"]
    sliding = [t == "sliding_attention" for t in c["layer_types"][:layers]]
    kv_full = c.get("num_global_key_value_heads") or c["num_key_value_heads"]
    own = c["num_hidden_layers"] - c["num_kv_shared_layers"]
    assert layers <= own, "layers that share a cache are left out"
    common(w, c, layers, [ff] * layers)
    o = w.out
    o.add_head_count_kv([c["num_key_value_heads"] if s else kv_full for s in sliding])
    o.add_shared_kv_layers(0)
    width = c.get("hidden_size_per_layer_input") or 0
    o.add_embedding_length_per_layer_input(width)
    o.add_sliding_window(c["sliding_window"])
    o.add_sliding_window_pattern(sliding)
    o.add_key_length(c["global_head_dim"])
    o.add_value_length(c["global_head_dim"])
    o.add_key_length_swa(c["head_dim"])
    o.add_value_length_swa(c["head_dim"])
    o.add_rope_freq_base(c["rope_parameters"]["full_attention"]["rope_theta"])
    o.add_rope_freq_base_swa(c["rope_parameters"]["sliding_attention"]["rope_theta"])
    o.add_rope_dimension_count(c["global_head_dim"])
    o.add_rope_dimension_count_swa(c["head_dim"])
    if c.get("final_logit_softcapping"):
        o.add_final_logit_softcapping(c["final_logit_softcapping"])
    experts = c.get("num_experts") if c.get("enable_moe_block") else None
    if experts:
        o.add_expert_count(experts)
        o.add_expert_used_count(c["top_k_experts"])
        o.add_expert_feed_forward_length(c["moe_intermediate_size"])
    w.vector("rope_freqs.weight", c["global_head_dim"] // 2, 1.0)
    if width:
        w.matrix("per_layer_token_embd.weight", c["vocab_size_per_layer_input"], width * layers)
        w.matrix("per_layer_model_proj.weight", width * layers, hidden, kind=Q.BF16)
        w.vector("per_layer_proj_norm.weight", width)
    for i in range(layers):
        p = f"blk.{i}."
        dim = c["head_dim"] if sliding[i] else c["global_head_dim"]
        kv = c["num_key_value_heads"] if sliding[i] else kv_full
        w.vector(p + "attn_norm.weight", hidden)
        attention(w, p, hidden, heads, kv, dim, value=sliding[i] or not c.get("attention_k_eq_v"))
        w.vector(p + "post_attention_norm.weight", hidden)
        w.vector(p + "ffn_norm.weight", hidden)
        gated(w, p, hidden, ff)
        w.vector(p + "post_ffw_norm.weight", hidden)
        w.vector(p + "layer_output_scale.weight", 1)
        if experts:
            width_e = c["moe_intermediate_size"]
            w.router(p + "ffn_gate_inp.weight", experts, hidden)
            w.vector(p + "ffn_gate_inp.scale", hidden)
            w.vector(p + "pre_ffw_norm_2.weight", hidden)
            w.vector(p + "post_ffw_norm_1.weight", hidden)
            w.vector(p + "post_ffw_norm_2.weight", hidden)
            w.matrix(p + "ffn_gate_up_exps.weight", experts, 2 * width_e, hidden)
            w.matrix(p + "ffn_down_exps.weight", experts, hidden, width_e)
            w.vector(p + "ffn_down_exps.scale", experts)
        if width:
            w.matrix(p + "inp_gate.weight", width, hidden)
            w.matrix(p + "proj.weight", hidden, width)
            w.vector(p + "post_norm.weight", hidden)


FAMILIES = {"qwen3": ("qwen3", qwen3), "qwen3_moe": ("qwen3moe", qwen3), "phi3": ("phi3", phi3), "gemma4": ("gemma4", gemma4),
            "gemma4_text": ("gemma4", gemma4)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("out")
    parser.add_argument("--type", choices=TYPES, required=True)
    parser.add_argument("--layers", type=int)
    options = parser.parse_args()
    with open(options.config) as file:
        c = json.load(file)
    c = {**c, **c.get("text_config", {})}
    arch, write = FAMILIES[c["model_type"]]
    w = Writer(options.out, arch, options.type)
    w.out.add_file_type({"bf16": gguf.LlamaFileType.MOSTLY_BF16, "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
                         "q4_0": gguf.LlamaFileType.MOSTLY_Q4_0}[options.type])
    write(w, c, options.layers or c["num_hidden_layers"])
    w.out.write_header_to_file()
    w.out.write_kv_data_to_file()
    w.out.write_tensors_to_file()
    w.out.close()


if __name__ == "__main__":
    main()
