"""Holds steering vectors against repeng and transformers: how they are found, what they do, and their files.

    python Tests/Interop/steering.py SUTURE MODEL.gguf

Needs `Scripts/setup-interop steer`. A line for each check; the exit code is 1 if one failed. repeng reads the stream behind
the last layer as transformers gives it out, behind the last norm, where the vector is not added: of that layer only the
formula is compared, on the stream itself. scikit-learn's PCA, which repeng calls, draws at random where there are more than
500 channels; the same formula is computed with numpy's SVD, too.
"""

import json, shutil, subprocess, sys, tempfile
from pathlib import Path

import numpy as np
import torch

np.float_ = np.float64  # repeng 0.4.0 still asks for the name that numpy 1 had.
from repeng import ControlVector, DatasetEntry
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer, logging

SUTURE, MODEL = sys.argv[1], Path(sys.argv[2])
WORK = Path(tempfile.mkdtemp(prefix="suture-steering-"))
torch.set_num_threads(2)
logging.set_verbosity_error()
logging.disable_progress_bar()
failed = []

SUBJECTS = ["The weather today", "My job", "This movie", "The food here", "My neighbor", "The concert last night", "This book",
            "The hotel", "My morning", "The meeting", "Our trip", "The new phone"]  # fmt: skip
PAIRS = [(f"{s} was wonderful and I loved it. I feel so", f"{s} was terrible. I feel so") for s in SUBJECTS]
TEXTS = ["When I think about my life, I feel", "The capital of France is", "Once upon a time"]


def suture(*arguments):
    run = subprocess.run([SUTURE, *map(str, arguments)], capture_output=True, text=True)
    if run.returncode != 0:
        raise SystemExit(f"suture {arguments[0]}: {run.stderr.strip()[-300:]}")
    return run.stdout.strip()


def check(condition, message):
    print(f"{'ok' if condition else 'failed'}: {message}", flush=True)
    if not condition:
        failed.append(message)


def vectors(patch):
    """What a patch adds behind each layer."""
    with safe_open(patch, "np") as file:
        edits = json.loads(file.metadata()["suture"])["edits"]
        return {int(edit["tensor"].split(".")[2]): file.get_tensor(edit["delta"]) for edit in edits}


def cosine(a, b):
    return float(a.astype(np.float64) @ b.astype(np.float64) / np.linalg.norm(a) / np.linalg.norm(b))


def streams(network, tokenizer, texts):
    """The residual stream behind each layer at the last token, `[layers, texts, width]`."""
    kept = []

    def keep(_, __, output):
        kept[-1].append((output[0] if isinstance(output, tuple) else output)[0, -1].double().numpy())

    hooks = [layer.register_forward_hook(keep) for layer in network.model.layers]
    with torch.no_grad():
        for text in texts:
            kept.append([])
            network(**tokenizer(text, return_tensors="pt"))
    for hook in hooks:
        hook.remove()
    return np.array(kept).transpose(1, 0, 2)


def formula(values, method):
    """repeng's read_representations, with numpy's SVD; the mean for `mean`."""
    difference = values[::2] - values[1::2]
    if method == "mean":
        return difference.mean(0)
    if method == "pca":
        rows = difference
    else:
        center = (values[::2] + values[1::2]) / 2
        rows = np.concatenate([values[::2] - center, values[1::2] - center])
    direction = np.linalg.svd(rows - rows.mean(0), full_matrices=False)[2][0]
    direction *= np.sign(direction[np.abs(direction).argmax()])  # as scikit-learn has it, for where no side wins
    along = difference @ direction
    return -direction if np.mean(along < 0) > np.mean(along > 0) else direction


def steered(network, tokenizer, added, scale, text):
    hooks = []
    for index, vector in added.items():
        def add(_, __, output, vector=torch.tensor(vector) * scale):
            return (output[0] + vector, *output[1:]) if isinstance(output, tuple) else output + vector

        hooks.append(network.model.layers[index].register_forward_hook(add))
    with torch.no_grad():
        logits = network(**tokenizer(text, return_tensors="pt")).logits[0].numpy()
    for hook in hooks:
        hook.remove()
    return logits


