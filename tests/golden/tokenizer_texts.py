"""Texts that try a tokenizer: natural and synthetic, deterministic for a seed. Used by compare_tokenization.py."""
import csv
import glob
import gzip
import json
import os
import pathlib
import random
import sys
import unicodedata

SPACES = [" ", "\t", "\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1f", "\x85", "\xa0", "\u1680", "\u180e", "\u2000",
          "\u2003", "\u2007", "\u2009", "\u200a", "\u200b", "\u2028", "\u2029", "\u202f", "\u205f", "\u2060", "\u3000",
          "\ufeff", "\u2581"]

SENTENCES = {
    "Latin": "The quick brown fox isn't here; she'll say \"I'VE gone\", won't she? 'Tis the season. Ångström, naïve façade.",
    "German": "Falsches Üben von Xylophonmusik quält jeden größeren Zwerg. STRASSE, Straße, ẞ.",
    "French": "Portez ce vieux whisky au juge blond qui fume : l’été, où êtes-vous ? Ça va « bien ».",
    "Turkish": "Pijamalı hasta yağız şoföre çabucak güvendi. İSTANBUL'DA ILIK ışık.",
    "Vietnamese": "Tôi có thể ăn thủy tinh mà không hại gì. Đường phố Hà Nội rất đông đúc.",
    "Polish": "Zażółć gęślą jaźń, proszę państwa. Łódź.",
    "Greek": "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. Ὦ ξεῖν’, ἀγγέλλειν ΛΑΚΕΔΑΙΜΟΝΙΟΙΣ.",
    "Russian": "Съешь же ещё этих мягких французских булок, да выпей чаю. ПРИВЕТ, мир!",
    "Ukrainian": "Жебракують філософи при ґанку церкви в Гадячі, ще й шатро їхнє п’яне знаємо.",
    "Hebrew": "דג סקרן שט בים מאוכזב ולפתע מצא חברה. שָׁלוֹם עֲלֵיכֶם",
    "Arabic": "نص حكيم له سر قاطع وذو شأن عظيم مكتوب على ثوب أخضر. بِسْمِ اللَّهِ ١٢٣٤٥",
    "Persian": "بر اساس این متن، می‌خواهم ببینم چه می‌شود. ۱۲۳۴۵۶",
    "Urdu": "ٹھنڈ میں، ایک قحط زدہ گاؤں سے گذرتے وقت ایک چڑچڑے، باأثر و فارغ شخص کو",
    "Hindi": "ऋषियों को सताने वाले दुष्ट राक्षसों के राजा रावण का सर्वनाश करने वाले। १२३४",
    "Bengali": "আমি কাঁচ খেতে পারি, তাতে আমার কোনো ক্ষতি হয় না। ১২৩",
    "Tamil": "யாமறிந்த மொழிகளிலே தமிழ்மொழி போல் இனிதாவது எங்கும் காணோம்",
    "Telugu": "నేను గాజు తినగలను మరియు అలా చేసినా నాకు ఏమి ఇబ్బంది లేదు",
    "Kannada": "ಬಾ ಇಲ್ಲಿ ಸಂಭವಿಸು ಇಂದೆನ್ನ ಹೃದಯದಲಿ ನಿತ್ಯವೂ ಅವತರಿಪ ಸತ್ಯಾವತಾರ",
    "Malayalam": "അജവും ആനയും ഐരാവതവും ഗരുഡനും കഠോര സ്വരം പൊഴിക്കെ",
    "Gujarati": "હું કાચ ખાઇ શકુ છુ અને તેનાથી મને દર્દ નથી થતુ.",
    "Gurmukhi": "ਮੈਂ ਗਲਾਸ ਖਾ ਸਕਦਾ ਹਾਂ ਅਤੇ ਇਸ ਨਾਲ ਮੈਨੂੰ ਕੋਈ ਤਕਲੀਫ ਨਹੀਂ",
    "Sinhala": "මනොපුබ්බඞ්ගමා ධම්මා මනොසෙට්ඨා මනොමයා",
    "Thai": "เป็นมนุษย์สุดประเสริฐเลิศคุณค่า กว่าบรรดาฝูงสัตว์เดรัจฉาน ๑๒๓",
    "Lao": "ຂອ້ຍກິນແກ້ວໄດ້ໂດຍທີ່ມັນບໍ່ໄດ້ເຮັດໃຫ້ຂອ້ຍເຈັບ",
    "Khmer": "ខ្ញុំអាចញុំកញ្ចក់បាន ដោយគ្មានបញ្ហារ ១២៣",
    "Burmese": "က္ယ္ဝန္‌တော္‌၊က္ယ္ဝန္‌မ မ္ယက္‌စားနုိင္‌သည္‌။ ၎က္ရောင္‌့ ထိခုိက္‌မ္ဟု မရ္ဟိပာ။",
    "Tibetan": "ཤེལ་སྒོ་ཟ་ནས་ང་ན་གི་མ་རེད།",
    "Georgian": "გთხოვთ ახლავე გაიაროთ რეგისტრაცია. ᲡᲐᲥᲐᲠᲗᲕᲔᲚᲝ",
    "Armenian": "Կրնամ ապակի ուտել և ինծի անհանգիստ չըներ։",
    "Amharic": "ሰማይ አይታረስ ንጉሥ አይከሰስ። ፩፪፫",
    "Cherokee": "ᎣᏏᏲ ᏙᎯᏧ ᏣᎳᎩ ꭰꭹ",
    "Chinese": "我能吞下玻璃而不伤身体。今天天气真好，你觉得呢？《红楼梦》第１２３回…",
    "Traditional": "我能吞下玻璃而不傷身體。漢字標準格式：㐀㒨𠀋𠮷。",
    "Japanese": "私はガラスを食べられます。それは私を傷つけません。ﾊﾝｶｸｶﾀｶﾅ、が ぎ が。「いろは」２０２４年",
    "Korean": "나는 유리를 먹을 수 있어요. 그래도 아프지 않아요. 한글 ㅋㅋㅋ",
    "Mongolian": "ᠪᠢ ᠰᠢᠯᠢ ᠢᠳᠡᠶᠦ ᠴᠢᠳᠠᠨᠠ",
    "Math": "∀x∈ℝ: ⌈x⌉ = −⌊−x⌋, α ∧ ¬β = ¬(¬α ∨ β), 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟙𝟚𝟛 x² + y₃ ½ ⅓ Ⅷ ⓐ ① ㊿",
    "Latex": r"\frac{1}{2}\sum_{i=0}^{n-1} x_i^2 \le \boxed{\dfrac{\pi}{4}} \text{ if } \angle ABC = 90^\circ $$\\[2pt]",
    "Emoji": "👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪🇫🇷 👍🏽 1️⃣ ❤️‍🔥 🫨🩷🪿🫎 😀😃 ☺️ 🧑🏿‍🚀 🫩🫆",
    "Combining": "e\u0301 o\u0308\u0304 a\u0315\u0300\u05ae\u0334b Z\u0351\u036b\u0343\u036a\u0302A\u0322L\u0321G\u0353 \u0344 \u212b \u2126 \ufb01 \uf900 \u1e9b\u0323 \u0958",
    "Rare": "𐍈𐌰𐌿 𓀀𓂀 𒀀𒁀 𐤀𐤁 ꙮ ﷽ 𞤀𞤣 ꦧꦱ ᬅ ꠅ ꓐ ߒߞߏ ⴰⴱ ᚠᚢ ⠁⠃ ⲁⲃ 𐐀𐐨 𛀁 \U00031350 \U000105c0 \U00010d70 \U0001e4d0 \u1c89 \u0897 \U00016d70",
}

