"""Writes small GGUF files of every architecture and tensor type, with what their conversion must give.

Needs: pip install numpy gguf safetensors tokenizers
Usage: python3 make_gguf_fixtures.py ../engine/convert/data

NAME.gguf is the input; NAME.json holds the expected configuration keys, tensors (shape and SHA-256 of the F32 bytes)
and token ids. dequant.safetensors holds random blocks of each type with the floats they stand for. The block values
come from the gguf package, token ids from the tokenizers library (byte-level) or from a direct search for the best
pair (sentencepiece), and the row order from llama.cpp's published permutation, inverted with numpy.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T
from safetensors.numpy import save_file

import gguf_vocabularies as vocabularies

RNG = np.random.default_rng(7)
TYPES = [T.F32, T.F16, T.BF16, T.Q8_0, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q4_K, T.Q5_K, T.Q6_K]
# Where each block keeps its half-precision scales.
SCALES = {T.Q8_0: [0], T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208]}


def random_blocks(kind: T, rows: int, columns: int) -> np.ndarray:
    """Bytes of a matrix whose quantised values are random and whose scales are sane."""
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    if kind in (T.F32, T.F16, T.BF16):
        values = RNG.standard_normal((rows, columns)).astype(np.float32) * np.float32(0.1)
        return gguf.quantize(values, kind)
    blocks = RNG.integers(0, 256, (rows * columns // elements, size), dtype=np.uint8)
    for at in SCALES[kind]:
        scale = (RNG.standard_normal(len(blocks)) * 0.01).astype(np.float16)
        blocks[:, at:at + 2] = scale.view(np.uint8).reshape(-1, 2)
    return blocks.reshape(rows, columns // elements * size)


def dequantised(kind: T, data: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(gguf.dequantize(data, kind)).astype(np.float32)


def write_blocks(folder: Path) -> None:
    tensors = {}
    for kind in TYPES:
        elements, size = gguf.GGML_QUANT_SIZES[kind]
        data = random_blocks(kind, 1, elements * (6 if elements > 1 else 64)).reshape(-1)
        if kind in SCALES:
            # Scales at the edges: zero, negative zero, the smallest and the largest half.
            blocks = data.reshape(-1, size)
            for block, bits in enumerate([0x0000, 0x8000, 0x0001, 0x7bff]):
                for at in SCALES[kind]:
                    blocks[block, at:at + 2] = np.array([bits], dtype=np.uint16).view(np.uint8)
        data = np.ascontiguousarray(data)
        tensors[f"{kind.name}.blocks"] = data.view(np.uint8)
        tensors[f"{kind.name}.values"] = dequantised(kind, data).reshape(-1)
    save_file(tensors, folder / "dequant.safetensors")


def unpermute(weights: np.ndarray, heads: int) -> np.ndarray:
    """From llama.cpp's order of a head's rows (neighbours rotate) to Hugging Face's (halves rotate)."""
    half = weights.shape[0] // heads // 2
    return weights.reshape(heads, half, 2, *weights.shape[1:]).swapaxes(1, 2).reshape(weights.shape)