def own_logits(model, text, *more):
    file = WORK / "logits.npy"
    suture("activations", model, "--site", "logits", "--tokens", "all", "-p", text, "-o", file, "--force", *more)
    return np.load(file)


def check_extraction(network, tokenizer, snapshot, pairs):
    layers = network.config.num_hidden_layers
    values = streams(network, tokenizer, [text for pair in PAIRS for text in pair])
    dataset = [DatasetEntry(*pair) for pair in PAIRS]
    patches = {}
    for method, theirs in [("mean", None), ("pca", "pca_diff"), ("pca-center", "pca_center")]:
        patch = patches[method] = WORK / f"{method}.safetensors"
        suture("steer", snapshot, "--pairs", pairs, "--method", method, "--layers", f"1-{layers - 1}", "-o", patch)
        found = vectors(patch)
        expected = {layer: formula(values[layer], method) for layer in found}
        far = max(np.abs(found[l] - expected[l]).max() / np.abs(expected[l]).max() for l in found)
        least = min(cosine(found[l], expected[l]) for l in found)
        check(sorted(found) == list(range(1, layers)) and least > 1 - 1e-6,
              f"{method}: {len(found)} layers as the formula says: cosine {least:.9f} at least, {far:.1g} away at most")
        if theirs:
            directions = ControlVector.train(network, tokenizer, dataset, method=theirs).directions
            near = [cosine(found[l], directions[l]) for l in range(1, layers - 1)]
            last = cosine(found[layers - 1], directions[layers - 1])
            check(min(near) > 0.999, f"{method}: repeng's {theirs}: cosine {min(near):.6f} at least in layers 1 to "
                  f"{layers - 2}; {last:.3f} in the last, which it reads behind the norm")  # fmt: skip
    return patches


def check_logits(network, tokenizer, snapshot, patches):
    for method, scale in [("mean", 0.05), ("pca", 1.5), ("pca-center", -2.0)]:
        far = size = moved = 0.0
        for text in TEXTS:
            expected = steered(network, tokenizer, vectors(patches[method]), scale, text)
            found = own_logits(snapshot, text, "--patch", f"{patches[method]}={scale}")
            far, size = max(far, np.abs(found - expected).max()), max(size, np.abs(expected).max())
            moved = max(moved, np.abs(expected - own_logits(snapshot, text)).max())
        check(far <= 1e-4 * size, f"{method} at {scale}: logits are those of transformers with a hook, {far:.2g} away, the "
              f"largest {size:.3g}; without the vectors {moved:.3g} away")  # fmt: skip


def check_files(network, tokenizer, snapshot, patch):
    file, back = WORK / "vector.gguf", WORK / "back.safetensors"
    suture("export", patch, "--to", "controlvector", "--base", snapshot, "-o", file)
    theirs, own = ControlVector.import_gguf(file), vectors(patch)
    check(theirs.model_type == "llama" and theirs.directions.keys() == own.keys()
          and all(np.array_equal(theirs.directions[l], own[l]) for l in own), "repeng reads the exported control vector, equal")
    again = WORK / "repeng.gguf"
    theirs.export_gguf(again)
    suture("import", again, "--base", snapshot, "-o", back)
    one, two = (json.loads(suture("show", p, "--format", "json"))["id"] for p in (patch, back))
    check(one == two, "what repeng wrote comes back as the same patch")


try:
    snapshot, pairs = WORK / "model", WORK / "pairs.jsonl"
    suture("convert", MODEL, "-o", snapshot)
    pairs.write_text("".join(json.dumps({"positive": p, "negative": n}) + "\n" for p, n in PAIRS))
    network = AutoModelForCausalLM.from_pretrained(snapshot, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(snapshot)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    tokenizer.padding_side = "right"
    patches = check_extraction(network, tokenizer, snapshot, pairs)
    check_logits(network, tokenizer, snapshot, patches)
    check_files(network, tokenizer, snapshot, patches["pca"])
finally:
    shutil.rmtree(WORK)
print(f"{len(failed)} failed")
sys.exit(1 if failed else 0)
