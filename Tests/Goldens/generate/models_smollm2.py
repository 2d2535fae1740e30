#!/usr/bin/env python3
"""What `transformers` computes with the real SmolLM2-135M-Instruct (GGUF Q4_1, dequantized to float32).

    Scripts/setup model && .deps/python/bin/python Tests/Goldens/generate/models_smollm2.py

Writes Tests/Goldens/smollm2/golden.safetensors. Prompt 0 is recorded in full, all of them in part:
  columns [16]              int64, fixed vocabulary columns
  prompt.<i>.ids [T]        int64, no BOS
  prompt.<i>.greedy [32]    int64, greedy continuation
  prompt.<i>.columns.logits [T, 16]
  prompt.<i>.top.ids, prompt.<i>.top.logits [T, 5]    largest logits of every position, in falling order
  prompt.<i>.last.ids, prompt.<i>.last.logits [50]    the same for the last position
  prompt.<i>.logsumexp [T]
  prompt.0.logits [49152]   last position
  prompt.0.residual [31, 576]       last position, entering each layer; the last is what enters the final norm
  tensor.<GGUF name>        first 8 values of the dequantized tensor, as the `gguf` package gives them (rows of
                            attn_q and attn_k in llama.cpp's order, which transformers then undoes)
"""

import hashlib
import importlib.metadata
import json

import gguf
import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

from models_record import GOLDENS, record, update_manifest, write

SEED = 20261124
MODEL = GOLDENS.parent.parent / ".deps" / "smollm2" / "SmolLM2-135M-Instruct.Q4_1.gguf"
PROMPTS = [
    "The capital of France is",
    "When John and Mary went to the store, John gave a drink to",
    "def add(a, b):\n    return",
    "# intent: Count the lines of a.txt\n$ wc -l a.txt\n\n# intent: Find all text files\n$",
    "<|im_start|>user\nName a color.<|im_end|>\n<|im_start|>assistant\n",
    "import",
]
TENSORS = ["token_embd.weight", "blk.0.attn_q.weight", "blk.29.ffn_down.weight"]


def greedy(model, ids, count=32):
    """Argmax decoding with the cache, without stopping at an end token."""
    cache, inputs, out = None, torch.tensor([ids]), []
    with torch.inference_mode():
        for _ in range(count):
            run = model(input_ids=inputs, past_key_values=cache, use_cache=True)
            cache, best = run.past_key_values, int(run.logits[0, -1].argmax())
            out.append(best)
            inputs = torch.tensor([[best]])
    return out


def main():
    torch.set_num_threads(2)
    transformers.logging.disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(
        MODEL.parent, gguf_file=MODEL.name, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(MODEL.parent, gguf_file=MODEL.name)
    generator = torch.Generator().manual_seed(SEED)
    columns = torch.randperm(model.config.vocab_size, generator=generator)[:16].sort().values
    tensors = {"columns": columns}
    for index, prompt in enumerate(PROMPTS):
        ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        logits, sites = record(model, ids)
        best, last = logits.topk(5), logits[-1].topk(50)
        named = {
            "ids": torch.tensor(ids),
            "greedy": torch.tensor(greedy(model, ids)),
            "columns.logits": logits[:, columns],
            "top.ids": best.indices,
            "top.logits": best.values,
            "last.ids": last.indices,
            "last.logits": last.values,
            "logsumexp": logits.logsumexp(-1),
        }
        if index == 0:
            named["logits"] = logits[-1]
            named["residual"] = torch.cat(sites["residual"])[:, -1]
        tensors |= {f"prompt.{index}.{name}": value for name, value in named.items()}
        print(f"{prompt!r} -> {tokenizer.decode(named['greedy'])!r}")
    reader = gguf.GGUFReader(MODEL)
    for name in TENSORS:
        tensor = next(t for t in reader.tensors if t.name == name)
        rows = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        tensors[f"tensor.{name}"] = torch.tensor(rows.reshape(-1)[:8].copy())
    folder = GOLDENS / "smollm2"
    folder.mkdir(exist_ok=True)
    write(folder / "golden.safetensors", tensors, seed=SEED, prompts=PROMPTS)
    (folder / "prompts.json").write_text(json.dumps(PROMPTS, indent=2) + "\n")
    update_manifest(
        "smollm2",
        folder,
        generator="generate/models_smollm2.py",
        seed=SEED,
        gguf=importlib.metadata.version("gguf"),
        model={"file": MODEL.name, "sha256": hashlib.sha256(MODEL.read_bytes()).hexdigest()},
    )


if __name__ == "__main__":
    main()