class Model:
    """Collects tensors of a file and what they must become."""

    def __init__(self, folder: Path, name: str, architecture: str, hidden: int, layers: int, heads: int, kv_heads: int,
                 head_dim: int, wide: int, vocabulary: dict) -> None:
        self.folder, self.name, self.architecture = folder, name, architecture
        self.hidden, self.layers, self.heads, self.kv_heads = hidden, layers, heads, kv_heads
        self.head_dim, self.wide, self.vocabulary = head_dim, wide, vocabulary
        self.writer = gguf.GGUFWriter(folder / f"{name}.gguf", architecture)
        self.expected: dict[str, dict] = {}
        self.config: dict = {}
        w = self.writer
        w.add_context_length(512)
        w.add_block_count(layers)
        w.add_embedding_length(hidden)
        w.add_feed_forward_length(wide)
        w.add_head_count(heads)
        w.add_head_count_kv(kv_heads)
        w.add_layer_norm_rms_eps(1e-5)
        vocabularies.write(w, vocabulary)
        self.config |= dict(hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads, num_key_value_heads=kv_heads,
                            head_dim=head_dim, intermediate_size=wide, max_position_embeddings=512, rms_norm_eps=1e-5,
                            vocab_size=len(vocabulary["tokens"]), tie_word_embeddings=True)

    def tensor(self, name: str, target: str | list[str], shape: list[int], kind: T = T.F32, heads: int = 0,
               plus_one: bool = False) -> None:
        """`target`: the Hugging Face name, or one for each matrix of a stack."""
        rows, columns = int(np.prod(shape[:-1])), shape[-1]
        data = random_blocks(kind, rows, columns)
        if plus_one:
            data = data + np.float32(1)
        values = dequantised(kind, data).reshape(shape)
        if heads:
            values = unpermute(values, heads)
        if plus_one:
            values = values - np.float32(1)
        bytes_shape = [*shape[:-1], data.shape[-1]]
        if kind == T.F32:
            self.writer.add_tensor(name, np.ascontiguousarray(data.reshape(shape)))
        elif kind == T.F16:
            self.writer.add_tensor(name, np.ascontiguousarray(data.view(np.float16).reshape(shape)))
        else:
            self.writer.add_tensor(name, np.ascontiguousarray(data.view(np.uint8).reshape(bytes_shape if kind != T.BF16 else
                                                                                          [*shape[:-1], shape[-1] * 2])), raw_dtype=kind)
        for i, one in enumerate(target if isinstance(target, list) else [target]):
            part = np.ascontiguousarray(values[i] if isinstance(target, list) else values)
            self.expected[one] = dict(shape=list(part.shape), sha256=hashlib.sha256(part.tobytes()).hexdigest())

    def embeddings(self, kind: T = T.Q8_0, untied: bool = False, plus_one: bool = False) -> None:
        rows = len(self.vocabulary["tokens"])
        self.tensor("token_embd.weight", "model.embed_tokens.weight", [rows, self.hidden], kind)
        self.tensor("output_norm.weight", "model.norm.weight", [self.hidden], plus_one=plus_one)
        if untied:
            self.tensor("output.weight", "lm_head.weight", [rows, self.hidden], kind)
            self.config["tie_word_embeddings"] = False

    def attention(self, layer: int, kinds: list[T], permuted: bool, biases: str = "") -> None:
        start, to = f"blk.{layer}.", f"model.layers.{layer}.self_attn."
        q, kv = self.heads * self.head_dim, self.kv_heads * self.head_dim
        for i, (part, target, rows, columns, heads) in enumerate([
                ("attn_q", "q_proj", q, self.hidden, self.heads if permuted else 0),
                ("attn_k", "k_proj", kv, self.hidden, self.kv_heads if permuted else 0),
                ("attn_v", "v_proj", kv, self.hidden, 0), ("attn_output", "o_proj", self.hidden, q, 0)]):
            self.tensor(f"{start}{part}.weight", f"{to}{target}.weight", [rows, columns], kinds[i % len(kinds)], heads)
            if target[0] in biases:
                self.tensor(f"{start}{part}.bias", f"{to}{target}.bias", [rows], heads=heads)

    def mlp(self, layer: int, kinds: list[T]) -> None:
        for i, (part, target, shape) in enumerate([("gate", "gate_proj", [self.wide, self.hidden]),
                                                   ("up", "up_proj", [self.wide, self.hidden]),
                                                   ("down", "down_proj", [self.hidden, self.wide])]):
            self.tensor(f"blk.{layer}.ffn_{part}.weight", f"model.layers.{layer}.mlp.{target}.weight", shape, kinds[i % len(kinds)])

    def experts(self, layer: int, count: int, wide: int, block: str, names: list[str], kinds: list[T]) -> None:
        to = f"model.layers.{layer}.{block}."
        self.tensor(f"blk.{layer}.ffn_gate_inp.weight", f"{to}gate.weight", [count, self.hidden])
        for i, (part, target, shape) in enumerate([("gate", names[0], [count, wide, self.hidden]), ("up", names[1], [count, wide, self.hidden]),
                                                   ("down", names[2], [count, self.hidden, wide])]):
            self.tensor(f"blk.{layer}.ffn_{part}_exps.weight", [f"{to}experts.{e}.{target}.weight" for e in range(count)], shape,
                        kinds[i % len(kinds)])

    def norms(self, layer: int, names: dict[str, tuple[str, int]], plus_one: bool = False) -> None:
        for part, (target, size) in names.items():
            self.tensor(f"blk.{layer}.{part}.weight", f"model.layers.{layer}.{target}.weight", [size], plus_one=plus_one)

    def plain_norms(self, layer: int, head_norms: bool = False) -> None:
        names = {"attn_norm": ("input_layernorm", self.hidden), "ffn_norm": ("post_attention_layernorm", self.hidden)}
        if head_norms:
            names |= {"attn_q_norm": ("self_attn.q_norm", self.head_dim), "attn_k_norm": ("self_attn.k_norm", self.head_dim)}
        self.norms(layer, names)

    def finish(self) -> None:
        self.writer.write_header_to_file()
        self.writer.write_kv_data_to_file()
        self.writer.write_tensors_to_file()
        self.writer.close()
        ids = [dict(text=text, ids=vocabularies.encode(self.vocabulary, text)) for text in vocabularies.TEXTS]
        out = dict(config=self.config, tensors=self.expected, ids=ids)
        (self.folder / f"{self.name}.json").write_text(json.dumps(out, indent=1, ensure_ascii=False) + "\n")


