"""Random tokenizers: components of the `tokenizers` package put together at random, trained on a little text."""

import random

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

TEXTS = [
    "def add(a, b):\n    return a + b\n", "The capital of France is Paris.", "naïve café — déjà vu, Ａ①", "日本語のテキスト 🙂👍🏽",
    "x = [1, 22, 333, 4444]  # 3.14e-10\t\ttabs", "   spaces   at  both ends   ", "Don't you'll I'VE we're", "e\u0301a\u0308 ﬁ",
    "\r\n\r\nlines\n\n\n", "<|end|> and <s> specials</s>", "ÀÉÎ ПРИВЕТ مرحبا", "", " ", "a", "\u200bzero\u00a0width",
]  # fmt: skip
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
OTHERS = ["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+", r"\s+$", r"\p{N}", "[0-9][0-9][0-9]", O200K]
QWEN = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")


def build(seed):
    rng = random.Random(seed * 65537 + 3)
    notes = []
    words = [rng.choice(TEXTS) + " " + " ".join(rng.choices("the of and to in is it code return value".split(), k=8))
             for _ in range(60)]  # fmt: skip
    if rng.random() < 0.6:
        notes.append("byte level")
        tokenizer = Tokenizer(models.BPE(ignore_merges=rng.random() < 0.3))
        steps = []
        for _ in range(rng.choice([0, 1, 1, 2])):
            kind = rng.choice(["gpt2", "llama3", "qwen", "digits", "digits1", "other", "other"])
            notes.append(kind)
            steps.append({
                "gpt2": lambda: pre_tokenizers.Split(Regex(GPT2), "isolated"),
                "llama3": lambda: pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
                "qwen": lambda: pre_tokenizers.Split(Regex(QWEN), "isolated"),
                "other": lambda: pre_tokenizers.Split(
                    Regex(rng.choice(OTHERS)), rng.choice(["isolated", "isolated", "isolated", "removed"]), False),
                "digits": lambda: pre_tokenizers.Digits(individual_digits=False),
                "digits1": lambda: pre_tokenizers.Digits(individual_digits=True),
            }[kind]())  # fmt: skip
        steps.append(pre_tokenizers.ByteLevel(add_prefix_space=rng.random() < 0.3, use_regex=rng.random() < 0.5))
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
        tokenizer.decoder = decoders.ByteLevel()
        if rng.random() < 0.4:
            tokenizer.post_processor = processors.ByteLevel(trim_offsets=rng.random() < 0.5)
        alphabet = pre_tokenizers.ByteLevel.alphabet()
    else:
        notes.append("metaspace")
        tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=rng.random() < 0.7))
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(
            prepend_scheme=rng.choice(["always", "first", "never"]), split=rng.random() < 0.5)
        tokenizer.decoder = decoders.Sequence([
            decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
        alphabet = []
    kinds = dict(nfc=normalizers.NFC, nfkc=normalizers.NFKC, lower=normalizers.Lowercase, nfd=normalizers.NFD)
    if rng.random() < 0.4:
        name = rng.choice(["nfc", "nfc", "nfkc", "lower", "nfd"])
        notes.append(name)
        tokenizer.normalizer = kinds[name]()
    specials = ["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)] * (notes[0] == "metaspace")
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=specials, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(words, trainer)
    for _ in range(rng.choice([0, 0, 1, 2])):
        token = rng.choice(["<|end|>", "return", "  ", "é", "de"])
        notes.append("added " + repr(token))
        tokenizer.add_tokens([AddedToken(
            token, lstrip=rng.random() < 0.3, rstrip=rng.random() < 0.3, single_word=rng.random() < 0.3,
            normalized=rng.random() < 0.5, special=rng.random() < 0.3)])  # fmt: skip
    if rng.random() < 0.3 and notes[0] == "metaspace":
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    texts = rng.sample(TEXTS, 8) + ["".join(rng.choices("aé 日1\n\t'.<|end|>🙂", k=rng.randint(1, 30))) for _ in range(6)]
    return notes, tokenizer, texts
