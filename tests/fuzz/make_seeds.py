"""Writes the seed corpora of the checkpoint fuzz targets: one small file for each thing that can be right or wrong.

Usage: python3 make_seeds.py [corpus folder]
"""
import json
import struct
import sys
from pathlib import Path

corpus = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "corpus"


def put(target, name, data):
    folder = corpus / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


def file_of(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else header.encode() if isinstance(header, str) \
        else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(dtype="F32", shape=(2,), begin=0, end=8):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def safetensors():
    sizes = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I64": 8, "I32": 4, "I16": 2,
             "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1}
    every, at = {}, 0
    for dtype, size in sizes.items():
        every[dtype] = entry(dtype, (3,), at, at + 3 * size)
        at += 3 * size
    ok = {"a": entry(), "b": entry(begin=8, end=16)}
    seeds = {
        "ok_every_type": file_of(every, bytes(range(at))),
        "ok_two": file_of(ok, bytes(16)),
        "ok_scalar": file_of({"s": entry(shape=(), end=4)}, bytes(4)),
        "ok_empty_tensor": file_of({"e": entry(shape=(0, 5), end=0)}),
        "ok_no_tensor": file_of("{}"),
        "ok_metadata": file_of({"__metadata__": {"format": "pt"}, "a": entry()}, bytes(8)),
        "ok_padded": file_of(json.dumps(ok) + "   ", bytes(16)),
        "ok_escaped_name": file_of('{"\\u0061\\n":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', b"x"),
        "empty": b"", "short_length": b"\1\0\0", "length_past_end": file_of("{}", length=1000),
        "length_huge": file_of("{}", length=2**64 - 1), "length_over_cap": file_of("{}", length=200_000_000),
        "length_zero": struct.pack("<Q", 0), "no_brace": file_of(" {}"), "bad_json": file_of("{,}"),
        "array_header": file_of("[]"), "cut_json": file_of('{"a":{"dtype":'),
        "deep": file_of('{"a":' + "[" * 500 + "]" * 500 + "}"), "bad_utf8": file_of(b'{"\xff":{}}'),
        "rest_after_json": file_of("{}x"),
        "twice": file_of('{"a":%s,"a":%s}' % (json.dumps(entry()), json.dumps(entry(begin=8, end=16))), bytes(16)),
        "twice_escaped": file_of('{"a":%s,"\\u0061":%s}' % (json.dumps(entry()), json.dumps(entry(begin=8, end=16))),
                                 bytes(16)),
        "key_twice": file_of('{"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}}'),
        "entry_no_object": file_of({"a": 1}), "entry_unknown_key": file_of({"a": {**entry(), "strides": []}}, bytes(8)),
        "no_dtype": file_of({"a": {"shape": [2], "data_offsets": [0, 8]}}, bytes(8)),
        "no_shape": file_of({"a": {"dtype": "F32", "data_offsets": [0, 8]}}, bytes(8)),
        "no_offsets": file_of({"a": {"dtype": "F32", "shape": [2]}}, bytes(8)),
        "dtype_unknown": file_of({"a": entry("F33")}, bytes(8)), "dtype_foreign": file_of({"a": entry("F4")}, bytes(8)),
        "dtype_number": file_of({"a": entry(32)}, bytes(8)),
        "shape_negative": file_of({"a": entry(shape=(-2,))}, bytes(8)),
        "shape_fraction": file_of({"a": entry(shape=(2.0,))}, bytes(8)),
        "shape_string": file_of({"a": entry(shape=("2",))}, bytes(8)),
        "shape_overflow": file_of({"a": entry(shape=(2**40, 2**40))}, bytes(8)),
        "shape_overflow_by_type": file_of({"a": entry("F64", shape=(2**62,))}, bytes(8)),
        "shape_beyond_64_bits": file_of({"a": entry(shape=(2**64,))}, bytes(8)),
        "shape_too_many": file_of({"a": entry(shape=(1,) * 100, end=4)}, bytes(4)),
        "offsets_one": file_of({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0]}}, bytes(8)),
        "offsets_three": file_of({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8, 8]}}, bytes(8)),
        "offsets_reversed": file_of({"a": entry(begin=8, end=0)}, bytes(8)),
        "offsets_outside": file_of({"a": entry(end=16, shape=(4,))}, bytes(8)),
        "offsets_negative": file_of({"a": entry(begin=-8, end=0)}, bytes(8)),
        "size_mismatch": file_of({"a": entry(shape=(3,))}, bytes(8)),
        "overlap": file_of({"a": entry(), "b": entry(begin=4, end=12)}, bytes(12)),
        "hole": file_of({"a": entry(), "b": entry(begin=12, end=20)}, bytes(20)),
        "hole_at_start": file_of({"a": entry(begin=4, end=12)}, bytes(12)),
        "trailing": file_of({"a": entry()}, bytes(9)), "metadata_number": file_of({"__metadata__": {"a": 1}}),
        "metadata_no_object": file_of({"__metadata__": []}),
        "metadata_twice": file_of('{"__metadata__":{},"__metadata__":{}}'),
    }
    for name, data in seeds.items():
        put("safetensors", name, data)