def llama3_factors(dim: int, theta: float, factor: float, low: float, high: float, original: float) -> np.ndarray:
    wave = 2 * np.pi * theta ** (np.arange(0, dim, 2, dtype=np.float64) / dim)
    smooth = (original / wave - low) / (high - low)
    blended = 1 / ((1 - smooth) / factor + smooth)
    return np.where(wave < original / high, 1.0, np.where(wave > original / low, factor, blended)).astype(np.float32)


def llama_all_types(folder: Path) -> None:
    model = Model(folder, "llama_types", "llama", 256, 2, 4, 1, 64, 64, vocabularies.byte_level("llama-bpe"))
    model.writer.add_rope_freq_base(500000.0)
    model.writer.add_rope_dimension_count(64)
    model.writer.add_tensor("rope_freqs.weight", llama3_factors(64, 500000.0, 8, 1, 4, 8192))
    model.embeddings(T.Q5_1)
    model.plain_norms(0)
    model.attention(0, [T.Q4_K, T.Q5_K, T.Q6_K, T.Q8_0], True)
    model.mlp(0, [T.Q4_0, T.Q4_1, T.Q5_0])
    model.plain_norms(1)
    model.attention(1, [T.Q6_K, T.F16, T.BF16, T.Q4_0], True)
    model.mlp(1, [T.Q4_K, T.Q5_K, T.Q5_1])
    model.config |= dict(model_type="llama", rope_theta=500000.0, rope_scaling=dict(
        rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=8192))
    model.finish()


def llama_biases(folder: Path) -> None:
    """Biases everywhere in attention, digits split one by one, and version 2 of the format."""
    model = Model(folder, "llama_v2_biases", "llama", 32, 2, 4, 2, 8, 48, vocabularies.byte_level("smollm"))
    model.embeddings(T.F32, untied=True)
    for layer in range(2):
        model.plain_norms(layer)
        model.attention(layer, [T.F32, T.F16], True, biases="qkvo")
        model.mlp(layer, [T.F32])
    model.config |= dict(model_type="llama", rope_theta=10000.0, rope_scaling=None, attention_bias=True)
    model.finish()
    path = folder / "llama_v2_biases.gguf"
    data = bytearray(path.read_bytes())
    data[4] = 2  # little-endian files of versions 2 and 3 are the same
    path.write_bytes(data)


def mixtral(folder: Path) -> None:
    model = Model(folder, "mixtral", "llama", 32, 2, 4, 2, 8, 64, vocabularies.sentencepiece())
    model.writer.add_expert_count(3)
    model.writer.add_expert_used_count(2)
    model.embeddings(T.Q4_0, untied=True)
    for layer in range(2):
        model.plain_norms(layer)
        model.attention(layer, [T.Q8_0], True)
        model.experts(layer, 3, 64, "block_sparse_moe", ["w1", "w3", "w2"], [T.Q5_0, T.Q8_0, T.F16])
    model.config |= dict(model_type="mixtral", num_local_experts=3, num_experts_per_tok=2, rope_theta=10000.0, rope_scaling=None)
    model.finish()


