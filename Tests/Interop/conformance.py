#!/usr/bin/env python3
"""Random variants of what real libraries write, each computed with and compared, or refused with a reason.

    .deps/interop/bin/python Tests/Interop/conformance.py .build/release/suture [KIND] [FIRST [COUNT]] [--family NAME]

KIND: models, gguf, adapters, tokenizers or all. A seed is one variant, whatever the others are. A difference above the
rounding, a crash, and a file that the reference reads but that is refused as broken are errors; what is refused is
printed by reason.
"""

import argparse
import collections
import json
import random
import re
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
warnings.filterwarnings("ignore")

import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from conformance import adapters, ggufs, tokens, variants

transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
torch.set_num_threads(1)


def suture(binary, *arguments):
    run = subprocess.run([binary, *map(str, arguments)], capture_output=True, text=True, errors="replace")
    return run.returncode, run.stdout, run.stderr.strip()


def compared(binary, model, golden, folder):
    """How far a model's logits are from the reference: ("equal" or "different" or "refused" or "crash", what)."""
    save_file(golden, folder / "golden.safetensors")
    code, out, error = suture(binary, "parity", model, "--golden", folder / "golden.safetensors", "--format", "json")
    if code < 0 or code > 4:
        return "crash", f"exit {code}: {error[-200:]}"
    if not out:
        return "refused", error.splitlines()[-1] if error else f"exit {code}"
    size = max(1.0, *(float(t.abs().max()) for n, t in golden.items() if n.endswith("logits")))
    far = max(float(c["largest_difference"]) for c in json.loads(out)["comparisons"])
    return ("equal" if far <= 1e-4 * size else "different"), f"{far:.2g} of {size:.3g}"


def models(binary, seed, folder, family):
    notes, rng = variants.variant(seed, folder / "model", family)
    try:
        golden = variants.reference(folder / "model", (11, rng.choice([1, 5, 16, 30])), rng)
    except Exception as error:
        code, out, said = suture(binary, "generate", folder / "model", "-p", "x", "-n", "1")
        return notes, "not read by the reference", f"{str(error)[:60]!r}; suture: {said[:120]}"
    return notes, *compared(binary, folder / "model", golden, folder)


def gguf(binary, seed, folder, family):
    notes, rng, model, path = ggufs.variant(seed, folder / "model.gguf", family)
    golden = {}
    for name, length in (("a", 11), ("b", rng.choice([1, 5, 16, 30]))):
        ids = torch.tensor([rng.randrange(variants.VOCABULARY) for _ in range(length)])
        with torch.no_grad():
            golden[f"{name}.ids"], golden[f"{name}.logits"] = ids, model(ids[None]).logits[0].float().contiguous()
    end = compared(binary, path, golden, folder)
    if end[0] != "equal":
        return notes, *end
    # The snapshot that it becomes is the same to Suture, and to transformers.
    code, out, error = suture(binary, "convert", path, "-o", folder / "converted")
    if code != 0:
        return notes, "refused", error
    end = compared(binary, folder / "converted", golden, folder)
    if end[0] != "equal":
        return notes + ["converted"], *end
    other = AutoModelForCausalLM.from_pretrained(
        folder / "converted", attn_implementation="eager", dtype=torch.float32).eval()
    with torch.no_grad():
        far = max(float((other(golden[f"{n}.ids"][None]).logits[0] - golden[f"{n}.logits"]).abs().max()) for n in "ab")
    size = max(1.0, *(float(t.abs().max()) for n, t in golden.items() if n.endswith("logits")))
    return notes + ["converted, in transformers"], "equal" if far <= 1e-4 * size else "different", f"{far:.2g}"


