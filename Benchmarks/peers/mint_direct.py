#!/usr/bin/env python3
"""Published MINT (neuron patching) in plain PyTorch: the peer that `suture repair --method mint` is measured against.

    mint_direct.py failures.jsonl > results.jsonl            as the authors' code spends its time
    mint_direct.py --fast failures.jsonl > results.jsonl     the same algorithm, fairly optimized

Input: JSON lines {"prompt_ids": [...], "target_id": n}, token ids end to end; other fields are ignored. Each failure
is repaired from the original model. The algorithm, written from its description:
  - drift D = s_t - s_a, rows of pinv(head^T); traction tau = D / (max D - min D), the same for all layers;
  - score of a neuron = L2 norm over positions of activation * gradient of P(t), for the input of the MLP's
    output projection, layers of the upper half; candidates = the global top 10;
  - one step on neuron j: w_j <- (w_j + f tau) / (1 + f), f = 0.01; it is tried on every candidate, the one with the
    smallest P(a) - P(t) is kept, a := the new argmax; stop when a = t, or after 10 steps, when all is undone.
The direct form runs one attribution pass for each layer and one full forward for each candidate. `--fast` takes all
gradients from one pass and resumes each candidate from its own layer, with keys and values of all positions
recomputed from there on and candidates of one layer in one batch. Both give the same neurons.
Output: JSON lines {fixed, steps, patched [[layer, neuron]...], candidates, seconds}, a summary on stderr.
"""

import argparse
import json
import pathlib
import statistics
import sys
import time

import torch

import peer_model


