"""Holds `suture circuit` against formulas written out in PyTorch: every edge's score, and the curve of faithfulness.

    python Tests/Interop/circuits.py SUTURE

Tiny random models of transformers (GPT-2, and Llamas whose heads share keys and values, with and without biases), taken
apart here into what each head and MLP reads and writes, in float64. Ends with an error where the pieces do not give
transformers' own logits, a score is further away than 1e-4 of the largest, or a point of a curve further than 1e-3.
Needs `Scripts/setup-interop`.
"""

import json, random, subprocess, sys, tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

SUTURE = sys.argv[1]
FRACTIONS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1]
COMMON = dict(vocab_size=256, bos_token_id=None, eos_token_id=None, pad_token_id=None)
LLAMA = dict(hidden_size=24, intermediate_size=40, num_hidden_layers=3, hidden_act="silu", max_position_embeddings=64)
MODELS = {
    "gpt2": lambda: GPT2LMHeadModel(GPT2Config(n_embd=24, n_layer=3, n_head=3, n_positions=64, **COMMON)),
    "llama, 6 heads on 2": lambda: LlamaForCausalLM(
        LlamaConfig(num_attention_heads=6, num_key_value_heads=2, tie_word_embeddings=False, **LLAMA, **COMMON)),
    "llama, 4 heads on 1, biases": lambda: LlamaForCausalLM(
        LlamaConfig(num_attention_heads=4, num_key_value_heads=1, attention_bias=True, mlp_bias=True, **LLAMA, **COMMON)),
}


class Pieces:
    """A model as what its parts read and write."""

    def __init__(self, model):
        self.model = model
        c = model.config
        self.gpt2 = c.model_type == "gpt2"
        base = model.transformer if self.gpt2 else model.model
        self.blocks = base.h if self.gpt2 else base.layers
        self.norm = base.ln_f if self.gpt2 else base.norm
        self.embedding = base.wte if self.gpt2 else base.embed_tokens
        self.layers, self.heads = c.num_hidden_layers, c.num_attention_heads
        self.groups = self.heads if self.gpt2 else c.num_key_value_heads
        self.size = c.hidden_size // self.heads
        self.theta = None if self.gpt2 else c.rope_parameters["rope_theta"]

    def embed(self, ids):
        x = self.embedding(ids)
        return x + self.model.transformer.wpe(torch.arange(ids.shape[1])) if self.gpt2 else x

    def projection(self, layer, kind, head):
        """The rows of a projection that are a head's, and their bias."""
        attention = self.blocks[layer].attn if self.gpt2 else self.blocks[layer].self_attn
        if self.gpt2:
            start = "qkv".index(kind) * self.heads * self.size + head * self.size
            rows = slice(start, start + self.size)
            return attention.c_attn.weight.T[rows], attention.c_attn.bias[rows]
        part = head if kind == "q" else head // (self.heads // self.groups)
        rows = slice(part * self.size, (part + 1) * self.size)
        linear = getattr(attention, f"{kind}_proj")
        return linear.weight[rows], linear.bias[rows] if linear.bias is not None else 0

    def turned(self, x):
        if self.gpt2:
            return x
        half = self.size // 2
        angles = torch.arange(x.shape[1], dtype=x.dtype)[:, None] * self.theta ** (
            -torch.arange(half, dtype=x.dtype) / half)
        a, b = x[..., :half], x[..., half:]
        return torch.cat([a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()], -1)

    def head(self, layer, head, reads):
        """What a head writes, by what its queries, keys and values read."""
        block = self.blocks[layer]
        norm = block.ln_1 if self.gpt2 else block.input_layernorm
        q, k, v = (norm(reads[kind]) @ w.T + b for kind, (w, b) in ((k, self.projection(layer, k, head)) for k in "qkv"))
        scores = self.turned(q) @ self.turned(k).transpose(1, 2) / self.size**0.5
        seen = torch.ones(scores.shape[1:], dtype=torch.bool).tril()
        z = scores.masked_fill(~seen, -torch.inf).softmax(-1) @ v
        columns = slice(head * self.size, (head + 1) * self.size)
        out = block.attn.c_proj.weight.T if self.gpt2 else block.self_attn.o_proj.weight
        return z @ out[:, columns].T

    def output_bias(self, layer):
        block = self.blocks[layer]
        bias = block.attn.c_proj.bias if self.gpt2 else block.self_attn.o_proj.bias
        return 0 if bias is None else bias

    def mlp(self, layer, read):
        block = self.blocks[layer]
        return block.mlp((block.ln_2 if self.gpt2 else block.post_attention_layernorm)(read))

    def run(self, x, read):
        """Logits at the last position. `read(reader, written, constant)` says what a reader reads of what was written."""
        written, constant = [x], 0
        for layer in range(self.layers):
            before = list(written)
            for head in range(self.heads):
                reads = {kind: read((kind, layer, head), before, constant) for kind in "qkv"}
                written.append(self.head(layer, head, reads))
            constant = constant + self.output_bias(layer)
            written.append(self.mlp(layer, read(("m", layer, 0), list(written), constant)))
        stream = read(("logits", 0, 0), list(written), constant)
        return self.model.lm_head(self.norm(stream))[:, -1], written

    def readers(self):
        """In the order of the columns of a file of scores, with the number of senders before each."""
        for layer in range(self.layers):
            before = 1 + layer * (self.heads + 1)
            for kind in "qkv":
                for head in range(self.heads):
                    yield (kind, layer, head), before
            yield ("m", layer, 0), before + self.heads
        yield ("logits", 0, 0), 1 + self.layers * (self.heads + 1)


