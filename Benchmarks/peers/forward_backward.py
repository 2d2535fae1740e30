#!/usr/bin/env python3
"""Median time of one forward plus one backward with transformers, as JSON; weights get no gradients.

    forward_backward.py failures.jsonl --limit 20 --threads 2

Input: JSON lines {"prompt_ids": [...], "target_id": n}. The loss is the log-probability of the target at the last
position. Two variants, run in turn on each prompt: `embedding` takes the gradient for the embedding's output
(the cheapest full backward), `down_proj` the gradients for the inputs of all down_proj (what an attribution needs).
"""

import argparse
import json
import pathlib
import statistics
import time

import torch

import peer_model


def one(model, ids, target, variant):
    start = time.perf_counter()
    kept, handles = [], []
    embedded = model.get_input_embeddings()(ids).detach().requires_grad_(variant == "embedding")
    if variant == "down_proj":

        def hook(_, args):
            hidden = args[0] if kept else args[0].detach().requires_grad_(True)
            kept.append(hidden)
            return (hidden,)

        handles = [layer.mlp.down_proj.register_forward_pre_hook(hook) for layer in model.model.layers]
    logits = model(inputs_embeds=embedded, use_cache=False, logits_to_keep=1).logits[0, -1]
    forward = time.perf_counter() - start
    torch.autograd.grad(logits.log_softmax(-1)[target], kept or [embedded])
    for handle in handles:
        handle.remove()
    return forward, time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("failures", type=pathlib.Path)
    parser.add_argument("--limit", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    peer_model.add_arguments(parser)
    options = parser.parse_args()

    model = peer_model.load_model(peer_model.snapshot(options.model), options.threads)
    rows = peer_model.read_jsonl(options.failures, options.limit)
    times = {"embedding": [], "down_proj": []}
    forwards = []
    one(model, torch.tensor([rows[0]["prompt_ids"]]), rows[0]["target_id"], "embedding")  # warm up
    for row in rows:
        ids = torch.tensor([row["prompt_ids"]])
        for _ in range(options.repeats):
            for variant, kept in times.items():
                forward, both = one(model, ids, row["target_id"], variant)
                kept.append(both)
                forwards.append(forward)
    report = {
        "prompts": len(rows),
        "repeats": options.repeats,
        "prompt_tokens_median": statistics.median(len(row["prompt_ids"]) for row in rows),
        "forward_s_median": round(statistics.median(forwards), 4),
        "forward_backward_embedding_s_median": round(statistics.median(times["embedding"]), 4),
        "forward_backward_down_proj_s_median": round(statistics.median(times["down_proj"]), 4),
        "peak_rss_mb": peer_model.peak_rss_mb(),
        "threads": options.threads,
        **peer_model.versions(),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
