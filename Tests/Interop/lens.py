"""Holds lens, attention, head attribution and ablation in generation against TransformerLens.

    python Tests/Interop/lens.py SUTURE MODEL.gguf

On the given model and on a tiny random GPT-2 (Tests/Goldens/models/gpt2). Ends with an error where a number is further away
than 1e-4 of its size, or of 1. Needs `Scripts/setup-python peers`.
"""

import json, subprocess, sys, tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Benchmarks" / "peers"))

import numpy
import peer_model
import torch
from transformer_lens.model_bridge import TransformerBridge
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

SUTURE, GGUF = sys.argv[1], Path(sys.argv[2])
TOLERANCE = 1e-4
worst = {}


def suture(*arguments):
    done = subprocess.run([SUTURE, *arguments, "--format", "json"], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"suture {' '.join(arguments)}: {done.stderr}")
    return json.loads(done.stdout)


def hold(name, found, expected):
    found, expected = numpy.asarray(found, dtype=float), numpy.asarray(expected, dtype=float)
    assert found.shape == expected.shape, f"{name}: {found.shape}, TransformerLens {expected.shape}"
    error = float((abs(found - expected) / numpy.maximum(1, abs(expected))).max())
    worst[name] = max(worst.get(name, 0), error)


def check(path, folder, prompt, source, answer, other):
    model = TransformerBridge.boot_transformers(str(folder), device="cpu", dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(prompt, return_tensors="pt").input_ids
    lent = tokenizer(source, return_tensors="pt").input_ids
    a, b = (tokenizer(prompt + text).input_ids[-1] for text in (answer, other))
    layers, heads = model.cfg.n_layers, model.cfg.n_heads
    own = ["-p", prompt, "--answer", answer, "--other", other]

    with torch.no_grad():
        logits, cache = model.run_with_cache(ids)
        found = suture("lens", str(path), *own, "--count", "50")

        # The logit lens: every residual stream through the last norm and the head.
        streams = [cache[f"blocks.{layer}.hook_resid_pre"] for layer in range(layers)]
        streams.append(cache[f"blocks.{layers - 1}.hook_resid_post"])
        for layer, stream in enumerate(streams):
            chances = model.unembed(model.ln_final(stream))[0].softmax(-1)
            cells = found["logit_lens"]["cells"][layer]
            hold("logit lens", [c["answer"]["probability"] for c in cells], chances[:, a])
            hold("top token", [c["probability"] for c in cells], chances.max(-1).values)

        # Direct logit attribution: each part, scaled as the last norm scales the whole stream.
        last = streams[-1][0, -1]
        centers = hasattr(model.original_model, "transformer")  # LayerNorm in GPT-2, RMSNorm in Llama
        norm = model.original_model.transformer.ln_f if centers else model.original_model.model.norm
        epsilon = norm.eps if centers else norm.variance_epsilon
        centered = last - last.mean() if centers else last
        scale = (centered.pow(2).mean() + epsilon).rsqrt()
        head = model.original_model.get_output_embeddings().weight
        direction = (head[a] - head[b]) * norm.weight
        if centers:
            direction = direction - direction.mean()

        def share(vector):
            return float(vector @ direction * scale)

        attribution = found["attribution"]
        hold("attention", attribution["attention"], [share(cache[f"blocks.{l}.hook_attn_out"][0, -1]) for l in range(layers)])
        hold("MLP", attribution["mlp"], [share(cache[f"blocks.{l}.hook_mlp_out"][0, -1]) for l in range(layers)])
        hold("score", attribution["total"], logits[0, -1, a] - logits[0, -1, b])
        expected = []
        for layer in range(layers):
            z = cache[f"blocks.{layer}.attn.hook_z"][0, -1]
            z = z.reshape(heads, -1)
            w = model.blocks[layer].attn.W_O.reshape(heads, z.shape[1], -1)
            expected.append([share(z[h] @ w[h]) for h in range(heads)])
        hold("heads", attribution["heads"], expected)
        for neuron in attribution["neurons"]:
            layer, index = neuron["neuron"]["layer"], neuron["neuron"]["index"]
            value = cache[f"blocks.{layer}.mlp.out.hook_in"][0, -1, index]
            hold("neurons", neuron["effect"], share(value * written(model, layer)[index]))

        # Attention patterns.
        for layer in (0, layers - 1):
            patterns = suture("attention", str(path), "-p", prompt, "--layer", str(layer))["patterns"]
            for pattern in patterns:
                truth = cache[f"blocks.{layer}.attn.hook_pattern"][0, pattern["head"]["index"]]
                hold("patterns", pattern["weights"], truth)

    # Attribution patching of heads: (source - base) * gradient of the share of the logit difference.
    if ids.shape == lent.shape:
        names = [f"blocks.{layer}.attn.hook_z" for layer in range(layers)]
        values, gradients = {}, {}

        def keeping(name):
            def keep(tensor, hook):
                values[name] = tensor
                tensor.requires_grad_(True)
                tensor.register_hook(lambda gradient: gradients.__setitem__(name, gradient))
                return tensor

            return keep

        with torch.enable_grad():
            run = model.run_with_hooks(ids, fwd_hooks=[(name, keeping(name)) for name in names])
            gap = run[0, -1, a] - run[0, -1, b]
            (1 - gap / gap.item()).backward()
        with torch.no_grad():
            _, other_cache = model.run_with_cache(lent)
            expected = []
            for name in names:
                change = (other_cache[name] - values[name]) * gradients[name]
                expected.append(change.reshape(ids.shape[1], heads, -1).sum((0, 2)).detach().numpy())
        cells = suture(
            "sweep", str(path), "--kind", "attribution", "--component", "heads", "--prompt", prompt, "--source", source,
            "--answer", answer, "--other", other)["cells"]
        hold("head attribution", cells, expected)

    # Generation without a head, by whole runs.
    layer, index = layers - 1, 1

    def ablate(z, hook):
        parts = z.clone().reshape(*z.shape[:2], heads, -1)
        parts[:, :, index] = 0
        return parts.reshape(z.shape)

    with torch.no_grad():
        text = ids
        for _ in range(12):
            run = model.run_with_hooks(text, fwd_hooks=[(f"blocks.{layer}.attn.hook_z", ablate)])
            text = torch.cat([text, run[:, -1].argmax(-1, keepdim=True)], 1)
        ablated = suture("lens", str(path), *own, "--ablate", f"attn.{layer}.head.{index}")
        first = model.run_with_hooks(ids, fwd_hooks=[(f"blocks.{layer}.attn.hook_z", ablate)])[0, -1]
        hold("score without a head", ablated["attribution"]["total"], first[a] - first[b])
    tokens = suture("generate", str(path), "-p", prompt, "-n", "12", "--ablate", f"attn.{layer}.head.{index}")["tokens"]
    expected = text[0, ids.shape[1]:].tolist()
    assert tokens == expected[: len(tokens)], f"generation without a head: {tokens}, TransformerLens {expected}"


def written(model, layer):
    """What each neuron writes, [neurons, width]."""
    original = model.original_model
    if hasattr(original, "transformer"):
        projection = original.transformer.h[layer].mlp.c_proj
    else:
        projection = original.model.layers[layer].mlp.down_proj
    weight = getattr(projection, "original_component", projection).weight
    return weight if hasattr(original, "transformer") else weight.T


def tiny(folder, tokenizer):
    """A random GPT-2 with a tokenizer of the real model."""
    torch.manual_seed(3)
    config = GPT2Config(
        vocab_size=49152, n_positions=64, n_embd=48, n_layer=3, n_head=4, bos_token_id=0, eos_token_id=0)
    model = GPT2LMHeadModel(config)
    for name, weight in model.named_parameters():  # biases and gains of a new model are 0 and 1
        weight.data += 0.2 * torch.randn_like(weight)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Path(folder)


PROMPTS = [
    ("When Mary and John went to the store, John gave a drink to",
     "When John and Mary went to the store, John gave a drink to", " Mary", " John"),
    ("The capital of France is", "The capital of Italy is", " Paris", " Rome"),
    ("Two plus three is", "Two plus nine is", " five", " six"),
]
real = peer_model.snapshot(GGUF)
with tempfile.TemporaryDirectory() as folder:
    for place, snapshot in [(GGUF, real), *[(Path(folder), tiny(folder, AutoTokenizer.from_pretrained(real)))]]:
        for prompt in PROMPTS:
            check(place, snapshot, *prompt)
for name, error in worst.items():
    print(f"{name:22} within {error:.1e}")
wrong = [name for name, error in worst.items() if not error <= TOLERANCE]
if wrong:
    sys.exit(f"further away than {TOLERANCE:g}: {', '.join(wrong)}")
print(f"{len(worst)} kinds of numbers of 2 models and {len(PROMPTS)} prompts are TransformerLens'")
