"""What transformers draws the next token from, after its own filters: Tests/Goldens/sampling/sampling.json.

    python Tests/Goldens/generate/sampling.py

Random scores of 40 tokens, two of them equal, and what temperature, top-k, top-p and min-p leave of them, in the order in
which `generate` of transformers applies them.
"""

import hashlib
import json
from pathlib import Path

import torch
import transformers
from transformers import MinPLogitsWarper, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

SEED = 5
torch.manual_seed(SEED)
scores = (torch.randn(40, dtype=torch.float32) * 2).tolist()
scores[7] = scores[21]

SETTINGS = [
    {},
    {"temperature": 0.7},
    {"temperature": 1.8, "top_k": 5},
    {"top_k": 1},
    {"top_p": 0.9},
    {"top_p": 0.3},
    {"top_p": 0.0001},
    {"min_p": 0.05},
    {"min_p": 1.0},
    {"temperature": 0.9, "top_k": 20, "top_p": 0.8, "min_p": 0.1},
    {"temperature": 2.5, "top_k": 30, "top_p": 0.95, "min_p": 0.02},
]


def distribution(setting):
    row = torch.tensor([scores], dtype=torch.float64)
    ids = torch.zeros((1, 1), dtype=torch.long)
    if "temperature" in setting:
        row = TemperatureLogitsWarper(setting["temperature"])(ids, row)
    if "top_k" in setting:
        row = TopKLogitsWarper(setting["top_k"])(ids, row)
    if "top_p" in setting:
        row = TopPLogitsWarper(setting["top_p"])(ids, row)
    if "min_p" in setting:
        row = MinPLogitsWarper(setting["min_p"])(ids, row)
    return row.softmax(-1)[0].tolist()


GOLDENS = Path(__file__).resolve().parents[1]
out = {"scores": scores, "cases": [{"setting": setting, "probabilities": distribution(setting)} for setting in SETTINGS]}
target = GOLDENS / "sampling" / "sampling.json"
target.write_text(json.dumps(out) + "\n")

manifest_path = GOLDENS / "MANIFEST.json"
manifest = json.loads(manifest_path.read_text())
manifest["sampling"] = {
    "generator": "generate/sampling.py",
    "reference": {"torch": torch.__version__, "transformers": transformers.__version__},
    "seed": SEED,
    "sha256": {"sampling/sampling.json": hashlib.sha256(target.read_bytes()).hexdigest()},
}
manifest_path.write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")
