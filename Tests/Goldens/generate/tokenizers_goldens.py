"""Makes Tests/Goldens/tokenizers: small vocabularies, and what `tokenizers` answers to hostile strings with them.

    python3 Tests/Goldens/generate/tokenizers_goldens.py [SmolLM2-135M-Instruct.Q4_1.gguf]

Needs tokenizers 0.23.3, sentencepiece 0.2.3, gguf 0.19.0 and numpy. Without the model its golden stays as it is.
The hostile strings are not stored: `hostile_string` and its twin in Tests/TokenizersTests/HostileStrings.swift make the
same ones. Answers are stored as one hash for each block of strings, and some of them in full to look at.
Offsets of `tokenizers` count scalars; they are turned into offsets in UTF-8 here.
"""

import collections
import hashlib
import io
import json
import pathlib
import sys

import gguf
import sentencepiece
import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

OUT = pathlib.Path(__file__).parents[1] / "tokenizers"
SEED, TRAINING_SEED, DECODING_SEED = 20_240_601, 7, 99
STRINGS, BLOCK, VECTORS, DECODINGS = 12_000, 50, 40, 1_000
MASK = (1 << 64) - 1

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")

FRAGMENTS = [
    # Words, and what runs together with them
    "the", " the", "The", "hello", " world", "token", "izer", " in", "ing", "ed", "x", " a", "A", "Straße", "naïve", "café",
    # Apostrophes in odd places
    "'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'LL", "'Re", "'\u017f", "'\u212a", "''", "' s", "don't", "'", "\u2019s",
    # White space
    " ", "  ", "   ", "      ", "\n", "\n\n", "\r\n", "\r", "\t", "\t\t", " \n", "\n ", " \r\n ", "\u00a0", " \u00a0 ",
    "\u2003", "\u2028", "\u2029", "\u0085", "\u200b", "\u3000", "\v", "\f", "\x1c", "\u1680", "\u180e", "\ufeff",
    # Digits
    "0", "7", "42", "123", "1234", "1234567", "3.14", "\u00b2", "\u00bd", "\u0663\u0664", "\u2167", "\u4e03", "\U0001d7d8",
    "\U00011de3", "\U00016ff4", "1,000",
    # Combining marks, composed and not
    "e\u0301", "\u00e9", "a\u0300\u0323", "a\u0323\u0300", "\u0301", "\u0344", "o\u0308\u0304", "\u1e69", "s\u0323\u0307",
    "\u212b", "\u2126", "\uac00", "\u1100\u1161\u11a8", "\uac00\u11a8", "\u0958", "\u0915\u093c", "\U0001d15e", "\u2adc",
    "q\u0307\u0323", "\u0f71\u0f72\u0f74", "\U00011935\U00011930", "\ufb1d", "\uf900", "\U0002f800", "\u0340",
    # Emoji, flags, joiners
    "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f44d\U0001f3fd", "\U0001f1e9\U0001f1ea", "\u2764\ufe0f", "\U0001f600",
    "\u200d", "\ufe0f", "\u20e3",
    # Scripts, right to left too
    "\u05e9\u05dc\u05d5\u05dd", "\u0645\u0631\u062d\u0628\u0627", "\u0627\u0644\u0652\u0639", "\u4f60\u597d", "\u3053\u3093\u306b\u3061\u306f", "\uc548\ub155",
    "\u0928\u092e\u0938\u094d\u0924\u0947", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", "\u041f\u0440\u0438\u0432\u0435\u0442", "\u03b1\u03b2\u03b3", "\u02bc", "\u01c5", "\u00aa", "\ua7f2",
    "\u202e", "\u2066",
    # Code
    "def f(x):\n    return x", "for (int i = 0; i < n; ++i) {\n\t", "ls -la | grep '^d'", "$HOME/.bashrc", "#include <a.h>", "->",
    "::", "!=", "...", "\\n", "\"", "`", "_", "__init__", "{}", "}\n", ");\r\n", "//", "/* */", "http://a.b/c?d=e&f#g", "@user",
    # Lone controls, the replacement character, noncharacters
    "\0", "\x01", "\x1b[0m", "\x7f", "\u0080", "\ufffd", "\uffff", "\ufdd0", "\U0010ffff", "\ue000", "\U000e0001",
    # Tokens that are written in the text, whole and in part
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|im_", "|>", "<s>", "</s>", "<unk>", "<0x0A>", "<0xE4>", "\u2581", "\u2581\u2581",
    " \u2581", "\u0120", "\u010a", "<left>", "<right>", "<both>", "<word>", "WORD", "<Norm\u00e9>", "<Norme\u0301>", "<a>", "<a><b>", "<a><",
]


class SplitMix64:
    def __init__(self, seed):
        self.state = seed & MASK

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def below(self, bound):
        return self.next() % bound


