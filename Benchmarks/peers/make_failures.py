#!/usr/bin/env python3
"""Real failures of a language model on NL2Bash, as JSON lines with text and token ids.

    make_failures.py all.nl all.cm --count 200 --seed 1 > failures.jsonl

The pairs (NL2Bash, MIT licence, data/bash/all.nl and all.cm) are filtered (command under 60 characters, one
pair for each command and intent), shuffled with the seed and split: the first quarter serves as shots and related
prompts, the rest are items. `--exclude-first N` skips N items, so that a measurement can use other
failures than the ones that were tuned on (about 1 item in 200 is not a failure: the number of items used is
printed on stderr).

Prompt, three shots and the item, in one frame; the answer begins with a blank and ends with the newline:

    # intent: Find all files
    $ find . -type f
    <blank line>
    ...
    # intent: Count the lines of a.txt
    $

A record is a failure of both kinds. Single token: after `prompt` (with the right part of the answer before
the first wrong token) greedy decoding gives `produced` where `expected` is right. Whole command: after
`command.prompt` it does not give `command.expected`. Fields:
    item, intent, shots (row numbers from 0), prompt, expected, produced, prompt_ids, target_id, produced_id,
    rank (of the target, 1 is the best), gap (logit of produced minus logit of target),
    token_index (how many answer tokens precede), wrong_tokens (all indices, teacher-forced),
    command {prompt, expected, prompt_ids, expected_ids},
    variants [{kind, name, prompt, prompt_ids}]: the same question put otherwise, with the same answer prefix;
        kinds reworded (names frame, intent, both), reordered (shots reversed), other_shots,
    related [{prompt, expected, prompt_ids, expected_ids}]: eight other pairs after the same shots.
A prompt without its answer prefix is prompt_ids without the last token_index ids.
"""

import argparse
import json
import pathlib
import random
import re
import sys

import peer_model

FRAME = ("# intent: ", "$")
OTHER_FRAME = ("Task: ", "Shell:")
SHOTS, RELATED = 3, 8

# First word of an intent and what else it may be called; then words that may change anywhere.
VERBS = {
    "find": "Locate", "search": "Look", "print": "Output", "display": "Show", "show": "Display",
    "list": "Give a list of", "delete": "Remove", "remove": "Delete", "create": "Make", "make": "Create",
    "count": "Tally", "change": "Modify", "get": "Obtain", "copy": "Duplicate",
    "output": "Print", "add": "Append", "save": "Store", "move": "Transfer",
    "rename": "Change the name of", "calculate": "Compute", "check": "Verify",
    "execute": "Run", "run": "Execute", "extract": "Pull out", "convert": "Turn",
}  # fmt: skip
WORDS = [
    (r"\ball (?=\w)", ""),
    (r"\bcurrent directory\b", "working directory"),
    (r"\bdirectories\b", "folders"),
    (r"\b(?<!working )directory\b", "folder"),
    (r"\bcontaining\b", "that contain"),
    (r"\bending (with|in)\b", r"that end \1"),
    (r"\bnamed\b", "called"),
]
QUOTED = re.compile(r"""("[^"]*"|'[^']*'|`[^`]*`)""")


def reword(intent):
    """The intent in other words, by rule; text in quotes stays as it is."""
    first, _, rest = intent.partition(" ")
    verb = first.lower()
    verb = verb if verb in VERBS else verb.removesuffix("s")
    if verb in VERBS:
        text = f"{VERBS[verb]} {rest}"
    else:
        text = f"Please {intent[:1].lower()}{intent[1:]}"
    pieces = QUOTED.split(text)
    for index in range(0, len(pieces), 2):
        for pattern, word in WORDS:
            pieces[index] = re.sub(pattern, word, pieces[index])
    return "".join(pieces)


def render(shots, intent, frame=FRAME):
    asked, shell = frame
    return "".join(f"{asked}{i}\n{shell} {c}\n\n" for i, c in shots) + f"{asked}{intent}\n{shell}"


def read_pairs(nl, cm):
    intents, commands = (p.read_text(encoding="utf-8").split("\n") for p in (nl, cm))
    if len(intents) != len(commands):
        sys.exit(f"error: {nl} has {len(intents)} lines, {cm} has {len(commands)}")
    seen, pairs = set(), []
    for row, (intent, command) in enumerate(zip(intents, commands)):
        intent, command = intent.strip(), command.strip()
        plain = intent.isascii() and command.isascii() and intent.isprintable() and command.isprintable()
        if not plain or not 1 < len(command) < 60 or not 10 < len(intent) < 160:
            continue
        if command in seen or intent in seen:
            continue
        seen |= {command, intent}
        pairs.append((row, intent, command))
    return pairs


