"""What the golden generators for models share: recording a run with hooks, writing files, keeping the manifest."""

import contextlib
import hashlib
import json
import pathlib

import torch
import transformers
from safetensors.torch import save_file
from transformers.pytorch_utils import Conv1D

GOLDENS = pathlib.Path(__file__).resolve().parent.parent
LIMIT = 300_000  # bytes; a golden is committed, so it stays small


class Parts:
    """The modules of one decoder, named alike for all families."""

    def __init__(self, model):
        def first(owner, *names):
            return next(getattr(owner, name) for name in names if hasattr(owner, name))

        self.model = model
        stack = first(model, "transformer", "gpt_neox", "model")
        self.layers = list(first(stack, "h", "layers"))
        self.final_norm = first(stack, "ln_f", "norm", "final_layer_norm", "final_layernorm")
        self.embedding = first(stack, "wte", "embed_tokens", "embed_in")
        self.attention = [first(layer, "attn", "self_attn", "attention") for layer in self.layers]
        self.mlp = [layer.mlp for layer in self.layers]
        self.attention_output = [first(part, "c_proj", "o_proj", "out_proj", "dense") for part in self.attention]
        self.mlp_output = [first(part, "c_proj", "down_proj", "fc_out", "fc2", "dense_4h_to_h") for part in self.mlp]
        self.output_is_transposed = isinstance(self.mlp_output[0], Conv1D)  # which keeps [in, out]
        self.head_count = model.config.num_attention_heads


@contextlib.contextmanager
def hooked(handles):
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def on_input(module, change):
    """Calls `change(input)` before `module` runs; what it returns, if anything, replaces the input."""

    def hook(_, args, kwargs):
        if args:
            new = change(args[0])
            return None if new is None else ((new, *args[1:]), kwargs)
        new = change(kwargs["hidden_states"])
        return None if new is None else (args, {**kwargs, "hidden_states": new})

    return module.register_forward_pre_hook(hook, with_kwargs=True)


def on_output(module, take):
    return module.register_forward_hook(lambda _, __, out: take(out[0] if isinstance(out, tuple) else out))


def record(model, ids, keep_graph=False):
    """Runs one prompt and returns (logits [T, V], {site: list of [1, T, width] for each layer})."""
    parts = Parts(model)
    sites = {"residual": [], "attn.heads": [], "attn.out": [], "mlp.hidden": [], "mlp.out": []}

    def keep(site):
        def take(x):
            if keep_graph and x.requires_grad:
                x.retain_grad()
            sites[site].append(x)

        return take

    handles = [on_input(m, keep("residual")) for m in [*parts.layers, parts.final_norm]]
    handles += [on_input(m, keep("attn.heads")) for m in parts.attention_output]
    handles += [on_output(m, keep("attn.out")) for m in parts.attention]
    handles += [on_input(m, keep("mlp.hidden")) for m in parts.mlp_output]
    handles += [on_output(m, keep("mlp.out")) for m in parts.mlp]
    with hooked(handles), torch.set_grad_enabled(keep_graph):
        logits = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]
    return logits, sites


def write(path, tensors, **metadata):
    made_with = {"torch": torch.__version__, "transformers": transformers.__version__}
    tensors = {k: v.detach().clone().contiguous() for k, v in tensors.items()}
    for name, value in tensors.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise SystemExit(f"{path}: {name} is not finite")
    # One key only: safetensors writes several in random order, and a golden must not change without reason.
    save_file(tensors, path, metadata={"golden": json.dumps(metadata | made_with, sort_keys=True)})
    if path.stat().st_size > LIMIT:
        raise SystemExit(f"{path} has {path.stat().st_size} bytes, the limit is {LIMIT}")


def update_manifest(section, folder, **facts):
    """Records versions, facts and the SHA-256 of every file below `folder` in MANIFEST.json."""
    path = GOLDENS / "MANIFEST.json"
    manifest = json.loads(path.read_text()) if path.exists() else {}
    files = {}
    for file in sorted(p for p in folder.rglob("*") if p.is_file()):
        files[str(file.relative_to(GOLDENS))] = hashlib.sha256(file.read_bytes()).hexdigest()
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    manifest[section] = {**facts, "reference": versions, "sha256": files}
    path.write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