# Where random scalars are taken from: everything, Latin, marks and mixed scripts, symbols and emoji.
PLANES = [(0, 0x110000), (0, 0x300), (0x300, 0x3000), (0x1F000, 0x20000)]


def hostile_string(seed, index):
    random = SplitMix64(seed * 1_000_003 + index)
    text = ""
    for _ in range(random.below(12)):
        if random.below(6) == 0:
            low, high = PLANES[random.below(4)]
            scalar = low + random.below(high - low)
            fragment = "\ufffd" if 0xD800 <= scalar < 0xE000 else chr(scalar)
        else:
            fragment = FRAGMENTS[random.below(len(FRAGMENTS))]
        text += fragment * (2 + random.below(30) if random.below(16) == 0 else 1)
    return text


class Hash:
    """FNV-1a over 64-bit values."""

    def __init__(self):
        self.value = 0xCBF29CE484222325

    def add(self, *values):
        for value in values:
            self.value = ((self.value ^ value) * 0x100000001B3) & MASK

    def hex(self):
        return f"{self.value:016x}"


def byte_offsets(text, offsets):
    starts = [0]
    for character in text:
        starts.append(starts[-1] + len(character.encode()))
    return [(starts[a], starts[b]) for a, b in offsets]


def hash_blocks(count, add):
    hashes = []
    for first in range(0, count, BLOCK):
        block = Hash()
        for index in range(first, min(first + BLOCK, count)):
            add(index, block)
        hashes.append(block.hex())
    return hashes


def golden(tokenizer, complete=None):
    """`complete` is the same tokenizer with a token for every byte.

    Where a vocabulary lacks a byte, `tokenizers` skips it and counts on as if it were not in the text, so that all
    later offsets in the piece are too low. The offsets of the complete tokenizer are those that they should be.
    """
    vectors = []
    size = tokenizer.get_vocab_size(with_added_tokens=True)

    def encode(index, block):
        text = hostile_string(SEED, index)
        encoding = tokenizer.encode(text, add_special_tokens=False)
        source = complete.encode(text, add_special_tokens=False) if complete else encoding
        offsets = [pair for token, pair in zip(source.ids, byte_offsets(text, source.offsets)) if token < size]
        assert encoding.ids == [token for token in source.ids if token < size]
        block.add(len(encoding.ids))
        for token, (start, end) in zip(encoding.ids, offsets):
            block.add(token, start, end)
        if index % (STRINGS // VECTORS) == 0:
            vectors.append({
                "text": text, "ids": encoding.ids, "offsets": [n for pair in offsets for n in pair],
                "configured": tokenizer.encode(text, add_special_tokens=True).ids,
                "decoded": tokenizer.decode(encoding.ids, skip_special_tokens=False),
                "withoutSpecials": tokenizer.decode(encoding.ids, skip_special_tokens=True)})

    def decode(index, block):
        random = SplitMix64(DECODING_SEED + index)
        ids = [random.below(size) for _ in range(1 + random.below(20))]
        for skip in (False, True):
            data = tokenizer.decode(ids, skip_special_tokens=skip).encode()
            block.add(len(data), *data)

    return {"vocabularySize": size, "encoded": hash_blocks(STRINGS, encode), "decoded": hash_blocks(DECODINGS, decode),
            "vectors": vectors}


def write(name, content):
    text = json.dumps(content, ensure_ascii=True, indent=1).replace("\n    ", " ")
    (OUT / name).write_text(text + "\n")


def training_texts():
    return [hostile_string(TRAINING_SEED, index) for index in range(4_000)]


def special(content):
    return AddedToken(content, special=True, normalized=False)


def train(pre_tokenizer, normalizer=None, size=1_000, specials=(), alphabet=()):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer:
        tokenizer.normalizer = normalizer
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(specials), show_progress=False, initial_alphabet=list(alphabet))
    texts = training_texts()
    if not alphabet:
        # The trainer's own limit is not deterministic.
        counts = collections.Counter("".join(texts))
        kept = set(sorted(counts, key=lambda scalar: (-counts[scalar], scalar))[:400])
        texts = ["".join(scalar for scalar in text if scalar in kept) for text in texts]
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def byte_level(pre_tokenizer, normalizer=None, trim=True, prefix=False, size=1_000, ignore_merges=False):
    tokenizer = train(pre_tokenizer, normalizer, size, [special("<|endoftext|>")],
                      pre_tokenizers.ByteLevel.alphabet())
    tokenizer.model.ignore_merges = ignore_merges
    tokenizer.add_special_tokens([special("<|im_start|>"), special("<|im_end|>")])
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=trim, add_prefix_space=prefix)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def split(pattern):
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def gpt2():
    return byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False))


def gpt2_prefix():
    digits = pre_tokenizers.Digits(individual_digits=False)
    return byte_level(
        pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=True)]), prefix=True, size=500)


