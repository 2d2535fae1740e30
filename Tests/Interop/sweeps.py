"""Holds every cell of `suture sweep` against a run of transformers with hooks: that cell's own change, in a whole run.

    python Tests/Interop/sweeps.py SUTURE [MODEL.gguf]

Prompts that differ in 1 to 6 tokens, 1 to 9 tokens before their end, in every kind of sweep but causal tracing, whose
noise is drawn by Suture (Tests/SubspacesTests holds that one). Ends with an error where a cell is further away than 2e-3.
"""

import json, subprocess, sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Benchmarks" / "peers"))

import peer_model
import torch

SUTURE = sys.argv[1]
MODEL = Path(sys.argv[2]) if len(sys.argv) > 2 else peer_model.DEFAULT
TOLERANCE = 2e-3
BATCH = 24

# prompt, source, answer, other
PAIRS = [
    ("The capital of Australia is", "The capital of France is", " Sydney", " Paris"),
    ("The capital of Japan is", "The capital of Spain is", " Tokyo", " Madrid"),
    ("I live in Rome", "I live in Paris", " and", ","),
    ("She was born in Berlin", "She was born in London", ",", "."),
    ("The color of the sky is", "The color of the grass is", " blue", " green"),
    ("A dog says", "A cat says", " \"", " that"),
    ("two plus three is", "two plus nine is", " five", " twelve"),
    ("My favorite fruit", "My favorite animal", " is", " in"),
    ("He bought a red car", "He sold a blue car", " and", " for"),
    ("We went to the old house by the river", "We came to the new house by the road", " and", " to"),
    ("They drink hot tea", "They drink cold milk", " and", " with"),
    ("Water boils at one hundred", "Water freezes at zero degrees", " degrees", " and"),
    ("The sun", "The moon", " is", "'s"),
    ("Open the door", "Close the window", " and", " to"),
    ("list all files", "show all users", " in", " and"),
    ("The king of England", "The queen of Spain", " was", " is"),
    ("Monday comes before", "Friday comes after", " the", " Tuesday"),
    ("red green blue", "one two three", " and", ","),
    ("fast cars drive down long roads", "slow trains run over old tracks", ".", ","),
    ("a b c d e f", "g h i j k l", " g", " m"),
    ("When Mary and John went to the store, John gave a drink to",
     "When John and Mary went to the store, John gave a drink to", " Mary", " John"),
]
RECEIVERS = ["23.4", "12.1.keys", "20.5.values", "mlp.15", "logits"]


class Runner:
    """Whole runs of a batch of one prompt, each row with a change of its own."""

    def __init__(self, model):
        self.model = model
        self.layers = model.model.layers
        self.width = model.config.hidden_size // model.config.num_attention_heads

    def module(self, kind, layer):
        """The module that a kind of value enters (True) or leaves (False)."""
        if layer == len(self.layers):
            return self.model.model.norm, True
        block = self.layers[layer]
        return {
            "residual": (block, True), "attention": (block.self_attn.o_proj, False), "mlp": (block.mlp, False),
            "heads": (block.self_attn.o_proj, True), "hidden": (block.mlp.down_proj, True),
            "queries": (block.self_attn.q_proj, False), "keys": (block.self_attn.k_proj, False),
            "values": (block.self_attn.v_proj, False),
        }[kind]

    def run(self, ids, rows, visits):
        """visits: (kind, layer, function of the values [rows, positions, width] that may change them)."""
        handles = []
        for kind, layer, visit in visits:
            module, enters = self.module(kind, layer)
            if enters:
                hook = lambda m, a, k, visit=visit: ((visit(a[0] if a else k.pop("hidden_states")), *a[1:]), k)
                handles.append(module.register_forward_pre_hook(hook, with_kwargs=True))
            else:
                handles.append(module.register_forward_hook(lambda m, a, out, visit=visit: visit(out)))
        try:
            return self.model(torch.tensor([ids] * rows)).logits[:, -1]
        finally:
            for handle in handles:
                handle.remove()

    def captured(self, ids, sites):
        kept = {}

        def keep(site):
            def visit(value):
                kept[site] = value[0].detach().clone()
                return value
            return visit

        self.run(ids, 1, [(*site, keep(site)) for site in sites])
        return kept

    def changed(self, ids, changes):
        """One row for each change: (kind, layer, function of that row's values)."""
        logits = []
        for start in range(0, len(changes), BATCH):
            part = changes[start:start + BATCH]

            def visit(members):
                def apply(value):
                    value = value.clone()
                    for row in members:
                        value[row] = part[row][2](value[row])
                    return value
                return apply

            sites = {}
            for row, (kind, layer, _) in enumerate(part):
                sites.setdefault((kind, layer), []).append(row)
            logits.append(self.run(ids, len(part), [(*site, visit(rows)) for site, rows in sites.items()]))
        return torch.cat(logits)


def put(value, positions=slice(None), columns=slice(None)):
    def change(row):
        row = row.clone()
        row[positions, columns] = value[positions, columns]
        return row
    return change


