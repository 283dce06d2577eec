#!/usr/bin/env python3
"""Writes tests/engine/text/data/tokenizer_cases.json: small tokenizers that use every component, with the ids and
texts that the `tokenizers` library gives for them.

    pip install tokenizers
    python make_tokenizer_cases.py ../engine/text/data/tokenizer_cases.json
"""
import base64
import json
import random
import struct
import sys

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from tokenizer_texts import CODE, SENTENCES, SPACES, Maker

CORPUS = (list(SENTENCES.values()) + CODE) * 3
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def charsmap(pairs):
    """SentencePiece's compiled character map: a double-array trie of the keys, then the replacements."""
    text, root = b"", {}
    for key, value in sorted(pairs.items()):
        node = root
        for byte in key.encode():
            node = node.setdefault(byte, {})
        node[-1] = len(text)
        text += value.encode() + b"\0"
    units, used = {0: 0}, {0}

    def place(position, node):
        base = 1
        labels = [c if c >= 0 else 0 for c in node]
        while any((base ^ c) in used for c in labels):
            base += 1
        units[position] |= (position ^ base) << 10 | (256 if -1 in node else 0)
        used.update(base ^ c for c in labels)
        for c in node:
            units[base ^ max(c, 0)] = c if c >= 0 else node[c] | 1 << 31
        for c, child in node.items():
            if c >= 0:
                place(base ^ c, child)

    place(0, root)
    array = [units.get(i, 0) for i in range(max(units) + 256)]
    data = struct.pack("<I", 4 * len(array)) + struct.pack(f"<{len(array)}I", *array) + text
    return base64.b64encode(data).decode()


def train(model, trainer, pre_tokenizer, corpus=CORPUS):
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.train_from_iterator(corpus, trainer)
    return json.loads(tokenizer.to_str())["model"]


def make_models():
    space = pre_tokenizers.WhitespaceSplit()
    out = {}
    out["byte_bpe"] = train(models.BPE(), trainers.BpeTrainer(
        vocab_size=700, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False))
    out["byte_bpe_whole"] = dict(out["byte_bpe"], ignore_merges=True)
    # Words that no merges reach: only ignore_merges finds them.
    vocab = dict(out["byte_bpe"]["vocab"])
    for word in ("Ġhello", "xyzzy", "Ġantidisestablishmentarianism", "Ã©Ã©"):
        vocab.setdefault(word, len(vocab))
    out["byte_bpe_whole"]["vocab"] = vocab
    out["byte_bpe_strings"] = dict(out["byte_bpe"], merges=[" ".join(m) for m in out["byte_bpe"]["merges"]])
    chars = train(models.BPE(unk_token="<unk>"), trainers.BpeTrainer(
        vocab_size=600, special_tokens=["<unk>"], limit_alphabet=120, show_progress=False), space)
    out["char_bpe"] = chars
    out["char_bpe_fused"] = dict(chars, fuse_unk=True)
    out["char_bpe_silent"] = dict(chars, unk_token=None)
    meta = train(models.BPE(), trainers.BpeTrainer(vocab_size=500, limit_alphabet=90, show_progress=False),
                 pre_tokenizers.Metaspace())
    vocab = {"<unk>": 0, "<s>": 1, "</s>": 2, **{f"<0x{i:02X}>": i + 3 for i in range(256)}}
    for token, _ in sorted(meta["vocab"].items(), key=lambda x: x[1]):
        vocab.setdefault(token, len(vocab))
    out["fallback_bpe"] = dict(meta, vocab=vocab, byte_fallback=True, fuse_unk=True, unk_token="<unk>")
    part = {t: i for i, t in enumerate(t for t in vocab if not t.startswith("<0xE") and not t.startswith("<0xF"))}
    out["part_fallback_bpe"] = dict(meta, vocab=part, byte_fallback=True, fuse_unk=True, unk_token="<unk>")
    out["suffix_bpe"] = train(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"), trainers.BpeTrainer(
        vocab_size=500, special_tokens=["<unk>"], end_of_word_suffix="</w>", limit_alphabet=100, show_progress=False), space)
    out["prefix_bpe"] = train(models.BPE(unk_token="<unk>", continuing_subword_prefix="##"), trainers.BpeTrainer(
        vocab_size=500, special_tokens=["<unk>"], continuing_subword_prefix="##", limit_alphabet=100, show_progress=False), space)
    out["word_level"] = train(models.WordLevel(unk_token="<unk>"), trainers.WordLevelTrainer(
        vocab_size=400, special_tokens=["<unk>"], show_progress=False), pre_tokenizers.Whitespace())
    out["word_piece"] = train(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=30), trainers.WordPieceTrainer(
        vocab_size=500, special_tokens=["[UNK]", "[CLS]", "[SEP]"], limit_alphabet=120, show_progress=False), space)
    unigram = train(models.Unigram(), trainers.UnigramTrainer(
        vocab_size=420, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False), pre_tokenizers.Metaspace(),
        [SENTENCES[k] for k in ("Latin", "German", "French", "Russian", "Greek")] * 4 + CODE)
    unigram["vocab"] = [[t, round(s, 4)] for t, s in unigram["vocab"]]
    out["unigram"] = unigram
    out["unigram_fallback"] = dict(unigram, byte_fallback=True,
                                   vocab=unigram["vocab"] + [[f"<0x{i:02X}>", -20.0] for i in range(256)])
    return out