def llama3():
    tokenizer = byte_level(split(LLAMA3), ignore_merges=True)
    # Tokens that no merge makes: only `ignore_merges` finds them.
    content = json.loads(tokenizer.to_str())
    pieces = collections.Counter(
        piece for text in training_texts() for piece, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text))
    vocab = content["model"]["vocab"]
    for piece in [piece for piece, _ in pieces.most_common() if piece not in vocab and "<" not in piece][:20]:
        vocab[piece] = len(vocab)
    content["added_tokens"] = content["added_tokens"][:1]
    tokenizer = Tokenizer.from_str(json.dumps(content))
    names = ["<|im_start|>", "<|im_end|>"]
    tokenizer.add_special_tokens([special(name) for name in names])
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=True),
        processors.TemplateProcessing(
            "<|im_start|> $A <|im_end|>", special_tokens=[(name, tokenizer.token_to_id(name)) for name in names])])
    return tokenizer


def qwen2():
    return byte_level(split(QWEN2), normalizers.NFC(), trim=False)


def smollm():
    return byte_level(pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]))


def added():
    tokenizer = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), normalizers.NFC(), trim=False, size=400)
    tokenizer.add_tokens([
        AddedToken("<left>", lstrip=True, normalized=False), AddedToken("<right>", rstrip=True, normalized=False),
        AddedToken("<both>", lstrip=True, rstrip=True, normalized=True), AddedToken("<word>", single_word=True),
        AddedToken("WORD", single_word=True, normalized=False), AddedToken("<Norm\u00e9>"), AddedToken("<a>", normalized=False),
        AddedToken("<a><b>", normalized=False), AddedToken("naïve", normalized=True, special=True)])
    return tokenizer


def codegen():
    """With CodeGen's tokens for runs of white space; Phi 1 to 2 have the same."""
    tokenizer = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), size=600)
    tokenizer.add_tokens([AddedToken(mark * count) for mark, most in ((" ", 31), ("\t", 9)) for count in range(most, 1, -1)])
    return tokenizer


def gpt_neox():
    tokenizer = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), normalizers.NFC(), size=600)
    tokenizer.add_tokens([AddedToken(" " * count) for count in range(24, 1, -1)])
    return tokenizer


def starcoder():
    """Digit by digit, and a token for each role in a file; StarCoder 2 has the same."""
    tokenizer = byte_level(pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]), size=600)
    tokenizer.add_special_tokens([special(f"<{name}>") for name in ("fim_prefix", "fim_suffix", "a", "a><b")])
    return tokenizer


def behind():
    """Cut behind each space, where that makes a difference."""
    return byte_level(pre_tokenizers.Sequence([
        pre_tokenizers.Split(" ", "merged_with_previous"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]), size=600)


BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def sentence_piece_style(normalizer, pre_tokenizer, decoder, size=1_000, **settings):
    """A BPE over scalars as the Llama 2 files have it: control tokens, bytes, then what is learned."""
    trained = train(pre_tokenizer or pre_tokenizers.Split(Regex(r"\n"), "isolated"), normalizer, size)
    model = json.loads(trained.to_str())["model"]
    names = ["<unk>", "<s>", "</s>"] + (BYTES if settings.get("byte_fallback") else [])
    # Seldom scalars go to the byte tokens.
    seldom = {t for t in model["vocab"] if len(t) == 1 and ord(t) > 0x250 and ord(t) != 0x2581 and ord(t) % 2}
    merges = [m for m in model["merges"] if not seldom & set("".join(m))]
    kept = [t for t, _ in sorted(model["vocab"].items(), key=lambda item: item[1])
            if not seldom & set(t) and t not in names]
    vocab = {t: i for i, t in enumerate(names + kept)}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[tuple(m) for m in merges], unk_token="<unk>", **settings))
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre_tokenizer:
        tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.add_special_tokens([special(t) for t in names[:3]])
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 1)])
    tokenizer.decoder = decoder
    return tokenizer


def llama2():
    return sentence_piece_style(
        normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]), None,
        decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(),
                           decoders.Strip(" ", 1, 0)]), byte_fallback=True, fuse_unk=True)


def metaspace():
    scheme = dict(replacement="\u2581", prepend_scheme="first")
    return sentence_piece_style(
        None, pre_tokenizers.Metaspace(split=True, **scheme), decoders.Metaspace(**scheme), size=600, fuse_unk=True)


def metaspace_always():
    scheme = dict(replacement="\u2581", prepend_scheme="always")
    return sentence_piece_style(
        None, pre_tokenizers.Metaspace(split=False, **scheme), decoders.Sequence([
            decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]), size=600, fuse_unk=False)


