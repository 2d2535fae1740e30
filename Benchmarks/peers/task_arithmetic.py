"""Subtracts two checkpoints and adds the difference to a third, tensor by tensor, as one writes it with numpy.

    python task_arithmetic.py BASE TUNED TARGET OUT

Only the results are held until they are written, in their own type. numpy lacks bfloat16: it is done by its bits.
"""

import json, shutil, sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

TYPES = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}

def index(path):
    """Where each tensor is: file, type, shape, start, and how many elements."""
    tensors = {}
    for file in sorted(Path(path).glob("model*.safetensors")):
        with open(file, "rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(length))
        for name, entry in header.items():
            if name != "__metadata__":
                count = int(np.prod(entry["shape"]))
                tensors[name] = file, entry["dtype"], entry["shape"], 8 + length + entry["data_offsets"][0], count
    return tensors

def read(file, dtype, shape, start, count):
    """A tensor as float32."""
    values = np.fromfile(file, TYPES[dtype], count, offset=start).reshape(shape)
    if dtype == "BF16":
        values = (values.astype(np.uint32) << 16).view(np.float32)
    return values.astype(np.float32, copy=False)

def stored(values, dtype):
    """float32 in another type, rounded to nearest, ties to even."""
    if dtype == "BF16":
        bits = values.view(np.uint32)
        return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
    return values.astype(TYPES[dtype], copy=False)

base, tuned, target, out = sys.argv[1:]
before, after = index(base), index(tuned)
results, types = {}, {}
for name, place in index(target).items():
    types[name] = place[1]
    results[name] = stored(read(*place) + (read(*after[name]) - read(*before[name])), place[1])
Path(out).mkdir()
shutil.copy(Path(target) / "config.json", out)
if "BF16" in types.values():
    # safetensors' numpy side has no bfloat16 of its own: write the file by hand, as its format has it.
    header, offset = {}, 0
    for name, values in results.items():
        header[name] = {"dtype": types[name], "shape": list(values.shape), "data_offsets": [offset, offset + values.nbytes]}
        offset += values.nbytes
    text = json.dumps(header).encode()
    with open(Path(out) / "model.safetensors", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for values in results.values():
            values.tofile(file)
else:
    save_file(results, Path(out) / "model.safetensors", metadata={"format": "pt"})
