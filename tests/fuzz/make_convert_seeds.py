"""Writes the seed corpora of the conversion fuzz targets: GGUF and llama2.c files, right and wrong, a few hundred bytes each.

Usage: python3 make_convert_seeds.py [corpus folder]
"""
import struct
import sys
from pathlib import Path

CORPUS = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "corpus"
U8, U32, I32, F32, BOOL, STRING, ARRAY, U64 = 0, 4, 5, 6, 7, 8, 9, 10


def put(target: str, name: str, data: bytes) -> None:
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def key(name: str, kind: int, value: bytes) -> bytes:
    return text(name) + struct.pack("<I", kind) + value


def u32(name: str, value: int) -> bytes:
    return key(name, U32, struct.pack("<I", value))


def strings(name: str, values: list[str]) -> bytes:
    return key(name, ARRAY, struct.pack("<IQ", STRING, len(values)) + b"".join(map(text, values)))


def numbers(name: str, kind: int, letter: str, values: list) -> bytes:
    return key(name, ARRAY, struct.pack("<IQ", kind, len(values)) + struct.pack(f"<{len(values)}{letter}", *values))


def file_of(keys: list[bytes], tensors: list[tuple[str, list[int], int, int]], version: int = 3, counts: tuple[int, int] | None = None) -> bytes:
    """`tensors`: name, shape (slowest first), type, bytes."""
    n_tensors, n_keys = counts or (len(tensors), len(keys))
    out = b"GGUF" + struct.pack("<IQQ", version, n_tensors, n_keys) + b"".join(keys)
    offset, data = 0, b""
    for name, shape, kind, size in tensors:
        out += text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *reversed(shape)) + struct.pack("<IQ", kind, offset)
        padded = (size + 31) // 32 * 32
        data += bytes(i * 37 % 251 for i in range(size)) + bytes(padded - size)
        offset += padded
    return out + bytes(-len(out) % 32) + data


def llama(architecture: str = "llama", hidden: int = 4, heads: int = 2, tokens: int = 6, model: str = "gpt2") -> bytes:
    a = architecture
    keys = [key("general.architecture", STRING, text(a)), u32(f"{a}.block_count", 1), u32(f"{a}.context_length", 16),
            u32(f"{a}.embedding_length", hidden), u32(f"{a}.feed_forward_length", hidden), u32(f"{a}.attention.head_count", heads),
            key(f"{a}.attention.layer_norm_rms_epsilon", F32, struct.pack("<f", 1e-5)), key("tokenizer.ggml.model", STRING, text(model)),
            strings("tokenizer.ggml.tokens", ["<s>", "a", "b", "ab", "  ", "\u2581a"][:tokens]),
            numbers("tokenizer.ggml.token_type", I32, "i", [3, 1, 1, 1, 4, 1][:tokens]), u32("tokenizer.ggml.bos_token_id", 0)]
    keys += [strings("tokenizer.ggml.merges", ["a b"])] if model == "gpt2" else [numbers("tokenizer.ggml.scores", F32, "f", [0.0, -1, -2, -3, -4, -5][:tokens])]
    names = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]
    tensors = [("token_embd.weight", [tokens, hidden], 0, tokens * hidden * 4), ("output_norm.weight", [hidden], 0, hidden * 4)]
    tensors += [(f"blk.0.{n}.weight", [hidden], 0, hidden * 4) for n in ("attn_norm", "ffn_norm")]
    tensors += [(f"blk.0.{n}.weight", [hidden, hidden], 1, hidden * hidden * 2) for n in names]
    return file_of(keys, tensors)


def gguf() -> None:
    sizes = {0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 12: (256, 144), 13: (256, 176),
             14: (256, 210), 30: (1, 2)}
    put("gguf", "ok_every_type", file_of([], [(f"t{kind}", [2, n], kind, 2 * size) for kind, (n, size) in sizes.items()]))
    put("gguf", "ok_llama", llama())
    put("gguf", "ok_llama_scores", llama(model="llama"))
    put("gguf", "ok_version_2", file_of([u32("a", 1)], [("t", [2], 0, 8)], version=2))
    put("gguf", "ok_nothing", file_of([], []))
    put("gguf", "ok_nested", file_of([key("n", ARRAY, struct.pack("<IQ", ARRAY, 1) + struct.pack("<IQ", U8, 2) + b"ab")], []))
    put("gguf", "qwen3_without_norms", llama("qwen3"))
    put("gguf", "gemma3_without_window", llama("gemma3", model="llama"))
    put("gguf", "odd_heads", llama(heads=4))
    put("gguf", "cut", llama()[:-40])
    put("gguf", "cut_in_keys", llama()[:300])
    put("gguf", "version_1", file_of([], [], version=1))
    put("gguf", "counts_huge", file_of([], [], counts=(2**64 - 1, 2**64 - 1)))
    put("gguf", "array_huge", file_of([key("n", ARRAY, struct.pack("<IQ", U64, 2**61))], []))
    put("gguf", "deep", file_of([key("n", ARRAY, struct.pack("<IQ", ARRAY, 1) * 40)], []))
    put("gguf", "alignment_zero", file_of([u32("general.alignment", 0)], []))
    put("gguf", "type_unknown", file_of([], [("t", [256], 10, 84)]))


def llama2c() -> None:
    def legacy(words: int) -> bytes:
        hidden, wide, layers, heads, kv, context = 4, 4, 1, 2, 1, 2
        count = abs(words) * hidden + layers * (4 + 16 + 8 + 8 + 16 + 4 + 16 * 3) + hidden + 2 * context + (0 if words > 0 else 6 * hidden)
        return struct.pack("<7i", hidden, wide, layers, heads, kv, words, context) + struct.pack(f"<{count}f", *range(count))

    def tokenizer(tokens: list[bytes]) -> bytes:
        return struct.pack("<i", 8) + b"".join(struct.pack("<fi", -i, len(t)) + t for i, t in enumerate(tokens))

    put("llama2c", "ok_legacy", legacy(6))
    put("llama2c", "ok_untied", legacy(-6))
    put("llama2c", "short", legacy(6)[:-1])
    put("llama2c", "version_9", struct.pack("<2I", 0x616b3432, 9) + bytes(248))
    put("llama2c", "sizes_huge", struct.pack("<7i", *[2**24] * 7))
    put("llama2c", "ok_tokenizer", tokenizer([b"<unk>", b"\n<s>\n", b"\n</s>\n", b" a", b"<0x41>", b"a"]))
    put("llama2c", "tokenizer_not_utf8", tokenizer([b"<unk>", b"<s>", b"</s>", b"\xff"]))
    put("llama2c", "tokenizer_length", struct.pack("<ifi", 8, 0, -1))


gguf()
llama2c()