def gemma():
    """Spaces are written as U+2581 before the text is cut at them, so that it is not cut at all."""
    tokenizer = sentence_piece_style(
        normalizers.Replace(" ", "\u2581"), pre_tokenizers.Split(" ", "merged_with_previous"),
        decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]), size=700,
        byte_fallback=True, fuse_unk=True)
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in ("\n\n", "\t\t", "\u2581\u2581", "<a>")])
    return tokenizer


def smollm2(path):
    """The tokenizer of the model, and the same with the bytes that it lacks."""
    fields = gguf.GGUFReader(path).fields

    def values(name):
        field = fields[f"tokenizer.ggml.{name}"]
        return [field.parts[i] for i in field.data]

    tokens = [bytes(value).decode() for value in values("tokens")]
    merges = [tuple(bytes(value).decode().split(" ")) for value in values("merges")]
    specials = [special(tokens[i]) for i, kind in enumerate(values("token_type")) if kind[0] == 3]

    def build(tokens):
        tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.add_special_tokens(specials)
        return tokenizer

    return build(tokens), build(tokens + sorted(set(pre_tokenizers.ByteLevel.alphabet()) - set(tokens)))


def write_gguf(name, model, pre, tokens, kinds, merges=None, scores=None):
    writer = gguf.GGUFWriter(OUT / name, "llama")
    writer.add_tokenizer_model(model)
    if pre:
        writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    if merges:
        writer.add_token_merges(merges)
    if scores:
        writer.add_token_scores(scores)
        writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def gguf_of(tokenizer, name, pre):
    content = json.loads(tokenizer.to_str())
    tokens = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    specials = {token["id"] for token in content["added_tokens"]}
    write_gguf(name, "gpt2", pre, tokens, [3 if i in specials else 1 for i in range(len(tokens))],
               merges=[" ".join(merge) for merge in content["model"]["merges"]])


def sentence_piece():
    """A vocabulary with scores, and what SentencePiece itself makes of the strings; it knows no offsets."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text.replace("\n", " ").replace("\0", "") for text in training_texts()), model_writer=model,
        vocab_size=1_400, model_type="bpe", byte_fallback=True, normalization_rule_name="identity", minloglevel=2,
        remove_extra_whitespaces=False, character_coverage=0.98, num_threads=1, split_digits=True)
    reference = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    count = reference.get_piece_size()
    kinds = [2 if reference.is_unknown(i) else 3 if reference.is_control(i) else 6 if reference.is_byte(i) else 1
             for i in range(count)]
    write_gguf("sentencepiece.gguf", "llama", "default", [reference.id_to_piece(i) for i in range(count)], kinds,
               scores=[reference.get_score(i) for i in range(count)])

    def encode(index, block):
        text = hostile_string(SEED, index)
        # What we take for control tokens is plain text to SentencePiece.
        if any(token in text for token in ("<s>", "</s>", "<unk>")):
            return
        ids = reference.encode(text)
        block.add(len(ids), *ids)

    write("sentencepiece.golden.json", {"encoded": hash_blocks(STRINGS, encode)})


def main():
    OUT.mkdir(exist_ok=True)
    (OUT / "fragments.json").write_text(json.dumps(FRAGMENTS, indent=0) + "\n")
    for build in (gpt2, gpt2_prefix, llama3, qwen2, smollm, added, llama2, metaspace, metaspace_always,
                  codegen, gpt_neox, starcoder, behind, gemma):
        name = build.__name__.replace("_", "-")
        tokenizer = build()
        content = json.loads(tokenizer.to_str())
        if name == "gpt2":
            # As the files of GPT-2 are: merges in one string, the model without its type.
            del content["model"]["type"]
            content["model"]["merges"] = [" ".join(merge) for merge in content["model"]["merges"]]
        write(f"{name}.json", content)
        tokenizer = Tokenizer.from_str(json.dumps(content))
        write(f"{name}.golden.json", golden(tokenizer))
        if name in ("gpt2", "llama3", "qwen2"):
            gguf_of(tokenizer, f"{name}.gguf", {"gpt2": "gpt-2", "llama3": "llama-bpe", "qwen2": "qwen2"}[name])
        print(name, tokenizer.get_vocab_size())
    sentence_piece()
    if len(sys.argv) > 1:
        write("smollm2.golden.json", golden(*smollm2(sys.argv[1])))
    files = sorted(path for path in OUT.iterdir() if path.name not in ("manifest.json", "written.json", "cuts.json"))
    (OUT / "manifest.json").write_text(json.dumps({
        "script": "tokenizers_goldens.py", "tokenizers": tokenizers.__version__,
        "sentencepiece": sentencepiece.__version__, "gguf": "0.19.0", "seed": SEED, "trainingSeed": TRAINING_SEED,
        "decodingSeed": DECODING_SEED, "strings": STRINGS, "block": BLOCK, "decodings": DECODINGS,
        "sha256": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}}, indent=1) + "\n")


if __name__ == "__main__":
    main()
