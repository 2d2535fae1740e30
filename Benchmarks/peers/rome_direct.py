#!/usr/bin/env python3
"""ROME, in its corrected form, in plain PyTorch: the peer of `suture repair --method rome`.

    rome_direct.py failures.jsonl --texts texts.json > results.jsonl

Input as mint_direct.py takes it, and reference texts as lists of token ids: their second moment is C, and the beginnings
of the first five are the contexts. Each failure, one token, is repaired from the original model, with the edit looked up
at the last token. Written from the formulas of Sources/SutureRepair/ROME.swift and ValueSearch.swift, as a user of
transformers would: each step of Adam runs the whole model on all contexts.
Output: JSON lines {fixed, steps, probability, norm, seconds}.
"""

import torch

import peer_model


class Rome:
    def __init__(self, model, texts, openings=5, steps=25, rate=0.5, decay=1e-3, clamp=4.0, enough=0.05, ridge=0.01):
        self.model, self.steps, self.rate, self.decay, self.clamp = model, steps, rate, decay, clamp
        self.enough = enough
        self.layer = (5 * len(model.model.layers) + 16) // 32
        self.mlp = model.model.layers[self.layer].mlp
        self.openings = [text[:10] for text in texts if len(text) >= 10][:openings]
        moment = self.moment(texts)
        moment = moment + ridge * moment.diagonal().mean() * torch.eye(len(moment), dtype=torch.float64)
        self.factor = torch.linalg.cholesky(moment)

    @torch.inference_mode()
    def moment(self, texts):
        width = self.mlp.down_proj.in_features
        total = torch.zeros(width, width, dtype=torch.float64)

        def add(_, args):
            keys = args[0][0]
            total.add_((keys.T @ keys).double())

        handle = self.mlp.down_proj.register_forward_pre_hook(add)
        for text in texts:
            self.model(input_ids=torch.tensor([text]), use_cache=False, logits_to_keep=1)
        handle.remove()
        return total / sum(map(len, texts))

    def repair(self, prompt, target):
        rows = [opening + prompt for opening in [[], *self.openings]]
        length = max(map(len, rows))
        ids = torch.tensor([row + [0] * (length - len(row)) for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in rows])
        lasts = torch.tensor([len(row) - 1 for row in rows])
        every = torch.arange(len(rows))
        kept = {}

        def logits():
            out = self.model(input_ids=ids, attention_mask=mask, use_cache=False).logits
            return out[every, lasts]

        handle = self.mlp.down_proj.register_forward_hook(
            lambda _, args, out: kept.update(keys=args[0][every, lasts], values=out[every, lasts])
        )
        with torch.inference_mode():
            logits()
        handle.remove()
        keys, value = kept["keys"].clone().double(), kept["values"][0].clone()
        delta = torch.zeros_like(value, requires_grad=True)
        optimizer = torch.optim.Adam([delta], lr=self.rate)

        def push(_, args, out):
            out = out.clone()
            out[every, lasts] += delta
            return out

        handle = self.mlp.down_proj.register_forward_hook(push)
        taken = 0
        for step in range(1, max(self.steps, 2)):
            optimizer.zero_grad()
            loss = -logits().log_softmax(-1)[:, target].mean()
            if step > 1:
                loss = loss + self.decay * delta.norm() / value.norm() ** 2
            taken = step
            if loss.item() < self.enough:
                break
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                limit = self.clamp * value.norm()
                if delta.norm() > limit:
                    delta *= limit / delta.norm()
        handle.remove()
        with torch.no_grad():
            mean, bare = keys.mean(0), keys[0]
            lifted = torch.cholesky_solve(mean[:, None], self.factor)[:, 0]
            weight = self.mlp.down_proj.weight
            missing = delta.double() + weight.double() @ (bare - mean)
            change = torch.outer((missing / (mean @ lifted)).float(), lifted.float())
            original = weight.clone()
            weight += change
            after = self.model(input_ids=torch.tensor([prompt]), use_cache=False, logits_to_keep=1)
            probabilities = after.logits[0, -1].softmax(-1)
            weight.copy_(original)
        return {
            "fixed": int(probabilities.argmax()) == target,
            "steps": taken,
            "probability": float(probabilities[target]),
            "norm": float(change.double().norm()),
        }


if __name__ == "__main__":
    peer_model.repair_all(__doc__, Rome)