class Prompts:
    """Token ids of prompt and answer; None where the pair cannot be cut between tokens."""

    def __init__(self, tokenizer):
        self.encode = lambda text: tokenizer(text, add_special_tokens=False)["input_ids"]

    def pair(self, prompt, answer):
        head, tail = self.encode(prompt), self.encode(answer)
        return (head, tail) if head + tail == self.encode(prompt + answer) else None


def make_record(pair, support, prompts, model, tokenizer, rng):
    import torch

    row, intent, command = pair
    # Two sets of shots and the related pairs, all different.
    drawn = rng.sample(support, 2 * SHOTS + RELATED)
    shots, other, related = drawn[:SHOTS], drawn[SHOTS : 2 * SHOTS], drawn[2 * SHOTS :]
    texts = [(i, c) for _, i, c in shots]
    prompt, answer = render(texts, intent), f" {command}\n"
    cut = prompts.pair(prompt, answer)
    if cut is None:
        return None
    ids, answer_ids = cut
    with torch.inference_mode():
        run = model(input_ids=torch.tensor([ids + answer_ids]), use_cache=False, logits_to_keep=len(answer_ids) + 1)
    logits = run.logits[0, :-1]
    right = torch.tensor(answer_ids)
    wrong = (logits.argmax(-1) != right).nonzero().flatten().tolist()
    if not wrong:
        return None
    at = wrong[0]
    target, produced = answer_ids[at], int(logits[at].argmax())
    prefix_ids = answer_ids[:at]
    prefix = tokenizer.decode(prefix_ids)

    questions = [
        ("reworded", "frame", render(texts, intent, OTHER_FRAME)),
        ("reworded", "intent", render(texts, reword(intent))),
        ("reworded", "both", render(texts, reword(intent), OTHER_FRAME)),
        ("reordered", "reversed", render(texts[::-1], intent)),
        ("other_shots", "drawn", render([(i, c) for _, i, c in other], intent)),
    ]
    variants = []
    for kind, name, question in questions:
        cut = prompts.pair(question, answer)
        if cut is None:
            return None
        variants.append({"kind": kind, "name": name, "prompt": question + prefix, "prompt_ids": cut[0] + prefix_ids})
    others = []
    for _, i, c in related:
        question, reply = render(texts, i), f" {c}\n"
        cut = prompts.pair(question, reply)
        if cut is None:
            return None
        others.append({"prompt": question, "expected": reply, "prompt_ids": cut[0], "expected_ids": cut[1]})
    return {
        "item": row,
        "intent": intent,
        "shots": [r for r, _, _ in shots],
        "prompt": prompt + prefix,
        "expected": tokenizer.decode([target]),
        "produced": tokenizer.decode([produced]),
        "prompt_ids": ids + prefix_ids,
        "target_id": target,
        "produced_id": produced,
        "rank": int((logits[at] > logits[at, target]).sum()) + 1,
        "gap": round(float(logits[at, produced] - logits[at, target]), 4),
        "token_index": at,
        "wrong_tokens": wrong,
        "command": {"prompt": prompt, "expected": answer, "prompt_ids": ids, "expected_ids": answer_ids},
        "variants": variants,
        "related": others,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nl", type=pathlib.Path)
    parser.add_argument("cm", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=200, help="how many failures")
    parser.add_argument("--exclude-first", type=int, default=0, metavar="N", help="skip the first N items drawn")
    peer_model.add_arguments(parser)
    options = parser.parse_args()

    folder = peer_model.snapshot(options.model)
    model, tokenizer = peer_model.load_model(folder, options.threads), peer_model.load_tokenizer(folder)
    prompts = Prompts(tokenizer)
    pairs = read_pairs(options.nl, options.cm)
    random.Random(options.seed).shuffle(pairs)
    support, items = pairs[: len(pairs) // 4], pairs[len(pairs) // 4 :]
    made = used = 0
    for pair in items[options.exclude_first :]:
        if made == options.count:
            break
        used += 1
        rng = random.Random(f"{options.seed} {pair[0]}")
        record = make_record(pair, support, prompts, model, tokenizer, rng)
        if record:
            made += 1
            print(json.dumps(record), flush=True)
    first = options.exclude_first
    print(f"{made} failures from items {first} to {first + used - 1} of {len(items)}", file=sys.stderr)


if __name__ == "__main__":
    main()
