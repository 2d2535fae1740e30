"""Writes Tests/Goldens/tokenizers/cuts.json: where pre-tokenizers cut texts, as `tokenizers` does.

    python3 Tests/Goldens/generate/tokenizers_cuts.py     (tokenizers 0.23.3)

By the names that GGUF files have for them, with the expressions of the models' own `tokenizer.json` (for "default" and
"falcon" those of llama.cpp), and by random expressions of the kind that is supported. Cuts are offsets in UTF-8.
"""

import json
import pathlib
import random
import re

from tokenizers import Regex, pre_tokenizers

OUT = pathlib.Path(__file__).parents[1] / "tokenizers"
FRAGMENTS = json.loads((OUT / "fragments.json").read_text())
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
LEAD, SPACES = r"[^\r\n\p{L}\p{N}]?", r"\s*[\r\n]+|\s+(?!\S)|\s+"
CJK = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
SWIFT = (OUT.parents[2] / "Sources/SutureTokenizers/GGUFPreTokenizer.swift").read_text()
# Hundreds of ranges, which a second copy would not make more certain.
LETTERS = re.sub(r"\\u\{(\w+)\}", lambda m: chr(int(m[1], 16)), "".join(
    re.findall(r'"(.*)"', SWIFT[SWIFT.index("let letters =") :])))
NAMED = {
    "default": [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"],
    "falcon": [r"[\p{P}\$\+<=>\^~\|`]+", GPT2, "[0-9][0-9][0-9]"],
    "deepseek-coder": ["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", CJK, r"\p{N}"],
    "deepseek-llm": [
        "[\r\n]", rf"\s?[{LETTERS}]+", "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+", r"\s+$", CJK, r"\p{N}+"],
    "deepseek-v3": [
        r"\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
        r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|"""
        + SPACES],
    "gpt-4o": [
        f"{LEAD}{UPPER}*{LOWER}+{CONTRACTIONS}?|{LEAD}{UPPER}+{LOWER}*{CONTRACTIONS}?|"
        + r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + SPACES],
    "tekken": [f"{LEAD}{UPPER}*{LOWER}+|{LEAD}{UPPER}+{LOWER}*|" + r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + SPACES],
    "qwen35": [
        CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|" + SPACES],
}  # fmt: skip


def expression(rng, depth=0):
    """A random expression that cannot match nothing."""
    atoms = [r"\p{L}", r"\p{N}", r"\p{Lu}", r"\p{Ll}", r"\P{L}", r"\s", r"\S", r"\d", ".", "a", "e", r"\n", " ", "'", r"\.",
             "[a-z]", "[^a-z\\s]", r"[\s\S]", r"[^\r\n\p{L}]", r"[\p{M}\p{P}_-]", "\u00e9", "[\u4e00-\u9fa5]"]  # fmt: skip
    if depth < 2 and rng.random() < 0.4:
        inner = "|".join(expression(rng, depth + 1) for _ in range(rng.randint(1, 3)))
        atoms.append(f"(?:{inner})")
        atoms.append(f"({inner})")
    parts = [rng.choice(atoms)] + [
        rng.choice(atoms) + rng.choice(["", "", "?", "*", "+", "{2}", "{1,3}", "{2,}"]) for _ in range(rng.randint(0, 2))]
    parts[0] += rng.choice(["", "+", "{1,3}"])
    if rng.random() < 0.3:
        parts.append(rng.choice([r"(?!\S)", r"(?=\p{L})", r"(?![a-z])", "$", r"(?i:'s|'ll|k)?", "(?i:x[sd])?"]))
    rng.shuffle(parts) if not any(p.startswith("(?") or p == "$" for p in parts[-1:]) else None
    if all(p.endswith(("?", "*")) for p in parts):
        parts.append("x")
    return "".join(parts)


def cuts(expressions, texts):
    splits = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(e), "isolated") for e in expressions])
    return [[len(text[:end].encode()) for _, (_, end) in splits.pre_tokenize_str(text)] for text in texts]


def main():
    rng = random.Random(5)
    texts = ["".join(rng.choices(FRAGMENTS, k=rng.randint(1, 12))) for _ in range(240)]
    expressions = ["|".join(expression(rng) for _ in range(rng.randint(1, 3))) for _ in range(150)]
    result = {
        "texts": texts, "named": {name: cuts(parts, texts) for name, parts in NAMED.items()},
        "expressions": [[text, *cuts([text], texts[:30])] for text in expressions]}
    (OUT / "cuts.json").write_text(json.dumps(result, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