def shard_index():
    def index(weight_map):
        return json.dumps({"metadata": {"total_size": 8}, "weight_map": weight_map})
    seeds = {
        "ok": index({"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}),
        "no_map": "{}", "array": "[]", "empty_map": index({}), "map_array": index([]), "not_a_string": index({"a": 1}),
        "up": index({"a": "../x.safetensors"}), "absolute": index({"a": "/etc/passwd"}), "dots": index({"a": ".."}),
        "nul": index({"a": "a\0b"}), "empty_name": index({"a": ""}), "backslash": index({"a": "..\\x"}),
        "twice": '{"weight_map":{"a":"x","a":"y"}}', "map_twice": '{"weight_map":{"a":"x"},"weight_map":{"b":"y"}}',
        "deep": '{"metadata":' + "[" * 100 + "]" * 100 + "}", "cut": '{"weight_map":{"a":',
    }
    for name, data in seeds.items():
        put("shard_index", name, data)


def json_texts():
    seeds = {
        "values": '{"a": [1, -2, 3.5e-3, true, false, null, "x"], "b": {}}', "big": "[18446744073709551615,"
        "18446744073709551616,-9223372036854775808,-9223372036854775809]", "tiny": "[1e-999, 5e-324, -1e-400, 0e999]",
        "overflow": "1e999", "minus_zero": "[-0, -0.0]", "escapes": r'"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\u0000"',
        "lone_surrogate": r'"\ud800"', "low_surrogate": r'"\udc00"', "bad_pair": r'"\ud800\u0041"',
        "utf8": '"\u00e9\u20ac\U0001f600"', "overlong": b'"\xc0\x80"', "surrogate_utf8": b'"\xed\xa0\x80"',
        "beyond": b'"\xf4\x90\x80\x80"', "cut_utf8": b'"\xe2\x82', "control": b'"\x01"', "bom": b"\xef\xbb\xbf[]",
        "half_bom": b"\xef\xbb[]", "leading_zero": "[01]", "plus": "[+1]", "dot": "[1.]", "bare_dot": "[.5]",
        "exponent": "[1e]", "comma": "[1,]", "two": "1 2", "comment": "[1 /* */]", "single": "['a']", "nan": "[NaN]",
        "infinity": "[Infinity, -Infinity]", "twice": '{"a":1,"a":2}', "deep": "[" * 900, "deep_closed":
        "[" * 1500 + "]" * 1500, "colon": '{"a" 1}', "key": "{1:2}", "empty": "", "spaces": " \t\r\n ", "word": "nul",
        "zero_byte": b"7\0]", "hex": r'"\u12g4"', "open": '"abc', "object_comma": '{"a":1,}',
    }
    for name, data in seeds.items():
        put("json", name, data)


def configs():
    llama = {"model_type": "llama", "hidden_size": 64, "rms_norm_eps": 1e-5, "eos_token_id": [1, 2],
             "tie_word_embeddings": False, "architectures": ["LlamaForCausalLM"], "rope_scaling": None,
             "rope_parameters": {"rope_type": "default", "rope_theta": 10000}}
    seeds = {
        "llama": json.dumps(llama), "nested": json.dumps({"text_config": llama, "parts": [llama, llama]}),
        "hostile_sizes": json.dumps({"hidden_size": 2**63, "vocab_size": -1, "layers": 1e300, "heads": 0}),
        "wrong_types": json.dumps({"hidden_size": "64", "layers": [64], "eps": {}, "tied": "false"}),
        "non_finite": '{"a": NaN, "b": [Infinity, -Infinity, 1]}', "array": "[]", "twice": '{"a":1,"a":2}',
        "lists": json.dumps({"i": [1, 2, 3], "n": [1, 2.5], "s": ["a"], "b": [True], "mixed": [1, "a", None]}),
    }
    for name, data in seeds.items():
        put("config", name, data)


safetensors()
shard_index()
json_texts()
configs()