def adapter(binary, seed, folder, family):
    notes, merged = adapters.variant(seed, folder, family)
    patch, out = folder / "patch.safetensors", folder / "out"
    code, _, error = suture(binary, "import", folder / "adapter", "--base", folder / "base", "-o", patch, "--format", "quiet")
    if code < 0 or code > 4:
        return notes, "crash", error[-200:]
    if code == 0:
        code, _, error = suture(binary, "apply", folder / "base", patch, "-o", out, "--format", "quiet")
    if code != 0:
        return notes, "refused", error
    far, name = adapters.farthest(merged, adapters.stored(out))
    if far > 1e-5:
        return notes, "different", f"{name} by {far:.2g}"
    # The other way: what is exported gives in peft what is applied here.
    code, _, error = suture(binary, "export", patch, "--to", "peft", "--base", folder / "base", "-o", folder / "exported")
    if code != 0:
        return notes + ["export"], "equal" if "dense" in error or "matrices only" in error else "refused", error
    again, missing = adapters.merged_again(folder)
    far, name = adapters.farthest(again, adapters.stored(out))
    if far > 1e-4 or missing:
        return notes + ["export"], "different", f"{name} by {far:.2g} {missing}"
    return notes, "equal", f"{far:.2g}"


def tokenizer(binary, seed, folder, family):
    notes, made, texts = tokens.build(seed)
    made.save(str(folder / "tokenizer.json"))
    (folder / "texts.json").write_text(json.dumps(texts))
    code, out, error = suture(
        Path(binary).with_name("suture-tokens"), folder / "tokenizer.json", folder / "texts.json")
    if code < 0:
        return notes, "crash", error[-200:]
    if code != 0:
        return notes, "refused", error
    for text, found in zip(texts, json.loads(out)):
        expected = made.encode(text)
        if found["ids"] != expected.ids:
            return notes, "different", f"{text!r}: {found['ids']} and not {expected.ids}"
        if found["text"] != made.decode(expected.ids, skip_special_tokens=False):
            return notes, "different", f"decoded: {found['text']!r} and not {made.decode(expected.ids, skip_special_tokens=False)!r}"
    return notes, "equal", ""


KINDS = dict(models=models, gguf=gguf, adapters=adapter, tokenizers=tokenizer)


def plain(reason):
    """A reason without the names and numbers of its variant."""
    reason = re.sub(r"^error: ", "", reason)
    reason = re.sub(r"/\S*/", "", reason)
    reason = re.sub(r"model\S*\.(gguf|safetensors)", "FILE", reason)
    reason = re.sub(r'"[^" ]*\.(weight|bias)"', "TENSOR", reason)
    return re.sub(r"\b\d+(\.\d+)?\b", "N", reason)[:150]


def ended(kind, seed, options):
    """What a variant is, how it ends, and why."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(options.keep or name)
        folder.mkdir(exist_ok=True)
        try:
            return KINDS[kind](options.binary, seed, folder, options.family)
        except Exception as error:
            return [], "no variant", repr(error)[:200]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("kind", nargs="?", default="all", choices=[*KINDS, "all"])
    parser.add_argument("first", nargs="?", type=int, default=1)
    parser.add_argument("count", nargs="?", type=int, default=100)
    parser.add_argument("--family")
    parser.add_argument("--keep", help="a folder in which the files of the last variant stay")
    parser.add_argument("--log", type=Path, help="a file of what has ended; what it has is not run again")
    options = parser.parse_args()
    failed, log = 0, open(options.log or "/dev/null", "a")
    known = [json.loads(line) for line in options.log.read_text().splitlines()] if options.log else []
    known = {(kind, seed): rest for kind, seed, *rest in known}
    for kind in KINDS if options.kind == "all" else [options.kind]:
        ends, reasons = collections.Counter(), collections.Counter()
        for seed in range(options.first, options.first + options.count):
            if (kind, seed) not in known:
                known[kind, seed] = ended(kind, seed, options)
                print(json.dumps([kind, seed, *known[kind, seed]]), file=log, flush=True)
            notes, end, what = known[kind, seed]
            ends[end] += 1
            if end in ("different", "crash", "no variant") or options.count == 1:
                print(f"{kind} {seed}: {end}: {what}  ({', '.join(notes)})", flush=True)
            if end in ("different", "crash"):
                failed += 1
            if end not in ("equal", "different", "crash"):
                reasons[end + ": " + plain(what)] += 1
        print(f"{kind}: " + ", ".join(f"{count} {end}" for end, count in ends.most_common()))
        for reason, count in reasons.most_common(25):
            print(f"  {count:5}  {reason}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