def added(content, **flags):
    return dict({"id": 0, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
                 "special": True}, **flags)


def split(pattern, behavior="Isolated", invert=False, kind="Regex"):
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": invert}


def sequence(kind, *parts):
    return {"type": "Sequence", kind: list(parts)}


def byte_level(**options):
    return dict({"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}, **options)


def metaspace(**options):
    return dict({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}, **options)


def replace(pattern, content, kind="String"):
    return {"type": "Replace", "pattern": {kind: pattern}, "content": content}


def template(*parts):
    ids = {"<s>": [1], "</s>": [2, 2]}
    return {"type": "TemplateProcessing",
            "single": [{"Sequence": {"id": "A", "type_id": 0}} if p == "$A" else {"SpecialToken": {"id": p, "type_id": 0}}
                       for p in parts],
            "pair": [], "special_tokens": {k: {"id": k, "ids": v, "tokens": [k] * len(v)} for k, v in ids.items()}}


LLAMA_DECODER = sequence("decoders", replace("▁", " "), {"type": "ByteFallback"}, {"type": "Fuse"},
                         {"type": "Strip", "content": " ", "start": 1, "stop": 0})
BASIC = [added("<s>"), added("</s>"), added("<|im_start|>"), added("<tool>", special=False)]
ODD = [added("<left>", lstrip=True), added("<right>", rstrip=True), added("<both>", lstrip=True, rstrip=True),
       added("word", single_word=True, special=False), added("Norm", normalized=True, special=False),
       added("<norm>", normalized=True), added("<|im_start|>"), added("<|im_start|>x"), added("im_"), added("  ", special=False),
       added("é", normalized=True, special=False), added("<norm>s", normalized=True, lstrip=True, rstrip=True)]


def setups():
    spaces = {"type": "WhitespaceSplit"}
    words = {"type": "Whitespace"}
    for i, regex in enumerate([GPT2, LLAMA3, LLAMA3.replace("{1,3}", ""), O200K]):
        yield f"known pattern {i}", "byte_bpe", dict(pre_tokenizer=sequence("pretokenizers", split(regex), byte_level(use_regex=False)),
                                                     decoder=byte_level(), added_tokens=BASIC, post_processor=byte_level())
        yield f"known pattern {i} removed", "byte_bpe", dict(
            pre_tokenizer=sequence("pretokenizers", split(regex, "Removed", True), byte_level(use_regex=False)), decoder=byte_level())
        # The same, written so that it is not recognised: PCRE2 runs it.
        yield f"pattern {i}", "byte_bpe", dict(pre_tokenizer=sequence("pretokenizers", split(f"(?:{regex})"), byte_level(use_regex=False)))
    yield "byte level", "byte_bpe", dict(pre_tokenizer=byte_level(), decoder=byte_level(), added_tokens=ODD, normalizer={"type": "NFC"})
    yield "byte level spaced", "byte_bpe_strings", dict(pre_tokenizer=byte_level(add_prefix_space=True), decoder=byte_level(), added_tokens=ODD)
    yield "byte level whole", "byte_bpe_whole", dict(pre_tokenizer=byte_level(add_prefix_space=True), decoder=byte_level())
    yield "byte level first", "byte_bpe", dict(pre_tokenizer=sequence("pretokenizers", byte_level(use_regex=False), split("Ġ", "MergedWithNext", kind="String")),
                                               decoder=sequence("decoders", byte_level(), {"type": "Strip", "content": " ", "start": 2, "stop": 0}))
    yield "byte level normalizer", "byte_bpe", dict(normalizer={"type": "ByteLevel"}, decoder=byte_level(), added_tokens=ODD)
    yield "byte level twice", "byte_bpe", dict(pre_tokenizer=sequence("pretokenizers", byte_level(), byte_level()))
    for behavior in ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"):
        for invert in (False, True):
            yield f"split {behavior} {invert}", "byte_bpe", dict(
                pre_tokenizer=sequence("pretokenizers", split(r"\s|[aeiou.]", behavior, invert), byte_level(use_regex=False)))
        yield f"split string {behavior}", "char_bpe", dict(pre_tokenizer=split(" ", behavior, kind="String"))
        yield f"punctuation {behavior}", "char_bpe", dict(pre_tokenizer={"type": "Punctuation", "behavior": behavior})
    for regex in (r"\w+", r"\W+", r"\d{2,}", r"\bs", r"[\s\d]+", r"[^\w]", r"\h+", r"(?i)THE|ß", r"(?m).o.", r"^.", r".$", r"x*", "",
                  r"a{,2}", r"[[:alpha:]]+", r"[[:space:]]", r"\p{Han}+|\p{^L}", r"(?<=e)\s", r"\X", r"\u00e9|\x{4e00}", r"[\S]{4}", r"l{2}?",
                  r"[\W\d]"):
        yield f"regex {regex}", "byte_bpe", dict(pre_tokenizer=sequence("pretokenizers", split(regex), byte_level(use_regex=False)))
    for name, digits in (("individual", True), ("runs", False)):
        yield f"digits {name}", "byte_bpe", dict(pre_tokenizer=sequence("pretokenizers", {"type": "Digits", "individual_digits": digits}, byte_level()))
    yield "delimiter", "char_bpe", dict(pre_tokenizer={"type": "CharDelimiterSplit", "delimiter": "e"})
    yield "fixed length", "char_bpe", dict(pre_tokenizer={"type": "FixedLength", "length": 3})
    for name in ("char_bpe", "char_bpe_fused", "char_bpe_silent", "prefix_bpe"):
        yield name, name, dict(pre_tokenizer=spaces, added_tokens=ODD, post_processor=template("<s>", "$A", "</s>"))
    yield "suffix", "suffix_bpe", dict(pre_tokenizer=spaces, decoder={"type": "BPEDecoder", "suffix": "</w>"}, normalizer={"type": "Lowercase"})
    llama = dict(normalizer=sequence("normalizers", {"type": "Prepend", "prepend": "▁"}, replace(" ", "▁")), decoder=LLAMA_DECODER,
                 post_processor=template("<s>", "$A"))
    yield "llama", "fallback_bpe", dict(llama, added_tokens=[added("<unk>", normalized=True), added("<s>", normalized=True), added("</s>", normalized=True)])
    yield "llama plain tokens", "fallback_bpe", dict(llama, added_tokens=BASIC + ODD)
    yield "part fallback", "part_fallback_bpe", llama
    yield "gemma", "fallback_bpe", dict(normalizer=replace(" ", "▁"), pre_tokenizer=split(" ", "MergedWithPrevious", kind="String"),
                                        decoder=sequence("decoders", replace("▁", " "), {"type": "ByteFallback"}, {"type": "Fuse"}), added_tokens=BASIC)
    for scheme in ("always", "first", "never"):
        for cut in (True, False):
            yield f"metaspace {scheme} {cut}", "fallback_bpe", dict(pre_tokenizer=metaspace(prepend_scheme=scheme, split=cut),
                                                                    decoder=metaspace(prepend_scheme=scheme, split=cut), added_tokens=BASIC + ODD)
        yield f"metaspace {scheme} strip", "unigram", dict(
            normalizer=sequence("normalizers", {"type": "Strip", "strip_left": True, "strip_right": False}, {"type": "NFKC"}),
            pre_tokenizer=metaspace(prepend_scheme=scheme), decoder=metaspace(prepend_scheme=scheme), added_tokens=ODD)
    for form in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt"):
        yield form, "byte_bpe", dict(normalizer={"type": form}, pre_tokenizer=byte_level(), decoder=byte_level(), added_tokens=ODD)
    for left, right in ((True, True), (True, False), (False, True)):
        yield f"strip {left} {right}", "byte_bpe", dict(normalizer={"type": "Strip", "strip_left": left, "strip_right": right},
                                                       pre_tokenizer=byte_level(), added_tokens=BASIC)
    yield "replace regex", "byte_bpe", dict(normalizer=sequence("normalizers", replace(r"\s+", " ", "Regex"), replace(r"(?<=\w)-(?=\w)", "–", "Regex")),
                                           pre_tokenizer=byte_level())
    # Followed by a byte-level step, the library spells text put in before the first character twice.
    yield "replace nothing", "char_bpe", dict(normalizer=replace("x*", "·", "Regex"))
    yield "bert", "word_piece", dict(normalizer={"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True},
                                     pre_tokenizer={"type": "BertPreTokenizer"}, decoder={"type": "WordPiece", "prefix": "##", "cleanup": True},
                                     post_processor={"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]},
                                     added_tokens=[added("[UNK]"), added("[CLS]"), added("[SEP]")])
    yield "roberta", "byte_bpe", dict(pre_tokenizer=byte_level(add_prefix_space=True), decoder=byte_level(), post_processor={
        "type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0], "trim_offsets": True, "add_prefix_space": True})
    yield "processors", "byte_bpe", dict(pre_tokenizer=byte_level(), post_processor=sequence(
        "processors", byte_level(), template("<s>", "$A", "</s>", "$A"), {"type": "BertProcessing", "sep": ["a", 5], "cls": ["b", 6]}))
    yield "word piece", "word_piece", dict(pre_tokenizer=spaces, decoder={"type": "WordPiece", "prefix": "##", "cleanup": False})
    yield "word level", "word_level", dict(pre_tokenizer=words, added_tokens=[added("<unk>")] + ODD)
    yield "word level lower", "word_level", dict(pre_tokenizer=sequence("pretokenizers", words, {"type": "Digits", "individual_digits": True}), normalizer={"type": "Lowercase"})
    for name in ("unigram", "unigram_fallback"):
        yield name, name, dict(normalizer={"type": "NFKC"}, pre_tokenizer=metaspace(), added_tokens=[added("<unk>")],
                               decoder=sequence("decoders", {"type": "ByteFallback"}, metaspace()), post_processor=template("$A", "</s>"))
    marks = {"ﬁ": "fi", "①": "1", "Å": "Å", "\u0301": "", "\t": " ", "\n": " ", "\u3000": " ", "が": "が", "ｶ": "カ", "½": "1⁄2", "e\u0301": "é", "\xa0": " "}
    yield "precompiled", "unigram", dict(normalizer=sequence("normalizers", {"type": "Precompiled", "precompiled_charsmap": charsmap(marks)},
                                                            replace(" {2,}", " ", "Regex")), pre_tokenizer=metaspace(prepend_scheme="first"), decoder=metaspace())
    yield "ctc", "char_bpe", dict(decoder={"type": "CTC", "pad_token": "e", "word_delimiter_token": "|", "cleanup": True})
    yield "strip decoder", "char_bpe", dict(decoder=sequence("decoders", {"type": "Fuse"}, {"type": "Strip", "content": "T", "start": 3, "stop": 0}, replace("o", "0")))
    yield "no decoder", "char_bpe_fused", dict(added_tokens=BASIC)


def texts(maker, name, i):
    r = random.Random(i * 7919 + 1)
    fixed = ["", " ", "  Hello  world  ", "\n", r.choice(SPACES) + "x" + r.choice(SPACES), "It's 12345.67% – WE'LL sée\u0301!",
             " <s>hello</s> <|im_start|>user\nHi<|im_start|>x <tool>", "a <left> b <right>  c  <both>\t<both>d sword word wordy word",
             "Normal NORM Norm <norm>s  <norm> x é e\u0301", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
             "antidisestablishmentarianism hello xyzzy éé", "the-end x-ray\r\n\r\n  \u3000ﬁ① Å ½"]
    return fixed + [r.choice(list(SENTENCES.values()))[:60] for _ in range(4)] + [t[:80] for t in maker.texts(16)]


def main():
    made = make_models()
    cases, panics = [], 0
    contents = sorted({t["content"] for t in BASIC + ODD})
    for i, (name, model, parts) in enumerate(setups()):
        whole = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None, "pre_tokenizer": None,
                 "post_processor": None, "decoder": None, **parts, "model": made[model]}
        try:
            tokenizer = Tokenizer.from_str(json.dumps(whole))
        except Exception as error:
            sys.exit(f"{name}: {error}")
        rows = []
        for text in texts(Maker(i + 1, contents), name, i):
            try:
                ids = tokenizer.encode(text).ids
                plain = tokenizer.encode(text, add_special_tokens=False).ids
                decoded = tokenizer.decode(ids, skip_special_tokens=False)
                skipped = tokenizer.decode(ids, skip_special_tokens=True)
                # null: the same as the value that the one before gives
                rows.append([text, ids, plain if plain != ids else None, decoded if decoded != text else None,
                             skipped if skipped != decoded else None])
            except BaseException as error:  # the library panics on some texts: no expectation
                if type(error).__name__ != "PanicException":
                    raise
                panics += 1
        cases.append({"name": name, "model": model, "parts": parts, "rows": rows})
    with open(sys.argv[1], "w", encoding="ascii") as f:
        f.write('{"models": {\n')
        f.write(",\n".join(f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in made.items()))
        f.write('},\n"cases": [\n')
        f.write(",\n".join(json.dumps(c, separators=(",", ":")) for c in cases))
        f.write("]}\n")
    print(len(cases), "tokenizers,", sum(len(c["rows"]) for c in cases), "texts,", panics, "panics passed over")


main()