def qwen2(folder: Path) -> None:
    model = Model(folder, "qwen2", "qwen2", 32, 1, 4, 2, 8, 64, vocabularies.byte_level("qwen2"))
    model.writer.add_rope_freq_base(1000000.0)
    model.writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
    model.writer.add_rope_scaling_factor(4.0)
    model.writer.add_rope_scaling_orig_ctx_len(128)
    model.embeddings(T.BF16, untied=True)
    model.plain_norms(0)
    model.attention(0, [T.BF16], False, biases="qkv")
    model.mlp(0, [T.Q4_1])
    model.config |= dict(model_type="qwen2", rope_theta=1000000.0,
                         rope_scaling=dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=128))
    model.finish()


def qwen3(folder: Path) -> None:
    model = Model(folder, "qwen3", "qwen3", 32, 2, 4, 2, 16, 64, vocabularies.byte_level("default"))
    model.writer.add_rope_freq_base(1000000.0)
    model.writer.add_key_length(16)
    model.writer.add_value_length(16)
    model.embeddings(T.Q8_0)
    for layer in range(2):
        model.plain_norms(layer, head_norms=True)
        model.attention(layer, [T.Q8_0], False)
        model.mlp(layer, [T.Q8_0])
    model.config |= dict(model_type="qwen3", rope_theta=1000000.0, rope_scaling=None)
    model.finish()


def qwen3_moe(folder: Path) -> None:
    model = Model(folder, "qwen3moe", "qwen3moe", 32, 2, 4, 1, 16, 96, vocabularies.byte_level("qwen2"))
    w = model.writer
    w.add_rope_freq_base(1000000.0)
    w.add_key_length(16)
    w.add_value_length(16)
    w.add_expert_count(4)
    w.add_expert_used_count(2)
    w.add_expert_feed_forward_length(32)
    model.embeddings(T.Q8_0, untied=True)
    for layer in range(2):
        model.plain_norms(layer, head_norms=True)
        model.attention(layer, [T.Q8_0], False)
        model.experts(layer, 4, 32, "mlp", ["gate_proj", "up_proj", "down_proj"], [T.Q4_0, T.Q4_1, T.Q5_1])
    model.config |= dict(model_type="qwen3_moe", num_experts=4, num_experts_per_tok=2, moe_intermediate_size=32, norm_topk_prob=True,
                         rope_theta=1000000.0, rope_scaling=None)
    model.finish()


def gemma3(folder: Path) -> None:
    model = Model(folder, "gemma3", "gemma3", 32, 7, 2, 1, 16, 64, vocabularies.gemma())
    w = model.writer
    w.add_rope_freq_base(1000000.0)
    w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
    w.add_rope_scaling_factor(8.0)
    w.add_key_length(16)
    w.add_value_length(16)
    w.add_sliding_window(128)
    model.embeddings(T.Q8_0, plus_one=True)
    for layer in range(7):
        model.norms(layer, {"attn_norm": ("input_layernorm", 32), "post_attention_norm": ("post_attention_layernorm", 32),
                            "ffn_norm": ("pre_feedforward_layernorm", 32), "post_ffw_norm": ("post_feedforward_layernorm", 32),
                            "attn_q_norm": ("self_attn.q_norm", 16), "attn_k_norm": ("self_attn.k_norm", 16)}, plus_one=True)
        model.attention(layer, [T.Q8_0], False)
        model.mlp(layer, [T.Q4_0])
    model.config |= dict(model_type="gemma3_text", rope_theta=1000000.0, rope_local_base_freq=10000.0, sliding_window=128,
                         query_pre_attn_scalar=16, rope_scaling=dict(rope_type="linear", factor=8.0),
                         layer_types=["full_attention" if i == 5 else "sliding_attention" for i in range(7)])
    model.finish()


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    write_blocks(folder)
    for make in (llama_all_types, llama_biases, mixtral, qwen2, qwen3, qwen3_moe, gemma3):
        make(folder)


if __name__ == "__main__":
    main()
