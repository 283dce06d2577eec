"""Small vocabularies of each tokenizer family for make_gguf_fixtures.py, and the ids that texts must get."""

from __future__ import annotations

import gguf
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

TEXTS = ["", " ", "the", "the the the", "  the  123", "in 2024,\n\n5 more", "then they're there's HERE", "<|im_start|>user<|im_end|>",
         "a<think>b</think>", "caf\u00e9 cafe\u0301", "\u65e5\u672c", "\U0001f600!", "\t\tx  ", "<s>the</s>", "<0x41>", "\u2581the", "1234567",
         "(the)\r\n the", "the\n\n\nthe"]
NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
SPACE = "\u2581"

QWEN2 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
         r"|\s+(?!\S)|\s+")
LLAMA3 = QWEN2.replace(r"\p{N}| ?", r"\p{N}{1,3}| ?")


def byte_alphabet() -> list[str]:
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    spelled = {b: chr(b) for b in plain} | {b: chr(256 + i) for i, b in enumerate(others)}
    return [spelled[b] for b in range(256)]


def byte_level(pre: str) -> dict:
    alphabet = byte_alphabet()
    space, line = alphabet[32], alphabet[10]
    merges = [("t", "h"), ("th", "e"), (space, "the"), (space, space), (line, line), ("i", "n"), (space, "in"), ("1", "2"), ("12", "3"),
              ("2", "0"), ("e", "r"), ("the", "n"), (alphabet[0xc3], alphabet[0xa9]), (space + "the", "re"), ("r", "e"), ("'", "s")]
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    kinds = [CONTROL] * 3
    normal = alphabet + [a + b for a, b in merges]
    tokens += normal + ["<think>", "</think>", "[PAD1]", "[PAD2]"]
    kinds += [NORMAL] * len(normal) + [USER, USER, UNUSED, UNUSED]
    return dict(model="gpt2", pre=pre, tokens=tokens, kinds=kinds, merges=merges, bos=1, eos=2, pad=0,
                template="{{ messages[0]['content'] }}<|im_end|>")


def pieces() -> list[str]:
    words = [SPACE + "t", "he", SPACE + "a", "in", SPACE + "the", "re", SPACE + "in", "th", "the", SPACE + "th", "er", "20", "an"]
    letters = [SPACE, *"etaoinshrdlucmfwypvbgkjqxz", *"0123456789", ".", ",", "!", "'", "\n", "<", ">", "/", "(", ")", "\u00e9"]
    return words + letters


def byte_tokens() -> list[str]:
    return [f"<0x{b:02X}>" for b in range(256)]


def sentencepiece() -> dict:
    tokens = ["<unk>", "<s>", "</s>", *byte_tokens(), *pieces()]
    kinds = [UNKNOWN, CONTROL, CONTROL, *[BYTE] * 256, *[NORMAL] * len(pieces())]
    scores = [0.0] * 259 + [-float(i) for i in range(len(pieces()))]
    return dict(model="llama", pre="default", tokens=tokens, kinds=kinds, scores=scores, bos=1, eos=2, unk=0, template="")


def gemma() -> dict:
    tokens = ["<pad>", "<eos>", "<bos>", "<unk>", "<|im_start|>", "<|im_end|>", "<think>", "\n\n", "  ", *byte_tokens(), *pieces()]
    kinds = [CONTROL, CONTROL, CONTROL, UNKNOWN, CONTROL, CONTROL, USER, USER, USER, *[BYTE] * 256, *[NORMAL] * len(pieces())]
    return dict(model="llama", pre="default", tokens=tokens, kinds=kinds, scores=[-1000.0] * len(tokens), bos=2, eos=1, unk=3, pad=0,
                template="", gemma=True)


def write(writer: gguf.GGUFWriter, v: dict) -> None:
    writer.add_tokenizer_model(v["model"])
    writer.add_tokenizer_pre(v["pre"])
    writer.add_token_list(v["tokens"])
    writer.add_token_types(v["kinds"])
    if "scores" in v:
        writer.add_token_scores(v["scores"])
    if "merges" in v:
        writer.add_token_merges([f"{a} {b}" for a, b in v["merges"]])
    writer.add_bos_token_id(v["bos"])
    writer.add_eos_token_id(v["eos"])
    if "unk" in v:
        writer.add_unk_token_id(v["unk"])
    if "pad" in v:
        writer.add_pad_token_id(v["pad"])
    if v.get("gemma"):
        writer.add_add_space_prefix(False)
    if v["template"]:
        writer.add_chat_template(v["template"])


def encode(v: dict, text: str) -> list[int]:
    if v["model"] == "gpt2":
        return byte_level_tokenizer(v).encode(text).ids
    return encode_scored(v, text)


def byte_level_tokenizer(v: dict) -> Tokenizer:
    llama = v["pre"] == "llama-bpe"
    tokenizer = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(v["tokens"])}, merges=v["merges"], ignore_merges=llama))
    if v["pre"] == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    if v["pre"] in ("qwen2", "llama-bpe"):
        splits = [pre_tokenizers.Split(Regex(LLAMA3 if llama else QWEN2), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    else:
        splits = [pre_tokenizers.Digits(True)] * (v["pre"] == "smollm") + [pre_tokenizers.ByteLevel(False)]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(splits)
    for token, kind in zip(v["tokens"], v["kinds"]):
        if kind in (CONTROL, USER):
            add = tokenizer.add_special_tokens if kind == CONTROL else tokenizer.add_tokens
            add([AddedToken(token, normalized=False, special=kind == CONTROL)])
    if llama:  # whose files say nothing and mean: BOS first
        from tokenizers import processors
        bos = v["tokens"][v["bos"]]
        tokenizer.post_processor = processors.TemplateProcessing(single=f"{bos} $A", special_tokens=[(bos, v["bos"])])
    return tokenizer


def encode_scored(v: dict, text: str) -> list[int]:
    """Cuts at added tokens, then joins the neighbours that make the best token until none is left."""
    respelled = [SPACE * len(t) if v.get("gemma") and t and not t.strip(" ") else t for t in v["tokens"]]
    added = {t for t, k in zip(respelled, v["kinds"]) if k in (CONTROL, UNKNOWN, USER)}
    ids = {t: i for i, t in enumerate(respelled)}
    rank = {t: (-i if v.get("gemma") else v["scores"][i]) for t, i in ids.items() if v["kinds"][i] in (NORMAL, USER)}
    out = [v["bos"]]
    for part, whole in cut(text, added):
        if whole:
            out.append(ids[part])
        elif part:
            out += join(part if v.get("gemma") else " " + part, ids, rank)
    return out


def cut(text: str, added: set[str]) -> list[tuple[str, bool]]:
    parts, start, at = [], 0, 0
    while at < len(text):
        found = max((t for t in added if text.startswith(t, at)), key=len, default=None)
        if found is None:
            at += 1
            continue
        parts += [(text[start:at], False), (found, True)]
        at = start = at + len(found)
    return parts + [(text[start:], False)]


def join(text: str, ids: dict[str, int], rank: dict[str, float]) -> list[int]:
    symbols = list(text.replace(" ", SPACE))
    while True:
        pairs = [(rank[a + b], -i) for i, (a, b) in enumerate(zip(symbols, symbols[1:])) if a + b in rank and a in rank and b in rank]
        if not pairs:
            break
        i = -max(pairs)[1]
        symbols[i:i + 2] = [symbols[i] + symbols[i + 1]]
    out = []
    for symbol in symbols:
        out += [ids[symbol]] if symbol in ids else [ids[f"<0x{b:02X}>"] for b in symbol.encode()]
    return out