CODE = ["""#include <vector>
int main(int argc, char** argv) {
\tstd::vector<int> v{1, 2, 3};\r\n    for (auto& x : v) x <<= 2;  // shift\n\treturn v.size() != 3;\n}
""", """def f(x: int = 0, *args, **kwargs) -> "List[str]":
    '''Doc — string'''
    return [f"{i:>10.3f}" for i in range(x) if i % 2 == 0 and not i in {1,2}]   # done


class A(B):
\t\tpass
""", """SELECT a.id, COUNT(*) AS n FROM `t` a LEFT JOIN u ON (a.id=u.id) WHERE a.x LIKE '%_''%' GROUP BY 1 HAVING n>=10;
""", """<!DOCTYPE html><div class="a b" onclick='f("x")'>&nbsp;&#x41;</div><!-- c --><br/>
<table><tr><td>1</td></tr></table>
""", "{\"key\": [1, 2.5e-10, null, true], \"s\": \"a\\u00e9\\n\\\"b\\\"\", \"o\": {}}\n",
    "$ sudo apt-get install -y foo | grep -E '^(a|b)+$' > /dev/null 2>&1 && echo \"$HOME/${x:-y}\" `date`\n",
    "fn main() { let x: &'static str = \"hi\"; println!(\"{x:?}\"); match y { Some(_) => {}, None => () } }\n",
    "x=1;y=-2;z=x*y//3**2;w=~z&0xFF|0b101^0o17;assert x!=y,'!?'\nimport os.path as p;from .a import (b,c)\n"]


