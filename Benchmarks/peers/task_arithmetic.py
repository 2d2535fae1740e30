"""Subtracts two checkpoints and adds the difference to a third, as one writes it with safetensors and numpy.

    python task_arithmetic.py BASE TUNED TARGET OUT

float32 and float16 by numpy; bfloat16, which numpy lacks, by ml_dtypes where that is installed, else by its bits.
"""

import json, shutil, sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

def read(path):
    """All tensors as float32, and the names of those stored as bfloat16."""
    tensors, short = {}, set()
    for file in sorted(Path(path).glob("model*.safetensors")):
        raw = open(file, "rb").read()
        length = int.from_bytes(raw[:8], "little")
        for name, entry in json.loads(raw[8 : 8 + length]).items():
            if name == "__metadata__":
                continue
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            if entry["dtype"] == "BF16":
                short.add(name)
                values = (np.frombuffer(raw[begin:end], np.uint16).astype(np.uint32) << 16).view(np.float32)
            else:
                values = np.frombuffer(raw[begin:end], {"F32": np.float32, "F16": np.float16}[entry["dtype"]])
            tensors[name] = values.reshape(entry["shape"])
    return tensors, short

base, tuned, target, out = sys.argv[1:]
before, _ = read(base)
after, _ = read(tuned)
result, short = read(target)
for name in result:
    result[name] = result[name] + (after[name] - before[name])
Path(out).mkdir()
shutil.copy(Path(target) / "config.json", out)
if short:
    # safetensors' numpy side has no bfloat16 of its own: write the file by hand, as its format has it.
    header, offset, parts = {}, 0, []
    for name, values in result.items():
        bits = values.view(np.uint32)
        part = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16).tobytes()
        header[name] = {"dtype": "BF16", "shape": list(values.shape), "data_offsets": [offset, offset + len(part)]}
        offset += len(part)
        parts.append(part)
    text = json.dumps(header).encode()
    with open(Path(out) / "model.safetensors", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for part in parts:
            file.write(part)
else:
    save_file(result, Path(out) / "model.safetensors", metadata={"format": "pt"})
