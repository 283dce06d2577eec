"""Writes the seed corpora of the tokenizer fuzz targets: one small tokenizer.json for each component, and odd texts.

Usage: python3 make_tokenizer_seeds.py [corpus folder]
"""
import json
import sys
from pathlib import Path

corpus = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "corpus"

BPE = {"type": "BPE", "dropout": None, "unk_token": "u", "fuse_unk": True, "byte_fallback": True, "ignore_merges": True,
       "vocab": {"u": 0, "a": 1, "b": 2, "ab": 3, "▁": 4, "▁a": 5, "<0xE2>": 6, "e": 7, " ": 8},
       "merges": [["a", "b"], "▁ a"]}
MODELS = {
    "bpe": BPE,
    "affixes": dict(BPE, continuing_subword_prefix="#", end_of_word_suffix="$", vocab={"u": 0, "#a": 1, "a$": 2, "a": 3, "aa": 4},
                    merges=[["a", "#a"]]),
    "wordlevel": {"type": "WordLevel", "vocab": {"u": 0, "Hello": 1}, "unk_token": "u"},
    "wordpiece": {"type": "WordPiece", "vocab": {"u": 0, "H": 1, "##e": 2}, "unk_token": "u", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100},
    "unigram": {"type": "Unigram", "unk_id": 0, "byte_fallback": False, "vocab": [["u", 0], ["a", -1.5], ["aa", -2], ["▁", -3]]},
}
NORMALIZERS = [{"type": t} for t in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt", "ByteLevel", "BertNormalizer")] + [
    {"type": "Strip", "strip_left": True, "strip_right": True}, {"type": "Prepend", "prepend": "▁"},
    {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}, {"type": "Replace", "pattern": {"Regex": "\\s+|(?<=e)l{2,}"}, "content": ""},
    {"type": "Precompiled", "precompiled_charsmap": "EAAAAABAAAAAAAAAAAAAAAAAAAAAYQA="}]
PRE = [{"type": t} for t in ("Whitespace", "WhitespaceSplit", "BertPreTokenizer", "Punctuation")] + [
    {"type": "ByteLevel", "add_prefix_space": True, "use_regex": True}, {"type": "Digits", "individual_digits": True},
    {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True}, {"type": "FixedLength", "length": 2},
    {"type": "CharDelimiterSplit", "delimiter": "l"},
    *({"type": "Split", "pattern": {"Regex": "\\w+|\\s"}, "behavior": b, "invert": i} for b, i in (
        ("Removed", True), ("Isolated", False), ("MergedWithPrevious", False), ("MergedWithNext", True), ("Contiguous", False)))]
POST = [{"type": "ByteLevel"}, {"type": "BertProcessing", "sep": ["s", 1], "cls": ["c", 2]},
        {"type": "RobertaProcessing", "sep": ["s", 1], "cls": ["c", 2]},
        {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "a", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
         "pair": [], "special_tokens": {"a": {"id": "a", "ids": [1], "tokens": ["a"]}}}]
DECODERS = [{"type": t} for t in ("ByteLevel", "ByteFallback", "Fuse")] + [
    {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"}, {"type": "Strip", "content": " ", "start": 1, "stop": 1},
    {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "WordPiece", "prefix": "##", "cleanup": True},
    {"type": "BPEDecoder", "suffix": "$"}, {"type": "CTC", "pad_token": "u", "word_delimiter_token": "a", "cleanup": True}]
ADDED = [{"id": 9, "content": "<s>", "single_word": False, "lstrip": True, "rstrip": True, "normalized": False, "special": True},
         {"id": 10, "content": "it", "single_word": True, "lstrip": False, "rstrip": False, "normalized": True, "special": False}]


def put(target, name, data):
    folder = corpus / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())


def tokenizer(**parts):
    return json.dumps({"version": "1.0", "added_tokens": ADDED, "model": BPE, **parts}, ensure_ascii=False)


for name, model in MODELS.items():
    put("tokenizer_json", f"model_{name}", tokenizer(model=model))
for key, kinds in (("normalizer", NORMALIZERS), ("pre_tokenizer", PRE), ("post_processor", POST), ("decoder", DECODERS)):
    for i, part in enumerate(kinds):
        put("tokenizer_json", f"{key}_{i:02}_{part['type'].lower()}", tokenizer(**{key: part}))
    inner = {"normalizer": "normalizers", "pre_tokenizer": "pretokenizers", "post_processor": "processors", "decoder": "decoders"}[key]
    put("tokenizer_json", f"{key}_sequence", tokenizer(**{key: {"type": "Sequence", inner: kinds[:3]}}))
put("tokenizer_json", "bad_regex", tokenizer(pre_tokenizer={"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated", "invert": False}))
put("tokenizer_json", "bad_merge", tokenizer(model=dict(BPE, merges=["a z"])))
put("tokenizer_json", "bad_id", tokenizer(model=dict(BPE, vocab={"a": 1 << 40})))
put("tokenizer_json", "config", json.dumps({"model": BPE, "bos_token": "a", "eos_token": {"content": "b"}, "add_bos_token": True,
                                            "tokenizer_class": "LlamaTokenizer", "added_tokens_decoder": {"12": {"content": "new"}}}))

TEXTS = {"empty": "", "plain": "Hello, world! It's 1234567 o'clock.\n\n  Next\r\n", "cases": "HTMLParser XMLhttp aB ǅ ʰ'S 'LL",
         "marks": "e\u0301 \u0344\u0301 a\u0315\u0300 각 가\u11a8 \u0958 \u212b", "emoji": "👩‍👩‍👧 🏳️‍🌈 🫩", "spaces": " \u3000\u2028\x85\t \xa0x   ",
         "new": "\U00010d70\U000105c0\u1c89\u0897", "runs": "a" * 100 + "=" * 50 + " " * 40 + "\n" * 20}
for name, text in TEXTS.items():
    put("tokenizer_text", name, text)
put("tokenizer_text", "invalid", b"a\xff\xc3(\xe2\x82\xf0\x9f\x98\xed\xa0\x80\xf4\x90\x80\x80\xc0\xaf")