def tokenizer_files(data, directories):
    """(name, bytes of tokenizer.json) of the tokenizers in DATA/tokenizers and in `directories`, packed or not."""
    folders = sorted(pathlib.Path(data, "tokenizers").iterdir()) if data else []
    for folder in folders + [pathlib.Path(d) for d in directories]:
        plain, packed = folder / "tokenizer.json", folder / "tokenizer.json.gz"
        if plain.exists() or packed.exists():
            yield folder.name, plain.read_bytes() if plain.exists() else gzip.decompress(packed.read_bytes())


def read_jsonl(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f if line.strip()]


def benchmark_texts(data):
    """Questions and answers of GSM8K, ARC, MATH and TruthfulQA in the folder `data`; empty where it is absent."""
    out = []
    for path in sorted(glob.glob(os.path.join(data, "gsm8k", "*.jsonl"))):
        for row in read_jsonl(path):
            out += [row["question"], row["answer"]]
    for path in sorted(glob.glob(os.path.join(data, "arc", "ARC-*.jsonl"))):
        for row in read_jsonl(path):
            out.append(row["question"]["stem"])
            out += [c["text"] for c in row["question"]["choices"]]
    for path in sorted(glob.glob(os.path.join(data, "math", "*.jsonl"))):
        for row in read_jsonl(path):
            out += [str(row[k]) for k in ("problem", "solution", "question", "answer") if k in row]
    for path in glob.glob(os.path.join(data, "truthfulqa", "*.csv")):
        with open(path, encoding="utf-8", newline="") as f:
            for row in csv.reader(f):
                out += row
    return out


def source_texts(limit):
    """Python's own standard library: source code that everyone has."""
    root = os.path.dirname(os.__file__)
    out = []
    for path in sorted(glob.glob(os.path.join(root, "*.py")) + glob.glob(os.path.join(root, "test", "test_[u-z]*.py"))):
        try:
            text = open(path, encoding="utf-8", newline="").read()
        except (OSError, UnicodeDecodeError):
            continue
        out += [text[i:i + 700] for i in range(0, len(text), 7000)]
        if len(out) >= limit:
            break
    return out[:limit]