class Mint:
    def __init__(self, model, factor=0.01, pool=10, limit=10, orthogonalize=False):
        self.model, self.factor, self.pool, self.limit = model, factor, pool, limit
        self.layers = list(model.model.layers)
        self.upper = range(len(self.layers) // 2, len(self.layers))
        self.basis = torch.linalg.pinv(model.lm_head.weight.T)  # [V, d]
        self.history = [] if orthogonalize else None

    # -- what the forms differ in ------------------------------------------------------------------

    def scores(self, ids, target):
        """[layers, m], one attribution pass for each layer."""
        return torch.stack([self.attribute(ids, target, [layer])[0] for layer in self.upper])

    def candidates_tried(self, ids, candidates, traction):
        """Probabilities [candidates, V] after one step on each, a full forward each."""
        rows = []
        for layer, neuron in candidates:
            column = self.column(layer, neuron)
            kept = column.clone()
            self.step(column, traction)
            rows.append(self.probabilities(ids))
            column.copy_(kept)
        return torch.stack(rows)

    # ----------------------------------------------------------------------------------------------

    def attribute(self, ids, target, layers):
        kept, handles = [], []
        for layer in layers:

            def hook(_, args):
                hidden = args[0].detach().requires_grad_(True) if not kept else args[0]
                kept.append(hidden)
                return (hidden,)

            handles.append(self.layers[layer].mlp.down_proj.register_forward_pre_hook(hook))
        with torch.enable_grad():
            logits = self.model(input_ids=ids, use_cache=False, logits_to_keep=1).logits[0, -1]
            gradients = torch.autograd.grad(logits.softmax(-1)[target], kept)
        for handle in handles:
            handle.remove()
        return [(hidden.detach() * g)[0].norm(dim=0) for hidden, g in zip(kept, gradients)]

    @torch.inference_mode()
    def probabilities(self, ids):
        return self.model(input_ids=ids, use_cache=False, logits_to_keep=1).logits[0, -1].softmax(-1)

    def column(self, layer, neuron):
        return self.layers[layer].mlp.down_proj.weight[:, neuron]

    def step(self, column, traction):
        column.add_(traction, alpha=self.factor).div_(1 + self.factor)

    def traction(self, target, produced):
        drift = self.basis[target] - self.basis[produced]
        traction = drift / (drift.max() - drift.min())
        if self.history:
            size = traction.norm()
            rest = traction.clone()
            for unit in self.history:  # orthonormal, so this is a projection
                rest -= (rest @ unit) * unit
            if rest.norm() >= 1e-8:
                traction = rest * (size / rest.norm())
        return traction

    def remember(self, traction):
        rest = traction.clone()
        for unit in self.history:
            rest -= (rest @ unit) * unit
        if rest.norm() > 1e-6 * traction.norm():
            self.history.append(rest / rest.norm())

    def repair(self, prompt, target):
        """Repairs one failure, reports, and restores the weights."""
        ids = torch.tensor([prompt])
        produced = int(self.probabilities(ids).argmax())
        result = {"fixed": produced == target, "steps": 0, "patched": [], "candidates": []}
        if result["fixed"]:
            return result | {"note": "was right already"}
        scores = self.scores(ids, target)
        best = scores.flatten().topk(self.pool).indices.tolist()
        candidates = [(self.upper[i // scores.shape[1]], i % scores.shape[1]) for i in best]
        result["candidates"] = candidates
        traction = self.traction(target, produced)
        originals = {c: self.column(*c).clone() for c in candidates}
        while not result["fixed"] and result["steps"] < self.limit:
            tried = self.candidates_tried(ids, candidates, traction)
            chosen = candidates[int((tried[:, produced] - tried[:, target]).argmin())]
            self.step(self.column(*chosen), traction)
            self.changed(chosen[0])
            produced = int(self.probabilities(ids).argmax())
            result["steps"] += 1
            result["patched"].append(chosen)
            result["fixed"] = produced == target
        for neuron, original in originals.items():
            self.column(*neuron).copy_(original)
        if result["fixed"] and self.history is not None:
            self.remember(traction)
        return result

    def changed(self, layer):
        """A patch was applied for good in `layer`."""


class FastMint(Mint):
    """One attribution pass; candidates resume from their own layer, those of one layer in one batch."""

    def scores(self, ids, target):
        self.inputs = {}
        handles = []
        for layer in self.upper:

            def hook(_, args, kwargs, layer=layer):
                self.inputs[layer] = (args[0] if args else kwargs["hidden_states"]).detach(), kwargs

            handles.append(self.layers[layer].register_forward_pre_hook(hook, with_kwargs=True))
        scores = torch.stack(self.attribute(ids, target, self.upper))
        for handle in handles:
            handle.remove()
        return scores

    @torch.inference_mode()
    def candidates_tried(self, ids, candidates, traction):
        out = torch.empty(len(candidates), self.model.config.vocab_size)
        for layer in {layer for layer, _ in candidates}:
            rows = [i for i, c in enumerate(candidates) if c[0] == layer]
            # The layer itself runs once; the step adds its change of the column times the activation.
            block = self.layers[layer]
            kept = []
            handle = block.mlp.down_proj.register_forward_pre_hook(lambda _, args: kept.append(args[0]))
            entering, kwargs = self.entering(layer)
            x = self.run(block, entering, kwargs)
            handle.remove()
            neurons = [candidates[i][1] for i in rows]
            columns = block.mlp.down_proj.weight[:, neurons]
            delta = self.factor * (traction[:, None] - columns) / (1 + self.factor)  # [d, n]
            x = x + kept[0][0][:, neurons].T[:, :, None] * delta.T[:, None, :]  # [n, T, d]
            for later in self.layers[layer + 1 :]:
                x = self.run(later, x, kwargs)
            out[rows] = self.head(x)
        return out

    @torch.inference_mode()
    def probabilities(self, ids):
        if not getattr(self, "resumed", False):
            return super().probabilities(ids)
        x, kwargs = self.entering(self.lowest)
        for layer in range(self.lowest, len(self.layers)):
            self.inputs[layer] = x, kwargs
            x = self.run(self.layers[layer], x, kwargs)
        return self.head(x)[0]

    def repair(self, prompt, target):
        self.resumed = False
        return super().repair(prompt, target)

    def changed(self, layer):
        self.resumed, self.lowest = True, layer

    def entering(self, layer):
        return self.inputs[layer]

    def head(self, x):
        return self.model.lm_head(self.model.model.norm(x[:, -1])).softmax(-1)

    def run(self, block, x, kwargs):
        out = block(x, **kwargs)
        return out[0] if isinstance(out, tuple) else out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("failures", type=pathlib.Path)
    parser.add_argument("--fast", action="store_true", help="suffix replay and one-pass attribution")
    parser.add_argument("--limit", type=int, help="how many failures of the file")
    parser.add_argument("--factor", type=float, default=0.01)
    parser.add_argument("--orthogonalize", action="store_true", help="against tractions of earlier successes")
    peer_model.add_arguments(parser)
    options = parser.parse_args()

    model = peer_model.load_model(peer_model.snapshot(options.model), options.threads)
    start = time.perf_counter()
    mint = (FastMint if options.fast else Mint)(model, options.factor, orthogonalize=options.orthogonalize)
    basis_seconds = time.perf_counter() - start
    seconds, fixed = [], 0
    for failure in peer_model.read_jsonl(options.failures, options.limit):
        start = time.perf_counter()
        result = mint.repair(failure["prompt_ids"], failure["target_id"])
        seconds.append(time.perf_counter() - start)
        fixed += result["fixed"]
        print(json.dumps(result | {"seconds": round(seconds[-1], 4)}), flush=True)
    summary = {
        "method": "mint fast" if options.fast else "mint direct",
        "failures": len(seconds),
        "fixed": fixed,
        "seconds_median": round(statistics.median(seconds), 3),
        "seconds_mean": round(statistics.mean(seconds), 3),
        "basis_seconds": round(basis_seconds, 2),
        "peak_rss_mb": peer_model.peak_rss_mb(),
        "threads": options.threads,
        **peer_model.versions(),
    }
    print(json.dumps(summary), file=sys.stderr)


if __name__ == "__main__":
    main()