def plain(reader, written, constant):
    return sum(written) + constant


def gap(logits, pair):
    return logits[0, pair["a"]] - logits[0, pair["b"]]


def estimates(net, pair, points):
    """(corrupted - clean) . the mean gradient, for each sender (rows) and reader (columns)."""
    clean, corrupted = net.embed(pair["base"]), net.embed(pair["source"])
    with torch.no_grad():
        changes = [b - a for a, b in zip(net.run(clean, plain)[1], net.run(corrupted, plain)[1])]
    readers = list(net.readers())
    scores = torch.zeros(len(changes), len(readers))
    for point in points:
        inputs = {}

        def keep(reader, written, constant):
            inputs[reader] = sum(written) + constant
            return inputs[reader]

        start = (corrupted + point * (clean - corrupted)).detach().requires_grad_(True)
        # Each reader reads a sum of its own, so that its gradient is that of this reader alone.
        logits, _ = net.run(start, keep)
        gradients = torch.autograd.grad(gap(logits, pair), [inputs[reader] for reader, _ in readers])
        for column, ((_, before), gradient) in enumerate(zip(readers, gradients)):
            for row in range(before):
                scores[row, column] += (changes[row] * gradient).sum() / len(points)
    return scores


def circuit(net, pair, kept):
    """The gap when an edge carries what is written now if it is kept, and what the corrupted run wrote if not."""
    order = {reader: column for column, (reader, _) in enumerate(net.readers())}
    with torch.no_grad():
        corrupted = net.run(net.embed(pair["source"]), plain)[1]

        def read(reader, written, constant):
            column = order[reader]
            return sum(w if kept[row, column] else c for row, (w, c) in enumerate(zip(written, corrupted))) + constant

        return float(gap(net.run(net.embed(pair["base"]), read)[0], pair))


def suture(*arguments):
    done = subprocess.run([SUTURE, *map(str, arguments), "--format", "json"], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"suture {arguments}: {done.stderr}")
    return json.loads(done.stdout)