class Maker:
    def __init__(self, seed, added_tokens):
        self.r = random.Random(seed)
        self.added = list(added_tokens) or ["<s>"]
        self.assigned = [c for c in range(1, 0x110000)
                         if not 0xD800 <= c < 0xE000 and unicodedata.category(chr(c)) not in ("Cn", "Co")]
        self.ranges = [(0x20, 0x7f), (0xa0, 0x250), (0x300, 0x370), (0x370, 0x600), (0x600, 0x900), (0x900, 0xe00),
                       (0xe00, 0x1100), (0x1100, 0x1200), (0x1200, 0x2000), (0x2000, 0x2c00), (0x2c00, 0x3400),
                       (0x4e00, 0x9fff), (0xa000, 0xac00), (0xac00, 0xd7a4), (0xf900, 0x10000), (0x10000, 0x11000),
                       (0x11000, 0x12000), (0x1d400, 0x1d800), (0x1f000, 0x1fb00), (0x20000, 0x20100)]
        self.words = [w for s in SENTENCES.values() for w in s.split(" ")] + [w for s in CODE for w in s.split(" ")]

    def sentence(self):
        return self.r.choice(list(SENTENCES.values()))

    def spaces(self, most=8):
        return "".join(self.r.choice(SPACES) * self.r.choice([1, 1, 1, 2, 3, 17]) for _ in range(self.r.randint(1, most)))

    def script(self):
        low, high = self.r.choice(self.ranges)
        text = ""
        for _ in range(self.r.randint(1, 60)):
            c = self.r.randrange(low, high)
            text += self.r.choice([" ", "", "", "", ""]) + (chr(c) if not 0xD800 <= c < 0xE000 else "")
        return text

    def any_characters(self):
        return "".join(chr(self.r.choice(self.assigned)) for _ in range(self.r.randint(1, 40)))

    def any_code_points(self):
        text = ""
        for _ in range(self.r.randint(1, 30)):
            c = self.r.randrange(0x110000)
            text += chr(c) if not 0xD800 <= c < 0xE000 else "x"
        return text

    def mix(self):
        parts = []
        for _ in range(self.r.randint(1, 25)):
            parts.append(self.r.choice(self.words))
            parts.append(self.r.choice([" ", " ", " ", "", "\n", self.spaces(2)]))
        return "".join(parts)

    def digits(self):
        return self.r.choice(["", " ", "-", "$", "x="]) + "".join(
            self.r.choice("0123456789") for _ in range(self.r.randint(1, 40))) + self.r.choice(
                ["", ".5", ",000", "%", "e-10", "٣٤", "½", "²", " km"])

    def contractions(self):
        return self.r.choice(["I", "we", "It", "don", "x", " ", "é", "1"]) + self.r.choice(["'", "’", "''", " '"]) + \
            self.r.choice(["s", "S", "t", "T", "re", "RE", "rE", "ve", "m", "M", "ll", "LL", "lL", "d", "D", "x", "ſ", "l", "r",
                           "\u212a"]) + self.r.choice(["", " ", "x", "S", "\n", "s"])

    def cases(self):
        return "".join(self.r.choice(["Ab", "ABc", "aB", "HTML", "XMLHttp", "ﬁ", "ǅ", "ʰ", "字", "é", "E\u0301", "İ", "_", "'s",
                                      "'LL", " ", "\u0301", "9", "/", "\n", "!"]) for _ in range(self.r.randint(1, 12)))

    def tokens(self):
        text = ""
        for _ in range(self.r.randint(1, 6)):
            token = self.r.choice(self.added)
            if self.r.random() < 0.1:
                token = token[:self.r.randint(1, len(token))]
            text += self.r.choice(["", "", " ", "  ", "\n", "a", "é", " b", self.mix(), self.spaces(2)]) + token
        return text + self.r.choice(["", " ", "\n", "z", " z", self.mix()])

    def runs(self):
        return self.r.choice(["", "a"]) + self.r.choice(
            [" ", "\n", "\t", "=", "-", "a", "ab", "。", "é", "\r\n", " \n", "🙂", "▁", "0", "_", "<", "\u0301", "'", "\xa0"]) * \
            self.r.choice([1, 2, 3, 4, 5, 15, 16, 17, 31, 32, 33, 64, 100, 200, 400]) + self.r.choice(["", "b", " ", "."])

    def invalid_bytes(self):
        data = bytearray(self.mix().encode()[:200])
        for _ in range(self.r.randint(1, 12)):
            if self.r.random() < 0.5 and data:
                data[self.r.randrange(len(data))] = self.r.randrange(256)
            else:
                data[self.r.randint(0, len(data)):0] = bytes(self.r.randrange(128, 256) for _ in range(self.r.randint(1, 4)))
        return bytes(data).decode("utf-8", errors="replace")

    def texts(self, count):
        kinds = [self.sentence, self.spaces, self.script, self.script, self.any_characters, self.any_code_points, self.mix,
                 self.mix, self.digits, self.contractions, self.cases, self.tokens, self.tokens, self.runs,
                 self.invalid_bytes, lambda: self.r.choice(CODE), lambda: self.mix() + self.script() + self.spaces(3) + self.mix()]
        return [self.r.choice(kinds)() for _ in range(count)]