def expected(runner, kind, pair, found, receiver=None):
    """The cells by whole runs, layers x columns."""
    base, source, answer, other = pair
    layers, heads = range(len(runner.layers)), runner.model.config.num_attention_heads
    width = runner.width
    difference = lambda logits: logits[:, answer] - logits[:, other]
    clean = difference(runner.run(base, 1, []))[0].item()
    columns = {"heads": heads, "neurons": len(found["cells"][0])}.get(kind, len(base))
    positions = range(len(base))
    name = {"neurons": "hidden", "paths": "heads"}.get(kind, kind)
    if kind == "attribution":
        name = "residual"
        values = {}

        def watch(layer):
            def visit(value):
                values[layer] = value
                value.retain_grad()
                return value
            return visit

        runner.model.model.embed_tokens.weight.requires_grad_(True)
        with torch.enable_grad():
            effect = 1 - difference(runner.run(base, 1, [(name, layer, watch(layer)) for layer in layers]))[0] / clean
            effect.backward()
        runner.model.model.embed_tokens.weight.requires_grad_(False)
        runner.model.model.embed_tokens.weight.grad = None
        lent = runner.captured(source, [(name, layer) for layer in layers])
        return [((lent[name, layer] - values[layer][0].detach()) * values[layer].grad[0]).sum(1).tolist() for layer in layers]
    lent = runner.captured(source, [(name, layer) for layer in layers] + [("mlp", layer) for layer in layers])
    if kind == "paths":
        own = runner.captured(base, list(lent))
        written = []
        for layer in range(len(found["cells"])):
            weight = runner.layers[layer].self_attn.o_proj.weight
            step = lent["heads", layer] - own["heads", layer]
            written += [step[:, h * width:(h + 1) * width] @ weight[:, h * width:(h + 1) * width].T for h in range(heads)]
            written.append(lent["mlp", layer] - own["mlp", layer])
        cells = through(runner, base, receiver, written)
        grid = (1 - difference(runner.changed(base, cells)) / clean).reshape(-1, heads + 1)
        if receiver.startswith("mlp."):
            grid[-1, heads] = 0  # the MLP itself does not lie before it
        return grid.tolist()
    cells = []
    for layer in layers:
        for column in range(columns):
            value = lent[name, layer]
            if kind == "heads":
                cells.append((name, layer, put(value, columns=slice(column * width, (column + 1) * width))))
            elif kind == "neurons":
                cells.append((name, layer, put(value, -1, found["neurons"][layer][column]["index"])))
            else:
                cells.append((name, layer, put(value, column)))
    return (1 - difference(runner.changed(base, cells)) / clean).reshape(len(layers), columns).tolist()


def through(runner, base, receiver, written):
    """The changes of the clean run that a receiver makes when each of `written` is added to the stream that it reads."""
    if receiver == "logits":
        return [("residual", len(runner.layers), lambda row, value=value: row + value) for value in written]
    parts = receiver.split(".")
    if parts[0] == "mlp":
        layer = int(parts[1])
        site, stream, columns = ("mlp", layer), ("attention", layer), slice(None)
    else:
        layer, head = int(parts[0]), int(parts[1])
        what = parts[2] if len(parts) > 2 else "queries"
        group = 1 if what == "queries" else runner.model.config.num_attention_heads // runner.model.config.num_key_value_heads
        start = head // group * runner.width
        site, stream, columns = (what, layer), ("residual", layer), slice(start, start + runner.width)
    kept = []
    for start in range(0, len(written), BATCH):
        part = torch.stack(written[start:start + BATCH])
        visits = [(*stream, lambda value: value + part), (*site, lambda value: kept.extend(value.clone()) or value)]
        runner.run(base, len(part), visits)
    return [(*site, put(value, columns=columns)) for value in kept]


def main():
    torch.set_grad_enabled(False)
    folder = peer_model.snapshot(MODEL)
    runner = Runner(peer_model.load_model(folder, 1, attention="eager"))
    tokenizer = peer_model.load_tokenizer(folder)
    kinds = ["residual", "attention", "mlp", "hidden", "heads", "neurons", "attribution"]
    wrong = 0
    for number, texts in enumerate(PAIRS):
        base, source, answer, other = (tokenizer.encode(text, add_special_tokens=False) for text in texts)
        if len(base) != len(source) or len(answer) != 1 or len(other) != 1:
            raise SystemExit(f"not a pair of equal lengths and single tokens: {texts}")
        first = next(i for i, (a, b) in enumerate(zip(base, source)) if a != b)
        line = f"{sum(a != b for a, b in zip(base, source))} tokens differ, {len(base) - first} from the first of them on:"
        # Each pair takes another receiver.
        for kind in kinds + ["paths"]:
            receiver = RECEIVERS[number % len(RECEIVERS)]
            options = ["--receiver", receiver] if kind == "paths" else ["--count", "4"] if kind == "neurons" else []
            run = subprocess.run(
                [SUTURE, "sweep", str(MODEL), "--kind", kind, "--prompt", texts[0], "--source", texts[1], "--answer",
                 texts[2], "--other", texts[3], "--format", "json", *options], check=True, capture_output=True, text=True)
            found = json.loads(run.stdout)
            found = found.get("data", found)
            cells = torch.tensor(found["cells"], dtype=torch.float64)
            reference = torch.tensor(
                expected(runner, kind, (base, source, answer[0], other[0]), found, receiver), dtype=torch.float64)
            distance = (cells - reference).abs() / reference.abs().clamp(min=1)
            bad = int((distance > TOLERANCE).sum())
            wrong += bad
            line += f" {kind}{' ' + receiver if kind == 'paths' else ''} {distance.max():.0e}"
            if bad:
                line += f" ({bad} OF {distance.numel()} CELLS DIFFER)"
        print(line, flush=True)
    if wrong:
        raise SystemExit(f"failed: {wrong} cells differ by more than {TOLERANCE}")
    print(f"ok: all cells of {len(PAIRS)} pairs are those of whole runs, to {TOLERANCE}")


main()
