"""The model as the peers use it: transformers, float32, from a snapshot directory.

A GGUF file is converted once (dequantized by transformers) into a float32 snapshot in the cache directory,
since that is what a user of transformers has on disk; timings then do not contain a dequantization.
"""

import hashlib
import json
import os
import pathlib
import resource
import sys

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TQDM_DISABLE", "1")  # 540 lines of progress say nothing in a benchmark

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEFAULT = ROOT / ".deps" / "smollm2" / "SmolLM2-135M-Instruct.Q4_1.gguf"


def add_arguments(parser):
    parser.add_argument("--model", type=pathlib.Path, default=DEFAULT, help="snapshot directory or GGUF file")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)


def snapshot(path):
    """The snapshot directory for `path`, converting a GGUF file on first use."""
    if path.is_dir():
        return path
    if not path.is_file():
        sys.exit(f"error: no model at {path}; run Scripts/setup model, or give --model")
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "suture" / "peers"
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:12]
    folder = cache / f"{path.stem}-{digest}-f32"
    if not (folder / "complete").exists():
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        print(f"peers: converting {path.name} to a float32 snapshot (once)", file=sys.stderr)
        loaded = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
        config = loaded.config
        if hasattr(config, "quantization_config"):  # a model that was quantized refuses to be saved
            del config.quantization_config
        model = type(loaded)(config)
        model.load_state_dict(loaded.state_dict())
        model.save_pretrained(folder)
        tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
        split_digits(path, tokenizer)
        tokenizer.save_pretrained(folder)
        (folder / "complete").touch()
    return folder


def split_digits(path, tokenizer):
    """Adds what transformers leaves out of a GGUF vocabulary of kind `smollm`: each digit stands alone."""
    from gguf import GGUFReader
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence

    kind = GGUFReader(path).get_field("tokenizer.ggml.pre")
    if kind is not None and kind.contents() == "smollm":
        steps = [Digits(individual_digits=True), ByteLevel(add_prefix_space=False, use_regex=True)]
        tokenizer.backend_tokenizer.pre_tokenizer = Sequence(steps)


def load_model(folder, threads, attention="sdpa"):
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.set_num_threads(threads)
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation=attention, local_files_only=True
    )
    return model.eval().requires_grad_(False)


def load_tokenizer(folder):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def versions():
    import torch
    import transformers

    return {"python": sys.version.split()[0], "torch": torch.__version__, "transformers": transformers.__version__}


def peak_rss_mb():
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def read_jsonl(path, limit=None):
    with open(path) as file:
        rows = [json.loads(line) for line in file if line.strip()]
    return rows[:limit]


def repair_all(description, method):
    """Repairs each failure with `method(model, texts).repair(prompt, target)` and prints what it returns, and the time."""
    import argparse
    import time

    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("failures", type=pathlib.Path)
    parser.add_argument("--texts", type=pathlib.Path, required=True, help="a JSON list of lists of token ids")
    parser.add_argument("--limit", type=int)
    add_arguments(parser)
    options = parser.parse_args()
    model = load_model(snapshot(options.model), options.threads)
    repairer = method(model, json.loads(options.texts.read_text()))
    for failure in read_jsonl(options.failures, options.limit):
        start = time.perf_counter()
        result = repairer.repair(failure["prompt_ids"], failure["target_id"])
        print(json.dumps(result | {"seconds": time.perf_counter() - start}), flush=True)