def long_texts(added_tokens, data):
    """Lines of a megabyte: one character, one word, every script, added tokens; with `data`, benchmark text."""
    million = 1 << 20
    r = random.Random(3)
    texts = [c * (million // len(c.encode())) for c in (
        "a", " ", "\n", "\r\n", "\u3000", "ab", "é", "0", "字", "🙂", "aB1 ", "=-", "the ", "▁", "abcdefghijklmnopqrstuvwxyz")]
    texts.append("x" + "\u0301" * (million // 2))
    texts.append("".join(SENTENCES.values()).replace(" ", "") * (million // 8000))
    texts.append("".join(r.choice(list(SENTENCES.values()) + CODE + SPACES) for _ in range(million // 80)))
    texts.append("".join(chr(r.randrange(0x20, 0x7f)) for _ in range(million)))
    texts.append("".join(r.choice(SPACES) for _ in range(million // 3)))
    texts.append("".join(r.choice(added_tokens or ["<s>"]) + r.choice(["", " ", "a", "  \n"]) for _ in range(million // 12)))
    if data:
        texts.append("\n".join(benchmark_texts(data))[:million])
    return texts


def invalid_utf8(count, seed=1):
    """Bytes that are not UTF-8: cut, overlong, out of range, surrogates, stray continuations, noise."""
    bad = [b"\xff", b"\xfe", b"\x80", b"\xbf", b"\xc0\xaf", b"\xc1\xbf", b"\xc3", b"\xe2\x82", b"\xe0\x80\x80", b"\xe0\x9f\xbf",
           b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf0\x9f\x99", b"\xf0\x9f", b"\xf0\x80\x80\x80", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80",
           b"\xf8\x88\x80\x80\x80"]
    r = random.Random(seed)
    good = [s.encode() for s in list(SENTENCES.values()) + CODE + SPACES] + [b"a", b" ", b""]
    out = bad + [b"a" + x + b"b" for x in bad] + [x + x for x in bad]
    while len(out) < count:
        text = bytearray(b"".join(r.choice(good)[:r.randint(0, 40)] + r.choice(bad + [b""] * 9) for _ in range(r.randint(1, 8))))
        for _ in range(r.randint(0, 6)):
            text[r.randint(0, len(text)):0] = bytes(r.randrange(256) for _ in range(r.randint(1, 3)))
        out.append(bytes(text))
    return out


def all_texts(count, added_tokens, data, every=1, seed=1):
    """At least `count` texts; with `data`, each `every`th of the benchmarks' too."""
    texts = ["", " ", "\n", "\x00", "a", "\ufffd", "\ud7ff", "\U0010ffff"] + list(SENTENCES.values()) + CODE
    texts += SPACES + [a + b for a in SPACES for b in SPACES] + ["a" + a + "b" for a in SPACES]
    texts += [t for token in added_tokens[:400] for t in (token, "a" + token + "b", " " + token + " ", token + token)]
    texts += source_texts(1500)
    if data:
        texts += benchmark_texts(data)[::every]
    texts += Maker(seed, added_tokens).texts(max(count - len(texts), count // 2))
    return texts


if __name__ == "__main__":
    print(len(all_texts(20000, ["<s>"], sys.argv[1] if len(sys.argv) > 1 else None)))
