#!/usr/bin/env python3
"""A fixed sample of the random variants of Tests/Interop/conformance, with what transformers computes with them.

    .deps/interop/bin/python Tests/Goldens/generate/conformance.py

Writes Tests/Goldens/conformance/: folders of snapshots named models-SEED, files named gguf-SEED.gguf (or their parts, in
a folder), and for each NAME a NAME.golden.safetensors with the prompts a and b: ids [T] (int64) and logits [T, V].
The GGUF files that are there were drawn before there were wide variants and types of long blocks, which are too large for
a sample; of those types there are blocks in Tests/Goldens/formats.
"""

import shutil
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "Tests/Interop"))
warnings.filterwarnings("ignore")

import torch
import transformers
from safetensors.torch import save_file

from conformance import ggufs, variants
from models_record import update_manifest

FOLDER = ROOT / "Tests/Goldens/conformance"
LIMIT = 130_000


def size(path):
    return sum(f.stat().st_size for f in path.rglob("*") if f.is_file()) if path.is_dir() else path.stat().st_size


def models(count):
    """Two variants of each family, the first that transformers reads and that are small."""
    for family in variants.FAMILIES:
        made, seed = 0, 100_000
        while made < count:
            seed += 1
            folder = FOLDER / f"models-{family}-{seed}"
            try:
                notes, rng = variants.variant(seed, folder, family)
                if size(folder) > LIMIT or "no index" in notes or "qk_layernorm\": true" in (folder / "config.json").read_text():
                    raise ValueError("not this one")
                golden = variants.reference(folder, (11, 16), rng)
            except Exception:
                shutil.rmtree(folder, ignore_errors=True)
                continue
            save_file(golden, FOLDER / f"{folder.name}.golden.safetensors")
            (folder / "generation_config.json").unlink(missing_ok=True)
            print(folder.name, notes)
            made += 1


def files(count):
    for family in ggufs.ARCHITECTURES:
        made, seed = 0, 200_000
        while made < count:
            seed += 1
            folder = FOLDER / f"gguf-{family}-{seed}"
            folder.mkdir(parents=True)
            notes, rng, model, path = ggufs.variant(seed, folder / "model.gguf", family)
            if size(folder) > LIMIT:
                shutil.rmtree(folder)
                continue
            golden = {}
            for name, length in (("a", 11), ("b", 16)):
                ids = torch.tensor([rng.randrange(variants.VOCABULARY) for _ in range(length)])
                with torch.no_grad():
                    golden[f"{name}.ids"] = ids
                    golden[f"{name}.logits"] = model(ids[None]).logits[0].float().contiguous()
            save_file(golden, FOLDER / f"{folder.name}.golden.safetensors")
            print(folder.name, notes)
            made += 1


def main():
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    models(2)
    files(1)
    update_manifest("conformance", FOLDER, generator="generate/conformance.py", seed=100_000)


if __name__ == "__main__":
    main()
