"""Goldens of the metrics of answers, from sacrebleu and rouge-score.

    Scripts/setup-python metrics
    .deps/python-metrics/bin/python Tests/Goldens/generate/metrics.py

Writes Tests/Goldens/metrics/metrics.json, and its versions and digest into Tests/Goldens/MANIFEST.json. The edit
distance is a second formula: the recursion over the first characters, with the results kept.
"""

import functools
import hashlib
import importlib.metadata
import json
import logging
import pathlib
import random

from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
from sacrebleu.tokenizers.tokenizer_none import NoneTokenizer

SEED = 20261125
GOLDENS = pathlib.Path(__file__).resolve().parent.parent
logging.getLogger("sacrebleu").setLevel(logging.ERROR)

PAIRS = [
    ("ls -la /tmp", "ls -la /tmp"),
    ("", ""),
    ("", "ls"),
    ("ls", ""),
    (" ", "\t\n"),
    ("find . -name '*.txt' -print0 | xargs -0 wc -l", "find . -name \"*.txt\" | xargs wc -l"),
    ("print(1.5, 2,000, x-1)", "print(1.5,2,000,x - 1)"),
    ("a,,b..c.,.d", "a , , b . . c"),
    ("1.5.2,3-4-5 -6", "1.5.2,3 - 4"),
    ("&amp;lt; &quot;x&quot; &lt;y&gt; <skipped>", "&lt; \"x\" <y>"),
    ("end-\nof-\nline \n", "endofline"),
    ("a\r\nb\rc\x0bd\x0ce", "a b c d e"),
    ("a\x1cb\x1dc\x1ed\x1fe\x85f\xa0g\u2028h\u3000i\u200bj", "a b c d e f g h i j"),
    ("e\u0301t\u00e9 \U0001f9ea\u200d\U0001f52c \u00df", "\u00e9te\u0301 \U0001f9ea \u00df"),
    ("\u0661\u0662.\u0663,\u0664 \uff11.\uff12", "\u0661\u0662 . \u0663"),
    ("the the the the the the the", "the cat is on the mat"),
    ("x = [i for i in range(10) if i % 2 == 0]", "x = list(filter(lambda i: i % 2 == 0, range(10)))"),
    ("xor eax, eax \n inc eax", "xor ebx, ebx \n inc ebx"),
    ("\x00 \x7f {a|b}~`$#@!", "{a|b}"),
    ("\\n \\\\ \\t", "\\n"),
    ("\u05d0\u05d1 \u0627\u0644", "\u0627\u0644 \u05d0\u05d1"),
    ("$" * 50, "$" * 49),
]
ALPHABETS = [
    ["a", "b", "c", " "], [".", ",", "-", "1", "2", " ", "a"], list("{}[]()<>|&;$\"'`\\/*?~#!%^+=:@_- ") + ["ls", "cd", "x"],
    ["\u00e9", "e\u0301", "\u4e2d", "\U0001f600", "\u200d", "\u3000", " ", "\n", "-\n", "&lt;", "a"],
]


def random_pairs(rng):
    for alphabet in ALPHABETS:
        for _ in range(12):
            answer = [rng.choice(alphabet) for _ in range(rng.randrange(0, 30))]
            reference = [c if rng.random() < 0.7 else rng.choice(alphabet) for c in answer] + rng.choices(alphabet, k=3)
            yield "".join(answer), "".join(reference[rng.randrange(0, 3) :])


class Words:
    """What rouge-score asks for words."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def tokenize(self, text):
        return self.tokenizer(text.rstrip()).split()


def edit_similarity(answer, reference):
    @functools.cache
    def distance(i, j):
        if i == len(answer) or j == len(reference):
            return len(answer) - i + len(reference) - j
        if answer[i] == reference[j]:
            return distance(i + 1, j + 1)
        return 1 + min(distance(i + 1, j), distance(i, j + 1), distance(i + 1, j + 1))

    longer = max(len(answer), len(reference))
    return 1 - distance(0, 0) / longer if longer else 1.0


TOKENIZERS = {"none": NoneTokenizer(), "13a": Tokenizer13a()}


def sentence(answer, reference):
    record = {"answer": answer, "reference": reference, "edit": edit_similarity(answer, reference)}
    record["chrf"] = CHRF().sentence_score(answer, [reference]).score
    for name, tokenizer in TOKENIZERS.items():
        bleu = BLEU(tokenize=name, effective_order=True)
        record[f"bleu{name.capitalize()}"] = bleu.sentence_score(answer, [reference]).score
        words = Words(tokenizer)
        record[f"words{name.capitalize()}"] = words.tokenize(answer)
        scorer = RougeScorer(["rougeL"], tokenizer=words)
        record[f"rouge{name.capitalize()}"] = scorer.score(reference, answer)["rougeL"].fmeasure
    return record


def corpus(pairs, indices):
    answers, references = zip(*(pairs[i] for i in indices))
    record = {"pairs": indices, "chrf": CHRF().corpus_score(answers, [references]).score}
    for name in TOKENIZERS:
        record[f"bleu{name.capitalize()}"] = BLEU(tokenize=name).corpus_score(answers, [references]).score
    return record


def main():
    rng = random.Random(SEED)
    pairs = PAIRS + list(random_pairs(rng))
    corpora = [list(range(len(pairs)))] + [rng.sample(range(len(pairs)), k=size) for size in (1, 2, 3, 5, 8, 13, 21, 34)]
    golden = {"sentences": [sentence(*p) for p in pairs], "corpora": [corpus(pairs, c) for c in corpora]}
    path = GOLDENS / "metrics" / "metrics.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n", encoding="ascii")
    manifest_path = GOLDENS / "MANIFEST.json"
    manifest = json.loads(manifest_path.read_text())
    manifest["metrics"] = {
        "generator": "generate/metrics.py",
        "reference": {name: importlib.metadata.version(name) for name in ("sacrebleu", "rouge-score")},
        "seed": SEED,
        "sha256": {"metrics/metrics.json": hashlib.sha256(path.read_bytes()).hexdigest()},
    }
    manifest_path.write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
