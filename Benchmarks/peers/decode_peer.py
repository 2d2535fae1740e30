#!/usr/bin/env python3
"""Greedy decoding with transformers: process start to first token, tokens per second, peak memory, as JSON.

    decode_peer.py --prompt "The capital of France is" --tokens 64 --threads 2

Start to first token counts from the start of the process (imports, loading, prompt), as a user waits for it.
"""

import argparse
import json
import os
import time

import psutil

import peer_model


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompt", default="The capital of France is")
    parser.add_argument("--tokens", type=int, default=64)
    peer_model.add_arguments(parser)
    options = parser.parse_args()

    folder = peer_model.snapshot(options.model)
    import torch

    model, tokenizer = peer_model.load_model(folder, options.threads), peer_model.load_tokenizer(folder)
    inputs, cache, out, times = tokenizer(options.prompt, return_tensors="pt")["input_ids"], None, [], []
    with torch.inference_mode():
        for _ in range(options.tokens):
            run = model(input_ids=inputs, past_key_values=cache, use_cache=True, logits_to_keep=1)
            cache = run.past_key_values
            inputs = run.logits[:, -1].argmax(-1, keepdim=True)
            out.append(int(inputs))
            times.append(time.time())
    report = {
        "start_to_first_token_s": round(times[0] - psutil.Process(os.getpid()).create_time(), 3),
        "tokens_per_second": round((len(times) - 1) / (times[-1] - times[0]), 2) if len(times) > 1 else None,
        "peak_rss_mb": peer_model.peak_rss_mb(),
        "tokens": out,
        "text": tokenizer.decode(out),
        "threads": options.threads,
        **peer_model.versions(),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
