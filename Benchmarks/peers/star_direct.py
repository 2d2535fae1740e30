#!/usr/bin/env python3
"""STAR (semantic targeting for analytical repair) in plain PyTorch: the peer of `suture repair --method star`.

    star_direct.py failures.jsonl --texts texts.json > results.jsonl

Input as mint_direct.py takes it, and reference texts as lists of token ids. Each failure, one token, is repaired from the
original model. Written from the formulas of Sources/SutureRepair/STAR.swift, as a user of transformers would: one full
forward for each occluded layer, autograd over the weights of the chosen layers, torch.linalg.lstsq.
Output: JSON lines {fixed, layers, probability, norm, seconds}.
"""

import torch

import peer_model


class Star:
    def __init__(self, model, texts, rate=0.01, epochs=8, share=0.25):
        self.model, self.rate, self.epochs, self.share = model, rate, epochs, share
        self.blocks = [layer.mlp.down_proj for layer in model.model.layers]
        head = model.lm_head.weight.double()
        self.basis = torch.linalg.pinv(head.T).float()  # [V, d]
        self.energies = self.key_energies(texts)

    @torch.inference_mode()
    def key_energies(self, texts):
        """D of each layer: 1 / (E[k^2] + 1e-3 mean E[k^2])."""
        sums = [torch.zeros(block.in_features, dtype=torch.float64) for block in self.blocks]

        def hook(index):
            def add(_, args):
                sums[index] += args[0][0].double().square().sum(0)

            return add

        handles = [block.register_forward_pre_hook(hook(i)) for i, block in enumerate(self.blocks)]
        for text in texts:
            self.model(input_ids=torch.tensor([text]), use_cache=False, logits_to_keep=1)
        for handle in handles:
            handle.remove()
        count = sum(map(len, texts))
        means = [s / count for s in sums]
        return [1 / (mean + 1e-3 * mean.mean()) for mean in means]

    def logits(self, ids):
        return self.model(input_ids=ids, use_cache=False, logits_to_keep=1).logits[0, -1]

    @torch.inference_mode()
    def critical_layers(self, ids, target):
        losses = []
        for layer in self.model.model.layers:
            handle = layer.mlp.register_forward_hook(lambda _, args, out: args[0])
            losses.append(float(-self.logits(ids).log_softmax(-1)[target]))
            handle.remove()
        count = max(1, round(self.share * len(losses)))
        return sorted(sorted(range(len(losses)), key=lambda i: -losses[i])[:count])

    def repair(self, prompt, target):
        ids = torch.tensor([prompt])
        with torch.inference_mode():
            produced = int(self.logits(ids).argmax())
        layers = self.critical_layers(ids, target)
        difference = self.basis[target] - self.basis[produced]
        spread = torch.quantile(difference, 0.75) - torch.quantile(difference, 0.25)
        steer = difference / (spread + 1e-8)
        originals = {i: self.blocks[i].weight.detach().clone() for i in layers}
        for i in layers:
            self.blocks[i].weight.requires_grad_(True)
        keys = {}
        handles = [
            self.blocks[i].register_forward_pre_hook(lambda _, args, i=i: keys.update({i: args[0][0, -1].detach()}))
            for i in layers
        ]
        for _ in range(self.epochs):
            weights = [self.blocks[i].weight for i in layers]
            loss = -self.logits(ids).log_softmax(-1)[target]
            gradients = torch.autograd.grad(loss, weights)
            with torch.no_grad():
                for i, weight, gradient in zip(layers, weights, gradients):
                    root = self.energies[i].sqrt()
                    scaled = (keys[i].double() * root)[None]  # [1, m]
                    solution = torch.linalg.lstsq(scaled, steer.double()[None], driver="gelsd").solution  # [m, d]
                    prior = (solution * root[:, None]).T.float()
                    weight -= self.rate * prior.abs() * gradient.sign()
        for handle in handles:
            handle.remove()
        with torch.inference_mode():
            after = self.logits(ids).softmax(-1)
        changes = [self.blocks[i].weight.detach() - originals[i] for i in layers]
        norm = sum(float(change.double().square().sum()) for change in changes) ** 0.5
        with torch.no_grad():
            for i in layers:
                self.blocks[i].weight.requires_grad_(False).copy_(originals[i])
        return {
            "fixed": int(after.argmax()) == target,
            "layers": layers,
            "probability": float(after[target]),
            "norm": norm,
        }


if __name__ == "__main__":
    peer_model.repair_all(__doc__, Star)