def tokenizer():
    """A byte is a token."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = iter(range(0x100, 0x200))
    vocabulary = {chr(b if b in visible else next(hidden)): b for b in range(256)}
    step = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}
    return {"model": {"type": "BPE", "vocab": vocabulary, "merges": []}, "pre_tokenizer": step, "decoder": {"type": "ByteLevel"}}


def texts(rng):
    """Pairs of three lengths that differ in one to three letters."""
    for index in range(6):
        base = [rng.choice("abcdefgh") for _ in range((5, 9, 9)[index % 3])]
        source = list(base)
        for place in rng.sample(range(len(base)), 1 + index % 3):
            source[place] = rng.choice("ijklm")
        answer, other = rng.sample("PQRS", 2)
        yield {"base": "".join(base), "source": "".join(source), "answer": answer, "other": other}


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def check(name, make, folder):
    torch.set_default_dtype(torch.float32)
    model = make()
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if "ln" not in parameter_name and "norm" not in parameter_name:
                parameter.normal_(0, 0.35)
    model.save_pretrained(folder)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer()))
    torch.set_default_dtype(torch.float64)
    net = Pieces(model.double().eval())
    rng = random.Random(name)
    pairs = list(texts(rng))
    written = [dict(pair) for pair in pairs]
    for pair, line in zip(pairs, written):
        for key in ("base", "source"):
            pair[key] = torch.tensor([list(pair[key].encode())])
        pair["a"], pair["b"] = ord(pair["answer"]), ord(pair["other"])
        with torch.no_grad():
            own, theirs = net.run(net.embed(pair["base"]), plain)[0], model(pair["base"]).logits[:, -1]
            corrupted = net.run(net.embed(pair["source"]), plain)[0]
        # transformers turns queries and keys in float32.
        assert (own - theirs).abs().max() < 1e-4, f"{name}: the pieces are not the model"
        if gap(own, pair) < gap(corrupted, pair):
            # The answer is what the clean prompt speaks for.
            pair["a"], pair["b"] = pair["b"], pair["a"]
            line["answer"], line["other"] = line["other"], line["answer"]
    path = folder / "pairs.jsonl"
    path.write_text("\n".join(map(json.dumps, written)))
    clean = mean(float(gap(net.run(net.embed(p["base"]), plain)[0].detach(), p)) for p in pairs)
    corrupted = mean(float(gap(net.run(net.embed(p["source"]), plain)[0].detach(), p)) for p in pairs)
    readers = list(net.readers())
    senders = readers[-1][1]
    edges = torch.zeros(senders, len(readers), dtype=torch.bool)
    for column, (_, before) in enumerate(readers):
        edges[:before, column] = True

    def exact():
        scores = torch.zeros(edges.shape)
        for row, column in edges.nonzero().tolist():
            kept = edges.clone()
            kept[row, column] = False
            scores[row, column] = mean(circuit(net, pair, kept) for pair in pairs) - clean
        return scores

    def estimated(points):
        return sum(estimates(net, pair, points) for pair in pairs) / len(pairs)

    for method, options, expected in [
        ("eap", [], estimated([1])), ("eap-ig", [], estimated([k / 5 for k in range(5)])),
        ("eap-ig", ["--steps", 3], estimated([k / 3 for k in range(3)])), ("exact", [], exact()),
    ]:
        file = folder.with_suffix(".safetensors")
        report = suture("circuit", folder, "--pairs", path, "--method", method, *options, "--scores", file, "--force")
        scores = load_file(file)["scores"].double()
        assert scores.shape == edges.shape and bool((scores[~edges] == 0).all())
        error = float((scores - expected).abs().max() / expected.abs().max())
        # Circuits of the scores as they were found: nearly equal ones may stand in either order.
        order = scores.abs().flatten().masked_fill(~edges.flatten(), -1).argsort(descending=True)
        curve = []
        for fraction in FRACTIONS:
            kept = torch.zeros(edges.numel(), dtype=torch.bool)
            kept[order[: int(fraction * int(edges.sum()))]] = True
            found = mean(circuit(net, pair, kept.reshape(edges.shape)) for pair in pairs)
            curve.append((found - corrupted) / (clean - corrupted))
        apart = max(abs(a - b["faithfulness"]["value"]) for a, b in zip(curve, report["points"]))
        steps = list(zip(zip(FRACTIONS, FRACTIONS[1:]), zip(curve, curve[1:])))
        cpr = sum((x2 - x1) * (y1 + y2) / 2 for (x1, x2), (y1, y2) in steps)
        cmd = sum((x2 - x1) * (abs(1 - y1) + abs(1 - y2)) / 2 for (x1, x2), (y1, y2) in steps)
        areas = max(abs(report["cpr"]["value"] - cpr), abs(report["cmd"]["value"] - cmd))
        print(f"{name}, {method} {' '.join(map(str, options))}: {int(edges.sum())} edges, scores {error:.1e}, "
              f"curve {apart:.1e}, CPR {cpr:.3f}, CMD {cmd:.3f}, {areas:.1e}")  # fmt: skip
        assert error < 1e-4 and apart < 1e-3 and areas < 1e-3, f"{name}: {method} is further away"


torch.manual_seed(0)
with tempfile.TemporaryDirectory() as place:
    for index, (name, make) in enumerate(MODELS.items()):
        folder = Path(place) / str(index)
        folder.mkdir()
        check(name, make, folder)
print("circuits: the same as by the formulas")
